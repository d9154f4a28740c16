//! Plans: whatever a Dockerfile says, and whatever the triggers of its base image say, planning
//! ends, always the same, in a plan or in findings with a place.
//!
//! The part of an input up to the first NUL is a Dockerfile; each further part is a trigger.

use coracle::build::context::Context;
use coracle::build::executor::RunNetwork;
use coracle::build::plan::{Plan, PlanError, PlanOptions, change, plan};
use coracle::dockerfile::parse;
use coracle::image::Image;
use coracle::path::RootedPath;
use coracle::spec::{Document, ImageConfig, Manifest, Platform, media};
use coracle::tree::{Node, Timestamp};
use std::sync::Arc;

use super::dockerfile::check_diagnostic;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut parts = text.split('\0');
    let source = parts.next().unwrap_or_default();
    let triggers: Vec<String> = parts.map(str::to_owned).collect();
    let image = image(&triggers);
    let planned = make(source, &image);
    match &planned {
        Ok(plan) => {
            for warning in &plan.warnings {
                check_diagnostic(source, warning);
            }
            for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
                assert!(source.get(step.span.range()).is_some(), "{:?}", step.span);
            }
        }
        Err(PlanError::Source(findings)) => {
            for finding in findings {
                check_diagnostic(source, finding);
            }
        }
        Err(PlanError::Target { .. }) => unreachable!("no target was asked for"),
    }
    let again = make(source, &image);
    assert_eq!(
        format!("{again:?}"),
        format!("{planned:?}"),
        "not the same twice"
    );
    let _ = change(&image.config.value, &triggers);
}

fn make(source: &str, image: &Image) -> Result<Plan, PlanError> {
    let parsed = parse(source);
    let platform = Platform::linux("amd64");
    let options = PlanOptions {
        args: [("ARGUMENT".to_owned(), "given".to_owned())].into(),
        target: None,
        platform: platform.clone(),
        build_platform: platform,
        labels: [("label".to_owned(), "value".to_owned())].into(),
        network: RunNetwork::Host,
        insecure: false,
        time: Timestamp::default(),
    };
    let mut context = Context {
        name: ".".to_owned(),
        ..Context::default()
    };
    for name in ["a", "b/c", "b/d.txt"] {
        let path = RootedPath::parse(name).expect("the path is clean");
        context
            .tree
            .insert(path, Arc::new(Node::file(0o644, *b"x")));
    }
    let mut find = |_: &_, _: &_| Ok(image.clone());
    plan(
        &parsed.dockerfile,
        parsed.diagnostics,
        &options,
        &context,
        &mut find,
    )
}

/// A base image with triggers, and nothing in it.
fn image(triggers: &[String]) -> Image {
    let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
    config.config.on_build = triggers.to_vec();
    config.config.env = vec!["PATH=/bin".to_owned(), "x=1 2".to_owned()];
    let config = Document::write(config).expect("a config is written");
    let manifest = Manifest::new(config.descriptor(media::CONFIG), Vec::new());
    let manifest = Document::write(manifest).expect("a manifest is written");
    Image {
        descriptor: manifest.descriptor(media::MANIFEST),
        manifest,
        config,
    }
}
