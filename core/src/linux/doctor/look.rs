//! What can be looked up without trying: programs, devices, the disk.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statfs::statfs;
use nix::unistd::{AccessFlags, access};

use super::probe::{Answer, Program, Store};
use crate::linux::sys::SysError;

pub(super) fn openat2() -> Answer {
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

pub(super) fn programs() -> BTreeMap<String, Program> {
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

pub(super) fn devices() -> BTreeMap<String, bool> {
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
pub(super) fn store(state: &Path) -> Store {
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
pub(super) fn file_system(path: &Path) -> String {
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
