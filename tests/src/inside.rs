//! A test program that runs itself again in namespaces of its own.
//!
//! Mounts are then never seen by anybody else and gone when the test ends, however it ends, and
//! an ordinary user may make them.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::sandbox::place_program;
use crate::{Person, skip};

/// The namespaces that a test runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// Root's, with only the mounts private.
    OfRoot,
    /// A user namespace with one id, as every ordinary user can make it.
    OneId,
    /// A user namespace with subordinate ids.
    ManyIds,
}

/// Where the inner test may write, and in what namespaces it runs.
const FOLDER: &str = "CORACLE_TEST_FOLDER";
const IDS: &str = "CORACLE_TEST_IDS";

/// Runs the ignored test `test` of this program in `namespaces`; skips when they are not to be
/// had here.
pub fn again(namespaces: Namespaces, test: &str) {
    let mut unshare = match namespaces.unshare() {
        Ok(unshare) => unshare,
        Err(reason) => return skip(&reason),
    };
    let folder = TempDir::with_prefix("coracle-inside-").unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let program = folder.path().join("test");
    place_program(&std::env::current_exe().unwrap(), &program);
    let output = unshare
        .arg(&program)
        .args(["--ignored", "--exact", test, "--nocapture"])
        .env(FOLDER, folder.path())
        .env(IDS, namespaces.word())
        .current_dir(folder.path())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(e) => return skip(&format!("unshare of util-linux is missing: {e}")),
    };
    let [out, err] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
    if err.starts_with("unshare: unshare failed") {
        return skip(err.trim());
    }
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{err}\n{out}"
    );
}

/// Where the inner test may write. Nothing of it is left when the outer test has ended, as far as
/// the inner one removes what belongs to other ids.
pub fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os(FOLDER).expect("run by another test"))
}

impl Namespaces {
    /// Those that this inner test runs in.
    pub fn here() -> Self {
        let word = std::env::var(IDS).expect("run by another test");
        let all = [Self::OfRoot, Self::OneId, Self::ManyIds];
        all.into_iter()
            .find(|n| n.word() == word)
            .expect("a known word")
    }

    fn word(self) -> &'static str {
        match self {
            Self::OfRoot => "root",
            Self::OneId => "one",
            Self::ManyIds => "many",
        }
    }

    /// The command that enters them.
    fn unshare(self) -> Result<Command, String> {
        let mut unshare = Command::new("unshare");
        let root = Person::me().is_root();
        match self {
            Self::OfRoot if !root => return Err("needs root".into()),
            Self::OfRoot => {
                unshare.args(["--mount", "--propagation", "private"]);
            }
            Self::OneId => {
                if root {
                    unshare.uid(65534).gid(65534);
                }
                unshare.args(["--user", "--map-root-user", "--mount"]);
            }
            Self::ManyIds => {
                let person = Person::with_many_ids()?;
                if root {
                    unshare.uid(person.uid).gid(person.gid);
                }
                unshare.args(["--user", "--map-root-user", "--map-auto", "--mount"]);
            }
        }
        Ok(unshare)
    }
}
