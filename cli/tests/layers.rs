//! The commands that look at layers, make and apply them, and write images out.

#![allow(clippy::unwrap_used)] // a test may fail

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A call of `coracle` in `place`, with its own state there.
fn coracle(place: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(line.split_whitespace())
        .current_dir(place)
        .env("COLUMNS", "80")
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", place.join("root"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a command that must succeed prints.
fn stdout(place: &Path, line: &str) -> String {
    let output = coracle(place, line);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn fails(place: &Path, line: &str, part: &str) {
    let output = coracle(place, line);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}: {error}");
    assert!(error.contains(part), "{line}: {error}");
    assert!(output.stdout.is_empty(), "{line}");
}

/// Two directories: `new` is `old` with changes of every kind.
fn two_trees() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for directory in ["old/keep", "old/gone", "new/keep", "new/file-to-dir"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    for (name, content) in [
        ("old/keep/same", "same"),
        ("old/keep/changed", "before"),
        ("old/gone/a", "a"),
        ("old/file-to-dir", "file"),
        ("new/keep/same", "same"),
        ("new/keep/changed", "after"),
        ("new/file-to-dir/below", "below"),
    ] {
        fs::write(at(name), content).unwrap();
    }
    fs::hard_link(at("new/keep/changed"), at("new/keep/twin")).unwrap();
    symlink("keep/same", at("new/link")).unwrap();
    // Times that differ only because the test was slow would be differences, too.
    let touch = Command::new("find")
        .args([
            "old", "new", "-exec", "touch", "-h", "-d", "@1.25", "{}", "+",
        ])
        .current_dir(place.path())
        .status();
    assert!(touch.unwrap().success());
    place
}

/// The rows of `layer ls` as JSON, without owners, which depend on who runs the test.
fn rows(place: &Path, archive: &str) -> String {
    let listed = stdout(place, &format!("layer ls --format json {archive}"));
    let rows = listed.lines().map(|line| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(row["uid"].is_u64() && row["gid"].is_u64());
        row["uid"] = "…".into();
        row["gid"] = "…".into();
        row.to_string()
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_difference_of_two_directories_is_a_layer() {
    let place = two_trees();
    let place = place.path();
    let said = stdout(place, "layer diff old new -o change.tar --format json");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        said["Size"],
        fs::metadata(place.join("change.tar")).unwrap().len()
    );
    assert_eq!((&said["Adds"], &said["Hides"]), (&5.into(), &1.into()));
    insta::assert_snapshot!(rows(place, "change.tar"));

    // The same digest by a pipe, and by way of archives of both trees.
    let archive = coracle(place, "layer diff old new").stdout;
    assert_eq!(archive, fs::read(place.join("change.tar")).unwrap());
    fs::create_dir(place.join("empty")).unwrap();
    stdout(place, "layer diff empty old -o old.tar");
    stdout(place, "layer diff empty new -o new.tar");
    let digest = stdout(place, "layer diff old.tar new.tar -o again.tar");
    assert_eq!(digest.trim(), said["Digest"].as_str().unwrap());

    // Applied, it gives the new tree.
    stdout(place, "layer apply old.tar change.tar result");
    let difference = stdout(place, "layer diff new result -o none.tar --format json");
    let difference: serde_json::Value = serde_json::from_str(&difference).unwrap();
    assert_eq!(
        (&difference["Adds"], &difference["Hides"]),
        (&0.into(), &0.into())
    );
    let twin = fs::metadata(place.join("result/keep/twin")).unwrap();
    assert_eq!((twin.nlink(), twin.mtime_nsec()), (2, 250_000_000));
    assert!(!place.join("result/gone").exists());
}

#[test]
fn layers_are_listed_for_people() {
    let place = two_trees();
    let place = place.path();
    stdout(place, "layer diff old new -o change.tar");
    let listed = stdout(
        place,
        "layer ls change.tar --format {{.type}}|{{.mode}}|{{.size}}|{{.path}}{{.arrow}}",
    );
    insta::assert_snapshot!(listed);
}

#[test]
fn packed_layers_and_pipes_are_read() {
    let place = two_trees();
    let place = place.path();
    stdout(place, "layer diff old new -o change.tar");
    let plain = rows(place, "change.tar");
    for (program, ending) in [
        ("gzip", "gz"),
        ("xz", "xz"),
        ("zstd", "zst"),
        ("bzip2", "bz2"),
    ] {
        let packed = Command::new(program)
            .args(["-k", "-q", "change.tar"])
            .current_dir(place)
            .status();
        assert!(packed.unwrap().success());
        assert_eq!(rows(place, &format!("change.tar.{ending}")), plain);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(["layer", "apply", "-", "piped"])
        .current_dir(place)
        .stdin(fs::File::open(place.join("change.tar")).unwrap())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(fs::read(place.join("piped/keep/twin")).unwrap(), b"after");
}

#[test]
fn what_goes_wrong_is_said() {
    let place = two_trees();
    let place = place.path();
    fs::write(place.join("text"), "x".repeat(600)).unwrap();
    fails(
        place,
        "layer ls nowhere.tar",
        "open nowhere.tar: No such file",
    );
    fails(place, "layer ls text", "text: not a tar archive at byte 0");
    fails(
        place,
        "layer diff old nowhere -o x",
        "look up nowhere: No such file",
    );
    fails(
        place,
        "layer diff old new --format json",
        "--format needs -o FILE",
    );
    fails(
        place,
        "layer apply text result",
        "text: not a tar archive at byte 0",
    );
    fails(place, "layer apply text text", "make the directory text");
    assert!(!place.join("x").exists());
    assert_eq!(fs::read_dir(place.join("result")).unwrap().count(), 0);
}

#[test]
fn images_are_written_out() {
    let place = two_trees();
    let place = place.path();
    stdout(place, "base -t base");
    let said = stdout(place, "image unpack base rootfs -q --format json");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["Directory"], &said["Layers"]),
        (&"rootfs".into(), &1.into())
    );
    let files = stdout(place, "image ls-files --layer 0 base");
    assert_eq!(said["Entries"], files.lines().count() - 1);
    assert!(place.join("rootfs/bin/sh").is_file() || place.join("rootfs/bin/sh").is_symlink());
    fails(place, "image unpack base rootfs", "rootfs is not empty");
    fs::write(place.join("change"), "no directory").unwrap();
    fails(
        place,
        "image unpack base change/x",
        "make the directory change/x",
    );
}

#[test]
fn nothing_is_left_of_an_image_that_is_damaged() {
    let place = two_trees();
    let place = place.path();
    stdout(place, "base -t base");
    let inspected = stdout(place, "inspect base");
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let digest = inspected[0]["Layers"][0]["Digest"].as_str().unwrap();
    let blob = place.join("root/store/blobs/sha256").join(&digest[7..]);
    let mut bytes = fs::read(&blob).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, bytes).unwrap();
    fails(
        place,
        "image unpack base rootfs",
        "does not match its digest",
    );
    assert!(!place.join("rootfs").exists());
    fs::create_dir(place.join("mine")).unwrap();
    fails(place, "image unpack base mine", digest);
    assert_eq!(fs::read_dir(place.join("mine")).unwrap().count(), 0);
}
