//! COPY and ADD: which files go where.

use std::sync::Arc;

use super::stage::{Stage, absolute};
use super::{CopyFrom, CopyStep, Planner};
use crate::build::context::{Context, Named};
use crate::build::copy::{CopyError, CopySpec};
use crate::build::mode::Chmod;
use crate::build::select::select_source;
use crate::diagnostic::{Diagnostic, Span};
use crate::dockerfile::{self as ast, Instruction, Spanned};

impl Planner<'_> {
    pub(super) fn copy(
        &mut self,
        stage: &Stage,
        instruction: &Instruction,
        copy: &ast::Copy,
    ) -> Option<CopyStep> {
        let from = match &copy.from {
            None => CopyFrom::Context,
            Some(from) => self.copy_from(stage.number, from)?,
        };
        let (mut spec, source_spans) = self.files(stage, instruction, &copy.files)?;
        spec.parents = copy.parents;
        if let Some(context) = context_of(self.context, &from) {
            self.check_sources(context, &spec, &source_spans);
        }
        Some(CopyStep {
            spec,
            source_spans,
            from,
            addresses: Vec::new(),
            unpack: false,
        })
    }

    pub(super) fn add(
        &mut self,
        stage: &Stage,
        instruction: &Instruction,
        add: &ast::Add,
    ) -> Option<CopyStep> {
        let (mut spec, mut source_spans) = self.files(stage, instruction, &add.files)?;
        let addresses = self.addresses(stage, add, &mut spec, &mut source_spans);
        self.check_sources(self.context, &spec, &source_spans);
        Some(CopyStep {
            spec,
            source_spans,
            from: CopyFrom::Context,
            addresses,
            unpack: add.unpack.unwrap_or(true),
        })
    }

    /// Reports every source that is not in the context, and every pattern that is malformed.
    fn check_sources(&mut self, context: &Context, spec: &CopySpec, spans: &[Span]) {
        for (source, span) in spec.sources.iter().zip(spans) {
            self.check_source(context, source, spec.parents, *span);
        }
    }

    pub(super) fn check_source(
        &mut self,
        context: &Context,
        source: &str,
        parents: bool,
        span: Span,
    ) {
        let diagnostic = match select_source(source, 0, parents, &context.tree) {
            Ok(_) => return,
            Err(CopyError::NotFound { path, .. }) if climbs_out(source) => {
                context.missing(&path, span).note(
                    "`..` leads no further than the context's root; give another directory a name \
                     by --build-context, and COPY --from=NAME",
                )
            }
            Err(CopyError::NotFound { path, .. }) => context.missing(&path, span),
            Err(error) => Diagnostic::error("CopySource", span, error.to_string()),
        };
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn copy_from(&mut self, number: usize, from: &Spanned<String>) -> Option<CopyFrom> {
        if let Some(earlier) = self.find_stage(from, number) {
            return Some(CopyFrom::Stage(*self.planned.get(&earlier)?));
        }
        match self.context.named(from) {
            Some(Named::Files(files)) => return Some(CopyFrom::Named(Arc::clone(files))),
            Some(Named::Image(image)) => return Some(CopyFrom::Image(image.clone())),
            None => {}
        }
        if let Some(later) = self.find_stage(from, self.sources.len()) {
            let which = if later == number {
                "this stage"
            } else {
                "a later stage"
            };
            self.diagnostics.push(
                Diagnostic::error(
                    "StageOrder",
                    from.span,
                    format!("--from={} names {which}", from.value),
                )
                .note("a stage can copy only from stages that stand before it"),
            );
            return None;
        }
        let platform = self.sources[number].platform.clone();
        let (_, image) = self.image(from, &platform, from.span)?;
        Some(CopyFrom::Image(Box::new(image)))
    }

    /// What COPY and ADD have in common, expanded.
    fn files(
        &mut self,
        stage: &Stage,
        instruction: &Instruction,
        files: &ast::Files,
    ) -> Option<(CopySpec, Vec<Span>)> {
        let scope = &stage.scope;
        let mut sources = Vec::new();
        let mut source_spans = Vec::new();
        let mut heredocs = Vec::new();
        for source in &files.sources {
            match source {
                ast::Source::Path(path) => {
                    // One source stays one, even when its name has a space.
                    sources.push(scope.expand(path, &mut self.diagnostics)?);
                    source_spans.push(scope.at.unwrap_or(path.span));
                }
                ast::Source::Heredoc(index) => {
                    let heredoc = instruction.heredocs.get(*index)?;
                    let mut text = heredoc.text();
                    if heredoc.expand {
                        let span = heredoc.content_span;
                        text = scope.expand_heredoc(text, span, &mut self.diagnostics)?;
                    }
                    heredocs.push((heredoc.name.clone(), text));
                }
            }
        }
        let written = scope.expand(&files.destination, &mut self.diagnostics)?;
        let mut destination = absolute(&stage.config.config.working_dir, &written);
        if (written.ends_with('/') || written.ends_with("/.") || written == ".")
            && destination != "/"
        {
            destination.push('/');
        }
        if sources.len() + heredocs.len() > 1 && !destination.ends_with('/') {
            self.diagnostics.push(
                Diagnostic::error(
                    "CopyDestination",
                    files.destination.span,
                    "several sources need a directory, and the destination does not end in `/`",
                )
                .fix(
                    "add a slash",
                    Span::new(files.destination.span.end, files.destination.span.end),
                    "/",
                ),
            );
        }
        let mut expand = |word: &Spanned<String>| scope.expand(word, &mut self.diagnostics);
        let chown = files.chown.as_ref().and_then(&mut expand);
        let mode = files.chmod.as_ref().and_then(&mut expand);
        let exclude = files.exclude.iter().filter_map(&mut expand).collect();
        let spec = CopySpec {
            sources,
            heredocs,
            destination,
            chown,
            chmod: mode.and_then(|text| self.mode(&text, files)),
            parents: false,
            link: files.link,
            exclude,
            time: self.options.time,
        };
        Some((spec, source_spans))
    }

    fn mode(&mut self, text: &str, files: &ast::Files) -> Option<Chmod> {
        Chmod::parse(text)
            .map_err(|error| {
                let written = files.chmod.as_ref();
                let span = written.map_or(files.destination.span, |m| m.span);
                self.diagnostics.push(
                    Diagnostic::error("BadMode", span, error.to_string())
                        .note("write octal digits, such as --chmod=0755, or changes, such as --chmod=u=rwX,go=rX"),
                );
            })
            .ok()
    }
}

/// Whether a path has a `..` that the root of the context stops.
fn climbs_out(source: &str) -> bool {
    let mut depth = 0;
    source.split('/').any(|part| {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    })
}

/// The context that the sources are in, if they are in one: it is known already.
pub(super) fn context_of<'c>(main: &'c Context, from: &'c CopyFrom) -> Option<&'c Context> {
    match from {
        CopyFrom::Context => Some(main),
        CopyFrom::Named(context) => Some(context),
        CopyFrom::Stage(_) | CopyFrom::Image(_) => None,
    }
}
