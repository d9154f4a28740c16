//! Task 4: `nearest` finds the word that was meant, at most two letters away.
//!
//! Reread: What did you mean

use ch06_dockerfile::nearest;
use lesson::same;

const KNOWN: &[&str] = &["RUN", "CMD", "COPY", "ENV", "EXPOSE", "ENTRYPOINT"];

#[track_caller]
fn check(word: &str, expected: Option<&str>) {
    same(
        &format!("what {word:?} was meant to be"),
        &nearest(word, KNOWN),
        &expected,
    );
}

#[test]
fn a_letter_changed_missing_or_too_many() {
    check("RUM", Some("RUN"));
    check("EXPOS", Some("EXPOSE"));
    check("COPPY", Some("COPY"));
}

#[test]
fn two_are_forgiven_and_three_are_not() {
    check("ENTRIPOIN", Some("ENTRYPOINT"));
    check("ENTRIPOI", None);
    check("BANANA", None);
}

#[test]
fn capitals_make_no_difference() {
    check("copyy", Some("COPY"));
    check("Run", Some("RUN"));
}

#[test]
fn the_fewest_letters_win_and_then_the_first() {
    same(
        "ABD among ABX, ABC and ABD",
        &nearest("ABD", &["ABX", "ABC", "ABD"]),
        &Some("ABD"),
    );
    same(
        "AB among AX and BB",
        &nearest("AB", &["AX", "BB"]),
        &Some("AX"),
    );
}

#[test]
fn among_nothing_there_is_nothing() {
    same("RUN among nothing", &nearest("RUN", &[]), &None);
}
