//! From the text of a level to the level.
//!
//! ```text
//! # A title
//! Set: Layers
//! Teaches: one sentence.
//! Chapter: 04-image
//! Par: 2
//!
//! Paragraphs of the story.
//!
//! ## Start
//! (a log in a fence)
//! ## Asserts
//! - `name` `predicate with words`: the sentence.
//! ## Hints
//! 1. …
//! ## Solution
//! (a log in a fence)
//! ## Wrong: name
//! (a log in a fence)
//! ```

use super::{Assert, Level, Predicate, Wrong};

/// Reads the level `id`. The error is a sentence that names the place.
pub fn parse(id: &str, text: &str) -> Result<Level, String> {
    let fail = |what: String| format!("level {id}: {what}");
    let mut sections = text.split("\n## ");
    let head = sections.next().unwrap_or_default();
    let mut level = head_of(id, head).map_err(fail)?;
    for section in sections {
        let (title, body) = section.split_once('\n').unwrap_or((section, ""));
        let known = fill(&mut level, title.trim(), body).map_err(fail)?;
        if !known {
            return Err(fail(format!("there is no section {title:?}")));
        }
    }
    for wrong in &level.wrong {
        if !level
            .asserts
            .iter()
            .any(|assert| assert.name == wrong.fails)
        {
            return Err(fail(format!(
                "a wrong answer names {:?}, which is no assert",
                wrong.fails
            )));
        }
    }
    Ok(level)
}

fn head_of(id: &str, head: &str) -> Result<Level, String> {
    let mut paragraphs = head.split("\n\n").map(str::trim).filter(|p| !p.is_empty());
    let first = paragraphs.next().unwrap_or_default();
    let mut lines = first.lines();
    let title = lines.next().and_then(|line| line.strip_prefix("# "));
    let title = title.ok_or("it begins with `# TITLE`")?;
    let fields: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let field = |name: &str| {
        let found = fields.iter().find(|(key, _)| *key == name);
        found
            .map(|(_, value)| (*value).to_owned())
            .ok_or(format!("there is no line `{name}: …`"))
    };
    let par = field("Par")?;
    Ok(Level {
        id: id.to_owned(),
        set: field("Set")?,
        title: title.to_owned(),
        teaches: field("Teaches")?,
        chapter: field("Chapter")?,
        par: par
            .parse()
            .map_err(|_| format!("Par: {par} is no number"))?,
        story: paragraphs.map(|p| p.replace('\n', " ")).collect(),
        start: String::new(),
        asserts: Vec::new(),
        hints: Vec::new(),
        solution: String::new(),
        wrong: Vec::new(),
    })
}

/// Fills in a section; false if there is none of that title.
fn fill(level: &mut Level, title: &str, body: &str) -> Result<bool, String> {
    match title {
        "Start" => level.start = fence(body)?,
        "Solution" => level.solution = fence(body)?,
        "Asserts" => {
            let items = body.lines().filter_map(|line| line.strip_prefix("- "));
            level.asserts = items.map(assert).collect::<Result<_, _>>()?;
        }
        "Hints" => {
            let items = body.lines().filter_map(|line| line.split_once(". "));
            let items = items.filter(|(number, _)| number.parse::<usize>().is_ok());
            level.hints = items.map(|(_, hint)| hint.to_owned()).collect();
        }
        other => match other.strip_prefix("Wrong: ") {
            Some(fails) => level.wrong.push(Wrong {
                fails: fails.to_owned(),
                log: fence(body)?,
            }),
            None => return Ok(false),
        },
    }
    Ok(true)
}

/// What stands between the fences of a section.
fn fence(body: &str) -> Result<String, String> {
    let start = body.find("```").ok_or("a section has no fence")?;
    let (_, inner) = body[start..]
        .split_once('\n')
        .ok_or("a fence does not begin")?;
    let end = inner.find("\n```").ok_or("a fence does not end")?;
    Ok(inner[..=end].to_owned())
}

/// `` `name` `predicate`: sentence ``.
fn assert(line: &str) -> Result<Assert, String> {
    let mut parts = line.splitn(5, '`');
    let mut next = || parts.next().unwrap_or_default();
    let (_, name, _, predicate, text) = (next(), next(), next(), next(), next());
    let text = text.strip_prefix(": ").ok_or(format!(
        "an assert is `name` `predicate`: sentence; not {line:?}"
    ))?;
    Ok(Assert {
        name: name.to_owned(),
        text: text.to_owned(),
        predicate: Predicate::parse(predicate)?,
    })
}
