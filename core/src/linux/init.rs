//! The container's first process, from the moment it exists until it executes the command: a
//! list of named steps, in the order that the kernel demands.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::exit;

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{self, Gid, Uid};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::stdio::{stderr, stdin, stdout};
use serde::{Deserialize, Serialize};

use super::control::{Control, Failure, FailureKind, Message};
use super::explain::{Kernel, chapter};
use super::sys::SysError;
use super::views::Views;
use super::{capabilities, devices, exec, mounts, seccomp};
use crate::accounts::{Accounts, Identity};
use crate::spec::runtime::{PosixRlimitType, Process, Root, Spec};

/// What this stage has to know. The command's standard input travels along, unless it gets a
/// terminal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// Where the root file system is mounted, seen from the host.
    pub target: PathBuf,
    /// The container's specification.
    pub spec: Spec,
    /// Whether this process stays as PID 1 and the command becomes its child.
    pub init: bool,
    /// Whether every request to the kernel is told.
    pub explain: bool,
}

/// One step of the way. Its name is what an error says first.
struct Step {
    name: &'static str,
    chapter: &'static str,
    run: fn(&mut Init<'_>) -> Result<(), Stop>,
}

/// The way from a fresh process to the command. Each step stands where it must: what comes
/// from the host is taken along before it is left, what needs root's power before it is given up.
const STEPS: [Step; 18] = [
    step("hostname", chapter::NAMESPACES, set_hostname),
    step("views of the host", chapter::ROOTFS, take_views),
    step("root", chapter::ROOTFS, change_root),
    step("mounts", chapter::ROOTFS, mount_all),
    step("devices", chapter::ROOTFS, fill_dev),
    step("kernel settings", chapter::NETWORK, set_sysctls),
    step("masked paths", chapter::CONFINE, mask_paths),
    step("user", chapter::USERS, look_up_user),
    step("working directory", chapter::INIT, change_directory),
    step("read-only root", chapter::ROOTFS, protect_root),
    step("standard streams", chapter::INIT, arrange_streams),
    step("limits", chapter::INIT, set_limits),
    step("bounding set", chapter::CONFINE, bound_capabilities),
    step("become the user", chapter::USERS, become_user),
    step("capabilities", chapter::CONFINE, set_capabilities),
    step("life and death", chapter::INIT, bind_to_parent),
    step("no new privileges", chapter::CONFINE, gain_nothing),
    step("system call filter", chapter::CONFINE, filter_system_calls),
];

const fn step(
    name: &'static str,
    chapter: &'static str,
    run: fn(&mut Init<'_>) -> Result<(), Stop>,
) -> Step {
    Step { name, chapter, run }
}

/// Why the command does not start.
#[derive(Debug)]
pub(super) enum Stop {
    /// A request was refused.
    Refused(SysError),
    /// The user is not in the image, or the command is not, or cannot be executed.
    Because(Failure),
}

impl From<SysError> for Stop {
    fn from(error: SysError) -> Self {
        Self::Refused(error)
    }
}

impl Stop {
    /// Something that is nobody's request to the kernel went wrong.
    pub(super) fn because(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Because(Failure {
            kind,
            message: message.into(),
        })
    }
}

/// What the steps share.
struct Init<'a> {
    kernel: Kernel<'a>,
    control: &'a Control,
    job: &'a Job,
    process: &'a Process,
    /// What was taken along from the host, until it has its place.
    views: Option<Views>,
    /// The command's standard input, until it is put in its place.
    stdin: Option<OwnedFd>,
    identity: Identity,
    capabilities: capabilities::Sets,
}

/// Runs the stage and never returns.
pub(super) fn main() -> ! {
    let Ok(mut control) = Control::of_this_stage() else {
        // Without a line to the other end there is nobody to tell why.
        exit(1);
    };
    let failure = match init(&mut control) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    let code = match failure.kind {
        FailureKind::Runtime => 125,
        FailureKind::NotExecutable => 126,
        FailureKind::NotFound => 127,
    };
    let _ = control.send(&Message::Failed(failure));
    exit(code)
}

fn init(control: &mut Control) -> Result<std::convert::Infallible, Failure> {
    let failed = |message: String| Failure {
        kind: FailureKind::Runtime,
        message,
    };
    let job: Job = control
        .receive()
        .and_then(|job| job.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
        .map_err(|e| failed(format!("receive the job: {e}")))?;
    let Some(process) = job.spec.process() else {
        return Err(failed("the specification has no process".to_owned()));
    };
    let stdin = control.descriptor().ok();
    let control = &*control;
    let kernel = if job.explain {
        Kernel::told(|explanation| {
            // When nobody listens any more, the next step but one ends this process.
            let _ = control.send(&Message::Explain(explanation));
        })
    } else {
        Kernel::silent()
    };
    let mut init = Init {
        kernel,
        control,
        job: &job,
        process,
        views: None,
        stdin,
        identity: Identity::default(),
        capabilities: capabilities::Sets::default(),
    };
    for step in &STEPS {
        init.kernel.turn_to(step.chapter);
        (step.run)(&mut init).map_err(|stop| match stop {
            Stop::Refused(error) => failed(format!("{}: {error}", step.name)),
            Stop::Because(failure) => failure,
        })?;
    }
    let command = exec::Command {
        args: process.args().as_deref().unwrap_or_default(),
        env: environment(process, &init.identity),
    };
    init.kernel.turn_to(chapter::INIT);
    let stop = if job.init {
        super::reaper::run(&mut init.kernel, &command)
    } else {
        exec::replace(&mut init.kernel, &command)
    };
    Err(match stop {
        Stop::Refused(error) => failed(error.to_string()),
        Stop::Because(failure) => failure,
    })
}

/// The variables, with the user's home where the image sets none.
fn environment(process: &Process, identity: &Identity) -> Vec<String> {
    let mut env = process.env().clone().unwrap_or_default();
    if !env.iter().any(|v| v.starts_with("HOME=")) {
        let home = if identity.home.is_empty() {
            "/"
        } else {
            &identity.home
        };
        env.push(format!("HOME={home}"));
    }
    env
}

fn set_hostname(init: &mut Init<'_>) -> Result<(), Stop> {
    let Some(name) = init.job.spec.hostname() else {
        return Ok(());
    };
    Ok(init.kernel.ask(
        "the name belongs to this UTS namespace; the host keeps its own",
        || format!("sethostname({name:?})"),
        || unistd::sethostname(name),
    )?)
}

/// Takes along what comes from outside, as mounts without a place.
fn take_views(init: &mut Init<'_>) -> Result<(), Stop> {
    let mounts = init.job.spec.mounts().as_deref().unwrap_or_default();
    init.views = Some(Views::take(&mut init.kernel, mounts)?);
    Ok(())
}

/// Makes the mounted root file system the root of everything this process sees, and leaves the
/// host. Between the first call and the last, no path is looked at.
fn change_root(init: &mut Init<'_>) -> Result<(), Stop> {
    let kernel = &mut init.kernel;
    let target = &init.job.target;
    kernel.ask(
        "the next call takes the directory that one stands in",
        || format!("chdir({target:?})"),
        || unistd::chdir(target),
    )?;
    kernel.ask(
        "this mount becomes the root; the old root now lies on top of it",
        || "pivot_root(\".\", \".\")".to_owned(),
        || unistd::pivot_root(".", "."),
    )?;
    kernel.ask(
        "the old root is taken off: the host's files are gone from this mount namespace",
        || "umount2(\".\", MNT_DETACH)".to_owned(),
        || umount2(".", MntFlags::MNT_DETACH),
    )?;
    Ok(kernel.ask(
        "nothing of the host may stay as the current directory",
        || "chdir(\"/\")".to_owned(),
        || unistd::chdir("/"),
    )?)
}

fn mount_all(init: &mut Init<'_>) -> Result<(), Stop> {
    let views = views(init.views.as_ref())?;
    let mounts = init.job.spec.mounts().iter().flatten();
    for (mount, view) in mounts.zip(&views.mounts) {
        mounts::perform(&mut init.kernel, mount, view.as_ref(), views)?;
    }
    Ok(())
}

fn fill_dev(init: &mut Init<'_>) -> Result<(), Stop> {
    devices::nodes(&mut init.kernel, &views(init.views.as_ref())?.devices)?;
    // Handles of what has its place are not needed any more.
    init.views = None;
    Ok(devices::links(&mut init.kernel)?)
}

/// Settings of the kernel that belong to the new namespaces. They are files below `/proc/sys`,
/// which is read-only a step later.
fn set_sysctls(init: &mut Init<'_>) -> Result<(), Stop> {
    let linux = init.job.spec.linux().as_ref();
    let settings = linux.and_then(|l| l.sysctl().as_ref());
    for (name, value) in settings.into_iter().flatten() {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        init.kernel.ask(
            "it holds for this namespace alone",
            || format!("write({path:?}, {value:?})"),
            || fs::write(&path, value),
        )?;
    }
    Ok(())
}

fn mask_paths(init: &mut Init<'_>) -> Result<(), Stop> {
    let Some(linux) = init.job.spec.linux() else {
        return Ok(());
    };
    for path in linux.masked_paths().iter().flatten() {
        mounts::mask(&mut init.kernel, Path::new(path))?;
    }
    for path in linux.readonly_paths().iter().flatten() {
        mounts::read_only(&mut init.kernel, Path::new(path))?;
    }
    Ok(())
}

/// Finds out who the command runs as, from the image's own files.
fn look_up_user(init: &mut Init<'_>) -> Result<(), Stop> {
    let user = init.process.user();
    let (wanted, capabilities) = (user.username(), init.process.capabilities());
    let (sets, missing) = capabilities::Sets::of(capabilities.as_ref())?;
    if !missing.is_empty() {
        let message = format!(
            "the container does not get {}: whoever starts it does not have it",
            missing.join(", ")
        );
        // A warning that nobody hears is no reason to stop.
        let _ = init.control.send(&Message::Warning { message });
    }
    let Some(wanted) = wanted else {
        // The specification gives numbers, and whoever wrote it has looked them up.
        let passwd = read_small("/etc/passwd")?;
        let accounts = Accounts::parse(passwd.as_bytes(), b"");
        let known = accounts.identity(&user.uid().to_string());
        init.identity = Identity {
            uid: user.uid(),
            gid: user.gid(),
            groups: user.additional_gids().clone().unwrap_or_default(),
            home: known.unwrap_or_default().home,
        };
        init.capabilities = sets;
        return Ok(());
    };
    let (passwd, group) = (read_small("/etc/passwd")?, read_small("/etc/group")?);
    init.identity = Accounts::parse(passwd.as_bytes(), group.as_bytes())
        .identity(wanted)
        .map_err(|e| Stop::because(FailureKind::Runtime, e.to_string()))?;
    let root = init.identity.uid == 0;
    init.capabilities = if root { sets } else { sets.without_root() };
    Ok(())
}

/// Goes to the working directory, which is made when the image does not have it.
fn change_directory(init: &mut Init<'_>) -> Result<(), Stop> {
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

fn protect_root(init: &mut Init<'_>) -> Result<(), Stop> {
    let root = init.job.spec.root().as_ref();
    if root.and_then(Root::readonly).unwrap_or(false) {
        mounts::restrict(&mut init.kernel, Path::new("/"), MsFlags::MS_RDONLY)?;
    }
    Ok(())
}

/// A session of its own, and the command's own standard streams.
fn arrange_streams(init: &mut Init<'_>) -> Result<(), Stop> {
    init.kernel.ask(
        "the command leads a session of its own, so a terminal can be its own, and the host's is not",
        || "setsid()".to_owned(),
        unistd::setsid,
    )?;
    if init.process.terminal() == Some(true) {
        super::terminal::open(&mut init.kernel, init.control)?;
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

fn set_limits(init: &mut Init<'_>) -> Result<(), Stop> {
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

fn bound_capabilities(init: &mut Init<'_>) -> Result<(), Stop> {
    Ok(capabilities::bound(
        &mut init.kernel,
        &init.capabilities.bounding,
    )?)
}

fn become_user(init: &mut Init<'_>) -> Result<(), Stop> {
    let kernel = &mut init.kernel;
    let Identity {
        uid, gid, groups, ..
    } = &init.identity;
    if *uid != 0 && !init.capabilities.permitted.is_empty() {
        kernel.ask(
            "the specification gives capabilities to a user who is not root",
            || "prctl(PR_SET_KEEPCAPS, 1)".to_owned(),
            || prctl::set_keepcaps(true),
        )?;
    }
    // With a single-id map nobody may change groups: one could leave a group that is refused
    // something. The kernel says so in this file.
    let denied = read_small("/proc/self/setgroups")?.trim() == "deny";
    if !denied {
        let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
        kernel
            .ask(
                "the groups of the user in the image, and none of the caller's",
                || format!("setgroups({groups:?})"),
                || unistd::setgroups(&groups),
            )
            .map_err(unmapped)?;
    }
    let id = Gid::from_raw(*gid);
    kernel
        .ask(
            "the group, while there is still the right to choose it",
            || format!("setresgid({id}, {id}, {id})"),
            || unistd::setresgid(id, id, id),
        )
        .map_err(unmapped)?;
    let id = Uid::from_raw(*uid);
    Ok(kernel
        .ask(
            "the user; for anybody but root there is no way back",
            || format!("setresuid({id}, {id}, {id})"),
            || unistd::setresuid(id, id, id),
        )
        .map_err(unmapped)?)
}

/// A number that the user namespace does not map cannot be taken.
fn unmapped(refused: SysError) -> SysError {
    match refused.errno {
        Errno::EINVAL => refused.remedy(
            "this user namespace has no such number; with a range of subordinate ids it has: install uidmap, and as root run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME`",
        ),
        _ => refused,
    }
}

fn set_capabilities(init: &mut Init<'_>) -> Result<(), Stop> {
    Ok(capabilities::set(&mut init.kernel, &init.capabilities)?)
}

/// Death together with the parent. Changing the user has forgotten what was set before.
fn bind_to_parent(init: &mut Init<'_>) -> Result<(), Stop> {
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

fn gain_nothing(init: &mut Init<'_>) -> Result<(), Stop> {
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
fn filter_system_calls(init: &mut Init<'_>) -> Result<(), Stop> {
    let linux = init.job.spec.linux().as_ref();
    let Some(policy) = linux.and_then(|l| l.seccomp().as_ref()) else {
        return Ok(());
    };
    let program =
        seccomp::compile(policy).map_err(|e| Stop::because(FailureKind::Runtime, e.to_string()))?;
    Ok(seccomp::apply(&mut init.kernel, &program)?)
}

fn views(views: Option<&Views>) -> Result<&Views, SysError> {
    views.ok_or_else(|| SysError::new("move_mount()", Errno::EBADF))
}

/// Reads a small text file of the image, which may be anything: a fifo would never answer, a
/// device never end. What is not there, or not a file, is empty.
fn read_small(path: &str) -> Result<String, SysError> {
    const MOST: u64 = 8 << 20;
    let refused = |e| SysError::from_io(format!("open({path:?})"), &e);
    let mut options = File::options();
    let opened = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(String::new());
        }
        Err(e) => return Err(refused(e)),
    };
    if !file.metadata().map_err(refused)?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(refused)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
