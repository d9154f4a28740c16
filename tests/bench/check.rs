//! Whether a result is right, asked of other programs than the one that made it.

use std::path::Path;
use std::process::Command;

/// Everything that `find` knows about a tree, sorted: a directory's size and number of links say
/// nothing about what is in it.
fn listing(tree: &Path) -> Result<String, String> {
    let directory = ["-type", "d", "-printf", "%P %y %m %U %G %T@\\n"];
    let other = ["-o", "-printf", "%P %y %m %U %G %s %n %T@ %l\\n"];
    let mut find = Command::new("find");
    find.arg(tree).args(["-mindepth", "1"]);
    let text = output(find.args(directory).args(other))?;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    Ok(lines.join("\n"))
}

/// Fails unless both trees have the same names, metadata and content.
pub(crate) fn same_tree(expected: &Path, actual: &Path) -> Result<(), String> {
    let (left, right) = (listing(expected)?, listing(actual)?);
    if left != right {
        let pairs = left.lines().zip(right.lines());
        let first = pairs.into_iter().find(|(l, r)| l != r);
        let (left, right) = first.unwrap_or(("more entries", "or fewer"));
        return Err(format!("the tree is wrong: {left:?} became {right:?}"));
    }
    let mut diff = Command::new("diff");
    diff.args(["-rq", "--no-dereference"])
        .arg(expected)
        .arg(actual);
    output(&mut diff).map(drop)
}

/// Fails unless an archive has all that is in the folder `name` of `place`, and nothing else, by
/// GNU tar. Times may be others.
pub(crate) fn archive_of(archive: &Path, place: &Path, name: &str) -> Result<(), String> {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .map(|l| l.trim_end_matches('/').into())
            .collect();
        lines.sort_unstable();
        lines
    };
    let listed = sorted(&output(Command::new("tar").arg("-tf").arg(archive))?);
    let mut find = Command::new("find");
    let there = sorted(&output(find.current_dir(place).arg(name))?);
    if listed != there {
        let (listed, there) = (listed.len(), there.len());
        return Err(format!(
            "the archive names {listed} entries, and not the {there} of the folder"
        ));
    }
    let mut compare = Command::new("tar");
    compare.arg("-C").arg(place).arg("-df").arg(archive);
    let compared = compare
        .output()
        .map_err(|e| format!("cannot start {compare:?}: {e}"))?;
    let said = [compared.stdout, compared.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    match said
        .lines()
        .find(|line| !line.ends_with("Mod time differs"))
    {
        Some(line) => Err(format!("the archive is wrong: {line}")),
        None => Ok(()),
    }
}

/// Fails unless a program prints just this.
pub(crate) fn prints(command: &mut Command, expected: &str) -> Result<(), String> {
    let actual = output(command)?;
    if actual.trim() == expected {
        return Ok(());
    }
    Err(format!(
        "{command:?} printed {:?} and not {expected:?}",
        actual.trim()
    ))
}

/// The SHA-256 of a file as 64 hex digits, by coreutils.
pub(crate) fn sha256(file: &Path) -> Result<String, String> {
    let line = output(Command::new("sha256sum").arg("--").arg(file))?;
    Ok(line
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Fails unless every file `blobs/sha256/HEX` in a directory has the digest in its name, and one
/// of them is `hex`.
pub(crate) fn blobs(directory: &Path, hex: &str) -> Result<(), String> {
    let folder = directory.join("blobs/sha256");
    let mut found = false;
    for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if sha256(&path)? != name {
            return Err(format!("blob {name} has another content"));
        }
        found |= name == hex;
    }
    if found {
        Ok(())
    } else {
        Err(format!("blob {hex} is missing"))
    }
}

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|e| format!("cannot start {command:?}: {e}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let said: String = said.trim().chars().take(2000).collect();
        return Err(format!("{command:?}: {}: {said}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn trees_differ_by_name_content_mode_and_target() {
        let place = tempfile::tempdir().unwrap();
        let tree = |name: &str, change: &dyn Fn(&Path)| {
            let tree = place.path().join(name);
            fs::create_dir_all(tree.join("d")).unwrap();
            fs::write(tree.join("d/file"), "one").unwrap();
            symlink("file", tree.join("d/link")).unwrap();
            change(&tree);
            let touch = ["-exec", "touch", "-hd", "@7", "{}", "+"];
            output(Command::new("find").arg(&tree).args(touch)).unwrap();
            tree
        };
        let expected = tree("expected", &|_| ());
        let check = |name: &str, change: &dyn Fn(&Path), right: bool| {
            let found = same_tree(&expected, &tree(name, change));
            assert_eq!(found.is_ok(), right, "{name}: {found:?}");
        };
        check("same", &|_| (), true);
        check("more", &|t| fs::write(t.join("x"), "").unwrap(), false);
        check(
            "content",
            &|t| fs::write(t.join("d/file"), "two").unwrap(),
            false,
        );
        let mode = |t: &Path| {
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(t.join("d/file"), mode).unwrap();
        };
        check("mode", &mode, false);
        let target = |t: &Path| {
            fs::remove_file(t.join("d/link")).unwrap();
            symlink("else", t.join("d/link")).unwrap();
        };
        check("target", &target, false);
    }

    #[test]
    fn an_archive_has_all_of_a_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("tree/d");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a"), "one").unwrap();
        fs::write(folder.join("b"), "two").unwrap();
        let archive = place.path().join("archive.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(place.path()).args(["--mtime=@7", "-cf"]);
        output(tar.arg(&archive).arg("tree")).unwrap();
        let check = |part: Option<&str>| {
            let found = archive_of(&archive, place.path(), "tree");
            match part {
                None => assert_eq!(found, Ok(())),
                Some(part) => assert!(found.as_ref().unwrap_err().contains(part), "{found:?}"),
            }
        };
        check(None);
        fs::write(folder.join("b"), "new").unwrap();
        check(Some("b: Contents differ"));
        fs::write(folder.join("b"), "two").unwrap();
        fs::set_permissions(folder.join("b"), fs::Permissions::from_mode(0o600)).unwrap();
        check(Some("b: Mode differs"));
        fs::set_permissions(folder.join("b"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(folder.join("c"), "").unwrap();
        check(Some("names 4 entries, and not the 5"));
    }

    #[test]
    fn a_blob_must_be_what_its_name_says() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("blobs/sha256");
        fs::create_dir_all(&folder).unwrap();
        let foo = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        assert!(blobs(place.path(), foo).unwrap_err().contains("missing"));
        fs::write(folder.join(foo), "foo").unwrap();
        assert_eq!(blobs(place.path(), foo), Ok(()));
        fs::write(folder.join(foo), "bar").unwrap();
        assert!(
            blobs(place.path(), foo)
                .unwrap_err()
                .contains("another content")
        );
    }
}
