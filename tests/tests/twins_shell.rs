//! RUN for real and simulated: the same script on the same base makes the same layer, says the
//! same and ends with the same code.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use coracle_tests::{Sandbox, missing, skip};

/// Where Debian's package puts a busybox that needs no library.
const BUSYBOX: &str = "/bin/busybox";

/// All that is written bears this time.
const EPOCH: &str = "1700000000";

/// Scripts that end with 0 and leave a layer.
const SCRIPTS: &[&str] = &[
    // Files and directories.
    "echo hi > /f",
    "echo one > /f; echo two >> /f; cat /f",
    "printf 'a\\nb' > /f; printf 'c' >> /f; wc -c < /f",
    "mkdir -p /a/b/c /a/d; touch /a/b/f; ls -R /a",
    "mkdir -m 700 /p; mkdir -p -m 2755 /q/r",
    "mkdir /a; cd /a; touch x y z; rm y; ls",
    "rm /data/a.txt",
    "rm -rf /data",
    "rm -r /data/sub; mkdir /data/sub; echo new > /data/sub/n",
    "rmdir /data/empty",
    "rm -rf /data/*; ls -A /data",
    "touch /data/a.txt",
    "touch -d @99 /data/a.txt /new",
    "touch -c /none; ls /none || echo not made",
    "mv /data/a.txt /data/z.txt",
    "mv /data/sub /moved; ls /moved",
    "mv /data/a.txt /data/b.txt; cat /data/b.txt",
    "mkdir /in; mv /data/a.txt /data/b.txt /in",
    "cp /data/a.txt /copy; ls -1 /",
    "cp -r /data /copy",
    "cp -a /data /copy",
    "cp -p /data/run.sh /copy.sh",
    "cp /data/run.sh /data/a.txt /tmp; ls /tmp",
    "cp -r /data/. /flat; ls /flat",
    "cp -r /data /data/a.txt /tmp",
    "echo longer text than before > /new; cp /data/b.txt /new; cat /new",
    "ln -s a.txt /data/link; ln -s /nowhere /dangling; readlink /data/link",
    "ln /data/a.txt /data/hard; ls -1 /data",
    "echo x > /x; ln /x /y; echo more >> /y; cat /x",
    "ln -sf b.txt /data/l; ln -sf a.txt /data/l; cat /data/l",
    "ln -s /data /d; echo through > /d/t; ls /d/",
    "cp -a /data/link0 /kept; cp /data/link0 /followed; ls -1 /",
    "cat /data/a.txt > /data/link0; cat /data/a.txt",
    "install -d -m 750 -o app -g wheel /i/j; install -m 600 /data/a.txt /i/k",
    "install -D /data/run.sh /u/v/w",
    // Owners and modes.
    "chmod 600 /data/a.txt; chmod u+x,g=r,o= /data/b.txt",
    "chmod -R a-w /data",
    "chmod -R u=rwX,go=rX /data",
    "chmod 4755 /data/run.sh; chmod +t /data/sub; chmod g+s /data/empty",
    "chmod 2755 /data/sub; touch /data/sub/inherits; mkdir /data/sub/too",
    "chmod 755 /data/sub; chmod 1777 /data/empty",
    "chown app /data/a.txt; chown app:wheel /data/b.txt; chown 7:8 /data/run.sh",
    "chown -R app:app /data",
    "chown app: /data/a.txt; chgrp wheel /data/b.txt",
    "chmod 4755 /data/run.sh; chown app /data/run.sh",
    "chown -h app /data/link0",
    "umask 077; echo x > /private; mkdir /own; umask",
    // The shell.
    "x=5; y=\"$x and $x\"; echo $y '$x' \\$x",
    "for x in 1 2 3; do echo $x; done > /list",
    "i=0; while [ $i -lt 4 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done",
    "case hello in h*o) echo match;; *) echo no;; esac; case x in a|x) echo two;; esac",
    "if [ -f /data/a.txt ] && ! test -d /data/a.txt; then echo file; else echo other; fi",
    "(cd /data; x=inner; pwd; echo $x > /sub); pwd; echo \"[$x]\"",
    "{ echo a; echo b >&2; } 2>&1 | sort -r",
    "cat <<EOF > /doc\nvalue $HOME $((2*3))\n  kept \\$x\nEOF\ncat /doc",
    "cat <<'EOF'\n$raw `x`\nEOF",
    "echo ${none:-default} ${HOME:+set} ${none-} ${#HOME}; x=a.b.c; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.}",
    "set -- a 'b c' d; echo $# \"$2\"; shift; echo \"$@\"; for w; do echo \"<$w>\"; done",
    "echo /data/*.txt /none/* /data/[ab].* /d?ta",
    "cd /data; for f in *.txt; do mv $f ${f%.txt}.md; done; ls",
    "x=$(cat /data/b.txt; echo end); echo \"$x\"; echo $x",
    "false || echo or; true && echo and; ! false; echo $?",
    "x=1; export y=2; z=3 sh -c 'echo \"$x,$y,$z\"'",
    "echo out; echo err >&2; cat /none 2> /errors; cat /errors",
    "IFS=,; x=a,b,,c; for y in $x; do echo \"<$y>\"; done",
    "sh -c 'echo $0 $1' zero one; echo 'exit 3' > /s; sh /s; echo $?",
    "printf '#!/bin/sh\\necho \"$0 $*\"\\n' > /bin/own; chmod +x /bin/own; own a b; /bin/own c",
    "read a b < /data/b.txt; echo \"$a|$b\"; while read l; do echo \"[$l]\"; done < /data/a.txt",
    "set -e; x=$(echo fine); if false; then :; fi; false || true; echo $x",
    "set -u; echo ${unset:-fine}; set +u; echo \"[$unset]\"",
    "eval 'x=1; echo $x'; . /data/vars; echo $LOADED",
    "command -v cd; type cd; command echo hi",
    "echo -n no newline; echo; echo -e 'tab\\there'; printf '%s=%d %5.2s|%-4s|%04d\\n' a 7 xyz b 42",
    "exec echo replaced; echo never",
    "until [ -e /flag ]; do touch /flag; done; echo done",
    "echo $- $#; set -f; echo *; set +f",
    // Text.
    "sed -i 's/o/0/g' /data/a.txt; cat /data/a.txt",
    "sed -e '/two/d' -e 's/^\\(.\\)/[\\1]/' /data/a.txt; sed -n '2p;$=' /data/a.txt",
    "sed -E 's/(t)(w|h)/\\2\\1/;s#e$#E#' /data/a.txt; sed '1a after' /data/b.txt; sed '$!d' /data/a.txt",
    "sed 's/e/&&/2;y/abc/xyz/' /data/a.txt; echo aaa | sed 's/a*/x/g'; echo abc | sed 's/b*/-/g'",
    "sed -n '/one/,/two/p' /data/a.txt; sed '2,3s/t/T/' /data/a.txt; sed 2q /data/a.txt",
    "grep -n o /data/a.txt; grep -c t /data/a.txt; grep -v t /data/a.txt; grep -l four /data/*.txt",
    "grep -r four /data; grep -E 'on|tw' /data/a.txt; grep -F . /data/a.txt || echo none; grep -io ONE /data/a.txt",
    "grep -w two /data/a.txt; grep -x 'on.' /data/a.txt; grep -q four /data/b.txt && echo there",
    "head -n 1 /data/a.txt; tail -n 1 /data/a.txt; head -c 3 /data/a.txt; tail -n +2 /data/a.txt",
    "sort -r /data/a.txt; printf '3\\n10\\n2\\n' | sort -n; printf 'b\\na\\nb\\n' | sort | uniq -c; printf 'a 2\\nb 1\\n' | sort -k2",
    "cut -c1-2 /data/a.txt; cut -d: -f1,6 /etc/passwd; tr a-z A-Z < /data/b.txt; echo aabbc | tr -s ab; echo a1b2 | tr -d 0-9",
    "wc /data/a.txt; wc -l /data/a.txt /data/b.txt; cat /data/a.txt | wc -w",
    "echo x | tee /t1 /t2; echo y | tee -a /t1; cat /t1",
    "find /data -name '*.txt' | sort; find /data -type d | sort; find /data -maxdepth 1 -type f -exec basename {} \\; | sort",
    "find /data -name '*.txt' -exec rm {} +; find /data -type f | sort | xargs chmod 600",
    "echo a b c | xargs -n 1 echo x; printf '1\\n2\\n' | xargs -I{} echo '<{}>'",
    "basename /a/b.txt .txt; dirname /a/b; seq 3; seq 2 2 6; seq -s , 3",
    "id; id -u; id -un; id app; whoami; env | grep -v -e HOSTNAME -e SHLVL -e PWD | sort",
    "readlink -f /data/link0; realpath /data/../data/sub; stat -c '%a %U:%G %s %F %n' /data/run.sh /data/sub /data/b.txt",
    "sha256sum /data/a.txt > /sums; sha256sum -c /sums",
    "ls -a /data; ls -d /data /etc; ls /data/a.txt /data/sub; ls -1p /data; ls -r /data",
    "test a = a -a 1 -lt 2 && echo both; [ -z '' ] && [ -n x ] && echo strings; [ -x /data/run.sh ] && [ ! -w /none ] && echo modes; [ -L /data/link0 ] && echo link",
    // Accounts.
    "adduser -D -H new; addgroup staff; cat /etc/passwd /etc/group",
    "addgroup -g 777 g7; adduser -D -u 888 -G g7 -s /bin/false -h /h u8; ls -d /h; tail -n 1 /etc/passwd",
    "addgroup -S sys && adduser -S -D -H -G sys sys; tail -n 1 /etc/passwd; tail -n 1 /etc/group",
    "addgroup app wheel; addgroup root wheel; cat /etc/group",
    "sleep 0; true; :; sync",
];

/// Scripts that fail, or that say that something failed.
const FAILURES: &[&str] = &[
    "false",
    "exit 7",
    "nosuch",
    "nosuch || exit 4",
    "/no/such",
    "/data/a.txt",
    "rm /none",
    "rm /data",
    "rmdir /data; rmdir /none; rmdir /data/a.txt",
    "mkdir /data; mkdir /no/dir",
    "cat /none; cat /data",
    "cp /none /x; cp /data /x; cp /data/a.txt /no/x",
    "mv /none /x; mv /data/a.txt /no/x",
    "ln -s x /data/a.txt; ln /none /x",
    "chmod 600 /none; chmod bad /data/a.txt",
    "chown nobody2 /data/a.txt; chown app /none",
    "touch /no/x",
    "ls /none",
    "cd /none",
    "echo x > /no/x",
    "cat < /none",
    "set -e; false; echo never",
    "set -u; echo $unset; echo never",
    "set -o pipefail; false | true",
    "echo ${unset:?must be set}",
    "sh -c 'exit 9'",
    "grep x /none; grep -q zzz /data/a.txt",
    "head /none; tail /none; wc /none; sort /none",
    "sed s/a/b/ /none",
    "[ 1 = 2 ]",
    "adduser -D app",
    "adduser -D -G nosuch new",
    "addgroup wheel",
    "readlink /data/a.txt",
    "if true; then echo x",
    "echo 'unended",
    "find /none",
    "cp -r /data /data/sub",
    "id nosuch",
    "cd /data/a.txt",
];

/// A sandbox with an image `twin` that has busybox and a few files.
fn prepared() -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    let Ok(busybox) = fs::read(BUSYBOX) else {
        skip(&missing("busybox", "apt-get install busybox-static"));
        return None;
    };
    sandbox.file("rootfs/bin/busybox", busybox);
    let mode = |name: &str, mode: u32| {
        let path = sandbox.path().join("rootfs").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let tools = sandbox.stagehand(BUSYBOX, ["--list"]).run().succeeds();
    for tool in tools.stdout.lines().filter(|tool| *tool != "busybox") {
        symlink("busybox", sandbox.path().join("rootfs/bin").join(tool)).unwrap();
    }
    for (name, text) in [
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
        ),
        (
            "etc/group",
            "root:x:0:\nwheel:x:10:app\nnogroup:x:65534:\napp:x:1000:\n",
        ),
        ("etc/hosts", ""),
        ("etc/hostname", ""),
        ("etc/resolv.conf", ""),
        ("data/a.txt", "one\ntwo\nthree\n"),
        ("data/b.txt", "four five\n"),
        ("data/run.sh", "#!/bin/sh\necho runs\n"),
        ("data/vars", "LOADED=yes\n"),
        ("data/sub/deep/f", "deep\n"),
        ("data/sub/g", ""),
    ] {
        sandbox.file(&format!("rootfs/{name}"), text);
        mode(name, 0o644);
    }
    for name in ["data/empty", "tmp", "root", "home", "proc", "sys", "dev"] {
        fs::create_dir(sandbox.path().join("rootfs").join(name)).unwrap();
        mode(name, 0o755);
    }
    for name in [
        "",
        "bin",
        "etc",
        "data",
        "data/sub",
        "data/sub/deep",
        "bin/busybox",
        "data/run.sh",
    ] {
        mode(name, 0o755);
    }
    mode("tmp", 0o1777);
    mode("root", 0o700);
    symlink("a.txt", sandbox.path().join("rootfs/data/link0")).unwrap();
    sandbox.file("base.Dockerfile", "FROM scratch\nCOPY . /\n");
    let words = [
        "build",
        "-q",
        "-t",
        "twin",
        "-f",
        "base.Dockerfile",
        "rootfs",
    ];
    sandbox.coracle(words).run().succeeds();
    Some(sandbox)
}

/// What can be seen of one build.
#[derive(Debug, PartialEq)]
struct Seen {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    /// The last layer's digest, which is its diff ID.
    layer: Option<String>,
}

/// Builds a Dockerfile that ends in the step that counts.
fn seen(sandbox: &Sandbox, dockerfile: &str, words: &[&str]) -> Seen {
    sandbox.file("app/Dockerfile", dockerfile);
    let _ = fs::remove_file(sandbox.path().join("steps"));
    let fixed = [
        "build",
        "--progress",
        "rawjson",
        "--metadata-file",
        "steps",
        "--no-cache",
    ];
    let call = sandbox.coracle(fixed).args(words).args(["app"]);
    let built = call.env("SOURCE_DATE_EPOCH", EPOCH).run();
    let mut seen = Seen {
        code: built.code,
        stdout: String::new(),
        stderr: String::new(),
        layer: None,
    };
    for line in built.stdout.lines().chain(built.stderr.lines()) {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        if event["event"] == "step-output" {
            let text = event["text"].as_str().unwrap();
            let stream = if event["stream"] == 1 {
                &mut seen.stdout
            } else {
                &mut seen.stderr
            };
            stream.push_str(text);
        }
    }
    if let Ok(text) = fs::read_to_string(sandbox.path().join("steps")) {
        let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
        let steps = metadata["steps"].as_array().unwrap();
        seen.layer = steps
            .last()
            .and_then(|step| step["layer"].as_str())
            .map(str::to_owned);
    } else if seen.code == Some(125) || seen.code == Some(1) {
        // A refusal of the simulation is told among what is compared.
        let refused = built
            .stderr
            .lines()
            .find(|line| line.contains("the simulated shell"));
        seen.stderr.push_str(refused.unwrap_or_default());
    }
    seen
}

/// The entries of a layer, as text.
fn entries(sandbox: &Sandbox, layer: &str) -> String {
    let digest = layer.strip_prefix("sha256:").unwrap();
    let blob = sandbox.root().join("store/blobs/sha256").join(digest);
    let blob = blob.display().to_string();
    sandbox
        .stagehand("tar", ["--numeric-owner", "-tvf", &blob])
        .run()
        .stdout
}

fn compare(sandbox: &Sandbox, dockerfile: &str, told: &mut String) -> bool {
    let real = seen(sandbox, dockerfile, &[]);
    let simulated = seen(sandbox, dockerfile, &["--simulate"]);
    if real == simulated {
        return true;
    }
    let _ = writeln!(told, "──── {dockerfile}");
    let mut line = |what: &str, a: &str, b: &str| {
        if a != b {
            let _ = writeln!(told, "{what} real:\n{a}\n{what} simulated:\n{b}");
        }
    };
    line(
        "code",
        &format!("{:?}", real.code),
        &format!("{:?}", simulated.code),
    );
    line("stdout", &real.stdout, &simulated.stdout);
    line("stderr", &real.stderr, &simulated.stderr);
    let list = |seen: &Seen| {
        seen.layer
            .as_ref()
            .map_or(String::new(), |l| entries(sandbox, l))
    };
    if real.layer != simulated.layer {
        line(
            "layer",
            &format!("{:?}\n{}", real.layer, list(&real)),
            &format!("{:?}\n{}", simulated.layer, list(&simulated)),
        );
    }
    false
}

#[test]
fn the_same_scripts_make_the_same_layers() {
    let Some(sandbox) = prepared() else { return };
    let mut told = String::new();
    let mut equal = 0;
    for script in SCRIPTS {
        let dockerfile = format!(
            "FROM twin\nRUN [\"sh\", \"-c\", {}]\n",
            serde_json::json!(script)
        );
        equal += usize::from(compare(&sandbox, &dockerfile, &mut told));
    }
    println!("{equal} of {} scripts made the same layer", SCRIPTS.len());
    assert!(
        told.is_empty(),
        "{equal} of {} are equal\n{told}",
        SCRIPTS.len()
    );
}

#[test]
fn failures_are_the_same() {
    let Some(sandbox) = prepared() else { return };
    let mut told = String::new();
    for script in FAILURES {
        // The words of the shell itself, as RUN has it.
        let dockerfile = format!(
            "FROM twin\nRUN [\"/bin/sh\", \"-c\", {}]\n",
            serde_json::json!(script)
        );
        compare(&sandbox, &dockerfile, &mut told);
    }
    assert!(told.is_empty(), "{told}");
}

/// What a Dockerfile may say around a RUN.
#[test]
fn users_directories_and_mounts_are_the_same() {
    let Some(sandbox) = prepared() else { return };
    sandbox.file("app/given.txt", "given\n");
    let mut told = String::new();
    for lines in [
        "USER app\nRUN echo x > /f; echo y > /tmp/y; rm /data/a.txt; ls /root; id -u; cat /data/b.txt",
        "USER 1000:10\nRUN touch /tmp/t; mkdir /tmp/d; chmod 700 /tmp/d; chown app /tmp/t; ls /tmp",
        "WORKDIR /work/dir\nRUN pwd > here; echo $HOME",
        "ENV A=1 B='two words'\nRUN echo \"$A $B\" > /env",
        "ARG V=7\nRUN echo $V > /arg",
        "RUN --mount=type=bind,target=/ctx cat /ctx/given.txt; echo x > /ctx/new; ls /ctx",
        "RUN --mount=type=cache,target=/cache/deep echo kept > /cache/deep/k; ls /cache/deep",
        "RUN --mount=type=tmpfs,target=/mem echo x > /mem/x; mkdir /out; cp /mem/x /out",
        "RUN echo lost > /etc/hosts; echo kept > /etc/motd",
        "RUN <<EOF\nset -e\necho a > /a\ncat > /b <<INNER\ninner\nINNER\nEOF",
        "RUN <<EOF\n#!/bin/sh\necho \"script $#\" > /a\nEOF",
        "RUN [\"/bin/busybox\", \"mkdir\", \"/exec form\"]",
        "RUN [\"nosuch\", \"word\"]",
        "RUN [\"/data/a.txt\"]",
        "SHELL [\"/bin/sh\", \"-exc\"]\nRUN echo traced; x='a b' echo \"$HOME\"",
        "COPY given.txt /g\nRUN sed -i s/given/taken/ /g",
        "RUN echo one > /seq\nRUN echo two >> /seq; rm /data/b.txt\nRUN cat /seq; ls /data > /seq",
    ] {
        let dockerfile = format!("FROM twin\n{lines}\n");
        compare(&sandbox, &dockerfile, &mut told);
    }
    let dockerfile = "FROM scratch\nCOPY given.txt /\nRUN echo x\n";
    compare(&sandbox, dockerfile, &mut told);
    assert!(told.is_empty(), "{told}");
}

/// Without a base image, a network or a privilege: what a beginner's first build finds.
#[test]
fn a_simulated_build_brings_its_own_images_and_says_what_it_cannot_do() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let build = |dockerfile: &str, words: &[&str]| {
        sandbox.file("app/Dockerfile", dockerfile);
        let fixed = ["build", "--simulate", "--progress", "plain", "-t", "app"];
        sandbox.coracle(fixed).args(words).args(["app"]).run()
    };
    let update = "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y curl\n";
    let built = build(update, &[]).succeeds();
    built.complains(&[
        "a small image that stands for it is used.\n",
        "Setting up curl",
    ]);
    let again = build(update, &[]).succeeds();
    again.complains(&["CACHED"]);
    let refused = "FROM alpine\nRUN awk 1 /etc/passwd\n";
    build(refused, &[]).fails().complains(&[
        "the simulated shell does not run `awk`",
        "--pretend awk takes it as done",
    ]);
    let pretended = build(refused, &["--pretend", "awk=/out/file"]).succeeds();
    pretended.complains(&["RUN awk 1"]);
    let listed = ["image", "ls-files", "app"];
    sandbox.coracle(listed).run().succeeds().says(&["out/file"]);
    build("FROM nosuch\n", &[])
        .fails()
        .complains(&["fetches nothing", "alpine:3.20"]);
    build("FROM alpine\n", &["--pretend", "awk=file"])
        .fails()
        .complains(&["does not begin at the root"]);
}
