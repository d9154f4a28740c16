//! Words, and where they begin.

// ANCHOR: word
/// A word of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// Where in the line's text it begins.
    pub offset: usize,
    /// What it says, with its quotes.
    pub text: &'a str,
}
// ANCHOR_END: word

/// The words of a line from `offset` on. Spaces between quotes, and behind a backslash, are no
/// ends.
pub fn words(text: &str, offset: usize) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut begin = None;
    let mut quote = None;
    let mut escaped = false;
    for (at, sign) in text.char_indices().skip_while(|(at, _)| *at < offset) {
        let ends = sign.is_whitespace() && quote.is_none() && !escaped;
        match (ends, begin) {
            (true, Some(first)) => {
                found.push(Word {
                    offset: first,
                    text: &text[first..at],
                });
                begin = None;
            }
            (false, None) => begin = Some(at),
            _ => {}
        }
        if !escaped && matches!(sign, '"' | '\'') {
            quote = match quote {
                None => Some(sign),
                Some(open) if open == sign => None,
                open => open,
            };
        }
        escaped = !escaped && sign == '\\';
    }
    found.extend(begin.map(|first| Word {
        offset: first,
        text: &text[first..],
    }));
    found
}
