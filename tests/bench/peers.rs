//! The other engines, each with its state in a directory of the benchmark.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coracle::digest::Digest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::check::output;
use crate::measure::Step;

/// Somebody who cannot be measured here.
#[derive(Debug, Clone)]
pub(crate) struct Absent {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// Whether a program is installed; the error names it.
pub(crate) fn found(program: &str) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    if folders.any(|folder| folder.join(program).is_file()) {
        return Ok(());
    }
    Err(format!("{program} is not installed"))
}

/// podman or buildah with its state below `place`.
pub(crate) fn podman(program: &str, place: &Path, words: &[&str]) -> Step {
    let at = |name: &str| place.join(name).display().to_string();
    let mut all = vec![
        program.to_owned(),
        format!("--root={}", at("root")),
        format!("--runroot={}", run_root(place).display()),
        "--storage-driver=overlay".to_owned(),
    ];
    if program == "podman" {
        all.push(format!("--tmpdir={}", at("tmp")));
        all.extend(["--cgroup-manager=cgroupfs", "--events-backend=none"].map(str::to_owned));
    }
    all.extend(words.iter().map(|word| (*word).to_owned()));
    Step::new(all).env("HOME", place)
}

/// Where podman keeps what ends with it: it takes no path of more than 50 characters for that.
fn run_root(place: &Path) -> PathBuf {
    let name = Digest::of(place.as_os_str().as_bytes());
    run_roots().join(&name.hex()[..8])
}

/// The folder of all of those; removed at the end.
pub(crate) fn run_roots() -> PathBuf {
    std::env::temp_dir().join(format!("coracle-bench-{}", std::process::id()))
}

/// skopeo with these words.
pub(crate) fn skopeo(words: &[&str]) -> Step {
    Step::new(["skopeo", "--insecure-policy"].iter().chain(words).copied())
}

/// A Docker daemon in network and mount namespaces of its own, with its state in a folder.
/// It ends when this is dropped.
pub(crate) struct Docker {
    daemon: Child,
    socket: PathBuf,
}

/// Debian's client. Another one may stand before it in PATH and not know this daemon's BuildKit.
const CLIENT: &str = "/usr/bin/docker";
/// How long the daemon may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

impl Docker {
    /// Starts a daemon; the error is the reason why there is none.
    pub(crate) fn start(place: &Path) -> Result<Self, String> {
        found("dockerd")?;
        if !Path::new(CLIENT).is_file() {
            return Err(format!("{CLIENT} is not installed"));
        }
        if !rustix::process::geteuid().is_root() {
            return Err("dockerd needs root".to_owned());
        }
        let failed = |e: std::io::Error| format!("dockerd cannot be started: {e}");
        fs::create_dir_all(place).map_err(failed)?;
        let log = fs::File::create(place.join("dockerd.log")).map_err(failed)?;
        let socket = place.join("socket");
        let script = "ip link set lo up && exec dockerd \"$@\"";
        let daemon = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", script, "dockerd"])
            .arg("--data-root")
            .arg(place.join("data"))
            .arg("--exec-root")
            .arg(place.join("exec"))
            .arg("--pidfile")
            .arg(place.join("pid"))
            .args(["--host", &format!("unix://{}", socket.display())])
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let mut docker = Self { daemon, socket };
        let begin = Instant::now();
        while output(&mut docker.command(&["version"])).is_err() {
            let ended = docker.daemon.try_wait().map_err(failed)?;
            if ended.is_some() || begin.elapsed() > PATIENCE {
                let log = fs::read_to_string(place.join("dockerd.log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                return Err(format!("dockerd does not start: {last}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(docker)
    }

    /// The daemon's process.
    pub(crate) fn process(&self) -> u32 {
        self.daemon.id()
    }

    /// The client's words for this daemon.
    pub(crate) fn client(&self) -> [String; 3] {
        let host = format!("unix://{}", self.socket.display());
        [CLIENT.to_owned(), "--host".to_owned(), host]
    }

    fn command(&self, words: &[&str]) -> Command {
        let [client, rest @ ..] = self.client();
        let mut command = Command::new(client);
        command.args(rest).args(words);
        command
    }
}

/// Debian's docker-registry on a port of the loopback, with its blobs in a folder. It ends when
/// this is dropped.
pub(crate) struct DockerRegistry {
    server: Child,
    folder: PathBuf,
    port: u16,
}

impl DockerRegistry {
    /// Starts a registry that has nothing; the error is the reason why there is none.
    pub(crate) fn start(place: &Path) -> Result<Self, String> {
        found("docker-registry")?;
        found("curl")?;
        let failed = |e: std::io::Error| format!("docker-registry cannot be started: {e}");
        let folder = place.join("data");
        fs::create_dir_all(&folder).map_err(failed)?;
        let free = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let port = free.local_addr().map_err(failed)?.port();
        drop(free);
        let config = json!({
            "version": "0.1",
            "log": {"accesslog": {"disabled": true}, "level": "error"},
            "storage": {"filesystem": {"rootdirectory": folder}, "delete": {"enabled": true}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        let file = place.join("config.yml");
        fs::write(&file, config.to_string()).map_err(failed)?;
        let log = fs::File::create(place.join("log")).map_err(failed)?;
        let server = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let mut registry = Self {
            server,
            folder,
            port,
        };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = registry.server.try_wait().map_err(failed)?;
            if ended.is_some() || begin.elapsed() > PATIENCE {
                let log = fs::read_to_string(place.join("log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                return Err(format!("docker-registry does not start: {last}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }

    /// How references name it.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// Fails unless the tag leads to this manifest.
    pub(crate) fn has(&self, repository: &str, tag: &str, digest: &str) -> Result<(), String> {
        let address = format!("{}/v2/{repository}/manifests/{tag}", self.url());
        let all = "application/vnd.oci.image.manifest.v1+json";
        let mut curl = Command::new("curl");
        curl.args(["-sSfI", "-H", &format!("Accept: {all}"), &address]);
        let head = output(&mut curl)?;
        if head.lines().any(|line| line.trim().ends_with(digest)) {
            return Ok(());
        }
        Err(format!("{address} is not {digest}: {head}"))
    }

    /// Takes everything away from it.
    pub(crate) fn empty(&self) -> Result<(), String> {
        match fs::remove_dir_all(self.folder.join("docker")) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.to_string()),
            _ => Ok(()),
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The client with these words, to be measured.
pub(crate) fn docker(client: &[String; 3], words: &[&str]) -> Step {
    let words = words.iter().map(|word| (*word).to_owned());
    Step::new(client.iter().cloned().chain(words))
}

/// Removes every image from a daemon.
pub(crate) fn empty(client: &[String; 3]) -> Result<(), String> {
    let script = "\"$@\" image prune --all --force";
    output(Command::new("sh").args(["-c", script, "sh"]).args(client)).map(drop)
}

impl Drop for Docker {
    /// Ends the daemon, which ends its containerd.
    fn drop(&mut self) {
        let process = i32::try_from(self.daemon.id()).ok().and_then(Pid::from_raw);
        let Some(process) = process else { return };
        let _ = kill_process(process, Signal::TERM);
        let begin = Instant::now();
        while matches!(self.daemon.try_wait(), Ok(None)) {
            if begin.elapsed() > PATIENCE {
                let _ = self.daemon.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
