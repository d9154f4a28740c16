//! `--ssh`: agents whose keys a build step may use without seeing them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;

use crate::failure::Failure;

/// The agents' sockets by ID, of the values of `--ssh`: `default`, `ID` or `ID=SOCKET`. Without a
/// socket it is the one that SSH_AUTH_SOCK names.
pub(super) fn read(
    options: &[String],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut agents = BTreeMap::new();
    for option in options {
        let wrong = |why: String| Failure::new(format!("--ssh {option}: {why}"));
        let (id, socket) = match option.split_once('=') {
            Some((id, socket)) => (id, Some(socket.to_owned())),
            None => (option.as_str(), None),
        };
        if id.is_empty() {
            return Err(
                wrong("there is no id".to_owned()).hint("It is written default or ID=SOCKET.")
            );
        }
        let socket = socket.or_else(|| variable("SSH_AUTH_SOCK")).ok_or_else(|| {
            wrong("SSH_AUTH_SOCK is not set, so no agent is known".to_owned())
                .hint("Start one with `eval $(ssh-agent)` and add keys with ssh-add, or name its socket: --ssh ID=SOCKET.")
        })?;
        let meta = fs::metadata(&socket).map_err(|e| wrong(format!("look up {socket}: {e}")))?;
        if !meta.file_type().is_socket() {
            return Err(wrong(format!("{socket} is no agent's socket")).hint(
                "Docker also takes keys, Coracle only agents: add the key to one with ssh-add.",
            ));
        }
        agents.insert(id.to_owned(), socket);
    }
    Ok(agents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_sockets() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("s").display().to_string();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let check = |option: &str, set: bool, expected: Result<&str, &str>| {
            let variable = |_: &str| set.then(|| socket.clone());
            match (read(&[option.to_owned()], &variable), expected) {
                (Ok(agents), Ok(id)) => assert_eq!(agents.get(id), Some(&socket)),
                (Err(error), Err(part)) => {
                    let said = error.message.unwrap();
                    assert!(said.contains(part) && said.contains("--ssh"), "{said}");
                }
                (got, _) => panic!("{option}: {got:?}"),
            }
        };
        check("default", true, Ok("default"));
        check(&format!("x={socket}"), false, Ok("x"));
        check("default", false, Err("ssh-agent"));
        check("x=/no/such", false, Err("/no/such"));
        check("x=/etc/passwd", false, Err("ssh-add"));
        check("=y", true, Err("there is no id"));
    }
}
