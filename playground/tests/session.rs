//! What a session does, as a person would: typed, and looked at.

use coracle::store::archive::Format;
use coracle_playground::look::{Look, Seen, look};
use coracle_playground::session::Session;
use coracle_playground::share::{share, unshare};
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
        said.extend([format!("$ {line}\n{}\n", printed(&mut session, line))]);
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
        text.extend([format!("{wanted}\n{lines}\n\n")]);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_log_is_all_there_is() {
    let mut session = Session::first();
    for line in [
        "mkdir src",
        "echo '*.tmp' > .dockerignore",
        "coracle tag app:v1 localhost:5000/app:v1",
        "coracle push localhost:5000/app:v1",
        "coracle run --name box app:v1 touch /new",
        "coracle commit box app:v2",
        "rm greet.sh",
        "nonsense",
    ] {
        session.run(line);
    }
    session.write("a b", "no newline at its end");
    session.write("a b", "several\nlines\nEND\n");
    let mut again = Session::default();
    again.open(&session.log());
    let (mut one, mut two) = (session.view(), again.view());
    (one.status, two.status) = (String::new(), String::new());
    assert_eq!(one, two);
    // What somebody types into one file is one act.
    let edits = one.timeline.iter().filter(|act| act.title == "edit 'a b'");
    assert_eq!(edits.count(), 1);
}

#[test]
fn going_back_and_forth_changes_nothing() {
    let mut session = Session::first();
    session.run("coracle build -t app:v2 .");
    session.run("coracle rmi app:v1");
    let whole = session.view();
    for position in [0, 2, 5, 1, 99] {
        session.go(position);
    }
    let mut back = session.view();
    back.status.clone_from(&whole.status);
    assert_eq!(back, whole);
    session.undo();
    session.undo();
    assert_eq!(session.view().images.len(), 2);
    // A new act takes the place of what was undone.
    session.run("coracle images");
    assert_eq!(session.view().timeline.len(), 4);
}

#[test]
fn a_dockerfile_that_is_being_typed_shows_the_steps_before() {
    let check = |text: &str, steps: usize, error: &str| {
        let mut session = Session::first();
        session.write("Dockerfile", text);
        let build = session.view().build;
        assert_eq!(build.steps.len(), steps, "{text}: {:?}", build.error);
        assert!(build.error.unwrap_or_default().contains(error), "{text}");
    };
    check("", 0, "");
    check("FROM alpine:3.20\nRUN echo hi\nCOP", 2, "line 3");
    check("FROM alpine:3.20\nCOPY nothing /\nRUN true\n", 1, "line 2");
    check("FROM alpine:3.2\n", 0, "3.20");
    check("FROM alpine:3.20\nRUN make\nRUN true\n", 3, "make");
    check("FROM alpine:3.20\nRUN exit 3\n", 2, "exit code: 3");
    check("FROM alpine:3.20\nCOPY <<EOF /x\nunfinished", 1, "line 2");
    check("FROM scratch\nRUN true\n", 2, "");
    check("\u{feff}FROM alpine:3.20\r\nRUN echo a\r\n", 2, "");
    let long = format!("FROM alpine:3.20\n{}", "RUN true # x\n".repeat(80));
    check(&long, 81, "");
    check(&"x".repeat(1 << 20), 0, "line 1");
}

#[test]
fn what_is_pretended_runs() {
    let mut session = Session::first();
    let text = "FROM alpine:3.20\nRUN apk add --no-cache make && make all\n";
    session.write("Dockerfile", text);
    let step = session.view().build.steps[1].clone();
    assert_eq!(step.unsupported.as_deref(), Some("make"), "{step:?}");
    session.run("pretend make /app/out");
    let view = session.view();
    assert_eq!(view.build.error, None);
    session.run("coracle build -q -t app:made .");
    let files = printed(&mut session, "coracle image ls-files app:made");
    assert!(files.contains("/app/out"), "{files}");
    session.run("pretend --forget make");
    assert!(session.view().build.error.is_some());
}

#[test]
fn links_that_were_once_given_out_stay_good() {
    // Never to be changed: people have these.
    let given = [
        (
            "v1.S84vSkzOSVVIKs3MSVHQLVFILCiwKjNU0OMCAA",
            "coracle build -t app:v1 .\n",
        ),
        (
            "v1.AS0A0v8jIGxldmVsIGxheWVycy0xCmNvcmFjbGUgYnVpbGQgLXQgaGVsbG86djEgLgo",
            "# level layers-1\ncoracle build -t hello:v1 .\n",
        ),
        (
            "v1.AWAAn_9jYXQgPiBEb2NrZXJmaWxlIDw8J0VORCcKRlJPTSBhbHBpbmU6My4yMApSVU4gZWNobyAiZ3LDvMOfZSIgPiAvYQpFTkQKY29yYWNsZSBidWlsZCAtdCBhcHA6djEgLgo",
            "cat > Dockerfile <<'END'\nFROM alpine:3.20\nRUN echo \"grüße\" > /a\nEND\ncoracle build -t app:v1 .\n",
        ),
    ];
    for (link, log) in given {
        assert_eq!(unshare(link).as_deref(), Ok(log));
        let again = share(log).unwrap();
        assert_eq!(unshare(&format!("#{again}")).as_deref(), Ok(log));
    }
}

#[test]
fn a_link_that_cannot_be_read_says_why_and_changes_nothing() {
    let check = |link: &str, said: &str| {
        let mut session = Session::first();
        let before = session.log();
        session.unshare(link);
        assert!(
            session.view().status.contains(said),
            "{}",
            session.view().status
        );
        assert_eq!(session.log(), before);
    };
    check("v2.abc", "version v2");
    check("anything", "no session");
    check("v1.S84vSkzOSVVIKs3MSV", "damaged");
    check("v1.***", "damaged");
    // A megabyte of nothing is no link but a file.
    let words: Vec<String> = (0..40_000).map(|n| format!("echo {n}")).collect();
    assert_eq!(share(&words.join("\n")), None);
}

#[test]
fn an_exported_archive_comes_in_again_packed_or_not() {
    for gzip in [false, true] {
        for format in [Format::Docker, Format::Oci] {
            let session = Session::first();
            let mut bytes = Vec::new();
            session.save("app:v1", format, gzip, &mut bytes).unwrap();
            let mut other = Session::default();
            other.load("image.tar", bytes.as_slice());
            let view = other.view();
            assert_eq!(view.code, 0, "{:?}", view.output);
            let mut first = session;
            let mut ids = [first.view(), view].map(|view| {
                let images = view.images.into_iter();
                images
                    .filter(|i| i.references == ["app:v1"])
                    .map(|i| i.digest)
                    .collect::<Vec<_>>()
            });
            assert_eq!(ids[0].len(), 1);
            let second = std::mem::take(&mut ids[1]);
            assert_eq!(ids[0], second);
        }
    }
}
