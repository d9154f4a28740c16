//! `# check=skip=…;error=true;experimental=…`: which findings a file wants to hear of.

use super::rule::{Rule, rule, rules};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::dockerfile::ast::Dockerfile;

/// What the directive says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wishes {
    /// Rules that are not wanted.
    skip: Names,
    /// Rules that are wanted although they are experimental.
    experimental: Names,
    /// Whether a warning is to fail a build.
    pub(super) error: bool,
}

/// Some names, or all there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Names {
    all: bool,
    names: Vec<String>,
}

impl Wishes {
    /// Reads the directive of a file; what it gets wrong is reported.
    pub(super) fn read(file: &Dockerfile, findings: &mut Vec<Diagnostic>) -> Self {
        match file.directive("check") {
            Some(directive) => Self::parse(&directive.value, directive.value.span.start, findings),
            None => Self::default(),
        }
    }

    /// Reads what stands behind `check=`, which begins at byte `start` of its source.
    pub(super) fn parse(text: &str, start: usize, findings: &mut Vec<Diagnostic>) -> Self {
        let mut wishes = Self::default();
        let place = |part: &str| {
            // A part is a slice of the text, and the text stands in the source as it is.
            let start = start + part.as_ptr() as usize - text.as_ptr() as usize;
            Span::new(start, start + part.len())
        };
        for part in text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match key.trim() {
                "skip" => wishes.skip = Names::read(value, &place, findings),
                "experimental" => wishes.experimental = Names::read(value, &place, findings),
                "error" => match boolean(value) {
                    Some(error) => wishes.error = error,
                    None => findings.push(
                        invalid(place(part), format!("`{part}` is neither true nor false"))
                            .note("write error=true or error=false"),
                    ),
                },
                other => findings.push(unknown_option(other, &place)),
            }
        }
        wishes
    }

    /// Whether findings of this rule are wanted. As in BuildKit, `skip` does not reach the
    /// experimental ones: whoever names those means it.
    pub(super) fn want(&self, name: &str) -> bool {
        if rule(name).is_some_and(|rule| rule.experimental) {
            self.experimental.contain(name)
        } else {
            !self.skip.contain(name)
        }
    }
}

impl Names {
    fn read(text: &str, place: &dyn Fn(&str) -> Span, findings: &mut Vec<Diagnostic>) -> Self {
        if text == "all" {
            return Self {
                all: true,
                names: Vec::new(),
            };
        }
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let names: Vec<_> = names.collect();
        for name in &names {
            if !rules().any(|rule| rule.name == *name) && !is_error(name) {
                findings.push(unknown_rule(name, place(name)));
            }
        }
        Self {
            all: false,
            names: names.into_iter().map(str::to_owned).collect(),
        }
    }

    fn contain(&self, name: &str) -> bool {
        self.all || self.names.iter().any(|own| own == name)
    }
}

/// Rules that a file of BuildKit may name and that only a build can check.
fn is_error(name: &str) -> bool {
    name == "InvalidBaseImagePlatform"
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn invalid(span: Span, message: String) -> Diagnostic {
    Diagnostic::error("InvalidDirective", span, message)
}

fn unknown_option(name: &str, place: &dyn Fn(&str) -> Span) -> Diagnostic {
    let known = ["skip", "error", "experimental"];
    let finding = invalid(place(name), format!("`check` has no option `{name}`"));
    match did_you_mean(name, known) {
        Some(near) => finding.fix(format!("write {near}"), place(name), near),
        None => finding.note("its options are skip, error and experimental, with `;` between them"),
    }
}

fn unknown_rule(name: &str, span: Span) -> Diagnostic {
    let names = rules().map(|rule: &Rule| rule.name);
    let finding = Diagnostic::warning(
        "UnknownRule",
        span,
        format!("there is no rule named `{name}`"),
    );
    match did_you_mean(name, names) {
        Some(near) => finding.fix(format!("write {near}"), span, near),
        None => finding,
    }
}
