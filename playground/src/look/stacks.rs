//! From the name of a stack to its layers.

use std::sync::Arc;

use coracle::image::{Image, StoredLayer};
use coracle::layer::{Layer, diff};
use coracle::store::memory::MemoryStore;
use coracle::tree::Tree;

use crate::names;
use crate::session::Session;
use crate::show;

/// A stack of layers, each with what made it.
pub(super) struct Stack {
    /// Where the layers are.
    pub(super) store: MemoryStore,
    /// The stored layers, lowest first.
    pub(super) layers: Vec<StoredLayer>,
    /// What made each; one more than there are stored layers when there is an upper one.
    pub(super) made_by: Vec<String>,
    /// The changes of a container, which are no stored layer.
    pub(super) upper: Option<(Layer, Tree)>,
    /// The image, if the stack is one.
    pub(super) image: Option<Image>,
}

/// The stack that `of` names; see [`super::Look`].
pub(super) fn find(session: &Session, of: &str) -> Result<Stack, String> {
    if of == "build" {
        let image = session.preview.image.clone();
        let layers = session.preview.layers().to_vec();
        return Ok(built(session, layers, image));
    }
    if let Some(step) = of.strip_prefix("step ").and_then(|n| n.parse().ok()) {
        let layers = session.preview.stack(step);
        let layers = layers.ok_or_else(|| format!("the Dockerfile has no step {step}"))?;
        return Ok(built(session, layers.to_vec(), None));
    }
    let state = session.state();
    if let Some(name) = of.strip_prefix("container ") {
        let container = state.containers.get(name);
        let container = container.ok_or_else(|| format!("there is no container {name}"))?;
        let mut made_by = numbered(container.layers.len());
        made_by.push(format!("container {name}"));
        return Ok(Stack {
            store: state.store.clone(),
            layers: container.layers.clone(),
            made_by,
            upper: Some((
                diff(&container.lower, &container.tree),
                container.tree.clone(),
            )),
            image: None,
        });
    }
    let (named, _) = names::find(&state.store, of)?;
    Ok(Stack {
        store: state.store.clone(),
        layers: named.image.layers(),
        made_by: makers(&named.image),
        upper: None,
        image: Some(named.image),
    })
}

fn built(session: &Session, layers: Vec<StoredLayer>, image: Option<Image>) -> Stack {
    let made_by = match &image {
        Some(image) => makers(image),
        None => session.preview.made_by(&layers),
    };
    Stack {
        store: session.scratch.store.clone(),
        layers,
        made_by,
        upper: None,
        image,
    }
}

/// What made each layer of an image, as its history says.
fn makers(image: &Image) -> Vec<String> {
    let lines = show::in_order(image).into_iter();
    let mut made_by: Vec<String> = lines
        .filter(|(_, layer)| layer.is_some())
        .map(|(by, _)| by)
        .collect();
    // A history may say less than there is.
    let layers = image.layers().len();
    made_by.extend(numbered(layers).into_iter().skip(made_by.len()));
    made_by
}

fn numbered(layers: usize) -> Vec<String> {
    (0..layers).map(|n| format!("layer {n}")).collect()
}

impl Stack {
    /// How many layers there are, the upper one included.
    pub(super) fn len(&self) -> usize {
        self.layers.len() + usize::from(self.upper.is_some())
    }

    /// What a layer says.
    pub(super) fn layer(&self, session: &mut Session, number: usize) -> Result<Arc<Layer>, String> {
        match (self.layers.get(number), &self.upper) {
            (Some(stored), _) => session.scratch.stacks.layer(&self.store, stored),
            (None, Some((layer, _))) if number == self.layers.len() => Ok(Arc::new(layer.clone())),
            _ => Err(format!(
                "there is no layer {number}: there are {}, counted from 0",
                self.len()
            )),
        }
    }

    /// What is seen above so many of the layers.
    pub(super) fn tree(&self, session: &mut Session, layers: usize) -> Result<Arc<Tree>, String> {
        match &self.upper {
            Some((_, tree)) if layers > self.layers.len() => Ok(Arc::new(tree.clone())),
            _ => session
                .scratch
                .stacks
                .tree(&self.store, &self.layers[..layers.min(self.layers.len())]),
        }
    }
}
