//! What was measured, as Markdown: a table for each row, and whether its targets are met.

use std::fmt::Write as _;
use std::time::Duration;

use crate::frame::{Kind, Measured, Row, Target, What};
use crate::measure::Cost;

/// A row's heading, its table, and a line for each target.
pub(crate) fn row(row: &Row, measured: &Measured) -> String {
    let ours: Vec<&str> = measured
        .costs
        .iter()
        .filter(|(_, kind, _)| *kind == Kind::Ours)
        .map(|(name, ..)| name.as_str())
        .collect();
    let mut text = format!("## {}\n\n{}\n\n", row.name, row.about);
    let columns = ours.iter().map(|name| format!(" {name} takes |"));
    let _ = writeln!(
        text,
        "| | median | fastest–slowest | processor | memory |{}",
        columns.collect::<String>()
    );
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(4 + ours.len()));
    for (name, kind, costs) in &measured.costs {
        let shown = if *kind == Kind::Ours {
            format!("**{name}**")
        } else {
            name.clone()
        };
        let cells = match costs {
            Ok(costs) => cells(costs, measured.time(name)),
            Err(_) => "failed, see below | | |".to_owned(),
        };
        let ratios = ours.iter().map(|one| {
            let rival = match kind {
                Kind::Ours => false,
                Kind::Peer(rivals) | Kind::Floor(rivals) => rivals.contains(one),
            };
            let ratio = rival.then(|| ratio(measured.time(one)?, measured.time(name)?));
            format!(" {} |", ratio.flatten().unwrap_or_default())
        });
        let _ = writeln!(text, "| {shown} | {cells} |{}", ratios.collect::<String>());
    }
    text.push('\n');
    for target in &row.targets {
        let _ = writeln!(text, "- {}", verdict(target, measured));
    }
    let failed = measured.costs.iter();
    let failed = failed.filter_map(|(name, _, costs)| Some((name, costs.as_ref().err()?)));
    for (name, error) in failed {
        let line = error.lines().last().unwrap_or_default();
        let _ = writeln!(text, "- not measured: {name}, because it failed: {line}");
    }
    for absent in row.contenders.iter().filter_map(|c| c.as_ref().err()) {
        let _ = writeln!(
            text,
            "- not measured: {}, because {}",
            absent.name, absent.reason
        );
    }
    text
}

/// Whether a target is met, with the figures.
fn verdict(target: &Target, measured: &Measured) -> String {
    let ours = target.ours;
    let unknown = || format!("unknown: {ours} or its rival was not measured");
    let word = |met: bool| if met { "met" } else { "MISSED" };
    let Some(time) = measured.time(ours) else {
        return unknown();
    };
    let against = |most: f64, rival: &str, theirs: Duration| {
        let is = time.as_secs_f64() / theirs.as_secs_f64();
        let met = word(is <= most);
        format!("{met}: {ours} takes {is:.2} of {rival}, at most {most} is wanted")
    };
    match target.what {
        What::OfFastestPeer(most) => match measured.fastest_peer(ours) {
            Some((peer, theirs)) => against(most, &format!("the fastest peer, {peer}"), theirs),
            None => format!("unknown: no peer of {ours} was measured"),
        },
        What::Of(most, rival) => match measured.time(rival) {
            Some(theirs) => against(most, rival, theirs),
            None => unknown(),
        },
        What::Above(most, rival) => match measured.time(rival) {
            Some(theirs) => format!(
                "{}: {ours} takes {} more than {rival}, at most {most} ms are wanted",
                word(time <= theirs + Duration::from_millis(most)),
                milliseconds(time.saturating_sub(theirs))
            ),
            None => unknown(),
        },
        What::Memory(most) => match measured.memory(ours) {
            Some(bytes) => format!(
                "{}: {ours} has {} of memory at most, {most} MiB are allowed",
                word(bytes <= most << 20),
                mebibytes(bytes)
            ),
            None => unknown(),
        },
        What::Milliseconds(most) => format!(
            "{}: {ours} takes {}, {most} ms are allowed",
            word(time <= Duration::from_millis(most)),
            milliseconds(time)
        ),
    }
}

fn cells(costs: &[Cost], median: Option<Duration>) -> String {
    let times = || costs.iter().map(|cost| cost.time);
    let span = [times().min(), times().max()].map(|t| milliseconds(t.unwrap_or_default()));
    let processor = crate::frame::median(costs.iter().map(|cost| cost.processor).collect());
    let memory = costs.iter().map(|cost| cost.memory).max();
    format!(
        "{} | {}–{} | {} | {}",
        milliseconds(median.unwrap_or_default()),
        span[0].trim_end_matches(" ms"),
        span[1],
        milliseconds(processor.unwrap_or_default()),
        mebibytes(memory.unwrap_or_default())
    )
}

/// How many times the other's time: below 1 is faster.
fn ratio(ours: Duration, theirs: Duration) -> Option<String> {
    (!theirs.is_zero()).then(|| format!("{:.2}", ours.as_secs_f64() / theirs.as_secs_f64()))
}

fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Absent;

    fn costs(times: &[u64], memory: u64) -> Vec<Cost> {
        let cost = |ms: &u64| Cost {
            time: Duration::from_millis(*ms),
            processor: Duration::from_millis(*ms),
            memory,
        };
        times.iter().map(cost).collect()
    }

    #[test]
    fn a_row_is_a_table_with_ratios_and_verdicts() {
        let target = |what| Target { ours: "load", what };
        let row_of = Row {
            name: "load",
            about: "A small image.".into(),
            contenders: vec![Err(Absent {
                name: "docker load".into(),
                reason: "dockerd is not installed".into(),
            })],
            targets: vec![
                target(What::OfFastestPeer(0.5)),
                target(What::Of(1.0, "sum")),
                target(What::Memory(64)),
                target(What::Milliseconds(10)),
                target(What::Of(1.0, "nobody")),
                target(What::Above(22, "sum")),
                target(What::Above(21, "sum")),
                target(What::Above(0, "podman")),
            ],
            runs: 3,
        };
        let measured = Measured {
            costs: vec![
                ("load".into(), Kind::Ours, Ok(costs(&[30, 20, 90], 9 << 20))),
                (
                    "podman".into(),
                    Kind::Peer(&["load"]),
                    Ok(costs(&[100], 70 << 20)),
                ),
                ("sum".into(), Kind::Floor(&["load"]), Ok(costs(&[8], 1))),
                (
                    "umoci".into(),
                    Kind::Peer(&["load"]),
                    Err("a\nno space".into()),
                ),
            ],
        };
        let expected = "\
## load

A small image.

| | median | fastest–slowest | processor | memory | load takes |
| --- | ---: | ---: | ---: | ---: | ---: |
| **load** | 30 ms | 20–90 ms | 30 ms | 9 MiB |  |
| podman | 100 ms | 100–100 ms | 100 ms | 70 MiB | 0.30 |
| sum | 8.0 ms | 8.0–8.0 ms | 8.0 ms | 1 MiB | 3.75 |
| umoci | failed, see below | | | |  |

- met: load takes 0.30 of the fastest peer, podman, at most 0.5 is wanted
- MISSED: load takes 3.75 of sum, at most 1 is wanted
- met: load has 9 MiB of memory at most, 64 MiB are allowed
- MISSED: load takes 30 ms, 10 ms are allowed
- unknown: load or its rival was not measured
- met: load takes 22 ms more than sum, at most 22 ms are wanted
- MISSED: load takes 22 ms more than sum, at most 21 ms are wanted
- met: load takes 0.0 ms more than podman, at most 0 ms are wanted
- not measured: umoci, because it failed: no space
- not measured: docker load, because dockerd is not installed
";
        assert_eq!(row(&row_of, &measured), expected);
    }
}
