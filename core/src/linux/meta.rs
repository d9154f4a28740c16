//! Owner, permissions, times and extended attributes: between the disk and a [`Meta`].

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno as RawErrno;

use super::owners::{self, Owner, is_ours};
use super::root::Dir;
use super::sys::SysError;
use crate::tree::{Kind, Meta, Timestamp};

/// What a process without all privileges may be refused, and can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// The owner or group: in a user namespace, a number that is not mapped. It is noted whose
    /// the file is.
    Owner,
    /// The owner or group, and there is no place to note them, or they are nobody's number.
    Forgotten,
    /// An extended attribute: `trusted.…` in a user namespace, or one that the file system
    /// does not have.
    Attribute,
    /// A device file: never in a user namespace.
    Device,
    /// An attribute or device that would mean something to overlayfs or Coracle itself, and not
    /// what it means in the archive.
    Overlay,
}

/// What overlayfs writes for itself, as root and in a user namespace.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
/// Attributes in which the host's security modules keep notes of their own.
const OF_THE_HOST: [&[u8]; 3] = [b"security.selinux", b"security.ima", b"security.evm"];

/// Gives `name` in `dir` its owner, attributes, permissions and time, in the one order that
/// works: a change of owner clears set-ID bits and capabilities, and everything else changes no
/// time. What is refused for want of privilege goes to `refused`.
pub fn set(
    dir: &Dir,
    name: &[u8],
    kind: &Kind,
    meta: &Meta,
    refused: &mut dyn FnMut(Refused),
) -> Result<(), SysError> {
    if matches!(kind, Kind::Directory) {
        return set_open(dir, name, &dir.open_dir(name)?, meta, refused);
    }
    let path = dir.proc_path(name);
    let wrong = |call: &str, e| dir.refused(call, name, e);
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let owned = may_fail(
        owner(meta).and_then(|(uid, gid)| rustix::fs::chownat(dir, name, uid, gid, flags)),
        &mut || (),
    )
    .map_err(|e| wrong("fchownat", e))?;
    for (key, value) in attributes(meta, refused) {
        may_fail(
            rustix::fs::lsetxattr(&path, key, value, XattrFlags::empty()),
            &mut || refused(Refused::Attribute),
        )
        .map_err(|e| no_room(wrong(&format!("lsetxattr({})", key.escape_ascii()), e)))?;
    }
    if !matches!(kind, Kind::Symlink(_)) {
        // chmod follows links, and the name may have become one. The descriptor cannot.
        let node = open_path(dir, name)?;
        let path = format!("/proc/self/fd/{}", node.as_raw_fd());
        rustix::fs::chmod(path, mode(meta, owned)).map_err(|e| wrong("chmod", e))?;
    }
    rustix::fs::utimensat(dir, name, &times(meta.mtime), flags)
        .map_err(|e| wrong("utimensat", e))?;
    if !owned {
        refused(noted(meta, || owners::note_inside(dir, name, meta)));
    }
    Ok(())
}

/// As [`set`], for a file or directory that is open: `name` in `dir`, or `dir` itself when
/// `name` is empty.
pub fn set_open(
    dir: &Dir,
    name: &[u8],
    fd: &impl AsFd,
    meta: &Meta,
    refused: &mut dyn FnMut(Refused),
) -> Result<(), SysError> {
    let wrong = |call: &str, e| dir.refused(call, name, e);
    let owned = may_fail(
        owner(meta).and_then(|(uid, gid)| rustix::fs::fchown(fd, uid, gid)),
        &mut || (),
    )
    .map_err(|e| wrong("fchown", e))?;
    if !owned {
        refused(noted(meta, || owners::note(fd, meta)));
    }
    for (key, value) in attributes(meta, refused) {
        may_fail(
            rustix::fs::fsetxattr(fd, key, value, XattrFlags::empty()),
            &mut || refused(Refused::Attribute),
        )
        .map_err(|e| no_room(wrong(&format!("fsetxattr({})", key.escape_ascii()), e)))?;
    }
    rustix::fs::fchmod(fd, mode(meta, owned)).map_err(|e| wrong("fchmod", e))?;
    rustix::fs::futimens(fd, &times(meta.mtime)).map_err(|e| wrong("futimens", e))
}

/// Marks a directory as opaque: nothing of the layers below shines through.
pub fn set_opaque(dir: &Dir, userxattr: bool) -> Result<(), SysError> {
    let key = if userxattr {
        "user.overlay.opaque"
    } else {
        "trusted.overlay.opaque"
    };
    rustix::fs::fsetxattr(dir, key, b"y", XattrFlags::empty()).map_err(|e| {
        dir.refused(&format!("fsetxattr({key})"), b"", e)
            .remedy("overlayfs needs a file system with extended attributes; CORACLE_SNAPSHOTTER=copy works everywhere")
    })
}

/// Takes the attributes away that a directory has and `meta` has not.
pub fn remove_others(dir: &Dir, meta: &Meta) -> Result<(), SysError> {
    for key in list(dir, b"", &dir.proc_path(b"."))? {
        let keep = is_overlay(&key)
            || OF_THE_HOST.contains(&key.as_slice())
            || key == owners::INSIDE
            || meta.xattrs.contains_key(&key);
        if !keep {
            may_fail(rustix::fs::fremovexattr(dir, key.as_slice()), &mut || ())
                .map_err(|e| dir.refused("fremovexattr", b"", e))?;
        }
    }
    Ok(())
}

/// Sets the time of an open directory alone.
pub fn set_time(dir: &Dir, mtime: Timestamp) -> Result<(), SysError> {
    rustix::fs::futimens(dir, &times(mtime)).map_err(|e| dir.refused("futimens", b"", e))
}

/// What overlayfs notes about `name` in one of its directories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverlayNotes {
    /// Nothing of the layers below shines through this directory.
    pub opaque: bool,
    /// Where the layers below have what shines through: a path from their root, or another name
    /// in the same directory. Only a mount with `redirect_dir` writes this.
    pub redirect: Option<Vec<u8>>,
    /// The file's data is still in the layers below. Only a mount with `metacopy` writes this.
    pub metacopy: bool,
    /// The directory holds whiteouts that are attributes, which nothing but a tool for making
    /// lower layers writes.
    pub foreign: bool,
}

/// The metadata of `name` in `dir`, of which `stat` was just read, and overlayfs' notes about
/// it, which are not part of the metadata. An empty `name` is the directory itself.
///
/// A file that could not be given to its owner when it was unpacked, and has not been given to
/// anybody since, counts as its owner's.
pub fn read(dir: &Dir, name: &[u8], stat: &Stat) -> Result<(Meta, OverlayNotes), SysError> {
    let mut notes = OverlayNotes::default();
    let mut xattrs = BTreeMap::new();
    let mut noted = None;
    let path = dir.proc_path(if name.is_empty() { b"." } else { name });
    for key in list(dir, name, &path)? {
        if let Some(note) = OVERLAY.iter().find_map(|o| key.strip_prefix(*o)) {
            match note {
                b"opaque" => match value(dir, name, &path, &key)?.as_deref() {
                    Some(b"y") => notes.opaque = true,
                    // The directory holds whiteouts in another form.
                    Some(b"x") => notes.foreign = true,
                    _ => {}
                },
                b"redirect" => notes.redirect = value(dir, name, &path, &key)?,
                b"metacopy" => notes.metacopy = true,
                _ => {}
            }
        } else if key == owners::OWNER {
            let note = value(dir, name, &path, &key)?;
            noted = note.as_deref().and_then(Owner::parse);
        } else if is_ours(&key) {
            // What is noted about others, these are asked for.
        } else if !OF_THE_HOST.contains(&key.as_slice())
            && let Some(value) = value(dir, name, &path, &key)?
        {
            xattrs.insert(key, value);
        }
    }
    let mut meta = Meta {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Timestamp {
            seconds: stat.st_mtime,
            nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
        xattrs,
    };
    let kind = FileType::from_raw_mode(stat.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        noted = owners::inside(dir, name, stat);
    }
    if let Some(owner) = noted {
        owner.apply(&mut meta);
    }
    Ok((meta, notes))
}

/// Whether an attribute would mean something to overlayfs or to us that it does not in an archive.
fn is_reserved(key: &[u8]) -> bool {
    is_overlay(key) || is_ours(key)
}

/// Whether an attribute is one that overlayfs keeps for itself.
fn is_overlay(key: &[u8]) -> bool {
    OVERLAY.iter().any(|o| key.starts_with(o))
}

/// The attributes that may be written. An archive's `trusted.overlay.redirect` would make
/// overlayfs show what the archive has no business with; our own note would be taken for true.
fn attributes<'a>(
    meta: &'a Meta,
    refused: &mut dyn FnMut(Refused),
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
    for _ in meta.xattrs.keys().filter(|key| is_reserved(key)) {
        refused(Refused::Overlay);
    }
    let honest = meta.xattrs.iter().filter(|(key, _)| !is_reserved(key));
    honest.map(|(key, value)| (key.as_slice(), value.as_slice()))
}

/// `Ok(false)` when a call failed for want of privilege or support.
fn may_fail(result: Result<(), RawErrno>, refused: &mut dyn FnMut()) -> Result<bool, RawErrno> {
    match result {
        Ok(()) => Ok(true),
        Err(RawErrno::PERM | RawErrno::INVAL | RawErrno::OPNOTSUPP) => {
            refused();
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// What became of an owner that was refused, once `note` was tried. What nobody can have is
/// nobody's.
fn noted(meta: &Meta, note: impl FnOnce() -> Result<(), RawErrno>) -> Refused {
    match owner(meta).and_then(|_| note()) {
        Ok(()) => Refused::Owner,
        Err(_) => Refused::Forgotten,
    }
}

/// What the kernel means when it has no room for an attribute: its words are about other things.
fn no_room(error: SysError) -> SysError {
    match error.errno {
        Errno::E2BIG => error.remedy("Linux keeps no attribute of more than 64 KiB"),
        Errno::ENOSPC => error.remedy(
            "either the disk is full, or these attributes are more than the file system keeps with one file: ext4 has 4 KiB for them, xfs and btrfs more",
        ),
        _ => error,
    }
}

/// The owner and group. The largest number means "leave it" to the kernel and is nobody's.
fn owner(meta: &Meta) -> Result<(Option<Uid>, Option<Gid>), RawErrno> {
    if meta.uid == u32::MAX || meta.gid == u32::MAX {
        return Err(RawErrno::INVAL);
    }
    Ok((Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid))))
}

/// The permissions. A program that should run as another user, but could not be given to that
/// user, must not run as ours instead.
fn mode(meta: &Meta, owned: bool) -> Mode {
    Mode::from_raw_mode(if owned {
        meta.mode & 0o7777
    } else {
        meta.mode & 0o1777
    })
}

fn times(mtime: Timestamp) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime.seconds,
        tv_nsec: mtime.nanos.min(999_999_999).into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

fn open_path(dir: &Dir, name: &[u8]) -> Result<OwnedFd, SysError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let refused = |e| dir.refused("openat(O_PATH)", name, e);
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(refused)?;
    let stat = rustix::fs::fstat(&fd).map_err(refused)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Err(refused(RawErrno::LOOP));
    }
    Ok(fd)
}

/// The keys of all attributes, or none where the file system has no attributes.
fn list(dir: &Dir, name: &[u8], path: &[u8]) -> Result<Vec<Vec<u8>>, SysError> {
    let mut buffer = Vec::new();
    loop {
        let size = match rustix::fs::llistxattr_query(path) {
            Ok(0) | Err(RawErrno::OPNOTSUPP) => return Ok(Vec::new()),
            Ok(size) => size,
            Err(e) => return Err(dir.refused("llistxattr", name, e)),
        };
        buffer.resize(size, 0);
        match rustix::fs::llistxattr(path, &mut buffer) {
            Ok(size) => {
                let keys = buffer[..size].split(|b| *b == 0).filter(|k| !k.is_empty());
                return Ok(keys.map(<[u8]>::to_vec).collect());
            }
            Err(RawErrno::RANGE) => {} // It grew in between.
            Err(e) => return Err(dir.refused("llistxattr", name, e)),
        }
    }
}

/// One attribute; `None` when it went away in between, or may not be read.
fn value(dir: &Dir, name: &[u8], path: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, SysError> {
    let mut buffer = vec![0; 256];
    loop {
        match rustix::fs::lgetxattr(path, key, &mut buffer) {
            Ok(size) => {
                buffer.truncate(size);
                return Ok(Some(buffer));
            }
            Err(RawErrno::RANGE) if buffer.len() < 65_536 => buffer.resize(65_536, 0),
            Err(RawErrno::NODATA | RawErrno::PERM | RawErrno::OPNOTSUPP) => return Ok(None),
            Err(e) => {
                let call = format!("lgetxattr({})", key.escape_ascii());
                return Err(dir.refused(&call, name, e));
            }
        }
    }
}
