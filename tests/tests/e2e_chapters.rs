//! What the chapters' programs write, real tools read.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use coracle_tests::{DockerRegistry, Sandbox, Serving, installed};

/// The layout that chapter 4 writes is one to skopeo, which finds the same digests in it.
#[test]
fn skopeo_reads_the_layout_of_chapter_4() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !installed("skopeo") {
        return;
    }
    sandbox.file("base/system", "a small system");
    sandbox.file("v1/app.py", "print(1)");
    sandbox.file("v2/app.py", "print(2)");
    let image = sandbox.chapter("image");
    for (name, version) in [("app:1", "v1"), ("app:2", "v2")] {
        let build = ["build", "shelf", name, "base", version];
        sandbox.program(&image, build).run().succeeds();
    }
    let listed = sandbox.program(&image, ["ls", "shelf"]).run().succeeds();
    for name in ["app:1", "app:2"] {
        let words = ["inspect", "--format", "{{.Digest}}"];
        let inspect = sandbox.stagehand("skopeo", words);
        let digest = inspect.args([format!("oci:shelf:{name}")]).run().succeeds();
        let short = &digest.line()["sha256:".len()..][..12];
        let line = format!("{short}  {name}");
        assert!(listed.stdout.contains(&line), "no {line}: {listed}");
        let config = ["inspect", "--config", "--format", "{{.Config.Cmd}}"];
        let config = sandbox.stagehand("skopeo", config);
        let config = config.args([format!("oci:shelf:{name}")]).run().succeeds();
        assert_eq!(config.line(), "[python app.py]");
    }
}

/// Ours with a login, and Debian's.
#[test]
fn chapter_5_pushes_to_real_registries_and_pulls_from_them() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("base", "a base");
    sandbox.file("program", "a program");
    // The user `ann` with the password `secret`.
    sandbox.file(
        "users",
        "ann:$2b$04$c6UTfHJY/sZc284z6pM38OWtB5wEPkkLhKXUjb1krgfCTkXM0DCRK\n",
    );
    sandbox.file("signing", [7; 32]);
    let login = ["--htpasswd", "users", "--token-secret", "signing"];
    let ours = Serving::start(&sandbox, "store", &login);
    let registry = sandbox.chapter("registry");
    let call = |words: &[&str]| {
        let call = sandbox.program(&registry, words);
        call.env("REGISTRY_USER", "ann:secret").run()
    };
    call(&["make", "shelf", "app:1", "base", "program"]).succeeds();
    let nobody = ["push", "shelf", "app:1", &ours.image("team/app:1")];
    let nobody = sandbox.program(&registry, nobody).run().fails();
    nobody.complains(&["asking for a token"]);
    let theirs = DockerRegistry::start(&sandbox, "theirs", "", "");
    let theirs = theirs.iter().map(|theirs| theirs.image("team/app:1"));
    for place in theirs.chain([ours.image("team/app:1")]) {
        call(&["push", "shelf", "app:1", &place]).succeeds();
        let again = call(&["push", "shelf", "app:1", &place]).succeeds();
        again.says(&["already exists", "0 bytes sent"]);
        let elsewhere = format!("elsewhere-{}", place.len());
        call(&["pull", &elsewhere, &place, "app:1"]).succeeds();
        let index = |shelf: &str| {
            let path = sandbox.path().join(shelf).join("index.json");
            std::fs::read_to_string(path).unwrap()
        };
        assert_eq!(index("shelf"), index(&elsewhere));
    }
    ours.ends_well();
}

/// The digest that chapter 7 predicts is the one that `coracle build` prints.
#[test]
fn chapter_7_builds_what_the_command_builds() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/requirements.txt", "fastapi\n");
    sandbox.file("app/src/main.py", "print(1)\n");
    let dockerfile = "FROM scratch\nWORKDIR /usr/local/app\nCOPY requirements.txt ./\n\
                      COPY src ./src\nEXPOSE 5000\nUSER app\nCMD [\"python\"]\n";
    sandbox.file("app/Dockerfile", dockerfile);
    let built = sandbox.program(&sandbox.chapter("builder"), ["image", "app"]);
    let built = built.run().succeeds();
    let ours = sandbox.coracle(["build", "-q", "--platform", "linux/amd64", "app"]);
    let ours = ours.run().succeeds();
    let short = &ours.line()["sha256:".len()..][..12];
    built.says(&[&format!("{short}  is the image")]);
}
