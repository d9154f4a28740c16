//! Task 2: `build` does only what the cache does not know, and remembers it.
//!
//! Reread: Known or unknown

mod yard;

use ch08_cache::{Cache, Step, build};
use lesson::same;
use yard::step;

/// Which steps were done, as `1` for done and `0` for cached.
fn done(steps: &[Step], cache: &mut Cache) -> String {
    let outcomes = build(steps, cache);
    let sign = |done: bool| if done { '1' } else { '0' };
    outcomes
        .iter()
        .map(|outcome| sign(outcome.done.is_some()))
        .collect()
}

fn app(requirements: &str, program: &str) -> Vec<Step> {
    vec![
        step(
            "COPY requirements.txt ./",
            "",
            &format!("requirements.txt={requirements}"),
        ),
        step("RUN pip install", "", ""),
        step("COPY src ./", "", &format!("src/main.py={program}")),
        step("RUN useradd app", "", ""),
    ]
}

#[test]
fn the_first_time_everything_is_done() {
    same(
        "four steps",
        &done(&app("1", "1"), &mut Cache::default()).as_str(),
        &"1111",
    );
}

#[test]
fn the_second_time_nothing_is() {
    let mut cache = Cache::default();
    done(&app("1", "1"), &mut cache);
    same(
        "the same again",
        &done(&app("1", "1"), &mut cache).as_str(),
        &"0000",
    );
}

#[test]
fn from_what_changed_on_everything_is_done() {
    let mut cache = Cache::default();
    done(&app("1", "1"), &mut cache);
    same(
        "another program",
        &done(&app("1", "2"), &mut cache).as_str(),
        &"0011",
    );
    same(
        "other requirements",
        &done(&app("2", "2"), &mut cache).as_str(),
        &"1111",
    );
}

#[test]
fn what_was_done_before_the_last_build_is_still_known() {
    let mut cache = Cache::default();
    done(&app("1", "1"), &mut cache);
    done(&app("2", "1"), &mut cache);
    same(
        "back to the first",
        &done(&app("1", "1"), &mut cache).as_str(),
        &"0000",
    );
}

#[test]
fn the_same_text_in_another_place_is_another_step() {
    let mut cache = Cache::default();
    let twice = [step("RUN date", "", ""), step("RUN date", "", "")];
    same("one step twice", &done(&twice, &mut cache).as_str(), &"11");
    same(
        "its first place",
        &done(&twice[..1], &mut cache).as_str(),
        &"0",
    );
}

#[test]
fn no_steps_are_no_work() {
    same("nothing", &done(&[], &mut Cache::default()).as_str(), &"");
}

#[test]
fn texts_are_told_in_their_order() {
    let outcomes = build(&app("1", "1"), &mut Cache::default());
    let texts: Vec<&str> = outcomes
        .iter()
        .map(|outcome| outcome.text.as_str())
        .collect();
    let expected = vec![
        "COPY requirements.txt ./",
        "RUN pip install",
        "COPY src ./",
        "RUN useradd app",
    ];
    same("the texts", &texts, &expected);
}
