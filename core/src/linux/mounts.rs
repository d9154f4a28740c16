//! Mounts inside the container's root: proc, tmpfs and kin, binds from the host, and what is
//! masked or made read-only.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::explain::Kernel;
use super::sys::SysError;
use super::views::{View, Views};
use crate::spec::runtime::Mount;

/// The words of `options` that are flags: the word, the flag, and whether it is set or taken away.
///
/// Source: [mount(8)](https://man7.org/linux/man-pages/man8/mount.8.html).
const FLAGS: [(&str, MsFlags, bool); 22] = [
    ("ro", MsFlags::MS_RDONLY, true),
    ("rw", MsFlags::MS_RDONLY, false),
    ("nosuid", MsFlags::MS_NOSUID, true),
    ("suid", MsFlags::MS_NOSUID, false),
    ("nodev", MsFlags::MS_NODEV, true),
    ("dev", MsFlags::MS_NODEV, false),
    ("noexec", MsFlags::MS_NOEXEC, true),
    ("exec", MsFlags::MS_NOEXEC, false),
    ("sync", MsFlags::MS_SYNCHRONOUS, true),
    ("async", MsFlags::MS_SYNCHRONOUS, false),
    ("dirsync", MsFlags::MS_DIRSYNC, true),
    ("noatime", MsFlags::MS_NOATIME, true),
    ("atime", MsFlags::MS_NOATIME, false),
    ("nodiratime", MsFlags::MS_NODIRATIME, true),
    ("diratime", MsFlags::MS_NODIRATIME, false),
    ("relatime", MsFlags::MS_RELATIME, true),
    ("norelatime", MsFlags::MS_RELATIME, false),
    ("strictatime", MsFlags::MS_STRICTATIME, true),
    ("nostrictatime", MsFlags::MS_STRICTATIME, false),
    ("silent", MsFlags::MS_SILENT, true),
    ("lazytime", MsFlags::MS_LAZYTIME, true),
    ("nolazytime", MsFlags::MS_LAZYTIME, false),
];

/// The words that say how later mounts spread between namespaces.
const PROPAGATION: [(&str, MsFlags); 8] = [
    ("private", MsFlags::MS_PRIVATE),
    ("rprivate", MsFlags::MS_PRIVATE.union(MsFlags::MS_REC)),
    ("slave", MsFlags::MS_SLAVE),
    ("rslave", MsFlags::MS_SLAVE.union(MsFlags::MS_REC)),
    ("shared", MsFlags::MS_SHARED),
    ("rshared", MsFlags::MS_SHARED.union(MsFlags::MS_REC)),
    ("unbindable", MsFlags::MS_UNBINDABLE),
    ("runbindable", MsFlags::MS_UNBINDABLE.union(MsFlags::MS_REC)),
];

/// The options of a mount, sorted by what the kernel wants to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub flags: MsFlags,
    pub bind: bool,
    pub recursive: bool,
    pub propagation: Vec<MsFlags>,
    /// What only the file system itself understands, such as `size=64k`.
    pub data: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flags: MsFlags::empty(),
            bind: false,
            recursive: false,
            propagation: Vec::new(),
            data: Vec::new(),
        }
    }
}

impl Options {
    pub(super) fn read(words: &[String]) -> Self {
        let mut options = Self::default();
        for word in words {
            if let Some((_, flag, set)) = FLAGS.iter().find(|(w, ..)| w == word) {
                options.flags.set(*flag, *set);
            } else if let Some((_, flag)) = PROPAGATION.iter().find(|(w, _)| w == word) {
                options.propagation.push(*flag);
            } else {
                match word.as_str() {
                    "bind" => options.bind = true,
                    "rbind" => (options.bind, options.recursive) = (true, true),
                    "defaults" | "" => {}
                    data => options.data.push(data.to_owned()),
                }
            }
        }
        options
    }
}

/// Mounts one thing that a specification asks for; `view` is what was taken along for it. The
/// host is gone, so every path is a path inside, links included.
pub(super) fn perform(
    kernel: &mut Kernel<'_>,
    wanted: &Mount,
    view: Option<&View>,
    views: &Views,
) -> Result<(), SysError> {
    let target = wanted.destination().as_path();
    let source = wanted.source().as_deref().unwrap_or(Path::new("none"));
    let typ = wanted.typ().as_deref().unwrap_or("bind");
    let mut options = Options::read(wanted.options().as_deref().unwrap_or_default());
    make_place(target, view.is_none_or(View::is_directory))?;
    if matches!(typ, "proc" | "sysfs") {
        refuse_link(target)?;
    }
    if let Some(view) = view {
        view.place(kernel, target)?;
        if view.host_sysfs {
            restrict(kernel, target, options.flags | MsFlags::MS_RDONLY)?;
            return read_only_below(kernel, target);
        }
        return settle(kernel, target, &options);
    }
    let why = match typ {
        "cgroup" => return views.cgroups.mount(kernel, target, options.flags),
        "tmpfs" => "a file system in memory that is gone with the container",
        "devpts" => "terminals of the container's own, numbered from 0",
        "mqueue" => "the message queues of this IPC namespace",
        _ => "asked for in the specification",
    };
    if typ == "devpts" {
        options
            .data
            .retain(|word| !is_unmapped_group(word, &views.gid_map));
    }
    fresh(kernel, why, source, target, typ, &options)
}

/// Makes the place for a mount that lies inside another one; everything else is there already.
fn make_place(target: &Path, is_directory: bool) -> Result<(), SysError> {
    if target.exists() {
        return Ok(());
    }
    let made = if is_directory {
        fs::create_dir_all(target)
    } else {
        let directory = target.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory).and_then(|()| fs::File::create(target).map(drop))
    };
    made.map_err(|e| SysError::from_io(format!("mkdir({target:?})"), &e))
}

/// Mounts a file system that is not a view of something of the host.
fn fresh(
    kernel: &mut Kernel<'_>,
    why: &str,
    source: &Path,
    target: &Path,
    typ: &str,
    options: &Options,
) -> Result<(), SysError> {
    let data = options.data.join(",");
    kernel.ask(
        why,
        || {
            let flags = shown(options.flags);
            format!("mount({source:?}, {target:?}, {typ:?}, {flags}, {data:?})")
        },
        || {
            mount(
                Some(source),
                target,
                Some(typ),
                options.flags,
                Some(data.as_str()),
            )
        },
    )
}

/// Gives a bind its propagation and its flags.
fn settle(kernel: &mut Kernel<'_>, target: &Path, options: &Options) -> Result<(), SysError> {
    for flags in &options.propagation {
        kernel.ask(
            "what is mounted there later, on either side, is not seen on the other",
            || format!("mount(NULL, {target:?}, NULL, {})", shown(*flags)),
            || mount(None::<&str>, target, None::<&str>, *flags, None::<&str>),
        )?;
    }
    if options.bind && !options.flags.is_empty() {
        return restrict(kernel, target, options.flags);
    }
    Ok(())
}

/// Adds flags such as read-only to a mount, keeping those that it has: in a user namespace the
/// kernel refuses to take `nosuid`, `nodev` and `noexec` away from a mount of the host's.
pub(super) fn restrict(
    kernel: &mut Kernel<'_>,
    target: &Path,
    flags: MsFlags,
) -> Result<(), SysError> {
    let kept = statvfs(target).map_or(MsFlags::empty(), |s| flags_of(s.f_flag));
    let flags = kept | flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    kernel.ask(
        "a bind takes its flags only when it is mounted once more",
        || format!("mount(NULL, {target:?}, NULL, {}, NULL)", shown(flags)),
        || mount(None::<&str>, target, None::<&str>, flags, None::<&str>),
    )
}

/// Makes a path look empty.
pub(super) fn mask(kernel: &mut Kernel<'_>, path: &Path) -> Result<(), SysError> {
    let Ok(metadata) = fs::metadata(path) else {
        // What is not there needs no mask.
        return Ok(());
    };
    if metadata.is_dir() {
        let options = Options {
            flags: MsFlags::MS_RDONLY,
            data: vec!["size=0k".to_owned()],
            ..Options::default()
        };
        let why = "it says more about the machine than a container should know";
        fresh(kernel, why, Path::new("tmpfs"), path, "tmpfs", &options)
    } else {
        kernel.ask(
            "it says more about the machine than a container should know",
            || format!("mount(\"/dev/null\", {path:?}, NULL, MS_BIND)"),
            || {
                let flags = MsFlags::MS_BIND;
                mount(Some("/dev/null"), path, None::<&str>, flags, None::<&str>)
            },
        )
    }
}

/// Makes a path and everything mounted below it read-only.
pub(super) fn read_only(kernel: &mut Kernel<'_>, path: &Path) -> Result<(), SysError> {
    if !path.exists() {
        return Ok(());
    }
    kernel.ask(
        "writing there would change the machine, not the container",
        || format!("mount({path:?}, {path:?}, NULL, MS_BIND|MS_REC)"),
        || {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(path), path, None::<&str>, flags, None::<&str>)
        },
    )?;
    restrict(kernel, path, MsFlags::MS_RDONLY)
}

/// Makes everything mounted below `path` read-only. The flag of a bind holds for one mount only.
fn read_only_below(kernel: &mut Kernel<'_>, path: &Path) -> Result<(), SysError> {
    let listing = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|e| SysError::from_io("read(\"/proc/self/mountinfo\")", &e))?;
    for mounted in mount_points(&listing) {
        if mounted != path && mounted.starts_with(path) {
            restrict(kernel, &mounted, MsFlags::MS_RDONLY)?;
        }
    }
    Ok(())
}

/// The fifth field of each line of mountinfo, which writes white space as octal numbers.
fn mount_points(mountinfo: &str) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| {
            let plain = field
                .replace("\\040", " ")
                .replace("\\011", "\t")
                .replace("\\012", "\n")
                .replace("\\134", "\\");
            PathBuf::from(plain)
        })
        .collect()
}

/// An image whose `/proc` is a link would have the real one mounted where it likes, and anything
/// it likes where the real one should be.
fn refuse_link(target: &Path) -> Result<(), SysError> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        _ => Err(SysError::new(format!("mount({target:?})"), Errno::ENOTDIR)
            .remedy("the image has something else there, which must be a directory")),
    }
}

/// Whether the word names a group that this user namespace has no number for.
fn is_unmapped_group(word: &str, gid_map: &str) -> bool {
    let Some(group) = word.strip_prefix("gid=").and_then(|g| g.parse().ok()) else {
        return false;
    };
    !super::userns::is_mapped(gid_map, group)
}

fn flags_of(flags: StatVfsMountFlags) -> MsFlags {
    let mut kept = MsFlags::empty();
    for (has, flag) in [
        (StatVfsMountFlags::RDONLY, MsFlags::MS_RDONLY),
        (StatVfsMountFlags::NOSUID, MsFlags::MS_NOSUID),
        (StatVfsMountFlags::NODEV, MsFlags::MS_NODEV),
        (StatVfsMountFlags::NOEXEC, MsFlags::MS_NOEXEC),
        (StatVfsMountFlags::NOATIME, MsFlags::MS_NOATIME),
        (StatVfsMountFlags::NODIRATIME, MsFlags::MS_NODIRATIME),
        (StatVfsMountFlags::RELATIME, MsFlags::MS_RELATIME),
    ] {
        kept.set(flag, flags.contains(has));
    }
    kept
}

/// Flags as strace writes them.
pub(super) fn shown(flags: MsFlags) -> String {
    let names: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
    if names.is_empty() {
        return "0".to_owned();
    }
    names.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_by_who_understands_them() {
        let check = |words: &str, expected: Options| {
            let words: Vec<_> = words.split(',').map(str::to_owned).collect();
            assert_eq!(Options::read(&words), expected);
        };
        check(
            "nosuid,strictatime,mode=755,size=65536k",
            Options {
                flags: MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME,
                data: vec!["mode=755".into(), "size=65536k".into()],
                ..Options::default()
            },
        );
        check(
            "rbind,rprivate,ro",
            Options {
                flags: MsFlags::MS_RDONLY,
                bind: true,
                recursive: true,
                propagation: vec![MsFlags::MS_PRIVATE | MsFlags::MS_REC],
                ..Options::default()
            },
        );
        check("ro,rw,defaults", Options::default());
    }

    #[test]
    fn mount_points_with_strange_names() {
        let text =
            "1 2 0:3 / / rw - ext4 x rw\n4 5 0:6 / /a\\040b\\134c rw shared:1 - tmpfs t rw\n";
        assert_eq!(mount_points(text), [Path::new("/"), Path::new("/a b\\c")]);
    }
}
