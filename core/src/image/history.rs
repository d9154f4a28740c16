//! Where an image comes from, line by line.

use serde::Serialize;

use super::{Image, StoredLayer};
use crate::digest::ChainId;
use crate::spec::History;

/// One line of an image's history, with the layer that it made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryRow {
    /// What the config says.
    pub history: History,
    /// The layer, unless the line changed metadata only.
    pub layer: Option<StoredLayer>,
    /// The chain ID of everything up to this line; `None` before the first layer.
    pub chain_id: Option<ChainId>,
}

/// The lines of an image's history, newest first, as `docker history` prints them.
///
/// Where the config's history is shorter than the stack (some tools write none), the layers that
/// are left over get a line of their own; a line too many has no layer.
pub fn history(image: &Image) -> Vec<HistoryRow> {
    let mut layers = image.layers().into_iter().zip(image.chain_ids());
    let mut chain_id = None;
    let mut rows = Vec::new();
    for history in &image.config.value.history {
        let mut layer = None;
        if !history.empty_layer
            && let Some((stored, chain)) = layers.next()
        {
            layer = Some(stored);
            chain_id = Some(chain);
        }
        rows.push(HistoryRow {
            history: history.clone(),
            layer,
            chain_id: chain_id.clone(),
        });
    }
    for (stored, chain) in layers {
        rows.push(HistoryRow {
            history: History::default(),
            layer: Some(stored),
            chain_id: Some(chain),
        });
    }
    rows.reverse();
    rows
}
