//! The same images in other people's tools: what podman and skopeo write and read.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use coracle_tests::{Call, Sandbox, missing, skip};

const NAME: &str = "localhost/peer:1.0";

#[test]
fn images_that_podman_saved_load_with_the_same_identity() {
    let Some((sandbox, podman)) = with_podman() else {
        return;
    };
    sandbox.file("app/one", "one");
    sandbox.file("app/two", "two");
    let dockerfile = "FROM scratch\nCOPY one /\nCOPY two /dir/\nENV A=b\nCMD [\"/one\"]\n";
    sandbox.file("app/Dockerfile", dockerfile);
    podman
        .call(&["build", "-q", "-t", NAME, "app"])
        .run()
        .succeeds();
    let theirs = podman.call(&["inspect", "--format", "{{.Id}}", NAME]);
    let theirs = format!("sha256:{}", theirs.run().succeeds().line());
    for format in ["docker-archive", "oci-archive"] {
        let archive = format!("{format}.tar");
        let save = ["save", "-q", "--format", format, "-o", &archive, NAME];
        podman.call(&save).run().succeeds();
        sandbox.give(&archive);
        assert_loaded(&sandbox, &archive, &theirs);
    }
}

/// Asserts that `coracle load` of the file, into a fresh root, gives this image.
#[track_caller]
fn assert_loaded(sandbox: &Sandbox, file: &str, id: &str) {
    let root = format!("root-{file}");
    let load = ["--root", &root, "load", "-i", file];
    sandbox.coracle(load).run().succeeds().says(&[NAME]);
    let inspect = ["--root", &root, "image", "inspect", "--format", "{{.Id}}"];
    let seen = sandbox.coracle(inspect).args([NAME]).run().succeeds();
    assert_eq!(seen.line(), id, "{file}");
    let check = ["--root", &root, "image", "check", NAME];
    sandbox.coracle(check).run().succeeds();
}

/// podman with its storage in a sandbox, as whoever runs the tests.
struct Podman {
    /// The words before podman's command.
    global: Vec<String>,
    sandbox: std::path::PathBuf,
}

/// A sandbox and a podman in it; None, said as a skip, without podman or skopeo.
fn with_podman() -> Option<(Sandbox, Podman)> {
    let sandbox = Sandbox::new()?;
    for program in ["podman", "skopeo", "crun"] {
        let found = std::path::Path::new("/usr/bin").join(program).is_file();
        if !found {
            skip(&missing(program, &format!("apt-get install {program}")));
            return None;
        }
    }
    let path = |name: &str| sandbox.path().join(name).display().to_string();
    // Podman's own default is more open files than a process without CAP_SYS_RESOURCE may have.
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
    let podman = Podman {
        global: global.map(str::to_owned).into(),
        sandbox: sandbox.path().to_owned(),
    };
    Some((sandbox, podman))
}

impl Podman {
    fn call(&self, words: &[&str]) -> Call {
        self.prepared("podman", &[]).args(&self.global).args(words)
    }

    fn prepared(&self, program: &str, words: &[&str]) -> Call {
        let mut command = std::process::Command::new("timeout");
        command
            .args(["--signal=KILL", "100", program])
            .args(words)
            .current_dir(&self.sandbox)
            .env(
                "CONTAINERS_CONF",
                self.sandbox.join("podman/containers.conf"),
            )
            .env("HOME", self.sandbox.join("home"));
        Call::new(command).limit(Duration::from_mins(2))
    }
}
