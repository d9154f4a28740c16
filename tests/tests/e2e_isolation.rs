//! What a container sees and may do: its own world, and Docker's defaults.

use coracle_tests::Scene;

const DRIVER: &str = env!("CARGO_BIN_EXE_driver");

/// The fourteen capabilities of Docker's default, as the kernel writes them.
const FOURTEEN: &str = "00000000a80425fb";

fn scene() -> Option<Scene> {
    Scene::new(DRIVER)
}

#[test]
fn it_sees_a_world_of_its_own() {
    let Some(scene) = scene() else { return };
    let check = |options: &[&str], script: &str, expected: &str| {
        let outcome = scene.script(options, script).run().succeeds();
        assert_eq!(outcome.line(), expected, "{script}\n{outcome}");
    };
    check(
        &[],
        "hostname; cat /etc/hostname",
        "c0ffeec0ffee\nc0ffeec0ffee",
    );
    check(
        &["--hostname", "box"],
        "hostname; echo $HOSTNAME",
        "box\nbox",
    );
    check(&[], "echo $$", "1");
    check(&[], "echo /proc/[0-9]*", "/proc/1");
    check(&[], "ls /", "bin\ndev\netc\nproc\nsys");
    check(&[], "id -u; id -g", "0\n0");
    check(&[], "ls /sys/class/net", "lo");
    check(
        &[],
        "ip -o link show lo | grep -o 'LOOPBACK,UP'",
        "LOOPBACK,UP",
    );
    check(
        &[],
        "ping -c1 -W1 127.0.0.1 >/dev/null && echo answers",
        "answers",
    );
    check(&[], "grep -c localhost /etc/hosts", "2");
    check(
        &[],
        "pwd; grep -v ':/$' /proc/self/cgroup || echo its own root",
        "/\nits own root",
    );
    check(
        &[],
        "ls /dev/mqueue /dev/pts | wc -l; test -w /dev/shm && echo writable",
        "4\nwritable",
    );
    check(&[], "wc -l < /proc/sysvipc/shm", "1");
    let names = scene
        .script(&["--network", "host"], "ls /sys/class/net")
        .run()
        .succeeds();
    let here = std::fs::read_dir("/sys/class/net").unwrap().count();
    assert_eq!(names.stdout.lines().count(), here, "{names}");
}

#[test]
fn nothing_of_the_host_can_be_seen() {
    let Some(scene) = scene() else { return };
    let folder = scene.sandbox.path().display().to_string();
    let table = scene
        .script(&[], "cat /proc/self/mountinfo")
        .run()
        .succeeds();
    for line in table.stdout.lines() {
        let point = line.split(' ').nth(4).unwrap();
        assert!(!point.contains(&folder), "a mount of the host: {line}");
    }
    let names = "find / -xdev -path /proc -prune -o -name driver -print";
    assert_eq!(scene.script(&[], names).run().stdout, "");
}

#[test]
fn its_power_is_dockers() {
    let Some(scene) = scene() else { return };
    let many_ids = scene.sandbox.person.has_many_ids();
    let check = |options: &[&str], expected: [&str; 3]| {
        let script = "grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t' | tr '\\n' ' '";
        let outcome = scene.script(options, script).run().succeeds();
        let [inside, bounding, rest] = expected;
        let none = "0000000000000000";
        assert_eq!(
            outcome.line(),
            format!(
                "CapInh:{none} CapPrm:{inside} CapEff:{inside} CapBnd:{bounding} CapAmb:{none} {rest}"
            ),
            "{options:?}\n{outcome}"
        );
    };
    let confined = "NoNewPrivs:1 Seccomp:2";
    let none = "0000000000000000";
    check(&[], [FOURTEEN, FOURTEEN, confined]);
    check(&["--cap-drop", "ALL"], [none, none, confined]);
    check(
        &["--cap-drop", "ALL", "--cap-add", "chown"],
        ["0000000000000001", "0000000000000001", confined],
    );
    check(
        &["--cap-add", "net_admin"],
        ["00000000a80435fb", "00000000a80435fb", confined],
    );
    check(
        &["--security-opt", "seccomp=unconfined"],
        [FOURTEEN, FOURTEEN, "NoNewPrivs:1 Seccomp:0"],
    );
    let open = [
        "--security-opt",
        "seccomp=unconfined",
        "--security-opt",
        "no-new-privileges=false",
    ];
    check(&open, [FOURTEEN, FOURTEEN, "NoNewPrivs:0 Seccomp:0"]);
    if many_ids {
        check(&["--user", "app"], [none, FOURTEEN, confined]);
    }
    let refused = scene.call(&open[2..], &["true"]).run();
    refused
        .exits(125)
        .complains(&["no-new-privileges=false", "seccomp=unconfined"]);
    // What the caller does not have, it cannot give, and says so.
    let all = scene
        .script(&["--privileged"], "grep CapEff /proc/self/status")
        .run()
        .succeeds();
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    if scene.sandbox.person.is_root() && !own.contains("CapPrm:\t000001ffffffffff") {
        assert!(all.stderr.contains("does not get CAP_"), "{all}");
    }
}

#[test]
fn a_system_call_outside_the_policy_is_refused() {
    let Some(scene) = scene() else { return };
    // unshare(CLONE_NEWUSER) needs no capability, so only the filter can refuse it.
    let script = "unshare -U true";
    let refused = scene.script(&[], script).run().exits(1);
    refused.complains(&["Operation not permitted"]);
    let open = ["--security-opt", "seccomp=unconfined"];
    scene.script(&open, script).run().succeeds();
}

#[test]
fn what_tells_of_the_machine_or_changes_it_is_shut() {
    let Some(scene) = scene() else { return };
    let masked = "for path in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/acpi /proc/scsi /sys/firmware; do \
        if test -d $path; then ls -A $path; elif test -e $path; then head -c 9 $path; fi; done";
    assert_eq!(scene.script(&[], masked).run().succeeds().stdout, "");
    let written = "for path in /proc/sys/kernel/domainname /proc/sysrq-trigger /proc/irq/default_smp_affinity; do \
        test -e $path || continue; echo 1 2>/dev/null > $path && echo $path was written; done; \
        mkdir /sys/fs/cgroup/x 2>/dev/null && echo a cgroup was made; \
        mkdir /proc/sys/x 2>/dev/null && echo odd; true";
    assert_eq!(scene.script(&[], written).run().succeeds().stdout, "");
    // The test can fail: without the masks there is something to see.
    let seen = scene.script(
        &["--privileged"],
        "cat /proc/timer_list /proc/interrupts | head -c 9",
    );
    if scene.sandbox.person.is_root() {
        assert_ne!(seen.run().succeeds().stdout, "");
    }
}

#[test]
fn devices_work_and_are_only_the_harmless_ones() {
    let Some(scene) = scene() else { return };
    let check = |script: &str, expected: &str| {
        let outcome = scene.script(&[], script).run().succeeds();
        assert_eq!(outcome.line(), expected, "{script}\n{outcome}");
    };
    check(
        "cd /dev; ls | tr '\\n' ' '",
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero",
    );
    check(
        "echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c",
        "3\n5",
    );
    check("echo x 2>/dev/null > /dev/full || echo full", "full");
    check(
        "echo x | cat /dev/fd/0; ls -l /dev/null | cut -c1-10",
        "x\ncrw-rw-rw-",
    );
    check(
        "stat -c %t:%T /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty | tr '\\n' ' '",
        "1:3 1:5 1:7 1:8 1:9 5:0",
    );
}

#[test]
fn streams_can_be_opened_by_name() {
    let Some(scene) = scene() else { return };
    let mut users = vec!["root"];
    if scene.sandbox.person.has_many_ids() {
        users.push("app");
    }
    for user in users {
        // The pipe on the right is the person's own, as on a command line.
        let script = "echo to stdout > /dev/stdout; echo to stderr > /dev/stderr; cat /dev/stdin";
        let words = ["sh", "-c", script];
        let outcome = scene
            .outside(
                "echo from stdin | \"$@\" 2>&1 | cat",
                &["-i", "--user", user],
                &words,
            )
            .run()
            .succeeds();
        outcome.says(&["to stdout\n", "to stderr\n", "from stdin\n"]);
    }
}

#[test]
fn users_come_from_the_images_own_files() {
    let Some(scene) = scene() else { return };
    let script = "echo $(id -u):$(id -g) $(grep Groups /proc/self/status | cut -f2) $HOME";
    let check = |user: &str, expected: &str| {
        let outcome = scene.script(&["--user", user], script).run();
        if scene.sandbox.person.has_many_ids() {
            assert_eq!(outcome.succeeds().line(), expected, "{user}");
        } else {
            outcome
                .exits(125)
                .complains(&["setres", "EINVAL", "usermod --add-subuids"]);
        }
    };
    check("app", "1000:1001 10 /home/app");
    check("1000", "1000:1001 10 /home/app");
    check("app:wheel", "1000:10 /home/app");
    check("7:8", "7:8 /");
    assert_eq!(
        scene.script(&[], script).run().succeeds().line(),
        "0:0 /root"
    );
    let own_home = scene.script(&["--env", "HOME=/x"], "echo $HOME").run();
    assert_eq!(own_home.succeeds().line(), "/x");
    let unknown = scene.script(&["--user", "web"], "true").run().exits(125);
    unknown.complains(&["no user \"web\"", "which has root, app"]);
    let unknown = scene
        .script(&["--user", "root:web"], "true")
        .run()
        .exits(125);
    unknown.complains(&["no group \"web\"", "which has root, app, wheel"]);
    // A file that never ends and one that never answers are no user lists.
    std::fs::remove_file(scene.root().join("etc/passwd")).unwrap();
    scene
        .sandbox
        .stagehand("mkfifo", ["world/etc/passwd"])
        .run()
        .succeeds();
    let unknown = scene.script(&["--user", "app"], "true").run().exits(125);
    unknown.complains(&["missing or empty"]);
}

#[test]
fn what_is_asked_for_is_there() {
    let Some(scene) = scene() else { return };
    let check = |options: &[&str], script: &str, expected: &str| {
        let outcome = scene.script(options, script).run().succeeds();
        assert_eq!(outcome.line(), expected, "{options:?} {script}\n{outcome}");
    };
    check(
        &["--env", "A=b c", "--env", "PATH=/bin"],
        "echo $A $PATH",
        "b c /bin",
    );
    check(
        &["--workdir", "/a/b"],
        "pwd; stat -c %a:%u /a",
        "/a/b\n755:0",
    );
    check(
        &["--ulimit", "nofile=64:128"],
        "ulimit -n; ulimit -Hn",
        "64\n128",
    );
    check(
        &["--read-only"],
        "touch /x 2>/dev/null || echo no; touch /dev/shm/x && echo yes",
        "no\nyes",
    );
    check(
        &["--tmpfs", "/t:size=1m"],
        "cd /t; head -c 2m /dev/zero 2>/dev/null > x; wc -c < x",
        "1048576",
    );
    check(
        &["--tmpfs", "/t"],
        "cp /bin/busybox /t/true && /t/true 2>/dev/null || echo noexec",
        "noexec",
    );
    check(
        &[],
        "umask; ulimit -c >/dev/null; test -t 0 || echo no terminal",
        "0022\nno terminal",
    );
    let over = scene
        .script(&["--ulimit", "nofile=1:9999999"], "true")
        .run();
    over.exits(125)
        .complains(&["prlimit(RLIMIT_NOFILE", "EPERM"]);
    let output = scene
        .script(&["--capture"], "echo out; echo err >&2; cat")
        .run()
        .succeeds();
    assert!(
        output.stdout.contains("[1]out\n") && output.stdout.contains("[2]err\n"),
        "{output}"
    );
}

#[test]
fn the_hosts_directories_where_they_were_asked_for() {
    let Some(scene) = scene() else { return };
    scene.sandbox.file("data/file", "of the host\n");
    let folder = scene.sandbox.path().display().to_string();
    let volume = |target: &str| format!("{folder}/data:{target}");
    let check = |target: &str, script: &str, expected: &str| {
        let outcome = scene
            .script(&["--volume", &volume(target)], script)
            .run()
            .succeeds();
        assert_eq!(outcome.line(), expected, "{target}: {script}\n{outcome}");
    };
    check(
        "/data",
        "cat /data/file; echo new > /data/new",
        "of the host",
    );
    assert_eq!(
        std::fs::read(scene.sandbox.path().join("data/new")).unwrap(),
        b"new\n"
    );
    check(
        "/data:ro",
        "cat /data/file; touch /data/x 2>/dev/null || echo read-only",
        "of the host\nread-only",
    );
    check("/deep/er/data", "cat /deep/er/data/file", "of the host");
    let one = format!("{folder}/data/file:/etc/one");
    let outcome = scene
        .script(&["--volume", &one], "cat /etc/one")
        .run()
        .succeeds();
    assert_eq!(outcome.line(), "of the host");
    let null = scene.script(
        &["--volume", "/dev/null:/dev/extra"],
        "echo x > /dev/extra; cat /dev/extra",
    );
    assert_eq!(null.run().succeeds().line(), "");
    let absent = scene
        .script(&["--volume", "/absent:/data"], "true")
        .run()
        .exits(125);
    absent.complains(&["/absent", "ENOENT", "must exist on the host"]);
}

#[test]
fn nothing_of_ours_stays_in_the_root() {
    let Some(scene) = scene() else { return };
    let listing = || {
        let words = [
            "world",
            "-not",
            "-path",
            "*/bin/*",
            "-printf",
            "%p %m %T@\\n",
        ];
        scene
            .sandbox
            .stagehand("find", words)
            .run()
            .succeeds()
            .stdout
    };
    let before = listing();
    scene
        .script(&["--volume", "/tmp:/deep/er/place"], "true")
        .run()
        .succeeds();
    assert_eq!(listing(), before);
    // What was used stays: the container has written there itself.
    scene
        .script(&[], "echo x > /etc/own; mkdir /srv")
        .run()
        .succeeds();
    assert!(scene.root().join("etc/own").exists() && !scene.root().join("etc/hosts").exists());
}

#[test]
fn every_request_is_told_with_its_reason() {
    let Some(scene) = scene() else { return };
    let outcome = scene.script(&["--explain"], "true").run().succeeds();
    let told: Vec<serde_json::Value> = outcome
        .stderr
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let field = |index: usize, name: &str| told[index][name].as_str().unwrap().to_owned();
    for (call, chapter) in [
        ("unshare(CLONE_NEWNS)", "09-namespaces"),
        ("pivot_root(\".\", \".\")", "11-rootfs"),
        ("move_mount(proc, \"/proc\")", "11-rootfs"),
        ("execve(", "12-init"),
        ("prctl(PR_SET_NO_NEW_PRIVS, 1)", "16-confine"),
        ("seccomp(SECCOMP_SET_MODE_FILTER", "16-confine"),
        ("sendto(NETLINK_ROUTE", "17-network"),
    ] {
        let found = (0..told.len()).find(|i| field(*i, "call").starts_with(call));
        let index = found.unwrap_or_else(|| panic!("{call} is not told\n{outcome}"));
        assert_eq!(field(index, "chapter"), chapter, "{call}");
    }
    assert!((0..told.len()).all(|i| !field(i, "why").is_empty()));
    assert!(
        field(told.len() - 1, "call").starts_with("execve("),
        "{outcome}"
    );
    let users = told.iter().any(|t| t["call"] == "unshare(CLONE_NEWUSER)");
    assert_eq!(users, !scene.sandbox.person.is_root());
}
