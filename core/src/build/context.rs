//! The build context: the files that COPY and ADD may take.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::path::RootedPath;
use crate::tree::Tree;

/// The files of a build context, without those that the ignore file hides.
#[derive(Debug, Clone, Default)]
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
}

impl Context {
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
        } else if self.tree.get(&parent).is_none() {
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
