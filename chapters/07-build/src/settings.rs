//! ENV, EXPOSE, USER, CMD: the steps that say how an image is run.

use coracle::dockerfile::ast::{CommandLine, Kind};
use coracle::spec::RunConfig;
use serde_json::json;

// ANCHOR: setting
/// Writes into the config what a step says. Whether it was such a step.
pub fn setting(config: &mut RunConfig, step: &Kind) -> bool {
    // TASK 3: Note the variables, the ports, the user or the command.
    match step {
        Kind::Env(pairs) => {
            for pair in pairs {
                let begin = format!("{}=", pair.key.value);
                let whole = format!("{begin}{}", pair.value.value);
                match config
                    .env
                    .iter_mut()
                    .find(|known| known.starts_with(&begin))
                {
                    Some(known) => *known = whole,
                    None => config.env.push(whole),
                }
            }
        }
        Kind::Expose(ports) => {
            for port in ports {
                let name = match port.value.split_once('/') {
                    Some(_) => port.value.clone(),
                    None => format!("{}/tcp", port.value),
                };
                config.exposed_ports.insert(name, json!({}));
            }
        }
        Kind::User(user) => config.user.clone_from(&user.value),
        Kind::Cmd(command) => config.cmd = words(command),
        _ => return false,
    }
    true
    // TASK_END
}
// ANCHOR_END: setting

// ANCHOR: words
/// The words of a command; a text is given to the shell.
pub(crate) fn words(command: &CommandLine) -> Vec<String> {
    match command {
        CommandLine::Exec(words) => words.iter().map(|word| word.value.clone()).collect(),
        CommandLine::Shell(text) => {
            let text = text.value.clone();
            vec!["/bin/sh".to_owned(), "-c".to_owned(), text]
        }
    }
}
// ANCHOR_END: words
