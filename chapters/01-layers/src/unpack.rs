//! An archive to a directory, and nowhere else.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::pack::entries;
use crate::{Entry, Kind, Result, host};

// ANCHOR: unpack
/// Unpacks an archive below `root`. Whatever it holds, nothing outside of `root` is touched.
///
/// An archive that tries is refused at the entry that does; what came before it stays.
pub fn unpack(archive: &[u8], root: &Path) -> Result<()> {
    for entry in entries(archive)? {
        let refuse = |error| format!("entry {:?} {error}", entry.name);
        let path = place(root, &clean(&entry.name).map_err(refuse)?).map_err(refuse)?;
        if path == root && entry.kind != Kind::Directory {
            return Err(format!("entry {:?} would replace the root", entry.name).into());
        }
        write(&entry, root, &path).map_err(refuse)?;
    }
    Ok(())
}
// ANCHOR_END: unpack

// ANCHOR: naive
/// Unpacks as a first draft would: it joins names and writes. Try it on archives of your own only.
///
/// Returns the paths that it wrote.
pub fn naive(archive: &[u8], root: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for entry in entries(archive)? {
        let path = root.join(&entry.name);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        match &entry.kind {
            Kind::Directory => fs::create_dir_all(&path)?,
            Kind::File(bytes) => fs::write(&path, bytes)?,
            Kind::Symlink(target) => host::symlink(target, &path)?,
            Kind::HardLink(target) => fs::hard_link(root.join(target), &path)?,
        }
        written.push(path);
    }
    Ok(written)
}
// ANCHOR_END: naive

// ANCHOR: write
fn write(entry: &Entry, root: &Path, path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if entry.kind != Kind::Directory || !host::is_directory(path) {
        // A link that stands here would be written through: it must go first.
        remove(path)?;
    }
    match &entry.kind {
        Kind::Directory => fs::create_dir_all(path)?,
        Kind::File(bytes) => fs::write(path, bytes)?,
        Kind::Symlink(target) => host::symlink(target, path)?,
        Kind::HardLink(target) => fs::hard_link(place(root, &clean(target)?)?, path)?,
    }
    if let Kind::Directory | Kind::File(_) = entry.kind {
        host::set_mode(path, entry.mode)?;
    }
    Ok(())
}
// ANCHOR_END: write

fn remove(path: &Path) -> Result<()> {
    let removed = if host::is_directory(path) {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

// ANCHOR: clean
/// The steps of a name, without those that mean nothing.
///
/// `./app//main.py` is `["app", "main.py"]`. A slash in front means nothing, too: every name in
/// an archive is seen from the root. `..` is refused, because no honest archive needs it.
pub fn clean(name: &str) -> Result<Vec<String>> {
    // TASK 3: Split the name at its slashes, leave out what means nothing, refuse `..`.
    let mut steps = Vec::new();
    for step in name.split('/') {
        match step {
            "" | "." => {}
            ".." => return Err("contains `..`, which leads outside the root".into()),
            step => steps.push(step.to_owned()),
        }
    }
    Ok(steps)
    // TASK_END
}
// ANCHOR_END: clean

const LEADS_OUT: &str = "goes through a link that leads outside the root";

// ANCHOR: place
/// Where the file with these steps stands, when the links on the way to it have been followed.
///
/// The last step is not followed: an entry replaces a link, it does not write through it. A link
/// that leads out of the root is refused, and so are links that lead in a ring.
pub fn place(root: &Path, steps: &[String]) -> Result<PathBuf> {
    let Some((last, parents)) = steps.split_last() else {
        return Ok(root.to_owned());
    };
    // TASK 4: Walk down the parents, one step after the other, and follow their links by hand.
    let mut at: Vec<String> = Vec::new();
    let mut ahead: Vec<String> = parents.iter().rev().cloned().collect();
    let mut links = 0;
    while let Some(step) = ahead.pop() {
        match step.as_str() {
            "" | "." => continue,
            ".." => {
                at.pop().ok_or(LEADS_OUT)?;
                continue;
            }
            _ => at.push(step),
        }
        let Ok(target) = fs::read_link(below(root, &at)) else {
            continue;
        };
        links += 1;
        if target.has_root() {
            return Err(LEADS_OUT.into());
        }
        if links > 40 {
            return Err("goes through links that lead in a ring".into());
        }
        // A relative link is seen from the directory that it stands in.
        at.pop();
        ahead.extend(target.to_string_lossy().split('/').rev().map(str::to_owned));
    }
    at.push(last.clone());
    Ok(below(root, &at))
    // TASK_END
}
// ANCHOR_END: place

fn below(root: &Path, steps: &[String]) -> PathBuf {
    steps
        .iter()
        .fold(root.to_owned(), |path, step| path.join(step))
}
