//! Prints logs and what they lead to here, as JSON, for the engine in WebAssembly to agree with:
//! Dockerfiles made by chance, and every level's solution and wrong answers.

#![allow(clippy::print_stdout)]

use coracle_playground::level;
use coracle_playground::session::Session;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// So many Dockerfiles.
const CASES: usize = 200;

fn main() {
    // The same cases each time, so that what fails once can be looked at.
    let mut runner = TestRunner::deterministic();
    let mut cases: Vec<Value> = (0..CASES)
        .filter_map(|_| any_log().new_tree(&mut runner).ok())
        .map(|tree| case(&tree.current()))
        .collect();
    for level in level::all() {
        let wrong = level.wrong.iter().map(|wrong| &wrong.log);
        for log in std::iter::once(&level.solution).chain(wrong) {
            cases.push(case(&format!("# level {}\n{log}", level.id)));
        }
    }
    println!("{}", Value::from(cases));
}

/// A log, and all that is seen after it.
fn case(log: &str) -> Value {
    let mut session = Session::default();
    session.open(log);
    json!({ "log": log, "view": session.view() })
}

/// A project with some files, a Dockerfile with some lines, and its build.
fn any_log() -> impl Strategy<Value = String> {
    let file = ("[a-c]{1,2}", "[ -~äß]{0,20}");
    let files = prop::collection::vec(file, 1..4);
    let lines = prop::collection::vec(any_line(), 0..8);
    let base = prop::sample::select(vec![
        "alpine:3.20",
        "busybox",
        "scratch",
        "python:3.12-slim",
    ]);
    (files, base, lines).prop_map(|(files, base, lines)| {
        let quote = |text: &str| text.replace('\'', "'\\''");
        let mut log = String::new();
        for (name, text) in &files {
            log.extend(["printf %s '", &quote(text), "' > ", name, "\n"]);
        }
        let text = lines.join("\n");
        log.extend([format!(
            "cat > Dockerfile <<'END'\nFROM {base}\n{text}\nEND\ncoracle build --explain-cache -t t:1 .\n"
        )]);
        log
    })
}

fn any_line() -> impl Strategy<Value = String> {
    let word = || "[a-z]{1,4}";
    prop_oneof![
        2 => (word(), word()).prop_map(|(a, b)| format!("RUN echo {a} > /{b}")),
        1 => word().prop_map(|a| format!("RUN mkdir -p /d/{a} && chmod 700 /d/{a}")),
        1 => word().prop_map(|a| format!("RUN rm -rf /{a} /d && ls / | sort | head -3")),
        2 => "[a-c]{1,2}".prop_map(|a| format!("COPY {a} /x/{a}")),
        1 => Just("COPY . /all/".to_owned()),
        1 => Just("COPY --chmod=640 --chown=7:8 . /owned/".to_owned()),
        1 => word().prop_map(|a| format!("WORKDIR /w/{a}")),
        1 => (word(), word()).prop_map(|(a, b)| format!("ENV {a}={b}")),
        1 => word().prop_map(|a| format!("ARG {a}=1")),
        1 => word().prop_map(|a| format!("LABEL {a}=\"x ${a}\"")),
        1 => Just("RUN apk add --no-cache curl".to_owned()),
        1 => Just("FROM alpine:3.20".to_owned()),
        1 => Just("COPY --from=0 / /copy/".to_owned()),
        1 => Just("CMD [\"a\", \"b\"]".to_owned()),
        1 => Just("USER nobody".to_owned()),
        1 => Just("RUN exit 3".to_owned()),
    ]
}
