//! What a name in a layer's archive means.

use crate::{Result, Whiteout};

// ANCHOR: meaning
/// What an entry is for, as its name tells.
#[derive(Debug, PartialEq)]
pub enum Meaning {
    /// It is added at this path.
    Add(String),
    /// It hides something of the layers below, and is never seen itself.
    Hide(Whiteout),
    /// It means nothing: a name that an old tool kept for itself.
    Nothing,
}
// ANCHOR_END: meaning

// ANCHOR: classify
/// Says what an entry with this name does.
pub fn classify(name: &str) -> Result<Meaning> {
    let path = clean(name)?;
    let (directory, last) = path.rsplit_once('/').unwrap_or(("", &path));
    // TASK 1: Look at the last step of the path: does it hide something, and what?
    if last == ".wh..wh..opq" {
        return Ok(Meaning::Hide(Whiteout::Below(directory.to_owned())));
    }
    if last.starts_with(".wh..wh.") {
        return Ok(Meaning::Nothing);
    }
    let Some(hidden) = last.strip_prefix(".wh.") else {
        return Ok(Meaning::Add(path));
    };
    match hidden {
        "" => Err("is a whiteout without a name".into()),
        "." | ".." => Err("is a whiteout that leads outside its directory".into()),
        _ if directory.is_empty() => Ok(Meaning::Hide(Whiteout::Path(hidden.to_owned()))),
        _ => Ok(Meaning::Hide(Whiteout::Path(format!(
            "{directory}/{hidden}"
        )))),
    }
    // TASK_END
}
// ANCHOR_END: classify

/// A name without the steps that mean nothing, as in chapter 1: `./app//main.py` is `app/main.py`,
/// and the root is the empty text.
pub fn clean(name: &str) -> Result<String> {
    let mut steps = Vec::new();
    for step in name.split('/') {
        match step {
            "" | "." => {}
            ".." => return Err("contains `..`, which leads outside the root".into()),
            step => steps.push(step),
        }
    }
    Ok(steps.join("/"))
}

/// The directories that a path needs, the outermost first: `a` and `a/b` for `a/b/c`.
pub fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
