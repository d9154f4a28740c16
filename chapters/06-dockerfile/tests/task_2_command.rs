//! Task 2: `command` tells the exec form, a JSON list of texts, from a text for the shell.
//!
//! Reread: Two forms of a command

use ch06_dockerfile::{Command, command};
use lesson::same;

#[track_caller]
fn check(text: &str, expected: &Command) {
    same(&format!("the command {text:?}"), &command(text), expected);
}

fn words(words: &[&str]) -> Command {
    Command::Exec(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn a_list_of_texts_is_the_exec_form() {
    check(r#"["python", "app.py"]"#, &words(&["python", "app.py"]));
    check(r#"[ "a" ]"#, &words(&["a"]));
    check("[]", &words(&[]));
}

#[test]
fn texts_keep_their_spaces_and_lose_their_quotes() {
    check(
        r#"["echo", "a b", "say \"hi\""]"#,
        &words(&["echo", "a b", "say \"hi\""]),
    );
}

#[test]
fn a_text_is_for_the_shell() {
    check(
        "pip install flask",
        &Command::Shell("pip install flask".into()),
    );
    check("echo \"a b\"", &Command::Shell("echo \"a b\"".into()));
}

#[test]
fn what_only_looks_like_a_list_is_for_the_shell() {
    for text in [
        "['python', 'app.py']",
        r#"["python", app.py]"#,
        r#"["python""#,
        "[1, 2]",
        "[ -f x ] && y",
    ] {
        check(text, &Command::Shell(text.into()));
    }
}
