//! Lint: what is wrong with a Dockerfile although it can be built.
//!
//! The rules are BuildKit's published build checks, by their names, and others that anybody who
//! writes Dockerfiles learns sooner or later. Each rule is a row of a table: a name, a severity, the
//! reason, a file that breaks it and one that does not. Where there is exactly one way to mend a
//! file, the finding has it, and [`mend`] does it.
//!
//! ```text
//! parse ─▶ findings of the parser ─┐
//!      └─▶ view: stages, commands ─┴▶ each rule ─▶ without what `# check=skip=` names ─▶ findings
//! ```
//!
//! Of BuildKit's checks only `InvalidBaseImagePlatform` is not here: it needs the base image, and
//! the build itself makes it.

mod directive;
mod rule;
mod rules;
pub mod sarif;
mod shell;
#[cfg(test)]
mod tests;
mod view;

use super::ignore::Ignore;
use super::parse::{Parsed, parse};
use crate::diagnostic::{Diagnostic, Fix, Severity, has_errors};
use directive::Wishes;
use rule::Check;
use view::View;

pub use rule::{Group, Origin, Rule, documentation, rule, rules};

/// Tells the names that the environment of an image has; `None` when that is not known.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<Vec<String>>;

/// What is known besides the Dockerfile.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The ignore file of the build context, if there is one.
    pub ignore: Option<&'a Ignore>,
    /// The variables that base images set.
    pub environment: Environment<'a>,
    /// What counts in place of the file's `# check=`, as `skip=all;error=true`.
    pub check: Option<&'a str>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            ignore: None,
            environment: &|_| None,
            check: None,
        }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("ignore", &self.ignore)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Linted {
    /// The findings, by place: those of the parser and those of the rules.
    pub findings: Vec<Diagnostic>,
    /// Whether the file asks for warnings to be errors, by `# check=error=true`.
    pub strict: bool,
    wishes: Wishes,
}

impl Linted {
    /// Whether findings of this rule are wanted, whoever makes them.
    pub fn wants(&self, rule: &str) -> bool {
        self.wishes.want(rule)
    }

    /// Whether the file fails: it has an error, or warnings and wants none.
    pub fn fails(&self) -> bool {
        let warns = |finding: &Diagnostic| finding.severity >= Severity::Warning;
        has_errors(&self.findings) || (self.strict && self.findings.iter().any(warns))
    }
}

/// Checks every rule that the file does not turn off. `parsed` is what [`parse`] made of `source`.
pub fn lint(source: &str, parsed: &Parsed, options: &Options<'_>) -> Linted {
    let mut findings = Vec::new();
    let wishes = match options.check {
        // What is wrong with it stands in no file; [`check_words`] tells whoever gave it.
        Some(text) => Wishes::parse(text, 0, &mut Vec::new()),
        None => Wishes::read(&parsed.dockerfile, &mut findings),
    };
    findings.extend(parsed.diagnostics.iter().cloned());
    let view = View::new(source, &parsed.dockerfile, options);
    for rule in rules() {
        let Check::Rule(check) = rule.check else {
            continue;
        };
        // What cannot be built cannot be turned off.
        if rule.severity == Severity::Error || wishes.want(rule.name) {
            findings.extend(check(&view).into_iter().map(|f| complete(f, rule)));
        }
    }
    findings.retain(|f| f.severity == Severity::Error || wishes.want(f.rule));
    findings.sort_by(|a, b| {
        let key = |f: &Diagnostic| (f.span, std::cmp::Reverse(f.severity), f.rule);
        key(a).cmp(&key(b))
    });
    Linted {
        findings,
        strict: wishes.error,
        wishes,
    }
}

/// What is wrong with the words of a `check`, with spans in those words.
pub fn check_words(text: &str) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    Wishes::parse(text, 0, &mut findings);
    findings
}

/// A finding with what its rule says.
fn complete(mut finding: Diagnostic, rule: &Rule) -> Diagnostic {
    finding.rule = rule.name;
    finding.severity = rule.severity;
    finding.notes.insert(0, sentence(rule.reason));
    finding
}

/// Notes of diagnostics begin with a small letter; a name stays as it is.
fn sentence(reason: &str) -> String {
    let mut chars = reason.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            format!("{}{}", first.to_lowercase(), chars.as_str())
        }
        _ => reason.to_owned(),
    }
}

/// A file after mending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mended {
    /// The text.
    pub text: String,
    /// What was done: the rule and the title of its fix, in the order of doing.
    pub done: Vec<(&'static str, String)>,
    /// What is left.
    pub left: Linted,
}

/// Applies every fix there is, again and again until none is left. A fix that does not help, or that
/// brings an error to light, because the text is not what it looked like, is left to a person.
pub fn mend(source: &str, options: &Options<'_>) -> Mended {
    let look = |text: &str| lint(text, &parse(text), options);
    let mut mended = Mended {
        text: source.to_owned(),
        done: Vec::new(),
        left: look(source),
    };
    loop {
        let findings = mended.left.findings.clone();
        let fixes = chosen(&findings);
        let good = helpful(&mended.text, &fixes, worth(&mended.left), &look);
        if good.is_empty() {
            return mended;
        }
        // There are fewer fixes each time, so this ends.
        let titles = good.iter().map(|(rule, fix)| (*rule, fix.title.clone()));
        mended.done.extend(titles);
        mended.text = apply(&mended.text, good.iter().map(|(_, fix)| *fix));
        mended.left = look(&mended.text);
    }
}

/// Those of some fixes that help together, in their order. Halves are tried where the whole does
/// not help, so that one bad fix among many costs a few looks at the file and not one for each.
fn helpful<'f>(
    text: &str,
    fixes: &[(&'static str, &'f Fix)],
    before: Worth,
    look: &dyn Fn(&str) -> Linted,
) -> Vec<(&'static str, &'f Fix)> {
    let mut good: Vec<(&'static str, &Fix)> = Vec::new();
    let mut best = before;
    // The parts that are still to be tried, the first one on top.
    let mut parts = vec![fixes];
    while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
        let edits = good.iter().chain(part).map(|(_, fix)| *fix);
        let after = worth(&look(&apply(text, edits)));
        if after.errors <= best.errors && after.to_do < best.to_do {
            good.extend(part);
            best = after;
        } else if part.len() > 1 {
            let (left, right) = part.split_at(part.len() / 2);
            parts.extend([right, left]);
        }
    }
    good
}

/// What a file is worth: the less of both, the better.
#[derive(Debug, Clone, Copy)]
struct Worth {
    errors: usize,
    /// How many instructions have a name that nobody knows, and how many fixes there are. Once the
    /// name is right, what else is wrong with the instruction comes to light.
    to_do: (usize, usize),
}

fn worth(linted: &Linted) -> Worth {
    let count = |counts: &dyn Fn(&Diagnostic) -> bool| {
        let findings = linted.findings.iter();
        findings.filter(|finding| counts(finding)).count()
    };
    Worth {
        errors: count(&|f| f.severity == Severity::Error),
        to_do: (
            count(&|f| f.rule == "UnknownInstruction"),
            count(&|f| f.fix.is_some()),
        ),
    }
}

/// The fixes of a list that do not touch each other, by place.
fn chosen(findings: &[Diagnostic]) -> Vec<(&'static str, &Fix)> {
    let mut fixes: Vec<_> = findings
        .iter()
        .filter_map(|finding| Some((finding.rule, finding.fix.as_ref()?)))
        .collect();
    fixes.sort_by_key(|(_, fix)| fix.span);
    let mut end = None;
    // Two edits of one place wait for each other, and the second is looked at anew.
    fixes.retain(|(_, fix)| {
        let free = end.is_none_or(|end| fix.span.start > end);
        if free {
            end = Some(fix.span.end);
        }
        free
    });
    fixes
}

/// A text with edits made that do not touch each other and are in order.
fn apply<'a>(text: &str, fixes: impl DoubleEndedIterator<Item = &'a Fix>) -> String {
    let mut text = text.to_owned();
    for fix in fixes.rev() {
        text.replace_range(fix.span.range(), &fix.replacement);
    }
    text
}
