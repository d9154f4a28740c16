//! Rows about an image on its way from and to a registry: Debian's docker-registry, for all alike.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::{absent, floor, peer};
use crate::Bench;
use crate::check::{blobs, output, prints, same_tree};
use crate::frame::{Contender, Kind, Row, Target, What};
use crate::inputs;
use crate::measure::Step;
use crate::peers::{DockerRegistry, found, podman, skopeo};

/// Into the store, and unpacked for containers.
const PULL: &str = "pull";
/// Into a layout, as it is.
const COPY: &str = "copy to a layout";
const PUSH: &str = "push";

/// An image that is to travel.
struct Image {
    /// Where skopeo reads it.
    layout: PathBuf,
    /// The digest of its manifest, with `sha256:`.
    digest: String,
    /// Its packed layers as files, lowest first.
    layers: Vec<PathBuf>,
    /// What it is, for the table.
    about: &'static str,
}

/// `pull-gzip`: one layer.
pub(crate) fn pull_gzip(bench: &Bench) -> Result<Row, String> {
    pull(bench, "pull-gzip", &debian(bench)?)
}

/// `pull-twenty`: many layers.
pub(crate) fn pull_twenty(bench: &Bench) -> Result<Row, String> {
    pull(bench, "pull-twenty", &twenty(bench)?)
}

/// `push-gzip`: one layer.
pub(crate) fn push_gzip(bench: &Bench) -> Result<Row, String> {
    push(bench, "push-gzip", &debian(bench)?)
}

/// `push-twenty`: many layers.
pub(crate) fn push_twenty(bench: &Bench) -> Result<Row, String> {
    push(bench, "push-twenty", &twenty(bench)?)
}

fn debian(bench: &Bench) -> Result<Image, String> {
    let debian = inputs::debian(&bench.inputs)?;
    let about = "the Debian image, 51 MB in one packed layer";
    Image::read(debian.folder.join("layout"), about)
}

fn twenty(bench: &Bench) -> Result<Image, String> {
    let about = "an image of twenty packed layers, 2 MB each";
    Image::read(inputs::twenty(&bench.inputs)?, about)
}

impl Image {
    /// The image with the tag `t` in a layout.
    fn read(layout: PathBuf, about: &'static str) -> Result<Self, String> {
        let blob = |digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
        let jq =
            |filter: &str, file: &Path| output(Command::new("jq").args(["-r", filter]).arg(file));
        let tagged =
            r#".manifests[]|select(.annotations["org.opencontainers.image.ref.name"]=="t").digest"#;
        let digest = jq(tagged, &layout.join("index.json"))?.trim().to_owned();
        let layers = jq(".layers[].digest", &blob(&digest))?;
        Ok(Self {
            layers: layers.lines().map(blob).collect(),
            digest,
            about,
            layout,
        })
    }

    /// How skopeo is told where it is.
    fn source(&self) -> String {
        format!("oci:{}:t", self.layout.display())
    }
}

/// Who pulls and unpacks, and who only fetches.
fn pull(bench: &Bench, name: &'static str, image: &Image) -> Result<Row, String> {
    let registry = Rc::new(DockerRegistry::start(&bench.work.join(name))?);
    let reference = format!("{}/image:t", registry.host());
    let address = format!("docker://{reference}");
    let source = image.source();
    let copy = [
        "copy",
        "--quiet",
        "--dest-tls-verify=false",
        "--preserve-digests",
    ];
    skopeo(&[&copy[..], &[&source, &address]].concat()).run()?;
    let tree = bench.work.join(format!("tree-{name}"));
    fs::create_dir_all(&tree).map_err(|e| e.to_string())?;
    for layer in &image.layers {
        output(
            Command::new("tar")
                .arg("-C")
                .arg(&tree)
                .arg("-xf")
                .arg(layer),
        )?;
    }
    let mut contenders = ours_pulling(bench, &registry, &reference, image, tree);
    let pulling = {
        let reference = reference.clone();
        move |place: &Path| {
            let words = ["pull", "--quiet", "--tls-verify=false", &reference];
            vec![podman("podman", place, &words)]
        }
    };
    contenders.push(peer("podman pull", &["podman"], &[PULL], pulling));
    let copy = move |place: &Path| {
        let layout = format!("oci:{}:t", place.join("layout").display());
        skopeo(&[
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            &address,
            &layout,
        ])
    };
    let copied = copy.clone();
    let copying = move |place: &Path| vec![copied(place)];
    contenders.push(peer(
        "skopeo copy to a layout",
        &["skopeo"],
        &[COPY],
        copying,
    ));
    let unpacking = move |place: &Path| {
        let layout = format!("{}:t", place.join("layout").display());
        let out = place.join("out").display().to_string();
        let unpack = Step::new(["umoci", "raw", "unpack", "--image", &layout, &out]);
        vec![copy(place), unpack]
    };
    let programs = ["skopeo", "umoci"];
    let both = "skopeo copy + umoci raw unpack";
    contenders.push(peer(both, &programs, &[PULL], unpacking));
    contenders.push(Err(absent("docker pull")(
        "its daemon has a network of its own, without this registry".to_owned(),
    )));
    let mut row = Row {
        name,
        about: format!(
            "Fetch {} from docker-registry on the loopback: into an empty store, unpacked for containers; and into a layout as it is.",
            image.about
        ),
        contenders,
        targets: [(PULL, 0.5), (COPY, 1.0)]
            .into_iter()
            .flat_map(|(ours, most)| goals(ours, most))
            .collect(),
        runs: 7,
    };
    floors(&mut row, &registry.url(), image);
    Ok(row)
}

fn ours_pulling(
    bench: &Bench,
    registry: &Rc<DockerRegistry>,
    reference: &str,
    image: &Image,
    tree: PathBuf,
) -> Vec<Result<Contender, crate::peers::Absent>> {
    let pull = {
        let (coracle, reference) = (bench.coracle.clone(), reference.to_owned());
        Contender::new(PULL, Kind::Ours, move |place| {
            vec![coracle.step(place, &["pull", "--quiet", &reference])]
        })
    };
    // The registry lives as long as somebody pulls from it.
    let (coracle, kept) = (bench.coracle.clone(), Rc::clone(registry));
    let (pulled, expected) = (reference.to_owned(), image.digest.clone());
    let pull = pull.after(move |place| {
        let digest = format!("{}/image@{expected}", kept.host());
        let words = ["{{index .RepoDigests 0}}", &pulled];
        let words = [&["image", "inspect", "--format"][..], &words].concat();
        prints(&mut coracle.command(place, &words), &digest)?;
        output(&mut coracle.command(place, &["image", "check", &pulled]))?;
        let snapshots = place.join("snapshots/trusted/layers");
        if fs::read_dir(&snapshots).is_ok_and(|mut entries| entries.next().is_none()) {
            return Err("the image was not unpacked".to_owned());
        }
        let out = place.join("out");
        let words = ["image", "unpack", &pulled, &out.display().to_string()];
        output(&mut coracle.command(place, &words))?;
        same_tree(&tree, &out)
    });
    let (coracle, from) = (bench.coracle.clone(), reference.to_owned());
    let digest = image.digest.clone();
    let copy = Contender::new(COPY, Kind::Ours, move |place| {
        let layout = format!("oci:{}:t", place.join("layout").display());
        vec![coracle.step(place, &["copy", "--quiet", &from, &layout])]
    })
    .after(move |place| blobs(&place.join("layout"), digest.trim_start_matches("sha256:")));
    vec![Ok(pull), Ok(copy)]
}

/// Who pushes an image that is in its store to a registry that has nothing of it.
fn push(bench: &Bench, name: &'static str, image: &Image) -> Result<Row, String> {
    let registry = Rc::new(DockerRegistry::start(&bench.work.join(name))?);
    let reference = format!("{}/image:t", registry.host());
    let address = format!("docker://{reference}");
    let archive = bench.work.join(format!("{name}.tar"));
    let target = format!("oci-archive:{}:{reference}", archive.display());
    skopeo(&["copy", "--quiet", &image.source(), &target]).run()?;
    let archive = archive.display().to_string();

    let full = bench.work.join(format!("full-{name}"));
    fs::create_dir_all(&full).map_err(|e| e.to_string())?;
    let load = ["load", "--quiet", "-i", &archive];
    bench.coracle.step(&full, &load).run()?;
    let arrived = {
        let (registry, digest) = (Rc::clone(&registry), image.digest.clone());
        move |_: &Path| {
            registry.has("image", "t", &digest)?;
            registry.empty()
        }
    };
    let (coracle, root, to) = (bench.coracle.clone(), full.clone(), reference.clone());
    let ours = Contender::new(PUSH, Kind::Ours, move |_| {
        vec![coracle.step(&root, &["push", "--quiet", &to])]
    })
    .after(arrived.clone());

    let root = full.join("podman");
    let loaded = found("podman").and_then(|()| {
        fs::create_dir_all(&root).map_err(|e| e.to_string())?;
        podman("podman", &root, &load).run().map(drop)
    });
    let by_podman = loaded.map_err(absent("podman push")).map(|()| {
        Contender::new("podman push", Kind::Peer(&[PUSH]), move |_| {
            let words = ["push", "--quiet", "--tls-verify=false", &reference];
            vec![podman("podman", &root, &words)]
        })
        .after({
            // It packs the layers anew, so its manifest is another one.
            let registry = Rc::clone(&registry);
            move |_| registry.empty()
        })
    });
    let source = image.source();
    let by_skopeo = peer(
        "skopeo copy from a layout",
        &["skopeo"],
        &[PUSH],
        move |_| {
            let words = [
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                "--preserve-digests",
            ];
            vec![skopeo(&[&words[..], &[&source, &address]].concat())]
        },
    );
    let by_skopeo = by_skopeo.map(|skopeo| skopeo.after(arrived));
    Ok(Row {
        name,
        about: format!(
            "Push {} to docker-registry on the loopback, which has nothing of it.",
            image.about
        ),
        contenders: vec![Ok(ours), by_podman, by_skopeo],
        targets: goals(PUSH, 1.0).into(),
        runs: 7,
    })
}

/// What it costs at least: the bytes over the loopback, and onto the disk.
fn floors(row: &mut Row, url: &str, image: &Image) {
    let hex = |layer: &PathBuf| layer.file_name().unwrap_or_default().display().to_string();
    let fetch = |layer| {
        format!(
            "curl -sSfo /dev/null {url}/v2/image/blobs/sha256:{}\n",
            hex(layer)
        )
    };
    let fetch: String = image.layers.iter().map(fetch).collect();
    let copy = |layer: &PathBuf| format!("cp {} \"$2\"\n", layer.display());
    let copy: String = image
        .layers
        .iter()
        .map(copy)
        .chain(["sync".to_owned()])
        .collect();
    let floors: [(&str, &[&str], &str); 1] = [(
        "sha256sum of the layers",
        &[COPY],
        "sha256sum $(find \"$1/blobs\" -size +64k)",
    )];
    floor(row, &image.layout, floors);
    for (name, script) in [("network: curl", fetch), ("disk: cp, sync", copy)] {
        let layout = image.layout.clone();
        let step = move |place: &Path| vec![Step::shell(&script, &[&layout, place])];
        row.contenders
            .push(Ok(Contender::new(name, Kind::Floor(&[COPY]), step)));
        row.targets.push(Target {
            ours: COPY,
            what: What::Of(1.2, name),
        });
    }
}

fn goals(ours: &'static str, most: f64) -> [Target; 2] {
    let what = [What::OfFastestPeer(most), What::Memory(64)];
    what.map(|what| Target { ours, what })
}
