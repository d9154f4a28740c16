//! Rows about saving an image.

use std::fs;
use std::process::Command;

use super::{absent, by_docker, peer};
use crate::Bench;
use crate::check::{blobs, output};
use crate::frame::{Contender, Kind, Row, Target, What};
use crate::inputs;
use crate::peers::{docker, found, podman, skopeo};

/// `save` and `save-oci`: the packed image from the store to an archive.
pub(crate) fn docker_archive(bench: &Bench) -> Result<Row, String> {
    saved(bench, "save", "docker-archive")
}

/// See [`docker_archive`].
pub(crate) fn oci_archive(bench: &Bench) -> Result<Row, String> {
    saved(bench, "save-oci", "oci-archive")
}

fn saved(bench: &Bench, row: &'static str, form: &'static str) -> Result<Row, String> {
    const SAVE: &str = "save";
    const NAME: &str = "localhost/debian:gzip";
    let debian = inputs::debian(&bench.inputs)?;
    let archive = debian.folder.join("gzip.tar").display().to_string();
    let full = bench.work.join(format!("full-{row}"));
    fs::create_dir_all(&full).map_err(|e| e.to_string())?;
    bench
        .coracle
        .step(&full, &["load", "--quiet", "-i", &archive])
        .run()?;
    let (coracle, root, id) = (bench.coracle.clone(), full.clone(), debian.id);
    let ours = Contender::new(SAVE, Kind::Ours, move |place| {
        let out = place.join("out.tar").display().to_string();
        vec![coracle.step(&root, &["save", "--format", form, "-o", &out, NAME])]
    })
    .after(move |place| {
        let out = place.join("out.tar");
        output(Command::new("tar").arg("-C").arg(place).arg("-xf").arg(out))?;
        blobs(place, &id)
    });
    let root = full.join("podman");
    let loading = podman("podman", &root, &["load", "--quiet", "-i", &archive]);
    let by_podman = found("podman").and_then(|()| {
        fs::create_dir_all(&root).map_err(|e| e.to_string())?;
        loading.run().map(drop)
    });
    let by_podman = by_podman.map_err(absent("podman save")).map(|()| {
        Contender::new("podman save", Kind::Peer(&[SAVE]), move |place| {
            let out = place.join("out.tar").display().to_string();
            let words = ["save", "--quiet", "--format", form, "-o", &out, NAME];
            vec![podman("podman", &root, &words)]
        })
    });
    let layout = format!("oci:{}:t", debian.folder.join("layout").display());
    let by_skopeo = peer(
        "skopeo copy from a layout",
        &["skopeo"],
        &[SAVE],
        move |place| {
            let target = format!("{form}:{}:{NAME}", place.join("out.tar").display());
            vec![skopeo(&["copy", "--quiet", &layout, &target])]
        },
    );
    let mut contenders = vec![Ok(ours), by_podman, by_skopeo];
    contenders.push(if form == "docker-archive" {
        let loading = archive.clone();
        by_docker(bench, "docker save", &[SAVE], |client, place| {
            let out = place.join("out.tar").display().to_string();
            vec![docker(client, &["save", "-o", &out, NAME])]
        })
        .map(|save| match bench.docker() {
            Ok(server) => save.before(move |_| {
                docker(&server.client, &["load", "--quiet", "-i", &loading])
                    .run()
                    .map(drop)
            }),
            Err(_) => save,
        })
    } else {
        Err(absent("docker save")(
            "Docker 20.10 writes docker archives only".to_owned(),
        ))
    });
    let what = [What::OfFastestPeer(1.0), What::Memory(64)];
    Ok(Row {
        name: row,
        about: format!("The packed Debian image from the store to a {form}, a file."),
        contenders,
        targets: what.map(|what| Target { ours: SAVE, what }).into(),
        runs: 5,
    })
}
