//! `RUN --mount`: agents, and caches that begin with files of a stage.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use coracle_tests::{Outcome, Sandbox, installed};
use rustix::process::Signal;

fn build(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    let fixed = ["build", "--progress", "plain", "-t", "app"];
    sandbox.coracle(fixed).args(words).args(["app"]).run()
}

#[test]
fn a_step_talks_to_the_persons_agent_and_no_key_comes_in() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !installed("ssh-agent") {
        return;
    }
    let base = ["base", "-q", "--add", "ssh-add"];
    sandbox.coracle(base).run().succeeds();
    let user_line =
        "RUN --mount=type=ssh,uid=5,gid=6,mode=0640,target=/agent stat -c '%F %a %u:%g' /agent\n";
    // Without subordinate ids there is nobody but root inside.
    let user_line = if sandbox.person.has_many_ids() {
        user_line
    } else {
        ""
    };
    sandbox.file(
        "app/Dockerfile",
        format!("FROM base\nRUN --mount=type=ssh,required ssh-add -l && echo at $SSH_AUTH_SOCK\n{user_line}"),
    );
    let program =
        |name: &str, words: &[&str]| sandbox.program(&Path::new("/usr/bin").join(name), words);
    let key = [
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-C",
        "a comment of the key",
        "-f",
        "key",
    ];
    program("ssh-keygen", &key).run().succeeds();
    let missing = build(&sandbox, &[]).fails();
    missing.complains(&["needs the SSH agent \"default\"", "--ssh default"]);

    let agent = program("ssh-agent", &["-D", "-a", "agent.sock"]).start();
    let socket = sandbox.path().join("agent.sock");
    let begin = Instant::now();
    while !socket.exists() {
        assert!(begin.elapsed() < Duration::from_secs(10), "no agent");
        std::thread::sleep(Duration::from_millis(10));
    }
    let socket = socket.display().to_string();
    let add = program("ssh-add", &["-q", "key"]).env("SSH_AUTH_SOCK", &socket);
    add.run().succeeds();
    let with_agent = [
        "build",
        "--progress",
        "plain",
        "--ssh",
        "default",
        "-t",
        "app",
        "app",
    ];
    let call = sandbox.coracle(with_agent).env("SSH_AUTH_SOCK", &socket);
    let outcome = call.run().succeeds();
    for words in ["a comment of the key", "at /run/buildkit/ssh_agent.0\n"] {
        assert!(outcome.stderr.contains(words), "no {words}\n{outcome}");
    }
    if sandbox.person.has_many_ids() {
        assert!(outcome.stderr.contains("socket 640 5:6"), "{outcome}");
    }
    // With another agent nothing is built anew, and nothing of it is in the image.
    let named = format!("default={socket}");
    let again = build(&sandbox, &["--ssh", &named]).succeeds();
    assert!(again.stderr.contains("CACHED"), "{again}");
    let files = sandbox
        .coracle(["image", "ls-files", "app"])
        .run()
        .succeeds();
    for path in ["/agent", "/run/buildkit"] {
        assert!(!files.stdout.contains(path), "{path} is in the image");
    }
    agent.signal(Signal::TERM);
    agent.wait();
}

#[test]
fn a_cache_begins_with_the_files_of_a_stage() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.coracle(["base", "-q"]).run().succeeds();
    let dockerfile = |content: &str| {
        format!(
            "FROM scratch AS seed\nCOPY <<EOF /d/f\n{content}\nEOF\nFROM base\n\
             RUN --mount=type=cache,target=/c,from=seed,source=/d cat /c/f; echo more >> /c/f\n"
        )
    };
    let run = |content: &str, said: &[&str]| {
        sandbox.file("app/Dockerfile", dockerfile(content));
        let outcome = build(&sandbox, &["--no-cache"]).succeeds();
        let lines: Vec<_> = outcome
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("#4 ")?.split_once(' '))
            .map(|(_, said)| said)
            .collect();
        for words in said {
            assert!(lines.contains(words), "no {words}\n{outcome}");
        }
        lines.iter().filter(|line| **line == "more").count()
    };
    assert_eq!(run("first", &["first"]), 0);
    assert_eq!(run("first", &["first"]), 1, "the cache was not kept");
    // Other files are another cache.
    assert_eq!(run("second", &["second"]), 0);

    sandbox.file(
        "app/Dockerfile",
        "FROM base\nRUN --mount=type=cache,target=/c,from=base,source=/etc/passwd true\n",
    );
    build(&sandbox, &[])
        .fails()
        .complains(&["must be a directory"]);
}
