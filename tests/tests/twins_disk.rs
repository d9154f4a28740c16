//! Layers laid on each other as values, on disk, and by overlayfs: three ways, one result.
//!
//! The test runs itself again inside a private mount namespace, as root and as an ordinary user
//! in a user namespace, so that its mounts are never seen and the numbers of its files are free.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use coracle::layer::{self, gather, keep_inline};
use coracle::linux::root::RootDir;
use coracle::linux::scan::scan_tree;
use coracle::linux::snapshot::RootFs;
use coracle::linux::unpack::{Limits, Report, Whiteouts, unpack, write_tree};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree, listing};
use coracle_tests::{Archive, Entry, Person, skip};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

#[test]
fn layers_agree_three_ways_as_root() {
    if !Person::me().is_root() {
        return skip("needs root");
    }
    again(
        Command::new("unshare").args(["--mount", "--propagation", "private"]),
        "many",
    );
}

#[test]
fn layers_agree_three_ways_in_a_user_namespace_with_one_id() {
    let mut unshare = Command::new("unshare");
    if Person::me().is_root() {
        unshare.uid(65534).gid(65534);
    }
    again(
        unshare.args(["--user", "--map-root-user", "--mount"]),
        "one",
    );
}

#[test]
fn layers_agree_three_ways_in_a_user_namespace_with_many_ids() {
    let person = match Person::with_many_ids() {
        Ok(person) => person,
        Err(reason) => return skip(&reason),
    };
    let mut unshare = Command::new("unshare");
    if Person::me().is_root() {
        unshare.uid(person.uid).gid(person.gid);
    }
    again(
        unshare.args(["--user", "--map-root-user", "--map-auto", "--mount"]),
        "many",
    );
}

/// Runs [`inside`] by `unshare` in a folder that everybody may use.
fn again(unshare: &mut Command, ids: &str) {
    let folder = tempfile::TempDir::with_prefix("coracle-twins-").unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    // An ordinary user may not be able to read the folder that the test was built in.
    let program = folder.path().join("test");
    let me = std::env::current_exe().unwrap();
    // A copy is the second choice: while it is written, another test's fork may hold it open.
    if std::fs::hard_link(&me, &program).is_err() {
        std::fs::copy(&me, &program).unwrap();
    }
    let output = unshare
        .arg(&program)
        .args(["--ignored", "--exact", "inside", "--nocapture"])
        .env("CORACLE_TWINS", folder.path())
        .env("CORACLE_TWINS_IDS", ids)
        .current_dir(folder.path())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(e) => return skip(&format!("unshare of util-linux is missing: {e}")),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    if text.starts_with("unshare: unshare failed") {
        return skip(text.trim());
    }
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    // What other ids own only they can remove; the inner test removed it.
}

/// The test itself, in its namespaces.
#[test]
#[ignore = "run by the other tests, in private namespaces"]
fn inside() {
    let folder = PathBuf::from(std::env::var_os("CORACLE_TWINS").expect("run by another test"));
    let owners = match std::env::var("CORACLE_TWINS_IDS").as_deref() {
        Ok("many") => vec![0, 1, 1000],
        _ => vec![0],
    };
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(64, |n| n.parse().unwrap()),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&any_stack(&owners), |stack| {
        let place = tempfile::tempdir_in(&folder).unwrap();
        compare(&stack, place.path())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Lays the archives on each other in all three ways.
fn compare(stack: &[Vec<Entry>], place: &Path) -> Result<(), TestCaseError> {
    let archives: Vec<_> = stack.iter().map(|entries| Archive::of(entries)).collect();
    let pure = pure(&archives);
    let applied = applied(&archives, &place.join("applied"));
    let overlaid = overlaid(&archives, place);
    match (pure, applied, overlaid) {
        (Ok(pure), Ok(applied), Ok(overlaid)) => {
            same("applying on disk", &pure, &applied, true)?;
            // Overlayfs has no hard links between layers.
            same("overlayfs", &pure, &overlaid, stack.len() < 2)
        }
        (Err(_), Err(_), Err(_)) => Ok(()),
        (pure, applied, overlaid) => Err(TestCaseError::fail(format!(
            "one refuses, another does not:\npure: {pure:?}\napplied: {applied:?}\noverlaid: {overlaid:?}"
        ))),
    }
}

fn pure(archives: &[Vec<u8>]) -> Result<Tree, String> {
    let mut tree = Tree::new();
    for archive in archives {
        let layer = gather(archive.as_slice(), &mut keep_inline).map_err(|e| e.to_string())?;
        layer::apply(&mut tree, &layer).map_err(|e| e.to_string())?;
    }
    Ok(tree)
}

fn applied(archives: &[Vec<u8>], place: &Path) -> Result<Tree, String> {
    std::fs::create_dir(place).unwrap();
    let root = Arc::new(RootDir::open(place).unwrap());
    write_tree(&Tree::new(), &root).unwrap();
    for archive in archives {
        put(archive, &root, Whiteouts::Apply)?;
    }
    Ok(scan_tree(&root).unwrap())
}

fn overlaid(archives: &[Vec<u8>], place: &Path) -> Result<Tree, String> {
    let userxattr = userxattr();
    let mut lower: Vec<RootDir> = Vec::new();
    for (i, archive) in archives.iter().enumerate() {
        let path = place.join(format!("layer-{i}"));
        std::fs::create_dir(&path).unwrap();
        let root = RootDir::open(&path).unwrap();
        put(
            archive,
            &root,
            Whiteouts::Overlay {
                userxattr,
                lower: &lower,
            },
        )?;
        lower.insert(0, root);
    }
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| place.join(name));
    for path in [&upper, &work, &merged] {
        std::fs::create_dir(path).unwrap();
    }
    let rootfs = RootFs::Overlay {
        lower: lower.iter().map(|root| root.path().to_owned()).collect(),
        upper,
        work,
        userxattr,
        volatile: true,
    };
    rootfs.mount(&merged).unwrap();
    let root = Arc::new(RootDir::open(&merged).unwrap());
    let tree = in_memory(&scan_tree(&root).unwrap());
    // The upper directory lends its own metadata to the root of the mount.
    let tree = with_root_of(&tree, lower.first());
    drop(root);
    let unmounted = Command::new("umount").arg(&merged).status().unwrap();
    assert!(unmounted.success());
    Ok(tree)
}

fn put(archive: &[u8], root: &RootDir, how: Whiteouts<'_>) -> Result<Report, String> {
    let report = unpack(archive, root, how, &Limits::default()).map_err(|e| e.to_string())?;
    assert!(report.refused.is_empty(), "{:?}", report.warnings());
    Ok(report)
}

fn with_root_of(tree: &Tree, lower: Option<&RootDir>) -> Tree {
    let mut tree = tree.clone();
    if let Some(lower) = lower {
        let lower = Arc::new(RootDir::open(lower.path()).unwrap());
        let top = scan_tree(&lower).unwrap();
        let root = Arc::clone(top.get(&RootedPath::root()).unwrap());
        tree.insert(RootedPath::root(), root);
    }
    tree
}

/// The same tree with all content read, because its mount is about to go.
fn in_memory(tree: &Tree) -> Tree {
    let mut copies: BTreeMap<*const Node, Arc<Node>> = BTreeMap::new();
    let mut out = Tree::new();
    for (path, node) in tree.iter() {
        let copy = copies.entry(Arc::as_ptr(node)).or_insert_with(|| {
            let kind = match &node.kind {
                Kind::File(content) => Kind::File(coracle::tree::Content::Inline(
                    content.read().unwrap().into(),
                )),
                kind => kind.clone(),
            };
            let meta = node.meta.clone();
            Arc::new(Node { meta, kind })
        });
        out.insert(path.clone(), Arc::clone(copy));
    }
    out
}

fn same(what: &str, pure: &Tree, other: &Tree, links: bool) -> Result<(), TestCaseError> {
    let (a, b) = (describe(pure, links), describe(other, links));
    if a == b {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{what} gives another tree.\n--- pure:\n{a}--- {what}:\n{b}"
    )))
}

/// Everything about a tree as text.
fn describe(tree: &Tree, links: bool) -> String {
    let mut text = if links { listing(tree) } else { String::new() };
    for (path, node) in tree.iter() {
        let _ = writeln!(text, "{path} {node:?}");
    }
    // Content that is still on disk shows where it is; what counts are the bytes.
    if tree.iter().any(|(_, node)| is_on_disk(node)) {
        return describe(&in_memory(tree), links);
    }
    text
}

fn is_on_disk(node: &Node) -> bool {
    matches!(&node.kind, Kind::File(coracle::tree::Content::Source(_)))
}

fn userxattr() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    !map.contains("4294967295")
}

/// Stacks of up to three archives over few names, so that entries collide, kinds change, parents
/// are links, and whiteouts come before and after what they must not hide.
fn any_stack(owners: &[u32]) -> impl Strategy<Value = Vec<Vec<Entry>>> + use<> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let directory = prop::collection::vec(name.clone(), 0..3)
        .prop_map(|names| names.iter().flat_map(|n| [n, "/"]).collect::<String>());
    let path = (directory.clone(), name.clone()).prop_map(|(dir, name)| dir + name);
    let target = prop::sample::select(vec!["a", "b/c", "/c", "../a", "/", "missing", "../../b/a"]);
    let what = prop_oneof![
        4 => path.clone().prop_map(|p| Entry::directory(&format!("{p}/"))),
        4 => (path.clone(), "[xyz]{0,3}").prop_map(|(p, text)| Entry::file(&p, &text)),
        2 => (path.clone(), target).prop_map(|(p, t)| Entry::symlink(&p, t)),
        1 => (path.clone(), path.clone()).prop_map(|(p, t)| {
            // A link below its own target would have to be there before its directory.
            let target = if p.starts_with(&format!("{t}/")) { "missing".into() } else { t };
            Entry::hard_link(&p, &target)
        }),
        1 => path.prop_map(|p| Entry { name: p.into_bytes(), kind: b'6', ..Entry::default() }),
        2 => (directory.clone(), name)
            .prop_map(|(dir, name)| Entry::file(&format!("{dir}.wh.{name}"), "")),
        1 => directory.prop_map(|dir| Entry::file(&format!("{dir}.wh..wh..opq"), "")),
    ];
    let owner = prop::sample::select(owners.to_vec());
    let mode = prop::sample::select(vec![0o755, 0o700, 0o1777, 0o4755, 0o2755, 0o000, 0o444]);
    let mtime = (1_u64..4_000_000_000, 0_u32..1_000_000_000);
    let entry = (what, owner, mode, mtime, any::<bool>()).prop_map(
        |(mut entry, owner, mode, mtime, has_xattr)| {
            entry.owner = owner;
            entry.mtime = mtime;
            if entry.kind != b'2' {
                entry.mode = mode;
            }
            if has_xattr && matches!(entry.kind, b'0' | b'5') {
                entry.xattrs.push(("user.note".into(), b"a\0b".to_vec()));
            }
            entry
        },
    );
    prop::collection::vec(prop::collection::vec(entry, 0..7), 1..4)
}
