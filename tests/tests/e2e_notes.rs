//! The Dockerfile of the notes: built as it is written, run, and asked over HTTP.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::time::Duration;

use coracle_tests::{Sandbox, fixtures, http, leaks, skip};
use rustix::process::Signal;

/// The port that the notes' CMD names.
const PORT: u16 = 8080;

#[test]
fn the_notes_dockerfile_is_built_and_answers() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !sandbox.person.has_many_ids() {
        return skip("one id only: the notes' RUN useradd and USER need more");
    }
    let Some(python) = fixtures::python() else {
        return;
    };
    let folder = sandbox.copy(&fixtures::path("notes"), "notes");
    let archive = File::open(python).unwrap();
    let loaded = sandbox.coracle(["load"]).input(archive).run().succeeds();
    assert!(loaded.stdout.contains("python:3.12"), "{loaded}");

    let build = ["build", "-t", "notes", "."];
    sandbox.coracle(build).dir(&folder).run().succeeds();

    let _port = the_port_alone();
    let run = ["run", "--rm", "--network", "host", "notes"];
    let mut server = sandbox.coracle(run).start();
    let answer = http::get(PORT, "/hello", Duration::from_secs(20));
    let owners = server_owners(&sandbox);
    assert!(server.runs(), "{}", server.wait());
    server.signal(Signal::TERM);
    let outcome = server.wait();

    let Some(answer) = answer else {
        panic!("no answer\n{outcome}");
    };
    assert_eq!(answer.status, 200, "{answer:?}\n{outcome}");
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["message"], "Hello from Coracle");
    assert_eq!(body["path"], "/hello");
    assert_eq!(body["pid"], 1, "CMD in exec form is PID 1: {body}");
    assert_ne!(body["uid"], 0, "USER app is not root: {body}");
    assert!(!owners.is_empty(), "no server process was seen");
    for owner in owners {
        assert_ne!(owner, 0, "the server is root outside of the container");
        assert_ne!(
            owner, sandbox.person.uid,
            "the server is {:?}",
            sandbox.person
        );
    }
    assert!(outcome.took < Duration::from_mins(1), "{outcome}");
}

#[test]
fn a_second_build_of_the_notes_is_all_cached() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !sandbox.person.has_many_ids() {
        return skip("one id only: the notes' RUN useradd and USER need more");
    }
    let Some(python) = fixtures::python() else {
        return;
    };
    let folder = sandbox.copy(&fixtures::path("notes"), "notes");
    let archive = File::open(python).unwrap();
    sandbox.coracle(["load"]).input(archive).run().succeeds();
    let build = || sandbox.coracle(["build", "-t", "notes", "."]).dir(&folder);
    build().run().succeeds();
    let first = image_id(&sandbox, "notes");
    let again = build().run().succeeds();
    assert_eq!(image_id(&sandbox, "notes"), first);
    assert!(again.stderr.contains("CACHED"), "{again}");

    // A change in the source leaves the installed packages alone.
    let main = folder.join("src/app/main.py");
    let text = std::fs::read_to_string(&main).unwrap();
    std::fs::write(&main, text.replace("Hello from", "Good bye from")).unwrap();
    let changed = build().run().succeeds();
    assert_ne!(image_id(&sandbox, "notes"), first);
    assert!(
        !changed.stderr.contains("Installing collected"),
        "{changed}"
    );
    assert!(changed.stderr.contains("CACHED"), "{changed}");
}

#[test]
fn a_stray_backtick_is_pointed_at() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let folder = sandbox.copy(&fixtures::path("notes"), "notes");
    sandbox.copy(&fixtures::path("notes-backtick"), "notes");
    let dockerfile = folder.join("Dockerfile");
    let source = std::fs::read_to_string(&dockerfile).unwrap();
    let backtick = source.find('`').unwrap();

    let build = ["build", "-t", "notes", "."];
    let outcome = sandbox.coracle(build).dir(&folder).run().fails();
    let line = r#"`CMD ["uvicorn""#;
    let outcome = outcome.complains(&["Dockerfile:9:1", line, "backtick"]);
    assert!(
        outcome.stderr.contains("remove"),
        "no fix is offered\n{outcome}"
    );

    let parse = ["dockerfile", "parse", "--format", "json"];
    let parsed = sandbox.coracle(parse).args([&dockerfile]).run();
    let diagnostics = parsed.json()["diagnostics"].clone();
    let at: Vec<_> = diagnostics.as_array().unwrap().iter().collect();
    let found = at.iter().any(|found| {
        found["span"]["start"] == backtick
            && !found["fix"].is_null()
            && found["severity"] == "error"
    });
    assert!(
        found,
        "no error with a fix at byte {backtick}: {diagnostics:#}"
    );
}

/// The image's id.
fn image_id(sandbox: &Sandbox, name: &str) -> String {
    let inspect = ["image", "inspect", "--format", "{{.Id}}", name];
    sandbox.coracle(inspect).run().succeeds().line().to_owned()
}

/// The users, as this machine sees them, whose processes serve the notes' app.
fn server_owners(sandbox: &Sandbox) -> Vec<u32> {
    let processes = leaks::processes(sandbox.path());
    let servers = processes.iter().filter(|(_, command)| {
        let mut words = command.split(' ');
        let python = words.next().is_some_and(|word| word.contains("python"));
        python && words.next().is_some_and(|word| word.ends_with("uvicorn"))
    });
    let owner = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    servers.filter_map(|(pid, _)| owner(*pid)).collect()
}

/// Waits until no other test run on this machine uses the notes' port.
fn the_port_alone() -> File {
    let path = std::env::temp_dir().join("coracle-test-port-8080.lock");
    // Opened for reading only, because it may be another user's file.
    let lock = File::open(&path).or_else(|_| File::create(&path)).unwrap();
    lock.lock().unwrap();
    assert!(!http::listens(PORT), "something else has port {PORT}");
    lock
}
