//! The miniature and core build the same images of the same input: layer by layer, byte by byte.

#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

mod yard;

use std::collections::BTreeMap;
use std::sync::Arc;

use coracle::build::cache::MemoryCache;
use coracle::build::context::Context;
use coracle::build::executor::{Executor, ExecutorError, Ran, RunNetwork, RunStep};
use coracle::build::plan::{PlanOptions, plan};
use coracle::build::{BuildOptions, Host, build};
use coracle::dockerfile::parse;
use coracle::event::Event;
use coracle::image::StoredLayer;
use coracle::spec::Platform;
use coracle::store::Store;
use coracle::store::memory::MemoryStore;
use coracle::tree::{Timestamp, Tree};
use proptest::collection::vec;
use proptest::prelude::*;

/// Runs nothing: no step here asks for it.
struct Nobody;

impl Executor for Nobody {
    fn run(
        &self,
        _: &Arc<dyn Store>,
        _: &[StoredLayer],
        _: &RunStep,
        _: &mut dyn FnMut(Event),
    ) -> Result<Ran, ExecutorError> {
        panic!("nothing is run")
    }
}

/// The digests of config and manifest as core builds them; nothing if it refuses.
fn by_core(dockerfile: &str, context: &Tree) -> Option<(String, String)> {
    let context = Context {
        name: "the context".into(),
        tree: context.clone(),
        ignore_file: ".dockerignore".into(),
        ..Context::default()
    };
    let options = PlanOptions {
        args: BTreeMap::new(),
        target: None,
        platform: Platform::linux("amd64"),
        build_platform: Platform::linux("amd64"),
        labels: BTreeMap::new(),
        network: RunNetwork::None,
        insecure: false,
        time: Timestamp::default(),
    };
    let parsed = parse(dockerfile);
    let plan = plan(
        &parsed.dockerfile,
        parsed.diagnostics,
        &options,
        &context,
        &mut |reference, _| Err(format!("no image {}", reference.familiar())),
    );
    let plan = plan.unwrap_or_else(|_| panic!("core plans nothing for\n{dockerfile}"));
    let host = Host {
        store: Arc::new(MemoryStore::new()),
        cache: &MemoryCache::default(),
        executor: &Nobody,
        context: &context,
        secrets: &BTreeMap::new(),
        agents: &BTreeMap::new(),
        fetch: None,
    };
    let built = build(&plan, &host, &BuildOptions::default(), &mut |_| {});
    let image = built.ok()?.image;
    Some((
        image.config.digest().to_string(),
        image.manifest.digest().to_string(),
    ))
}

fn ours(dockerfile: &str, context: &Tree) -> (String, String) {
    let built = ch07_build::build(dockerfile, context).unwrap();
    (
        built.config.digest().to_string(),
        built.manifest.digest().to_string(),
    )
}

#[test]
fn the_application_is_the_same_image() {
    let dockerfile = "FROM scratch\nWORKDIR /usr/local/app\nCOPY requirements.txt ./\n\
                      COPY src ./src\nENV PORT=8080 HOST=here\nEXPOSE 5000 53/udp\nUSER app\n\
                      CMD [\"uvicorn\", \"app.main:app\"]\n";
    let context = yard::tree("requirements.txt src/ src/main.py src/lib/ src/lib/x.py README");
    assert_eq!(
        Some(ours(dockerfile, &context)),
        by_core(dockerfile, &context)
    );
}

/// A step that both know, over few names, so that steps meet.
fn step() -> impl Strategy<Value = String> {
    let to = prop_oneof!["/", "/a", "/a/", "\\./", "x", "x/", "/a/b/c", "\\.", "y/z/"];
    let source = prop_oneof!["f", "g", "d", "d/e", "d/h", "\\."];
    prop_oneof![
        (source, to.clone()).prop_map(|(source, to)| format!("COPY {source} {to}")),
        prop_oneof!["/a", "b", "/a/b", "/"].prop_map(|path| format!("WORKDIR {path}")),
        "[A-C]".prop_map(|name| format!("ENV {name}=1")),
        (1..9_u8).prop_map(|port| format!("EXPOSE {port}")),
        "[a-c]".prop_map(|user| format!("USER {user}")),
        "[a-c]".prop_map(|command| format!("CMD {command}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_steps_make_the_same_image(steps in vec(step(), 0..6)) {
        let context = yard::tree("f g d/ d/e/ d/e/i d/h");
        let dockerfile = format!("FROM scratch\n{}\n", steps.join("\n"));
        // Core refuses a directory where a file stands in the way; the miniature replaces it.
        if let Some(theirs) = by_core(&dockerfile, &context) {
            prop_assert_eq!(ours(&dockerfile, &context), theirs, "{}", dockerfile);
        }
    }
}
