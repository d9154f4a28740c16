//! Containers that stay: their states, and what can be done with what they changed.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::thread;
use std::time::{Duration, Instant};

use coracle_tests::call::Running;
use coracle_tests::{Call, Sandbox};
use rustix::process::Signal;

#[test]
fn a_container_stays_until_it_is_removed() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let say = |script: &str| ["base", "sh", "-c", script].map(str::to_owned);
    let run = sandbox.coracle(["run", "--name", "job"]);
    run.args(say("echo once >> /lines; exit 3")).run().exits(3);
    ps(&sandbox, "job Exited (3)");
    // It goes on with the file system that it left.
    sandbox.coracle(["start", "-a", "job"]).run().exits(3);
    let read = sandbox.coracle(["cp", "job:/lines", "lines"]);
    read.run().succeeds();
    let lines = std::fs::read_to_string(sandbox.path().join("lines")).unwrap();
    assert_eq!(lines, "once\nonce\n");
    let again = sandbox.coracle(["run", "--name", "job"]).args(say("true"));
    again
        .run()
        .exits(125)
        .complains(&["the name job is in use"]);
    sandbox.coracle(["rename", "job", "done"]).run().succeeds();
    ps(&sandbox, "done Exited (3)");
    assert_eq!(
        sandbox.coracle(["rm", "done"]).run().succeeds().line(),
        "done"
    );
    ps(&sandbox, "");
    let gone = sandbox.coracle(["rm", "done"]).run().exits(1);
    gone.complains(&["there is no container done"]);
    sandbox
        .coracle(["run", "--rm", "base", "true"])
        .run()
        .succeeds();
    ps(&sandbox, "");
    let left = std::fs::read_dir(sandbox.root().join("containers")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn one_that_was_only_created_runs_when_it_is_started() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let words = [
        "create",
        "--rm",
        "-l",
        "kind=test",
        "--name",
        "late",
        "base",
        "cat",
        "/in",
    ];
    let id = sandbox.coracle(words).run().succeeds();
    assert_eq!(id.line().len(), 64);
    ps(&sandbox, "late Created");
    sandbox.file("in", "handed in\n");
    sandbox.coracle(["cp", "in", "late:/in"]).run().succeeds();
    let filter = ["ps", "-aq", "--no-trunc", "--filter", "label=kind=test"];
    let found = sandbox.coracle(filter).run().succeeds();
    assert_eq!(found.line(), id.line());
    let short = &id.line()[..8];
    let ran = sandbox.coracle(["start", "--attach", short]).run();
    assert_eq!(ran.succeeds().line(), "handed in");
    ps(&sandbox, ""); // Because of --rm.
}

#[test]
fn a_command_that_cannot_run_leaves_a_container_that_says_why() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let words = ["run", "--name", "wrong", "base", "no-such-program"];
    sandbox.coracle(words).run().exits(127);
    ps(&sandbox, "wrong Created");
    let format = "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}";
    let inspect = ["container", "inspect", "--format", format, "wrong"];
    let said = sandbox.coracle(inspect).run().succeeds();
    said.says(&["created 127 exec: \"no-such-program\""]);
}

#[test]
fn one_that_runs_is_seen_looked_into_and_ended() {
    let Some(sandbox) = with_base() else {
        return;
    };
    sandbox.file("shared/from-here", "shared\n");
    let script = "echo changed > /state; echo more > /shared/from-inside; exec sleep 100";
    let words = ["run", "--name", "live", "-v", "./shared:/shared", "base"];
    let mut live = sandbox.coracle(words).args(["sh", "-c", script]).start();
    until_it_runs(&sandbox, &mut live);
    let diff = sandbox.coracle(["diff", "live"]).run().succeeds();
    assert_eq!(diff.stdout, "A /state\n", "no mount point is among it");
    // Both ways, into what is mounted too; and never /proc of the machine.
    let look = sandbox.coracle(["cp", "live:/state", "state"]);
    look.run().succeeds();
    assert_eq!(
        std::fs::read(sandbox.path().join("state")).unwrap(),
        b"changed\n"
    );
    sandbox.file("new", "new\n");
    sandbox
        .coracle(["cp", "new", "live:/shared/new"])
        .run()
        .succeeds();
    assert!(sandbox.path().join("shared/new").is_file());
    sandbox
        .coracle(["export", "-o", "live.tar", "live"])
        .run()
        .succeeds();
    let names = sandbox
        .stagehand("tar", ["-tf", "live.tar"])
        .run()
        .succeeds();
    let listed = |name: &str| names.stdout.lines().any(|line| line == name);
    assert!(listed("state") && listed("proc/") && !listed("shared/new"));
    let below_proc = names.stdout.lines().filter(|l| l.starts_with("proc/"));
    assert_eq!(below_proc.count(), 1, "{names}");
    let commit = sandbox.coracle(["commit", "live", "image:1"]).run();
    commit.succeeds().complains(&["is not paused"]);

    let refused = sandbox.coracle(["rm", "live"]).run().exits(1);
    refused.complains(&["the container live runs", "--force"]);
    let refused = sandbox.coracle(["rmi", "-f", "base"]).run().exits(1);
    refused.complains(&["used by the container live, which runs"]);
    sandbox.coracle(["rm", "-f", "live"]).run().succeeds();
    assert_eq!(live.wait().code, Some(137));
    ps(&sandbox, "");
    let run = sandbox.coracle(["run", "--rm", "image:1", "cat", "/state"]);
    assert_eq!(run.run().succeeds().line(), "changed");
}

#[test]
fn whoever_attends_may_be_killed_and_the_truth_is_told() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let words = ["run", "--name", "lost", "base", "sleep", "100"];
    let mut lost = sandbox.coracle(words).start();
    until_it_runs(&sandbox, &mut lost);
    lost.signal(Signal::KILL);
    lost.wait();
    ps(&sandbox, "lost Exited (137)");
    let inspect = ["inspect", "--format", "{{.State.Error}}", "lost"];
    let why = sandbox.coracle(inspect).run().succeeds();
    why.says(&["whoever attended to the container was killed"]);
    sandbox
        .coracle(["container", "prune", "-f"])
        .run()
        .succeeds()
        .says(&["Deleted"]);
    ps(&sandbox, "");
}

#[test]
fn a_containers_layers_stay_as_long_as_it_does() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let words = [
        "run",
        "--name",
        "job",
        "base",
        "sh",
        "-c",
        "echo kept > /kept",
    ];
    sandbox.coracle(words).run().succeeds();
    let refused = sandbox.coracle(["rmi", "base"]).run().exits(1);
    refused.complains(&["used by the container job, which does not run", "rm job"]);
    sandbox.coracle(["image", "prune", "-af"]).run().succeeds();
    sandbox
        .coracle(["image", "inspect", "base"])
        .run()
        .succeeds();
    sandbox.coracle(["rmi", "-f", "base"]).run().succeeds();
    assert_eq!(sandbox.coracle(["images", "-q"]).run().line(), "");
    sandbox.coracle(["builder", "prune", "-f"]).run().succeeds();
    // Nobody takes what it stands on for a leftover.
    let df = sandbox.coracle(["system", "df", "-v", "--format", "json"]);
    let df = df.run().json();
    assert_eq!(df["LooseBlobs"]["Count"], 0, "{df}");
    assert!(df["Kept"].as_u64().unwrap() > 0, "{df}");
    sandbox.coracle(["fsck", "--repair"]).run().succeeds();
    assert!(!sandbox.root().join("lost+found").exists());
    sandbox.coracle(["start", "-a", "job"]).run().succeeds();
    sandbox.coracle(["commit", "job", "again"]).run().succeeds();
    let run = sandbox.coracle(["run", "--rm", "again", "cat", "/kept"]);
    assert_eq!(run.run().succeeds().line(), "kept");
    sandbox.coracle(["rmi", "-f", "again"]).run().succeeds();
    sandbox.coracle(["system", "prune", "-af"]).run().succeeds();
    let blobs = sandbox.root().join("store/blobs/sha256");
    assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0);
}

#[test]
fn a_commit_is_the_image_and_what_was_changed() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let words = [
        "run", "--name", "job", "-e", "A=b", "-w", "/tmp", "-u", "0:0", "base",
    ];
    let script = "echo new > /new; mkdir /d; echo x > /d/x; rm /etc/passwd";
    sandbox
        .coracle(words)
        .args(["sh", "-c", script])
        .run()
        .succeeds();
    let words = [
        "commit",
        "-a",
        "Me",
        "-m",
        "by hand",
        "-c",
        "CMD [\"cat\", \"/new\"]",
        "job",
        "app:2",
    ];
    let epoch = |call: Call| call.env("SOURCE_DATE_EPOCH", "1000000000");
    let id = epoch(sandbox.coracle(words)).run().succeeds();
    let image = sandbox.coracle(["image", "inspect", "app:2"]).run().json();
    let image = &image[0];
    assert_eq!(image["Id"], id.line());
    assert_eq!(image["Config"]["Cmd"], serde_json::json!(["cat", "/new"]));
    assert_eq!(image["Config"]["WorkingDir"], "/tmp");
    assert_eq!(image["Config"]["User"], "0:0");
    assert_eq!(image["Author"], "Me");
    assert_eq!(image["Comment"], "by hand");
    assert_eq!(image["Created"], "2001-09-09T01:46:40Z");
    let env = image["Config"]["Env"].as_array().unwrap();
    assert!(env.contains(&"A=b".into()), "{env:?}");
    assert_eq!(image["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    let layer = sandbox.coracle([
        "image",
        "ls-files",
        "--layer",
        "1",
        "--format",
        "{{.path}}",
        "app:2",
    ]);
    let listed = layer.run().succeeds();
    // What is hidden comes first.
    let expected = ["/etc/passwd", "/d", "/d/x", "/etc", "/new"];
    assert_eq!(
        listed.stdout.lines().collect::<Vec<_>>(),
        expected,
        "{listed}"
    );
    let run = sandbox.coracle(["run", "--rm", "app:2"]);
    assert_eq!(run.run().succeeds().line(), "new");
    // The same again is the same image; of what changed nothing there is no new layer.
    let words = [
        "commit",
        "-a",
        "Me",
        "-m",
        "by hand",
        "-c",
        "CMD [\"cat\", \"/new\"]",
        "job",
    ];
    let again = epoch(sandbox.coracle(words)).run().succeeds();
    assert_eq!(again.line(), id.line());
    sandbox
        .coracle(["create", "--name", "idle", "base", "sh"])
        .run()
        .succeeds();
    let words = ["commit", "--format", "json", "idle", "idle:1"];
    let json = sandbox.coracle(words).run().json();
    assert!(json["DiffID"].is_null(), "{json}");
    let wrong = ["commit", "-c", "RUN true", "job"];
    let wrong = sandbox.coracle(wrong).run().exits(1);
    wrong.complains(&["--change", "touch no file"]);
}

/// What Docker 20.10 does with the same words, which were run there for this table.
#[test]
fn copies_go_where_dockers_go() {
    let Some(sandbox) = with_base() else {
        return;
    };
    for (name, content) in [
        ("from/f", "1"),
        ("from/d/two", "2"),
        ("from/d/sub/three", "3"),
    ] {
        sandbox.file(name, content);
    }
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, sandbox.path().join("from").join(name)).unwrap();
    };
    link("d", "dl");
    link("f", "fl");
    let scene = "mkdir -p /to/dir; echo old > /to/file; ln -s dir /to/dlink; ln -s file /to/flink; ln -s nowhere /to/dangling";
    let check = |words: &[&str], expected: &[&str]| {
        let name = format!("c{}", words.join("").replace(['/', '-'], "_"));
        let run = ["run", "--name", &name, "base", "sh", "-c", scene];
        sandbox.coracle(run).run().succeeds();
        let (target, rest) = words.split_last().unwrap();
        let cp = sandbox
            .coracle(["cp"])
            .args(rest)
            .args([format!("{name}:/to/{target}")]);
        cp.dir(&sandbox.path().join("from")).run();
        let export = sandbox.coracle(["export", "-o", "out.tar", &name]);
        export.run().succeeds();
        let list = sandbox
            .stagehand("tar", ["-tf", "out.tar"])
            .run()
            .succeeds();
        let there = [
            "to/",
            "to/dangling",
            "to/dir/",
            "to/dlink",
            "to/file",
            "to/flink",
        ];
        let new: Vec<_> = list
            .stdout
            .lines()
            .filter(|l| l.starts_with("to/") && !there.contains(l))
            .collect();
        assert_eq!(new, expected, "{words:?}");
    };
    let whole = |at: &str| ["", "sub/", "sub/three", "two"].map(|name| format!("to/{at}/{name}"));
    let whole_at = |words: &[&str], at: &str| {
        let expected = whole(at);
        check(words, &expected.each_ref().map(String::as_str));
    };
    check(&["f", "dir"], &["to/dir/f"]);
    check(&["f", "new"], &["to/new"]);
    check(&["f", "new/"], &[]);
    check(&["f", "file/"], &[]);
    check(&["f", "dlink"], &["to/dir/f"]);
    check(&["f", "dangling"], &["to/nowhere"]);
    check(&["f", "no/where"], &[]);
    check(&["fl", "dir"], &["to/dir/fl"]);
    check(
        &["d/.", "dir"],
        &["to/dir/sub/", "to/dir/sub/three", "to/dir/two"],
    );
    check(&["d", "file"], &[]);
    check(&["dl", "dir"], &["to/dir/dl"]);
    whole_at(&["d", "dir"], "dir/d");
    whole_at(&["d", "new"], "new");
    whole_at(&["d/.", "new/"], "new");
    whole_at(&["dl/", "dir"], "dir/dl");
    whole_at(&["-L", "dl", "dir"], "dir/dl");
}

#[test]
fn archives_are_copied_through_pipes() {
    let Some(sandbox) = with_base() else {
        return;
    };
    sandbox
        .coracle(["create", "--name", "job", "base", "sh"])
        .run()
        .succeeds();
    sandbox.file("in/a", "1");
    sandbox.file("in/b/c", "2");
    let path = sandbox.path();
    sandbox
        .stagehand("tar", ["-cf", "in.tar", "-C", "in", "a", "b/c"])
        .run()
        .succeeds();
    let archive = std::fs::File::open(path.join("in.tar")).unwrap();
    sandbox
        .coracle(["cp", "-", "job:/tmp"])
        .input(archive)
        .run()
        .succeeds();
    let out = sandbox.coracle(["cp", "job:/tmp/.", "-"]).run().succeeds();
    std::fs::write(path.join("out.tar"), &out.stdout).unwrap();
    let list = sandbox
        .stagehand("tar", ["-tf", "out.tar"])
        .run()
        .succeeds();
    assert_eq!(list.stdout, "./\na\nb/\nb/c\n");
    let nothing = sandbox.coracle(["cp", "-", "job:/nowhere/at/all"]);
    let archive = std::fs::File::open(path.join("in.tar")).unwrap();
    nothing
        .input(archive)
        .run()
        .exits(1)
        .complains(&["there is no directory"]);
}

#[test]
fn what_cannot_be_done_with_a_container_is_said() {
    let Some(sandbox) = with_base() else {
        return;
    };
    sandbox
        .coracle(["create", "--name", "job", "base", "sh"])
        .run()
        .succeeds();
    sandbox.file("file", "");
    let check = |words: &[&str], code: i32, part: &str| {
        sandbox.coracle(words).run().exits(code).complains(&[part]);
    };
    check(&["diff", "jop"], 1, "Did you mean job?");
    check(
        &["export", "-o", "x.tar", "nowhere"],
        1,
        "there is no container nowhere",
    );
    check(&["commit", "job", "Upper"], 1, "lower-case");
    check(
        &["cp", "job:/nowhere", "."],
        1,
        "there is nothing at /nowhere",
    );
    check(
        &["cp", "file", "job:/no/where"],
        1,
        "there is no directory /no",
    );
    check(&["cp", "a", "b"], 1, "both paths are on this machine");
    check(
        &["cp", "job:/etc", "job:/tmp"],
        1,
        "both paths are containers",
    );
    check(&["cp", "nowhere", "job:/"], 1, "nowhere: No such file");
    check(&["start", "job"], 125, "coracle start -a");
    check(&["rename", "job", "a b"], 125, "two or more letters");
    check(
        &["ps", "--filter", "colour=red"],
        1,
        "there is no filter colour",
    );
    assert!(!sandbox.path().join("x.tar").exists());
    let read_only = ["create", "--name", "ro", "--read-only", "base", "sh"];
    sandbox.coracle(read_only).run().succeeds();
    check(&["cp", "file", "ro:/file"], 1, "EROFS");
}

/// A sandbox with an image `base`.
fn with_base() -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    sandbox.coracle(["base", "-t", "base"]).run().succeeds();
    Some(sandbox)
}

/// Asserts the names and states of all containers, one a line, as far as they are given.
#[track_caller]
fn ps(sandbox: &Sandbox, expected: &str) {
    let words = ["ps", "-a", "--format", "{{.Names}} {{.Status}}"];
    let listed = sandbox.coracle(words).run().succeeds();
    let lines: Vec<_> = listed.stdout.lines().collect();
    let expected: Vec<_> = expected.lines().collect();
    let alike = lines.len() == expected.len()
        && lines
            .iter()
            .zip(&expected)
            .all(|(line, begin)| line.starts_with(begin));
    assert!(alike, "expected {expected:?}\n{listed}");
}

/// Waits until `ps` lists a container that runs, and its command has come to its last one.
#[track_caller]
fn until_it_runs(sandbox: &Sandbox, running: &mut Running) {
    let begin = Instant::now();
    loop {
        let pid = sandbox.coracle(["ps", "-lq"]).run();
        let inspect = ["inspect", "--format", "{{.State.Pid}}", pid.line()];
        let pid = sandbox.coracle(inspect).run();
        let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.line()));
        if name.is_ok_and(|name| name.trim() == "sleep") {
            return;
        }
        assert!(running.runs(), "it ended early");
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "it does not start"
        );
        thread::sleep(Duration::from_millis(20));
    }
}
