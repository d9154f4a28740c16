//! Ignore files: a walk decides like a look-up, and what can come back is found again.
//!
//! The last line of an input is a path, the lines before it are the ignore file.

use coracle::dockerfile::ignore::{Above, Ignore, parse};
use coracle::path::RootedPath;

use super::dockerfile::check_diagnostic;

/// So deep every step is compared.
const DEEP: usize = 16;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (lines, path) = text.rsplit_once('\n').unwrap_or((text, "a/b"));
    let (ignore, diagnostics) = parse(lines);
    for diagnostic in &diagnostics {
        check_diagnostic(lines, diagnostic);
    }
    let count = lines.split('\n').count();
    for pattern in &ignore.patterns {
        assert!((1..=count).contains(&pattern.line), "{pattern:?}");
        assert!(!pattern.text.is_empty());
    }
    let Ok(path) = RootedPath::parse(path) else {
        return;
    };
    check_walk(&ignore, &path);
    let texts: Vec<_> = ignore.patterns.iter().map(|p| p.text.as_str()).collect();
    let again = Ignore::of(texts.iter().copied()).expect("what was a pattern is one");
    assert_eq!(again.check(&path).ignored, ignore.check(&path).ignored);
}

/// From the root down to `path`, as a walk through a context goes.
fn check_walk(ignore: &Ignore, path: &RootedPath) {
    let steps = path.ancestors().filter(|step| !step.is_root());
    let steps = steps.chain([path.clone()]);
    let mut above = Above::default();
    let mut hidden: Option<RootedPath> = None;
    for step in steps {
        let (decision, next) = ignore.check_below(&above, &step);
        above = next;
        // A look-up goes down from the root by itself, so this is the square of the depth.
        if step.components().count() <= DEEP || step == *path {
            assert_eq!(decision, ignore.check(&step), "{step}");
        }
        match (&hidden, decision.ignored) {
            (None, true) => hidden = Some(step),
            (Some(directory), false) => {
                assert!(
                    ignore.may_take_back_below(directory),
                    "{directory} hides {step}"
                );
            }
            _ => {}
        }
    }
}
