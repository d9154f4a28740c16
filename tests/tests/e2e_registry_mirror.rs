//! A registry that mirrors Debian's: with and without a login there, while it lives and when it is
//! gone, for our own client, skopeo and podman.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use coracle_tests::{DockerRegistry, Podman, Sandbox, Serving, installed};

const PASSWORD: &str = "correct-horse-battery";
/// The password above by bcrypt, which is the only way that docker-registry knows.
const HTPASSWD: &str = "me:$2y$05$abcdefghijklmnopqrstuuSnF5tLPqPFqc0z9CY0HcSLFbSRlL67u\n";

/// Debian's registry with `team/app:1` in it, and a login if `guarded`.
fn upstream(guarded: bool) -> Option<(Sandbox, DockerRegistry)> {
    let sandbox = Sandbox::new()?;
    if !installed("skopeo") {
        return None;
    }
    let auth = if guarded {
        let htpasswd = sandbox.file("htpasswd", HTPASSWD);
        format!(
            "auth: {{htpasswd: {{realm: r, path: {}}}}}",
            htpasswd.display()
        )
    } else {
        String::new()
    };
    let registry = DockerRegistry::start(&sandbox, "upstream", "", &auth)?;
    if guarded {
        let password = sandbox.file("password", PASSWORD);
        let login = ["login", "-u", "me", "--password-stdin", &registry.name];
        let input = std::fs::File::open(password).unwrap();
        sandbox.coracle(login).input(input).run().succeeds();
    }
    publish(&sandbox, &registry, "1", "one");
    Some((sandbox, registry))
}

/// Builds an image with this content and pushes it as `team/app:TAG`.
fn publish(sandbox: &Sandbox, registry: &DockerRegistry, tag: &str, content: &str) {
    sandbox.file("app/file", content);
    sandbox.file(
        "app/Dockerfile",
        "FROM scratch\nCOPY file /\nCMD [\"/file\"]\n",
    );
    let name = registry.image(&format!("team/app:{tag}"));
    sandbox
        .coracle(["build", "-q", "-t", &name, "app"])
        .run()
        .succeeds();
    sandbox.coracle(["push", "-q", &name]).run().succeeds();
}

fn mirror(sandbox: &Sandbox, registry: &DockerRegistry) -> Serving {
    let address = format!("http://{}", registry.name);
    Serving::start(sandbox, "mirror", &["--mirror", &address])
}

/// What skopeo says is the digest of an image, or why it does not.
fn digest(sandbox: &Sandbox, image: &str) -> Result<String, String> {
    let words = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}"];
    let image = format!("docker://{image}");
    let outcome = sandbox.stagehand("skopeo", words).args([&image]).run();
    if outcome.code == Some(0) {
        Ok(outcome.line().to_owned())
    } else {
        Err(outcome.stderr)
    }
}

/// Pulls into a state directory that has nothing yet.
fn pulled(sandbox: &Sandbox, root: &str, image: &str) -> String {
    let pull = ["--root", root, "pull", "-q", image];
    sandbox.coracle(pull).run().succeeds();
    let inspect = [
        "--root", root, "image", "inspect", "--format", "{{.Id}}", image,
    ];
    sandbox.coracle(inspect).run().succeeds().line().to_owned()
}

#[test]
fn what_is_not_here_comes_from_there_and_stays() {
    let Some((sandbox, registry)) = upstream(false) else {
        return;
    };
    let mirror = mirror(&sandbox, &registry);
    let there = digest(&sandbox, &registry.image("team/app:1")).unwrap();
    assert_eq!(
        digest(&sandbox, &mirror.image("team/app:1")),
        Ok(there.clone())
    );
    let id = pulled(&sandbox, "one", &mirror.image("team/app:1"));

    // A tag moves, and the mirror with it.
    publish(&sandbox, &registry, "1", "two");
    let moved = digest(&sandbox, &registry.image("team/app:1")).unwrap();
    assert_ne!(moved, there);
    assert_eq!(
        digest(&sandbox, &mirror.image("team/app:1")),
        Ok(moved.clone())
    );

    // What is not there is not here, and nothing is taken.
    let absent = digest(&sandbox, &mirror.image("team/app:absent")).unwrap_err();
    assert!(
        absent.contains("manifest unknown") || absent.contains("not found"),
        "{absent}"
    );
    let push = mirror.image("team/app:mine");
    sandbox
        .coracle(["tag", &registry.image("team/app:1"), &push])
        .run()
        .succeeds();
    sandbox.coracle(["push", "-q", &push]).run().fails();

    // The registry is gone; what came from it is not, by tag and by digest.
    drop(registry);
    assert_eq!(digest(&sandbox, &mirror.image("team/app:1")), Ok(moved));
    let by_digest = mirror.image(&format!("team/app@{there}"));
    assert_eq!(pulled(&sandbox, "two", &by_digest), id);
    let unknown = digest(&sandbox, &mirror.image("team/other:1")).unwrap_err();
    assert!(
        unknown.contains("502") || unknown.contains("mirrored"),
        "{unknown}"
    );
    mirror.ends_well();
}

#[test]
fn the_login_there_is_the_mirrors_business() {
    let Some((sandbox, registry)) = upstream(true) else {
        return;
    };
    let mirror = mirror(&sandbox, &registry);
    // Nobody is logged in at the mirror, and nobody need be.
    let id = pulled(&sandbox, "one", &mirror.image("team/app:1"));
    assert!(id.starts_with("sha256:"), "{id}");
    mirror.ends_well();

    // Without the login, the mirror cannot help, and says why.
    sandbox.coracle(["logout", &registry.name]).run().succeeds();
    let stranger = Serving::start(
        &sandbox,
        "empty",
        &["--mirror", &format!("http://{}", registry.name)],
    );
    let refused = sandbox
        .coracle(["--root", "two", "pull", &stranger.image("team/app:1")])
        .run()
        .fails();
    refused.complains(&["coracle login", &registry.name]);
}

#[test]
fn podman_pulls_through_it() {
    let Some((sandbox, registry)) = upstream(false) else {
        return;
    };
    let Some(podman) = Podman::new(&sandbox) else {
        return;
    };
    let mirror = mirror(&sandbox, &registry);
    let image = mirror.image("team/app:1");
    podman
        .call(&["pull", "-q", "--tls-verify=false", &image])
        .run()
        .succeeds();
    let id = podman
        .call(&["inspect", "--format", "{{.Id}}", &image])
        .run()
        .succeeds();
    let ours = pulled(&sandbox, "one", &image);
    assert_eq!(format!("sha256:{}", id.line()), ours);
}

#[test]
fn an_address_that_is_none_is_refused() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    for (address, said) in [
        ("ftp://a", "http and https are"),
        ("https://a/b", "https://HOST"),
    ] {
        let words = [
            "registry",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--mirror",
            address,
        ];
        sandbox
            .coracle(words)
            .run()
            .fails()
            .complains(&["--mirror", said]);
    }
}
