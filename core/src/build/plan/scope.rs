//! Which variables an instruction sees: build arguments and the environment.
//!
//! An argument exists from its ARG to the end of the stage, and in the stages that go on from
//! there; arguments before the first FROM exist for the FROM lines only, until a stage declares
//! them again. Of an ARG with a value and an ENV of the same name the later one counts, as in
//! BuildKit; in the classic builder it was always the ENV.

use std::collections::{BTreeMap, BTreeSet};

use super::stage::set_env;
use super::{PlanOptions, UNDEFINED};
use crate::diagnostic::{Diagnostic, Span};
use crate::dockerfile::expand::{ExpandError, Options, expand};
use crate::dockerfile::{ArgDeclaration, Escape, Spanned};
use crate::spec::Platform;

/// Arguments that may be given without being declared, and that are no part of a cache key.
pub(super) const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The variables at one place of a Dockerfile.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    escape: Escape,
    /// Declared arguments; `None` is declared without a value.
    pub(super) args: BTreeMap<String, Option<String>>,
    /// The environment, `NAME=value`, in order.
    pub(super) env: Vec<String>,
    /// The arguments that were given a value after the environment had one.
    over: BTreeSet<String>,
    /// Where expansions that stand in no source text are reported: the triggers of ONBUILD.
    pub(super) at: Option<Span>,
}

impl Scope {
    /// The variables before the first FROM: what the platforms are.
    pub(super) fn global(escape: Escape, options: &PlanOptions) -> Self {
        let mut args = BTreeMap::new();
        platform_args(&mut args, "TARGET", &options.platform);
        platform_args(&mut args, "BUILD", &options.build_platform);
        Self {
            escape,
            args,
            env: Vec::new(),
            over: BTreeSet::new(),
            at: None,
        }
    }

    /// The variables at the begin of a stage: none but the base image's environment.
    pub(super) fn stage(&self, env: Vec<String>) -> Self {
        Self {
            escape: self.escape,
            args: BTreeMap::new(),
            env,
            over: BTreeSet::new(),
            at: None,
        }
    }

    /// Takes over the arguments of the stage that this one goes on from.
    pub(super) fn inherit(&mut self, below: &Self) {
        self.args.clone_from(&below.args);
        self.over.clone_from(&below.over);
    }

    /// Takes in an ENV.
    pub(super) fn set(&mut self, pairs: &[(String, String)]) {
        for (name, value) in pairs {
            self.over.remove(name);
            set_env(&mut self.env, name, value);
        }
    }

    /// Whether an argument counts more than the environment's variable of the same name.
    pub(super) fn is_over(&self, name: &str) -> bool {
        self.over.contains(name)
    }

    /// Takes in an ARG. What `--build-arg` says counts more than the default, and without either
    /// the value is inherited from `outer`, the scope before the first FROM.
    pub(super) fn declare(
        &mut self,
        declarations: &[ArgDeclaration],
        outer: Option<&Self>,
        options: &PlanOptions,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for declaration in declarations {
            let name = declaration.name.value.clone();
            let default = declaration.default.as_ref();
            let default = default.and_then(|text| self.expand(text, diagnostics));
            let inherited = || outer.and_then(|outer| outer.args.get(&name).cloned().flatten());
            let given = options.args.get(&name).cloned();
            let value = given.or(default).or_else(inherited);
            // Declaring a name once more without a value changes nothing.
            if value.is_none() && self.args.contains_key(&name) {
                continue;
            }
            if value.is_some() {
                self.over.insert(name.clone());
            }
            self.args.insert(name, value);
        }
    }

    pub(super) fn lookup(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        let from_env = || self.env.iter().rev().find_map(|e| e.strip_prefix(&prefix));
        let from_env = || from_env().map(str::to_owned);
        let from_args = || self.args.get(name).cloned().flatten();
        if self.is_over(name) {
            return from_args();
        }
        from_env().or_else(from_args)
    }

    /// Expands one word; `None` when it cannot be, which is then a diagnostic.
    pub(super) fn expand(
        &self,
        word: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        self.run(word, Options::default(), diagnostics)
            .map(|e| e.text)
    }

    /// Expands a text into words: space that comes from a value separates, too.
    pub(super) fn expand_words(
        &self,
        word: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<String> {
        self.run(word, Options::default(), diagnostics)
            .map(|e| e.words)
            .unwrap_or_default()
    }

    /// Expands the content of a heredoc, where quotes mean nothing.
    pub(super) fn expand_heredoc(
        &self,
        text: String,
        span: Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let options = Options {
            ignore_quotes: true,
            ..Options::default()
        };
        self.run(&Spanned::new(text, span), options, diagnostics)
            .map(|e| e.text)
    }

    fn run(
        &self,
        word: &Spanned<String>,
        options: Options,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<crate::dockerfile::expand::Expanded> {
        let options = Options {
            escape: self.escape,
            ..options
        };
        let span = self.at.unwrap_or(word.span);
        match expand(&word.value, options, &|name| self.lookup(name)) {
            Ok(expanded) => {
                // An argument that nobody gives a value to is empty on purpose.
                let undefined = expanded.undefined.iter();
                for name in undefined.filter(|name| !self.args.contains_key(*name)) {
                    diagnostics.push(self.undefined(name, span));
                }
                Some(expanded)
            }
            Err(ExpandError { at, kind }) => {
                let start = (span.start + at).min(span.end.saturating_sub(1));
                let span = Span::new(start.max(span.start), span.end);
                let text = kind.to_string();
                diagnostics.push(Diagnostic::error("BadExpansion", span, text));
                None
            }
        }
    }

    /// A variable without a value is empty, which is seldom what was meant.
    fn undefined(&self, name: &str, span: Span) -> Diagnostic {
        let diagnostic = Diagnostic::warning(
            UNDEFINED,
            span,
            format!("${name} has no value here and becomes the empty text"),
        );
        let known = self.args.keys().map(String::as_str);
        let env = self.env.iter().filter_map(|e| e.split('=').next());
        match crate::diagnostic::did_you_mean(name, known.chain(env)) {
            Some(near) if near != name => diagnostic.note(format!("did you mean ${near}?")),
            _ => diagnostic.note(
                "an argument before FROM is seen by a stage only after the stage repeats ARG NAME",
            ),
        }
    }
}

fn platform_args(args: &mut BTreeMap<String, Option<String>>, prefix: &str, of: &Platform) {
    let mut set = |name: &str, value: &str| {
        args.insert(format!("{prefix}{name}"), Some(value.to_owned()));
    };
    set("PLATFORM", &of.to_string());
    set("OS", &of.os);
    set("ARCH", &of.architecture);
    set("VARIANT", of.variant.as_deref().unwrap_or_default());
}
