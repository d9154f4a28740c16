//! Containers that are nothing but changes: `coracle run`, `exec`, `ps`, `diff`, `commit`, `rm`.

use coracle::accounts::{Accounts, Identity};
use coracle::build::sim;
use coracle::image::{Draft, store_layer};
use coracle::layer::diff;
use coracle::path::RootedPath;
use coracle::reference::Reference;
use coracle::spec::History;
use coracle::table::table;
use coracle::tree::{Kind, Timestamp, Tree, resolve};

use super::build::{parse_tag, set_tag};
use super::words::Words;
use super::{Failure, Outcome, Run, registry};
use crate::names;
use crate::session::{quote, shell};
use crate::stack::{Stacks, differences, is_passing};
use crate::state::Container;

/// `coracle run`: the container stays, as one that has ended, unless `--rm` is said.
pub(super) fn run(run: &mut Run<'_>, mut words: Words) -> Outcome {
    let name = words.value(&["--name"])?;
    words.program_follows();
    let gone = words.flag(&["--rm"]);
    let args = words.rest()?;
    let Some((image, command)) = args.split_first() else {
        return Err("usage: coracle run [--name NAME] [--rm] IMAGE [COMMAND] [ARG...]".into());
    };
    let name = name.unwrap_or_else(|| free_name(run));
    if run.moment.state.containers.contains_key(&name) {
        return Err(format!(
            "there is a container {name} already; coracle rm {name} takes it away"
        )
        .into());
    }
    let mut container = create(run, image)?;
    let config = &container.config.config;
    let command = match command {
        [] => config
            .entrypoint
            .iter()
            .chain(&config.cmd)
            .cloned()
            .collect(),
        given => [&config.entrypoint[..], given].concat(),
    };
    let code = execute(run, &mut container, &command);
    if !gone {
        run.moment.state.containers.insert(name, container);
    }
    ended(code)
}

/// `coracle exec`.
pub(super) fn exec(run: &mut Run<'_>, mut words: Words) -> Outcome {
    words.program_follows();
    let args = words.rest()?;
    let (Some(name), command) = (args.first(), args.get(1..).unwrap_or_default()) else {
        return Err("usage: coracle exec CONTAINER COMMAND [ARG...]".into());
    };
    if command.is_empty() {
        return Err(format!("say what to run in {name}: coracle exec {name} COMMAND").into());
    }
    let mut container = find(run, name)?.clone();
    let code = execute(run, &mut container, command);
    run.moment.state.containers.insert(name.clone(), container);
    ended(code)
}

/// `coracle ps`.
pub(super) fn list(run: &mut Run<'_>, mut words: Words) -> Outcome {
    words.flag(&["-a", "--all"]);
    let [] = words.exactly("ps")?;
    let head = ["NAMES", "IMAGE", "CHANGES"].map(str::to_owned).to_vec();
    let containers = run.moment.state.containers.iter();
    let rows = containers.map(|(name, container)| {
        let count = changes(container).len().to_string();
        vec![name.clone(), container.image.familiar(), count]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    run.print(1, &table(&rows));
    Ok(())
}

/// `coracle diff`.
pub(super) fn diff_(run: &mut Run<'_>, words: Words) -> Outcome {
    let [name] = words.exactly("diff CONTAINER")?;
    for line in changes(find(run, &name)?) {
        run.say(&line);
    }
    Ok(())
}

/// `coracle commit`.
pub(super) fn commit(run: &mut Run<'_>, mut words: Words) -> Outcome {
    let message = words.value(&["-m", "--message"])?;
    let [name, target] = words.exactly("commit [-m MESSAGE] CONTAINER IMAGE[:TAG]")?;
    let tag = parse_tag(&target)?;
    let container = find(run, &name)?.clone();
    let store = run.moment.state.store.clone();
    let layer = diff(&container.lower, &container.tree);
    let stored = store_layer(&store, &layer).map_err(|e| e.to_string())?;
    let mut draft = Draft {
        config: container.config.clone(),
        layers: container.layers.clone(),
    };
    draft.push(
        stored,
        History {
            created: Some(Timestamp::default().rfc3339()),
            created_by: Some("coracle commit".to_owned()),
            comment: message,
            ..History::default()
        },
    );
    let image = draft.commit(&store).map_err(|e| e.to_string())?;
    set_tag(&store, &tag.canonical(), &image.descriptor)?;
    run.say(image.id().as_str());
    Ok(())
}

/// `coracle rm`.
pub(super) fn remove(run: &mut Run<'_>, mut words: Words) -> Outcome {
    words.flag(&["-f", "--force"]);
    let names = words.rest()?;
    if names.is_empty() {
        return Err("usage: coracle rm CONTAINER [CONTAINER...]".into());
    }
    for name in names {
        find(run, &name)?;
        run.moment.state.containers.remove(&name);
        run.say(&name);
    }
    run.moment.state.collect();
    Ok(())
}

/// A container of an image, which is pulled when it is not here.
fn create(run: &mut Run<'_>, image: &str) -> Result<Container, Failure> {
    let state = &mut run.moment.state;
    let mut lines = Vec::new();
    let found = match names::find(&state.store, image) {
        Ok(found) => found,
        Err(message) => {
            let reference: Reference = image.parse().map_err(|_| message.clone())?;
            lines = registry::fetch(state, &reference).map_err(|_| message)?;
            names::find(&state.store, image)?
        }
    };
    let (named, typed) = found;
    let reference = typed.or_else(|| named.references.first().cloned());
    let layers = named.image.layers();
    let lower = Stacks::default().tree(&state.store, &layers)?;
    for line in lines {
        run.note(&line);
    }
    Ok(Container {
        image: reference.unwrap_or(image.parse().map_err(|_| format!("{image} has no name"))?),
        config: named.image.config.value.clone(),
        layers,
        lower: Tree::clone(&lower),
        tree: Tree::clone(&lower),
    })
}

/// Runs a command in a container and prints what it prints.
fn execute(run: &mut Run<'_>, container: &mut Container, command: &[String]) -> i32 {
    if command.is_empty() {
        run.note("the image says no command, so name one");
        return 127;
    }
    let pretend = run.moment.state.pretend.clone();
    let config = container.config.config.clone();
    let identity = identity(&container.tree, &config.user);
    let mut other = |_: &mut sim::Call<'_>| None;
    let mut tree = container.tree.clone();
    let mut printed = Vec::new();
    let ended = {
        let mut shell = shell(&mut tree, &pretend, &mut other);
        for entry in &config.env {
            if let Some((name, value)) = entry.split_once('=') {
                shell.env.insert(name.to_owned(), value.to_owned());
            }
        }
        shell.cwd = RootedPath::root().resolve(&config.working_dir);
        shell.user = identity;
        shell.run_args(command, &mut |stream, text| {
            printed.push((stream, text.to_owned()));
        })
    };
    container.tree = tree;
    for (stream, text) in printed {
        run.print(stream, &text);
    }
    match ended {
        Ok(code) => code,
        Err(unsupported) => {
            run.note(&unsupported.to_string());
            127
        }
    }
}

/// The numbers of the user that an image names; root where it cannot be told.
fn identity(tree: &Tree, user: &str) -> Identity {
    let read = |path: &str| {
        let path = RootedPath::root().resolve(path);
        let node = resolve(tree, &path)
            .ok()
            .and_then(|path| tree.get(&path).cloned());
        match node.as_deref().map(|node| &node.kind) {
            Some(Kind::File(content)) => content.read().unwrap_or_default(),
            _ => Vec::new(),
        }
    };
    let accounts = Accounts::parse(&read("etc/passwd"), &read("etc/group"));
    accounts.identity(user).unwrap_or_default()
}

fn ended(code: i32) -> Outcome {
    match code {
        0 => Ok(()),
        code => Err(Failure {
            message: format!("the command ended with {code}"),
            code,
        }),
    }
}

fn find<'r>(run: &'r Run<'_>, name: &str) -> Result<&'r Container, Failure> {
    let containers = &run.moment.state.containers;
    containers.get(name).ok_or_else(|| {
        let names: Vec<_> = containers.keys().map(String::as_str).collect();
        let there = match names.as_slice() {
            [] => "there is none; coracle run makes one".to_owned(),
            names => format!("there is {}", names.join(", ")),
        };
        format!("there is no container {}: {there}", quote(name)).into()
    })
}

/// A name that no container has.
fn free_name(run: &Run<'_>) -> String {
    let taken = &run.moment.state.containers;
    let mut names = (1..).map(|n| format!("box{n}"));
    names
        .find(|name| !taken.contains_key(name))
        .unwrap_or_default()
}

/// What has changed in a container, as `docker diff` has it: `A`, `C` or `D` and a path.
pub(crate) fn changes(container: &Container) -> Vec<String> {
    let layer = diff(&container.lower, &container.tree);
    let mut changes: Vec<(RootedPath, char)> = Vec::new();
    for hide in &layer.hides {
        changes.push((hide.path().clone(), 'D'));
    }
    for (path, node) in &layer.adds {
        match container.lower.get(path) {
            None => changes.push((path.clone(), 'A')),
            Some(old) => {
                let what = differences(old, node);
                // Docker lists a directory when something in it changed.
                if !what.is_empty() || is_passing(&what, node) {
                    changes.push((path.clone(), 'C'));
                }
            }
        }
    }
    changes.sort();
    changes.dedup();
    let line = |(path, letter): (RootedPath, char)| format!("{letter} /{}", path.to_text());
    changes.into_iter().map(line).collect()
}
