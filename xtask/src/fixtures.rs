//! Test data that is too big for the repository: made once, kept in `target/fixtures`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::setup;

/// The folder, below the project's, that keeps fixtures.
pub(crate) const FOLDER: &str = "target/fixtures";

/// Makes the notes' base image, `python-3.12.tar`, unless the one that is there came from the
/// same recipe.
pub(crate) fn python(project: &Path, log: &Path) -> Result<(), String> {
    let recipe = project.join("tests/fixtures/python-base.sh");
    let requirements = project.join("tests/fixtures/notes/requirements.txt");
    let folder = project.join(FOLDER);
    let image = folder.join("python-3.12.tar");
    let note = folder.join("python-3.12.recipe");
    let key = key(&[&recipe, &requirements])?;
    if image.is_file() && std::fs::read_to_string(&note).is_ok_and(|kept| kept == key) {
        return Ok(());
    }
    let by_hand = format!(
        "{} {} {}",
        relative(&recipe, project),
        relative(&requirements, project),
        relative(&image, project)
    );
    if !setup::is_root() {
        return Err(format!("no base image for the notes; as root: {by_hand}"));
    }
    setup::say("making the notes' base image, a Debian with Python (about a minute)");
    let wrong = |error| format!("cannot write in {}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(wrong)?;
    let mut script = Command::new(&recipe);
    script.arg(&requirements).arg(&image);
    if !command::run(&mut script, log).success {
        return Err(format!(
            "the base image failed, see {}; it is made by: {by_hand}",
            log.display()
        ));
    }
    std::fs::write(&note, key).map_err(wrong)
}

/// A word that changes when one of the files does.
///
/// It only guards a cache, so a quick hash that needs no dependency is enough.
fn key(files: &[&PathBuf]) -> Result<String, String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let bytes = std::fs::read(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        bytes.hash(&mut hasher);
    }
    Ok(format!("{:016x}\n", hasher.finish()))
}

fn relative(path: &Path, project: &Path) -> String {
    let below = path.strip_prefix(project).unwrap_or(path);
    below.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_follows_the_content() {
        let file = std::env::temp_dir().join(format!("xtask-key-{}", std::process::id()));
        let key_of = |content: &str| {
            std::fs::write(&file, content).unwrap();
            key(&[&file]).unwrap()
        };
        assert_eq!(key_of("one"), key_of("one"));
        assert_ne!(key_of("one"), key_of("two"));
        std::fs::remove_file(&file).unwrap();
        assert!(key(&[&file]).unwrap_err().contains("xtask-key-"));
    }
}
