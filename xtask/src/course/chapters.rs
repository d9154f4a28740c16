//! The chapters that there are.

use std::path::{Path, PathBuf};

use super::Result;

/// The numbers of all chapters that the course is meant to have.
const PLANNED: std::ops::RangeInclusive<usize> = 1..=20;

/// One chapter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chapter {
    /// Its folder's name: `03-stack`.
    pub(crate) name: String,
    /// Its number as it is written: `03`.
    pub(crate) number: String,
    /// Its package: `ch03-stack`.
    pub(crate) package: String,
    /// Its one idea: the package's description.
    pub(crate) idea: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
}

/// Every chapter, in the order of their numbers.
pub(crate) fn all(project: &Path) -> Result<Vec<Chapter>> {
    let folder = project.join("chapters");
    let items = std::fs::read_dir(&folder)
        .map_err(|error| format!("read {}: {error}", folder.display()))?;
    let names = items.flatten().map(|item| item.file_name());
    let mut chapters: Vec<Chapter> = names
        .filter_map(|name| Some(name.to_str()?.to_owned()))
        .filter_map(|name| read(&folder, &name))
        .collect();
    chapters.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(chapters)
}

/// The chapter that a person means: `3`, `03`, `03-stack`, `stack` or `ch03-stack`.
pub(crate) fn find(project: &Path, word: &str) -> Result<Chapter> {
    let chapters = all(project)?;
    let meant = |chapter: &&Chapter| {
        let (number, title) = chapter.name.split_once('-').unwrap_or_default();
        word == chapter.name
            || word == chapter.package
            || word == title
            || word.parse::<usize>().is_ok_and(|n| number.parse() == Ok(n))
    };
    if let Some(chapter) = chapters.iter().find(meant) {
        return Ok(chapter.clone());
    }
    let names: Vec<&str> = chapters.iter().map(|c| c.name.as_str()).collect();
    let planned = word.parse().is_ok_and(|number| PLANNED.contains(&number));
    let what = if planned {
        format!("chapter {word} is planned, and not written yet")
    } else {
        format!("there is no chapter {word:?}")
    };
    Err(format!("{what}; there are {}", names.join(", ")))
}

/// The chapter in this folder; `None` when it is something else that stands there.
fn read(chapters: &Path, name: &str) -> Option<Chapter> {
    let (number, _) = name.split_once('-')?;
    number.parse::<usize>().ok()?;
    let folder = chapters.join(name);
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    let field = |key: &str| {
        let start = format!("{key} = \"");
        let line = manifest.lines().find_map(|line| line.strip_prefix(&start));
        line.and_then(|rest| rest.strip_suffix('"'))
            .map(str::to_owned)
    };
    Some(Chapter {
        name: name.to_owned(),
        number: number.to_owned(),
        package: field("name")?,
        idea: field("description").unwrap_or_default(),
        folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_is_found_by_what_people_type() {
        let project = crate::project();
        for word in ["1", "01", "01-layers", "layers", "ch01-layers"] {
            assert_eq!(find(&project, word).unwrap().name, "01-layers", "{word}");
        }
        let error = find(&project, "77").unwrap_err();
        assert!(error.contains("01-layers"), "{error}");
        let error = find(&project, "20").unwrap_err();
        assert!(error.contains("planned"), "{error}");
    }
}
