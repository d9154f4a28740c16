//! Archives that attack: whatever is in them, nothing outside of the root changes.
//!
//! Every attack runs in an arena: a directory with canaries beside the root. What the archive
//! leads to is in the table; that the host stays as it was is checked for all of them.

#![allow(clippy::unwrap_used)]

#[path = "hostile/arena.rs"]
mod arena;
#[path = "hostile/published.rs"]
mod published;

use std::sync::Arc;
use std::time::{Duration, Instant};

use coracle::layer::Bounds;
use coracle::linux::meta::Refused;
use coracle::linux::root::RootDir;
use coracle::linux::scan::scan_tree;
use coracle::linux::unpack::{Whiteouts, unpack};
use coracle::path::RootedPath;
use coracle_tests::inside::{Namespaces, again};
use coracle_tests::{Archive, Entry, Person, skip};

use arena::{Arena, describe};
use published::PUBLISHED;

/// What an attack leads to.
enum Leads {
    /// The layer is refused, with these words.
    Refused(&'static str),
    /// The layer is unpacked, and this is what is inside the root: path and description.
    Inside(&'static [(&'static str, &'static str)]),
}
use Leads::{Inside, Refused as Refuse};

/// A stack of layers, lowest first. It gets the absolute path of the arena.
type Attack = fn(&str) -> Vec<Vec<Entry>>;

const ATTACKS: &[(&str, Attack, Leads)] = &[
    // Names.
    (
        "a name that begins with ..",
        |_| vec![vec![Entry::file("../canary", "x")]],
        Refuse("outside the root"),
    ),
    (
        "a name with .. in the middle",
        |_| vec![vec![Entry::file("a/../../canary", "x")]],
        Refuse("outside the root"),
    ),
    (
        "an absolute name",
        |arena| vec![vec![Entry::file(&format!("{arena}/canary"), "x")]],
        Inside(&[("ARENA/canary", "file x")]),
    ),
    (
        "a name with NUL",
        |_| {
            vec![vec![Entry {
                xattrs: vec![],
                ..pax_name(b"a\0b")
            }]]
        },
        Refuse("NUL"),
    ),
    (
        "a name that is not text",
        |_| {
            vec![vec![Entry {
                name: b"\xff\n\x1b[2J".to_vec(),
                ..Entry::default()
            }]]
        },
        Inside(&[("\u{fffd}\n\u{1b}[2J", "file ")]),
    ),
    (
        "a component of 256 bytes",
        |_| vec![vec![Entry::file(&"n".repeat(256), "x")]],
        Refuse("ENAMETOOLONG"),
    ),
    (
        "a path longer than any system call takes",
        |_| vec![vec![Entry::file(&"d/".repeat(2100), "x")]],
        Refuse("none over 4095"),
    ),
    (
        "three hundred directories in each other, and gone again",
        |_| {
            vec![vec![
                Entry::file(&format!("{}f", "d/".repeat(300)), "x"),
                Entry::file("d", "now a file"),
            ]]
        },
        Inside(&[("d", "file now a file")]),
    ),
    (
        "the name that Coracle needs itself",
        |_| vec![vec![Entry::file(".coracle-unpack/x", "x")]],
        Refuse("Coracle itself needs"),
    ),
    (
        "the name that Coracle needs itself, by a link",
        |_| {
            vec![vec![
                Entry::symlink("l", "."),
                Entry::file("l/.coracle-unpack/x", "x"),
            ]]
        },
        Refuse("Coracle itself needs"),
    ),
    // The root.
    (
        "the root as a symbolic link",
        |arena| vec![vec![Entry::symlink("./", &format!("{arena}/outside"))]],
        Refuse("replace the root"),
    ),
    (
        "the root as a file",
        |_| vec![vec![Entry::file(".", "x")]],
        Refuse("replace the root"),
    ),
    // Symbolic links, and writing through them.
    (
        "a file through a link to ..",
        |_| {
            vec![vec![
                Entry::symlink("l", ".."),
                Entry::file("l/canary", "x"),
            ]]
        },
        Inside(&[("canary", "file x"), ("l", "link ..")]),
    ),
    (
        "a file through an absolute link",
        |arena| {
            vec![vec![
                Entry::symlink("l", &format!("{arena}/outside")),
                Entry::file("l/secret", "x"),
            ]]
        },
        Inside(&[("ARENA/outside/secret", "file x")]),
    ),
    (
        "a file through a link of a lower layer",
        |arena| {
            vec![
                vec![Entry::symlink("l", &format!("{arena}/outside"))],
                vec![Entry::file("l/secret", "x")],
            ]
        },
        Inside(&[("ARENA/outside/secret", "file x")]),
    ),
    (
        "a directory through a link",
        |arena| {
            vec![vec![
                Entry::symlink("l", &format!("{arena}/outside")),
                Entry::directory("l/new").mode(0o777),
            ]]
        },
        Inside(&[("ARENA/outside/new", "dir 777")]),
    ),
    (
        "a device and a pipe through a link",
        |arena| {
            vec![vec![
                Entry::symlink("l", &format!("{arena}/outside")),
                Entry {
                    kind: b'3',
                    device: (1, 3),
                    ..Entry::file("l/null", "")
                },
                Entry {
                    kind: b'6',
                    ..Entry::file("l/pipe", "")
                },
            ]]
        },
        Inside(&[("ARENA/outside/pipe", "fifo")]),
    ),
    (
        "a directory entry over a link must not change where the link leads",
        |arena| {
            vec![vec![
                Entry::symlink("l", &format!("{arena}/outside")),
                Entry::directory("l").mode(0o777),
            ]]
        },
        Inside(&[("l", "dir 777")]),
    ),
    (
        "a directory that becomes a link before its permissions are set",
        |arena| {
            vec![vec![
                Entry::directory("d").mode(0o777),
                Entry::symlink("d", &format!("{arena}/outside")),
            ]]
        },
        Inside(&[("d", "link ARENA/outside")]),
    ),
    (
        "a file over a link to a file",
        |arena| {
            vec![vec![
                Entry::symlink("s", &format!("{arena}/canary")),
                Entry::file("s", "x"),
            ]]
        },
        Inside(&[("s", "file x")]),
    ),
    (
        "through the magic link of a process",
        |arena| {
            vec![vec![
                Entry::symlink("m", "/proc/self/root"),
                Entry::file(&format!("m{arena}/canary"), "x"),
            ]]
        },
        Inside(&[("m", "link /proc/self/root")]),
    ),
    (
        "links that go round",
        |_| {
            vec![vec![
                Entry::symlink("a", "b"),
                Entry::symlink("b", "a"),
                Entry::file("a/x", "x"),
            ]]
        },
        Refuse("ELOOP"),
    ),
    (
        "a link to itself with a detour",
        |_| {
            vec![vec![
                Entry::symlink("a", "a/../a/../a"),
                Entry::file("a/x", "x"),
            ]]
        },
        Refuse("ELOOP"),
    ),
    (
        "more links than the kernel follows",
        |_| {
            let mut chain: Vec<_> = (0..42)
                .map(|i| Entry::symlink(&format!("l{i}"), &format!("l{}", i + 1)))
                .collect();
            chain.push(Entry::directory("l42"));
            chain.push(Entry::file("l0/x", "x"));
            vec![chain]
        },
        Refuse("ELOOP"),
    ),
    // Hard links.
    (
        "a hard link to ..",
        |_| vec![vec![Entry::hard_link("h", "../canary")]],
        Refuse("outside the root"),
    ),
    (
        "a hard link to an absolute path of the host",
        |arena| vec![vec![Entry::hard_link("h", &format!("{arena}/canary"))]],
        Refuse("in no layer below"),
    ),
    (
        "a hard link through a symbolic link",
        |arena| {
            vec![vec![
                Entry::symlink("l", &format!("{arena}/outside")),
                Entry::hard_link("h", "l/secret"),
            ]]
        },
        Refuse("in no layer below"),
    ),
    (
        "a hard link to a symbolic link, then written",
        |arena| {
            vec![vec![
                Entry::symlink("s", &format!("{arena}/canary")),
                Entry::hard_link("h", "s"),
                Entry::file("h", "x"),
            ]]
        },
        Inside(&[("h", "file x"), ("s", "link ARENA/canary")]),
    ),
    (
        "a hard link to a directory",
        |_| vec![vec![Entry::directory("d"), Entry::hard_link("h", "d")]],
        Refuse("in no layer below"),
    ),
    (
        "hard links that go round",
        |_| vec![vec![Entry::hard_link("a", "b"), Entry::hard_link("b", "a")]],
        Refuse("leads back to it"),
    ),
    (
        "hard links that go round over files of the layer below",
        |_| {
            let files = ["a", "b"].map(|name| Entry::file(name, name)).to_vec();
            vec![
                files,
                vec![Entry::hard_link("a", "b"), Entry::hard_link("b", "a")],
            ]
        },
        Refuse("leads back to it"),
    ),
    // Whiteouts.
    (
        "a whiteout of ..",
        |_| vec![vec![Entry::file("d/.wh...", "")]],
        Refuse("aims outside"),
    ),
    (
        "a whiteout of .",
        |_| vec![vec![Entry::file("d/.wh..", "")]],
        Refuse("aims outside"),
    ),
    (
        "a whiteout without a name",
        |_| vec![vec![Entry::file("d/.wh.", "")]],
        Refuse("without a name"),
    ),
    (
        "a whiteout outside",
        |_| vec![vec![Entry::file("../.wh.canary", "")]],
        Refuse("outside the root"),
    ),
    (
        "whiteouts through a link of a lower layer",
        |arena| {
            vec![
                vec![
                    Entry::symlink("l", &format!("{arena}/outside")),
                    Entry::symlink("u", ".."),
                ],
                vec![
                    Entry::file("l/.wh.secret", ""),
                    Entry::file("u/.wh.canary", ""),
                    Entry::file("l/.wh..wh..opq", ""),
                ],
            ]
        },
        Inside(&[("l", "link ARENA/outside")]),
    ),
    (
        "an opaque root",
        |_| {
            vec![
                vec![Entry::file("a", "1"), Entry::directory("d")],
                vec![Entry::file("b", "2"), Entry::file(".wh..wh..opq", "")],
            ]
        },
        Inside(&[("a", "absent"), ("b", "file 2"), ("d", "absent")]),
    ),
    // Entries that collide.
    (
        "the same file twice",
        |_| {
            vec![vec![
                Entry::file("a", "first, and longer"),
                Entry::file("a", "last"),
            ]]
        },
        Inside(&[("a", "file last")]),
    ),
    (
        "a directory, a file, a directory",
        |_| {
            vec![vec![
                Entry::directory("a"),
                Entry::file("a/x", "x"),
                Entry::file("a", "file"),
                Entry::directory("a").mode(0o751),
                Entry::file("a/y", "y"),
            ]]
        },
        Inside(&[("a", "dir 751"), ("a/x", "absent"), ("a/y", "file y")]),
    ),
    (
        "a file where a pipe is must not wait for a reader",
        |_| {
            vec![vec![
                Entry {
                    kind: b'6',
                    ..Entry::file("p", "")
                },
                Entry::file("p", "x"),
                Entry {
                    kind: b'6',
                    ..Entry::file("q", "")
                },
                Entry::file("q/below", "x"),
            ]]
        },
        Inside(&[("p", "file x"), ("q/below", "file x")]),
    ),
    (
        "a directory that nobody may write, with content that comes later",
        |_| {
            vec![vec![
                Entry::directory("d").mode(0o500),
                Entry::file("d/f", "x"),
            ]]
        },
        Inside(&[("d", "dir 500"), ("d/f", "file x")]),
    ),
    // Sizes.
    (
        "an entry that is cut off",
        |_| {
            vec![vec![Entry {
                claimed_size: Some(1 << 20),
                ..Entry::file("a", "short")
            }]]
        },
        Refuse("cut off"),
    ),
    (
        "a file larger than allowed",
        |_| {
            vec![vec![Entry {
                claimed_size: Some(1 << 32),
                ..Entry::file("a", "")
            }]]
        },
        Refuse("CORACLE_LAYER_MAX_BYTES to a larger number"),
    ),
    (
        "many files that are too much together",
        |_| {
            vec![
                (0..40)
                    .map(|i| Entry::file(&format!("f{i}"), &"x".repeat(1 << 20)))
                    .collect(),
            ]
        },
        Refuse("CORACLE_LAYER_MAX_BYTES to a larger number"),
    ),
    (
        "a PAX header of two megabytes",
        |_| {
            vec![vec![Entry {
                kind: b'x',
                content: vec![b' '; 2 << 20],
                ..Entry::file("pax", "")
            }]]
        },
        Refuse("an extension header is over 1 MiB"),
    ),
    (
        "a GNU long name of four gigabytes",
        |_| {
            vec![vec![Entry {
                kind: b'L',
                claimed_size: Some(1 << 32),
                ..Entry::file("././@LongLink", "")
            }]]
        },
        Refuse("an extension header is over 1 MiB"),
    ),
    (
        "a name of half a megabyte",
        |_| vec![vec![Entry::file(&"n/".repeat(1 << 18), "x")]],
        Refuse("none over 4095"),
    ),
    (
        "names that differ in case, or in how a letter is composed",
        |arena| {
            vec![vec![
                Entry::directory("d"),
                Entry::symlink("D", &format!("{arena}/outside")),
                Entry::file("d/secret", "1"),
                Entry::symlink("caf\u{e9}", &format!("{arena}/outside")),
                Entry::file("cafe\u{301}/secret", "2"),
                Entry::file("\u{17f}", "3"),
                Entry::file("s", "4"),
            ]]
        },
        Inside(&[
            ("d/secret", "file 1"),
            ("D", "link ARENA/outside"),
            ("cafe\u{301}/secret", "file 2"),
            ("caf\u{e9}", "link ARENA/outside"),
            ("\u{17f}", "file 3"),
            ("s", "file 4"),
        ]),
    ),
    (
        "a thousand hard links to what comes later",
        |_| {
            let mut entries: Vec<_> = (0..998)
                .map(|i| Entry::hard_link(&format!("l{i}"), &format!("l{}", i + 1)))
                .collect();
            entries.push(Entry::file("l998", "x"));
            vec![entries]
        },
        Inside(&[("l0", "file x"), ("l997", "file x")]),
    ),
    (
        "an attribute larger than any that Linux keeps",
        |_| vec![vec![attribute(100 << 10)]],
        Refuse("Linux keeps no attribute of more than 64 KiB"),
    ),
    (
        "an attribute larger than a whole header may be",
        |_| vec![vec![attribute(2 << 20)]],
        Refuse("an extension header is over 1 MiB"),
    ),
    (
        "more entries than allowed",
        |_| vec![vec![Entry::directory("d"); 1001]],
        Refuse("CORACLE_LAYER_MAX_ENTRIES to a larger number"),
    ),
];

/// Small, so that the table stays fast.
const BOUNDS: Bounds = Bounds {
    bytes: 32 << 20,
    entries: 1000,
    ratio: 2000,
};

#[test]
fn attacks_lead_nowhere() {
    for (name, attack, leads) in ATTACKS.iter().chain(PUBLISHED) {
        for apply in [false, true] {
            let arena = Arena::new();
            let outcome = arena.unpack(&attack(arena.text()), apply);
            arena.assert_host_unchanged(name);
            match (leads, outcome) {
                (Inside(expected), Ok(top)) => {
                    for (path, what) in *expected {
                        let (path, what) = (arena.named(path), arena.named(what));
                        assert_eq!(describe(&top, &path), what, "{name}: {path}");
                    }
                }
                (Refuse(words), Err(error)) => {
                    assert!(error.to_string().contains(words), "{name}: {error}");
                }
                (Inside(_), Err(error)) => panic!("{name}: refused: {error}"),
                (Refuse(words), Ok(_)) => panic!("{name}: was not refused ({words})"),
            }
        }
    }
}

#[test]
fn attacks_lead_nowhere_in_a_user_namespace() {
    again(Namespaces::OneId, "attacks");
}

#[test]
fn attacks_lead_nowhere_in_a_user_namespace_with_many_ids() {
    again(Namespaces::ManyIds, "attacks");
}

#[test]
#[ignore = "run by the other tests, in private namespaces"]
fn attacks() {
    attacks_lead_nowhere();
}

#[test]
fn a_refused_layer_changes_nothing_that_was_there() {
    let arena = Arena::new();
    arena
        .unpack(&[vec![Entry::file("a", "1"), Entry::directory("d")]], true)
        .unwrap();
    let before = arena.describe_root();
    let cut_off = Entry {
        claimed_size: Some(9999),
        ..Entry::file("z", "")
    };
    let bad = vec![
        Entry::file("a", "2"),
        Entry::file(".wh.d", ""),
        Entry::file("b", "3"),
        cut_off,
    ];
    arena.unpack(&[bad], true).unwrap_err();
    assert_eq!(arena.describe_root(), before);
}

#[test]
fn what_overlayfs_would_take_for_its_own_is_left_out() {
    let arena = Arena::new();
    let with = |name: &str, key: &str| Entry {
        xattrs: vec![(key.into(), b"y".to_vec())],
        ..Entry::directory(name)
    };
    let archive = Archive::of(&[
        with("a", "trusted.overlay.opaque"),
        with("b", "user.overlay.redirect"),
        with("c", "user.coracle.inside"),
        Entry {
            kind: b'3',
            ..Entry::file("hidden", "")
        },
    ]);
    let root = arena.root();
    let report = unpack(archive.as_slice(), &root, Arena::overlay(), BOUNDS).unwrap();
    assert_eq!(report.refused[&Refused::Overlay].0, 4);
    let tree = scan_tree(&Arc::new(root)).unwrap();
    assert!(tree.get(&RootedPath::parse("hidden").unwrap()).is_none());
    assert_eq!(report.warnings().len(), report.refused.len());
}

#[test]
fn set_id_bits_survive_the_change_of_owner() {
    if !Person::me().is_root() {
        return skip("needs root");
    }
    let arena = Arena::new();
    let entry = Entry {
        owner: 1000,
        ..Entry::file("su", "x").mode(0o6755)
    };
    let top = arena.unpack(&[vec![entry]], false).unwrap();
    let node = top.get(&RootedPath::parse("su").unwrap()).unwrap();
    assert_eq!(
        (node.meta.mode, node.meta.uid, node.meta.gid),
        (0o6755, 1000, 1000)
    );
}

#[test]
fn an_owner_that_cannot_be_given_takes_the_set_id_bits_with_it() {
    let arena = Arena::new();
    // The largest number is nobody's, so even root cannot give a file to it.
    let entry = Entry {
        owner: 0,
        ..Entry::file("su", "x").mode(0o6755)
    };
    let mut archive = Archive::of(&[entry]);
    // Base 256: all ones. Then the checksum again.
    archive[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    archive[148..156].copy_from_slice(b"        ");
    let sum: u64 = archive[..512].iter().map(|b| u64::from(*b)).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let root = arena.root();
    let report = unpack(archive.as_slice(), &root, Arena::overlay(), BOUNDS).unwrap();
    assert!(report.refused.contains_key(&Refused::Forgotten));
    let tree = scan_tree(&Arc::new(root)).unwrap();
    assert_eq!(describe(&tree, "su"), "file x");
    assert_eq!(
        tree.get(&RootedPath::parse("su").unwrap())
            .unwrap()
            .meta
            .mode,
        0o755
    );
}

#[test]
fn a_root_that_is_reached_by_a_link_is_still_the_root() {
    let arena = Arena::new();
    let link = arena.path().join("link");
    std::os::unix::fs::symlink(arena.path().join("root"), &link).unwrap();
    let before = arena.describe_host();
    let root = RootDir::open(&link).unwrap();
    let archive = Archive::of(&[Entry::symlink("l", ".."), Entry::file("l/canary", "x")]);
    unpack(archive.as_slice(), &root, Arena::overlay(), BOUNDS).unwrap();
    assert_eq!(arena.describe_host(), before, "HOST PATH WAS CHANGED");
    assert!(arena.path().join("root/canary").is_file());
}

/// While layers are unpacked, another process swaps a directory of the root for a link that leads
/// out, as fast as it can.
#[test]
fn a_race_between_a_directory_and_a_link_is_not_lost() {
    let entries: Vec<_> = (0..200)
        .map(|i| match i % 4 {
            0 => Entry::file(&format!("d/f{i}"), "x"),
            1 => Entry::directory(&format!("d/d{i}")).mode(0o777),
            2 => Entry::symlink(&format!("d/l{i}"), "x"),
            _ => Entry::file("d/.wh.secret", ""),
        })
        .collect();
    let archive = Archive::of(&entries);
    for (what, place) in [("the layer", ""), ("the scratch", ".coracle-unpack/")] {
        let arena = Arena::new();
        let overlay = place.is_empty();
        let (swaps, seen) = arena.race(place, |deadline| {
            let mut refused = 0;
            while Instant::now() < deadline {
                let how = if overlay {
                    Arena::overlay()
                } else {
                    Whiteouts::Apply
                };
                let result = unpack(archive.as_slice(), &arena.root(), how, BOUNDS);
                refused += usize::from(result.is_err());
                arena.assert_host_unchanged(what);
            }
            refused
        });
        assert!(
            swaps > 1000,
            "{what}: only {swaps} swaps; the race was not run"
        );
        println!("{what}: {swaps} swaps, {seen} layers refused");
    }
}

/// The other process of the race.
#[test]
#[ignore = "run by the race, as a process of its own"]
fn swapping() {
    println!("{}{}", arena::SWAPS, arena::swap_until_told());
}

/// The race above has teeth: who writes by path loses it.
#[test]
fn who_writes_by_path_loses_the_race() {
    let arena = Arena::new();
    let (_, lost) = arena.race("", |_| {
        let give_up = Instant::now() + Duration::from_mins(1);
        let target = arena.path().join("root/d/secret");
        while Instant::now() < give_up {
            let checked = !arena.path().join("root/d").is_symlink();
            if checked && std::fs::write(&target, "x").is_ok() && arena.host_has_changed() {
                return 1;
            }
        }
        0
    });
    assert_eq!(lost, 1, "the canaries notice nothing");
}

/// A file with an attribute of `size` bytes.
fn attribute(size: usize) -> Entry {
    Entry {
        xattrs: vec![("user.big".to_owned(), vec![b'x'; size])],
        ..Entry::file("f", "x")
    }
}

/// A name that only a PAX header can hold.
fn pax_name(name: &[u8]) -> Entry {
    let long = [name, &b"n".repeat(100)].concat();
    Entry {
        name: long,
        ..Entry::default()
    }
}
