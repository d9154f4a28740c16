//! What is wrong, where, and what to do about it.

use crate::Place;

// ANCHOR: problem
/// Something that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Where it begins.
    pub place: Place,
    /// How many signs it is long.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}
// ANCHOR_END: problem

impl Problem {
    /// The problem with its line, and a mark below what is meant.
    pub fn drawn(&self, file: &str, text: &str) -> String {
        let Place { line, column } = self.place;
        let shown = text.lines().nth(line - 1).unwrap_or_default();
        let margin = " ".repeat(line.to_string().len());
        let before = " ".repeat(column - 1);
        let mark = "^".repeat(self.length.max(1));
        format!(
            "{file}:{line}:{column}: {}\n{line} | {shown}\n{margin} | {before}{mark}\n{margin} = {}\n",
            self.message, self.help
        )
    }
}

// ANCHOR: nearest
/// The word among `known` that `word` was probably meant to be: at most two letters are changed,
/// missing or too many. Of several the first; capitals make no difference.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // TASK 4: Count the letters between the word and each known one, and take the fewest.
    let word = word.to_uppercase();
    let far = |known: &str| distance(&word, &known.to_uppercase());
    let all = known.iter().map(|known| (far(known), *known));
    let (far, found) = all.min_by_key(|(far, _)| *far)?;
    (far <= 2).then_some(found)
    // TASK_END
}
// ANCHOR_END: nearest

// ANCHOR: distance
/// How many letters must be changed, put in or taken out to make one word of the other.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // `row[n]` is the distance between the letters of `one` so far and the first n of `other`.
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, against) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *against);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
// ANCHOR_END: distance
