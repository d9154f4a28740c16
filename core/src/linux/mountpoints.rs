//! Mount points: the directories and files that must be there before something is mounted on
//! them, made inside the container's root and nowhere else, and taken away afterwards.
//!
//! An image need not hold `/proc` or `/etc/hosts`. What is made for a mount must not end up in
//! the image that a build step makes, so it goes again when the container has ended.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::mount::{MntFlags, umount2};
use nix::unistd::fchdir;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, fstat,
    mkdirat, openat, openat2, readlinkat, statat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::explain::Kernel;
use super::sys::SysError;
use crate::path::RootedPath;

/// The mount points that were made; when this is dropped, they go again.
#[derive(Debug, Default)]
pub(super) struct Stubs {
    /// In the order of their making, so an outer one stands before an inner one.
    made: Vec<Stub>,
}

#[derive(Debug)]
struct Stub {
    /// The directory that holds it.
    directory: OwnedFd,
    /// When that was last changed, before and after.
    before: Timespec,
    after: Timespec,
    name: OsString,
    is_directory: bool,
}

/// How often an opening is tried that others disturb.
const MOST_TRIES: usize = 1000;

/// Links are followed this often, as the kernel does.
const MOST_LINKS: usize = 40;

impl Stubs {
    /// Sees to it that a directory, or else a file, stands at `path` inside `root`.
    ///
    /// Links in the image are followed as they will be inside, so they cannot lead out.
    pub(super) fn ensure(
        &mut self,
        kernel: &mut Kernel<'_>,
        root: &OwnedFd,
        path: &Path,
        is_directory: bool,
    ) -> Result<(), SysError> {
        let mut path = RootedPath::root().resolve(path.as_os_str().as_bytes());
        for _ in 0..MOST_LINKS {
            match self.ensure_parts(kernel, root, &path, is_directory)? {
                None => return Ok(()),
                Some(elsewhere) => path = elsewhere,
            }
        }
        Err(SysError::new(
            format!("openat2({path:?})"),
            nix::errno::Errno::ELOOP,
        ))
    }

    /// `Some` is where a link that leads to nothing says that the rest should be.
    fn ensure_parts(
        &mut self,
        kernel: &mut Kernel<'_>,
        root: &OwnedFd,
        path: &RootedPath,
        is_directory: bool,
    ) -> Result<Option<RootedPath>, SysError> {
        let refused = |call: String, errno: Errno| {
            SysError::new(call, nix::errno::Errno::from_raw(errno.raw_os_error()))
        };
        let mut directory = open_inside(root, &RootedPath::root())
            .map_err(|e| refused("openat2(\"/\")".into(), e))?;
        let last = path.components().count();
        let mut so_far = RootedPath::root();
        for (index, name) in path.components().enumerate() {
            let parent = so_far.clone();
            so_far = so_far.child(name);
            match open_inside(root, &so_far) {
                Ok(found) => directory = found,
                Err(Errno::NOENT) => {
                    let name = OsStr::from_bytes(name);
                    let make_directory = is_directory || index + 1 < last;
                    if let Ok(target) = readlinkat(&directory, name, Vec::new()) {
                        let rest = path.strip(&so_far).unwrap_or_default();
                        return Ok(Some(parent.resolve(target.as_bytes()).join(&rest)));
                    }
                    self.make(kernel, &directory, name, &so_far, make_directory)?;
                    directory = open_inside(root, &so_far)
                        .map_err(|e| refused(format!("openat2(\"{so_far}\")"), e))?;
                }
                Err(errno) => return Err(refused(format!("openat2(\"{so_far}\")"), errno)),
            }
        }
        Ok(None)
    }

    fn make(
        &mut self,
        kernel: &mut Kernel<'_>,
        directory: &OwnedFd,
        name: &OsStr,
        path: &RootedPath,
        is_directory: bool,
    ) -> Result<(), SysError> {
        let call = if is_directory { "mkdirat" } else { "openat" };
        let path = Path::new("/").join(OsString::from_vec(path.as_bytes().to_vec()));
        let (before, after) = kernel.ask(
            "something is mounted here, and the image does not have the place; it goes again afterwards",
            || format!("{call}({path:?})"),
            || {
                let before = modified(directory)?;
                if is_directory {
                    mkdirat(directory, name, Mode::from_raw_mode(0o755))?;
                } else {
                    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                    openat(directory, name, flags, Mode::from_raw_mode(0o644))?;
                }
                Ok::<_, Errno>((before, modified(directory)?))
            },
        )?;
        let Ok(directory) = directory.try_clone() else {
            // Without a handle it cannot be taken away later; it is only litter.
            return Ok(());
        };
        self.made.push(Stub {
            directory,
            before,
            after,
            name: name.to_owned(),
            is_directory,
        });
        Ok(())
    }
}

impl Drop for Stubs {
    /// Takes away what was made and not used for anything else. Only handles are used, no paths:
    /// what the container's processes have done to its directories cannot lead elsewhere.
    fn drop(&mut self) {
        for stub in self.made.drain(..).rev() {
            // What cannot be taken away was used, or lies on a read-only file system; both are
            // no reason to call the run a failure.
            if fchdir(&stub.directory).is_ok() {
                let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
                let _ = umount2(stub.name.as_os_str(), flags);
            }
            let untouched = modified(&stub.directory) == Ok(stub.after);
            let flags = if stub.is_directory {
                AtFlags::REMOVEDIR
            } else {
                AtFlags::empty()
            };
            if stub.is_directory || is_empty_file(&stub) {
                let _ = unlinkat(&stub.directory, &stub.name, flags);
            }
            if untouched {
                let times = Timestamps {
                    last_access: Timespec {
                        tv_sec: 0,
                        tv_nsec: UTIME_OMIT,
                    },
                    last_modification: stub.before,
                };
                let _ = utimensat(&stub.directory, ".", &times, AtFlags::empty());
            }
        }
    }
}

fn is_empty_file(stub: &Stub) -> bool {
    statat(&stub.directory, &stub.name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        is_file && stat.st_size == 0
    })
}

fn modified(directory: &OwnedFd) -> Result<Timespec, Errno> {
    let stat = fstat(directory)?;
    Ok(Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
    })
}

/// Opens `path` with `root` as the root of everything: links and `..` stay inside.
fn open_inside(root: &OwnedFd, path: &RootedPath) -> Result<OwnedFd, Errno> {
    let path = if path.is_root() {
        OsStr::new(".")
    } else {
        OsStr::from_bytes(path.as_bytes())
    };
    for _ in 0..MOST_TRIES {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        match openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            // Somebody on this machine renamed or mounted something at the same moment, so the
            // kernel cannot be sure that `..` stayed inside.
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}
