//! The list of skips that do not fail a run: `tests/allowed-skips.txt`.

use std::path::Path;

use crate::tally::Skip;

/// The lines of the list.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    lines: Vec<Line>,
}

/// One line: a skip of `test` in `suite` is fine when its reason contains `because`.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    suite: String,
    test: String,
    because: String,
}

impl Allowed {
    /// Reads the list; no file is an empty list.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        }
    }

    /// Parses lines of the form `SUITE TEST: a part of the reason`; `*` as SUITE or TEST is any.
    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parsed = line
                .split_once(": ")
                .and_then(|(names, because)| Some((names.split_once(' ')?, because)));
            let Some(((suite, test), because)) = parsed else {
                return Err(format!(
                    "line {} is not `SUITE TEST: reason`: {line:?}",
                    index + 1
                ));
            };
            lines.push(Line {
                suite: suite.into(),
                test: test.trim().into(),
                because: because.trim().into(),
            });
        }
        Ok(Self { lines })
    }

    /// Whether the list allows this skip.
    ///
    /// The reason is part of the match: a test that may be skipped because the user is not root
    /// may still not be skipped because a program is missing.
    pub(crate) fn allows(&self, suite: &str, skip: &Skip) -> bool {
        let fits = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        self.lines.iter().any(|line| {
            fits(&line.suite, suite)
                && fits(&line.test, &skip.test)
                && skip.reason.contains(&line.because)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suite_test_and_reason_must_all_fit() {
        let list = "# a comment\n\nunit mounts: needs root\ne2e-root *: needs root\n";
        let allowed = Allowed::parse(list).unwrap();
        let check = |suite: &str, test: &str, reason: &str, expected: bool| {
            let skip = Skip {
                test: test.into(),
                reason: reason.into(),
            };
            let seen = allowed.allows(suite, &skip);
            assert_eq!(seen, expected, "{suite} {test}: {reason}");
        };
        check("unit", "mounts", "needs root (uid is 1000)", true);
        check("unit", "mounts", "podman is missing", false);
        check("unit", "other", "needs root", false);
        check("golden", "mounts", "needs root", false);
        check("e2e-root", "anything", "needs root", true);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = Allowed::parse("unit mounts: fine\nnonsense\n").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
    }
}
