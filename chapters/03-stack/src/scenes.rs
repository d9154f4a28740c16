//! Six small stacks to think about.

use std::fmt::Write as _;

use crate::{Entry, Layer, Result, entry, layer, pack, view, words};

/// The entries of each layer, in the order of its archive; the lowest layer first.
pub const SCENES: [&[&[&str]]; 6] = [
    &[&["app/", "app/a=1", "app/b=1"], &["app/.wh.a"]],
    &[&["d/", "d/a=1"], &["d/", "d/b=2"]],
    &[&["d/", "d/a=1"], &["d/b=2", "d/.wh..wh..opq"]],
    &[&["etc/", "etc/a=1", "etcetera=1"], &[".wh.etc", "etc/b=2"]],
    &[&["d/", "d/a=1"], &["d=2"], &["d/"]],
    &[&["a=1", "b=1"], &["a=2", ".wh.a", ".wh.b"]],
];

/// The scenes without what is seen of them.
pub fn puzzles() -> String {
    let scene = |(number, layers): (usize, &&[&[&str]])| {
        let line =
            |(at, words): (usize, &&[&str])| format!("  layer {}:  {}\n", at + 1, words.join("  "));
        let lines = layers.iter().enumerate().map(line);
        format!("scene {}\n{}", number + 1, lines.collect::<String>())
    };
    SCENES.iter().enumerate().map(scene).collect()
}

/// What is seen of each scene, as this crate's code finds it.
pub fn solutions() -> Result<String> {
    let mut out = String::new();
    for (number, scene) in SCENES.iter().enumerate() {
        let seen = words(&view(&layers(scene)?));
        let _ = writeln!(out, "scene {}:  {}", number + 1, seen.join("  "));
    }
    Ok(out)
}

/// The layers of a scene, by way of archives.
fn layers(scene: &[&[&str]]) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for words in scene {
        let entries: Result<Vec<Entry>> = words.iter().map(|word| entry(word)).collect();
        layers.push(layer(&pack(&entries?)?)?);
    }
    Ok(layers)
}
