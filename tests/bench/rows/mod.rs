//! The rows: what is done, and who does it.

use std::path::Path;

use crate::Bench;
use crate::frame::{Contender, Kind, Row};
use crate::measure::Step;
use crate::peers::{Absent, empty, found};

mod build;
mod builders;
mod context;
mod import;
mod load;
mod registry;
mod save;
mod store;
mod transfer;

/// Makes the row of a name.
pub(crate) type Make = fn(&Bench) -> Result<Row, String>;

/// The row that takes longer than all others together.
pub(crate) const SOAK: &str = "soak";

/// Every row, in the order in which they run.
pub(crate) const ALL: &[(&str, &str, Make)] = &[
    (
        "load-gzip",
        "load and unpack a Debian image with a packed layer",
        load::gzip,
    ),
    ("load-plain", "the same, its layer not packed", load::plain),
    (
        "load-layers",
        "the same files in four packed layers",
        load::layers,
    ),
    (
        "save",
        "save the image as a docker archive",
        save::docker_archive,
    ),
    (
        "save-oci",
        "save the image as an OCI archive",
        save::oci_archive,
    ),
    (
        "import",
        "import and unpack 100,000 small files",
        import::many,
    ),
    (
        "large",
        "import and unpack 1 GiB, for the memory",
        import::large,
    ),
    (
        "store",
        "look something up in a store of 10,000 images",
        store::find,
    ),
    (
        "build-cached",
        "build six instructions, all cached",
        build::six_cached,
    ),
    (
        "build-hundred",
        "build a hundred instructions, all cached",
        build::hundred_cached,
    ),
    (
        "build-six",
        "build the six instructions, nothing cached",
        build::six,
    ),
    (
        "build-run",
        "build RUN true, beside running true",
        build::run_true,
    ),
    (
        "build-steps",
        "build 10, 100 and 1,000 instructions",
        build::growth,
    ),
    ("build-copy", "copy 20,000 files of 500 MB", context::copy),
    (
        "build-changed",
        "copy them again when one has changed",
        context::changed,
    ),
    (
        "build-files",
        "copy 1,000, 10,000 and 100,000 files",
        context::growth,
    ),
    (
        "pull-gzip",
        "pull and copy the Debian image from a registry",
        transfer::pull_gzip,
    ),
    (
        "pull-twenty",
        "pull and copy an image of twenty layers",
        transfer::pull_twenty,
    ),
    (
        "push-gzip",
        "push the Debian image to a registry",
        transfer::push_gzip,
    ),
    (
        "push-twenty",
        "push an image of twenty layers",
        transfer::push_twenty,
    ),
    (
        "registry",
        "64 clients push to a registry and pull from it",
        registry::crowd,
    ),
    (
        SOAK,
        "the same for ten minutes, for the memory; only when it is named",
        registry::soak,
    ),
];

/// Somebody else's engine, if all its programs are installed.
fn peer(
    name: &str,
    programs: &[&str],
    rivals: &'static [&'static str],
    steps: impl Fn(&Path) -> Vec<Step> + 'static,
) -> Result<Contender, Absent> {
    programs
        .iter()
        .try_for_each(|p| found(p))
        .map_err(absent(name))?;
    Ok(Contender::new(name, Kind::Peer(rivals), steps))
}

/// Docker, whose images are removed after each turn.
fn by_docker(
    bench: &Bench,
    name: &str,
    rivals: &'static [&'static str],
    steps: impl Fn(&[String; 3], &Path) -> Vec<Step> + 'static,
) -> Result<Contender, Absent> {
    let server = bench.docker().map_err(absent(name))?;
    let client = server.client.clone();
    let contender = Contender::new(name, Kind::Peer(rivals), move |place| steps(&client, place));
    Ok(contender
        .server(server.process)
        .after(move |_| empty(&server.client)))
}

/// Adds what it costs GNU programs to do less, each a script about `$1` in the directory `$2`.
fn floor<const N: usize>(
    row: &mut Row,
    about: &Path,
    floors: [(&str, &'static [&'static str], &'static str); N],
) {
    for (name, rivals, script) in floors {
        let about = about.to_owned();
        let step = move |place: &Path| vec![Step::shell(script, &[&about, place])];
        row.contenders
            .push(Ok(Contender::new(name, Kind::Floor(rivals), step)));
    }
}

fn absent(name: &str) -> impl Fn(String) -> Absent {
    let name = name.to_owned();
    move |reason| Absent {
        name: name.clone(),
        reason,
    }
}
