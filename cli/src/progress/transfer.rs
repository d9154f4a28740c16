//! Blobs on their way between a registry and this machine: one line each, in Docker's words.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use coracle::digest::Digest;
use coracle::event::{Event, Transfer};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Explain, can_redraw, explained, write};
use crate::output::{self, human};

/// Which way blobs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a registry to here.
    Pull,
    /// From here to a registry.
    Push,
    /// From one place to another.
    Copy,
}

/// Where no line can be redrawn, one at least so often says how far it all is.
const SILENCE: Duration = Duration::from_secs(10);

/// Someone who watches blobs and shows them on standard error.
#[derive(Debug)]
pub(crate) struct Transfers {
    direction: Direction,
    explain: Option<Explain>,
    quiet: bool,
    /// How far each blob is: bytes moved, and bytes in all.
    blobs: BTreeMap<Digest, (u64, u64)>,
    /// The lines that are redrawn, where that is possible.
    drawn: Option<Drawn>,
    said: Instant,
}

#[derive(Debug, Default)]
struct Drawn {
    bars: MultiProgress,
    lines: BTreeMap<Digest, ProgressBar>,
}

impl Transfers {
    /// Starts watching. With `quiet`, warnings and explanations are shown alone.
    pub(crate) fn new(direction: Direction, explain: Option<Explain>, quiet: bool) -> Self {
        let redraw = !quiet && explain.is_none() && io::stderr().is_terminal() && can_redraw();
        Self {
            direction,
            explain,
            quiet,
            blobs: BTreeMap::new(),
            drawn: redraw.then(Drawn::default),
            said: Instant::now(),
        }
    }

    /// Shows an event.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Explain(explanation) => {
                if let Some(style) = self.explain {
                    self.say(&explained(explanation, style, output::width()));
                }
            }
            Event::Warning { message } => self.say(&output::warning(message)),
            Event::Transfer {
                digest,
                size,
                state,
            } => self.transfer(digest, *size, state),
            _ => {}
        }
    }

    /// Nothing more comes. How much was moved is said, if anything was to be.
    pub(crate) fn end(&mut self) {
        self.drawn = None;
        if !self.quiet && !self.blobs.is_empty() {
            let text = format!("{}\n", self.summary());
            self.say(&text);
        }
    }

    fn transfer(&mut self, digest: &Digest, size: u64, state: &Transfer) {
        let known = self.blobs.entry(digest.clone()).or_insert((0, size));
        match state {
            Transfer::Receiving { received: moved } | Transfer::Sending { sent: moved } => {
                known.0 = *moved;
            }
            Transfer::Received | Transfer::Sent => known.0 = size,
            Transfer::Waiting | Transfer::Present | Transfer::Mounted { .. } => {}
        }
        if self.quiet {
            return;
        }
        let words = words(self.direction, size, state);
        let line = format!("{}: {words}", digest.short());
        if let Some(drawn) = &mut self.drawn {
            let bar = drawn.lines.entry(digest.clone()).or_insert_with(|| {
                let bar = drawn.bars.add(ProgressBar::no_length());
                if let Ok(style) = ProgressStyle::with_template("{msg}") {
                    bar.set_style(style);
                }
                bar
            });
            if is_end(state) {
                bar.abandon_with_message(line);
            } else {
                bar.set_message(line);
            }
        } else if is_end(state) {
            self.say(&format!("{line}\n"));
        } else if self.said.elapsed() >= SILENCE {
            let text = format!("{line}; {}\n", self.summary());
            self.say(&text);
        }
    }

    /// `received 1.2MB of 80MB`.
    fn summary(&self) -> String {
        let moved = self.blobs.values().map(|(moved, _)| moved).sum();
        let all = self.blobs.values().map(|(_, size)| size).sum();
        let verb = match self.direction {
            Direction::Pull => "received",
            Direction::Push => "sent",
            Direction::Copy => "moved",
        };
        format!(
            "{verb} {} of {}",
            human::size(moved, 3),
            human::size(all, 3)
        )
    }

    fn say(&mut self, text: &str) {
        self.said = Instant::now();
        match &self.drawn {
            // A terminal that is gone must not end the transfer.
            Some(drawn) => drop(drawn.bars.println(text.trim_end_matches('\n'))),
            None => write(text),
        }
    }
}

fn is_end(state: &Transfer) -> bool {
    matches!(
        state,
        Transfer::Present | Transfer::Received | Transfer::Sent | Transfer::Mounted { .. }
    )
}

fn words(direction: Direction, size: u64, state: &Transfer) -> String {
    let of = |moved: u64| format!("{} of {}", human::size(moved, 3), human::size(size, 3));
    match (state, direction) {
        (Transfer::Waiting, Direction::Pull) => "Pulling fs layer".to_owned(),
        (Transfer::Waiting, _) => "Preparing".to_owned(),
        (Transfer::Present, Direction::Pull) => "Already exists".to_owned(),
        (Transfer::Present, _) => "Layer already exists".to_owned(),
        (Transfer::Receiving { received }, _) => format!("Downloading {}", of(*received)),
        (Transfer::Received, _) => format!("Pull complete {}", human::size(size, 3)),
        (Transfer::Sending { sent }, _) => format!("Pushing {}", of(*sent)),
        (Transfer::Sent, Direction::Copy) => format!("Copied {}", human::size(size, 3)),
        (Transfer::Sent, _) => format!("Pushed {}", human::size(size, 3)),
        (Transfer::Mounted { from }, _) => format!("Mounted from {from}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_words_are_used() {
        let check = |direction, state: Transfer, expected: &str| {
            assert_eq!(words(direction, 80_000_000, &state), expected);
        };
        check(Direction::Pull, Transfer::Waiting, "Pulling fs layer");
        check(Direction::Pull, Transfer::Present, "Already exists");
        check(
            Direction::Pull,
            Transfer::Receiving {
                received: 1_200_000,
            },
            "Downloading 1.2MB of 80MB",
        );
        check(Direction::Pull, Transfer::Received, "Pull complete 80MB");
        check(Direction::Push, Transfer::Waiting, "Preparing");
        check(Direction::Push, Transfer::Present, "Layer already exists");
        check(
            Direction::Push,
            Transfer::Sending { sent: 1_200_000 },
            "Pushing 1.2MB of 80MB",
        );
        check(Direction::Push, Transfer::Sent, "Pushed 80MB");
        check(
            Direction::Push,
            Transfer::Mounted { from: "a/b".into() },
            "Mounted from a/b",
        );
        check(Direction::Copy, Transfer::Sent, "Copied 80MB");
    }

    #[test]
    fn the_summary_counts_what_was_moved() {
        let mut transfers = Transfers::new(Direction::Push, None, true);
        for (name, size, state) in [
            ("a", 3_000_000, Transfer::Present),
            ("b", 2_000_000, Transfer::Sending { sent: 1_000_000 }),
            ("b", 2_000_000, Transfer::Sent),
            ("c", 1_000_000, Transfer::Mounted { from: "x".into() }),
        ] {
            let digest = Digest::of(name.as_bytes());
            transfers.event(&Event::Transfer {
                digest,
                size,
                state,
            });
        }
        assert_eq!(transfers.summary(), "sent 2MB of 6MB");
    }
}
