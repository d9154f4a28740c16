//! Subordinate IDs: more than one user inside a container, without root outside.

use super::{Finding, Host, Topic, install};

/// As many as every image's own users need: 0 to 65535.
const ENOUGH: u64 = 65_536;

/// Whether the two helpers and the two tables are there that lend a user a range of numbers.
pub(super) fn subordinate_ids(host: &Host) -> Finding {
    let topic = Topic {
        name: "subordinate ids",
        why: "They let a container of yours have several users; without them it has one, and \
              `useradd`, `chown` or `USER` in a Dockerfile may fail.",
        chapter: "10-users",
        needed: false,
    };
    if host.is_root() {
        return topic.ok("not needed: root may map any id");
    }
    let user = &host.probes.user;
    let ranges = [("etc/subuid", user.uid), ("etc/subgid", user.uid)]
        .map(|(file, uid)| count(host, file, &user.name, uid));
    let helpers = ["newuidmap", "newgidmap"].map(|name| host.probes.programs.get(name));
    let fewest = ranges[0].min(ranges[1]);
    let lend = format!(
        "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}",
        user.name
    );
    let helper_package = install(
        host,
        &[
            ("debian", "uidmap"),
            ("fedora", "shadow-utils"),
            ("alpine", "shadow-uidmap"),
            ("arch", "shadow"),
            ("suse", "shadow"),
        ],
    );
    let missing_helper = helpers.iter().any(Option::is_none);
    let powerless = helpers.iter().flatten().find(|helper| !helper.privileged);
    if missing_helper && fewest < ENOUGH {
        topic.missing(
            "no newuidmap, and no range for you in /etc/subuid and /etc/subgid",
            format!("{helper_package} && {lend}"),
        )
    } else if missing_helper {
        topic.missing("no newuidmap and newgidmap", helper_package)
    } else if let Some(helper) = powerless {
        topic.missing(
            format!("{} may not map ids: no set-user-ID bit", helper.path),
            format!("sudo chmod u+s {}", helper.path),
        )
    } else if host.status("NoNewPrivs").as_deref() == Some("1") {
        topic.limited(
            "no_new_privs is set here, so newuidmap has no power",
            "start coracle from a session that is not confined (a plain login or ssh)",
        )
    } else if fewest == 0 {
        topic.missing("no range for you in /etc/subuid or /etc/subgid", lend)
    } else if fewest < ENOUGH {
        topic.limited(format!("only {fewest} ids; images use up to 65,536"), lend)
    } else {
        topic.ok(format!("{fewest} ids, mapped by newuidmap"))
    }
}

/// How many IDs one of the two tables lends to a user, by name or by number.
/// Source: subuid(5).
fn count(host: &Host, file: &str, name: &str, uid: u32) -> u64 {
    let uid = uid.to_string();
    let text = host.text(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let owner = fields.next()?;
            let count = fields.nth(1)?.trim().parse::<u64>().ok()?;
            (owner == name || owner == uid).then_some(count)
        })
        .sum()
}
