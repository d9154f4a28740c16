//! The syntax tree of a Dockerfile: every instruction typed, every word with its place in the source.
//!
//! Nothing in the tree is expanded and no quote is removed: `$x` and `"a b"` stand as written.
//! The one exception are the values of flags, whose quotes BuildKit removes while splitting.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::mount::Mount;
use crate::diagnostic::Span;

/// A whole Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dockerfile {
    /// The parser directives at the top, `# escape=…` and its kin, in order.
    pub directives: Vec<Directive>,
    /// The character that escapes and that continues lines.
    pub escape: Escape,
    /// The instructions in order; those that could not be understood are `Kind::Invalid`.
    pub instructions: Vec<Instruction>,
}

/// One parser directive, such as `# syntax=docker/dockerfile:1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The name in lower case: `syntax`, `escape` or `check`.
    pub name: Spanned<String>,
    /// The value as written, without surrounding space.
    pub value: Spanned<String>,
    /// The whole line without its line end.
    pub span: Span,
    /// The line, from 1.
    pub line: usize,
}

/// The escape character of a Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escape {
    /// `\`, unless a directive says otherwise.
    #[default]
    Backslash,
    /// `` ` ``, by `` # escape=` ``; for files that name Windows paths.
    Backtick,
}

/// One instruction with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// From the keyword to the last byte, heredocs included.
    pub span: Span,
    /// The first line, from 1.
    pub start_line: usize,
    /// The last line, from 1, heredocs included.
    pub end_line: usize,
    /// The keyword as written, such as `RUN` or `run`.
    pub keyword: Spanned<String>,
    /// The instruction as one line: continuations joined, comments inside them left out.
    pub original: String,
    /// The flags between keyword and arguments, such as `--from=build`.
    pub flags: Vec<Flag>,
    /// The arguments as raw tokens. The exec form gives its decoded strings; ENV and LABEL give
    /// key, value, separator for each pair; ONBUILD has none, its instruction is in `kind`.
    pub args: Vec<Spanned<String>>,
    /// Whether the arguments were a JSON array (the exec form).
    pub json: bool,
    /// The here-documents that follow, in order.
    pub heredocs: Vec<Heredoc>,
    /// The comment lines directly above, without `#` and surrounding space.
    pub comments: Vec<Spanned<String>>,
    /// What the instruction says.
    pub kind: Kind,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `FROM [--platform=P] BASE [AS NAME]`: begins a stage.
    From(Stage),
    /// `RUN [flags] COMMAND`: runs a command and keeps what it changed.
    Run(Run),
    /// `CMD COMMAND`: what a container runs by default.
    Cmd(CommandLine),
    /// `LABEL KEY=VALUE …`: metadata of the image.
    Label(Vec<Pair>),
    /// `MAINTAINER NAME`: deprecated; the image's author.
    Maintainer(Spanned<String>),
    /// `EXPOSE PORT[/PROTOCOL] …`: ports that the image's program listens on.
    Expose(Vec<Spanned<String>>),
    /// `ENV KEY=VALUE …` or `ENV KEY VALUE`: environment of later steps and of containers.
    Env(Vec<Pair>),
    /// `ADD [flags] SOURCE… DESTINATION`: files, archives to unpack, and downloads.
    Add(Add),
    /// `COPY [flags] SOURCE… DESTINATION`: files from the context, a stage or an image.
    Copy(Copy),
    /// `ENTRYPOINT COMMAND`: the program that a container is.
    Entrypoint(CommandLine),
    /// `VOLUME PATH …`: paths whose content lives outside the container's layers.
    Volume(Vec<Spanned<String>>),
    /// `USER USER[:GROUP]`.
    User(Spanned<String>),
    /// `WORKDIR PATH`.
    Workdir(Spanned<String>),
    /// `ARG NAME[=DEFAULT] …`: variables that exist while building.
    Arg(Vec<ArgDeclaration>),
    /// `ONBUILD INSTRUCTION`: kept for the build that uses this image as its base.
    Onbuild(Box<Instruction>),
    /// `STOPSIGNAL SIGNAL`: what `stop` sends.
    Stopsignal(Spanned<String>),
    /// `HEALTHCHECK [flags] CMD COMMAND` or `HEALTHCHECK NONE`.
    Healthcheck(Healthcheck),
    /// `SHELL ["…", …]`: the shell of the shell form.
    Shell(Vec<Spanned<String>>),
    /// Not understood; a diagnostic says why.
    Invalid,
}

/// What `FROM` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `--platform=…`; may hold global arguments.
    pub platform: Option<Spanned<String>>,
    /// An image reference, the name of an earlier stage, or `scratch`; may hold global arguments.
    pub base: Spanned<String>,
    /// The stage's own name, in lower case as BuildKit compares it.
    pub name: Option<Spanned<String>>,
}

/// What `RUN` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command.
    pub command: CommandLine,
    /// `--mount=…`, in order.
    pub mounts: Vec<Mount>,
    /// `--network=…`.
    pub network: Option<Spanned<Network>>,
    /// `--security=…`.
    pub security: Option<Spanned<Security>>,
    /// `--device=…`, in order, as written.
    pub devices: Vec<Spanned<String>>,
}

/// The network of one `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// What the build gives every step.
    Default,
    /// Only the loopback interface.
    None,
    /// The host's own network.
    Host,
}

/// The confinement of one `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// As confined as a container.
    Sandbox,
    /// Without confinement; the builder must allow it.
    Insecure,
}

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// `RUN echo hi`: text for the shell.
    Shell(Spanned<String>),
    /// `RUN ["echo", "hi"]`: the program and its arguments, no shell.
    Exec(Vec<Spanned<String>>),
}

/// A key with its value, from `ENV` or `LABEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The key as written.
    pub key: Spanned<String>,
    /// The value as written, quotes and escapes kept.
    pub value: Spanned<String>,
    /// What stands between the two.
    pub separator: Separator,
}

/// What stands between a key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Separator {
    /// `ENV a=b`.
    Equals,
    /// `ENV a b`, the old form, whose value goes to the end of the line.
    Space,
}

/// One variable of `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDeclaration {
    /// The name.
    pub name: Spanned<String>,
    /// The default as written, quotes and escapes kept.
    pub default: Option<Spanned<String>>,
}

/// What `COPY` and `ADD` have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// What is copied, at least one.
    pub sources: Vec<Source>,
    /// Where to.
    pub destination: Spanned<String>,
    /// `--chown=USER[:GROUP]`.
    pub chown: Option<Spanned<String>>,
    /// `--chmod=MODE`, octal or symbolic.
    pub chmod: Option<Spanned<String>>,
    /// `--link`: a layer that does not depend on what is below it.
    pub link: bool,
    /// `--exclude=PATTERN`, in order.
    pub exclude: Vec<Spanned<String>>,
}

/// One source of `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path, a pattern, or for `ADD` an address.
    Path(Spanned<String>),
    /// The here-document at this index of the instruction's `heredocs`.
    Heredoc(usize),
}

/// What `COPY` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Sources, destination, and the flags it shares with `ADD`.
    pub files: Files,
    /// `--from=STAGE`, a stage by name or number, an image, or a named context.
    pub from: Option<Spanned<String>>,
    /// `--parents`: keep the directories of the source paths.
    pub parents: bool,
}

/// What `ADD` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// Sources, destination, and the flags it shares with `COPY`.
    pub files: Files,
    /// `--checksum=DIGEST` of a download.
    pub checksum: Option<Spanned<String>>,
    /// `--keep-git-dir[=BOOL]`; `None` when it is not there.
    pub keep_git_dir: Option<bool>,
    /// `--unpack[=BOOL]`; `None` means local archives are unpacked and downloads are not.
    pub unpack: Option<bool>,
}

/// What `HEALTHCHECK` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: no check, not even the base image's.
    None,
    /// `CMD`: a command that tells whether the container is well.
    Command {
        /// The command.
        command: CommandLine,
        /// `--interval`: between checks. Zero, as for all durations here, means the default.
        interval: Option<Spanned<Duration>>,
        /// `--timeout`: of one check.
        timeout: Option<Spanned<Duration>>,
        /// `--start-period`: during which failures do not count.
        start_period: Option<Spanned<Duration>>,
        /// `--start-interval`: between checks during the start period.
        start_interval: Option<Spanned<Duration>>,
        /// `--retries`: failures in a row that make a container unhealthy.
        retries: Option<Spanned<u32>>,
    },
}

/// A flag as written before the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The whole flag.
    pub span: Span,
    /// The whole flag as written, such as `--chown="a:b"`.
    pub text: String,
    /// The name without dashes.
    pub name: Spanned<String>,
    /// What stands after `=`, quotes removed; `None` without `=`.
    pub value: Option<Spanned<String>>,
}

/// A here-document: a file inside the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that announces it, such as `<<-"EOF"`.
    pub span: Span,
    /// The terminator, quotes removed.
    pub name: String,
    /// Whether variables in the content are expanded: the terminator was not quoted.
    pub expand: bool,
    /// Whether leading tabs are removed: it began with `<<-`.
    pub chomp: bool,
    /// The file descriptor before `<<`; 0 when there is none.
    pub fd: u32,
    /// The lines up to the terminator, tabs and line ends kept.
    pub content: String,
    /// Where the content stands.
    pub content_span: Span,
}

/// A value and where it stands in the source.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands. Across a continued line this covers what lies between, too.
    pub span: Span,
}

/// How the body of a `RUN` reaches the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunBody {
    /// Run these words as they are.
    Exec(Vec<String>),
    /// Give this text to the shell.
    Shell(String),
    /// The one heredoc begins with `#!`: put it into a file of this name and execute that.
    Script {
        /// The name of the file, which is the heredoc's name.
        name: String,
        /// What the file holds.
        content: String,
    },
}

impl Dockerfile {
    /// The directive of this name (`syntax`, `escape` or `check`), if it is there.
    pub fn directive(&self, name: &str) -> Option<&Directive> {
        self.directives.iter().find(|d| d.name.value == name)
    }

    /// The value of `# syntax=`, if it is there.
    pub fn syntax(&self) -> Option<&str> {
        self.directive("syntax").map(|d| d.value.as_str())
    }
}

impl Escape {
    /// The character itself.
    pub const fn char(self) -> char {
        match self {
            Self::Backslash => '\\',
            Self::Backtick => '`',
        }
    }
}

impl Instruction {
    /// The keyword in upper case, such as `RUN`.
    pub fn name(&self) -> String {
        self.keyword.to_uppercase()
    }

    /// What a `RUN` runs; `None` for every other instruction.
    ///
    /// A `RUN` that is nothing but one heredoc runs the heredoc: as a program when it begins
    /// with `#!`, else as the shell's text, so that shells without heredocs have them too. In any
    /// other text the heredocs are put back below the line and the shell sees them itself.
    pub fn run_body(&self) -> Option<RunBody> {
        let Kind::Run(run) = &self.kind else {
            return None;
        };
        let text = match &run.command {
            CommandLine::Exec(words) => {
                let words = words.iter().map(|w| w.value.clone()).collect();
                return Some(RunBody::Exec(words));
            }
            CommandLine::Shell(text) => text,
        };
        Some(match self.heredocs.as_slice() {
            [] => RunBody::Shell(text.value.clone()),
            [only] if only.span == text.span && only.content.starts_with("#!") => RunBody::Script {
                name: only.name.clone(),
                content: only.text(),
            },
            [only] if only.span == text.span => RunBody::Shell(only.text()),
            heredocs => {
                let mut whole = text.value.clone();
                for heredoc in heredocs {
                    whole.push('\n');
                    whole.push_str(&heredoc.content);
                    whole.push_str(&heredoc.name);
                }
                RunBody::Shell(whole)
            }
        })
    }
}

impl Heredoc {
    /// The content with leading tabs removed where `<<-` asks for it.
    pub fn text(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        let lines = self.content.split_inclusive('\n');
        lines.map(|line| line.trim_start_matches('\t')).collect()
    }
}

impl<T> Spanned<T> {
    /// `value` at `span`.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value at the same place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned::new(f(self.value), self.span)
    }
}

/// A spanned value reads like the value.
impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Short, because trees are printed in tests: the value and its byte range.
impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{}..{}", self.value, self.span.start, self.span.end)
    }
}
