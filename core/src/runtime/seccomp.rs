//! Docker's default policy on system calls, as a table: what a container may ask the kernel for.
//!
//! The policy is a list of what is allowed. Most of Linux is on it; what is missing is what
//! would reach around the container (loading modules, mounting, tracing across namespaces) or has
//! a long record of holes. A process that asks for something else is told EPERM, and that the
//! call does not exist (ENOSYS) where its C library then falls back to an older call.
//!
//! Source of the facts: [moby's default profile](https://docs.docker.com/engine/security/seccomp/).

use serde_json::{Value, json};

/// The errno that says "not allowed".
const EPERM: u32 = 1;
/// The errno that says "this kernel has no such call", which makes C libraries fall back.
const ENOSYS: u32 = 38;

/// What every container may call, by purpose.
const ALWAYS: &[(&str, &[&str])] = &[
    (
        "files and directories",
        &[
            "access",
            "cachestat",
            "chdir",
            "chmod",
            "chown",
            "chown32",
            "close",
            "close_range",
            "copy_file_range",
            "creat",
            "dup",
            "dup2",
            "dup3",
            "faccessat",
            "faccessat2",
            "fadvise64",
            "fadvise64_64",
            "fallocate",
            "fchdir",
            "fchmod",
            "fchmodat",
            "fchmodat2",
            "fchown",
            "fchown32",
            "fchownat",
            "fcntl",
            "fcntl64",
            "fdatasync",
            "flock",
            "fstat",
            "fstat64",
            "fstatat64",
            "fstatfs",
            "fstatfs64",
            "fsync",
            "ftruncate",
            "ftruncate64",
            "futimesat",
            "getcwd",
            "getdents",
            "getdents64",
            "ioctl",
            "lchown",
            "lchown32",
            "link",
            "linkat",
            "_llseek",
            "lseek",
            "lstat",
            "lstat64",
            "mkdir",
            "mkdirat",
            "mknod",
            "mknodat",
            "name_to_handle_at",
            "newfstatat",
            "open",
            "openat",
            "openat2",
            "pread64",
            "preadv",
            "preadv2",
            "pwrite64",
            "pwritev",
            "pwritev2",
            "read",
            "readahead",
            "readlink",
            "readlinkat",
            "readv",
            "rename",
            "renameat",
            "renameat2",
            "rmdir",
            "sendfile",
            "sendfile64",
            "splice",
            "stat",
            "stat64",
            "statfs",
            "statfs64",
            "statx",
            "symlink",
            "symlinkat",
            "sync",
            "sync_file_range",
            "syncfs",
            "tee",
            "truncate",
            "truncate64",
            "umask",
            "unlink",
            "unlinkat",
            "utime",
            "utimensat",
            "utimensat_time64",
            "utimes",
            "vmsplice",
            "write",
            "writev",
        ],
    ),
    (
        "extended attributes",
        &[
            "fgetxattr",
            "flistxattr",
            "fremovexattr",
            "fsetxattr",
            "getxattr",
            "getxattrat",
            "lgetxattr",
            "listxattr",
            "listxattrat",
            "llistxattr",
            "lremovexattr",
            "lsetxattr",
            "removexattr",
            "removexattrat",
            "setxattr",
            "setxattrat",
        ],
    ),
    (
        "waiting for descriptors and watching files",
        &[
            "epoll_create",
            "epoll_create1",
            "epoll_ctl",
            "epoll_ctl_old",
            "epoll_pwait",
            "epoll_pwait2",
            "epoll_wait",
            "epoll_wait_old",
            "eventfd",
            "eventfd2",
            "fanotify_mark",
            "inotify_add_watch",
            "inotify_init",
            "inotify_init1",
            "inotify_rm_watch",
            "_newselect",
            "pipe",
            "pipe2",
            "poll",
            "ppoll",
            "ppoll_time64",
            "pselect6",
            "pselect6_time64",
            "select",
            "signalfd",
            "signalfd4",
            "timerfd_create",
            "timerfd_gettime",
            "timerfd_gettime64",
            "timerfd_settime",
            "timerfd_settime64",
        ],
    ),
    (
        "asynchronous reading and writing (not io_uring: too many holes)",
        &[
            "io_cancel",
            "io_destroy",
            "io_getevents",
            "io_pgetevents",
            "io_pgetevents_time64",
            "io_setup",
            "io_submit",
            "ioprio_get",
            "ioprio_set",
        ],
    ),
    (
        "memory",
        &[
            "brk",
            "madvise",
            "map_shadow_stack",
            "membarrier",
            "memfd_create",
            "memfd_secret",
            "mincore",
            "mlock",
            "mlock2",
            "mlockall",
            "mmap",
            "mmap2",
            "mprotect",
            "mremap",
            "mseal",
            "msync",
            "munlock",
            "munlockall",
            "munmap",
            "pkey_alloc",
            "pkey_free",
            "pkey_mprotect",
            "process_mrelease",
            "remap_file_pages",
        ],
    ),
    (
        "processes and threads",
        &[
            "execve",
            "execveat",
            "exit",
            "exit_group",
            "fork",
            "futex",
            "futex_requeue",
            "futex_time64",
            "futex_wait",
            "futex_waitv",
            "futex_wake",
            "get_robust_list",
            "get_thread_area",
            "getcpu",
            "getpgid",
            "getpgrp",
            "getpid",
            "getppid",
            "getpriority",
            "getrlimit",
            "getrusage",
            "getsid",
            "gettid",
            "kill",
            "pause",
            "pidfd_open",
            "pidfd_send_signal",
            "prctl",
            "prlimit64",
            "process_vm_readv",
            "process_vm_writev",
            "ptrace",
            "restart_syscall",
            "rseq",
            "rt_sigaction",
            "rt_sigpending",
            "rt_sigprocmask",
            "rt_sigqueueinfo",
            "rt_sigreturn",
            "rt_sigsuspend",
            "rt_sigtimedwait",
            "rt_sigtimedwait_time64",
            "rt_tgsigqueueinfo",
            "sched_get_priority_max",
            "sched_get_priority_min",
            "sched_getaffinity",
            "sched_getattr",
            "sched_getparam",
            "sched_getscheduler",
            "sched_rr_get_interval",
            "sched_rr_get_interval_time64",
            "sched_setaffinity",
            "sched_setattr",
            "sched_setparam",
            "sched_setscheduler",
            "sched_yield",
            "set_robust_list",
            "set_thread_area",
            "set_tid_address",
            "setpgid",
            "setpriority",
            "setrlimit",
            "setsid",
            "sigaltstack",
            "sigprocmask",
            "sigreturn",
            "tgkill",
            "times",
            "tkill",
            "ugetrlimit",
            "uretprobe",
            "vfork",
            "wait4",
            "waitid",
            "waitpid",
        ],
    ),
    (
        "users and groups (what they may become, capabilities decide)",
        &[
            "capget",
            "capset",
            "getegid",
            "getegid32",
            "geteuid",
            "geteuid32",
            "getgid",
            "getgid32",
            "getgroups",
            "getgroups32",
            "getresgid",
            "getresgid32",
            "getresuid",
            "getresuid32",
            "getuid",
            "getuid32",
            "setfsgid",
            "setfsgid32",
            "setfsuid",
            "setfsuid32",
            "setgid",
            "setgid32",
            "setgroups",
            "setgroups32",
            "setregid",
            "setregid32",
            "setresgid",
            "setresgid32",
            "setresuid",
            "setresuid32",
            "setreuid",
            "setreuid32",
            "setuid",
            "setuid32",
        ],
    ),
    (
        "giving up rights",
        &[
            "landlock_add_rule",
            "landlock_create_ruleset",
            "landlock_restrict_self",
            "lsm_get_self_attr",
            "lsm_list_modules",
            "lsm_set_self_attr",
            "seccomp",
        ],
    ),
    (
        "sockets",
        &[
            "accept",
            "accept4",
            "bind",
            "connect",
            "getpeername",
            "getsockname",
            "getsockopt",
            "listen",
            "recv",
            "recvfrom",
            "recvmmsg",
            "recvmmsg_time64",
            "recvmsg",
            "send",
            "sendmmsg",
            "sendmsg",
            "sendto",
            "setsockopt",
            "shutdown",
            "socketcall",
            "socketpair",
        ],
    ),
    (
        "queues, semaphores, shared memory",
        &[
            "ipc",
            "mq_getsetattr",
            "mq_notify",
            "mq_open",
            "mq_timedreceive",
            "mq_timedreceive_time64",
            "mq_timedsend",
            "mq_timedsend_time64",
            "mq_unlink",
            "msgctl",
            "msgget",
            "msgrcv",
            "msgsnd",
            "semctl",
            "semget",
            "semop",
            "semtimedop",
            "semtimedop_time64",
            "shmat",
            "shmctl",
            "shmdt",
            "shmget",
        ],
    ),
    (
        "clocks and timers (setting a clock needs a capability all the same)",
        &[
            "adjtimex",
            "alarm",
            "clock_adjtime",
            "clock_adjtime64",
            "clock_getres",
            "clock_getres_time64",
            "clock_gettime",
            "clock_gettime64",
            "clock_nanosleep",
            "clock_nanosleep_time64",
            "getitimer",
            "gettimeofday",
            "nanosleep",
            "setitimer",
            "time",
            "timer_create",
            "timer_delete",
            "timer_getoverrun",
            "timer_gettime",
            "timer_gettime64",
            "timer_settime",
            "timer_settime64",
        ],
    ),
    ("the machine", &["getrandom", "sysinfo", "uname"]),
];

/// What needs a capability anyway: the call is allowed where the container has it.
const WITH_CAPABILITY: &[(&str, &[&str])] = &[
    ("CAP_DAC_READ_SEARCH", &["open_by_handle_at"]),
    (
        "CAP_SYS_ADMIN",
        &[
            "bpf",
            "clone",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "listmount",
            "lookup_dcookie",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "perf_event_open",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "statmount",
            "syslog",
            "umount",
            "umount2",
            "unshare",
        ],
    ),
    ("CAP_SYS_BOOT", &["reboot"]),
    ("CAP_SYS_CHROOT", &["chroot"]),
    (
        "CAP_SYS_MODULE",
        &["delete_module", "finit_module", "init_module"],
    ),
    ("CAP_SYS_PACCT", &["acct"]),
    (
        "CAP_SYS_PTRACE",
        &["kcmp", "pidfd_getfd", "process_madvise"],
    ),
    ("CAP_SYS_RAWIO", &["ioperm", "iopl"]),
    (
        "CAP_SYS_TIME",
        &["clock_settime", "clock_settime64", "settimeofday", "stime"],
    ),
    ("CAP_SYS_TTY_CONFIG", &["vhangup"]),
    (
        "CAP_SYS_NICE",
        &[
            "get_mempolicy",
            "mbind",
            "set_mempolicy",
            "set_mempolicy_home_node",
        ],
    ),
    ("CAP_SYSLOG", &["syslog"]),
    ("CAP_BPF", &["bpf"]),
    ("CAP_PERFMON", &["perf_event_open"]),
];

/// What only some processors have.
const ON_ARCHITECTURE: &[(&str, &[&str])] = &[
    ("amd64", &["arch_prctl", "modify_ldt"]),
    (
        "arm64",
        &[
            "arm_fadvise64_64",
            "arm_sync_file_range",
            "breakpoint",
            "cacheflush",
            "set_tls",
            "sync_file_range2",
        ],
    ),
];

/// The flags of clone(2) that make namespaces: mount, cgroup, UTS, IPC, user, PID, network.
const CLONE_NAMESPACES: u64 =
    0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;

/// AF_VSOCK, which talks past every network namespace to the machine that hosts this one.
const AF_VSOCK: u64 = 40;

/// The execution domains that personality(2) may set: Linux, the two that 32-bit programs ask
/// for, their combination, and 0xffffffff, which only asks what is set.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The policy for a container with these capabilities on this processor (`amd64`, `arm64`), as
/// the `linux.seccomp` object of the runtime specification.
///
/// Source: [runtime-spec, seccomp](https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp).
pub fn default_policy(architecture: &str, capabilities: &[&str]) -> Value {
    let has = |capability: &str| capabilities.contains(&capability);
    let mut allowed: Vec<&str> = ALWAYS
        .iter()
        .flat_map(|(_, names)| *names)
        .copied()
        .collect();
    for (capability, names) in WITH_CAPABILITY {
        if has(capability) {
            allowed.extend_from_slice(names);
        }
    }
    for (processor, names) in ON_ARCHITECTURE {
        if *processor == architecture {
            allowed.extend_from_slice(names);
        }
    }
    allowed.sort_unstable();
    allowed.dedup();
    let mut rules = vec![
        json!({ "names": allowed, "action": "SCMP_ACT_ALLOW" }),
        when("socket", 0, AF_VSOCK, "SCMP_CMP_NE"),
    ];
    rules.extend(PERSONALITIES.map(|domain| when("personality", 0, domain, "SCMP_CMP_EQ")));
    if !has("CAP_SYS_ADMIN") {
        // Masked with the namespace flags, the first argument must be zero: threads and children
        // yes, namespaces no.
        rules.push(json!({
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": CLONE_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }],
        }));
        // clone3 keeps its flags in memory, where a filter cannot look. Told that it does not
        // exist, C libraries use clone.
        rules.push(json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS }));
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": architectures(architecture),
        "syscalls": rules,
    })
}

/// An allowed call whose argument number `index` must compare with `value`.
fn when(name: &str, index: u32, value: u64, op: &str) -> Value {
    json!({
        "names": [name],
        "action": "SCMP_ACT_ALLOW",
        "args": [{ "index": index, "value": value, "op": op }],
    })
}

/// The processor's own calls, and those of the 32-bit programs that it also runs.
fn architectures(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "amd64" => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "arm64" => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::runtime::capabilities::{ALL, DEFAULT};

    #[test]
    fn no_name_stands_twice() {
        let mut seen = BTreeSet::new();
        for name in ALWAYS.iter().flat_map(|(_, names)| *names) {
            assert!(seen.insert(name), "{name} is in the table twice");
        }
        for name in WITH_CAPABILITY.iter().flat_map(|(_, names)| *names) {
            assert!(!seen.contains(name), "{name} is always allowed");
        }
        for (capability, _) in WITH_CAPABILITY {
            assert!(ALL.contains(capability), "{capability}");
        }
    }

    fn rules<'a>(policy: &'a Value, name: &str) -> Vec<&'a Value> {
        let named = |rule: &&Value| {
            let names = rule["names"].as_array().unwrap();
            names.iter().any(|n| n == name)
        };
        let rules = policy["syscalls"].as_array().unwrap();
        rules.iter().filter(named).collect()
    }

    #[test]
    fn what_reaches_around_the_container_needs_its_capability() {
        let usual = default_policy("amd64", &DEFAULT);
        let all = default_policy("amd64", &ALL);
        let check = |name: &str, usually: usize, with_all: usize| {
            assert_eq!(rules(&usual, name).len(), usually, "{name}");
            assert_eq!(rules(&all, name).len(), with_all, "{name} with all");
        };
        check("read", 1, 1);
        check("mount", 0, 1);
        check("bpf", 0, 1);
        check("chroot", 1, 1);
        check("kexec_load", 0, 0);
        check("add_key", 0, 0);
        check("keyctl", 0, 0);
        check("userfaultfd", 0, 0);
        check("io_uring_setup", 0, 0);
        check("personality", 5, 5);
        assert!(rules(&all, "clone3")[0]["args"].is_null());
        assert_eq!(rules(&usual, "clone3")[0]["errnoRet"], ENOSYS);
        assert_eq!(
            rules(&usual, "clone")[0]["args"][0]["value"],
            2_114_060_288_u64
        );
    }

    #[test]
    fn a_processor_has_its_own_calls() {
        assert_eq!(rules(&default_policy("amd64", &[]), "arch_prctl").len(), 1);
        assert_eq!(rules(&default_policy("arm64", &[]), "arch_prctl").len(), 0);
        assert_eq!(default_policy("riscv64", &[])["architectures"], json!([]));
    }

    #[test]
    fn the_specification_understands_the_policy() {
        let policy = default_policy("amd64", &DEFAULT);
        let read: crate::spec::runtime::LinuxSeccomp = serde_json::from_value(policy).unwrap();
        assert_eq!(read.default_errno_ret(), Some(EPERM));
        assert_eq!(read.architectures().as_ref().unwrap().len(), 3);
    }
}
