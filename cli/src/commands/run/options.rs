//! From what was typed behind `coracle run` to what the runtime is asked for.

use std::collections::BTreeMap;
use std::path::Path;

use coracle::runtime::{Bind, Network, RunOptions, Tmpfs, Ulimit};

use super::arguments::ContainerOptions;
use crate::failure::Failure;

/// What the surroundings of the command say.
pub(super) struct Surroundings<'a> {
    /// A variable of Coracle's own environment, which `-e NAME` passes on.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The directory from which `-v ./data:/data` is seen.
    pub(super) directory: &'a Path,
}

/// The runtime's options.
pub(super) fn run_options(
    options: &ContainerOptions,
    around: &Surroundings<'_>,
) -> Result<RunOptions, Failure> {
    let mut out = RunOptions {
        // An empty entrypoint takes the image's away, as in Docker.
        entrypoint: options
            .entrypoint
            .as_ref()
            .map(|program| match program.as_str() {
                "" => Vec::new(),
                program => vec![program.to_owned()],
            }),
        command: options.words.get(1..).unwrap_or_default().to_vec(),
        env: environment(options, around)?,
        labels: labels(&options.label),
        working_dir: options.workdir.clone(),
        user: options.user.clone(),
        hostname: options.hostname.clone(),
        network: network(&options.network)?,
        read_only: options.read_only,
        cap_add: options.cap_add.clone(),
        cap_drop: options.cap_drop.clone(),
        init: options.init,
        privileged: options.privileged,
        tty: options.tty,
        ..RunOptions::default()
    };
    for text in &options.tmpfs {
        out.tmpfs.push(Tmpfs::parse(text)?);
    }
    for text in &options.volume {
        out.binds.push(volume(text, around.directory)?);
    }
    for text in &options.mount {
        match mount(text, around.directory)? {
            Mount::Bind(bind) => out.binds.push(bind),
            Mount::Tmpfs(tmpfs) => out.tmpfs.push(tmpfs),
        }
    }
    for text in &options.ulimit {
        out.ulimits.push(Ulimit::parse(text)?);
    }
    for text in &options.security_opt {
        out.security_opt(text)?;
    }
    out.check()?;
    Ok(out)
}

/// `NAME=value`, or `NAME` with an empty value.
fn labels(list: &[String]) -> BTreeMap<String, String> {
    let parts = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    list.iter().map(parts).collect()
}

fn network(text: &str) -> Result<Network, Failure> {
    match text {
        "bridge" | "default" => Err(Failure::new(format!(
            "--network {text}: Docker has this, Coracle does not (yet); it comes with bridges and ports (chapter 17-network)"
        ))
        .hint("There are --network none (nothing but a loopback interface, the default) and --network host.")),
        _ => Ok(Network::parse(text)?),
    }
}

/// Files first, then single variables, so that the command line wins.
fn environment(
    options: &ContainerOptions,
    around: &Surroundings<'_>,
) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    for path in &options.env_file {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Failure::io(format!("read the environment file {}", path.display()), &e)
        })?;
        // What some editors put at the beginning of a file is no part of the first name.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(Failure::new(format!(
                    "{}:{}: {line:?} is no variable",
                    path.display(),
                    number + 1
                ))
                .hint("A line is NAME=value, NAME alone (the value is taken from here), or a # comment."));
            }
            // Unlike -e, a file's NAME without a value takes nothing away when it is not set here.
            if line.contains('=') || (around.variable)(line).is_some() {
                out.push(passed_on(line, around));
            }
        }
    }
    for text in &options.env {
        if text.is_empty() || text.starts_with('=') {
            return Err(Failure::new(format!(
                "--env {text:?}: a variable needs a name, as in NAME=value"
            )));
        }
        out.push(passed_on(text, around));
    }
    Ok(out)
}

/// `NAME` becomes `NAME=value` when it is set here; otherwise it takes the variable away.
fn passed_on(text: &str, around: &Surroundings<'_>) -> String {
    if text.contains('=') {
        return text.to_owned();
    }
    match (around.variable)(text) {
        Some(value) => format!("{text}={value}"),
        None => text.to_owned(),
    }
}

/// Reads `-v`. A path that begins with a dot is seen from here; a name would be a volume.
fn volume(text: &str, directory: &Path) -> Result<Bind, Failure> {
    let Some((source, rest)) = text.split_once(':') else {
        return Err(volumes_later(text));
    };
    if source.starts_with('.') {
        let source = absolute(source, directory);
        return Ok(Bind::parse(&format!("{source}:{rest}"))?);
    }
    if !source.is_empty() && !source.contains('/') {
        return Err(volumes_later(text));
    }
    Ok(Bind::parse(text)?)
}

fn volumes_later(text: &str) -> Failure {
    Failure::new(format!(
        "--volume {text}: Docker has this, Coracle does not (yet); it comes with volumes (chapter 18-engine)"
    ))
    .hint("A directory of this machine can be given: --volume /absolute/path:/inside, or ./path:/inside.")
}

fn absolute(path: &str, directory: &Path) -> String {
    let joined = directory.join(path);
    let mut out = std::path::PathBuf::new();
    for component in joined.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out.to_string_lossy().into_owned()
}

#[derive(Debug, PartialEq)]
enum Mount {
    Bind(Bind),
    Tmpfs(Tmpfs),
}

/// Reads `--mount type=bind,source=/a,target=/b,readonly`, a line of comma-separated fields.
fn mount(text: &str, directory: &Path) -> Result<Mount, Failure> {
    let wrong = |reason: &str| {
        Failure::new(format!("--mount {text}: {reason}")).hint(
            "It looks like type=bind,source=/on/host,target=/inside,readonly or type=tmpfs,target=/inside,tmpfs-size=64m.",
        )
    };
    let (mut kind, mut source, mut target, mut read_only) = ("volume", None, None, false);
    let mut tmpfs_options = Vec::new();
    for field in text.split(',') {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (field, None),
        };
        match (name, value) {
            ("type", Some(value)) => kind = value,
            ("source" | "src", Some(value)) => source = Some(value),
            ("target" | "dst" | "destination", Some(value)) => target = Some(value),
            ("readonly" | "ro", None | Some("true" | "1")) => read_only = true,
            ("readonly" | "ro", Some("false" | "0")) => read_only = false,
            ("tmpfs-size", Some(value)) => tmpfs_options.push(format!("size={value}")),
            ("tmpfs-mode", Some(value)) => tmpfs_options.push(format!("mode={value}")),
            _ => return Err(wrong(&format!("there is no field {field:?}"))),
        }
    }
    let target = target.ok_or_else(|| wrong("it has no target"))?;
    if !target.starts_with('/') {
        return Err(wrong("the target must be an absolute path"));
    }
    match kind {
        "bind" => {
            let source = source.ok_or_else(|| wrong("a bind needs a source"))?;
            let source = absolute(source, directory);
            if !Path::new(&source).exists() {
                return Err(Failure::new(format!(
                    "--mount {text}: there is nothing at {source}"
                )));
            }
            Ok(Mount::Bind(Bind {
                source,
                target: target.to_owned(),
                read_only,
            }))
        }
        "tmpfs" => Ok(Mount::Tmpfs(Tmpfs {
            target: target.to_owned(),
            options: tmpfs_options,
        })),
        "volume" => Err(volumes_later(text)),
        _ => Err(wrong("the types are bind and tmpfs")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    #[command(disable_help_flag = true)]
    struct Line {
        #[command(flatten)]
        options: ContainerOptions,
    }

    fn parse(line: &str) -> Result<RunOptions, Failure> {
        let words = std::iter::once("run").chain(line.split(' '));
        let options = Line::try_parse_from(words).unwrap().options;
        let variable = |name: &str| (name == "HERE").then(|| "yes".to_owned());
        let around = Surroundings {
            variable: &variable,
            directory: Path::new("/home/me/here"),
        };
        run_options(&options, &around)
    }

    fn check(line: &str, expected: &RunOptions) {
        assert_eq!(parse(line).unwrap(), *expected, "{line}");
    }

    fn refused(line: &str, part: &str) {
        let message = parse(line).unwrap_err().message.unwrap();
        assert!(message.contains(part), "{line}: {message}");
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn options_stand_before_the_image_and_arguments_after_it() {
        check(
            "-it -u app -w /srv -h box base ls -l --rm -h",
            &RunOptions {
                command: texts(&["ls", "-l", "--rm", "-h"]),
                user: Some("app".into()),
                working_dir: Some("/srv".into()),
                hostname: Some("box".into()),
                tty: true,
                ..RunOptions::default()
            },
        );
        check(
            "--entrypoint= base x",
            &RunOptions {
                command: texts(&["x"]),
                entrypoint: Some(vec![]),
                ..RunOptions::default()
            },
        );
    }

    #[test]
    fn variables_come_from_the_line_and_from_here() {
        check(
            "-e A=1 -e HERE -e GONE base",
            &RunOptions {
                env: texts(&["A=1", "HERE=yes", "GONE"]),
                ..RunOptions::default()
            },
        );
        refused("-e =x base", "needs a name");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "\u{feff}A=1\r\n\n# B=2\n  HERE\nGONE\n").unwrap();
        let line = format!("--env-file {} -e A=2 base", file.path().display());
        check(
            &line,
            &RunOptions {
                env: texts(&["A=1", "HERE=yes", "A=2"]),
                ..RunOptions::default()
            },
        );
        std::fs::write(&file, "A=1\nB C=2\n").unwrap();
        refused(&line, ":2: \"B C=2\" is no variable");
    }

    #[test]
    fn mounts() {
        let bind = |source: &str, target: &str, read_only| RunOptions {
            binds: vec![Bind {
                source: source.into(),
                target: target.into(),
                read_only,
            }],
            ..RunOptions::default()
        };
        check("-v /a:/b:ro base", &bind("/a", "/b", true));
        check("-v ./a:/b base", &bind("/home/me/here/a", "/b", false));
        check("-v ../a:/b base", &bind("/home/me/a", "/b", false));
        check(
            "--mount type=bind,src=/etc,dst=/b,readonly base",
            &bind("/etc", "/b", true),
        );
        let tmpfs = RunOptions {
            tmpfs: vec![Tmpfs {
                target: "/t".into(),
                options: texts(&["size=1m"]),
            }],
            ..RunOptions::default()
        };
        check("--mount type=tmpfs,target=/t,tmpfs-size=1m base", &tmpfs);
        check("--tmpfs /t:size=1m base", &tmpfs);
        refused("-v name:/b base", "it comes with volumes");
        refused("--mount target=/b base", "it comes with volumes");
        refused("--mount type=bind,target=/b base", "needs a source");
        refused(
            "--mount type=bind,source=/nowhere-at-all,target=/b base",
            "nothing at /nowhere-at-all",
        );
        refused(
            "--mount type=tmpfs,target=/b,colour=red base",
            "there is no field \"colour=red\"",
        );
    }

    #[test]
    fn networks() {
        check(
            "--network host base",
            &RunOptions {
                network: Network::Host,
                ..RunOptions::default()
            },
        );
        refused("--network bridge base", "it comes with bridges and ports");
        refused("--network mine base", "none and host");
    }
}
