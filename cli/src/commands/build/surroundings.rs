//! What every RUN of a build finds around it: `--add-host`, `--shm-size`, `--ulimit`; and what
//! the Dockerfile may ask for, `--allow`.

use std::net::IpAddr;

use coracle::dockerfile::values;
use coracle::linux::executor::Surroundings;
use coracle::runtime::options::Ulimit;

use super::Options;
use crate::failure::Failure;

/// Understands the options.
pub(super) fn read(options: &Options) -> Result<Surroundings, Failure> {
    let hosts = options.add_host.iter().map(|text| host(text));
    let ulimits = options.ulimit.iter().map(|text| Ok(Ulimit::parse(text)?));
    Ok(Surroundings {
        hosts: hosts.collect::<Result<_, Failure>>()?,
        shm_size: options.shm_size.as_deref().map(shm_size).transpose()?,
        ulimits: ulimits.collect::<Result<_, Failure>>()?,
    })
}

/// Whether RUN may ask for --security=insecure. The other permission that BuildKit knows is for
/// the host's network, which RUN has here anyway.
pub(super) fn allows_insecure(options: &Options) -> Result<bool, Failure> {
    let mut insecure = false;
    for text in options.allow.iter().flat_map(|text| text.split(',')) {
        match text {
            "security.insecure" => insecure = true,
            "network.host" => {}
            "device" => {
                return Err(Failure::new(
                    "--allow device: Docker has this, Coracle does not: RUN gets no devices",
                ));
            }
            _ => {
                return Err(
                    Failure::new(format!("--allow {text}: there is no such permission"))
                        .hint("The permissions are security.insecure and network.host."),
                );
            }
        }
    }
    Ok(insecure)
}

/// `NAME:ADDRESS` or `NAME=ADDRESS`, the address perhaps in brackets.
fn host(text: &str) -> Result<(String, String), Failure> {
    let wrong = |why: &str| {
        Failure::new(format!("--add-host {text}: {why}"))
            .hint("It is written NAME:ADDRESS, as in registry:10.0.0.7 or db=fd00::7.")
    };
    let at = text
        .find(['=', ':'])
        .ok_or_else(|| wrong("there is no address"))?;
    let (name, address) = (&text[..at], &text[at + 1..]);
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(wrong("there is no name"));
    }
    // RUN shares the host's network, so the host is where it is itself.
    if address == "host-gateway" {
        return Ok((name.to_owned(), "127.0.0.1".to_owned()));
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(address);
    let address: IpAddr = bare
        .parse()
        .map_err(|_| wrong(&format!("{bare:?} is no IP address")))?;
    Ok((name.to_owned(), address.to_string()))
}

fn shm_size(text: &str) -> Result<u64, Failure> {
    match values::size(text) {
        Ok(0) => Err(Failure::new("--shm-size 0: give a size, as in 64m")),
        Ok(size) => Ok(size),
        Err(error) => Err(Failure::new(format!("--shm-size {text}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_a_name_and_an_address() {
        let check = |text: &str, expected: Result<(&str, &str), &str>| match (host(text), expected)
        {
            (Ok((name, address)), Ok(expected)) => {
                assert_eq!((name.as_str(), address.as_str()), expected);
            }
            (Err(error), Err(part)) => {
                let said = error.message.unwrap();
                assert!(said.contains(part) && said.contains(text), "{said}");
            }
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("a:10.0.0.7", Ok(("a", "10.0.0.7")));
        check("a=10.0.0.7", Ok(("a", "10.0.0.7")));
        check("a:fd00::7", Ok(("a", "fd00::7")));
        check("a=[fd00::7]", Ok(("a", "fd00::7")));
        check("a:host-gateway", Ok(("a", "127.0.0.1")));
        check("a", Err("there is no address"));
        check(":1.2.3.4", Err("there is no name"));
        check("a:b", Err("\"b\" is no IP address"));
        check("a:1.2.3", Err("no IP address"));
    }

    #[test]
    fn shared_memory_has_a_size() {
        assert_eq!(shm_size("64m").unwrap(), 64 << 20);
        for text in ["0", "much", "-1"] {
            let said = shm_size(text).unwrap_err().message.unwrap();
            assert!(said.contains(text), "{said}");
        }
    }
}
