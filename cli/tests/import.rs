//! `coracle import`: archives of root file systems become images.

#![allow(clippy::unwrap_used)] // a test may fail

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use coracle::digest::Digest;
use coracle::layer::bounds::EXEMPT_FROM_RATIO;
use coracle::layer::{compress, diff, tar};
use coracle::path::RootedPath;
use coracle::tree::{Node, Tree};

/// A call of `coracle` in `place`, with its own state there.
fn coracle(place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(arguments)
        .current_dir(place)
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", place.join("root"))
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(place: &Path, arguments: &[&str]) -> String {
    let output = coracle(place, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn fails(place: &Path, arguments: &[&str], part: &str) {
    let output = coracle(place, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
    assert!(error.contains(part), "{arguments:?}: {error}");
}

/// A directory with `rootfs.tar` in it.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    let path = RootedPath::parse("bin/app").unwrap();
    tree.insert(path, Node::file(0o755, *b"#!app\n").into());
    let mut archive = Vec::new();
    tar::write(&diff(&Tree::new(), &tree), &mut archive).unwrap();
    fs::write(place.path().join("rootfs.tar"), archive).unwrap();
    place
}

#[test]
fn an_archive_becomes_an_image_byte_for_byte() {
    let place = place();
    let place = place.path();
    let said = stdout(
        place,
        &[
            "import",
            "--format",
            "json",
            "--platform",
            "linux/amd64",
            "-c",
            "CMD [\"/bin/app\"]",
            "-c",
            "ENV A=b",
            "-c",
            "EXPOSE 80",
            "-m",
            "from the workshop",
            "rootfs.tar",
            "app:1",
        ],
    );
    insta::assert_snapshot!(said);
    let digest = Digest::of(&fs::read(place.join("rootfs.tar")).unwrap());
    assert!(said.contains(digest.as_str()), "{said}");
    let config = stdout(place, &["inspect", "-f", "{{json .Config}}", "app:1"]);
    insta::assert_snapshot!(config);
    let history = stdout(
        place,
        &[
            "history",
            "--format",
            "{{.CreatedAt}} {{.Comment}}",
            "app:1",
        ],
    );
    assert_eq!(history, "2023-11-14T22:13:20Z from the workshop\n");
    assert!(
        coracle(place, &["image", "check", "app:1"])
            .status
            .success()
    );
}

#[test]
fn packed_archives_are_the_same_layer_and_pipes_work() {
    let place = place();
    let place = place.path();
    let plain = stdout(place, &["import", "rootfs.tar", "same"]);
    for (program, file) in [
        ("gzip", "rootfs.tar.gz"),
        ("zstd", "rootfs.tar.zst"),
        ("xz", "rootfs.tar.xz"),
    ] {
        let packed = Command::new(program)
            .args(["-k", "-q", "rootfs.tar"])
            .current_dir(place)
            .status();
        assert!(packed.unwrap().success());
        let arguments = ["import", "-m", "Imported from rootfs.tar", file, "same"];
        assert_eq!(stdout(place, &arguments), plain);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(["import", "-"])
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", place.join("root"))
        .stdin(fs::File::open(place.join("rootfs.tar")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success());
    let id = String::from_utf8(output.stdout).unwrap();
    assert_ne!(id, plain, "another message and another time");
    // Without a name it is kept, and listed without one.
    let listed = stdout(
        place,
        &["images", "-q", "--no-trunc", "-f", "dangling=true"],
    );
    assert_eq!(listed, id);
}

#[test]
fn what_is_no_root_file_system_is_refused_and_nothing_is_left() {
    let place = place();
    let place = place.path();
    fs::write(place.join("text"), "x".repeat(600)).unwrap();
    fails(
        place,
        &["import", "text", "app"],
        "import text: not a tar archive at byte 0",
    );
    fails(place, &["import", "nowhere", "app"], "open nowhere");
    fails(
        place,
        &["import", "-c", "RUN true", "rootfs.tar", "app"],
        "--change \"RUN true\" cannot be applied: only CMD,",
    );
    fails(place, &["import", "rootfs.tar", "App"], "lower-case");
    fails(
        place,
        &["import", "https://example.org/x.tar"],
        "curl -sSf URL | coracle import -",
    );
    let blobs = fs::read_dir(place.join("root/store/blobs/sha256")).unwrap();
    assert_eq!(blobs.count(), 0);
}

#[test]
fn what_unpacks_to_too_much_is_refused_unless_it_is_trusted() {
    let place = place();
    let place = place.path();
    let words = "set --max-bytes or CORACLE_LAYER_MAX_BYTES";
    let import = ["import", "rootfs.tar", "app"];
    fails(
        place,
        &[&import[..], &["--max-bytes", "600"]].concat(),
        words,
    );
    stdout(place, &[&import[..], &["--max-bytes", "100000"]].concat());
    stdout(place, &["save", "-o", "app.tar", "app"]);
    fails(
        place,
        &["load", "--max-bytes", "600", "-i", "app.tar"],
        words,
    );
    stdout(place, &["load", "-i", "app.tar"]);
    fs::write(place.join("Dockerfile"), "FROM scratch\nADD rootfs.tar /\n").unwrap();
    fails(place, &["build", "--max-bytes", "600", "."], words);
    stdout(place, &["build", "--no-cache", "."]);
}

#[test]
fn more_entries_than_allowed_are_refused_wherever_an_archive_is_read() {
    let place = place();
    let place = place.path();
    stdout(place, &["import", "rootfs.tar", "app"]);
    for command in [
        &["import", "rootfs.tar", "app:2"][..],
        &["layer", "ls", "rootfs.tar"],
        &["layer", "diff", "-o", "out.tar", "rootfs.tar", "rootfs.tar"],
        &["layer", "apply", "rootfs.tar", "out"],
        &["image", "unpack", "app", "out"],
        &["image", "ls-files", "app"],
        &["image", "ls-files", "--layer", "0", "app"],
    ] {
        let too_few = [command, &["--max-entries", "1"]].concat();
        fails(place, &too_few, "it has more than 1 entries");
        stdout(place, &[command, &["--max-entries", "2"]].concat());
        let _ = fs::remove_dir_all(place.join("out"));
    }
}

#[test]
fn what_is_packed_too_well_is_refused_unless_it_is_trusted() {
    let place = place();
    let place = place.path();
    let mebibytes = (EXEMPT_FROM_RATIO >> 20) + 1;
    let pack = |bytes: &[u8]| {
        let mut out = compress::gzip_encoder(Vec::new());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    // A header that promises so many zeros, and the zeros, each mebibyte a member of its own.
    let mut header = fs::read(place.join("rootfs.tar")).unwrap()[512..1024].to_vec();
    header[124..136].copy_from_slice(format!("{:011o}\0", mebibytes << 20).as_bytes());
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bomb = pack(&header);
    let zeros = pack(&vec![0; 1 << 20]);
    (0..mebibytes).for_each(|_| bomb.extend_from_slice(&zeros));
    fs::write(place.join("bomb.tar.gz"), bomb).unwrap();
    let import = ["import", "bomb.tar.gz", "app"];
    let words = "set --max-ratio or CORACLE_LAYER_MAX_RATIO";
    fails(
        place,
        &[&import[..], &["--max-ratio", "500"]].concat(),
        words,
    );
    stdout(place, &[&import[..], &["--max-ratio", "1100"]].concat());
}
