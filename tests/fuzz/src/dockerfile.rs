//! Dockerfiles: parsing never fails, and every span is a place of the text.

use coracle::diagnostic::{Diagnostic, Span};
use coracle::dockerfile::{Instruction, Kind, Parsed, json, parse};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else {
        return;
    };
    let parsed = parse(source);
    check_parsed(source, &parsed);
    assert!(
        parse(source).dockerfile == parsed.dockerfile,
        "not the same twice"
    );
    let document = json::document(&parsed, source);
    serde_json::to_string(&document).expect("a document is written");
}

fn check_parsed(source: &str, parsed: &Parsed) {
    let mut end = 0;
    let mut line = 0;
    for instruction in &parsed.dockerfile.instructions {
        check_instruction(source, instruction);
        assert!(instruction.span.start >= end, "instructions overlap");
        assert!(instruction.start_line > line, "lines go backwards");
        end = instruction.span.end;
        line = instruction.end_line;
        instruction.run_body();
    }
    for directive in &parsed.dockerfile.directives {
        for span in [directive.span, directive.name.span, directive.value.span] {
            check_span(source, span);
        }
    }
    for diagnostic in &parsed.diagnostics {
        check_diagnostic(source, diagnostic);
    }
}

fn check_instruction(source: &str, instruction: &Instruction) {
    check_span(source, instruction.span);
    check_span(source, instruction.keyword.span);
    for arg in instruction.args.iter().chain(&instruction.comments) {
        check_span(source, arg.span);
    }
    for flag in &instruction.flags {
        check_span(source, flag.span);
        check_span(source, flag.name.span);
    }
    for heredoc in &instruction.heredocs {
        check_span(source, heredoc.span);
        check_span(source, heredoc.content_span);
        assert_eq!(&source[heredoc.content_span.range()], heredoc.content);
    }
    assert!(instruction.start_line <= instruction.end_line);
    if let Kind::Onbuild(child) = &instruction.kind {
        check_instruction(source, child);
    }
}

/// The places of a finding and of its fix, and that it can be shown.
pub(crate) fn check_diagnostic(source: &str, diagnostic: &Diagnostic) {
    check_span(source, diagnostic.span);
    assert!(!diagnostic.rule.is_empty(), "{diagnostic:?}");
    assert!(!diagnostic.message.is_empty(), "{diagnostic:?}");
    assert!(!diagnostic.render("Dockerfile", source).is_empty());
    if let Some(fix) = &diagnostic.fix {
        check_span(source, fix.span);
    }
}

fn check_span(source: &str, span: Span) {
    assert!(
        source.get(span.range()).is_some(),
        "{span:?} is no place of the text"
    );
}
