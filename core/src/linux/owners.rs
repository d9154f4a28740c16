//! Notes on whose files are that could not be given to them.
//!
//! An ordinary user may give files to nobody. So that a layer which is made of such files tells
//! the owners as the image has them, they are noted in extended attributes. Overlayfs carries
//! these along when a container changes a file. A file or directory bears its own note; links,
//! pipes and devices cannot have attributes of users, and theirs is on the directory they are in.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use rustix::fs::{Stat, XattrFlags};
use rustix::io::Errno;

use super::root::Dir;
use crate::tree::Meta;

/// All attributes that begin so are ours.
const OURS: &[u8] = b"user.coracle.";
/// A file's or directory's own note: `UID:GID:MODE`, the mode octal.
pub(super) const OWNER: &[u8] = b"user.coracle.owner";
/// A directory's notes on what is in it: `UID:GID:MODE:SECONDS/NAME/NAME…`, each ended by a NUL.
/// The time is that of the links or pipes. What has the name later on, and another time, is
/// another. File systems have little room for attributes, so what has all in common shares a note.
pub(super) const INSIDE: &[u8] = b"user.coracle.inside";

/// Whose something is, and the permissions that it then has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
    /// With set-ID bits, which are left out when the owner is another.
    mode: u32,
}

impl Owner {
    fn of(meta: &Meta) -> Self {
        let (uid, gid, mode) = (meta.uid, meta.gid, meta.mode & 0o7777);
        Self { uid, gid, mode }
    }

    /// What the note on a file or directory says.
    pub(super) fn parse(note: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(note).ok()?.split(':');
        let (uid, gid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let mode = u32::from_str_radix(parts.next()?, 8).ok()?;
        (mode <= 0o7777 && parts.next().is_none()).then_some(Self { uid, gid, mode })
    }

    /// Gives what is read as the reader's own to its owner, unless it was given to somebody
    /// since. A mode that was changed since stays.
    pub(super) fn apply(self, meta: &mut Meta) {
        if (meta.uid, meta.gid) != myself() {
            return;
        }
        (meta.uid, meta.gid) = (self.uid, self.gid);
        if meta.mode == self.mode & 0o1777 {
            meta.mode = self.mode;
        }
    }
}

/// Whether an attribute is one of these notes.
pub(super) fn is_ours(key: &[u8]) -> bool {
    key.starts_with(OURS)
}

/// Notes on a file or directory whose it should be.
pub(super) fn note(fd: impl AsFd, meta: &Meta) -> Result<(), Errno> {
    let Owner { uid, gid, mode } = Owner::of(meta);
    let note = format!("{uid}:{gid}:{mode:o}");
    rustix::fs::fsetxattr(fd, OWNER, note.as_bytes(), XattrFlags::empty())
}

/// Notes on a directory whose the link or pipe `name` in it should be, which has its time already.
pub(super) fn note_inside(dir: &Dir, name: &[u8], meta: &Meta) -> Result<(), Errno> {
    let stat = rustix::fs::statat(dir, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
    let mut notes = Inside::read(dir)?;
    let note = (Owner::of(meta), stat.st_mtime);
    notes.0.insert(name.to_vec(), note);
    notes.write(dir)
}

/// Whose the link or pipe `name` is, as far as that is noted on its directory.
pub(super) fn inside(dir: &Dir, name: &[u8], stat: &Stat) -> Option<Owner> {
    let (owner, time) = Inside::read(dir).ok()?.0.remove(name)?;
    (time == stat.st_mtime).then_some(owner)
}

/// Takes the notes along when `names` move from one directory to another, where nothing is left
/// of what had these names before.
pub(super) fn carry(from: &Dir, to: &Dir, names: &[Vec<u8>]) -> Result<(), Errno> {
    let (new, old) = (Inside::read(from)?, Inside::read(to)?);
    let mut notes = old.clone();
    for name in names {
        notes.0.remove(name);
    }
    notes.0.extend(new.0);
    if notes == old {
        return Ok(());
    }
    notes.write(to)
}

/// Takes the note away about what had this name.
pub(super) fn forget(dir: &Dir, name: &[u8]) -> Result<(), Errno> {
    let mut notes = Inside::read(dir)?;
    match notes.0.remove(name) {
        Some(_) => notes.write(dir),
        None => Ok(()),
    }
}

/// The notes of one directory, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Inside(BTreeMap<Vec<u8>, (Owner, i64)>);

impl Inside {
    /// The notes of `dir`; none where the file system has no attributes.
    fn read(dir: &Dir) -> Result<Self, Errno> {
        let mut buffer = Vec::new();
        // Almost no directory has any, and no attribute is longer than 64 KiB.
        let there = rustix::fs::fgetxattr_query(dir, INSIDE).and_then(|_| {
            buffer.resize(65_536, 0);
            rustix::fs::fgetxattr(dir, INSIDE, &mut buffer)
        });
        match there {
            Ok(size) => Ok(Self::parse(&buffer[..size])),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(Self::default()),
            Err(e) => Err(e),
        }
    }

    fn write(&self, dir: &Dir) -> Result<(), Errno> {
        if self.0.is_empty() {
            return rustix::fs::fremovexattr(dir, INSIDE);
        }
        rustix::fs::fsetxattr(dir, INSIDE, &self.encode(), XattrFlags::empty())
    }

    /// Notes that make no sense are none.
    fn parse(bytes: &[u8]) -> Self {
        let mut notes = Self::default();
        for note in bytes.split(|b| *b == 0) {
            let mut parts = note.split(|b| *b == b'/');
            let said = parts.next().and_then(|text| {
                let (owner, seconds) = std::str::from_utf8(text).ok()?.rsplit_once(':')?;
                Some((Owner::parse(owner.as_bytes())?, seconds.parse().ok()?))
            });
            if let Some(said) = said {
                notes.0.extend(parts.map(|name| (name.to_vec(), said)));
            }
        }
        notes
    }

    fn encode(&self) -> Vec<u8> {
        let mut notes: BTreeMap<_, Vec<&[u8]>> = BTreeMap::new();
        for (name, said) in &self.0 {
            notes.entry(said).or_default().push(name);
        }
        let mut bytes = Vec::new();
        for ((Owner { uid, gid, mode }, seconds), names) in notes {
            bytes.extend_from_slice(format!("{uid}:{gid}:{mode:o}:{seconds}").as_bytes());
            for name in names {
                bytes.push(b'/');
                bytes.extend_from_slice(name);
            }
            bytes.push(0);
        }
        bytes
    }
}

/// The user and group that files are given to which nobody else can be given.
fn myself() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_hold_any_name_and_nonsense_is_none() {
        let owner = |uid| Owner {
            uid,
            gid: 4_000_000_000,
            mode: 0o4755,
        };
        let mut notes = Inside::default();
        for (name, uid) in [
            (&b"a"[..], 7),
            (b"b:c\n", 8),
            (b"\xff", 7),
            (&[b'n'; 255], 7),
        ] {
            notes.0.insert(name.to_vec(), (owner(uid), -5));
        }
        assert_eq!(Inside::parse(&notes.encode()), notes);
        for wrong in ["", "/", "7:8:755/a", "7:8:755:x/a", "7:8:999:1/a"] {
            let read = Inside::parse(wrong.as_bytes());
            assert_eq!(read, Inside::default(), "{wrong}");
        }
        assert_eq!(Inside::parse(b"7:8:755:1"), Inside::default());
    }

    #[test]
    fn a_hundred_links_of_one_package_fit_into_an_attribute() {
        let mut notes = Inside::default();
        for number in 0..100 {
            let name = format!("libsomething-{number}.so.{number}.0.17");
            let owner = Owner {
                uid: 0,
                gid: 0,
                mode: 0o777,
            };
            notes
                .0
                .insert(name.into_bytes(), (owner, 1_700_000_000 + number % 5));
        }
        let size = notes.encode().len();
        assert!(size < 3000, "{size} bytes, and ext4 has less than 4,096");
    }
}
