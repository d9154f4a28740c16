//! A session: a log of acts, and the state that is its fold.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use coracle::accounts::Identity;
use coracle::build::sim::{self, Shell};
use coracle::path::RootedPath;
use coracle::store::archive::Format;
use coracle::tree::{Kind, Timestamp, Tree};

use crate::archives;
use crate::commands;
use crate::level::{self, Level};
use crate::preview::{Preview, Scratch, preview};
use crate::share;
use crate::show;
use crate::state::State;
use crate::view::{ActView, OutputView, View};
use crate::wanted::Wanted;

/// One person's visit.
///
/// The log is all there is: undo, redo, the timeline, a link, a report of a mistake and the
/// solution of a level are this list. The states beside it are only kept so that nothing has to
/// be done twice.
#[derive(Debug)]
pub struct Session {
    /// What has been done, the undone included.
    acts: Vec<Act>,
    /// How many of them are in force.
    position: usize,
    /// The state before each act, and after the last.
    states: Vec<Moment>,
    /// What previews have made.
    pub(crate) scratch: Scratch,
    /// What the Dockerfile would make now.
    pub(crate) preview: Preview,
    /// The level that is played.
    level: Option<Level>,
    /// One sentence about what has just happened.
    status: String,
}

/// A state, and what the last build before it was asked for.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) state: State,
    pub(crate) wanted: Wanted,
}

impl Moment {
    fn copy(&self) -> Self {
        Self {
            state: self.state.copy(),
            wanted: self.wanted.clone(),
        }
    }
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq)]
struct Act {
    /// A command of the shell, with its newline.
    text: String,
    code: i32,
    output: Vec<OutputView>,
}

impl Default for Session {
    /// An empty project.
    fn default() -> Self {
        let moment = Moment {
            state: State::default(),
            wanted: Wanted::default(),
        };
        let mut session = Self {
            acts: Vec::new(),
            position: 0,
            states: vec![moment],
            scratch: Scratch::default(),
            preview: Preview::default(),
            level: None,
            status: String::new(),
        };
        session.look_ahead();
        session
    }
}

/// How the log of a level begins.
const LEVEL: &str = "# level ";

/// What somebody sees who opens the page for the first time.
const FIRST: &str = include_str!("first.sh");

impl Session {
    /// A project that is already built.
    pub fn first() -> Self {
        let mut session = Self::default();
        session.open(FIRST);
        "This is a Dockerfile, and the layers that it makes. Change a line."
            .clone_into(&mut session.status);
        session
    }

    /// The state now.
    pub fn state(&self) -> &State {
        &self.states[self.position].state
    }

    pub(crate) fn wanted(&self) -> &Wanted {
        &self.states[self.position].wanted
    }

    /// Does what a script says, one command after the other; each is an act. After one that
    /// cannot be understood, nothing more of it is done.
    pub fn run(&mut self, script: &str) {
        for text in sim::lines(script) {
            let said = self.act(text);
            self.status = said;
        }
        self.look_ahead();
    }

    /// Makes `text` the content of a file, which is an act too: writing the same file again takes
    /// the place of the act before.
    pub fn write(&mut self, path: &str, text: &str) {
        let act = written(path, text);
        let again = self.position > 0
            && self.position == self.acts.len()
            && is_writing(&self.acts[self.position - 1].text, path);
        if again {
            self.go_back(self.position - 1);
        }
        self.act(&act);
        self.look_ahead();
        self.status = self.build_status();
    }

    /// Goes to where so many acts are in force.
    pub fn go(&mut self, position: usize) {
        self.position = position.min(self.acts.len());
        self.look_ahead();
        self.status = format!("{} of {} acts are in force", self.position, self.acts.len());
    }

    /// Takes the last act back.
    pub fn undo(&mut self) {
        self.go(self.position.saturating_sub(1));
    }

    /// Does again what was taken back.
    pub fn redo(&mut self) {
        self.go(self.position + 1);
    }

    /// The acts that are in force, as a script.
    pub fn log(&self) -> String {
        let mut log = String::new();
        if let Some(level) = &self.level {
            log = format!("{LEVEL}{}\n", level.id);
        }
        log.extend(
            self.acts[..self.position]
                .iter()
                .map(|act| act.text.as_str()),
        );
        log
    }

    /// Begins anew with a script. One whose first line names a level plays it.
    pub fn open(&mut self, script: &str) {
        *self = Self::default();
        let mut rest = script;
        if let Some((id, behind)) = script.strip_prefix(LEVEL).and_then(|s| s.split_once('\n')) {
            self.play(id);
            rest = behind;
        }
        self.run(rest);
        self.status = self.build_status();
    }

    /// The session as the end of an address; `None` when that would be too long.
    pub fn share(&self) -> Option<String> {
        share::share(&self.log())
    }

    /// Begins anew with what the end of an address says. One that says nothing changes nothing.
    pub fn unshare(&mut self, fragment: &str) {
        match share::unshare(fragment) {
            Ok(log) => self.open(&log),
            Err(message) => self.status = message,
        }
    }

    /// Begins a level; an empty name ends it and begins anew.
    pub fn play(&mut self, id: &str) {
        if id.is_empty() {
            *self = Self::first();
            return;
        }
        match level::find(id) {
            Some(level) => {
                *self = Self::default();
                self.run(&level.start);
                // What a level begins with is no act of whoever plays it, and cannot be undone.
                let last = self.states.split_off(self.position);
                self.states = last;
                self.acts.clear();
                self.position = 0;
                self.status = format!("Level {}: {}", level.id, level.title);
                self.level = Some(level);
            }
            None => self.status = format!("there is no level {id}; the list shows those there are"),
        }
    }

    /// The level that is played.
    pub fn level(&self) -> Option<&Level> {
        self.level.as_ref()
    }

    /// How many acts are in force.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What the acts in force printed and how each ended.
    pub fn outcomes(&self) -> impl Iterator<Item = (&str, i32, &[OutputView])> {
        let acts = self.acts[..self.position].iter();
        acts.map(|act| (act.text.as_str(), act.code, act.output.as_slice()))
    }

    /// Loads the images of a saved archive that was chosen as a file. The log only names it: a
    /// link cannot carry it.
    pub fn load(&mut self, name: &str, archive: impl Read + Send) {
        self.go_back(self.position);
        let mut after = self.states[self.position].copy();
        let (code, output) = archives::load(&mut after.state, name, archive);
        let text = format!("coracle load -i {}\n", quote(name));
        self.status = sentence(&title(&text), code, &output);
        self.acts.push(Act { text, code, output });
        self.states.push(after);
        self.position += 1;
        self.look_ahead();
    }

    /// Writes an image as an archive. The error is a sentence.
    pub fn save(
        &self,
        name: &str,
        format: Format,
        gzip: bool,
        out: impl Write,
    ) -> Result<(), String> {
        archives::save(self, name, format, gzip, out)
    }

    /// What the page draws now.
    pub fn view(&mut self) -> View {
        let level = self.level.clone().map(|level| level.view(self));
        let moment = &self.states[self.position];
        let last = self.position.checked_sub(1).map(|i| &self.acts[i]);
        let timeline = self.acts.iter().enumerate().map(|(i, act)| ActView {
            text: act.text.clone(),
            title: title(&act.text),
            code: (i < self.position).then_some(act.code),
        });
        let timeline = timeline.collect();
        let shown = show::state(
            &moment.state,
            &moment.wanted,
            &self.preview,
            &mut self.scratch,
        );
        View {
            files: shown.files,
            build: shown.build,
            images: shown.images,
            containers: shown.containers,
            registries: shown.registries,
            usage: shown.usage,
            pretend: moment.state.pretend.clone(),
            timeline,
            position: self.position,
            output: last.map(|act| act.output.clone()).unwrap_or_default(),
            code: last.map_or(0, |act| act.code),
            status: self.status.clone(),
            level,
        }
    }

    /// Does one command, and says in a sentence how it went.
    fn act(&mut self, text: &str) -> String {
        self.go_back(self.position);
        let mut after = self.states[self.position].copy();
        let mut output: Vec<OutputView> = Vec::new();
        let code = run(text, &mut after, &mut output);
        let text = format!("{}\n", text.trim_end_matches('\n'));
        let said = sentence(&title(&text), code, &output);
        self.acts.push(Act { text, code, output });
        self.states.push(after);
        self.position += 1;
        said
    }

    /// Forgets what comes after so many acts.
    fn go_back(&mut self, position: usize) {
        self.position = position;
        self.acts.truncate(position);
        self.states.truncate(position + 1);
    }

    fn look_ahead(&mut self) {
        let moment = &self.states[self.position];
        self.preview = preview(&moment.state, &moment.wanted, &mut self.scratch);
    }

    fn build_status(&self) -> String {
        let view = &self.preview.view;
        match &view.error {
            Some(error) => format!("The Dockerfile cannot be built: {error}"),
            None => format!(
                "A build would find {} steps in the cache and make {}",
                view.cached, view.missed
            ),
        }
    }
}

/// Does a command of the shell: one that changes the project's files, or `coracle …`.
fn run(text: &str, moment: &mut Moment, output: &mut Vec<OutputView>) -> i32 {
    let mut project = std::mem::take(&mut moment.state.project);
    let pretend = moment.state.pretend.clone();
    let mut other = |call: &mut sim::Call<'_>| {
        // The commands see the files as they are at this point of the script.
        std::mem::swap(&mut moment.state.project, call.tree);
        let code = commands::call(call, moment);
        std::mem::swap(&mut moment.state.project, call.tree);
        code
    };
    let mut shell = shell(&mut project, &pretend, &mut other);
    shell.all_commands = true;
    let ended = shell.run(text, &mut |stream, text| print(output, stream, text));
    let code = match ended {
        Ok(code) => code,
        Err(unsupported) => {
            print(output, 2, &format!("{unsupported}\n"));
            127
        }
    };
    moment.state.project = project;
    code
}

/// A shell for root, in the root of `tree`.
pub(crate) fn shell<'a>(
    tree: &'a mut Tree,
    pretend: &'a BTreeMap<String, Vec<String>>,
    other: &'a mut dyn FnMut(&mut sim::Call<'_>) -> Option<i32>,
) -> Shell<'a> {
    Shell {
        tree,
        env: BTreeMap::new(),
        cwd: RootedPath::root(),
        user: Identity::default(),
        time: Timestamp::default(),
        umask: 0o022,
        read_only: Vec::new(),
        journal: sim::Journal::default(),
        pretend,
        all_commands: false,
        other,
    }
}

/// Adds to what was printed.
fn print(output: &mut Vec<OutputView>, stream: u8, text: &str) {
    match output.last_mut() {
        Some(last) if last.stream == stream => last.text.push_str(text),
        _ => output.push(OutputView {
            stream,
            text: text.to_owned(),
        }),
    }
}

/// The act that makes `text` the content of a file.
pub(crate) fn written(path: &str, text: &str) -> String {
    let quoted = quote(path);
    if !text.ends_with('\n') || text.contains('\r') || text.contains('\0') {
        return format!("printf %s {} > {quoted}\n", quote(text));
    }
    let mut end = "END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    format!("cat > {quoted} <<'{end}'\n{text}{end}\n")
}

/// Whether an act makes the content of this file.
fn is_writing(act: &str, path: &str) -> bool {
    let quoted = quote(path);
    act.starts_with(&format!("cat > {quoted} <<'"))
        || (act.starts_with("printf %s ") && act.ends_with(&format!(" > {quoted}\n")))
}

/// A word of the shell that means this text.
pub(crate) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// An act in a few words.
fn title(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let words = line.split_whitespace();
    let path = |line: &str| {
        line.split(" > ")
            .nth(1)
            .and_then(|p| p.split(" <<").next())
            .map(str::to_owned)
    };
    let short = match words.take(2).collect::<Vec<_>>().as_slice() {
        ["cat", ">"] => line
            .strip_prefix("cat > ")
            .and_then(|l| l.split(" <<").next())
            .map(|p| format!("edit {p}")),
        ["printf", "%s"] => path(text.trim_end()).map(|p| format!("edit {p}")),
        _ => None,
    };
    let whole = short.unwrap_or_else(|| line.strip_prefix("coracle ").unwrap_or(line).to_owned());
    match whole.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &whole[..at]),
        None => whole,
    }
}

/// One sentence about how an act went.
fn sentence(title: &str, code: i32, output: &[OutputView]) -> String {
    if code == 0 {
        return format!("{title}: done");
    }
    let last = output.iter().rev().find(|o| o.stream == 2);
    let last = last.and_then(|o| o.text.lines().find(|l| !l.trim().is_empty()));
    format!("{title}: ended with {code}. {}", last.unwrap_or_default())
}

/// Whether a path of the project is a directory.
pub(crate) fn is_directory(state: &State, path: &RootedPath) -> bool {
    state
        .project
        .get(path)
        .is_some_and(|node| node.kind == Kind::Directory)
}
