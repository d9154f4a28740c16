//! A base image from this machine: the same for everybody, and all there.

use std::time::Duration;

use coracle_tests::Sandbox;

#[test]
fn everybody_gets_the_same_base_from_this_machine() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let words = ["base", "--format", "json"];
    let theirs = sandbox.coracle(words).run().succeeds();
    // The tests' own process is root when the person is not, so this compares two people.
    let other = tempfile::tempdir().expect("a folder of our own");
    let ours = sandbox
        .stagehand(&sandbox.binary().to_string_lossy(), words)
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", other.path())
        .run()
        .succeeds();
    let (a, b) = (theirs.json(), ours.json());
    assert_eq!(a["Id"], b["Id"], "{theirs}{ours}");
    assert_eq!(a["Files"], b["Files"]);
    // One second is the promise for a release build; this may be a debug build on a busy machine.
    assert!(theirs.took < Duration::from_secs(10), "{theirs}");
}

#[test]
fn what_was_added_is_in_the_image_with_what_it_needs() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let tool = sandbox.file("tool/hello", "#!/bin/bash\necho hello\n");
    sandbox.file("tool/data/one", "1");
    let folder = tool.parent().expect("a folder").display().to_string();
    let words = ["base", "-q", "-t", "with-tool:1", "--add", folder.as_str()];
    sandbox.coracle(words).run().succeeds();
    let listed = sandbox
        .coracle(["image", "ls-files", "with-tool:1", "--format", "json"])
        .run()
        .succeeds();
    let inside = folder.trim_start_matches('/').to_owned();
    let name = format!("{inside}/data/one");
    listed.says(&[&name, "bin/sh", "etc/os-release"]);
}

#[test]
fn a_base_without_what_was_asked_for_is_refused_and_nothing_is_left() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let refused = |add: &str, words: &[&str]| {
        let outcome = sandbox.coracle(["base", "--add", add]).run();
        outcome.fails().complains(words);
    };
    refused("/no/such/thing", &["/no/such/thing", "nothing is there"]);
    refused("no-such-program", &["no-such-program", "/usr/bin"]);
    refused("/proc/cpuinfo", &["/proc/cpuinfo", "kernel"]);
    sandbox.file("broken", "\x7fELF and no more");
    refused("./broken", &["broken", "ELF"]);
    let images = sandbox.coracle(["images", "-q"]).run().succeeds();
    assert_eq!(images.line(), "", "{images}");
}
