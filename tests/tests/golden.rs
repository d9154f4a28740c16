//! Golden cases: a case is a folder with a command and what it prints. No case is a function.
//!
//! ```text
//! golden/AREA/CASE/
//!   command      the words behind `coracle`, as a shell would split them at spaces
//!   …            any other file or folder: the command finds a copy of it in its working directory
//!   stdout       what the command prints, exactly; no file means nothing
//!   stderr       likewise
//!   code         the exit code; no file means 0
//! ```
//!
//! The folder that the command runs in is written as `[SANDBOX]`. `UPDATE_GOLDEN=1` writes
//! `stdout`, `stderr` and `code` anew; then `git diff` shows what has changed, to be judged.

// A test ends loudly when its own set-up fails, and this one prints its results itself.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use coracle_tests::{Sandbox, fixtures};

/// The files of a case that are not the command's business.
const OURS: [&str; 4] = ["command", "stdout", "stderr", "code"];

/// Runs the cases whose names contain the first word of the command line, or all, and reports
/// as Rust's own test harness does.
fn main() -> ExitCode {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let root = fixtures::path("../golden");
    let cases = folders(&root).into_iter().flat_map(|area| folders(&area));
    let named = cases.map(|case| (name(&case, &root), case));
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in named {
        if !wanted.as_ref().is_none_or(|wanted| name.contains(wanted)) {
            continue;
        }
        match check(&case) {
            Ok(()) => passed += 1,
            Err(difference) => {
                failed += 1;
                println!("test {name} ... FAILED\n{difference}");
                continue;
            }
        }
        println!("test {name} ... ok");
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured");
    ExitCode::from(u8::from(failed > 0))
}

/// Runs one case and compares; the error is what is different.
fn check(case: &Path) -> Result<(), String> {
    let sandbox = Sandbox::new().ok_or("there is no sandbox to run it in")?;
    std::fs::create_dir(sandbox.path().join("case")).unwrap();
    sandbox.give("case");
    for entry in std::fs::read_dir(case).unwrap().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if !OURS.contains(&file.as_str()) {
            sandbox.copy(&entry.path(), &format!("case/{file}"));
        }
    }
    let folder = sandbox.path().join("case");
    let words = read(case, "command");
    let call = sandbox.coracle(words.split_whitespace()).dir(&folder);
    let outcome = call.run();
    let code = outcome
        .code
        .map_or("killed".into(), |code| code.to_string());
    let shown = folder.display().to_string();
    let seen = [
        ("stdout", outcome.stdout.replace(&shown, "[SANDBOX]")),
        ("stderr", outcome.stderr.replace(&shown, "[SANDBOX]")),
        ("code", format!("{code}\n")),
    ];
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for (file, text) in &seen {
            write(case, file, text);
        }
        return Ok(());
    }
    let differences: Vec<_> = seen
        .iter()
        .filter_map(|(file, text)| difference(file, &read(case, file), text))
        .collect();
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("\n"))
    }
}

/// The first line in which two texts differ; None when they are the same.
fn difference(file: &str, expected: &str, seen: &str) -> Option<String> {
    let expected = if file == "code" && expected.is_empty() {
        "0\n"
    } else {
        expected
    };
    if expected == seen {
        return None;
    }
    let (left, right) = (expected.split('\n'), seen.split('\n'));
    let same = left.zip(right).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.split('\n').nth(same).unwrap_or("(no line)").to_owned();
    Some(format!(
        "  {file}, line {}\n    expected: {}\n    seen:     {}\n  all that was seen:\n{seen}",
        same + 1,
        line(expected),
        line(seen)
    ))
}

fn read(case: &Path, file: &str) -> String {
    std::fs::read_to_string(case.join(file)).unwrap_or_default()
}

/// Writes a file of a case; what would only say the usual is taken away instead.
fn write(case: &Path, file: &str, text: &str) {
    let path = case.join(file);
    if text.is_empty() || (file == "code" && text == "0\n") {
        let _ = std::fs::remove_file(path);
    } else {
        std::fs::write(path, text).unwrap();
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut folders: Vec<_> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn name(case: &Path, root: &Path) -> String {
    case.strip_prefix(root).unwrap().display().to_string()
}
