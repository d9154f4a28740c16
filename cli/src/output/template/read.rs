//! From the text of a template to its nodes.

use serde_json::Value;

use super::functions::FUNCTIONS;
use super::{Node, Pipe, Term};

pub(super) enum Piece {
    Text(String),
    Action(String),
}

/// Cuts a template at its double braces. `{{-` and `-}}` eat the white space beside them.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut trim_next = false;
    loop {
        let (before, action) = match rest.split_once("{{") {
            Some((before, action)) => (before, Some(action)),
            None => (rest, None),
        };
        let mut before = if trim_next {
            before.trim_start()
        } else {
            before
        };
        let Some(action) = action else {
            out.push(Piece::Text(before.to_owned()));
            return Ok(out);
        };
        let (action, after) = action
            .split_once("}}")
            .ok_or("a {{ is never closed by }}")?;
        let action = match action.strip_prefix("- ") {
            Some(action) => {
                before = before.trim_end();
                action
            }
            None => action,
        };
        let (action, trim) = match action.strip_suffix(" -") {
            Some(action) => (action, true),
            None => (action, false),
        };
        trim_next = trim;
        out.push(Piece::Text(before.to_owned()));
        out.push(Piece::Action(action.trim().to_owned()));
        rest = after;
    }
}

/// Reads nodes up to the end, or up to the `end` or `else` that closes the surrounding block.
pub(super) fn nodes(
    pieces: &mut impl Iterator<Item = Piece>,
) -> Result<(Vec<Node>, Option<String>), String> {
    let mut out = Vec::new();
    while let Some(piece) = pieces.next() {
        let action = match piece {
            Piece::Text(text) => {
                out.push(Node::Text(text));
                continue;
            }
            Piece::Action(action) => action,
        };
        let (word, rest) = action.split_once(' ').unwrap_or((&action, ""));
        match word {
            "end" | "else" => return Ok((out, Some(word.to_owned()))),
            "if" | "with" | "range" => {
                let pipe = parse_pipe(rest)?;
                let (then, end) = nodes(pieces)?;
                let (otherwise, end) = match end.as_deref() {
                    Some("else") => nodes(pieces)?,
                    _ => (Vec::new(), end),
                };
                if end.as_deref() != Some("end") {
                    return Err(format!("{{{{{word}}}}} is never closed by {{{{end}}}}"));
                }
                out.push(match word {
                    "if" => Node::If(pipe, then, otherwise),
                    "with" => Node::With(pipe, then, otherwise),
                    _ => Node::Range(pipe, then, otherwise),
                });
            }
            _ if action.starts_with("/*") => {}
            _ => out.push(Node::Print(parse_pipe(&action)?)),
        }
    }
    Ok((out, None))
}

fn parse_pipe(text: &str) -> Result<Pipe, String> {
    let tokens = tokens(text)?;
    let mut tokens = tokens.as_slice();
    let pipe = parse_calls(&mut tokens)?;
    match tokens.first() {
        None => Ok(pipe),
        Some(_) => Err(format!("{{{{{text}}}}} has a parenthesis too many")),
    }
}

fn parse_calls(tokens: &mut &[String]) -> Result<Pipe, String> {
    let mut calls = vec![Vec::new()];
    while let Some((token, rest)) = tokens.split_first() {
        if token.starts_with(')') {
            break;
        }
        *tokens = rest;
        let call: &mut Vec<Term> = match calls.last_mut() {
            Some(call) => call,
            None => continue,
        };
        match token.as_str() {
            "|" => calls.push(Vec::new()),
            "(" => {
                let inside = parse_calls(tokens)?;
                let Some((end, rest)) = tokens.split_first() else {
                    return Err("a ( is never closed".to_owned());
                };
                call.push(Term::Group(inside, path(&end[1..])));
                *tokens = rest;
            }
            word => call.push(parse_term(word)?),
        }
    }
    if calls.iter().any(Vec::is_empty) {
        return Err("there is nothing to print between {{ and }}".to_owned());
    }
    Ok(Pipe(calls))
}

fn parse_term(word: &str) -> Result<Term, String> {
    if let Some(rest) = word.strip_prefix('$') {
        return Ok(Term::Field(path(rest), true));
    }
    if word.starts_with('.') {
        return Ok(Term::Field(path(word), false));
    }
    if word.starts_with(['"', '`']) {
        let text = if word.starts_with('`') {
            word.trim_matches('`').to_owned()
        } else {
            serde_json::from_str(word).map_err(|e| format!("{word} is no string: {e}"))?
        };
        return Ok(Term::Literal(Value::String(text)));
    }
    if let Ok(number) = word.parse::<i64>() {
        return Ok(Term::Literal(number.into()));
    }
    match word {
        "true" => Ok(Term::Literal(true.into())),
        "false" => Ok(Term::Literal(false.into())),
        "nil" => Ok(Term::Literal(Value::Null)),
        _ if FUNCTIONS.contains(&word) => Ok(Term::Function(word.to_owned())),
        _ => {
            let near = coracle::diagnostic::did_you_mean(word, FUNCTIONS.iter().copied());
            let near = near
                .map(|n| format!("; did you mean {n}?"))
                .unwrap_or_default();
            Err(format!("there is no function {word:?}{near}"))
        }
    }
}

/// The names in `.A.B`.
fn path(text: &str) -> Vec<String> {
    let names = text.split('.').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// Words, strings, bars and parentheses; a path directly behind `)` belongs to it.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '|' | '(' => 1,
            ')' if !rest[1..].starts_with('.') => 1,
            ')' => word_end(rest, 1),
            '"' | '`' => string_end(rest, first).ok_or("a string is never closed")?,
            _ => word_end(rest, 0),
        };
        out.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Ok(out)
}

fn word_end(text: &str, from: usize) -> usize {
    let found = text[from..].find([' ', '\t', '|', '(', ')']);
    found.map_or(text.len(), |end| from + end)
}

fn string_end(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return Some(i + 1),
            _ => {}
        }
    }
    None
}
