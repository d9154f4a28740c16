//! Filling in a template: from nodes and a value to text.

use serde_json::Value;

use super::{Node, Pipe, Term, functions};

/// What the dot is, and the whole that `$` is.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) dot: &'a Value,
    pub(super) whole: &'a Value,
}

/// Writes out nodes.
pub(super) fn render(nodes: &[Node], scope: Scope<'_>, out: &mut String) -> Result<(), String> {
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
            Term::Function(name) => functions::call(name, &values)?,
            term if values.is_empty() => eval_term(term, scope)?,
            _ => return Err("only a function can be given arguments".to_owned()),
        });
    }
    last.ok_or_else(|| "an empty pipe".to_owned())
}

fn eval_term(term: &Term, scope: Scope<'_>) -> Result<Value, String> {
    match term {
        Term::Literal(value) => Ok(value.clone()),
        Term::Function(name) => functions::call(name, &[]),
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
    let near = near.map_or("; the".into(), |n| format!("; did you mean .{n}? The"));
    let all: Vec<_> = map.keys().map(String::as_str).collect();
    format!(
        "there is no field .{name}{near} fields are: {}",
        all.join(", ")
    )
}

/// Go's idea of truth: not empty, not zero.
pub(super) fn truth(value: &Value) -> bool {
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
pub(super) fn go_text(value: &Value) -> String {
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
