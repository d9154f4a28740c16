//! What an assert looks at, and what it finds: words in, evidence out.

use coracle::human::size;
use coracle::image::StoredLayer;
use coracle::layer::Whiteout;
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree};

use crate::commands::changes;
use crate::names::{self, Named};
use crate::session::Session;
use crate::show;

/// Something that can be looked at.
///
/// Images are named as in the command line; paths begin with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    words: Vec<String>,
}

/// Every predicate: its first word, and the number of words behind it.
const KNOWN: &[(&str, std::ops::RangeInclusive<usize>)] = &[
    // image REF: it is here.
    ("image", 1..=1),
    // no-image REF: it is not.
    ("no-image", 1..=1),
    // file REF PATH: it is seen. no-file REF PATH: it is not.
    ("file", 2..=2),
    ("no-file", 2..=2),
    // contains REF PATH TEXT: the file holds it.
    ("contains", 3..=3),
    // mode REF PATH MODE; owner REF PATH UID:GID.
    ("mode", 3..=3),
    ("owner", 3..=3),
    // nowhere REF PATH: no layer has it, not even one that is covered.
    ("nowhere", 2..=2),
    // whiteout REF PATH; opaque REF PATH: a layer has one.
    ("whiteout", 2..=2),
    ("opaque", 2..=2),
    // layers REF OP N; size REF OP BYTES; with OP one of < <= = >= >.
    ("layers", 3..=3),
    ("size", 3..=3),
    // shares A B OP N: so many layers from the lowest on are the same.
    ("shares", 4..=4),
    // same A B; differs A B: the manifests' digests.
    ("same", 2..=2),
    ("differs", 2..=2),
    // same-config A B: the IDs.
    ("same-config", 2..=2),
    // env REF NAME=VALUE; user REF USER; cmd REF WORD...; entrypoint REF WORD...; workdir REF PATH.
    ("env", 2..=2),
    ("user", 2..=2),
    ("cmd", 1..=9),
    ("entrypoint", 1..=9),
    ("workdir", 2..=2),
    // registry HOST/REPOSITORY:TAG: it is there. no-registry: it is not.
    ("registry", 1..=1),
    ("no-registry", 1..=1),
    // in-registry REF: what is tagged there has the digest of what is tagged here.
    ("in-registry", 1..=1),
    // sent OP N; mounted OP N; exists OP N: blobs of the last push. bytes OP N: bytes sent.
    ("sent", 2..=2),
    ("mounted", 2..=2),
    ("exists", 2..=2),
    ("bytes", 2..=2),
    // cached OP N; missed OP N: steps that a build would find or make now.
    ("cached", 2..=2),
    ("missed", 2..=2),
    // builds: the Dockerfile can be built. clean RULE: it does not break this rule; clean: none.
    ("builds", 0..=0),
    ("clean", 0..=1),
    // hidden PATH; seen PATH: what the build context makes of a file of the project.
    ("hidden", 1..=1),
    ("seen", 1..=1),
    // changed NAME LETTER PATH: a container's change, as `diff` has it. unchanged NAME PATH.
    ("changed", 3..=3),
    ("unchanged", 2..=2),
    // answer TEXT: the file `answer` of the project holds it.
    ("answer", 1..=1),
    // answer-chain REF N: the file `answer` holds the digits of the N-th chain ID, from 0.
    ("answer-chain", 2..=2),
    // written PATH TEXT; unwritten PATH TEXT: whether a file of the project holds it.
    ("written", 2..=2),
    ("unwritten", 2..=2),
    // no-history REF TEXT: no line of the image's history holds it.
    ("no-history", 2..=2),
    // pulled HOST OP N: blobs of the last pull from there.
    ("pulled", 3..=3),
    // reused TEXT: the last build took the step that begins so from the cache.
    ("reused", 1..=1),
    // dockerfile TEXT; no-dockerfile TEXT: whether the Dockerfile holds it.
    ("dockerfile", 1..=1),
    ("no-dockerfile", 1..=1),
];

/// Whether it holds, and what is the case.
type Found = Result<(bool, String), String>;

impl Predicate {
    /// Reads a predicate; its words are quoted as in a shell.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = words(text).ok_or(format!("{text:?} has a quote that does not end"))?;
        let (first, rest) = words.split_first().ok_or("a predicate has words")?;
        let known = KNOWN.iter().find(|(name, _)| name == first);
        let (_, number) = known.ok_or(format!("there is no predicate {first:?}"))?;
        if !number.contains(&rest.len()) {
            return Err(format!(
                "{text:?} has {} words behind the first",
                rest.len()
            ));
        }
        Ok(Self { words })
    }

    /// Whether it holds in a session, and what is the case, for whoever wants to see.
    pub fn check(&self, session: &mut Session) -> (bool, String) {
        // What is not there does not hold, whatever is said about it.
        self.look(session)
            .unwrap_or_else(|missing| (false, missing))
    }

    fn look(&self, session: &mut Session) -> Found {
        let word = |n: usize| self.words.get(n).map_or("", String::as_str);
        let rest = &self.words[1..];
        match word(0) {
            "image" => image(session, word(1)).map(|named| (true, named.target.digest.to_string())),
            "no-image" => Ok(match image(session, word(1)) {
                Ok(named) => (
                    false,
                    format!("{} is {}", word(1), named.image.id().short()),
                ),
                Err(_) => (true, format!("there is no {}", word(1))),
            }),
            "file" | "no-file" | "contains" | "mode" | "owner" => file(session, rest, word(0)),
            "nowhere" => nowhere(session, word(1), word(2)),
            "whiteout" | "opaque" => hides(session, word(1), word(2), word(0)),
            "layers" => {
                let count = image(session, word(1))?.image.layers().len();
                Ok((
                    compare(count as u64, word(2), word(3))?,
                    format!("{} has {count} layers", word(1)),
                ))
            }
            "size" => {
                let named = image(session, word(1))?;
                let bytes: u64 = crate::commands::layer_sizes(&named).values().sum();
                Ok((
                    compare(bytes, word(2), word(3))?,
                    format!("{} has {}", word(1), size(bytes, 3)),
                ))
            }
            "shares" => {
                let (a, b) = (image(session, word(1))?, image(session, word(2))?);
                let pairs = a.image.layers().into_iter().zip(b.image.layers());
                let count = pairs.take_while(|(a, b)| a.diff_id == b.diff_id).count();
                let said = format!("{} and {} share {count} layers", word(1), word(2));
                Ok((compare(count as u64, word(3), word(4))?, said))
            }
            "same" | "differs" | "same-config" => same(session, rest, word(0)),
            "env" | "user" | "cmd" | "entrypoint" | "workdir" => config(session, rest, word(0)),
            "registry" | "no-registry" | "in-registry" => registry(session, word(1), word(0)),
            "sent" | "mounted" | "exists" | "bytes" => voyage(session, rest, word(0)),
            "cached" | "missed" => {
                let view = &session.preview.view;
                let count = if word(0) == "cached" {
                    view.cached
                } else {
                    view.missed
                };
                let said = format!("{} steps cached, {} to be made", view.cached, view.missed);
                Ok((compare(count as u64, word(1), word(2))?, said))
            }
            "builds" => {
                let error = session.preview.view.error.clone();
                Ok((
                    error.is_none(),
                    error.unwrap_or_else(|| "it can be built".to_owned()),
                ))
            }
            "clean" => {
                let found = session.preview.view.diagnostics.iter();
                let found = found.filter(|d| word(1).is_empty() || d.rule == word(1));
                let said: Vec<_> = found
                    .map(|d| format!("line {}: {}", d.line, d.message))
                    .collect();
                Ok((said.is_empty(), said.join("; ")))
            }
            "hidden" | "seen" => {
                let state = session.state();
                let context = state.context(&session.wanted().file, session.wanted().time());
                let path = rooted(word(1));
                if state.project.get(&path).is_none() {
                    return Err(format!("the project has no {}", word(1)));
                }
                let seen = context.tree.get(&path).is_some();
                let said = if seen {
                    "the build sees it"
                } else {
                    "the build does not see it"
                };
                Ok((seen == (word(0) == "seen"), format!("{}: {said}", word(1))))
            }
            "changed" | "unchanged" => container(session, rest, word(0)),
            "answer" => {
                let text = session
                    .state()
                    .text("answer")
                    .ok_or("the project has no file answer")?;
                let given = text.trim().to_owned();
                Ok((given == word(1), format!("the answer is {given:?}")))
            }
            "answer-chain" => {
                let number: usize = word(2).parse().unwrap_or(0);
                let chains = image(session, word(1))?.image.chain_ids();
                let chain = chains.get(number).map_or("", |chain| chain.0.short());
                let text = session.state().text("answer");
                let given = text.ok_or("the project has no file answer")?;
                Ok((
                    given.trim() == chain,
                    format!("the answer is {:?}", given.trim()),
                ))
            }
            "written" | "unwritten" => {
                let text = session.state().text(word(1));
                let text = text.ok_or_else(|| format!("the project has no {}", word(1)))?;
                let holds = text.contains(word(2));
                let said = format!("{} holds {:?}", word(1), shortened(text.trim_end()));
                Ok((holds == (word(0) == "written"), said))
            }
            "reused" => reused(session, word(1)),
            "no-history" => {
                let named = image(session, word(1))?;
                let lines = show::in_order(&named.image).into_iter();
                let found = lines.map(|(by, _)| by).find(|by| by.contains(word(2)));
                let said = found.as_ref().map_or("no line holds it", |by| by.as_str());
                Ok((found.is_none(), said.to_owned()))
            }
            "pulled" => {
                let registry = session.state().registries.get(word(1));
                let last = registry.and_then(|r| r.last.as_ref());
                let pull = last.filter(|v| v.title.starts_with("pull"));
                let pull = pull.ok_or("nothing has been pulled from there last")?;
                let said = format!("{}: {} blobs", pull.title, pull.blobs.len());
                Ok((compare(pull.blobs.len() as u64, word(2), word(3))?, said))
            }
            _ => {
                let text = session
                    .state()
                    .text(&session.wanted().file)
                    .unwrap_or_default();
                let there = text.contains(word(1));
                let said = if there { "is in" } else { "is not in" };
                let wanted = word(0) == "dockerfile";
                Ok((
                    there == wanted,
                    format!("{:?} {said} the Dockerfile", word(1)),
                ))
            }
        }
    }
}

/// Whether the last build says of the step that begins so: `#4 CACHED`.
fn reused(session: &Session, step: &str) -> Found {
    let built = |text: &str| text.starts_with("coracle build");
    let last = session.outcomes().filter(|(text, ..)| built(text)).last();
    let (_, _, output) = last.ok_or("nothing has been built yet")?;
    let log: String = output.iter().map(|o| o.text.as_str()).collect();
    let line = log.lines().find(|line| line.contains(&format!("] {step}")));
    let line = line.ok_or_else(|| format!("the last build has no step {step}"))?;
    let number = line.split(' ').next().unwrap_or_default();
    let cached = log.lines().any(|line| line == format!("{number} CACHED"));
    let said = if cached {
        "was in the cache"
    } else {
        "was made"
    };
    Ok((cached, format!("{line} {said}")))
}

/// Words between blanks; quotes hold them together.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn image(session: &Session, name: &str) -> Result<Named, String> {
    let found = names::find(&session.state().store, name);
    found
        .map(|(named, _)| named)
        .map_err(|_| format!("there is no image {name} yet"))
}

fn rooted(path: &str) -> RootedPath {
    RootedPath::root().resolve(path)
}

/// `N OP M`, where M may have a unit: `300kB`.
fn compare(count: u64, op: &str, number: &str) -> Result<bool, String> {
    let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &number[digits.len()..] {
        "" | "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        unit => return Err(format!("{unit:?} is no unit of bytes")),
    };
    let number = digits
        .parse::<u64>()
        .map_err(|_| format!("{number:?} is no number"))?
        * unit;
    match op {
        "<" => Ok(count < number),
        "<=" => Ok(count <= number),
        "=" => Ok(count == number),
        ">=" => Ok(count >= number),
        ">" => Ok(count > number),
        op => Err(format!("{op:?} compares nothing")),
    }
}

fn tree(session: &mut Session, layers: &[StoredLayer]) -> Result<std::sync::Arc<Tree>, String> {
    let store = session.state().store.clone();
    session.scratch.stacks.tree(&store, layers)
}

fn file(session: &mut Session, words: &[String], what: &str) -> Found {
    let [name, path, more @ ..] = words else {
        return Err(String::new());
    };
    let layers = image(session, name)?.image.layers();
    let tree = tree(session, &layers)?;
    let Some(node) = tree.get(&rooted(path)) else {
        return Ok((what == "no-file", format!("{name} has no {path}")));
    };
    let more = more.first().map_or("", String::as_str);
    Ok(match what {
        "file" => (true, said(name, path, node)),
        "no-file" => (false, said(name, path, node)),
        "mode" => (
            format!("{:04o}", node.meta.mode) == more,
            format!("its mode is {:04o}", node.meta.mode),
        ),
        "owner" => {
            let owner = format!("{}:{}", node.meta.uid, node.meta.gid);
            (owner == more, format!("its owner is {owner}"))
        }
        _ => {
            let text = show::text(node).unwrap_or_default();
            (
                text.contains(more),
                format!("{path} holds {:?}", shortened(&text)),
            )
        }
    })
}

fn said(name: &str, path: &str, node: &Node) -> String {
    let size = match &node.kind {
        Kind::File(content) => format!(", {}", size(content.size(), 3)),
        _ => String::new(),
    };
    format!("{name} has {path} ({}{size})", node.kind.word())
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn nowhere(session: &mut Session, name: &str, path: &str) -> Found {
    let layers = image(session, name)?.image.layers();
    let store = session.state().store.clone();
    let wanted = rooted(path);
    for (number, stored) in layers.iter().enumerate() {
        let layer = session.scratch.stacks.layer(&store, stored)?;
        if layer
            .adds
            .iter()
            .any(|(p, _)| p == &wanted || p.is_within(&wanted))
        {
            let short = stored.blob.digest.short();
            return Ok((
                false,
                format!("layer {number} ({short}) of {name} has {path}"),
            ));
        }
    }
    Ok((true, format!("no layer of {name} has {path}")))
}

fn hides(session: &mut Session, name: &str, path: &str, what: &str) -> Found {
    let layers = image(session, name)?.image.layers();
    let store = session.state().store.clone();
    let path = rooted(path);
    let hide = match what {
        "whiteout" => Whiteout::Path(path.clone()),
        _ => Whiteout::Below(path.clone()),
    };
    for (number, stored) in layers.iter().enumerate() {
        if session
            .scratch
            .stacks
            .layer(&store, stored)?
            .hides
            .contains(&hide)
        {
            return Ok((true, format!("layer {number} of {name} has it")));
        }
    }
    Ok((
        false,
        format!("no layer of {name} has one for /{}", path.to_text()),
    ))
}

fn same(session: &Session, words: &[String], what: &str) -> Found {
    let [a, b] = words else {
        return Err(String::new());
    };
    let (first, second) = (image(session, a)?, image(session, b)?);
    let of = |named: &Named| match what {
        "same-config" => named.image.id().clone(),
        _ => named.target.digest.clone(),
    };
    let (x, y) = (of(&first), of(&second));
    let said = format!("{a} is {}, {b} is {}", x.short(), y.short());
    Ok(((x == y) == (what != "differs"), said))
}

fn config(session: &Session, words: &[String], what: &str) -> Found {
    let (name, wanted) = words.split_first().ok_or("")?;
    let config = image(session, name)?.image.config.value.config;
    let one = wanted.first().map_or("", String::as_str);
    Ok(match what {
        "env" => (
            config.env.iter().any(|e| e == one),
            format!("Env is {:?}", config.env),
        ),
        "user" => (config.user == one, format!("User is {:?}", config.user)),
        "workdir" => (
            config.working_dir == one,
            format!("WorkingDir is {:?}", config.working_dir),
        ),
        "cmd" => (config.cmd == wanted, format!("Cmd is {:?}", config.cmd)),
        _ => (
            config.entrypoint == wanted,
            format!("Entrypoint is {:?}", config.entrypoint),
        ),
    })
}

fn registry(session: &Session, name: &str, what: &str) -> Found {
    let reference: coracle::reference::Reference = name
        .parse()
        .map_err(|_| format!("{name:?} is no reference"))?;
    let host = reference.repository.registry();
    let registry = session
        .state()
        .registries
        .get(host)
        .ok_or(format!("there is no registry {host}"))?;
    let there = names::shelved(&registry.store, &reference);
    let said = match &there {
        Some(image) => format!("{host} has {name} as {}", image.descriptor.digest.short()),
        None => format!("{host} does not have {name}"),
    };
    Ok(match what {
        "registry" => (there.is_some(), said),
        "no-registry" => (there.is_none(), said),
        _ => {
            let here = image(session, name)?;
            (
                there.is_some_and(|i| i.descriptor.digest == here.target.digest),
                said,
            )
        }
    })
}

fn voyage(session: &Session, words: &[String], what: &str) -> Found {
    let [op, number] = words else {
        return Err(String::new());
    };
    let mut voyages = session
        .state()
        .registries
        .values()
        .filter_map(|r| r.last.as_ref());
    let voyage = voyages
        .find(|v| v.title.starts_with("push"))
        .ok_or("nothing has been pushed yet")?;
    let count = |state: &str| voyage.blobs.iter().filter(|b| b.state == state).count() as u64;
    let sent = voyage.blobs.iter().filter(|b| b.state == "sent");
    let moved: u64 = sent.map(|b| b.size).sum();
    let found = match what {
        "bytes" => moved,
        state => count(state),
    };
    let said = format!(
        "{}: {} sent ({}), {} mounted, {} there already",
        voyage.title,
        count("sent"),
        size(moved, 3),
        count("mounted"),
        count("exists")
    );
    Ok((compare(found, op, number)?, said))
}

fn container(session: &Session, words: &[String], what: &str) -> Found {
    let name = words.first().map_or("", String::as_str);
    let containers = &session.state().containers;
    let container = containers
        .get(name)
        .ok_or(format!("there is no container {name} yet"))?;
    let list = changes(container);
    let said = if list.is_empty() {
        "nothing has changed in it".to_owned()
    } else {
        list.join(", ")
    };
    Ok(match what {
        "changed" => (list.contains(&words[1..].join(" ")), said),
        _ => (
            !list
                .iter()
                .any(|line| line.ends_with(&format!(" {}", words[1]))),
            said,
        ),
    })
}
