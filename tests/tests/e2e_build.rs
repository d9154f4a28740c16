//! Builds that go wrong, and builds that are big.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use coracle_tests::{Sandbox, leaks};
use rustix::process::Signal;

/// The size of the big file, in bytes.
const SIZE: u64 = 1 << 30;

#[test]
fn every_problem_is_reported_in_one_run() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let wrong = "FORM scratch\nCOPY a\nWORKDIR\nEXPOSE http\n";
    sandbox.file("app/Dockerfile", wrong);
    let outcome = sandbox.coracle(["build", "app"]).run().fails();
    for (line, words) in [(1, "FORM"), (2, "COPY"), (3, "WORKDIR"), (4, "EXPOSE")] {
        let place = format!("Dockerfile:{line}:");
        assert!(outcome.stderr.contains(&place), "no {place}\n{outcome}");
        assert!(outcome.stderr.contains(words), "no {words}\n{outcome}");
    }
    assert!(
        outcome.stderr.contains("FROM"),
        "nothing is suggested for FORM\n{outcome}"
    );
    assert!(outcome.stderr.contains('^'), "no caret\n{outcome}");
}

#[test]
fn a_missing_file_is_named_with_its_context_and_its_dockerignore() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY secret.txt /\n");
    let build = || sandbox.coracle(["build", "app"]);
    let context = "build context is app";
    let absent = build().run().fails().complains(&["secret.txt", context]);
    assert!(!absent.stderr.contains(".dockerignore hid"), "{absent}");

    sandbox.file("app/secret.txt", "s");
    sandbox.file("app/.dockerignore", "# nothing private\n*.txt\n");
    let words = ["secret.txt", context, "line 2 of .dockerignore"];
    build().run().fails().complains(&words);

    sandbox.file("app/.dockerignore", "*.txt\n!secret.txt\n");
    build().run().succeeds();
}

#[test]
fn a_base_may_be_an_id_but_not_the_first_letter_of_one() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("one/Dockerfile", "FROM scratch\nLABEL a=b\n");
    let id = sandbox.coracle(["build", "-q", "one"]).run().succeeds();
    let digits = id.line().trim_start_matches("sha256:");
    let build = |digits: &str| {
        sandbox.file("two/Dockerfile", format!("FROM {digits}\nLABEL c=d\n"));
        sandbox.coracle(["build", "-q", "two"]).run()
    };
    build(&digits[..12]).succeeds();
    let none = format!("there is no image {} here", &digits[..1]);
    build(&digits[..1]).exits(1).complains(&[&none]);
}

/// What ADD unpacks, as GNU tar and the usual compressors write it, and what it must not.
#[test]
fn archives_of_real_tools_are_unpacked_by_add() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("tree/d/file", "content");
    sandbox.file("app/Dockerfile", "FROM scratch\nADD a /into/\n");
    let pack = |script: &str| {
        let call = sandbox.program("/bin/sh".as_ref(), ["-ec", script]);
        call.run().succeeds();
    };
    let build = || sandbox.coracle(["build", "-q", "-t", "app", "app"]).run();
    let files = |pack_script: &str| {
        pack(pack_script);
        build().succeeds();
        let list = [
            "image",
            "ls-files",
            "--format",
            "{{.path}} {{.size}}",
            "app",
        ];
        let list = sandbox.coracle(list).run().succeeds();
        let files = list.stdout.lines().filter(|line| !line.ends_with('-'));
        files.collect::<Vec<_>>().join("\n")
    };
    for packing in ["cat", "gzip", "bzip2", "xz", "zstd -q"] {
        let script = format!("tar -C tree -c . | {packing} > app/a");
        assert_eq!(files(&script), "/into/d/file 7", "{packing}");
    }
    for format in ["v7", "ustar", "oldgnu", "gnu", "pax"] {
        let script = format!("tar -C tree --format={format} -cf app/a d");
        assert_eq!(files(&script), "/into/d/file 7", "{format}");
    }
    // A packed file that is no archive is a file.
    let unpacked = files("gzip -n < tree/d/file > app/a");
    assert!(unpacked.starts_with("/into/a "), "{unpacked}");

    let refused = |script: &str, words: &[&str]| {
        pack(script);
        build().fails().complains(words);
    };
    refused(
        "touch tree/d/.wh.gone; tar -C tree -cf app/a .; rm tree/d/.wh.gone",
        &[
            "Dockerfile:2",
            "/a has an entry that begins with .wh.",
            "/d/gone",
        ],
    );
    for format in [
        "gnu",
        "pax",
        "pax --sparse-version=0.0",
        "pax --sparse-version=0.1",
    ] {
        let script = format!(
            "truncate -s 1M tree/d/hole; echo end >> tree/d/hole
             tar -S -C tree --format={format} -cf app/a .; rm tree/d/hole"
        );
        refused(&script, &["d/hole\" is a sparse file", "without --sparse"]);
    }
}

#[test]
fn a_file_of_a_gigabyte_needs_little_memory() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY big /\n");
    let big = sandbox.file("app/big", "");
    let file = File::options().write(true).open(&big).unwrap();
    file.set_len(SIZE).unwrap();
    file.write_all_at(b"the end", SIZE - 7).unwrap();

    let mut build = sandbox.coracle(["build", "-t", "big", "app"]).start();
    let mut most = 0;
    while build.runs() {
        most = most.max(peak_of_group(build.id()));
        std::thread::sleep(Duration::from_millis(10));
    }
    build.wait().succeeds();
    assert!(most > 0, "no memory was measured");
    assert!(most < 100 << 20, "the build took {} MiB", most >> 20);

    let files = ["image", "ls-files", "--format", "json", "big"];
    let files = sandbox.coracle(files).run().succeeds();
    let line = files.stdout.lines().find(|line| line.contains("big"));
    let entry: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(entry["size"], SIZE, "{entry}");
}

#[test]
fn an_interrupted_build_ends_at_once_and_says_so() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.coracle(["base", "-q"]).run().succeeds();
    // PID 1 without a handler: the signal alone would mean nothing to it.
    let dockerfile = "FROM base\nRUN echo kept\nRUN [\"sleep\", \"600\"]\n";
    sandbox.file("app/Dockerfile", dockerfile);
    // With a thread that writes progress, and without one.
    for progress in ["plain", "quiet"] {
        for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
            let build = ["build", "--progress", progress, "-t", "app", "app"];
            let running = sandbox.coracle(build).start();
            wait_for(&sandbox, "sleep 600");
            running.signal(signal);
            let outcome = running.wait().exits(128 + signal.as_raw());
            let said = format!("app/Dockerfile:3: interrupted by {name}\n");
            outcome.complains(&[&said, "in the cache"]);
            let left = std::fs::read_dir(sandbox.root().join("containers")).unwrap();
            assert_eq!(left.count(), 0, "the container's directory is still there");
        }
    }
    let images = sandbox.coracle(["images", "-q", "app"]).run().succeeds();
    assert_eq!(images.stdout, "");
}

/// Waits until a process of the sandbox runs this command.
fn wait_for(sandbox: &Sandbox, command: &str) {
    let begin = Instant::now();
    let runs = || {
        let processes = leaks::processes(sandbox.path());
        processes.iter().any(|(_, line)| line == command)
    };
    while !runs() {
        assert!(begin.elapsed() < Duration::from_secs(30), "no {command}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The highest resident size, in bytes, that any one process of the group has had so far.
fn peak_of_group(group: u32) -> u64 {
    let peak = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name in parentheses: state, parent, process group (see proc(5)).
        let (_, fields) = stat.rsplit_once(") ")?;
        let of: u32 = fields.split(' ').nth(2)?.parse().ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        (of == group).then_some(kib * 1024)
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let peaks = entries.filter_map(|entry| peak(entry.file_name().to_str()?));
    peaks.max().unwrap_or(0)
}

/// What `RUN` leaves when it changes nothing: the archive that is only an end marker.
const EMPTY_LAYER: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

#[test]
fn a_step_sees_its_mounts_and_the_image_does_not() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.coracle(["base", "-q"]).run().succeeds();
    sandbox.file("app/data", "from the context\n");
    sandbox.file("key", "from the secret\n");
    sandbox.file(
        "app/Dockerfile",
        "FROM base\n\
         RUN --mount=type=bind,target=/ctx --mount=type=cache,target=/cache \\\n\
         --mount=type=tmpfs,target=/memory --mount=type=secret,id=key \\\n\
         cat /ctx/data /run/secrets/key && echo once more >> /cache/log && cat /cache/log \\\n\
         && touch /memory/x\n\
         RUN true\n",
    );
    let key = sandbox.path().join("key");
    let secret = format!("id=key,src={}", key.display());
    let build = [
        "build",
        "--no-cache",
        "--secret",
        &secret,
        "-t",
        "app",
        "app",
    ];
    let first = sandbox.coracle(build).run().succeeds();
    for words in ["from the context", "from the secret", "once more"] {
        assert!(first.stderr.contains(words), "no {words}\n{first}");
    }
    let second = sandbox.coracle(build).run().succeeds();
    let lines = second.stderr.matches(" once more\n").count();
    assert_eq!(lines, 2, "the cache was not kept\n{second}");

    let image = sandbox.coracle(["inspect", "app"]).run().succeeds();
    assert!(image.stdout.contains(EMPTY_LAYER), "{image}");
    let files = sandbox
        .coracle(["image", "ls-files", "app"])
        .run()
        .succeeds();
    for path in ["/ctx", "/cache", "/memory", "/run/secrets"] {
        assert!(
            !files.stdout.contains(path),
            "{path} is in the image\n{files}"
        );
    }
}
