//! Finding what a command's name means: a part of the shell, a program of the tree, a pretence.

use std::io::Read as _;
use std::rc::Rc;
use std::sync::Arc;

use super::Call;
use super::commands;
use super::files::{EXECUTE, Errno};
use super::run::{Runner, Stop};
use super::streams::input;
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Node};

/// Where programs are when no variable says so.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a name leads to.
enum Found {
    /// A program, and where it is.
    Program(String, Arc<Node>),
    /// Nothing; the code with which a shell says it, and why.
    Nothing(i32, Errno),
}

/// How the first words of a file that stands for a program of a package begin.
pub(super) const FIXTURE: &[u8] = b"\x7fELF simulated program: ";

impl Runner<'_, '_> {
    /// Runs what a script calls.
    pub(super) fn call(&mut self, args: &[String]) -> Result<i32, Stop> {
        let name = args[0].as_str();
        if let Some(status) = self.answered(args) {
            return Ok(status);
        }
        if let Some(builtin) = commands::builtin(name) {
            return builtin(self, args);
        }
        self.external(args)
    }

    /// Runs a program, as a shell would, with a shell's words when there is none.
    pub(super) fn external(&mut self, args: &[String]) -> Result<i32, Stop> {
        let name = args[0].clone();
        match self.find(&name) {
            Found::Program(path, node) => self.execute(args, &path, &node),
            Found::Nothing(code, errno) => {
                let why = match errno {
                    Errno::NoEntry | Errno::NotDirectory => "not found".to_owned(),
                    errno => errno.to_string(),
                };
                self.complain(&format!("{name}: {why}"));
                Ok(code)
            }
        }
    }

    /// Runs the program of a container, with Coracle's own words when there is none.
    pub(super) fn first_program(&mut self, args: &[String]) -> Result<i32, Stop> {
        let Some(name) = args.first().cloned() else {
            self.err("exec: no command was given");
            return Ok(127);
        };
        if let Some(status) = self.answered(args) {
            return Ok(status);
        }
        match self.find(&name) {
            Found::Program(path, node) => self.execute(args, &path, &node),
            Found::Nothing(code, errno) => {
                let path = self.shell.env.get("PATH").map_or("empty", String::as_str);
                let why = match errno {
                    Errno::NoEntry if name.contains('/') => {
                        if self.shell.stat(&name, false).is_ok() {
                            format!("{name} is a link to something that is not in the image")
                        } else {
                            "no such file in the image".to_owned()
                        }
                    }
                    Errno::NoEntry => {
                        format!("executable file not found in $PATH, which is {path}")
                    }
                    Errno::Access if self.shell.is_directory(&name) => {
                        format!("{name} is a directory")
                    }
                    Errno::Access => format!(
                        "permission denied; `chmod +x {name}` in the image makes it executable, if the user may read it"
                    ),
                    errno => format!("{name}: {errno}"),
                };
                self.err(format!("exec: {name:?}: {why}"));
                Ok(code)
            }
        }
    }

    /// Whether somebody else does this, or it is pretended.
    fn answered(&mut self, args: &[String]) -> Option<i32> {
        self.flush();
        let input = Rc::clone(&self.streams.input);
        let input = input.borrow();
        let mut call = Call {
            args,
            stdin: &input.0[input.1..],
            tree: self.shell.tree,
            cwd: &self.shell.cwd,
            env: &self.shell.env,
            time: self.shell.time,
            out: Vec::new(),
            err: Vec::new(),
        };
        let status = (self.shell.other)(&mut call);
        let (out, err) = (call.out, call.err);
        if let Some(status) = status {
            self.out(out);
            self.write_to(2, &err);
            return Some(status);
        }
        let pretend = self.shell.pretend;
        let files = pretend.get(&args[0])?;
        for path in files {
            let text = format!("what a pretended run of `{}` wrote\n", args.join(" "));
            if let Some((parent, _)) = path.trim_end_matches('/').rsplit_once('/') {
                self.make_directories(parent);
            }
            if let Err(errno) = self.shell.write(path, text.into_bytes(), 0o777) {
                self.err(format!("{}: {path}: {errno}", args[0]));
                return Some(1);
            }
        }
        Some(0)
    }

    /// Makes a directory and those above it, where they are missing.
    pub(super) fn make_directories(&mut self, path: &str) {
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            let part = &path[..end];
            if let Ok(at) = self.shell.walk(part, true) {
                let _ = self.shell.create(&at, Kind::Directory, 0o777);
            }
        }
    }

    /// Where a command is, as `command -v` tells it.
    pub(super) fn place(&self, name: &str) -> Option<String> {
        match self.find(name) {
            Found::Program(path, _) => Some(path),
            Found::Nothing(..) => None,
        }
    }

    fn find(&self, name: &str) -> Found {
        if name.is_empty() {
            return Found::Nothing(127, Errno::NoEntry);
        }
        let path = self.shell.env.get("PATH").map_or(PATH, String::as_str);
        let candidates: Vec<String> = if name.contains('/') {
            vec![name.to_owned()]
        } else {
            let directories = path.split(':').map(|directory| match directory {
                "" => format!("./{name}"),
                directory => format!("{}/{name}", directory.trim_end_matches('/')),
            });
            directories.collect()
        };
        let mut refused = None;
        for candidate in candidates {
            match self.shell.stat(&candidate, true) {
                Ok((_, node)) => {
                    let is_directory = node.kind == Kind::Directory;
                    if !is_directory && self.shell.check(&node, EXECUTE).is_ok() {
                        return Found::Program(candidate, node);
                    }
                    if !is_directory || name.contains('/') {
                        refused = Some(Errno::Access);
                    }
                }
                Err(Errno::NoEntry | Errno::NotDirectory) => {}
                Err(errno) => refused = Some(errno),
            }
        }
        if self.shell.all_commands && commands::program(name).is_some() {
            return Found::Program(name.to_owned(), Arc::new(Node::file(0o755, *b"")));
        }
        match refused {
            Some(errno) => Found::Nothing(126, errno),
            None => Found::Nothing(127, Errno::NoEntry),
        }
    }

    /// Runs the program that was found at `path`.
    fn execute(&mut self, args: &[String], path: &str, node: &Node) -> Result<i32, Stop> {
        let bytes = match &node.kind {
            Kind::File(content) => head(content),
            _ => Vec::new(),
        };
        if let Some(line) = bytes.strip_prefix(b"#!") {
            return self.interpreted(args, path, line);
        }
        let target = self.shell.walk(path, true).unwrap_or_default();
        let is_busybox = self.is_busybox(&target) || node_is_nothing(node);
        let name = args[0].rsplit('/').next().unwrap_or_default();
        // What is called by another name than its own is what it is a link to.
        let known = commands::program(name).or_else(|| {
            let own = std::str::from_utf8(target.name()).ok()?;
            commands::program(own).filter(|_| own != "busybox")
        });
        let Some(program) = known else {
            if let Some(text) = bytes.strip_prefix(FIXTURE)
                && args.get(1).is_some_and(|arg| {
                    matches!(arg.as_str(), "--version" | "-V" | "-v" | "version")
                })
            {
                let text = String::from_utf8_lossy(text);
                self.out(format!("{}\n", text.lines().next().unwrap_or_default()));
                return Ok(0);
            }
            return Err(Stop::command(name, format!("`{name}`")));
        };
        let before = std::mem::replace(&mut self.gnu, !is_busybox);
        let result = program(self, args);
        self.gnu = before;
        result
    }

    /// Whether busybox stands there: by its own name, or under another one of the same file.
    fn is_busybox(&self, target: &RootedPath) -> bool {
        if target.name() == b"busybox" {
            return true;
        }
        let twin = target.parent().map(|directory| directory.child(b"busybox"));
        let own = self.shell.tree.get(target);
        let twin = twin.and_then(|twin| self.shell.tree.get(&twin));
        own.zip(twin)
            .is_some_and(|(own, twin)| Arc::ptr_eq(own, twin))
    }

    /// Runs a script with what its first line names.
    fn interpreted(&mut self, args: &[String], path: &str, line: &[u8]) -> Result<i32, Stop> {
        let end = line.iter().position(|b| *b == b'\n');
        let line = String::from_utf8_lossy(&line[..end.unwrap_or(line.len())]).into_owned();
        let (interpreter, option) = match line.trim().split_once([' ', '\t']) {
            Some((interpreter, option)) => (interpreter, Some(option.trim().to_owned())),
            None => (line.trim(), None),
        };
        let mut words = vec![interpreter.to_owned()];
        words.extend(option);
        words.push(path.to_owned());
        words.extend(args[1..].iter().cloned());
        match self.find(interpreter) {
            Found::Program(place, node) if !head_is_script(&node) => {
                self.execute(&words, &place, &node)
            }
            Found::Program(..) => Err(Stop::refuse("a script whose interpreter is a script")),
            Found::Nothing(code, _) => {
                self.complain(&format!("{}: not found", args[0]));
                Ok(code)
            }
        }
    }

    /// `sh` and its kin: `-c TEXT`, a file, or what can be read.
    pub(super) fn shell_program(&mut self, args: &[String]) -> Result<i32, Stop> {
        let gnu = self.gnu;
        let name = args[0].clone();
        let mut rest = args[1..].iter();
        let mut set = vec!["set".to_owned()];
        let (mut text, mut asked) = (None, false);
        let mut words = Vec::new();
        while let Some(arg) = rest.next() {
            match arg.as_str() {
                "-o" | "+o" => {
                    set.push(arg.clone());
                    set.extend(rest.next().cloned());
                }
                "--" => {
                    words.extend(rest.by_ref().cloned());
                }
                "--login" | "-l" | "-s" => {}
                _ if words.is_empty() && arg.starts_with(['-', '+']) && arg.len() > 1 => {
                    asked |= arg.starts_with('-') && arg.contains('c');
                    let letters: String = arg
                        .chars()
                        .filter(|c| !matches!(c, 'c' | 'l' | 'i'))
                        .collect();
                    if letters.ends_with('o') {
                        set.push(letters);
                        set.extend(rest.next().cloned());
                    } else if letters.len() > 1 {
                        set.push(letters);
                    }
                }
                _ => {
                    words.push(arg.clone());
                    words.extend(rest.by_ref().cloned());
                }
            }
        }
        let mut words = words.into_iter();
        let mut arg0 = name.clone();
        if asked {
            let Some(script) = words.next() else {
                self.err(format!("{name}: -c requires an argument"));
                return Ok(2);
            };
            text = Some(script);
            arg0 = words.next().unwrap_or(arg0);
        } else if let Some(file) = words.next() {
            match self.contents(&file)? {
                Ok(bytes) => text = Some(String::from_utf8_lossy(&bytes).into_owned()),
                Err(errno) => {
                    let gone = matches!(errno, Errno::NoEntry);
                    let why = if gone {
                        "No such file or directory".to_owned()
                    } else {
                        errno.to_string()
                    };
                    self.err(format!("{name}: can't open '{file}': {why}"));
                    return Ok(if gone { 2 } else { 126 });
                }
            }
            arg0 = file;
        }
        let text = text.unwrap_or_else(|| {
            let bytes = self.take_input();
            self.streams.input = input(Vec::new());
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let params: Vec<String> = words.collect();
        self.new_shell(|runner| {
            runner.gnu = gnu;
            runner.arg0 = arg0;
            runner.params = params;
            runner.options.given = asked && !gnu;
            if set.len() > 1 {
                runner.set(&set)?;
            }
            runner.script(&text)
        })
    }
}

/// The first bytes of a file.
fn head(content: &Content) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(reader) = content.open() {
        let _ = std::io::Read::take(reader, 256).read_to_end(&mut bytes);
    }
    bytes
}

fn head_is_script(node: &Node) -> bool {
    matches!(&node.kind, Kind::File(content) if head(content).starts_with(b"#!"))
}

fn node_is_nothing(node: &Node) -> bool {
    matches!(&node.kind, Kind::File(content) if content.size() == 0)
}
