//! The rows about the registry under a crowd of clients.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use coracle_tests::registry::{DockerRegistry, free_address};
use coracle_tests::wire::Wire;

use super::absent;
use crate::Bench;
use crate::crowd;
use crate::frame::{Contender, Kind, Row, Target, What, peak};
use crate::measure::Step;
use crate::peers::found;

/// The memory that our server may have, in MiB.
const MEMORY: u64 = 64;

/// `registry`: 64 clients push and pull at once, once at each server.
pub(crate) fn crowd(bench: &Bench) -> Result<Row, String> {
    const OURS: &str = "registry serve";
    const THEIRS: &str = "docker-registry";
    let folder = bench.work.join("registries");
    let ours = Rc::new(Serving::start(bench, &folder)?);
    let process = ours.process.id();
    let watched = client(OURS, Kind::Ours, ours.wire, "keep")
        .before(move |_| forget_peak(process))
        .after(move |_| {
            ours.runs()?;
            within_limit(say_peak(OURS, process)?)
        });
    let mut contenders = vec![Ok(watched)];
    let installed = found("docker-registry").map_err(absent(THEIRS));
    contenders.push(installed.map(|()| {
        let theirs = Rc::new(DockerRegistry::start(&folder));
        let (wire, process) = (*theirs).as_ref().map_or(
            (
                Wire {
                    address: free_address(),
                },
                0,
            ),
            |theirs| (theirs.wire, theirs.id()),
        );
        client(THEIRS, Kind::Peer(&[OURS]), wire, "keep")
            .before(move |_| forget_peak(process))
            // The registry lives as long as what happens after each turn.
            .after(move |_| {
                let _alive = &theirs;
                say_peak(THEIRS, process).map(drop)
            })
    }));
    Ok(Row {
        name: "registry",
        about: format!(
            "{} clients at once, each pushing an image and pulling it twice: {} MB a turn, every \
             digest compared. Processor and memory are the crowd's; each server's own memory is said \
             while it runs, and ours has less than {MEMORY} MiB.",
            crowd::CLIENTS,
            crowd::moved() / 1_000_000
        ),
        contenders,
        targets: vec![Target {
            ours: OURS,
            what: What::OfFastestPeer(1.0),
        }],
        runs: 7,
    })
}

/// `soak`: the same crowd for ten minutes, deleting what it pushed, and the server's memory stays
/// where it was.
pub(crate) fn soak(bench: &Bench) -> Result<Row, String> {
    const OURS: &str = "registry serve, deleting";
    let folder = bench.work.join("soaked");
    let ours = Rc::new(Serving::start(bench, &folder)?);
    let (wire, process) = (ours.wire, ours.process.id());
    let watch = Rc::new(Watch::default());
    let before = move |_: &Path| forget_peak(process);
    let after = move |_: &Path| {
        ours.runs()?;
        watch.look(say_peak(OURS, process)?)
    };
    let contender = client(OURS, Kind::Ours, wire, "delete")
        .before(before)
        .after(after);
    Ok(Row {
        name: "soak",
        about: format!(
            "{} clients at once push, pull twice and delete, again and again; in each turn the \
             server has less than {MEMORY} MiB, and no more than at the beginning.",
            crowd::CLIENTS
        ),
        contenders: vec![Ok(contender)],
        targets: Vec::new(),
        runs: 150,
    })
}

/// A turn of the crowd, with layers that no other turn has.
fn client(name: &str, kind: Kind, wire: Wire, end: &'static str) -> Contender {
    let seed = Cell::new(u64::from(std::process::id()) % 10_000 * 1000);
    Contender::new(name, kind, move |_| {
        seed.set(seed.get() + 1);
        let own = std::env::current_exe().unwrap_or_default();
        let words = [
            own.display().to_string(),
            crowd::WORD.to_owned(),
            wire.address.to_string(),
            seed.get().to_string(),
            "1".to_owned(),
            end.to_owned(),
        ];
        vec![Step::new(words)]
    })
}

/// The most that our server had in each turn.
#[derive(Default)]
struct Watch(RefCell<Vec<u64>>);

impl Watch {
    /// One more turn. It must be within the limit, and not much above the first ten, in which
    /// threads and buffers come about.
    fn look(&self, peak: u64) -> Result<(), String> {
        let mut peaks = self.0.borrow_mut();
        peaks.push(peak);
        let most = peaks.iter().take(10).max().copied().unwrap_or_default();
        within_limit(peak)?;
        if peak > most + most / 4 {
            let (peak, most) = (peak >> 10, most >> 10);
            return Err(format!(
                "the server's memory grows: from {most} to {peak} KiB"
            ));
        }
        Ok(())
    }
}

fn within_limit(peak: u64) -> Result<(), String> {
    let within = peak <= MEMORY << 20;
    within
        .then_some(())
        .ok_or_else(|| format!("the server has {} MiB of memory", peak >> 20))
}

/// The most memory that a server had in this turn, in bytes.
fn say_peak(name: &str, process: u32) -> Result<u64, String> {
    let peak = peak(process)?;
    eprintln!("  {name} had {} KiB at most", peak >> 10);
    Ok(peak)
}

fn forget_peak(process: u32) -> Result<(), String> {
    let file = format!("/proc/{process}/clear_refs");
    fs::write(&file, "5").map_err(|e| format!("write {file}: {e}"))
}

/// Our server as a process, until it is dropped.
struct Serving {
    process: Child,
    wire: Wire,
}

impl Serving {
    fn start(bench: &Bench, folder: &Path) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|e| format!("create {}: {e}", folder.display()))?;
        let wire = Wire {
            address: free_address(),
        };
        let (listen, store) = (wire.address.to_string(), folder.join("ours/store"));
        let store = store.display().to_string();
        let words = ["registry", "serve", "--listen", &listen, "--store", &store];
        let mut command: Command = bench.coracle.command(folder, &words);
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| format!("start the registry: {e}"))?;
        let serving = Self { process, wire };
        let begin = Instant::now();
        while wire.connect().is_err() {
            if begin.elapsed() > Duration::from_secs(10) {
                return Err("the registry does not listen".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(serving)
    }

    /// Whether the server has survived the turn.
    fn runs(&self) -> Result<(), String> {
        let lives = self.wire.connect().is_ok();
        lives.then_some(()).ok_or("the server is gone".to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has no state that would not survive this.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
