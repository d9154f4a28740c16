//! Tests of the base, on machines made up for them and on this one.

mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use machine::{Elf, GLIBC, MUSL, Machine};

use super::*;
use crate::path::RootedPath;
use crate::tree::{Kind, listing};

#[test]
fn a_debian_base_is_its_shell_with_libraries_and_furniture() {
    let (tree, report) = Machine::debian().base(&[]).unwrap();
    insta::assert_snapshot!(listing(&tree));
    assert_eq!(report.programs, ["dash", "sh"]);
    assert_eq!(report.shell, "/usr/bin/dash");
    assert_eq!(report.architecture, "amd64");
    assert!(report.absent.contains(&"ls".to_owned()));
    let release = tree
        .get(&RootedPath::parse("etc/os-release").unwrap())
        .unwrap();
    let Kind::File(content) = &release.kind else {
        panic!("{release:?}")
    };
    assert_eq!(
        String::from_utf8(content.read().unwrap()).unwrap(),
        "NAME=\"Coracle base\"\nID=coracle\n\
         PRETTY_NAME=\"Coracle base (binaries of Made Up 1)\"\nID_LIKE=\"made-up\"\n"
    );
}

#[test]
fn libraries_are_found_where_the_loader_would_find_them() {
    let check = |what: &str, set_up: &dyn Fn(&Machine), expected: Result<&str, &str>| {
        let machine = Machine::debian();
        set_up(&machine);
        let found = machine.base(&["/opt/tool"]).map(|(_, report)| {
            let mut files = report.files.into_iter();
            files
                .find(|f| f.because.starts_with("library libx.so.1,"))
                .map(|f| f.path)
        });
        match (found, expected) {
            (Ok(found), Ok(path)) => assert_eq!(found.as_deref(), Some(path), "{what}"),
            (Err(error), Err(text)) => assert_eq!(error.to_string(), text, "{what}"),
            (found, expected) => panic!("{what}: {found:?}, not {expected:?}"),
        }
    };
    let x = || Elf {
        soname: Some("libx.so.1"),
        ..Elf::default()
    };
    let tool = |m: &Machine, elf: Elf| {
        m.elf(
            "opt/tool",
            &Elf {
                interpreter: GLIBC,
                ..elf
            },
        );
    };
    let needs_x = || Elf {
        needed: &["libx.so.1"],
        ..Elf::default()
    };
    check(
        "by default, in the loader's directory",
        &|m| {
            tool(m, needs_x());
            m.elf("usr/lib/libx.so.1", &x())
                .elf("usr/lib/x86_64-linux-gnu/libx.so.1", &x());
        },
        Ok("/usr/lib/x86_64-linux-gnu/libx.so.1"),
    );
    check(
        "RUNPATH goes first, and $ORIGIN is the program's directory",
        &|m| {
            tool(
                m,
                Elf {
                    runpath: Some("/no:${ORIGIN}/own"),
                    ..needs_x()
                },
            );
            m.elf("usr/lib/libx.so.1", &x())
                .elf("opt/own/libx.so.1", &x());
        },
        Ok("/opt/own/libx.so.1"),
    );
    check(
        "RUNPATH is for the program's own needs only",
        &|m| {
            tool(
                m,
                Elf {
                    needed: &["liby.so"],
                    runpath: Some("$ORIGIN/own"),
                    ..Elf::default()
                },
            );
            m.elf("opt/own/liby.so", &needs_x());
            m.elf("usr/lib/libx.so.1", &x())
                .elf("opt/own/libx.so.1", &x());
        },
        Ok("/usr/lib/libx.so.1"),
    );
    check(
        "RPATH is for the needs of its libraries, too",
        &|m| {
            tool(
                m,
                Elf {
                    needed: &["liby.so"],
                    rpath: Some("$ORIGIN/own"),
                    ..Elf::default()
                },
            );
            m.elf("opt/own/liby.so", &needs_x());
            m.elf("usr/lib/libx.so.1", &x())
                .elf("opt/own/libx.so.1", &x());
        },
        Ok("/opt/own/libx.so.1"),
    );
    check(
        "a library for another processor is passed over",
        &|m| {
            tool(
                m,
                Elf {
                    runpath: Some("/opt/arm"),
                    ..needs_x()
                },
            );
            m.elf(
                "opt/arm/libx.so.1",
                &Elf {
                    machine: Some(183),
                    ..x()
                },
            );
            m.elf("usr/lib/libx.so.1", &x());
        },
        Ok("/usr/lib/libx.so.1"),
    );
    check(
        "a library that is nowhere",
        &|m| {
            tool(
                m,
                Elf {
                    runpath: Some("/opt/arm"),
                    ..needs_x()
                },
            );
            m.elf(
                "opt/arm/libx.so.1",
                &Elf {
                    machine: Some(183),
                    ..x()
                },
            );
        },
        Err(
            "/opt/tool needs the library libx.so.1, which is not on this machine (looked in \
             /opt/arm (there for arm64), /usr/lib/x86_64-linux-gnu, /opt/lib, /lib64, /usr/lib64, \
             /lib, /usr/lib); install the package that has it, or add its directory to \
             /etc/ld.so.conf",
        ),
    );
}

#[test]
fn a_library_that_only_ldconfig_knew_gets_a_link_beside_the_loader() {
    let machine = Machine::debian();
    machine
        .program("usr/bin/ls", &["libx.so.1"])
        .link("opt/lib/libx.so.1", "libx.so.1.2")
        .elf(
            "opt/lib/libx.so.1.2",
            &Elf {
                soname: Some("libx.so.1"),
                ..Elf::default()
            },
        );
    let (tree, _) = machine.base(&[]).unwrap();
    let link = RootedPath::parse("usr/lib/x86_64-linux-gnu/libx.so.1").unwrap();
    let node = tree.get(&link).unwrap();
    assert_eq!(node.kind, Kind::Symlink(b"/opt/lib/libx.so.1".to_vec()));
    let real = crate::tree::resolve(&tree, &link).unwrap();
    assert_eq!(real.to_text(), "opt/lib/libx.so.1.2");
    assert!(tree.get(&real).is_some());
}

#[test]
fn what_was_added_brings_what_it_needs() {
    let machine = Machine::debian();
    machine
        .program("usr/bin/python3.11", &["libc.so.6"])
        .link("usr/bin/python3", "python3.11")
        .file("usr/lib/python3.11/os.py", "")
        .file("usr/lib/python3.11/__pycache__/os.cpython-311.pyc", "")
        .file("usr/lib/python3.11/test/test_os.py", "")
        .file("usr/lib/python3.11/unittest/test/kept.py", "")
        .elf(
            "usr/lib/python3.11/lib-dynload/_z.so",
            &Elf {
                needed: &["libz.so.1"],
                ..Elf::default()
            },
        )
        .elf(
            "usr/lib/python3.11/lib-dynload/_tk.so",
            &Elf {
                needed: &["libtk.so"],
                ..Elf::default()
            },
        )
        .elf("usr/lib/x86_64-linux-gnu/libz.so.1", &Elf::default())
        .link(
            "usr/lib/python3.11/sitecustomize.py",
            "/etc/python3.11/sitecustomize.py",
        )
        .file("etc/python3.11/sitecustomize.py", "")
        .program("usr/bin/env", &["libc.so.6"])
        .script("srv/app/serve", "#!/usr/bin/env -S python3 -u\n");
    insta::assert_snapshot!(machine.reasons(&["/srv/app/serve"]));
    // A word is a program's name, and brings the same.
    assert_eq!(
        machine.base(&["python3"]).unwrap().1.programs,
        ["dash", "env", "python3", "python3.11", "sh"]
    );
}

#[test]
fn a_directory_comes_with_all_that_can_come() {
    let machine = Machine::debian();
    machine
        .file("srv/a/one", "1")
        .file("srv/a/deep/two", "22")
        .link("srv/a/inside", "deep")
        .link("srv/a/dangling", "nowhere")
        .link("srv/a/away", "../b")
        .link("srv/a/file", "../b/three")
        .file("srv/b/three", "333")
        .file("srv/a/__pycache__/x.pyc", "");
    fs::hard_link(machine.place("srv/a/one"), machine.place("srv/a/same")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(machine.place("srv/a/socket")).unwrap();
    let (tree, report) = machine.base(&["/srv/a"]).unwrap();
    let srv: Vec<_> = listing(&tree)
        .lines()
        .filter(|l| l.contains("/srv"))
        .map(str::to_owned)
        .collect();
    let notes: Vec<_> = report
        .notes
        .iter()
        .map(|n| format!("{}: {}", n.path, n.message))
        .collect();
    insta::assert_snapshot!(format!("{}\n{}", srv.join("\n"), notes.join("\n")));
}

#[test]
fn alpine_is_busybox_and_musl() {
    let machine = Machine::empty();
    machine
        .elf("lib/ld-musl-x86_64.so.1", &Elf::default())
        .link("lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1")
        .file("etc/ld-musl-x86_64.path", "/lib\n/opt/lib\n")
        .elf(
            "bin/busybox",
            &Elf {
                interpreter: MUSL,
                needed: &["libc.musl-x86_64.so.1"],
                ..Elf::default()
            },
        )
        .link("bin/sh", "/bin/busybox")
        .link("bin/ls", "/bin/busybox")
        .link("usr/bin/awk", "/bin/busybox")
        .elf(
            "opt/tool",
            &Elf {
                interpreter: MUSL,
                // musl answers to its parts' old names, and RUNPATH counts for what is further down.
                needed: &["libpthread.so.0", "liby.so"],
                runpath: Some("$ORIGIN/own"),
                ..Elf::default()
            },
        )
        .elf(
            "opt/own/liby.so",
            &Elf {
                needed: &["libx.so", "libz.so"],
                ..Elf::default()
            },
        )
        .elf("opt/own/libx.so", &Elf::default())
        .elf("opt/lib/libz.so", &Elf::default());
    insta::assert_snapshot!(machine.reasons(&["/opt/tool"]));
    let (tree, report) = machine.base(&[]).unwrap();
    assert_eq!(report.programs, ["awk", "busybox", "ls", "sh"]);
    assert!(
        tree.get(&RootedPath::parse("etc/ld-musl-x86_64.path").unwrap())
            .is_some()
    );
}

#[test]
fn on_nixos_programs_get_a_link_where_the_path_leads() {
    let machine = Machine::empty();
    let loader = "/nix/store/aa-glibc/lib/ld-linux-x86-64.so.2";
    let elf = || Elf {
        interpreter: Some(loader),
        needed: &["libc.so.6"],
        ..Elf::default()
    };
    machine
        .elf(&loader[1..], &Elf::default())
        .elf("nix/store/aa-glibc/lib/libc.so.6", &Elf::default())
        .elf("nix/store/bb-bash/bin/bash", &elf())
        .link("nix/store/bb-bash/bin/sh", "bash")
        .elf("nix/store/cc-coreutils/bin/coreutils", &elf())
        .link("nix/store/cc-coreutils/bin/ls", "coreutils")
        .link("bin/sh", "/nix/store/bb-bash/bin/sh")
        .link("run/current-system", "/nix/store/dd-system")
        .link(
            "nix/store/dd-system/sw/bin/ls",
            "/nix/store/cc-coreutils/bin/ls",
        );
    let (tree, report) = machine.base(&[]).unwrap();
    assert_eq!(report.programs, ["ls", "sh"]);
    let ls = tree.get(&RootedPath::parse("usr/bin/ls").unwrap()).unwrap();
    assert_eq!(
        ls.kind,
        Kind::Symlink(b"/nix/store/cc-coreutils/bin/coreutils".to_vec())
    );
}

#[test]
fn errors_say_what_where_why_and_what_to_do() {
    let check = |add: &str, expected: &str| {
        let machine = Machine::debian();
        machine
            .elf(
                "opt/arm",
                &Elf {
                    machine: Some(183),
                    ..Elf::default()
                },
            )
            .elf(
                "opt/musl",
                &Elf {
                    interpreter: MUSL,
                    ..Elf::default()
                },
            )
            .script("opt/script", "#!/usr/bin/ruby\n")
            .script("opt/cut", "\x7fELF\x02\x01\x01")
            .file("proc/cmdline", "")
            .dir("dev");
        let error = machine.base(&[add]).unwrap_err().to_string();
        assert_eq!(error, expected);
    };
    check(
        "/opt/nowhere",
        "add /opt/nowhere: nothing is there; check the spelling, or install what has it",
    );
    check(
        "ruby",
        "add ruby: nothing is there; no program of this name is in /usr/bin, /bin, /usr/sbin, \
         /sbin, /run/current-system/sw/bin, /usr/local/bin, /usr/local/sbin, and no file of this \
         name is here",
    );
    check(
        "/proc/cmdline",
        "add /proc/cmdline: the kernel makes this anew in every container; name the files that you need",
    );
    check(
        "/",
        "add /: the kernel makes this anew in every container; name the files that you need",
    );
    check(
        "/opt/arm",
        "add /opt/arm: it is a program for arm64, and this base is for amd64; it could not run there",
    );
    check(
        "/opt/musl",
        "/opt/musl is started by the loader /lib/ld-musl-x86_64.so.1, which is not on this \
         machine; install the package that has it",
    );
    check(
        "/opt/script",
        "/opt/script is started by /usr/bin/ruby, which is not on this machine; install the \
         package that has it",
    );
    let machine = Machine::empty();
    assert!(matches!(machine.base(&[]), Err(BaseError::NoShell { .. })));
    let machine = Machine::debian();
    machine.script("opt/cut", "\x7fELF\x02\x01\x01");
    assert!(matches!(
        machine.base(&["/opt/cut"]),
        Err(BaseError::Elf { .. })
    ));
}

#[test]
fn every_entry_carries_the_one_time() {
    let machine = Machine::debian();
    machine.file("srv/a/b/c", "").link("srv/a/l", "b");
    let mtime = Timestamp {
        seconds: 1_700_000_000,
        nanos: 0,
    };
    let options = BaseOptions {
        add: vec![PathBuf::from("/srv/a")],
        root: machine.root.path().to_path_buf(),
        mtime,
    };
    let (tree, _) = tree(&options).unwrap();
    for (path, node) in tree.iter() {
        assert_eq!((node.meta.mtime, node.meta.uid), (mtime, 0), "{path}");
    }
}

#[test]
fn a_usual_program_that_cannot_run_is_left_out_and_noted() {
    let machine = Machine::debian();
    machine.program("usr/bin/ls", &["libgone.so"]);
    let (tree, report) = machine.base(&[]).unwrap();
    assert!(
        tree.get(&RootedPath::parse("usr/bin/ls").unwrap())
            .is_none()
    );
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(report.notes[0].message.contains("libgone.so"));
}

#[test]
fn damaged_elf_files_are_refused_and_never_crash() {
    let whole = Elf {
        interpreter: GLIBC,
        needed: &["libx.so.1"],
        rpath: Some("/x"),
        ..Elf::default()
    }
    .bytes();
    let parse = |bytes: &[u8]| super::elf::Object::read(std::io::Cursor::new(bytes));
    assert_eq!(parse(&whole).unwrap().needed, [b"libx.so.1".to_vec()]);
    for end in 0..whole.len() {
        let _ = parse(&whole[..end]);
    }
    for at in 0..whole.len() {
        for byte in [0x00, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }
    }
}

/// Says that the running test cannot run here, in the words that `cargo x test` counts.
fn skip(reason: &str) {
    let thread = std::thread::current();
    eprintln!("SKIP {}: {reason}", thread.name().unwrap_or("?"));
}

/// Writes a tree below a directory, as far as an ordinary user can.
fn extract(tree: &Tree, to: &Path) {
    let mut modes = BTreeMap::new();
    for (path, node) in tree.iter() {
        let place = to.join(path.to_text().as_ref());
        match &node.kind {
            Kind::Directory => {
                fs::create_dir_all(&place).unwrap();
                modes.insert(place, node.meta.mode);
            }
            Kind::File(content) => {
                std::io::copy(
                    &mut content.open().unwrap(),
                    &mut fs::File::create(&place).unwrap(),
                )
                .unwrap();
                fs::set_permissions(&place, fs::Permissions::from_mode(node.meta.mode)).unwrap();
            }
            Kind::Symlink(target) => {
                symlink(String::from_utf8(target.clone()).unwrap(), &place).unwrap();
            }
            other => panic!("{path}: {other:?} has no place in a base"),
        }
    }
    for (place, mode) in modes.iter().rev() {
        fs::set_permissions(place, fs::Permissions::from_mode(mode | 0o700)).unwrap();
    }
}

/// Runs a shell command in a copy of a tree, as its root; `None`, and a line that says so, where
/// the machine does not let an ordinary user change the root directory.
fn run_inside(tree: &Tree, command: &str) -> Option<String> {
    let unshare = ["--user", "--map-root-user"];
    let possible = Command::new("unshare").args(unshare).arg("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        skip("`unshare --user --map-root-user` is refused here");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    extract(tree, directory.path());
    let output = Command::new("unshare")
        .args(unshare)
        .arg("chroot")
        .arg(directory.path())
        .args(["/bin/sh", "-c", command])
        .env_clear()
        .env("PATH", PATH)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {error}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn this_machine_makes_a_base_that_runs() {
    let options = BaseOptions::default();
    let start = Instant::now();
    let (tree, report) = tree(&options).unwrap();
    let took = start.elapsed();
    assert!(report.programs.contains(&"ls".to_owned()), "{report:?}");
    // Some 0.04 s where this was written; the limit is for a machine that does ten other things.
    assert!(took.as_secs() < 5, "took {took:?}, {} bytes", report.bytes);
    assert_eq!(
        super::tree(&options).unwrap().1,
        report,
        "made twice, the same"
    );
    let command = "ls / && id -un && grep ^ID= /etc/os-release";
    if let Some(text) = run_inside(&tree, command) {
        assert!(text.starts_with("bin\ndev\netc\nhome\n"), "{text}");
        assert!(text.ends_with("root\nID=coracle\n"), "{text}");
    }
}

/// Every program of the base must at least be loaded with its libraries: the loader itself says
/// so, without running the program.
#[test]
fn the_loader_finds_every_library_of_this_machines_base() {
    let (tree, report) = tree(&BaseOptions::default()).unwrap();
    let file = |path: &str| report.files.iter().find(|f| f.path.contains(path));
    let Some(loader) = file("/ld-linux") else {
        skip("no glibc loader in this machine's base");
        return;
    };
    let loader = &loader.path;
    let command = format!(
        "for p in /usr/bin/* /bin/*; do \
         {loader} --list $p 2>&1 | grep -E 'cannot open|not found' && echo in $p; done; true"
    );
    if let Some(text) = run_inside(&tree, &command) {
        assert_eq!(text, "");
    }
}

#[test]
fn this_machines_python_runs_with_its_standard_library() {
    let program = "import http.server, json, ssl, ctypes; print(json.dumps([1]))";
    let here = Command::new("/usr/bin/python3")
        .args(["-c", program])
        .output();
    if !here.is_ok_and(|output| output.status.success()) {
        skip("no /usr/bin/python3 with its whole standard library on this machine");
        return;
    }
    let options = BaseOptions {
        add: vec![PathBuf::from("python3")],
        ..BaseOptions::default()
    };
    let (tree, report) = tree(&options).unwrap();
    assert!(report.programs.contains(&"python3".to_owned()));
    let command = format!("python3 -c '{program}'");
    if let Some(text) = run_inside(&tree, &command) {
        assert_eq!(text, "[1]\n");
    }
}
