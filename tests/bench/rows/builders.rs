//! Who builds images, what they build, and whether it was done as it was meant.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::{absent, peer};
use crate::check::{output, prints};
use crate::frame::{Contender, Kind, Row, Target, What};
use crate::measure::Step;
use crate::peers::{Absent, docker, podman};
use crate::{Bench, Coracle, Server};

pub(super) const OURS: &str = "coracle build";
pub(super) const BUILDAH: &str = "buildah bud --layers";
pub(super) const BUILDKIT: &str = "docker build";

/// What an image is called that is built.
pub(super) const NAME: &str = "localhost/built:1";

/// The file that is another in each turn of [`How::Changed`].
const CHANGING: &str = "tree/0/0/file-0";

/// Something that is built in each turn.
pub(super) struct Job<'a> {
    bench: &'a Bench,
    row: &'static str,
    context: PathBuf,
    how: How,
    /// The archive of the image that it starts with, if it starts with one.
    base: Option<PathBuf>,
    check: Check,
}

/// Checks what we have made: given our state root, and the turn's directory.
type Check = Rc<dyn Fn(&Path, &Path) -> Result<(), String>>;

/// What is known already when a turn begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// All: it was built before, and nothing has changed.
    Cached,
    /// All but one small file of the context, so that no step is cached.
    Changed,
    /// The base, and no step is taken from the cache.
    Fresh,
    /// Nothing at all.
    Cold,
}

impl<'a> Job<'a> {
    pub(super) fn new(bench: &'a Bench, row: &'static str, context: PathBuf, how: How) -> Self {
        Self {
            bench,
            row,
            context,
            how,
            base: None,
            check: Rc::new(|_, _| Ok(())),
        }
    }

    /// It starts with the image in this archive.
    pub(super) fn on(self, archive: PathBuf) -> Self {
        let base = Some(archive);
        Self { base, ..self }
    }

    /// Checks more than that the right steps were cached.
    pub(super) fn check(
        self,
        check: impl Fn(&Path, &Path) -> Result<(), String> + 'static,
    ) -> Self {
        let check = Rc::new(check);
        Self { check, ..self }
    }

    /// We and the two others, with what we shall reach.
    pub(super) fn row(&self, about: String, what: &[What]) -> Row {
        let target = |what: &What| Target {
            ours: OURS,
            what: what.clone(),
        };
        Row {
            name: self.row,
            about,
            contenders: vec![
                Ok(self.ours(OURS)),
                self.buildah(BUILDAH, &[OURS]),
                self.buildkit(BUILDKIT, &[OURS]),
            ],
            targets: what.iter().map(target).collect(),
            runs: 9,
        }
    }

    pub(super) fn ours(&self, name: &str) -> Contender {
        let who = Who::Coracle(self.bench.coracle.clone());
        self.contender(name, Kind::Ours, who)
    }

    /// crun refuses the mixed hierarchies of control groups that some machines have, so it is
    /// runc that runs steps, as it does for docker.
    pub(super) fn buildah(
        &self,
        name: &str,
        rivals: &'static [&'static str],
    ) -> Result<Contender, Absent> {
        peer(name, &["buildah", "runc"], rivals, |_| Vec::new())?;
        Ok(self.contender(name, Kind::Peer(rivals), Who::Buildah))
    }

    pub(super) fn buildkit(
        &self,
        name: &str,
        rivals: &'static [&'static str],
    ) -> Result<Contender, Absent> {
        let Server { client, process } = self.bench.docker().map_err(absent(name))?;
        let contender = self.contender(name, Kind::Peer(rivals), Who::Docker(client));
        Ok(contender.server(process))
    }

    /// Where somebody keeps what outlives a turn; removed with the row.
    pub(super) fn state(&self, name: &str) -> PathBuf {
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let name = format!("{}-state-{name}", self.row);
        self.bench.work.join(name)
    }

    fn contender(&self, name: &str, kind: Kind, who: Who) -> Contender {
        let how = self.how;
        let kept = self.state(name);
        let state = move |place: &Path| match how {
            How::Cold => place.to_owned(),
            _ => kept.clone(),
        };
        let prepare = {
            let (who, state, base) = (who.clone(), state.clone(), self.base.clone());
            let (context, turn) = (self.context.clone(), Cell::new(0));
            move |place: &Path| {
                if how == How::Cold {
                    return who.forget();
                }
                let state = state(place);
                if !state.is_dir() {
                    prime(&who, &state, base.as_deref(), &context)?;
                }
                if how == How::Changed {
                    turn.set(turn.get() + 1);
                    let text = format!("turn {} in {}\n", turn.get(), state.display());
                    fs::write(context.join(CHANGING), text).map_err(|e| e.to_string())?;
                }
                Ok(())
            }
        };
        let step = {
            let (who, state, context) = (who.clone(), state.clone(), self.context.clone());
            let more: &[&str] = if how == How::Fresh {
                &["--no-cache"]
            } else {
                &[]
            };
            move |place: &Path| vec![who.build(&state(place), place, &context, more)]
        };
        let check = self.check.clone();
        let verify = move |place: &Path| {
            let state = state(place);
            let id = read(&place.join(ID))?;
            let known = how != How::Cold && id == read(&state.join(ID))?;
            match how {
                How::Cached if !known => return Err("the image is another one".to_owned()),
                How::Changed if known => return Err("the image is the old one".to_owned()),
                _ => {}
            }
            if let Who::Coracle(_) = who {
                steps_cached(place, how == How::Cached)?;
                check(&state, place)?;
            }
            Ok(())
        };
        Contender::new(name, kind, step)
            .before(prepare)
            .after(verify)
    }
}

/// Loads the base and builds once: the base is unpacked, and everything is cached.
fn prime(who: &Who, state: &Path, base: Option<&Path>, context: &Path) -> Result<(), String> {
    fs::create_dir_all(state).map_err(|e| e.to_string())?;
    if let Some(base) = base {
        who.load(state, base)?;
    }
    who.build(state, state, context, &[]).run().map(drop)
}

/// Somebody who builds images.
#[derive(Clone)]
enum Who {
    Coracle(Coracle),
    Buildah,
    /// The client's words for the daemon.
    Docker([String; 3]),
}

/// The file that a build writes the image's ID to.
const ID: &str = "iid";
/// The file that we write to what happened to each step.
const METADATA: &str = "metadata";

impl Who {
    /// Builds a context, with files about the result in `place`.
    fn build(&self, state: &Path, place: &Path, context: &Path, more: &[&str]) -> Step {
        let at = |name: &str| place.join(name).display().to_string();
        let (iid, metadata) = (at(ID), at(METADATA));
        let context = context.display().to_string();
        let usual = [
            "--quiet",
            "--network",
            "host",
            "--tag",
            NAME,
            "--iidfile",
            &iid,
        ];
        let (first, own): (&str, &[&str]) = match self {
            Self::Coracle(_) => ("build", &["--metadata-file", &metadata]),
            Self::Buildah => ("bud", &["--layers", "--runtime", "runc"]),
            Self::Docker(_) => ("build", &[]),
        };
        let words = [&[first], own, &usual, more, &[&context]].concat();
        match self {
            Self::Coracle(coracle) => coracle.step(state, &words),
            Self::Buildah => podman("buildah", state, &words),
            Self::Docker(client) => docker(client, &words).env("DOCKER_BUILDKIT", "1"),
        }
    }

    /// Loads the base image.
    fn load(&self, state: &Path, archive: &Path) -> Result<(), String> {
        let file = archive.display().to_string();
        let load = match self {
            Self::Coracle(coracle) => coracle.step(state, &["load", "--quiet", "-i", &file]),
            Self::Buildah => {
                let source = format!("docker-archive:{file}");
                podman("buildah", state, &["pull", "--quiet", &source])
            }
            Self::Docker(client) => docker(client, &["load", "--quiet", "-i", &file]),
        };
        load.run().map(drop)
    }

    /// Lets a daemon forget the contexts that clients have sent.
    fn forget(&self) -> Result<(), String> {
        let Self::Docker(client) = self else {
            return Ok(());
        };
        let script = "\"$@\" builder prune --all --force";
        output(Command::new("sh").args(["-c", script, "sh"]).args(client)).map(drop)
    }
}

/// Fails unless all steps of the build in `place` were cached, or none of them was.
fn steps_cached(place: &Path, cached: bool) -> Result<(), String> {
    let filter = "(.steps | length > 0) and all(.steps[]; .cached == $cached)";
    let mut jq = Command::new("jq");
    jq.args(["--argjson", "cached", &cached.to_string(), filter]);
    prints(jq.arg(place.join(METADATA)), "true")
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("read {}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_means_that_every_step_was() {
        let place = tempfile::tempdir().unwrap();
        let check = |steps: &str, cached: bool, right: bool| {
            let text = format!("{{\"steps\": [{steps}]}}");
            fs::write(place.path().join(METADATA), text).unwrap();
            let found = steps_cached(place.path(), cached);
            assert_eq!(found.is_ok(), right, "{steps}: {found:?}");
        };
        let (yes, no) = ("{\"cached\": true}", "{\"cached\": false}");
        check(yes, true, true);
        check(no, true, false);
        check(&format!("{yes}, {no}"), true, false);
        check(&format!("{yes}, {no}"), false, false);
        check(no, false, true);
        check("", true, false);
        check("", false, false);
    }

    #[test]
    fn everybody_is_told_the_same() {
        let place = Path::new("/place");
        let words = |who: Who| {
            let step = who.build(
                Path::new("/state"),
                place,
                Path::new("/context"),
                &["--no-cache"],
            );
            step.told()
        };
        let common = "--quiet --network host --tag localhost/built:1 --iidfile /place/iid --no-cache /context";
        for who in [
            Who::Coracle(Coracle("coracle".into())),
            Who::Buildah,
            Who::Docker(["docker", "--host", "h"].map(str::to_owned)),
        ] {
            let told = words(who);
            assert!(told.ends_with(common), "{told}");
        }
    }
}
