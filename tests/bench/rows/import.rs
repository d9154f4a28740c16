//! Rows about making an image of an archive: of many files, and of much content.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{by_docker, floor, peer};
use crate::Bench;
use crate::check::{output, prints, same_tree};
use crate::frame::{Contender, Kind, Row, Target, What};
use crate::inputs::{self, Archive, MANY};
use crate::peers::{docker, podman};

const IMPORT: &str = "import";
const IMPORTED: &str = "import + unpack";

/// `import`: an archive of many small files.
pub(crate) fn many(bench: &Bench) -> Result<Row, String> {
    let many = inputs::many(&bench.inputs)?;
    let about = format!(
        "An archive of {MANY} files of 0 to 2 kB becomes an image; and its root file system."
    );
    imported(bench, "import", about, &many)
}

/// `large`: an archive of 1 GiB, to see what happens to the memory.
pub(crate) fn large(bench: &Bench) -> Result<Row, String> {
    let large = inputs::large(&bench.inputs)?;
    let about = "An archive of 1 GiB that hardly packs becomes an image; and its root file system. \
                 It is here for the memory.";
    let mut row = imported(bench, "large", about.to_owned(), &large)?;
    row.runs = 1;
    Ok(row)
}

fn imported(
    bench: &Bench,
    name: &'static str,
    about: String,
    archive: &Archive,
) -> Result<Row, String> {
    const NAME: &str = "localhost/imported:1";
    let tree = bench.work.join(format!("tree-{name}"));
    fs::create_dir_all(&tree).map_err(|e| e.to_string())?;
    output(
        Command::new("tar")
            .arg("-C")
            .arg(&tree)
            .arg("-xf")
            .arg(&archive.file),
    )?;
    let file = archive.file.display().to_string();
    let diff_id = format!("sha256:{}", archive.sha256);
    let importing = {
        let (coracle, file) = (bench.coracle.clone(), file.clone());
        move |place: &Path| coracle.step(place, &["import", &file, NAME])
    };
    let layer = {
        let coracle = bench.coracle.clone();
        move |place: &Path| {
            let words = [
                "image",
                "inspect",
                "--format",
                "{{index .RootFS.Layers 0}}",
                NAME,
            ];
            prints(&mut coracle.command(place, &words), &diff_id)
        }
    };
    let ours = {
        let (import, check) = (importing.clone(), layer.clone());
        Contender::new(IMPORT, Kind::Ours, move |place| vec![import(place)]).after(check)
    };
    let both = {
        let coracle = bench.coracle.clone();
        Contender::new(IMPORTED, Kind::Ours, move |place| {
            let out = place.join("out").display().to_string();
            let unpack = coracle.step(place, &["image", "unpack", NAME, &out]);
            vec![importing(place), unpack]
        })
        .after(move |place| {
            layer(place)?;
            same_tree(&tree, &place.join("out"))
        })
    };
    let rivals: &[&str] = &[IMPORT, IMPORTED];
    let mut contenders = vec![Ok(ours), Ok(both)];
    let importing = file.clone();
    contenders.push(peer("podman import", &["podman"], rivals, move |place| {
        vec![podman(
            "podman",
            place,
            &["import", "--quiet", &importing, NAME],
        )]
    }));
    let importing = file.clone();
    contenders.push(by_docker(
        bench,
        "docker import",
        rivals,
        move |client, _| vec![docker(client, &["import", &importing, NAME])],
    ));
    let mut row = Row {
        name,
        about,
        contenders,
        targets: Vec::new(),
        runs: 3,
    };
    let floors: [(&str, &[&str], &str); 2] = [
        ("tar -xf", &[IMPORTED], "tar -C \"$2\" -xf \"$1\""),
        ("sha256sum", &[IMPORT], "sha256sum \"$1\""),
    ];
    floor(&mut row, &archive.file, floors);
    for (ours, what) in [
        (IMPORT, What::OfFastestPeer(0.5)),
        (IMPORTED, What::OfFastestPeer(0.5)),
        (IMPORT, What::Memory(64)),
        (IMPORTED, What::Memory(64)),
    ] {
        row.targets.push(Target { ours, what });
    }
    Ok(row)
}
