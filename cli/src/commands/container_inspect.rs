//! A container as `coracle inspect` shows it: Docker's shape.

use coracle::linux::containers::Container;
use coracle::linux::snapshot::RootFs;
use coracle::runtime::Status;
use serde_json::{Value, json};

use super::inspect::run_config;
use crate::failure::Failure;

/// A moment that never was, as Docker writes it.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Everything that is known about a container.
pub(super) fn document(container: &Container) -> Result<Value, Failure> {
    let record = &container.record;
    let config = &record.config;
    let mut command = config.entrypoint.iter().chain(&config.cmd);
    let place = |file: &str| container.path.join(file).display().to_string();
    let mut shown = run_config(config)?;
    for (name, value) in [
        ("Hostname", json!(record.hostname)),
        ("Image", json!(record.image_name)),
        ("OpenStdin", json!(record.interactive)),
        ("Tty", json!(record.tty)),
    ] {
        shown[name] = value;
    }
    Ok(json!({
        "Id": record.id,
        "Created": record.created,
        "Path": command.next(),
        "Args": command.collect::<Vec<_>>(),
        "State": state(&container.status),
        "Image": record.image,
        "ResolvConfPath": place("resolv.conf"),
        "HostnamePath": place("hostname"),
        "HostsPath": place("hosts"),
        "Name": format!("/{}", record.name),
        "RestartCount": 0,
        "Driver": match &record.root {
            RootFs::Overlay { .. } => "overlay",
            RootFs::Directory(_) => "copy",
        },
        "Platform": "linux",
        "HostConfig": {
            "Binds": record.binds.iter().map(|bind| {
                let mode = if bind.read_only { "ro" } else { "rw" };
                format!("{}:{}:{mode}", bind.source, bind.target)
            }).collect::<Vec<_>>(),
            "NetworkMode": record.network,
            "AutoRemove": record.remove,
            "ReadonlyRootfs": record.read_only,
            "Init": record.init,
        },
        "GraphDriver": graph_driver(container),
        "Mounts": record.binds.iter().map(|bind| json!({
            "Type": "bind",
            "Source": bind.source,
            "Destination": bind.target,
            "Mode": "",
            "RW": !bind.read_only,
            "Propagation": "rprivate",
        })).collect::<Vec<_>>(),
        "Config": shown,
        "NetworkSettings": { "Networks": { record.network.to_string(): {} } },
    }))
}

fn state(status: &Status) -> Value {
    let (started, finished) = match status {
        Status::Created { .. } => (NEVER, NEVER),
        Status::Running { started, .. } => (started.as_str(), NEVER),
        Status::Exited(end) => (end.started.as_str(), end.finished.as_str()),
    };
    let error = match status {
        Status::Created {
            failure: Some(failure),
        } => failure.message.as_str(),
        Status::Exited(end) if end.unseen => {
            "whoever attended to the container was killed, and the container with it"
        }
        _ => "",
    };
    json!({
        "Status": status.word(),
        "Running": matches!(status, Status::Running { .. }),
        "Paused": false,
        "Restarting": false,
        "Dead": false,
        "Pid": match status {
            Status::Running { process, .. } => process.pid,
            _ => 0,
        },
        "ExitCode": status.code(),
        "Error": error,
        "StartedAt": started,
        "FinishedAt": finished,
    })
}

fn graph_driver(container: &Container) -> Value {
    match &container.record.root {
        RootFs::Overlay {
            lower, upper, work, ..
        } => {
            let lower: Vec<_> = lower
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            json!({
                "Name": "overlay",
                "Data": {
                    "LowerDir": lower.join(":"),
                    "UpperDir": upper,
                    "WorkDir": work,
                },
            })
        }
        RootFs::Directory(path) => json!({ "Name": "copy", "Data": { "Dir": path } }),
    }
}
