//! Words as expansion makes them: split at unquoted space, each with its place.

/// A word and the bytes of the text that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dockerfile) struct PlacedWord {
    pub(in crate::dockerfile) text: String,
    pub(in crate::dockerfile) start: usize,
    pub(in crate::dockerfile) end: usize,
}

/// Words as they grow.
#[derive(Default)]
pub(super) struct Words {
    done: Vec<PlacedWord>,
    text: String,
    /// Where the growing word began; `None` between words.
    start: Option<usize>,
}

impl Words {
    /// Adds an unquoted character: space ends a word.
    pub(super) fn add(&mut self, c: char, at: usize) {
        if !c.is_whitespace() {
            self.start.get_or_insert(at);
            self.text.push(c);
        } else if !self.text.is_empty() {
            self.flush(at);
        }
    }

    /// Adds text in which space does not end a word.
    pub(super) fn add_literal(&mut self, text: &str, at: usize) {
        self.start.get_or_insert(at);
        self.text.push_str(text);
    }

    pub(super) fn finish(mut self, at: usize) -> Vec<PlacedWord> {
        if !self.text.is_empty() {
            self.flush(at);
        }
        self.done
    }

    fn flush(&mut self, end: usize) {
        let start = self.start.take().unwrap_or(end);
        let text = std::mem::take(&mut self.text);
        self.done.push(PlacedWord { text, start, end });
    }
}
