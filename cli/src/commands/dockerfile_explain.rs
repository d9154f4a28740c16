//! `coracle dockerfile explain`: a Dockerfile line by line, with what each line depends on.

use std::fmt::Write as _;
use std::path::PathBuf;

use coracle::diagnostic::has_errors;
use coracle::dockerfile::explain::{self, Explained, Line, Makes, StageExplained};
use coracle::dockerfile::parse;
use coracle::dockerfile::stages::Settings;

use crate::commands::build;
use crate::commands::dockerfile_parse::{name, read, rendered};
use crate::context::go_architecture;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{self, Format, FormatOption};

/// Tell what each line of a Dockerfile makes, and what its result depends on
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [FILE | -]",
    after_help = "\
Examples:
  coracle dockerfile explain
  coracle dockerfile explain --target test web/Dockerfile
  coracle dockerfile explain --format json - < Dockerfile

For each instruction: whether it makes a layer or only metadata, what the key of its result in
the cache is made of, and whether the stage that is built needs it. `coracle build
--explain-cache` tells which of these have changed.

Fields: target, stages (name, number, line, end_line, base, base_is_stage, needed, in_image,
reads and read_by with stage, line and how: base, copy or mount), lines (line, end_line,
instruction, stage, makes: stage, layer, metadata or nothing, does, key, needed).

Chapter 08-cache of the book explains what a key is."
)]
pub(crate) struct Options {
    /// The Dockerfile; - is standard input
    #[arg(value_name = "FILE", default_value = "Dockerfile")]
    pub(crate) file: PathBuf,
    /// Set build-time variables
    #[arg(long, value_name = "list")]
    pub(crate) build_arg: Vec<String>,
    /// The stage that is to be built
    #[arg(long, value_name = "string")]
    pub(crate) target: Option<String>,
    /// The platform that is to be built for (os/arch[/variant])
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Explains the file.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let source = read(&options.file)?;
    let parsed = parse(&source);
    let findings = rendered(&parsed.diagnostics, &name(&options.file), &source);
    if has_errors(&parsed.diagnostics) {
        let what = format!("{} cannot be understood", name(&options.file));
        return Err(Failure::new(what).hint(findings.trim_end()));
    }
    output::note(&findings);
    let platform = match &options.platform {
        Some(text) => build::platform(text)?.to_string(),
        None => format!("linux/{}", go_architecture(std::env::consts::ARCH)),
    };
    let settings = Settings {
        args: build::pairs("--build-arg", &options.build_arg, &|name| {
            std::env::var(name).ok()
        })?,
        target: options.target.clone(),
        platform,
    };
    let explained = explain::explain(&parsed.dockerfile, &settings);
    if let (Some(target), None) = (&options.target, &explained.target) {
        let names: Vec<_> = explained.stages.iter().map(|s| s.name.as_str()).collect();
        return Err(Failure::new(format!("there is no stage `{target}`"))
            .hint(format!("There are {}.", names.join(", "))));
    }
    let text = match format {
        // Written directly, the fields stay in the order of the document.
        Format::Json => format!("{}\n", serde_json::to_string(&explained)?),
        _ => format::document(&serde_json::to_value(&explained)?, &format, || {
            text(&explained, output::width())
        })?,
    };
    output::print(&text)?;
    Ok(0)
}

fn text(explained: &Explained, width: usize) -> String {
    let mut out = String::new();
    let mut stages = explained.stages.iter();
    for line in &explained.lines {
        if !out.is_empty() {
            out.push('\n');
        }
        block(&mut out, line, width);
        if line.makes == Makes::Stage
            && let Some(stage) = stages.next()
        {
            for sentence in about(stage, explained) {
                let _ = writeln!(
                    out,
                    "      {}",
                    output::wrap(&sentence, width - 6, "      ")
                );
            }
        }
    }
    out
}

/// One instruction: its line, what it makes, what its key is made of.
fn block(out: &mut String, line: &Line, width: usize) {
    let words: Vec<_> = line.instruction.split_whitespace().collect();
    let instruction = shortened(&words.join(" "), width.saturating_sub(6));
    let _ = writeln!(out, "{:>4}  {}", line.line, output::bold(&instruction));
    let what = match line.makes {
        Makes::Stage | Makes::Nothing => line.does.clone(),
        makes => format!("{}: {}", makes.name(), line.does),
    };
    let _ = writeln!(out, "      {}", output::wrap(&what, width - 6, "      "));
    if !line.key.is_empty() {
        out.push_str("      made anew when one of these changes:\n");
    }
    for part in &line.key {
        let _ = writeln!(out, "      - {}", output::wrap(part, width - 8, "        "));
    }
    if !line.needed && line.makes != Makes::Stage {
        out.push_str("      not needed: the whole stage is left out\n");
    }
}

/// Who needs a stage, in sentences.
fn about(stage: &StageExplained, explained: &Explained) -> Vec<String> {
    let mut sentences = Vec::new();
    if explained.target.as_ref() == Some(&stage.name) && stage.in_image {
        sentences.push("this stage is what is built".to_owned());
    }
    for reader in &stage.read_by {
        let (line, reader_name) = (reader.line, &reader.stage);
        sentences.push(match reader.how {
            "base" => format!("the stage {reader_name} goes on from here (line {line})"),
            "copy" => format!("the stage {reader_name} copies from it (line {line})"),
            _ => format!("the stage {reader_name} looks into it (line {line})"),
        });
    }
    sentences.push(match (stage.needed, stage.in_image) {
        (false, _) => "not needed: nothing that is built reads it".to_owned(),
        (true, false) => "none of its layers are in the image that is built".to_owned(),
        (true, true) => "its layers are in the image that is built".to_owned(),
    });
    sentences
}

/// At most `width` characters of a text, with an ellipsis where some are left out.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let start: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{start}…")
}
