//! The row about a store with many images.

use std::fs;
use std::path::Path;

use super::absent;
use crate::Bench;
use crate::frame::{Contender, Kind, Row, Target, What};
use crate::inputs::{self, IMAGES};

/// `store`: one image of 10,000 is found, and all are listed.
pub(crate) fn find(bench: &Bench) -> Result<Row, String> {
    const FIND: &str = "image inspect";
    let root = inputs::ten_thousand(&bench.inputs)?;
    let words = [
        "image",
        "inspect",
        "--format",
        "{{.Config.Labels.number}}",
        "x:5000",
    ];
    let mut contenders = Vec::new();
    for (name, words, expected) in [
        (FIND, &words[..], "5000\n".to_owned()),
        (
            "tag, which changes nothing",
            &["tag", "x:77", "x:77"],
            String::new(),
        ),
        ("images -q", &["images", "-q"], IMAGES.to_string()),
    ] {
        let (coracle, root) = (bench.coracle.clone(), root.clone());
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let step = move |place: &Path| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            vec![coracle.step(&root, &words).stdout(place.join("out"))]
        };
        let check = move |place: &Path| {
            let said = fs::read_to_string(place.join("out")).map_err(|e| e.to_string())?;
            let lines = said.lines().count().to_string();
            let right = said == expected || lines == expected;
            right
                .then_some(())
                .ok_or(format!("{lines} lines, and not {expected:?}"))
        };
        contenders.push(Ok(Contender::new(name, Kind::Ours, step).after(check)));
    }
    for name in ["podman", "docker"] {
        let reason = "filling its store with 10,000 images takes longer than this benchmark";
        contenders.push(Err(absent(name)(reason.to_owned())));
    }
    let what = [What::Milliseconds(50), What::Memory(64)];
    Ok(Row {
        name: "store",
        about: format!("A store of {IMAGES} images: one is looked up, all are listed."),
        contenders,
        targets: what.map(|what| Target { ours: FIND, what }).into(),
        runs: 5,
    })
}
