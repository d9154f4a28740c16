//! Saved images: files that real tools wrote come in, files that real tools read go out.

use std::io::{Read, Write};

use coracle::store::archive::{self, Format, Save};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::names::{self, Named};
use crate::session::Session;
use crate::stack::BOUNDS;
use crate::state::{State, platform};
use crate::view::OutputView;

/// Loads every image of an archive. Returns an exit code and what is printed.
pub(crate) fn load(
    state: &mut State,
    name: &str,
    archive: impl Read + Send,
) -> (i32, Vec<OutputView>) {
    let loaded = archive::load(archive, &state.store, &platform(), BOUNDS, &mut |_| ());
    let line = |stream, text: String| OutputView { stream, text };
    match loaded {
        Ok(images) => {
            let mut text = String::new();
            for image in &images {
                let tags = image.tags.iter();
                text.extend(tags.map(|tag| format!("Loaded image: {}\n", tag.familiar())));
                if image.tags.is_empty() {
                    text.extend([format!("Loaded image ID: {}\n", image.id)]);
                }
            }
            (0, vec![line(1, text)])
        }
        Err(error) => {
            let text = format!("coracle: {name} is not loaded, and nothing has changed: {error}\n");
            (1, vec![line(2, text)])
        }
    }
}

/// Writes an image, with all its names, as an archive. `build` is the image that the Dockerfile
/// would make now.
pub(crate) fn save(
    session: &Session,
    name: &str,
    format: Format,
    gzip: bool,
    out: impl Write,
) -> Result<(), String> {
    let (store, named) = match (name, &session.preview.image) {
        ("build", Some(image)) => (
            &session.scratch.store,
            Named {
                target: image.descriptor.clone(),
                image: image.clone(),
                references: Vec::new(),
            },
        ),
        ("build", None) => return Err("the Dockerfile makes no image now".to_owned()),
        _ => (
            &session.state().store,
            names::find(&session.state().store, name)?.0,
        ),
    };
    let images = [Save {
        target: named.target,
        tags: named.references,
    }];
    let failed = |e: &dyn std::fmt::Display| format!("{name} cannot be written: {e}");
    if gzip {
        // Who waits in a browser wants it soon rather than small.
        let mut packed = GzEncoder::new(out, Compression::fast());
        archive::save(store, &images, format, &platform(), &mut packed).map_err(|e| failed(&e))?;
        packed.finish().map_err(|e| failed(&e))?;
        return Ok(());
    }
    archive::save(store, &images, format, &platform(), out).map_err(|e| failed(&e))
}
