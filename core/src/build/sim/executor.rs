//! RUN on a tree: what the simulated shell changes becomes a layer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::mounts::{Caches, Laid};
use super::{Journal, Shell};
use crate::accounts::Accounts;
use crate::build::executor::{Executor, ExecutorError, Ran, RunStep, set_back};
use crate::digest::{ChainId, DiffId};
use crate::event::Event;
use crate::image::{StoredLayer, gather_layer, store_layer};
use crate::layer::{Bounds, Layer, Whiteout, apply, diff};
use crate::path::RootedPath;
use crate::store::Store;
use crate::tree::{Kind, Node, Timestamp, Tree};

/// Runs build steps with the simulated shell. It needs no container and no kernel.
///
/// The same step on the same layers makes the same layer everywhere. Its clock stands still: with
/// a SOURCE_DATE_EPOCH at that second, without one at as many seconds after 1970 as there are
/// layers below, so that a step's changes are later than those of the steps before it.
#[derive(Debug, Default)]
pub struct SimExecutor {
    /// Commands that are taken to have run, as in [`Shell::pretend`].
    pub pretend: BTreeMap<String, Vec<String>>,
    /// What a base image's layers may unpack to.
    pub bounds: Bounds,
    known: Mutex<Known>,
    caches: Mutex<Caches>,
}

/// File systems that steps began or ended with, the oldest first.
#[derive(Debug, Default)]
struct Known {
    trees: BTreeMap<ChainId, Arc<Tree>>,
    order: VecDeque<ChainId>,
    /// The diff IDs of the last step's base, each with its chain ID: the next one's begin so.
    last: Vec<(DiffId, ChainId)>,
}

/// So many file systems are kept: a build goes on where its last steps ended.
const MOST_KNOWN: usize = 64;

/// The variables that every process finds, as the runtime sets them.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const HOSTNAME: &str = "build";

impl SimExecutor {
    /// An executor with these pretences.
    pub fn new(pretend: BTreeMap<String, Vec<String>>) -> Self {
        Self {
            pretend,
            ..Self::default()
        }
    }

    /// What a step's result depends on besides: that it is simulated, and what is pretended. For
    /// [`crate::build::BuildOptions::surroundings`], so that the cache never takes a simulated
    /// layer for a real one.
    pub fn surroundings(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([("--simulate".to_owned(), "1".to_owned())]);
        let pretences = self.pretend.iter().map(|(name, paths)| {
            let paths: Vec<_> = paths.iter().map(|path| format!("={path}")).collect();
            name.clone() + &paths.concat()
        });
        let pretences: Vec<String> = pretences.collect();
        if !pretences.is_empty() {
            all.insert("--pretend".to_owned(), pretences.join(" "));
        }
        all
    }

    /// The chain ID of each layer. Those of the last step are not computed again, or a long
    /// Dockerfile would spend most of its time on them.
    fn chains(&self, base: &[StoredLayer]) -> Vec<ChainId> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = known.last.iter().zip(base);
        let same = pairs.take_while(|((diff_id, _), layer)| *diff_id == layer.diff_id);
        let same = same.count();
        known.last.truncate(same);
        for layer in &base[same..] {
            let chain = ChainId::on(known.last.last().map(|(_, chain)| chain), &layer.diff_id);
            known.last.push((layer.diff_id.clone(), chain));
        }
        known.last.iter().map(|(_, chain)| chain.clone()).collect()
    }

    /// The file system that layers make, lowest first.
    fn tree(
        &self,
        store: &Arc<dyn Store>,
        base: &[StoredLayer],
        chains: &[ChainId],
    ) -> Result<Arc<Tree>, ExecutorError> {
        let (below, found) = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let find = |count: &usize| known.trees.get(&chains[count - 1]).cloned();
            let counts = (1..=chains.len()).rev();
            let mut found = counts.filter_map(|count| Some((count, find(&count)?)));
            found.next().unwrap_or_else(|| (0, Arc::new(Tree::new())))
        };
        if below == base.len() {
            return Ok(found);
        }
        let mut tree = Tree::clone(&found);
        for stored in &base[below..] {
            let layer = gather_layer(store, stored, self.bounds).map_err(failed)?;
            apply(&mut tree, &layer).map_err(failed)?;
        }
        let tree = Arc::new(tree);
        if let Some(chain) = chains.last() {
            self.keep(chain, &tree);
        }
        Ok(tree)
    }

    fn keep(&self, chain: &ChainId, tree: &Arc<Tree>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known
            .trees
            .insert(chain.clone(), Arc::clone(tree))
            .is_none()
        {
            known.order.push_back(chain.clone());
        }
        if known.order.len() > MOST_KNOWN
            && let Some(oldest) = known.order.pop_front()
        {
            known.trees.remove(&oldest);
        }
    }
}

impl Executor for SimExecutor {
    fn run(
        &self,
        store: &Arc<dyn Store>,
        base: &[StoredLayer],
        step: &RunStep,
        on: &mut dyn FnMut(Event),
    ) -> Result<Ran, ExecutorError> {
        let chains = self.chains(base);
        let old = self.tree(store, base, &chains)?;
        let mut tree = Tree::clone(&old);
        let root = RootedPath::root();
        let time = match step.source_date_epoch {
            // Later than it, so that a change is one even where the time is all that changes; it
            // is set back to it at the end.
            Some(seconds) => Timestamp {
                seconds: seconds.saturating_add(1),
                nanos: 1,
            },
            None => Timestamp {
                seconds: i64::try_from(base.len()).unwrap_or(0),
                nanos: 0,
            },
        };
        let (code, journal) = {
            let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
            let laid = Laid::over(&mut tree, &step.mounts, &caches).map_err(failed)?;
            let mut ended = self.carry_out(&mut tree, step, time, laid.read_only(), on);
            if let Ok((_, journal)) = &mut ended {
                journal.written.retain(|path| !laid.covers(path));
                journal.made.retain(|path| !laid.covers(path));
            }
            laid.take_off(&mut tree, &mut caches);
            ended?
        };
        if code != 0 {
            return Err(ExecutorError::Failed {
                command: step.args.join(" "),
                code,
            });
        }
        // That something was put into the root is no change of the root itself, as where a layer is
        // read from a disk.
        if let (Some(before), Some(after)) = (old.get(&root), tree.get(&root)) {
            let mut after = Node::clone(after);
            after.meta.mtime = before.meta.mtime;
            tree.insert(root, Arc::new(after));
        }
        let mut layer = upper(&old, &tree, &journal);
        if let Some(seconds) = step.source_date_epoch {
            set_back(&mut layer, seconds);
        }
        let stored = store_layer(store.as_ref(), &layer)?;
        let chain = ChainId::on(chains.last(), &stored.diff_id);
        if step.source_date_epoch.is_some() {
            tree = Tree::clone(&old);
            apply(&mut tree, &layer).map_err(failed)?;
        }
        self.keep(&chain, &Arc::new(tree));
        Ok(Ran {
            layer: stored,
            finished: None,
        })
    }
}

impl SimExecutor {
    fn carry_out(
        &self,
        tree: &mut Tree,
        step: &RunStep,
        time: Timestamp,
        read_only: Vec<RootedPath>,
        on: &mut dyn FnMut(Event),
    ) -> Result<(i32, Journal), ExecutorError> {
        let file = |path: &str| {
            let at = crate::tree::resolve(tree, &RootedPath::root().resolve(path)).ok()?;
            match &tree.get(&at)?.kind {
                Kind::File(content) => content.read().ok(),
                _ => None,
            }
        };
        let accounts = Accounts::parse(
            &file("/etc/passwd").unwrap_or_default(),
            &file("/etc/group").unwrap_or_default(),
        );
        let user = accounts.identity(&step.user).map_err(failed)?;
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), PATH.to_owned()),
            ("HOSTNAME".to_owned(), HOSTNAME.to_owned()),
        ]);
        let given = step.env.iter().filter_map(|entry| entry.split_once('='));
        env.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.entry("HOME".to_owned())
            .or_insert_with(|| user.home.clone());
        let cwd = working_dir(tree, &step.working_dir, time)?;
        let mut shell = Shell {
            tree,
            env,
            cwd,
            user,
            time,
            umask: 0o022,
            read_only,
            journal: Journal::default(),
            pretend: &self.pretend,
            all_commands: false,
            other: &mut |_| None,
        };
        let ended = shell.run_args(&step.args, &mut |stream, text| {
            on(Event::StepOutput {
                step: step.number,
                stream,
                text: text.to_owned(),
            });
        });
        let journal = std::mem::take(&mut shell.journal);
        Ok((ended?, journal))
    }
}

/// What overlayfs would have in its upper directory after this, and a real build in its layer: what
/// changed, files that were opened for writing, and the directories that lead to all of it. A
/// directory that was made where something else was is opaque.
fn upper(old: &Tree, new: &Tree, journal: &Journal) -> Layer {
    let changes = diff(old, new);
    let mut opaque: BTreeSet<RootedPath> = BTreeSet::new();
    for path in &journal.made {
        let hides = new.is_directory(path) && old.get(path).is_some();
        // Inside of another one, nothing is left to be hidden.
        if hides && !path.ancestors().any(|above| opaque.contains(&above)) {
            opaque.insert(path.clone());
        }
    }
    let hidden = |path: &RootedPath| opaque.iter().any(|directory| path.is_within(directory));
    let mut hides: Vec<Whiteout> = changes.hides;
    hides.retain(|hide| !hidden(hide.path()));
    hides.extend(opaque.iter().cloned().map(Whiteout::Below));
    hides.sort();
    let mut paths: BTreeSet<RootedPath> = changes.adds.into_iter().map(|(path, _)| path).collect();
    paths.extend(journal.written.iter().cloned());
    for directory in &opaque {
        paths.insert(directory.clone());
        paths.extend(new.below(directory).map(|(path, _)| path.clone()));
    }
    let all: Vec<RootedPath> = hides.iter().map(|hide| hide.path().clone()).collect();
    let all: Vec<RootedPath> = all.into_iter().chain(paths.iter().cloned()).collect();
    let root = RootedPath::root();
    paths.extend(
        all.iter()
            .flat_map(RootedPath::ancestors)
            .filter(|path| *path != root),
    );
    let adds = paths.into_iter().filter_map(|path| {
        let node = new.get(&path)?;
        Some((path, Arc::clone(node)))
    });
    Layer {
        hides,
        adds: adds.collect(),
    }
}

/// The directory where a step starts, made when it is not there.
fn working_dir(tree: &mut Tree, path: &str, time: Timestamp) -> Result<RootedPath, ExecutorError> {
    let wanted = RootedPath::root().resolve(path);
    let at = crate::tree::resolve(tree, &wanted).map_err(failed)?;
    for part in at.ancestors().chain([at.clone()]) {
        match tree.get(&part).map(|node| &node.kind) {
            Some(Kind::Directory) => {}
            Some(_) => return Err(failed(format!("{part} is no directory to start in"))),
            None => {
                let mut node = Node::directory(0o755);
                node.meta.mtime = time;
                tree.insert(part.clone(), Arc::new(node));
                let parent = part.parent().unwrap_or_default();
                if let Some(node) = tree.get(&parent) {
                    let mut node = Node::clone(node);
                    node.meta.mtime = time;
                    tree.insert(parent, Arc::new(node));
                }
            }
        }
    }
    Ok(at)
}

#[allow(clippy::needless_pass_by_value)] // it stands in map_err
fn failed(error: impl ToString) -> ExecutorError {
    ExecutorError::Container(error.to_string())
}
