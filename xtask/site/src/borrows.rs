//! `{{#borrows CHAPTER}}`: what a chapter takes from earlier ones, from `chapters/borrows.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Result, read};

/// By chapter: each module of core that its code may name, and the chapter that taught it.
pub(crate) type Table = BTreeMap<String, BTreeMap<String, String>>;

/// Reads the table, and holds it to its promise: one borrows from earlier chapters only.
pub(crate) fn table(project: &Path) -> Result<Table> {
    let file = "chapters/borrows.toml";
    let table: Table =
        toml::from_str(&read(project, file)?).map_err(|error| format!("{file}: {error}"))?;
    for (chapter, modules) in &table {
        for (module, teacher) in modules {
            if teacher >= chapter {
                return Err(format!(
                    "{file}: {chapter} borrows {module} from {teacher}, which is not before it"
                ));
            }
            if !table.contains_key(teacher) {
                return Err(format!("{file}: there is no chapter {teacher}"));
            }
        }
    }
    Ok(table)
}

/// What chapters take that the table does not allow them.
pub(crate) fn problems(project: &Path) -> Result<Vec<String>> {
    let table = table(project)?;
    let mut problems = Vec::new();
    for (chapter, allowed) in &table {
        let folder = project.join("chapters").join(chapter).join("src");
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| format!("read chapters/{chapter}/src: {error}"))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let file = format!("chapters/{chapter}/src/{name}");
            for module in named(&read(project, &file)?) {
                if !allowed.contains_key(&module) {
                    problems.push(format!(
                        "{file} names coracle::{module}, which chapters/borrows.toml does not give it"
                    ));
                }
            }
        }
    }
    Ok(problems)
}

/// The modules of core that a file names.
fn named(text: &str) -> Vec<String> {
    let ident = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| line.split("coracle::").skip(1));
    let name = |rest: &str| rest.chars().take_while(|sign| ident(*sign)).collect();
    after.map(name).collect()
}

/// What stands in the page for the box.
pub(crate) fn expand(project: &Path, chapter: &str) -> Result<String> {
    let table = table(project)?;
    let modules = table
        .get(chapter)
        .ok_or_else(|| format!("chapters/borrows.toml has no table [{chapter}]"))?;
    if modules.is_empty() {
        return Ok(
            "<p class=\"borrows\">This chapter borrows nothing: you can begin here.</p>".to_owned(),
        );
    }
    let each = modules.iter().map(|(module, teacher)| {
        format!(
            "<code>{module}</code> from <a href=\"{teacher}.html\">chapter {}</a>",
            number(teacher)
        )
    });
    let list = each.collect::<Vec<_>>().join(", ");
    Ok(format!(
        "<p class=\"borrows\">This chapter borrows {list}.</p>"
    ))
}

/// `7` of `07-build`.
fn number(chapter: &str) -> &str {
    let digits = chapter.split('-').next().unwrap_or(chapter);
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_must_be_allowed() {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("chapters/01-a/src");
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(place.path().join("chapters/borrows.toml"), "[01-a]").unwrap();
        std::fs::write(
            source.join("lib.rs"),
            "// coracle::x\nuse coracle::layer::Layer;\n",
        )
        .unwrap();
        let found = problems(place.path()).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("01-a/src/lib.rs names coracle::layer"));
    }

    #[test]
    fn nobody_borrows_from_what_comes_later() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("chapters")).unwrap();
        let with = |text: &str| {
            std::fs::write(place.path().join("chapters/borrows.toml"), text).unwrap();
            table(place.path())
        };
        assert!(with("[01-a]\n[02-b]\nlayer = \"01-a\"").is_ok());
        assert!(
            expand(place.path(), "01-a")
                .unwrap()
                .contains("borrows nothing")
        );
        assert!(
            expand(place.path(), "02-b")
                .unwrap()
                .contains("chapter 1</a>")
        );
        assert!(expand(place.path(), "03-c").is_err());
        let error = with("[01-a]\nlayer = \"02-b\"\n[02-b]").unwrap_err();
        assert!(error.contains("not before it"), "{error}");
        let error = with("[02-b]\nlayer = \"01-a\"").unwrap_err();
        assert!(error.contains("no chapter 01-a"), "{error}");
    }
}
