//! Finding the words that announce heredocs: `<<EOF`, `<<-EOF`, `<<"EOF"`, `3<<EOF`.

use std::ops::Range;

use super::ast::Escape;
use super::expand::{self, Options, PlacedWord};

/// A word that announces a heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// The bytes of the text that was searched.
    pub(super) range: Range<usize>,
    /// The terminator, quotes removed.
    pub(super) name: String,
    /// Nothing of the terminator was quoted.
    pub(super) expand: bool,
    /// It began with `<<-`.
    pub(super) chomp: bool,
    /// The number before `<<`, or 0.
    pub(super) fd: u32,
}

impl Mark {
    /// The terminator that was meant in `<<EOF;` or `$(cat <<EOF)`, where the rest belongs to the
    /// word, too.
    pub(super) fn shorter(&self) -> Option<&str> {
        let shorter = self.name.trim_end_matches([';', ')', '&', '|']);
        (!shorter.is_empty() && shorter != self.name).then_some(shorter)
    }
}

/// The heredocs that a line announces, in order.
///
/// The line is read as the shell words it is made of. A line that cannot be read so, because a
/// quote is not closed, announces none: this is what BuildKit does.
pub(super) fn marks(text: &str) -> Vec<Mark> {
    if !text.contains("<<") {
        return Vec::new();
    }
    words(text)
        .iter()
        .filter_map(|word| mark(&word.text, word.start..word.end))
        .collect()
}

/// The space between a lone `<<-` and the word behind it. A shell takes the two as a heredoc, but
/// BuildKit does not.
pub(super) fn space_behind_dash(text: &str) -> Option<Range<usize>> {
    if !text.contains("<<-") {
        return None;
    }
    let words = words(text);
    let pair = words.windows(2).find(|pair| pair[0].text == "<<-")?;
    Some(pair[0].end..pair[1].start)
}

fn words(text: &str) -> Vec<PlacedWord> {
    let options = Options {
        // BuildKit reads this with a backslash whatever the escape directive says.
        escape: Escape::Backslash,
        keep_quotes: true,
        keep_escapes: true,
        keep_unset: true,
        heredocs: true,
        ignore_quotes: false,
    };
    expand::placed_words(text, options, &|_| None).unwrap_or_default()
}

fn mark(word: &str, range: Range<usize>) -> Option<Mark> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &word[..word.len() - rest.len()];
    let rest = rest.strip_prefix("<<")?;
    let (rest, chomp) = match rest.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let without_quotes = single_word(rest, false)?;
    let with_quotes = single_word(rest, true)?;
    Some(Mark {
        range,
        expand: quotes(&without_quotes) == quotes(&with_quotes),
        name: without_quotes,
        chomp,
        fd: digits.parse().unwrap_or(0),
    })
}

fn single_word(text: &str, keep_quotes: bool) -> Option<String> {
    let options = Options {
        keep_quotes,
        keep_unset: true,
        ..Options::default()
    };
    let mut words = expand::expand(text, options, &|_| None).ok()?.words;
    (words.len() == 1).then(|| words.remove(0))
}

/// How many quotes a text holds. Those that were escaped count with and without quote removal, so
/// a difference tells that some quote really quoted.
fn quotes(text: &str) -> usize {
    text.matches(['\'', '"']).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heredocs_are_announced_by_words() {
        let check = |text: &str, expected: &[(&str, bool, bool, u32)]| {
            let marks = marks(text);
            let got: Vec<_> = marks
                .iter()
                .map(|m| (m.name.as_str(), m.expand, m.chomp, m.fd))
                .collect();
            assert_eq!(got, expected, "{text:?}");
        };
        check("RUN <<EOF", &[("EOF", true, false, 0)]);
        check("RUN <<-EOF", &[("EOF", true, true, 0)]);
        check("RUN << EOF cat", &[("EOF", true, false, 0)]);
        check("RUN <<'E O F'", &[("E O F", false, false, 0)]);
        check("RUN <<\"EOF\"", &[("EOF", false, false, 0)]);
        check("RUN <<E'O'F", &[("EOF", false, false, 0)]);
        check(r"RUN <<eo\'f", &[("eo'f", true, false, 0)]);
        check(r"RUN <<'e'o\'f", &[("eo'f", false, false, 0)]);
        check(
            "RUN 3<<EOF 12<<B",
            &[("EOF", true, false, 3), ("B", true, false, 12)],
        );
        check(
            "COPY <<a <<-'b' /",
            &[("a", true, false, 0), ("b", false, true, 0)],
        );
        check("RUN <<$EOF", &[("$EOF", true, false, 0)]);
        check("RUN cat <<<word", &[]);
        check("RUN \"<<EOF\"", &[]);
        check("RUN a<<EOF", &[]);
        check("RUN <<", &[]);
        check("RUN <<- EOF", &[]);
        check("RUN it's <<EOF", &[]);
        check(r"RUN \<<EOF", &[]);
    }
}
