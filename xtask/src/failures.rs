//! Why tests failed, picked out of all that they printed.
//!
//! A run's log is long, and the tests that provoke panics on purpose fill its end. Whoever reads
//! the last screen of a run wants the failed ones alone.

/// How many lines of one test's message are shown.
const SHOWN: usize = 12;

/// The failed tests of a `cargo test -- --nocapture`, each with what it said when it panicked.
pub(crate) fn of_tests(lines: &[String]) -> Vec<String> {
    let names = names(lines);
    let told = names.iter().flat_map(|name| {
        let begin = format!("thread '{name}' ");
        let panics = |line: &String| line.starts_with(&begin) && line.contains(" panicked at ");
        let message: Vec<String> = match lines.iter().position(panics) {
            Some(at) => lines[at..]
                .iter()
                .take_while(|line| !ends(line))
                .cloned()
                .collect(),
            None => vec!["it said nothing".into()],
        };
        let shown = message.into_iter().take(SHOWN);
        std::iter::once(format!("FAILED {name}")).chain(shown.map(|line| format!("    {line}")))
    });
    told.collect()
}

/// The failed tests of a `node --test`, from the lines of its TAP, each with what it says below.
pub(crate) fn of_tap(lines: &[String]) -> Vec<String> {
    let mut told = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(rest) = line.strip_prefix("not ok ") else {
            continue;
        };
        let name = rest.split_once(" - ").map_or(rest, |(_, name)| name);
        told.push(format!("FAILED {name}"));
        let below = lines[at + 1..].iter().map(|line| line.trim());
        let block = below.take_while(|line| *line != "...");
        let noise = ["---", "duration_ms:", "location:", "failureType:", "code:"];
        let said = block.filter(|line| !noise.iter().any(|begin| line.starts_with(begin)));
        told.extend(said.take(SHOWN).map(|line| format!("    {line}")));
    }
    told
}

/// The names that libtest lists last: `failures:`, one name a line, and an empty line.
fn names(lines: &[String]) -> Vec<&str> {
    let mut names = Vec::new();
    let mut listing = false;
    for line in lines {
        match line.strip_prefix("    ") {
            _ if line == "failures:" => listing = true,
            Some(name) if listing => names.push(name),
            _ => listing &= line.is_empty(),
        }
    }
    names.dedup();
    names
}

fn ends(line: &str) -> bool {
    let after = ["stack backtrace:", "note: ", "test ", "failures:"];
    after.iter().any(|begin| line.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(of_tests(&lines), expected);
    }

    #[test]
    fn only_what_failed_is_told() {
        let text = "running 2 tests\n\
                    thread '<unnamed>' (7) panicked at a.rs:1:2:\n\
                    on purpose\n\
                    thread 'deep::wrong' (8) panicked at b.rs:3:4:\n\
                    left: 1\n\
                    right: 2\n\
                    stack backtrace:\n   0: core::panicking\n\
                    test deep::wrong ... FAILED\n\
                    \nfailures:\n\nfailures:\n    deep::wrong\n\ntest result: FAILED. 1 passed";
        let told = [
            "FAILED deep::wrong",
            "    thread 'deep::wrong' (8) panicked at b.rs:3:4:",
            "    left: 1",
            "    right: 2",
        ];
        check(text, &told);
        check("test result: ok. 3 passed", &[]);
    }

    #[test]
    fn failures_of_node_are_told() {
        let text = "ok 1 - fine\n  ---\n  duration_ms: 1\n  ...\n\
                    not ok 2 - wrong\n  ---\n  duration_ms: 1\n  location: 'a:1:1'\n\
                    error: |-\n    1 !== 2\n  code: 'X'\n  ...\nok 3 - fine\n";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let told = ["FAILED wrong", "    error: |-", "    1 !== 2"];
        assert_eq!(of_tap(&lines), told);
    }

    #[test]
    fn failures_of_several_programs_are_told() {
        let text = "failures:\n    one\n\ntest result: FAILED.\n    other\nfailures:\n    two\n";
        let told = ["FAILED one", "    it said nothing"];
        let more = ["FAILED two", "    it said nothing"];
        check(text, &[told, more].concat());
    }
}
