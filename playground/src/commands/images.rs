//! `coracle images`, `history`, `tag`, `rmi`, `image ls-files`, `system df`.

use std::collections::{BTreeMap, BTreeSet};

use coracle::digest::{ChainId, Digest};
use coracle::human::{self, size};
use coracle::image;
use coracle::layer::diff;
use coracle::reference::Reference;
use coracle::store::TagStore;
use coracle::table::table;
use coracle::tree::{Kind, Tree};

use super::build::{image as find, parse_tag, set_tag};
use super::words::Words;
use super::{Failure, Outcome, Run};
use crate::names::{self, Named};
use crate::stack::BOUNDS;

/// What stands where there is nothing to say.
const NONE: &str = "<none>";

/// `coracle images`.
pub(super) fn list(run: &mut Run<'_>, mut words: Words) -> Outcome {
    let digests = words.flag(&["--digests"]);
    let quiet = words.flag(&["-q", "--quiet"]);
    let [] = words.exactly("images [--digests] [-q]")?;
    let images = names::all(&run.moment.state.store);
    if quiet {
        for named in &images {
            run.say(named.image.id().short());
        }
        return Ok(());
    }
    let mut head = vec!["REPOSITORY", "TAG"];
    head.extend(digests.then_some("DIGEST"));
    head.extend(["IMAGE ID", "CREATED", "SIZE"]);
    let mut rows = vec![texts(&head)];
    for named in &images {
        let names: Vec<Option<&Reference>> = match named.references.as_slice() {
            [] => vec![None],
            references => references.iter().map(Some).collect(),
        };
        for reference in names {
            let repository = reference.map(|r| r.repository.familiar());
            let tag = reference.and_then(|r| r.tag.as_ref());
            let mut row = vec![
                repository.unwrap_or_else(|| NONE.to_owned()),
                tag.map_or(NONE, |tag| tag.as_str()).to_owned(),
            ];
            row.extend(digests.then(|| named.target.digest.to_string()));
            row.push(named.image.id().short().to_owned());
            row.push("N/A".to_owned());
            row.push(size(layer_sizes(named).values().sum(), 3));
            rows.push(row);
        }
    }
    run.print(1, &table(&rows));
    Ok(())
}

/// `coracle history`.
pub(super) fn history(run: &mut Run<'_>, mut words: Words) -> Outcome {
    let whole = words.flag(&["--no-trunc"]);
    let layers = words.flag(&["--layers"]);
    let [typed] = words.exactly("history [--layers] [--no-trunc] IMAGE")?;
    let named = find(run, &typed)?;
    let short = |digest: Option<&Digest>| match digest {
        None => "-".to_owned(),
        Some(digest) if whole => digest.to_string(),
        Some(digest) => digest.short().to_owned(),
    };
    let last = if layers { "LAYER" } else { "COMMENT" };
    let mut rows = vec![texts(&["IMAGE", "CREATED", "CREATED BY", "SIZE", last])];
    for (i, line) in image::history(&named.image).iter().enumerate() {
        let chain = line.chain_id.as_ref().map(|chain| &chain.0);
        let id = if i == 0 {
            Some(named.image.id())
        } else {
            chain
        };
        let layer = line.layer.as_ref().map(|layer| &layer.blob);
        let by = line.history.created_by.as_deref().unwrap_or_default();
        rows.push(vec![
            short(id),
            "N/A".to_owned(),
            human::instruction(by, whole),
            size(layer.map_or(0, |blob| blob.size), 3),
            if layers {
                short(layer.map(|blob| &blob.digest))
            } else {
                line.history.comment.clone().unwrap_or_default()
            },
        ]);
    }
    run.print(1, &table(&rows));
    Ok(())
}

/// `coracle tag`.
pub(super) fn tag(run: &mut Run<'_>, words: Words) -> Outcome {
    let [source, target] = words.exactly("tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]")?;
    let name = parse_tag(&target)?;
    let named = find(run, &source)?;
    set_tag(&run.moment.state.store, &name.canonical(), &named.target)
}

/// `coracle rmi`.
pub(super) fn remove(run: &mut Run<'_>, mut words: Words) -> Outcome {
    let force = words.flag(&["-f", "--force"]);
    let typed = words.rest()?;
    if typed.is_empty() {
        return Err("usage: coracle rmi IMAGE [IMAGE...]".into());
    }
    for typed in typed {
        let (named, reference) = names::find(&run.moment.state.store, &typed)?;
        one(run, &named, reference.as_ref(), force)?;
    }
    let freed = run.moment.state.collect();
    if freed > 0 {
        run.note(&format!("{} freed", size(freed, 4)));
    }
    Ok(())
}

/// Takes away the tags that are meant, and the image when none is left.
fn one(run: &mut Run<'_>, named: &Named, reference: Option<&Reference>, force: bool) -> Outcome {
    let meant = meant(named, reference, force)?;
    let stays = meant.len() < named.references.len();
    let state = &run.moment.state;
    let mut users = state.containers.iter();
    let user = users.find(|(_, c)| c.layers == named.image.layers());
    if let Some((name, _)) = user.filter(|_| !stays && !force) {
        return Err(format!(
            "the image {} is used by the container {name}, which does not run\n\
             Remove the container first (coracle rm {name}), or say --force: then it keeps the layers.",
            named.call()
        )
        .into());
    }
    let others = names::all(&state.store);
    let mut said = Vec::new();
    for tag in &meant {
        state
            .store
            .untag(&tag.canonical())
            .map_err(|e| e.to_string())?;
        said.push(format!("Untagged: {}", tag.familiar()));
    }
    if !stays {
        let digest = named.target.digest.as_str();
        state.store.untag(digest).map_err(|e| e.to_string())?;
        said.push(format!("Deleted: {}", named.image.id()));
        let others = others
            .iter()
            .filter(|o| o.target.digest != named.target.digest);
        let needed: BTreeSet<ChainId> = others.flat_map(|o| o.image.chain_ids()).collect();
        let gone = named.image.chain_ids().into_iter().rev();
        let gone = gone.filter(|chain| !needed.contains(chain));
        said.extend(gone.map(|chain| format!("Deleted: {}", chain.0)));
    }
    for line in said {
        run.say(&line);
    }
    Ok(())
}

/// Which of the image's tags are to go.
fn meant(
    named: &Named,
    reference: Option<&Reference>,
    force: bool,
) -> Result<Vec<Reference>, Failure> {
    let references = named.references.iter();
    let meant: Vec<_> = match reference {
        Some(reference) if reference.digest.is_none() => {
            let canonical = reference.canonical();
            references
                .filter(|r| r.canonical() == canonical)
                .cloned()
                .collect()
        }
        Some(reference) => references
            .filter(|r| r.repository == reference.repository)
            .cloned()
            .collect(),
        None => {
            let repositories: BTreeSet<_> = references.map(|r| r.repository.familiar()).collect();
            if repositories.len() > 1 && !force {
                let names: Vec<_> = named.references.iter().map(Reference::familiar).collect();
                return Err(format!(
                    "the image {} has tags in several repositories: {}\n\
                     Remove a tag by its name, or all of them with --force.",
                    named.image.id().short(),
                    names.join(", ")
                )
                .into());
            }
            named.references.clone()
        }
    };
    Ok(meant)
}

/// `coracle image ls-files`.
pub(super) fn files(run: &mut Run<'_>, mut words: Words) -> Outcome {
    let layer = words.value(&["--layer"])?;
    let [typed] = words.exactly("image ls-files [--layer N] IMAGE")?;
    let named = find(run, &typed)?;
    let layers = named.image.layers();
    let store = run.moment.state.shared_store();
    let files = match layer {
        None => image::files(&store, &layers, BOUNDS),
        Some(text) => {
            let number: usize = text
                .parse()
                .map_err(|_| format!("--layer {text}: it is a number, from 0"))?;
            image::layer_files(&store, &layers, number, BOUNDS).map(Option::unwrap_or_default)
        }
    };
    let files = files.map_err(|e| e.to_string())?;
    let mut rows = vec![texts(&["TYPE", "MODE", "OWNER", "SIZE", "LAYER", "PATH"])];
    for file in files {
        let arrow = match (&file.target, file.kind) {
            (Some(target), "symlink") => format!(" -> {target}"),
            (Some(target), _) => format!(" link to {target}"),
            (None, _) => String::new(),
        };
        rows.push(vec![
            file.kind.to_owned(),
            file.mode,
            format!("{}:{}", file.uid, file.gid),
            if file.kind == "file" {
                file.size.to_string()
            } else {
                "-".to_owned()
            },
            file.layer
                .map_or_else(|| "-".to_owned(), |layer| layer.to_string()),
            format!("{}{arrow}", file.path),
        ]);
    }
    run.print(1, &table(&rows));
    Ok(())
}

/// `coracle system df`.
pub(super) fn usage(run: &mut Run<'_>, words: Words) -> Outcome {
    let [] = words.exactly("system df")?;
    let state = &run.moment.state;
    let usage = state.usage();
    let images = names::all(&state.store);
    let used = |named: &&Named| {
        state
            .containers
            .values()
            .any(|c| c.layers == named.image.layers())
    };
    let active: Vec<_> = images.iter().filter(used).collect();
    let kept: u64 = active
        .iter()
        .flat_map(|n| layer_sizes(n))
        .collect::<BTreeMap<_, _>>()
        .values()
        .sum();
    let changed = state
        .containers
        .values()
        .map(|c| changed_bytes(&c.lower, &c.tree))
        .sum();
    let steps = state.cache.layers().len();
    let row = |name: &str, total: usize, active: usize, bytes: u64, reclaimable: u64| {
        vec![
            name.to_owned(),
            total.to_string(),
            active.to_string(),
            size(bytes, 4),
            size(reclaimable, 4),
        ]
    };
    let rows = [
        texts(&["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]),
        row(
            "Images",
            images.len(),
            active.len(),
            usage.stored,
            usage.stored.saturating_sub(kept),
        ),
        row("Containers", state.containers.len(), 0, changed, changed),
        row("Build Cache", steps, 0, usage.cache, usage.cache),
    ];
    run.print(1, &table(&rows));
    Ok(())
}

/// The bytes of the files that a container has changed.
fn changed_bytes(lower: &Tree, tree: &Tree) -> u64 {
    let adds = diff(lower, tree).adds.into_iter();
    let sizes = adds.filter_map(|(_, node)| match &node.kind {
        Kind::File(content) => Some(content.size()),
        _ => None,
    });
    sizes.sum()
}

/// Digest and size of each layer of an image, each once.
pub(crate) fn layer_sizes(named: &Named) -> BTreeMap<Digest, u64> {
    let layers = named.image.manifest.value.layers.iter();
    layers
        .map(|layer| (layer.digest.clone(), layer.size))
        .collect()
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
