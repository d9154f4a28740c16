//! The playground and `coracle build --simulate` make the same image of the same project.

#![allow(clippy::unwrap_used)] // a test may fail

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use coracle::tree::{Kind, Tree};
use coracle_playground::look::{Look, Seen, look};
use coracle_playground::session::Session;

/// Writes the project's files into a directory.
fn write(project: &Tree, place: &Path) {
    for (path, node) in project.iter().filter(|(path, _)| !path.is_root()) {
        let on_host = place.join(&*path.to_text());
        match &node.kind {
            Kind::Directory => fs::create_dir_all(&on_host).unwrap(),
            Kind::File(content) => fs::write(&on_host, content.read().unwrap()).unwrap(),
            other => panic!("{path}: {other:?}"),
        }
        let mode = fs::Permissions::from_mode(node.meta.mode);
        fs::set_permissions(&on_host, mode).unwrap();
    }
}

/// The config and manifest that the playground makes of the Dockerfile, as bytes' digests.
fn digests(session: &mut Session) -> Vec<String> {
    let document = |name: &str| Look::Json {
        of: "build".to_owned(),
        document: name.to_owned(),
    };
    ["config", "manifest"]
        .map(|name| match look(session, &document(name)) {
            Seen::Json { digest, .. } => digest,
            other => panic!("{other:?}"),
        })
        .to_vec()
}

#[test]
fn the_browser_and_the_command_make_one_image() {
    let check = |log: &str| {
        let mut session = Session::default();
        session.open(log);
        let place = tempfile::tempdir().unwrap();
        let project = place.path().join("project");
        fs::create_dir(&project).unwrap();
        write(&session.state().project, &project);
        let metadata = place.path().join("metadata");
        let output = Command::new(env!("CARGO_BIN_EXE_coracle"))
            .args(["build", "--simulate", "-t", "t:1", "--metadata-file"])
            .arg(&metadata)
            .arg(&project)
            .env("CORACLE_OFFLINE", "1")
            .env("CORACLE_ROOT", place.path().join("root"))
            .env_remove("SOURCE_DATE_EPOCH")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}: {said}");
        let text = fs::read_to_string(&metadata).unwrap();
        let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
        let digest = |name: &str| metadata[name].as_str().unwrap().to_owned();
        let made = vec![
            digest("containerimage.config.digest"),
            digest("containerimage.digest"),
        ];
        assert_eq!(made, digests(&mut session), "{log}");
    };
    check(include_str!("../../playground/src/first.sh"));
    check(
        "mkdir -p src/deep\necho one > src/a\necho two > src/deep/b\nchmod 755 src/a\n\
         echo '**/b' > .dockerignore\n\
         cat > Dockerfile <<'END'\nFROM scratch\nCOPY src /app/\nCOPY --chmod=600 src/a /b\nLABEL a=b\nEND\n",
    );
    check(
        "echo flask > requirements.txt\ncat > Dockerfile <<'END'\n\
         FROM python:3.12-slim AS build\nWORKDIR /app\nCOPY requirements.txt .\n\
         RUN pip install --no-cache-dir -r requirements.txt && useradd -m app\n\
         FROM build\nUSER app\nRUN echo \"$HOME\" > ~/home\nENV A=1\nCMD [\"python3\"]\nEND\n",
    );
}
