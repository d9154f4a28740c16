//! Giving up capabilities: the parts of root's power that a container does not get.

use std::str::FromStr;

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;

use super::explain::Kernel;
use super::sys::SysError;
use crate::runtime::capabilities::PERMITS;
use crate::spec::runtime::{Capabilities, LinuxCapabilities};

/// The five sets of capabilities that a process shall have when it is executed.
#[derive(Debug, Clone, Default)]
pub(super) struct Sets {
    pub bounding: CapsHashSet,
    pub effective: CapsHashSet,
    pub permitted: CapsHashSet,
    pub inheritable: CapsHashSet,
    pub ambient: CapsHashSet,
}

impl Sets {
    /// The sets that a specification asks for, as far as this kernel knows them and this process
    /// has them itself; and the names of those that were asked for but cannot be given.
    pub(super) fn of(wanted: Option<&LinuxCapabilities>) -> Result<(Self, Vec<String>), SysError> {
        let own = read(CapSet::Permitted)?;
        let mut missing = Vec::new();
        let mut set = |wanted: Option<&Capabilities>| -> CapsHashSet {
            let mut set = CapsHashSet::new();
            for capability in wanted.into_iter().flatten() {
                let name = format!("CAP_{capability}");
                match Capability::from_str(&name) {
                    Ok(known) if own.contains(&known) => drop(set.insert(known)),
                    _ => missing.push(name),
                }
            }
            set
        };
        let sets = match wanted {
            None => Self::default(),
            Some(wanted) => Self {
                bounding: set(wanted.bounding().as_ref()),
                effective: set(wanted.effective().as_ref()),
                permitted: set(wanted.permitted().as_ref()),
                inheritable: set(wanted.inheritable().as_ref()),
                ambient: set(wanted.ambient().as_ref()),
            },
        };
        missing.sort();
        missing.dedup();
        Ok((sets, missing))
    }

    /// The sets of a user who is not root, as in Docker: nothing now, and nothing but the
    /// bounding set within reach of a program with file capabilities.
    pub(super) fn without_root(self) -> Self {
        Self {
            bounding: self.bounding,
            ..Self::default()
        }
    }
}

/// Takes everything outside `keep` out of the bounding set: no program can ever give it back.
pub(super) fn bound(kernel: &mut Kernel<'_>, keep: &CapsHashSet) -> Result<(), SysError> {
    let mut drop: Vec<_> = read(CapSet::Bounding)?.difference(keep).copied().collect();
    drop.sort_by_key(Capability::index);
    for capability in drop {
        let permits = PERMITS
            .get(usize::from(capability.index()))
            .unwrap_or(&"do this");
        kernel.ask(
            &format!("no program that runs from here on may {permits}"),
            || format!("prctl(PR_CAPBSET_DROP, {capability})"),
            || caps::drop(None, CapSet::Bounding, capability).map_err(|_| Errno::EPERM),
        )?;
    }
    Ok(())
}

/// Sets the other four, when the process already is who it shall be.
pub(super) fn set(kernel: &mut Kernel<'_>, sets: &Sets) -> Result<(), SysError> {
    for (which, name, value) in [
        // Effective and inheritable before permitted: they must stay within it at each step.
        (CapSet::Effective, "effective", &sets.effective),
        (CapSet::Inheritable, "inheritable", &sets.inheritable),
        (CapSet::Permitted, "permitted", &sets.permitted),
        (CapSet::Ambient, "ambient", &sets.ambient),
    ] {
        kernel.ask(
            "what this process may do now, and what it hands to the programs it runs",
            || format!("capset({name}: {})", list(value)),
            || caps::set(None, which, value).map_err(|_| Errno::EPERM),
        )?;
    }
    Ok(())
}

fn read(set: CapSet) -> Result<CapsHashSet, SysError> {
    caps::read(None, set).map_err(|_| SysError::new(format!("capget({set:?})"), Errno::last()))
}

fn list(set: &CapsHashSet) -> String {
    let mut names: Vec<_> = set.iter().collect();
    names.sort_by_key(|c| c.index());
    match names.len() {
        0 => "nothing".to_owned(),
        1..=4 => names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        count => format!("{} and {} more", names[0], count - 1),
    }
}
