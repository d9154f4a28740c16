//! The user namespace: how an ordinary user becomes root of a world of their own.
//!
//! Everything that a container needs, from mounting to changing users, only root may do. But
//! anybody may make a user namespace, and is root in there, over what belongs to the namespace
//! and nothing else. So an ordinary user's command is executed once more inside one, and from
//! there on there is a single way for root and everybody.

mod maps;
mod settings;

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio, exit};

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::unistd::{Pid, Uid};
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};

use self::maps::Plan;
pub(super) use self::maps::is_mapped;
use self::settings::Settings;
use super::control::Control;
use super::explain::{Kernel, chapter};
use super::signals::Signals;
use super::stage;
use super::sys::SysError;
use crate::event::Event;

/// Set for the command that runs inside, so that a namespace without power is not entered twice.
const INSIDE: &str = "_CORACLE_USERNS";

/// Why there is no user namespace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserNamespaceError {
    /// The kernel refuses, and this is why.
    #[error("make a user namespace: {refused}. {cause}")]
    Refused {
        /// The refused call.
        refused: SysError,
        /// The likely cause, and what to do about it.
        cause: String,
    },
    /// Something around it failed.
    #[error(transparent)]
    System(#[from] SysError),
}

/// Moves the whole command into a user namespace, unless it has root's power already.
///
/// Call it at the very start of a command that touches snapshots or runs containers. For root
/// it returns at once. For anybody else the program is executed again inside a user namespace
/// where it is root, with the same arguments, and there this function returns; outside it passes
/// signals on, waits, and ends as the inner command ended, with its exit code or by its signal.
///
/// With ranges in `/etc/subuid` and `/etc/subgid` and the two tools of the package `uidmap`, the
/// namespace has those users too; otherwise only root, and a warning says what that means.
pub fn reenter(on: &mut dyn FnMut(Event)) -> Result<(), UserNamespaceError> {
    if has_power() || env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let plan = Plan::make();
    let signals = Signals::catch()?;
    let mut child = enter(&plan, on)?;
    let status = attend(&mut child, &signals)?;
    drop(signals);
    end_as(status)
}

/// Moves this process into the user namespace of the process `pid`, unless it has root's power
/// already: there it is root over what that process has.
///
/// Whoever made the namespace may, from outside of any of their own. The caller has no threads.
pub fn join(pid: u32) -> Result<(), SysError> {
    if has_power() {
        return Ok(());
    }
    let path = format!("/proc/{pid}/ns/user");
    let namespace =
        File::open(&path).map_err(|e| SysError::from_io(format!("open({path:?})"), &e))?;
    setns(namespace, CloneFlags::CLONE_NEWUSER)
        .map_err(|e| SysError::new("setns(CLONE_NEWUSER)", e))
}

/// Whether this process is root, and with more than the name.
fn has_power() -> bool {
    let powerful = caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN);
    Uid::effective().is_root() && powerful.unwrap_or(false)
}

/// Starts the second execution and gives its namespace the maps.
fn enter(plan: &Plan, on: &mut dyn FnMut(Event)) -> Result<Child, UserNamespaceError> {
    let refused = |call: &'static str| move |e: io::Error| SysError::from_io(call, &e);
    let (mut control, there) = Control::pair().map_err(refused("socketpair()"))?;
    let mut warnings = Vec::new();
    let mut kernel = Kernel::told(|explanation| on(Event::Explain(explanation)));
    kernel.turn_to(chapter::USERS);
    kernel.tell(
        "an ordinary user may make a namespace in which they are root, and over nothing else",
        || "unshare(CLONE_NEWUSER)".to_owned(),
    );
    let mut child = Command::new(stage::SELF)
        .arg0(stage::USERNS)
        .args(env::args_os())
        .stdin(Stdio::from(there))
        .spawn()
        .map_err(refused("execve(\"/proc/self/exe\")"))?;
    let result = introduce(&mut kernel, &mut control, &child, plan, &mut warnings);
    drop(kernel);
    if let Err(error) = result {
        // It waits for its maps, and will not get any.
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    for message in warnings {
        on(Event::Warning { message });
    }
    Ok(child)
}

fn introduce(
    kernel: &mut Kernel<'_>,
    control: &mut Control,
    child: &Child,
    plan: &Plan,
    warnings: &mut Vec<String>,
) -> Result<(), UserNamespaceError> {
    receive(control)?;
    plan.write(kernel, child.id(), warnings)?;
    control
        .send_with(&Step::Done, io::stdin().as_fd())
        .map_err(|e| SysError::from_io("sendmsg(maps are written)", &e))?;
    receive(control)
}

/// Waits until the other side has done its part.
fn receive(control: &mut Control) -> Result<(), UserNamespaceError> {
    let call = "recvmsg(user namespace)";
    match control.receive().map_err(|e| SysError::from_io(call, &e))? {
        Some(Step::Done) => Ok(()),
        Some(Step::Refused { call, errno }) => {
            let refused = SysError::new(call, Errno::from_raw(errno));
            let cause = Settings::read().cause(refused.errno);
            Err(UserNamespaceError::Refused { refused, cause })
        }
        None => Err(SysError::new(call, Errno::ECONNRESET).into()),
    }
}

/// What the two sides say to each other.
#[derive(Debug, Serialize, Deserialize)]
enum Step {
    Done,
    Refused { call: String, errno: i32 },
}

/// The stage inside: makes the namespace, waits for its maps, executes the real command.
pub(super) fn main() -> ! {
    let Ok(mut control) = Control::of_this_stage() else {
        // Without a line to the other end there is nobody to tell why.
        exit(125);
    };
    let error = match become_root(&mut control) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let _ = control.send(&Step::Refused {
        call: error.call,
        errno: error.errno as i32,
    });
    exit(125)
}

fn become_root(control: &mut Control) -> Result<std::convert::Infallible, SysError> {
    let ask = |call: &'static str| move |errno: Errno| SysError::new(call, errno);
    let io = |call: &'static str| move |e: io::Error| SysError::from_io(call, &e);
    // The parent passes signals on as long as it lives, and must not be survived.
    set_pdeathsig(Signal::SIGKILL).map_err(ask("prctl(PR_SET_PDEATHSIG, SIGKILL)"))?;
    unshare(CloneFlags::CLONE_NEWUSER).map_err(ask("unshare(CLONE_NEWUSER)"))?;
    control.send(&Step::Done).map_err(io("sendmsg(unshared)"))?;
    let mapped: Option<Step> = control.receive().map_err(io("recvmsg(mapped)"))?;
    if mapped.is_none() {
        return Err(SysError::new("recvmsg(mapped)", Errno::ECONNRESET));
    }
    let stdin = control.descriptor().map_err(io("recvmsg(stdin)"))?;
    // Some systems make the namespace but let nobody use it. This asks for something harmless.
    unshare(CloneFlags::CLONE_NEWUTS).map_err(ask("unshare(CLONE_NEWUTS)"))?;
    rustix::stdio::dup2_stdin(&stdin)
        .map_err(|e| SysError::new("dup2(stdin, 0)", Errno::from_raw(e.raw_os_error())))?;
    control.send(&Step::Done).map_err(io("sendmsg(ready)"))?;
    // The parent blocks what it passes on; this side must not.
    SigSet::empty()
        .thread_set_mask()
        .map_err(ask("sigprocmask()"))?;
    let mut args = env::args_os().skip(1);
    let error = Command::new(stage::SELF)
        .arg0(args.next().unwrap_or_default())
        .args(args)
        .env(INSIDE, "1")
        .exec();
    Err(SysError::from_io("execve(\"/proc/self/exe\")", &error))
}

/// Waits for the inner command and passes signals on.
fn attend(child: &mut Child, signals: &Signals) -> Result<ExitStatus, SysError> {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
    loop {
        if let Some(status) = child
            .try_wait()
            .map_err(|e| SysError::from_io("wait4(inner command)", &e))?
        {
            return Ok(status);
        }
        let mut descriptors = [PollFd::new(signals, PollFlags::IN)];
        // Interrupted or not, the next round looks again.
        let _ = poll(&mut descriptors, None);
        while let Some(arrived) = signals.next() {
            // What the terminal sends, it sends to the inner command as well.
            if arrived.signal != Signal::SIGCHLD && !arrived.from_terminal {
                let _ = kill(pid, arrived.signal);
            }
        }
    }
}

/// Ends this process as the inner command ended.
fn end_as(status: ExitStatus) -> ! {
    if let Some(signal) = status.signal() {
        // One core dump is enough.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        if let Ok(signal) = Signal::try_from(signal) {
            let _ = raise(signal);
        }
        // Still here: the signal is ignored. A shell would say it this way.
        exit(128 + signal);
    }
    exit(status.code().unwrap_or(125))
}
