//! `coracle doctor`: what this kernel and this user offer to containers.

use coracle::linux::doctor::{self, Host, State};

use crate::context::Context;
use crate::failure::Outcome;
use crate::output;
use crate::output::format::{Format, FormatOption, Listing, Row};

/// Show what this kernel and this user offer to containers
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle doctor
  coracle doctor --format '{{.name}}: {{.state}}'

Every facility is tried, in a child process that leaves nothing behind. What is limited or
missing comes with a remedy. The exit code is 1 when containers cannot run here.

Fields: name, state (ok, limited, missing, unknown), seen, why, needed, remedy, chapter."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Examines the machine and prints what was found.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let findings = doctor::examine(&Host::live(&context.root));
    let text = if format == Format::Table(None) {
        doctor::table(&findings, output::width())
    } else {
        let mut rows = Vec::new();
        for finding in &findings {
            let document = serde_json::to_value(finding)?;
            rows.push(Row {
                shown: document.clone(),
                document,
            });
        }
        let listing = Listing {
            columns: "{{.name}}\t{{.state}}\t{{.seen}}",
            headers: &[
                ("name", "NAME"),
                ("state", "STATE"),
                ("seen", "SEEN"),
                ("why", "WHY"),
                ("needed", "NEEDED"),
                ("remedy", "REMEDY"),
                ("chapter", "CHAPTER"),
            ],
            rows,
        };
        listing.render(&format)?
    };
    output::print(&text)?;
    Ok(u8::from(doctor::verdict(&findings) == State::Missing))
}
