//! Every word of the book is in a dictionary, or in `book/words.txt`.
//!
//! Hunspell knows British English; the list has what it does not: names, and words of the field.
//! A word of the list that no page has is a problem, too, so the list stays short.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::{Result, read};

const WORDS: &str = "book/words.txt";

/// What is wrong with the words of the pages, quizzes and the glossary.
pub(crate) fn problems(project: &Path) -> Result<Vec<String>> {
    let places = places(project)?;
    let allowed: BTreeSet<String> = read(project, WORDS)?
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let unknown = unknown(places.keys())?;
    let mut problems = Vec::new();
    for word in unknown.difference(&allowed) {
        let place = places.get(word).map_or("the book", String::as_str);
        problems.push(format!(
            "{place}: {word:?} is in no dictionary; if it is right, {WORDS} takes it"
        ));
    }
    for word in allowed.difference(&unknown) {
        problems.push(format!("{WORDS}: no page has {word:?}, or it is known"));
    }
    Ok(problems)
}

/// Every word that is read, with the first file that has it.
fn places(project: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = vec![
        "book/errors.toml".to_owned(),
        "book/glossary.toml".to_owned(),
    ];
    for folder in ["book/src", "book/quizzes"] {
        let entries = std::fs::read_dir(project.join(folder))
            .map_err(|error| format!("read {folder}: {error}"))?;
        let name = |name: std::ffi::OsString| format!("{folder}/{}", name.to_string_lossy());
        files.extend(entries.flatten().map(|entry| name(entry.file_name())));
    }
    files.sort();
    let mut places = BTreeMap::new();
    for file in files {
        let mut add = |text: &str| {
            for word in words(text) {
                places.entry(word).or_insert_with(|| file.clone());
            }
        };
        match Path::new(&file).extension().and_then(|end| end.to_str()) {
            Some("md") => add(&read(project, &file)?),
            Some("toml") => {
                let value = toml::from_str(&read(project, &file)?)
                    .map_err(|error| format!("{file}: {error}"))?;
                strings(&value, &mut add);
            }
            _ => {}
        }
    }
    Ok(places)
}

/// Every text of a TOML document, but the names of files.
fn strings(value: &toml::Value, found: &mut impl FnMut(&str)) {
    match value {
        toml::Value::String(text) => found(text),
        toml::Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        toml::Value::Table(table) => {
            let texts = table.iter().filter(|(key, _)| *key != "file");
            texts.for_each(|(_, value)| strings(value, found));
        }
        _ => {}
    }
}

/// The words of a Markdown text that are language: not code, not directives, not addresses.
fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut code = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code = true,
            Event::End(TagEnd::CodeBlock) => code = false,
            Event::Text(text) if !code && !text.starts_with("{{#") => {
                let parts = text.split(|sign: char| !sign.is_alphanumeric() && sign != '\'');
                let words = parts.map(|part| part.trim_matches('\''));
                let words = words.map(|word| word.trim_end_matches("'s"));
                found.extend(words.filter(|word| is_language(word)).map(str::to_owned));
            }
            _ => {}
        }
    }
    found
}

/// Whether a word is one of people: not `x86`, `OCI` or `BuildKit`.
fn is_language(word: &str) -> bool {
    let small = |sign: char| sign.is_lowercase() || sign == '\'';
    let mut signs = word.chars();
    signs.next().is_some_and(char::is_alphabetic) && signs.all(small)
}

/// Those that Hunspell does not know.
fn unknown<'a>(words: impl Iterator<Item = &'a String>) -> Result<BTreeSet<String>> {
    let refused = |error: std::io::Error| {
        format!("start hunspell: {error}. On Debian: apt-get install hunspell hunspell-en-gb")
    };
    let text = words.map(String::as_str).collect::<Vec<_>>().join("\n") + "\n";
    let mut child = Command::new("hunspell")
        .args(["-d", "en_GB", "-i", "utf-8", "-l"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(refused)?;
    let mut input = child.stdin.take().ok_or("hunspell takes no input")?;
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(text.as_bytes()));
        child.wait_with_output().map_err(refused)
    })?;
    if !output.status.success() {
        return Err(
            "hunspell has no dictionary en_GB. On Debian: apt-get install hunspell-en-gb"
                .to_owned(),
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_directives_are_no_language() {
        let text = "# Head\n\n{{#quiz 01-layers}}\n\nIt's `cdoe`, the reader's [link](nowhere.md) x86.\n\n```\nfn\n```\n\n| cell |\n| --- |\n| row |\n";
        let expected = ["Head", "It", "cell", "link", "reader", "row", "the"];
        let found: Vec<String> = words(text).into_iter().collect();
        assert_eq!(found, expected);
    }
}
