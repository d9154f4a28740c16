//! Machines made up for tests: a directory of files, links and the smallest ELF objects.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::linux::base::{BaseError, BaseOptions, Report, tree};
use crate::tree::{Timestamp, Tree};

/// A machine made up of a directory: files, links and small ELF objects.
pub(super) struct Machine {
    pub(super) root: tempfile::TempDir,
}

/// What an ELF object of a test says about itself.
#[derive(Default)]
pub(super) struct Elf<'a> {
    pub(super) machine: Option<u16>,
    pub(super) interpreter: Option<&'a str>,
    pub(super) needed: &'a [&'a str],
    pub(super) soname: Option<&'a str>,
    pub(super) rpath: Option<&'a str>,
    pub(super) runpath: Option<&'a str>,
}

pub(super) const GLIBC: Option<&str> = Some("/lib64/ld-linux-x86-64.so.2");
pub(super) const MUSL: Option<&str> = Some("/lib/ld-musl-x86_64.so.1");

impl Elf<'_> {
    /// The smallest file that a loader could understand: a header, three program headers (load,
    /// interpreter, dynamic), and no section at all. Source: elf(5).
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0_u8];
        let mut dynamic: Vec<(u64, u64)> = Vec::new();
        let single = [(14, self.soname), (15, self.rpath), (29, self.runpath)];
        let needed = self.needed.iter().map(|name| (1, Some(*name)));
        for (tag, text) in needed.chain(single) {
            if let Some(text) = text {
                dynamic.push((tag, strings.len() as u64));
                strings.extend_from_slice(text.as_bytes());
                strings.push(0);
            }
        }
        let interpreter = self.interpreter.map(|i| [i.as_bytes(), b"\0"].concat());
        let interpreter = interpreter.unwrap_or_default();
        let interpreter_at = 64 + 3 * 56;
        let strings_at = interpreter_at + interpreter.len() as u64;
        let dynamic_at = strings_at + strings.len() as u64;
        // The object is loaded at an address that is not its offset, as real ones are.
        let base = 0x40_0000;
        dynamic.extend([(5, base + strings_at), (10, strings.len() as u64), (0, 0)]);
        let dynamic_size = dynamic.len() as u64 * 16;
        let end = dynamic_at + dynamic_size;

        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let half = |file: &mut Vec<u8>, n: u16| file.extend_from_slice(&n.to_le_bytes());
        let word = |file: &mut Vec<u8>, n: u32| file.extend_from_slice(&n.to_le_bytes());
        let long = |file: &mut Vec<u8>, n: u64| file.extend_from_slice(&n.to_le_bytes());
        half(&mut file, 3);
        half(&mut file, self.machine.unwrap_or(62));
        word(&mut file, 1);
        long(&mut file, 0);
        long(&mut file, 64);
        long(&mut file, 0);
        word(&mut file, 0);
        for n in [64, 56, 3, 64, 0, 0] {
            half(&mut file, n);
        }
        let interpreter_type = if interpreter.is_empty() { 0 } else { 3 };
        let segments = [
            (1, 0, end),
            (interpreter_type, interpreter_at, interpreter.len() as u64),
            (2, dynamic_at, dynamic_size),
        ];
        for (kind, at, size) in segments {
            word(&mut file, kind);
            word(&mut file, 4);
            for n in [at, base + at, base + at, size, size, 8] {
                long(&mut file, n);
            }
        }
        file.extend_from_slice(&interpreter);
        file.extend_from_slice(&strings);
        for (tag, value) in dynamic {
            long(&mut file, tag);
            long(&mut file, value);
        }
        file
    }
}

impl Machine {
    pub(super) fn empty() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    /// As Debian is today: one `/usr`, libraries in a directory named after the processor.
    pub(super) fn debian() -> Self {
        let machine = Self::empty();
        for name in ["bin", "lib", "lib64"] {
            machine
                .dir(&format!("usr/{name}"))
                .link(name, &format!("usr/{name}"));
        }
        let lib = "usr/lib/x86_64-linux-gnu";
        machine
            .file(
                "etc/ld.so.conf",
                "# comment\ninclude /etc/ld.so.conf.d/*.conf\n",
            )
            .file("etc/ld.so.conf.d/b.conf", "/opt/lib # for later\n")
            .file("etc/ld.so.conf.d/a.conf", &format!("/{lib}\n"))
            .file("etc/ld.so.conf.d/ignored", "/nowhere\n")
            .file("etc/os-release", "PRETTY_NAME=\"Made Up 1\"\nID=made-up\n")
            .elf(&format!("{lib}/ld-linux-x86-64.so.2"), &Elf::default())
            .link(
                "usr/lib64/ld-linux-x86-64.so.2",
                "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            )
            .elf(
                &format!("{lib}/libc.so.6"),
                &Elf {
                    needed: &["ld-linux-x86-64.so.2"],
                    ..Elf::default()
                },
            )
            .program("usr/bin/dash", &["libc.so.6"])
            .link("usr/bin/sh", "dash");
        machine
    }

    pub(super) fn place(&self, path: &str) -> PathBuf {
        let place = self.root.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    pub(super) fn dir(&self, path: &str) -> &Self {
        fs::create_dir_all(self.place(path)).unwrap();
        self
    }

    pub(super) fn file(&self, path: &str, text: &str) -> &Self {
        self.bytes(path, text.as_bytes(), 0o644)
    }

    pub(super) fn script(&self, path: &str, text: &str) -> &Self {
        self.bytes(path, text.as_bytes(), 0o755)
    }

    pub(super) fn elf(&self, path: &str, elf: &Elf) -> &Self {
        self.bytes(path, &elf.bytes(), 0o755)
    }

    pub(super) fn program(&self, path: &str, needed: &[&str]) -> &Self {
        self.elf(
            path,
            &Elf {
                interpreter: GLIBC,
                needed,
                ..Elf::default()
            },
        )
    }

    pub(super) fn bytes(&self, path: &str, bytes: &[u8], mode: u32) -> &Self {
        let place = self.place(path);
        fs::write(&place, bytes).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(super) fn link(&self, path: &str, target: &str) -> &Self {
        symlink(target, self.place(path)).unwrap();
        self
    }

    pub(super) fn base(&self, add: &[&str]) -> Result<(Tree, Report), BaseError> {
        tree(&BaseOptions {
            add: add.iter().map(PathBuf::from).collect(),
            root: self.root.path().to_path_buf(),
            mtime: Timestamp::default(),
        })
    }

    /// Why each file of the machine is in the base, a line each; then the notes.
    pub(super) fn reasons(&self, add: &[&str]) -> String {
        let (_, report) = self.base(add).unwrap();
        let mut out = String::new();
        for file in report
            .files
            .iter()
            .filter(|f| f.because != "made by Coracle")
        {
            writeln!(out, "{}: {}", file.path, file.because).unwrap();
        }
        for note in report.notes {
            writeln!(out, "note {}: {}", note.path, note.message).unwrap();
        }
        out
    }
}
