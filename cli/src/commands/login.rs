//! `coracle login`: credentials for a registry, kept when it accepts them.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use coracle::event::Event;
use coracle::registry::auth::Credentials;
use coracle::registry::login::log_in;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::progress::{Direction, ExplainHttpOption, Transfers};
use crate::registries::{self, Registries, RegistryOptions};

/// Authenticate to a registry
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [SERVER]",
    after_help = "\
Examples:
  coracle login
  coracle login quay.io
  coracle login -u me --password-stdin localhost:5000 < password

Without a server, Docker Hub is meant. The password is asked for without being shown, and
kept when the registry accepts it: in the file that --authfile or REGISTRY_AUTH_FILE names,
or else in ~/.docker/config.json, readable for you alone; or by the helper
docker-credential-NAME that credsStore or credHelpers in that file name. What Docker and
Podman (containers/auth.json) wrote is read as well.

A certificate of a private authority belongs into certs.d/HOST:PORT/ca.crt; `coracle pull
--help` says where.

Chapter 05-registry of the book explains what is asked and answered."
)]
pub(crate) struct Options {
    /// The registry: a host, with a port if need be
    #[arg(value_name = "SERVER", default_value = "docker.io")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) explain: ExplainHttpOption,
    /// Password; whoever lists processes can read it, --password-stdin is safer
    #[arg(short, long, value_name = "string", conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,
    /// Take the password from stdin
    #[arg(long)]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
    /// Username
    #[arg(short, long, value_name = "string")]
    pub(crate) username: Option<String>,
}

/// Asks the registry, and keeps what it accepts.
pub(crate) fn run(options: &Options) -> Outcome {
    let registry = registries::registry(&options.server)?;
    let registries = Registries::read(&options.registry, &[&registry])?;
    let (user, password) = ask(options, &registry)?;
    if options.password.is_some() {
        output::note(&output::warning(
            "the password stands in the list of processes; --password-stdin is safer",
        ));
    }
    let given = Credentials::Password {
        user: user.clone(),
        password,
    };
    let mut transfers = Transfers::new(Direction::Pull, options.explain.style, true);
    let mut on = |event: Event| transfers.event(&event);
    let logged_in = registries.with_credentials(&|_| Ok(given.clone()), |client| {
        log_in(client, &registry, &mut on)
    })??;
    if !logged_in.asked {
        output::note(&output::warning(&format!(
            "{registry} asks nobody for credentials; they are kept, and are of no use so far"
        )));
    }
    let (place, in_clear) = registries.keeper.store(&registry, &user, &logged_in.keep)?;
    if in_clear {
        output::note(&output::warning(&format!(
            "the credentials stand unencrypted in {place}; a credential helper keeps them better"
        )));
    }
    output::print("Login Succeeded\n")?;
    Ok(0)
}

/// The name and the password, from options, standard input or a person.
fn ask(options: &Options, registry: &str) -> Result<(String, String), Failure> {
    let person = io::stdin().is_terminal() && !options.password_stdin;
    if !person && options.username.is_none() {
        return Err(
            Failure::new("who logs in? standard input is no terminal to ask at").hint(format!(
                "Write coracle login -u NAME --password-stdin {registry} < FILE"
            )),
        );
    }
    let user = if let Some(user) = &options.username {
        user.clone()
    } else {
        output::note("Username: ");
        line()?
    };
    let password = if options.password_stdin {
        let mut text = String::new();
        let read = io::stdin().lock().read_to_string(&mut text);
        read.map_err(|e| Failure::io("read the password from standard input", &e))?;
        text.trim_end_matches(['\n', '\r']).to_owned()
    } else if let Some(password) = &options.password {
        password.clone()
    } else if person {
        unseen("Password: ")?
    } else {
        return Err(
            Failure::new("there is no password: standard input is no terminal to ask at").hint(
                format!("Write coracle login -u {user} --password-stdin {registry} < FILE"),
            ),
        );
    };
    if user.is_empty() || password.is_empty() {
        return Err(Failure::new(
            "a name and a password are needed, and one of them is empty",
        ));
    }
    if user.contains(':') {
        return Err(Failure::new("a name cannot have a colon in it"));
    }
    Ok((user, password))
}

fn line() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().read_line(&mut text);
    read.map_err(|e| Failure::io("read from standard input", &e))?;
    Ok(text.trim().to_owned())
}

/// A line that the terminal does not show while it is typed. It is asked for when the terminal is
/// quiet already: what is typed before that would be seen, and thrown away.
fn unseen(prompt: &str) -> Result<String, Failure> {
    let _quiet = Quiet::begin()?;
    output::note(prompt);
    let text = line();
    let _ = io::stderr().lock().write_all(b"\n");
    text
}

/// As long as this lives, the terminal shows nothing of what is typed.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn begin() -> Result<Self, Failure> {
        let refused = |e: io::Error| Failure::io("turn the terminal's echo off", &e);
        let terminal = File::open("/dev/stdin").map_err(refused)?;
        let before = tcgetattr(&terminal).map_err(|e| refused(e.into()))?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &quiet).map_err(|e| refused(e.into()))?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // It fails only when the terminal is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
