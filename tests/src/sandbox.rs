//! A folder of its own for one test, the person who types in it, and a fresh `CORACLE_ROOT`.

use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::call::Call;
use crate::leaks;
use crate::person::Person;

/// Where one test lives.
///
/// Everything in it belongs to its person. When it is dropped, the test fails if a process or a
/// mount that knows the folder is left.
#[derive(Debug)]
pub struct Sandbox {
    /// Who types.
    pub person: Person,
    folder: TempDir,
}

impl Sandbox {
    /// A fresh sandbox for the person that the suite is about; None, said as a skip, when that
    /// person or the program is not there.
    pub fn new() -> Option<Self> {
        let person = match Person::wanted() {
            Ok(person) => person,
            Err(reason) => {
                crate::skip(&reason);
                return None;
            }
        };
        let Some(binary) = binary() else {
            crate::skip("no coracle binary; build it: cargo build");
            return None;
        };
        let folder = TempDir::with_prefix("coracle-test-").unwrap();
        let sandbox = Self { person, folder };
        for name in ["", "bin", "home", "run"] {
            std::fs::create_dir_all(sandbox.path().join(name)).unwrap();
            sandbox.give(name);
        }
        place_program(&binary, &sandbox.path().join("bin/coracle"));
        Some(sandbox)
    }

    /// The sandbox's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The state root, which does not exist until a command makes it.
    pub fn root(&self) -> PathBuf {
        self.path().join("root")
    }

    /// The program's path in this sandbox.
    pub fn binary(&self) -> PathBuf {
        self.path().join("bin/coracle")
    }

    /// A chapter's program, put where the sandbox's person can execute it.
    pub fn chapter(&self, name: &str) -> PathBuf {
        let built = std::env::current_exe().unwrap();
        let built = built.parent().unwrap().parent().unwrap().join(name);
        let placed = self.path().join("bin").join(name);
        place_program(&built, &placed);
        placed
    }

    /// A call of `coracle` by the sandbox's person, in the sandbox's folder.
    pub fn coracle(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Call {
        self.program(&self.binary(), words)
    }

    /// A call of another program by the same person with the same environment.
    pub fn program(
        &self,
        program: &Path,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Call {
        let mut command = Command::new(program);
        if Person::me().is_root() && !self.person.is_root() {
            command.uid(self.person.uid).gid(self.person.gid);
        }
        self.clean(&mut command);
        Call::new(command).args(words)
    }

    /// A call by whoever runs the tests, such as root's for the set-up of a scene, with the same
    /// environment.
    pub fn stagehand(
        &self,
        program: &str,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Call {
        let mut command = Command::new(program);
        self.clean(&mut command);
        Call::new(command).args(words)
    }

    /// Writes a file below the sandbox's folder, and the folders that lead there.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        let mut folder = String::new();
        for part in name.split('/') {
            folder += part;
            self.give(&folder);
            folder += "/";
        }
        path
    }

    /// Copies a file or a whole folder into the sandbox, under this name.
    pub fn copy(&self, from: &Path, name: &str) -> PathBuf {
        if from.is_dir() {
            for entry in std::fs::read_dir(from).unwrap() {
                let entry = entry.unwrap();
                let below = format!("{name}/{}", entry.file_name().to_string_lossy());
                self.copy(&entry.path(), &below);
            }
            return self.path().join(name);
        }
        self.file(name, std::fs::read(from).unwrap())
    }

    /// Makes a file or folder, named relative to the sandbox's, the person's own.
    pub fn give(&self, name: &str) {
        if Person::me().is_root() {
            let path = self.path().join(name);
            chown(path, Some(self.person.uid), Some(self.person.gid)).unwrap();
        }
    }

    /// Nothing of the tests' own surroundings but a search path.
    fn clean(&self, command: &mut Command) {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path().join("home"))
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .env("USER", &self.person.name)
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("CORACLE_OFFLINE", "1")
            .env("CORACLE_ROOT", self.root());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let left = leaks::sweep(self.path());
        // Files of subordinate ids belong to nobody outside of the user namespace they were made
        // in, so an ordinary user takes them away from inside such a one.
        if !Person::me().is_root() {
            let mut unshare = Command::new("unshare");
            unshare.args(["--map-root-user", "--map-auto", "rm", "-rf"]);
            let _ = unshare.arg(self.root()).status();
        }
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        }
    }
}

/// Puts a program where everybody can execute it: an ordinary user may not be able to read the
/// folder that it was built in.
///
/// A link if that is possible: while a process that another thread starts still holds a new copy
/// open for writing, between its fork and its exec, executing the copy is ETXTBSY.
pub fn place_program(from: &Path, to: &Path) {
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to).unwrap();
    }
}

/// The program under test: `CORACLE_BIN`, or the one that cargo built beside this test.
fn binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CORACLE_BIN") {
        return Some(named.into());
    }
    let test = std::env::current_exe().ok()?;
    let beside = test.parent()?.parent()?.join("coracle");
    beside.is_file().then_some(beside)
}
