//! The container's view of the control groups, read-only, under `/sys/fs/cgroup`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use rustix::fs::statfs;

use super::explain::Kernel;
use super::mounts::{restrict, shown};
use super::sys::SysError;

/// What `statfs` calls the second version, from the kernel's `magic.h`.
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// How the host has its control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// Version 2 alone.
    Unified,
    /// Version 1, or both: the hierarchies, as `/proc/self/cgroup` lists them.
    Hierarchies(String),
}

impl Layout {
    /// Looks at the host, while it can be seen.
    pub(super) fn of_host() -> Self {
        let unified = statfs("/sys/fs/cgroup")
            .is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(CGROUP2_SUPER_MAGIC));
        if unified {
            Self::Unified
        } else {
            Self::Hierarchies(fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
        }
    }

    /// Mounts what this cgroup namespace shows of the control groups at `target`.
    ///
    /// Where the host has version 2 alone, that is one mount. Where it has version 1, each of its
    /// hierarchies gets a directory, as on the host.
    pub(super) fn mount(
        &self,
        kernel: &mut Kernel<'_>,
        target: &Path,
        flags: MsFlags,
    ) -> Result<(), SysError> {
        let Self::Hierarchies(hierarchies) = self else {
            return view(kernel, "cgroup2", target, flags, "").or_else(absent);
        };
        let writable = flags - MsFlags::MS_RDONLY;
        kernel.ask(
            "a directory for each hierarchy of version 1",
            || {
                let flags = shown(writable);
                format!("mount(\"tmpfs\", {target:?}, \"tmpfs\", {flags}, \"mode=755\")")
            },
            || {
                mount(
                    Some("tmpfs"),
                    target,
                    Some("tmpfs"),
                    writable,
                    Some("mode=755"),
                )
            },
        )?;
        for hierarchy in hierarchies.lines().filter_map(Hierarchy::read) {
            hierarchy.mount(kernel, target, flags)?;
        }
        restrict(kernel, target, flags)
    }
}

fn view(
    kernel: &mut Kernel<'_>,
    typ: &str,
    target: &Path,
    flags: MsFlags,
    controllers: &str,
) -> Result<(), SysError> {
    kernel.ask(
        "the container's own limits and use, and nobody else's: its cgroup is the root here",
        || {
            let flags = shown(flags);
            format!("mount(\"cgroup\", {target:?}, {typ:?}, {flags}, {controllers:?})")
        },
        || mount(Some("cgroup"), target, Some(typ), flags, Some(controllers)),
    )
}

/// A view that the kernel does not give is a directory that stays empty, as with Docker: what the
/// container may use is decided outside.
fn absent(refused: SysError) -> Result<(), SysError> {
    match refused.errno {
        Errno::EPERM | Errno::EBUSY | Errno::ENODEV | Errno::EINVAL | Errno::ENOENT => Ok(()),
        _ => Err(refused),
    }
}

/// One line of `/proc/self/cgroup`: `4:cpu,cpuacct:/path`.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy<'a> {
    /// Where it is mounted by custom.
    directory: &'a str,
    /// What mount(2) is told; empty for version 2.
    controllers: String,
}

impl<'a> Hierarchy<'a> {
    fn mount(&self, kernel: &mut Kernel<'_>, above: &Path, flags: MsFlags) -> Result<(), SysError> {
        let directory = above.join(self.directory);
        fs::create_dir(&directory)
            .map_err(|e| SysError::from_io(format!("mkdir({directory:?})"), &e))?;
        let typ = if self.controllers.is_empty() {
            "cgroup2"
        } else {
            "cgroup"
        };
        view(kernel, typ, &directory, flags, &self.controllers).or_else(absent)?;
        // Programs look for `cpu` and `cpuacct` where the kernel has `cpu,cpuacct`.
        let names = self.directory.split(',');
        for name in names.filter(|name| *name != self.directory) {
            // A second name is a convenience; nothing depends on it.
            let _ = symlink(self.directory, above.join(name));
        }
        Ok(())
    }

    fn read(line: &'a str) -> Option<Self> {
        let controllers = line.split(':').nth(1)?;
        Some(match controllers.strip_prefix("name=") {
            Some(name) => Self {
                directory: name,
                controllers: format!("none,name={name}"),
            },
            None if controllers.is_empty() => Self {
                directory: "unified",
                controllers: String::new(),
            },
            None => Self {
                directory: controllers,
                controllers: controllers.to_owned(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_proc_self_cgroup() {
        let check = |line: &str, expected: Option<(&str, &str)>| {
            let read = Hierarchy::read(line);
            assert_eq!(
                read.as_ref().map(|h| (h.directory, h.controllers.as_str())),
                expected
            );
        };
        check("4:cpu,cpuacct:/a:b", Some(("cpu,cpuacct", "cpu,cpuacct")));
        check("1:name=systemd:/", Some(("systemd", "none,name=systemd")));
        check("0::/user.slice", Some(("unified", "")));
        check("", None);
    }
}
