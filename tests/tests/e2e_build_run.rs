//! What RUN finds around it, what it may ask for, and how it fails.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use coracle_tests::{Buildah, Outcome, Sandbox};

/// A sandbox with a base image, and a build of this Dockerfile in it.
fn prepared(dockerfile: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    sandbox.coracle(["base", "-q"]).run().succeeds();
    sandbox.file("app/Dockerfile", dockerfile);
    Some(sandbox)
}

fn build(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    let fixed = ["build", "--progress", "plain"];
    sandbox.coracle(fixed).args(words).args(["app"]).run()
}

#[test]
fn hosts_limits_and_shared_memory_are_as_asked_for() {
    let Some(sandbox) = prepared(
        "FROM base\nRUN cat /etc/hosts; ulimit -Sn; ulimit -Hn; df -k /dev/shm | tail -1\n",
    ) else {
        return;
    };
    let asked = [
        "--add-host",
        "db:10.1.2.3",
        "--add-host",
        "six=[fd00::7]",
        "--shm-size",
        "8m",
        "--ulimit",
        "nofile=100:200",
    ];
    let first = build(&sandbox, &asked).succeeds();
    for words in ["10.1.2.3\tdb", "fd00::7\tsix", " 100\n", " 200\n", " 8192 "] {
        assert!(first.stderr.contains(words), "no {words:?}\n{first}");
    }
    let again = build(&sandbox, &asked).succeeds();
    assert!(again.stderr.contains("CACHED"), "{again}");
    let other = build(&sandbox, &["--explain-cache", "--shm-size", "8m"]).succeeds();
    for words in ["--add-host is gone, it was", "--ulimit is gone, it was"] {
        assert!(other.stderr.contains(words), "no {words:?}\n{other}");
    }
    assert!(!other.stderr.contains("--shm-size"), "{other}");
}

#[test]
fn wrong_values_say_what_to_do() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file(
        "app/Dockerfile",
        "FROM scratch AS only\nCOPY Dockerfile /\n",
    );
    let check = |words: &[&str], said: &[&str]| {
        build(&sandbox, words).fails().complains(said);
    };
    check(&["--add-host", "db"], &["--add-host db", "NAME:ADDRESS"]);
    check(&["--shm-size", "much"], &["--shm-size much"]);
    check(&["--ulimit", "files=1"], &["--ulimit", "the limits are"]);
    check(&["--allow", "all"], &["security.insecure and network.host"]);
    check(&["--no-cache-filter", "onyl"], &["Did you mean only?"]);
    check(&["--network", "bridge"], &["host, none, default"]);
    // An empty base image is nowhere to be fetched from.
    build(&sandbox, &["--pull"]).succeeds();
}

#[test]
fn only_the_stages_that_are_named_are_built_anew() {
    let Some(sandbox) = prepared(
        "FROM base AS One\nRUN echo one > /one\nFROM base AS two\nRUN echo two > /two\n\
         FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n",
    ) else {
        return;
    };
    build(&sandbox, &[]).succeeds();
    let metadata = ["--no-cache-filter", "one", "--metadata-file", "steps"];
    build(&sandbox, &metadata).succeeds();
    let text = std::fs::read_to_string(sandbox.path().join("steps")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let steps = metadata["steps"].as_array().unwrap();
    let cached: Vec<_> = steps
        .iter()
        .map(|step| step["cached"].as_bool().unwrap())
        .collect();
    // The layer came out as it was, so what stands on it is still right.
    assert_eq!(cached, [false, true, true, true], "{text}");
}

#[test]
fn security_is_given_up_only_by_permission() {
    let Some(sandbox) = prepared(
        "FROM base\nRUN --security=insecure grep -E 'CapEff|Seccomp:' /proc/self/status\n",
    ) else {
        return;
    };
    let refused = build(&sandbox, &[]).fails();
    refused.complains(&[
        "--security=insecure is not allowed",
        "--allow security.insecure",
    ]);
    let allowed = build(&sandbox, &["--allow", "security.insecure"]).succeeds();
    assert!(allowed.stderr.contains("Seccomp:\t0"), "{allowed}");
    // What the sandbox of the default has not: the right to mount.
    let line = allowed
        .stderr
        .lines()
        .find(|line| line.contains("CapEff:\t"));
    let mask = line.unwrap().rsplit('\t').next().unwrap();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    assert!(mask & (1 << 21) != 0, "CAP_SYS_ADMIN is missing\n{allowed}");
}

#[test]
fn a_command_that_is_not_there_fails_as_a_shell_says_it() {
    let Some(sandbox) = prepared("FROM base\nRUN [\"nosuch\", \"word\"]\n") else {
        return;
    };
    let missing = build(&sandbox, &["-t", "app"]).exits(127);
    let said = "process \"nosuch word\" did not complete successfully: exit code: 127";
    missing.complains(&[said, "nosuch", ">>> RUN [\"nosuch\", \"word\"]"]);

    sandbox.file("app/text", "no program\n");
    sandbox.file(
        "app/Dockerfile",
        "FROM base\nCOPY text /\nRUN [\"/text\"]\n",
    );
    let not_executable = build(&sandbox, &["-t", "app"]).exits(126);
    not_executable.complains(&["exit code: 126"]);
}

#[test]
fn a_file_that_wants_no_warnings_is_not_built_with_one() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let warned = "FROM scratch as x\nCOPY Dockerfile /\n";
    sandbox.file("app/Dockerfile", warned);
    let told = build(&sandbox, &[]).succeeds();
    told.complains(&["1 warning found", "FromAsCasing", "(line 1)"]);
    let words = |words: &str| format!("BUILDKIT_DOCKERFILE_CHECK={words}");
    let none = build(&sandbox, &["--build-arg", &words("skip=all")]).succeeds();
    assert!(!none.stderr.contains("FromAsCasing"), "{}", none.stderr);
    let refused = build(&sandbox, &["--build-arg", &words("error=true")]).exits(1);
    refused.complains(&["FromAsCasing", "BUILDKIT_DOCKERFILE_CHECK=error=true"]);
    let misread = build(&sandbox, &["--build-arg", &words("eror=true")]).exits(1);
    misread.complains(&["no option `eror`", "write error"]);
    sandbox.file("app/Dockerfile", format!("# check=sikp=all\n{warned}"));
    build(&sandbox, &[])
        .exits(1)
        .complains(&["no option `sikp`"]);
    sandbox.file("app/Dockerfile", format!("# check=error=true\n{warned}"));
    let refused = build(&sandbox, &[]).exits(1);
    refused.complains(&["check=error=true", "FromAsCasing", "Dockerfile:2"]);
    let skipped = format!("# check=skip=FromAsCasing;error=true\n{warned}");
    sandbox.file("app/Dockerfile", skipped);
    let silent = build(&sandbox, &[]).succeeds();
    assert!(!silent.stderr.contains("FromAsCasing"), "{}", silent.stderr);
}

#[test]
fn buildah_gives_a_step_the_same_hosts_and_limits() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(buildah) = Buildah::new(&sandbox) else {
        return;
    };
    sandbox.coracle(["base", "-q"]).run().succeeds();
    let save = ["save", "--format", "oci", "-o", "base.tar", "base"];
    sandbox.coracle(save).run().succeeds();
    let dockerfile = "FROM base\nRUN grep db /etc/hosts > /hosts && ulimit -Hn > /limit\n";
    sandbox.file("app/Dockerfile", dockerfile);
    let words = ["--add-host", "db:10.1.2.3", "--ulimit", "nofile=100:200"];
    let theirs = [
        "-o",
        "type=local,dest=theirs",
        "--from",
        "oci-archive:base.tar",
        "app",
    ];
    buildah
        .build(&[&words[..], &theirs].concat())
        .run()
        .succeeds();
    let ours = ["-o", "type=local,dest=ours"];
    build(&sandbox, &[&words[..], &ours].concat()).succeeds();
    let read = |name: &str| {
        let text = std::fs::read_to_string(sandbox.path().join(name)).unwrap();
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(read("ours/hosts"), read("theirs/hosts"));
    assert_eq!(read("ours/limit"), read("theirs/limit"));
}
