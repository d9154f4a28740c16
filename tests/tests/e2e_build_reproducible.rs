//! The same sources give the same image, and the cache says what was not the same.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::time::{Duration, SystemTime};

use coracle_tests::{Outcome, Sandbox};

/// A build in a state directory of its own. Returns the image's and the manifest's digest.
fn digests(sandbox: &Sandbox, root: &str, context: &str, words: &[&str]) -> (String, String) {
    let fixed = ["--root", root, "build", "--metadata-file", "m", "-t", "app"];
    let call = sandbox.coracle(fixed).args(words).args([context]);
    call.run().succeeds();
    let text = std::fs::read_to_string(sandbox.path().join("m")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of = |name: &str| metadata[name].as_str().unwrap().to_owned();
    (
        of("containerimage.config.digest"),
        of("containerimage.digest"),
    )
}

/// Two checkouts of the same files, at different times.
fn checkouts(sandbox: &Sandbox, dockerfile: &str) {
    for (context, hours) in [("one", 5), ("two", 500)] {
        for (name, content) in [("Dockerfile", dockerfile), ("a/b", "b"), ("c", "c")] {
            let path = sandbox.file(&format!("{context}/{name}"), content);
            let time = SystemTime::now() - Duration::from_hours(hours);
            File::open(path).unwrap().set_modified(time).unwrap();
        }
    }
}

#[test]
fn what_is_only_copied_is_the_same_without_being_asked() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let dockerfile = "FROM scratch\nCOPY . /all/\nWORKDIR /all/new\nENV A=b\n";
    checkouts(&sandbox, dockerfile);
    let one = digests(&sandbox, "root-one", "one", &[]);
    let two = digests(&sandbox, "root-two", "two", &[]);
    assert_eq!(one, two);
    let times = [
        "--root",
        "root-one",
        "image",
        "ls-files",
        "--format",
        "{{.mtime}}",
        "app",
    ];
    let times = sandbox.coracle(times).run().succeeds();
    assert!(times.stdout.lines().all(|time| time == "0"), "{times}");
}

#[test]
fn with_an_epoch_what_runs_is_the_same_too() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let dockerfile = "FROM base AS x\nRUN echo x > /x && mkdir -p /d/e\n\
                      FROM base\nCOPY . /all/\nRUN echo run >> /all/c && touch -d @5 /all/old\n\
                      COPY --from=x /x /d/ /y/\n";
    checkouts(&sandbox, dockerfile);
    for root in ["root-one", "root-two"] {
        sandbox
            .coracle(["--root", root, "base", "-q"])
            .run()
            .succeeds();
    }
    let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1000000000"];
    let one = digests(&sandbox, "root-one", "one", &epoch);
    std::thread::sleep(Duration::from_millis(1100));
    let two = digests(&sandbox, "root-two", "two", &epoch);
    assert_eq!(one, two);
    let format = "{{.path}} {{.mtime}}";
    let files = [
        "--root", "root-one", "image", "ls-files", "--format", format, "app",
    ];
    let files = sandbox.coracle(files).run().succeeds();
    for line in [
        "/all/c 1000000000\n",
        "/all/a/b 1000000000\n",
        "/all/old 5\n",
        "/y/x 1000000000\n",
    ] {
        assert!(files.stdout.contains(line), "no {line}\n{files}");
    }
    let inspect = [
        "--root",
        "root-one",
        "inspect",
        "--format",
        "{{.Created}}",
        "app",
    ];
    let created = sandbox.coracle(inspect).run().succeeds();
    assert!(
        created.stdout.starts_with("2001-09-09T01:46:40"),
        "{created}"
    );
    // Without it, another moment is another image.
    let three = digests(&sandbox, "root-two", "two", &[]);
    assert_ne!(one, three);
    let wrong = ["build", "--build-arg", "SOURCE_DATE_EPOCH=now", "one"];
    sandbox
        .coracle(wrong)
        .run()
        .fails()
        .complains(&["seconds since 1970"]);
}

#[test]
fn the_cache_tells_arguments_platforms_and_files() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file(
        "app/Dockerfile",
        "FROM scratch\nARG WHO=me\nCOPY files /$WHO/\n",
    );
    let files = |count: usize, content: &str| {
        for number in 0..count {
            sandbox.file(&format!("app/files/f{number:02}"), content);
        }
    };
    let build = |words: &[&str]| -> Outcome {
        let fixed = [
            "build",
            "--progress",
            "plain",
            "--explain-cache",
            "--metadata-file",
            "m",
        ];
        sandbox
            .coracle(fixed)
            .args(words)
            .args(["app"])
            .run()
            .succeeds()
    };
    let check = |words: &[&str], said: &str| {
        let outcome = build(words);
        assert!(outcome.stderr.contains(said), "no {said}\n{outcome}");
    };
    files(1, "1");
    check(&[], "not cached: it has not been built here before");
    check(
        &["--build-arg", "WHO=you"],
        "not cached: the instruction was `COPY files /me/` and is `COPY files /you/`",
    );
    check(
        &["--platform", "linux/arm64", "--build-arg", "WHO=you"],
        &format!(
            "not cached: the platform was linux/{} and is linux/arm64",
            architecture()
        ),
    );
    files(13, "2");
    check(
        &["--platform", "linux/arm64", "--build-arg", "WHO=you"],
        "added: files/f01, files/f02, files/f03, files/f04, files/f05, files/f06, files/f07, \
         files/f08, files/f09, files/f10 and 2 more; changed: files/f00",
    );
    let text = std::fs::read_to_string(sandbox.path().join("m")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let why = &metadata["steps"][0]["why"][0];
    assert_eq!(why["miss"], "files", "{metadata}");
    assert_eq!(why["added"].as_array().unwrap().len(), 12, "{metadata}");
}

/// This machine's processor by Go's name.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
