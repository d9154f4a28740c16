//! What the chapters' programs write, real tools read.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use coracle_tests::{Sandbox, installed};

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
