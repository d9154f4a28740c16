//! What a session does, as a person would: typed, and looked at.

use coracle_playground::look::{Look, Seen, look};
use coracle_playground::session::Session;
use coracle_playground::view::View;

/// What a session's last act printed, with how it ended when that is not well.
fn printed(session: &mut Session, line: &str) -> String {
    session.run(line);
    let view = session.view();
    let text: String = view.output.iter().map(|o| o.text.as_str()).collect();
    match view.code {
        0 => text,
        code => format!("{text}[{code}]"),
    }
}

/// The steps of the Dockerfile as they stand.
fn steps(view: &View) -> String {
    let step = |s: &coracle_playground::view::StepView| {
        let layer = s.layer.as_ref().map_or_else(String::new, |l| {
            format!(" +{} ~{} -{}", l.added, l.modified, l.deleted)
        });
        format!("{} [{}]{layer} {}", s.text, s.state, s.why.join("; "))
            .trim_end()
            .to_owned()
    };
    view.build
        .steps
        .iter()
        .map(step)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn whoever_comes_first_sees_a_build_and_changes_it() {
    let mut session = Session::first();
    let view = session.view();
    insta::assert_snapshot!("first", steps(&view));
    session.write("greet.sh", "#!/bin/sh\necho changed\n");
    insta::assert_snapshot!("changed", steps(&session.view()));
    session.undo();
    assert_eq!(session.view().build, view.build);
}

#[test]
fn the_command_line_speaks_as_the_cli_does() {
    let mut session = Session::first();
    let mut said = String::new();
    for line in [
        "ls -l",
        "coracle images",
        "coracle history app:v1",
        "coracle build --explain-cache -t app:v2 .",
        "coracle tag app:v2 localhost:5000/team/app:v2",
        "coracle push localhost:5000/team/app:v2",
        "coracle push localhost:5000/team/app:v2",
        "coracle rmi app:v1 app:v2 localhost:5000/team/app:v2",
        "coracle pull localhost:5000/team/app:v2",
        "coracle tags localhost:5000/team/app",
        "coracle run --name box localhost:5000/team/app:v2",
        "coracle exec box rm note.txt",
        "coracle diff box",
        "coracle ps",
        "coracle commit box app:v3",
        "coracle rm box",
        "coracle system df",
        "coracle buidl .",
        "coracle build -x .",
        "coracle rmi nothing",
        "make",
    ] {
        said.push_str(&format!("$ {line}\n{}\n", printed(&mut session, line)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn every_look_shows_something() {
    let mut session = Session::first();
    session.run("coracle run --name box app:v1 rm /app/note.txt");
    let looks = [
        r#"{"look":"files","of":"build","layer":2}"#,
        r#"{"look":"files","of":"app:v1","filter":"app/"}"#,
        r#"{"look":"files","of":"container box","layer":5}"#,
        r#"{"look":"file","of":"build","path":"/app/greet.sh"}"#,
        r#"{"look":"overlay","of":"container box"}"#,
        r#"{"look":"digests","of":"app:v1"}"#,
        r#"{"look":"json","of":"app:v1","document":"manifest"}"#,
        r#"{"look":"tar","of":"app:v1","layer":2}"#,
        r#"{"look":"context"}"#,
        r#"{"look":"explain"}"#,
        r#"{"look":"files","of":"step 3"}"#,
    ];
    let mut text = String::new();
    for wanted in looks {
        let seen = look(&mut session, &serde_json::from_str::<Look>(wanted).unwrap());
        assert!(!matches!(seen, Seen::Nothing { .. }), "{wanted}: {seen:?}");
        let mut lines = serde_json::to_string_pretty(&seen).unwrap();
        lines.truncate(
            lines
                .char_indices()
                .nth(900)
                .map_or(lines.len(), |(at, _)| at),
        );
        text.push_str(&format!("{wanted}\n{lines}\n\n"));
    }
    insta::assert_snapshot!(text);
}
