//! `coracle demo`: the project's main job before your eyes, offline, in seconds.
//!
//! The demonstration types commands: each `$ coracle …` that it prints is executed as it stands,
//! in a state directory of its own. Every number is read from the system when it is printed.

mod floor;
mod layers;
mod probe;
mod server;
mod shelf;
mod site;
mod stage;

use std::path::PathBuf;
use std::time::Instant;

use self::site::Site;
use self::stage::Stage;
use crate::failure::{Failure, Outcome};
use crate::output::human;
use crate::progress::ExplainOption;

/// See an image built and run, step by step, and everything removed again
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle demo
  coracle demo --explain

Offline and without root: a base image is made of this machine's own programs, a small web
page is built on it from a Dockerfile and served from a container. Then one line changes,
the tag is rolled back, and both versions go to a registry and come back. The state is kept in a temporary directory, which is removed at
the end, also when you interrupt it.

Each act names the chapter of the book that will explain it."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) explain: ExplainOption,
    /// Remove what a demonstration left in this directory; it calls itself with this
    #[arg(long, hide = true, value_name = "directory")]
    pub(crate) remove_state: Option<PathBuf>,
}

/// Plays all acts. Whatever happens, the state is removed.
pub(crate) fn run(options: &Options) -> Outcome {
    if let Some(directory) = &options.remove_state {
        return floor::remove_state(directory);
    }
    let started = Instant::now();
    let mut stage = Stage::open(options.explain.style)?;
    let played = play(&mut stage);
    // Whoever interrupts us interrupts our commands, too; what they then say is not the reason.
    let played = stage.interrupted().and(played);
    let removed = stage.close();
    match (played, removed) {
        (Ok(()), Ok(said)) => {
            stage::say(&said)?;
            stage::say(&format!(
                "\nThat took {:.1} seconds. Now your turn:\n\n  coracle doctor                            what this machine offers\n  coracle base && coracle run -it base sh   a shell in a container\n  coracle demo --explain                    every call, and why\n",
                started.elapsed().as_secs_f64()
            ))?;
            Ok(0)
        }
        (Err(failure), Ok(said)) => {
            stage::say(&said)?;
            Err(failure)
        }
        (_, Err(failure)) => Err(failure),
    }
}

fn play(stage: &mut Stage) -> Result<(), Failure> {
    stage::say(&format!(
        "Coracle builds an image and runs it: offline, {}.\nState: {}, removed at the end.\n",
        stage::who(),
        stage.root.display()
    ))?;
    let site = Site::for_this_machine();
    base(stage, site)?;
    build(stage, site)?;
    probe::act(stage)?;
    serve(stage, site)?;
    change(stage, site)?;
    roll_back(stage)?;
    shelf::act(stage)
}

fn base(stage: &mut Stage, site: Site) -> Result<(), Failure> {
    stage.act(
        "A base image, from this machine's own programs",
        &["11-rootfs"],
    )?;
    stage::say("A shell, the common tools, and the libraries that they need:\n")?;
    let mut command = vec!["base", "--tag", "base"];
    command.extend(site.needs());
    stage.coracle(&command)?;
    Ok(())
}

fn build(stage: &mut Stage, site: Site) -> Result<(), Failure> {
    stage.act(
        "A Dockerfile becomes an image",
        &["06-dockerfile", "07-build", "14-run"],
    )?;
    site.write(&stage.root, "v1")?;
    stage::say(&stage::indented("site/Dockerfile:", &site.dockerfile()))?;
    stage.coracle(&["build", "--progress", "plain", "--tag", "site:v1", "site"])?;
    Ok(())
}

fn serve(stage: &mut Stage, site: Site) -> Result<(), Failure> {
    stage.act("It serves its page", &["14-run", "12-init"])?;
    let Some(port) = site.port()? else {
        stage::say("This machine has neither python3 nor busybox; a shell prints the page:\n")?;
        stage.coracle(&["run", "--rm", "site:v1"])?;
        return Ok(());
    };
    stage::say("With the network of this machine; PID 1 is a small init:\n")?;
    let variable = format!("PORT={port}");
    let mut server = stage.start(&[
        "run",
        "--rm",
        "--init",
        "--network",
        "host",
        "--env",
        &variable,
        "site:v1",
    ])?;
    let answer = server.ask(port)?;
    if stage.explain.is_some() {
        stage::say(&server.log())?;
    }
    stage::say(&stage::indented(
        &format!("GET http://127.0.0.1:{port}/"),
        &answer,
    ))?;
    let code = server.end()?;
    stage::say(&format!(
        "It was sent SIGTERM, and ended with exit code {code}.\n"
    ))
}

fn change(stage: &mut Stage, site: Site) -> Result<(), Failure> {
    stage.act(
        "One line changes: v2 is v1 and what is new",
        &["02-digests", "08-cache"],
    )?;
    let before = stage.stored()?;
    stage::say(&stage::indented(
        "site/index.html:",
        &site.change(&stage.root, "v1", "v2")?,
    ))?;
    stage.coracle(&[
        "build",
        "--progress",
        "plain",
        "--explain-cache",
        "--tag",
        "site:v2",
        "site",
    ])?;
    let grown = stage.stored()?.saturating_sub(before);
    stage::say(&layers::compare(stage, "site:v1", "site:v2")?)?;
    stage::say(&format!(
        "The store held {} and grew by {}: nothing is stored twice.\n",
        human::size(before, 4),
        human::size(grown, 4)
    ))
}

fn roll_back(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("Rollback: a tag is a name that can be moved", &["04-image"])?;
    let before = stage.stored()?;
    for version in ["site:v2", "site:v1"] {
        if version == "site:v1" {
            stage::say("\nSomething is wrong with v2? Roll back:\n")?;
        }
        stage.coracle(&["tag", version, "site:latest"])?;
        stage.coracle(&["run", "--rm", "site:latest", "cat", "index.html"])?;
    }
    let grown = stage.stored()?.saturating_sub(before);
    stage::say(&format!(
        "\nThat copied nothing: the store grew by {}.\n",
        human::size(grown, 4)
    ))
}
