//! The miniature and core, given the same edits: the same steps are in the cache.

#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

mod yard;

use std::collections::BTreeMap;
use std::sync::Arc;

use ch08_cache::{Cache, steps};
use coracle::build::cache::MemoryCache;
use coracle::build::context::Context;
use coracle::build::executor::{Executor, ExecutorError, Ran, RunNetwork, RunStep};
use coracle::build::plan::{PlanOptions, plan};
use coracle::build::{BuildOptions, Host, build};
use coracle::dockerfile::parse;
use coracle::event::Event;
use coracle::image::{StoredLayer, store_layer};
use coracle::layer::diff;
use coracle::spec::Platform;
use coracle::store::Store;
use coracle::store::memory::MemoryStore;
use coracle::tree::{Timestamp, Tree};
use proptest::collection::vec;
use proptest::prelude::*;

/// Writes down all that a process can see: so nothing that it reads is without consequence.
struct Notes;

impl Executor for Notes {
    fn run(
        &self,
        store: &Arc<dyn Store>,
        below: &[StoredLayer],
        step: &RunStep,
        _: &mut dyn FnMut(Event),
    ) -> Result<Ran, ExecutorError> {
        let seen = (&step.args, &step.env, &step.user, &step.working_dir);
        let text = format!("{seen:?} on {below:?}");
        let tree = yard::context(&[("note", text)]);
        Ok(Ran {
            layer: store_layer(store.as_ref(), &diff(&Tree::new(), &tree))?,
            finished: None,
        })
    }
}

/// A core that remembers.
struct Core {
    store: Arc<dyn Store>,
    cache: MemoryCache,
}

impl Core {
    /// Which steps that make layers were in the cache.
    fn cached(&self, dockerfile: &str, files: &Tree) -> Vec<bool> {
        let context = Context {
            name: "the context".into(),
            tree: files.clone(),
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
            store: Arc::clone(&self.store),
            cache: &self.cache,
            executor: &Notes,
            context: &context,
            secrets: &BTreeMap::new(),
            agents: &BTreeMap::new(),
            fetch: None,
        };
        let built = build(&plan, &host, &BuildOptions::default(), &mut |_| {}).unwrap();
        built.steps.iter().map(|step| step.cached).collect()
    }
}

/// An edit: another content of one of two files, or another line in one of three places.
#[derive(Debug, Clone)]
enum Edit {
    File(usize, u8),
    Line(usize, u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (0..2_usize, 0..3_u8).prop_map(|(file, content)| Edit::File(file, content)),
        (0..3_usize, 0..3_u8).prop_map(|(line, content)| Edit::Line(line, content)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_edits_find_the_same_steps(edits in vec(edit(), 1..8)) {
        let core = Core { store: Arc::new(MemoryStore::new()), cache: MemoryCache::default() };
        let mut cache = Cache::default();
        let (mut files, mut lines) = ([0_u8; 2], [0_u8; 3]);
        for edit in edits {
            match edit {
                Edit::File(file, content) => files[file] = content,
                Edit::Line(line, content) => lines[line] = content,
            }
            let dockerfile = format!(
                "FROM scratch\nENV A={}\nWORKDIR /app{}\nCOPY list ./\nRUN install {}\nCOPY src ./src\n\
                 USER app\nRUN check\nCMD [\"a\"]\n",
                lines[0], lines[1], lines[2]
            );
            let context = yard::context(&[
                ("list", files[0].to_string()),
                ("src/main.py", files[1].to_string()),
            ]);
            let steps = steps(&dockerfile, &context).unwrap();
            let ours: Vec<bool> = ch08_cache::build(&steps, &mut cache)
                .iter()
                .map(|outcome| outcome.done.is_none())
                .collect();
            prop_assert_eq!(ours, core.cached(&dockerfile, &context), "{}", dockerfile);
        }
    }
}
