//! Rows about loading an image and unpacking it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{by_docker, floor, peer};
use crate::Bench;
use crate::check::{output, prints, same_tree};
use crate::frame::{Contender, Kind, Row, Target, What};
use crate::inputs;
use crate::measure::Step;
use crate::peers::{docker, podman, skopeo};

const LOAD: &str = "load";
const UNPACKED: &str = "load + unpack";
const BOTH: &[&str] = &[LOAD, UNPACKED];

/// An image to load, and what is right.
#[derive(Clone)]
struct Loadable {
    archive: PathBuf,
    name: &'static str,
    /// The layers, lowest first, for GNU tar.
    layers: Vec<PathBuf>,
    id: String,
    /// What GNU tar makes of the layers.
    tree: PathBuf,
}

/// `load-gzip`: one layer, packed.
pub(crate) fn gzip(bench: &Bench) -> Result<Row, String> {
    let debian = inputs::debian(&bench.inputs)?;
    let layer = debian.folder.join("layer.tar.gz");
    let image = Loadable {
        archive: debian.folder.join("gzip.tar"),
        name: "localhost/debian:gzip",
        layers: vec![layer.clone()],
        id: debian.id,
        tree: bench.work.join("tree-gzip"),
    };
    let about = "A Debian image in one layer, packed with gzip (51 MB, 121 MB as tar, 6,700 files), \
                 into an empty store; and its root file system.";
    let mut row = load(bench, "load-gzip", about, &image)?;
    let floors: [(&str, &[&str], &str); 4] = [
        ("tar -xzf", &[UNPACKED], "tar -C \"$2\" -xzf \"$1\""),
        (
            "gzip -dc \\| tar -x",
            &[UNPACKED],
            "gzip -dc \"$1\" | tar -C \"$2\" -x",
        ),
        ("gzip -dc", &[LOAD], "gzip -dc \"$1\""),
        ("sha256sum of the tar", &[LOAD], "sha256sum \"${1%.gz}\""),
    ];
    floor(&mut row, &layer, floors);
    row.targets.push(Target {
        ours: UNPACKED,
        what: What::Of(1.0, "tar -xzf"),
    });
    Ok(row)
}

/// `load-plain`: the same layer, not packed.
pub(crate) fn plain(bench: &Bench) -> Result<Row, String> {
    let debian = inputs::debian(&bench.inputs)?;
    let layer = debian.folder.join("layer.tar");
    let image = Loadable {
        archive: debian.folder.join("plain.tar"),
        name: "localhost/debian:plain",
        layers: vec![layer.clone()],
        id: debian.id,
        tree: bench.work.join("tree-plain"),
    };
    let about = "The same image as a docker archive whose layer is not packed.";
    let mut row = load(bench, "load-plain", about, &image)?;
    let floors: [(&str, &[&str], &str); 3] = [
        ("tar -xzf", &[UNPACKED], "tar -C \"$2\" -xzf \"$1.gz\""),
        ("tar -xf", &[UNPACKED], "tar -C \"$2\" -xf \"$1\""),
        ("sha256sum of the tar", &[LOAD], "sha256sum \"$1\""),
    ];
    floor(&mut row, &layer, floors);
    row.targets.push(Target {
        ours: UNPACKED,
        what: What::Of(1.0, "tar -xzf"),
    });
    Ok(row)
}

/// `load-layers`: the same files in four layers.
pub(crate) fn layers(bench: &Bench) -> Result<Row, String> {
    let debian = inputs::debian(&bench.inputs)?;
    let archive = debian.folder.join("layers.tar");
    let parts = bench.work.join("layers");
    let layers = layers_of(&archive, &parts)?;
    let image = Loadable {
        archive,
        name: "localhost/debian:layers",
        layers,
        id: debian.layers_id,
        tree: bench.work.join("tree-layers"),
    };
    load(
        bench,
        "load-layers",
        "The same files in four packed layers.",
        &image,
    )
}

/// The packed layers of an archive, unpacked into a folder by GNU tar.
fn layers_of(archive: &Path, folder: &Path) -> Result<Vec<PathBuf>, String> {
    fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    output(
        Command::new("tar")
            .arg("-C")
            .arg(folder)
            .arg("-xf")
            .arg(archive),
    )?;
    let manifest = folder.join("manifest.json");
    let list = output(
        Command::new("jq")
            .args(["-r", ".[0].Layers[]"])
            .arg(manifest),
    )?;
    Ok(list.lines().map(|layer| folder.join(layer)).collect())
}

/// Who loads and unpacks an image.
fn load(bench: &Bench, name: &'static str, about: &str, image: &Loadable) -> Result<Row, String> {
    fs::create_dir_all(&image.tree).map_err(|e| e.to_string())?;
    for layer in &image.layers {
        let mut tar = Command::new("tar");
        output(tar.arg("-C").arg(&image.tree).arg("-xf").arg(layer))?;
    }
    let archive = image.archive.display().to_string();
    let loading = {
        let (coracle, archive) = (bench.coracle.clone(), archive.clone());
        move |place: &Path| coracle.step(place, &["load", "--quiet", "-i", &archive])
    };
    let id = {
        let (coracle, image) = (bench.coracle.clone(), image.clone());
        move |place: &Path| {
            let words = ["image", "inspect", "--format", "{{.Id}}", image.name];
            let expected = format!("sha256:{}", image.id);
            prints(&mut coracle.command(place, &words), &expected)?;
            output(&mut coracle.command(place, &["image", "check", image.name])).map(drop)
        }
    };
    let ours = {
        let (load, check) = (loading.clone(), id.clone());
        Contender::new(LOAD, Kind::Ours, move |place| vec![load(place)]).after(check)
    };
    let both = {
        let (coracle, named, tree) = (bench.coracle.clone(), image.name, image.tree.clone());
        Contender::new(UNPACKED, Kind::Ours, move |place| {
            let out = place.join("out").display().to_string();
            let unpack = coracle.step(place, &["image", "unpack", named, &out]);
            vec![loading(place), unpack]
        })
        .after(move |place| {
            id(place)?;
            same_tree(&tree, &place.join("out"))
        })
    };
    let mut contenders = vec![Ok(ours), Ok(both)];
    let podman_load = {
        let archive = archive.clone();
        move |place: &Path| {
            vec![podman(
                "podman",
                place,
                &["load", "--quiet", "-i", &archive],
            )]
        }
    };
    contenders.push(peer("podman load", &["podman"], BOTH, podman_load));
    let source = source_of(image);
    let copy = move |place: &Path| {
        let target = format!("oci:{}:t", place.join("layout").display());
        skopeo(&["copy", "--quiet", &source, &target])
    };
    let copied = copy.clone();
    let copying = move |place: &Path| vec![copied(place)];
    contenders.push(peer(
        "skopeo copy to a layout",
        &["skopeo"],
        &[LOAD],
        copying,
    ));
    let unpacking = move |place: &Path| {
        let layout = format!("{}:t", place.join("layout").display());
        let out = place.join("out").display().to_string();
        let unpack = Step::new(["umoci", "raw", "unpack", "--image", &layout, &out]);
        vec![copy(place), unpack]
    };
    let both = ["skopeo", "umoci"];
    contenders.push(peer(
        "skopeo copy + umoci raw unpack",
        &both,
        &[UNPACKED],
        unpacking,
    ));
    contenders.push(by_docker(bench, "docker load", BOTH, move |client, _| {
        vec![docker(client, &["load", "--quiet", "-i", &archive])]
    }));
    Ok(Row {
        name,
        about: about.to_owned(),
        contenders,
        targets: [LOAD, UNPACKED].into_iter().flat_map(goals).collect(),
        runs: 5,
    })
}

/// How skopeo is told about an archive: as the form that it reads fastest.
fn source_of(image: &Loadable) -> String {
    let archive = image.archive.display();
    if image.name.ends_with(":plain") {
        format!("docker-archive:{archive}")
    } else {
        format!("oci-archive:{archive}")
    }
}

/// Who unpacks shall need half of the fastest peer's time; who loads, less than any.
fn goals(ours: &'static str) -> [Target; 2] {
    let most = if ours == UNPACKED { 0.5 } else { 1.0 };
    let what = [What::OfFastestPeer(most), What::Memory(64)];
    what.map(|what| Target { ours, what })
}
