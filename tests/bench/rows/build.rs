//! Rows about building images from Dockerfiles.

use std::path::{Path, PathBuf};

use super::builders::{BUILDAH, BUILDKIT, How, Job, NAME, OURS};
use crate::Bench;
use crate::check::{output, prints};
use crate::frame::{Contender, Kind, Row, Target, What};
use crate::inputs;

/// The image that all but those of large contexts start with.
const BASE: &str = "localhost/debian:gzip";

/// What everybody does alike.
const ALIKE: &str = "RUN has the host's network, and the base is loaded and unpacked already. \
                     docker's daemon, with BuildKit, is warm.";

/// `build-cached`: six instructions, which everybody has built before.
pub(crate) fn six_cached(bench: &Bench) -> Result<Row, String> {
    let context = six_instructions(bench)?;
    let about = format!("Six instructions on a Debian image, all cached. {ALIKE}");
    cached(bench, "build-cached", about, &context)
}

/// `build-hundred`: a hundred instructions, of which fifty make layers.
pub(crate) fn hundred_cached(bench: &Bench) -> Result<Row, String> {
    let context = inputs::instructions(&bench.inputs, 100, true)?;
    let about = format!(
        "A hundred instructions on a Debian image, a quarter of them COPY and a quarter RUN, all \
         cached. {ALIKE}"
    );
    let mut row = cached(bench, "build-hundred", about, &context)?;
    row.targets.push(Target {
        ours: OURS,
        what: What::Milliseconds(20),
    });
    Ok(row)
}

/// `build-six`: the same six instructions, nothing cached.
pub(crate) fn six(bench: &Bench) -> Result<Row, String> {
    let coracle = bench.coracle.clone();
    let job = Job::new(bench, "build-six", six_instructions(bench)?, How::Fresh);
    let job = job.on(base(bench)?).check(move |state, _| {
        let words = [
            "run",
            "--rm",
            "--network",
            "none",
            NAME,
            "cat",
            "/app/built",
        ];
        prints(&mut coracle.command(state, &words), "built")
    });
    let about = format!("Six instructions on a Debian image, nothing cached. {ALIKE}");
    Ok(job.row(about, &[What::Of(1.0, BUILDKIT)]))
}

/// `build-run`: a step that does nothing, beside a container that does nothing.
pub(crate) fn run_true(bench: &Bench) -> Result<Row, String> {
    const RUN: &str = "coracle run";
    let text = "FROM localhost/debian:gzip\nRUN true\n";
    let context = inputs::dockerfile(&bench.inputs, "run-true", text)?;
    let job = Job::new(bench, "build-run", context, How::Fresh).on(base(bench)?);
    let state = job.state("run");
    let running = {
        let (coracle, state) = (bench.coracle.clone(), state.clone());
        move |_: &Path| {
            let words = ["run", "--rm", "--network", "host", BASE, "true"];
            vec![coracle.step(&state, &words)]
        }
    };
    let (coracle, archive) = (bench.coracle.clone(), base(bench)?.display().to_string());
    let run = Contender::new(RUN, Kind::Ours, running).before(move |_| {
        if state.is_dir() {
            return Ok(());
        }
        // The first run unpacks the image.
        for words in [
            &["load", "--quiet", "-i", &archive][..],
            &["run", "--rm", "--network", "host", BASE, "true"],
        ] {
            output(&mut coracle.command(&state, words))?;
        }
        Ok(())
    });
    let about =
        format!("RUN true on a Debian image, not cached, and the same without a build. {ALIKE}");
    let mut row = job.row(about, &[What::Above(30, RUN), What::Of(1.0, BUILDKIT)]);
    row.contenders.insert(1, Ok(run));
    Ok(row)
}

/// `build-steps`: ten, a hundred, a thousand instructions.
pub(crate) fn growth(bench: &Bench) -> Result<Row, String> {
    const CACHED: [&str; 3] = ["10 cached", "100 cached", "1,000 cached"];
    const FRESH: [&str; 3] = ["10 not cached", "100 not cached", "1,000 not cached"];
    let mut contenders = Vec::new();
    let mut targets = Vec::new();
    for (names, how) in [(CACHED, How::Cached), (FRESH, How::Fresh)] {
        for (name, number) in names.into_iter().zip([10, 100, 1000]) {
            let context = inputs::instructions(&bench.inputs, number, false)?;
            let job = Job::new(bench, "build-steps", context, how).on(base(bench)?);
            contenders.push(Ok(job.ours(name)));
        }
        for pair in names.windows(2) {
            let what = What::Of(10.0, pair[0]);
            targets.push(Target {
                ours: pair[1],
                what,
            });
        }
    }
    Ok(Row {
        name: "build-steps",
        about: "More and more instructions on a Debian image, a quarter of them COPY, the others \
                ENV and LABEL. Docker takes no image of 250 layers, so nobody is beside us."
            .to_owned(),
        contenders,
        targets,
        runs: 5,
    })
}

/// The build that the figures of others are about.
fn six_instructions(bench: &Bench) -> Result<PathBuf, String> {
    let text = "\
FROM localhost/debian:gzip
ENV GREETING=hello
WORKDIR /app
COPY source /app/
RUN echo built > /app/built
CMD [\"cat\", \"/app/built\"]
";
    inputs::dockerfile(&bench.inputs, "six", text)
}

/// A row in which everything is cached: a fifth of BuildKit's time, a fifteenth of buildah's.
fn cached(bench: &Bench, name: &'static str, about: String, context: &Path) -> Result<Row, String> {
    let job = Job::new(bench, name, context.to_owned(), How::Cached).on(base(bench)?);
    let mut row = job.row(about, &[What::Of(0.2, BUILDKIT), What::Of(0.066, BUILDAH)]);
    row.runs = 15;
    Ok(row)
}

/// The archive with the base.
fn base(bench: &Bench) -> Result<PathBuf, String> {
    Ok(inputs::debian(&bench.inputs)?.folder.join("gzip.tar"))
}
