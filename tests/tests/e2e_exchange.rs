//! Images from hand to hand: each tool reads what we save, and we read what it saves, and the
//! digests stay. And the files of one of our layers are the same in everybody's hands.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use coracle_tests::{Archive, Daemon, Entry, Outcome, Person, Podman, Sandbox, installed, skip};

/// Two images, the second of which has the layers of the first and more.
const ONE: &str = "localhost/peer:1";
const TWO: &str = "localhost/peer:2";

/// Which archive of ours: with what options, and which images are in it.
const OURS: &[(&str, &str, &[&str])] = &[
    ("docker-one.tar", "--format=docker", &[TWO]),
    ("docker-both.tar", "--format=docker", &[ONE, TWO]),
    ("oci-one.tar", "--oci", &[TWO]),
    ("oci-both.tar", "--oci", &[ONE, TWO]),
];

/// A tool, and what it is asked to do. In its words `NAME` is the image; each of them ends with
/// something on standard output.
struct Way {
    tool: Tool,
    /// The file of ours that is read, or the file or directory that is written.
    file: &'static str,
    words: &'static [&'static str],
    /// Words that make the tool say which image it has, for each of those in the file.
    asks: &'static [&'static str],
    says: Says,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tool {
    Docker,
    Containerd,
    Podman,
    Buildah,
    Skopeo,
}

/// What a tool says about an image.
#[derive(Clone, Copy)]
enum Says {
    /// The digest of the config: the image's ID.
    Id,
    /// The digest of the manifest.
    Manifest,
    /// The config itself.
    Config,
}

/// What we write, they read. Docker before version 25 reads no OCI archive, and Podman 4 none
/// with several images in it.
#[rustfmt::skip]
const THEY_READ: &[Way] = &[
    Way { tool: Tool::Docker, file: "docker-one.tar", words: &["load", "-i", "FILE"],
          asks: &["inspect", "-f", "{{.Id}}", "NAME"], says: Says::Id },
    Way { tool: Tool::Docker, file: "docker-both.tar", words: &["load", "-i", "FILE"],
          asks: &["inspect", "-f", "{{.Id}}", "NAME"], says: Says::Id },
    Way { tool: Tool::Containerd, file: "docker-both.tar", words: &["images", "import", "FILE"],
          asks: &["images", "ls", "name==NAME"], says: Says::Manifest },
    Way { tool: Tool::Containerd, file: "oci-both.tar", words: &["images", "import", "FILE"],
          asks: &["images", "ls", "name==NAME"], says: Says::Manifest },
    Way { tool: Tool::Podman, file: "docker-both.tar", words: &["load", "-q", "-i", "FILE"],
          asks: &["inspect", "--format", "sha256:{{.Id}}", "NAME"], says: Says::Id },
    Way { tool: Tool::Podman, file: "oci-one.tar", words: &["load", "-q", "-i", "FILE"],
          asks: &["inspect", "--format", "{{.Digest}} sha256:{{.Id}}", "NAME"], says: Says::Id },
    Way { tool: Tool::Buildah, file: "docker-one.tar", words: &["pull", "-q", "docker-archive:FILE"],
          asks: &["images", "--no-trunc", "--format", "{{.ID}}", "NAME"], says: Says::Id },
    Way { tool: Tool::Buildah, file: "oci-one.tar", words: &["pull", "-q", "oci-archive:FILE"],
          asks: &["images", "--no-trunc", "--format", "{{.ID}}", "NAME"], says: Says::Id },
    Way { tool: Tool::Skopeo, file: "docker-both.tar", words: &[],
          asks: &["inspect", "--config", "--raw", "docker-archive:FILE:NAME"], says: Says::Config },
    Way { tool: Tool::Skopeo, file: "oci-both.tar", words: &[],
          asks: &["inspect", "--format", "{{.Digest}}", "oci-archive:FILE:NAME"], says: Says::Manifest },
    Way { tool: Tool::Skopeo, file: "oci-both.tar",
          words: &["copy", "-q", "--preserve-digests", "--all", "oci-archive:FILE:localhost/peer:1", "oci:copied:localhost/peer:1"],
          asks: &["inspect", "--raw", "--config", "oci:copied:localhost/peer:1"], says: Says::Config },
];

#[test]
fn each_tool_reads_what_we_save_and_the_digests_stay() {
    let Some((sandbox, tools)) = scene() else {
        return;
    };
    for (file, form, images) in OURS {
        let save = ["save", form, "-o", file];
        sandbox.coracle(save).args(*images).run().succeeds();
    }
    for way in THEY_READ {
        let fill = |words: &[&str], name: &str| -> Vec<String> {
            let fill = |word: &&str| word.replace("FILE", way.file).replace("NAME", name);
            words.iter().map(fill).collect()
        };
        if !way.words.is_empty() {
            tools
                .run(&sandbox, way.tool, &fill(way.words, ""))
                .succeeds();
        }
        let (.., images) = OURS.iter().find(|(file, ..)| *file == way.file).unwrap();
        for name in *images {
            let asks = fill(way.asks, name);
            // The words of some ask for one of the two by themselves.
            let asked = asks
                .iter()
                .find_map(|word| word.find("peer:").map(|at| &word[at..]));
            if asked.is_some_and(|asked| !name.ends_with(asked)) {
                continue;
            }
            let said = tools.run(&sandbox, way.tool, &asks).succeeds();
            let expected = ours(&sandbox, name, way.says);
            let what = format!("{:?} {} {name}", way.tool, way.file);
            assert!(
                said.stdout.contains(&expected),
                "{what}: no {expected}\n{said}"
            );
        }
        tools.forget(&sandbox, way.tool);
    }
}

/// What they write, we read: the words that write it, and whether the manifest stays, too.
#[rustfmt::skip]
const THEY_WRITE: &[(Tool, &str, &[&str], bool)] = &[
    (Tool::Docker, "docker.tar", &["save", "-o", "docker.tar", ONE, TWO], true),
    (Tool::Containerd, "containerd.tar", &["images", "export", "containerd.tar", ONE, TWO], true),
    (Tool::Podman, "podman-docker.tar", &["save", "-q", "-m", "--format", "docker-archive", "-o", "podman-docker.tar", ONE, TWO], true),
    (Tool::Podman, "podman-oci.tar", &["save", "-q", "--format", "oci-archive", "-o", "podman-oci.tar", TWO], false),
    (Tool::Podman, "podman-dir", &["save", "-q", "--format", "oci-dir", "-o", "podman-dir", TWO], false),
    (Tool::Buildah, "buildah-docker.tar", &["push", "-q", TWO, "docker-archive:buildah-docker.tar:localhost/peer:2"], true),
    (Tool::Buildah, "buildah-oci.tar", &["push", "-q", TWO, "oci-archive:buildah-oci.tar:localhost/peer:2"], false),
    (Tool::Skopeo, "skopeo-docker.tar", &["copy", "-q", "docker-archive:both.tar:localhost/peer:2", "docker-archive:skopeo-docker.tar:localhost/peer:2"], true),
    (Tool::Skopeo, "skopeo-oci.tar", &["copy", "-q", "oci-archive:both.tar:localhost/peer:2", "oci-archive:skopeo-oci.tar:localhost/peer:2"], false),
    (Tool::Skopeo, "skopeo-same.tar", &["copy", "-q", "--preserve-digests", "oci-archive:both.tar:localhost/peer:2", "oci-archive:skopeo-same.tar:localhost/peer:2"], true),
    (Tool::Skopeo, "skopeo-zstd", &["copy", "-q", "--dest-compress-format=zstd", "--dest-compress", "oci-archive:both.tar:localhost/peer:2", "oci:skopeo-zstd:localhost/peer:2"], false),
];

#[test]
fn we_read_what_each_tool_saves_and_the_digests_stay() {
    let Some((sandbox, tools)) = scene() else {
        return;
    };
    let save = ["save", "-o", "both.tar", ONE, TWO];
    sandbox.coracle(save).run().succeeds();
    let load = |tool| match tool {
        Tool::Docker => vec![["load", "-i", "both.tar"].map(str::to_owned).to_vec()],
        Tool::Containerd => vec![["images", "import", "both.tar"].map(str::to_owned).to_vec()],
        Tool::Podman | Tool::Buildah => [ONE, TWO]
            .map(|name| vec!["pull".into(), format!("oci-archive:both.tar:{name}")])
            .into(),
        Tool::Skopeo => Vec::new(),
    };
    for tool in [Tool::Docker, Tool::Containerd, Tool::Podman, Tool::Buildah] {
        for words in load(tool) {
            tools.run(&sandbox, tool, &words).succeeds();
        }
    }
    for (tool, file, words, same_manifest) in THEY_WRITE {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        tools.run(&sandbox, *tool, &words).succeeds();
        let root = format!("root-{file}");
        let there = |words: &[&str]| sandbox.coracle(["--root", &root]).args(words).run();
        there(&["load", "-i", file]).succeeds();
        let names: &[&str] = if words.contains(&ONE.to_owned()) {
            &[ONE, TWO]
        } else {
            &[TWO]
        };
        for name in names {
            let inspect = ["inspect", "-f", "{{.Id}}", name];
            let id = there(&inspect).succeeds();
            assert_eq!(id.line(), ours(&sandbox, name, Says::Id), "{file} {name}");
            let inspect = ["inspect", "-f", "{{.Manifest.Digest}}", name];
            let manifest = there(&inspect).succeeds();
            let same = manifest.line() == ours(&sandbox, name, Says::Manifest);
            assert_eq!(same, *same_manifest, "{file} {name}");
            there(&["image", "check", name]).succeeds();
        }
    }
}

/// An index of two platforms in the index of an archive, as Buildah and containerd write it.
#[test]
fn an_image_for_several_platforms_goes_from_hand_to_hand() {
    const LIST: &str = "localhost/list:1";
    let Some((sandbox, tools)) = scene() else {
        return;
    };
    let coracle = |words: &[&str]| sandbox.coracle(words).run().succeeds();
    let run = |tool, words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        tools.run(&sandbox, tool, &words).succeeds()
    };
    let arm = [
        "import",
        "--platform=linux/arm64",
        "layer.tar",
        "localhost/arm:1",
    ];
    coracle(&arm);
    coracle(&["save", "--oci", "-o", "both.tar", "localhost/arm:1", TWO]);
    run(Tool::Buildah, &["manifest", "create", LIST]);
    for name in ["localhost/arm:1", TWO] {
        run(
            Tool::Buildah,
            &["pull", "-q", &format!("oci-archive:both.tar:{name}")],
        );
        run(Tool::Buildah, &["manifest", "add", LIST, name]);
    }
    let to = format!("oci-archive:list.tar:{LIST}");
    run(
        Tool::Buildah,
        &["manifest", "push", "-q", "--all", LIST, &to],
    );
    run(
        Tool::Containerd,
        &["images", "import", "--all-platforms", "list.tar"],
    );
    let export = ["images", "export", "--all-platforms", "nested.tar", LIST];
    run(Tool::Containerd, &export);
    let listed = run(
        Tool::Containerd,
        &["images", "ls", &format!("name=={LIST}")],
    );

    for file in ["list.tar", "nested.tar"] {
        let root = format!("root-{file}");
        let there = |words: &[&str]| coracle(&[&["--root", &root], words].concat());
        there(&["load", "-i", file]);
        there(&["image", "check", LIST]);
        let inspect = ["inspect", "-f", "{{.Id}} {{(index .RepoDigests 0)}}", LIST];
        let seen = there(&inspect);
        let (id, digest) = seen.line().split_once(' ').unwrap();
        assert_eq!(id, ours(&sandbox, TWO, Says::Id), "{file}");
        let index = digest.split_once('@').unwrap().1;
        assert!(listed.stdout.contains(index), "{index}\n{listed}");
        let out = format!("arm-{file}");
        there(&["image", "unpack", "--platform=linux/arm64", LIST, &out]);
        let diff = [
            "layer", "diff", "files", &out, "-o", "none.tar", "--format", "json",
        ];
        assert_eq!(coracle(&diff).json()["Adds"], 0, "{file}");

        // And back: to Docker what it can run, to containerd everything.
        there(&["save", "-o", "again.tar", LIST]);
        run(Tool::Docker, &["load", "-i", "again.tar"]);
        let docker = run(Tool::Docker, &["inspect", "-f", "{{.Id}}", LIST]);
        assert_eq!(docker.line(), id, "{file}");
        run(Tool::Docker, &["rmi", LIST]);
        run(Tool::Containerd, &["images", "rm", LIST]);
        run(
            Tool::Containerd,
            &["images", "import", "--all-platforms", "again.tar"],
        );
        let again = run(
            Tool::Containerd,
            &["images", "ls", &format!("name=={LIST}")],
        );
        assert!(again.stdout.contains(index), "{index}\n{again}");
    }
}

/// What our writer makes of a layer is the same files to GNU tar, umoci, Docker and Podman.
#[test]
fn a_layer_is_the_same_files_to_every_tool() {
    let Some((sandbox, tools)) = scene() else {
        return;
    };
    let run = |program: &str, words: &[&str]| sandbox.stagehand(program, words).run().succeeds();
    std::fs::create_dir(sandbox.path().join("tar")).unwrap();
    let words = [
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "-C",
        "tar",
        "-xpf",
        "layer.tar",
    ];
    run("tar", &words);

    let save = ["save", "-o", "one.tar", ONE];
    sandbox.coracle(save).run().succeeds();
    let from = format!("oci-archive:one.tar:{ONE}");
    let copy = ["copy", "-q", &from, "oci:layout:one"].map(str::to_owned);
    tools.run(&sandbox, Tool::Skopeo, &copy).succeeds();
    run(
        "umoci",
        &["raw", "unpack", "--image", "layout:one", "umoci"],
    );

    let load = ["load", "-i", "one.tar"].map(str::to_owned);
    tools.run(&sandbox, Tool::Docker, &load).succeeds();
    let inspect = ["inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", ONE].map(str::to_owned);
    let docker = tools.run(&sandbox, Tool::Docker, &inspect).succeeds();

    tools.run(&sandbox, Tool::Podman, &load).succeeds();
    let mount = ["image", "mount", ONE].map(str::to_owned);
    let podman = tools.run(&sandbox, Tool::Podman, &mount).succeeds();

    for (tool, files) in [
        ("GNU tar", "tar"),
        ("umoci", "umoci"),
        ("Docker", docker.line()),
        ("Podman", podman.line()),
    ] {
        let diff = ["layer", "diff", "files", files, "-o", "change.tar"];
        sandbox.coracle(diff).run().succeeds();
        let list = ["layer", "ls", "--format", "json", "change.tar"];
        let change = sandbox.coracle(list).run().succeeds();
        // Nobody keeps the time of the root itself.
        let rows: Vec<_> = change
            .stdout
            .lines()
            .filter(|row| !row.contains("\"path\":\"/\""))
            .collect();
        assert!(rows.is_empty(), "{tool}: {rows:#?}");
    }
    let unmount = ["image", "unmount", ONE].map(str::to_owned);
    tools.run(&sandbox, Tool::Podman, &unmount).succeeds();
}

/// What layers have that is not the same in every program: names, numbers, links, attributes.
fn entries() -> Vec<Entry> {
    let node = |name: &str, kind, device| Entry {
        name: name.into(),
        kind,
        device,
        ..Entry::default()
    };
    let program = Entry {
        owner: 1000,
        mtime: (1_234_567_890, 123_456_789),
        ..Entry::file("d/program", "#!").mode(0o4755)
    };
    let capable = Entry {
        xattrs: vec![("security.capability".into(), CAPABILITY.to_vec())],
        ..Entry::file("d/capable", "x").mode(0o755)
    };
    let far = Entry {
        owner: 2_097_151,
        ..Entry::file("d/far", "")
    };
    let latin = Entry {
        name: b"d/\xe4\xff".to_vec(),
        ..Entry::file("", "latin")
    };
    let long = format!("{}/{}", "l".repeat(120), "n".repeat(255));
    vec![
        Entry::directory("./"),
        Entry::directory("d/"),
        program,
        capable,
        far,
        latin,
        Entry::file("d/gone", "hidden by the second image"),
        Entry::hard_link("d/again", "d/program"),
        Entry::symlink("d/link", &"t".repeat(200)),
        Entry::directory("empty/").mode(0o1777),
        Entry::file(&long, "long"),
        node("null", b'3', (1, 3)),
        node("disk", b'4', (8, 1)),
        node("pipe", b'6', (0, 0)),
    ]
}

/// `cap_net_raw+ep`, as a file has it (version 2 of the format).
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The tools, each with its state in the sandbox.
struct Tools {
    docker: Daemon,
    containerd: Daemon,
    podman: Podman,
}

/// A sandbox with two images, and the tools; None, said as a skip, where one is missing.
fn scene() -> Option<(Sandbox, Tools)> {
    let sandbox = Sandbox::new()?;
    if !sandbox.person.is_root() || !Person::me().is_root() {
        skip("needs root to give files to others");
        return None;
    }
    if !["skopeo", "umoci", "buildah"].into_iter().all(installed) {
        return None;
    }
    let tools = Tools {
        docker: Daemon::docker(&sandbox)?,
        containerd: Daemon::containerd(&sandbox)?,
        podman: Podman::new(&sandbox)?,
    };
    let coracle = |words: &[&str]| sandbox.coracle(words).run().succeeds();
    sandbox.file("entries.tar", Archive::of(&entries()));
    std::fs::create_dir(sandbox.path().join("nothing")).unwrap();
    coracle(&["layer", "apply", "entries.tar", "files"]);
    coracle(&["layer", "diff", "nothing", "files", "-o", "layer.tar"]);
    coracle(&["import", "layer.tar", ONE]);
    sandbox.copy("/usr/bin/busybox".as_ref(), "app/busybox");
    let dockerfile = "FROM localhost/peer:1\nCOPY --chmod=755 busybox /bin/\n\
        RUN [\"/bin/busybox\", \"rm\", \"/d/gone\"]\nENV A=b\n";
    sandbox.file("app/Dockerfile", dockerfile);
    coracle(&["build", "-q", "-t", TWO, "app"]);
    Some((sandbox, tools))
}

impl Tools {
    fn run(&self, sandbox: &Sandbox, tool: Tool, words: &[String]) -> Outcome {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let limited = ["--signal=KILL", "100"];
        let call = match tool {
            Tool::Docker => return self.docker.call(&words).run(),
            Tool::Containerd => return self.containerd.call(&words).run(),
            Tool::Podman => return self.podman.call(&words).run(),
            Tool::Buildah => {
                let storage = [
                    "buildah",
                    "--root=buildah",
                    "--runroot=buildah-run",
                    "--storage-driver=vfs",
                ];
                sandbox.stagehand("timeout", limited).args(storage)
            }
            Tool::Skopeo => {
                let call = sandbox.stagehand("timeout", limited);
                call.args(["skopeo", "--insecure-policy"])
            }
        };
        call.args(words).run()
    }

    /// Takes away what a tool has loaded, so that the next archive is really read.
    fn forget(&self, sandbox: &Sandbox, tool: Tool) {
        let words: &[&str] = match tool {
            Tool::Docker => &["image", "prune", "--all", "--force"],
            Tool::Containerd => &["images", "rm", ONE, TWO],
            Tool::Podman | Tool::Buildah => &["rmi", "--all", "--force"],
            Tool::Skopeo => return,
        };
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        self.run(sandbox, tool, &words).succeeds();
    }
}

/// What a tool should say about one of our images.
fn ours(sandbox: &Sandbox, name: &str, says: Says) -> String {
    let field = match says {
        Says::Id => "{{.Id}}",
        Says::Manifest => "{{.Manifest.Digest}}",
        Says::Config => {
            let id = ours(sandbox, name, Says::Id);
            let hex = id.trim_start_matches("sha256:");
            let blob = sandbox.root().join("store/blobs/sha256").join(hex);
            return std::fs::read_to_string(blob).unwrap();
        }
    };
    let inspect = sandbox.coracle(["inspect", "-f", field, name]);
    inspect.run().succeeds().line().to_owned()
}
