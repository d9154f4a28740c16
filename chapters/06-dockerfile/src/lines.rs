//! From lines as they are typed to lines as they are meant.

// ANCHOR: logical
/// A line as it is meant: joined from the lines on which it is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logical {
    /// Its text, without breaks.
    pub text: String,
    /// Where in the text each written line begins, and which one that is.
    pieces: Vec<(usize, usize)>,
}

/// A place in a file; both numbers begin with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The sign in it.
    pub column: usize,
}
// ANCHOR_END: logical

impl Logical {
    // ANCHOR: place
    /// Appends a written line.
    pub fn push(&mut self, text: &str, line: usize) {
        self.pieces.push((self.text.len(), line));
        self.text += text;
    }

    /// Where the byte at `offset` of the text is written in the file.
    pub fn place(&self, offset: usize) -> Place {
        let piece = self.pieces.iter().rev().find(|(begin, _)| *begin <= offset);
        let (begin, line) = piece.copied().unwrap_or_default();
        let before = self.text.get(begin..offset).unwrap_or_default();
        let column = before.chars().count() + 1;
        Place { line, column }
    }
    // ANCHOR_END: place
}

// ANCHOR: logical_lines
/// The lines of a Dockerfile as they are meant.
pub fn logical_lines(text: &str) -> Vec<Logical> {
    // TASK 1: Leave out comments and blank lines, and join what a backslash at the end carries on.
    let mut found = Vec::new();
    let mut open: Option<Logical> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let mut logical = open.take().unwrap_or_default();
        let carried = line.trim_end().strip_suffix('\\');
        if let Some(carried) = carried.filter(|text| !text.ends_with('\\')) {
            logical.push(carried, number);
            open = Some(logical);
        } else {
            logical.push(line, number);
            found.push(logical);
        }
    }
    found.extend(open);
    found
    // TASK_END
}
// ANCHOR_END: logical_lines
