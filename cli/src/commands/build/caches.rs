//! `--cache-to` and `--cache-from`: taking a build's cache elsewhere and back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use coracle::build::Built;
use coracle::build::cache::Cache;
use coracle::build::carry::{self, Carried, Step};
use coracle::build::carry_directory;
use coracle::image::Image;
use coracle::reference::Reference;
use coracle::spec::Platform;
use coracle::store::Store;
use coracle::store::archive::{self, Format, Save};

use super::export::into_directory;
use super::fields::Fields;
use super::{find_base, remote_cache};
use crate::commands::push;
use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Explain;
use crate::registries;

/// Where a cache goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    /// Into the image.
    Inline,
    /// Into a directory.
    Local {
        directory: PathBuf,
        /// Every step, not only those whose layers the image has.
        all: bool,
    },
    /// Into a registry, under a name.
    Registry {
        reference: Reference,
        /// As above.
        all: bool,
    },
}

/// Where a cache comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    /// From an image that is here, or else from the registry.
    Image(Reference),
    /// From a registry.
    Registry(Reference),
    /// From a directory.
    Local(PathBuf),
}

/// Understands the values of `--cache-to`.
pub(super) fn to(options: &[String]) -> Result<Vec<To>, Failure> {
    options.iter().map(|text| one_to(text)).collect()
}

fn one_to(text: &str) -> Result<To, Failure> {
    if !text.contains('=') {
        let reference = text.parse()?;
        return Ok(To::Registry {
            reference,
            all: false,
        });
    }
    let mut fields = Fields::parse("--cache-to", text)?;
    let kind = fields.take(&["type"]).unwrap_or_default();
    let to = match kind.as_str() {
        "inline" => To::Inline,
        "local" => {
            let dest = fields.take(&["dest"]).filter(|dest| !dest.is_empty());
            let directory = dest.ok_or_else(|| fields.wrong("where to? Add dest=DIRECTORY"))?;
            To::Local {
                directory: directory.into(),
                all: mode(&mut fields)?,
            }
        }
        "registry" => To::Registry {
            reference: name(&mut fields)?,
            all: mode(&mut fields)?,
        },
        other => return Err(unknown("--cache-to", text, other, "dest")),
    };
    fields.finish()?;
    Ok(to)
}

/// Whether every step is wanted.
fn mode(fields: &mut Fields) -> Result<bool, Failure> {
    match fields.take(&["mode"]).as_deref() {
        None | Some("min") => Ok(false),
        Some("max") => Ok(true),
        Some(other) => Err(fields.wrong(format!("mode is min or max, not {other:?}"))),
    }
}

/// The name in a registry.
fn name(fields: &mut Fields) -> Result<Reference, Failure> {
    let name = fields.take(&["ref"]).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| {
        fields.wrong("under which name? Add ref=NAME, such as ref=localhost:5000/app:cache")
    })?;
    registries::reference(&name)
        .map_err(|failure| fields.wrong(failure.message.unwrap_or_default()))
}

/// Understands the values of `--cache-from`.
pub(super) fn from(options: &[String]) -> Result<Vec<From>, Failure> {
    options.iter().map(|text| one_from(text)).collect()
}

fn one_from(text: &str) -> Result<From, Failure> {
    if !text.contains('=') {
        return Ok(From::Image(text.parse()?));
    }
    let mut fields = Fields::parse("--cache-from", text)?;
    let kind = fields.take(&["type"]).unwrap_or_default();
    let from = match kind.as_str() {
        "local" => {
            let source = fields.take(&["src"]).filter(|src| !src.is_empty());
            From::Local(
                source
                    .ok_or_else(|| fields.wrong("where from? Add src=DIRECTORY"))?
                    .into(),
            )
        }
        "registry" => From::Registry(name(&mut fields)?),
        _ => return Err(unknown("--cache-from", text, &kind, "src")),
    };
    fields.finish()?;
    Ok(from)
}

fn unknown(option: &str, text: &str, kind: &str, field: &str) -> Failure {
    match kind {
        "gha" | "s3" | "azblob" => Failure::new(format!(
            "{option} {text}: Docker has this, Coracle does not"
        ))
        .hint(format!(
            "type=local,{field}=DIRECTORY fills a directory that you can keep there; type=registry,ref=NAME needs a registry only."
        )),
        _ => Failure::new(format!("{option} {text}: {kind:?} is no type of cache"))
            .hint("The types are inline, local and registry."),
    }
}

/// Opens the caches. As in BuildKit, one that is not there yet is no error; it is said in the
/// sentences that come back.
pub(super) fn open<'a>(
    caches: &'a [From],
    store: &dyn Store,
    platform: &Platform,
) -> Result<(Vec<Carried<'a>>, Vec<String>), Failure> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for cache in caches {
        match cache {
            From::Local(directory) => match carry_directory::open(directory)? {
                Some(carried) => found.push(carried),
                None => missing.push(format!(
                    "--cache-from {}: there is no cache there yet",
                    directory.display()
                )),
            },
            From::Image(reference) => match find_base(store, reference, platform) {
                Ok(image) => found.push(of_image(&image, &mut missing, reference)),
                Err(message) => match remote_cache::open(store, reference, platform) {
                    Ok(Some(carried)) => found.push(known(carried, &mut missing, reference)),
                    Ok(None) => missing.push(format!("--cache-from: {message}")),
                    Err(failure) => missing.push(format!(
                        "--cache-from: {message} It cannot be had from its registry either: {}",
                        failure.message.unwrap_or_default()
                    )),
                },
            },
            From::Registry(reference) => match remote_cache::open(store, reference, platform)? {
                Some(carried) => found.push(known(carried, &mut missing, reference)),
                None => missing.push(format!(
                    "--cache-from {}: there is no cache there yet",
                    reference.familiar()
                )),
            },
        }
    }
    Ok((found, missing))
}

fn of_image<'a>(image: &Image, missing: &mut Vec<String>, reference: &Reference) -> Carried<'a> {
    let steps = carry::of_image(image);
    let carried = Carried {
        steps: steps.into_iter().map(|s| (s.key, s.entry)).collect(),
        // The layers of an image are in the store.
        fetch: Box::new(|_, _| Ok(false)),
    };
    known(carried, missing, reference)
}

/// What was found, and a sentence when that is nothing.
fn known<'a>(
    carried: Carried<'a>,
    missing: &mut Vec<String>,
    reference: &Reference,
) -> Carried<'a> {
    if carried.steps.is_empty() {
        missing.push(format!(
            "--cache-from {}: the image carries no cache; build it with --cache-to type=inline",
            reference.familiar()
        ));
    }
    carried
}

/// What is needed to send something to a registry.
#[derive(Clone, Copy)]
pub(super) struct Sending<'a> {
    pub(super) context: &'a Context,
    pub(super) explain: Option<Explain>,
    pub(super) quiet: bool,
}

/// Takes the cache of a build that has ended where it shall go; says so in a sentence.
pub(super) fn write(
    to: &To,
    built: &Built,
    cache: &dyn Cache,
    store: &Arc<dyn Store>,
    platform: &Platform,
    sending: Sending<'_>,
) -> Result<Option<String>, Failure> {
    let (To::Local { all, .. } | To::Registry { all, .. }) = to else {
        return Ok(None);
    };
    let steps = steps(built, cache, *all)?;
    let target = carry::manifest(&steps, &**store)?;
    let place = match to {
        To::Inline => return Ok(None),
        To::Local { directory, .. } => {
            into_directory(directory, &|out| {
                let save = Save {
                    target: target.clone(),
                    tags: Vec::new(),
                };
                Ok(archive::save(
                    &**store,
                    &[save],
                    Format::Oci,
                    platform,
                    out,
                )?)
            })?;
            directory.display().to_string()
        }
        To::Registry { reference, .. } => {
            let told = (sending.explain, sending.quiet);
            push::untagged(sending.context, &**store, reference, &target, told)?;
            reference.familiar()
        }
    };
    let count = steps.len();
    Ok(Some(format!("exporting cache to {place}, {count} steps")))
}

/// The steps of a build: all, or those whose layers the image has.
fn steps(built: &Built, cache: &dyn Cache, all: bool) -> Result<Vec<Step>, Failure> {
    let layers = built.image.layers();
    let in_image: BTreeSet<_> = layers.iter().map(|l| &l.blob.digest).collect();
    let mut steps = Vec::new();
    for step in &built.steps {
        if (all || in_image.contains(&step.layer))
            && let Some(entry) = cache.get(&step.key)?
        {
            let key = step.key.clone();
            steps.push(Step { key, entry });
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_inline_local_or_in_a_registry() {
        let local = |directory: &str, all| To::Local {
            directory: directory.into(),
            all,
        };
        let check = |text: &str, expected: To| assert_eq!(one_to(text).unwrap(), expected);
        check("type=inline", To::Inline);
        check("type=local,dest=c", local("c", false));
        check("type=local,dest=c,mode=max", local("c", true));
        let registry = |name: &str, all| To::Registry {
            reference: name.parse().unwrap(),
            all,
        };
        check(
            "type=registry,ref=r:5000/app:cache,mode=max",
            registry("r:5000/app:cache", true),
        );
        check("r:5000/app:cache", registry("r:5000/app:cache", false));
        let check = |text: &str, expected: From| assert_eq!(one_from(text).unwrap(), expected);
        check("type=local,src=c", From::Local("c".into()));
        check("app:1", From::Image("app:1".parse().unwrap()));
        check(
            "type=registry,ref=r:5000/app",
            From::Registry("r:5000/app".parse().unwrap()),
        );
    }

    #[test]
    fn other_caches_are_refused_by_name() {
        let check = |result: Result<(), Failure>, text: &str, part: &str| {
            let said = result.unwrap_err().message.unwrap();
            assert!(said.contains(text) && said.contains(part), "{said}");
        };
        let to = |text: &str, part: &str| check(one_to(text).map(|_| ()), text, part);
        to("type=registry", "ref=NAME");
        to("type=registry,ref=App", "a repository is");
        to("type=registry,ref=x,mode=mid", "min or max");
        to("type=gha", "Docker has this");
        to("type=nonsense", "inline, local and registry");
        to("type=local", "dest=DIRECTORY");
        to("type=local,dest=c,mode=mid", "min or max");
        to("type=local,dst=c,dest=d", "did you mean dest?");
        let from = |text: &str, part: &str| check(one_from(text).map(|_| ()), text, part);
        from("type=registry", "ref=NAME");
        from("type=local", "src=DIRECTORY");
        from("type=s3,bucket=b", "type=local,src=DIRECTORY");
    }
}
