//! `--max-bytes` and `--max-ratio`: how much an archive may unpack to.

use coracle::layer::compress::Bounds;

/// The options of every command that takes archives from strangers.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct BoundsOptions {
    /// Refuse an archive or layer that unpacks to more bytes
    #[arg(long, value_name = "bytes", env = "CORACLE_LAYER_MAX_BYTES", default_value_t = Bounds::default().bytes)]
    max_bytes: u64,
    /// Refuse one that unpacks to more times its size, above 256 MiB
    #[arg(long, value_name = "times", env = "CORACLE_LAYER_MAX_RATIO", default_value_t = Bounds::default().ratio)]
    max_ratio: u64,
}

impl BoundsOptions {
    /// The bounds that were asked for.
    pub(crate) fn bounds(self) -> Bounds {
        Bounds {
            bytes: self.max_bytes,
            ratio: self.max_ratio,
        }
    }
}
