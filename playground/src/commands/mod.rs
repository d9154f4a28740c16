//! `coracle …` in the session's command line, in the CLI's words.
//!
//! Only what means something without a kernel, files or a network: images, builds, registries and
//! containers that are nothing but changes.

pub(crate) mod build;
mod containers;
mod images;
mod registry;
mod words;

use coracle::build::sim::Call;
use coracle::diagnostic::did_you_mean;
use coracle::path::RootedPath;
use coracle::table::table;

pub(crate) use containers::changes;
pub(crate) use images::layer_sizes;

use crate::session::Moment;
use words::Words;

/// A command that is run.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// Everything that an act can change.
    pub(crate) moment: &'a mut Moment,
    /// Where the command is run.
    pub(crate) directory: RootedPath,
    /// What it prints, in pieces: 1 is standard output, 2 is standard error.
    pub(crate) printed: Vec<(u8, String)>,
}

/// How a command ended that did not do what it should: what to say, and the exit code.
pub(crate) struct Failure {
    message: String,
    code: i32,
}

impl<T: Into<String>> From<T> for Failure {
    fn from(message: T) -> Self {
        let message = message.into();
        Self { message, code: 1 }
    }
}

type Outcome = Result<(), Failure>;

/// Does a command.
type Work = fn(&mut Run<'_>, Words) -> Outcome;

/// Every command: its words, what it does, and whoever does it.
const COMMANDS: &[(&str, &str, Work)] = &[
    ("build", "Build an image from a Dockerfile", build::run),
    ("builder prune", "Remove build cache", build::prune),
    (
        "commit",
        "Create an image from a container's changes",
        containers::commit,
    ),
    (
        "diff",
        "Show what has changed in a container",
        containers::diff_,
    ),
    (
        "exec",
        "Run a command in a container (simulated)",
        containers::exec,
    ),
    ("history", "Show the history of an image", images::history),
    (
        "image ls-files",
        "List the files of an image or of one of its layers",
        images::files,
    ),
    ("images", "List images", images::list),
    ("ps", "List containers", containers::list),
    ("pull", "Download an image from a registry", registry::pull),
    ("push", "Upload an image to a registry", registry::push),
    ("rm", "Remove one or more containers", containers::remove),
    ("rmi", "Remove one or more images", images::remove),
    (
        "run",
        "Run a command in a new container (simulated)",
        containers::run,
    ),
    ("system df", "Show disk usage", images::usage),
    ("tag", "Create a tag that refers to an image", images::tag),
    ("tags", "List the tags of a repository", registry::tags),
];

/// Commands of the CLI that mean nothing here, and what does instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("load", "the button Import reads an archive"),
    ("save", "the button Export writes an archive"),
    ("login", "the registries of this tab want no login"),
    ("compose", "a browser tab runs no services"),
    ("doctor", "there is no kernel here to look at"),
];

/// Does a command whose name is not one of the shell's own; `None` if it is not one of ours.
pub(crate) fn call(call: &mut Call<'_>, moment: &mut Moment) -> Option<i32> {
    let (name, rest) = call.args.split_first()?;
    let mut run = Run {
        moment,
        directory: call.cwd.clone(),
        printed: Vec::new(),
    };
    let ended = match name.as_str() {
        "coracle" => command(&mut run, rest),
        "pretend" => pretend(&mut run, rest),
        _ => return None,
    };
    let printed = run.printed;
    for (stream, text) in printed {
        say(call, stream, &text);
    }
    Some(match ended {
        Ok(()) => 0,
        Err(Failure { message, code }) => {
            say(call, 2, &format!("{name}: {}\n", message.trim_end()));
            code
        }
    })
}

/// Writes what a command prints to where the shell takes it from.
fn say(call: &mut Call<'_>, stream: u8, text: &str) {
    let to = if stream == 1 {
        &mut call.out
    } else {
        &mut call.err
    };
    to.extend_from_slice(text.as_bytes());
}

impl Run<'_> {
    /// Prints a line on standard output.
    fn say(&mut self, line: &str) {
        self.print(1, &format!("{line}\n"));
    }

    /// Prints a line on standard error, where progress goes.
    fn note(&mut self, line: &str) {
        self.print(2, &format!("{line}\n"));
    }

    fn print(&mut self, stream: u8, text: &str) {
        match self.printed.last_mut() {
            Some((last, there)) if *last == stream => there.push_str(text),
            _ => self.printed.push((stream, text.to_owned())),
        }
    }
}

fn command(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let word = |n: usize| args.get(n).map_or("", String::as_str);
    if matches!(word(0), "" | "help" | "--help" | "-h") {
        run.print(1, &help());
        return Ok(());
    }
    let two = format!("{} {}", word(0), word(1));
    // `docker image build` and `docker build` are the same, and so here.
    let short = match word(0) {
        "image" | "container" => word(1),
        _ => word(0),
    };
    let short = match (word(0), short) {
        ("image", "ls") => "images",
        ("image", "rm") => "rmi",
        ("container", "ls") => "ps",
        (_, short) => short,
    };
    let found = COMMANDS.iter().find_map(|(name, _, work)| {
        let skip = match *name {
            name if name == two => 2,
            name if name == short => 1 + usize::from(matches!(word(0), "image" | "container")),
            _ => return None,
        };
        Some((skip, work))
    });
    if let Some((skip, work)) = found {
        return work(run, Words::new(&args[skip..]));
    }
    if let Some((name, instead)) = ELSEWHERE.iter().find(|(name, _)| *name == word(0)) {
        return Err(format!("{name} is not for the browser: {instead}").into());
    }
    let names = COMMANDS.iter().map(|(name, ..)| *name);
    let near = did_you_mean(word(0), names).map(|near| format!("; did you mean {near}?"));
    Err(format!(
        "there is no command {:?} here{}\n`coracle help` lists what there is.",
        word(0),
        near.unwrap_or_default()
    )
    .into())
}

fn help() -> String {
    let rows = COMMANDS
        .iter()
        .map(|(name, about, _)| vec![format!("  {name}"), (*about).to_owned()]);
    format!(
        "Of the commands of Coracle, a browser tab has these:\n\n{}\n\
         Files are changed as in a shell: cat, cp, mv, rm, mkdir, sed, and so on.\n\
         `pretend NAME [FILE...]` says what RUN takes a command to do that is not simulated.\n",
        table(&rows.collect::<Vec<_>>())
    )
}

/// `pretend NAME [FILE...]`, `pretend --forget NAME`.
fn pretend(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let mut words = Words::new(args);
    let forget = words.flag(&["--forget"]);
    let mut names = words.rest()?.into_iter();
    let Some(name) = names.next() else {
        return Err("name the command, and the files that it is to write, if any: pretend make /app/bin/app".into());
    };
    let files: Vec<String> = names.collect();
    if let Some(file) = files.iter().find(|file| !file.starts_with('/')) {
        return Err(format!("{file}: the path has to begin with a slash").into());
    }
    let pretend = &mut run.moment.state.pretend;
    if !forget {
        pretend.insert(name, files);
    } else if pretend.remove(&name).is_none() {
        return Err(format!("{name} is not pretended").into());
    }
    Ok(())
}
