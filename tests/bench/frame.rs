//! Rows of contenders: run in turn, in fresh directories, and checked.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::check::output;
use crate::measure::{Cost, Step};
use crate::peers::Absent;

/// What is compared in one table.
pub(crate) struct Row {
    /// The word that selects it.
    pub(crate) name: &'static str,
    /// What is done to what.
    pub(crate) about: String,
    /// Who does it. Who cannot is named with the reason.
    pub(crate) contenders: Vec<Result<Contender, Absent>>,
    /// What is to be reached.
    pub(crate) targets: Vec<Target>,
    /// How often everybody has a turn.
    pub(crate) runs: usize,
}

/// Somebody who does the task of a row.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    steps: Steps,
    before: Option<Action>,
    after: Option<Action>,
    server: Option<u32>,
}

/// What a contender does in a turn's directory.
type Steps = Box<dyn Fn(&Path) -> Vec<Step>>;

/// Something that is done in a contender's directory and not measured.
type Action = Box<dyn Fn(&Path) -> Result<(), String>>;

/// What a contender is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This project. Its results are checked, and a wrong one fails the row.
    Ours,
    /// Another engine, which does the same as these of ours.
    Peer(&'static [&'static str]),
    /// Less than the task: what it costs anybody at least.
    Floor(&'static [&'static str]),
}

/// What one of ours shall reach.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Which one.
    pub(crate) ours: &'static str,
    /// What.
    pub(crate) what: What,
}

/// A measure with its limit.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Its time is at most so many times that of the fastest peer.
    OfFastestPeer(f64),
    /// Its time is at most so many times that of this contender.
    Of(f64, &'static str),
    /// Its time is at most so many milliseconds more than that of this contender.
    Above(u64, &'static str),
    /// Its memory is at most so many MiB.
    Memory(u64),
    /// Its time is at most so many milliseconds.
    Milliseconds(u64),
}

/// What came of a row.
pub(crate) struct Measured {
    /// The costs of each contender's turns; who failed has none, and the reason.
    pub(crate) costs: Vec<(String, Kind, Result<Vec<Cost>, String>)>,
}

impl Contender {
    /// Somebody who does the task by these steps, given the directory of the turn.
    pub(crate) fn new(
        name: impl Into<String>,
        kind: Kind,
        steps: impl Fn(&Path) -> Vec<Step> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            steps: Box::new(steps),
            before: None,
            after: None,
            server: None,
        }
    }

    /// Does this before each turn.
    pub(crate) fn before(mut self, action: impl Fn(&Path) -> Result<(), String> + 'static) -> Self {
        self.before = Some(Box::new(action));
        self
    }

    /// Does this after each turn: checks the result, and tidies up what is not in the directory.
    pub(crate) fn after(mut self, action: impl Fn(&Path) -> Result<(), String> + 'static) -> Self {
        self.after = Some(Box::new(action));
        self
    }

    /// Counts the memory of this process too: a client's work is done by its server.
    pub(crate) fn server(mut self, process: u32) -> Self {
        self.server = Some(process);
        self
    }

    /// One turn in the directory `place`.
    fn turn(&self, place: &Path) -> Result<Cost, String> {
        fs::create_dir_all(place).map_err(|e| format!("create {}: {e}", place.display()))?;
        let act = |action: &Option<Action>| action.as_ref().map_or(Ok(()), |act| act(place));
        act(&self.before)?;
        // What others wrote goes to the disk now and not during this turn.
        rustix::fs::sync();
        if let Some(process) = self.server {
            // The kernel starts counting the maximum anew; see proc(5), clear_refs.
            let file = format!("/proc/{process}/clear_refs");
            fs::write(&file, "5").map_err(|e| format!("write {file}: {e}"))?;
        }
        let mut cost = Cost::default();
        for step in (self.steps)(place) {
            cost = cost.then(step.run()?);
        }
        if let Some(process) = self.server {
            cost.memory = cost.memory.max(peak(process)?);
        }
        act(&self.after)?;
        Ok(cost)
    }
}

/// The most memory that a process had since its maximum was reset, in bytes.
pub(crate) fn peak(process: u32) -> Result<u64, String> {
    let file = format!("/proc/{process}/status");
    let status = fs::read_to_string(&file).map_err(|e| format!("read {file}: {e}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number
        .map(|kib| kib << 10)
        .ok_or_else(|| format!("{file} has no VmHWM"))
}

/// Gives everybody `runs` turns, one after the other and each time beginning with another, so
/// that whatever else the machine does meets all alike.
///
/// Every turn has a directory of its own below `work`, which stays until the benchmark ends; only
/// its files are emptied after the row. An ext4 without a journal does not use the inode of a
/// removed file again for five minutes, and whoever makes files meanwhile searches among thousands
/// of those: that costs everybody more than a second, and hides who is faster. A peer that fails is
/// out, and an error of ours fails the row.
pub(crate) fn run(row: &Row, runs: usize, work: &Path) -> Result<Measured, String> {
    let contenders: Vec<&Contender> = row.contenders.iter().flatten().collect();
    let mut costs: Vec<Result<Vec<Cost>, String>> = contenders.iter().map(|_| Ok(vec![])).collect();
    let mut wrong = None;
    'turns: for round in 0..runs {
        for turn in 0..contenders.len() {
            let i = (round + turn) % contenders.len();
            let Ok(so_far) = &mut costs[i] else { continue };
            let place = work.join(format!("{}-{round}-{i}", row.name));
            match contenders[i].turn(&place) {
                Ok(cost) => so_far.push(cost),
                Err(error) if contenders[i].kind == Kind::Ours => {
                    wrong = Some(format!("{}: {error}", contenders[i].name));
                    break 'turns;
                }
                Err(error) => costs[i] = Err(error),
            }
        }
    }
    for entry in fs::read_dir(work).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name
            .to_string_lossy()
            .starts_with(&format!("{}-", row.name))
        {
            empty_files(&entry.path())?;
        }
    }
    match wrong {
        Some(error) => Err(error),
        None => Ok(Measured {
            costs: contenders
                .iter()
                .zip(costs)
                .map(|(c, costs)| (c.name.clone(), c.kind.clone(), costs))
                .collect(),
        }),
    }
}

/// Gives back the room that files take, but not their inodes.
fn empty_files(folder: &Path) -> Result<(), String> {
    let mut find = Command::new("find");
    find.arg(folder)
        .args(["-xdev", "-type", "f", "-size", "+0"]);
    find.args(["-exec", "truncate", "--no-create", "--size=0", "{}", "+"]);
    output(&mut find).map(drop)
}

impl Measured {
    /// The median time of a contender; None when it failed or is not there.
    pub(crate) fn time(&self, name: &str) -> Option<Duration> {
        let costs = self.of(name)?;
        median(costs.iter().map(|cost| cost.time).collect())
    }

    /// The most memory that a contender had in any turn, in bytes.
    pub(crate) fn memory(&self, name: &str) -> Option<u64> {
        self.of(name)?.iter().map(|cost| cost.memory).max()
    }

    /// The fastest peer of one of ours, with its median.
    pub(crate) fn fastest_peer(&self, ours: &str) -> Option<(&str, Duration)> {
        let peers = self.costs.iter().filter(|(_, kind, _)| match kind {
            Kind::Peer(rivals) => rivals.contains(&ours),
            _ => false,
        });
        let timed = peers.filter_map(|(name, ..)| Some((name.as_str(), self.time(name)?)));
        timed.min_by_key(|(_, time)| *time)
    }

    fn of(&self, name: &str) -> Option<&[Cost]> {
        let found = self.costs.iter().find(|(other, ..)| other == name)?;
        found.2.as_deref().ok()
    }
}

/// The one in the middle; of an even number the mean of the two there.
pub(crate) fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    let middle = times.len() / 2;
    let upper = *times.get(middle)?;
    if times.len() % 2 == 1 {
        return Some(upper);
    }
    Some((times[middle - 1] + upper) / 2)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    fn ms(numbers: &[u64]) -> Vec<Duration> {
        numbers.iter().map(|n| Duration::from_millis(*n)).collect()
    }

    #[test]
    fn the_median_stands_in_the_middle() {
        let check = |numbers: &[u64], expected: Option<u64>| {
            let found = median(ms(numbers)).map(|m| m.as_micros());
            assert_eq!(found, expected.map(u128::from), "{numbers:?}");
        };
        check(&[], None);
        check(&[3], Some(3000));
        check(&[9, 1, 2], Some(2000));
        check(&[4, 1, 100, 3], Some(3500));
    }

    fn row(contenders: Vec<Contender>) -> Row {
        Row {
            name: "test",
            about: String::new(),
            contenders: contenders.into_iter().map(Ok).collect(),
            targets: Vec::new(),
            runs: 3,
        }
    }

    #[test]
    fn turns_are_interleaved_and_leave_empty_files() {
        let work = tempfile::tempdir().unwrap();
        let order = Rc::new(RefCell::new(String::new()));
        let contender = |name: &'static str| {
            let order = Rc::clone(&order);
            Contender::new(name, Kind::Ours, |_| Vec::new()).before(move |place| {
                assert!(fs::read_dir(place).unwrap().next().is_none());
                order.borrow_mut().push_str(name);
                fs::write(place.join("file"), "content").map_err(|e| e.to_string())
            })
        };
        let row = row(vec![contender("a"), contender("b"), contender("c")]);
        let measured = run(&row, 3, work.path()).unwrap();
        assert_eq!(*order.borrow(), "abcbcacab");
        assert_eq!(measured.time("b"), Some(Duration::ZERO));
        let places = fs::read_dir(work.path()).unwrap();
        let sizes = places.map(|place| fs::metadata(place.unwrap().path().join("file")));
        let sizes: Vec<_> = sizes.map(|meta| meta.unwrap().len()).collect();
        assert_eq!(sizes, [0; 9]);
    }

    #[test]
    fn a_wrong_result_of_ours_fails_and_a_peer_is_only_out() {
        let work = tempfile::tempdir().unwrap();
        let wrong = |kind| {
            Contender::new("x", kind, |_| Vec::new()).after(|_| Err("wrong tree".to_owned()))
        };
        let error = run(&row(vec![wrong(Kind::Ours)]), 2, work.path());
        assert_eq!(error.err().as_deref(), Some("x: wrong tree"));
        let out = run(&row(vec![wrong(Kind::Peer(&[]))]), 2, work.path()).unwrap();
        assert_eq!(out.costs[0].2.as_ref().unwrap_err(), "wrong tree");
        assert_eq!(out.time("x"), None);
    }

    #[test]
    fn only_those_who_do_the_same_are_peers() {
        let cost = |ms| Cost {
            time: Duration::from_millis(ms),
            ..Cost::default()
        };
        let measured = Measured {
            costs: vec![
                ("load".into(), Kind::Ours, Ok(vec![cost(5)])),
                ("copy".into(), Kind::Peer(&["load"]), Ok(vec![cost(9)])),
                ("other".into(), Kind::Peer(&["run"]), Ok(vec![cost(1)])),
                ("broken".into(), Kind::Peer(&["load"]), Err("no".into())),
                ("floor".into(), Kind::Floor(&["load"]), Ok(vec![cost(1)])),
            ],
        };
        let fastest = measured.fastest_peer("load");
        assert_eq!(fastest, Some(("copy", Duration::from_millis(9))));
        assert_eq!(measured.fastest_peer("save"), None);
    }
}
