//! `[[term]]`: a link to the one sentence that says what a word means.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::{Result, html, read};

/// The page that lists all terms.
pub(crate) const PAGE: &str = "glossary.md";

/// The words of the field, by name.
#[derive(Debug)]
pub(crate) struct Glossary {
    terms: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    term: Vec<Term>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    name: String,
    means: String,
}

impl Glossary {
    /// Reads the words that `coracle glossary` prints, too.
    pub(crate) fn read(project: &Path) -> Result<Self> {
        Self::parse(&read(project, "book/glossary.toml")?)
            .map_err(|why| format!("book/glossary.toml: {why}"))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut terms = BTreeMap::new();
        for term in file.term {
            if !term.means.ends_with('.') {
                return Err(format!("{:?} needs a whole sentence", term.name));
            }
            if terms.insert(term.name.clone(), term.means).is_some() {
                return Err(format!("{:?} stands there twice", term.name));
            }
        }
        Ok(Self { terms })
    }

    /// A line of a page with its links made: `[[layer]]`, or `[[layer|layers]]` to read otherwise.
    /// What stands in backticks is code and stays.
    pub(crate) fn link(&self, line: &str) -> Result<String> {
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) = rest.find(['`', '[']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let length = if from.starts_with('`') {
                code_span(from)
            } else if let Some((inside, _)) = from
                .strip_prefix("[[")
                .and_then(|rest| rest.split_once("]]"))
            {
                out.push_str(&self.one(inside)?);
                rest = &from[inside.len() + 4..];
                continue;
            } else {
                1
            };
            out.push_str(&from[..length]);
            rest = &from[length..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn one(&self, inside: &str) -> Result<String> {
        let (term, shown) = inside.split_once('|').unwrap_or((inside, inside));
        let means = self
            .terms
            .get(term)
            .ok_or_else(|| format!("the glossary has no {term:?}"))?;
        Ok(format!(
            "<a class=\"term\" href=\"glossary.html#{}\" title=\"{}\">{}</a>",
            anchor(term),
            html::escape(&means.replace('`', "")),
            html::escape(shown)
        ))
    }

    /// The list of all terms.
    pub(crate) fn list(&self) -> String {
        let each = self.terms.iter().map(|(name, means)| {
            let (id, name) = (anchor(name), html::escape(name));
            format!(
                "<dt id=\"{id}\">{name}</dt>\n<dd>{}</dd>\n",
                html::inline(means)
            )
        });
        format!("<dl class=\"glossary\">\n{}</dl>", each.collect::<String>())
    }
}

/// How long the code is that begins a text: up to as many backticks as it begins with.
fn code_span(text: &str) -> usize {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let fence = &text[..ticks];
    match text[ticks..].find(fence) {
        Some(at) => ticks + at + ticks,
        None => ticks,
    }
}

fn anchor(term: &str) -> String {
    term.to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[term]]\nname = \"hard link\"\nmeans = \"A second name of `a`.\"\n";

    #[test]
    fn terms_become_links_and_code_stays() {
        let glossary = Glossary::parse(TEXT).unwrap();
        let link = glossary.link("a [[hard link|pair]] `[[x]]` [b](c) ``[[`]]`` end`");
        assert_eq!(
            link.unwrap(),
            "a <a class=\"term\" href=\"glossary.html#hard-link\" title=\"A second name of a.\">\
             pair</a> `[[x]]` [b](c) ``[[`]]`` end`"
        );
        assert_eq!(
            glossary.link("[[soft link]]").unwrap_err(),
            "the glossary has no \"soft link\""
        );
        assert!(
            glossary
                .list()
                .contains("<dt id=\"hard-link\">hard link</dt>")
        );
    }

    #[test]
    fn a_word_means_one_thing() {
        assert!(
            Glossary::parse(&TEXT.repeat(2))
                .unwrap_err()
                .contains("twice")
        );
        let error = Glossary::parse(&TEXT.replace("a`.", "a`")).unwrap_err();
        assert!(error.contains("whole sentence"), "{error}");
    }
}
