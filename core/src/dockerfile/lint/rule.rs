//! Rules as data: a name, a severity, a reason, an example that breaks it and one that does not.
//!
//! The documentation and the tests are made from the same table, so that neither can say what the
//! other does not.

use std::fmt::Write as _;

use serde::Serialize;

use super::rules::GROUPS;
use super::view::View;
use crate::diagnostic::{Diagnostic, Severity};

/// One rule.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// Its name, by which `# check=skip=` knows it.
    pub name: &'static str,
    /// How bad it is to break it.
    pub severity: Severity,
    /// Who named it.
    pub origin: Origin,
    /// Whether it is checked only when a file asks for it by `# check=experimental=`.
    pub experimental: bool,
    /// Why it is one, in a sentence without a full stop.
    pub reason: &'static str,
    /// A file that breaks it.
    pub bad: &'static str,
    /// A file that means the same and does not.
    pub good: &'static str,
    /// The ignore file of both examples; mostly empty.
    pub ignore: &'static str,
    #[serde(skip)]
    pub(super) check: Check,
}

/// Who named a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// BuildKit, among its published build checks.
    BuildKit,
    /// Coracle.
    Coracle,
}

/// How a rule is checked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Check {
    /// Reading the file finds it.
    Parser,
    /// This finds all places that break it. Name, severity and reason are filled in later.
    Rule(fn(&View<'_>) -> Vec<Diagnostic>),
}

/// Rules that are about one thing.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// The rules.
    pub rules: &'static [Rule],
}

/// A rule of BuildKit that is checked by a function.
pub(super) const BUILDKIT: Rule = Rule {
    name: "",
    severity: Severity::Warning,
    origin: Origin::BuildKit,
    experimental: false,
    reason: "",
    bad: "",
    good: "",
    ignore: "",
    check: Check::Parser,
};

/// A rule of our own that is checked by a function.
pub(super) const CORACLE: Rule = Rule {
    origin: Origin::Coracle,
    ..BUILDKIT
};

/// All rules, in the order of the documentation.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    GROUPS.iter().flat_map(|group| group.rules)
}

/// The rule of this name.
pub fn rule(name: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.name == name)
}

/// The documentation of all rules, as Markdown.
pub fn documentation() -> String {
    let mut out = String::from(
        "# Rules of `coracle dockerfile lint`\n\n\
         A file turns rules off by `# check=skip=NAME,NAME` at its top; with `error=true`, any \
         warning makes `lint` and `build --check` fail.\n",
    );
    for group in GROUPS {
        let _ = write!(out, "\n## {}\n", group.title);
        for rule in group.rules {
            document(&mut out, rule);
        }
    }
    out
}

fn document(out: &mut String, rule: &Rule) {
    let severity = match rule.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let origin = match rule.origin {
        Origin::BuildKit => ", as in BuildKit",
        Origin::Coracle => "",
    };
    let experimental = if rule.experimental {
        ", only by `# check=experimental=`"
    } else {
        ""
    };
    let _ = write!(
        out,
        "\n### {}\n\n*{severity}{origin}{experimental}*: {}.\n",
        rule.name, rule.reason
    );
    if !rule.ignore.is_empty() {
        let _ = write!(
            out,
            "\nWith this `.dockerignore`:\n\n```text\n{}```\n",
            rule.ignore
        );
    }
    let examples = [("Bad", rule.bad), ("Good", rule.good)];
    for (word, example) in examples {
        let _ = write!(out, "\n{word}:\n\n```dockerfile\n{example}```\n");
    }
}
