//! Containers as their user sees them: isolation, exit codes, signals, terminals, refusals.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use coracle_tests::{Call, Outcome, Person, Sandbox, leaks, skip};
use rustix::process::Signal;

#[test]
fn the_exit_code_is_the_commands_or_says_why_there_is_none() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let check = |words: &[&str], code: i32| {
        run(&sandbox, words).run().exits(code);
    };
    check(&["base", "sh", "-c", "exit 0"], 0);
    check(&["base", "sh", "-c", "exit 7"], 7);
    check(&["base", "sh", "-c", "exit 255"], 255);
    check(&["--init", "base", "sh", "-c", "kill -KILL $$"], 137);
    check(&["--init", "base", "sh", "-c", "kill -TERM $$"], 143);
    check(&["base", "/no/such/program"], 127);
    check(&["base", "no-such-program"], 127);
    check(&["base", "/etc/passwd"], 126);
    check(&["base", "/etc"], 126);
    check(&["--no-such-option", "base"], 125);
    check(&["no-such-image", "true"], 125);
}

#[test]
fn a_container_sees_itself_alone() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let secret = sandbox.file("secret", "of this machine");
    let inside = |script: &str| {
        let words = [
            "--network",
            "none",
            "--hostname",
            "boat",
            "base",
            "sh",
            "-c",
        ];
        let call = run(&sandbox, &words).args([script]);
        call.run().succeeds().line().to_owned()
    };
    assert_eq!(inside("echo $$"), "1", "its shell is PID 1");
    assert_eq!(
        inside("read name < /proc/sys/kernel/hostname; echo $name"),
        "boat"
    );
    assert_eq!(inside("echo /sys/class/net/*"), "/sys/class/net/lo");
    let gone = inside(&format!("[ -e {} ] || echo gone", secret.display()));
    assert_eq!(gone, "gone", "this machine's files are not there");
    let processes = inside("cd /proc; for p in [0-9]*; do echo $p; done");
    assert_eq!(processes, "1");
    let map = inside("read inside outside count < /proc/self/uid_map; echo $inside $outside");
    let outside = sandbox.person.uid.to_string();
    assert_eq!(
        map,
        format!("0 {outside}"),
        "uid 0 inside is the person outside"
    );
}

#[test]
fn least_power_is_the_default() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let status = |options: &[&str], field: &str| {
        let script = "while read name value rest; do echo $name $value; done < /proc/self/status";
        let words = [options, &["base", "sh", "-c", script]].concat();
        let outcome = run(&sandbox, &words).run().succeeds();
        let lines = outcome.stdout.lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
        values.next().unwrap_or_default().to_owned()
    };
    // Docker's fourteen: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
    // net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap.
    assert_eq!(status(&[], "CapBnd"), "00000000a80425fb");
    assert_eq!(status(&[], "CapEff"), "00000000a80425fb");
    assert_eq!(status(&["--cap-drop", "ALL"], "CapEff"), "0000000000000000");
    assert_eq!(status(&[], "NoNewPrivs"), "1");
    assert_eq!(status(&[], "Seccomp"), "2", "a filter is in force");
    let words = ["base", "sh", "-c", "echo x > /proc/sys/kernel/hostname"];
    run(&sandbox, &words).run().fails();
    let words = ["--read-only", "base", "sh", "-c", "echo x > /x"];
    run(&sandbox, &words).run().fails();
}

#[test]
fn what_tells_about_the_machine_is_masked() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let check = |script: &str, expected: &str| {
        let outcome = run(&sandbox, &["base", "sh", "-c", script]).run();
        assert_eq!(outcome.line(), expected, "{outcome}");
    };
    check("head -c 1 /etc/passwd | wc -c", "1");
    for file in ["/proc/kcore", "/proc/keys", "/proc/timer_list"] {
        let count = format!("head -c 1 {file} 2>/dev/null | wc -c");
        check(&count, "0");
    }
    for folder in ["/proc/acpi", "/proc/scsi", "/sys/firmware"] {
        check(&format!("echo {folder}/*"), &format!("{folder}/*"));
    }
    for file in ["/proc/sysrq-trigger", "/proc/irq/0/smp_affinity", "/sys/x"] {
        let write = format!("(echo 1 > {file}) 2>/dev/null && echo written || echo refused");
        check(&write, "refused");
    }
}

#[test]
fn init_reaps_what_others_left() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let script = "for i in 1 2 3 4 5; do (sh -c 'sleep 0.1' &); done; sleep 0.5
        for status in /proc/[0-9]*/status; do
            while read name value rest; do
                case $name$value in State:Z) echo zombie;; esac
            done < $status
        done
        read name < /proc/1/comm; echo $name; exit 3";
    let outcome = run(&sandbox, &["--init", "base", "sh", "-c", script]).run();
    let outcome = outcome.exits(3);
    assert!(!outcome.stdout.contains("zombie"), "{outcome}");
    assert_ne!(outcome.line(), "sh", "PID 1 is the init");
}

#[test]
fn options_reach_the_process() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let check = |words: &[&str], expected: &str| {
        let outcome = run(&sandbox, words).run().succeeds();
        assert_eq!(outcome.line(), expected, "{outcome}");
    };
    check(&["-e", "A=b c", "base", "sh", "-c", "echo \"$A\""], "b c");
    check(&["-w", "/etc", "base", "pwd"], "/etc");
    check(&["--entrypoint", "echo", "base", "hello"], "hello");
    check(&["base", "sh", "-c", "echo err >&2; echo out"], "out");
    if sandbox.person.has_many_ids() {
        let script =
            "while read n v w; do case $n in Uid:) echo $v;; esac; done < /proc/self/status";
        check(&["-u", "1234:1234", "base", "sh", "-c", script], "1234");
    }
    let input = File::open(sandbox.file("input", "through standard input\n")).unwrap();
    let words = ["-i", "base", "cat"];
    let outcome = run(&sandbox, &words).input(input).run().succeeds();
    assert_eq!(outcome.stdout, "through standard input\n");
}

#[test]
fn a_container_writes_in_its_own_layer_only() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let write = ["base", "sh", "-c", "echo mine > /etc/mark; cat /etc/mark"];
    run(&sandbox, &write).run().succeeds().says(&["mine"]);
    run(&sandbox, &["base", "cat", "/etc/mark"]).run().fails();
    sandbox.coracle(["image", "check", "base"]).run().succeeds();
}

#[test]
fn signals_are_forwarded() {
    let Some(sandbox) = with_base() else {
        return;
    };
    // The trap's exit code proves that the signal came in, and not that something was killed.
    let script = "trap 'exit 42' TERM; while :; do sleep 0.05; done";
    let running = run(&sandbox, &["base", "sh", "-c", script]).start();
    wait_for(&sandbox, "sleep 0.05");
    running.signal(Signal::TERM);
    running.wait().exits(42);
}

#[test]
fn a_killed_parent_leaves_no_container() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let running = run(&sandbox, &["base", "sleep", "600"]).start();
    wait_for(&sandbox, "sleep 600");
    running.signal(Signal::KILL);
    assert_eq!(running.wait().signal, Some(9));
    // The sandbox's end looks for what is left.
}

#[test]
fn a_terminal_is_a_terminal() {
    let Some(sandbox) = with_base() else {
        return;
    };
    let command = format!(
        "{} run --rm -it base sh -c '[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all of them; exit 9'",
        sandbox.binary().display()
    );
    let script = ["-qec", &command, "/dev/null"];
    let outcome = sandbox.program(Path::new("/usr/bin/script"), script).run();
    outcome.exits(9).says(&["all of them\r\n"]);

    let words = ["-it", "base", "true"];
    let refused = run(&sandbox, &words).run().fails();
    refused.complains(&["the input device is not a TTY"]);
}

#[test]
fn without_user_namespaces_the_reason_and_the_remedy_are_said() {
    let Some(sandbox) = with_base() else {
        return;
    };
    if sandbox.person.is_root() {
        return skip("root needs no user namespace");
    }
    if !Person::me().is_root() {
        return skip("needs root to take user namespaces away from an ordinary user");
    }
    // The limit is a user namespace's own: in a new one it can be 0, and this machine's stays.
    // The shell inside only gets the power to set it by an exec after its ids are mapped.
    let without = "mkfifo go
        unshare --user sh -c 'read word < go; exec sh -c \"$@\"' sh '
            echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv \"$@\"' sh \"$@\" &
        own=$(readlink /proc/self/ns/user)
        while [ \"$(readlink /proc/$!/ns/user)\" = \"$own\" ]; do sleep 0.01; done
        echo 0 0 65536 > /proc/$!/uid_map && echo 0 0 65536 > /proc/$!/gid_map
        echo word > go; rm go; wait $!";
    let unshare = |words: &[&str]| {
        let call = sandbox.stagehand("sh", ["-c", without, "sh", "--clear-groups"]);
        let ids = [
            format!("--reuid={}", sandbox.person.uid),
            format!("--regid={}", sandbox.person.gid),
        ];
        call.args(ids).args([sandbox.binary()]).args(words).run()
    };
    let refused = unshare(&["run", "--rm", "base", "true"]).exits(125);
    refused.complains(&["user namespace", "max_user_namespaces"]);
    unshare(&["doctor"]).says(&["max_user_namespaces"]);
}

/// A sandbox whose store has the image `base`; None, said as a skip, when it cannot be had.
fn with_base() -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    let make: Outcome = sandbox.coracle(["base", "-t", "base"]).run();
    make.succeeds();
    Some(sandbox)
}

/// Waits until a process with this command line runs in one of the sandbox's containers.
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

/// A call of `coracle run --rm` with these words behind it.
fn run(sandbox: &Sandbox, words: &[&str]) -> Call {
    sandbox.coracle(["run", "--rm"]).args(words)
}
