//! A container's root file system on disk, and how it is mounted.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use serde::{Deserialize, Serialize};

use crate::linux::sys::{SysError, quoted};

/// What a container's root file system is made of. It is written down when the container is
/// made, and mounted by the process that lives in the container's own mount namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootFs {
    /// An overlay mount: layers that are only read, and one directory that takes the changes.
    Overlay {
        /// The unpacked layers, topmost first; at least one.
        lower: Vec<PathBuf>,
        /// Takes everything that the container changes.
        upper: PathBuf,
        /// Overlayfs needs an empty directory on the file system of `upper`.
        work: PathBuf,
        /// Whether overlayfs keeps its notes in `user.overlay.…` instead of `trusted.overlay.…`:
        /// the only attributes that a user namespace may write.
        userxattr: bool,
        /// Whether the changes need not survive a crash of the machine, because the container
        /// is thrown away when it ends. Unmounting is then five times as fast.
        #[serde(default)]
        volatile: bool,
    },
    /// One directory that holds a copy of everything, where overlayfs cannot be mounted.
    Directory(PathBuf),
}

/// The options of one mount fit a page, with the NUL that ends them.
const MOST_OPTION_BYTES: usize = 4095;

impl RootFs {
    /// Mounts the root file system at `target`.
    ///
    /// Call it in a private mount namespace: the mount then goes away with the namespace, even
    /// when the process is killed.
    pub fn mount(&self, target: &Path) -> Result<(), SysError> {
        match self {
            Self::Directory(source) => {
                let call = || {
                    let (source, target) = (quoted(source), quoted(target));
                    format!("mount({source}, {target}, NULL, MS_BIND)")
                };
                mount(
                    Some(source.as_path()),
                    target,
                    None::<&str>,
                    MsFlags::MS_BIND,
                    None::<&str>,
                )
                .map_err(|e| SysError::new(call(), e))
            }
            Self::Overlay { work, volatile, .. } => {
                if *volatile {
                    forget_last_mount(work);
                }
                match self.mount_overlay(target, *volatile) {
                    // Linux before 5.10 does not know the option, which only saves time.
                    Err(e) if *volatile && e.errno == Errno::EINVAL => {
                        self.mount_overlay(target, false)
                    }
                    result => result,
                }
            }
        }
    }

    fn mount_overlay(&self, target: &Path, volatile: bool) -> Result<(), SysError> {
        let (options, _open) = self.options(volatile)?;
        let call = || {
            let (target, options) = (quoted(target), quoted(&options));
            format!("mount(\"overlay\", {target}, \"overlay\", 0, {options})")
        };
        mount(
            Some("overlay"),
            target,
            Some("overlay"),
            MsFlags::empty(),
            Some(options.as_os_str()),
        )
        .map_err(|e| explain(SysError::new(call(), e)))
    }

    /// Overlayfs' mount options, and the descriptors that must stay open while they are used.
    ///
    /// Paths are written out where they fit, because that is what people then read in
    /// `/proc/self/mounts`. Where they do not fit a page, or hold a character that means something
    /// to overlayfs, each is opened and written as `/proc/self/fd/N`.
    fn options(&self, volatile: bool) -> Result<(OsString, Vec<File>), SysError> {
        let Self::Overlay {
            lower,
            upper,
            work,
            userxattr,
            ..
        } = self
        else {
            return Ok((OsString::new(), Vec::new()));
        };
        let join = |lower: &[PathBuf], upper: &Path, work: &Path| {
            let mut options = b"lowerdir=".to_vec();
            for (i, path) in lower.iter().enumerate() {
                if i > 0 {
                    options.push(b':');
                }
                options.extend_from_slice(path.as_os_str().as_bytes());
            }
            options.extend_from_slice(b",upperdir=");
            options.extend_from_slice(upper.as_os_str().as_bytes());
            options.extend_from_slice(b",workdir=");
            options.extend_from_slice(work.as_os_str().as_bytes());
            if *userxattr {
                options.extend_from_slice(b",userxattr");
            }
            if volatile {
                options.extend_from_slice(b",volatile");
            }
            OsString::from_vec(options)
        };
        let plain = |path: &PathBuf| {
            !path
                .as_os_str()
                .as_bytes()
                .iter()
                .any(|b| b":,\\".contains(b))
        };
        let written = join(lower, upper, work);
        let all_plain = lower.iter().chain([upper, work]).all(plain);
        if all_plain && written.len() <= MOST_OPTION_BYTES {
            return Ok((written, Vec::new()));
        }
        let mut open = Vec::new();
        let mut shorten = |path: &PathBuf| {
            let file = File::open(path)
                .map_err(|e| SysError::from_io(format!("open({})", quoted(path)), &e))?;
            let short = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            open.push(file);
            Ok(short)
        };
        let upper = shorten(upper)?;
        let work = shorten(work)?;
        let short: Vec<_> = lower
            .iter()
            .map(&mut shorten)
            .collect::<Result<_, SysError>>()?;
        let options = join(&short, &upper, &work);
        if options.len() > MOST_OPTION_BYTES {
            let call = format!("mount(\"overlay\", … {} layers …)", lower.len());
            return Err(SysError::new(call, Errno::E2BIG).remedy(
                "an image may have about 200 layers; flatten it, or merge RUN instructions",
            ));
        }
        Ok((options, open))
    }
}

/// Takes away the mark of an earlier volatile mount. Overlayfs leaves it so that nobody trusts
/// such a directory after a crash of the machine; here whoever mounts again has decided to.
fn forget_last_mount(work: &Path) {
    let mark = work.join("work/incompat/volatile");
    // A mark that is not there, or cannot go, shows itself in the mount that follows.
    let _ = std::fs::remove_dir_all(mark);
}

/// The usual causes of a refused overlay mount.
fn explain(error: SysError) -> SysError {
    match error.errno {
        Errno::EPERM => error.remedy(
            "overlayfs in a user namespace needs Linux 5.11 or newer; CORACLE_SNAPSHOTTER=copy works everywhere",
        ),
        Errno::ENODEV => error.remedy(
            "this kernel has no overlayfs (try `modprobe overlay`); CORACLE_SNAPSHOTTER=copy works everywhere",
        ),
        Errno::EINVAL => error.remedy(
            "`dmesg` says why; overlayfs cannot put its upper directory on overlayfs, NFS or FUSE, and CORACLE_SNAPSHOTTER=copy works everywhere",
        ),
        Errno::EBUSY => error.remedy("another container uses this upper directory"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(lower: Vec<PathBuf>, userxattr: bool, volatile: bool) -> RootFs {
        RootFs::Overlay {
            lower,
            upper: "/s/u".into(),
            work: "/s/w".into(),
            userxattr,
            volatile,
        }
    }

    #[test]
    fn options_are_readable_where_they_fit() {
        let check = |rootfs: RootFs, expected: &str| {
            let RootFs::Overlay { volatile, .. } = rootfs else {
                panic!("{rootfs:?} is no overlay");
            };
            let (options, _) = rootfs.options(volatile).unwrap();
            assert_eq!(options, OsString::from(expected));
        };
        check(
            overlay(vec!["/b".into(), "/a".into()], false, false),
            "lowerdir=/b:/a,upperdir=/s/u,workdir=/s/w",
        );
        check(
            overlay(vec!["/a".into()], true, true),
            "lowerdir=/a,upperdir=/s/u,workdir=/s/w,userxattr,volatile",
        );
    }

    #[test]
    fn long_or_strange_paths_become_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        let check = |lower: Vec<PathBuf>, fits: bool| {
            for path in &lower {
                std::fs::create_dir_all(path).unwrap();
            }
            let count = lower.len();
            let rootfs = RootFs::Overlay {
                lower,
                upper: dir.path().into(),
                work: dir.path().into(),
                userxattr: false,
                volatile: false,
            };
            match rootfs.options(false) {
                Ok((options, open)) => {
                    assert!(fits && options.len() <= MOST_OPTION_BYTES);
                    assert_eq!(open.len(), count + 2);
                    assert!(
                        options
                            .to_string_lossy()
                            .starts_with("lowerdir=/proc/self/fd/")
                    );
                }
                Err(error) => assert!(!fits && error.errno == Errno::E2BIG, "{error}"),
            }
        };
        let many = |count: usize| {
            (0..count)
                .map(|i| dir.path().join(format!("{i:064}")))
                .collect()
        };
        check(vec![dir.path().join("a:b")], true);
        check(vec![dir.path().join("a,b")], true);
        check(many(127), true);
        check(many(300), false);
    }

    #[test]
    fn it_survives_being_written_down() {
        for rootfs in [
            overlay(vec!["/a".into()], true, true),
            RootFs::Directory("/d".into()),
        ] {
            let text = serde_json::to_string(&rootfs).unwrap();
            assert_eq!(serde_json::from_str::<RootFs>(&text).unwrap(), rootfs);
        }
    }
}
