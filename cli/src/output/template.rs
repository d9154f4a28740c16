//! Go templates, as far as people write them behind `--format`.
//!
//! Fields (`{{.Config.Env}}`), pipes, `if`/`else`, `range`, `with`, and the functions that Docker
//! adds: `json join split upper lower title truncate pad println len index eq ne not and or`.
//! Source: [text/template](https://pkg.go.dev/text/template) and
//! [Docker's formatting page](https://docs.docker.com/engine/cli/formatting/).

use serde_json::Value;

/// A template, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    /// As it was written, for errors.
    text: String,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    Print(Pipe),
    If(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    Range(Pipe, Vec<Node>, Vec<Node>),
}

/// Calls from left to right; each gets the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
struct Pipe(Vec<Vec<Term>>);

#[derive(Debug, Clone, PartialEq)]
enum Term {
    /// `.A.B`; empty for the dot itself. `true` for a path that starts at `$`, the whole.
    Field(Vec<String>, bool),
    Literal(Value),
    Function(String),
    /// A pipe in parentheses, and the path to take from what it gives.
    Group(Pipe, Vec<String>),
}

/// Why a template cannot be read, or cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--format {template:?}: {reason}")]
pub(crate) struct TemplateError {
    template: String,
    reason: String,
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let refuse = |reason: String| TemplateError {
            template: text.to_owned(),
            reason,
        };
        let mut pieces = pieces(text).map_err(refuse)?.into_iter();
        let (nodes, end) = parse_nodes(&mut pieces).map_err(refuse)?;
        match end {
            None => Ok(Self {
                text: text.to_owned(),
                nodes,
            }),
            Some(word) => Err(refuse(format!(
                "there is nothing that {{{{{word}}}}} could belong to"
            ))),
        }
    }

    /// Fills in `value`. A field that `value` does not have at its top is an error; further
    /// down it is `<no value>`, as Go prints it for maps.
    pub(crate) fn render(&self, value: &Value) -> Result<String, TemplateError> {
        let mut out = String::new();
        let scope = Scope {
            dot: value,
            whole: value,
        };
        render(&self.nodes, scope, &mut out).map_err(|reason| TemplateError {
            template: self.text.clone(),
            reason,
        })?;
        Ok(out)
    }
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────

enum Piece {
    Text(String),
    Action(String),
}

/// Cuts a template at its double braces. `{{-` and `-}}` eat the white space beside them.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
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
fn parse_nodes(
    pieces: &mut impl Iterator<Item = Piece>,
) -> Result<(Vec<Node>, Option<String>), String> {
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let action = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(action) => action,
        };
        let (word, rest) = action.split_once(' ').unwrap_or((&action, ""));
        match word {
            "end" | "else" => return Ok((nodes, Some(word.to_owned()))),
            "if" | "with" | "range" => {
                let pipe = parse_pipe(rest)?;
                let (then, end) = parse_nodes(pieces)?;
                let (otherwise, end) = match end.as_deref() {
                    Some("else") => parse_nodes(pieces)?,
                    _ => (Vec::new(), end),
                };
                if end.as_deref() != Some("end") {
                    return Err(format!("{{{{{word}}}}} is never closed by {{{{end}}}}"));
                }
                nodes.push(match word {
                    "if" => Node::If(pipe, then, otherwise),
                    "with" => Node::With(pipe, then, otherwise),
                    _ => Node::Range(pipe, then, otherwise),
                });
            }
            _ if action.starts_with("/*") => {}
            _ => nodes.push(Node::Print(parse_pipe(&action)?)),
        }
    }
    Ok((nodes, None))
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

// ── filling in ──────────────────────────────────────────────────────────────────────────────

#[derive(Clone, Copy)]
struct Scope<'a> {
    dot: &'a Value,
    whole: &'a Value,
}

fn render(nodes: &[Node], scope: Scope<'_>, out: &mut String) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Print(pipe) => out.push_str(&go_text(&eval(pipe, scope)?)),
            Node::If(pipe, then, otherwise) => {
                let branch = if truth(&eval(pipe, scope)?) {
                    then
                } else {
                    otherwise
                };
                render(branch, scope, out)?;
            }
            Node::With(pipe, then, otherwise) => {
                let value = eval(pipe, scope)?;
                if truth(&value) {
                    render(
                        then,
                        Scope {
                            dot: &value,
                            ..scope
                        },
                        out,
                    )?;
                } else {
                    render(otherwise, scope, out)?;
                }
            }
            Node::Range(pipe, each, otherwise) => {
                let value = eval(pipe, scope)?;
                let items: Vec<&Value> = match &value {
                    Value::Array(items) => items.iter().collect(),
                    Value::Object(map) => map.values().collect(),
                    _ => Vec::new(),
                };
                if items.is_empty() {
                    render(otherwise, scope, out)?;
                }
                for item in items {
                    render(each, Scope { dot: item, ..scope }, out)?;
                }
            }
        }
    }
    Ok(())
}

fn eval(pipe: &Pipe, scope: Scope<'_>) -> Result<Value, String> {
    let mut last = None;
    for call in &pipe.0 {
        let (first, arguments) = call.split_first().ok_or("an empty call")?;
        let mut values = Vec::new();
        for term in arguments {
            values.push(eval_term(term, scope)?);
        }
        values.extend(last.take());
        last = Some(match first {
            Term::Function(name) => call_function(name, &values)?,
            term if values.is_empty() => eval_term(term, scope)?,
            _ => return Err("only a function can be given arguments".to_owned()),
        });
    }
    last.ok_or_else(|| "an empty pipe".to_owned())
}

fn eval_term(term: &Term, scope: Scope<'_>) -> Result<Value, String> {
    match term {
        Term::Literal(value) => Ok(value.clone()),
        Term::Function(name) => call_function(name, &[]),
        Term::Group(pipe, path) => walk(&eval(pipe, scope)?, path),
        Term::Field(path, true) => walk(scope.whole, path),
        Term::Field(path, false) => walk(scope.dot, path),
    }
}

fn walk(from: &Value, path: &[String]) -> Result<Value, String> {
    let mut at = from;
    for (depth, name) in path.iter().enumerate() {
        at = match at.get(name) {
            Some(next) => next,
            None if depth == 0 => return Err(no_field(name, at)),
            None => return Ok(Value::String("<no value>".to_owned())),
        };
    }
    Ok(at.clone())
}

fn no_field(name: &str, value: &Value) -> String {
    let Value::Object(map) = value else {
        return format!("there is no field .{name} in {}", go_text(value));
    };
    let near = coracle::diagnostic::did_you_mean(name, map.keys().map(String::as_str));
    let near = near
        .map(|n| format!("; did you mean .{n}?"))
        .unwrap_or_default();
    let all: Vec<_> = map.keys().map(String::as_str).collect();
    format!(
        "there is no field .{name}{near} The fields are: {}",
        all.join(", ")
    )
}

/// Go's idea of truth: not empty, not zero.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty() && s != "<no value>",
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    }
}

/// A value as Go prints it: `[a b]` for a list, `map[k:v]` for a map.
fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(go_text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let items: Vec<_> = map
                .iter()
                .map(|(k, v)| format!("{k}:{}", go_text(v)))
                .collect();
            format!("map[{}]", items.join(" "))
        }
        other => other.to_string(),
    }
}

const FUNCTIONS: &[&str] = &[
    "json", "join", "split", "upper", "lower", "title", "truncate", "pad", "print", "println",
    "len", "index", "eq", "ne", "not", "and", "or",
];

fn call_function(name: &str, values: &[Value]) -> Result<Value, String> {
    let text = |i: usize| values.get(i).map(go_text).unwrap_or_default();
    let number = |i: usize| {
        let n = values.get(i).and_then(Value::as_u64).unwrap_or(0);
        usize::try_from(n).unwrap_or(0)
    };
    let arguments = match name {
        "json" | "upper" | "lower" | "title" | "len" | "not" => 1..=1,
        "join" | "split" | "truncate" | "ne" => 2..=2,
        "pad" => 3..=3,
        "print" | "println" => 0..=usize::MAX,
        _ => 1..=usize::MAX,
    };
    if !arguments.contains(&values.len()) {
        return Err(format!("{name} does not take {} arguments", values.len()));
    }
    Ok(match name {
        "json" => Value::String(values[0].to_string()),
        "upper" => text(0).to_uppercase().into(),
        "lower" => text(0).to_lowercase().into(),
        "title" => title(&text(0)).into(),
        "truncate" => text(0).chars().take(number(1)).collect::<String>().into(),
        "pad" => format!(
            "{}{}{}",
            " ".repeat(number(1)),
            text(0),
            " ".repeat(number(2))
        )
        .into(),
        "split" => text(0).split(&text(1)).map(Value::from).collect(),
        "join" => {
            let items = values[0].as_array().map(Vec::as_slice).unwrap_or_default();
            let items: Vec<_> = items.iter().map(go_text).collect();
            items.join(&text(1)).into()
        }
        "print" => values.iter().map(go_text).collect::<String>().into(),
        "println" => {
            let words: Vec<_> = values.iter().map(go_text).collect();
            format!("{}\n", words.join(" ")).into()
        }
        "len" => match &values[0] {
            Value::Array(items) => items.len().into(),
            Value::Object(map) => map.len().into(),
            other => go_text(other).len().into(),
        },
        "index" => index(values),
        "eq" => values[1..].contains(&values[0]).into(),
        "ne" => (values[0] != values[1]).into(),
        "not" => (!truth(&values[0])).into(),
        "and" => pick(values, |v| !truth(v)),
        _ => pick(values, truth),
    })
}

/// The first value that decides, or the last one.
fn pick(values: &[Value], decides: impl Fn(&Value) -> bool) -> Value {
    let found = values.iter().find(|v| decides(v)).or(values.last());
    found.cloned().unwrap_or_default()
}

fn index(values: &[Value]) -> Value {
    let Some((whole, path)) = values.split_first() else {
        return Value::Null;
    };
    let mut at = whole;
    for key in path {
        let next = match key {
            Value::String(name) => at.get(name),
            other => other
                .as_u64()
                .and_then(|i| at.get(usize::try_from(i).ok()?)),
        };
        match next {
            Some(next) => at = next,
            None => return Value::Null,
        }
    }
    at.clone()
}

fn title(text: &str) -> String {
    let mut start = true;
    let raise = |c: char| {
        let raised: String = if start {
            c.to_uppercase().collect()
        } else {
            c.to_string()
        };
        start = c.is_whitespace();
        raised
    };
    text.chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let value = serde_json::json!({
            "ID": "0123456789ab",
            "Repository": "base",
            "Tag": "latest",
            "Size": 52,
            "Config": {"Env": ["A=1", "B=2"], "Labels": {"k": "v"}, "Cmd": []},
        });
        let shown = Template::parse(template)
            .and_then(|t| t.render(&value))
            .unwrap_or_else(|e| format!("error: {}", e.reason));
        assert_eq!(shown, expected, "{template}");
    }

    #[test]
    fn what_people_write() {
        check("{{.ID}}", "0123456789ab");
        check("{{ .Repository }}:{{.Tag}}", "base:latest");
        check("{{json .Config.Env}}", r#"["A=1","B=2"]"#);
        check("{{.Config.Env}} {{.Config.Labels}}", "[A=1 B=2] map[k:v]");
        check("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n");
        check("{{range .Config.Cmd}}x{{else}}none{{end}}", "none");
        check(r#"{{join .Config.Env ", "}}"#, "A=1, B=2");
        check(
            r#"{{index .Config.Labels "k"}} {{index .Config.Env 1}}"#,
            "v B=2",
        );
        check(
            "{{.Tag | upper}} {{title .Tag}} {{len .Config.Env}}",
            "LATEST Latest 2",
        );
        check("{{truncate .ID 4}}|{{pad .Tag 1 2}}|", "0123| latest  |");
        check(
            "{{(index (split .Repository \"a\") 0)}} {{($).Tag}}",
            "b latest",
        );
        check(r#"{{if eq .Tag "latest"}}yes{{else}}no{{end}}"#, "yes");
        check("{{with .Config}}{{len (index .Env 0)}}{{end}}", "3");
        check("{{with .Config.Cmd}}x{{else}}{{.Size}}{{end}}", "52");
        check("a {{- /* gone */ -}} b", "ab");
        check("{{.Config.Labels.nope}}", "<no value>");
        check(
            r#"{{range .Config.Env}}{{$.Tag}}{{index (split . "=") 1}}{{end}}"#,
            "latest1latest2",
        );
    }

    #[test]
    fn what_cannot_be_understood_says_why() {
        check(
            "{{.Tga}}",
            "error: there is no field .Tga; did you mean .Tag? The fields are: Config, ID, Repository, Size, Tag",
        );
        check("{{.ID", "error: a {{ is never closed by }}");
        check(
            "{{jsn .}}",
            "error: there is no function \"jsn\"; did you mean json?",
        );
        check("{{if .ID}}x", "error: {{if}} is never closed by {{end}}");
        check(
            "{{end}}",
            "error: there is nothing that {{end}} could belong to",
        );
        check("{{}}", "error: there is nothing to print between {{ and }}");
        check("{{(.ID}}", "error: a ( is never closed");
    }
}
