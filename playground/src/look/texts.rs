//! Digests and how they come about, documents, headers, the context, the Dockerfile explained.

use coracle::dockerfile::explain::explain as explained;
use coracle::dockerfile::ignore;
use coracle::dockerfile::parse;
use coracle::dockerfile::stages::Settings;
use coracle::image::StoredLayer;
use coracle::layer::tar::headers;
use coracle::path::RootedPath;
use coracle::tree::Kind;

use super::{ContextRow, DigestRow, ExplainRow, Seen, TarRow, stacks};
use crate::session::Session;
use crate::stack::{BOUNDS, chain_ids};

/// Every digest of an image and what it is the digest of.
pub(super) fn digests(session: &mut Session, of: &str) -> Result<Seen, String> {
    let stack = stacks::find(session, of)?;
    let mut rows = Vec::new();
    for (number, (layer, chain)) in stack
        .layers
        .iter()
        .zip(chain_ids(&stack.layers))
        .enumerate()
    {
        rows.extend(layer_digests(number, layer));
        let below = chain_ids(&stack.layers[..number]).pop();
        let (formula, input) = match below {
            None => (format!("diff ID {number}"), None),
            Some(below) => (
                format!("sha256(chain ID {} + \" \" + diff ID {number})", number - 1),
                Some(format!("{} {}", below.0, layer.diff_id.0)),
            ),
        };
        rows.push(DigestRow {
            name: format!("chain ID {number}"),
            digest: chain.0.to_string(),
            formula,
            size: input.as_ref().map_or(0, |text| text.len() as u64),
            input,
        });
    }
    if let Some(image) = &stack.image {
        let documents = [
            (
                "config",
                "sha256(config, which lists the diff IDs)",
                image.config.bytes(),
            ),
            (
                "manifest",
                "sha256(manifest, which lists the digests of config and layers)",
                image.manifest.bytes(),
            ),
        ];
        for (name, formula, bytes) in documents {
            rows.push(DigestRow {
                name: name.to_owned(),
                digest: coracle::digest::Digest::of(bytes).to_string(),
                formula: formula.to_owned(),
                input: String::from_utf8(bytes.to_vec()).ok(),
                size: bytes.len() as u64,
            });
        }
    }
    Ok(Seen::Digests { rows })
}

fn layer_digests(number: usize, layer: &StoredLayer) -> Vec<DigestRow> {
    let mut rows = vec![DigestRow {
        name: format!("diff ID {number}"),
        digest: layer.diff_id.0.to_string(),
        formula: format!("sha256(archive of layer {number})"),
        input: None,
        size: layer.blob.size,
    }];
    let formula = if layer.is_uncompressed() {
        "the blob is the archive itself, so it is the diff ID".to_owned()
    } else {
        format!("sha256(archive of layer {number}, compressed)")
    };
    rows.push(DigestRow {
        name: format!("layer {number}"),
        digest: layer.blob.digest.to_string(),
        formula,
        input: None,
        size: layer.blob.size,
    });
    rows
}

/// A document, indented for reading.
pub(super) fn json(session: &mut Session, of: &str, document: &str) -> Result<Seen, String> {
    let stack = stacks::find(session, of)?;
    let image = stack.image.ok_or("only a whole image has documents")?;
    let bytes = match document {
        "manifest" => image.manifest.bytes(),
        "config" => image.config.bytes(),
        other => {
            return Err(format!(
                "{other:?} is no document; there are manifest and config"
            ));
        }
    };
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    Ok(Seen::Json {
        digest: coracle::digest::Digest::of(bytes).to_string(),
        size: bytes.len() as u64,
        text: serde_json::to_string_pretty(&value).map_err(|e| e.to_string())?,
    })
}

/// The headers of a layer's archive.
pub(super) fn tar(session: &mut Session, of: &str, layer: usize) -> Result<Seen, String> {
    let stack = stacks::find(session, of)?;
    let stored = stack.layers.get(layer);
    let stored = stored.ok_or_else(|| format!("there is no archive of a layer {layer}"))?;
    let archive = stored
        .open(&stack.store, BOUNDS)
        .map_err(|e| e.to_string())?;
    let mut rows = Vec::new();
    for header in headers(archive).map_err(|e| format!("read the archive: {e}"))? {
        rows.push(TarRow {
            name: header.name,
            kind: header.kind,
            mode: format!("{:04o}", header.mode),
            owner: format!("{}:{}", header.uid, header.gid),
            size: header.size,
            mtime: header.mtime,
            target: header.target,
            note: header.meaning.unwrap_or_default(),
        });
    }
    Ok(Seen::Tar { rows })
}

/// Every file of the project as the build sees it.
pub(super) fn context(session: &Session) -> Seen {
    let state = session.state();
    let wanted = session.wanted();
    let context = state.context(&wanted.file, wanted.time());
    let ignore = state.ignore_file(&wanted.file);
    let patterns = ignore.as_ref().map(|(_, text)| ignore::parse(text).0);
    let taken = session.preview.taken();
    let files = state
        .project
        .iter()
        .filter(|(_, node)| node.kind != Kind::Directory);
    let row = |path: &RootedPath| {
        let seen = context.tree.get(path).is_some();
        let decision = patterns.as_ref().map(|p| p.check(path));
        let why = match (&ignore, decision.and_then(|d| d.by)) {
            (Some((name, text)), Some(line)) => {
                let pattern = text.lines().nth(line - 1).unwrap_or_default().trim();
                let says = if seen {
                    "takes it back"
                } else {
                    "leaves it out"
                };
                format!("line {line} of {name}, `{pattern}`, {says}")
            }
            _ => "no line of an ignore file names it".to_owned(),
        };
        let lines = taken.iter().filter(|(_, paths)| paths.contains(path));
        ContextRow {
            path: path.to_text().into_owned(),
            seen,
            why,
            taken_by: lines.map(|(line, _)| *line).collect(),
        }
    };
    Seen::Context {
        rows: files.map(|(path, _)| row(path)).collect(),
    }
}

/// The Dockerfile line by line.
pub(super) fn explain(session: &Session) -> Seen {
    let wanted = session.wanted();
    let text = session.state().text(&wanted.file).unwrap_or_default();
    let settings = Settings {
        args: wanted.args.clone(),
        target: wanted.target.clone(),
        ..Settings::default()
    };
    let explained = explained(&parse(&text).dockerfile, &settings);
    let readers = |stage: Option<&String>| {
        let stages = explained.stages.iter();
        let found = stages
            .filter(|s| Some(&s.name) == stage)
            .flat_map(|s| &s.read_by);
        found.map(|read| read.stage.clone()).collect()
    };
    let rows = explained.lines.iter().map(|line| ExplainRow {
        line: line.line,
        text: line.instruction.clone(),
        makes: format!("{}: {}", line.makes.name(), line.does),
        depends_on: line.key.clone(),
        used_by: readers(line.stage.as_ref()),
    });
    Seen::Explain {
        rows: rows.collect(),
    }
}
