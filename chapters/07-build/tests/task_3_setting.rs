//! Task 3: `setting` writes into the config what ENV, EXPOSE, USER and CMD say.
//!
//! Reread: Lines of the config

#![allow(clippy::unwrap_used)] // a test may fail

use ch07_build::setting;
use coracle::dockerfile::parse;
use coracle::spec::RunConfig;
use lesson::same;

/// The config after these steps, and whether the last was a setting.
fn after(steps: &str) -> (RunConfig, bool) {
    let mut config = RunConfig::default();
    config.env.push("PATH=/bin".to_owned());
    let mut was = true;
    let parsed = parse(&format!("FROM scratch\n{steps}\n"));
    for instruction in &parsed.dockerfile.instructions[1..] {
        was = setting(&mut config, &instruction.kind);
    }
    (config, was)
}

#[test]
fn variables_are_added_or_replaced() {
    let (config, was) = after("ENV A=1 B=2\nENV A=3");
    same("whether it was a setting", &was, &true);
    let expected = ["PATH=/bin", "A=3", "B=2"].map(str::to_owned).to_vec();
    same("the variables", &config.env, &expected);
    let (config, _) = after("ENV PATH=/usr/bin");
    same("the path", &config.env, &vec!["PATH=/usr/bin".to_owned()]);
}

#[test]
fn a_name_that_only_begins_alike_is_another() {
    let (config, _) = after("ENV AB=1\nENV A=2");
    let expected = ["PATH=/bin", "AB=1", "A=2"].map(str::to_owned).to_vec();
    same("the variables", &config.env, &expected);
}

#[test]
fn ports_are_for_tcp_unless_they_say_otherwise() {
    let (config, _) = after("EXPOSE 80 53/udp");
    let ports: Vec<&str> = config.exposed_ports.keys().map(String::as_str).collect();
    same("the ports", &ports, &vec!["53/udp", "80/tcp"]);
}

#[test]
fn the_last_user_and_command_count() {
    let (config, _) = after("USER a\nUSER b\nCMD [\"a\"]\nCMD [\"b\", \"c\"]");
    same("the user", &config.user.as_str(), &"b");
    same(
        "the command",
        &config.cmd,
        &vec!["b".to_owned(), "c".to_owned()],
    );
}

#[test]
fn a_text_is_given_to_the_shell() {
    let (config, _) = after("CMD a b");
    let expected = ["/bin/sh", "-c", "a b"].map(str::to_owned).to_vec();
    same("the command", &config.cmd, &expected);
}

#[test]
fn what_changes_files_is_no_setting() {
    let before = after("").0;
    for step in ["WORKDIR /app", "COPY a /", "RUN a"] {
        let (config, was) = after(step);
        same(&format!("whether {step} is a setting"), &was, &false);
        same(&format!("the config after {step}"), &config, &before);
    }
}
