//! The reader's own folder: a workspace beside the project's, with copies to work on.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::chapters::Chapter;
use super::regions;
use super::{Result, task};
use crate::command;

/// A place for copies of chapters.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// The way from there up to the project: `..`.
    up: &'static str,
    /// The folder in it that has the copies; empty for its own.
    ///
    /// Cargo names what it compiles by the path of a package in its workspace. The tests' copies
    /// have another one than the reader's, so that neither is taken for the other in the target
    /// folder that all share.
    below: &'static str,
}

impl Workshop {
    /// The reader's.
    pub(crate) fn of_the_reader(project: &Path) -> Self {
        Self {
            folder: project.join("workshop"),
            up: "..",
            below: "",
        }
    }

    /// One of the tests' own, below `target`.
    pub(crate) fn of_the_tests(project: &Path) -> Self {
        Self {
            folder: project.join("target/course"),
            up: "../..",
            below: "starters/",
        }
    }

    /// Where a chapter's copy is.
    pub(crate) fn copy(&self, chapter: &Chapter) -> PathBuf {
        self.folder.join(self.below).join(&chapter.name)
    }

    /// Writes the starter of a chapter, whatever stood there.
    pub(crate) fn write(&self, project: &Path, chapter: &Chapter) -> Result<()> {
        self.write_workspace(project)?;
        let copy = self.copy(chapter);
        for file in sources(&chapter.folder)? {
            let path = copy.join(&file);
            if file.extension().is_some_and(|end| end == "rs") && file.starts_with("src") {
                let shown = format!("chapters/{}/{}", chapter.name, file.display());
                let text = read(&chapter.folder.join(&file))?;
                write(&path, regions::starter(&shown, &text)?.as_bytes())?;
            } else {
                write(&path, &bytes(&chapter.folder.join(&file))?)?;
            }
        }
        Ok(())
    }

    /// Puts everything back that a reader need not edit: the tests, the manifests, the versions.
    pub(crate) fn refresh(&self, project: &Path, chapter: &Chapter) -> Result<()> {
        self.write_workspace(project)?;
        let copy = self.copy(chapter);
        let tests = copy.join("tests");
        if tests.exists() {
            fs::remove_dir_all(&tests)
                .map_err(|error| format!("remove {}: {error}", tests.display()))?;
        }
        for file in sources(&chapter.folder)? {
            let (from, to) = (chapter.folder.join(&file), copy.join(&file));
            if !file.starts_with("src") {
                write(&to, &bytes(&from)?)?;
            } else if !to.exists() {
                return Err(format!(
                    "{} is gone. `cargo x start {} --force` writes the chapter's starter again, and moves what is there now aside",
                    to.display(),
                    chapter.number
                ));
            }
        }
        Ok(())
    }

    /// The workspace's own files: the project's versions and profiles, so that both share what is
    /// compiled, and none of its warnings about what is not finished yet.
    fn write_workspace(&self, project: &Path) -> Result<()> {
        let manifest = manifest(&read(&project.join("Cargo.toml"))?, self.up, self.below);
        write(&self.folder.join("Cargo.toml"), manifest.as_bytes())?;
        // What is compiled for the project is not compiled again when cargo is called in here.
        let config = format!("[build]\ntarget-dir = \"{}/target\"\n", self.up);
        write(&self.folder.join(".cargo/config.toml"), config.as_bytes())?;
        let lock = self.folder.join("Cargo.lock");
        if !lock.exists() {
            write(&lock, &bytes(&project.join("Cargo.lock"))?)?;
        }
        Ok(())
    }
}

/// `cargo x start`.
pub(crate) fn start(project: &Path, chapter: &Chapter, force: bool) -> Result<()> {
    let workshop = Workshop::of_the_reader(project);
    let copy = workshop.copy(chapter);
    if copy.exists() {
        if !force {
            return Err(format!(
                "workshop/{0} is there already. Go on with `cargo x check {1}`; `cargo x start {1} --force` begins anew, and moves what is there now aside",
                chapter.name, chapter.number
            ));
        }
        let aside = aside(&workshop.folder.join("before"), &chapter.name);
        let parent = aside.parent().unwrap_or(&aside);
        fs::create_dir_all(parent)
            .map_err(|error| format!("make {}: {error}", parent.display()))?;
        fs::rename(&copy, &aside)
            .map_err(|error| format!("move {} to {}: {error}", copy.display(), aside.display()))?;
        println!(
            "What was in workshop/{} is now in {}.",
            chapter.name,
            shown(project, &aside)
        );
    }
    workshop.write(project, chapter)?;
    let tasks = task::of(chapter)?;
    println!("{}: {}", chapter.name, chapter.idea);
    println!(
        "Your copy is workshop/{}. It compiles; {} gaps are left in it:\n",
        chapter.name,
        tasks.len()
    );
    for task in &tasks {
        println!("  Task {}  {}", task.number, task.asked);
    }
    println!(
        "\nRead the page book/src/{}.md (`cargo x book --open` shows it), then: cargo x check {}",
        chapter.name, chapter.number
    );
    Ok(())
}

/// `cargo x diff`.
pub(crate) fn diff(project: &Path, chapter: &Chapter) -> Result<()> {
    let copy = Workshop::of_the_reader(project).copy(chapter);
    if !copy.exists() {
        return Err(not_begun(chapter));
    }
    let solution = project.join("target/course-solution").join(&chapter.name);
    let mut same = true;
    for file in sources(&chapter.folder)?
        .iter()
        .filter(|file| file.starts_with("src"))
    {
        let text = regions::solution(&read(&chapter.folder.join(file))?);
        write(&solution.join(file), text.as_bytes())?;
        same &= fs::read_to_string(copy.join(file)).is_ok_and(|yours| yours == text);
    }
    if same {
        println!("workshop/{0} and chapters/{0} are the same.", chapter.name);
        return Ok(());
    }
    if !command::found("git") {
        return Err(format!(
            "git is not here to compare; the solution, without the book's marks, is in {}",
            shown(project, &solution)
        ));
    }
    println!("- yours, + the chapter's\n");
    let status = Command::new("git")
        .current_dir(project)
        .args(["--no-pager", "diff", "--no-index", "--"])
        .args([copy.join("src"), solution.join("src")])
        .status();
    status
        .map(drop)
        .map_err(|error| format!("start git: {error}"))
}

/// What to say when a chapter has no copy yet.
pub(crate) fn not_begun(chapter: &Chapter) -> String {
    format!(
        "{} is not begun: `cargo x start {}` writes your copy of it",
        chapter.name, chapter.number
    )
}

/// The manifest of a workshop, made of the project's.
fn manifest(project: &str, up: &str, below: &str) -> String {
    let mut out = String::from(
        "# Written by `cargo x start` and `cargo x check`; the versions are the project's.\n",
    );
    let mut section = "";
    for line in project.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let own = ["members", "default-members", "exclude"]
            .iter()
            .any(|key| line.starts_with(key));
        if line.starts_with('#') || section.starts_with("[workspace.lints") || own {
            continue;
        }
        out.push_str(&line.replace("path = \"", &format!("path = \"{up}/")));
        out.push('\n');
        if line == "[workspace]" {
            let _ = writeln!(out, "members = [\"{below}[0-9][0-9]-*\"]");
        }
    }
    out.push_str("\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\nunused = { level = \"allow\", priority = -1 }\nunreachable_code = \"allow\"\n");
    out
}

/// The files of a chapter that a copy has, seen from its folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from("Cargo.toml")];
    for top in ["src", "tests"] {
        walk(folder, Path::new(top), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let path = folder.join(below);
    let items = fs::read_dir(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    for item in items.flatten() {
        let name = below.join(item.file_name());
        if item.path().is_dir() {
            walk(folder, &name, found)?;
        } else {
            found.push(name);
        }
    }
    Ok(())
}

/// The first free name of the kind `01-layers.1` in a folder of its own: beside the copies it would
/// be one of the workspace's packages, and two cannot have one name.
fn aside(before: &Path, name: &str) -> PathBuf {
    let mut number = 1;
    loop {
        let path = before.join(format!("{name}.{number}"));
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

fn shown(project: &Path, path: &Path) -> String {
    path.strip_prefix(project)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| format!("read {}: {error}", path.display()))
}

/// Writes a file if that changes it: cargo compiles again what is younger than its result.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|error| format!("make {}: {error}", parent.display()))?;
    fs::write(path, bytes).map_err(|error| format!("write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_the_projects_seen_from_below() {
        let project = fs::read_to_string(crate::project().join("Cargo.toml")).unwrap();
        let manifest = manifest(&project, "..", "");
        for line in [
            "members = [\"[0-9][0-9]-*\"]",
            "coracle = { path = \"../core\" }",
            "edition = \"2024\"",
            "[profile.dev.package]",
        ] {
            assert!(manifest.lines().any(|l| l == line), "{line}\n{manifest}");
        }
        assert!(!manifest.contains("pedantic"), "{manifest}");
        assert_eq!(manifest.matches("members = ").count(), 1);
    }

    #[test]
    fn the_tests_copy_is_not_taken_for_the_readers() {
        let project = crate::project();
        let chapter = super::super::chapters::find(&project, "01").unwrap();
        let inside = |workshop: Workshop| {
            let copy = workshop.copy(&chapter);
            copy.strip_prefix(&workshop.folder).unwrap().to_owned()
        };
        let reader = inside(Workshop::of_the_reader(&project));
        assert_ne!(reader, inside(Workshop::of_the_tests(&project)));
    }

    #[test]
    fn nothing_is_written_over_when_a_chapter_is_begun_anew() {
        let before = std::env::temp_dir().join(format!("xtask-aside-{}", std::process::id()));
        fs::create_dir_all(before.join("01-layers.1")).unwrap();
        assert_eq!(aside(&before, "01-layers"), before.join("01-layers.2"));
        fs::remove_dir_all(&before).unwrap();
    }
}
