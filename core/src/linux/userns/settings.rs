//! Why a system refuses user namespaces: its settings, read after the kernel has said no.

use std::fs;
use std::path::Path;

use nix::errno::Errno;

/// What the system has to say about user namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// How many there may be.
    most: Option<u64>,
    /// Debian's switch.
    unprivileged: Option<u64>,
    /// Ubuntu's switch.
    restricted: Option<u64>,
}

impl Settings {
    pub(super) fn read() -> Self {
        let number = |path: &str| {
            let text = fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?;
            text.trim().parse().ok()
        };
        Self {
            most: number("user/max_user_namespaces"),
            unprivileged: number("kernel/unprivileged_userns_clone"),
            restricted: number("kernel/apparmor_restrict_unprivileged_userns"),
        }
    }

    /// Why the kernel answered `errno`, and what to do about it.
    pub(super) fn cause(&self, errno: Errno) -> String {
        if self.most == Some(0) {
            return "They are turned off; as root, run `sysctl user.max_user_namespaces=15000`"
                .to_owned();
        }
        if self.unprivileged == Some(0) {
            return "Only root may make them; as root, run `sysctl kernel.unprivileged_userns_clone=1`".to_owned();
        }
        if self.restricted == Some(1) && matches!(errno, Errno::EPERM | Errno::EACCES) {
            return "AppArmor lets only programs with a profile use them; as root, give this program one, or run `sysctl kernel.apparmor_restrict_unprivileged_userns=0`".to_owned();
        }
        match errno {
            Errno::ENOSPC | Errno::EUSERS => match self.most {
                Some(most) => format!("There are {most} of them already, or they are nested too deeply; `sysctl user.max_user_namespaces` sets the limit"),
                None => "There are too many of them, or they are nested too deeply".to_owned(),
            },
            Errno::EPERM => "Something around this process forbids it: a chroot, or a container whose system call filter does not allow it (docker run --security-opt seccomp=unconfined)".to_owned(),
            Errno::EINVAL | Errno::ENOSYS => "This kernel was built without them (CONFIG_USER_NS)".to_owned(),
            _ => "`coracle doctor` says what this system allows".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_cause_and_a_remedy() {
        let check = |most, unprivileged, restricted, errno, part: &str| {
            let settings = Settings {
                most,
                unprivileged,
                restricted,
            };
            let cause = settings.cause(errno);
            assert!(cause.contains(part), "{cause}");
        };
        check(
            Some(0),
            None,
            None,
            Errno::ENOSPC,
            "user.max_user_namespaces=15000",
        );
        check(
            Some(9),
            Some(0),
            None,
            Errno::EPERM,
            "unprivileged_userns_clone=1",
        );
        check(Some(9), None, Some(1), Errno::EPERM, "AppArmor");
        check(Some(9), None, Some(1), Errno::EACCES, "AppArmor");
        check(Some(9), None, Some(1), Errno::ENOSPC, "There are 9 of them");
        check(Some(9), Some(1), Some(0), Errno::EPERM, "chroot");
        check(None, None, None, Errno::EINVAL, "CONFIG_USER_NS");
        check(None, None, None, Errno::ENOMEM, "doctor");
    }
}
