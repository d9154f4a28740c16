//! `--progress plain`: one line for each thing that happens, as BuildKit writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Event;
use crate::human;

/// After this long without a line, one says that a step still runs.
const SILENCE: Duration = Duration::from_secs(10);

/// What has been said so far.
#[derive(Debug, Default)]
pub struct Plain {
    steps: BTreeMap<usize, Step>,
    /// The step that the last line was about.
    last: Option<usize>,
    /// When the last line was written.
    at: Duration,
}

/// How a flow ended before it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The step that failed, if it is known which; the others were given up.
    pub step: Option<usize>,
    /// Why, as a sentence.
    pub why: String,
}

#[derive(Debug)]
struct Step {
    name: String,
    started: Duration,
    /// Whether the end has been said.
    ended: bool,
    /// Output of which no line break has come yet.
    rest: String,
}

impl Plain {
    /// The lines for an event at the time `at` since the start.
    pub fn event(&mut self, event: &Event, at: Duration) -> String {
        let mut out = String::new();
        match event {
            Event::StepStarted { step, name, .. } => {
                let new = Step {
                    name: name.clone(),
                    started: at,
                    ended: false,
                    rest: String::new(),
                };
                self.steps.insert(*step, new);
                self.turn_to(*step, &mut out);
                let _ = writeln!(out, "#{step} {}", one_line(name));
            }
            Event::StepCached { step, .. } => {
                self.turn_to(*step, &mut out);
                let _ = writeln!(out, "#{step} CACHED");
                self.ended(*step);
            }
            Event::StepMissed { step, why } => {
                self.turn_to(*step, &mut out);
                for sentence in why {
                    let _ = writeln!(out, "#{step} not cached: {sentence}");
                }
            }
            Event::StepOutput { step, text, .. } => {
                self.turn_to(*step, &mut out);
                self.output(*step, text, at, &mut out);
            }
            Event::StepFinished { step, .. } => {
                self.turn_to(*step, &mut out);
                self.flush(*step, at, &mut out);
                let ran = self
                    .steps
                    .get(step)
                    .filter(|s| !s.ended)
                    .map(|s| at.saturating_sub(s.started));
                if let Some(ran) = ran {
                    let _ = writeln!(out, "#{step} DONE {:.1}s", ran.as_secs_f64());
                }
                self.ended(*step);
            }
            Event::Warning { message } => {
                let _ = writeln!(out, "WARNING: {message}");
            }
            // That a layer is unpacked already is no news.
            Event::Layer {
                state: "exists", ..
            }
            | Event::Started { .. }
            | Event::Output { .. }
            | Event::Transfer { .. }
            | Event::Explain(_) => {}
            Event::Layer {
                digest,
                state,
                size,
            } => {
                // Of several steps that run at the same time, nobody knows whose layer it is.
                let mut running = self.steps.iter().filter(|(_, step)| !step.ended);
                let step = match (running.next(), running.next()) {
                    (Some((step, _)), None) => format!("#{step} "),
                    _ => String::new(),
                };
                let size = human::size(*size, 3);
                let _ = writeln!(out, "{step}{state} {} {size}", digest.short());
            }
        }
        if !out.is_empty() {
            self.at = at;
        }
        out
    }

    /// The lines for the end: what has become of the steps that had not ended, in BuildKit's words.
    pub fn end(&mut self, ended: Option<&Ended>, at: Duration) -> String {
        let mut out = String::new();
        let Some(Ended { step: failed, why }) = ended else {
            return out;
        };
        let open = self.steps.iter().filter(|(_, step)| !step.ended);
        let open: Vec<usize> = open.map(|(number, _)| *number).collect();
        for number in open {
            self.turn_to(number, &mut out);
            self.flush(number, at, &mut out);
            if failed.is_none_or(|failed| failed == number) {
                let _ = writeln!(out, "#{number} ERROR: {why}");
            } else {
                let _ = writeln!(out, "#{number} CANCELED");
            }
            self.ended(number);
        }
        out
    }

    /// A line when there has been none for long.
    pub fn beat(&mut self, at: Duration) -> String {
        let running = self.steps.iter().rev().find(|(_, step)| !step.ended);
        let Some((number, step)) = running.filter(|_| at.saturating_sub(self.at) >= SILENCE) else {
            return String::new();
        };
        self.at = at;
        let ran = at.saturating_sub(step.started).as_secs();
        format!(
            "#{number} {}: {ran}s and still running\n",
            one_line(&step.name)
        )
    }

    /// Begins a paragraph when another step speaks.
    fn turn_to(&mut self, step: usize, out: &mut String) {
        if self.last.is_some_and(|last| last != step) {
            out.push('\n');
        }
        self.last = Some(step);
    }

    fn ended(&mut self, step: usize) {
        if let Some(step) = self.steps.get_mut(&step) {
            step.ended = true;
        }
    }

    fn output(&mut self, number: usize, text: &str, at: Duration, out: &mut String) {
        let Some(step) = self.steps.get_mut(&number) else {
            return;
        };
        step.rest.push_str(text);
        let seconds = at.saturating_sub(step.started).as_secs_f64();
        while let Some(end) = step.rest.find('\n') {
            let line: String = step.rest.drain(..=end).collect();
            let _ = writeln!(out, "#{number} {seconds:.3} {}", last_state(&line));
        }
    }

    fn flush(&mut self, number: usize, at: Duration, out: &mut String) {
        if self
            .steps
            .get(&number)
            .is_some_and(|step| !step.rest.is_empty())
        {
            self.output(number, "\n", at, out);
        }
    }
}

/// Of a line that a program drew over with carriage returns, what it ended as.
pub fn last_state(line: &str) -> &str {
    let line = line.trim_end_matches(['\n', '\r']);
    line.rsplit('\r').next().unwrap_or(line)
}

/// An instruction of several lines, such as one with a here-document, on one.
pub fn one_line(name: &str) -> String {
    let mut lines = name.lines();
    let first = lines.next().unwrap_or_default();
    match lines.next() {
        None => first.to_owned(),
        Some(_) => format!("{first} …"),
    }
}

#[cfg(test)]
mod tests {
    use crate::digest::Digest;

    use super::*;

    fn started(step: usize, name: &str) -> Event {
        Event::StepStarted {
            step,
            of: 3,
            name: name.to_owned(),
        }
    }

    fn output(step: usize, text: &str) -> Event {
        Event::StepOutput {
            step,
            stream: 1,
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_build_as_lines() {
        let key = Digest::of(b"");
        let events = [
            (0, started(1, "[1/3] FROM base")),
            (0, Event::StepCached { step: 1, key }),
            (100, started(2, "[2/3] RUN echo a\necho b")),
            (
                100,
                Event::StepMissed {
                    step: 2,
                    why: vec!["the instruction changed".into()],
                },
            ),
            (220, output(2, "a\nb")),
            (250, output(2, "c\n10%\r100%\nlast")),
            (
                400,
                Event::StepFinished {
                    step: 2,
                    layer: None,
                },
            ),
            (
                400,
                Event::Warning {
                    message: "mind the gap".into(),
                },
            ),
        ];
        let mut plain = Plain::default();
        let text: String = events
            .iter()
            .map(|(at, event)| plain.event(event, Duration::from_millis(*at)))
            .collect();
        insta::assert_snapshot!(text, @r"
        #1 [1/3] FROM base
        #1 CACHED

        #2 [2/3] RUN echo a …
        #2 not cached: the instruction changed
        #2 0.120 a
        #2 0.150 bc
        #2 0.150 100%
        #2 0.300 last
        #2 DONE 0.3s
        WARNING: mind the gap
        ");
    }

    #[test]
    fn steps_that_run_together_are_told_apart() {
        let layer = || Event::Layer {
            digest: Digest::of(b"layer"),
            state: "unpacked",
            size: 2_000_000,
        };
        let finished = |step| Event::StepFinished { step, layer: None };
        let events = [
            started(1, "[a 1/2] RUN a"),
            layer(),
            started(3, "[b 1/2] RUN b"),
            layer(),
            output(1, "one of a\nhalf"),
            output(3, "one of b\n"),
            output(1, " of a line\n"),
            finished(1),
            finished(3),
        ];
        let mut plain = Plain::default();
        let said = events
            .iter()
            .map(|event| plain.event(event, Duration::ZERO));
        insta::assert_snapshot!(said.collect::<String>(), @r"
        #1 [a 1/2] RUN a
        #1 unpacked dac1d7cfa950 2MB

        #3 [b 1/2] RUN b
        unpacked dac1d7cfa950 2MB

        #1 0.000 one of a

        #3 0.000 one of b

        #1 0.000 half of a line
        #1 DONE 0.0s

        #3 DONE 0.0s
        ");
    }

    #[test]
    fn the_step_that_failed_is_told_from_those_that_were_given_up() {
        let check = |step: Option<usize>, expected: &str| {
            let mut plain = Plain::default();
            for event in [started(1, "a"), started(2, "b"), output(2, "half")] {
                plain.event(&event, Duration::ZERO);
            }
            let why = "it broke".to_owned();
            let ended = Ended { step, why };
            assert_eq!(plain.end(Some(&ended), Duration::ZERO), expected);
            assert_eq!(plain.end(None, Duration::ZERO), "");
        };
        check(
            Some(1),
            "\n#1 ERROR: it broke\n\n#2 0.000 half\n#2 CANCELED\n",
        );
        check(
            None,
            "\n#1 ERROR: it broke\n\n#2 0.000 half\n#2 ERROR: it broke\n",
        );
    }

    #[test]
    fn silence_is_broken_after_ten_seconds() {
        let mut plain = Plain::default();
        let at = Duration::from_secs;
        assert_eq!(plain.beat(at(20)), "", "nothing runs");
        plain.event(&started(1, "RUN sleep 60"), at(20));
        assert_eq!(plain.beat(at(29)), "");
        assert_eq!(
            plain.beat(at(30)),
            "#1 RUN sleep 60: 10s and still running\n"
        );
        assert_eq!(plain.beat(at(31)), "");
        plain.event(
            &Event::StepFinished {
                step: 1,
                layer: None,
            },
            at(40),
        );
        assert_eq!(plain.beat(at(60)), "");
    }
}
