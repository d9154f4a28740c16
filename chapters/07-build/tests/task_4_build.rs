//! Task 4: `build` names the layers in the config, and all of it in the manifest.
//!
//! Reread: One digest for all of it

#![allow(clippy::unwrap_used)] // a test may fail

mod yard;

use ch07_build::{Built, Made, build};
use coracle::digest::{DiffId, Digest};
use coracle::spec::media;
use lesson::{accepted, refused, same};
use yard::tree;

const DOCKERFILE: &str = "FROM scratch\nWORKDIR /app\nCOPY a.txt ./\nENV A=1\nCMD [\"a\"]\n";

fn built(dockerfile: &str, context: &str) -> Built {
    accepted("building", build(dockerfile, &tree(context)))
}

#[test]
fn each_step_made_what_it_made() {
    let built = built(DOCKERFILE, "a.txt");
    let made: Vec<bool> = built
        .steps
        .iter()
        .map(|(_, made)| *made != Made::Config)
        .collect();
    same(
        "which steps made layers",
        &made,
        &vec![true, true, false, false],
    );
    same("how many layers there are", &built.layers.len(), &2);
}

#[test]
fn the_config_names_the_layers_by_their_diff_ids() {
    let built = built(DOCKERFILE, "a.txt");
    let expected: Vec<DiffId> = built
        .layers
        .iter()
        .map(|layer| DiffId(Digest::of(layer)))
        .collect();
    same(
        "the diff IDs",
        &built.config.value.rootfs.diff_ids,
        &expected,
    );
}

#[test]
fn the_manifest_points_to_everything() {
    let built = built(DOCKERFILE, "a.txt");
    let manifest = &built.manifest.value;
    same(
        "the config",
        &manifest.config,
        &built.config.descriptor(media::CONFIG),
    );
    let pointers: Vec<(Digest, u64)> = manifest
        .layers
        .iter()
        .map(|layer| (layer.digest.clone(), layer.size))
        .collect();
    let expected: Vec<(Digest, u64)> = built
        .layers
        .iter()
        .map(|layer| (Digest::of(layer), layer.len() as u64))
        .collect();
    same("the layers", &pointers, &expected);
    same(
        "what they are",
        &manifest.layers[0].media_type.as_str(),
        &media::LAYER,
    );
}

#[test]
fn the_same_input_is_the_same_image() {
    let (one, two) = (built(DOCKERFILE, "a.txt"), built(DOCKERFILE, "a.txt"));
    same(
        "the manifest's digest",
        &two.manifest.digest(),
        &one.manifest.digest(),
    );
}

#[test]
fn a_changed_file_changes_its_layer_and_what_names_it() {
    let (one, two) = (built(DOCKERFILE, "a.txt=1"), built(DOCKERFILE, "a.txt=2"));
    same(
        "whether the first layer is the same",
        &(one.layers[0] == two.layers[0]),
        &true,
    );
    same(
        "whether the second is",
        &(one.layers[1] == two.layers[1]),
        &false,
    );
    same(
        "whether the config is",
        &(one.config.digest() == two.config.digest()),
        &false,
    );
}

#[test]
fn what_is_left_out_is_refused() {
    for (step, word) in [
        ("RUN a", "RUN"),
        ("ENV A=$B", "variables"),
        ("COPY *.txt /", "patterns"),
    ] {
        let made = build(&format!("FROM scratch\n{step}\n"), &tree("a.txt"));
        refused(step, made.map(|built| built.steps), word);
    }
    let made = build("FROM debian\n", &tree(""));
    refused("FROM debian", made.map(|built| built.steps), "FROM scratch");
}
