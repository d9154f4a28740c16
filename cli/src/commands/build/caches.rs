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
use super::find_base;
use crate::failure::Failure;

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
}

/// Where a cache comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    /// From an image that is here.
    Image(Reference),
    /// From a directory.
    Local(PathBuf),
}

/// Understands the values of `--cache-to`.
pub(super) fn to(options: &[String]) -> Result<Vec<To>, Failure> {
    options.iter().map(|text| one_to(text)).collect()
}

fn one_to(text: &str) -> Result<To, Failure> {
    if !text.contains('=') {
        return Err(registry("--cache-to", text));
    }
    let mut fields = Fields::parse("--cache-to", text)?;
    let kind = fields.take(&["type"]).unwrap_or_default();
    let to = match kind.as_str() {
        "inline" => To::Inline,
        "local" => {
            let dest = fields.take(&["dest"]).filter(|dest| !dest.is_empty());
            let mode = fields.take(&["mode"]);
            let directory = dest.ok_or_else(|| fields.wrong("where to? Add dest=DIRECTORY"))?;
            let all = match mode.as_deref() {
                None | Some("min") => false,
                Some("max") => true,
                Some(other) => {
                    return Err(fields.wrong(format!("mode is min or max, not {other:?}")));
                }
            };
            To::Local {
                directory: directory.into(),
                all,
            }
        }
        other => return Err(unknown("--cache-to", text, other, "dest")),
    };
    fields.finish()?;
    Ok(to)
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
    if kind != "local" {
        return Err(unknown("--cache-from", text, &kind, "src"));
    }
    let source = fields.take(&["src"]).filter(|src| !src.is_empty());
    let source = source.ok_or_else(|| fields.wrong("where from? Add src=DIRECTORY"))?;
    fields.finish()?;
    Ok(From::Local(source.into()))
}

fn unknown(option: &str, text: &str, kind: &str, field: &str) -> Failure {
    match kind {
        "registry" => registry(option, text),
        "gha" | "s3" | "azblob" => Failure::new(format!(
            "{option} {text}: Docker has this, Coracle does not"
        ))
        .hint(format!(
            "type=local,{field}=DIRECTORY fills a directory that you can keep there."
        )),
        _ => Failure::new(format!("{option} {text}: {kind:?} is no type of cache"))
            .hint("The types are inline and local."),
    }
}

fn registry(option: &str, text: &str) -> Failure {
    let failure = Failure::new(format!(
        "{option} {text}: nothing is sent to a registry or fetched from one here (yet)"
    ));
    if option == "--cache-to" {
        return failure.hint("type=inline puts the cache into the image, type=local,dest=DIRECTORY into a directory.");
    }
    failure.hint("Load the image first and name it alone, --cache-from IMAGE; or use type=local,src=DIRECTORY.")
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
                Err(message) => missing.push(format!("--cache-from: {message}")),
            },
        }
    }
    Ok((found, missing))
}

fn of_image<'a>(image: &Image, missing: &mut Vec<String>, reference: &Reference) -> Carried<'a> {
    let steps = carry::of_image(image);
    if steps.is_empty() {
        missing.push(format!(
            "--cache-from {}: the image carries no cache; build it with --cache-to type=inline",
            reference.familiar()
        ));
    }
    Carried {
        steps: steps.into_iter().map(|s| (s.key, s.entry)).collect(),
        // The layers of an image are in the store.
        open: Box::new(|_| Ok(None)),
    }
}

/// Writes the cache of a build that has ended into a directory.
pub(super) fn write(
    to: &To,
    built: &Built,
    cache: &dyn Cache,
    store: &Arc<dyn Store>,
    platform: &Platform,
) -> Result<Option<String>, Failure> {
    let To::Local { directory, all } = to else {
        return Ok(None);
    };
    let in_image: BTreeSet<_> = built
        .image
        .layers()
        .into_iter()
        .map(|l| l.blob.digest)
        .collect();
    let mut steps = Vec::new();
    for step in &built.steps {
        if (*all || in_image.contains(&step.layer))
            && let Some(entry) = cache.get(&step.key)?
        {
            let key = step.key.clone();
            steps.push(Step { key, entry });
        }
    }
    let target = carry::manifest(&steps, &**store)?;
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
    let count = steps.len();
    Ok(Some(format!(
        "exporting cache to {}, {count} steps",
        directory.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_inline_or_local() {
        let local = |directory: &str, all| To::Local {
            directory: directory.into(),
            all,
        };
        let check = |text: &str, expected: To| assert_eq!(one_to(text).unwrap(), expected);
        check("type=inline", To::Inline);
        check("type=local,dest=c", local("c", false));
        check("type=local,dest=c,mode=max", local("c", true));
        let check = |text: &str, expected: From| assert_eq!(one_from(text).unwrap(), expected);
        check("type=local,src=c", From::Local("c".into()));
        check("app:1", From::Image("app:1".parse().unwrap()));
    }

    #[test]
    fn other_caches_are_refused_by_name() {
        let check = |result: Result<(), Failure>, text: &str, part: &str| {
            let said = result.unwrap_err().message.unwrap();
            assert!(said.contains(text) && said.contains(part), "{said}");
        };
        let to = |text: &str, part: &str| check(one_to(text).map(|_| ()), text, part);
        to(
            "type=registry,ref=x",
            "type=inline puts the cache into the image",
        );
        to("app", "registry");
        to("type=gha", "Docker has this");
        to("type=nonsense", "inline and local");
        to("type=local", "dest=DIRECTORY");
        to("type=local,dest=c,mode=mid", "min or max");
        to("type=local,dst=c,dest=d", "did you mean dest?");
        let from = |text: &str, part: &str| check(one_from(text).map(|_| ()), text, part);
        from("type=registry,ref=x", "--cache-from IMAGE");
        from("type=local", "src=DIRECTORY");
        from("type=s3,bucket=b", "type=local,src=DIRECTORY");
    }
}
