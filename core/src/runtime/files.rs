//! The three files of `/etc` that every container gets from outside: hostname, hosts, resolv.conf.

use std::fmt::Write as _;

use super::options::Network;

/// The content of `/etc/hosts`.
///
/// On the host's network it is the host's own file with the container's name added, so that what
/// the host knows is known inside.
pub fn hosts(hostname: &str, network: Network, of_host: &str) -> String {
    let mut text = match network {
        Network::Host if !of_host.trim().is_empty() => of_host.trim_end().to_owned() + "\n",
        _ => "127.0.0.1\tlocalhost\n\
             ::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::\tip6-localnet\n\
             ff00::\tip6-mcastprefix\n\
             ff02::1\tip6-allnodes\n\
             ff02::2\tip6-allrouters\n"
            .to_owned(),
    };
    let known = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .any(|line| line.split_whitespace().skip(1).any(|name| name == hostname));
    if !known {
        let _ = writeln!(text, "127.0.1.1\t{hostname}");
    }
    text
}

/// The content of `/etc/resolv.conf`.
///
/// Without a network there is nobody to ask, and the file says so. On the host's network the
/// host's servers can be reached from inside, its loopback address included.
pub fn resolv_conf(network: Network, of_host: &str) -> String {
    match network {
        Network::None => "# This container has no network.\n".to_owned(),
        Network::Host => of_host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_name_is_known_once() {
        let check = |network, of_host: &str, count: usize| {
            let text = hosts("box", network, of_host);
            assert_eq!(text.matches("box").count(), count, "{text}");
            assert!(text.ends_with('\n') && text.contains("localhost"));
        };
        check(Network::None, "1.2.3.4 box elsewhere\n", 1);
        check(Network::Host, "127.0.0.1 localhost", 1);
        check(Network::Host, "127.0.0.1 localhost box # box", 2);
        check(Network::Host, "127.0.0.1 localhost # box", 2);
        check(Network::Host, "", 1);
    }

    #[test]
    fn servers_only_where_they_can_be_reached() {
        assert!(!resolv_conf(Network::None, "nameserver 127.0.0.53\n").contains("nameserver"));
        assert_eq!(
            resolv_conf(Network::Host, "nameserver 127.0.0.53\n"),
            "nameserver 127.0.0.53\n"
        );
    }
}
