//! Rows about copying a large build context.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::builders::{BUILDAH, BUILDKIT, How, Job, NAME, OURS};
use crate::check::{archive_of, output};
use crate::frame::{Row, Target, What};
use crate::inputs;
use crate::{Bench, Coracle};

/// How many files the large context has, and how many bytes each has less than: 500 MB in all.
const LARGE: (u32, u32) = (20_000, 50_000);

/// `build-copy`: a large context that nobody has seen.
pub(crate) fn copy(bench: &Bench) -> Result<Row, String> {
    let context = large(bench, "context-large")?;
    let about = "COPY of 20,000 files, 500 MB, onto nothing. Nobody has seen the context before.";
    let what = [What::OfFastestPeer(0.5), What::Memory(100)];
    let mut row = job(bench, "build-copy", context, How::Cold).row(about.to_owned(), &what);
    row.runs = 5;
    Ok(row)
}

/// `build-changed`: the same context when one small file has changed, and when none has.
pub(crate) fn changed(bench: &Bench) -> Result<Row, String> {
    const ROW: &str = "build-changed";
    const SAME: &str = "coracle build, nothing changed";
    const BUILDKIT_SAME: &str = "docker build, nothing changed";
    // Who writes into a context has one that nobody else builds.
    let one = job(bench, ROW, large(bench, "context-changing")?, How::Changed);
    let none = job(bench, ROW, large(bench, "context-large")?, How::Cached);
    let contenders = vec![
        Ok(one.ours(OURS)),
        Ok(none.ours(SAME)),
        one.buildah(BUILDAH, &[OURS]),
        one.buildkit(BUILDKIT, &[OURS]),
        none.buildkit(BUILDKIT_SAME, &[SAME]),
    ];
    let target = |ours, what| Target { ours, what };
    Ok(Row {
        name: ROW,
        about: "The same context, built before, when one small file of it has changed, and when \
                nothing has. A layer is one archive with one digest, so everybody writes it anew; \
                but what has not changed need not be hashed for that."
            .to_owned(),
        contenders,
        targets: vec![
            target(OURS, What::OfFastestPeer(0.5)),
            target(OURS, What::Memory(100)),
            target(SAME, What::Of(0.5, BUILDKIT_SAME)),
            target(SAME, What::Memory(100)),
        ],
        runs: 5,
    })
}

/// `build-files`: more and more files, never seen and not changed.
pub(crate) fn growth(bench: &Bench) -> Result<Row, String> {
    const COLD: [&str; 3] = ["1,000 files", "10,000 files", "100,000 files"];
    const SAME: [&str; 3] = ["1,000 again", "10,000 again", "100,000 again"];
    let mut contenders = Vec::new();
    let mut targets = Vec::new();
    for (names, how) in [(COLD, How::Cold), (SAME, How::Cached)] {
        for (name, number) in names.into_iter().zip([1_000, 10_000, 100_000]) {
            let context = format!("context-{number}");
            let context = inputs::context(&bench.inputs, &context, number, 2048)?;
            contenders.push(Ok(job(bench, "build-files", context, how).ours(name)));
        }
        for (more, times) in [(names[1], 10.0), (names[2], 100.0)] {
            let what = What::Of(times, names[0]);
            targets.push(Target { ours: more, what });
        }
    }
    Ok(Row {
        name: "build-files",
        about: "COPY of more and more files of up to 2 kB onto nothing: never seen before, and \
                again when nothing has changed."
            .to_owned(),
        contenders,
        targets,
        runs: 5,
    })
}

fn large(bench: &Bench, name: &str) -> Result<PathBuf, String> {
    inputs::context(&bench.inputs, name, LARGE.0, LARGE.1)
}

/// A build whose only layer must have everything of the context's tree.
fn job<'a>(bench: &'a Bench, row: &'static str, context: PathBuf, how: How) -> Job<'a> {
    let coracle = bench.coracle.clone();
    let tree = context.clone();
    let job = Job::new(bench, row, context, how);
    job.check(move |state, _| archive_of(&layer(&coracle, state)?, &tree, "tree"))
}

/// The blob of the layer that was built last. What we build is not packed.
fn layer(coracle: &Coracle, state: &Path) -> Result<PathBuf, String> {
    let format = "{{index .RootFS.Layers 0}}";
    let words = ["image", "inspect", "--format", format, NAME];
    let mut inspect: Command = coracle.command(state, &words);
    let digest = output(&mut inspect)?;
    let hex = digest.trim().trim_start_matches("sha256:");
    Ok(state.join("store/blobs/sha256").join(hex))
}
