//! Reading a build context from a directory of the host.

mod digests;
mod file;

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use self::digests::Digests;
use self::digests::Known;
use self::file::{HostFile, Stat};
use super::context::Context;
use crate::dockerfile::ignore::{Above, Ignore};
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Meta, Node, Timestamp};

/// A directory that cannot be a build context.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}: {source}")]
pub struct LoadError {
    /// What was attempted.
    pub action: &'static str,
    /// On what.
    pub path: String,
    /// What the system said.
    pub source: io::Error,
}

/// Reads the directory `root`, leaving out what `patterns`, of the file `ignore_file`, hide.
///
/// Only names and metadata are read now; a file's bytes are read when a step needs them. Owners
/// become root and times become `time`, so that the same sources make the same layer everywhere.
/// The directory `state` is left out: it is where the build itself writes. A file that `digests`
/// knows from an earlier build, and that nobody has changed since, need not be read to be hashed.
pub fn load(
    root: &Path,
    patterns: &Ignore,
    ignore_file: &str,
    state: Option<&RootedPath>,
    time: Timestamp,
    digests: &Digests,
) -> Result<Context, LoadError> {
    let began = SystemTime::now();
    load_at(root, patterns, ignore_file, state, time, digests, began)
}

/// The same at another time than now.
fn load_at(
    root: &Path,
    patterns: &Ignore,
    ignore_file: &str,
    state: Option<&RootedPath>,
    time: Timestamp,
    digests: &Digests,
    began: SystemTime,
) -> Result<Context, LoadError> {
    let known = digests.known(root, ignore_file);
    let number = known.len();
    let mut loader = Loader {
        root,
        patterns,
        state,
        time,
        known,
        files: Vec::new(),
        context: Context {
            name: root.display().to_string(),
            tree: crate::tree::Tree::new(),
            ignore_file: ignore_file.to_owned(),
            ..Context::default()
        },
    };
    loader.directory(&RootedPath::root(), &Above::default())?;
    digests.take(root, ignore_file, number, began, loader.files);
    Ok(loader.context)
}

struct Loader<'a> {
    root: &'a Path,
    patterns: &'a Ignore,
    state: Option<&'a RootedPath>,
    time: Timestamp,
    /// What earlier builds found, until it is taken.
    known: Known,
    files: Vec<(RootedPath, Arc<HostFile>)>,
    context: Context,
}

impl Loader<'_> {
    fn directory(&mut self, directory: &RootedPath, above: &Above) -> Result<(), LoadError> {
        let on_host = self.on_host(directory);
        let unreadable = |e| error("read directory", &on_host, e);
        for entry in fs::read_dir(&on_host).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = directory.child(entry.file_name().as_bytes());
            // Of the entry in its open directory: the kernel need not walk the whole path again.
            let meta = entry.metadata();
            let meta = meta.map_err(|e| error("look up", &entry.path(), e))?;
            self.entry(&path, &meta, above)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: &RootedPath,
        meta: &Metadata,
        above: &Above,
    ) -> Result<(), LoadError> {
        if Some(path) == self.state {
            return Ok(());
        }
        let (decision, here) = self.patterns.check_below(above, path);
        if decision.ignored {
            let line = decision.by.unwrap_or_default();
            self.context.hidden.insert(path.clone(), line);
            // A later `!` may bring back something below, and with it this directory.
            if meta.is_dir() && self.patterns.may_take_back_below(path) {
                let before = self.context.tree.len();
                self.directory(path, &here)?;
                if self.context.tree.len() > before {
                    self.insert(path, Kind::Directory, meta);
                }
            }
            return Ok(());
        }
        let on_host = self.on_host(path);
        let file_type = meta.file_type();
        let kind = if file_type.is_dir() {
            self.insert(path, Kind::Directory, meta);
            return self.directory(path, &here);
        } else if file_type.is_symlink() {
            let target = fs::read_link(&on_host).map_err(|e| error("read link", &on_host, e))?;
            Kind::Symlink(target.as_os_str().as_bytes().to_vec())
        } else if file_type.is_file() {
            let stat = Stat::of(meta);
            let known = self.known.remove(path.as_bytes());
            let known = known.filter(|(then, _)| *then == stat);
            let file = HostFile::new(on_host, stat, known.map(|(_, digest)| digest));
            let file = Arc::new(file);
            self.files.push((path.clone(), Arc::clone(&file)));
            Kind::File(Content::Source(file))
        } else {
            // Sockets, pipes and devices are no part of any source.
            return Ok(());
        };
        self.insert(path, kind, meta);
        Ok(())
    }

    fn insert(&mut self, path: &RootedPath, kind: Kind, meta: &Metadata) {
        let mode = match kind {
            Kind::Symlink(_) => 0o777,
            _ => meta.permissions().mode() & 0o7777,
        };
        let meta = Meta {
            mtime: self.time,
            ..Meta::new(mode)
        };
        let node = Node { meta, kind };
        self.context.tree.insert(path.clone(), Arc::new(node));
    }

    fn on_host(&self, path: &RootedPath) -> PathBuf {
        let below = std::ffi::OsStr::from_bytes(path.as_bytes());
        self.root.join(below)
    }
}

fn error(action: &'static str, path: &Path, source: io::Error) -> LoadError {
    LoadError {
        action,
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::dockerfile::ignore;
    use crate::tree::listing;

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        }
        directory
    }

    #[test]
    fn what_is_hidden_is_left_out_and_remembered() {
        let place = directory(&["a", "logs/x.log", "logs/keep/k", "src/b", "target/big"]);
        std::os::unix::fs::symlink("a", place.path().join("link")).unwrap();
        let (patterns, found) = ignore::parse("target\nlogs\n!logs/keep\n");
        assert_eq!(found, []);
        let time = Timestamp {
            seconds: 7,
            nanos: 0,
        };
        let context = load(
            place.path(),
            &patterns,
            ".dockerignore",
            None,
            time,
            &Digests::default(),
        )
        .unwrap();
        let text = listing(&context.tree);
        let text: Vec<_> = text.lines().filter(|l| l.starts_with(['-', 'l'])).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        -rw-r----- 0:0        1 /a
        lrwxrwxrwx 0:0        - /link -> a
        -rw-r----- 0:0       11 /logs/keep/k
        -rw-r----- 0:0        5 /src/b
        ");
        let hidden = |path: &str| {
            let path = RootedPath::parse(path).unwrap();
            context.hidden.get(&path).copied()
        };
        assert_eq!(hidden("target"), Some(1));
        assert_eq!(hidden("logs/x.log"), Some(2));
        assert_eq!(hidden("logs/keep"), None);
        let mut times = context.tree.iter().skip(1).map(|(_, n)| n.meta.mtime);
        assert!(times.all(|t| t == time));
    }

    #[test]
    fn a_tree_hides_what_a_directory_does() {
        let files = [
            "a",
            "logs/x.log",
            "logs/keep/k",
            "logs/keep/x",
            "src/b",
            "t/big",
        ];
        let place = directory(&files);
        let read = |patterns: &Ignore, name: &str| {
            let (time, digests) = (Timestamp::default(), Digests::default());
            load(place.path(), patterns, name, None, time, &digests).unwrap()
        };
        let check = |text: &str| {
            let patterns = ignore::parse(text).0;
            let whole = read(&Ignore::default(), "");
            let of_tree = whole.without(&patterns, ".dockerignore");
            assert_eq!(of_tree, read(&patterns, ".dockerignore"), "{text}");
        };
        check("");
        check("t\nlogs\n!logs/keep\n");
        check("logs\n!logs/keep/k\n");
        check("*\n!src\n");
        check("**/x*\n!**/k\nt/*\n");
        check("*\n!**/k\n");
    }

    #[test]
    fn the_builds_own_state_is_no_source() {
        let place = directory(&["a", "state/store/blob", "b/state/c"]);
        let state = RootedPath::parse("state").unwrap();
        let time = Timestamp::default();
        let context = load(
            place.path(),
            &Ignore::default(),
            "",
            Some(&state),
            time,
            &Digests::default(),
        )
        .unwrap();
        let paths: Vec<_> = context.tree.iter().map(|(p, _)| p.to_string()).collect();
        assert_eq!(paths, ["/", "/a", "/b", "/b/state", "/b/state/c"]);
    }

    #[test]
    fn a_file_that_changes_after_its_key_was_made_is_refused() {
        let place = directory(&["a"]);
        let time = Timestamp::default();
        let context = load(
            place.path(),
            &Ignore::default(),
            "",
            None,
            time,
            &Digests::default(),
        )
        .unwrap();
        let node = context.tree.get(&RootedPath::parse("a").unwrap()).unwrap();
        let Kind::File(content) = &node.kind else {
            panic!("{node:?}");
        };
        assert_eq!(content.read().unwrap(), b"a");
        assert_eq!(content.digest().unwrap(), Digest::of(b"a"));
        fs::write(place.path().join("a"), "b").unwrap();
        let error = content.read().unwrap_err().to_string();
        assert!(error.contains("does not match its digest"), "{error}");
        assert!(
            error.contains("/a changed while it was built from: "),
            "{error}"
        );
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let place = directory(&[]);
        let root = place.path().join("nowhere");
        let error = load(
            &root,
            &Ignore::default(),
            "",
            None,
            Timestamp::default(),
            &Digests::default(),
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("read directory ") && text.contains("nowhere"),
            "{text}"
        );
    }
}
