//! The act about a registry: two versions are sent to it, forgotten here, and fetched back.

use std::net::TcpListener;

use super::stage::{self, Stage};
use crate::failure::Failure;

/// Both versions of the site.
const VERSIONS: [&str; 2] = ["site:v1", "site:v2"];

/// Shows a registry on the loopback: what is there already is not sent again, and what comes back
/// is what was sent.
pub(super) fn act(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("A registry keeps images and shares them", &["05-registry"])?;
    let port = free_port()?;
    let registry = format!("127.0.0.1:{port}");
    stage::say("One of your own, on this machine alone:\n")?;
    let mut server = stage.start(&["registry", "serve", "--listen", &registry])?;
    server.ask(port)?;
    let there = VERSIONS.map(|version| format!("{registry}/{version}"));
    for (version, name) in VERSIONS.iter().zip(&there) {
        stage.coracle(&["tag", version, name])?;
    }
    let before = digests(stage, &there)?;
    stage.coracle(&["push", &there[0]])?;
    stage::say("\nOf v2 only what is new is sent:\n")?;
    stage.coracle(&["push", &there[1]])?;

    stage::say("\nForget both here, and what the builds remember, and fetch them back:\n")?;
    let [v1, v2] = there.each_ref().map(String::as_str);
    stage.coracle(&["rmi", "site:latest", "site:v1", "site:v2", v1, v2])?;
    stage.coracle(&["builder", "prune", "--all", "--force"])?;
    stage.coracle(&["images"])?;
    for name in &there {
        stage.coracle(&["pull", name])?;
    }
    let after = digests(stage, &there)?;
    for ((version, before), after) in VERSIONS.iter().zip(&before).zip(&after) {
        if before != after {
            let message = format!("{version} was {before} and came back as {after}");
            return Err(Failure::new(message));
        }
        stage::say(&format!("{version} is {after}, as before.\n"))?;
    }
    let code = server.end()?;
    stage::say(&format!(
        "The registry was sent SIGTERM, and ended with exit code {code}.\n"
    ))
}

/// The digest of each image's manifest.
fn digests(stage: &mut Stage, images: &[String]) -> Result<Vec<String>, Failure> {
    let digest = ["image", "inspect", "--format", "{{.Manifest.Digest}}"];
    let mut digests = Vec::new();
    for image in images {
        let told = stage.answer(&[&digest[..], &[image]].concat())?;
        digests.push(told.trim().to_owned());
    }
    Ok(digests)
}

/// A port of the loopback on which nobody listens.
pub(super) fn free_port() -> Result<u16, Failure> {
    let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let address = address.map_err(|e| Failure::io("find a free port of 127.0.0.1", &e))?;
    Ok(address.port())
}
