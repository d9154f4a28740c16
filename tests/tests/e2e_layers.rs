//! Layers by themselves, as three people: stacked, written out, and compared with other tools.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt;

use coracle_tests::{Archive, Call, Entry, Outcome, Podman, Sandbox, fixtures, installed, skip};

/// Directories that nobody may write into are no hindrance to the layers above.
#[test]
fn layers_stack_on_directories_that_are_read_only() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let closed = |name: &str| Entry::directory(name).mode(0o555);
    let lower = [
        closed("./"),
        closed("d/"),
        closed("d/sub/"),
        Entry::file("d/gone", "gone"),
        Entry::file("d/sub/old", "old"),
        closed("file-later/"),
    ];
    let upper = [
        Entry::file("d/.wh.gone", ""),
        Entry::file("d/sub/new", "new"),
        Entry::file("file-later", "a file now"),
        closed("e/"),
        closed("e/sub/"),
        Entry::file("top", "top"),
    ];
    sandbox.file("lower.tar", Archive::of(&lower));
    sandbox.file("upper.tar", Archive::of(&upper));
    let apply = ["layer", "apply", "--quiet", "lower.tar", "upper.tar", "out"];
    sandbox.coracle(apply).run().succeeds();
    let seen = sandbox
        .stagehand("find", ["out", "-printf", "%m %P\n"])
        .run();
    let mut seen: Vec<_> = seen.succeeds().stdout.lines().map(str::to_owned).collect();
    seen.sort_by(|a, b| a[4..].cmp(&b[4..]));
    let expected = [
        "555 ",
        "555 d",
        "555 d/sub",
        "644 d/sub/new",
        "644 d/sub/old",
        "555 e",
        "555 e/sub",
        "644 file-later",
        "644 top",
    ];
    assert_eq!(seen, expected);
    // So that whoever ends the test may remove it.
    sandbox
        .stagehand("chmod", ["-R", "u+w", "out"])
        .run()
        .succeeds();
}

#[test]
fn what_cannot_be_kept_is_said_once() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let device = Entry {
        name: "null".into(),
        kind: b'3',
        device: (1, 3),
        ..Entry::default()
    };
    let foreign = Entry {
        owner: 4242,
        ..Entry::file("program", "x").mode(0o4755)
    };
    let also = Entry {
        owner: 4242,
        ..Entry::file("other", "y")
    };
    sandbox.file("layer.tar", Archive::of(&[device, foreign, also]));
    let apply = ["layer", "apply", "layer.tar", "out"];
    let outcome = sandbox.coracle(apply).run().succeeds();
    let program = std::fs::metadata(sandbox.path().join("out/program")).unwrap();
    let person = &sandbox.person;
    if person.is_root() {
        assert_eq!(outcome.stderr, "");
        assert_eq!((program.uid(), program.mode() & 0o7777), (4242, 0o4755));
        assert!(sandbox.path().join("out/null").exists());
        return;
    }
    // A program that should run as another must not run as the one who unpacked it.
    assert_eq!(
        (program.uid(), program.mode() & 0o7777),
        (person.uid, 0o755)
    );
    assert!(!sandbox.path().join("out/null").exists());
    let outcome = outcome.complains(&[
        "2 entries kept your own owner (first /program)",
        "1 entry were left out",
    ]);
    assert_eq!(outcome.stderr.lines().count(), 2, "{outcome}");
}

#[test]
fn a_whole_image_is_written_out_file_by_file() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.coracle(["base", "-t", "base"]).run().succeeds();
    sandbox.file(
        "app/Dockerfile",
        "FROM base\nRUN rm /etc/group && echo app > /app\nCOPY Dockerfile /d/\n",
    );
    sandbox
        .coracle(["build", "-t", "app", "app"])
        .run()
        .succeeds();
    let unpack = ["image", "unpack", "--quiet", "app", "out"];
    sandbox.coracle(unpack).run().succeeds();
    let listed = |words: &[&str]| -> Vec<String> {
        let rows = sandbox.coracle(words).run().succeeds();
        let rows = rows.stdout.lines().filter(|row| !row.ends_with(" /"));
        rows.map(str::to_owned).collect()
    };
    let template = "{{.type}} {{.mode}} {{.size}} {{.sha256}} {{.mtime}} {{.path}}";
    let image = listed(&["image", "ls-files", "--format", template, "app"]);
    sandbox
        .coracle(["layer", "diff", "run", "out", "-o", "all.tar"])
        .run()
        .succeeds();
    let files = listed(&["layer", "ls", "--format", template, "all.tar"]);
    assert_eq!(image, files);
}

#[test]
fn umoci_unpacks_the_same_files() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(python) = fixtures::python().filter(|_| installed("umoci") && installed("skopeo"))
    else {
        return;
    };
    if !sandbox.person.is_root() {
        return skip("needs root to give files to others");
    }
    let from = format!("docker-archive:{}", python.display());
    peer(
        &sandbox,
        "skopeo",
        &["copy", "-q", &from, "oci:layout:python"],
    )
    .succeeds();
    peer(
        &sandbox,
        "umoci",
        &["raw", "unpack", "--image", "layout:python", "theirs"],
    )
    .succeeds();
    sandbox
        .coracle(["load", "-q", "-i"])
        .args([&python])
        .run()
        .succeeds();
    sandbox
        .coracle(["image", "unpack", "python:3.12", "ours"])
        .run()
        .succeeds();
    let diff = [
        "layer", "diff", "ours", "theirs", "-o", "none.tar", "--format", "json",
    ];
    let said = sandbox.coracle(diff).run().succeeds().json();
    assert_eq!(
        (&said["Adds"], &said["Hides"]),
        (&0.into(), &0.into()),
        "{said}"
    );
}

#[test]
fn podman_imports_the_same_layer_and_loads_what_we_import() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(theirs) = Podman::new(&sandbox) else {
        return;
    };
    let entries = [
        Entry::directory("bin/"),
        Entry::file("bin/app", "app").mode(0o755),
    ];
    sandbox.file("rootfs.tar", Archive::of(&entries));
    sandbox
        .coracle(["import", "rootfs.tar", "ours:1"])
        .run()
        .succeeds();
    sandbox
        .coracle(["save", "-o", "ours.tar", "ours:1"])
        .run()
        .succeeds();
    let layers = [
        "inspect",
        "--format",
        "{{index .RootFS.Layers 0}}",
        "ours:1",
    ];
    let ours = sandbox.coracle(layers).run().succeeds();
    let podman = |words: &[&str]| theirs.call(words).run().succeeds();
    podman(&["import", "-q", "rootfs.tar", "theirs:1"]);
    let inspect = ["inspect", "--format", "{{index .RootFS.Layers 0}}"];
    assert_eq!(
        podman(&[&inspect[..], &["theirs:1"]].concat()).line(),
        ours.line()
    );
    podman(&["load", "-q", "-i", "ours.tar"]);
    let loaded = podman(&[&inspect[..], &["docker.io/library/ours:1"]].concat());
    assert_eq!(loaded.line(), ours.line());
}

/// Runs a program of another project in the sandbox, as whoever runs the tests.
fn peer(sandbox: &Sandbox, program: &str, words: &[&str]) -> Outcome {
    let call: Call = sandbox.stagehand("timeout", ["--signal=KILL", "100", program]);
    call.args(words).run()
}
