//! Builds from text to image, on a store in memory with an executor that only writes a note.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::cache::MemoryCache;
use super::context::Context;
use super::copy::{self, CopySpec};
use super::executor::{Executor, ExecutorError, Ran, RunNetwork, RunStep};
use super::plan::{Plan, PlanError, PlanOptions, plan};
use super::{BuildError, BuildOptions, Built, Host, build};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::parse;
use crate::event::Event;
use crate::image::{Draft, Image, StoredLayer, flatten, store_layer};
use crate::layer::{Bounds, diff};
use crate::path::RootedPath;
use crate::spec::{ImageConfig, Platform};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::tree::{Kind, Node, Timestamp, Tree};

/// Writes down what it was asked for, as a file of the layer.
#[derive(Default)]
struct Notes {
    steps: Mutex<Vec<RunStep>>,
}

impl Executor for Notes {
    fn run(
        &self,
        store: &Arc<dyn Store>,
        _base: &[StoredLayer],
        step: &RunStep,
        on: &mut dyn FnMut(Event),
    ) -> Result<Ran, ExecutorError> {
        let command = step.args.join(" ");
        if command.contains("exit 3") {
            return Err(ExecutorError::Failed { command, code: 3 });
        }
        on(Event::StepOutput {
            step: step.number,
            stream: 1,
            text: "hello\n".into(),
        });
        self.steps.lock().unwrap().push(step.clone());
        let tree = tree(&[(&format!("ran/{}", step.number), &command)]);
        Ok(Ran {
            layer: store_layer(store.as_ref(), &diff(&Tree::new(), &tree))?,
            finished: Some("2026-01-02T03:04:05Z".into()),
        })
    }
}

/// A place to build in, kept from build to build.
struct Yard {
    store: Arc<dyn Store>,
    cache: MemoryCache,
    notes: Notes,
    context: Context,
    args: BTreeMap<String, String>,
    target: Option<String>,
    labels: BTreeMap<String, String>,
    secrets: BTreeMap<String, Vec<u8>>,
    agents: BTreeMap<String, String>,
    base: Image,
    insecure: bool,
}

fn path(text: &str) -> RootedPath {
    RootedPath::parse(text).unwrap()
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (name, content) in files {
        let node = Node::file(0o644, content.as_bytes().to_vec());
        tree.insert(path(name), Arc::new(node));
    }
    tree
}

fn yard(files: &[(&str, &str)]) -> Yard {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
    config.config.env = vec!["PATH=/bin".into(), "LANG=C".into()];
    config.config.cmd = vec!["python3".into()];
    config.created = Some("2020-01-01T00:00:00Z".into());
    let mut draft = Draft {
        config,
        layers: vec![],
    };
    let base = tree(&[
        ("bin/sh", "sh"),
        (
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home:/\n",
        ),
    ]);
    let layer = store_layer(store.as_ref(), &diff(&Tree::new(), &base)).unwrap();
    draft.push(layer, crate::spec::History::default());
    let base = draft.commit(store.as_ref()).unwrap();
    Yard {
        store,
        cache: MemoryCache::default(),
        notes: Notes::default(),
        context: Context {
            name: "the yard".into(),
            tree: tree(files),
            ignore_file: ".dockerignore".into(),
            ..Context::default()
        },
        args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        secrets: BTreeMap::new(),
        agents: BTreeMap::new(),
        base,
        insecure: false,
    }
}

impl Yard {
    fn plan(&self, dockerfile: &str) -> Result<Plan, PlanError> {
        let options = PlanOptions {
            args: self.args.clone(),
            target: self.target.clone(),
            platform: Platform::linux("amd64"),
            build_platform: Platform::linux("amd64"),
            labels: self.labels.clone(),
            network: RunNetwork::None,
            insecure: self.insecure,
            time: Timestamp::default(),
        };
        let parsed = parse(dockerfile);
        let base = &self.base;
        plan(
            &parsed.dockerfile,
            parsed.diagnostics,
            &options,
            &self.context,
            &mut |reference, _| match reference.familiar().as_str() {
                "base" | "python:3.12" => Ok(base.clone()),
                other => Err(format!("no image {other}")),
            },
        )
    }

    fn build_with(
        &self,
        dockerfile: &str,
        options: &BuildOptions,
        on: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Built, BuildError> {
        let plan = self.plan(dockerfile).unwrap();
        let host = Host {
            store: Arc::clone(&self.store),
            cache: &self.cache,
            executor: &self.notes,
            context: &self.context,
            secrets: &self.secrets,
            agents: &self.agents,
            fetch: Some(&|url, out| match url {
                "https://example.org/tool" => out.write_all(b"tool").map_err(|e| e.to_string()),
                other => Err(format!("fetch {other}: nobody is there")),
            }),
        };
        build(&plan, &host, options, on)
    }

    fn build(&self, dockerfile: &str) -> Built {
        self.build_with(dockerfile, &BuildOptions::default(), &mut |_| {})
            .unwrap()
    }

    fn file(&self, image: &Image, name: &str) -> String {
        let tree = flatten(&self.store, &image.layers(), Bounds::default()).unwrap();
        let node = tree.get(&path(name)).unwrap_or_else(|| panic!("{tree:?}"));
        let Kind::File(content) = &node.kind else {
            panic!("{name} is {node:?}");
        };
        String::from_utf8(content.read().unwrap()).unwrap()
    }

    fn errors(&self, dockerfile: &str) -> Vec<String> {
        match self.plan(dockerfile) {
            Err(PlanError::Source(found)) => found
                .iter()
                .map(|d: &Diagnostic| format!("{}: {}", &dockerfile[d.span.range()], d.message))
                .collect(),
            Err(PlanError::Target { target, stages }) => {
                vec![format!("no stage {target}, only {stages:?}")]
            }
            Ok(_) => panic!("{dockerfile} has a plan"),
        }
    }
}

const NOTES: &str = r#"FROM python:3.12
WORKDIR /usr/local/app

# Install the application dependencies
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt

# Copy in the source code
COPY src ./src
EXPOSE 5000

# Setup an app user so the container doesn't run as the root user
RUN useradd app
USER app

CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8080"]
"#;

#[test]
fn the_notes_dockerfile_becomes_an_image() {
    let yard = yard(&[
        ("requirements.txt", "uvicorn\n"),
        ("src/app/main.py", "app\n"),
    ]);
    let built = yard.build(NOTES);
    let config = &built.image.config.value;
    assert_eq!(config.config.user, "app");
    assert_eq!(config.config.working_dir, "/usr/local/app");
    assert_eq!(config.config.cmd[0], "uvicorn");
    assert!(config.config.exposed_ports.contains_key("5000/tcp"));
    assert_eq!(config.created.as_deref(), Some("2026-01-02T03:04:05Z"));
    let app = "usr/local/app/src/app/main.py";
    assert_eq!(yard.file(&built.image, app), "app\n");
    assert_eq!(
        yard.file(&built.image, "usr/local/app/requirements.txt"),
        "uvicorn\n"
    );
    let steps = yard.notes.steps.lock().unwrap();
    assert_eq!(
        steps[0].args,
        [
            "/bin/sh",
            "-c",
            "pip install --no-cache-dir -r requirements.txt"
        ]
    );
    assert_eq!(steps[0].working_dir, "/usr/local/app");
    assert_eq!(built.image.layers().len(), 1 + 5);
    let made = config.history.iter().filter(|h| !h.empty_layer).count();
    assert_eq!(made, 6);
}

#[test]
fn building_again_hits_and_a_change_misses_with_its_reason() {
    let files = [("requirements.txt", "uvicorn\n"), ("src/app.py", "1\n")];
    let mut yard = yard(&files);
    let first = yard.build(NOTES);
    assert!(first.steps.iter().all(|s| !s.cached));
    let second = yard.build(NOTES);
    assert!(second.steps.iter().all(|s| s.cached));
    assert_eq!(second.image, first.image);

    let check = |yard: &Yard, expected: &[(&str, &str)]| {
        let built = yard.build(NOTES);
        let missed = built.steps.iter().filter(|s| !s.cached);
        let said: Vec<_> = missed
            .map(|s| (s.instruction.as_str(), s.why[0].to_string()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(i, w)| (*i, (*w).to_owned()))
            .collect();
        assert_eq!(said, expected);
    };
    yard.context
        .tree
        .insert(path("src/app.py"), Arc::new(Node::file(0o644, *b"2\n")));
    check(
        &yard,
        &[
            (
                "COPY src ./src",
                "files it reads are others (changed: src/app.py)",
            ),
            (
                "RUN useradd app",
                "a step before it made another file system",
            ),
        ],
    );
    // Nobody copies this file, so nothing is built again.
    yard.context
        .tree
        .insert(path("README"), Arc::new(Node::file(0o644, *b"x")));
    check(&yard, &[]);
    // A layer that was collected is made again.
    let lost = yard.build(NOTES).steps[1].layer.clone();
    yard.store.delete(&lost).unwrap();
    check(
        &yard,
        &[(
            "COPY requirements.txt ./",
            "nothing changed, but its layer is no longer in the store",
        )],
    );
}

#[test]
fn builds_without_run_are_the_same_everywhere() {
    let dockerfile = "FROM scratch\nCOPY . /\nENV A=1\nLABEL b=2\n";
    let files = [("a", "1"), ("d/b", "2")];
    let ids = [(); 2].map(|()| yard(&files).build(dockerfile).image.id().clone());
    assert_eq!(ids[0], ids[1]);
    insta::assert_snapshot!(ids[0].to_string(), @"sha256:6877b0db18f5c37f8b65405a1bf6f9c082f2f68e129ae88c7a4ad44df2e84ef4");
}

#[test]
fn stages_that_the_target_does_not_need_are_not_built() {
    let dockerfile = "\
FROM base AS tools\nRUN make\n\
FROM base AS unused\nRUN never\n\
FROM scratch AS out\nCOPY --from=tools /ran/2 /tool\n\
FROM out\nCOPY a /\n";
    let mut yard = yard(&[("a", "1")]);
    let built = yard.build(dockerfile);
    assert_eq!(yard.file(&built.image, "tool"), "/bin/sh -c make");
    assert_eq!(yard.file(&built.image, "a"), "1");
    let ran: Vec<_> = yard
        .notes
        .steps
        .lock()
        .unwrap()
        .iter()
        .map(|s| s.args[2].clone())
        .collect();
    assert_eq!(ran, ["make"]);
    yard.target = Some("UNUSED".into());
    let built = yard.build(dockerfile);
    assert_eq!(built.steps.len(), 1);
    yard.target = Some("0".into());
    assert_eq!(yard.plan(dockerfile).unwrap().stages[0].name, "tools");
}

#[test]
fn variables_have_their_scopes() {
    let dockerfile = "\
ARG TAG=nowhere\nARG V=outer\n\
FROM ${TAG}\n\
ARG V\nARG W=w-$V\nENV E=\"$V $W\" F=$E\n\
ENV W=env\n\
COPY $V.txt /$W/\n\
RUN echo\n";
    let mut yard = yard(&[("outer.txt", "x")]);
    yard.args = [
        ("TAG".into(), "base".into()),
        ("X".into(), "undeclared".into()),
    ]
    .into();
    let built = yard.build(dockerfile);
    let env = &built.image.config.value.config.env;
    assert_eq!(
        env,
        &["PATH=/bin", "LANG=C", "E=outer w-outer", "F=", "W=env"]
    );
    assert_eq!(yard.file(&built.image, "env/outer.txt"), "x");
    let step = &yard.notes.steps.lock().unwrap()[0];
    assert_eq!(step.env[5..], ["V=outer".to_owned()]);
    let warnings = yard.plan(dockerfile).unwrap().warnings;
    let undefined = warnings.iter().find(|w| w.rule == "UndefinedVar").unwrap();
    assert!(
        undefined.message.contains("$E has no value"),
        "{undefined:?}"
    );
}

/// What BuildKit does where its documentation leaves it open: the stage that goes on from another
/// knows its arguments, and of ARG and ENV with one name the later counts.
#[test]
fn arguments_go_on_with_a_stage_and_the_later_of_two_names_counts() {
    let check = |dockerfile: &str, seen: &[&str], kept: &[&str]| {
        let yard = yard(&[]);
        let built = yard.build(&format!("FROM scratch AS a\n{dockerfile}\nRUN echo\n"));
        let step = &yard.notes.steps.lock().unwrap()[0];
        // The first variable is the search path, here and in the image.
        assert_eq!(step.env[1..], *seen, "{dockerfile}");
        assert_eq!(
            built.image.config.value.config.env[1..],
            *kept,
            "{dockerfile}"
        );
    };
    check("ARG X=1\nFROM a\nENV Y=$X", &["Y=1", "X=1"], &["Y=1"]);
    check(
        "ARG X=1\nFROM a\nARG X\nENV Y=$X",
        &["Y=1", "X=1"],
        &["Y=1"],
    );
    check(
        "ARG X=1\nENV X=2\nENV Y=$X",
        &["X=2", "Y=2"],
        &["X=2", "Y=2"],
    );
    check(
        "ENV X=2\nARG X=1\nENV Y=$X",
        &["X=1", "Y=1"],
        &["X=2", "Y=1"],
    );
    check("ENV X=2\nARG X\nENV Y=$X", &["X=2", "Y=2"], &["X=2", "Y=2"]);
    check("ENV X=2\nFROM a\nARG X=1", &["X=1"], &["X=2"]);
    check("ENV X=2\nARG X=1\nENV X=3", &["X=3"], &["X=3"]);
}

#[test]
fn instructions_become_the_config_that_docker_writes() {
    use serde_json::{Value, json};
    let check = |dockerfile: &str, field: &str, expected: Value| {
        let built = yard(&[]).build(&format!("FROM base\n{dockerfile}\n"));
        let config = serde_json::to_value(&built.image.config.value.config).unwrap();
        let seen = config.get(field).cloned().unwrap_or_default();
        assert_eq!(seen, expected, "{field} of\n{dockerfile}");
    };
    check("CMD a  b", "Cmd", json!(["/bin/sh", "-c", "a  b"]));
    check(
        "SHELL [\"s\", \"-e\"]\nCMD a",
        "Cmd",
        json!(["s", "-e", "a"]),
    );
    check("LABEL a=b", "Cmd", json!(["python3"]));
    // The base image's CMD was meant for the base image's ENTRYPOINT.
    check("ENTRYPOINT [\"a\"]", "Cmd", Value::Null);
    check("CMD [\"a\"]\nENTRYPOINT b", "Cmd", json!(["a"]));
    check("ENTRYPOINT b\nENTRYPOINT []", "Entrypoint", Value::Null);
    check(
        "EXPOSE 80 443/tcp 53/udp 8000-8002",
        "ExposedPorts",
        json!({"80/tcp": {}, "443/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {}}),
    );
    check(
        "ENV p=\"1 2\"\nEXPOSE $p",
        "ExposedPorts",
        json!({"1/tcp": {}, "2/tcp": {}}),
    );
    check(
        "VOLUME /a /b\nVOLUME [\"/c d\"]",
        "Volumes",
        json!({"/a": {}, "/b": {}, "/c d": {}}),
    );
    check(
        "WORKDIR a\nWORKDIR b/../c\nWORKDIR d//e/",
        "WorkingDir",
        json!("/a/c/d/e"),
    );
    check("USER a:b\nUSER c", "User", json!("c"));
    check("STOPSIGNAL SIGUSR1", "StopSignal", json!("SIGUSR1"));
    check(
        "ONBUILD RUN a\nONBUILD copy . /b",
        "OnBuild",
        json!(["RUN a", "copy . /b"]),
    );
    check(
        "HEALTHCHECK --interval=5s --start-period=1m30s --retries=3 CMD [\"a\"]",
        "Healthcheck",
        json!({"Test": ["CMD", "a"], "Interval": 5_000_000_000_u64, "StartPeriod": 90_000_000_000_u64, "Retries": 3}),
    );
    let shell = "SHELL [\"s\", \"-e\"]\nHEALTHCHECK CMD a b";
    check(shell, "Healthcheck", json!({"Test": ["CMD-SHELL", "a b"]}));
    check(shell, "Shell", json!(["s", "-e"]));
    check(
        "HEALTHCHECK CMD a\nHEALTHCHECK NONE",
        "Healthcheck",
        json!({"Test": ["NONE"]}),
    );
}

#[test]
fn labels_of_the_command_line_come_last() {
    let mut yard = yard(&[]);
    yard.labels = [("a".into(), "2".into())].into();
    let built = yard.build("FROM base\nLABEL a=1 b=1\n");
    let labels = &built.image.config.value.config.labels;
    let expected = [("a", "2"), ("b", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(labels, &expected.into());
}

#[test]
fn what_cannot_be_planned_is_said_all_at_once() {
    let check = |dockerfile: &str, expected: &[&str]| {
        assert_eq!(yard(&[]).errors(dockerfile), expected);
    };
    check("FROM nowhere\nRUN x\n", &["nowhere: no image nowhere"]);
    check(
        "FROM nowhere\nRUNN x\nCOPY a $B\nEXPOSE x\n",
        &[
            "nowhere: no image nowhere",
            "RUNN: there is no instruction `RUNN`",
            "a: \"a\" is not in the build context",
            "x: `x` is not a port: a port is a number",
        ],
    );
    check(
        "FROM base\nCOPY a b /c\nUSER $\nEXPOSE x$Y\n",
        &[
            "a: \"a\" is not in the build context",
            "b: \"b\" is not in the build context",
            "/c: several sources need a directory, and the destination does not end in `/`",
            "x$Y: $Y has no value here and becomes the empty text",
            "x$Y: `x` is not a port: a port is a number",
        ],
    );
    check(
        "FROM base AS a\nCOPY --from=b x /\nFROM base AS b\nFROM a\n",
        &["b: --from=b names a later stage"],
    );
}

#[test]
fn a_failing_step_keeps_what_was_made_before() {
    let yard = yard(&[("a", "1")]);
    let dockerfile = "FROM base\nCOPY a /\nRUN exit 3\n";
    let fail = || {
        let mut events = Vec::new();
        let error = yard
            .build_with(dockerfile, &BuildOptions::default(), &mut |e| {
                events.push(e);
            })
            .unwrap_err();
        (error, events)
    };
    let (error, _) = fail();
    let BuildError::Run { span, source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(&dockerfile[span.range()], "RUN exit 3");
    assert_eq!(
        source.to_string(),
        "process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3"
    );
    let (_, events) = fail();
    assert!(events.iter().any(|e| matches!(e, Event::StepCached { .. })));
    let first_time = "it has not been built here before";
    let said = |e: &Event| matches!(e, Event::StepMissed { why, .. } if why[0] == first_time);
    assert!(events.iter().any(said), "{events:?}");
}

#[test]
fn a_missing_source_says_where_it_was_looked_for() {
    let mut yard = yard(&[("requirements.txt", ""), ("src/a", "")]);
    yard.context.hidden.insert(path("secret"), 3);
    let check = |source: &str, message: &str, note: &str| {
        let dockerfile = format!("FROM base\nCOPY {source} /\n");
        let Err(PlanError::Source(found)) = yard.plan(&dockerfile) else {
            panic!("{source} was found");
        };
        let diagnostic = &found[0];
        assert_eq!(&dockerfile[diagnostic.span.range()], source);
        assert_eq!(diagnostic.message, message);
        assert!(
            diagnostic.notes.iter().any(|n| n.contains(note)),
            "{diagnostic:?}"
        );
    };
    check(
        "requirement.txt",
        "\"requirement.txt\" is not in the build context",
        "there is requirements.txt",
    );
    check(
        "secret/key",
        "\"secret/key\" is not in the build context",
        "line 3 of .dockerignore",
    );
    check(
        "../outside",
        "\"outside\" is not in the build context",
        "cannot leave it",
    );
}

#[test]
fn copying_follows_buildkits_rules() {
    let check = |instruction: &str, expected: &str| {
        let mut yard = yard(&[
            ("a", "1"),
            ("b", "2"),
            ("d/x", "3"),
            ("d/e/y", "4"),
            ("a space", "5"),
        ]);
        yard.context
            .tree
            .insert(path("link"), Arc::new(Node::symlink("d")));
        yard.context
            .tree
            .insert(path("d/l"), Arc::new(Node::symlink("x")));
        let dockerfile = format!("FROM base\nWORKDIR /w\n{instruction}\n");
        let built = yard.build(&dockerfile);
        let layers = built.image.layers();
        let top =
            crate::image::layer_files(&yard.store, &layers, layers.len() - 1, Bounds::default());
        let rows = top.unwrap().unwrap();
        let said: Vec<_> = rows
            .iter()
            .map(|r| format!("{} {} {}:{}", r.path, r.mode, r.uid, r.gid))
            .collect();
        assert_eq!(said.join(", "), expected, "{instruction}");
    };
    check("COPY a .", "/w/a 0644 0:0");
    check("COPY a b", "/w/b 0644 0:0");
    check("COPY a new/", "/w/new 0755 0:0, /w/new/a 0644 0:0");
    check("COPY a b /", "/a 0644 0:0, /b 0644 0:0");
    check(
        "COPY d .",
        "/w/e 0755 0:0, /w/e/y 0644 0:0, /w/l 0777 0:0, /w/x 0644 0:0",
    );
    check("COPY link/x .", "/w/x 0644 0:0");
    check(
        "COPY link t",
        "/w/t 0755 0:0, /w/t/e 0755 0:0, /w/t/e/y 0644 0:0, /w/t/l 0777 0:0, /w/t/x 0644 0:0",
    );
    check(
        "COPY --chown=app --chmod=0600 a n/",
        "/w/n 0755 1000:1001, /w/n/a 0600 1000:1001",
    );
    check(
        "COPY --chown=1000 a n/",
        "/w/n 0755 1000:1000, /w/n/a 0644 1000:1000",
    );
    check("COPY [ab] /", "/a 0644 0:0, /b 0644 0:0");
    check(
        "COPY [\"a space\", \"/to a/\"]",
        "/to a 0755 0:0, /to a/a space 0644 0:0",
    );
    check("ARG f=\"a space\"\nCOPY $f /b", "/b 0644 0:0");
    check(
        "USER app\nWORKDIR /x/y",
        "/x 0755 1000:1001, /x/y 0755 1000:1001",
    );
    check("USER 7\nWORKDIR y", "/w/y 0755 7:7");
    check("USER nobody-here\nWORKDIR y", "/w/y 0755 0:0");
    check("COPY *.none a /", "/a 0644 0:0");
}

#[test]
fn archives_keep_their_modes_and_take_the_owner_that_is_named() {
    let check = |chown: Option<&str>, chmod, expected: &str| {
        let spec = CopySpec {
            sources: vec!["a.tar".into()],
            heredocs: Vec::new(),
            destination: "/x".into(),
            chown: chown.map(str::to_owned),
            chmod,
            parents: false,
            link: false,
            exclude: Vec::new(),
            time: Timestamp::default(),
        };
        let mut archive = tree(&[("d/f", "1")]);
        archive.insert(path("d"), Arc::new(Node::directory(0o750)));
        let archive = diff(&Tree::new(), &archive);
        let layer = copy::unpack(&spec, &archive, &Tree::new()).unwrap();
        let said: Vec<_> = layer
            .adds
            .iter()
            .map(|(path, node)| {
                let meta = &node.meta;
                format!("{path} {:04o} {}:{}", meta.mode, meta.uid, meta.gid)
            })
            .collect();
        assert_eq!(said.join(", "), expected);
    };
    check(
        None,
        Some(super::mode::Chmod::Octal(0o600)),
        "/x 0755 0:0, /x/d 0750 0:0, /x/d/f 0644 0:0",
    );
    check(
        Some("7:8"),
        None,
        "/x 0755 7:8, /x/d 0750 7:8, /x/d/f 0644 7:8",
    );
}

/// Nothing of one may be taken for another because it came to stand where the other was.
#[test]
fn heredocs_of_one_copy_have_each_its_own_content() {
    let names = || (0..50).map(|n| format!("file-{n}"));
    let spec = CopySpec {
        sources: Vec::new(),
        heredocs: names().map(|name| (name.clone(), name)).collect(),
        destination: "/x/".into(),
        chown: None,
        chmod: None,
        parents: false,
        link: false,
        exclude: Vec::new(),
        time: Timestamp::default(),
    };
    let layer = copy::copy(&spec, &[], &Tree::new(), &Tree::new()).unwrap();
    let mut files = Tree::new();
    crate::layer::apply(&mut files, &layer).unwrap();
    for name in names() {
        let Kind::File(content) = &files.get(&path(&format!("x/{name}"))).unwrap().kind else {
            panic!("{name} is no file");
        };
        assert_eq!(content.read().unwrap(), name.as_bytes());
    }
}

#[test]
fn mounts_reach_the_step_and_only_bound_files_count() {
    let dockerfile = "\
FROM scratch AS files\nCOPY d /d\n\
FROM base\n\
RUN --mount=target=/src,source=d --mount=from=files,src=/d/x,target=x \\\n\
    --mount=type=cache,target=/c --mount=type=tmpfs,target=/t,size=1m \\\n\
    --mount=type=secret,id=key --mount=type=secret,id=token,env=TOKEN make\n";
    let mut yard = yard(&[("d/x", "1"), ("other", "2")]);
    yard.secrets = [
        ("key".into(), b"k".to_vec()),
        ("token".into(), b"t".to_vec()),
    ]
    .into();
    yard.build(dockerfile);
    {
        let step = &yard.notes.steps.lock().unwrap()[0];
        assert_eq!(step.env.last().map(String::as_str), Some("TOKEN=t"));
        let said: Vec<_> = step.mounts.iter().map(told).collect();
        assert_eq!(
            said,
            [
                "files at /src: /content /content/x",
                "files at /x: /content",
                "cache /c at /c",
                "memory at /t: Some(1048576)",
                "file at /run/secrets/key, mode 400",
            ]
        );
    }
    let cached = |yard: &Yard| yard.build(dockerfile).steps.last().unwrap().cached;
    assert!(cached(&yard));
    yard.secrets.clear();
    assert!(cached(&yard), "a secret is no part of the key");
    yard.context
        .tree
        .insert(path("d/x"), Arc::new(Node::file(0o644, *b"3")));
    assert!(!cached(&yard));
    let required = "FROM base\nRUN --mount=type=secret,id=key,required true\n";
    let error = yard
        .build_with(required, &BuildOptions::default(), &mut |_| {})
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the step needs the secret \"key\", and it was not given"
    );
}

fn told(mount: &super::executor::RunMount) -> String {
    use super::executor::RunMount;
    match mount {
        RunMount::Files { target, tree, .. } => {
            let paths: Vec<_> = tree.iter().skip(1).map(|(p, _)| p.to_string()).collect();
            format!("files at {target}: {}", paths.join(" "))
        }
        RunMount::Cache { target, cache, .. } => format!("cache {} at {target}", cache.id),
        RunMount::Agent { target, socket, .. } => format!("agent {socket} at {target}"),
        RunMount::Tmpfs { target, size } => format!("memory at {target}: {size:?}"),
        RunMount::File { target, mode, .. } => format!("file at {target}, mode {mode:o}"),
    }
}

#[test]
fn named_contexts_are_bases_sources_and_take_the_place_of_stages() {
    use super::context::Named;
    let mut yard = yard(&[]);
    let files = Context::of_tree("files", &tree(&[("f", "named")]), Timestamp::default());
    let named = [
        ("tools", Named::Files(Arc::new(files))),
        ("stage", Named::Image(Box::new(yard.base.clone()))),
    ];
    for (name, what) in named {
        let reference: crate::reference::Reference = name.parse().unwrap();
        yard.context.named.insert(reference.canonical(), what);
    }
    let built = yard.build(
        "FROM nobody AS Stage\nRUN never\n\
         FROM tools\nCOPY --from=tools f /copied\nCOPY --from=stage bin/sh /shell\n",
    );
    assert_eq!(yard.file(&built.image, "f"), "named");
    assert_eq!(yard.file(&built.image, "copied"), "named");
    assert_eq!(yard.file(&built.image, "shell"), "sh");
    assert!(
        yard.notes.steps.lock().unwrap().is_empty(),
        "a replaced stage ran"
    );
    let errors = yard.errors("FROM scratch\nCOPY --from=tools g /\n");
    assert_eq!(errors, ["g: \"g\" is not in the build context"]);
}

#[test]
fn a_context_of_an_archive_is_nobodys_and_of_one_time() {
    let mut odd = tree(&[("a", "1")]);
    let mut node = Node::file(0o4711, *b"2");
    node.meta.uid = 7;
    node.meta.mtime.seconds = 99;
    odd.insert(path("b"), Arc::new(node));
    let meta = crate::tree::Meta::new(0o600);
    let kind = Kind::Fifo;
    odd.insert(path("pipe"), Arc::new(Node { meta, kind }));
    let context = Context::of_tree("x", &odd, Timestamp::default());
    let text = crate::tree::listing(&context.tree);
    let lines: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[1].starts_with("-rws--x--x 0:0"), "{text}");
    assert_eq!(context.tree.get(&path("b")).unwrap().meta.mtime.seconds, 0);
}

#[test]
fn security_is_given_up_only_by_permission() {
    let mut yard = yard(&[]);
    let dockerfile = "FROM base\nRUN --security=insecure mount\nRUN mount\n";
    assert_eq!(
        yard.errors(dockerfile),
        ["insecure: RUN --security=insecure is not allowed"]
    );
    yard.insecure = true;
    yard.build(dockerfile);
    let insecure: Vec<_> = yard
        .notes
        .steps
        .lock()
        .unwrap()
        .iter()
        .map(|s| s.insecure)
        .collect();
    assert_eq!(insecure, [true, false]);
}

#[test]
fn single_stages_may_be_built_anew_and_surroundings_count() {
    let yard = yard(&[]);
    let dockerfile = "FROM base AS One\nRUN one\nFROM one\nRUN two\n";
    let cached = |options: &BuildOptions| -> Vec<_> {
        let built = yard.build_with(dockerfile, options, &mut |_| {}).unwrap();
        built.steps.iter().map(|step| step.cached).collect()
    };
    let mut options = BuildOptions::default();
    assert_eq!(cached(&options), [false, false]);
    options.no_cache_stages.insert("one".into());
    assert_eq!(cached(&options), [false, true]);
    options.no_cache_stages.clear();
    options
        .surroundings
        .insert("--add-host".into(), "a=1".into());
    assert_eq!(cached(&options), [false, false]);
}

#[test]
fn what_add_fetches_counts_by_its_content() {
    let yard = yard(&[]);
    let url = "https://example.org/tool";
    let built = yard.build(&format!("FROM scratch\nADD {url} /bin/\nADD {url} /t\n"));
    assert_eq!(yard.file(&built.image, "bin/tool"), "tool");
    assert_eq!(yard.file(&built.image, "t"), "tool");
    let digest = crate::digest::Digest::of(b"tool");
    let parts = |name: &str| yard.plan(name).map(|_| ()).is_ok();
    assert!(parts(&format!(
        "FROM scratch\nADD --checksum={digest} {url} /\n"
    )));

    let check = |add: &str, expected: &str| {
        let dockerfile = format!("FROM scratch\nADD {add} /\n");
        let options = BuildOptions::default();
        let said = match yard.plan(&dockerfile) {
            Err(_) => yard.errors(&dockerfile).join("; "),
            Ok(_) => yard
                .build_with(&dockerfile, &options, &mut |_| {})
                .unwrap_err()
                .to_string(),
        };
        assert!(said.contains(expected), "{said}");
    };
    check("https://example.org/none", "nobody is there");
    check("https://example.org/x.git", "is a git repository");
    check("git@example.org:x", "is a git repository");
    let zeros = format!("sha256:{}", "0".repeat(64));
    let what = format!("--checksum={zeros} {url}");
    check(&what, &format!("but {digest}"));
    check(&format!("--checksum=sha256:00 {url}"), "sha256");
    check(
        &format!("--checksum={digest} {url} {url}"),
        "one http address",
    );
}

/// Runs `meet` only together with another one, and `wait` until it is stopped; what ends in `fail`
/// fails.
#[derive(Default)]
struct Meeting {
    notes: Notes,
    met: Mutex<usize>,
    stopped: Mutex<bool>,
    changed: std::sync::Condvar,
}

const LONG: std::time::Duration = std::time::Duration::from_secs(20);

impl Executor for Meeting {
    fn run(
        &self,
        store: &Arc<dyn Store>,
        base: &[StoredLayer],
        step: &RunStep,
        on: &mut dyn FnMut(Event),
    ) -> Result<Ran, ExecutorError> {
        if step.args[2].starts_with("meet") {
            let mut met = self.met.lock().unwrap();
            *met += 1;
            self.changed.notify_all();
            let waited = self.changed.wait_timeout_while(met, LONG, |met| *met < 2);
            assert!(!waited.unwrap().1.timed_out(), "nobody came");
        }
        if step.args[2].ends_with("fail") {
            let command = step.args[2].clone();
            return Err(ExecutorError::Failed { command, code: 7 });
        }
        if step.args[2] == "wait" {
            let stopped = self.stopped.lock().unwrap();
            let waited = self
                .changed
                .wait_timeout_while(stopped, LONG, |stopped| !*stopped);
            assert!(!waited.unwrap().1.timed_out(), "nobody stopped it");
            return Err(ExecutorError::Stopped);
        }
        self.notes.run(store, base, step, on)
    }

    fn stop(&self) {
        *self.stopped.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

fn build_together(
    yard: &Yard,
    executor: &dyn Executor,
    dockerfile: &str,
) -> Result<Built, BuildError> {
    build_fetching(yard, executor, dockerfile, &|url, _| {
        Err(format!("fetch {url}: nobody is there"))
    })
}

fn build_fetching(
    yard: &Yard,
    executor: &dyn Executor,
    dockerfile: &str,
    fetch: &super::Fetch<'_>,
) -> Result<Built, BuildError> {
    let plan = yard.plan(dockerfile).unwrap();
    let host = Host {
        store: Arc::clone(&yard.store),
        cache: &yard.cache,
        executor,
        context: &yard.context,
        secrets: &yard.secrets,
        agents: &yard.agents,
        fetch: Some(fetch),
    };
    let options = BuildOptions {
        jobs: 4,
        ..BuildOptions::default()
    };
    build(&plan, &host, &options, &mut |_| {})
}

#[test]
fn what_steps_take_from_elsewhere_is_read_while_others_run() {
    let yard = yard(&[]);
    let meeting = Meeting::default();
    // The process ends only when the last step's file has been asked for, and both files are sent
    // only when both have been asked for.
    let fetch = |url: &str, out: &mut dyn std::io::Write| {
        let mut met = meeting.met.lock().unwrap();
        *met += 1;
        meeting.changed.notify_all();
        let waited = meeting
            .changed
            .wait_timeout_while(met, LONG, |met| *met < 3);
        assert!(!waited.unwrap().1.timed_out(), "{url} was asked for alone");
        out.write_all(url.as_bytes()).map_err(|e| e.to_string())
    };
    let dockerfile = "FROM base\nRUN meet\nADD https://example.org/a /a\n\
                      ADD https://example.org/b /b\nADD https://example.org/a /again\n";
    let built = build_fetching(&yard, &meeting, dockerfile, &fetch).unwrap();
    assert_eq!(built.steps.len(), 4);
    assert_eq!(
        *meeting.met.lock().unwrap(),
        3,
        "nothing is asked for twice"
    );
}

#[test]
fn what_cannot_be_fetched_is_asked_for_once() {
    // Whether the step or its reader comes first is chance, so each gets many turns.
    for _ in 0..200 {
        let yard = yard(&[]);
        let meeting = Meeting::default();
        let fetch = |url: &str, _: &mut dyn std::io::Write| {
            *meeting.met.lock().unwrap() += 1;
            Err(format!("fetch {url}: nobody is there"))
        };
        let dockerfile = "FROM scratch AS a\nADD https://example.org/a /\n\
                          FROM scratch\nADD https://example.org/a /\nCOPY --from=a / /\n";
        let error = build_fetching(&yard, &meeting, dockerfile, &fetch).unwrap_err();
        assert!(error.to_string().contains("nobody is there"), "{error}");
        assert_eq!(*meeting.met.lock().unwrap(), 1);
    }
}

#[test]
fn what_is_read_ahead_ends_with_the_build() {
    let yard = yard(&[]);
    let meeting = Meeting::default();
    // An endless answer, which the failure of the step before it cuts off.
    let fetch = |_: &str, out: &mut dyn std::io::Write| {
        *meeting.met.lock().unwrap() += 1;
        meeting.changed.notify_all();
        loop {
            out.write_all(&[0; 512]).map_err(|e| e.to_string())?;
        }
    };
    let dockerfile = "FROM base\nRUN meet and fail\nADD https://example.org/a /\n";
    let error = build_fetching(&yard, &meeting, dockerfile, &fetch).unwrap_err();
    assert!(error.to_string().contains("exit code: 7"), "{error}");
}

#[test]
fn stages_that_do_not_need_each_other_run_together() {
    let yard = yard(&[]);
    let dockerfile = "FROM base AS a\nRUN meet\nFROM scratch AS b\nCOPY --from=a /bin /\n\
                      FROM python:3.12 AS c\nRUN before\nRUN meet\n\
                      FROM scratch\nCOPY --from=b / /b\nCOPY --from=c / /c\n";
    let built = build_together(&yard, &Meeting::default(), dockerfile).unwrap();
    assert_eq!(built.steps.len(), 6);
    let names: Vec<_> = built.steps.iter().map(|step| step.stage.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "c", "stage-3", "stage-3"]);
}

#[test]
fn what_is_made_does_not_depend_on_who_is_faster() {
    let stages: String = (0..12)
        .map(|n| format!("FROM base AS s{n}\nRUN same\nRUN other {}\n", n % 3))
        .collect::<Vec<_>>()
        .concat();
    let copies = (0..12).map(|n| format!("COPY --from=s{n} / /d{n}\n"));
    let dockerfile = format!("{stages}FROM scratch\n{}", copies.collect::<String>());
    let one = yard(&[]);
    let alone = one.build(&dockerfile);
    for _ in 0..10 {
        let many = yard(&[]);
        let together = build_together(&many, &many.notes, &dockerfile).unwrap();
        // Equal steps ran once, so each of the four kinds did.
        assert_eq!(many.notes.steps.lock().unwrap().len(), 4);
        assert_eq!(together.steps.len(), alone.steps.len());
        let keys = |built: &Built| -> Vec<_> {
            built
                .steps
                .iter()
                .map(|step| step.instruction.clone())
                .collect()
        };
        assert_eq!(keys(&together), keys(&alone));
        assert_eq!(together.image.layers().len(), 12);
    }
}

#[test]
fn a_failure_ends_what_runs_beside_it_and_is_what_is_told() {
    let yard = yard(&[]);
    let dockerfile = "FROM base AS a\nRUN wait\nFROM base AS b\nRUN exit 3\n\
                      FROM scratch\nCOPY --from=a / /a\nCOPY --from=b / /b\n";
    for _ in 0..10 {
        let error = build_together(&yard, &Meeting::default(), dockerfile).unwrap_err();
        let BuildError::Run { step, source, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(step, 4);
        assert!(matches!(source, ExecutorError::Failed { code: 3, .. }));
    }
}

#[test]
fn an_image_carries_the_steps_that_made_its_layers() {
    use super::cache::Cache;
    use super::carry::{self, Carried, CarriedCache, StoreOf};
    let yard = yard(&[("a", "1")]);
    let options = BuildOptions {
        inline_cache: true,
        ..BuildOptions::default()
    };
    let dockerfile = "FROM base AS x\nRUN x\nFROM base\nRUN make\nCOPY a /\nCOPY --from=x /ran /\n";
    let built = yard.build_with(dockerfile, &options, &mut |_| {}).unwrap();
    let steps = carry::of_image(&built.image);
    assert_eq!(steps.len(), 3);
    let made = steps
        .iter()
        .find(|step| step.key == built.steps[1].key)
        .unwrap();
    assert_eq!(made.entry.finished.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(Some(made.entry.clone()), yard.cache.get(&made.key).unwrap());
    assert!(carry::of_image(&yard.base).is_empty());

    // A cache that knows nothing finds them there, and fetches what the store lacks.
    let (own, store) = (MemoryCache::default(), Arc::clone(&yard.store));
    let layer = made.entry.layer.blob.digest.clone();
    let bytes = store.read(&layer).unwrap();
    store.delete(&layer).unwrap();
    let cache = |bytes: Vec<u8>| CarriedCache {
        own: &own,
        carried: vec![Carried {
            steps: steps.iter().cloned().map(|s| (s.key, s.entry)).collect(),
            fetch: Box::new(move |blob, store| carry::keep(bytes.as_slice(), blob, store)),
        }],
        store: StoreOf(Arc::clone(&store)),
    };
    let damaged = cache(b"other".to_vec());
    assert_eq!(damaged.get(&made.key).unwrap(), None);
    assert_eq!(store.size(&layer).unwrap(), None);
    let whole = cache(bytes);
    assert_eq!(whole.get(&made.key).unwrap(), Some(made.entry.clone()));
    assert!(store.size(&layer).unwrap().is_some());
    assert_eq!(own.get(&made.key).unwrap(), Some(made.entry.clone()));
}

/// Panics, as no executor should.
struct Broken;

impl Executor for Broken {
    fn run(
        &self,
        _store: &Arc<dyn Store>,
        _base: &[StoredLayer],
        _step: &RunStep,
        _on: &mut dyn FnMut(Event),
    ) -> Result<Ran, ExecutorError> {
        panic!("the executor is broken");
    }
}

#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn nobody_waits_for_a_thread_that_is_gone() {
    let yard = yard(&[]);
    let dockerfile = "FROM base AS a\nRUN x\nFROM scratch\nCOPY --from=a / /\n";
    let _ = build_together(&yard, &Broken, dockerfile);
}
