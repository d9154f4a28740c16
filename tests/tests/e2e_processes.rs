//! A container's processes: how they end, what signals do, who reaps, and what a terminal adds.

// Helpers of tests end where their scene cannot be made.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::time::{Duration, Instant};

use coracle_tests::{Scene, call::Running, leaks};
use rustix::process::Signal;

const DRIVER: &str = env!("CARGO_BIN_EXE_driver");

fn scene() -> Option<Scene> {
    Scene::new(DRIVER)
}

/// Waits until `done`, for ten seconds at most.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts a script and waits until it has made the file `/ready`.
fn start(scene: &Scene, options: &[&str], script: &str) -> Running {
    let script = format!("{script}\ntouch /ready; while :; do sleep 0.05; done");
    let running = scene.script(options, &script).start();
    let ready = scene.root().join("ready");
    wait_until("the script is ready", || ready.exists());
    std::fs::remove_file(ready).unwrap();
    running
}

#[test]
fn exit_codes() {
    let Some(scene) = scene() else { return };
    scene.program("world/bin/text", "echo not a program\n");
    scene.program("world/bin/orphaned", "#!/bin/absent\n");
    scene.sandbox.file("world/bin/closed", "#!/bin/sh\n");
    for init in [&[][..], &["--init"]] {
        let check = |command: &[&str], code: i32, reason: &[&str]| {
            let outcome = scene.call(init, command).run();
            outcome.exits(code).complains(reason);
        };
        check(&["true"], 0, &[]);
        check(&["false"], 1, &[]);
        check(&["sh", "-c", "exit 42"], 42, &[]);
        check(&["sh", "-c", "exit 255"], 255, &[]);
        check(&["absent"], 127, &["\"absent\"", "not found in $PATH"]);
        check(&["/bin/absent"], 127, &["no such file"]);
        check(&["./bin/true"], 0, &[]);
        check(&["orphaned"], 127, &["/bin/absent", "is not in the image"]);
        check(&["closed"], 126, &["permission denied", "chmod +x"]);
        check(&["/bin"], 126, &["is a directory"]);
        check(&["text"], 126, &["exec format error", "#!"]);
        let script = "sh -c 'kill -SEGV $$'; exit $?";
        check(&["sh", "-c", script], 139, &[]);
    }
    // PID 1 is protected from its own signals, so these ends need an init above.
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("PIPE", 141), ("USR1", 138)] {
        let script = format!("kill -{signal} $$");
        scene.script(&["--init"], &script).run().exits(code);
    }
    let own = scene.call(&["--user", "nobody"], &["true"]).run();
    own.exits(125).complains(&["no user \"nobody\""]);
}

#[test]
fn signals_reach_the_command_once() {
    let Some(scene) = scene() else { return };
    for init in [&[][..], &["--init"]] {
        for (signal, name, code) in [
            (Signal::TERM, "TERM", 15),
            (Signal::INT, "INT", 2),
            (Signal::HUP, "HUP", 1),
            (Signal::QUIT, "QUIT", 3),
            (Signal::USR1, "USR1", 10),
            (Signal::USR2, "USR2", 12),
        ] {
            let script = format!("trap 'echo {name}; sleep 0.1; exit {code}' {name}");
            let running = start(&scene, init, &script);
            running.signal(signal);
            let outcome = running.wait().exits(code);
            assert_eq!(outcome.line(), name, "{outcome}");
        }
    }
}

#[test]
fn a_command_begins_with_every_signal_as_usual() {
    let Some(scene) = scene() else { return };
    let none = "0000000000000000";
    for init in [&[][..], &["--init"]] {
        let words = [
            "grep",
            "-E",
            "^(SigBlk|SigIgn|SigCgt):",
            "/proc/self/status",
        ];
        // The caller ignores two signals, as nohup and a shell's background job do.
        let outside = "trap '' HUP INT; exec \"$@\"";
        let outcome = scene.outside(outside, init, &words).run().succeeds();
        let masks: Vec<_> = outcome
            .stdout
            .split_whitespace()
            .map(|word| match u64::from_str_radix(word, 16) {
                // glibc keeps signals 32 and 33 for itself; whatever it spawns ignores them.
                Ok(mask) => format!("{:016x}", mask & !0x1_8000_0000),
                Err(_) => word.to_owned(),
            })
            .collect();
        assert_eq!(
            masks,
            ["SigBlk:", none, "SigIgn:", none, "SigCgt:", none],
            "{outcome}"
        );
    }
}

#[test]
fn orphans_are_reaped_by_init_and_by_nobody_else() {
    let Some(scene) = scene() else { return };
    // Each inner shell ends at once, and leaves a child behind that ends a little later. The
    // command itself becomes `sleep`, which never waits for anybody.
    let script = "(i=0; while [ $i -lt 100 ]; do sh -c 'sleep 0.2 & exit'; i=$((i+1)); done; sleep 1; \
        grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l) & exec sleep 4";
    let check = |options: &[&str], zombies: &str| {
        let outcome = scene.script(options, script).run().succeeds();
        assert_eq!(outcome.line(), zombies, "{outcome}");
    };
    check(&["--init"], "0");
    check(&[], "100");
}

#[test]
fn the_container_dies_with_who_started_it() {
    let Some(scene) = scene() else { return };
    for init in [&[][..], &["--init"]] {
        let running = start(&scene, init, "sleep 1000 & sleep 1000 &");
        let of_scene = || leaks::processes(scene.sandbox.path());
        wait_until("its processes are there", || of_scene().len() >= 4);
        running.signal(Signal::KILL);
        wait_until("all its processes are gone", || of_scene().is_empty());
        let outcome = running.wait();
        assert_eq!(outcome.signal, Some(9), "{outcome}");
    }
}

#[test]
fn whoever_kills_the_command_ends_all_of_it() {
    let Some(scene) = scene() else { return };
    let running = start(&scene, &[], "trap 'exit 5' TERM; sleep 1000 & sleep 1000 &");
    running.signal(Signal::TERM);
    running.wait().exits(5);
    assert!(leaks::processes(scene.sandbox.path()).is_empty());
}

#[test]
fn the_process_outside_the_user_namespace_ends_as_the_one_inside() {
    let Some(scene) = scene() else { return };
    if scene.sandbox.person.is_root() {
        return coracle_tests::skip("root needs no user namespace");
    }
    for (signal, number) in [(Signal::KILL, 9), (Signal::ABORT, 6)] {
        let running = start(&scene, &[], "sleep 1000 &");
        let id = running.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let inner = children
            .trim()
            .parse()
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(inner.unwrap(), signal).unwrap();
        let outcome = running.wait();
        assert_eq!(outcome.signal, Some(number), "{outcome}");
        wait_until("all its processes are gone", || {
            leaks::processes(scene.sandbox.path()).is_empty()
        });
    }
}

#[test]
fn without_a_terminal_there_is_none() {
    let Some(scene) = scene() else { return };
    let outcome = scene.call(&["-t", "-i"], &["true"]).run().exits(1);
    outcome.complains(&["the input device is not a TTY"]);
    // Without input, a terminal for the output alone is fine.
    let outcome = scene
        .script(&["-t"], "test -t 1 && tty; echo $TERM")
        .run()
        .succeeds();
    assert_eq!(outcome.stdout, "/dev/pts/0\r\nxterm\r\n");
}

/// Runs the driver on a terminal of its own: `script` makes one. Keys are typed when the words
/// before them have appeared on it.
fn on_terminal(
    scene: &Scene,
    options: &[&str],
    command: &[&str],
    typed: &[(&str, &str)],
) -> String {
    on_terminal_with(scene, "", options, command, typed)
}

/// The same, with a command of the host's shell before the driver.
fn on_terminal_with(
    scene: &Scene,
    beside: &str,
    options: &[&str],
    command: &[&str],
    typed: &[(&str, &str)],
) -> String {
    let quoted: Vec<_> = scene
        .words(options, command)
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    let line = format!(
        "trap : INT; stty rows 33 cols 77; {beside} {}; echo \"exit $?\"; stty -a | grep -o '.icanon'",
        quoted.join(" ")
    );
    // What an earlier terminal showed is not to be waited for.
    let path = scene.sandbox.path().join("typescript");
    let _ = std::fs::remove_file(&path);
    let (keys, hand) = std::io::pipe().unwrap();
    let words = ["-qfc", line.as_str(), "typescript"];
    let keys = std::fs::File::from(std::os::fd::OwnedFd::from(keys));
    let running = scene
        .sandbox
        .program(std::path::Path::new("/usr/bin/script"), words)
        .env("SHELL", "/bin/sh")
        .input(keys)
        .limit(Duration::from_secs(30))
        .start();
    let mut hand = std::fs::File::from(std::os::fd::OwnedFd::from(hand));
    for (seen, keys) in typed {
        wait_until(seen, || {
            let mut text = Vec::new();
            let file = std::fs::File::open(&path);
            file.is_ok_and(|mut f| f.read_to_end(&mut text).is_ok())
                // The first line only repeats the command.
                && text.split(|b| *b == b'\n').skip(1).any(|line| {
                    String::from_utf8_lossy(line).contains(seen)
                })
        });
        std::io::Write::write_all(&mut hand, keys.as_bytes()).unwrap();
    }
    let outcome = running.wait();
    drop(hand);
    outcome.succeeds().stdout
}

#[test]
fn a_terminal_behaves_like_one() {
    let Some(scene) = scene() else { return };
    let it = &["-i", "-t"];
    let script = "tty; stty size; test -c /dev/console && ls -l /proc/self/fd/0 | grep -o '/dev/.*'; ps -o tty,pid | grep -c pts; exit 6";
    let seen = on_terminal(&scene, it, &["sh", "-c", script], &[]);
    for part in ["/dev/pts/0\r\n33 77\r\n", "exit 6\r\n", " icanon"] {
        assert!(seen.contains(part), "{part:?} is not in {seen:?}");
    }
    // What is typed goes in; Ctrl-C is a signal to the command, and not to the driver.
    let script = "trap 'echo caught; exit 9' INT; echo ready; read line; echo \"got $line\"; echo again; while :; do sleep 0.05; done";
    let typed = [("ready", "hello\r"), ("again", "\x03")];
    let seen = on_terminal(&scene, it, &["sh", "-c", script], &typed);
    for part in ["got hello\r\n", "^Ccaught\r\n", "exit 9\r\n", " icanon"] {
        assert!(seen.contains(part), "{part:?} is not in {seen:?}");
    }
    // A command that does not start leaves the terminal as it was, too.
    let seen = on_terminal(&scene, it, &["absent"], &[]);
    for part in ["not found in $PATH", "exit 127\r\n", " icanon"] {
        assert!(seen.contains(part), "{part:?} is not in {seen:?}");
    }
}

#[test]
fn a_terminal_follows_the_size_of_the_persons() {
    let Some(scene) = scene() else { return };
    let script = "trap 'echo told' WINCH; echo ready; until [ \"$(stty size)\" = '44 88' ]; do sleep 0.05; done; exit 8";
    // Only when the command runs does the window change.
    let beside = "(until grep -q '^ready' typescript; do sleep 0.05; done; stty -F /dev/tty rows 44 cols 88) &";
    let seen = on_terminal_with(&scene, beside, &["-i", "-t"], &["sh", "-c", script], &[]);
    assert!(
        seen.contains("told\r\n") && seen.contains("exit 8\r\n"),
        "{seen:?}"
    );
}

#[test]
fn a_terminal_of_the_host_is_not_handed_in() {
    let Some(scene) = scene() else { return };
    let script = "test -t 1 && echo terminal; test -t 2 && echo terminal; echo plain > /dev/stdout; echo wrong > /dev/stderr";
    let seen = on_terminal(&scene, &[], &["sh", "-c", script], &[]);
    assert!(
        seen.contains("plain\r\n") && seen.contains("wrong\r\n"),
        "{seen:?}"
    );
    assert!(!seen.contains("terminal\r\n"), "{seen:?}");
    let script = "test -t 0 && echo terminal; echo ready; cat; echo end";
    let typed = [("ready", "hello\r"), ("hello", "\x04")];
    let seen = on_terminal(&scene, &["-i"], &["sh", "-c", script], &typed);
    // Once as the terminal's own echo, and once from the command.
    assert_eq!(seen.matches("hello\r\n").count(), 2, "{seen:?}");
    assert!(
        seen.contains("end\r\nexit 0\r\n") && !seen.contains("terminal\r\n"),
        "{seen:?}"
    );
    // Ctrl-C on the host's terminal reaches the command once, by way of the driver.
    let script =
        "trap 'echo caught; sleep 0.2; exit 9' INT; echo ready; while :; do sleep 0.05; done";
    let seen = on_terminal(&scene, &[], &["sh", "-c", script], &[("ready", "\x03")]);
    assert_eq!(seen.matches("caught").count(), 1, "{seen:?}");
    assert!(seen.contains("exit 9\r\n"), "{seen:?}");
}

#[test]
fn much_passes_through_a_terminal_in_both_directions() {
    let Some(scene) = scene() else { return };
    let lines = "x".repeat(60);
    let typed = format!("{}end\r", format!("{lines}\r").repeat(2000));
    let script = "stty -echo; echo ready; n=0; while read line; do [ $line = end ] && break; n=$((n+1)); echo $line$line; done; echo lines $n";
    let typed = [("ready", typed.as_str())];
    let seen = on_terminal(&scene, &["-i", "-t"], &["sh", "-c", script], &typed);
    assert!(
        seen.contains("lines 2000\r\n"),
        "{}",
        &seen[seen.len().saturating_sub(300)..]
    );
}
