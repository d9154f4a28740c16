//! Every level is replayed: its start, its solution, its wrong answers.

use super::{Level, parse, table};
use crate::session::Session;

fn levels() -> Vec<Level> {
    let read = |(id, text): &(&str, &str)| parse(id, text).unwrap();
    table::LEVELS.iter().map(read).collect()
}

/// The session of somebody who plays a level by this log.
fn played(level: &Level, log: &str) -> Session {
    let mut session = Session::default();
    session.play(&level.id);
    session.run(log);
    session
}

/// The asserts that do not hold, with what is the case instead.
fn failing(level: &Level, session: &mut Session) -> Vec<(String, String)> {
    let checked = level.check(session).into_iter().filter(|a| !a.holds);
    checked.map(|a| (a.name, a.evidence)).collect()
}

/// What did not end well.
fn ended(session: &Session) -> Vec<String> {
    let acts = session.outcomes().filter(|(_, code, _)| *code != 0);
    acts.map(|(text, code, output)| format!("{text} {code} {output:?}"))
        .collect()
}

#[test]
fn there_are_thirty_levels_in_seven_sets_each_with_all_that_belongs_to_it() {
    let levels = levels();
    assert_eq!(levels.len(), 30);
    let mut sets: Vec<_> = levels.iter().map(|level| level.set.clone()).collect();
    sets.dedup();
    assert_eq!(sets.len(), 7, "{sets:?}");
    for level in &levels {
        let id = &level.id;
        assert_eq!(level.hints.len(), 3, "{id}");
        assert!(level.wrong.len() >= 2, "{id}");
        assert!(!level.asserts.is_empty() && !level.story.is_empty(), "{id}");
        let root = env!("CARGO_MANIFEST_DIR");
        let chapter = format!("{root}/../book/src/{}.md", level.chapter);
        assert!(std::fs::exists(&chapter).unwrap(), "{id}: {chapter}");
    }
}

#[test]
fn every_solution_solves_within_par_and_nothing_is_solved_from_the_start() {
    let mut wrong = Vec::new();
    for level in levels() {
        let id = &level.id;
        let mut untouched = played(&level, "");
        if failing(&level, &mut untouched).is_empty() {
            wrong.push(format!("{id} is solved from the start"));
        }
        let mut session = played(&level, &level.solution);
        let left = failing(&level, &mut session);
        if !left.is_empty() || !ended(&session).is_empty() {
            wrong.push(format!("{id}: {left:?} {:?}", ended(&session)));
        }
        if session.position() > level.par {
            wrong.push(format!("{id} takes {} acts", session.position()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_wrong_answer_fails_on_the_assert_that_it_names() {
    let mut missed = Vec::new();
    for level in levels() {
        for answer in &level.wrong {
            let mut session = played(&level, &answer.log);
            let failing = failing(&level, &mut session);
            if !failing.iter().any(|(name, _)| *name == answer.fails) {
                missed.push(format!("{}: {} holds; {failing:?}", level.id, answer.fails));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn starts_go_well() {
    for level in levels() {
        let mut session = Session::default();
        session.run(&level.start);
        assert!(
            ended(&session).is_empty(),
            "{}: {:?}",
            level.id,
            ended(&session)
        );
    }
}
