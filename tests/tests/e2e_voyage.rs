//! The sessions of the book's first page, executed in the page's order by each of three people.
//!
//! `SNAPSHOTS=overwrite` writes down what is printed; what differs each time is then to be marked
//! again, by `[..]` in a line and `...` for lines.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use coracle_tests::{Sandbox, fixtures, skip};
use snapbox::{Assert, Data};

const PAGE: &str = include_str!("../../book/src/voyage.md");

#[test]
fn the_first_page_tells_the_truth() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !sandbox.person.has_many_ids() {
        return skip("one id only: each container begins with a warning that says so");
    }
    sandbox.copy(&fixtures::path("notes"), "app");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions/voyage");
    let mut unused: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in sessions(PAGE) {
        let file = format!("{name}.trycmd");
        unused.retain(|name| *name != file);
        let path = folder.join(file);
        let written = std::fs::read_to_string(&path).unwrap();
        Assert::new()
            .action_env("SNAPSHOTS")
            .normalize_paths(false)
            .eq(typed(&sandbox, &written), Data::read_from(&path, None));
    }
    assert!(unused.is_empty(), "no page shows {unused:?}");
}

/// The names of the page's sessions, in its order.
fn sessions(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter_map(|line| {
        let name = line.strip_prefix("{{#session voyage/")?;
        name.strip_suffix("}}")
    })
}

/// The same file with what its commands print now. Each is typed into a shell of its own, in the
/// sandbox's folder.
fn typed(sandbox: &Sandbox, written: &str) -> String {
    let mut now = Vec::new();
    let mut inside = false;
    for line in written.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            now.push(line.to_owned());
            now.extend(printed(sandbox, command));
        } else if !inside || line.starts_with("```") {
            now.push(line.to_owned());
        }
    }
    now.join("\n") + "\n"
}

/// The lines that a command prints on both streams, after its exit code if that is not 0.
fn printed(sandbox: &Sandbox, command: &str) -> Vec<String> {
    let program = sandbox.path().join("bin");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", program.display());
    let script = format!("exec 2>&1\n{command}");
    let shell = sandbox.program(Path::new("/bin/sh"), ["-c", &script]);
    let outcome = shell.env("PATH", path).run();
    let mut lines = match outcome.code {
        Some(0) => Vec::new(),
        Some(code) => vec![format!("? {code}")],
        None => panic!("a signal ended it\n{outcome}"),
    };
    let text = outcome.stdout.trim_end();
    if !text.is_empty() {
        lines.extend(text.lines().map(str::to_owned));
        lines.push(String::new());
    }
    lines
}
