//! The build context: the files that COPY and ADD may take.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::dockerfile::ignore::{Above, Ignore};
use crate::image::Image;
use crate::path::RootedPath;
use crate::reference::Reference;
use crate::tree::{Kind, Meta, Node, Timestamp, Tree};

/// The files of a build context, without those that the ignore file hides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// What people call it: the directory as they named it.
    pub name: String,
    /// The files. Owned by root and of one fixed time, whoever checked them out and when.
    pub tree: Tree,
    /// The ignore file's name, such as `.dockerignore`.
    pub ignore_file: String,
    /// What the ignore file hides, and by which of its lines, from 1. What is below a hidden
    /// directory is not listed.
    pub hidden: BTreeMap<RootedPath, usize>,
    /// What else FROM, COPY and RUN may name (`--build-context`), by canonical reference. It
    /// counts more than an image, and takes the place of a stage that has its name.
    pub named: BTreeMap<String, Named>,
}

/// What `--build-context` gives a name to.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// Files.
    Files(Arc<Context>),
    /// An image.
    Image(Box<Image>),
}

impl Context {
    /// A context of the files of an archive. As with a directory, owners become root and times
    /// become `time`, so that the same sources make the same layer everywhere; attributes and
    /// devices are no part of any source.
    pub fn of_tree(name: &str, tree: &Tree, time: Timestamp) -> Self {
        let mut context = Self {
            name: name.to_owned(),
            tree: Tree::new(),
            ..Self::default()
        };
        for (path, node) in tree.below(&RootedPath::root()) {
            if matches!(
                node.kind,
                Kind::Directory | Kind::File(_) | Kind::Symlink(_)
            ) {
                let meta = Meta {
                    mtime: time,
                    ..Meta::new(node.meta.mode)
                };
                let kind = node.kind.clone();
                let node = Node { meta, kind };
                context.tree.insert(path.clone(), Arc::new(node));
            }
        }
        context
    }

    /// The same without what `patterns`, of the file `ignore_file`, hide.
    #[must_use]
    pub fn without(mut self, patterns: &Ignore, ignore_file: &str) -> Self {
        let whole = std::mem::replace(&mut self.tree, Tree::new());
        ignore_file.clone_into(&mut self.ignore_file);
        // Directories whose `Above` is known: the way down to the path at hand.
        let mut way: Vec<(RootedPath, Above, bool)> = Vec::new();
        for (path, node) in whole.below(&RootedPath::root()) {
            while way.last().is_some_and(|(above, ..)| !path.is_within(above)) {
                way.pop();
            }
            let (above, in_hidden) = match way.last() {
                Some((_, above, hidden)) => (above.clone(), *hidden),
                None => (Above::default(), false),
            };
            let (decision, here) = patterns.check_below(&above, path);
            if decision.ignored {
                if !in_hidden {
                    let line = decision.by.unwrap_or_default();
                    self.hidden.insert(path.clone(), line);
                }
            } else {
                self.keep(&whole, path, node);
            }
            if node.kind == Kind::Directory {
                let lost = decision.ignored && !patterns.may_take_back_below(path);
                way.push((path.clone(), here, lost));
            }
        }
        self
    }

    /// Keeps a path of `whole`, and the directories that lead to it: also those that are hidden
    /// themselves, when something below them is not.
    fn keep(&mut self, whole: &Tree, path: &RootedPath, node: &Arc<Node>) {
        for parent in path.ancestors() {
            if self.tree.get(&parent).is_none()
                && let Some(directory) = whole.get(&parent)
            {
                self.tree.insert(parent, Arc::clone(directory));
            }
        }
        self.tree.insert(path.clone(), Arc::clone(node));
    }

    /// What `--build-context` gave this name.
    pub fn named(&self, name: &str) -> Option<&Named> {
        if self.named.is_empty() {
            return None;
        }
        // Stages may have capital letters, references may not.
        let reference: Reference = name.to_ascii_lowercase().parse().ok()?;
        self.named.get(&reference.canonical())
    }

    /// Says of a source, at `span` of the Dockerfile, that it is not in the context, and why.
    pub fn missing(&self, path: &RootedPath, span: Span) -> Diagnostic {
        let message = format!("{:?} is not in the build context", path.to_text());
        let mut diagnostic = Diagnostic::error("CopySource", span, message);
        diagnostic.notes = self.about_missing(path);
        diagnostic
    }

    /// Sentences about a path that is not in the context: was it hidden, is one like it there?
    fn about_missing(&self, path: &RootedPath) -> Vec<String> {
        let mut notes = vec![format!("the build context is {}", self.name)];
        let hider = path
            .ancestors()
            .chain([path.clone()])
            .find_map(|p| Some((self.hidden.get(&p).copied()?, p)));
        if let Some((line, hidden)) = hider {
            let file = &self.ignore_file;
            notes.push(format!(
                "{hidden} is there, but line {line} of {file} leaves it out; add `!{}` after it",
                path.to_text()
            ));
            return notes;
        }
        let parent = path.parent().unwrap_or_default();
        let siblings: Vec<_> = self
            .tree
            .children(&parent)
            .map(|(p, _)| String::from_utf8_lossy(p.name()).into_owned())
            .collect();
        let name = String::from_utf8_lossy(path.name());
        let names = siblings.iter().map(String::as_str);
        if let Some(near) = did_you_mean(&name, names) {
            notes.push(format!(
                "there is {parent}{near}, did you mean that?",
                parent = slashed(&parent)
            ));
        } else if !parent.is_root() && self.tree.get(&parent).is_none() {
            notes.push(format!("there is no directory {parent} either"));
        } else {
            notes.push("paths are seen from the context's root, and cannot leave it".to_owned());
        }
        notes
    }
}

fn slashed(directory: &RootedPath) -> String {
    if directory.is_root() {
        String::new()
    } else {
        format!("{}/", directory.to_text())
    }
}
