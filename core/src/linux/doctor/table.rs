//! The findings as text: a table first, and below it what to do, each remedy on its own.

use std::fmt::Write as _;

use super::{Finding, State, verdict};

/// Where the third column begins.
const INDENT: usize = 27;

/// Findings for a terminal of `width` columns (at least 40), without colours. Commands are not
/// cut: a line is broken at spaces only.
pub fn table(findings: &[Finding], width: usize) -> String {
    let width = width.max(40);
    let mut out = String::new();
    for finding in findings {
        let head = format!("{:<17} {:<8} ", finding.name, word(finding.state));
        wrap(&mut out, &head, &finding.seen, INDENT, width);
    }
    for group in by_remedy(findings) {
        out.push('\n');
        explain(&mut out, &group, width);
    }
    let _ = write!(out, "\n{}\n", conclusion(findings));
    out
}

/// What is not all there, the worst first; findings that one remedy mends stand together.
fn by_remedy(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings.iter().filter(|f| f.remedy.is_some()) {
        let fits = |group: &&mut Vec<&Finding>| {
            let first = group[0];
            first.remedy == finding.remedy
                && first.state == finding.state
                && first.needed == finding.needed
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups.sort_by_key(|group| !blocks(group[0]));
    groups
}

/// Whether no container can run as long as this is so.
fn blocks(finding: &Finding) -> bool {
    finding.needed && finding.state == State::Missing
}

fn explain(out: &mut String, group: &[&Finding], width: usize) {
    let first = group[0];
    let names: Vec<&str> = group.iter().map(|f| f.name).collect();
    let weight = match (first.state, blocks(first), group.len()) {
        (State::Missing, true, 1) => " Containers cannot run without it.",
        (State::Missing, true, _) => " Containers cannot run without them.",
        (State::Missing, false, _) => " Containers can do without.",
        _ => "",
    };
    let head = format!("{}: {}.{weight}", names.join(", "), word(first.state));
    wrap(out, "", &head, 0, width);
    for finding in group {
        wrap(out, "  ", finding.why, 2, width);
    }
    if let Some(remedy) = &first.remedy {
        wrap(out, "  → ", remedy, 4, width);
    }
    let mut chapters: Vec<&str> = group.iter().map(|f| f.chapter).collect();
    chapters.sort_unstable();
    chapters.dedup();
    wrap(out, "  chapter ", &chapters.join(", "), 2, width);
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Limited => "limited",
        State::Missing => "missing",
        State::Unknown => "unknown",
    }
}

fn conclusion(findings: &[Finding]) -> &'static str {
    match verdict(findings) {
        State::Ok | State::Unknown => "Everything is here: containers can run.",
        State::Limited => "Containers can run; what is limited is said above.",
        State::Missing => "Containers cannot run here yet; the remedies are above.",
    }
}

/// Writes `head` and `text`, broken at spaces; further lines are indented.
fn wrap(out: &mut String, head: &str, text: &str, indent: usize, width: usize) {
    let mut line = head.to_owned();
    let mut used = head.chars().count();
    let mut fresh = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !fresh && used + 1 + length > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
            used = indent;
            fresh = true;
        }
        if !fresh {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
        fresh = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
