//! `{{#levels}}`: the playground's levels that belong to a page.

use coracle_playground::level::{Level, all};

use crate::html;

/// Where the playground is, seen from a page of the book.
pub(crate) const PLAYGROUND: &str = "../playground/index.html";

/// Links to the levels of a page, such as `01-layers.md`.
pub(crate) fn expand(page: &str) -> crate::Result<String> {
    let levels: Vec<Level> = all()
        .into_iter()
        .filter(|level| is_of(level, page))
        .collect();
    if levels.is_empty() {
        return Err(format!("no level belongs to {page}"));
    }
    let link = |level: &Level| {
        let (title, id) = (html::escape(&level.title), &level.id);
        format!("<a href=\"{PLAYGROUND}#level={id}\">{title}</a>")
    };
    let links: Vec<String> = levels.iter().map(link).collect();
    Ok(format!(
        "<p class=\"levels\">To be played: {}.</p>",
        links.join(", ")
    ))
}

/// Pages that levels belong to and that do not say so.
pub(crate) fn problems(sources: &[(&str, &str)]) -> Vec<String> {
    let lacks = |level: Level| {
        let page = format!("{}.md", level.chapter);
        let source = sources.iter().find(|(name, _)| *name == page);
        let says = source.is_some_and(|(_, text)| text.contains("{{#levels}}"));
        (!says).then(|| {
            format!(
                "book/src/{page} has no {{{{#levels}}}}, and the level {} belongs to it",
                level.id
            )
        })
    };
    all().into_iter().filter_map(lacks).collect()
}

fn is_of(level: &Level, page: &str) -> bool {
    page.strip_suffix(".md") == Some(level.chapter.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_links_to_its_levels_and_has_to() {
        let links = expand("01-layers.md").unwrap();
        assert!(
            links.contains("#level=layers-1\">Your first layer</a>"),
            "{links}"
        );
        assert!(expand("glossary.md").is_err());
        let found = problems(&[("01-layers.md", "{{#levels}}")]);
        assert!(!found.iter().any(|problem| problem.contains("01-layers.md")));
        assert!(found.iter().any(|problem| problem.contains("08-cache.md")));
    }
}
