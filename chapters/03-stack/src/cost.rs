//! What a stack costs, and what of it is seen.

use crate::{Layer, Node, view};

// ANCHOR: cost
/// What a layer costs, and what it is good for.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The bytes of its archive: everybody who pulls the image fetches them.
    pub shipped: u64,
    /// The bytes of its files that are still seen from above.
    pub seen: u64,
}
// ANCHOR_END: cost

// ANCHOR: costs
/// The cost of each layer of a stack, the lowest first.
pub fn costs(layers: &[Layer]) -> Vec<Cost> {
    // TASK 5: Every layer is shipped whole; count what is seen to the layer that it comes from.
    let cost = |layer: &Layer| Cost {
        shipped: layer.shipped,
        seen: 0,
    };
    let mut costs: Vec<Cost> = layers.iter().map(cost).collect();
    for seen in view(layers).values() {
        if let Node::File(bytes) = &seen.node {
            costs[seen.layer].seen += bytes.len() as u64;
        }
    }
    costs
    // TASK_END
}
// ANCHOR_END: costs
