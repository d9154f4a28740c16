//! What a build is asked for: the options of `coracle build`, as far as they mean something here.

use std::collections::{BTreeMap, BTreeSet};

use coracle::build::BuildOptions;
use coracle::build::context::Context;
use coracle::build::executor::RunNetwork;
use coracle::build::plan::{self, Plan, PlanError, PlanOptions};
use coracle::build::sim::SimExecutor;
use coracle::dockerfile::parse;
use coracle::image::Image;
use coracle::reference::Reference;
use coracle::spec::Platform;
use coracle::tree::Timestamp;

use crate::stack::BOUNDS;
use crate::state::{DOCKERFILE, State, platform};

/// The options of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The Dockerfile's path in the project (`-f`).
    pub file: String,
    /// `--build-arg`, by name.
    pub args: BTreeMap<String, String>,
    /// `--label`, by key.
    pub labels: BTreeMap<String, String>,
    /// `--target`.
    pub target: Option<String>,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--no-cache-filter`: names of stages, in small letters.
    pub no_cache_stages: BTreeSet<String>,
    /// `SOURCE_DATE_EPOCH`, as a build argument.
    pub epoch: Option<i64>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            file: DOCKERFILE.to_owned(),
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            target: None,
            no_cache: false,
            no_cache_stages: BTreeSet::new(),
            epoch: None,
        }
    }
}

impl Wanted {
    /// The time that copied files get.
    pub fn time(&self) -> Timestamp {
        Timestamp {
            seconds: self.epoch.unwrap_or(0),
            nanos: 0,
        }
    }

    fn plan_options(&self) -> PlanOptions {
        PlanOptions {
            args: self.args.clone(),
            target: self.target.clone(),
            platform: platform(),
            build_platform: platform(),
            labels: self.labels.clone(),
            network: RunNetwork::Host,
            insecure: false,
            time: self.time(),
        }
    }

    /// Plans the build of a Dockerfile with this text.
    pub fn plan(
        &self,
        text: &str,
        context: &Context,
        find: &mut dyn FnMut(&Reference, &Platform) -> Result<Image, String>,
    ) -> Result<Plan, PlanError> {
        let parsed = parse(text);
        let options = self.plan_options();
        plan::plan(
            &parsed.dockerfile,
            parsed.diagnostics,
            &options,
            context,
            find,
        )
    }

    /// How the plan is carried out: by this thread alone, because a browser has no other.
    pub fn build_options(&self, state: &State) -> BuildOptions {
        BuildOptions {
            no_cache: self.no_cache,
            no_cache_stages: self.no_cache_stages.clone(),
            surroundings: SimExecutor::new(state.pretend.clone()).surroundings(),
            source_date_epoch: self.epoch,
            jobs: 1,
            inline_cache: false,
            place: format!(
                "{}\n.\n{}",
                self.file,
                self.target.as_deref().unwrap_or_default()
            ),
            bounds: BOUNDS,
        }
    }
}
