//! `{{#session CHAPTER/NAME}}`: a terminal session of a chapter, which its tests execute. Those of
//! the voyage need the whole program, so the end-to-end tests execute them.

use std::path::Path;

use crate::{Result, read};

/// What stands in the page for a session: the commands and what they print.
pub(crate) fn expand(project: &Path, arguments: &str) -> Result<String> {
    let (chapter, name) = arguments
        .split_once('/')
        .ok_or_else(|| format!("{arguments:?} is not CHAPTER/NAME"))?;
    let (file, runner) = if chapter == "voyage" {
        let file = format!("tests/sessions/voyage/{name}.trycmd");
        (file, "tests/tests/e2e_voyage.rs".to_owned())
    } else {
        let tests = format!("chapters/{chapter}/tests");
        let file = format!("{tests}/sessions/{name}.trycmd");
        (file, format!("{tests}/sessions.rs"))
    };
    if !project.join(&runner).is_file() {
        return Err(format!("nothing executes {file}: there is no {runner}"));
    }
    let shown = shown(&read(project, &file)?);
    if shown.is_empty() {
        return Err(format!("{file} has no session"));
    }
    let files = format!("{chapter}/tests/sessions/{name}.in");
    let mut there = std::fs::read_dir(project.join("chapters").join(&files)).into_iter();
    let mut there = there.by_ref().flatten().flatten();
    if there.any(|file| file.file_name() != ".keep") {
        let caption = format!("<p class=\"files\">Its files: <code>{files}</code></p>");
        return Ok(format!("{shown}\n\n{caption}"));
    }
    Ok(shown)
}

/// The blocks of a session's file. How a command ended is said in words, if it failed; `[..]`
/// stands for what is another thing each time.
fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    let mut block: Vec<String> = Vec::new();
    for line in text.lines() {
        if !inside && line.starts_with("```") {
            inside = true;
        } else if inside && line.starts_with("```") {
            inside = false;
            while block.last().is_some_and(|line| line.trim().is_empty()) {
                block.pop();
            }
            let shown = std::mem::take(&mut block).join("\n");
            out.extend(["```console\n", &shown, "\n```\n\n"]);
        } else if inside {
            match line.strip_prefix("? ") {
                None => block.push(line.replace("[..]", "…")),
                Some("success") => {}
                Some("failed") => block.push("# it fails, with exit code 1:".to_owned()),
                Some(code) => block.push(format!("# it fails, with exit code {code}:")),
            }
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed_is_shown() {
        let text = "Words.\n\n```console\n$ a b\nit took [..] s\n\n$ c\n? 3\nno\n\n```\n";
        assert_eq!(
            shown(text),
            "```console\n$ a b\nit took … s\n\n$ c\n# it fails, with exit code 3:\nno\n```"
        );
    }

    #[test]
    fn a_session_that_nothing_executes_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let error = expand(place.path(), "01-layers/pack").unwrap_err();
        assert!(
            error.contains("nothing executes chapters/01-layers"),
            "{error}"
        );
    }
}
