//! What each step of a Dockerfile reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use coracle::digest::Digest;
use coracle::dockerfile::ast::{Kind, Source};
use coracle::dockerfile::parse;
use coracle::path::RootedPath;
use coracle::tree::{Node, Tree};
use serde::{Deserialize, Serialize};

use crate::Result;

// ANCHOR: step
/// A step that makes a layer, and everything that its result depends on, but for what is below.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its text.
    pub text: String,
    /// What it reads of its surroundings: the directory, variables, the user.
    pub settings: BTreeMap<String, String>,
    /// The files that it reads, with the digests of their content.
    pub files: BTreeMap<String, Digest>,
}
// ANCHOR_END: step

/// The steps of a Dockerfile that make layers. Whoever only changes the config costs nothing.
pub fn steps(dockerfile: &str, context: &Tree) -> Result<Vec<Step>> {
    let parsed = parse(dockerfile);
    if let Some(first) = parsed.diagnostics.first() {
        return Err(first.message.clone().into());
    }
    let mut found = Vec::new();
    let mut settings = BTreeMap::new();
    // The first step lies on the base image, and all others lie on the first.
    let mut base = None;
    let mut directory = RootedPath::root();
    for each in &parsed.dockerfile.instructions {
        let mut step = Step {
            text: each.original.clone(),
            settings: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        match &each.kind {
            Kind::From(stage) => {
                base = Some(stage.base.value.clone());
                continue;
            }
            Kind::Cmd(_) | Kind::Expose(_) => continue,
            Kind::Env(pairs) => {
                for pair in pairs {
                    settings.insert(format!("ENV {}", pair.key.value), pair.value.value.clone());
                }
                continue;
            }
            Kind::User(user) => {
                settings.insert("USER".to_owned(), user.value.clone());
                continue;
            }
            Kind::Workdir(path) => {
                directory = directory.resolve(&path.value);
                step.text = format!("WORKDIR {directory}");
                settings.insert("WORKDIR".to_owned(), directory.to_string());
            }
            // A process sees the directory, the variables and the user; a copy the directory.
            Kind::Run(_) => step.settings.clone_from(&settings),
            Kind::Copy(copy) => {
                let seen = settings.iter().filter(|(name, _)| *name == "WORKDIR");
                step.settings = seen
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                for source in &copy.files.sources {
                    if let Source::Path(path) = source {
                        copied(context, &path.value, &mut step.files)?;
                    }
                }
            }
            _ => return Err(format!("{} is left out here", each.keyword.value).into()),
        }
        if let Some(base) = base.take() {
            step.settings.insert("FROM".to_owned(), base);
        }
        found.push(step);
    }
    Ok(found)
}

/// The files of a source, with their digests.
fn copied(context: &Tree, source: &str, files: &mut BTreeMap<String, Digest>) -> Result<()> {
    let path = RootedPath::root().resolve(source);
    let before = files.len();
    for (found, node) in context.iter().filter(|(found, _)| found.is_within(&path)) {
        if let coracle::tree::Kind::File(content) = &node.kind {
            files.insert(found.to_text().into_owned(), content.digest()?);
        }
    }
    if files.len() == before && !context.is_directory(&path) {
        return Err(format!("{source} is not in the build context").into());
    }
    Ok(())
}

/// Everything in a directory: the build context, as in chapter 7.
pub fn read(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    read_below(folder, &RootedPath::root(), &mut tree)?;
    Ok(tree)
}

fn read_below(folder: &Path, above: &RootedPath, tree: &mut Tree) -> Result<()> {
    let explain = |error| format!("read the directory {}: {error}", folder.display());
    for item in fs::read_dir(folder).map_err(explain)? {
        let item = item.map_err(explain)?;
        let path = above.child(item.file_name().as_encoded_bytes());
        if item.file_type()?.is_dir() {
            tree.insert(path.clone(), Arc::new(Node::directory(0o755)));
            read_below(&item.path(), &path, tree)?;
        } else {
            let content = fs::read(item.path()).map_err(|e| format!("read {path}: {e}"))?;
            tree.insert(path, Arc::new(Node::file(0o644, content)));
        }
    }
    Ok(())
}
