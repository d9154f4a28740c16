//! What a script says, as a tree of its own.

/// A command, simple or made of others.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    /// Assignments and words.
    Simple {
        assigns: Vec<(String, Word)>,
        words: Vec<Word>,
        redirects: Vec<Redirect>,
    },
    /// Each one reads what the one before wrote.
    Pipe(Vec<Command>),
    /// `!`
    Not(Box<Command>),
    /// `a && b`
    And(Box<Command>, Box<Command>),
    /// `a || b`
    Or(Box<Command>, Box<Command>),
    /// One after the other.
    List(Vec<Command>),
    /// `{ … }`
    Group(Box<Command>, Vec<Redirect>),
    /// `( … )`
    Subshell(Box<Command>, Vec<Redirect>),
    /// Conditions with what follows from them, and what is done otherwise.
    If {
        arms: Vec<(Command, Command)>,
        otherwise: Option<Box<Command>>,
        redirects: Vec<Redirect>,
    },
    /// `for name in words`; without words, the arguments.
    For {
        name: String,
        words: Option<Vec<Word>>,
        body: Box<Command>,
        redirects: Vec<Redirect>,
    },
    /// `while`, and `until`.
    While {
        until: bool,
        condition: Box<Command>,
        body: Box<Command>,
        redirects: Vec<Redirect>,
    },
    /// Patterns with what is done for them.
    Case {
        word: Word,
        arms: Vec<(Vec<Word>, Command)>,
        redirects: Vec<Redirect>,
    },
}

/// A word, as pieces that are put together.
pub(super) type Word = Vec<Piece>;

/// A part of a word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// Text outside of quotes, in which `*`, `?` and `[` have their meaning.
    Bare(String),
    /// Text that means itself.
    Quoted(String),
    /// `$name` and `${name…}`.
    Variable {
        name: String,
        change: Option<Change>,
        quoted: bool,
        at: usize,
    },
    /// `$( … )`
    Output { body: Command, quoted: bool },
    /// `$(( … ))`
    Arithmetic { text: Word, quoted: bool, at: usize },
}

/// What `${name…}` does with the value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// `-`, `=`, `+` or `?`; with a colon, empty counts as not set.
    Default {
        operator: char,
        colon: bool,
        word: Word,
    },
    /// `#name`: its length.
    Length,
    /// `#`, `##`, `%` or `%%`: without what the pattern matches at one end.
    Strip {
        end: bool,
        longest: bool,
        pattern: Word,
    },
}

/// Where a file descriptor leads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Redirect {
    /// Which one is set.
    pub(super) fd: u8,
    /// To what.
    pub(super) to: To,
}

/// What a redirection leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum To {
    /// `< file`
    Read(Word),
    /// `> file`
    Write(Word),
    /// `>> file`
    Append(Word),
    /// `2>&1`; none for `>&-`, which closes.
    Same(Option<u8>),
    /// `&> file`: both outputs.
    Both { file: Word, append: bool },
    /// A heredoc's text.
    Text(Word),
}
