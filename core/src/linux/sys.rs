//! System calls: the error that prints like strace.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

/// A system call that the kernel refused, printed as strace would:
/// `mount("proc", "/proc", "proc"): EPERM (Operation not permitted)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SysError {
    /// The call with the arguments that matter.
    pub call: String,
    /// What the kernel answered.
    pub errno: Errno,
    /// The likely cause and what to do about it, where it is known.
    pub remedy: Option<String>,
}

impl SysError {
    /// The refusal of `call`.
    pub fn new(call: impl Into<String>, errno: Errno) -> Self {
        Self {
            call: call.into(),
            errno,
            remedy: None,
        }
    }

    /// The refusal of `call` as the standard library reports it.
    pub fn from_io(call: impl Into<String>, error: &io::Error) -> Self {
        Self::new(call, Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    }

    /// The refusal of `call` as rustix reports it.
    pub fn from_rustix(call: impl Into<String>, errno: rustix::io::Errno) -> Self {
        Self::new(call, Errno::from_raw(errno.raw_os_error()))
    }

    /// The same refusal with what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl std::fmt::Display for SysError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = format!("{}: {:?} ({})", self.call, self.errno, self.errno.desc());
        if let Some(remedy) = &self.remedy {
            let _ = write!(text, "; {remedy}");
        }
        f.write_str(&text)
    }
}

/// A path or name as strace prints it: in quotes, what is not printable ASCII escaped.
pub fn quoted(bytes: impl AsRef<OsStr>) -> String {
    format!("\"{}\"", bytes.as_ref().as_bytes().escape_ascii())
}
