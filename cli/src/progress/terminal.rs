//! `--progress tty`: a picture of the build that is redrawn in place, as BuildKit draws it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use coracle::event::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::Ended;
use crate::output;
use coracle::event::plain::{last_state, one_line};

/// How many of the last lines of a running step's output are shown below it.
const TAIL: usize = 6;

/// The picture.
#[derive(Debug)]
pub(super) struct Terminal {
    bars: MultiProgress,
    head: ProgressBar,
    steps: BTreeMap<usize, Step>,
    started: Instant,
    of: usize,
    done: usize,
    /// How wide the terminal was when the steps that have ended were drawn.
    width: usize,
}

#[derive(Debug)]
struct Step {
    bar: ProgressBar,
    name: String,
    started: Instant,
    ended: bool,
    tail: VecDeque<ProgressBar>,
    rest: String,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::on(MultiProgress::new())
    }
}

impl Terminal {
    fn on(bars: MultiProgress) -> Self {
        let head = bars.add(ProgressBar::no_length());
        head.set_style(style("[+] Building {seconds} {msg}"));
        head.enable_steady_tick(Duration::from_millis(100));
        Self {
            bars,
            head,
            steps: BTreeMap::new(),
            started: Instant::now(),
            of: 0,
            done: 0,
            width: output::width(),
        }
    }

    /// Draws an event.
    pub(super) fn event(&mut self, event: &Event) {
        self.fit(output::width());
        match event {
            Event::StepStarted { step, of, name } => self.begin(*step, *of, name),
            Event::StepCached { step, .. } => self.finish(*step, "CACHED "),
            Event::StepFinished { step, .. } => self.finish(*step, ""),
            Event::StepMissed { why, .. } => {
                for sentence in why {
                    self.print(&format!("    not cached: {sentence}\n"));
                }
            }
            Event::StepOutput { step, text, .. } => self.output(*step, text),
            Event::Warning { message } => self.print(&format!("WARNING: {message}\n")),
            _ => {}
        }
        self.head
            .set_message(format!("({}/{})", self.done, self.of));
    }

    /// Writes whole lines above the picture.
    pub(super) fn print(&mut self, text: &str) {
        // A terminal that is gone must not end the build.
        let _ = self.bars.println(text.trim_end_matches('\n'));
    }

    /// Draws the last picture, which stays.
    pub(super) fn end(&mut self, ended: Option<&Ended>) {
        self.fit(output::width());
        let unfinished: Vec<usize> = self
            .steps
            .iter()
            .filter(|(_, s)| !s.ended)
            .map(|(n, _)| *n)
            .collect();
        for step in unfinished {
            self.finish(step, word(step, ended));
        }
        let took = seconds(self.started.elapsed());
        self.head.set_style(style("{msg}"));
        let word = if ended.is_none() { " FINISHED" } else { "" };
        let (done, of) = (self.done, self.of);
        self.head
            .abandon_with_message(format!("[+] Building {took} ({done}/{of}){word}"));
    }

    /// Draws what nobody draws any more anew, when the terminal has another width.
    fn fit(&mut self, width: usize) {
        if width != self.width {
            self.width = width;
            for step in self.steps.values() {
                let ended = Some(&step.bar).filter(|_| step.ended);
                step.tail.iter().chain(ended).for_each(ProgressBar::tick);
            }
        }
    }

    fn begin(&mut self, step: usize, of: usize, name: &str) {
        self.of = of;
        let bar = self.bars.add(ProgressBar::no_length());
        bar.set_style(style(" => {wide_msg} {seconds:>6}"));
        bar.set_message(shown(name));
        bar.enable_steady_tick(Duration::from_millis(100));
        let new = Step {
            bar,
            name: shown(name),
            started: Instant::now(),
            ended: false,
            tail: VecDeque::new(),
            rest: String::new(),
        };
        self.steps.insert(step, new);
    }

    fn finish(&mut self, step: usize, word: &str) {
        let Some(step) = self.steps.get_mut(&step).filter(|step| !step.ended) else {
            return;
        };
        step.ended = true;
        for line in step.tail.drain(..) {
            line.finish_and_clear();
            self.bars.remove(&line);
        }
        let took = seconds(step.started.elapsed());
        step.bar.disable_steady_tick();
        step.bar.set_style(style(" => {wide_msg} {prefix:>6}"));
        step.bar.set_prefix(took);
        step.bar
            .abandon_with_message(format!("{word}{}", step.name));
        if word != "ERROR " && word != "CANCELED " {
            self.done += 1;
        }
    }

    fn output(&mut self, number: usize, text: &str) {
        let Some(step) = self.steps.get_mut(&number) else {
            return;
        };
        step.rest.push_str(text);
        while let Some(end) = step.rest.find('\n') {
            let line: String = step.rest.drain(..=end).collect();
            let above = step.tail.back().unwrap_or(&step.bar);
            let bar = self.bars.insert_after(above, ProgressBar::no_length());
            bar.set_style(style(" => => # {wide_msg}"));
            bar.set_message(shown(last_state(&line)));
            bar.tick();
            step.tail.push_back(bar);
            if step.tail.len() > TAIL
                && let Some(oldest) = step.tail.pop_front()
            {
                oldest.finish_and_clear();
                self.bars.remove(&oldest);
            }
        }
    }
}

/// What has become of a step that had not ended by itself, in BuildKit's words.
fn word(step: usize, ended: Option<&Ended>) -> &'static str {
    match ended {
        None => "",
        Some(ended) if ended.step.is_none_or(|failed| failed == step) => "ERROR ",
        Some(_) => "CANCELED ",
    }
}

/// A style whose `{seconds}` is how long the bar has been there.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .with_key(
            "seconds",
            |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(&seconds(state.elapsed()));
            },
        )
}

fn seconds(time: Duration) -> String {
    format!("{:.1}s", time.as_secs_f64())
}

/// A line without what would move the cursor or change colours.
fn shown(line: &str) -> String {
    let mut out = String::new();
    let mut characters = one_line(line).chars().collect::<VecDeque<_>>();
    while let Some(c) = characters.pop_front() {
        match c {
            // An escape sequence ends with its first letter.
            '\u{1b}' => {
                while characters
                    .pop_front()
                    .is_some_and(|c| !c.is_ascii_alphabetic())
                {}
            }
            '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU16, Ordering};

    use coracle::digest::Digest;
    use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};

    use super::*;

    /// What is on a screen of `width` columns after some events, with every time as 0.0s.
    fn picture(width: u16, ended: Option<&Ended>, events: &[Event]) -> String {
        let term = InMemoryTerm::new(20, width);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        let mut terminal = Terminal::on(MultiProgress::with_draw_target(target));
        for event in events {
            terminal.event(event);
        }
        terminal.end(ended);
        let times = |line: &str| match line.rsplit_once(' ') {
            Some((rest, time)) if time.ends_with('s') => format!("{rest} 0.0s"),
            _ => line.to_owned(),
        };
        let lines: Vec<_> = term.contents().lines().map(times).collect();
        lines.join("\n")
    }

    fn events() -> Vec<Event> {
        let start = |step, name: &str| Event::StepStarted {
            step,
            of: 3,
            name: name.to_owned(),
        };
        let text = |text: &str| Event::StepOutput {
            step: 3,
            stream: 1,
            text: text.to_owned(),
        };
        vec![
            start(1, "[1/3] FROM base"),
            Event::StepCached {
                step: 1,
                key: Digest::of(b""),
            },
            start(2, "[2/3] COPY . ."),
            Event::StepFinished {
                step: 2,
                layer: None,
            },
            start(
                3,
                "[3/3] RUN an-instruction-that-is-far-too-long --for a-narrow-terminal",
            ),
            text("one\ntwo\n\u{1b}[31mthree\u{1b}[0m\n"),
        ]
    }

    #[test]
    fn the_last_picture_of_a_build_that_failed() {
        let failed = |step| Ended {
            step,
            why: String::new(),
        };
        insta::assert_snapshot!(picture(80, Some(&failed(None)), &events()));
        insta::assert_snapshot!(picture(40, Some(&failed(Some(3))), &events()));
        let other = picture(80, Some(&failed(Some(2))), &events());
        assert!(other.contains(" => CANCELED [3/3] RUN"), "{other}");
    }

    /// A terminal whose width changes.
    #[derive(Debug, Clone)]
    struct Elastic {
        screen: InMemoryTerm,
        width: Arc<AtomicU16>,
    }

    impl TermLike for Elastic {
        fn width(&self) -> u16 {
            self.width.load(Ordering::SeqCst)
        }
        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            self.screen.move_cursor_up(n)
        }
        fn move_cursor_down(&self, n: usize) -> io::Result<()> {
            self.screen.move_cursor_down(n)
        }
        fn move_cursor_right(&self, n: usize) -> io::Result<()> {
            self.screen.move_cursor_right(n)
        }
        fn move_cursor_left(&self, n: usize) -> io::Result<()> {
            self.screen.move_cursor_left(n)
        }
        fn write_line(&self, line: &str) -> io::Result<()> {
            self.screen.write_line(line)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.screen.write_str(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.screen.clear_line()
        }
        fn flush(&self) -> io::Result<()> {
            self.screen.flush()
        }
    }

    #[test]
    fn what_was_drawn_before_fits_a_terminal_that_became_narrow() {
        let screen = InMemoryTerm::new(20, 80);
        let width = Arc::new(AtomicU16::new(80));
        let elastic = Elastic {
            screen: screen.clone(),
            width: Arc::clone(&width),
        };
        let target = ProgressDrawTarget::term_like(Box::new(elastic));
        let mut terminal = Terminal::on(MultiProgress::with_draw_target(target));
        for event in events() {
            terminal.event(&event);
        }
        let narrow = " => CACHED [1/3] FROM base          0.0s";
        assert!(!screen.contents().contains(narrow), "{}", screen.contents());
        width.store(40, Ordering::SeqCst);
        terminal.fit(40);
        terminal.end(None);
        assert!(screen.contents().contains(narrow), "{}", screen.contents());
    }

    #[test]
    fn control_characters_do_not_reach_the_picture() {
        let check = |line, expected: &str| assert_eq!(shown(line), expected);
        check("\u{1b}[31mred\u{1b}[0m\ttext\u{7}", "red text");
        check("a\nb", "a …");
    }
}
