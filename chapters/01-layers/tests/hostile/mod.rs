//! A place to attack, and archives that do.

// Each test file uses its own part of this.
#![allow(dead_code)]
#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

use std::fs;
use std::path::PathBuf;

use ch01_layers::{Entry, Kind};
use tempfile::TempDir;

/// A root to unpack into, and beside it what no archive may touch.
pub(crate) struct Arena {
    folder: TempDir,
}

impl Arena {
    /// A new one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside").join("secret"), "untouched").unwrap();
        Self { folder }
    }

    /// Where archives are unpacked.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Where they must never write.
    pub(crate) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// Expects that nothing outside of the root has changed.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        let names = |path: PathBuf| -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(path)
                .unwrap()
                .map(|item| item.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        lesson::same(
            "what stands beside the root",
            &names(self.folder.path().to_owned()),
            &vec!["outside".into(), "root".into()],
        );
        lesson::same(
            "what stands outside",
            &names(self.outside()),
            &vec!["secret".into()],
        );
        let secret = fs::read_to_string(self.outside().join("secret")).unwrap();
        lesson::same("the file outside", &secret.as_str(), &"untouched");
    }
}

/// An archive of these entries in this order, whatever their names are. It does not use `header`,
/// so that it can be trusted before that is written.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        let (kind, bytes, target) = match &entry.kind {
            Kind::Directory => (tar::EntryType::Directory, &[][..], ""),
            Kind::File(bytes) => (tar::EntryType::Regular, bytes.as_slice(), ""),
            Kind::Symlink(target) => (tar::EntryType::Symlink, &[][..], target.as_str()),
            Kind::HardLink(target) => (tar::EntryType::Link, &[][..], target.as_str()),
        };
        header.as_old_mut().name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(entry.mode);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        archive.append(&header, bytes).unwrap();
    }
    archive.into_inner().unwrap()
}
