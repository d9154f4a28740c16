//! From an image's config and a person's options to the document that describes a container: an
//! OCI runtime specification, with Docker's defaults.

use serde_json::{Value, json};

use super::capabilities;
use super::options::{Network, OptionError, RunOptions, ULIMITS};
use super::seccomp::default_policy;
use crate::spec::RunConfig;
use crate::spec::runtime::Spec;

/// Where the container will live, as far as its specification must say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// The absolute path of the bundle: the directory that holds `config.json`, `rootfs`, and
    /// the files that stand for `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`.
    pub bundle: String,
    /// The processor, by Go's name.
    pub architecture: String,
}

/// Why an image and options do not make a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// There is nothing to run.
    #[error("the image names no command; write one after the image's name")]
    NoCommand,
    /// The working directory is not absolute.
    #[error("working directory {path:?}: it must be an absolute path, as in /srv")]
    WorkingDir {
        /// What was asked for.
        path: String,
    },
    /// An option cannot be understood, or two of them cannot stand together.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The parts do not make a specification.
    #[error("make the runtime specification: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// The search path when neither the image nor a person sets one.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every container has mounted: destination, type, source, options. In this order, because
/// some stand inside others.
const MOUNTS: [(&str, &str, &str, &str); 7] = [
    ("/proc", "proc", "proc", "nosuid,noexec,nodev"),
    (
        "/dev",
        "tmpfs",
        "tmpfs",
        "nosuid,strictatime,mode=755,size=65536k",
    ),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
    ),
    ("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
    (
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        "ro,nosuid,noexec,nodev",
    ),
    ("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
    (
        "/dev/shm",
        "tmpfs",
        "shm",
        "nosuid,noexec,nodev,mode=1777,size=65536k",
    ),
];

/// What of `/proc` and `/sys` tells too much about the machine, or lets it be changed.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What of `/proc` may be read but would change the machine when written.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// What of `/etc` comes from the bundle.
const ETC_FILES: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

/// The specification of a container of `image`, run with `options` in `place`.
///
/// The user stands in `process.user.username` as it was written, because only the image's own
/// files, mounted, can say which number that is; `init` looks there.
/// Source: [runtime-spec, config](https://github.com/opencontainers/runtime-spec/blob/main/config.md).
pub fn container_spec(
    image: &RunConfig,
    options: &RunOptions,
    place: &Place,
) -> Result<Spec, SpecError> {
    options.check()?;
    let capabilities = capabilities::granted(options)?;
    let config = effective(image, options);
    let hostname = hostname(options, place);
    let mut linux = json!({
        "namespaces": namespaces(options.network),
        "maskedPaths": if options.privileged { &[][..] } else { &MASKED },
        "readonlyPaths": if options.privileged { &[][..] } else { &READ_ONLY },
    });
    if options.filters() {
        linux["seccomp"] = default_policy(&place.architecture, &capabilities);
    }
    if options.network == Network::None {
        // In a network of one's own, port 80 takes nothing away from anybody.
        linux["sysctl"] = json!({ "net.ipv4.ip_unprivileged_port_start": "0" });
    }
    let spec = json!({
        "ociVersion": "1.0.2",
        "root": { "path": "rootfs", "readonly": options.read_only },
        "hostname": hostname,
        "process": {
            "terminal": options.tty,
            "user": { "uid": 0, "gid": 0, "username": config.user },
            "args": command(&config)?,
            "env": environment(image, options, &hostname),
            "cwd": working_dir(&config)?,
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
            "noNewPrivileges": !options.allow_new_privileges,
            "rlimits": options.ulimits.iter().map(|limit| json!({
                "type": ULIMITS.iter().find(|(name, _)| *name == limit.name).map(|(_, typ)| typ),
                "soft": limit.soft,
                "hard": limit.hard,
            })).collect::<Vec<_>>(),
        },
        "mounts": mounts(options, place),
        "linux": linux,
    });
    Ok(serde_json::from_value(spec)?)
}

/// The specification as the bytes of `config.json`: the same ones for the same specification.
pub fn to_json(spec: &Spec) -> Result<Vec<u8>, serde_json::Error> {
    let mut value = serde_json::to_value(spec)?;
    // The library keeps these as sets, whose order changes from run to run.
    if let Some(sets) = value
        .pointer_mut("/process/capabilities")
        .and_then(Value::as_object_mut)
    {
        for set in sets.values_mut().filter_map(Value::as_array_mut) {
            set.sort_by_key(|name| name.as_str().map(str::to_owned));
        }
    }
    serde_json::to_vec_pretty(&value)
}

/// What the container calls itself.
pub fn hostname(options: &RunOptions, place: &Place) -> String {
    match &options.hostname {
        Some(name) => name.clone(),
        None => place.id.chars().take(12).collect(),
    }
}

/// The image's config with what a person asked for in place of what the image says: what a
/// container of it really runs, and what an image committed from the container says.
pub fn effective(image: &RunConfig, options: &RunOptions) -> RunConfig {
    let mut config = image.clone();
    // A new entrypoint makes the image's default command meaningless.
    if let Some(entrypoint) = &options.entrypoint {
        config.entrypoint.clone_from(entrypoint);
        config.cmd.clear();
    }
    if !options.command.is_empty() {
        config.cmd.clone_from(&options.command);
    }
    set_variables(&mut config.env, &options.env);
    config.working_dir = options.working_dir.clone().unwrap_or(config.working_dir);
    config.labels.extend(options.labels.clone());
    config.user = options.user.clone().unwrap_or(config.user);
    config
}

/// What is executed.
fn command(config: &RunConfig) -> Result<Vec<String>, SpecError> {
    let args = [&config.entrypoint[..], &config.cmd].concat();
    if args.first().is_none_or(String::is_empty) {
        return Err(SpecError::NoCommand);
    }
    Ok(args)
}

/// The variables: ours, then the image's, then the person's; a later one takes an earlier one's
/// place.
fn environment(image: &RunConfig, options: &RunOptions, hostname: &str) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if options.tty {
        env.push("TERM=xterm".to_owned());
    }
    set_variables(&mut env, &image.env);
    set_variables(&mut env, &options.env);
    env
}

/// Sets `NAME=value` in place or at the end; `NAME` alone takes it away.
fn set_variables(env: &mut Vec<String>, variables: &[String]) {
    for variable in variables {
        let name = variable.split('=').next().unwrap_or_default();
        let place = env
            .iter()
            .position(|known| known.split('=').next() == Some(name));
        match (place, variable.contains('=')) {
            (Some(place), true) => env[place].clone_from(variable),
            (Some(place), false) => drop(env.remove(place)),
            (None, true) => env.push(variable.clone()),
            (None, false) => {}
        }
    }
}

fn working_dir(config: &RunConfig) -> Result<&str, SpecError> {
    match config.working_dir.as_str() {
        "" => Ok("/"),
        absolute if absolute.starts_with('/') => Ok(absolute),
        path => Err(SpecError::WorkingDir {
            path: path.to_owned(),
        }),
    }
}

fn namespaces(network: Network) -> Value {
    let mut namespaces = vec!["mount", "uts", "ipc", "cgroup", "pid"];
    if network == Network::None {
        namespaces.push("network");
    }
    namespaces
        .iter()
        .map(|typ| json!({ "type": typ }))
        .collect()
}

fn mounts(options: &RunOptions, place: &Place) -> Vec<Value> {
    let mut mounts: Vec<(String, Value)> = Vec::new();
    let mut add = |destination: &str, typ: &str, source: &str, options: Vec<&str>| {
        // Whoever mounts something where something of ours stands, means it.
        mounts.retain(|(there, _)| there != destination);
        let mount = json!({
            "destination": destination,
            "type": typ,
            "source": source,
            "options": options,
        });
        mounts.push((destination.to_owned(), mount));
    };
    for (destination, typ, source, list) in MOUNTS {
        let writable = options.privileged && destination.starts_with("/sys");
        let list = list.split(',').filter(|o| !(writable && *o == "ro"));
        add(destination, typ, source, list.collect());
    }
    for file in ETC_FILES {
        let source = format!("{}/{file}", place.bundle);
        add(
            &format!("/etc/{file}"),
            "bind",
            &source,
            vec!["rbind", "rprivate"],
        );
    }
    for tmpfs in &options.tmpfs {
        let mut list = vec!["nosuid", "noexec", "nodev"];
        list.extend(tmpfs.options.iter().map(String::as_str));
        add(&tmpfs.target, "tmpfs", "tmpfs", list);
    }
    for bind in &options.binds {
        let access = if bind.read_only { "ro" } else { "rw" };
        let list = vec!["rbind", "rprivate", access];
        add(&bind.target, "bind", &bind.source, list);
    }
    // A mount hides what was mounted below it before, so the outer ones come first. The order
    // among equals stays.
    let depth = |destination: &str| destination.split('/').filter(|c| !c.is_empty()).count();
    mounts.sort_by_key(|(destination, _)| depth(destination));
    mounts.into_iter().map(|(_, mount)| mount).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Bind, SeccompOption, Tmpfs, Ulimit};

    fn place() -> Place {
        Place {
            id: "0123456789abcdef".repeat(4),
            bundle: "/bundle".to_owned(),
            architecture: "amd64".to_owned(),
        }
    }

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    fn image() -> RunConfig {
        RunConfig {
            env: strings(&["PATH=/bin", "LANG=C"]),
            entrypoint: strings(&["/enter"]),
            cmd: strings(&["serve"]),
            user: "app".to_owned(),
            working_dir: "/srv".to_owned(),
            ..RunConfig::default()
        }
    }

    fn value(options: &RunOptions) -> Value {
        let spec = container_spec(&image(), options, &place()).unwrap();
        serde_json::from_slice(&to_json(&spec).unwrap()).unwrap()
    }

    #[test]
    fn the_default_specification() {
        let mut value = value(&RunOptions::default());
        // The policy has its own tests and would fill pages.
        let policy = value["linux"]["seccomp"].take();
        assert_eq!(policy["defaultErrnoRet"], 1);
        insta::assert_json_snapshot!(value);
    }

    #[test]
    fn the_same_specification_has_the_same_bytes() {
        let bytes = || {
            let options = RunOptions {
                privileged: true,
                ..RunOptions::default()
            };
            to_json(&container_spec(&image(), &options, &place()).unwrap()).unwrap()
        };
        let first = bytes();
        assert!((0..8).all(|_| bytes() == first));
    }

    #[test]
    fn what_is_executed() {
        let check = |entrypoint: Option<&[&str]>, command: &[&str], expected: &[&str]| {
            let options = RunOptions {
                entrypoint: entrypoint.map(strings),
                command: strings(command),
                ..RunOptions::default()
            };
            match self::command(&effective(&image(), &options)) {
                Ok(args) => assert_eq!(args, expected),
                Err(SpecError::NoCommand) => assert!(expected.is_empty()),
                Err(error) => panic!("{error}"),
            }
        };
        check(None, &[], &["/enter", "serve"]);
        check(None, &["test"], &["/enter", "test"]);
        check(Some(&["/bin/sh"]), &[], &["/bin/sh"]);
        check(Some(&["/bin/sh"]), &["-c", "x"], &["/bin/sh", "-c", "x"]);
        check(Some(&[]), &["ls"], &["ls"]);
        check(Some(&[]), &[], &[]);
        check(Some(&[""]), &[], &[]);
    }

    #[test]
    fn variables_in_order_the_later_one_wins() {
        let check = |env: &[&str], tty: bool, expected: &[&str]| {
            let options = RunOptions {
                env: strings(env),
                tty,
                ..RunOptions::default()
            };
            assert_eq!(environment(&image(), &options, "box"), expected);
        };
        check(&[], false, &["PATH=/bin", "HOSTNAME=box", "LANG=C"]);
        check(
            &["LANG=de", "A=1=2", "B"],
            false,
            &["PATH=/bin", "HOSTNAME=box", "LANG=de", "A=1=2"],
        );
        check(
            &["TERM=dumb", "LANG"],
            true,
            &["PATH=/bin", "HOSTNAME=box", "TERM=dumb"],
        );
        assert!(
            environment(&RunConfig::default(), &RunOptions::default(), "b")[0]
                .contains("/usr/local/bin")
        );
    }

    #[test]
    fn where_it_starts() {
        let check = |asked: Option<&str>, expected: Option<&str>| {
            let options = RunOptions {
                working_dir: asked.map(str::to_owned),
                ..RunOptions::default()
            };
            let config = effective(&image(), &options);
            assert_eq!(working_dir(&config).ok(), expected);
        };
        check(None, Some("/srv"));
        check(Some("/tmp"), Some("/tmp"));
        check(Some("tmp"), None);
    }

    #[test]
    fn a_persons_mounts_take_the_place_of_ours_and_the_outer_come_first() {
        let options = RunOptions {
            binds: vec![
                Bind::parse("/h/deep:/a/b/c").unwrap(),
                Bind::parse("/h/hosts:/etc/hosts:ro").unwrap(),
                Bind::parse("/h:/a").unwrap(),
            ],
            tmpfs: vec![Tmpfs::parse("/dev/shm:size=1m").unwrap()],
            ..RunOptions::default()
        };
        let value = value(&options);
        let mounts = value["mounts"].as_array().unwrap();
        let at = |path: &str| {
            let found: Vec<_> = (0..mounts.len())
                .filter(|i| mounts[*i]["destination"] == path)
                .collect();
            assert_eq!(found.len(), 1, "{path}");
            found[0]
        };
        assert!(at("/a") < at("/a/b/c"));
        assert_eq!(mounts[at("/etc/hosts")]["source"], "/h/hosts");
        assert!(
            mounts[at("/dev/shm")]["options"]
                .as_array()
                .unwrap()
                .contains(&"size=1m".into())
        );
        assert!(at("/sys") < at("/sys/fs/cgroup") && at("/dev") < at("/dev/pts"));
    }

    #[test]
    fn privileges_and_their_absence() {
        let usual = value(&RunOptions::default());
        assert_eq!(usual["process"]["noNewPrivileges"], true);
        assert_eq!(
            usual["process"]["capabilities"]["effective"]
                .as_array()
                .unwrap()
                .len(),
            14
        );
        assert!(usual["process"]["capabilities"].get("ambient").is_none());
        let privileged = value(&RunOptions {
            privileged: true,
            ..RunOptions::default()
        });
        assert!(privileged["linux"].get("seccomp").is_none());
        assert_eq!(privileged["linux"]["maskedPaths"], json!([]));
        assert_eq!(
            privileged["process"]["capabilities"]["effective"]
                .as_array()
                .unwrap()
                .len(),
            41
        );
        let open = value(&RunOptions {
            seccomp: SeccompOption::Unconfined,
            allow_new_privileges: true,
            ..RunOptions::default()
        });
        assert_eq!(open["process"]["noNewPrivileges"], false);
        assert!(open["linux"].get("seccomp").is_none());
    }

    #[test]
    fn limits_network_and_names() {
        let value = value(&RunOptions {
            ulimits: vec![Ulimit::parse("nofile=10:20").unwrap()],
            network: Network::Host,
            hostname: Some("box".to_owned()),
            read_only: true,
            user: Some("1:2".to_owned()),
            ..RunOptions::default()
        });
        assert_eq!(
            value["process"]["rlimits"],
            json!([{ "type": "RLIMIT_NOFILE", "soft": 10, "hard": 20 }])
        );
        assert!(!value["linux"]["namespaces"].to_string().contains("network"));
        assert!(value["linux"].get("sysctl").is_none());
        assert_eq!(value["hostname"], "box");
        assert_eq!(value["root"]["readonly"], true);
        assert_eq!(value["process"]["user"]["username"], "1:2");
    }
}
