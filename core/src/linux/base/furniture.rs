//! What stands in the base besides programs: the list of wanted programs, and the few files every system has.

use super::host::Host;

/// Where the usual programs are looked for, in order. A person's own `/usr/local` is not among
/// them, so that the base of two machines with the same packages is the same.
pub(super) const PROGRAM_DIRECTORIES: [&str; 5] =
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin", NIXOS_PROGRAMS];

/// Where a program that a person names by a word is looked for, after the usual places.
pub(super) const LOCAL_DIRECTORIES: [&str; 2] = ["/usr/local/bin", "/usr/local/sbin"];

/// NixOS has its programs here, and no container has this directory on its `PATH`.
pub(super) const NIXOS_PROGRAMS: &str = "/run/current-system/sw/bin";

/// The `PATH` of a container made from the base, as Docker sets it.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The programs of the base, where the machine has them. Only `sh` must be there.
pub(super) const PROGRAMS: &[&str] = &[
    // Shells.
    "sh",
    "bash",
    "busybox",
    // Files.
    "basename",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cmp",
    "cp",
    "dd",
    "df",
    "diff",
    "dirname",
    "du",
    "find",
    "install",
    "link",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mv",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "stat",
    "sync",
    "touch",
    "truncate",
    "unlink",
    // Text.
    "awk",
    "base64",
    "comm",
    "cut",
    "echo",
    "egrep",
    "expr",
    "fgrep",
    "fold",
    "grep",
    "head",
    "join",
    "nl",
    "od",
    "paste",
    "printf",
    "sed",
    "seq",
    "sort",
    "split",
    "tac",
    "tail",
    "tee",
    "test",
    "[",
    "tr",
    "uniq",
    "wc",
    "xargs",
    "yes",
    // Digests and archives.
    "cksum",
    "gunzip",
    "gzip",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "tar",
    "zcat",
    // Processes and the system.
    "arch",
    "clear",
    "date",
    "env",
    "false",
    "free",
    "getent",
    "groups",
    "hostname",
    "id",
    "kill",
    "nice",
    "nohup",
    "nproc",
    "pgrep",
    "pkill",
    "printenv",
    "ps",
    "sleep",
    "stty",
    "timeout",
    "top",
    "true",
    "tty",
    "uname",
    "uptime",
    "which",
    "who",
    "whoami",
];

/// The directories of every base, with their permissions.
pub(super) const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr/bin", 0o755),
    ("usr/local/bin", 0o755),
    ("usr/local/sbin", 0o755),
    ("usr/sbin", 0o755),
    ("var/tmp", 0o1777),
];

/// Directories that are links on most machines today; they come as the machine has them.
pub(super) const MERGED: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib64", "/usr/sbin", "/usr/lib64"];

/// The links of every base.
pub(super) const LINKS: &[(&str, &str)] =
    &[("etc/mtab", "../proc/self/mounts"), ("var/run", "../run")];

/// The small files of every base.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nnobody:x:65534:\n"),
    ("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n\
         services: files\nprotocols: files\n",
    ),
];

/// Data that the machine's own libraries open by name at run time: terminals that people sit at,
/// and the one locale that every program expects. Each is taken when it is there.
pub(super) const DATA: &[&str] = &[
    "/lib/terminfo/d/dumb",
    "/lib/terminfo/l/linux",
    "/lib/terminfo/s/screen-256color",
    "/lib/terminfo/t/tmux-256color",
    "/lib/terminfo/v/vt100",
    "/lib/terminfo/x/xterm",
    "/lib/terminfo/x/xterm-256color",
    "/usr/share/terminfo/d/dumb",
    "/usr/share/terminfo/l/linux",
    "/usr/share/terminfo/s/screen-256color",
    "/usr/share/terminfo/t/tmux-256color",
    "/usr/share/terminfo/v/vt100",
    "/usr/share/terminfo/x/xterm",
    "/usr/share/terminfo/x/xterm-256color",
    "/usr/lib/locale/C.utf8",
];

/// Libraries that glibc opens by name while a program runs, so that no file says it needs them:
/// users and hosts before 2.34, and what ends threads.
pub(super) const OPENED_LATER: [&str; 3] =
    ["libnss_files.so.2", "libnss_dns.so.2", "libgcc_s.so.1"];

/// Parts of a Python standard library that no program needs at run time, or that are not part
/// of it: its own tests, its windows and its editor, its static library, what people installed.
pub(super) fn is_spare_in_python(name: &[u8]) -> bool {
    let spare: [&[u8]; 7] = [
        b"test",
        b"idlelib",
        b"turtledemo",
        b"site-packages",
        b"dist-packages",
        b"tkinter",
        b"__phello__",
    ];
    spare.contains(&name) || name.starts_with(b"config-")
}

/// `/etc/os-release` of the base: it is ours, and says whose binaries it holds.
pub(super) fn os_release(host: &Host) -> String {
    let text = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| host.text(path))
        .unwrap_or_default();
    let value = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|v| v.trim().trim_matches(['"', '\'']).to_owned())
            .filter(|v| !v.is_empty() && !v.contains(['"', '\\', '$', '`']))
    };
    let of = value("PRETTY_NAME").unwrap_or_else(|| "an unnamed system".to_owned());
    let mut release = format!(
        "NAME=\"Coracle base\"\nID=coracle\nPRETTY_NAME=\"Coracle base (binaries of {of})\"\n"
    );
    if let Some(id) = value("ID") {
        use std::fmt::Write as _;
        let _ = writeln!(release, "ID_LIKE=\"{id}\"");
    }
    release
}
