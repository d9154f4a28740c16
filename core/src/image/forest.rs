//! How images share layers: stacks that begin alike grow from one trunk.

use std::collections::BTreeMap;

use super::{Image, StoredLayer, history};
use crate::digest::ChainId;

/// A layer on what is below it, with every stack that goes on from here.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The layer, as the first image has it that is known to have it.
    pub layer: StoredLayer,
    /// The chain ID of the layer with everything below it: who shares this shares all of that.
    pub chain_id: ChainId,
    /// The instruction that made the layer, as far as the image's history knows it.
    pub created_by: Option<String>,
    /// The images that have this layer here, by their places in the list, in order.
    pub shared_by: Vec<usize>,
    /// Those of them that end here.
    pub ends: Vec<usize>,
    /// The layers that stand on this one, in the order of the first image that has each.
    pub above: Vec<Self>,
}

/// The layers of `images`, each stack of layers once. Images without layers are not in it.
pub fn forest<'a>(images: impl IntoIterator<Item = &'a Image>) -> Vec<Branch> {
    let mut roots = Vec::new();
    for (number, image) in images.into_iter().enumerate() {
        let instructions: BTreeMap<ChainId, Option<String>> = history(image)
            .into_iter()
            .filter(|row| row.layer.is_some())
            .filter_map(|row| Some((row.chain_id?, row.history.created_by)))
            .collect();
        let stack = image.layers().into_iter().zip(image.chain_ids());
        let mut level = &mut roots;
        let mut left = image.layers().len();
        for (layer, chain_id) in stack {
            left -= 1;
            let branch = grow(level, layer, chain_id, &instructions);
            branch.shared_by.push(number);
            if left == 0 {
                branch.ends.push(number);
            }
            level = &mut branch.above;
        }
    }
    roots
}

/// The branch of this chain, which is added when it is not there.
fn grow<'a>(
    level: &'a mut Vec<Branch>,
    layer: StoredLayer,
    chain_id: ChainId,
    instructions: &BTreeMap<ChainId, Option<String>>,
) -> &'a mut Branch {
    let there = level.iter().position(|b| b.chain_id == chain_id);
    let place = there.unwrap_or(level.len());
    if there.is_none() {
        level.push(Branch {
            layer,
            created_by: instructions.get(&chain_id).cloned().flatten(),
            chain_id,
            shared_by: Vec::new(),
            ends: Vec::new(),
            above: Vec::new(),
        });
    }
    &mut level[place]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{DiffId, Digest};
    use crate::image::Draft;
    use crate::spec::{Descriptor, History, ImageConfig, Platform, media};
    use crate::store::memory::MemoryStore;

    /// An image with one layer a letter.
    fn image(letters: &str) -> Image {
        let mut draft = Draft {
            config: ImageConfig::scratch(&Platform::linux("amd64")),
            layers: Vec::new(),
        };
        for letter in letters.chars() {
            let digest = Digest::of(letter.to_string().as_bytes());
            let layer = StoredLayer {
                blob: Descriptor::new(media::LAYER, digest.clone(), 1),
                diff_id: DiffId(digest),
            };
            let line = History {
                created_by: Some(letter.to_string()),
                ..History::default()
            };
            draft.push(layer, line);
        }
        draft.commit(&MemoryStore::new()).unwrap()
    }

    /// `a{0 1}[b{1}]`: the layer, who ends there, and what stands on it.
    fn picture(branches: &[Branch]) -> String {
        let one = |branch: &Branch| {
            let ends: Vec<_> = branch.ends.iter().map(ToString::to_string).collect();
            format!(
                "{}x{}{{{}}}[{}]",
                branch.created_by.as_deref().unwrap_or("?"),
                branch.shared_by.len(),
                ends.join(" "),
                picture(&branch.above)
            )
        };
        branches.iter().map(one).collect()
    }

    #[test]
    fn stacks_that_begin_alike_grow_from_one_trunk() {
        let check = |stacks: &[&str], expected: &str| {
            let images: Vec<_> = stacks.iter().map(|letters| image(letters)).collect();
            assert_eq!(picture(&forest(&images)), expected, "{stacks:?}");
        };
        check(&[], "");
        check(&[""], "");
        check(&["a"], "ax1{0}[]");
        check(&["ab", "ac", "a"], "ax3{2}[bx1{0}[]cx1{1}[]]");
        // The same layer on other layers is not the same.
        check(&["ab", "b"], "ax1{}[bx1{0}[]]bx1{1}[]");
        check(&["ab", "ab"], "ax2{}[bx2{0 1}[]]");
    }
}
