//! The client against Debian's docker-registry, with skopeo as the witness of every digest.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use coracle_tests::docker_registry::SlowWay;
use coracle_tests::{DockerRegistry, Outcome, Sandbox, certificates, installed, skip};
use rustix::process::Signal;

const PASSWORD: &str = "correct-horse-battery";
/// The password above by bcrypt, which is the only way that docker-registry knows.
const HTPASSWD: &str = "me:$2y$05$abcdefghijklmnopqrstuuSnF5tLPqPFqc0z9CY0HcSLFbSRlL67u\n";

/// A sandbox with the image `app:1` of two layers, and a registry that lets everybody in.
fn with_app() -> Option<(Sandbox, DockerRegistry)> {
    let sandbox = Sandbox::new()?;
    if !installed("skopeo") {
        return None;
    }
    let registry = DockerRegistry::start(&sandbox, "registry", "", "")?;
    build(&sandbox, "app:1", "COPY one /\nCOPY two /\n");
    Some((sandbox, registry))
}

fn build(sandbox: &Sandbox, tag: &str, instructions: &str) {
    sandbox.file("app/one", noise(300_000));
    sandbox.file("app/two", noise(200_001));
    sandbox.file("app/three", noise(100_002));
    sandbox.file("app/Dockerfile", format!("FROM scratch\n{instructions}"));
    sandbox
        .coracle(["build", "-q", "-t", tag, "app"])
        .run()
        .succeeds();
}

/// Bytes that cannot be packed, always the same.
fn noise(length: u32) -> Vec<u8> {
    let mix = |n: u32| {
        n.wrapping_mul(2_654_435_761)
            .rotate_left(13)
            .wrapping_mul(n | 1)
    };
    (0..length)
        .map(|n| mix(n + length).to_le_bytes()[3])
        .collect()
}

/// What skopeo says is the digest of an image in a registry that lets everybody in.
fn skopeo_digest(sandbox: &Sandbox, image: &str) -> String {
    let words = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}"];
    let image = format!("docker://{image}");
    let call = sandbox.stagehand("skopeo", words).args([&image]);
    call.run().succeeds().line().to_owned()
}

fn id(sandbox: &Sandbox, image: &str) -> String {
    let words = ["image", "inspect", "--format", "{{.Id}}", image];
    sandbox.coracle(words).run().succeeds().line().to_owned()
}

fn tag(sandbox: &Sandbox, from: &str, to: &str) {
    sandbox.coracle(["tag", from, to]).run().succeeds();
}

#[test]
fn what_is_pushed_comes_back_with_the_same_digests() {
    let Some((sandbox, registry)) = with_app() else {
        return;
    };
    let name = registry.image("team/app:1");
    tag(&sandbox, "app:1", &name);
    let pushed = sandbox
        .coracle(["push", "--digestfile", "digest", &name])
        .run()
        .succeeds();
    let digest = std::fs::read_to_string(sandbox.path().join("digest")).unwrap();
    let pushed = pushed.says(&[&format!("1: digest: {digest} size: ")]);
    assert_eq!(pushed.stderr.matches(": Pushed ").count(), 3, "{pushed}");
    assert_eq!(skopeo_digest(&sandbox, &name), digest);

    let again = sandbox.coracle(["push", &name]).run().succeeds();
    let again = again.complains(&["sent 0B of 504kB"]);
    assert_eq!(again.stderr.matches(": Layer already exists").count(), 3);
    let other = registry.image("team/other:1");
    tag(&sandbox, "app:1", &other);
    let mounted = sandbox.coracle(["push", &other]).run().succeeds();
    assert_eq!(
        mounted.stderr.matches(": Mounted from team/app").count(),
        3,
        "{mounted}"
    );
    assert_eq!(skopeo_digest(&sandbox, &other), digest);

    let before = id(&sandbox, "app:1");
    let own = ["--root", "fresh", "pull", &name];
    let pulled = sandbox.coracle(own).run().succeeds();
    let pulled = pulled.says(&["Status: Downloaded newer image for", &digest, &name]);
    let pulled = pulled.complains(&["1: Pulling from team/app", "received 503kB of 503kB"]);
    assert_eq!(
        pulled.stderr.matches(": Pull complete ").count(),
        2,
        "{pulled}"
    );
    let words = [
        "--root", "fresh", "image", "inspect", "--format", "{{.Id}}", &name,
    ];
    assert_eq!(sandbox.coracle(words).run().succeeds().line(), before);
    let again = sandbox.coracle(own).run().succeeds();
    again
        .says(&["Image is up to date for"])
        .complains(&[": Already exists", "received 0B"]);
    let quiet = sandbox
        .coracle(["--root", "fresh", "pull", "-q", &name])
        .run()
        .succeeds();
    assert_eq!((quiet.line(), quiet.stderr.as_str()), (name.as_str(), ""));
    let json = sandbox
        .coracle(["--root", "fresh", "pull", "--format", "json", &name])
        .run();
    let json = json.succeeds().json();
    assert_eq!(
        (&json["Digest"], &json["Id"]),
        (&digest.as_str().into(), &before.as_str().into())
    );
    let json = sandbox
        .coracle(["push", "--format", "json", &name])
        .run()
        .succeeds()
        .json();
    assert_eq!(
        (&json["Digest"], &json["Sent"]),
        (&digest.as_str().into(), &0.into())
    );
    // By its digest, too; and what is not there is said exactly.
    let by_digest = format!("{}@{digest}", registry.image("team/app"));
    sandbox
        .coracle(["--root", "fresh", "pull", &by_digest])
        .run()
        .succeeds();
    let wrong = sandbox
        .coracle(["pull", &registry.image("team/app:2")])
        .run()
        .fails();
    wrong.complains(&["team/app:2 is not there", "does not know this tag"]);
    sandbox
        .coracle(["--root", "fresh", "fsck"])
        .run()
        .succeeds();
}

#[test]
fn of_a_second_version_only_the_new_layer_crosses_the_wire() {
    let Some((sandbox, registry)) = with_app() else {
        return;
    };
    let way = SlowWay::to(registry.port, u64::MAX);
    let names = ["1", "2"].map(|tag| format!("127.0.0.1:{}/app:{tag}", way.port));
    build(&sandbox, "app:2", "COPY one /\nCOPY two /\nCOPY three /\n");
    for (own, name) in ["app:1", "app:2"].iter().zip(&names) {
        tag(&sandbox, own, name);
    }
    sandbox.coracle(["push", &names[0]]).run().succeeds();
    let second = sandbox.coracle(["push", &names[1]]).run().succeeds();
    // The new layer is of 100,002 bytes that cannot be packed.
    second.complains(&["sent 103kB of 606kB", ": Layer already exists"]);
    let pull = |name: &str| {
        sandbox
            .coracle(["--root", "fresh", "pull", name])
            .run()
            .succeeds()
    };
    let before = way.carried();
    pull(&names[0]);
    let first = way.carried() - before;
    assert!(first > 500_000, "{first}");
    pull(&names[1]).complains(&["received 102kB of 605kB"]);
    let second = way.carried() - before - first;
    assert!((100_000..110_000).contains(&second), "{second}");
}

#[test]
fn all_tags_and_all_platforms_go_and_come() {
    let Some((sandbox, registry)) = with_app() else {
        return;
    };
    build(&sandbox, "app:2", "COPY three /\n");
    for version in ["1", "2"] {
        tag(
            &sandbox,
            &format!("app:{version}"),
            &registry.image(&format!("all:{version}")),
        );
    }
    let all = registry.image("all");
    sandbox
        .coracle(["push", "-a", &all])
        .run()
        .succeeds()
        .says(&["1: digest", "2: digest"]);
    let listed = sandbox
        .coracle(["tags", "--format", "{{.Tag}}", &all])
        .run()
        .succeeds();
    // In whatever order the registry has them.
    let mut listed: Vec<_> = listed.stdout.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["1", "2"]);
    sandbox
        .coracle(["--root", "fresh", "pull", "--all-tags", &all])
        .run()
        .succeeds();
    let names = sandbox
        .coracle(["--root", "fresh", "images", "--format", "{{.Tag}}"])
        .run();
    let mut names: Vec<_> = names.succeeds().stdout.lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["1", "2"]);
    let both = sandbox
        .coracle(["pull", "-a", &registry.image("all:1")])
        .run()
        .fails();
    both.complains(&["--all-tags means all of its repository"]);

    // An index, made of two images by hand, of which one is for another machine.
    let arm = [
        "build",
        "-q",
        "--platform",
        "linux/arm64",
        "-t",
        "app:arm",
        "app",
    ];
    sandbox.coracle(arm).run().succeeds();
    sandbox
        .coracle(["save", "--oci", "-o", "both.tar", "app:1", "app:arm"])
        .run()
        .succeeds();
    sandbox.stagehand("mkdir", ["both"]).run().succeeds();
    sandbox
        .stagehand("tar", ["-xf", "both.tar", "-C", "both"])
        .run()
        .succeeds();
    let index_json = sandbox.path().join("both/index.json");
    let list: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&index_json).unwrap()).unwrap();
    let mut entries = list["manifests"].as_array().unwrap().clone();
    for entry in &mut entries {
        let is_arm = entry["annotations"].to_string().contains("app:arm");
        let entry = entry.as_object_mut().unwrap();
        entry.remove("annotations");
        let architecture = if is_arm { "arm64" } else { "amd64" };
        let platform = serde_json::json!({"architecture": architecture, "os": "linux"});
        entry.insert("platform".into(), platform);
    }
    let index = serde_json::json!({"schemaVersion": 2, "manifests": entries,
        "mediaType": "application/vnd.oci.image.index.v1+json"});
    let bytes = index.to_string();
    let digest = coracle::digest::Digest::of(bytes.as_bytes());
    sandbox.file(&format!("both/blobs/sha256/{}", digest.hex()), &bytes);
    let top = serde_json::json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": digest.to_string(), "size": bytes.len(),
        "annotations": {"org.opencontainers.image.ref.name": "v1"}}]});
    sandbox.file("both/index.json", top.to_string());
    let chown = [
        "-R",
        &format!("{}:{}", sandbox.person.uid, sandbox.person.gid),
        "both",
    ];
    sandbox.stagehand("chown", chown).run().succeeds();

    let name = registry.image("multi:1");
    let copied = sandbox
        .coracle(["copy", "oci:both:v1", &name])
        .run()
        .succeeds();
    assert_eq!(copied.line(), digest.to_string());
    let raw = sandbox
        .coracle(["manifest", "inspect", "--raw", &name])
        .run()
        .succeeds();
    assert_eq!(raw.stdout, bytes);
    // Ours, then the other; with both here, the index is pushed whole.
    let again = registry.image("multi2:1");
    sandbox
        .coracle(["--root", "fresh", "pull", &name])
        .run()
        .succeeds();
    sandbox
        .coracle(["--root", "fresh", "tag", &name, &again])
        .run()
        .succeeds();
    let alone = sandbox
        .coracle(["--root", "fresh", "push", &again])
        .run()
        .succeeds();
    alone.complains(&["linux/amd64 is sent alone"]);
    assert_ne!(skopeo_digest(&sandbox, &again), digest.to_string());
    let other = [
        "--root",
        "fresh",
        "pull",
        "--platform",
        "linux/arm64",
        &name,
    ];
    sandbox.coracle(other).run().succeeds();
    sandbox
        .coracle(["--root", "fresh", "push", &again])
        .run()
        .succeeds();
    let inspect = [
        "inspect",
        "--raw",
        "--tls-verify=false",
        &format!("docker://{again}"),
    ];
    assert_eq!(
        sandbox.stagehand("skopeo", inspect).run().succeeds().stdout,
        bytes
    );
    let none = ["pull", "--platform", "linux/s390x", &name];
    let none = sandbox.coracle(none).run().fails();
    none.complains(&["no image for linux/s390x, only for linux/amd64, linux/arm64"]);
}

#[test]
fn copies_are_the_same_wherever_they_go() {
    let Some((sandbox, registry)) = with_app() else {
        return;
    };
    let name = registry.image("app:1");
    tag(&sandbox, "app:1", &name);
    sandbox.coracle(["push", "-q", &name]).run().succeeds();
    let digest = skopeo_digest(&sandbox, &name);
    let second = registry.image("elsewhere/app:1");
    let archive = registry.image("from/archive:1");
    for (from, to) in [
        (name.as_str(), "oci:layout:v1"),
        ("oci:layout:v1", second.as_str()),
        (name.as_str(), "oci-archive:app.tar:app:1"),
        ("oci-archive:app.tar", archive.as_str()),
        (name.as_str(), "docker-archive:docker.tar:app:1"),
    ] {
        let copied = sandbox.coracle(["copy", from, to]).run().succeeds();
        assert_eq!(copied.line(), digest, "{from} to {to}");
    }
    for copied in [&second, &archive] {
        assert_eq!(skopeo_digest(&sandbox, copied), digest);
    }
    let words = ["inspect", "--format", "{{.Digest}}"];
    for place in ["oci:layout:v1", "oci-archive:app.tar"] {
        let witness = sandbox
            .stagehand("skopeo", words)
            .args([place])
            .run()
            .succeeds();
        assert_eq!(witness.line(), digest, "{place}");
    }
    // What is of Docker's own media types stays so, too.
    let docker = registry.image("docker:1");
    let (from, to) = (format!("docker://{name}"), format!("docker://{docker}"));
    let words = [
        "copy",
        "-q",
        "--format",
        "v2s2",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ];
    sandbox
        .stagehand("skopeo", words)
        .args([from, to])
        .run()
        .succeeds();
    let digest = skopeo_digest(&sandbox, &docker);
    let pull = ["--root", "fresh", "pull", &docker];
    sandbox.coracle(pull).run().succeeds().says(&[&digest]);
    let again = registry.image("docker:2");
    sandbox
        .coracle(["--root", "fresh", "tag", &docker, &again])
        .run()
        .succeeds();
    sandbox
        .coracle(["--root", "fresh", "push", "-q", &again])
        .run()
        .succeeds();
    assert_eq!(skopeo_digest(&sandbox, &again), digest);
    let load = ["--root", "fresh", "load", "-i", "docker.tar"];
    sandbox
        .coracle(load)
        .run()
        .succeeds()
        .says(&["Loaded image: app:1"]);
    assert!(!std::fs::read_dir(sandbox.path()).unwrap().any(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("coracle-copy")
    }));
    let wrong = sandbox
        .coracle(["copy", "oci:layout:v2", &second])
        .run()
        .fails();
    wrong.complains(&["no image \"v2\"", "v1"]);
}

#[test]
fn a_login_is_kept_for_its_owner_and_no_secret_is_ever_shown() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !installed("skopeo") || !installed("python3") {
        return;
    }
    let htpasswd = sandbox.file("htpasswd", HTPASSWD);
    let auth = format!(
        "auth: {{htpasswd: {{realm: r, path: {}}}}}",
        htpasswd.display()
    );
    let Some(registry) = DockerRegistry::start(&sandbox, "registry", "", &auth) else {
        return;
    };
    build(&sandbox, "app:1", "COPY one /\n");
    let name = registry.image("app:1");
    tag(&sandbox, "app:1", &name);
    let mut outputs = Vec::new();
    let mut seen = |outcome: Outcome| {
        outputs.push(format!("{}{}", outcome.stdout, outcome.stderr));
        outcome
    };
    let denied = seen(sandbox.coracle(["push", &name]).run().fails());
    denied.complains(&[
        "somebody who is not logged in",
        &format!("coracle login {}", registry.name),
    ]);
    let login = |password: &str| {
        let file = sandbox.file("password", format!("{password}\n"));
        let words = [
            "login",
            "-D",
            "--explain",
            "-u",
            "me",
            "--password-stdin",
            &registry.name,
        ];
        sandbox
            .coracle(words)
            .input(std::fs::File::open(file).unwrap())
            .run()
    };
    seen(login("wrong").fails()).complains(&["does not let the user \"me\" log in"]);
    let config = sandbox.path().join("home/.docker/config.json");
    assert!(!config.exists());
    seen(login(PASSWORD).succeeds()).says(&["Login Succeeded"]);
    assert_eq!(
        std::fs::metadata(&config).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for words in [
        vec!["push", "-D", "--explain", &name],
        vec!["--root", "fresh", "pull", "--explain=json", &name],
        vec![
            "--root",
            "fresh2",
            "run",
            "--explain",
            "--pull",
            "always",
            &name,
            "/one",
        ],
        vec!["copy", "--explain", &name, "oci:layout"],
        vec!["tags", "--explain", &registry.image("app")],
        vec!["manifest", "inspect", "--explain", &name],
    ] {
        let outcome = seen(sandbox.coracle(&words).run());
        // What is run is no program, but it was pulled.
        assert!(
            words.contains(&"run") || outcome.code == Some(0),
            "{outcome}"
        );
    }
    // Skopeo reads what we wrote, and we what it wrote.
    let inspect = |file: &str| {
        let words = ["inspect", "--tls-verify=false", "--authfile", file];
        sandbox
            .stagehand("skopeo", words)
            .args([&format!("docker://{name}")])
            .run()
    };
    inspect(&config.display().to_string()).succeeds();
    seen(sandbox.coracle(["logout", &registry.name]).run().succeeds()).says(&["Removing login"]);
    seen(sandbox.coracle(["logout", &registry.name]).run().succeeds()).says(&["Not logged in"]);
    seen(
        sandbox
            .coracle(["--root", "f3", "pull", &name])
            .run()
            .fails(),
    );
    let words = [
        "login",
        "--tls-verify=false",
        "-u",
        "me",
        "-p",
        PASSWORD,
        "--authfile",
        "theirs.json",
    ];
    sandbox
        .stagehand("skopeo", words)
        .args([&registry.name])
        .run()
        .succeeds();
    sandbox.give("theirs.json");
    let words = ["--root", "f3", "pull", "--authfile", "theirs.json", &name];
    seen(sandbox.coracle(words).run().succeeds());
    // Asked at a terminal, the password is not shown while it is typed.
    seen(at_terminal(&sandbox, &registry.name).succeeds()).says(&["Password: ", "Login Succeeded"]);
    for output in &outputs {
        for secret in [PASSWORD, "bWU6Y29ycmVjd", "Basic ", "authorization"] {
            assert!(!output.contains(secret), "{secret} in {output}");
        }
    }
    assert!(
        outputs
            .iter()
            .any(|output| output.contains("401 Unauthorized"))
    );
}

/// A login at a terminal by somebody who types the password when it is asked for.
fn at_terminal(sandbox: &Sandbox, registry: &str) -> Outcome {
    let script = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:4] + ["me", sys.argv[4]])
seen = b""
typed = False
while True:
    try:
        part = os.read(terminal, 1024)
    except OSError:
        break
    if not part:
        break
    seen += part
    if not typed and b"Password: " in seen:
        typed = True
        os.write(terminal, sys.argv[5].encode() + b"\n")
print(seen.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let binary = sandbox.binary();
    let words = [
        "-c",
        script,
        binary.to_str().unwrap(),
        "login",
        "-u",
        registry,
        PASSWORD,
    ];
    sandbox.program("python3".as_ref(), words).run()
}

/// A helper that keeps what it is given in a file beside it.
const HELPER: &str = r#"#!/bin/sh
file="$0.kept"
case "$1" in
store) cat > "$file" ;;
get) if [ -s "$file" ]; then cat "$file"; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) rm -f "$file" ;;
esac
"#;

#[test]
fn a_credential_helper_keeps_the_login() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let htpasswd = sandbox.file("htpasswd", HTPASSWD);
    let auth = format!(
        "auth: {{htpasswd: {{realm: r, path: {}}}}}",
        htpasswd.display()
    );
    let Some(registry) = DockerRegistry::start(&sandbox, "registry", "", &auth) else {
        return;
    };
    let helper = sandbox.file("bin/docker-credential-test", HELPER);
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.file("home/.docker/config.json", r#"{"credsStore":"test"}"#);
    let path = format!("{}:/usr/bin:/bin", sandbox.path().join("bin").display());
    let run = |words: &[&str]| {
        let password = sandbox.file("password", PASSWORD);
        let call = sandbox.coracle(words).env("PATH", &path);
        call.input(std::fs::File::open(password).unwrap()).run()
    };
    let list = ["tags", &registry.image("nothing")];
    run(&list).fails().complains(&["not logged in"]);
    run(&["login", "-u", "me", "--password-stdin", &registry.name]).succeeds();
    let config = sandbox.path().join("home/.docker/config.json");
    assert_eq!(
        std::fs::read_to_string(config).unwrap(),
        r#"{"credsStore":"test"}"#
    );
    let kept = std::fs::read_to_string(sandbox.path().join("bin/docker-credential-test.kept"));
    assert!(kept.unwrap().contains(PASSWORD));
    // Let in, one hears that the repository is not there.
    run(&list)
        .fails()
        .complains(&["does not know the repository"]);
    run(&["logout", &registry.name])
        .succeeds()
        .says(&["Removing login"]);
    run(&list).fails().complains(&["not logged in"]);
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !installed("openssl") || !installed("skopeo") {
        return;
    }
    certificates::make(&sandbox, "DNS:localhost,IP:127.0.0.1");
    sandbox.copy(&sandbox.path().join("ca.crt"), "authorities/ca.crt");
    let file = |name: &str| sandbox.path().join(name).display().to_string();
    let tls = format!(
        ", tls: {{certificate: {}, key: {}}}",
        file("server.crt"),
        file("server.key")
    );
    let Some(registry) = DockerRegistry::start(&sandbox, "registry", &tls, "") else {
        return;
    };
    build(&sandbox, "app:1", "COPY one /\n");
    let name = registry.image("app:1");
    tag(&sandbox, "app:1", &name);
    // In the clear it does not work, and it is said what may help.
    sandbox
        .coracle(["push", &name])
        .run()
        .fails()
        .complains(&["--tls-verify"]);
    let untrusted = sandbox
        .coracle(["push", "--tls-verify", &name])
        .run()
        .fails();
    untrusted.complains(&["certificate", "certs.d/HOST/ca.crt"]);
    let loud = sandbox
        .coracle(["push", "--tls-verify=false", &name])
        .run()
        .succeeds();
    loud.complains(&["WARNING: nobody looks whether", &registry.name]);

    let certs = format!("home/.config/coracle/certs.d/{}/ca.crt", registry.name);
    sandbox.file(&certs, std::fs::read(file("ca.crt")).unwrap());
    let pushed = sandbox.coracle(["push", &name]).run().succeeds();
    assert!(!pushed.stderr.contains("WARNING"), "{pushed}");
    // A host's own authority comes to the machine's, and does not take its place.
    sandbox.file(&certs, std::fs::read(file("other.crt")).unwrap());
    sandbox.coracle(["push", &name]).run().fails();
    let machine = sandbox.coracle(["push", &name]);
    let machine = machine.env("SSL_CERT_FILE", file("ca.crt"));
    machine.run().succeeds();
    sandbox.stagehand("rm", [&certs]).run().succeeds();
    let toml = format!(
        "[registry.\"{}\"]\nca = {:?}\n",
        registry.name,
        file("ca.crt")
    );
    sandbox.file("home/.config/coracle/registries.toml", toml);
    sandbox
        .coracle(["--root", "fresh", "pull", &name])
        .run()
        .succeeds();
    let words = [
        "inspect",
        "--cert-dir",
        "authorities",
        "--format",
        "{{.Digest}}",
    ];
    let witness = sandbox
        .stagehand("skopeo", words)
        .args([&format!("docker://{name}")])
        .run();
    let digest = witness.succeeds().line().to_owned();
    let inspect = ["manifest", "inspect", "--raw", &name];
    let bytes = sandbox.coracle(inspect).run().succeeds().stdout;
    assert_eq!(
        coracle::digest::Digest::of(bytes.as_bytes()).to_string(),
        digest
    );
}

#[test]
fn an_image_that_is_not_here_is_pulled_when_it_is_needed() {
    let Some((sandbox, registry)) = with_app() else {
        return;
    };
    let name = registry.image("app:1");
    tag(&sandbox, "app:1", &name);
    sandbox.coracle(["push", "-q", &name]).run().succeeds();
    let fresh = |words: &[&str]| sandbox.coracle(["--root", "fresh"]).args(words).run();
    let never = fresh(&["create", "--pull", "never", &name, "/one"]).fails();
    never.complains(&["there is no image"]);
    let made = fresh(&["create", &name, "/one"]).succeeds();
    let made = made.complains(&["Unable to find image", "Pull complete"]);
    assert_eq!(made.line().len(), 64);
    let quiet = fresh(&["create", &name, "/one"]).succeeds();
    assert!(!quiet.stderr.contains("Pull"), "{quiet}");
    let always = fresh(&["create", "--pull", "always", &name, "/one"]).succeeds();
    always.complains(&["Already exists"]);

    sandbox.file(
        "next/Dockerfile",
        format!("FROM {name}\nCOPY Dockerfile /\n"),
    );
    let next = registry.image("next:1");
    let build = ["--root", "other", "build", "--push", "-t", &next, "next"];
    let built = sandbox.coracle(build).run().succeeds();
    built.complains(&["Unable to find image", "1: digest: sha256:"]);
    skopeo_digest(&sandbox, &next);
    // With --pull, a newer base is fetched although one is here.
    build_newer(&sandbox, &name);
    let build = ["--root", "other", "build", "--pull", "-t", "again", "next"];
    sandbox
        .coracle(build)
        .run()
        .succeeds()
        .complains(&["Pull complete"]);

    // Without a network it is said at once, and clearly.
    let begin = Instant::now();
    let wrong = fresh(&["run", "--rm", "nosuch", "true"]).exits(125);
    wrong.complains(&[
        "there is no image nosuch",
        "cannot be pulled either",
        "CORACLE_OFFLINE",
    ]);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

fn build_newer(sandbox: &Sandbox, name: &str) {
    build(sandbox, name, "COPY three /\n");
    sandbox.coracle(["push", "-q", name]).run().succeeds();
}

#[test]
fn a_pull_that_is_interrupted_leaves_the_store_whole_and_goes_on() {
    let Some((sandbox, registry)) = with_app() else {
        return;
    };
    sandbox.file("app/large", noise(12_000_000));
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY one /\nCOPY large /\n");
    sandbox
        .coracle(["build", "-q", "-t", "large", "app"])
        .run()
        .succeeds();
    let way = SlowWay::to(registry.port, 3_000_000);
    tag(&sandbox, "large", &registry.image("large:1"));
    sandbox
        .coracle(["push", "-q", &registry.image("large:1")])
        .run()
        .succeeds();
    let name = format!("127.0.0.1:{}/large:1", way.port);
    let mut pull = sandbox.coracle(["--root", "fresh", "pull", &name]).start();
    // The config, the manifest and the small layer are there; the large one is on its way.
    let blobs = sandbox.path().join("fresh/store/blobs/sha256");
    let begin = Instant::now();
    let arrived = || std::fs::read_dir(&blobs).map_or(0, Iterator::count);
    while arrived() < 3 {
        assert!(pull.runs() && begin.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(pull.runs(), "it was too quick");
    pull.signal(Signal::INT);
    assert_eq!(pull.wait().signal, Some(2));
    let images = sandbox
        .coracle(["--root", "fresh", "images", "-q"])
        .run()
        .succeeds();
    assert_eq!(images.line(), "", "half-tagged");
    sandbox
        .coracle(["--root", "fresh", "fsck"])
        .run()
        .succeeds();
    let partial = sandbox.path().join("fresh/store/partial");
    let beginning = || {
        let entries = std::fs::read_dir(&partial).unwrap();
        let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(paths.len(), 1, "{paths:?}");
        paths[0].clone()
    };
    let there = std::fs::metadata(beginning()).unwrap().len();
    assert!((1..12_000_000).contains(&there), "{there} bytes are there");

    // A beginning that was damaged meanwhile is noticed, and costs a second fetching.
    let damaged = sandbox.path().join("damaged");
    sandbox
        .stagehand("cp", ["-a", "fresh", "damaged"])
        .run()
        .succeeds();
    let name_of_it = beginning();
    let copy = damaged
        .join("store/partial")
        .join(name_of_it.file_name().unwrap());
    let file = File::options().write(true).open(copy).unwrap();
    file.write_all_at(b"X", there / 2).unwrap();
    let straight = registry.image("large:1");
    let mended = sandbox.coracle(["--root", "damaged", "pull", &straight]);
    let mended = mended.run().succeeds();
    mended.complains(&["fetched anew, as its beginning was damaged"]);

    let again = ["--root", "fresh", "pull", "--explain", &straight];
    let again = sandbox.coracle(again).run().succeeds();
    again.complains(&[": Already exists", "it broke off before, so only the rest"]);
    let answer = sandbox.coracle(["--root", "fresh", "images", "-q", "--no-trunc"]);
    assert_ne!(answer.run().succeeds().line(), "");
    assert_eq!(std::fs::read_dir(&partial).unwrap().count(), 0);
    for (root, name) in [("fresh", &straight), ("damaged", &straight)] {
        let check = ["--root", root, "image", "check", name];
        sandbox.coracle(check).run().succeeds();
        sandbox.coracle(["--root", root, "fsck"]).run().succeeds();
    }
}

#[test]
fn every_exchange_is_told_with_its_reason() {
    let Some((sandbox, registry)) = with_app() else {
        return;
    };
    let name = registry.image("app:1");
    tag(&sandbox, "app:1", &name);
    let pushed = sandbox
        .coracle(["push", "--explain", &name])
        .run()
        .succeeds();
    pushed.complains(&[
        "* HEAD",
        "404 Not Found",
        "* POST",
        "202 Accepted",
        "* PUT",
        "(05-registry)",
    ]);
    let pulled = sandbox
        .coracle(["--root", "fresh", "pull", "--explain=json", &name])
        .run();
    let pulled = pulled.succeeds();
    let lines = pulled.stderr.lines().filter(|line| line.starts_with('{'));
    let calls: Vec<String> = lines
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| {
            assert_eq!(event["chapter"], "05-registry");
            assert!(!event["why"].as_str().unwrap().is_empty());
            event["call"].as_str().unwrap().to_owned()
        })
        .collect();
    // A HEAD and a GET of the manifest, the config, two layers.
    assert_eq!(calls.len(), 5, "{calls:#?}");
    assert!(calls[0].starts_with("HEAD http://") && calls[0].ends_with("/manifests/1 → 200 OK"));
}

/// The real Docker Hub, for whoever has a network and says so.
#[test]
fn docker_hub_itself() {
    if std::env::var_os("CORACLE_TEST_HUB").is_none_or(|value| value != "1") {
        return skip("Docker Hub is asked only with CORACLE_TEST_HUB=1");
    }
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let pull = ["pull", "--explain", "busybox:1.36"];
    let pulled = sandbox
        .coracle(pull)
        .env("CORACLE_OFFLINE", "0")
        .run()
        .succeeds();
    pulled.complains(&[
        "https://auth.docker.io/token?",
        "https://registry-1.docker.io/v2/library/busybox/",
    ]);
    sandbox
        .coracle(["image", "check", "busybox:1.36"])
        .run()
        .succeeds();
}
