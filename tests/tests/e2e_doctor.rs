//! The doctor on the machine that the tests run on: what it says is what happens.

use std::path::Path;

use coracle_tests::{Outcome, Sandbox};
use serde_json::Value;

/// Every finding, by name.
fn findings(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stdout.lines();
    let parsed = lines.map(|line| serde_json::from_str(line).expect("an object a line"));
    parsed.collect()
}

fn find<'a>(findings: &'a [Value], name: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["name"] == name);
    found.unwrap_or_else(|| panic!("no finding {name:?}"))
}

#[test]
fn what_the_doctor_says_is_what_happens() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let outcome = sandbox.coracle(["doctor", "--format", "json"]).run();
    let findings = findings(&outcome);
    let state = |name: &str| find(&findings, name)["state"].as_str().unwrap_or("");
    let check = |name: &str, arguments: &[&str]| {
        let unshare = sandbox.program(Path::new("unshare"), arguments).run();
        let works = unshare.code == Some(0);
        assert_eq!(state(name) == "ok", works, "{name}\n{unshare}{outcome}");
    };
    check("user namespace", &["--user", "true"]);
    let user = ["--user", "--map-root-user"];
    check("mnt namespace", &[&user[..], &["--mount", "true"]].concat());
    check("net namespace", &[&user[..], &["--net", "true"]].concat());
    check("time namespace", &[&user[..], &["--time", "true"]].concat());
    let new_proc = ["--mount", "--pid", "--fork", "--mount-proc", "true"];
    check("new /proc", &[&user[..], &new_proc].concat());
    let many = sandbox.person.has_many_ids();
    assert_eq!(state("subordinate ids") == "ok", many, "{outcome}");

    let blocked = findings
        .iter()
        .any(|f| f["needed"] == true && f["state"] == "missing");
    outcome.exits(i32::from(blocked));
    let mut left = std::fs::read_dir(sandbox.path())
        .expect("the sandbox")
        .flatten();
    let scratch = left.find(|e| e.file_name().to_string_lossy().contains("doctor"));
    assert!(scratch.is_none(), "left behind: {scratch:?}");
}

#[test]
fn a_setting_that_forbids_user_namespaces_is_named_with_its_remedy() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    // The limit holds in the namespace it is written in, and so changes nothing for others.
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec {} doctor --format json",
        sandbox.binary().display()
    );
    let user = ["--user", "--map-root-user"];
    let possible = sandbox.program(Path::new("unshare"), [&user[..], &["true"]].concat());
    if possible.run().code != Some(0) {
        coracle_tests::skip("needs user namespaces, to forbid them in one");
        return;
    }
    let words = [&user[..], &["sh", "-c", &script]].concat();
    let outcome = sandbox.program(Path::new("unshare"), words).run();
    let findings = findings(&outcome);
    let user = find(&findings, "user namespace");
    let text = |key: &str| user[key].as_str().unwrap_or("");
    assert_eq!(text("state"), "missing", "{outcome}");
    assert!(
        text("seen").contains("user.max_user_namespaces is 0"),
        "{outcome}"
    );
    assert!(
        text("remedy").contains("sysctl user.max_user_namespaces="),
        "{outcome}"
    );
}

#[test]
fn the_table_fits_a_terminal_of_eighty_columns() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let outcome = sandbox.coracle(["doctor"]).env("COLUMNS", "80").run();
    let rows = [
        "kernel",
        "user namespace",
        "overlayfs",
        "cgroup version",
        "seccomp",
        "store",
    ];
    let outcome = outcome.says(&rows);
    for line in outcome.stdout.lines() {
        let fits = line.chars().count() <= 80 || !line.trim().contains(' ');
        assert!(fits, "{line}");
    }
}
