//! `build`, `run` and `prune`, as far as the command line is concerned: files, names, events,
//! exit codes. What happens inside containers is tested end to end in `tests/`.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may fail, and says what it skips

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A state directory with an image `base`, and a directory `app` to build in. `None` where
/// containers cannot run; the reason is printed.
fn sandbox() -> Option<TempDir> {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("app")).unwrap();
    let doctor = coracle(directory.path(), &["doctor"]);
    if !doctor.status.success() {
        let said = String::from_utf8_lossy(&doctor.stdout);
        println!("skipped: containers cannot run here\n{said}");
        return None;
    }
    stdout(directory.path(), &["base"]);
    Some(directory)
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coracle"));
    command
        .args(arguments)
        .current_dir(directory)
        .env("COLUMNS", "80")
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", directory.join("state"))
        .env_remove("SOURCE_DATE_EPOCH")
        .stdin(Stdio::null());
    command
}

fn coracle(directory: &Path, arguments: &[&str]) -> Output {
    command(directory, arguments).output().unwrap()
}

fn stdout(directory: &Path, arguments: &[&str]) -> String {
    let output = coracle(directory, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that must fail says, and its exit code.
fn failure(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = coracle(directory, arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn dockerfile(directory: &Path, text: &str) {
    fs::write(directory.join("app/Dockerfile"), text).unwrap();
}

#[test]
fn a_build_leaves_its_id_its_metadata_and_its_labels() {
    let Some(sandbox) = sandbox() else { return };
    let at = sandbox.path();
    dockerfile(
        at,
        "FROM base\nARG V\nRUN echo $V > /v\nCMD [\"cat\", \"/v\"]\n",
    );
    let built = stdout(
        at,
        &[
            "build",
            "-q",
            "-t",
            "app:1",
            "--build-arg",
            "V=7",
            "--label",
            "of=test",
            "--iidfile",
            "id",
            "--metadata-file",
            "meta.json",
            "app",
        ],
    );
    let id = fs::read_to_string(at.join("id")).unwrap();
    assert_eq!(built.trim(), id);
    let meta: Value = serde_json::from_slice(&fs::read(at.join("meta.json")).unwrap()).unwrap();
    assert_eq!(meta["containerimage.config.digest"], id.as_str());
    assert_eq!(meta["image.name"], "docker.io/library/app:1");
    assert_eq!(meta["steps"][0]["instruction"], "RUN echo $V > /v");
    assert_eq!(meta["steps"][0]["cached"], false);
    let label = stdout(at, &["inspect", "-f", "{{.Config.Labels.of}}", "app:1"]);
    assert_eq!(label, "test\n");
    assert_eq!(stdout(at, &["run", "--rm", "app:1"]), "7\n");
    // The same again: nothing runs, and the reason of a miss is said when something changes.
    let again = coracle(
        at,
        &["build", "--progress=plain", "--build-arg", "V=7", "app"],
    );
    assert!(String::from_utf8_lossy(&again.stderr).contains("CACHED"));
    let other = [
        "build",
        "--progress=plain",
        "--explain-cache",
        "--build-arg",
        "V=8",
        "app",
    ];
    let other = String::from_utf8(coracle(at, &other).stderr).unwrap();
    assert!(
        other.contains("not cached: $V was \"7\" and is \"8\""),
        "{other}"
    );
}

#[test]
fn events_are_json_and_the_plan_is_text() {
    let Some(sandbox) = sandbox() else { return };
    let at = sandbox.path();
    fs::write(at.join("app/file"), "x").unwrap();
    dockerfile(
        at,
        "FROM base AS one\nRUN true\nFROM scratch\nWORKDIR /w\nCOPY --from=one /etc/passwd ./\nCOPY file ./\nENV A=1\n",
    );
    let plan = stdout(at, &["build", "--dry-run", "app"]);
    let plan = plan.lines().map(|line| line.split(" (").next().unwrap());
    insta::assert_snapshot!(plan.collect::<Vec<_>>().join("\n"));
    let output = coracle(at, &["build", "--progress", "rawjson", "app"]);
    let error = String::from_utf8(output.stderr).unwrap();
    let events: Vec<Value> = error
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let kinds: Vec<_> = events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    for kind in ["step-started", "step-missed", "step-finished", "layer"] {
        assert!(kinds.contains(&kind), "{kind}: {error}");
    }
    assert_eq!(
        stdout(at, &["images", "-q", "-f", "dangling=true"])
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_failed_step_shows_its_lines_its_output_and_its_exit_code() {
    let Some(sandbox) = sandbox() else { return };
    let at = sandbox.path();
    dockerfile(
        at,
        "FROM base\nENV A=1\nRUN echo before; \\\n    exit 9\nCMD [\"true\"]\n",
    );
    let (code, error) = failure(at, &["build", "--progress=quiet", "app"]);
    assert_eq!(code, 9);
    let warnings = |line: &&str| !line.starts_with("WARNING: ") && !line.starts_with("  for more");
    let error: Vec<_> = error
        .lines()
        .skip_while(|line| !line.starts_with("coracle: "))
        .filter(warnings)
        .collect();
    let error = error
        .join("\n")
        .replace(&at.display().to_string(), "[SANDBOX]");
    insta::assert_snapshot!(error);
    dockerfile(at, "FROM base\nRUN seq 100; false\n");
    let (code, error) = failure(at, &["build", "--progress=quiet", "app"]);
    assert_eq!(code, 1);
    let log = at.join("state/build.log");
    assert!(
        !error.contains("\n50\n") && error.contains("\n100\n"),
        "{error}"
    );
    assert!(
        error.contains(&format!("The whole output is in {}", log.display())),
        "{error}"
    );
    assert!(fs::read_to_string(log).unwrap().contains(" 50\n"));
}

#[test]
fn what_cannot_be_built_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir(at.join("app")).unwrap();
    let check = |arguments: &[&str], part: &str| {
        let mut all = vec!["build", "--dry-run"];
        all.extend(arguments);
        let (code, error) = failure(at, &all);
        assert_eq!(code, 1, "{error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
    };
    check(&["app"], "there is no Dockerfile at app/Dockerfile");
    check(&["nowhere"], "the build context nowhere: No such file");
    check(
        &["https://example.org/x.git"],
        "Docker builds from git repositories, Coracle does not (yet)",
    );
    dockerfile(at, "FROM scratch AS one\nLABEL a=b\n");
    check(
        &["app/Dockerfile"],
        "the build context app/Dockerfile is not a directory",
    );
    check(
        &["--target", "oen", "app"],
        "Its stages are: one. Did you mean one?",
    );
    check(
        &["--platform", "linux", "app"],
        "it looks like os/architecture",
    );
    check(&["-t", "Upper", "app"], "repository names are lower-case");
    check(&["--build-arg", "=x", "app"], "a name is needed");
    dockerfile(at, "FROM nothing-here\n");
    check(
        &["app"],
        "there is no image nothing-here; there are no images here at all",
    );
}

#[test]
fn a_container_has_a_name_an_id_and_directories() {
    let Some(sandbox) = sandbox() else { return };
    let at = sandbox.path();
    let running = Running::start(
        at,
        &[
            "run",
            "--rm",
            "--name",
            "first",
            "--cidfile",
            "cid",
            "base",
            "sleep",
            "60",
        ],
    );
    let id = Running::wait_for(&at.join("cid"));
    assert_eq!(id.len(), 64);
    // What it stands on says so.
    let usage = stdout(at, &["system", "df", "-v", "--format", "json"]);
    let usage: Value = serde_json::from_str(&usage).unwrap();
    let snapshots = usage["Snapshots"].as_array().unwrap();
    assert!(!snapshots.is_empty());
    for snapshot in snapshots {
        assert_eq!(snapshot["Containers"], serde_json::json!([id]));
    }
    let table = stdout(at, &["system", "df", "-v"]);
    let below = table.split("Snapshots space usage:").nth(1).unwrap();
    assert!(below.contains(&id[..12]), "{table}");
    let (code, error) = failure(at, &["run", "--name", "first", "base", "true"]);
    assert_eq!(code, 125);
    assert!(
        error.contains(&format!(
            "the name first is in use by the container {}",
            &id[..12]
        )),
        "{error}"
    );
    let (code, error) = failure(at, &["run", "--cidfile", "cid", "base", "true"]);
    assert_eq!(code, 125);
    assert!(
        error.contains("--cidfile cid: it is there already"),
        "{error}"
    );
    let (code, error) = failure(at, &["rmi", "base"]);
    assert_eq!(code, 1);
    assert!(error.contains("is used by the container"), "{error}");
    drop(running);
    stdout(
        at,
        &[
            "run",
            "--rm",
            "--name",
            "first",
            "-v",
            "./made:/made",
            "base",
            "touch",
            "/made/by",
        ],
    );
    assert!(at.join("made/by").exists());
    assert_eq!(
        fs::read_dir(at.join("state/containers")).unwrap().count(),
        0
    );
}

/// The fields that programs rely on: what changes from run to run is made the same.
#[test]
fn what_is_told_about_a_container_keeps_its_fields() {
    let Some(sandbox) = sandbox() else { return };
    let at = sandbox.path();
    let create = [
        "create",
        "--name",
        "job",
        "-l",
        "a=b",
        "-v",
        "./d:/d:ro",
        "base",
        "sh",
        "-c",
        "x",
    ];
    let id = stdout(at, &create);
    let clean = |text: String| {
        let image = stdout(at, &["image", "inspect", "--format", "{{.Id}}", "base"]);
        let text = text.replace(id.trim(), "ID").replace(&id[..12], "SHORT-ID");
        let text = text.replace(image.trim(), "IMAGE");
        let mut value: Value = serde_json::from_str(&text).unwrap();
        steady(&mut value, &at.display().to_string());
        value
    };
    let ps = clean(stdout(at, &["ps", "-a", "--format", "json"]));
    insta::assert_json_snapshot!("ps", ps);
    let inspect = clean(stdout(at, &["inspect", "--format", "json", "job"]));
    insta::assert_json_snapshot!("container-inspect", inspect);
    let text = [
        "container",
        "inspect",
        "--format",
        "{{.Name}} {{.State.Status}}",
        "job",
    ];
    assert_eq!(stdout(at, &text), "/job created\n");
    let commit = ["commit", "--format", "json", "job", "app:1"];
    let fields: Value = serde_json::from_str(&stdout(at, &commit)).unwrap();
    let fields: Vec<_> = fields.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["DiffID", "Id", "Size", "Tags"]);
    let (code, error) = failure(at, &["inspect", "--type", "container", "base"]);
    assert_eq!(code, 1);
    assert!(error.contains("there is no container base"), "{error}");
}

/// Puts words in the place of times and directories.
fn steady(value: &mut Value, directory: &str) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|v| steady(v, directory)),
        Value::Array(values) => values.iter_mut().for_each(|v| steady(v, directory)),
        Value::String(text) if text.starts_with("20") && text.ends_with('Z') => {
            "TIME".clone_into(text);
        }
        Value::String(text) if text.ends_with(" ago") => "AGO".clone_into(text),
        Value::String(text) => {
            *text = text.replace(directory, "DIRECTORY");
            // The snapshots' directory says whether overlayfs notes are the user's or root's.
            if let Some(start) = text.find("/snapshots/") {
                text.replace_range(start.., "/snapshots/…");
            }
        }
        _ => {}
    }
}

#[test]
fn explanations_are_json_on_standard_error() {
    let Some(sandbox) = sandbox() else { return };
    let output = coracle(
        sandbox.path(),
        &["run", "--explain=json", "base", "echo", "result"],
    );
    assert_eq!(output.stdout, b"result\n");
    let error = String::from_utf8(output.stderr).unwrap();
    let calls: Vec<Value> = error
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |name: &str| {
        calls
            .iter()
            .filter(|c| c["call"].as_str().unwrap().starts_with(name))
            .count()
    };
    assert!(of("pivot_root") == 1 && of("mount") > 5, "{error}");
    assert!(
        calls
            .iter()
            .all(|call| call["event"] == "explain" && call["chapter"].is_string())
    );
}

#[test]
fn pruning_removes_what_nothing_needs() {
    let Some(sandbox) = sandbox() else { return };
    let at = sandbox.path();
    dockerfile(at, "FROM base\nRUN echo 1 > /x\n");
    stdout(at, &["build", "-q", "-t", "app", "app"]);
    dockerfile(at, "FROM base\nRUN echo 2 > /x\n");
    stdout(at, &["build", "-q", "-t", "app", "app"]);
    let (code, error) = failure(at, &["image", "prune"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("there is no terminal to ask you at"),
        "{error}"
    );
    let said = stdout(at, &["image", "prune", "--force"]);
    assert!(said.starts_with("Deleted: sha256:"), "{said}");
    assert_eq!(stdout(at, &["images", "-q"]).lines().count(), 2);
    stdout(at, &["image", "prune", "--all", "--force"]);
    stdout(at, &["builder", "prune", "--force"]);
    assert_eq!(
        fs::read_dir(at.join("state/store/blobs/sha256"))
            .unwrap()
            .count(),
        0
    );
}

/// A command in the background, which is ended and waited for.
struct Running(Child);

impl Running {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = command(directory, arguments);
        Self(command.stderr(Stdio::null()).spawn().unwrap())
    }

    /// The content of a file that the command writes, once it is there, and the container runs.
    fn wait_for(path: &Path) -> String {
        let started = Instant::now();
        loop {
            let text = fs::read_to_string(path).unwrap_or_default();
            let container = path.with_file_name("state").join("containers").join(&text);
            if !text.is_empty() && container.join("container.json").exists() {
                return text;
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{} did not appear",
                path.display()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        // `sleep` is PID 1 there and has no handler, so only SIGKILL ends it; our end ends it.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
