//! The stage that makes the namespaces, mounts the root file system, starts the container's first
//! process, and waits for it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio, exit};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::setsid;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use super::control::{Control, Failure, FailureKind, Message};
use super::explain::{Kernel, chapter};
use super::mountpoints::Stubs;
use super::snapshot::RootFs;
use super::sys::SysError;
use super::{executable, network, stage};
use crate::spec::runtime::{LinuxNamespace, LinuxNamespaceType, Spec};

/// What this stage has to know.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// What the root file system is made of.
    pub root: RootFs,
    /// Where it is mounted: an empty directory.
    pub target: PathBuf,
    /// The namespaces to make.
    pub namespaces: Vec<LinuxNamespaceType>,
    /// What will be mounted inside: the destination, and whether that is a directory.
    pub mount_points: Vec<(PathBuf, bool)>,
    /// Whether every request to the kernel is told.
    pub explain: bool,
}

impl Job {
    /// The part of a specification that is this stage's business.
    pub(super) fn new(root: &RootFs, target: PathBuf, spec: &Spec, explain: bool) -> Self {
        let linux = spec.linux().as_ref();
        let namespaces = linux.and_then(|l| l.namespaces().as_ref());
        let mounts = spec.mounts().as_ref();
        Self {
            root: root.clone(),
            target,
            namespaces: namespaces
                .into_iter()
                .flatten()
                .map(LinuxNamespace::typ)
                .collect(),
            mount_points: mounts
                .into_iter()
                .flatten()
                .map(|m| {
                    let binds = m.typ().as_deref() == Some("bind");
                    let source = m.source().as_deref().unwrap_or(Path::new("/"));
                    // A source that is missing is reported by the stage that mounts it.
                    let is_directory = !binds || source.is_dir() || !source.exists();
                    (m.destination().clone(), is_directory)
                })
                .collect(),
            explain,
        }
    }
}

/// The namespaces in the order in which they are made, with the reason of each. The PID namespace
/// holds only children, and from then on this process can have but one: so it comes last.
const NAMESPACES: [(LinuxNamespaceType, CloneFlags, &str, &str); 6] = [
    (
        LinuxNamespaceType::Mount,
        CloneFlags::CLONE_NEWNS,
        "CLONE_NEWNS",
        "a mount table of its own: what is mounted from here on is not seen outside",
    ),
    (
        LinuxNamespaceType::Uts,
        CloneFlags::CLONE_NEWUTS,
        "CLONE_NEWUTS",
        "a hostname of its own",
    ),
    (
        LinuxNamespaceType::Ipc,
        CloneFlags::CLONE_NEWIPC,
        "CLONE_NEWIPC",
        "shared memory, semaphores and message queues of its own",
    ),
    (
        LinuxNamespaceType::Network,
        CloneFlags::CLONE_NEWNET,
        "CLONE_NEWNET",
        "a network of its own, with no way to any other",
    ),
    (
        LinuxNamespaceType::Cgroup,
        CloneFlags::CLONE_NEWCGROUP,
        "CLONE_NEWCGROUP",
        "its own control group looks like the root of them all",
    ),
    (
        LinuxNamespaceType::Pid,
        CloneFlags::CLONE_NEWPID,
        "CLONE_NEWPID",
        "process numbers of its own: the next child is number 1, and when that ends, all end",
    ),
];

/// Runs the stage and never returns.
pub(super) fn main() -> ! {
    let result = Control::of_this_stage().and_then(|mut control| {
        let message = match enter(&mut control) {
            Ok(message) => message,
            Err(error) => Message::Failed(Failure {
                kind: FailureKind::Runtime,
                message: error.to_string(),
            }),
        };
        control.send(&message)
    });
    // Without a line to the other end there is nobody to tell why.
    exit(i32::from(result.is_err()));
}

fn enter(control: &mut Control) -> Result<Message, SysError> {
    let job: Job = control
        .receive()
        .and_then(|job| job.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
        .map_err(|e| SysError::from_io("recvmsg(job)", &e))?;
    let control = &*control;
    let mut kernel = if job.explain {
        Kernel::told(|explanation| {
            // When nobody listens any more, the work is as good as over.
            let _ = control.send(&Message::Explain(explanation));
        })
    } else {
        Kernel::silent()
    };
    let own = executable::Own::find()?;

    detach(&mut kernel)?;
    // Room for limits: the process joins its control groups here, before the namespace below
    // makes that group the root of what it sees.
    make_namespaces(&mut kernel, &job)?;
    let (root, stubs) = mount_root(&mut kernel, &job)?;
    if job.namespaces.contains(&LinuxNamespaceType::Network) {
        network::loopback_up(&mut kernel)?;
    }
    let program = own.protect(&mut kernel)?;
    let mut init = start_init(&mut kernel, control, &program)?;
    drop(root);

    let status = init
        .wait()
        .map_err(|e| SysError::from_io("wait4(init)", &e))?;
    // The container's processes are gone, and its root is still mounted here.
    drop(stubs);
    Ok(Message::Ended {
        code: status.code().unwrap_or(0),
        signal: status.signal(),
    })
}

/// Leaves the terminal's session and binds this process's life to its parent's.
fn detach(kernel: &mut Kernel<'_>) -> Result<(), SysError> {
    kernel.turn_to(chapter::INIT);
    kernel.ask(
        "Ctrl-C on the terminal is for the process that waits outside; it passes it on, once",
        || "setsid()".to_owned(),
        setsid,
    )?;
    kernel.ask(
        "if the process that started the container dies, so does the container",
        || "prctl(PR_SET_PDEATHSIG, SIGKILL)".to_owned(),
        || set_pdeathsig(Signal::SIGKILL),
    )
}

fn make_namespaces(kernel: &mut Kernel<'_>, job: &Job) -> Result<(), SysError> {
    kernel.turn_to(chapter::NAMESPACES);
    for (typ, flag, name, why) in NAMESPACES {
        if job.namespaces.contains(&typ) {
            kernel
                .ask(why, || format!("unshare({name})"), || unshare(flag))
                .map_err(|refused| cause(refused, name))?;
        }
    }
    Ok(())
}

fn mount_root(kernel: &mut Kernel<'_>, job: &Job) -> Result<(OwnedFd, Stubs), SysError> {
    kernel.turn_to(chapter::ROOTFS);
    kernel.ask(
        "the copied mount table still passes mounts on to the host's; from now on it does not",
        || "mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE, NULL)".to_owned(),
        || {
            let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        },
    )?;
    tell_of_root(kernel, job);
    job.root.mount(&job.target)?;
    kernel.turn_to(chapter::ROOTFS);
    let root: OwnedFd = File::open(&job.target)
        .map_err(|e| SysError::from_io(format!("open({:?})", job.target), &e))?
        .into();
    let mut stubs = Stubs::default();
    for (path, is_directory) in &job.mount_points {
        // What lies inside another mount is made there, when that is mounted.
        if !lies_in_fresh_mount(path) {
            stubs.ensure(kernel, &root, path, *is_directory)?;
        }
    }
    Ok((root, stubs))
}

fn tell_of_root(kernel: &mut Kernel<'_>, job: &Job) {
    let target = &job.target;
    match &job.root {
        RootFs::Overlay { lower, upper, .. } => {
            kernel.turn_to(chapter::OVERLAY);
            kernel.tell(
                "the image's layers, which are only read, and one directory on top that takes the changes",
                || format!("mount(\"overlay\", {target:?}, \"overlay\", 0, \"{} layers, upperdir={}\")", lower.len(), upper.display()),
            );
        }
        RootFs::Directory(source) => kernel.tell(
            "what becomes the root must be a mount, and a directory becomes one by being bound",
            || format!("mount({source:?}, {target:?}, NULL, MS_BIND)"),
        ),
    }
}

/// Whether `path` lies below a directory on which every container has a file system of its own.
fn lies_in_fresh_mount(path: &Path) -> bool {
    ["/proc", "/dev", "/sys"]
        .iter()
        .any(|fresh| path.starts_with(fresh) && path != Path::new(fresh))
}

/// Starts PID 1 and hands its pidfd to the other end, which then sends it its job.
fn start_init(
    kernel: &mut Kernel<'_>,
    control: &Control,
    program: &executable::Protected,
) -> Result<Child, SysError> {
    kernel.turn_to(chapter::INIT);
    let refused = |call: &str| {
        let call = call.to_owned();
        move |e: io::Error| SysError::from_io(call, &e)
    };
    let line = control.for_child().map_err(refused("dup(control)"))?;
    let child = kernel.ask(
        "the next child is PID 1 of the new namespace: the same program, called by another name",
        || format!("clone(); execve({:?}, [{:?}])", program.path(), stage::INIT),
        || {
            stage::command(program.path(), stage::INIT)
                .stdin(Stdio::from(line))
                .spawn()
        },
    )?;
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| SysError::new("clone()", Errno::ESRCH))?;
    let handle = kernel.ask(
        "a handle that means this process and never another that gets its number later",
        || format!("pidfd_open({})", child.id()),
        || pidfd_open(pid, PidfdFlags::empty()),
    )?;
    control
        .send_with(&Message::Born { pid: child.id() }, handle.as_fd())
        .map_err(refused("sendmsg(pidfd)"))?;
    Ok(child)
}

/// The usual causes of a namespace that the kernel does not make.
fn cause(refused: SysError, namespace: &str) -> SysError {
    match refused.errno {
        Errno::EPERM => refused.remedy(
            "the process may not make namespaces; `coracle doctor` says what this system allows",
        ),
        Errno::ENOSPC => refused.remedy(format!(
            "too many namespaces of this kind exist; the limits are in /proc/sys/user ({namespace})"
        )),
        Errno::EINVAL => refused.remedy("this kernel was built without namespaces of this kind"),
        _ => refused,
    }
}
