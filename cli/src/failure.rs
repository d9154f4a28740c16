//! An error as a person sees it: one message, and the exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// What a command ends with: the exit code, or why it could not be done.
pub(crate) type Outcome = Result<u8, Failure>;

/// Coracle itself was asked for something that cannot be, or something could not be started:
/// what Docker uses for its own failures, so that they are not taken for the container's.
pub(crate) const OWN_FAILURE: u8 = 125;

/// Why a command could not be done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What went wrong, where, why, and what to do. `None` when there is nobody left to read it.
    pub(crate) message: Option<String>,
    /// What lies below the message, outermost first; printed with `--debug`.
    pub(crate) causes: Vec<String>,
    /// The exit code.
    pub(crate) code: u8,
}

impl Failure {
    /// A failure of an ordinary command: exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            causes: Vec::new(),
            code: 1,
        }
    }

    /// The same failure with another exit code.
    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The same failure with one more line: what to do about it.
    pub(crate) fn hint(mut self, hint: impl AsRef<str>) -> Self {
        if let Some(message) = &mut self.message {
            message.push('\n');
            message.push_str(hint.as_ref());
        }
        self
    }

    /// The same failure, saying first what was attempted, and on what.
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.message = self.message.map(|message| format!("{what}: {message}"));
        self
    }

    /// The system refused `action`, which names the path.
    pub(crate) fn io(action: impl AsRef<str>, error: &io::Error) -> Self {
        Self::new(format!("{}: {error}", action.as_ref()))
    }

    /// Writing a result failed. When the reader went away (`coracle images | head -1`) that is
    /// no error of anybody, and nothing is said.
    pub(crate) fn writing(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                message: None,
                causes: Vec::new(),
                code: 0,
            };
        }
        Self::io("write to standard output", error)
    }

    /// Prints the message on standard error and gives the exit code.
    pub(crate) fn report(self, debug: bool) -> u8 {
        if let Some(message) = &self.message {
            let mut text = format!("coracle: {message}\n");
            if debug {
                for cause in &self.causes {
                    let _ = writeln!(text, "  because: {cause}");
                }
            }
            // A terminal that is gone cannot be told that it is gone.
            let _ = io::stderr().write_all(text.as_bytes());
        }
        self.code
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        Self {
            causes,
            ..Self::new(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let gone = Failure::writing(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((gone.message, gone.code), (None, 0));
        let full = Failure::writing(&io::Error::from_raw_os_error(28));
        assert_eq!(full.code, 1);
        assert!(full.message.unwrap().contains("No space left"));
    }
}
