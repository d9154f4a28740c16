//! One page: its directives and terms, expanded.

use std::path::Path;

use crate::glossary::{self, Glossary};
use crate::{Result, borrows, code, diagram, errors, levels, map, play, quiz, scene, session};

/// A page as mdBook takes it. Every problem of the page is told, with its line.
pub(crate) fn expand(
    project: &Path,
    glossary: &Glossary,
    page: &str,
    text: &str,
) -> std::result::Result<String, Vec<String>> {
    let mut out = String::new();
    let mut problems = Vec::new();
    let mut fence: Option<&str> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let shown = if let Some(open) = fence {
            if line.trim_start().starts_with(open) {
                fence = None;
            }
            Ok(line.to_owned())
        } else if let Some(mark) = ["```", "~~~"]
            .into_iter()
            .find(|m| line.trim_start().starts_with(m))
        {
            fence = Some(mark);
            Ok(line.to_owned())
        } else if let Some(directive) = directive(line) {
            one(project, glossary, page, directive)
        } else {
            glossary.link(line)
        };
        match shown {
            Ok(shown) => out += &(shown + "\n"),
            Err(why) => problems.push(format!("book/src/{page}:{number}: {why}")),
        }
    }
    if let Some(open) = fence {
        problems.push(format!(
            "book/src/{page}: a block that begins with {open} never ends"
        ));
    }
    if problems.is_empty() {
        Ok(out)
    } else {
        Err(problems)
    }
}

/// `name arguments` of a line `{{#name arguments}}`.
pub(crate) fn directive(line: &str) -> Option<&str> {
    line.trim().strip_prefix("{{#")?.strip_suffix("}}")
}

fn one(project: &Path, glossary: &Glossary, page: &str, directive: &str) -> Result<String> {
    let (name, arguments) = directive.split_once(' ').unwrap_or((directive, ""));
    let arguments = arguments.trim();
    match name {
        "code" => code::expand(project, arguments),
        "file" => code::expand_file(project, arguments),
        "session" => session::expand(project, arguments),
        "quiz" => quiz::expand(project, arguments),
        "borrows" => borrows::expand(project, arguments),
        "layers" => scene::expand(project, arguments),
        "play" => play::expand(project, arguments),
        "levels" => levels::expand(page),
        "diagram" => diagram::expand(project, arguments),
        "map" => map::expand(project),
        "errors" => errors::expand(project),
        "glossary" if page == glossary::PAGE => Ok(glossary.list()),
        _ => Err(format!("there is no directive {name:?} here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_with_its_line() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("book")).unwrap();
        let terms = "[[term]]\nname = \"a\"\nmeans = \"A.\"\n";
        std::fs::write(place.path().join("book/glossary.toml"), terms).unwrap();
        let glossary = Glossary::read(place.path()).unwrap();
        let text = "# T\n[[a]]\n```\n[[none]]\n{{#none}}\n```\n{{#quiz x}}\n[[none]]\n{{#what}}\n";
        let problems = expand(place.path(), &glossary, "p.md", text).unwrap_err();
        let starts: Vec<_> = problems
            .iter()
            .map(|p| p.split(": ").next().unwrap())
            .collect();
        assert_eq!(
            starts,
            ["book/src/p.md:7", "book/src/p.md:8", "book/src/p.md:9"]
        );
        let good = expand(place.path(), &glossary, "p.md", "[[a]]\n").unwrap();
        assert!(good.starts_with("<a class=\"term\""));
        let open = expand(place.path(), &glossary, "p.md", "```\na\n").unwrap_err();
        assert!(open[0].contains("never ends"));
    }
}
