//! Readers of the event stream: what a person or a program sees while something goes on.
//!
//! Everything here goes to standard error, so that standard output holds results only.

mod explain;
mod terminal;
mod transcript;
mod transfer;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use coracle::event::plain;
pub(crate) use coracle::event::plain::Ended;
use coracle::event::{Event, Explanation};
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::output;
pub(crate) use transcript::Transcript;
pub(crate) use transfer::{Direction, Transfers};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Style {
    /// `tty` on a terminal, `plain` elsewhere
    Auto,
    /// One line for each thing that happens
    Plain,
    /// Redrawn in place
    Tty,
    /// Nothing
    Quiet,
    /// Each event as a JSON object on a line
    Rawjson,
}

/// How `--explain` is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Explain {
    /// The call, why, and the chapter, for people
    Text,
    /// One JSON object a line
    Json,
}

/// The option of every command that asks the kernel for something on a person's behalf.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ExplainOption {
    /// Tell each request to the kernel, why it is made, and the chapter that teaches it
    #[arg(
        long = "explain",
        value_name = "json",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        hide_possible_values = true
    )]
    pub(crate) style: Option<Explain>,
}

impl ExplainOption {
    /// Whether anything is to be told.
    pub(crate) fn is_asked(self) -> bool {
        self.style.is_some()
    }
}

/// The option of every command that asks a registry for something.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ExplainHttpOption {
    /// Tell each HTTP request, why it is made, and the chapter that teaches it
    #[arg(
        long = "explain",
        value_name = "json",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        hide_possible_values = true
    )]
    pub(crate) style: Option<Explain>,
}

/// What to show of a flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// How progress is shown.
    pub(crate) style: Style,
    /// Whether each request to the kernel is told.
    pub(crate) explain: Option<Explain>,
    /// Whether it is said why each step was or was not in the cache.
    pub(crate) cache: bool,
}

/// Someone who watches a flow and shows it.
#[derive(Debug)]
pub(crate) struct Watcher {
    view: View,
    screen: Screen,
}

#[derive(Debug)]
enum Screen {
    None,
    Json,
    Plain(Heartbeat),
    Terminal(Box<terminal::Terminal>),
}

impl Watcher {
    /// Starts watching.
    pub(crate) fn new(view: View) -> Self {
        // From here on threads are started, also by the library that draws bars.
        let _without = WithoutSignals::begin();
        // Explanations are many lines; between them a picture that is redrawn would only flicker.
        let redraw = view.explain.is_none() && can_redraw();
        let screen = match view.style {
            Style::Quiet => Screen::None,
            Style::Rawjson => Screen::Json,
            // Asked for by name, the picture is drawn between explanations, too; but nothing can
            // be drawn over where there is no terminal.
            Style::Tty if io::stderr().is_terminal() => Screen::Terminal(Box::default()),
            Style::Auto if redraw => Screen::Terminal(Box::default()),
            Style::Tty | Style::Auto | Style::Plain => Screen::Plain(Heartbeat::start()),
        };
        Self { view, screen }
    }

    /// Shows an event.
    pub(crate) fn event(&mut self, event: &Event) {
        let _without = WithoutSignals::begin();
        match (event, self.view.explain) {
            (Event::Explain(_), None) => return,
            (Event::Explain(explanation), Some(style)) => {
                self.line(&explained(explanation, style, output::width()));
                return;
            }
            (Event::StepMissed { .. }, _)
                if !self.view.cache && !matches!(self.screen, Screen::Json) =>
            {
                return;
            }
            _ => {}
        }
        match &mut self.screen {
            Screen::None => {}
            Screen::Json => write(&json(event)),
            Screen::Plain(heartbeat) => heartbeat.event(event),
            Screen::Terminal(terminal) => terminal.event(event),
        }
    }

    /// The flow has ended, well or not. What is on the screen stays.
    pub(crate) fn end(self, ended: Option<&Ended>) {
        match self.screen {
            Screen::Terminal(mut terminal) => terminal.end(ended),
            Screen::Plain(heartbeat) => heartbeat.end(ended),
            Screen::None | Screen::Json => {}
        }
    }

    /// Writes whole lines between whatever else is shown.
    fn line(&mut self, text: &str) {
        match &mut self.screen {
            Screen::Terminal(terminal) => terminal.print(text),
            _ => write(text),
        }
    }
}

/// One request to the kernel, as `--explain` shows it.
pub(crate) fn explained(explanation: &Explanation, style: Explain, width: usize) -> String {
    match style {
        Explain::Text => explain::text(explanation, width),
        Explain::Json => json(&Event::Explain(explanation.clone())),
    }
}

/// Whether lines can be drawn over: standard error is a terminal that can move its cursor.
fn can_redraw() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    io::stderr().is_terminal() && !dumb
}

fn json(event: &Event) -> String {
    let text = serde_json::to_string(event);
    format!("{}\n", text.unwrap_or_default())
}

fn write(text: &str) {
    // A terminal that is gone must not end the build.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// As long as this lives, this thread and those that it starts are spared signals.
///
/// A signal goes to any thread that does not block it. It must be the one that carries the flow
/// out: while a container runs, that one ends it properly, and a thread that only draws would
/// end the whole process on the spot.
struct WithoutSignals {
    /// The mask to put back; none when the system refused the change, and nothing changed.
    before: Option<SigSet>,
}

impl WithoutSignals {
    fn begin() -> Self {
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
        Self { before }
    }
}

impl Drop for WithoutSignals {
    fn drop(&mut self) {
        // It fails only for an unknown way of changing the mask.
        let _ = self.before.map(|before| before.thread_set_mask());
    }
}

/// Plain lines, and one at least every ten seconds, so that a log shows that something goes on.
#[derive(Debug)]
struct Heartbeat {
    shared: Arc<Mutex<plain::Plain>>,
    started: Instant,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Heartbeat {
    const EVERY: Duration = Duration::from_secs(1);

    fn start() -> Self {
        let shared = Arc::new(Mutex::new(plain::Plain::default()));
        let started = Instant::now();
        let (stop, stopped) = mpsc::channel();
        let plain = Arc::clone(&shared);
        let beat = move || {
            while stopped.recv_timeout(Self::EVERY) == Err(RecvTimeoutError::Timeout) {
                let mut plain = plain.lock().unwrap_or_else(PoisonError::into_inner);
                write(&plain.beat(started.elapsed()));
            }
        };
        Self {
            shared,
            started,
            stop,
            thread: std::thread::spawn(beat),
        }
    }

    fn event(&self, event: &Event) {
        let mut plain = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        write(&plain.event(event, self.started.elapsed()));
    }

    fn end(self, ended: Option<&Ended>) {
        drop(self.stop);
        // The thread only writes; if it died there is nothing left to do for it.
        let _ = self.thread.join();
        let mut plain = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        write(&plain.end(ended, self.started.elapsed()));
    }
}
