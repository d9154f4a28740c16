//! Capabilities: the parts of root's power, and which of them a container gets.

use super::options::{OptionError, RunOptions};
use crate::diagnostic::did_you_mean;

/// All of them, in the order of their numbers.
///
/// Source: [capabilities(7)](https://man7.org/linux/man-pages/man7/capabilities.7.html).
pub const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What each of them permits, in the same order: "a process that has it may …".
pub const PERMITS: [&str; 41] = [
    "give files to other users",
    "read and write files whatever their permissions say",
    "read every file, and open files by handles that know no root directory",
    "act as the owner of files that belong to others",
    "keep the set-user-ID bit of files that it changes",
    "send signals to the processes of other users",
    "become any group",
    "become any user",
    "give up capabilities for good",
    "mark files as unchangeable",
    "listen on ports below 1024",
    "send to everybody on a network",
    "configure interfaces, routes and packet filters",
    "send packets of its own making, as ping does",
    "keep memory from being swapped out",
    "use the shared memory of other users",
    "load code into the kernel",
    "reach hardware directly",
    "change the root directory",
    "look into and change any process",
    "have the kernel write down every process",
    "mount, make namespaces, and a hundred other things",
    "restart the machine",
    "take processor time from others",
    "pass every limit",
    "set the clock of the machine",
    "disturb other terminals",
    "make device nodes",
    "be told when others open a file",
    "write into the audit log",
    "turn auditing off",
    "give capabilities to program files",
    "pass over mandatory access control",
    "change mandatory access control",
    "read the kernel's messages and addresses",
    "wake the machine from sleep",
    "keep the machine from sleeping",
    "read the audit log",
    "measure what other processes do",
    "load programs into the kernel's virtual machine",
    "choose the numbers of new processes",
];

/// The fourteen that a container has when nobody asks for others, as in Docker: enough to install
/// packages and to serve on port 80, not enough to touch the host.
pub const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
];

/// The capabilities that a container gets, in the order of their numbers.
///
/// As in Docker: `ALL` among the added is the start, or the default is; then the dropped go,
/// then the added come. `ALL` among the dropped takes the default away.
pub fn granted(options: &RunOptions) -> Result<Vec<&'static str>, OptionError> {
    let add = parse_list("--cap-add", &options.cap_add)?;
    let drop = parse_list("--cap-drop", &options.cap_drop)?;
    let start: &[&str] = if options.privileged || add.contains(&"ALL") {
        &ALL
    } else if drop.contains(&"ALL") {
        &[]
    } else {
        &DEFAULT
    };
    if options.privileged {
        return Ok(ALL.to_vec());
    }
    Ok(ALL
        .into_iter()
        .filter(|c| (start.contains(c) && !drop.contains(c)) || add.contains(c))
        .collect())
}

fn parse_list(option: &'static str, names: &[String]) -> Result<Vec<&'static str>, OptionError> {
    names.iter().map(|name| parse(option, name)).collect()
}

/// Reads a name as people write it: `NET_ADMIN`, `net_admin`, `CAP_NET_ADMIN`, `ALL`.
fn parse(option: &'static str, name: &str) -> Result<&'static str, OptionError> {
    let upper = name.to_uppercase();
    if upper == "ALL" {
        return Ok("ALL");
    }
    let full = if upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    };
    ALL.into_iter().find(|c| *c == full).ok_or_else(|| {
        let reason = match did_you_mean(&full, ALL) {
            Some(near) => format!("no capability has this name; did you mean {near}?"),
            None => "no capability has this name; `man 7 capabilities` lists them".to_owned(),
        };
        OptionError::new(option, name, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(add: &[&str], drop: &[&str]) -> RunOptions {
        RunOptions {
            cap_add: add.iter().map(ToString::to_string).collect(),
            cap_drop: drop.iter().map(ToString::to_string).collect(),
            ..RunOptions::default()
        }
    }

    #[test]
    fn added_and_dropped_as_in_docker() {
        let check = |add: &[&str], drop: &[&str], expected: &[&str]| {
            assert_eq!(granted(&options(add, drop)).unwrap(), expected);
        };
        check(&[], &[], &DEFAULT);
        check(&[], &["ALL"], &[]);
        check(&["chown"], &["all"], &["CAP_CHOWN"]);
        check(&["CAP_KILL"], &["KILL", "ALL"], &["CAP_KILL"]);
        let all_but_one: Vec<_> = ALL.into_iter().filter(|c| *c != "CAP_SYS_ADMIN").collect();
        check(&["ALL"], &["sys_admin"], &all_but_one);
    }

    #[test]
    fn a_wrong_name_is_named_with_the_nearest() {
        let check = |name: &str, reason: &str| {
            let error = granted(&options(&[name], &[])).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        };
        check("NET_ADMN", "did you mean CAP_NET_ADMIN?");
        check("EVERYTHING_AT_ONCE", "man 7 capabilities");
    }
}
