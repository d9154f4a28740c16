//! The build cache: taken elsewhere and back.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use coracle_tests::{DockerRegistry, Outcome, Sandbox, Serving};

const DOCKERFILE: &str = "\
FROM base AS tools
RUN head -c 20 /dev/urandom > /tool
FROM base
RUN head -c 20 /dev/urandom > /app
COPY --from=tools /tool /renamed
COPY file /file
";

/// A sandbox with a base image and a build whose steps never come out alike twice.
fn prepared() -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    sandbox.coracle(["base", "-q"]).run().succeeds();
    let save = ["save", "-o", "base.tar", "base"];
    sandbox.coracle(save).run().succeeds();
    sandbox.file("app/Dockerfile", DOCKERFILE);
    sandbox.file("app/file", "file");
    Some(sandbox)
}

/// A machine of its own, by a state directory of its own.
fn fresh(sandbox: &Sandbox, root: &str) {
    let load = ["--root", root, "load", "-q", "-i", "base.tar"];
    sandbox.coracle(load).run().succeeds();
}

fn build(sandbox: &Sandbox, root: &str, words: &[&str]) -> Outcome {
    let fixed = ["--root", root, "build", "--progress", "plain", "--iidfile"];
    let rest = ["id", "-t", "app"];
    let call = sandbox.coracle(fixed).args(rest).args(words).args(["app"]);
    call.run()
}

fn id(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path().join("id")).unwrap()
}

fn cached(outcome: &Outcome) -> usize {
    outcome.stderr.matches(" CACHED").count()
}

#[test]
fn a_directory_carries_every_step_to_another_machine() {
    let Some(sandbox) = prepared() else {
        return;
    };
    fresh(&sandbox, "one");
    let to = ["--cache-to", "type=local,dest=carried,mode=max"];
    build(&sandbox, "one", &to)
        .succeeds()
        .complains(&["4 steps"]);
    let made = id(&sandbox);
    let from = ["--cache-from", "type=local,src=carried"];
    fresh(&sandbox, "two");
    let again = build(&sandbox, "two", &from).succeeds();
    assert_eq!(cached(&again), 4, "{again}");
    assert_eq!(id(&sandbox), made);
    // Without mode=max only what the image has is carried.
    let to = ["--cache-to", "type=local,dest=less"];
    build(&sandbox, "one", &to)
        .succeeds()
        .complains(&["3 steps"]);

    // A layer that is damaged, and one that is gone, are steps that nobody knows.
    let blobs = sandbox.path().join("carried/blobs/sha256");
    for blob in std::fs::read_dir(blobs).unwrap() {
        let path = blob.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if bytes.first() == Some(&b'{') || bytes.first() == Some(&b'[') {
            continue;
        }
        if path
            .display()
            .to_string()
            .ends_with(['0', '2', '4', '6', '8', 'a', 'c', 'e'])
        {
            std::fs::remove_file(path).unwrap();
        } else {
            std::fs::write(path, vec![7; bytes.len()]).unwrap();
        }
    }
    fresh(&sandbox, "three");
    let damaged = build(&sandbox, "three", &from).succeeds();
    assert_eq!(cached(&damaged), 0, "{damaged}");
    let check = ["--root", "three", "image", "check", "app"];
    sandbox.coracle(check).run().succeeds();
}

#[test]
fn an_image_carries_the_steps_of_its_own_layers() {
    let Some(sandbox) = prepared() else {
        return;
    };
    fresh(&sandbox, "one");
    build(&sandbox, "one", &["--cache-to", "type=inline"]).succeeds();
    let save = ["--root", "one", "save", "-o", "app.tar", "app"];
    sandbox.coracle(save).run().succeeds();
    let layers = |root: &str| {
        let format = "{{.RootFS.Layers}}";
        let inspect = [
            "--root", root, "image", "inspect", "--format", format, "app",
        ];
        sandbox.coracle(inspect).run().succeeds().stdout
    };
    fresh(&sandbox, "two");
    let load = ["--root", "two", "load", "-q", "-i", "app.tar"];
    sandbox.coracle(load).run().succeeds();
    let again = build(&sandbox, "two", &["--cache-from", "app"]).succeeds();
    // The tools' own step is not in the image, and comes out otherwise each time.
    assert_eq!(cached(&again), 1, "{again}");
    let first: Vec<_> = layers("one")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let second: Vec<_> = layers("two")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(first.len(), second.len());
    assert_eq!(first[..2], second[..2], "the layer of RUN was made anew");
    // Who builds on it does not carry it on.
    sandbox.file("app/Dockerfile", "FROM app\nENV A=b\n");
    build(&sandbox, "one", &[]).succeeds();
    let from = build(&sandbox, "one", &["--cache-from", "app"]).succeeds();
    from.complains(&["carries no cache"]);
}

#[test]
fn a_cache_that_is_not_there_yet_is_no_error_and_a_wrong_one_is() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let from = [
        "--cache-from",
        "type=local,src=nowhere",
        "--cache-from",
        "nobody",
    ];
    let missing = build(&sandbox, "root", &from).succeeds();
    missing.complains(&["no cache there yet", "nobody"]);
    sandbox.file("wrong/index.json", "{");
    let wrong = ["--cache-from", "type=local,src=wrong"];
    build(&sandbox, "root", &wrong)
        .fails()
        .complains(&["read the build cache in wrong"]);
    let registry = ["--cache-from", "type=registry"];
    build(&sandbox, "root", &registry)
        .fails()
        .complains(&["ref=NAME"]);
}

/// The cache goes to a registry and comes back on another machine, layer by layer as steps are
/// found.
fn by_a_registry(sandbox: &Sandbox, name: &str) {
    let words =
        |option: &str, mode: &str| [option.to_owned(), format!("type=registry,ref={name}{mode}")];
    let to = words("--cache-to", ",mode=max");
    let from = words("--cache-from", "");
    fresh(sandbox, "one");
    let early = build(sandbox, "one", &from.each_ref().map(String::as_str)).succeeds();
    early.complains(&["there is no cache"]);
    build(sandbox, "one", &to.each_ref().map(String::as_str))
        .succeeds()
        .complains(&[&format!("exporting cache to {name}, 4 steps")]);
    let made = id(sandbox);
    fresh(sandbox, "two");
    let again = build(sandbox, "two", &from.each_ref().map(String::as_str)).succeeds();
    assert_eq!(cached(&again), 4, "{again}");
    assert_eq!(id(sandbox), made);
    sandbox
        .coracle(["--root", "two", "image", "check", "app"])
        .run()
        .succeeds();
    // What is pushed as an image is none: nobody runs a cache by mistake.
    let pull = ["--root", "two", "pull", name];
    sandbox
        .coracle(pull)
        .run()
        .fails()
        .complains(&["it is no image but another artifact"]);
}

#[test]
fn debians_registry_carries_every_step_to_another_machine() {
    let Some(sandbox) = prepared() else {
        return;
    };
    let Some(registry) = DockerRegistry::start(&sandbox, "registry", "", "") else {
        return;
    };
    by_a_registry(&sandbox, &registry.image("team/app:cache"));
}

#[test]
fn our_registry_carries_every_step_to_another_machine() {
    let Some(sandbox) = prepared() else {
        return;
    };
    let registry = Serving::start(&sandbox, "shelf", &[]);
    by_a_registry(&sandbox, &registry.image("team/app:cache"));
}

#[test]
fn an_image_in_a_registry_gives_the_steps_that_it_carries() {
    let Some(sandbox) = prepared() else {
        return;
    };
    let registry = Serving::start(&sandbox, "shelf", &[]);
    let name = registry.image("team/app:1");
    fresh(&sandbox, "one");
    build(&sandbox, "one", &["--cache-to", "type=inline"]).succeeds();
    let coracle = |words: &[&str]| sandbox.coracle(["--root", "one"]).args(words).run();
    coracle(&["tag", "app", &name]).succeeds();
    coracle(&["push", "-q", &name]).succeeds();
    for from in [name.clone(), format!("type=registry,ref={name}")] {
        let root = format!("of-{}", from.len());
        fresh(&sandbox, &root);
        let again = build(&sandbox, &root, &["--cache-from", &from]).succeeds();
        // The tools' own step is not in the image.
        assert_eq!(cached(&again), 1, "{again}");
    }
    // Without the registry, the cache of a name is missing, and said to be; an explicit one fails.
    drop(registry);
    fresh(&sandbox, "late");
    let late = build(&sandbox, "late", &["--cache-from", &name]).succeeds();
    late.complains(&["cannot be had from its registry either"]);
    let explicit = format!("type=registry,ref={name}");
    build(&sandbox, "late", &["--cache-from", &explicit]).fails();
}

#[test]
fn the_cache_stays_within_bounds_and_says_what_it_holds() {
    let Some(sandbox) = prepared() else {
        return;
    };
    let mount =
        "RUN --mount=type=cache,id=downloads,target=/c head -c 3000000 /dev/zero > /c/big\n";
    sandbox.file(
        "app/Dockerfile",
        format!("FROM base\n{mount}COPY file /file\n"),
    );
    sandbox.file("app/file", vec![b'f'; 1_000_000]);
    let coracle = |words: &[&str]| sandbox.coracle(words).run();
    coracle(&["build", "-t", "app", "app"]).succeeds();
    let document = coracle(&["system", "df", "-v", "--format", "json"]).succeeds();
    let document = document.json();
    let mounts = &document["BuildCache"]["Mounts"];
    assert_eq!(mounts[0]["ID"], "downloads", "{document}");
    assert!(
        mounts[0]["Size"].as_u64().unwrap() >= 3_000_000,
        "{document}"
    );
    let steps = &document["BuildCache"]["Steps"];
    assert!(
        steps[0]["LastUsed"].as_u64().unwrap() > 1_700_000_000,
        "{document}"
    );

    let prune = |words: &[&str]| {
        let fixed = ["builder", "prune", "--force"];
        sandbox.coracle(fixed).args(words).run()
    };
    let check = |words: &[&str], removed: &[&str]| {
        let outcome = prune(words).succeeds();
        for word in removed {
            assert!(outcome.stdout.contains(word), "no {word}\n{outcome}");
        }
        let lines = outcome.stdout.lines().count();
        // A heading, an empty line and the total, unless there is nothing but the total.
        let expected = if removed.is_empty() {
            1
        } else {
            3 + removed.len()
        };
        assert_eq!(lines, expected, "{outcome}");
    };
    check(&["--filter", "until=1h"], &[]);
    check(&["--keep-storage", "100m"], &[]);
    // The image has the layers of both steps, so only the mount takes room.
    check(&["--keep-storage", "1m", "--filter", "until=1h"], &[]);
    let outcome = prune(&["--keep-storage", "1m"]).succeeds();
    assert!(outcome.stdout.contains("the cache downloads"), "{outcome}");
    coracle(&["build", "-t", "app", "app"]).succeeds();
    prune(&[]).succeeds();
    let again = coracle(&["build", "--progress", "plain", "-t", "app", "app"]).succeeds();
    assert_eq!(cached(&again), 0, "{again}");

    for (words, said) in [
        (["--filter", "label=x"], "until=TIME"),
        (["--filter", "until=yesterday"], "until=yesterday"),
        (["--keep-storage", "much"], "--keep-storage much"),
    ] {
        prune(&words).fails().complains(&[said]);
    }
    sandbox.file("app/Dockerfile", "FROM base\nRUN [\"sleep\", \"603\"]\n");
    let running = sandbox.coracle(["build", "app"]).start();
    let begun = std::time::Instant::now();
    while !coracle_tests::leaks::processes(sandbox.path())
        .iter()
        .any(|(_, line)| line == "sleep 603")
    {
        assert!(begun.elapsed().as_secs() < 30, "the build does not begin");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    prune(&[]).fails().complains(&["the store is in use"]);
    running.signal(rustix::process::Signal::TERM);
    running.wait().exits(143);
}
