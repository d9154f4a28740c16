//! What holds for the whole book: pages that can be read at a sitting, one sentence a line, links
//! that lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::{Result, levels, page, places, read};

/// How many words a chapter's page may have: fifteen minutes at 120 words a minute, which is slow,
/// because code and terms are read slowly.
const WORDS: usize = 1_800;

/// A page's source.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    text: String,
}

/// All pages, by name.
pub(crate) fn sources(project: &Path) -> Result<Vec<Source>> {
    let folder = project.join("book/src");
    let mut names = Vec::new();
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("read book/src: {e}"))?;
    for entry in entries {
        let name = entry
            .map_err(|e| format!("read book/src: {e}"))?
            .file_name();
        if Path::new(&name).extension().is_some_and(|end| end == "md") {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    let source = |name: String| {
        let text = read(project, &format!("book/src/{name}"))?;
        Ok(Source { name, text })
    };
    names.into_iter().map(source).collect()
}

/// What is wrong with the sources.
pub(crate) fn sources_problems(project: &Path, sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    let summary = sources.iter().find(|source| source.name == "SUMMARY.md");
    for source in sources {
        let name = &source.name;
        let listed = |summary: &&Source| summary.text.contains(&format!("({name})"));
        if name != "SUMMARY.md" && !summary.as_ref().is_some_and(listed) {
            problems.push(format!("book/src/{name} is not in SUMMARY.md"));
        }
        for (number, line) in prose(&source.text) {
            let place = |why| format!("book/src/{name}:{number}: {why}");
            problems.extend(places::problems(project, name, line).into_iter().map(place));
        }
        if is_chapter(name) {
            let words = words(&source.text);
            if words > WORDS {
                problems.push(format!(
                    "book/src/{name} has {words} words, {WORDS} are the most"
                ));
            }
            problems.extend(sentences(name, &source.text));
        }
    }
    problems
}

/// Levels of the playground that their pages do not name.
pub(crate) fn levels_problems(sources: &[Source]) -> Vec<String> {
    let texts: Vec<_> = sources
        .iter()
        .map(|source| (source.name.as_str(), source.text.as_str()))
        .collect();
    levels::problems(&texts)
}

/// Whether a page is one of the course: `NN-name.md`, and the voyage.
fn is_chapter(name: &str) -> bool {
    name == "voyage.md" || name.starts_with(|sign: char| sign.is_ascii_digit())
}

/// The words that are read: not code blocks, not directives.
fn words(text: &str) -> usize {
    prose(text)
        .map(|(_, line)| line.split_whitespace().count())
        .sum()
}

/// The lines of a page that are sentences, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        if line.starts_with("```") {
            inside = !inside;
            return false;
        }
        !inside && page::directive(line).is_none() && !line.starts_with('|')
    })
}

/// Lines that hold more than one sentence: a change of one is then a change of one line.
fn sentences(name: &str, text: &str) -> Vec<String> {
    let ends = |line: &str| {
        let bytes = line.as_bytes();
        (2..bytes.len().saturating_sub(1)).any(|at| {
            matches!(bytes[at - 1], b'.' | b'?' | b'!')
                && !bytes[at - 2].is_ascii_digit()
                && bytes[at] == b' '
                && bytes[at + 1].is_ascii_uppercase()
        })
    };
    prose(text)
        .filter(|(_, line)| !line.starts_with('#') && ends(line))
        .map(|(number, _)| format!("book/src/{name}:{number}: more than one sentence in a line"))
        .collect()
}

/// Links of the written pages that lead nowhere, or out of the book without saying how.
pub(crate) fn links(target: &Path) -> Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    collect(target, target, &mut pages)?;
    let ids: BTreeMap<&PathBuf, BTreeSet<String>> = pages
        .iter()
        .map(|(path, text)| (path, attributes(text, "id").collect()))
        .collect();
    let mut problems = BTreeSet::new();
    for (path, text) in &pages {
        let name = path.display();
        // mdBook's own page for what is not found, and the list of chapters, are not ours.
        if matches!(
            name.to_string().as_str(),
            "404.html" | "toc.html" | "print.html"
        ) {
            continue;
        }
        for src in attributes(text, "src") {
            if src.contains("//") {
                problems.insert(format!("{name} loads {src} from elsewhere"));
            }
        }
        for link in attributes(text, "href") {
            // The playground beside the book has tests of its own.
            let beside = link.starts_with(levels::PLAYGROUND);
            if link.contains("://") || link.is_empty() || beside {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap_or(Path::new("")).join(file)
            };
            if !target.join(&file).is_file() {
                problems.insert(format!("{name} links to {link}, which is not there"));
            } else if !fragment.is_empty()
                && ids.get(&file).is_some_and(|ids| !ids.contains(fragment))
            {
                problems.insert(format!(
                    "{name} links to {link}, and no such place is in it"
                ));
            }
        }
    }
    Ok(problems.into_iter().collect())
}

/// All pages below a folder, by their path from `target`.
fn collect(target: &Path, folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let wrong = |error: std::io::Error| format!("read {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_dir() {
            collect(target, &path, pages)?;
        } else if path.extension().is_some_and(|end| end == "html") {
            let name = path.strip_prefix(target).unwrap_or(&path).to_owned();
            pages.insert(name, std::fs::read_to_string(&path).map_err(wrong)?);
        }
    }
    Ok(())
}

/// The values of an attribute, as mdBook and we write it.
fn attributes<'a>(text: &'a str, name: &str) -> impl Iterator<Item = String> + 'a {
    let start = format!(" {name}=\"");
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.find(&start)? + start.len();
        let end = at + rest[at..].find('"')?;
        let value = rest[at..end].replace("&amp;", "&");
        rest = &rest[end..];
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, text: &str) -> Vec<String> {
        let source = |name: &str, text: &str| Source {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        let summary = source("SUMMARY.md", "- [One](01-one.md)");
        sources_problems(Path::new(""), &[summary, source(name, text)])
    }

    #[test]
    fn a_page_is_short_listed_and_has_one_sentence_a_line() {
        let good = "# 1. One\n\nA sentence, e.g. this one.\nAnother of 1.1. X.\n```\nA. B.\n```\n";
        assert_eq!(problems("01-one.md", good), [""; 0]);
        assert!(problems("02-two.md", good)[0].contains("not in SUMMARY.md"));
        assert!(problems("01-one.md", "One. Two.\n")[0].starts_with("book/src/01-one.md:1: more"));
        let long = "word ".repeat(WORDS + 1);
        assert!(problems("01-one.md", &long)[0].contains("1801 words"));
    }

    #[test]
    fn a_link_leads_to_a_page_and_a_place_in_it() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(place.path().join(name), text).unwrap();
        };
        write(
            "a.html",
            "<a href=\"b.html#here\"> <a href=\"#top\"> <h1 id=\"top\"> <a href=\"https://x.example\">",
        );
        write(
            "b.html",
            "<p id=\"here\"> <img src=\"https://x.example/i.png\">",
        );
        assert_eq!(
            links(place.path()).unwrap(),
            ["b.html loads https://x.example/i.png from elsewhere"]
        );
        write("b.html", "<a href=\"c.html\"> <a href=\"a.html#bottom\">");
        let found = links(place.path()).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
