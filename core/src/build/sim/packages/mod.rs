//! Package managers without a network: apt-get, apk, pip and npm with a small table of packages.
//!
//! They leave what the real ones leave, in the places where they leave it: programs and
//! libraries, the manager's own lists, its downloads and its caches. **Every file has a
//! thousandth of its true size**, so that a layer of 40 MB is one of 40 kB here and all
//! comparisons still hold. What is in the files is made up, and always the same.

// All commands have one shape, also those that cannot be refused.
#![allow(clippy::unnecessary_wraps)]

mod apk;
mod apt;
mod build;
mod npm;
mod pip;
mod table;
#[cfg(test)]
mod tests;

pub(super) use apk::apk;
pub(super) use apt::apt;
pub(super) use build::{cargo, go};
pub(super) use npm::npm;
pub(super) use pip::{pip, python};

use super::commands::Program;
use super::files::Errno;
use super::programs::FIXTURE;
use super::run::Runner;
use table::Package;

/// The package managers, and the programs that their packages call.
pub(super) fn program(name: &str) -> Option<Program> {
    Some(match name {
        "apk" => apk,
        "apt" | "apt-get" => apt,
        "cargo" => cargo,
        "go" => go,
        "npm" => npm,
        "pip" | "pip3" => pip,
        "python" | "python3" => python,
        "ldconfig" | "update-ca-certificates" => |_, _| Ok(0),
        _ => return None,
    })
}

/// What stands in for a file of `size` bytes: a first line that says so, and then letters that
/// are always the same for the same name.
pub(super) fn stand_in(first_line: &str, size: usize) -> Vec<u8> {
    let mut bytes = format!("{first_line}\n").into_bytes();
    let mut state = bytes.iter().fold(7_u32, |state, byte| {
        state.wrapping_mul(31).wrapping_add(u32::from(*byte))
    });
    while bytes.len() < size {
        // A linear congruential generator: letters that do not pack down to nothing.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let letter = b'a' + u8::try_from(state >> 24).unwrap_or(0) % 26;
        bytes.push(if bytes.len() % 72 == 71 {
            b'\n'
        } else {
            letter
        });
    }
    bytes
}

/// What stands in for a program, which says its version when it is asked.
pub(super) fn stand_in_program(name: &str, version: &str, size: usize) -> Vec<u8> {
    let marked = String::from_utf8_lossy(FIXTURE).into_owned();
    stand_in(&format!("{marked}{name} {version}"), size)
}

impl Runner<'_, '_> {
    /// Writes a file and the directories that lead there.
    fn put_file(&mut self, path: &str, bytes: Vec<u8>, mode: u32) -> Result<(), Errno> {
        if let Some((above, _)) = path.rsplit_once('/') {
            self.make_directories(above);
        }
        self.shell.write(path, bytes, mode)
    }

    /// Adds to the end of a file, which is made if need be.
    fn add_to(&mut self, path: &str, text: &str) -> Result<(), Errno> {
        let mut bytes = self.shell.read(path).unwrap_or_default();
        bytes.extend_from_slice(text.as_bytes());
        self.put_file(path, bytes, 0o644)
    }

    /// The text of a file; empty when it is not there.
    fn text(&self, path: &str) -> String {
        let bytes = self.shell.read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Takes away a file or a directory with all that is in it.
    fn take_away(&mut self, path: &str) {
        let Ok((at, _)) = self.shell.stat(path, false) else {
            return;
        };
        if let Ok(parent) = self.shell.may_change(&at) {
            self.shell.tree.remove(&at);
            self.shell.touched(&parent);
        }
    }

    /// Everything that a package brings, as paths; what is there already is written anew.
    fn unpack(&mut self, package: &Package, library: &str) -> Result<Vec<String>, Errno> {
        let mut paths = Vec::new();
        let mut left = package.size;
        let share = left / (package.programs.len() + 1).max(1);
        for name in package.programs {
            let path = if name.starts_with('/') {
                (*name).to_owned()
            } else {
                format!("/usr/bin/{name}")
            };
            let shown = name.rsplit('/').next().unwrap_or(name);
            self.put_file(
                &path,
                stand_in_program(shown, package.version, share),
                0o755,
            )?;
            left -= share;
            paths.push(path);
        }
        for (name, text) in package.files {
            self.put_file(name, text.as_bytes().to_vec(), 0o644)?;
            left = left.saturating_sub(text.len());
            paths.push((*name).to_owned());
        }
        let path = format!("{library}/{}/{}.data", package.name, package.name);
        self.put_file(
            &path,
            stand_in(&format!("{} {}", package.name, package.version), left),
            0o644,
        )?;
        paths.push(path);
        Ok(paths)
    }
}

/// Kilobytes as managers print them: here, each stands for one byte.
fn kilobytes(size: usize) -> String {
    if size < 10_000 {
        format!("{size} kB")
    } else {
        format!("{}.{} MB", size / 1000, size / 100 % 10)
    }
}
