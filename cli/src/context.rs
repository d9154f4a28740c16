//! What is common to all commands: where the state is kept.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use coracle::spec::Platform;
use coracle::store::Store;
use coracle::store::layout::Layout;

use crate::failure::Failure;

/// What the global options and the environment say.
#[derive(Debug)]
pub(crate) struct Context {
    /// The directory below which everything is kept: store, snapshots, containers, cache.
    pub(crate) root: PathBuf,
    /// What this machine runs, by Go's names.
    pub(crate) platform: Platform,
}

impl Context {
    /// Decides where the state is: `--root`, here `root`, or `CORACLE_ROOT` if given; otherwise
    /// `/var/lib/coracle` for the machine's root, and `$XDG_DATA_HOME/coracle`
    /// (`~/.local/share/coracle`) for everybody else. A variable that is empty counts as not set.
    pub(crate) fn new(root: Option<PathBuf>) -> Result<Self, Failure> {
        let root = match root {
            Some(root) => root,
            None => default_root(&|name| env::var_os(name).map(PathBuf::from), is_real_root())
                .ok_or_else(|| {
                    Failure::new(
                        "there is no place to keep images: neither HOME nor XDG_DATA_HOME is set",
                    )
                    .hint("Set CORACLE_ROOT to a directory of yours, or give --root DIRECTORY.")
                })?,
        };
        let root = std::path::absolute(&root)
            .map_err(|e| Failure::io(format!("find the state directory {}", root.display()), &e))?;
        Ok(Self {
            root,
            platform: Platform::linux(go_architecture(env::consts::ARCH)),
        })
    }

    /// Opens the image store; makes it when there is none.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        let layout = Layout::open(self.root.join("store")).map_err(|e| {
            Failure::from(e).hint(format!(
                "Everything is kept below {}; --root or CORACLE_ROOT names another directory.",
                self.root.display()
            ))
        })?;
        Ok(Arc::new(layout))
    }
}

/// Go's name for a processor that Rust knows by another one.
pub(crate) fn go_architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

fn default_root(env: &dyn Fn(&str) -> Option<PathBuf>, real_root: bool) -> Option<PathBuf> {
    let set = env("CORACLE_ROOT").filter(|path| !path.as_os_str().is_empty());
    if set.is_some() {
        return set;
    }
    if real_root {
        return Some(PathBuf::from("/var/lib/coracle"));
    }
    // The XDG base directory specification: a path that is not absolute is to be ignored.
    let data = env("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let home = env("HOME").filter(|path| path.is_absolute());
    let home = || Some(home?.join(".local/share"));
    Some(data.or_else(home)?.join("coracle"))
}

/// Whether this process is root on the machine, and not only in a user namespace, where an
/// ordinary user also has the number 0. Only the first user namespace maps every number to itself.
fn is_real_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let user = std::fs::metadata("/proc/self").map(|m| m.uid());
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    user.is_ok_and(|uid| uid == 0) && is_identity(&map)
}

/// Whether a `uid_map` maps all numbers to themselves. See user_namespaces(7).
fn is_identity(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_root_depends_on_who_asks() {
        let check = |variables: &[(&str, &str)], real_root, expected: Option<&str>| {
            let env = |name: &str| {
                variables
                    .iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, value)| PathBuf::from(value))
            };
            assert_eq!(default_root(&env, real_root), expected.map(PathBuf::from));
        };
        let home = ("HOME", "/home/u");
        check(&[home], true, Some("/var/lib/coracle"));
        check(&[home], false, Some("/home/u/.local/share/coracle"));
        check(&[home, ("XDG_DATA_HOME", "/d")], false, Some("/d/coracle"));
        check(
            &[home, ("XDG_DATA_HOME", "d")],
            false,
            Some("/home/u/.local/share/coracle"),
        );
        check(&[], false, None);
        check(&[("HOME", "")], false, None);
        check(&[("HOME", "u")], false, None);
        let own = ("CORACLE_ROOT", "here");
        check(&[home, own], true, Some("here"));
        check(&[home, own], false, Some("here"));
        let empty = ("CORACLE_ROOT", "");
        check(&[home, empty], false, Some("/home/u/.local/share/coracle"));
    }

    #[test]
    fn only_the_first_user_namespace_is_the_identity() {
        assert!(is_identity("         0          0 4294967295\n"));
        assert!(!is_identity("         0       1000          1\n"));
        assert!(!is_identity(""));
    }
}
