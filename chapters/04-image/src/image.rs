//! From layers to an image.

use coracle::digest::Digest;

use crate::{Config, Descriptor, History, Layout, Manifest, Result, RootFs, Run, Stored, media};

// ANCHOR: make_config
/// The config of an image with these layers, the lowest first. Each has a word on what made it.
pub fn config(command: &[String], layers: &[(Digest, String)]) -> Config {
    // TASK 1: Write down the platform `linux` on `amd64`, the command, and the layers.
    Config {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        config: Run {
            cmd: command.to_vec(),
        },
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: layers.iter().map(|(diff_id, _)| diff_id.clone()).collect(),
        },
        history: layers
            .iter()
            .map(|(_, made_by)| History {
                created_by: made_by.clone(),
            })
            .collect(),
    }
    // TASK_END
}
// ANCHOR_END: make_config

// ANCHOR: make_manifest
/// The manifest that holds a config and layers together.
pub fn manifest(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: media::MANIFEST.to_owned(),
        config,
        layers,
    }
}
// ANCHOR_END: make_manifest

// ANCHOR: build
/// Stores an image of these archives, the lowest first, and returns a pointer to its manifest and
/// how many bytes were written.
pub fn build(
    layout: &Layout,
    command: &[String],
    layers: &[(Vec<u8>, String)],
) -> Result<(Descriptor, u64)> {
    // TASK 2: Store the layers, then the config that names them, then the manifest that names all.
    let mut written = 0;
    let mut put = |media_type: &str, bytes: &[u8]| -> Result<Descriptor> {
        let (descriptor, stored) = layout.put(media_type, bytes)?;
        if let Stored::New(size) = stored {
            written += size;
        }
        Ok(descriptor)
    };
    let (mut pointers, mut rows) = (Vec::new(), Vec::new());
    for (archive, made_by) in layers {
        let pointer = put(media::LAYER, archive)?;
        // The archive is not packed, so the digest of the blob is its diff ID.
        rows.push((pointer.digest.clone(), made_by.clone()));
        pointers.push(pointer);
    }
    let config = put(media::CONFIG, &serde_json::to_vec(&config(command, &rows))?)?;
    let manifest = serde_json::to_vec(&manifest(config, pointers))?;
    let manifest = put(media::MANIFEST, &manifest)?;
    Ok((manifest, written))
    // TASK_END
}
// ANCHOR_END: build
