//! Steps of the first process: what every program has around it, from its name to its limits.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{self, Gid, Uid};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::stdio::{stderr, stdin, stdout};

use super::{Init, Stop};
use crate::accounts::Identity;
use crate::linux::control::FailureKind;
use crate::linux::sys::SysError;
use crate::linux::{seccomp, terminal};
use crate::spec::runtime::PosixRlimitType;

pub(super) fn set_hostname(init: &mut Init<'_>) -> Result<(), Stop> {
    let Some(name) = init.job.spec.hostname() else {
        return Ok(());
    };
    Ok(init.kernel.ask(
        "the name belongs to this UTS namespace; the host keeps its own",
        || format!("sethostname({name:?})"),
        || unistd::sethostname(name),
    )?)
}

/// Goes to the working directory, which is made when the image does not have it.
pub(super) fn change_directory(init: &mut Init<'_>) -> Result<(), Stop> {
    let path = init.process.cwd();
    let kernel = &mut init.kernel;
    if !path.exists() {
        kernel.ask(
            "a working directory that the image does not have is made, as Docker does",
            || format!("mkdir({path:?}, 0755)"),
            || DirBuilder::new().recursive(true).mode(0o755).create(path),
        )?;
    }
    kernel.ask(
        "where the command starts",
        || format!("chdir({path:?})"),
        || unistd::chdir(path),
    )?;
    // Had a path led out through a descriptor of the host, the kernel would say so here.
    let here = kernel.ask(
        "to be sure that the directory lies inside (CVE-2024-21626)",
        || "getcwd()".to_owned(),
        unistd::getcwd,
    )?;
    if here.is_absolute() {
        Ok(())
    } else {
        let refused = SysError::new(format!("chdir({path:?})"), Errno::EXDEV);
        Err(refused
            .remedy("the working directory lies outside the container")
            .into())
    }
}

/// A session of its own, and the command's own standard streams.
pub(super) fn arrange_streams(init: &mut Init<'_>) -> Result<(), Stop> {
    init.kernel.ask(
        "the command leads a session of its own, so a terminal can be its own, and the host's is not",
        || "setsid()".to_owned(),
        unistd::setsid,
    )?;
    if init.process.terminal() == Some(true) {
        terminal::open(&mut init.kernel, init.control, init.job.size)?;
    } else if let Some(stdin) = init.stdin.take() {
        init.kernel.ask(
            "the command's standard input takes the place of our line to the outside",
            || "dup2(stdin, 0)".to_owned(),
            || rustix::stdio::dup2_stdin(&stdin),
        )?;
    }
    give_streams(init);
    Ok(())
}

/// Makes the user the owner of the standard streams, so that `/dev/stdout` can be opened by name.
/// Only of those that are the container's: its terminal, and pipes, which nobody else opens.
fn give_streams(init: &mut Init<'_>) {
    const PIPEFS_MAGIC: u64 = 0x5049_5045;
    let Identity { uid, gid, .. } = init.identity;
    let own_terminal = init.process.terminal() == Some(true);
    for stream in [stdin(), stdout(), stderr()] {
        let is_pipe = rustix::fs::fstatfs(stream)
            .is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(PIPEFS_MAGIC));
        if own_terminal || is_pipe {
            // A stream that cannot be given away can still be used.
            let _ = unistd::fchown(stream, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        }
    }
}

pub(super) fn set_limits(init: &mut Init<'_>) -> Result<(), Stop> {
    for limit in init.process.rlimits().iter().flatten() {
        let (name, soft, hard) = (limit.typ(), limit.soft(), limit.hard());
        let value = |number: u64| Some(number).filter(|n| *n != u64::MAX);
        init.kernel
            .ask(
                "a limit that the command cannot raise",
                || format!("prlimit({name}, {soft}, {hard})"),
                || {
                    let limit = Rlimit {
                        current: value(soft),
                        maximum: value(hard),
                    };
                    setrlimit(resource(name), limit)
                },
            )
            .map_err(|refused| match refused.errno {
                Errno::EPERM => refused.remedy(
                    "a limit above one's own needs CAP_SYS_RESOURCE; `ulimit -Ha` shows one's own",
                ),
                _ => refused,
            })?;
    }
    Ok(())
}

/// Death together with the parent. Changing the user has forgotten what was set before.
pub(super) fn bind_to_parent(init: &mut Init<'_>) -> Result<(), Stop> {
    init.kernel.ask(
        "if the process that waits for the container dies, so does the container",
        || "prctl(PR_SET_PDEATHSIG, SIGKILL)".to_owned(),
        || prctl::set_pdeathsig(Signal::SIGKILL),
    )?;
    // It may have died a moment before; then nobody is at the other end of the line.
    if init.control.is_closed() {
        return Err(Stop::because(
            FailureKind::Runtime,
            "the process that asked for the container is gone",
        ));
    }
    Ok(())
}

pub(super) fn gain_nothing(init: &mut Init<'_>) -> Result<(), Stop> {
    if init.process.no_new_privileges() != Some(true) {
        return Ok(());
    }
    Ok(init.kernel.ask(
        "no program that is executed from here on gains rights: set-user-ID means nothing",
        || "prctl(PR_SET_NO_NEW_PRIVS, 1)".to_owned(),
        prctl::set_no_new_privs,
    )?)
}

/// The last step: from here on only what the policy allows can be asked for.
pub(super) fn filter_system_calls(init: &mut Init<'_>) -> Result<(), Stop> {
    let linux = init.job.spec.linux().as_ref();
    let Some(policy) = linux.and_then(|l| l.seccomp().as_ref()) else {
        return Ok(());
    };
    let program =
        seccomp::compile(policy).map_err(|e| Stop::because(FailureKind::Runtime, e.to_string()))?;
    Ok(seccomp::apply(&mut init.kernel, &program)?)
}

fn resource(name: PosixRlimitType) -> Resource {
    match name {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}
