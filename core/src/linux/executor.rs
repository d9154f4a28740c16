//! RUN for real: a container on the layers so far, and what it changed as a layer.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::containers::ContainerDirectory;
use super::runtime::{Request, RunError, Streams, run_until};
use super::snapshot::{RootFs, Snapshots, changes};
use super::step_mounts::StepMounts;
use super::stop::Stop;
use crate::build::executor::{Executor, ExecutorError, Ran, RunNetwork, RunStep, set_back};
use crate::event::Event;
use crate::image::{StoredLayer, store_layer};
use crate::runtime::bundle::{self, HostFiles};
use crate::runtime::options::{Network, RunOptions, Tmpfs, Ulimit};
use crate::runtime::spec::Place;
use crate::spec::RunConfig;
use crate::store::Store;
use crate::tree::Timestamp;

/// Runs build steps in containers.
#[derive(Debug)]
pub struct LinuxExecutor<'a> {
    /// Where layers are unpacked.
    pub snapshots: &'a Snapshots,
    /// Where containers live while they run.
    pub containers: PathBuf,
    /// Where the caches of `RUN --mount=type=cache` are.
    pub caches: PathBuf,
    /// The processor, by Go's name.
    pub architecture: String,
    /// What every step finds around it.
    pub surroundings: Surroundings,
    /// Whether every request to the kernel is reported.
    pub explain: bool,
    /// How what runs is ended.
    pub stop: Stop,
}

/// What every step finds around it, whatever the Dockerfile says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Names and addresses beside the usual ones in `/etc/hosts`.
    pub hosts: Vec<(String, String)>,
    /// How much `/dev/shm` holds, in bytes; `None` is the usual 64 MiB.
    pub shm_size: Option<u64>,
    /// Limits of the process.
    pub ulimits: Vec<Ulimit>,
}

impl Surroundings {
    /// What of this a step's result depends on, by the option that says it.
    pub fn key(&self) -> BTreeMap<String, String> {
        let mut key = BTreeMap::new();
        let mut set = |option: &str, values: Vec<String>| {
            if !values.is_empty() {
                key.insert(option.to_owned(), values.join(" "));
            }
        };
        let hosts = self.hosts.iter();
        set(
            "--add-host",
            hosts.map(|(name, to)| format!("{name}={to}")).collect(),
        );
        let size = self.shm_size.iter();
        set("--shm-size", size.map(u64::to_string).collect());
        let limits = self.ulimits.iter();
        let limits = limits.map(|Ulimit { name, soft, hard }| format!("{name}={soft}:{hard}"));
        set("--ulimit", limits.collect());
        key
    }
}

/// How long to wait before a cache that somebody else has is asked for again.
const CACHE_PATIENCE: Duration = Duration::from_millis(20);

impl Executor for LinuxExecutor<'_> {
    fn run(
        &self,
        store: &Arc<dyn Store>,
        base: &[StoredLayer],
        step: &RunStep,
        on: &mut dyn FnMut(Event),
    ) -> Result<Ran, ExecutorError> {
        let lower = self
            .snapshots
            .ensure(base, store.as_ref(), on)
            .map_err(failed)?;
        let _running = self.stop.running();
        let place = ContainerDirectory::make(&self.containers).map_err(|e| {
            failed(format!(
                "make a directory in {}: {e}",
                self.containers.display()
            ))
        })?;
        // The changes are read as soon as the process has ended, so they need not survive a
        // crash of the machine, and overlayfs need not wait for the disk.
        let root = self
            .snapshots
            .prepare(&lower, &place.path, true, on)
            .map_err(failed)?;
        let mounts = self.mounts(step, &place.path, on)?;
        let request = self.request(step, &place, root, &mounts)?;
        let number = step.number;
        self.check()?;
        let on_step = &mut |event| on(as_step(event, number));
        let exit = match run_until(&request, Some(self.stop.descriptor()), on_step) {
            Ok(exit) => exit.code(),
            // That the image does not have the command is the step's failure, as in BuildKit.
            Err(error @ (RunError::NotFound { .. } | RunError::NotExecutable { .. })) => {
                on(Event::StepOutput {
                    step: number,
                    stream: 2,
                    text: format!("{error}\n"),
                });
                error.exit_code()
            }
            Err(RunError::Stopped) => return Err(self.stop.why()),
            Err(error) => return Err(ended(error)),
        };
        if exit != 0 {
            return Err(ExecutorError::Failed {
                command: step.args.join(" "),
                code: i32::from(exit),
            });
        }
        let mut layer = changes(&request.root, &lower).map_err(failed)?;
        if let Some(seconds) = step.source_date_epoch {
            set_back(&mut layer, seconds);
        }
        Ok(Ran {
            layer: store_layer(store.as_ref(), &layer)?,
            finished: Some(now().rfc3339()),
        })
    }

    fn stop(&self) {
        self.stop.stop(None);
    }

    fn check(&self) -> Result<(), ExecutorError> {
        if self.stop.is_stopped() {
            return Err(self.stop.why());
        }
        Ok(())
    }
}

impl LinuxExecutor<'_> {
    /// Does `work`, in which steps run at the same time, and minds the signals meanwhile: one that
    /// asks for the end goes to all steps, whichever thread it would have come to.
    pub fn mind_signals<T>(&self, work: impl FnOnce() -> T) -> Result<T, ExecutorError> {
        self.stop.mind_signals(work).map_err(failed)
    }

    /// Makes the step's mounts, and says when it has to wait for a cache.
    fn mounts(
        &self,
        step: &RunStep,
        place: &Path,
        on: &mut dyn FnMut(Event),
    ) -> Result<StepMounts, ExecutorError> {
        let mut said = String::new();
        let mut wait = |id: &str| {
            if said != id {
                id.clone_into(&mut said);
                on(Event::StepOutput {
                    step: step.number,
                    stream: 2,
                    text: format!("waiting for the cache {id}, which another step uses\n"),
                });
            }
            std::thread::sleep(CACHE_PATIENCE);
            self.check().map_err(|e| e.to_string())
        };
        StepMounts::make(&step.mounts, place, &self.caches, &mut wait).map_err(|message| {
            // What ended the waiting says more.
            self.check()
                .err()
                .unwrap_or(ExecutorError::Container(message))
        })
    }

    fn request(
        &self,
        step: &RunStep,
        place: &ContainerDirectory,
        root: RootFs,
        mounts: &StepMounts,
    ) -> Result<Request, ExecutorError> {
        let image = RunConfig {
            user: step.user.clone(),
            env: step.env.clone(),
            cmd: step.args.clone(),
            working_dir: step.working_dir.clone(),
            ..RunConfig::default()
        };
        let mut tmpfs = mounts.tmpfs.clone();
        let surroundings = &self.surroundings;
        tmpfs.extend(surroundings.shm_size.map(|size| Tmpfs {
            target: "/dev/shm".to_owned(),
            options: vec!["mode=1777".to_owned(), format!("size={size}")],
        }));
        let options = RunOptions {
            // A name that changed from build to build would end up in what programs write.
            hostname: Some("build".to_owned()),
            network: match step.network {
                RunNetwork::Host => Network::Host,
                RunNetwork::None => Network::None,
            },
            binds: mounts.binds.clone(),
            tmpfs,
            privileged: step.insecure,
            ulimits: surroundings.ulimits.clone(),
            ..RunOptions::default()
        };
        let spot = Place {
            id: place.id.clone(),
            bundle: place.path.display().to_string(),
            architecture: self.architecture.clone(),
        };
        let spec = bundle::write(&image, &options, &spot, &HostFiles::read()).map_err(failed)?;
        add_hosts(&place.path.join("hosts"), &surroundings.hosts).map_err(failed)?;
        Ok(Request {
            bundle: place.path.clone(),
            root,
            spec,
            init: false,
            streams: Streams::Capture,
            explain: self.explain,
        })
    }
}

/// Adds lines to the file that the container sees as `/etc/hosts`.
fn add_hosts(file: &Path, hosts: &[(String, String)]) -> Result<(), String> {
    let write = || {
        let mut file = OpenOptions::new().append(true).open(file)?;
        hosts
            .iter()
            .try_for_each(|(name, address)| writeln!(file, "{address}\t{name}"))
    };
    write().map_err(|e| format!("write {}: {e}", file.display()))
}

/// What a container says, as what a step of a build says.
fn as_step(event: Event, step: usize) -> Event {
    match event {
        Event::Output { stream, text } => Event::StepOutput { step, stream, text },
        other => other,
    }
}

/// The time, in whole seconds: nobody asks a build for more.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp {
        seconds: since.map_or(0, |s| s.as_secs().cast_signed()),
        nanos: 0,
    }
}

fn ended(error: RunError) -> ExecutorError {
    match error {
        RunError::Interrupted { signal } => ExecutorError::Interrupted {
            signal: signal as i32,
            name: signal.as_str(),
        },
        other => failed(other),
    }
}

#[allow(clippy::needless_pass_by_value)] // it stands in map_err
fn failed(error: impl ToString) -> ExecutorError {
    ExecutorError::Container(error.to_string())
}
