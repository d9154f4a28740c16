//! A parsed Dockerfile as JSON: what `coracle dockerfile parse --format json` prints.
//!
//! The field names are an interface that programs rely on; a snapshot test holds them.

use serde::Serialize;

use super::ast::{Directive, Heredoc, Instruction, Kind};
use super::parse::Parsed;
use crate::diagnostic::{Diagnostic, Lines, Span};

/// The whole document.
#[derive(Debug, Clone, Serialize)]
pub struct Document<'a> {
    /// The escape character, `\` or `` ` ``.
    pub escape: char,
    /// The value of `# syntax=`, or null.
    pub syntax: Option<&'a str>,
    /// All parser directives, in order.
    pub directives: Vec<DirectiveDocument<'a>>,
    /// All instructions, in order, also those that could not be understood.
    pub instructions: Vec<InstructionDocument<'a>>,
    /// What is wrong, by place.
    pub diagnostics: Vec<DiagnosticDocument<'a>>,
}

/// A parser directive.
#[derive(Debug, Clone, Serialize)]
pub struct DirectiveDocument<'a> {
    /// The name in lower case.
    pub name: &'a str,
    /// The value, without space around it.
    pub value: &'a str,
    /// The line, from 1.
    pub line: usize,
    /// The bytes of the line.
    pub span: Span,
}

/// An instruction.
#[derive(Debug, Clone, Serialize)]
pub struct InstructionDocument<'a> {
    /// The keyword in upper case.
    pub name: String,
    /// The flags as written, quotes kept, such as `--from=build`.
    pub flags: Vec<&'a str>,
    /// The arguments as raw tokens: quotes and escapes kept, nothing expanded. A command in shell
    /// form is one token. The exec form gives its strings, decoded. ENV and LABEL give key, value
    /// and separator for each pair; the separator is `=`, or empty in the old form `ENV key value`.
    pub args: Vec<&'a str>,
    /// Whether the arguments are in exec form, a JSON array.
    pub json: bool,
    /// The instruction behind ONBUILD; otherwise empty.
    pub children: Vec<InstructionDocument<'a>>,
    /// The instruction as one line: continuations joined, comments between them left out.
    pub original: &'a str,
    /// The first line, from 1.
    pub start_line: usize,
    /// The last line, from 1, heredocs included.
    pub end_line: usize,
    /// The bytes of the source, heredocs included.
    pub span: Span,
    /// The here-documents, in order.
    pub heredocs: Vec<HeredocDocument<'a>>,
}

/// A here-document.
#[derive(Debug, Clone, Serialize)]
pub struct HeredocDocument<'a> {
    /// The terminator without quotes.
    pub name: &'a str,
    /// The lines before the terminator, tabs and line ends kept.
    pub content: &'a str,
    /// Whether variables in it are expanded: the terminator is not quoted.
    pub expand: bool,
    /// Whether leading tabs are removed: it begins with `<<-`.
    pub chomp: bool,
    /// The number before `<<`, or 0.
    pub fd: u32,
}

/// A finding, with its place as people count.
#[derive(Debug, Clone, Serialize)]
pub struct DiagnosticDocument<'a> {
    /// The line of its first byte, from 1.
    pub line: usize,
    /// The column of its first byte, from 1, in characters.
    pub column: usize,
    /// Severity, rule, message, span, notes and fix.
    #[serde(flatten)]
    pub diagnostic: &'a Diagnostic,
}

/// The document of a parsed source.
pub fn document<'a>(parsed: &'a Parsed, source: &str) -> Document<'a> {
    let dockerfile = &parsed.dockerfile;
    Document {
        escape: dockerfile.escape.char(),
        syntax: dockerfile.syntax(),
        directives: dockerfile.directives.iter().map(directive).collect(),
        instructions: dockerfile.instructions.iter().map(instruction).collect(),
        diagnostics: findings(&parsed.diagnostics, source),
    }
}

/// Findings about a source, as `coracle dockerfile lint --format json` prints them.
pub fn findings<'a>(findings: &'a [Diagnostic], source: &str) -> Vec<DiagnosticDocument<'a>> {
    let lines = Lines::of(source);
    let document = |diagnostic: &'a Diagnostic| {
        let position = lines.position(diagnostic.span.start);
        DiagnosticDocument {
            line: position.line,
            column: position.column,
            diagnostic,
        }
    };
    findings.iter().map(document).collect()
}

fn directive(directive: &Directive) -> DirectiveDocument<'_> {
    DirectiveDocument {
        name: &directive.name,
        value: &directive.value,
        line: directive.line,
        span: directive.span,
    }
}

fn instruction(given: &Instruction) -> InstructionDocument<'_> {
    InstructionDocument {
        name: given.name(),
        flags: given.flags.iter().map(|f| f.text.as_str()).collect(),
        args: given.args.iter().map(|a| a.as_str()).collect(),
        json: given.json,
        children: match &given.kind {
            Kind::Onbuild(child) => vec![instruction(child)],
            _ => Vec::new(),
        },
        original: &given.original,
        start_line: given.start_line,
        end_line: given.end_line,
        span: given.span,
        heredocs: given.heredocs.iter().map(heredoc).collect(),
    }
}

fn heredoc(heredoc: &Heredoc) -> HeredocDocument<'_> {
    HeredocDocument {
        name: &heredoc.name,
        content: &heredoc.content,
        expand: heredoc.expand,
        chomp: heredoc.chomp,
        fd: heredoc.fd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    #[test]
    fn the_fields_stay_as_they_are() {
        let source = "# syntax=docker/dockerfile:1\n# escape=`\nFROM --platform=\"$P\" a AS b\nenv A=\"b c\" D=`\n  e\nLABEL k v w\nonbuild COPY --from=x <<-'E' /y\n\tz\nE\nCMD [\"a\", \"\\u00e4\"]\nRUM x\n";
        let parsed = parse(source);
        let json = serde_json::to_string_pretty(&document(&parsed, source)).unwrap();
        insta::assert_snapshot!(json);
    }
}
