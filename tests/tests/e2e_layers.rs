//! Layers by themselves, as three people: stacked, written out, and compared with other tools.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt;

use coracle_tests::{
    Archive, Call, Entry, Outcome, Person, Podman, Sandbox, fixtures, installed, skip,
};

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
    let link = Entry::hard_link("again", "null");
    let foreign = Entry {
        owner: 4242,
        ..Entry::file("program", "x").mode(0o4755)
    };
    let also = Entry {
        owner: 4242,
        ..Entry::file("other", "y")
    };
    sandbox.file("layer.tar", Archive::of(&[device, link, foreign, also]));
    let apply = ["layer", "apply", "layer.tar", "out"];
    let outcome = sandbox.coracle(apply).run().succeeds();
    let program = std::fs::metadata(sandbox.path().join("out/program")).unwrap();
    let person = &sandbox.person;
    if person.is_root() {
        assert_eq!(outcome.stderr, "");
        assert_eq!((program.uid(), program.mode() & 0o7777), (4242, 0o4755));
        let device = std::fs::metadata(sandbox.path().join("out/null")).unwrap();
        assert_eq!(device.nlink(), 2);
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
        "2 entries were left out: devices (first /null)",
    ]);
    assert_eq!(outcome.stderr.lines().count(), 2, "{outcome}");
}

/// Whose a link is, is noted on its directory, and the layers above change what is in that.
#[test]
fn links_have_the_owners_of_the_topmost_layer() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let link = |name: &str, owner| Entry {
        owner,
        ..Entry::symlink(name, "anywhere")
    };
    let mine = sandbox.person.uid;
    let lower = ["a", "b", "c", "d"].map(|name| link(&format!("d/{name}"), 7));
    let upper = [
        link("d/a", 8),
        link("d/a", 9), // The last counts.
        link("d/b", mine),
        link("d/e", 8),
        link("d/e", mine),
        Entry::file("d/.wh.d", ""),
    ];
    sandbox.file("lower.tar", Archive::of(&lower));
    sandbox.file("upper.tar", Archive::of(&upper));
    let coracle = |words: &[&str]| sandbox.coracle(words).run().succeeds();
    coracle(&["layer", "apply", "lower.tar", "upper.tar", "out"]);
    std::fs::create_dir(sandbox.path().join("empty")).unwrap();
    coracle(&["layer", "diff", "empty", "out", "-o", "again.tar"]);
    let list = ["layer", "ls", "--format", "{{.path}} {{.uid}}", "again.tar"];
    let listed = coracle(&list).stdout;
    let links: Vec<_> = listed
        .lines()
        .filter(|row| row.starts_with("/d/"))
        .collect();
    let mine = mine.to_string();
    let expected = [("a", "9"), ("b", &mine), ("c", "7"), ("e", &mine)];
    let expected = expected.map(|(name, owner)| format!("/d/{name} {owner}"));
    assert_eq!(links, expected);
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

/// How a tree is packed, and whether everything can be in it: the others have whole seconds, no
/// attributes, and some no long names or large numbers.
#[rustfmt::skip]
const PACKED: &[(&str, &[&str])] = &[
    ("rich", &["tar", "--format=pax", "--xattrs", "--xattrs-include=*"]),
    ("plain", &["bsdtar", "--format=pax"]),
    ("plain", &["bsdtar", "--format=gnutar"]),
    ("plain", &["tar", "--format=pax"]),
    ("plain", &["tar", "--format=gnu"]),
    ("small", &["tar", "--format=oldgnu"]),
    ("small", &["tar", "--format=ustar"]),
    ("small", &["bsdtar", "--format=ustar"]),
];

/// From a tree by way of an archive into the store, out again, and into another store: nothing is
/// lost, whoever does it. What an ordinary user's files cannot have is said once, and saved.
#[test]
fn what_real_tools_pack_comes_back_whole() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !Person::me().is_root() {
        return skip("needs root to make the files");
    }
    if !installed("bsdtar") {
        return;
    }
    make_trees(&sandbox);
    for (tree, pack) in PACKED {
        let what = format!("{pack:?} of {tree}");
        let words = ["-C", tree, "-cf", "packed.tar", "."];
        let packed = sandbox.stagehand(pack[0], &pack[1..]).args(words).run();
        packed.succeeds();
        sandbox.give("packed.tar");
        let coracle = |words: &[&str]| sandbox.coracle(words).run().succeeds();
        let imported = coracle(&["import", "packed.tar", "app", "--format", "json"]).json();
        coracle(&["save", "-o", "saved.tar", "app"]);
        coracle(&["--root", "other", "load", "-q", "-i", "saved.tar"]);
        let inspect = [
            "--root",
            "other",
            "inspect",
            "--format",
            "{{index .RootFS.Layers 0}}",
            "app",
        ];
        assert_eq!(coracle(&inspect).line(), imported["DiffID"], "{what}");

        // What is read is what is there.
        let files = |words: &[&str]| {
            let rows = coracle(words).stdout;
            let rows = rows.lines().map(|row| {
                let mut row: serde_json::Value = serde_json::from_str(row).unwrap();
                row["layer"].take();
                row.to_string()
            });
            rows.collect::<Vec<_>>()
        };
        let ours = format!("{tree}.tar");
        let there = files(&["layer", "ls", "--format", "json", &ours]);
        let read = files(&[
            "--root", "other", "image", "ls-files", "--format", "json", "app",
        ]);
        for (read, there) in read.iter().zip(&there) {
            assert_eq!(read, there, "{what}");
        }
        assert_eq!(read.len(), there.len(), "{what}");

        let _ = std::fs::remove_dir_all(sandbox.path().join("out"));
        let unpacked = coracle(&["--root", "other", "image", "unpack", "app", "out"]);
        coracle(&["layer", "diff", "nothing", "out", "-o", "again.tar"]);
        let again = files(&["layer", "ls", "--format", "json", "again.tar"]);
        if sandbox.person.is_root() {
            assert_eq!(unpacked.stderr, "", "{what}");
        }
        for row in &there {
            assert!(
                again.contains(row) || !can_keep(&sandbox, row),
                "{what}: {row}"
            );
        }
        // So that it can be removed by its owner.
        let open = sandbox.stagehand("chmod", ["-R", "u+rwx", "out"]).run();
        open.succeeds();
    }
}

/// What an ordinary user's container cannot have is said when it is unpacked, and not again; and
/// it stays in the image.
#[test]
fn what_a_container_cannot_have_stays_in_the_image() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !Person::me().is_root() {
        return skip("needs root to make the files");
    }
    make_trees(&sandbox);
    let coracle = |words: &[&str]| sandbox.coracle(words).run().succeeds();
    sandbox.give("rich.tar");
    coracle(&["import", "rich.tar", "rich"]);
    sandbox.copy("/usr/bin/busybox".as_ref(), "app/busybox");
    let dockerfile = "FROM rich\nCOPY --chmod=755 busybox /\n\
        RUN [\"/busybox\", \"chmod\", \"600\", \"/d/plain\"]\n\
        RUN [\"/busybox\", \"touch\", \"-d\", \"@99\", \"/d/setuid\", \"/sticky/new\"]\n\
        RUN [\"/busybox\", \"chmod\", \"700\", \"/d/setuid\"]\n";
    sandbox.file("app/Dockerfile", dockerfile);
    let built = coracle(&["build", "-t", "app", "app"]);
    let said = [
        "kept your own owner",
        "were left out: devices",
        "lack an extended attribute",
    ];
    for words in said {
        let times = built.stderr.matches(words).count();
        assert_eq!(
            times,
            usize::from(!sandbox.person.is_root()),
            "{words}\n{built}"
        );
    }
    let stat = [
        "run", "--rm", "app", "/busybox", "stat", "-c", "%a %Y", "/d/plain",
    ];
    let run = coracle(&stat);
    assert_eq!(run.line(), "600 1234567890");
    // The first container had the last step's layer to unpack; from then on there is nothing.
    let run = coracle(&stat);
    assert!(!run.stderr.contains("kept your own owner"), "{run}");

    // The layer that was loaded is saved, and the other has what changed and no more.
    coracle(&["save", "-o", "saved.tar", "app"]);
    coracle(&["--root", "other", "load", "-q", "-i", "saved.tar"]);
    let rows = |words: &[&str]| coracle(words).stdout;
    let list = [
        "image", "ls-files", "--layer", "0", "--format", "json", "app",
    ];
    let theirs = rows(&[&["--root", "other"], &list[..]].concat());
    assert_eq!(theirs, rows(&list));
    assert!(
        theirs.contains("4000000000") && theirs.contains("\"type\":\"char\""),
        "{theirs}"
    );
    let change = [
        "image",
        "ls-files",
        "--layer",
        "2",
        "--format",
        "{{.path}} {{.mode}}",
        "app",
    ];
    let change = rows(&change);
    let change: Vec<_> = change
        .lines()
        .filter(|row| !row.starts_with("/d "))
        .collect();
    assert_eq!(change, ["/d/plain 0600"]);

    // Whose a file is that had to be somebody else's here is told by every layer above.
    let owned = |layer: &str| {
        let template = "{{.path}} {{.mode}} {{.owner}}";
        let list = [
            "image", "ls-files", "--layer", layer, "--format", template, "app",
        ];
        let list = rows(&list);
        let list: Vec<_> = list
            .lines()
            .filter(|row| !row.starts_with("/d 0"))
            .collect();
        list.join("\n")
    };
    let far = "4000000000:3000000000";
    let touched = format!("/d/setuid 6755 {far}\n/sticky 1777 {far}\n/sticky/new 0644 0:0");
    assert_eq!(owned("3"), touched);
    assert_eq!(owned("4"), format!("/d/setuid 0700 {far}"));
}

/// Whether the sandbox's person can have a file as this row of a listing tells it. An ordinary
/// user makes no devices and no attributes but their own.
fn can_keep(sandbox: &Sandbox, row: &str) -> bool {
    let kinds = ["char", "block"];
    let special = |kind: &&str| row.contains(&format!("\"type\":\"{kind}\""));
    let attribute = row.contains("security.") || row.contains("trusted.");
    sandbox.person.is_root() || !(kinds.iter().any(special) || attribute)
}

/// Three trees: `rich` with all that a layer can hold, `plain` without what only PAX can,
/// `small` without what only GNU's extensions can. And each as our writer packs it, which the
/// other tests of this file and of the twins hold.
fn make_trees(sandbox: &Sandbox) {
    let at = |entry: Entry, owner, mtime| Entry {
        owner,
        mtime,
        ..entry
    };
    let attribute = |entry: Entry, key: &str, value: &[u8]| Entry {
        xattrs: vec![(key.into(), value.to_vec())],
        ..entry
    };
    let node = |name: &str, kind, device| Entry {
        name: name.into(),
        kind,
        device,
        ..Entry::default()
    };
    let second = (1_234_567_890, 0);
    let small = vec![
        Entry::directory("./"),
        Entry::directory("d/"),
        at(Entry::file("d/plain", "plain"), 0, second),
        at(Entry::file("d/setuid", "x").mode(0o6755), 1000, second),
        Entry::directory("sticky/").mode(0o1777),
        Entry::directory("empty/").mode(0o500),
        Entry::directory("other/"),
        Entry::hard_link("other/plain", "d/plain"),
        Entry::symlink("link", "../../d/nowhere"),
        Entry::file(&["p".repeat(90), "n".repeat(80)].join("/"), "prefix"),
        node("null", b'3', (1, 3)),
        node("disk", b'4', (8, 17)),
        node("pipe", b'6', (0, 0)),
    ];
    let mut plain = small.clone();
    plain.extend([
        Entry::file(&["q".repeat(200), "r".repeat(255)].join("/"), "long"),
        Entry::symlink("far", &"t".repeat(900)),
    ]);
    let mut rich = plain.clone();
    let latin = Entry {
        name: b"latin-\xe4\xff\n".to_vec(),
        ..Entry::file("", "latin")
    };
    rich.extend([
        latin,
        at(Entry::file("nanos", ""), 0, (1_234_567_890, 123_456_789)),
        attribute(
            Entry::file("capable", "x"),
            "security.capability",
            CAPABILITY,
        ),
        attribute(Entry::file("trusted", ""), "trusted.note", b"t"),
        attribute(Entry::directory("noted/"), "user.note", b"a\n=b\0\xff"),
        Entry::file("before-1970", ""),
        node("large", b'4', (259, 300_000)),
    ]);
    for (name, entries) in [("small", small), ("plain", plain), ("rich", rich)] {
        sandbox.file("entries.tar", Archive::of(&entries));
        let script = "set -e; $1 layer apply entries.tar $2
            case $2 in
            rich) touch -h -d @-1.25 rich/before-1970; touch -d @12000000000.5 rich/nanos ;;
            esac
            case $2 in
            rich | plain) chown 4000000000:3000000000 $2/sticky $2/d/setuid; chmod 6755 $2/d/setuid
                touch -d @8000000000 $2/pipe ;;
            esac
            touch -d @5 $2/empty; touch -d @7 $2
            mkdir -p nothing; $1 layer diff nothing $2 -o $2.tar";
        let words = ["-c", script, "sh"];
        let call = sandbox.stagehand("sh", words).args([sandbox.binary()]);
        call.args([name]).run().succeeds();
        sandbox.give(&format!("{name}.tar"));
    }
}

/// `cap_net_raw+ep`, as a file has it (version 2 of the format).
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Runs a program of another project in the sandbox, as whoever runs the tests.
fn peer(sandbox: &Sandbox, program: &str, words: &[&str]) -> Outcome {
    let call: Call = sandbox.stagehand("timeout", ["--signal=KILL", "100", program]);
    call.args(words).run()
}
