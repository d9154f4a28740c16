//! Asking the kernel, and telling why: every request that isolates a container passes here.

use std::fmt;
use std::io;

use nix::errno::Errno;

use super::sys::SysError;
use crate::event::Explanation;

/// The chapters of the book that teach what the kernel is asked for.
pub(super) mod chapter {
    pub(in crate::linux) const NAMESPACES: &str = "09-namespaces";
    pub(in crate::linux) const USERS: &str = "10-users";
    pub(in crate::linux) const ROOTFS: &str = "11-rootfs";
    pub(in crate::linux) const INIT: &str = "12-init";
    pub(in crate::linux) const OVERLAY: &str = "13-overlay";
    pub(in crate::linux) const CONFINE: &str = "16-confine";
    pub(in crate::linux) const NETWORK: &str = "17-network";
}

/// The way to the kernel. Each request comes with the text that strace would print and with its
/// reason, so that it can be told before it is made and named exactly when it is refused.
///
/// When nobody listens, no text is made: only a refusal costs one.
pub(super) struct Kernel<'a> {
    listener: Option<Listener<'a>>,
    chapter: &'static str,
}

type Listener<'a> = Box<dyn FnMut(Explanation) + 'a>;

impl<'a> Kernel<'a> {
    /// The way to the kernel without a listener.
    pub(super) fn silent() -> Self {
        Self {
            listener: None,
            chapter: chapter::NAMESPACES,
        }
    }

    /// The way to the kernel with `listener` told of every request before it is made.
    pub(super) fn told(listener: impl FnMut(Explanation) + 'a) -> Self {
        Self {
            listener: Some(Box::new(listener)),
            chapter: chapter::NAMESPACES,
        }
    }

    /// From now on the requests belong to this chapter.
    pub(super) fn turn_to(&mut self, chapter: &'static str) {
        self.chapter = chapter;
    }

    /// Tells of a request that is about to be made elsewhere.
    pub(super) fn tell(&mut self, why: &str, call: impl FnOnce() -> String) {
        if let Some(listener) = &mut self.listener {
            listener(Explanation {
                call: call(),
                why: why.to_owned(),
                chapter: self.chapter.to_owned(),
            });
        }
    }

    /// Makes a request. A refusal becomes an error that shows the call as strace would.
    pub(super) fn ask<T, E: Refusal>(
        &mut self,
        why: &str,
        call: impl Fn() -> String,
        request: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, SysError> {
        self.tell(why, &call);
        request().map_err(|refusal| SysError::new(call(), refusal.errno()))
    }
}

impl fmt::Debug for Kernel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("told", &self.listener.is_some())
            .field("chapter", &self.chapter)
            .finish()
    }
}

/// The three ways in which our libraries say that the kernel refused.
pub(super) trait Refusal {
    /// What the kernel answered.
    fn errno(&self) -> Errno;
}

impl Refusal for Errno {
    fn errno(&self) -> Errno {
        *self
    }
}

impl Refusal for rustix::io::Errno {
    fn errno(&self) -> Errno {
        Errno::from_raw(self.raw_os_error())
    }
}

impl Refusal for io::Error {
    fn errno(&self) -> Errno {
        Errno::from_raw(self.raw_os_error().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_with_its_reason_and_a_refusal_names_the_call() {
        let mut told = Vec::new();
        let mut kernel = Kernel::told(|explanation| told.push(explanation));
        kernel.turn_to(chapter::ROOTFS);
        let error = kernel
            .ask(
                "to show it",
                || "chdir(\"/x\")".to_owned(),
                || Err::<(), _>(Errno::ENOENT),
            )
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "chdir(\"/x\"): ENOENT (No such file or directory)"
        );
        drop(kernel);
        assert_eq!(
            told,
            [Explanation {
                call: "chdir(\"/x\")".to_owned(),
                why: "to show it".to_owned(),
                chapter: "11-rootfs".to_owned(),
            }]
        );
    }

    #[test]
    fn the_three_kinds_of_refusal_say_the_same() {
        assert_eq!(Errno::EPERM.errno(), Errno::EPERM);
        assert_eq!(rustix::io::Errno::PERM.errno(), Errno::EPERM);
        assert_eq!(io::Error::from_raw_os_error(1).errno(), Errno::EPERM);
    }
}
