//! find: `-name -type -path -mindepth -maxdepth -empty -newer -user -print -delete -exec …`.

use std::sync::Arc;

use super::{Runner, Stop, join, last};
use crate::build::sim::pattern::Pattern;
use crate::path::RootedPath;
use crate::tree::{Kind, Node};

/// What is asked of each path, and what is done to it.
#[derive(Debug)]
enum Test {
    Name(Pattern, bool),
    Path(Pattern),
    Type(String),
    Empty,
    Perm(u32, char),
    User(u32),
    Newer(crate::tree::Timestamp),
    Print(char),
    Delete,
    Prune,
    Exec(Vec<String>, bool),
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
}

/// `find`
pub(super) fn find(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let rest = &args[1..];
    let begins = |word: &String| word.starts_with('-') || word == "!" || word == "(";
    let end = rest.iter().position(begins).unwrap_or(rest.len());
    let (paths, words) = rest.split_at(end);
    let mut reader = Reader {
        runner,
        words,
        acts: false,
        depth: (0, usize::MAX),
        below_first: false,
        nested: 0,
    };
    let test = reader.or()?;
    if let Some(word) = reader.words.first() {
        let word = word.clone();
        return Err(Stop::command("find", format!("`find` with {word}")));
    }
    let test = if reader.acts {
        test
    } else {
        Test::And(vec![test, Test::Print('\n')])
    };
    let mut walk = Walk {
        depth: reader.depth,
        below_first: reader.below_first,
        batches: Vec::new(),
        code: 0,
    };
    let here = [".".to_owned()];
    for path in if paths.is_empty() { &here } else { paths } {
        match runner.shell.stat(path, false) {
            Ok((at, node)) => walk.visit(runner, &test, path, &at, &node, 0)?,
            Err(errno) => {
                let gnu = format!("'{path}'");
                walk.code = runner.fails(args, path, &gnu, errno);
            }
        }
    }
    for (command, paths) in std::mem::take(&mut walk.batches) {
        let words: Vec<String> = command.into_iter().chain(paths).collect();
        if runner.external(&words)? != 0 {
            walk.code = 1;
        }
    }
    Ok(walk.code)
}

struct Walk {
    depth: (usize, usize),
    below_first: bool,
    /// Commands of `-exec … +`, with what they are given.
    batches: Vec<(Vec<String>, Vec<String>)>,
    code: i32,
}

impl Walk {
    fn visit(
        &mut self,
        runner: &mut Runner<'_, '_>,
        test: &Test,
        path: &str,
        at: &RootedPath,
        node: &Arc<Node>,
        depth: usize,
    ) -> Result<(), Stop> {
        let counts = depth >= self.depth.0;
        let mut prune = false;
        if counts && !self.below_first {
            self.holds(runner, test, path, at, node, &mut prune)?;
        }
        if node.kind == Kind::Directory && depth < self.depth.1 && !prune {
            for name in runner.shell.names(at).unwrap_or_default() {
                let below = at.child(&name);
                let Some(node) = runner.shell.tree.get(&below).cloned() else {
                    continue;
                };
                let path = join(path, &String::from_utf8_lossy(&name));
                self.visit(runner, test, &path, &below, &node, depth + 1)?;
            }
        }
        if counts && self.below_first {
            self.holds(runner, test, path, at, node, &mut prune)?;
        }
        Ok(())
    }

    fn holds(
        &mut self,
        runner: &mut Runner<'_, '_>,
        test: &Test,
        path: &str,
        at: &RootedPath,
        node: &Arc<Node>,
        prune: &mut bool,
    ) -> Result<bool, Stop> {
        Ok(match test {
            Test::Name(pattern, ignore_case) => {
                let name = if path == "/" { "/" } else { last(path) };
                if *ignore_case {
                    pattern.matches(&name.to_lowercase())
                } else {
                    pattern.matches(name)
                }
            }
            Test::Path(pattern) => pattern.matches(path),
            Test::Type(letters) => {
                let letter = super::list::letters(node).chars().next().unwrap_or('-');
                letters.contains(if letter == '-' { 'f' } else { letter })
            }
            Test::Empty => match &node.kind {
                Kind::File(content) => content.size() == 0,
                Kind::Directory => runner.shell.tree.below(at).next().is_none(),
                _ => false,
            },
            Test::Perm(mode, how) => match how {
                '-' => node.meta.mode & mode == *mode,
                '/' => node.meta.mode & mode != 0,
                _ => node.meta.mode == *mode,
            },
            Test::User(uid) => node.meta.uid == *uid,
            Test::Newer(time) => node.meta.mtime > *time,
            Test::Print(end) => {
                runner.out(format!("{path}{end}"));
                true
            }
            Test::Prune => {
                *prune = true;
                true
            }
            Test::Delete => {
                let done = if node.kind == Kind::Directory {
                    runner.shell.remove_directory(path)
                } else {
                    runner.shell.unlink(path)
                };
                if let Err(errno) = done {
                    runner.err(format!("find: {path}: {errno}"));
                    self.code = 1;
                }
                done.is_ok()
            }
            Test::Exec(words, together) if *together => {
                match self
                    .batches
                    .iter_mut()
                    .find(|(command, _)| command == words)
                {
                    Some((_, paths)) => paths.push(path.to_owned()),
                    None => self.batches.push((words.clone(), vec![path.to_owned()])),
                }
                true
            }
            Test::Exec(words, _) => {
                let words: Vec<String> =
                    words.iter().map(|word| word.replace("{}", path)).collect();
                runner.flush();
                runner.external(&words)? == 0
            }
            Test::Not(inner) => !self.holds(runner, inner, path, at, node, prune)?,
            Test::And(all) => {
                for test in all {
                    if !self.holds(runner, test, path, at, node, prune)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Or(any) => {
                for test in any {
                    if self.holds(runner, test, path, at, node, prune)? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }
}

struct Reader<'q, 'r, 'a> {
    runner: &'q Runner<'r, 'a>,
    words: &'q [String],
    acts: bool,
    depth: (usize, usize),
    below_first: bool,
    nested: usize,
}

impl Reader<'_, '_, '_> {
    fn take(&mut self) -> Option<String> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first.clone())
    }

    fn or(&mut self) -> Result<Test, Stop> {
        self.nested += 1;
        if self.nested > 30 {
            return Err(Stop::command("find", "`find` with so many parentheses"));
        }
        let mut any = vec![self.and()?];
        while self
            .words
            .first()
            .is_some_and(|word| word == "-o" || word == "-or")
        {
            self.take();
            any.push(self.and()?);
        }
        self.nested -= 1;
        Ok(Test::Or(any))
    }

    fn and(&mut self) -> Result<Test, Stop> {
        let mut all = Vec::new();
        while let Some(word) = self.words.first() {
            if matches!(word.as_str(), "-o" | "-or" | ")") {
                break;
            }
            if matches!(word.as_str(), "-a" | "-and") {
                self.take();
                continue;
            }
            all.push(self.test()?);
        }
        Ok(Test::And(all))
    }

    fn test(&mut self) -> Result<Test, Stop> {
        let word = self.take().unwrap_or_default();
        let refuse = || Stop::command("find", format!("`find` with {word}"));
        let simple = match word.as_str() {
            "!" | "-not" => {
                self.nested += 1;
                if self.nested > 30 {
                    return Err(refuse());
                }
                let inner = self.test()?;
                self.nested -= 1;
                return Ok(Test::Not(Box::new(inner)));
            }
            "(" => {
                let inner = self.or()?;
                if self.take().as_deref() != Some(")") {
                    return Err(refuse());
                }
                return Ok(inner);
            }
            "-empty" => Some(Test::Empty),
            "-prune" => Some(Test::Prune),
            "-print" => Some(Test::Print('\n')),
            "-print0" => Some(Test::Print('\0')),
            "-delete" => {
                self.below_first = true;
                Some(Test::Delete)
            }
            "-depth" => {
                self.below_first = true;
                Some(Test::And(Vec::new()))
            }
            "-xdev" | "-mount" => Some(Test::And(Vec::new())),
            _ => None,
        };
        if let Some(simple) = simple {
            self.acts |= matches!(simple, Test::Print(_) | Test::Delete);
            return Ok(simple);
        }
        if word == "-exec" {
            return self.exec();
        }
        let value = self.take().ok_or_else(refuse)?;
        Ok(match word.as_str() {
            "-name" => Test::Name(Pattern::of(&value), false),
            "-iname" => Test::Name(Pattern::of(&value.to_lowercase()), true),
            "-path" | "-wholename" => Test::Path(Pattern::of(&value)),
            "-type" => Test::Type(value),
            "-user" => match self.runner.accounts().identity(&value) {
                Ok(who) => Test::User(who.uid),
                Err(_) => return Err(refuse()),
            },
            "-newer" => match self.runner.shell.stat(&value, true) {
                Ok((_, node)) => Test::Newer(node.meta.mtime),
                Err(_) => return Err(refuse()),
            },
            "-perm" => {
                let how = value.chars().next().unwrap_or_default();
                let digits = value.trim_start_matches(['-', '/', '+']);
                match u32::from_str_radix(digits, 8) {
                    Ok(mode) => Test::Perm(mode, how),
                    Err(_) => return Err(refuse()),
                }
            }
            "-mindepth" => {
                self.depth.0 = value.parse().map_err(|_| refuse())?;
                Test::And(Vec::new())
            }
            "-maxdepth" => {
                self.depth.1 = value.parse().map_err(|_| refuse())?;
                Test::And(Vec::new())
            }
            _ => return Err(refuse()),
        })
    }

    fn exec(&mut self) -> Result<Test, Stop> {
        self.acts = true;
        let mut words = Vec::new();
        loop {
            match self.take() {
                None => return Err(Stop::command("find", "`find` with an -exec without an end")),
                Some(word) if word == ";" => return Ok(Test::Exec(words, false)),
                Some(word) if word == "+" && words.last().is_some_and(|w| w == "{}") => {
                    words.pop();
                    return Ok(Test::Exec(words, true));
                }
                Some(word) => words.push(word),
            }
        }
    }
}
