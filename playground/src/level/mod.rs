//! Levels: what must hold, and whether it does.
//!
//! A level is a text in `playground/levels/`: title, story, what it begins with, what must hold,
//! hints, a solution, and wrong answers. Tests replay all of it.

mod parse;
mod predicate;
mod table;
#[cfg(test)]
mod tests;

pub use parse::parse;
pub use predicate::Predicate;

use crate::session::Session;
use crate::view::{AssertView, LevelEntry, LevelView};

/// A level.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Its name in addresses, which is its file's name.
    pub id: String,
    /// The set that it belongs to.
    pub set: String,
    /// Its title.
    pub title: String,
    /// What it teaches, one sentence.
    pub teaches: String,
    /// The page of the book that teaches it.
    pub chapter: String,
    /// How many acts are enough.
    pub par: usize,
    /// What is wanted and why, in paragraphs.
    pub story: Vec<String>,
    /// What it begins with, as a log.
    pub start: String,
    /// What must hold.
    pub asserts: Vec<Assert>,
    /// A nudge, a hint, nearly all of it.
    pub hints: Vec<String>,
    /// A solution, as a log.
    pub solution: String,
    /// Answers that must fail.
    pub wrong: Vec<Wrong>,
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Assert {
    /// Its name.
    pub name: String,
    /// The same as a sentence.
    pub text: String,
    /// What is looked at.
    pub predicate: Predicate,
}

/// An answer that somebody may well give, and that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Wrong {
    /// The assert that it fails.
    pub fails: String,
    /// The answer, as a log.
    pub log: String,
}

/// Every level, in the order in which they are played.
pub fn all() -> Vec<Level> {
    let texts = table::LEVELS.iter();
    texts
        .filter_map(|(id, text)| parse(id, text).ok())
        .collect()
}

/// A level by its name.
pub fn find(id: &str) -> Option<Level> {
    let (id, text) = table::LEVELS.iter().find(|(name, _)| *name == id)?;
    parse(id, text).ok()
}

/// The list of all levels.
pub fn list() -> Vec<LevelEntry> {
    let entry = |level: Level| LevelEntry {
        id: level.id,
        set: level.set,
        title: level.title,
        teaches: level.teaches,
    };
    all().into_iter().map(entry).collect()
}

impl Level {
    /// Each assert, whether it holds, and what is the case.
    pub fn check(&self, session: &mut Session) -> Vec<AssertView> {
        let view = |assert: &Assert, session: &mut Session| {
            let (holds, evidence) = assert.predicate.check(session);
            AssertView {
                name: assert.name.clone(),
                text: assert.text.clone(),
                holds,
                evidence,
            }
        };
        self.asserts
            .iter()
            .map(|assert| view(assert, session))
            .collect()
    }

    /// The level as it stands.
    pub fn view(&self, session: &mut Session) -> LevelView {
        let asserts = self.check(session);
        let ids: Vec<&str> = table::LEVELS.iter().map(|(id, _)| *id).collect();
        let place = ids.iter().position(|id| *id == self.id);
        let number = self.id.rsplit('-').next().and_then(|n| n.parse().ok());
        LevelView {
            id: self.id.clone(),
            set: self.set.clone(),
            number: number.unwrap_or(1),
            title: self.title.clone(),
            story: self.story.clone(),
            solved: asserts.iter().all(|assert| assert.holds),
            asserts,
            acts: session.position(),
            par: self.par,
            hints: self.hints.clone(),
            solution: self.solution.clone(),
            chapter: self.chapter.clone(),
            next: place
                .and_then(|i| ids.get(i + 1))
                .map(|id| (*id).to_owned()),
        }
    }
}
