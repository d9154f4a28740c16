//! The commands that look at images, on a store made here: what they print, field by field.

#![allow(clippy::unwrap_used)] // a test may fail

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use coracle::image::{Draft, Image, store_layer};
use coracle::layer::{Layer, Whiteout, diff};
use coracle::path::RootedPath;
use coracle::spec::{Document, History, ImageConfig, Index, Platform, media};
use coracle::store::layout::Layout;
use coracle::store::{BlobStore as _, TagStore as _};
use coracle::tree::{Node, Tree};
use tempfile::TempDir;

fn coracle(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(arguments)
        .env("COLUMNS", "80")
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", root)
        .output()
        .unwrap()
}

/// What a command that must succeed prints.
fn stdout(root: &Path, arguments: &[&str]) -> String {
    let output = coracle(root, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn path(text: &str) -> RootedPath {
    RootedPath::parse(text).unwrap()
}

fn layer(nodes: Vec<(&str, Node)>) -> Layer {
    let mut tree = Tree::new();
    for (name, node) in nodes {
        tree.insert(path(name), Arc::new(node));
    }
    diff(&Tree::new(), &tree)
}

fn line(instruction: &str) -> History {
    History {
        created: Some("2026-01-02T03:04:05Z".into()),
        created_by: Some(instruction.into()),
        ..History::default()
    }
}

/// Two images: `app:2` is `app:1` with a layer on top, which hides a file. Both are for this
/// machine, whose processor is the only thing here that differs between machines.
fn store() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let store = Layout::open(root.path().join("store")).unwrap();
    let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
    config.created = Some("2026-01-02T03:04:05Z".into());
    config.config.env.push("PATH=/bin".into());
    config.config.cmd.push("/bin/app".into());
    config.config.labels.insert("version".into(), "1".into());
    let mut draft = Draft {
        config,
        layers: vec![],
    };
    let mut app = Node::file(0o755, *b"#!app\n");
    app.meta
        .xattrs
        .insert(b"user.note".to_vec(), b"hi".to_vec());
    let lower = layer(vec![
        ("bin/app", app),
        ("bin/link", Node::symlink("app")),
        ("etc/old", Node::file(0o600, *b"old\n")),
    ]);
    draft.push(
        store_layer(&store, &lower).unwrap(),
        line("COPY app /bin/ # buildkit"),
    );
    draft.note(line("CMD [\"/bin/app\"]"));
    let first: Image = draft.clone().commit(&store).unwrap();
    let mut upper = layer(vec![("etc/new", Node::file(0o644, *b"new\n"))]);
    upper.hides.push(Whiteout::Path(path("etc/old")));
    draft.push(
        store_layer(&store, &upper).unwrap(),
        line("RUN mv /etc/old /etc/new"),
    );
    draft.config.created = Some("2026-01-03T00:00:00Z".into());
    let second = draft.commit(&store).unwrap();
    store
        .tag("docker.io/library/app:1", &first.descriptor)
        .unwrap();
    store
        .tag("docker.io/library/app:2", &second.descriptor)
        .unwrap();
    store
        .tag("docker.io/library/app:latest", &second.descriptor)
        .unwrap();
    root
}

#[test]
fn images_as_json_templates_and_ids() {
    let root = store();
    let json = stdout(root.path(), &["images", "--format", "json"]);
    // How long ago the images were made is the only thing that changes from day to day.
    let json: Vec<_> = json
        .lines()
        .map(|line| {
            let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(row["CreatedSince"].as_str().unwrap().ends_with(" ago"));
            row["CreatedSince"] = "… ago".into();
            row.to_string()
        })
        .collect();
    insta::assert_snapshot!(json.join("\n"));
    let template = "table {{.Repository}}:{{.Tag}}\\t{{.ID}}\\t{{.Size}}\\t{{.UniqueSize}}";
    insta::assert_snapshot!(stdout(root.path(), &["images", "--format", template]));
    let ids = stdout(root.path(), &["images", "-q", "--no-trunc"]);
    assert_eq!(
        ids.lines().count(),
        2,
        "one line an image, not a tag: {ids}"
    );
}

#[test]
fn images_are_filtered() {
    let root = store();
    let check = |arguments: &[&str], expected: &str| {
        let mut all = vec!["images", "--format", "{{.Tag}}"];
        all.extend(arguments);
        let shown: Vec<_> = stdout(root.path(), &all)
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(shown.join(" "), expected, "{arguments:?}");
    };
    check(&[], "2 latest 1");
    check(&["app:1"], "1");
    check(&["ap?:[12]"], "2 1");
    check(&["other"], "");
    check(&["-f", "label=version=1"], "2 latest 1");
    check(&["-f", "label=version=2"], "");
    check(&["-f", "dangling=true"], "");
    check(&["-f", "before=app:2"], "1");
    check(&["-f", "since=app:1"], "2 latest");
    stdout(root.path(), &["tag", "app:1", "app:2"]);
    stdout(root.path(), &["tag", "app:1", "app:latest"]);
    check(&["-f", "dangling=true"], "<none>");
}

#[test]
fn history_inspect_and_files() {
    let root = store();
    let root = root.path();
    insta::assert_snapshot!(stdout(
        root,
        &[
            "history",
            "--human=false",
            "--format",
            "table {{.ID}}\\t{{.CreatedAt}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Layer}}",
            "app:2"
        ]
    ));
    let json = stdout(root, &["history", "--format", "json", "app:2"]);
    let rows: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["Layer"], serde_json::Value::Null);
    assert_eq!(rows[1]["ChainID"], rows[2]["DiffID"]);
    insta::assert_snapshot!(stdout(root, &["inspect", "app:2"]));
    insta::assert_snapshot!(stdout(
        root,
        &["image", "ls-files", "--format", "json", "app:2"]
    ));
    insta::assert_snapshot!(stdout(
        root,
        &["image", "ls-files", "--layer", "1", "app:2"]
    ));
    let output = coracle(root, &["image", "ls-files", "--layer", "2", "app:2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("app:2 has no layer 2: it has 2"));
}

#[test]
fn layers_and_who_shares_them() {
    let root = store();
    let root = root.path();
    insta::assert_snapshot!(stdout(root, &["image", "tree"]));
    insta::assert_snapshot!(stdout(root, &["image", "tree", "--format", "json"]));
    insta::assert_snapshot!(stdout(root, &["image", "tree", "app:1"]));
    let tree = stdout(root, &["images", "--tree"]);
    assert_eq!(tree, stdout(root, &["image", "tree"]));
    let one = stdout(
        root,
        &["images", "--tree", "--format", "{{.Images}}", "app:1"],
    );
    assert_eq!(one, "app:1\n");
}

#[test]
fn a_damaged_layer_is_found() {
    let root = store();
    let digest = stdout(
        root.path(),
        &["inspect", "-f", "{{(index .Layers 0).Digest}}", "app:1"],
    );
    let digest = digest.trim().strip_prefix("sha256:").unwrap();
    assert!(
        stdout(root.path(), &["image", "check", "app:1"])
            .contains("everything is as its digest says")
    );
    let blob = root.path().join("store/blobs/sha256").join(digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[700] ^= 1;
    let mut permissions = std::fs::metadata(&blob).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false)] // a file of the test's own
    permissions.set_readonly(false);
    std::fs::set_permissions(&blob, permissions).unwrap();
    std::fs::write(&blob, bytes).unwrap();
    let output = coracle(root.path(), &["image", "check", "app:1"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("layer 0") && text.contains("does not match its digest"),
        "{text}"
    );
}

#[test]
fn an_image_that_is_for_another_platform_than_its_index_says_is_found() {
    let root = store();
    let blobs = Layout::open(root.path().join("store")).unwrap();
    let mut entry = blobs.resolve("docker.io/library/app:1").unwrap().unwrap();
    entry.platform = Some(Platform::linux("s390x"));
    let index = Document::write(Index::new(vec![entry])).unwrap();
    blobs.put(index.bytes()).unwrap();
    let target = index.descriptor(media::INDEX);
    blobs.tag("docker.io/library/liar:1", &target).unwrap();
    let output = coracle(root.path(), &["image", "check", "liar:1"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("its index says linux/s390x"), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let root = store();
    let program = env!("CARGO_BIN_EXE_coracle");
    let script = format!("{program} image ls-files app:2 | true; echo ${{PIPESTATUS[0]}}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", root.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn images_are_saved_loaded_and_removed() {
    let from = store();
    let to = tempfile::tempdir().unwrap();
    let archive = to.path().join("saved.tar");
    let archive = archive.to_str().unwrap();
    for form in ["--format=docker", "--format=oci", "--oci"] {
        stdout(
            from.path(),
            &["save", form, "-o", archive, "app:1", "app:2"],
        );
        let has = |name: &str| {
            let bytes = std::fs::read(archive).unwrap();
            let mut entries = bytes.windows(name.len());
            entries.any(|window| window == name.as_bytes())
        };
        assert!(has("index.json"), "{form}");
        assert_eq!(has("manifest.json"), form == "--format=docker", "{form}");
        let loaded = stdout(
            to.path(),
            &["load", "-q", "--format", "json", "-i", archive],
        );
        let tags: Vec<_> = loaded
            .lines()
            .map(|line| {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let id = stdout(
                    from.path(),
                    &["inspect", "-f", "{{.Id}}", row["Tags"][0].as_str().unwrap()],
                );
                assert_eq!(row["Id"], id.trim());
                row["Tags"].to_string()
            })
            .collect();
        assert_eq!(tags, [r#"["app:1"]"#, r#"["app:2"]"#], "{form}");
        let both = [
            stdout(to.path(), &["rmi", "app:2"]),
            stdout(to.path(), &["rmi", "app:1"]),
        ];
        insta::allow_duplicates! {
            insta::assert_snapshot!(both.concat());
        }
        assert_eq!(
            std::fs::read_dir(to.path().join("store/blobs/sha256"))
                .unwrap()
                .count(),
            0
        );
    }
}

#[test]
fn a_tag_goes_alone_while_the_image_has_another() {
    let root = store();
    let said = stdout(root.path(), &["rmi", "app:latest"]);
    assert_eq!(said, "Untagged: app:latest\n");
    stdout(root.path(), &["tag", "app:2", "other:1"]);
    let id = stdout(root.path(), &["inspect", "-f", "{{.Id}}", "app:2"]);
    let refused = coracle(root.path(), &["rmi", id.trim()]);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        error.contains("app:2, other:1") && error.contains("--force"),
        "{error}"
    );
    let said = stdout(root.path(), &["rmi", "-f", id.trim()]);
    assert!(
        said.starts_with("Untagged: app:2\nUntagged: other:1\nDeleted: sha256:"),
        "{said}"
    );
    assert!(stdout(root.path(), &["image", "check", "app:1"]).contains("everything"));
    let absent = coracle(root.path(), &["rmi", "nothing"]);
    assert_eq!(absent.status.code(), Some(1));
    stdout(root.path(), &["rmi", "-f", "nothing"]);
}

#[test]
fn what_is_replaced_by_loading_is_kept() {
    let root = store();
    let archive = root.path().join("one.tar");
    let archive = archive.to_str().unwrap();
    stdout(root.path(), &["save", "-o", archive, "app:1"]);
    stdout(root.path(), &["rmi", "app:latest"]);
    stdout(root.path(), &["tag", "app:2", "app:1"]);
    stdout(root.path(), &["rmi", "app:2"]);
    stdout(root.path(), &["load", "-i", archive]);
    let dangling = stdout(root.path(), &["images", "-q", "-f", "dangling=true"]);
    assert_eq!(dangling.lines().count(), 1);
}

/// Without a name, the half-written file must not be taken for an archive.
#[test]
fn an_archive_appears_whole_or_not_at_all() {
    let root = store();
    let directory = tempfile::tempdir().unwrap();
    let digest = stdout(
        root.path(),
        &["inspect", "-f", "{{(index .Layers 0).Digest}}", "app:1"],
    );
    let blob = format!(
        "store/blobs/sha256/{}",
        digest.trim().trim_start_matches("sha256:")
    );
    std::fs::remove_file(root.path().join(blob)).unwrap();
    let archive = directory.path().join("app.tar");
    let output = coracle(
        root.path(),
        &["save", "-o", archive.to_str().unwrap(), "app:1"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(digest.trim()));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Every command that works on images and layers, with --format json: one object a line on
/// standard output and nothing else. What the fields mean is in each command's help.
#[test]
fn every_command_speaks_json() {
    let root = store();
    let at = |name: &str| root.path().join(name).display().to_string();
    let (saved, oci, rootfs) = (at("saved.tar"), at("oci.tar"), at("rootfs"));
    let (applied, change) = (at("applied"), at("change.tar"));
    let blob = stdout(
        root.path(),
        &["inspect", "-f", "{{(index .Layers 1).Digest}}", "app:2"],
    );
    let blob = at(&format!("store/blobs/sha256/{}", &blob.trim()[7..]));
    std::fs::create_dir(at("nothing")).unwrap();
    let nothing = at("nothing");
    let commands: &[(&str, &[&str])] = &[
        ("images", &["images"]),
        ("history", &["history", "app:2"]),
        ("inspect", &["image", "inspect", "app:2", "app:1"]),
        ("ls-files", &["image", "ls-files", "app:2"]),
        (
            "ls-files-layer",
            &["image", "ls-files", "--layer=1", "app:2"],
        ),
        ("tree", &["image", "tree"]),
        ("check", &["image", "check", "app:1", "app:2"]),
        (
            "save",
            &["save", "-o", &saved, "app:1", "app:2", "app:latest"],
        ),
        ("save-oci", &["save", "--oci", "-o", &oci, "app:1"]),
        ("unpack", &["image", "unpack", "-q", "app:2", &rootfs]),
        ("layer-ls", &["layer", "ls", &blob]),
        (
            "layer-diff",
            &["layer", "diff", &nothing, &blob, "-o", &change],
        ),
        ("layer-apply", &["layer", "apply", "-q", &blob, &applied]),
        ("import", &["import", "-m", "by hand", &blob, "imported:1"]),
        ("reference", &["reference", "parse", "app:2"]),
        ("tag", &["tag", "app:1", "localhost:5000/other:1"]),
        ("rmi", &["rmi", "app:2", "app:latest"]),
        ("load", &["load", "-q", "-i", &saved]),
        ("df", &["system", "df"]),
        ("prune", &["system", "prune", "-f"]),
    ];
    for (name, words) in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_coracle"))
            .args(*words)
            .args(["--format", "json"])
            .env("CORACLE_OFFLINE", "1")
            .env("CORACLE_ROOT", root.path())
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {error}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().map(|line| stable(line, root.path())).collect();
        insta::assert_snapshot!(format!("json-{name}"), lines.join("\n"));
    }
    // And on failure nothing on standard output, and why on standard error.
    let failing: &[(&[&str], &str)] = &[
        (&["history", "nobody"], "there is no image nobody"),
        (
            &["image", "inspect", "app:1", "nobody"],
            "there is no image nobody",
        ),
        (
            &["image", "ls-files", "--layer=9", "app:1"],
            "has no layer 9",
        ),
        (&["image", "check", "nobody"], "there is no image nobody"),
        (&["image", "unpack", "app:1", &rootfs], "is not empty"),
        (&["save", "app:1"], "needs -o FILE"),
        (
            &["save", "-o", &saved, "nobody"],
            "there is no image nobody",
        ),
        (
            &["load", "-i", &blob],
            "neither index.json nor manifest.json",
        ),
        (&["load", "-i", &at("nowhere")], "nowhere"),
        (&["import", &at("nowhere")], "nowhere"),
        (&["import", &blob, "Upper:1"], "lower-case"),
        (&["tag", "nobody", "x"], "there is no image nobody"),
        (&["tag", "app:1", "x@sha256:12"], "digest"),
        (&["rmi", "nobody"], "there is no image nobody"),
        (&["layer", "ls", &at("nowhere")], "nowhere"),
        (
            &["layer", "diff", &nothing, &at("nowhere"), "-o", &change],
            "nowhere",
        ),
        (&["layer", "apply", &at("nowhere"), &applied], "nowhere"),
        (&["reference", "parse", "A b"], "lower-case"),
    ];
    for (words, part) in failing {
        let words = [words, &["--format", "json"][..]].concat();
        let output = coracle(root.path(), &words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{words:?}");
        assert!(error.contains(part), "{words:?}: {error}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{words:?}");
    }
    let wrong = coracle(root.path(), &["images", "--format", "{{.Nothing}}"]);
    let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(error.contains("the fields are: CreatedAt, "), "{error}");
}

/// A line of JSON without what is another one every day, and on every machine.
fn stable(line: &str, root: &Path) -> String {
    let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
    // What could not be kept depends on who runs the test.
    for (field, shown) in [("CreatedSince", "… ago"), ("Refused", "…")] {
        if let Some(value) = row.get_mut(field) {
            *value = shown.into();
        }
    }
    row.to_string()
        .replace(&root.display().to_string(), "[ROOT]")
}
