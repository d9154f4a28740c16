//! The whole book: loaded, expanded, checked and written.

use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use mdbook_preprocessor::book::Book;
use mdbook_preprocessor::errors::{Error, Result as Fate};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};

use crate::glossary::Glossary;
use crate::{Result, borrows, check, page};

/// Where the book is written, seen from the project.
pub(crate) const TARGET: &str = "target/site/book";

/// Writes the book, and returns its first page. A book with a problem is not written.
pub(crate) fn build(project: &Path) -> Result<PathBuf> {
    let sources = check::sources(project)?;
    let mut problems = check::sources_problems(project, &sources);
    problems.extend(borrows::problems(project)?);
    problems.extend(check::levels_problems(&sources));
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let root = project.join("book");
    let whole = |error: Error| format!("{error:#}");
    let mut config = Config::from_disk(root.join("book.toml")).map_err(whole)?;
    config.build.build_dir = project.join(TARGET);
    let mut book = MDBook::load_with_config(&root, config).map_err(whole)?;
    book.with_preprocessor(Directives {
        project: project.to_owned(),
        glossary: Glossary::read(project)?,
    });
    book.build().map_err(whole)?;
    let problems = check::links(&project.join(TARGET))?;
    if problems.is_empty() {
        Ok(project.join(TARGET).join("index.html"))
    } else {
        Err(problems.join("\n"))
    }
}

/// Expands every page.
struct Directives {
    project: PathBuf,
    glossary: Glossary,
}

impl Preprocessor for Directives {
    fn name(&self) -> &'static str {
        "directives"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> Fate<Book> {
        let mut problems = Vec::new();
        book.for_each_chapter_mut(|chapter| {
            let Some(path) = chapter.source_path.as_ref() else {
                return;
            };
            let name = path.display().to_string();
            match page::expand(&self.project, &self.glossary, &name, &chapter.content) {
                Ok(text) => chapter.content = text,
                Err(found) => problems.extend(found),
            }
        });
        if problems.is_empty() {
            Ok(book)
        } else {
            Err(Error::msg(problems.join("\n")))
        }
    }
}
