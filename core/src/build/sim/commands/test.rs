//! `test`, also written `[`.
//!
//! Source: [POSIX, test](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/test.html).

use super::{Runner, Stop, base};
use crate::tree::{Kind, Node};
use std::sync::Arc;

/// The words not yet read, and who asks.
struct Question<'q, 'r, 'a> {
    runner: &'q Runner<'r, 'a>,
    words: &'q [String],
    depth: usize,
}

/// `test` and `[`.
pub(super) fn test(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    runner.flush();
    let mut words = &args[1..];
    if base(&args[0]) == "[" {
        match words.split_last() {
            Some((last, rest)) if last == "]" => words = rest,
            _ => {
                runner.complain("[: missing ]");
                return Ok(2);
            }
        }
    }
    let mut question = Question {
        runner,
        words,
        depth: 0,
    };
    let answer = match question.words {
        [] => Ok(false),
        [one] => Ok(!one.is_empty()),
        [not, one] if not == "!" => Ok(one.is_empty()),
        _ => question.or(),
    };
    let answer = answer.and_then(|answer| match question.words {
        [] | [_] if words.len() < 3 => Ok(answer),
        [] => Ok(answer),
        [word, ..] => Err(format!("{word}: unexpected operator")),
    });
    match answer {
        Ok(answer) => Ok(i32::from(!answer)),
        Err(why) => {
            runner.complain(&why);
            Ok(2)
        }
    }
}

impl Question<'_, '_, '_> {
    fn take(&mut self) -> Option<String> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first.clone())
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut answer = self.and()?;
        while self.words.first().is_some_and(|word| word == "-o") {
            self.take();
            answer |= self.and()?;
        }
        Ok(answer)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut answer = self.not()?;
        while self.words.first().is_some_and(|word| word == "-a") {
            self.take();
            answer &= self.not()?;
        }
        Ok(answer)
    }

    fn not(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > 100 {
            return Err("too many words".to_owned());
        }
        // A word before an operator of two sides is a word, whatever it looks like.
        let binary = self.words.get(1).is_some_and(|word| is_binary(word)) && self.words.len() >= 3;
        if !binary && self.words.len() > 1 && self.words[0] == "!" {
            self.take();
            return self.not().map(|answer| !answer);
        }
        if !binary && self.words.len() > 2 && self.words[0] == "(" {
            self.take();
            let answer = self.or()?;
            return match self.take().as_deref() {
                Some(")") => Ok(answer),
                _ => Err("closing paren expected".to_owned()),
            };
        }
        self.primary(binary)
    }

    fn primary(&mut self, binary: bool) -> Result<bool, String> {
        let Some(first) = self.take() else {
            return Err("argument expected".to_owned());
        };
        if binary {
            let operator = self.take().unwrap_or_default();
            let second = self.take().unwrap_or_default();
            return self.compare(&first, &operator, &second);
        }
        let mut letters = first.strip_prefix('-').unwrap_or_default().chars();
        let letter = match (letters.next(), letters.next()) {
            (Some(letter), None) if "bcdefghkLnpGOrSstuwxz".contains(letter) => letter,
            _ => return Ok(!first.is_empty()),
        };
        let Some(operand) = self.take() else {
            return Ok(true);
        };
        Ok(self.about(letter, &operand))
    }

    fn about(&self, letter: char, operand: &str) -> bool {
        let node = |follow| -> Option<Arc<Node>> {
            self.runner
                .shell
                .stat(operand, follow)
                .ok()
                .map(|(_, node)| node)
        };
        let is = |wanted: &dyn Fn(&Node) -> bool| node(true).is_some_and(|node| wanted(&node));
        let may = |bit| is(&|node: &Node| self.runner.shell.check(node, bit).is_ok());
        match letter {
            'n' => !operand.is_empty(),
            'z' => operand.is_empty(),
            'e' => operand == "/dev/null" || node(true).is_some(),
            'f' => is(&|node| matches!(node.kind, Kind::File(_))),
            'd' => is(&|node| node.kind == Kind::Directory),
            'h' | 'L' => node(false).is_some_and(|node| matches!(node.kind, Kind::Symlink(_))),
            'p' => is(&|node| node.kind == Kind::Fifo),
            'b' => is(&|node| matches!(node.kind, Kind::BlockDevice(..))),
            'c' => operand == "/dev/null" || is(&|node| matches!(node.kind, Kind::CharDevice(..))),
            's' => is(&|node| match &node.kind {
                Kind::File(content) => content.size() > 0,
                _ => true,
            }),
            'r' => may(4),
            'w' => may(2),
            'x' => may(1),
            'u' => is(&|node| node.meta.mode & 0o4000 != 0),
            'g' => is(&|node| node.meta.mode & 0o2000 != 0),
            'k' => is(&|node| node.meta.mode & 0o1000 != 0),
            'O' => is(&|node| node.meta.uid == self.runner.shell.user.uid),
            'G' => is(&|node| node.meta.gid == self.runner.shell.user.gid),
            // -t: there is no terminal. -S: there are no sockets in a tree.
            _ => false,
        }
    }

    fn compare(&self, left: &str, operator: &str, right: &str) -> Result<bool, String> {
        let number = |text: &str| {
            let parsed: Result<i64, _> = text.trim().parse();
            parsed.map_err(|_| format!("{text}: bad number"))
        };
        let time = |path: &str| {
            let found = self.runner.shell.stat(path, true).ok();
            found.map(|(_, node)| node.meta.mtime)
        };
        Ok(match operator {
            "=" | "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            ">" => left > right,
            "-eq" => number(left)? == number(right)?,
            "-ne" => number(left)? != number(right)?,
            "-lt" => number(left)? < number(right)?,
            "-le" => number(left)? <= number(right)?,
            "-gt" => number(left)? > number(right)?,
            "-ge" => number(left)? >= number(right)?,
            "-nt" => time(left) > time(right),
            "-ot" => time(left) < time(right),
            "-ef" => {
                let same = |path: &str| self.runner.shell.stat(path, true).ok().map(|(_, n)| n);
                match (same(left), same(right)) {
                    (Some(a), Some(b)) => Arc::ptr_eq(&a, &b),
                    _ => false,
                }
            }
            _ => return Err(format!("{operator}: unknown operand")),
        })
    }
}

fn is_binary(word: &str) -> bool {
    let known = [
        "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
    ];
    known.contains(&word)
}
