//! From a Dockerfile and a context to an image.

use coracle::digest::{DiffId, Digest};
use coracle::dockerfile::ast::{Instruction, Kind, Source};
use coracle::dockerfile::parse;
use coracle::layer::{apply, tar};
use coracle::path::RootedPath;
use coracle::spec::{Descriptor, Document, History, ImageConfig, Manifest, Platform, media};
use coracle::tree::Tree;
use serde_json::json;

use crate::settings::words;
use crate::{Result, copy, setting, workdir};

/// The time of everything that is built: the first second of 1970.
const TIME: &str = "1970-01-01T00:00:00Z";

/// Where programs are looked for, when nobody says.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// ANCHOR: built
/// What was built.
#[derive(Debug)]
pub struct Built {
    /// Each step's text, and what it made.
    pub steps: Vec<(String, Made)>,
    /// The archives of the layers, the lowest first.
    pub layers: Vec<Vec<u8>>,
    /// How the image is run.
    pub config: Document<ImageConfig>,
    /// What holds it all together.
    pub manifest: Document<Manifest>,
}

/// What a step made.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// A layer with this digest.
    Layer(Digest),
    /// A line of the config.
    Config,
}
// ANCHOR_END: built

// ANCHOR: build
/// Builds the image that a Dockerfile describes, of the files of a context.
pub fn build(dockerfile: &str, context: &Tree) -> Result<Built> {
    let instructions = instructions(dockerfile)?;
    let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
    config.created = Some(TIME.to_owned());
    config.config.env.push(PATH.to_owned());
    config.config.working_dir.push('/');
    let (mut tree, mut steps, mut layers) = (Tree::new(), Vec::new(), Vec::new());
    for instruction in &instructions {
        let made = match archive(instruction, context, &mut config, &mut tree)? {
            Some(archive) => {
                let digest = Digest::of(&archive);
                layers.push(archive);
                Made::Layer(digest)
            }
            None => Made::Config,
        };
        note(&mut config, instruction, &made);
        steps.push((instruction.original.clone(), made));
    }
    // TASK 4: Name the layers in the config, write it, and write the manifest that names all.
    let archives: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let pointer =
        |archive: &&[u8]| Descriptor::new(media::LAYER, Digest::of(archive), archive.len() as u64);
    let pointers: Vec<Descriptor> = archives.iter().map(pointer).collect();
    let diff_ids = pointers
        .iter()
        .map(|pointer| DiffId(pointer.digest.clone()));
    config.rootfs.diff_ids = diff_ids.collect();
    let config = Document::write(config)?;
    let manifest = Manifest::new(config.descriptor(media::CONFIG), pointers);
    let manifest = Document::write(manifest)?;
    Ok(Built {
        steps,
        layers,
        config,
        manifest,
    })
    // TASK_END
}
// ANCHOR_END: build

/// The instructions behind `FROM scratch`, if there is nothing wrong with them.
fn instructions(dockerfile: &str) -> Result<Vec<Instruction>> {
    let parsed = parse(dockerfile);
    if let Some(first) = parsed.diagnostics.first() {
        return Err(first.message.clone().into());
    }
    let mut instructions = parsed.dockerfile.instructions.into_iter();
    match instructions.next().map(|first| first.kind) {
        Some(Kind::From(stage)) if stage.base.value == "scratch" => {}
        _ => return Err("this builder begins with FROM scratch alone".into()),
    }
    let instructions: Vec<Instruction> = instructions.collect();
    for each in &instructions {
        let command = matches!(each.kind, Kind::Cmd(_));
        if !command && each.original.contains(['$', '"', '\'', '*']) {
            let line = each.start_line;
            return Err(
                format!("line {line}: quotes, variables and patterns are left out here").into(),
            );
        }
    }
    Ok(instructions)
}

// ANCHOR: archive
/// The archive of the layer that a step makes, laid on the tree; nothing if it makes none.
fn archive(
    instruction: &Instruction,
    context: &Tree,
    config: &mut ImageConfig,
    tree: &mut Tree,
) -> Result<Option<Vec<u8>>> {
    let from = RootedPath::root().resolve(&config.config.working_dir);
    let layer = match &instruction.kind {
        Kind::Copy(step) => {
            let sources = paths(&step.files.sources);
            copy(
                context,
                &sources,
                &step.files.destination.value,
                &from,
                tree,
            )?
        }
        Kind::Workdir(path) => {
            let path = from.resolve(&path.value);
            config.config.working_dir = path.to_string();
            if path.is_root() {
                return Ok(None); // it is always there
            }
            workdir(&path, tree)
        }
        kind if setting(&mut config.config, kind) => return Ok(None),
        _ => {
            return Err(format!(
                "line {}: {} is left out here",
                instruction.start_line, instruction.keyword.value
            )
            .into());
        }
    };
    apply(tree, &layer)?;
    let mut archive = Vec::new();
    tar::write(&layer, &mut archive)?;
    Ok(Some(archive))
}
// ANCHOR_END: archive

fn paths(sources: &[Source]) -> Vec<String> {
    let path = |source: &Source| match source {
        Source::Path(path) => Some(path.value.clone()),
        Source::Heredoc(_) => None,
    };
    sources.iter().filter_map(path).collect()
}

/// A line of history.
fn note(config: &mut ImageConfig, instruction: &Instruction, made: &Made) {
    let created_by = match &instruction.kind {
        Kind::Cmd(command) => format!("CMD {}", json!(words(command))),
        Kind::Workdir(_) => format!("WORKDIR {}", config.config.working_dir),
        _ => instruction.original.clone(),
    };
    config.history.push(History {
        created: Some(TIME.to_owned()),
        created_by: Some(created_by),
        comment: Some("coracle".to_owned()),
        empty_layer: *made == Made::Config,
        ..History::default()
    });
}
