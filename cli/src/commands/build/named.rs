//! `--build-context`: names for more files and images that a build may take from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use coracle::build::context::{Context, Named};
use coracle::build::load::Digests;
use coracle::image::Image;
use coracle::layer::compress;
use coracle::linux::archive::{read_stream, read_tree};
use coracle::reference::Reference;
use coracle::spec::Platform;
use coracle::store::Store;
use coracle::store::archive::import_layout;
use coracle::tree::Timestamp;

use super::context::{fetched, ignore_file, is_http, is_repository, load_context};
use super::find_or_pull;
use super::options::Options;
use crate::failure::Failure;

/// Reads what the values of `--build-context` name. Whoever calls this holds the store.
pub(super) fn read(
    options: &Options,
    store: &dyn Store,
    platform: &Platform,
    state: &Path,
    time: Timestamp,
    digests: &Digests,
) -> Result<BTreeMap<String, Named>, Failure> {
    let mut named = BTreeMap::new();
    for option in &options.build_context {
        let wrong = |why: String| Failure::new(format!("--build-context {option}: {why}"));
        let (name, value) = option
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .ok_or_else(|| {
                wrong("a name and a place are needed".to_owned()).hint(
                    "It is written NAME=DIRECTORY, NAME=FILE.tar, NAME=oci-layout://DIRECTORY[:TAG]\n\
                     or NAME=docker-image://IMAGE.",
                )
            })?;
        let reference: Reference = name
            .parse()
            .map_err(|e| wrong(format!("the name cannot be one of an image: {e}")))?;
        let found = one(value, store, platform, options, state, time, digests)
            .map_err(|failure| failure.about(&format!("--build-context {option}")))?;
        named.insert(reference.canonical(), found);
    }
    Ok(named)
}

fn one(
    value: &str,
    store: &dyn Store,
    platform: &Platform,
    options: &Options,
    state: &Path,
    time: Timestamp,
    digests: &Digests,
) -> Result<Named, Failure> {
    let bounds = options.bounds.bounds();
    if let Some(image) = value.strip_prefix("docker-image://") {
        let reference: Reference = image.parse()?;
        let image = find_or_pull(store, &reference, platform, options).map_err(Failure::new)?;
        return Ok(Named::Image(Box::new(image)));
    }
    if let Some(layout) = value.strip_prefix("oci-layout://") {
        let (path, name) = layout_name(layout);
        let target = import_layout(Path::new(path), name, store, platform, bounds)?;
        let image = Image::open(store, &target, platform)?;
        return Ok(Named::Image(Box::new(image)));
    }
    if is_repository(value) {
        return Err(Failure::new(
            "Docker takes contexts from git repositories, Coracle does not (yet)",
        )
        .hint("Clone it first and name the directory; or name the http address of an archive."));
    }
    if is_http(value) {
        let tree = fetched(value, |stream| {
            let archive =
                compress::decoder(stream, bounds).map_err(|e| Failure::io("read it", &e))?;
            Ok(read_stream(archive, Path::new(value), bounds)?)
        })?;
        return Ok(Named::Files(Arc::new(Context::of_tree(value, &tree, time))));
    }
    let path = Path::new(value);
    let meta = std::fs::metadata(path).map_err(|e| Failure::io("look it up", &e))?;
    let context = if meta.is_dir() {
        load_context(path, &ignore_file(path, None)?, Some(state), time, digests)?
    } else {
        Context::of_tree(value, &read_tree(path, bounds)?, time)
    };
    Ok(Named::Files(Arc::new(context)))
}

/// A layout's path and the tag or digest behind it: `DIR`, `DIR:TAG`, `DIR@sha256:…`.
fn layout_name(text: &str) -> (&str, Option<&str>) {
    if let Some((path, digest)) = text.split_once('@') {
        return (path, Some(digest));
    }
    match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_may_have_a_tag_or_a_digest() {
        let check = |text: &str, path: &str, name: Option<&str>| {
            assert_eq!(layout_name(text), (path, name));
        };
        check("dir", "dir", None);
        check("a/b:1.0", "a/b", Some("1.0"));
        check("a:b/c", "a:b/c", None);
        check("dir@sha256:abc", "dir", Some("sha256:abc"));
    }
}
