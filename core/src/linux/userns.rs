//! The user namespace: how an ordinary user becomes root of a world of their own.
//!
//! Everything that a container needs, from mounting to changing users, only root may do. But
//! anybody may make a user namespace, and is root in there, over what belongs to the namespace
//! and nothing else. So an ordinary user's command is executed once more inside one, and from
//! there on there is a single way for root and everybody.

use std::env;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio, exit};

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::unistd::{Gid, Pid, Uid, User};
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};

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
    let powerful = caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN);
    let root = Uid::effective().is_root();
    if (root && powerful.unwrap_or(false)) || env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let plan = Plan::make();
    let signals = Signals::catch()?;
    let mut child = enter(&plan, on)?;
    let status = attend(&mut child, &signals)?;
    drop(signals);
    end_as(status)
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

/// How the numbers of the namespace are to be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    uid: u32,
    gid: u32,
    /// Subordinate users and groups: the first and the count of each range.
    users: Vec<(u32, u32)>,
    groups: Vec<(u32, u32)>,
}

impl Plan {
    fn make() -> Self {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
        let ranges = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            ranges_of(&text, name.as_deref(), uid.as_raw())
        };
        Self {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
            users: ranges("/etc/subuid"),
            groups: ranges("/etc/subgid"),
        }
    }

    fn write(
        &self,
        kernel: &mut Kernel<'_>,
        child: u32,
        warnings: &mut Vec<String>,
    ) -> Result<(), UserNamespaceError> {
        let why_single = if self.users.is_empty() || self.groups.is_empty() {
            "no range of subordinate ids is in /etc/subuid and /etc/subgid for this user".to_owned()
        } else {
            match self.write_ranges(kernel, child) {
                Ok(()) => return Ok(()),
                Err(why) => why,
            }
        };
        self.write_single(kernel, child)?;
        warnings.push(format!(
            "only one user exists inside, root ({why_single}): files keep one owner, and becoming another user fails. \
             For more, install the package uidmap and, as root, run \
             `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME`"
        ));
        Ok(())
    }

    /// Root inside is the caller, and the subordinate ids follow from 1 on. Only a tool that
    /// root has installed may write that.
    fn write_ranges(&self, kernel: &mut Kernel<'_>, child: u32) -> Result<(), String> {
        for (tool, own, ranges) in [
            ("newuidmap", self.uid, &self.users),
            ("newgidmap", self.gid, &self.groups),
        ] {
            let mut command = Command::new(tool);
            command
                .arg(child.to_string())
                .args(["0", &own.to_string(), "1"]);
            for (inside, first, count) in placed(ranges) {
                command.args([inside, first, count].map(|n| n.to_string()));
            }
            kernel.tell(
                "the caller's own number becomes 0 inside; the subordinate ones follow from 1",
                || format!("{command:?}").replace('"', ""),
            );
            let output = command.stdin(Stdio::null()).output();
            let output = output.map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => format!("{tool} is not installed"),
                _ => format!("{tool}: {e}"),
            })?;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{tool} failed: {}", text.trim()));
            }
        }
        Ok(())
    }

    /// The one map that the kernel lets anybody write.
    fn write_single(&self, kernel: &mut Kernel<'_>, child: u32) -> Result<(), SysError> {
        let lines = [
            (
                "setgroups",
                "deny".to_owned(),
                "whoever may change groups could leave one that is refused something, so nobody may",
            ),
            (
                "gid_map",
                format!("0 {} 1", self.gid),
                "group 0 inside is the caller's group",
            ),
            (
                "uid_map",
                format!("0 {} 1", self.uid),
                "user 0 inside is the caller",
            ),
        ];
        for (file, text, why) in lines {
            let path = format!("/proc/{child}/{file}");
            // Where the tools have written one before they failed, it stays.
            if has_map(child, file) {
                continue;
            }
            kernel.ask(
                why,
                || format!("write({path:?}, {text:?})"),
                || fs::write(&path, &text),
            )?;
        }
        Ok(())
    }
}

/// Whether a map stands there already. A map can be written once.
fn has_map(child: u32, file: &str) -> bool {
    file.ends_with("_map")
        && fs::read_to_string(format!("/proc/{child}/{file}")).is_ok_and(|map| !map.is_empty())
}

/// Where each range begins inside: the first at 1, the next where the last one ended.
fn placed(ranges: &[(u32, u32)]) -> impl Iterator<Item = (u32, u32, u32)> {
    let mut next = 1;
    ranges.iter().map(move |(first, count)| {
        let inside = next;
        next += count;
        (inside, *first, *count)
    })
}

/// The ranges of a user in a file of lines `NAME-OR-NUMBER:FIRST:COUNT`.
///
/// Source: [subuid(5)](https://man7.org/linux/man-pages/man5/subuid.5.html).
fn ranges_of(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (Some(owner) == name || owner.parse() == Ok(uid)).then_some(range)
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Whether a map, as `/proc/self/uid_map` shows it, has the number `inside`.
pub(super) fn is_mapped(map: &str, inside: u32) -> bool {
    map.lines().any(|line| {
        let mut fields = line
            .split_whitespace()
            .map(|f| f.parse::<u64>().unwrap_or(0));
        let (first, _, count) = (fields.next(), fields.next(), fields.next());
        let (first, count) = (first.unwrap_or(0), count.unwrap_or(0));
        (first..first + count).contains(&u64::from(inside))
    })
}

/// What the system has to say about user namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settings {
    /// How many there may be.
    most: Option<u64>,
    /// Debian's switch.
    unprivileged: Option<u64>,
    /// Ubuntu's switch.
    restricted: Option<u64>,
}

impl Settings {
    fn read() -> Self {
        let number = |path: &str| {
            let text = fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?;
            text.trim().parse().ok()
        };
        Self {
            most: number("user/max_user_namespaces"),
            unprivileged: number("kernel/unprivileged_userns_clone"),
            restricted: number("kernel/apparmor_restrict_unprivileged_userns"),
        }
    }

    /// Why the kernel answered `errno`, and what to do about it.
    fn cause(&self, errno: Errno) -> String {
        if self.most == Some(0) {
            return "They are turned off; as root, run `sysctl user.max_user_namespaces=15000`"
                .to_owned();
        }
        if self.unprivileged == Some(0) {
            return "Only root may make them; as root, run `sysctl kernel.unprivileged_userns_clone=1`".to_owned();
        }
        if self.restricted == Some(1) && matches!(errno, Errno::EPERM | Errno::EACCES) {
            return "AppArmor lets only programs with a profile use them; as root, give this program one, or run `sysctl kernel.apparmor_restrict_unprivileged_userns=0`".to_owned();
        }
        match errno {
            Errno::ENOSPC | Errno::EUSERS => match self.most {
                Some(most) => format!("There are {most} of them already, or they are nested too deeply; `sysctl user.max_user_namespaces` sets the limit"),
                None => "There are too many of them, or they are nested too deeply".to_owned(),
            },
            Errno::EPERM => "Something around this process forbids it: a chroot, or a container whose system call filter does not allow it (docker run --security-opt seccomp=unconfined)".to_owned(),
            Errno::EINVAL | Errno::ENOSYS => "This kernel was built without them (CONFIG_USER_NS)".to_owned(),
            _ => "`coracle doctor` says what this system allows".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_belong_to_a_name_or_a_number() {
        let text = "anna:100000:65536\n1000:200000:10\nbert:300000:1\nanna:400000:5\nbroken\nanna:1:0\nanna:x:1\n";
        let check = |name: Option<&str>, uid, expected: &[(u32, u32)]| {
            assert_eq!(ranges_of(text, name, uid), expected);
        };
        check(Some("anna"), 7, &[(100_000, 65_536), (400_000, 5)]);
        check(
            Some("anna"),
            1000,
            &[(100_000, 65_536), (200_000, 10), (400_000, 5)],
        );
        check(None, 1000, &[(200_000, 10)]);
        check(Some("carl"), 1, &[]);
        let ranges = placed(&[(100_000, 65_536), (400_000, 5)]).collect::<Vec<_>>();
        assert_eq!(ranges, [(1, 100_000, 65_536), (65_537, 400_000, 5)]);
    }

    #[test]
    fn maps_are_ranges() {
        let check = |map: &str, id, expected| assert_eq!(is_mapped(map, id), expected, "{id}");
        let map = "         0       1000          1\n         1     100000      65536\n";
        check(map, 0, true);
        check(map, 5, true);
        check(map, 65_536, true);
        check(map, 65_537, false);
        check("0 0 4294967295", 4_294_967_294, true);
        check("0 1000 1", 5, false);
        check("", 0, false);
    }

    #[test]
    fn a_refusal_has_a_cause_and_a_remedy() {
        let check = |most, unprivileged, restricted, errno, part: &str| {
            let settings = Settings {
                most,
                unprivileged,
                restricted,
            };
            let cause = settings.cause(errno);
            assert!(cause.contains(part), "{cause}");
        };
        check(
            Some(0),
            None,
            None,
            Errno::ENOSPC,
            "user.max_user_namespaces=15000",
        );
        check(
            Some(9),
            Some(0),
            None,
            Errno::EPERM,
            "unprivileged_userns_clone=1",
        );
        check(Some(9), None, Some(1), Errno::EPERM, "AppArmor");
        check(Some(9), None, Some(1), Errno::EACCES, "AppArmor");
        check(Some(9), None, Some(1), Errno::ENOSPC, "There are 9 of them");
        check(Some(9), Some(1), Some(0), Errno::EPERM, "chroot");
        check(None, None, None, Errno::EINVAL, "CONFIG_USER_NS");
        check(None, None, None, Errno::ENOMEM, "doctor");
    }
}
