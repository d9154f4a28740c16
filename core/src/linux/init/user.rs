//! Steps of the first process: who the command runs as, and what they may do.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::unistd::{self, Gid, Uid};

use super::{Init, Stop};
use crate::accounts::{Accounts, Identity};
use crate::linux::capabilities;
use crate::linux::control::{FailureKind, Message};
use crate::linux::sys::SysError;

/// Finds out who the command runs as, from the image's own files.
pub(super) fn look_up_user(init: &mut Init<'_>) -> Result<(), Stop> {
    let user = init.process.user();
    let (wanted, capabilities) = (user.username(), init.process.capabilities());
    let (sets, missing) = capabilities::Sets::of(capabilities.as_ref())?;
    if !missing.is_empty() {
        let message = format!(
            "the container does not get {}: whoever starts it does not have it",
            missing.join(", ")
        );
        // A warning that nobody hears is no reason to stop.
        let _ = init.control.send(&Message::Warning { message });
    }
    let Some(wanted) = wanted else {
        // The specification gives numbers, and whoever wrote it has looked them up.
        let passwd = read_small("/etc/passwd")?;
        let accounts = Accounts::parse(passwd.as_bytes(), b"");
        let known = accounts.identity(&user.uid().to_string());
        init.identity = Identity {
            uid: user.uid(),
            gid: user.gid(),
            groups: user.additional_gids().clone().unwrap_or_default(),
            home: known.unwrap_or_default().home,
        };
        init.capabilities = sets;
        return Ok(());
    };
    let (passwd, group) = (read_small("/etc/passwd")?, read_small("/etc/group")?);
    init.identity = Accounts::parse(passwd.as_bytes(), group.as_bytes())
        .identity(wanted)
        .map_err(|e| Stop::because(FailureKind::Runtime, e.to_string()))?;
    let root = init.identity.uid == 0;
    init.capabilities = if root { sets } else { sets.without_root() };
    Ok(())
}

pub(super) fn bound_capabilities(init: &mut Init<'_>) -> Result<(), Stop> {
    Ok(capabilities::bound(
        &mut init.kernel,
        &init.capabilities.bounding,
    )?)
}

pub(super) fn become_user(init: &mut Init<'_>) -> Result<(), Stop> {
    let kernel = &mut init.kernel;
    let Identity {
        uid, gid, groups, ..
    } = &init.identity;
    if *uid != 0 && !init.capabilities.permitted.is_empty() {
        kernel.ask(
            "the specification gives capabilities to a user who is not root",
            || "prctl(PR_SET_KEEPCAPS, 1)".to_owned(),
            || prctl::set_keepcaps(true),
        )?;
    }
    // With a single-id map nobody may change groups: one could leave a group that is refused
    // something. The kernel says so in this file.
    let denied = read_small("/proc/self/setgroups")?.trim() == "deny";
    if !denied {
        let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
        kernel
            .ask(
                "the groups of the user in the image, and none of the caller's",
                || format!("setgroups({groups:?})"),
                || unistd::setgroups(&groups),
            )
            .map_err(unmapped)?;
    }
    let id = Gid::from_raw(*gid);
    kernel
        .ask(
            "the group, while there is still the right to choose it",
            || format!("setresgid({id}, {id}, {id})"),
            || unistd::setresgid(id, id, id),
        )
        .map_err(unmapped)?;
    let id = Uid::from_raw(*uid);
    Ok(kernel
        .ask(
            "the user; for anybody but root there is no way back",
            || format!("setresuid({id}, {id}, {id})"),
            || unistd::setresuid(id, id, id),
        )
        .map_err(unmapped)?)
}

/// A number that the user namespace does not map cannot be taken.
fn unmapped(refused: SysError) -> SysError {
    match refused.errno {
        Errno::EINVAL => refused.remedy(
            "this user namespace does not have the number; it has as many as there are subordinate ids: install uidmap, and as root run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME`",
        ),
        _ => refused,
    }
}

pub(super) fn set_capabilities(init: &mut Init<'_>) -> Result<(), Stop> {
    Ok(capabilities::set(&mut init.kernel, &init.capabilities)?)
}

/// Reads a small text file of the image, which may be anything: a fifo would never answer, a
/// device never end. What is not there, or not a file, is empty.
fn read_small(path: &str) -> Result<String, SysError> {
    const MOST: u64 = 8 << 20;
    let refused = |e| SysError::from_io(format!("open({path:?})"), &e);
    let mut options = File::options();
    let opened = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(String::new());
        }
        Err(e) => return Err(refused(e)),
    };
    if !file.metadata().map_err(refused)?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(refused)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
