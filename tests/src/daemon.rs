//! Docker's and containerd's own daemons with all their state in a sandbox, for tests that
//! exchange images with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::call::Running;
use crate::{Call, Person, Sandbox, installed, skip};

/// A daemon of a test's own, and the program that talks to it.
///
/// It runs in network and mount namespaces of its own, so that its bridges and mounts go with it.
/// Make it after its sandbox, so that it goes first.
#[derive(Debug)]
pub struct Daemon {
    running: Option<Running>,
    /// The client with the words before its command.
    client: Vec<String>,
    sandbox: PathBuf,
    /// Where its control groups are, below each hierarchy.
    cgroups: String,
}

impl Daemon {
    /// Docker's daemon; None, said as a skip, without root or Docker.
    pub fn docker(sandbox: &Sandbox) -> Option<Self> {
        let at = |name: &str| sandbox.path().join("docker").join(name);
        let host = format!("unix://{}", at("socket").display());
        let mut words = ["dockerd", "--bridge=none", "--iptables=false", "--host"]
            .map(str::to_owned)
            .to_vec();
        words.push(host.clone());
        for (option, name) in [
            ("--data-root", "data"),
            ("--exec-root", "run"),
            ("--pidfile", "pid"),
        ] {
            words.extend([option.to_owned(), at(name).display().to_string()]);
        }
        words.extend(["--cgroup-parent".to_owned(), cgroups(sandbox)]);
        let client = ["/usr/bin/docker", "--host", &host].map(str::to_owned);
        Self::start(sandbox, "docker", &words, client.into(), "version")
    }

    /// containerd; None, said as a skip, without root or containerd.
    pub fn containerd(sandbox: &Sandbox) -> Option<Self> {
        let at = |name: &str| sandbox.path().join("containerd").join(name);
        let socket = at("socket").display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {socket:?}\n",
            at("root"),
            at("state"),
        );
        let config = sandbox.file("containerd/config.toml", config);
        let words = ["containerd", "--config", &config.display().to_string()].map(str::to_owned);
        let client = ["/usr/bin/ctr", "--address", &socket].map(str::to_owned);
        Self::start(sandbox, "containerd", &words, client.into(), "version")
    }

    fn start(
        sandbox: &Sandbox,
        package: &str,
        words: &[String],
        client: Vec<String>,
        ping: &str,
    ) -> Option<Self> {
        if !Person::me().is_root() {
            skip(&format!("needs root to start the daemon of {package}"));
            return None;
        }
        let program = Path::new(&client[0]).file_name()?.to_str()?;
        if !installed(program) {
            return None;
        }
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--"])
            .args(words)
            .env("PATH", path)
            .current_dir(sandbox.path());
        let running = Call::new(command).limit(Duration::from_mins(10)).start();
        let mut daemon = Self {
            running: Some(running),
            client,
            sandbox: sandbox.path().to_owned(),
            cgroups: cgroups(sandbox),
        };
        daemon.wait_until_it_answers(ping);
        Some(daemon)
    }

    /// The daemon's process, whose namespaces are its own.
    pub fn id(&self) -> u32 {
        self.running.as_ref().map_or(0, Running::id)
    }

    /// A call of the client in the sandbox's folder.
    pub fn call(&self, words: &[&str]) -> Call {
        let mut command = Command::new("timeout");
        command
            .args(["--signal=KILL", "100"])
            .args(&self.client)
            .args(words)
            .env("HOME", self.sandbox.join("home"))
            .current_dir(&self.sandbox);
        Call::new(command)
    }

    fn wait_until_it_answers(&mut self, ping: &str) {
        let begin = Instant::now();
        while self.call(&[ping]).run().code != Some(0) {
            let runs = self.running.as_mut().is_some_and(Running::runs);
            if !runs || begin.elapsed() > Duration::from_mins(1) {
                let outcome = self.running.take().map(|running| {
                    running.kill_group();
                    running.wait()
                });
                panic!("the daemon does not answer\n{}", outcome.unwrap());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Daemon {
    /// Ends the daemon as a service manager does, so that it ends what it started, and removes
    /// its control groups: Docker's builder leaves those that its steps were in.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::TERM);
            let outcome = running.wait();
            remove_cgroups(&self.cgroups);
            if !std::thread::panicking() {
                assert!(outcome.signal.is_none(), "{outcome}");
            }
        }
    }
}

/// The parent of a daemon's control groups: no other test's, and no other daemon's.
fn cgroups(sandbox: &Sandbox) -> String {
    let name = sandbox.path().file_name().unwrap_or_default();
    format!("/coracle-test-{}", name.display())
}

/// Removes a control group and those in it from each hierarchy of this machine. The kernel takes
/// none away that somebody lives in.
fn remove_cgroups(name: &str) {
    let mounted = Path::new("/sys/fs/cgroup");
    remove_group(&mounted.join(&name[1..]));
    for hierarchy in fs::read_dir(mounted).into_iter().flatten().flatten() {
        remove_group(&hierarchy.path().join(&name[1..]));
    }
}

fn remove_group(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    // Not there in most hierarchies; whoever compares the machine before and after tells of the
    // ones that could not be removed.
    let _gone = fs::remove_dir(group);
}
