//! `--max-bytes`, `--max-ratio` and `--max-entries`: how much an archive may hold.

use coracle::layer::Bounds;

use crate::failure::Failure;

/// The options of every command that takes archives from strangers.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct BoundsOptions {
    /// Refuse an archive or layer that unpacks to more bytes
    #[arg(long = "max-bytes", value_name = "bytes", env = "CORACLE_LAYER_MAX_BYTES", default_value_t = Bounds::default().bytes)]
    bytes: u64,
    /// Refuse one that unpacks to more times its size, above 256 MiB
    #[arg(long = "max-ratio", value_name = "times", env = "CORACLE_LAYER_MAX_RATIO", default_value_t = Bounds::default().ratio)]
    ratio: u64,
    /// Refuse a layer of more entries
    #[arg(long = "max-entries", value_name = "count", env = "CORACLE_LAYER_MAX_ENTRIES", default_value_t = Bounds::default().entries)]
    entries: u64,
}

impl BoundsOptions {
    /// The bounds that were asked for.
    pub(crate) fn bounds(self) -> Bounds {
        Bounds {
            bytes: self.bytes,
            ratio: self.ratio,
            entries: self.entries,
        }
    }
}

/// The bounds of a command that has no options for them: what the environment says.
pub(crate) fn of_environment() -> Result<Bounds, Failure> {
    Bounds::from_environment(&|name| std::env::var(name).ok()).map_err(Failure::new)
}
