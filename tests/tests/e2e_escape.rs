//! Ways out of a container that were open once, somewhere: each is tried, and must be shut.

use std::fs;
use std::os::unix::fs::symlink;

use coracle_tests::Scene;

const DRIVER: &str = env!("CARGO_BIN_EXE_driver");

fn scene() -> Option<Scene> {
    Scene::new(DRIVER)
}

/// CVE-2019-5736: the image's command is our own program, reached through `/proc`, and what it
/// loads or what runs beside it writes into the host's file.
#[test]
fn our_own_program_cannot_be_written_from_inside() {
    let Some(scene) = scene() else { return };
    let driver = scene.sandbox.path().join("bin/driver");
    let before = fs::read(&driver).unwrap();
    // With --init our program stays as PID 1, for anybody inside to open.
    let script = "ls -l /proc/1/exe; \
        for try in 'echo x >> /proc/1/exe' 'echo x > /proc/1/exe' 'dd if=/dev/zero of=/proc/1/exe bs=1 count=1 conv=notrunc' \
                   'truncate -s 0 /proc/1/exe' 'chmod 777 /proc/1/exe' 'rm -f /proc/1/exe'; do \
            sh -c \"$try\" 2>/dev/null && echo \"done: $try\"; \
        done; \
        mount -o remount,rw /proc/1/exe 2>/dev/null && echo 'done: remount'; \
        exec 3<>/proc/1/exe && echo 'done: open for writing'";
    for options in [&["--init"][..], &["--init", "--privileged"]] {
        let outcome = scene.script(options, script).run();
        assert!(
            !outcome.stdout.contains("done:"),
            "HOST PROGRAM WAS WRITTEN: {outcome}"
        );
        assert!(outcome.stdout.contains("/proc/1/exe ->"), "{outcome}");
        assert_eq!(
            fs::read(&driver).unwrap(),
            before,
            "HOST PROGRAM WAS CHANGED"
        );
    }
    // Without --init there is only the moment before the command. It runs again here, under the
    // name of the link that leads to it, and every file that it can name is tried.
    let command = ["/proc/self/exe"];
    let outcome = scene.call(&[], &command).run();
    assert_ne!(outcome.code, Some(0), "{outcome}");
    scene.program("world/bin/shebang", "#!/proc/self/exe\n");
    scene.call(&[], &["shebang"]).run();
    assert_eq!(
        fs::read(&driver).unwrap(),
        before,
        "HOST PROGRAM WAS CHANGED"
    );
}

/// The same with the fallback: when the program's file was replaced since it started, what runs
/// inside is a sealed copy.
#[test]
fn a_replaced_program_runs_from_a_sealed_copy() {
    let Some(scene) = scene() else { return };
    let inside = "ls -l /proc/1/exe; echo x >> /proc/1/exe && echo done: written; true";
    // The file that is executed has no name any more, and another one lies where it was.
    let driver = scene.sandbox.path().join("bin/driver");
    let copy = scene.sandbox.path().join("bin/copy");
    fs::copy(&driver, &copy).unwrap();
    let (driver, copy) = (driver.display(), copy.display());
    let outside = format!("exec 9<{driver}; mv {copy} {driver}; exec /proc/self/fd/9 \"$@\"");
    let words = scene.words(&["--init"], &["sh", "-c", inside]);
    let outcome = scene
        .sandbox
        .program(
            std::path::Path::new("/bin/sh"),
            ["-c", &outside, "sh"]
                .into_iter()
                .chain(words[1..].iter().map(String::as_str)),
        )
        .run()
        .succeeds();
    assert!(outcome.stdout.contains("memfd:coracle"), "{outcome}");
    assert!(!outcome.stdout.contains("done:"), "{outcome}");
}

/// CVE-2024-21626: a descriptor of the host that stays open is a way to its files.
#[test]
fn no_descriptor_of_the_host_is_open_inside() {
    let Some(scene) = scene() else { return };
    let outside = "exec 7</etc/passwd 8<. 9>>left; exec \"$@\"";
    for init in [&[][..], &["--init"]] {
        let list = ["find", "/proc/self/fd", "/proc/1/fd", "-type", "l"];
        let outcome = scene.outside(outside, init, &list).run();
        for line in outcome.stdout.lines() {
            let number: u32 = line.rsplit('/').next().unwrap().parse().unwrap();
            let own = line.starts_with("/proc/self/fd/") || init.is_empty();
            // `find` has the directories open that it reads; our init has its signals.
            assert!(
                number <= if own { 6 } else { 4 },
                "{line} is open\n{outcome}"
            );
        }
        for number in 0..32 {
            let directory = format!("/proc/self/fd/{number}");
            let options = ["--workdir", directory.as_str(), "--volume", "/tmp:/t"];
            let words = [
                "sh",
                "-c",
                "cat ../../etc/passwd ../../../etc/shadow /proc/1/cwd/etc/shadow 2>/dev/null",
            ];
            let outcome = scene.outside(outside, &options, &words).run();
            assert!(
                !outcome.stdout.contains("daemon"),
                "HOST FILE WAS READ: {outcome}"
            );
        }
    }
}

/// CVE-2019-16884 and its kin: links in the image stand where something is mounted.
#[test]
fn links_in_the_image_do_not_lead_out() {
    let Some(scene) = scene() else { return };
    let outside = scene.sandbox.file("outside/hosts", "untouched\n");
    let folder = outside.parent().unwrap();
    let root = scene.root();
    let climb = "../".repeat(20);
    symlink(folder, root.join("absolute")).unwrap();
    symlink(
        format!("{climb}{}", folder.display()),
        root.join("relative"),
    )
    .unwrap();
    symlink("absolute", root.join("twice")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    scene.sandbox.file("data/file", "of the volume\n");
    let data = scene.sandbox.path().join("data");
    for target in [
        "absolute/new",
        "relative/new",
        "twice/new",
        "absolute/hosts",
    ] {
        let volume = format!("{}:/{target}", data.display());
        let script = format!("cat /{target}/file");
        let outcome = scene.script(&["--volume", &volume], &script).run();
        assert_eq!(outcome.stdout, "of the volume\n", "{target}: {outcome}");
        let entries = fs::read_dir(folder).unwrap().count();
        assert_eq!(entries, 1, "HOST PATH WAS CHANGED by {target}");
    }
    let volume = format!("{}:/loop/x", data.display());
    let looped = scene.script(&["--volume", &volume], "true").run();
    looped.exits(125).complains(&["ELOOP"]);
    // An image may have /etc/resolv.conf as a link to nowhere, and its target is made, inside.
    symlink(
        format!("{}/made", folder.display()),
        root.join("etc/resolv.conf"),
    )
    .unwrap();
    let script = "grep -c network /etc/resolv.conf";
    scene.script(&[], script).run().succeeds().says(&["1"]);
    assert_eq!(
        fs::read_dir(folder).unwrap().count(),
        1,
        "HOST PATH WAS CHANGED"
    );
    assert_eq!(fs::read(&outside).unwrap(), b"untouched\n");
}

#[test]
fn an_image_cannot_say_where_proc_and_sys_are() {
    let Some(scene) = scene() else { return };
    for name in ["proc", "sys"] {
        fs::create_dir_all(scene.root().join("elsewhere")).unwrap();
        symlink("/elsewhere", scene.root().join(name)).unwrap();
        let outcome = scene.script(&[], "true").run();
        outcome
            .exits(125)
            .complains(&["mounts:", name, "ENOTDIR", "must be a directory"]);
        fs::remove_file(scene.root().join(name)).unwrap();
    }
}

/// A set-user-ID program of the image gives nobody more than they had.
#[test]
fn set_user_id_means_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let Some(scene) = scene() else { return };
    if !scene.sandbox.person.is_root() {
        return coracle_tests::skip("needs root to make a file that is root's and set-user-ID");
    }
    let busybox = fs::read(scene.root().join("bin/busybox")).unwrap();
    let path = scene.program("world/bin/busybox-setuid", busybox);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
    let check = |options: &[&str], gained: bool| {
        let options = [&["--user", "app"], options].concat();
        let outcome = scene
            .call(&options, &["busybox-setuid", "su", "-c", "true"])
            .run();
        let denied = outcome.stderr.contains("must be suid");
        assert_eq!(denied, !gained, "{outcome}");
    };
    check(&[], false);
    // The test can fail: this is what it is like without.
    let open = "--security-opt no-new-privileges=false --security-opt seccomp=unconfined";
    check(&open.split(' ').collect::<Vec<_>>(), true);
}

#[test]
fn the_host_is_as_it_was() {
    let Some(scene) = scene() else { return };
    let listing = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(folder)
            .map(|d| d.flatten().map(|e| e.file_name()).collect())
            .unwrap_or_default();
        names.sort();
        names
    };
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let groups = || listing("/sys/fs/cgroup");
    let before = (
        mounts(),
        groups(),
        fs::read("/proc/sys/kernel/hostname").unwrap(),
    );
    for options in [&[][..], &["--network", "host"], &["--init", "--read-only"]] {
        scene
            .script(options, "hostname inner 2>/dev/null; sleep 0.1 & true")
            .run()
            .succeeds();
    }
    scene.call(&[], &["absent"]).run().exits(127);
    let after = (
        mounts(),
        groups(),
        fs::read("/proc/sys/kernel/hostname").unwrap(),
    );
    assert_eq!(before, after);
}

#[test]
fn a_system_without_user_namespaces_says_how_to_get_them() {
    let Some(scene) = scene() else { return };
    if !scene.sandbox.person.is_root() {
        return coracle_tests::skip("needs root to set up a system that forbids them");
    }
    // A namespace of its own has its own limit; in it, root without power is like anybody.
    let words = scene.words(&[], &["true"]);
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all -- \"$@\"";
    let mut all = vec!["--user", "--map-root-user", "sh", "-c", script, "sh"];
    all.extend(words.iter().map(String::as_str));
    let outcome = scene.sandbox.stagehand("unshare", all).run();
    outcome.exits(125).complains(&[
        "unshare(CLONE_NEWUSER): ENOSPC",
        "turned off",
        "sysctl user.max_user_namespaces",
    ]);
}
