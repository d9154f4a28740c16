//! The same images in other people's tools: what podman and skopeo write and read.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use coracle_tests::{Outcome, Person, Podman, Sandbox, installed, skip};

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

#[test]
fn images_that_skopeo_copied_load_with_the_same_identity() {
    let Some((sandbox, _)) = with_podman() else {
        return;
    };
    sandbox.file("app/one", "one");
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY one /\n");
    let build = ["--root", "own", "build", "-t", NAME, "app"];
    sandbox.coracle(build).run().succeeds();
    let save = [
        "--root", "own", "save", "--format", "oci", "-o", "own.tar", NAME,
    ];
    sandbox.coracle(save).run().succeeds();
    let inspect = [
        "--root", "own", "image", "inspect", "--format", "{{.Id}}", NAME,
    ];
    let id = sandbox.coracle(inspect).run().succeeds().line().to_owned();

    let source = format!("oci-archive:own.tar:{NAME}");
    let targets = [
        "docker-archive:docker.tar",
        "oci-archive:oci.tar",
        "oci:layout",
    ];
    for target in targets {
        let target = format!("{target}:{NAME}");
        skopeo(&sandbox, &["copy", "--quiet", &source, &target]).succeeds();
        let (_, rest) = target.split_once(':').unwrap();
        let (file, _) = rest.split_once(':').unwrap();
        let chown = ["-R", &owner(&sandbox), file];
        sandbox.stagehand("chown", chown).run().succeeds();
        assert_loaded(&sandbox, file, &id);
    }
}

#[test]
fn saved_images_are_what_skopeo_and_podman_read_and_run() {
    let Some((sandbox, podman)) = with_podman() else {
        return;
    };
    if !Person::me().is_root() {
        return skip("needs root to run a container in podman here");
    }
    sandbox.coracle(["base", "-t", "base"]).run().succeeds();
    sandbox.file("app/file", "a file of the image\n");
    sandbox.file(
        "app/Dockerfile",
        "FROM base\nENV GREETING=\"hello there\"\nWORKDIR /srv/app\nCOPY file .\n\
         RUN echo made by RUN > made && rm -f /etc/motd\n\
         CMD [\"sh\", \"-c\", \"pwd; echo $GREETING; cat file made; echo *\"]\n",
    );
    sandbox
        .coracle(["build", "-t", NAME, "app"])
        .run()
        .succeeds();
    let inspect = ["image", "inspect", "--format", "{{.Id}}", NAME];
    let id = sandbox.coracle(inspect).run().succeeds().line().to_owned();
    let ours = sandbox.coracle(["run", "--rm", "--network", "none", NAME]);
    let ours = ours.run().succeeds();
    assert!(ours.stdout.contains("made by RUN"), "{ours}");

    for format in ["docker", "oci"] {
        let archive = format!("{format}.tar");
        let save = ["save", "--format", format, "-o", &archive, NAME];
        sandbox.coracle(save).run().succeeds();
        let source = format!("{format}-archive:{archive}");
        let config = skopeo(&sandbox, &["inspect", "--config", "--raw", &source]).succeeds();
        let seen: serde_json::Value = config.json();
        assert_eq!(seen["config"]["WorkingDir"], "/srv/app", "{format}");

        podman
            .call(&["load", "-q", "-i", &archive])
            .run()
            .succeeds();
        let theirs = podman.call(&["inspect", "--format", "{{.Id}}", NAME]);
        let theirs = theirs.run().succeeds();
        assert_eq!(format!("sha256:{}", theirs.line()), id, "{format}");
        let run = podman.run_call(&["--rm", "--network", "none", NAME]);
        assert_eq!(run.run().succeeds().stdout, ours.stdout, "{format}");
        podman.call(&["rmi", "-f", NAME]).run().succeeds();
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

/// A sandbox and a podman in it; None, said as a skip, without podman or skopeo.
fn with_podman() -> Option<(Sandbox, Podman)> {
    let sandbox = Sandbox::new()?;
    if !installed("skopeo") {
        return None;
    }
    let podman = Podman::new(&sandbox)?;
    Some((sandbox, podman))
}

fn skopeo(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    let policy = ["--insecure-policy"];
    sandbox.stagehand("skopeo", policy).args(words).run()
}

/// `UID:GID` of the sandbox's person.
fn owner(sandbox: &Sandbox) -> String {
    format!("{}:{}", sandbox.person.uid, sandbox.person.gid)
}
