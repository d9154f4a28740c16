//! Expansion: it ends, its errors have a place, and what holds nothing special stays as it is.
//!
//! The first byte of an input is the switches, the first line behind it the text; each further
//! line, `NAME=value`, is a variable.

use std::collections::BTreeMap;

use coracle::dockerfile::Escape;
use coracle::dockerfile::expand::{
    Expanded, Options, expand, expand_heredoc, expand_word, expand_words,
};

pub(crate) fn run(bytes: &[u8]) {
    let Some((switches, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(rest) = std::str::from_utf8(rest) else {
        return;
    };
    let mut lines = rest.split('\n');
    let text = lines.next().unwrap_or_default();
    let variables: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once('=')).collect();
    let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let switch = |bit: u8| switches & (1 << bit) != 0;
    let options = Options {
        escape: if switch(0) {
            Escape::Backtick
        } else {
            Escape::Backslash
        },
        keep_quotes: switch(1),
        keep_escapes: switch(2),
        keep_unset: switch(3),
        ignore_quotes: switch(4),
        heredocs: switch(5),
    };
    match expand(text, options, &lookup) {
        Ok(expanded) => check(text, options, &expanded, &variables),
        Err(error) => {
            assert!(text.is_char_boundary(error.at), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    }
    let word = expand_word(text, options.escape, &lookup);
    let words = expand_words(text, options.escape, &lookup);
    assert_eq!(word.is_ok(), words.is_ok(), "{word:?} {words:?}");
    let _ = expand_heredoc(text, &lookup);
}

fn check(text: &str, options: Options, expanded: &Expanded, variables: &BTreeMap<&str, &str>) {
    assert!(expanded.words.iter().all(|word| !word.is_empty()));
    assert!(
        expanded
            .used
            .iter()
            .all(|name| variables.contains_key(name.as_str()))
    );
    assert!(
        expanded
            .undefined
            .iter()
            .all(|name| !variables.contains_key(name.as_str()))
    );
    let unspaced = |text: &str| {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
    };
    assert_eq!(unspaced(&expanded.words.concat()), unspaced(&expanded.text));
    if !text.contains(['$', '\'', '"', '<', options.escape.char()]) {
        assert_eq!(expanded.text, text, "nothing was to be expanded");
        let words: Vec<_> = text.split_whitespace().collect();
        assert_eq!(expanded.words, words);
    }
}
