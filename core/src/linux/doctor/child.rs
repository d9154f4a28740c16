//! The child process that tries: it asks the kernel for one thing after the other, and ends with all it got.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde::{Deserialize, Serialize};

use super::probe::{Answer, parsed};
use super::surroundings::is_whole_map;
use crate::linux::sys::SysError;

/// The first argument of the child, which no person types.
pub(super) const WORD: &str = "doctor-probe";

/// If this process was started to answer questions, answers them and gives the exit code. A
/// binary that calls [`Host::live`](super::Host::live) calls this first of all, while it has a
/// single thread: a process with several may not enter a user namespace.
pub fn answer(arguments: &[OsString]) -> Option<u8> {
    let mut arguments = arguments.iter().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    let question = arguments.next().and_then(|q| q.to_str()).unwrap_or("");
    let directory = PathBuf::from(arguments.next()?);
    let answers = match question {
        "proc" => serde_json::to_string(&mount_proc(&directory)),
        "as-user" => serde_json::to_string(&try_all(&directory, true)),
        _ => serde_json::to_string(&try_all(&directory, false)),
    };
    let written = answers
        .map_err(std::io::Error::from)
        .and_then(|text| std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()));
    Some(u8::from(written.is_err()))
}

/// What the child says.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tried {
    pub(super) user_namespace: Answer,
    pub(super) namespaces: BTreeMap<String, Answer>,
    pub(super) overlay: Answer,
    pub(super) mount_proc: Answer,
    pub(super) seccomp: Answer,
}

/// The namespaces besides the user namespace, by their flags.
const NAMESPACES: [(&str, i32); 7] = [
    ("mnt", libc::CLONE_NEWNS),
    ("pid", libc::CLONE_NEWPID),
    ("net", libc::CLONE_NEWNET),
    ("uts", libc::CLONE_NEWUTS),
    ("ipc", libc::CLONE_NEWIPC),
    ("cgroup", libc::CLONE_NEWCGROUP),
    ("time", 0x80),
];

/// The child's work. All of it ends with the child: its namespaces, and the mounts in them.
fn try_all(directory: &Path, as_user: bool) -> Tried {
    let mut tried = Tried::default();
    if as_user {
        tried.user_namespace = enter_user_namespace().into();
        if tried.user_namespace != Answer::Works {
            return tried.untried("a user namespace comes first");
        }
    }
    for (name, flag) in NAMESPACES {
        let flag = CloneFlags::from_bits_retain(flag);
        let call = || format!("unshare(CLONE_NEW{})", flag_name(name));
        let answer = unshare(flag).map_err(|errno| SysError::new(call(), errno));
        tried.namespaces.insert(name.to_owned(), answer.into());
    }
    let has = |name: &str| tried.namespaces.get(name) == Some(&Answer::Works);
    if has("mnt") {
        tried.overlay = try_overlay(directory).into();
        if has("pid") {
            tried.mount_proc = ask_for_proc(directory);
        }
    } else {
        tried = tried.untried("a mnt namespace comes first");
    }
    // Last, because it cannot be undone.
    tried.seccomp = try_seccomp();
    tried
}

impl Tried {
    /// Gives the reason for all that has not been tried.
    pub(super) fn untried(mut self, why: &str) -> Self {
        let all = [&mut self.overlay, &mut self.mount_proc, &mut self.seccomp];
        for answer in all.into_iter().chain(self.namespaces.values_mut()) {
            if let Answer::Untried(reason) = answer {
                why.clone_into(reason);
            }
        }
        for (name, _) in NAMESPACES {
            let answer = || Answer::Untried(why.to_owned());
            self.namespaces
                .entry(name.to_owned())
                .or_insert_with(answer);
        }
        self
    }
}

fn enter_user_namespace() -> Result<(), SysError> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| SysError::new("unshare(CLONE_NEWUSER)", errno))?;
    // A user may map only itself, and its group only after giving up setgroups(2).
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ];
    for (file, text) in maps {
        let path = format!("/proc/self/{file}");
        fs::write(&path, &text)
            .map_err(|e| SysError::from_io(format!("write({path:?}, {text:?})"), &e))?;
    }
    Ok(())
}

/// An overlay that mounts is not yet one that works: without `userxattr`, a user's overlay
/// refuses to make a directory where one was deleted. So that is what is tried.
fn try_overlay(directory: &Path) -> Result<(), SysError> {
    let io = |call: &str| {
        let call = call.to_owned();
        move |error: std::io::Error| SysError::from_io(call, &error)
    };
    make_private()?;
    std::env::set_current_dir(directory).map_err(io("chdir(scratch directory)"))?;
    for name in ["lower/d", "upper", "work", "merged"] {
        fs::create_dir_all(name).map_err(io(&format!("mkdir({name:?})")))?;
    }
    let extra = if is_whole_map(&uid_map()) {
        ""
    } else {
        ",userxattr"
    };
    let options = format!("lowerdir=lower,upperdir=upper,workdir=work{extra}");
    let mounted = mount(
        Some("overlay"),
        "merged",
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    );
    let call = format!("mount(\"overlay\", \"merged\", \"overlay\", 0, {options:?})");
    let result = mounted
        .map_err(|errno| SysError::new(call, errno))
        .and_then(|()| {
            let used = fs::remove_dir("merged/d")
                .map_err(io("rmdir(\"merged/d\")"))
                .and_then(|()| fs::create_dir("merged/d").map_err(io("mkdir(\"merged/d\")")));
            let _ = umount2("merged", MntFlags::MNT_DETACH);
            used
        });
    // What overlayfs leaves in its work directory can be removed only by the root of this namespace.
    for name in ["lower", "upper", "work", "merged"] {
        let _ = fs::remove_dir_all(name);
    }
    let _ = std::env::set_current_dir("/");
    result
}

fn uid_map() -> String {
    fs::read_to_string("/proc/self/uid_map").unwrap_or_default()
}

/// Mounts of this process must not show outside, and outside's changes not here.
fn make_private() -> Result<(), SysError> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(|errno| SysError::new("mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE)", errno))
}

/// The new PID namespace is only for children, so a child mounts.
fn ask_for_proc(directory: &Path) -> Answer {
    let output = Command::new("/proc/self/exe")
        .args([WORD, "proc"])
        .arg(directory)
        .output();
    parsed(output).unwrap_or_else(Answer::Untried)
}

fn mount_proc(directory: &Path) -> Answer {
    let target = directory.join("proc");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let result = make_private().and_then(|()| {
        fs::create_dir(&target).map_err(|e| SysError::from_io("mkdir(\"proc\")", &e))?;
        mount(Some("proc"), &target, Some("proc"), flags, None::<&str>)
            .map_err(|errno| SysError::new("mount(\"proc\", \"/proc\", \"proc\")", errno))?;
        let _ = umount2(&target, MntFlags::MNT_DETACH);
        Ok(())
    });
    let _ = fs::remove_dir(&target);
    result.into()
}

fn try_seccomp() -> Answer {
    let Ok(arch) = std::env::consts::ARCH.try_into() else {
        return Answer::Untried("no filters for this processor".to_owned());
    };
    let (allow, refuse) = (
        SeccompAction::Allow,
        SeccompAction::Errno(Errno::EPERM as u32),
    );
    let filter = SeccompFilter::new([].into(), allow, refuse, arch);
    let program = filter.and_then(BpfProgram::try_from);
    match program.map(|program| seccompiler::apply_filter(&program)) {
        Ok(Ok(())) => Answer::Works,
        Ok(Err(error)) => Answer::Refused(format!("seccomp(SECCOMP_SET_MODE_FILTER): {error}")),
        Err(error) => Answer::Untried(error.to_string()),
    }
}

/// `NS`, `PID`: how the flag of a namespace ends.
fn flag_name(name: &str) -> String {
    if name == "mnt" {
        "NS".to_owned()
    } else {
        name.to_uppercase()
    }
}
