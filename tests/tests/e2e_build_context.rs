//! Where a build's files come from: directories, archives on standard input, named contexts.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::fs::File;

use coracle_tests::http::Server;
use coracle_tests::{Buildah, Outcome, Sandbox};

/// Builds with what is in `file` on standard input.
fn build(sandbox: &Sandbox, words: &[&str], file: &str) -> Outcome {
    let input = File::open(sandbox.path().join(file)).unwrap();
    sandbox.coracle(["build"]).args(words).input(input).run()
}

/// Packs a folder of the sandbox.
fn pack(sandbox: &Sandbox, flag: &str, archive: &str, folder: &str) {
    let words = ["-C", folder, flag, "-cf", archive, "."];
    let words = words.into_iter().filter(|word| !word.is_empty());
    sandbox.stagehand("tar", words).run().succeeds();
    sandbox.give(archive);
}

#[test]
fn an_archive_on_standard_input_is_the_same_context() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY . /all/\n");
    sandbox.file("app/sub/other", "FROM scratch\nCOPY sub/other /\n");
    sandbox.file("app/sub/file", "file");
    std::os::unix::fs::symlink("sub/file", sandbox.path().join("app/link")).unwrap();
    let ours = sandbox.coracle(["build", "-q", "app"]).run().succeeds();
    let other = ["build", "-q", "-f", "app/sub/other", "app"];
    let other = sandbox.coracle(other).run().succeeds();
    for flag in ["", "--gzip", "--zstd", "--xz"] {
        let archive = format!("context{flag}");
        pack(&sandbox, flag, &archive, "app");
        let id = build(&sandbox, &["-q", "-"], &archive).succeeds();
        assert_eq!(id.stdout, ours.stdout, "tar {flag}");
        let id = build(&sandbox, &["-q", "-f", "sub/other", "-"], &archive).succeeds();
        assert_eq!(id.stdout, other.stdout, "tar {flag} with -f");
    }
    let nothing = build(&sandbox, &["-f", "nothing", "-"], "context").fails();
    nothing.complains(&["no Dockerfile at nothing", "-f FILE"]);
    // Cut off in the middle of a file.
    let whole = std::fs::read(sandbox.path().join("context--gzip")).unwrap();
    sandbox.file("cut", &whole[..whole.len() - 20]);
    build(&sandbox, &["-"], "cut")
        .fails()
        .complains(&["standard input"]);
}

#[test]
fn a_lone_dockerfile_comes_on_standard_input() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("lone", "FROM scratch\nENV A=b\n");
    sandbox.file("app/file", "file");
    sandbox.file("copies", "FROM scratch\nCOPY file /\n");
    build(&sandbox, &["-t", "lone", "-"], "lone").succeeds();
    let none = build(&sandbox, &["-"], "copies").fails();
    none.complains(&["\"file\" is not in the build context", "standard input"]);
    build(&sandbox, &["-f", "-", "app"], "copies").succeeds();
    let both = build(&sandbox, &["-f", "-", "-"], "copies").fails();
    both.complains(&["both be standard input"]);
    let with_file = build(&sandbox, &["-f", "x", "-"], "copies").fails();
    with_file.complains(&["-f x", "no archive that could hold it"]);
    sandbox.file("binary", [0x80, 0xff, 1, 2]);
    let binary = build(&sandbox, &["-"], "binary").fails();
    binary.complains(&["is not UTF-8"]);
}

#[test]
fn named_contexts_give_files_and_images() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file(
        "lib/Dockerfile",
        "FROM scratch\nCOPY image.txt /\nENV FROM_IMAGE=1\n",
    );
    sandbox.file("lib/image.txt", "image");
    let layout = "type=oci,tar=false,dest=layout,name=lib:1";
    let build = [
        "build",
        "-t",
        "lib:1",
        "-o",
        layout,
        "-o",
        "type=image",
        "lib",
    ];
    sandbox.coracle(build).run().succeeds();
    sandbox.file("tools/.dockerignore", "hidden\n");
    sandbox.file("tools/tool", "tool");
    sandbox.file("tools/hidden", "hidden");
    pack(&sandbox, "--gzip", "tools.tgz", "tools");
    sandbox.file(
        "app/Dockerfile",
        "FROM nobody AS replaced\nRUN never\n\
         FROM tools AS files\n\
         FROM lib\n\
         COPY --from=packed tool /packed\n\
         COPY --from=files tool /based\n\
         COPY --from=replaced image.txt /replaced\n\
         COPY --from=archived image.txt /archived\n",
    );
    let words = [
        "build",
        "-t",
        "app",
        "--build-context",
        "tools=tools",
        "--build-context",
        "packed=tools.tgz",
        "--build-context",
        "lib=docker-image://lib:1",
        "--build-context",
        "replaced=oci-layout://layout:1",
        "--build-context",
        "archived=oci-layout://layout",
        "app",
    ];
    sandbox.coracle(words).run().succeeds();
    let files = ["image", "ls-files", "app"];
    let files = sandbox.coracle(files).run().succeeds();
    files.says(&["/image.txt", "/packed", "/based", "/replaced", "/archived"]);
    let inspect = ["inspect", "--format", "{{.Config.Env}}", "app"];
    sandbox
        .coracle(inspect)
        .run()
        .succeeds()
        .says(&["FROM_IMAGE=1"]);

    sandbox.file(
        "app/Dockerfile",
        "FROM scratch\nCOPY --from=tools hidden /\n",
    );
    let hidden = ["build", "--build-context", "tools=tools", "app"];
    let hidden = sandbox.coracle(hidden).run().fails();
    hidden.complains(&["build context is tools", "line 1 of .dockerignore"]);
}

#[test]
fn a_context_comes_from_an_http_address() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY . /all/\n");
    sandbox.file("app/sub/file", "file");
    // What does not pack well, so that half of the archive is more than its first header.
    let noise: Vec<u8> = (0..4_096_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1])
        .collect();
    sandbox.file("app/sub/noise", noise);
    let ours = sandbox.coracle(["build", "-q", "app"]).run().succeeds();
    pack(&sandbox, "--gzip", "app.tgz", "app");
    let archive = std::fs::read(sandbox.path().join("app.tgz")).unwrap();
    let server = Server::start(&[
        ("/app.tgz", "200 OK", &archive),
        ("/Dockerfile", "200 OK", b"FROM scratch\nENV A=b\n"),
        ("/cut", "200 OK", &archive[..archive.len() / 2]),
    ]);
    let url = server.url("/app.tgz");
    let id = sandbox.coracle(["build", "-q", &url]).run().succeeds();
    assert_eq!(id.stdout, ours.stdout);
    let lone = server.url("/Dockerfile");
    sandbox.coracle(["build", "-q", &lone]).run().succeeds();
    sandbox
        .coracle(["build", "--check", &lone])
        .run()
        .succeeds();
    sandbox.file("named/Dockerfile", "FROM scratch\nCOPY --from=far sub /\n");
    let far = format!("far={url}");
    let named = ["build", "-q", "--build-context", &far, "named"];
    sandbox.coracle(named).run().succeeds();

    let check = |url: &str, said: &str| {
        let outcome = sandbox.coracle(["build", url]).run().fails();
        outcome.complains(&[url, said]);
        let far = format!("far={url}");
        let named = ["build", "--build-context", &far, "named"];
        sandbox.coracle(named).run().fails().complains(&[url, said]);
    };
    check(&server.url("/none"), "404 Not Found");
    check(&server.url("/cut"), "unpack");
    check("https://example.org/x.git", "git repositories");
}

#[test]
fn wrong_named_contexts_say_what_to_do() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let check = |value: &str, words: &[&str]| {
        let build = ["build", "--build-context", value, "app"];
        let said = format!("--build-context {value}");
        sandbox
            .coracle(build)
            .run()
            .fails()
            .complains(&[&said])
            .complains(words);
    };
    check("tools", &["NAME=DIRECTORY", "oci-layout://"]);
    check("Tools=app", &["name cannot be one of an image"]);
    check("tools=nowhere", &["No such file"]);
    check("tools=app/Dockerfile", &["archive"]);
    check("tools=https://example.org/x.git", &["Clone it first"]);
    check("tools=docker-image://nobody", &["there is no image nobody"]);
    check("tools=oci-layout://app", &["no OCI image layout"]);
}

#[test]
fn buildah_takes_the_same_from_a_named_context() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(buildah) = Buildah::new(&sandbox) else {
        return;
    };
    sandbox.file(
        "app/Dockerfile",
        "FROM scratch\nCOPY --from=tools . /t/\nCOPY a /\n",
    );
    sandbox.file("app/a", "a");
    sandbox.file("tools/tool", "tool");
    sandbox.file("tools/deep/er", "er");
    let words = ["--build-context", "tools=tools", "-o"];
    let output = [&words[..], &["type=local,dest=theirs", "app"]].concat();
    buildah.build(&output).run().succeeds();
    let output = [&["build"][..], &words, &["type=local,dest=ours", "app"]].concat();
    sandbox.coracle(output).run().succeeds();
    let same = sandbox.stagehand("diff", ["-r", "--no-dereference", "ours", "theirs"]);
    same.run().succeeds();
}
