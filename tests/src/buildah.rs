//! buildah with its storage in a sandbox, for tests that build the same folder with both.

use std::path::PathBuf;
use std::process::Command;

use crate::{Call, Person, Sandbox, installed, skip};

/// A buildah of a test's own.
///
/// Make it after its sandbox, so that it goes first.
#[derive(Debug)]
pub struct Buildah {
    global: Vec<String>,
    sandbox: PathBuf,
}

impl Buildah {
    /// buildah for this sandbox; None, said as a skip, without it, and for anybody but root,
    /// whose files come out with other owners.
    pub fn new(sandbox: &Sandbox) -> Option<Self> {
        if !installed("buildah") {
            return None;
        }
        if !Person::me().is_root() || !sandbox.person.is_root() {
            skip("needs root to compare owners with buildah's");
            return None;
        }
        let path = |name: &str| sandbox.path().join(name).display().to_string();
        let global = [
            "--root",
            &path("buildah/root"),
            "--runroot",
            &path("buildah/run"),
            "--storage-driver=vfs",
        ];
        Some(Self {
            global: global.map(str::to_owned).into(),
            sandbox: sandbox.path().to_owned(),
        })
    }

    /// A call of `buildah bud`, with a chroot for RUN, which needs nothing of the machine.
    pub fn build(&self, words: &[&str]) -> Call {
        let fixed = ["bud", "--isolation=chroot", "--pull-never"];
        self.call(&[&fixed[..], words].concat())
    }

    /// A call of `buildah` in the sandbox's folder.
    pub fn call(&self, words: &[&str]) -> Call {
        let mut command = Command::new("timeout");
        command
            .args(["--signal=KILL", "100", "buildah"])
            .args(&self.global)
            .args(words)
            .current_dir(&self.sandbox)
            .env("HOME", self.sandbox.join("home"))
            // Where it would make its own files otherwise is everybody's.
            .env("TMPDIR", &self.sandbox);
        Call::new(command)
    }
}
