//! What the stages of a build share: results that others wait for, steps under way, trees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Performer;
use crate::build::executor::ExecutorError;
use crate::build::key::CacheKey;
use crate::build::plan::Plan;
use crate::build::{BuildError, BuildOptions, Host, StepReport};
use crate::digest::{ChainId, Digest};
use crate::event::Event;
use crate::image::Draft;
use crate::tree::Tree;

/// A build under way.
pub(super) struct Shared<'a> {
    plan: &'a Plan,
    host: &'a Host<'a>,
    options: &'a BuildOptions,
    on: Mutex<&'a mut (dyn FnMut(Event) + Send)>,
    state: Mutex<State>,
    /// Somebody has finished, failed, or given a claim back.
    changed: Condvar,
    /// Trees that were needed, by chain ID.
    trees: Mutex<BTreeMap<Option<ChainId>, Tree>>,
    /// What was at the addresses that were needed.
    fetched: Mutex<BTreeMap<CacheKey, Content>>,
}

/// What is at an address: digest and size, or why it cannot be had.
type Content = Result<(Digest, u64), BuildError>;

struct State {
    /// The stage that nobody has begun yet.
    next: usize,
    finished: Vec<Option<Finished>>,
    /// The keys of the steps that are being made.
    claimed: BTreeSet<CacheKey>,
    failure: Option<BuildError>,
}

/// A stage that is done.
pub(super) struct Finished {
    pub(super) draft: Draft,
    pub(super) reports: Vec<StepReport>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        host: &'a Host<'a>,
        options: &'a BuildOptions,
        on: &'a mut (dyn FnMut(Event) + Send),
    ) -> Self {
        let state = State {
            next: 0,
            finished: plan.stages.iter().map(|_| None).collect(),
            claimed: BTreeSet::new(),
            failure: None,
        };
        Self {
            plan,
            host,
            options,
            on: Mutex::new(on),
            state: Mutex::new(state),
            changed: Condvar::new(),
            trees: Mutex::default(),
            fetched: Mutex::default(),
        }
    }

    /// Builds stages, one after the other in the plan's order, until none is left or one fails.
    ///
    /// A stage needs earlier ones only, and those have all been begun by somebody: so among those
    /// who wait for each other there is always one who does not.
    pub(super) fn work(&self) {
        let _watched = Watched { shared: self };
        while let Some(index) = self.begin() {
            let mut performer = self.performer();
            let result = performer.stage(index);
            let reports = performer.reports;
            let mut state = self.state();
            match result {
                Ok(draft) => state.finished[index] = Some(Finished { draft, reports }),
                Err(error) => {
                    // Those that were ended because of the first failure say nothing new.
                    if state.failure.as_ref().is_none_or(is_consequence) {
                        state.failure = Some(error);
                    }
                    self.host.executor.stop();
                }
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Somebody who has not begun yet.
    pub(super) fn performer(&self) -> Performer<'_, 'a> {
        Performer {
            shared: self,
            plan: self.plan,
            host: self.host,
            options: self.options,
            number: 0,
            reports: Vec::new(),
            platform: String::new(),
            chain: None,
            onto: None,
        }
    }

    /// Whether the build has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failure.is_some()
    }

    /// The stages' results in the plan's order, or the first failure.
    pub(super) fn end(self) -> Result<Vec<Finished>, BuildError> {
        let state = self.state.into_inner();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        match state.failure {
            Some(error) => Err(error),
            None => Ok(state.finished.into_iter().flatten().collect()),
        }
    }

    fn begin(&self) -> Option<usize> {
        let mut state = self.state();
        if state.failure.is_some() || state.next == state.finished.len() {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    /// Waits for a stage. `None` when the build has failed meanwhile.
    pub(super) fn finished(&self, index: usize) -> Option<Draft> {
        let mut state = self.state();
        loop {
            if let Some(finished) = &state.finished[index] {
                return Some(finished.draft.clone());
            }
            if state.failure.is_some() {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until nobody makes the step of this key, or reads this source, so that whoever comes
    /// second finds what there is. Nobody waits for anything of another stage while they hold a claim.
    pub(super) fn claim(&self, key: &CacheKey) -> Claim<'_, 'a> {
        let mut state = self.state();
        while !state.claimed.insert(key.clone()) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let key = key.clone();
        Claim { shared: self, key }
    }

    pub(super) fn report(&self, event: Event) {
        let mut on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        on(event);
    }

    pub(super) fn known_tree(&self, id: Option<&ChainId>) -> Option<Tree> {
        let trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees.get(&id.cloned()).cloned()
    }

    pub(super) fn keep_tree(&self, id: Option<ChainId>, tree: &Tree) {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees.insert(id, tree.clone());
    }

    /// What was fetched. Why it failed is told once; whoever asks then is told that the build
    /// ends.
    pub(super) fn fetched(&self, key: &CacheKey) -> Content {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched.get_mut(key) {
            Some(Ok(content)) => Ok(content.clone()),
            Some(failed) => std::mem::replace(failed, Err(BuildError::Stopped)),
            None => Err(BuildError::Stopped),
        }
    }

    pub(super) fn is_fetched(&self, key: &CacheKey) -> bool {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.contains_key(key)
    }

    pub(super) fn keep_fetched(&self, key: CacheKey, content: Content) {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.insert(key, content);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that builds stages. Should it panic, the others must not wait for it for ever.
struct Watched<'s, 'a> {
    shared: &'s Shared<'a>,
}

impl Drop for Watched<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared
                .state()
                .failure
                .get_or_insert(BuildError::Stopped);
            self.shared.host.executor.stop();
            self.shared.changed.notify_all();
        }
    }
}

/// A step that is being made. Dropping it lets others have the key.
pub(super) struct Claim<'s, 'a> {
    shared: &'s Shared<'a>,
    key: CacheKey,
}

impl Drop for Claim<'_, '_> {
    fn drop(&mut self) {
        self.shared.state().claimed.remove(&self.key);
        self.shared.changed.notify_all();
    }
}

/// Whether an error says only that another one has happened.
fn is_consequence(error: &BuildError) -> bool {
    let stopped = |source: &ExecutorError| matches!(source, ExecutorError::Stopped);
    match error {
        BuildError::Stopped => true,
        BuildError::Run { source, .. } => stopped(source),
        _ => false,
    }
}
