//! The sessions that the book prints, executed.

#[test]
fn the_book_tells_the_truth() {
    lesson::sessions("cache", env!("CARGO_BIN_EXE_cache"));
}
