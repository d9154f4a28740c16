//! Trying: a child process that asks the kernel for one thing after the other and says what came of it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::statfs;
use nix::unistd::{AccessFlags, access, getegid, geteuid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde::{Deserialize, Serialize};

use crate::linux::sys::SysError;

/// The first argument of the child, which no person types.
const WORD: &str = "doctor-probe";

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

/// What the child says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tried {
    user_namespace: Answer,
    namespaces: BTreeMap<String, Answer>,
    overlay: Answer,
    mount_proc: Answer,
    seccomp: Answer,
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
    fn untried(mut self, why: &str) -> Self {
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
    let extra = if super::surroundings::is_whole_map(&uid_map()) {
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

fn openat2() -> Answer {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(CWD, "/", flags, Mode::empty(), ResolveFlags::IN_ROOT);
    opened
        .map(drop)
        .map_err(|e| {
            SysError::new(
                "openat2(\"/\", RESOLVE_IN_ROOT)",
                Errno::from_raw(e.raw_os_error()),
            )
        })
        .into()
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

fn parsed<T: for<'a> Deserialize<'a>>(
    output: std::io::Result<std::process::Output>,
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

fn programs() -> BTreeMap<String, Program> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A user's PATH may lack the directories where some of these are.
    let directories: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(PathBuf::from))
        .collect();
    let names = ["newuidmap", "newgidmap", "pasta", "slirp4netns"];
    let found = names.into_iter().filter_map(|name| {
        let mut places = directories.iter().map(|directory| directory.join(name));
        let place = places.find(|p| p.is_file() && access(p, AccessFlags::X_OK).is_ok())?;
        let set_user_id = fs::metadata(&place).is_ok_and(|m| m.mode() & 0o4000 != 0);
        let program = Program {
            privileged: set_user_id || has_capabilities(&place),
            path: place.display().to_string(),
        };
        Some((name.to_owned(), program))
    });
    found.collect()
}

/// Whether a file carries capabilities, which exec gives to its process.
fn has_capabilities(file: &Path) -> bool {
    let mut value = [0_u8; 64];
    rustix::fs::getxattr(file, "security.capability", &mut value[..]).is_ok_and(|size| size > 0)
}

fn devices() -> BTreeMap<String, bool> {
    let there = ["net/tun", "fuse"].into_iter().filter_map(|name| {
        let path = Path::new("/dev").join(name);
        path.exists().then(|| {
            let may = access(&path, AccessFlags::R_OK | AccessFlags::W_OK).is_ok();
            (name.to_owned(), may)
        })
    });
    there.collect()
}

/// The disk below a state directory that need not exist yet.
fn store(state: &Path) -> Store {
    let place = state
        .ancestors()
        .find(|p| p.is_dir())
        .unwrap_or(Path::new("/"));
    let free = statfs(place).map(|s| {
        s.blocks_available()
            .saturating_mul(u64::try_from(s.block_size()).unwrap_or(0))
    });
    Store {
        path: place.display().to_string(),
        file_system: file_system(place),
        free: free.unwrap_or(0),
        writable: access(place, AccessFlags::W_OK).is_ok(),
    }
}

/// The kind of file system at a path, by its magic number. Source: statfs(2).
fn file_system(path: &Path) -> String {
    let names = HashMap::from([
        (0xef53, "ext4"),
        (0x5846_5342, "xfs"),
        (0x9123_683e, "btrfs"),
        (0x0102_1994, "tmpfs"),
        (0x794c_7630, "overlay"),
        (0x2fc1_2fc1, "zfs"),
        (0xf2f5_2010, "f2fs"),
        (0xca45_1a4e, "bcachefs"),
        (0x6969, "nfs"),
        (0xfe53_4d42, "smb"),
        (0x0102_1997, "9p"),
        (0x6573_5546, "fuse"),
        (0x4d44, "vfat"),
        (0x6367_7270, "cgroup2"),
        (0x0027_e0eb, "cgroup"),
        (0x6265_6572, "sysfs"),
    ]);
    match statfs(path).map(|s| s.filesystem_type().0) {
        Ok(magic) => {
            // The number is signed on some processors, and only its low half counts.
            let magic = magic.cast_unsigned() & 0xffff_ffff;
            let name = names.get(&magic).copied();
            name.map_or_else(|| format!("file system 0x{magic:x}"), str::to_owned)
        }
        Err(_) => "nothing".to_owned(),
    }
}

impl From<Result<(), SysError>> for Answer {
    fn from(result: Result<(), SysError>) -> Self {
        match result {
            Ok(()) => Self::Works,
            Err(error) => Self::Refused(error.to_string()),
        }
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
