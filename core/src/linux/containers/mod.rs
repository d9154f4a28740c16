//! Containers that stay: what is written down about them, and what can be done with them.
//!
//! Each has a directory of its own below the state root:
//!
//! ```text
//! containers/ID/
//!   container.json   what it was made of and what it runs; written once
//!   status.json      where it stands: created, running, exited
//!   config.json      the runtime specification, with hosts, hostname, resolv.conf beside it
//!   upper/ work/     what it changed (copy/ where overlayfs cannot be used)
//!   rootfs/          where the root file system is mounted
//! ```
//!
//! There is no daemon that would know better. Whoever attends to a container, or changes it, has
//! its directory locked, and a lock ends with its process, however that ends. So a directory
//! without `container.json` that nobody has locked was left by the dead, and a container that is
//! written down as running while nobody has it locked has lost whoever attended to it. Each
//! command that looks mends both: see [`list`].

mod changes;
mod copy;
mod directory;
mod life;
mod record;
mod view;

pub use self::changes::{Change, ChangeKind, ChangesError, changes, layer};
pub use self::copy::{Copied, CopyError, Ending, Owner, Place, put, take};
pub use self::directory::ContainerDirectory;
pub use self::life::{LifeError, kill, now, run};
pub use self::record::{Container, Record, RecordError, list, sweep};
pub use self::view::{ViewError, view};
