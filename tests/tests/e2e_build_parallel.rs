//! Stages that are built at the same time: together, apart, and ended together.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use coracle_tests::{Outcome, Sandbox, leaks};
use rustix::process::Signal;

/// A sandbox with a base image and this Dockerfile.
fn prepared(dockerfile: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    sandbox.coracle(["base", "-q"]).run().succeeds();
    sandbox.file("app/Dockerfile", dockerfile);
    Some(sandbox)
}

const BUILD: [&str; 6] = ["build", "--progress", "plain", "-t", "app", "app"];

fn build(sandbox: &Sandbox) -> Outcome {
    sandbox.coracle(BUILD).run()
}

/// A command that succeeds only when two steps of the other name and this run together.
fn meet(own: &str, other: &str) -> String {
    format!(
        "RUN --mount=type=cache,id=yard,target=/yard touch /yard/{own}; n=0; \
         until [ -e /yard/{other} ]; do n=$((n+1)); [ $n -lt 200 ] || exit 9; sleep 0.1; done; \
         echo {own} one; echo {own} two; echo {own} > /{own}\n"
    )
}

#[test]
fn two_stages_meet_and_keep_their_output_apart() {
    let dockerfile = format!(
        "FROM base AS left\n{}FROM base AS right\n{}\
         FROM scratch\nCOPY --from=left /left /\nCOPY --from=right /right /\n",
        meet("left", "right"),
        meet("right", "left")
    );
    let Some(sandbox) = prepared(&dockerfile) else {
        return;
    };
    let outcome = build(&sandbox).succeeds();
    // Each line bears the number of its step, and the steps' numbers are the plan's.
    for (step, own) in [(2, "left"), (4, "right")] {
        let begin = format!("#{step} [{own} 2/2] RUN");
        assert!(outcome.stderr.contains(&begin), "no {begin}\n{outcome}");
        for line in outcome.stderr.lines() {
            let said =
                line.ends_with(&format!(" {own} one")) || line.ends_with(&format!(" {own} two"));
            if said {
                assert!(line.starts_with(&format!("#{step} ")), "{line}\n{outcome}");
            }
        }
    }
    let again = build(&sandbox).succeeds();
    assert_eq!(again.stderr.matches("CACHED").count(), 4, "{again}");
}

#[test]
fn a_step_that_fails_ends_the_one_beside_it() {
    let Some(sandbox) = prepared(
        "FROM base AS slow\nRUN --mount=type=cache,id=yard,target=/yard touch /yard/begun; sleep 600\n\
         FROM base AS wrong\nRUN --mount=type=cache,id=yard,target=/yard \
         until [ -e /yard/begun ]; do sleep 0.1; done; echo it is wrong; exit 7\n\
         FROM scratch\nCOPY --from=slow / /\nCOPY --from=wrong / /\n",
    ) else {
        return;
    };
    let outcome = build(&sandbox).exits(7);
    assert!(outcome.took < Duration::from_secs(30), "{outcome}");
    outcome.complains(&[
        "exit code: 7",
        " > [wrong 2/2] RUN",
        "it is wrong\n------",
        "   4 | >>> RUN",
        "The whole output is in",
        "#2 CANCELED\n",
        "#4 ERROR: process ",
    ]);
    let left = std::fs::read_dir(sandbox.root().join("containers")).unwrap();
    assert_eq!(left.count(), 0, "a container's directory is still there");
    // The cache stays usable.
    let only = ["build", "--target", "slow", "-q", "app"];
    sandbox.file("app/Dockerfile", "FROM base AS slow\nRUN true\n");
    sandbox.coracle(only).run().succeeds();
}

#[test]
fn a_signal_ends_all_steps_at_once() {
    let Some(sandbox) = prepared(
        "FROM base AS a\nRUN [\"sleep\", \"601\"]\nFROM base AS b\nRUN [\"sleep\", \"602\"]\n\
         FROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n",
    ) else {
        return;
    };
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let running = sandbox.coracle(BUILD).start();
        wait_for(&sandbox, "sleep 601");
        wait_for(&sandbox, "sleep 602");
        running.signal(signal);
        let outcome = running.wait().exits(128 + signal.as_raw());
        outcome.complains(&[&format!("interrupted by {name}"), "in the cache"]);
        let left = std::fs::read_dir(sandbox.root().join("containers")).unwrap();
        assert_eq!(left.count(), 0, "a container's directory is still there");
    }
}

/// Neither a file that takes an hour to read nor a server that says nothing holds up the end.
#[test]
fn a_signal_ends_what_is_no_process() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let add = format!("ADD http://{address}/file /");
    for instruction in ["COPY endless /", &add] {
        let dockerfile =
            format!("FROM scratch AS a\n{instruction}\nFROM scratch\nCOPY --from=a / /\n");
        let Some(sandbox) = prepared(&dockerfile) else {
            return;
        };
        // A terabyte that takes no room.
        let endless = std::fs::File::create(sandbox.file("app/endless", "")).unwrap();
        endless.set_len(1 << 40).unwrap();
        for signal in [Signal::INT, Signal::TERM] {
            let running = sandbox.coracle(BUILD).start();
            let log = sandbox.root().join("build.log");
            let begun = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains(instruction));
            let begin = Instant::now();
            while !begun() {
                assert!(begin.elapsed() < Duration::from_secs(30), "no step began");
                std::thread::sleep(Duration::from_millis(10));
            }
            running.signal(signal);
            let outcome = running.wait();
            assert_eq!(outcome.signal, Some(signal.as_raw()), "{outcome}");
            std::fs::remove_file(&log).unwrap();
        }
        // Nothing that is half done is in the way of the next build.
        sandbox.file("app/Dockerfile", "FROM scratch AS a\nCOPY Dockerfile /\n");
        build(&sandbox).succeeds();
        let left = std::fs::read_dir(sandbox.root().join("store/tmp")).unwrap();
        assert_eq!(
            left.count(),
            0,
            "a blob that was never finished is still there"
        );
    }
}

#[test]
fn a_locked_cache_is_had_by_one_step_at_a_time() {
    // Each reads, waits and writes: together, one of the two would be lost. The second stage also
    // takes the caches in the other order.
    let count = "n=$(cat /c/n 2>/dev/null || echo 0); sleep 1; echo $((n+1)) > /c/n";
    let mount = |id: &str, target: &str| {
        format!("--mount=type=cache,id={id},target={target},sharing=locked")
    };
    let (one, two) = (mount("one", "/c"), mount("two", "/d"));
    let dockerfile = format!(
        "FROM base AS a\nRUN {one} {two} {count}\nFROM base AS b\nRUN {two} {one} {count} # b\n\
         FROM base\nCOPY --from=a /etc/hostname /a\nCOPY --from=b /etc/hostname /b\n\
         RUN {one} echo counted $(cat /c/n)\n"
    );
    let dockerfile = dockerfile.replace("/etc/hostname", "/etc/passwd");
    let Some(sandbox) = prepared(&dockerfile) else {
        return;
    };
    let outcome = build(&sandbox).succeeds();
    assert!(outcome.stderr.contains(" counted 2\n"), "{outcome}");
    assert!(
        outcome.stderr.contains("waiting for the cache one"),
        "{outcome}"
    );

    // Two builds, likewise.
    let count = format!("FROM base\nRUN {one} {count}\n");
    sandbox.file("app/Dockerfile", count);
    let words = ["build", "-q", "--no-cache", "app"];
    let running = [(); 2].map(|()| sandbox.coracle(words).start());
    for build in running {
        build.wait().succeeds();
    }
    sandbox.file(
        "app/Dockerfile",
        format!("FROM base\nRUN {one} echo counted $(cat /c/n)\n"),
    );
    let outcome = build(&sandbox).succeeds();
    assert!(outcome.stderr.contains(" counted 4\n"), "{outcome}");
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
