//! Entries as words, which can be typed: `app/`, `app/a=1`, `app/data:20000`, `app/.wh.b`.

use crate::{Entry, Node, Result, View};

/// The entry that a word means: a directory ends in a slash; a file has its text behind `=`, or
/// its size behind `:`, or is empty.
pub fn entry(word: &str) -> Result<Entry> {
    let (name, node) = if let Some((name, text)) = word.split_once('=') {
        (name, Node::File(text.into()))
    } else if let Some((name, size)) = word.split_once(':') {
        let size = size
            .parse()
            .map_err(|_| format!("{word:?}: behind `:` stands a number of bytes"))?;
        (name, Node::File(vec![b'x'; size]))
    } else if word.ends_with('/') {
        (word, Node::Directory)
    } else {
        (word, Node::File(Vec::new()))
    };
    let name = name.to_owned();
    Ok(Entry { name, node })
}

/// The word for what stands at a path.
pub fn word(path: &str, node: &Node) -> String {
    match node {
        Node::Directory => format!("{path}/"),
        Node::File(bytes) if bytes.is_empty() => path.to_owned(),
        Node::File(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= 20 && !text.contains(char::is_control) => {
                format!("{path}={text}")
            }
            _ => format!("{path}:{}", bytes.len()),
        },
        Node::Link(target) => format!("{path} -> {target}"),
    }
}

/// What is seen, as words, in the order of the steps of their paths.
pub fn words(view: &View) -> Vec<String> {
    let mut seen: Vec<_> = view.iter().collect();
    seen.sort_by_key(|(path, _)| path.split('/').collect::<Vec<_>>());
    seen.iter()
        .map(|(path, seen)| word(path, &seen.node))
        .collect()
}
