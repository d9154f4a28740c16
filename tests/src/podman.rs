//! podman with its storage in a sandbox, for tests that show it what Coracle made and the reverse.

use std::path::PathBuf;
use std::process::Command;

use crate::{Call, Person, Sandbox, installed};

/// A podman of a test's own, called by whoever runs the tests.
///
/// Make it after its sandbox, so that it goes first.
#[derive(Debug)]
pub struct Podman {
    /// The words before podman's command.
    global: Vec<String>,
    sandbox: PathBuf,
}

impl Podman {
    /// podman for this sandbox; None, said as a skip, without podman.
    pub fn new(sandbox: &Sandbox) -> Option<Self> {
        if !installed("podman") || !installed("crun") {
            return None;
        }
        let path = |name: &str| sandbox.path().join(name).display().to_string();
        // Podman's own default is more open files than a process without CAP_SYS_RESOURCE may
        // have.
        let limits = "[containers]\ndefault_ulimits=[\"nofile=1024:1024\",\"nproc=1024:1024\"]\n";
        sandbox.file("podman/containers.conf", limits);
        let global = [
            "--root",
            &path("podman/root"),
            "--runroot",
            &path("podman/run"),
            "--tmpdir",
            &path("podman/tmp"),
            "--storage-driver=vfs",
            "--cgroup-manager=cgroupfs",
            "--events-backend=none",
            "--runtime=crun",
        ];
        Some(Self {
            global: global.map(str::to_owned).into(),
            sandbox: sandbox.path().to_owned(),
        })
    }

    /// A call of podman in the sandbox's folder.
    pub fn call(&self, words: &[&str]) -> Call {
        self.prepared("podman", &[]).args(&self.global).args(words)
    }

    /// A call of `podman run`, in a mount namespace whose cgroups are version 2: crun wants all
    /// controllers of version 1 or none, and some machines have a few.
    pub fn run_call(&self, words: &[&str]) -> Call {
        let script = "if [ \"$(stat -fc %T /sys/fs/cgroup)\" != cgroup2fs ]; then
                umount --lazy --recursive /sys/fs/cgroup
                mount -t cgroup2 cgroup2 /sys/fs/cgroup
            fi
            exec podman \"$@\"";
        let call = self.prepared("unshare", &["--mount", "sh", "-c", script, "podman"]);
        let call = call.args(&self.global);
        call.args(["run", "--cgroups=disabled"]).args(words)
    }

    /// Some peers hang; `timeout` also ends what they started.
    fn prepared(&self, program: &str, words: &[&str]) -> Call {
        let mut command = Command::new("timeout");
        command
            .args(["--signal=KILL", "100", program])
            .args(words)
            .current_dir(&self.sandbox)
            .env(
                "CONTAINERS_CONF",
                self.sandbox.join("podman/containers.conf"),
            )
            .env("HOME", self.sandbox.join("home"));
        Call::new(command)
    }
}

impl Drop for Podman {
    /// An ordinary user's podman keeps a process that holds its user namespace; this ends it.
    fn drop(&mut self) {
        if !Person::me().is_root() && !std::thread::panicking() {
            self.call(&["system", "migrate"]).run().succeeds();
        }
    }
}
