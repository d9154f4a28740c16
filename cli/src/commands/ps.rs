//! `coracle ps`: which containers there are.

use coracle::linux::containers::Container;
use coracle::linux::snapshot::{RootFs, disk_usage};
use coracle::runtime::Status;
use serde_json::json;

use crate::containers;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::output::{self, human, time};

/// List containers
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle ps -a
  coracle ps -aq --filter status=exited
  coracle ps -a --format '{{.Names}}: {{.Status}}'

Without --all: the containers that run.

Fields: ID, Image, Command, CreatedAt, RunningFor, Ports, State, Status, Size, Names,
Labels, Mounts, Networks. In JSON, ID and Command are whole, CreatedAt is RFC 3339, Size is
bytes (0 unless --size is given), ExitCode is the number in Status.

Filters: ancestor=IMAGE, exited=CODE, id=ID, label=KEY[=VALUE], name=PART,
status=created|running|exited.

Chapter 18-engine of the book explains the states of a container."
)]
pub(crate) struct Options {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    pub(crate) filter: Vec<String>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Show n last created containers (includes all states)
    #[arg(short = 'n', long, value_name = "int")]
    pub(crate) last: Option<usize>,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    pub(crate) latest: bool,
    /// Don't truncate output
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    pub(crate) size: bool,
}

/// Lists the containers, newest first.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let filters = options.filter.iter().map(|text| Filter::parse(text));
    let filters = filters.collect::<Result<Vec<_>, _>>()?;
    if options.size {
        // Only there everything that a container wrote can be looked at.
        coracle::linux::userns::reenter(&mut coracle::event::ignore)?;
    }
    let mut found = containers::all(context)?;
    let last = options.last.or(options.latest.then_some(1));
    let chosen = filters.iter().any(|f| matches!(f, Filter::Status(_)));
    if !(options.all || last.is_some() || chosen) {
        found.retain(|c| matches!(c.status, Status::Running { .. }));
    }
    found.retain(|container| accepted(&filters, container));
    found.truncate(last.unwrap_or(usize::MAX));
    let mut rows = Vec::new();
    for container in &found {
        rows.push(row(container, options)?);
    }
    let text = if options.quiet && options.format.format.is_none() {
        let ids = rows.iter().filter_map(|row| row.shown["ID"].as_str());
        ids.flat_map(|id| [id, "\n"]).collect()
    } else {
        listing(rows, options.size).render(&format)?
    };
    output::print(&text)?;
    Ok(0)
}

fn listing(rows: Vec<Row>, size: bool) -> Listing {
    Listing {
        columns: if size {
            "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}"
        } else {
            "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
        },
        headers: &[
            ("ID", "CONTAINER ID"),
            ("Image", "IMAGE"),
            ("Command", "COMMAND"),
            ("CreatedAt", "CREATED AT"),
            ("RunningFor", "CREATED"),
            ("Ports", "PORTS"),
            ("State", "STATE"),
            ("Status", "STATUS"),
            ("Size", "SIZE"),
            ("Names", "NAMES"),
            ("Labels", "LABELS"),
            ("Mounts", "MOUNTS"),
            ("Networks", "NETWORKS"),
        ],
        rows,
    }
}

fn row(container: &Container, options: &Options) -> Result<Row, Failure> {
    let record = &container.record;
    let command = containers::command(container);
    let created = time::Moment::parse(&record.created);
    let ago = time::since(created);
    let status = status(&container.status);
    let size = if options.size { size(container)? } else { 0 };
    let labels = record.config.labels.iter();
    let labels: Vec<_> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mounts: Vec<_> = record.binds.iter().map(|b| b.source.as_str()).collect();
    let shown_command = format!(
        "\"{}\"",
        if options.no_trunc {
            command.clone()
        } else {
            shortened(&command)
        }
    );
    Ok(Row {
        shown: json!({
            "ID": if options.no_trunc { &record.id[..] } else { &record.id[..12] },
            "Image": record.image_name,
            "Command": shown_command,
            "CreatedAt": created.map_or("N/A".to_owned(), time::Moment::table),
            "RunningFor": ago,
            "Ports": "",
            "State": container.status.word(),
            "Status": status,
            "Size": human::size(size, 3),
            "Names": record.name,
            "Labels": labels.join(","),
            "Mounts": mounts.join(","),
            "Networks": record.network.to_string(),
        }),
        document: json!({
            "ID": record.id,
            "Image": record.image_name,
            "Command": command,
            "CreatedAt": record.created,
            "RunningFor": ago,
            "Ports": "",
            "State": container.status.word(),
            "Status": status,
            "ExitCode": container.status.code(),
            "Size": size,
            "Names": record.name,
            "Labels": record.config.labels,
            "Mounts": mounts,
            "Networks": record.network.to_string(),
        }),
    })
}

/// Where a container stands, as Docker says it.
fn status(status: &Status) -> String {
    let since = |text: &str| time::since(time::Moment::parse(text));
    match status {
        Status::Created { .. } => "Created".to_owned(),
        Status::Running { started, .. } => {
            format!("Up {}", since(started).trim_end_matches(" ago"))
        }
        Status::Exited(end) => format!("Exited ({}) {}", end.code, since(&end.finished)),
    }
}

/// How much of a command a table shows, in characters, as in Docker.
const COMMAND: usize = 20;

fn shortened(command: &str) -> String {
    let line = command.replace(['\t', '\n'], " ");
    if line.chars().count() <= COMMAND {
        return line;
    }
    let start: String = line.chars().take(COMMAND - 1).collect();
    format!("{start}…")
}

/// The bytes on disk that are the container's own.
fn size(container: &Container) -> Result<u64, Failure> {
    let own = match &container.record.root {
        RootFs::Overlay { upper, .. } => upper,
        RootFs::Directory(path) => path,
    };
    Ok(disk_usage(own)?)
}

/// One `--filter`. Of one kind, any may hold; of different kinds, all must.
#[derive(Debug, PartialEq, Eq)]
enum Filter {
    Ancestor(String),
    Exited(u8),
    Id(String),
    Label(String, Option<String>),
    Name(String),
    Status(String),
}

const STATES: [&str; 3] = ["created", "running", "exited"];

impl Filter {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |reason: String| Failure::new(format!("--filter {text}: {reason}"));
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| wrong("a filter looks like name=value".to_owned()))?;
        let value = value.to_owned();
        Ok(match name {
            "ancestor" => Self::Ancestor(value),
            "exited" => Self::Exited(
                value
                    .parse()
                    .map_err(|_| wrong("an exit code is a number from 0 to 255".to_owned()))?,
            ),
            "id" => Self::Id(value),
            "label" => match value.split_once('=') {
                Some((key, value)) => Self::Label(key.to_owned(), Some(value.to_owned())),
                None => Self::Label(value, None),
            },
            "name" => Self::Name(value),
            "status" if STATES.contains(&value.as_str()) => Self::Status(value),
            "status" => {
                return Err(wrong(format!("the states are {}", STATES.join(", "))));
            }
            _ => {
                return Err(wrong(format!(
                    "there is no filter {name}; there are ancestor, exited, id, label, name, status"
                )));
            }
        })
    }

    fn accepts(&self, container: &Container) -> bool {
        let record = &container.record;
        match self {
            Self::Ancestor(image) => {
                record.image_name == *image || record.image.hex().starts_with(image.as_str())
            }
            Self::Exited(code) => {
                matches!(&container.status, Status::Exited(end) if end.code == *code)
            }
            Self::Id(id) => record.id.starts_with(id.as_str()),
            Self::Label(key, value) => {
                let has = record.config.labels.get(key);
                has.is_some_and(|has| value.as_ref().is_none_or(|value| value == has))
            }
            Self::Name(part) => record.name.contains(part.as_str()),
            Self::Status(word) => container.status.word() == word,
        }
    }
}

fn accepted(filters: &[Filter], container: &Container) -> bool {
    let same_kind = |a: &Filter, b: &Filter| std::mem::discriminant(a) == std::mem::discriminant(b);
    filters.iter().all(|filter| {
        let mut alike = filters.iter().filter(|other| same_kind(filter, other));
        match filter {
            // Every label that is named must be there.
            Filter::Label(..) => filter.accepts(container),
            _ => alike.any(|other| other.accepts(container)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_understood_or_refused() {
        let check =
            |text: &str, expected: Result<Filter, &str>| match (Filter::parse(text), expected) {
                (Ok(filter), Ok(expected)) => assert_eq!(filter, expected),
                (Err(failure), Err(part)) => {
                    let message = failure.message.unwrap();
                    assert!(message.contains(part), "{message}");
                }
                (got, _) => panic!("{text}: {got:?}"),
            };
        check("status=exited", Ok(Filter::Status("exited".into())));
        check("label=a", Ok(Filter::Label("a".into(), None)));
        check(
            "label=a=b=c",
            Ok(Filter::Label("a".into(), Some("b=c".into()))),
        );
        check("exited=137", Ok(Filter::Exited(137)));
        check("exited=x", Err("a number from 0 to 255"));
        check(
            "status=gone",
            Err("the states are created, running, exited"),
        );
        check("colour=red", Err("there is no filter colour"));
        check("name", Err("looks like name=value"));
    }

    #[test]
    fn a_long_command_is_cut() {
        assert_eq!(shortened("sh -c 'echo a\nb'"), "sh -c 'echo a b'");
        assert_eq!(shortened("0123456789012345678901"), "0123456789012345678…");
    }
}
