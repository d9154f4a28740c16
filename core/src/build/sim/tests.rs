//! Scripts with what they leave, say and end with.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Journal, Shell, SimExecutor, Unsupported, fixtures};
use crate::accounts::Identity;
use crate::build::cache::MemoryCache;
use crate::build::context::Context;
use crate::build::executor::RunNetwork;
use crate::build::plan::{PlanOptions, plan};
use crate::build::{BuildError, BuildOptions, Built, Host, build};
use crate::dockerfile::parse;
use crate::path::RootedPath;
use crate::reference::Reference;
use crate::spec::Platform;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::tree::{Node, Timestamp, Tree, listing};

fn path(text: &str) -> RootedPath {
    RootedPath::root().resolve(text)
}

/// What a script did: its code or what it was refused for, and what it wrote.
struct Ran {
    code: Result<i32, Unsupported>,
    out: String,
    err: String,
    tree: Tree,
}

fn run_in(tree: Tree, script: &str, pretend: &[(&str, &[&str])]) -> Ran {
    let pretend: BTreeMap<String, Vec<String>> = pretend
        .iter()
        .map(|(name, paths)| {
            let paths = paths.iter().map(ToString::to_string).collect();
            ((*name).to_owned(), paths)
        })
        .collect();
    let mut ran = Ran {
        code: Ok(0),
        out: String::new(),
        err: String::new(),
        tree,
    };
    let mut shell = Shell {
        tree: &mut ran.tree,
        env: BTreeMap::from([("HOME".to_owned(), "/root".to_owned())]),
        cwd: RootedPath::root(),
        user: Identity::default(),
        time: Timestamp {
            seconds: 7,
            nanos: 0,
        },
        umask: 0o022,
        read_only: Vec::new(),
        journal: Journal::default(),
        pretend: &pretend,
        all_commands: true,
        other: &mut |_| None,
    };
    let (out, err) = (&mut ran.out, &mut ran.err);
    ran.code = shell.run(script, &mut |stream, text| {
        if stream == 1 {
            out.push_str(text);
        } else {
            err.push_str(text);
        }
    });
    ran
}

/// A root with a few files.
fn base() -> Tree {
    let mut tree = Tree::new();
    let mut file = |name: &str, text: &str| {
        tree.insert(path(name), Arc::new(Node::file(0o644, text.as_bytes())));
    };
    file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    file("etc/group", "root:x:0:\n");
    file("data/a.txt", "one\ntwo\nthree\n");
    file("data/b.txt", "four\n");
    file("data/.hidden", "");
    tree.insert(path("root"), Arc::new(Node::directory(0o700)));
    tree.insert(path("tmp"), Arc::new(Node::directory(0o1777)));
    tree
}

#[track_caller]
fn check(script: &str, code: i32, out: &str, err: &str) {
    let ran = run_in(base(), script, &[]);
    assert_eq!(
        ran.out, out,
        "{script}\nstderr: {}\ncode: {:?}",
        ran.err, ran.code
    );
    assert_eq!(ran.err, err, "{script}");
    assert_eq!(ran.code, Ok(code), "{script}");
}

#[test]
fn words() {
    check("echo a  b", 0, "a b\n", "");
    check("echo 'a  b' \"c  d\" e\\ \\ f", 0, "a  b c  d e  f\n", "");
    check("x='1  2'; echo $x \"$x\"", 0, "1 2 1  2\n", "");
    check("echo ${x:-d} ${x-e} ${x:+f}.", 0, "d e .\n", "");
    check("echo ${x:=v} $x ${x:+f} ${#x}", 0, "v v f 1\n", "");
    check(
        "x=a.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.}",
        0,
        "a.tar a tar.gz gz\n",
        "",
    );
    check("echo ${x:?is needed}; echo no", 2, "", "sh: x: is needed\n");
    check(
        "echo $(echo a; echo b) \"$(printf 'c\\n\\nd\\n\\n')\"",
        0,
        "a b c\n\nd\n",
        "",
    );
    check("echo `echo \\`echo x\\``", 0, "x\n", "");
    check("echo ~ ~root ~/x a~", 0, "/root /root /root/x a~\n", "");
    check("echo $((1 + 2 * 3)) \"$((x + 1))\"", 0, "7 1\n", "");
    check(
        "cd /data; echo *; echo .h* nothing* '*'",
        0,
        "a.txt b.txt\n.hidden nothing* *\n",
        "",
    );
    check(
        "echo /d*/[ab].txt /*/a.*",
        0,
        "/data/a.txt /data/b.txt /data/a.txt\n",
        "",
    );
    check(
        "set -- 'a b' c; echo $#; for x in \"$@\"; do echo $x; done; echo \"$*\" $2",
        0,
        "2\na b\nc\na b c c\n",
        "",
    );
    check(
        "IFS=:; x=a:b::c; for y in $x; do echo \"[$y]\"; done",
        0,
        "[a]\n[b]\n[]\n[c]\n",
        "",
    );
    check("echo a#b # c\necho d \\\n e", 0, "a#b\nd e\n", "");
    check("echo \"a\\$b\\\"c\\d\" $ \"$\"", 0, "a$b\"c\\d $ $\n", "");
    check("x=; echo a $x \"$x\" b", 0, "a  b\n", "");
}

#[test]
fn grammar() {
    check(
        "true && echo yes || echo no; false && echo yes || echo no",
        0,
        "yes\nno\n",
        "",
    );
    check("! true; echo $?; ! false; echo $?", 0, "1\n0\n", "");
    check(
        "if false; then echo a; elif true; then echo b; else echo c; fi",
        0,
        "b\n",
        "",
    );
    check(
        "for x in 1 2 3; do [ $x = 2 ] && continue; echo $x; done",
        0,
        "1\n3\n",
        "",
    );
    check(
        "i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && break; done; echo $i",
        0,
        "2\n",
        "",
    );
    check("until true; do echo no; done; echo done", 0, "done\n", "");
    check(
        "case a.txt in b*) echo b;; *.txt|c) echo t;; *) echo x; esac",
        0,
        "t\n",
        "",
    );
    check(
        "x=1; (x=2; cd /data; exit 3); echo $? $x; pwd",
        0,
        "3 1\n/\n",
        "",
    );
    check(
        "{ echo a; echo b; } | { read x; echo got $x; cat; }",
        0,
        "got a\nb\n",
        "",
    );
    check("cat <<EOF\na $((1+1))\nEOF\necho c", 0, "a 2\nc\n", "");
    check("cat <<'EOF' | wc -l\n$a\n`b`\nEOF\n", 0, "2\n", "");
    check(
        "cat <<-A; cat <<B\n\ta\n\tA\nb\nB\necho c",
        0,
        "a\nb\nc\n",
        "",
    );
    check(
        "echo hi > /f; echo ho >> /f; cat < /f; echo x 2>&1 >/dev/null",
        0,
        "hi\nho\n",
        "",
    );
    check(
        "cat /no 2>/dev/null; cat /no 2>&1 | wc -l; { echo e >&2; } 2> /e; cat /e",
        0,
        "1\ne\n",
        "",
    );
    check(
        "ls /no &> /both; cat /both",
        0,
        "ls: /no: No such file or directory\n",
        "",
    );
    check(
        "X=1 sh -c 'echo $X $0 $1' a b; echo \"[$X]\"",
        0,
        "1 a b\n[]\n",
        "",
    );
    check("sh -ec 'false; echo no'; echo $?", 0, "1\n", "");
    check(
        "set -e; false || true; if false; then :; fi; ! true; echo on; false; echo no",
        1,
        "on\n",
        "",
    );
    check(
        "set -u; echo $nothing",
        2,
        "",
        "sh: nothing: parameter not set\n",
    );
    check("set -x; echo a 'b c'", 0, "a b c\n", "+ echo a 'b c'\n");
    check(
        "false | true; echo $?; set -o pipefail; false | true; echo $?",
        0,
        "0\n1\n",
        "",
    );
    check(
        "echo 'echo in; return_code=4' > /s; . /s; echo $return_code",
        0,
        "in\n4\n",
        "",
    );
    check(
        "printf '#!/bin/sh\\necho $0 $1\\n' > /s; chmod +x /s; /s x",
        127,
        "",
        "sh: /s: not found\n",
    );
    check("nosuch; echo $?", 0, "127\n", "sh: nosuch: not found\n");
    check(
        "if true; then echo",
        2,
        "",
        "sh: syntax error: unexpected end of file (expecting \"fi\")\n",
    );
    check(
        "echo 'a",
        2,
        "",
        "sh: syntax error: unterminated quoted string\n",
    );
    check("exit 300", 44, "", "");
}

#[test]
fn what_is_refused_is_named() {
    let check = |script: &str, part: &str| {
        let ran = run_in(base(), script, &[]);
        let error = ran.code.expect_err(script);
        assert!(error.message.contains(part), "{script}: {error}");
    };
    check("sleep 1 & wait", "`&`");
    check("echo $$", "`$$`");
    check("f() { echo; }", "a function");
    check("[[ a = b ]]", "`[[`");
    check("cat <<< x", "`<<<`");
    check(
        "rm --one-file-system x",
        "`rm` with the option --one-file-system",
    );
    check("sed -n 'N;p' /data/a.txt", "`sed` with the command N");
    check("date", "no clock");
    check("cat /proc/cpuinfo", "no kernel");
    check("while true; do :; done", "it may never end");
    check("x=ab; while :; do x=$x$x; done", "so many bytes");
    check("trap 'rm x' EXIT", "`trap`");
    check("echo ${x/a/b}", "`${x/`");
}

#[test]
fn pretences_take_the_place_of_commands() {
    let pretend: &[(&str, &[&str])] = &[("make", &["/out/app"]), ("git", &[])];
    let ran = run_in(base(), "git clone x && make all && cat /out/app", pretend);
    assert_eq!(ran.code, Ok(0));
    assert_eq!(ran.out, "what a pretended run of `make all` wrote\n");
}

#[test]
fn commands_write_what_the_real_ones_do() {
    check(
        "cat -n /data/a.txt | head -n 2; tail -n1 /data/a.txt; tail -n +3 /data/a.txt",
        0,
        "     1\tone\n     2\ttwo\nthree\nthree\n",
        "",
    );
    check(
        "wc -l < /data/a.txt; printf 'b\\na\\nb\\n' | sort | uniq -c",
        0,
        "3\n      1 a\n      2 b\n",
        "",
    );
    check(
        "printf '10\\n9\\n' | sort -n; printf '%s-%d\\n' a 1 b 2; printf '%05d|%-3s|' 42 x",
        0,
        "9\n10\na-1\nb-2\n00042|x  |",
        "",
    );
    check(
        "echo a:b:c | cut -d: -f1,3; echo hello | tr a-y b-z; echo aabb | tr -s ab",
        0,
        "a:c\nifmmp\nab\n",
        "",
    );
    check(
        "sed -e 's/o/0/g' -e '2d' /data/a.txt; sed -n '/two/,$p' /data/a.txt",
        0,
        "0ne\nthree\ntwo\nthree\n",
        "",
    );
    check(
        "sed -E 's/(.)(.)/\\2\\1/' /data/b.txt; echo a/b | sed 's#/#_#;s/$/!/'",
        0,
        "ofur\na_b!\n",
        "",
    );
    check(
        "sed -i 's/four/five/' /data/b.txt; cat /data/b.txt; sed '1i\\top' /data/b.txt",
        0,
        "five\ntop\nfive\n",
        "",
    );
    check(
        "grep -n t /data/a.txt; grep -c o /data/a.txt; grep -q x /data/a.txt; echo $?; grep -rl four /data",
        0,
        "2:two\n3:three\n2\n1\n/data/b.txt\n",
        "",
    );
    check(
        "grep -E '^(one|two)$' /data/*.txt; grep -v t /data/a.txt; grep -o '[eo]' /data/a.txt",
        0,
        "/data/a.txt:one\n/data/a.txt:two\none\no\ne\no\ne\ne\n",
        "",
    );
    check(
        "find /data -name '*.txt' -type f; find /data -type f ! -name '*.txt' -delete; ls -A /data",
        0,
        "/data/a.txt\n/data/b.txt\na.txt\nb.txt\n",
        "",
    );
    check(
        "find /data -name '*.txt' -exec basename {} .txt \\;; echo 1 2 3 | xargs -n 2 echo x",
        0,
        "a\nb\nx 1 2\nx 3\n",
        "",
    );
    check(
        "ls /data /tmp; ls -d /data; ls -R /",
        0,
        "/data:\na.txt\nb.txt\n\n/tmp:\n/data\n/:\ndata\netc\nroot\ntmp\n\n/data:\na.txt\nb.txt\n\n/etc:\ngroup\npasswd\n\n/root:\n\n/tmp:\n",
        "",
    );
    check(
        "basename /a/b.c .c; dirname /a/b; seq 3; seq -s , 2 2 6; id -u; whoami",
        0,
        "b\n/a\n1\n2\n3\n2,4,6\n0\nroot\n",
        "",
    );
    check(
        "stat -c '%a %U %n' /tmp; readlink -f /data/../etc; test -d /etc -a ! -e /no && echo ok",
        0,
        "1777 root /tmp\n/etc\nok\n",
        "",
    );
    check("echo -n a; echo -e 'b\\tc'; echo -x", 0, "ab\tc\n-x\n", "");
    check(
        "echo abc | sha256sum | cut -c1-8; which cat nosuch; command -v cd",
        0,
        "edeaaff3\ncat\ncd\n",
        "",
    );
}

#[test]
fn failures_have_busyboxs_words() {
    check(
        "rm /no; rm -f /no; rm /data; rmdir /data",
        1,
        "",
        "rm: can't remove '/no': No such file or directory\nrm: '/data' is a directory\nrmdir: '/data': Directory not empty\n",
    );
    check(
        "cat /no /data",
        1,
        "",
        "cat: can't open '/no': No such file or directory\ncat: read error: Is a directory\n",
    );
    check(
        "mkdir /data; mkdir /a/b; cp /no /x; cp /data /y; mv /no /x",
        1,
        "",
        "mkdir: can't create directory '/data': File exists\nmkdir: can't create directory '/a/b': No such file or directory\ncp: can't stat '/no': No such file or directory\ncp: omitting directory '/data'\nmv: can't rename '/no': No such file or directory\n",
    );
    check(
        "echo x > /a/b; cat < /no",
        1,
        "",
        "sh: can't create /a/b: nonexistent directory\nsh: can't open /no: no such file\n",
    );
    check(
        "ln -s a /data/a.txt; chown nobody /data; cd /no",
        2,
        "",
        "ln: /data/a.txt: File exists\nchown: unknown user nobody\nsh: cd: line 0: can't cd to /no: No such file or directory\n",
    );
}

#[test]
fn what_is_left_in_the_tree() {
    let check = |script: &str, expected: &str| {
        let ran = run_in(Tree::new(), script, &[]);
        assert_eq!(ran.code, Ok(0), "{script}\n{}", ran.err);
        assert_eq!(
            listing(&ran.tree).trim_end(),
            expected.trim_end(),
            "{script}"
        );
    };
    check(
        "mkdir -p a/b; echo x > a/f; ln a/f a/g; ln -s f a/l; chmod 4755 a/f; chown 5:6 a/g",
        &expected_links(),
    );
}

/// The listing is that of the tree that one would put together by hand.
fn expected_links() -> String {
    let mut tree = Tree::new();
    let at = |mut node: Node| {
        node.meta.mtime.seconds = 7;
        Arc::new(node)
    };
    tree.insert(path(""), at(Node::directory(0o755)));
    tree.insert(path("a"), at(Node::directory(0o755)));
    tree.insert(path("a/b"), at(Node::directory(0o755)));
    let mut file = Node::file(0o755, *b"x\n");
    (file.meta.uid, file.meta.gid) = (5, 6);
    let file = at(file);
    tree.insert(path("a/f"), Arc::clone(&file));
    tree.insert(path("a/g"), file);
    tree.insert(path("a/l"), at(Node::symlink("f")));
    listing(&tree)
}

#[test]
fn a_user_who_is_not_root_may_not_do_everything() {
    let mut tree = base();
    let mut said = String::new();
    let mut shell = Shell {
        tree: &mut tree,
        env: BTreeMap::new(),
        cwd: RootedPath::root(),
        user: Identity {
            uid: 1000,
            gid: 1000,
            ..Identity::default()
        },
        time: Timestamp::default(),
        umask: 0o022,
        read_only: Vec::new(),
        journal: Journal::default(),
        pretend: &BTreeMap::new(),
        all_commands: true,
        other: &mut |_| None,
    };
    let script = "echo x > /f; rm /data/a.txt; ls /root; chown 1000 /data; echo y > /tmp/y; rm -r /tmp/y; cat /data/b.txt";
    let code = shell.run(script, &mut |_, text| said.push_str(text));
    assert_eq!(code, Ok(0));
    let expected = "sh: can't create /f: Permission denied\n\
        rm: can't remove '/data/a.txt': Permission denied\n\
        ls: can't open '/root': Permission denied\n\
        chown: /data: Operation not permitted\nfour\n";
    assert_eq!(said, expected);
}

/// Builds a Dockerfile in memory, on the images that stand for the real ones.
fn built(
    dockerfile: &str,
    executor: &SimExecutor,
    epoch: Option<i64>,
) -> Result<Built, BuildError> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let parsed = parse(dockerfile);
    let mut find = |reference: &Reference, platform: &Platform| {
        let fixture = fixtures::find(reference).ok_or("there is no such image")?;
        fixture
            .commit(store.as_ref(), platform)
            .map_err(|e| e.to_string())
    };
    let options = PlanOptions {
        args: BTreeMap::new(),
        target: None,
        platform: Platform::linux("amd64"),
        build_platform: Platform::linux("amd64"),
        labels: BTreeMap::new(),
        network: RunNetwork::None,
        insecure: false,
        time: Timestamp::default(),
    };
    let context = Context::default();
    let plan = plan(
        &parsed.dockerfile,
        parsed.diagnostics,
        &options,
        &context,
        &mut find,
    );
    let host = Host {
        store: Arc::clone(&store),
        cache: &MemoryCache::default(),
        executor,
        context: &context,
        secrets: &BTreeMap::new(),
        agents: &BTreeMap::new(),
        fetch: None,
    };
    let options = BuildOptions {
        surroundings: executor.surroundings(),
        source_date_epoch: epoch,
        ..BuildOptions::default()
    };
    let mut said = Vec::new();
    build(&plan.unwrap(), &host, &options, &mut |event| {
        said.push(event);
    })
}

#[test]
fn a_build_is_simulated_from_end_to_end() {
    let executor = SimExecutor::default();
    let dockerfile = "FROM alpine:3.20\nRUN adduser -D app\nUSER app\nWORKDIR /home/app\n\
        RUN echo hi > f && ls -l\nRUN --mount=type=cache,target=/c cat f\n";
    let first = built(dockerfile, &executor, None).unwrap();
    let again = built(dockerfile, &SimExecutor::default(), None).unwrap();
    assert_eq!(first.image, again.image);
    let other = built(dockerfile, &executor, Some(9)).unwrap();
    assert_ne!(first.image, other.image);

    let run = |line: &str, executor: &SimExecutor| match built(
        &format!("FROM alpine\nRUN {line}\n"),
        executor,
        None,
    ) {
        Err(BuildError::Run { source, .. }) => source.to_string(),
        other => panic!("{line}: {other:?}"),
    };
    let said = run("exit 3", &executor);
    assert!(said.ends_with("exit code: 3"), "{said}");
    let said = run("awk 1", &executor);
    assert_eq!(said, "the simulated shell does not run `awk`");
    let pretend = BTreeMap::from([("awk".to_owned(), Vec::new())]);
    let pretending = SimExecutor::new(pretend);
    assert!(built("FROM alpine\nRUN awk 1\n", &pretending, None).is_ok());
    assert_ne!(executor.surroundings(), pretending.surroundings());
}

/// The budget is 300 ms in an optimised build; what it took is printed.
#[test]
fn a_thousand_steps_are_soon_done() {
    let steps = if cfg!(debug_assertions) { 200 } else { 1000 };
    let lines = (0..steps).map(|n| format!("RUN echo {n} > /f{n}\n"));
    let dockerfile = format!("FROM alpine\n{}", lines.collect::<String>());
    let begin = std::time::Instant::now();
    let built = built(&dockerfile, &SimExecutor::default(), None).unwrap();
    println!("{steps} steps took {:?}", begin.elapsed());
    assert_eq!(built.image.layers().len(), steps + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_it_panic(script in any::<String>()) {
        let _ = run_in(base(), &script, &[]).code;
    }

    #[test]
    fn nor_does_text_that_looks_like_a_script(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "echo", "cat", "rm", "-rf", "if", "then", "fi", "for", "x", "in", "do", "done",
                "case", "esac", ")", "(", "{", "}", ";", ";;", "&&", "||", "|", ">", ">>", "<",
                "<<EOF", "\n", "EOF", "$x", "${x", "}", "$(", "`", "'", "\"", "\\", "*", "[", "]",
                "sed", "s/a/b/", "-n", "grep", "\\(", "/data/a.txt", "/tmp", "find", "-name", "-o",
                "!", "test", "$((", "))", "1", "+", "=", "x=1", "tr", "a-z", "sort", "-k2", "cut",
                "-f1-", "printf", "%5s", "%", "2>&1", "while", "until", "head", "-c-3", "seq",
                "chmod", "u+x", "chown", ":", "ls", "-lR", "xargs", "sh", "-c", "useradd", "é",
            ]),
            0..14,
        ),
        spaces in prop::bool::ANY,
    ) {
        let script = words.join(if spaces { " " } else { "" });
        let _ = run_in(base(), &script, &[]).code;
    }
}
