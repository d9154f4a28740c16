//! From the text of a Dockerfile to its tree, with everything that is wrong reported in one run.

use std::collections::BTreeSet;
use std::ops::Range;

use super::ast::{Dockerfile, Heredoc, Instruction, Kind};
use super::heredoc;
use super::instructions;
use super::keyword::{self, known, near};
use super::lines::{Logical, Reader};
use super::raw::Raw;
use crate::diagnostic::{Diagnostic, Span};

/// A tree, and what is wrong with the text it came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The tree. It is whole even if there are errors; what was not understood is `Kind::Invalid`.
    pub dockerfile: Dockerfile,
    /// The findings, by place. Only those of severity `Error` forbid building.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a Dockerfile. Never fails: what is wrong is in the diagnostics.
///
/// The language is that of BuildKit's Dockerfile frontend; see the Dockerfile reference of the
/// Docker documentation.
pub fn parse(source: &str) -> Parsed {
    let mut diagnostics = Vec::new();
    let mut reader = Reader::new(source);
    let mut list: Vec<Instruction> = Vec::new();
    while let Some(line) = reader.logical(&mut diagnostics) {
        let next = instruction(&line, list.last(), &mut reader, &mut diagnostics);
        list.push(next);
    }
    check_order(&list, source, &mut diagnostics);
    check_stage_names(&list, &mut diagnostics);
    diagnostics.sort_by_key(|d| (d.span, std::cmp::Reverse(d.severity)));
    Parsed {
        dockerfile: Dockerfile {
            directives: reader.directives,
            escape: reader.escape,
            instructions: list,
        },
        diagnostics,
    }
}

/// One logical line and the heredocs behind it.
fn instruction(
    line: &Logical,
    before: Option<&Instruction>,
    reader: &mut Reader<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Instruction {
    let whole = line.trim(0..line.text.len());
    let mut instruction = cut(line, whole, before, reader, diagnostics);
    instruction.start_line = line.start_line;
    instruction.end_line = reader.line();
    instruction.original.clone_from(&line.text);
    instruction.comments.clone_from(&line.comments);
    if let Kind::Onbuild(child) = &instruction.kind {
        instruction.heredocs.clone_from(&child.heredocs);
    }
    if !instruction.heredocs.is_empty() {
        instruction.span.end = reader.end().max(instruction.span.end);
    }
    if let Kind::Onbuild(child) = &mut instruction.kind {
        child.end_line = instruction.end_line;
        child.span.end = instruction.span.end;
    }
    instruction
}

/// The instruction in `range` of a line; ONBUILD comes here again for its own instruction.
fn cut(
    line: &Logical,
    range: Range<usize>,
    before: Option<&Instruction>,
    reader: &mut Reader<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Instruction {
    let (keyword, name) = keyword::find(line, range.clone(), before, reader.escape, diagnostics);
    let mut instruction = Instruction {
        span: line.span(keyword.start..range.end),
        start_line: line.start_line,
        end_line: line.end_line,
        keyword: line.slice(keyword.clone()),
        original: line.text[keyword.start..range.end].to_owned(),
        flags: Vec::new(),
        args: Vec::new(),
        json: false,
        heredocs: Vec::new(),
        comments: Vec::new(),
        kind: Kind::Invalid,
    };
    let Some(name) = name else {
        // The lines of its heredocs are not instructions, whatever it was meant to be.
        if let Some("RUN" | "COPY" | "ADD") = near(&instruction.keyword) {
            instruction.heredocs = heredocs(line, range.start, reader, diagnostics);
        }
        return instruction;
    };
    let raw = Raw::cut(line, name, keyword, range.end, reader.escape, diagnostics);
    instruction.json = raw.json;
    instruction.args = raw.args.iter().map(|t| t.spanned(line)).collect();
    instruction.flags.clone_from(&raw.flags);
    if name == "ONBUILD" {
        if let Some(child) = trigger(&raw, reader, diagnostics) {
            instruction.kind = Kind::Onbuild(Box::new(child));
        }
        return instruction;
    }
    if raw.takes_heredocs() {
        instruction.heredocs = heredocs(line, range.start, reader, diagnostics);
    }
    if let Some(kind) = instructions::kind(&raw, &instruction.heredocs, diagnostics) {
        instruction.kind = kind;
    }
    instruction
}

/// The instruction of an ONBUILD.
fn trigger(
    raw: &Raw<'_>,
    reader: &mut Reader<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Instruction> {
    if raw.rest.is_empty() {
        let span = raw.line.span(raw.keyword.clone());
        let message = "ONBUILD needs an instruction";
        diagnostics.push(Diagnostic::error("MissingArgument", span, message));
        return None;
    }
    let word = keyword::word(raw.line, raw.rest.start, raw.rest.end);
    if let Some(name @ ("ONBUILD" | "FROM" | "MAINTAINER")) = known(&raw.line.text[word.clone()]) {
        let span = raw.line.span(word);
        let message = format!("ONBUILD cannot keep {name}");
        diagnostics.push(Diagnostic::error("OnbuildNotAllowed", span, message));
        return None;
    }
    Some(cut(raw.line, raw.rest.clone(), None, reader, diagnostics))
}

/// Reads the heredocs that a line announces from its byte `start` on.
fn heredocs(
    line: &Logical,
    start: usize,
    reader: &mut Reader<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Heredoc> {
    let text = &line.text[start..];
    if let Some(space) = heredoc::space_behind_dash(text) {
        let span = line.span(start + space.start..start + space.end);
        let dash = line.span(start + space.start - 3..start + space.start);
        diagnostics.push(
            Diagnostic::warning("HeredocSpace", dash, "this does not announce a heredoc")
                .note("the terminator stands directly behind <<-")
                .fix("remove the space behind <<-", span, ""),
        );
    }
    heredoc::marks(text)
        .into_iter()
        .map(|mut mark| {
            mark.range = mark.range.start + start..mark.range.end + start;
            let span = line.span(mark.range.clone());
            reader.heredoc(&mark, span, diagnostics)
        })
        .collect()
}

/// An instruction that is FROM, or was most likely meant to be it.
fn begins_stage(instruction: &Instruction) -> bool {
    match known(&instruction.keyword) {
        Some(name) => name == "FROM",
        None => near(&instruction.keyword) == Some("FROM"),
    }
}

/// Before the first FROM there can only be ARG, and a FROM there must be.
fn check_order(list: &[Instruction], source: &str, diagnostics: &mut Vec<Diagnostic>) {
    if list.is_empty() {
        let span = Span::new(0, source.chars().next().map_or(0, char::len_utf8));
        let message = "there are no instructions";
        diagnostics.push(
            Diagnostic::error("NoInstructions", span, message)
                .note("a Dockerfile begins with FROM and the image to build upon"),
        );
        return;
    }
    let has_from = list.iter().any(begins_stage);
    let early = list
        .iter()
        .take_while(|i| !begins_stage(i))
        .find(|i| known(&i.keyword).is_some_and(|name| name != "ARG"));
    if let (Some(early), true) = (early, has_from) {
        let message = format!("{} stands before the first FROM", early.name());
        diagnostics.push(
            Diagnostic::error("InstructionBeforeFrom", early.keyword.span, message)
                .note("only ARG may; every other instruction belongs to a stage"),
        );
    } else if !has_from {
        let first = early.unwrap_or(&list[0]);
        diagnostics.push(
            Diagnostic::error("MissingFrom", first.keyword.span, "there is no FROM")
                .note("a stage begins with FROM and the image to build upon, or `scratch`"),
        );
    }
}

fn check_stage_names(list: &[Instruction], diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    for instruction in list {
        let Kind::From(stage) = &instruction.kind else {
            continue;
        };
        let Some(name) = &stage.name else { continue };
        if matches!(name.as_str(), "scratch" | "context") {
            let message = format!("the stage name `{}` is taken", **name);
            diagnostics.push(
                Diagnostic::warning("ReservedStageName", name.span, message)
                    .note("FROM and COPY --from mean something else by it"),
            );
        }
        if !seen.insert(name.as_str()) {
            let message = format!("a second stage is named `{}`", **name);
            diagnostics.push(
                Diagnostic::warning("DuplicateStageName", name.span, message)
                    .note("the name means the last stage that has it"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::{CommandLine, RunBody, Source};

    /// The Dockerfile that this project must end on, with the backtick that its notes have.
    const NOTES: &str = r#"FROM python:3.12
WORKDIR /usr/local/app

# Install the application dependencies
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt

# Copy in the source code
COPY src ./src
EXPOSE 5000

# Setup an app user so the container doesn't run as the root user
RUN useradd app
USER app

`CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8080"]
"#;

    #[test]
    fn the_stray_backtick_is_found_and_nothing_else() {
        let parsed = parse(NOTES);
        let [finding] = parsed.diagnostics.as_slice() else {
            panic!("{:#?}", parsed.diagnostics);
        };
        insta::assert_snapshot!(finding.render("Dockerfile", NOTES), @r#"
        error: there is a stray backtick before CMD [StrayCharacter]
          --> Dockerfile:16:1
           |
        16 | `CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8080"]
           | ^
           = note: an instruction begins with its name
           = help: remove the backtick
        "#);
        let fix = finding.fix.as_ref().unwrap();
        let mut mended = NOTES.to_owned();
        mended.replace_range(fix.span.range(), &fix.replacement);
        let mended = parse(&mended);
        assert_eq!(mended.diagnostics, []);
        let names: Vec<_> = mended
            .dockerfile
            .instructions
            .iter()
            .map(Instruction::name)
            .collect();
        assert_eq!(
            names.join(" "),
            "FROM WORKDIR COPY RUN COPY EXPOSE RUN USER CMD"
        );
        let Kind::Cmd(CommandLine::Exec(words)) = &mended.dockerfile.instructions[8].kind else {
            panic!("CMD is not in exec form");
        };
        assert_eq!(*words[1], "app.main:app");
    }

    #[test]
    fn every_problem_is_reported_in_one_run() {
        let check = |source: &str, rules: &[&str]| {
            let got: Vec<_> = parse(source).diagnostics.iter().map(|d| d.rule).collect();
            assert_eq!(got, rules, "{source}");
        };
        check("", &["NoInstructions"]);
        check("# only a comment\n", &["NoInstructions"]);
        check("RUN x\nCMD y", &["MissingFrom"]);
        check("ARG x\nRUN x\nFROM a", &["InstructionBeforeFrom"]);
        check(
            "FORM a\nRUM b",
            &["UnknownInstruction", "UnknownInstruction"],
        );
        check(
            "FROM a AS 1x\nFROM",
            &["InvalidStageName", "MissingArgument"],
        );
        check("FROM a AS b\nFROM c AS B", &["DuplicateStageName"]);
        check("FROM a b", &["TooManyArguments"]);
        check("FROM a # the base", &["TooManyArguments"]);
        check(
            "FROM a\nENV a\nENV a=b c\nENV\nENV =x",
            &[
                "MissingArgument",
                "MissingEquals",
                "MissingArgument",
                "EmptyName",
            ],
        );
        check(
            "FROM a\nCOPY --form=b x y\nCOPY --from b x y\nCOPY x",
            &["UnknownFlag", "MissingFlagValue", "MissingArgument"],
        );
        check(
            "FROM a\nEXPOSE 80 x $p\nSTOPSIGNAL SIGTREM",
            &["InvalidPort", "InvalidSignal"],
        );
        check(
            "FROM a\nHEALTHCHECK --interval=5 --retries=-1 CMD x",
            &["InvalidDuration", "InvalidFlagValue"],
        );
        check(
            "FROM a\nHEALTHCHECK curl x\nHEALTHCHECK NONE x\nHEALTHCHECK",
            &["UnknownHealthcheck", "TooManyArguments", "MissingArgument"],
        );
        check(
            "FROM a\nSHELL sh\nSHELL []\nRUN [1]\nRUN []\nCMD",
            &[
                "InvalidExecForm",
                "InvalidExecForm",
                "InvalidExecForm",
                "EmptyCommand",
                "EmptyCommand",
            ],
        );
        check(
            "FROM a\nONBUILD FROM b\nONBUILD\nONBUILD RUM x",
            &["OnbuildNotAllowed", "MissingArgument", "UnknownInstruction"],
        );
        check(
            "FROM a\nRUN cat <<EOF\nx\n EOF\nRUM",
            &["UnclosedHeredoc", "UnknownInstruction"],
        );
        check("FROM a\nRUN cat <<EOF\nx\nRUM", &["UnclosedHeredoc"]);
        check(
            "FROM a\nRUN --network=hots --mount=type=x y",
            &["InvalidFlagValue", "InvalidMount"],
        );
        check("FROM --platform=linux/ a", &["InvalidPlatform"]);
        check("FROM a\n\\\n", &["UnknownInstruction"]);
        check("from a\nrun b\nOnBuild Copy c d", &[]);
    }

    #[test]
    fn spans_are_exact_through_continuations_and_heredocs() {
        let source = "FROM a\r\nENV x=\\\r\n  # no\r\n  1 \\\r\n y=\"2 3\"\r\nCOPY <<-A b \\\r\n <<B /c\r\n\tone\r\n\tA\r\n\ttwo\r\nB\r\nRUN x\r\n";
        let parsed = parse(source);
        assert_eq!(parsed.diagnostics.len(), 1, "{:?}", parsed.diagnostics);
        assert_eq!(parsed.diagnostics[0].rule, "MissingEquals");
        let text = |span: Span| &source[span.range()];
        let [_, env, copy, run] = parsed.dockerfile.instructions.as_slice() else {
            panic!("four instructions");
        };
        let Kind::Env(pairs) = &env.kind else {
            panic!()
        };
        assert_eq!(text(pairs[1].value.span), "\"2 3\"");
        assert_eq!((env.start_line, env.end_line), (2, 5));
        assert_eq!((copy.start_line, copy.end_line), (6, 11));
        assert!(
            text(copy.span).starts_with("COPY <<-A b \\") && text(copy.span).ends_with("\r\nB")
        );
        assert_eq!(copy.heredocs[0].text(), "one\r\n");
        assert_eq!(text(copy.heredocs[1].content_span), "\ttwo\r\n");
        let Kind::Copy(kind) = &copy.kind else {
            panic!()
        };
        assert!(matches!(kind.files.sources[0], Source::Heredoc(0)));
        assert!(matches!(&kind.files.sources[1], Source::Path(p) if text(p.span) == "b"));
        assert!(matches!(kind.files.sources[2], Source::Heredoc(1)));
        assert_eq!(text(run.span), "RUN x");
    }

    /// No length of a line, a word or a file is too much, and none takes more than its share.
    #[test]
    fn nothing_is_too_long() {
        let check = |source: &str, instructions: usize| {
            let parsed = parse(source);
            assert_eq!(parsed.diagnostics, []);
            assert_eq!(parsed.dockerfile.instructions.len(), instructions);
            let last = parsed.dockerfile.instructions.last().unwrap();
            assert_eq!(last.span.end, source.trim_end().len());
        };
        let many = |text: &str, count: usize| text.repeat(count);
        check(&format!("FROM a\nENV A={}\n", many("x", 1 << 20)), 2);
        check(&format!("FROM a\n{}", many("LABEL a=b\n", 20_000)), 20_001);
        check(&format!("FROM a\nRUN {}b\n", many("a \\\n", 50_000)), 2);
        check(&format!("FROM a\nLABEL {}\n", many(" a=b", 20_000)), 2);
        let (marks, texts) = (many("<<A ", 1000), many("x\nA\n", 1000));
        check(&format!("FROM a\nCOPY {marks}/x/\n{texts}"), 2);
        check(&format!("{}\nFROM a\n", many("#", 1 << 20)), 1);
    }

    #[test]
    fn a_run_knows_its_body() {
        let check = |line: &str, expected: RunBody| {
            let parsed = parse(&format!("FROM a\n{line}"));
            assert_eq!(
                parsed.dockerfile.instructions[1].run_body(),
                Some(expected),
                "{line}"
            );
        };
        let shell = |text: &str| RunBody::Shell(text.to_owned());
        check("RUN a && \\\n  b", shell("a &&   b"));
        check(
            "RUN [\"a\", \"b\"]",
            RunBody::Exec(vec!["a".into(), "b".into()]),
        );
        check("RUN <<EOF\na\nb\nEOF", shell("a\nb\n"));
        check("RUN <<-EOF\n\ta\n\tEOF", shell("a\n"));
        check(
            "RUN cat <<A <<B\na\nA\nb\nB",
            shell("cat <<A <<B\na\nA\nb\nB"),
        );
        check(
            "RUN <<X\n#!/bin/env python\nX",
            RunBody::Script {
                name: "X".into(),
                content: "#!/bin/env python\n".into(),
            },
        );
    }
}
