//! What cannot be foreseen: kill -9 at any moment, and a disk that is full.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use coracle_tests::{Call, Person, Sandbox, skip};
use rustix::process::Signal;

/// What the system says when the disk is full.
const FULL: &str = "No space left on device (os error 28)";

/// How often each task is killed.
const KILLS: u32 = 50;

#[test]
fn a_build_that_is_killed_leaves_a_whole_store() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.coracle(["base", "-t", "base"]).run().succeeds();
    sandbox.file("app/ballast", noise(4_000_000));
    sandbox.file(
        "app/Dockerfile",
        "FROM base\nCOPY ballast /\nRUN echo one > /one\nWORKDIR /two\nRUN echo two > two\n",
    );
    // Without the cache, so that none is done before it begins; and each is another image.
    let build = |number: u32| {
        let label = format!("number={number}");
        let words = ["build", "--no-cache", "--label", &label, "-t", "app", "app"];
        sandbox.coracle(words)
    };
    // The first build unpacks the base; those that are killed do not.
    build(0).run().succeeds();
    let whole = build(1).run().succeeds().took;
    kill_often(&sandbox, whole, |number| build(number + 1));
    build(u32::MAX).run().succeeds();
    assert_whole(&sandbox, KILLS);
    let run = ["run", "--rm", "app", "cat", "/one", "/two/two"];
    let outcome = sandbox.coracle(run).run().succeeds();
    assert_eq!(outcome.stdout, "one\ntwo\n");
    let left = std::fs::read_dir(sandbox.root().join("containers")).unwrap();
    let left: Vec<_> = left.flatten().collect();
    assert!(left.is_empty(), "containers of killed builds: {left:?}");
}

#[test]
fn a_load_that_is_killed_leaves_a_whole_store() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("app/ballast", noise(20_000_000));
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY ballast /\n");
    let build = ["--root", "other", "build", "-t", "app", "app"];
    sandbox.coracle(build).run().succeeds();
    let save = ["--root", "other", "save", "-o", "app.tar", "app"];
    sandbox.coracle(save).run().succeeds();

    let load = || sandbox.coracle(["load", "-i", "app.tar"]);
    let whole = load().run().succeeds().took;
    kill_often(&sandbox, whole, |_| {
        sandbox.coracle(["rmi", "app"]).run();
        load()
    });
    load().run().succeeds();
    sandbox.coracle(["image", "check", "app"]).run().succeeds();
}

#[test]
fn a_prune_that_is_killed_leaves_a_whole_store() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.coracle(["base", "-t", "base"]).run().succeeds();
    sandbox
        .coracle(["save", "-o", "base.tar", "base"])
        .run()
        .succeeds();
    sandbox.file(
        "app/Dockerfile",
        "FROM base\nRUN echo one > /one\nRUN echo two > /two\n",
    );
    // Each round has an image, its snapshots, a cache, and an image that has lost its tag.
    let fill = |number: u32| {
        sandbox.coracle(["load", "-i", "base.tar"]).run().succeeds();
        let label = format!("number={number}");
        let build = ["build", "--label", &label, "-t", "app", "app"];
        sandbox.coracle(build).run().succeeds();
    };
    let prune = || sandbox.coracle(["system", "prune", "--all", "--force"]);
    fill(0);
    let whole = prune().run().succeeds().took;
    kill_often(&sandbox, whole, |number| {
        fill(number);
        prune()
    });
    prune().run().succeeds();
    let left = sandbox.root().join("store/blobs/sha256");
    assert_eq!(std::fs::read_dir(left).unwrap().count(), 0);
}

#[test]
fn a_full_disk_is_said_and_leaves_a_whole_store() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !Person::me().is_root() {
        return skip("needs root to mount a small disk");
    }
    sandbox.file("small/Dockerfile", "FROM scratch\nCOPY file /\n");
    sandbox.file("small/file", "small");
    sandbox.file("big/Dockerfile", "FROM scratch\nCOPY ballast /\n");
    sandbox.file("big/ballast", noise(12_000_000));
    let other = ["--root", "other", "build", "-t", "big", "big"];
    sandbox.coracle(other).run().succeeds();
    std::fs::create_dir(sandbox.root()).unwrap();
    // In a mount namespace of its own: the small disk is gone with the script's last process.
    let script = "set -e
        mount -t tmpfs -o size=8m,mode=755,uid=$1,gid=$2 tmpfs \"$CORACLE_ROOT\"
        as=\"setpriv --reuid=$1 --regid=$2 --clear-groups\"
        $as \"$3\" build -t small small
        if $as \"$3\" build -t big big; then echo 'it fits'; exit 9; fi
        if $as \"$3\" image inspect big; then echo 'it is there'; exit 9; fi
        $as \"$3\" image check small
        if \"$3\" --root other save -o \"$CORACLE_ROOT/saved\" big; then echo 'it fits'; exit 9; fi
        if \"$3\" --root other image unpack big \"$CORACLE_ROOT/out\"; then echo 'it fits'; exit 9; fi
        echo more > small/file
        $as \"$3\" build -t small small
        $as \"$3\" image check small
        echo whole";
    let call = sandbox.stagehand("unshare", ["--mount", "sh", "-c", script, "sh"]);
    let ids = [sandbox.person.uid, sandbox.person.gid];
    let call = call.args(ids.map(|id| id.to_string()));
    let outcome = call.args([sandbox.binary()]).run().succeeds();
    // Each message names the file that could not be written.
    for part in ["/root/store/tmp/", "/root/saved: ", "/ballast in "] {
        let named = |line: &str| line.contains(part) && line.ends_with(FULL);
        assert!(outcome.stderr.lines().any(named), "{part}\n{outcome}");
    }
    assert!(outcome.stdout.ends_with("whole\n"), "{outcome}");
}

/// Kills the calls that `task` makes, until as many as we want were killed while they ran, and
/// asserts after each that the store is whole. `whole` is how long one took.
///
/// A call that ended before its moment says that the machine has become faster than it was when
/// the time was taken; the next moments come earlier.
fn kill_often(sandbox: &Sandbox, mut whole: Duration, mut task: impl FnMut(u32) -> Call) {
    let mut killed = 0;
    for number in 1..=5 * KILLS {
        if kill_within(task(number), whole, killed + 1) {
            killed += 1;
        } else {
            whole = whole.mul_f64(0.8);
        }
        assert_whole(sandbox, number);
        if killed == KILLS {
            return;
        }
    }
    panic!("only {killed} calls were still running when they were killed");
}

/// Starts the call and kills it at some moment of the time that it takes as a whole.
///
/// The moments are spread over the whole time, each at a random place of its own share; every
/// second time only the first process is killed, and the others have to notice. The answer is
/// whether it was still running.
fn kill_within(call: Call, whole: Duration, number: u32) -> bool {
    let share = whole / KILLS;
    let moment = share * (number - 1) + share.mul_f64(random(number));
    let running = call.start();
    std::thread::sleep(moment);
    if number.is_multiple_of(2) {
        running.signal(Signal::KILL);
    } else {
        running.kill_group();
    }
    running.wait().signal == Some(9)
}

/// Asserts that everything is as it should be, to the last byte of every blob: what was killed
/// may have left something behind, but no lie.
#[track_caller]
fn assert_whole(sandbox: &Sandbox, number: u32) {
    let list = ["images", "--quiet", "--no-trunc"];
    let listed = sandbox.coracle(list).run().succeeds();
    assert!(listed.stderr.is_empty(), "after kill {number}\n{listed}");
    let check = sandbox.coracle(["fsck"]).run();
    assert_eq!(check.code, Some(0), "after kill {number}\n{check}");
}

/// A number from 0 to 1 that is another in every run.
fn random(salt: u32) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(salt) >> 32;
    f64::from(u32::try_from(bits).unwrap()) / f64::from(u32::MAX)
}

/// Bytes that do not compress, the same ones every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
