//! The rows of `image ls-files` and `layer ls`: one for each file.

use coracle::image::FileRow;
use serde_json::{Value, json};

use super::format::{Listing, Row};
use crate::failure::Failure;

/// The list of `files`, with a column for the layer if they are from several.
pub(crate) fn listing(files: &[FileRow], with_layer: bool) -> Result<Listing, Failure> {
    let rows = files.iter().map(row).collect::<Result<_, _>>()?;
    Ok(Listing {
        columns: if with_layer {
            "{{.type}}\t{{.mode}}\t{{.owner}}\t{{.size}}\t{{.layer}}\t{{.path}}{{.arrow}}"
        } else {
            "{{.type}}\t{{.mode}}\t{{.owner}}\t{{.size}}\t{{.path}}{{.arrow}}"
        },
        headers: &[
            ("type", "TYPE"),
            ("mode", "MODE"),
            ("owner", "OWNER"),
            ("uid", "UID"),
            ("gid", "GID"),
            ("size", "SIZE"),
            ("layer", "LAYER"),
            ("path", "PATH"),
            ("target", "TARGET"),
            ("sha256", "SHA256"),
            ("mtime", "MTIME"),
            ("xattrs", "XATTRS"),
            ("major", "MAJOR"),
            ("minor", "MINOR"),
            ("arrow", ""),
        ],
        rows,
    })
}

fn row(file: &FileRow) -> Result<Row, Failure> {
    let document = serde_json::to_value(file)?;
    let mut shown = document.clone();
    shown["owner"] = format!("{}:{}", file.uid, file.gid).into();
    shown["arrow"] = match (&file.target, file.kind) {
        (Some(target), "symlink") => format!(" -> {target}").into(),
        (Some(target), _) => format!(" link to {target}").into(),
        (None, _) => "".into(),
    };
    shown["size"] = match (file.kind, file.major, file.minor) {
        (_, Some(major), Some(minor)) => format!("{major},{minor}").into(),
        ("file", ..) => file.size.into(),
        _ => "-".into(),
    };
    shown["layer"] = file
        .layer
        .map_or_else(|| "-".into(), |n| json!(n.to_string()));
    // A template may ask for what does not apply to this file.
    for name in [
        "target",
        "sha256",
        "major",
        "minor",
        "path_hex",
        "target_hex",
    ] {
        if shown[name] == Value::Null {
            shown[name] = "".into();
        }
    }
    let xattrs = file
        .xattrs
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    shown["xattrs"] = xattrs.collect::<Vec<_>>().join(",").into();
    Ok(Row { shown, document })
}
