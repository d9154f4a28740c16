//! The functions that a template can call.

use serde_json::Value;

use super::fill::{go_text, truth};

/// Every name that can be called.
pub(super) const FUNCTIONS: &[&str] = &[
    "json", "join", "split", "upper", "lower", "title", "truncate", "pad", "print", "println",
    "len", "index", "eq", "ne", "not", "and", "or",
];

/// Calls a function with what stands behind its name, and what comes through the pipe last.
pub(super) fn call(name: &str, values: &[Value]) -> Result<Value, String> {
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
