//! Task 1: `header` describes an entry, and nothing but the entry. The same entries give the same
//! archive, whoever packs them, wherever and whenever.
//!
//! Reread: One entry, one header

use ch01_layers::{Entry, header, list, pack};
use lesson::{accepted, same, same_text};

/// The bytes of a field as text, up to its first zero.
fn text(field: &[u8]) -> String {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[test]
fn a_file_has_its_name_its_mode_and_its_size() {
    let file = Entry::file("app/main.py", "print('hello')\n");
    let header = accepted("the header of a file", header(&file));
    same(
        "its name",
        &text(&header.as_old().name),
        &"app/main.py".to_owned(),
    );
    same("its mode", &header.mode().unwrap(), &0o644);
    same("its size in bytes", &header.size().unwrap(), &15);
    same("its type", &header.as_bytes()[156], &b'0');
}

#[test]
fn a_directory_ends_in_a_slash_and_has_no_bytes() {
    let header = accepted(
        "the header of a directory",
        header(&Entry::directory("app")),
    );
    same("its name", &text(&header.as_old().name), &"app/".to_owned());
    same("its size in bytes", &header.size().unwrap(), &0);
    same("its type", &header.as_bytes()[156], &b'5');
}

#[test]
fn links_name_their_target() {
    let symlink = accepted("a symbolic link", header(&Entry::symlink("bin", "usr/bin")));
    same(
        "its target",
        &text(&symlink.as_old().linkname),
        &"usr/bin".to_owned(),
    );
    same("its type", &symlink.as_bytes()[156], &b'2');
    let hard = accepted("a hard link", header(&Entry::hard_link("b", "a")));
    same(
        "its target",
        &text(&hard.as_old().linkname),
        &"a".to_owned(),
    );
    same("its type", &hard.as_bytes()[156], &b'1');
}

#[test]
fn nobody_is_seen_in_it() {
    let header = accepted("the header of a file", header(&Entry::file("a", "")));
    same("the owner's number", &header.uid().unwrap(), &0);
    same("the group's number", &header.gid().unwrap(), &0);
    same("the time of the last change", &header.mtime().unwrap(), &0);
}

#[test]
fn the_checksum_is_right() {
    let archive = accepted(
        "pack",
        pack(&[Entry::directory("app"), Entry::file("app/a", "1")]),
    );
    // A reader refuses a header whose checksum is wrong.
    let listed = accepted("list what was packed", list(&archive));
    same_text(
        "the list of the archive",
        &listed,
        "drwxr-xr-x       0  app/\n-rw-r--r--       1  app/a\n",
    );
}

#[test]
fn the_order_of_the_entries_does_not_matter() {
    let (a, b) = (Entry::file("a", "1"), Entry::file("b", "2"));
    let one = accepted("pack a, b", pack(&[a.clone(), b.clone()]));
    let other = accepted("pack b, a", pack(&[b, a]));
    assert!(
        one == other,
        "pack [a, b] and pack [b, a]\nexpected  the same bytes\nseen      others"
    );
}
