//! What `build --output` writes: directories, archives and images, and what buildah makes of it.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use coracle_tests::{Buildah, Sandbox, installed};

/// A folder with everything that a file system has and anybody may make.
const DOCKERFILE: &str = "\
FROM scratch AS out
COPY --chmod=0751 tool /bin/tool
COPY --chown=7:8 data /srv/data
COPY link /srv/link
FROM scratch
COPY --from=out / /
WORKDIR /empty
";

fn folder(sandbox: &Sandbox) {
    sandbox.file("app/Dockerfile", DOCKERFILE);
    sandbox.file("app/tool", "#!/bin/sh\n");
    sandbox.file("app/data/one", "one");
    sandbox.file("app/data/deep/two", "two");
    std::os::unix::fs::symlink("data/one", sandbox.path().join("app/data/link")).unwrap();
    std::os::unix::fs::symlink("tool", sandbox.path().join("app/link")).unwrap();
}

#[test]
fn a_directory_gets_the_files_as_the_persons_own() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    folder(&sandbox);
    // What is there already stays, unless it has a name of the result's.
    sandbox.file("out/mine", "mine");
    sandbox.file("out/bin/tool", "old");
    let build = sandbox.coracle(["build", "-t", "unused", "-o", "out", "app"]);
    build.run().succeeds();
    let out = sandbox.path().join("out");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(read("mine"), "mine");
    assert_eq!(read("bin/tool"), "#!/bin/sh\n");
    assert_eq!(read("srv/data/deep/two"), "two");
    assert_eq!(
        std::fs::read_link(out.join("srv/data/link")).unwrap(),
        Path::new("data/one")
    );
    for name in ["bin/tool", "srv/data/one", "srv", "empty"] {
        let meta = std::fs::symlink_metadata(out.join(name)).unwrap();
        assert_eq!(meta.uid(), sandbox.person.uid, "{name}");
        assert_eq!(meta.gid(), sandbox.person.gid, "{name}");
        assert_eq!(meta.mtime(), 0, "{name}");
    }
    let mode = |name: &str| out.join(name).metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode("bin/tool"), 0o751);
    // Only `type=image` makes an image.
    let images = sandbox.coracle(["images", "-q"]).run().succeeds();
    assert_eq!(images.stdout, "");
}

#[test]
fn an_archive_of_files_is_the_same_on_standard_output() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    folder(&sandbox);
    let to_file = ["build", "-o", "type=tar,dest=files.tar", "app"];
    sandbox.coracle(to_file).run().succeeds();
    let script = "\"$1\" build --progress quiet -o - app > stdout.tar";
    let binary = sandbox.binary();
    let call = sandbox.program(Path::new("/bin/sh"), ["-c", script, "sh"]);
    call.args([binary]).run().succeeds();
    let read = |name: &str| std::fs::read(sandbox.path().join(name)).unwrap();
    assert_eq!(read("files.tar"), read("stdout.tar"));
    let listed = sandbox.stagehand("tar", ["-tvf", "files.tar", "--numeric-owner"]);
    let listed = listed.run().succeeds();
    for line in [
        "-rwxr-x--x 0/0 ",
        "-rw-r--r-- 7/8 ",
        "srv/data/deep/two",
        "drwxr-xr-x 0/0 ",
        "srv/link",
    ] {
        assert!(listed.stdout.contains(line), "no {line}\n{listed}");
    }
}

#[test]
fn saved_images_have_the_identity_of_the_one_that_stays() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    folder(&sandbox);
    let build = [
        "build",
        "-t",
        "app:1",
        "-o",
        "type=image,name=app:2",
        "-o",
        "type=oci,dest=oci.tar",
        "-o",
        "type=docker,dest=docker.tar",
        "-o",
        "type=oci,tar=false,dest=layout",
        "--iidfile",
        "id",
        "app",
    ];
    sandbox.coracle(build).run().succeeds();
    let id = std::fs::read_to_string(sandbox.path().join("id")).unwrap();
    let inspect = ["image", "inspect", "--format", "{{.Id}} {{.RepoTags}}"];
    let ours = sandbox.coracle(inspect).args(["app:1"]).run().succeeds();
    assert!(ours.line().starts_with(&id), "{ours}");
    ours.says(&["app:1", "app:2"]);
    for from in ["oci.tar", "docker.tar", "layout"] {
        let root = format!("root-{from}");
        let load = ["--root", &root, "load", "-i", from];
        sandbox.coracle(load).run().succeeds().says(&["app:1"]);
        let inspect = ["--root", &root, "image", "inspect", "--format", "{{.Id}}"];
        let seen = sandbox.coracle(inspect).args(["app:1"]).run().succeeds();
        assert_eq!(seen.line(), id, "{from}");
    }
    if installed("skopeo") {
        let inspect = ["inspect", "--config", "--raw", "oci:layout"];
        let theirs = sandbox.stagehand("skopeo", ["--insecure-policy"]);
        let theirs = theirs.args(inspect).run().succeeds();
        assert_eq!(theirs.json()["config"]["WorkingDir"], "/empty", "{theirs}");
    }
}

#[test]
fn buildah_writes_the_same_directory() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(buildah) = Buildah::new(&sandbox) else {
        return;
    };
    folder(&sandbox);
    let output = ["-o", "type=local,dest=theirs", "app"];
    buildah.build(&output).run().succeeds();
    let ours = ["build", "-o", "type=local,dest=ours", "app"];
    sandbox.coracle(ours).run().succeeds();
    // Owners differ on purpose: BuildKit, and so we, give out files as the caller's own.
    let listing = |directory: &str| {
        let words = [directory, "-mindepth", "1", "-printf", "%P %y %m %l\n"];
        let listed = sandbox.stagehand("find", words).run().succeeds();
        let mut lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let theirs = listing("theirs");
    assert!(theirs.len() > 8, "{theirs:?}");
    assert_eq!(listing("ours"), theirs);
    let same = sandbox.stagehand("diff", ["-r", "--no-dereference", "ours", "theirs"]);
    same.run().succeeds();
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_built() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    sandbox.file("file", "");
    let check = |output: &str, words: &[&str]| {
        let build = sandbox.coracle(["build", "-o", output, "app"]).run();
        build.fails().complains(words);
        assert!(!sandbox.root().exists(), "{output}: a store was made");
    };
    check("file", &["--output file", "not a directory"]);
    check("type=tar,dest=app", &["it is a directory"]);
    check("type=oci,dest=no/such/x", &["no such directory"]);
    check("type=registry,name=x", &["Coracle does not (yet)"]);
    check("type=nonsense", &["image, docker, oci, local and tar"]);
    let quiet = ["build", "-q", "-o", "-", "app"];
    sandbox
        .coracle(quiet)
        .run()
        .fails()
        .complains(&["--iidfile"]);
}
