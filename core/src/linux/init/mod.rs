//! The container's first process, from the moment it exists until it executes the command: a
//! list of named steps, in the order that the kernel demands.

mod process;
mod root;
mod user;

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::exit;

use serde::{Deserialize, Serialize};

use super::control::{Control, Failure, FailureKind, Message};
use super::explain::Kernel;
use super::explain::chapter::{CONFINE, INIT, NAMESPACES, NETWORK, ROOTFS, USERS};
use super::sys::SysError;
use super::terminal::Size;
use super::views::Views;
use super::{capabilities, exec, reaper};
use crate::accounts::Identity;
use crate::spec::runtime::{Process, Spec};

/// What this stage has to know. The command's standard input travels along, unless it gets a
/// terminal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// Where the root file system is mounted, seen from the host.
    pub target: PathBuf,
    /// The container's specification.
    pub spec: Spec,
    /// How large the person's terminal is, where the command gets one.
    pub size: Option<Size>,
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
    step("hostname", NAMESPACES, process::set_hostname),
    step("views of the host", ROOTFS, root::take_views),
    step("root", ROOTFS, root::change_root),
    step("mounts", ROOTFS, root::mount_all),
    step("devices", ROOTFS, root::fill_dev),
    step("kernel settings", NETWORK, root::set_sysctls),
    step("masked paths", CONFINE, root::mask_paths),
    step("user", USERS, user::look_up_user),
    step("working directory", INIT, process::change_directory),
    step("read-only root", ROOTFS, root::protect_root),
    step("standard streams", INIT, process::arrange_streams),
    step("limits", INIT, process::set_limits),
    step("bounding set", CONFINE, user::bound_capabilities),
    step("become the user", USERS, user::become_user),
    step("capabilities", CONFINE, user::set_capabilities),
    step("life and death", INIT, process::bind_to_parent),
    step("no new privileges", CONFINE, process::gain_nothing),
    step("system call filter", CONFINE, process::filter_system_calls),
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

fn init(control: &mut Control) -> Result<Infallible, Failure> {
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
    init.kernel.turn_to(INIT);
    let stop = if job.init {
        reaper::run(&mut init.kernel, &command)
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
