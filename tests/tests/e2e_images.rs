//! Images at rest: names, damage, versions that share layers, and going back.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

use coracle_tests::Sandbox;

#[test]
fn a_wrong_reference_is_pointed_at() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/Dockerfile", "FROM scratch\nLABEL a=b\n");
    let check = |reference: &str, words: &[&str]| {
        let words = [&[reference], words].concat();
        let tag = ["build", "-t", reference, "app"];
        sandbox.coracle(tag).run().fails().complains(&words);
        let run = ["run", "--rm", reference, "true"];
        sandbox.coracle(run).run().exits(125).complains(&words);
    };
    check("Notes", &["character 1", "lower"]);
    check("notes:ver sion", &["character 10"]);
    check("notes@sha256:12", &["digest"]);
}

#[test]
fn an_image_that_is_not_there_is_said_and_near_ones_listed() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    scratch_image(&sandbox, "notes:1.0", "one");
    let check = |name: &str, words: &[&str]| {
        let run = ["run", "--rm", name, "true"];
        sandbox.coracle(run).run().exits(125).complains(words);
        let inspect = ["image", "inspect", name];
        sandbox.coracle(inspect).run().fails().complains(words);
    };
    check("notes:1.1", &["notes:1.1", "notes:1.0"]);
    check("nots:1.0", &["nots:1.0", "notes:1.0"]);
}

#[test]
fn a_corrupt_blob_is_found_and_named() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    scratch_image(&sandbox, "notes", "precious words");
    sandbox
        .coracle(["image", "check", "notes"])
        .run()
        .succeeds();
    let inspect = ["image", "inspect", "--format", "json", "notes"];
    let document = sandbox.coracle(inspect).run().succeeds().json();
    let digest = document["Layers"][0]["Digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();
    let blob = sandbox.root().join("store/blobs/sha256").join(hex);
    let bytes = std::fs::read(&blob).unwrap();
    let at = bytes.windows(8).position(|w| w == b"precious").unwrap();
    let mut permissions = std::fs::metadata(&blob).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&blob, permissions).unwrap();
    let file = std::fs::File::options().write(true).open(&blob).unwrap();
    file.write_all_at(b"P", at as u64).unwrap();

    let check = ["image", "check", "notes"];
    sandbox.coracle(check).run().exits(1).says(&[hex]);
    // Who only copies does not read what it builds upon; the check of what was built tells.
    sandbox.file("upon/Dockerfile", "FROM notes\nCOPY Dockerfile /d\n");
    let build = ["build", "-q", "-t", "upon", "upon"];
    sandbox.coracle(build).run().succeeds();
    let check = ["image", "check", "upon"];
    sandbox.coracle(check).run().exits(1).says(&[hex]);
    let step = "FROM notes\nRUN [\"/app\"]\n";
    sandbox.file("upon/Dockerfile", step);
    sandbox.coracle(build).run().fails().complains(&[hex]);
    let before = files_below(&sandbox.path().join("out"));
    let save = ["save", "-o", "out/notes.tar", "notes"];
    sandbox.file("out/keep", "");
    sandbox.coracle(save).run().fails().complains(&[hex]);
    let after = files_below(&sandbox.path().join("out"));
    assert_eq!(after.len(), before.len() + 1, "half an archive: {after:?}");
}

#[test]
fn a_corrupt_archive_leaves_nothing() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    scratch_image(&sandbox, "notes", "precious words");
    let save = ["save", "-o", "notes.tar", "notes"];
    sandbox.coracle(save).run().succeeds();
    let mut bytes = std::fs::read(sandbox.path().join("notes.tar")).unwrap();
    let at = bytes.windows(8).position(|w| w == b"precious").unwrap();
    bytes[at] = b'P';
    sandbox.file("broken.tar", &bytes);
    sandbox.file("cut.tar", &bytes[..at]);
    for archive in ["broken.tar", "cut.tar"] {
        let load = ["--root", "other", "load", "-i", archive];
        let failed = sandbox.coracle(load).run().fails();
        assert!(failed.stdout.is_empty(), "{failed}");
        let listed = ["--root", "other", "images", "--quiet"];
        let listed = sandbox.coracle(listed).run().succeeds();
        assert_eq!(listed.line(), "", "{archive}: an image that is not whole");
        let blobs = files_below(&sandbox.path().join("other/store/tmp"));
        assert!(blobs.is_empty(), "{archive}: {blobs:?}");
    }
    let load = ["--root", "other", "load", "-i", "broken.tar"];
    sandbox.coracle(load).run().fails().complains(&["sha256:"]);
}

#[test]
fn version_two_is_version_one_plus_what_is_new_and_can_be_undone() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let ballast = "b".repeat(3_000_000);
    sandbox.file("app/ballast", &ballast);
    let dockerfile = "FROM scratch\nCOPY ballast /\nCOPY page /\n";
    sandbox.file("app/Dockerfile", dockerfile);
    let build = |version: &str| {
        sandbox.file("app/page", version);
        let tag = format!("web:{version}");
        sandbox
            .coracle(["build", "-t", &tag, "app"])
            .run()
            .succeeds();
        layers(&sandbox, &tag)
    };
    let first = build("v1");
    let stored = total(&sandbox);
    let second = build("v2");
    assert_eq!(first.len(), 2);
    assert_eq!(second.len(), 2);
    assert_eq!(first[0], second[0], "the unchanged layer is shared");
    assert_ne!(first[1], second[1]);
    let grown = total(&sandbox) - stored;
    assert!(grown < 20_000, "{grown} bytes for a page of two");

    let tag = |from: &str| {
        sandbox
            .coracle(["tag", from, "web:latest"])
            .run()
            .succeeds()
    };
    tag("web:v2");
    assert_eq!(layers(&sandbox, "web:latest"), second);
    tag("web:v1");
    assert_eq!(layers(&sandbox, "web:latest"), first, "rolled back");
    assert!(total(&sandbox) - stored < 20_000, "a tag copies nothing");
}

#[test]
fn a_saved_image_is_loaded_with_the_same_identity() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    scratch_image(&sandbox, "localhost/notes:1.0", "words");
    let id = |root: &str| {
        let inspect = ["--root", root, "image", "inspect", "--format", "{{.Id}}"];
        let call = sandbox.coracle(inspect).args(["localhost/notes:1.0"]);
        call.run().succeeds().line().to_owned()
    };
    let own = sandbox.root();
    let original = id(own.to_str().unwrap());
    for format in ["docker", "oci"] {
        let archive = format!("{format}.tar");
        let save = ["save", "--format", format, "-o", &archive];
        let save = sandbox.coracle(save).args(["localhost/notes:1.0"]);
        save.run().succeeds();
        let load = ["--root", format, "load", "-i", &archive];
        sandbox.coracle(load).run().succeeds();
        assert_eq!(id(format), original, "{format}");
    }
}

/// A store on a medium that nobody can write, or of somebody else.
#[test]
fn a_store_that_cannot_be_written_is_read() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    scratch_image(&sandbox, "notes", "words");
    let id = sandbox.coracle(["images", "-q", "--no-trunc"]).run();
    let id = id.succeeds().line().to_owned();
    let reading = "\"$1\" images -q && \"$1\" image check notes && \"$1\" inspect notes \
        && \"$1\" history notes && \"$1\" image ls-files notes && \"$1\" save -o saved.tar notes \
        && \"$1\" image unpack notes out && ! \"$1\" tag notes other";
    let outcome = if sandbox.person.is_root() {
        // In a mount namespace of its own: it is gone with the script.
        let script = format!(
            "mount --bind \"$CORACLE_ROOT\" \"$CORACLE_ROOT\" \
             && mount -o remount,bind,ro \"$CORACLE_ROOT\" && {reading}"
        );
        let call = sandbox.stagehand("unshare", ["--mount", "sh", "-c", &script, "sh"]);
        call.args([sandbox.binary()]).run()
    } else {
        let root = sandbox.root();
        let script = format!(
            "chmod -R a-w \"$CORACLE_ROOT\" && {reading}; code=$?; chmod -R u+w \"$CORACLE_ROOT\"; exit $code"
        );
        let call = sandbox.program(std::path::Path::new("/bin/sh"), ["-c", &script, "sh"]);
        assert!(root.exists());
        call.args([sandbox.binary()]).run()
    };
    // What cannot work there is refused with the reason.
    let refused = if sandbox.person.is_root() {
        "Read-only file system"
    } else {
        "Permission denied"
    };
    outcome.succeeds().complains(&["index.lock", refused]);
    let load = ["--root", "other", "load", "-i", "saved.tar"];
    sandbox.coracle(load).run().succeeds();
    let loaded = sandbox.coracle(["--root", "other", "images", "-q", "--no-trunc"]);
    assert_eq!(loaded.run().succeeds().line(), id);
}

/// Whoever is in the middle of a build has layers that no tag leads to, on an image that may lose
/// its name.
#[test]
fn what_a_running_build_needs_is_not_collected() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.coracle(["base", "-t", "base"]).run().succeeds();
    let dockerfile = "FROM base\nRUN echo one > /one\nRUN sleep 2; cat /one > /two\nRUN cat /two\n";
    sandbox.file("app/Dockerfile", dockerfile);
    let build = sandbox.coracle(["build", "-t", "app", "app"]).start();
    // The second RUN sleeps when there are a base, its config and manifest, and the first's layer.
    let store = sandbox.root().join("store/blobs/sha256");
    let count = || std::fs::read_dir(&store).unwrap().count();
    let begin = std::time::Instant::now();
    while count() < 4 {
        assert!(begin.elapsed().as_secs() < 60, "the build does not begin");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let prune = || {
        sandbox
            .coracle(["system", "prune", "--all", "--force"])
            .run()
    };
    prune().exits(1).complains(&["the store is in use"]);
    let untagged = sandbox.coracle(["rmi", "base"]).run();
    untagged.succeeds().complains(&["The store is in use"]);
    assert_eq!(count(), 4);
    build.wait().succeeds();
    let run = sandbox.coracle(["run", "--rm", "app", "cat", "/two"]).run();
    assert_eq!(run.succeeds().stdout, "one\n");
    sandbox.coracle(["image", "check", "app"]).run().succeeds();
    // Afterwards everything goes.
    sandbox.coracle(["rmi", "app"]).run().succeeds();
    prune().succeeds();
    assert_eq!(count(), 0);
}

/// Builds, loads, tags and prunes at the same time: nobody's image is lost.
#[test]
fn many_processes_share_a_store() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    scratch_image(&sandbox, "loaded", "an image to load");
    let save = ["save", "-o", "saved.tar", "loaded"];
    sandbox.coracle(save).run().succeeds();
    let mut expected = BTreeSet::from(["loaded:latest".to_owned()]);
    for number in 0..6 {
        sandbox.file(&format!("{number}/file"), format!("{number}"));
        let dockerfile = "FROM scratch\nCOPY file /\nCOPY file /again\n";
        sandbox.file(&format!("{number}/Dockerfile"), dockerfile);
    }
    let mut running = Vec::new();
    for number in 0..6 {
        let (tag, folder) = (format!("built:{number}"), number.to_string());
        running.push(
            sandbox
                .coracle(["build", "-q", "-t", &tag, &folder])
                .start(),
        );
        running.push(sandbox.coracle(["load", "-q", "-i", "saved.tar"]).start());
        let other = format!("tagged:{number}");
        running.push(sandbox.coracle(["tag", "loaded", &other]).start());
        // Without --all, which would take away what nobody uses.
        running.push(sandbox.coracle(["system", "prune", "--force"]).start());
        expected.extend([tag, other]);
    }
    for call in running {
        let outcome = call.wait();
        // Only a prune may be turned away.
        let busy = outcome.stderr.contains("the store is in use");
        assert!(outcome.code == Some(0) || busy, "{outcome}");
    }
    let list = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
    let listed = sandbox.coracle(list).run().succeeds();
    let listed: BTreeSet<_> = listed.stdout.lines().map(str::to_owned).collect();
    assert_eq!(listed, expected);
    let check = sandbox.coracle(["image", "check"]).args(&expected);
    check.run().succeeds();
    let whole = sandbox.coracle(["fsck"]).run().succeeds();
    whole.says(&["everything is as it should be"]);
}

/// Builds an image of one file from nothing: no container is needed for it.
fn scratch_image(sandbox: &Sandbox, tag: &str, content: &str) {
    sandbox.file("image/file", content);
    sandbox.file("image/Dockerfile", "FROM scratch\nCOPY file /\n");
    let build = ["build", "-t", tag, "image"];
    sandbox.coracle(build).run().succeeds();
}

/// The digests of an image's layers, lowest first.
fn layers(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let inspect = ["image", "inspect", "--format", "json", name];
    let document = sandbox.coracle(inspect).run().succeeds().json();
    let layers = document["RootFS"]["Layers"].as_array().unwrap().iter();
    layers.map(|l| l.as_str().unwrap().to_owned()).collect()
}

/// The bytes of all blobs.
fn total(sandbox: &Sandbox) -> u64 {
    let blobs = sandbox.root().join("store/blobs/sha256");
    let entries = std::fs::read_dir(blobs).unwrap();
    entries.map(|e| e.unwrap().metadata().unwrap().len()).sum()
}

fn files_below(folder: &std::path::Path) -> BTreeSet<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
