//! `.dockerignore`: which files of a context are left out, and which line says so.
//!
//! The rules are those of moby's patternmatcher. Patterns are read from top to bottom and the last
//! one that matches decides; `!` takes a file back in. A pattern that matches a directory also
//! matches everything below it. A line that begins with `#` is a comment.

use super::glob::{BadPattern, Glob};
use crate::diagnostic::{Diagnostic, Span};
use crate::path::RootedPath;

/// The patterns of an ignore file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignore {
    /// The patterns, in order.
    pub patterns: Vec<Pattern>,
}

/// One line of an ignore file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The line, from 1.
    pub line: usize,
    /// The pattern as written, without space around it; with its `!`.
    pub text: String,
    /// Whether it begins with `!`.
    pub negated: bool,
    glob: Glob,
}

/// What is decided about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decision {
    /// Whether it is left out.
    pub ignored: bool,
    /// The line that decided, the last one that matches; `None` when none does.
    pub by: Option<usize>,
}

/// Which patterns match a directory or something above it; what a walk keeps per directory, so
/// that no directory is matched twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Above {
    matched: Vec<bool>,
}

/// Reads an ignore file. What is wrong is in the diagnostics, and is then left out.
pub fn parse(text: &str) -> (Ignore, Vec<Diagnostic>) {
    let mut ignore = Ignore::default();
    let mut diagnostics = Vec::new();
    let mut at = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    for (i, line) in text[at..].split('\n').enumerate() {
        let start = at;
        at += line.len() + 1;
        let written = line.trim();
        if line.starts_with('#') || written.is_empty() {
            continue;
        }
        let start = start + (line.len() - line.trim_start().len());
        match pattern(written, i + 1) {
            Ok(pattern) => ignore.patterns.push(pattern),
            Err((offset, reason)) => {
                let start = start + offset.min(written.len());
                let span = Span::new(start, start + written.len() - offset.min(written.len()));
                diagnostics.push(
                    Diagnostic::error("InvalidPattern", span, format!("`{written}`: {reason}"))
                        .note("a pattern is a path with *, ?, [a-z] and **; \\ escapes"),
                );
            }
        }
    }
    (ignore, diagnostics)
}

fn pattern(written: &str, line: usize) -> Result<Pattern, (usize, &'static str)> {
    let (negated, path) = match written.strip_prefix('!') {
        Some(path) => (true, path.trim_start()),
        None => (false, written),
    };
    if path.is_empty() {
        return Err((0, "`!` needs a pattern to take back in"));
    }
    let offset = written.len() - path.len();
    // Only the position of a mistake in a path that needs no cleaning is exact.
    let clean = clean(path);
    let place = |error: &BadPattern| if clean == path { error.at } else { 0 };
    let glob = Glob::path(&clean).map_err(|e| (offset + place(&e), e.reason))?;
    Ok(Pattern {
        line,
        text: written.to_owned(),
        negated,
        glob,
    })
}

/// The shortest path that means the same, as Go's `filepath.Clean`, without a leading slash.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if path.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    match parts.is_empty() {
        true if path.starts_with('/') => "/".to_owned(),
        true => ".".to_owned(),
        false => parts.join("/"),
    }
}

impl Ignore {
    /// The patterns of `COPY --exclude`, which are read like lines of an ignore file. The lines
    /// are numbered from 1.
    pub fn of<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, BadPattern> {
        let mut ignore = Self::default();
        for (i, text) in patterns.into_iter().enumerate() {
            if text.trim().is_empty() {
                continue;
            }
            let pattern = pattern(text.trim(), i + 1).map_err(|(at, reason)| BadPattern {
                pattern: text.to_owned(),
                at,
                reason,
            })?;
            ignore.patterns.push(pattern);
        }
        Ok(ignore)
    }

    /// Whether a path is left out, and which line decided. The root itself never is.
    pub fn check(&self, path: &RootedPath) -> Decision {
        let mut above = Above::default();
        for directory in path.ancestors().filter(|p| !p.is_root()) {
            above = self.check_below(&above, &directory).1;
        }
        self.check_below(&above, path).0
    }

    /// The same for a path whose directory's `Above` is known (the default for the root), and
    /// the path's own `Above` for what lies below it.
    pub fn check_below(&self, above: &Above, path: &RootedPath) -> (Decision, Above) {
        if path.is_root() {
            return (Decision::default(), Above::default());
        }
        let text = path.to_text();
        let matched: Vec<bool> = self
            .patterns
            .iter()
            .enumerate()
            .map(|(i, p)| above.matched.get(i) == Some(&true) || p.glob.matches(&text))
            .collect();
        let last = matched.iter().rposition(|m| *m).map(|i| &self.patterns[i]);
        let decision = Decision {
            ignored: last.is_some_and(|p| !p.negated),
            by: last.map(|p| p.line),
        };
        (decision, Above { matched })
    }

    /// Whether anything below an ignored directory can be taken back in. If not, a walk need not
    /// look into it.
    pub fn may_take_back_below(&self, directory: &RootedPath) -> bool {
        let start = format!("{}/", directory.to_text());
        self.patterns
            .iter()
            .any(|p| p.negated && p.glob.may_match_below(&start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootedPath {
        RootedPath::parse(text).unwrap()
    }

    #[test]
    fn the_last_line_that_matches_decides() {
        let check = |lines: &str, name: &str, ignored: bool, by: Option<usize>| {
            let (ignore, diagnostics) = parse(lines);
            assert_eq!(diagnostics, [], "{lines}");
            let expected = Decision { ignored, by };
            assert_eq!(ignore.check(&path(name)), expected, "{lines:?} {name}");
        };
        check("", "a", false, None);
        check("*", "", false, None);
        check("a", "a", true, Some(1));
        check("a", "b/a", false, None);
        check("a", "a/b/c", true, Some(1));
        check("# a\n\n  b  \r\n", "b", true, Some(3));
        check(" # a", "# a", true, Some(1));
        check("/a/", "a/b", true, Some(1));
        check("./x/../a", "a", true, Some(1));
        check("\u{feff}a", "a", true, Some(1));
        check("*.md\n!README.md", "README.md", false, Some(2));
        check(
            "*.md\n!README*.md\nREADME-secret.md",
            "README-secret.md",
            true,
            Some(3),
        );
        check(
            "*.md\nREADME-secret.md\n!README*.md",
            "README-secret.md",
            false,
            Some(3),
        );
        check("!a\na", "a", true, Some(2));
        check("!a", "a", false, Some(1));
        check("*.log\ndebug.log", "debug.log", true, Some(2));
        check("docs\n!docs/a", "docs/a", false, Some(2));
        check("docs\n!docs/a", "docs/a/b", false, Some(2));
        check("docs\n!docs/a", "docs/b", true, Some(1));
        check("**\n!src\nsrc/x", "src/x/y", true, Some(3));
        check("**\n! src", "src/y", false, Some(2));
        check("*/temp*", "a/temporary", true, Some(1));
        check("*/temp*", "a/b/temporary", false, None);
        check("**/*.go", "a/b/c.go", true, Some(1));
        check(r"\!a", "!a", true, Some(1));
        check("[a-c]/?", "b/x/y", true, Some(1));
        check(".", "a", false, None);
        check("/", "a", false, None);
        check("..", "a", false, None);
    }

    #[test]
    fn malformed_lines_are_shown() {
        let check = |text: &str, spans: &[(usize, usize)]| {
            let (_, diagnostics) = parse(text);
            let got: Vec<_> = diagnostics
                .iter()
                .map(|d| (d.span.start, d.span.end))
                .collect();
            assert_eq!(got, spans, "{text:?}");
        };
        check("a\n  x[\n!\n", &[(5, 6), (7, 8)]);
        check("! a[b", &[(3, 5)]);
        check("a\\", &[(1, 2)]);
        assert!(Ignore::of(["a", "[", ""]).is_err());
        assert_eq!(Ignore::of(["a", " ", "b"]).unwrap().patterns[1].line, 3);
    }

    #[test]
    fn ignored_directories_are_entered_only_if_something_can_come_back() {
        let check = |lines: &str, directory: &str, expected: bool| {
            let (ignore, _) = parse(lines);
            assert_eq!(
                ignore.may_take_back_below(&path(directory)),
                expected,
                "{lines} {directory}"
            );
        };
        check("a", "a", false);
        check("a\n!b", "a", false);
        check("a\n!a/b/c", "a", true);
        check("a\n!a/b/c", "a/b", true);
        check("a\n!a/b/c", "a/x", false);
        check("a\n!**/*.md", "a", true);
        check("a\n!*.md", "a", false);
    }

    #[test]
    fn a_walk_decides_like_a_lookup() {
        let (ignore, _) = parse("a\n!a/b\n**/c\n!a/*/c/d\na/b/x*");
        let names = [
            "a",
            "a/b",
            "a/b/c",
            "a/b/c/d",
            "a/b/c/d/e",
            "a/b/xy",
            "q/c",
            "q",
        ];
        for name in names.map(path) {
            let mut above = Above::default();
            let mut decision = Decision::default();
            for step in name.ancestors().skip(1).chain([name.clone()]) {
                (decision, above) = ignore.check_below(&above, &step);
            }
            assert_eq!(decision, ignore.check(&name), "{name}");
        }
    }
}
