//! What unpackers of archives had to mend, each case named after the advisory.

use coracle_tests::Entry;

use super::Leads::{Inside, Refused as Refuse};
use super::{Attack, Leads};

/// The attacks, in the order of the years.
pub(crate) const PUBLISHED: &[(&str, Attack, Leads)] = &[
    (
        "CVE-2014-6407 (Docker): written through a hard link to a symbolic link",
        |arena| {
            vec![
                vec![
                    Entry::symlink("s", &format!("{arena}/outside")),
                    Entry::hard_link("h", "s"),
                ],
                vec![Entry::file("h/secret", "x"), Entry::file("h/new", "x")],
            ]
        },
        Inside(&[("s", "link ARENA/outside"), ("ARENA/outside/new", "file x")]),
    ),
    (
        "CVE-2014-9356 (Docker): an absolute link, then a file and a link through it",
        |arena| {
            vec![vec![
                Entry::symlink("etc", &format!("{arena}/outside")),
                Entry::symlink("etc/up", "../canary"),
                Entry::file("etc/up/secret", "x"),
            ]]
        },
        Inside(&[("etc", "link ARENA/outside")]),
    ),
    (
        "CVE-2016-6321 (GNU tar): a member below a directory, with .. behind it",
        |_| vec![vec![Entry::file("a/b/../../../canary", "x")]],
        Refuse("outside the root"),
    ),
    (
        "CVE-2018-1002200 and kin (zip slip): backslashes are letters",
        |_| vec![vec![Entry::file(r"..\..\canary", "x")]],
        Inside(&[(r"..\..\canary", "file x")]),
    ),
    (
        "CVE-2021-29136 (umoci): the root of a lower layer as a link",
        |arena| {
            vec![
                vec![Entry::symlink("/", &format!("{arena}/outside"))],
                vec![Entry::file("secret", "x")],
            ]
        },
        Refuse("replace the root"),
    ),
    (
        "CVE-2021-29136 (umoci): the root as a hard link",
        |_| vec![vec![Entry::file("a", "x"), Entry::hard_link(".", "a")]],
        Refuse("replace the root"),
    ),
    (
        "CVE-2021-32760 (containerd): permissions set through a hard link to a link",
        |arena| {
            vec![vec![
                Entry::symlink("s", &format!("{arena}/canary")),
                Entry::hard_link("h", "s").mode(0o4777),
                Entry::symlink("t", &format!("{arena}/outside")).mode(0o7777),
            ]]
        },
        Inside(&[("h", "link ARENA/canary"), ("t", "link ARENA/outside")]),
    ),
    (
        "CVE-2021-32803 (npm tar): a directory that was seen becomes a link",
        |arena| {
            vec![vec![
                Entry::directory("d"),
                Entry::file("d/a", "1"),
                Entry::symlink("d", &format!("{arena}/outside")),
                Entry::file("d/secret", "x"),
            ]]
        },
        Inside(&[
            ("d", "link ARENA/outside"),
            ("ARENA/outside/secret", "file x"),
        ]),
    ),
    (
        "CVE-2025-4517 (Python): links whose whole path is too long to be resolved, then ..",
        |_| {
            let long = "d".repeat(247);
            let mut entries = Vec::new();
            let mut at = String::new();
            for name in ('a'..='p').map(String::from) {
                entries.push(Entry::directory(&format!("{at}{long}")));
                entries.push(Entry::symlink(&format!("{at}{name}"), &long));
                at = format!("{at}{name}/");
            }
            entries.push(Entry::symlink(&format!("{at}up"), &"../".repeat(40)));
            entries.push(Entry::file(&format!("{at}up/canary"), "x"));
            vec![entries]
        },
        Inside(&[("canary", "file x")]),
    ),
    (
        "CVE-2025-45582 (GNU tar): two archives, the first makes the link",
        |_| {
            vec![
                vec![Entry::symlink("x", "../../../../../outside")],
                vec![Entry::file("x/secret", "x")],
            ]
        },
        Inside(&[("outside/secret", "file x")]),
    ),
    (
        "an opaque directory through a link of the same layer",
        |arena| {
            vec![vec![
                Entry::symlink("l", &format!("{arena}/outside")),
                Entry::file("l/.wh..wh..opq", ""),
                Entry::file("l/.wh.secret", ""),
            ]]
        },
        Inside(&[("l", "link ARENA/outside")]),
    ),
];
