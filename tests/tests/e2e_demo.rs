//! The project's main job in one command: `coracle demo`, for anybody, offline, in seconds.

use std::sync::Mutex;

use coracle_tests::{Outcome, Sandbox};

/// One demonstration at a time: the machine has other things to do than race itself.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_demo_works_for_anybody_and_cleans_up() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let _alone = ALONE.lock();
    let outcome = sandbox.coracle(["demo"]).run().succeeds();
    // How long it takes is measured, not tested: a busy machine is no defect.
    let text = told(&outcome).to_lowercase();
    let act_by_act = ["hostname", "pid 1", "v1", "v2", "rollback", "chapter"];
    let registry = ["layer already exists", "pull complete", "as before"];
    for word in act_by_act.into_iter().chain(registry) {
        assert!(text.contains(word), "nothing about {word:?}\n{outcome}");
    }
    let images = sandbox.coracle(["images", "--quiet"]).run().succeeds();
    assert_eq!(images.line(), "", "images are left");
}

#[test]
fn the_demo_explains_every_call() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let _alone = ALONE.lock();
    let outcome = sandbox.coracle(["demo", "--explain"]).run().succeeds();
    let text = told(&outcome);
    let mut calls = vec!["unshare", "mount(", "pivot_root", "execve"];
    if !sandbox.person.is_root() {
        calls.push("uid_map");
    }
    for call in calls {
        assert!(text.contains(call), "nothing about {call}\n{outcome}");
    }
}

fn told(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}
