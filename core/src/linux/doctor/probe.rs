//! What trying showed: the answers of a child process, and what could be looked up without one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, Output};

use nix::unistd::{AccessFlags, access, geteuid};
use serde::{Deserialize, Serialize};

use super::child::{Tried, WORD};
use super::look::{devices, file_system, openat2, programs, store};
use crate::linux::sys::SysError;

/// What trying showed, about this machine and this user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// Who asks.
    pub user: User,
    /// A user namespace with the user as its root.
    pub user_namespace: Answer,
    /// The other namespaces, by their names in /proc/self/ns.
    pub namespaces: BTreeMap<String, Answer>,
    /// An overlay on the file system of the store, with a directory deleted and made anew.
    pub overlay: Answer,
    /// A new /proc in a new PID namespace.
    pub mount_proc: Answer,
    /// A seccomp filter that allows everything.
    pub seccomp: Answer,
    /// openat2 with `RESOLVE_IN_ROOT`.
    pub openat2: Answer,
    /// The helper programs that are on the `PATH`.
    pub programs: BTreeMap<String, Program>,
    /// The devices that are there, by name below /dev, and whether this user may open them.
    pub devices: BTreeMap<String, bool>,
    /// What is mounted at /sys/fs/cgroup: `cgroup2`, `tmpfs`, or nothing that is known.
    pub cgroup_file_system: String,
    /// Whether this user may make a cgroup at the top of what is visible.
    pub cgroup_writable: bool,
    /// The disk that the store is on, or will be.
    pub store: Store,
}

/// What came of one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The kernel did it.
    Works,
    /// The kernel did not: the call, as strace prints it.
    Refused(String),
    /// It was not asked, and why.
    Untried(String),
}

/// A user, by number and name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct User {
    /// The effective user's number.
    pub uid: u32,
    /// The name, or the number again where there is none.
    pub name: String,
}

/// A program that was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    /// Where.
    pub path: String,
    /// Whether it gets rights that its caller lacks: set-user-ID, or capabilities of its own.
    pub privileged: bool,
}

/// A disk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Store {
    /// The state directory, or the directory above that exists.
    pub path: String,
    /// The kind of file system: `ext4`.
    pub file_system: String,
    /// Bytes that this user may still write.
    pub free: u64,
    /// Whether this user may write there.
    pub writable: bool,
}

impl Default for Answer {
    fn default() -> Self {
        Self::Untried("nobody asked".to_owned())
    }
}

impl Probes {
    /// Asks the running machine. Root is asked twice: for a user namespace, and for what it can
    /// do without one.
    pub(super) fn ask(state: &Path) -> Self {
        let uid = geteuid().as_raw();
        let store = store(state);
        let tried = with_scratch_directory(Path::new(&store.path), |directory| {
            let as_user = ask_child("as-user", directory);
            if uid == 0 {
                let direct = ask_child("direct", directory);
                Tried {
                    user_namespace: as_user.user_namespace,
                    ..direct
                }
            } else {
                as_user
            }
        });
        let name = nix::unistd::User::from_uid(geteuid()).ok().flatten();
        Self {
            user: User {
                uid,
                name: name.map_or_else(|| uid.to_string(), |user| user.name),
            },
            user_namespace: tried.user_namespace,
            namespaces: tried.namespaces,
            overlay: tried.overlay,
            mount_proc: tried.mount_proc,
            seccomp: tried.seccomp,
            openat2: openat2(),
            programs: programs(),
            devices: devices(),
            cgroup_file_system: file_system(Path::new("/sys/fs/cgroup")),
            cgroup_writable: access("/sys/fs/cgroup", AccessFlags::W_OK).is_ok(),
            store,
        }
    }
}

/// Starts the child and reads its answers.
fn ask_child(question: &str, directory: &Path) -> Tried {
    let output = Command::new("/proc/self/exe")
        .args([WORD, question])
        .arg(directory)
        .output();
    parsed(output).unwrap_or_else(|why| {
        Tried {
            user_namespace: Answer::Untried(why.clone()),
            ..Tried::default()
        }
        .untried(&why)
    })
}

pub(super) fn parsed<T: for<'a> Deserialize<'a>>(
    output: std::io::Result<Output>,
) -> Result<T, String> {
    let output = output.map_err(|error| format!("start /proc/self/exe: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("it said nothing");
        format!("the child that tries ended with {}: {said}", output.status)
    })
}

/// Runs `work` with a new directory on the disk in question, and takes it away again. Where the
/// disk cannot be written to, all but the overlay can still be tried elsewhere.
fn with_scratch_directory(on: &Path, work: impl FnOnce(&Path) -> Tried) -> Tried {
    let name = format!(".coracle-doctor-{}", std::process::id());
    let make = |directory: &Path| fs::DirBuilder::new().mode(0o700).create(directory);
    let mut directory = on.join(&name);
    let refused = make(&directory).err();
    if refused.is_some() {
        directory = std::env::temp_dir().join(&name);
        let _ = make(&directory);
    }
    let mut tried = work(&directory);
    let _ = fs::remove_dir_all(&directory);
    if let Some(error) = refused {
        let place = on.display();
        tried.overlay = Answer::Untried(format!("nothing can be created in {place}: {error}"));
    }
    tried
}

impl From<Result<(), SysError>> for Answer {
    fn from(result: Result<(), SysError>) -> Self {
        match result {
            Ok(()) => Self::Works,
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}
