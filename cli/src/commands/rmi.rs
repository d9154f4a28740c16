//! `coracle rmi`: takes tags away, and images that have none left.

use std::collections::BTreeSet;

use coracle::digest::{ChainId, Digest};
use coracle::linux::containers::Container;
use coracle::reference::Reference;
use coracle::runtime::Status;
use coracle::store::Store;
use serde_json::json;

use crate::collect;
use crate::commands::completion;
use crate::containers;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names::{self, Found, Named};
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::output::template::Template;
use crate::output::{self, human};

/// Remove one or more images
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE [IMAGE...]",
    after_help = "\
Examples:
  coracle rmi app:1
  coracle rmi -f 0e5574283393
  coracle rmi $(coracle images -q --filter dangling=true)

A name takes away that tag; the image goes with its last one. An ID takes away all tags of
one repository; tags in several repositories need --force. Layers that another image needs
stay. An image with a container that does not run needs --force; the container keeps its
layers.

Fields of --format json, one object a line, as in Docker's API: Untagged (a tag) or Deleted
(the digest of the config, then the chain IDs of layers that no image has any more).

Chapter 04-image of the book explains which blobs may go."
)]
pub(crate) struct Options {
    /// The images, by name or ID
    #[arg(value_name = "IMAGE", required = true, add = completion::images())]
    pub(crate) images: Vec<String>,
    /// Force removal of the image
    #[arg(short, long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Removes what can be removed, and then says what could not.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    collect::enter(context)?;
    let store = context.store()?;
    let users = containers::all(context)?;
    let mut failed = false;
    let mut rows = Vec::new();
    for typed in &options.images {
        match names::find(&*store, &context.platform, typed) {
            Ok(found) => match remove(&*store, context, found, options.force, &users) {
                Ok(gone) => rows.extend(gone),
                Err(failure) => {
                    failure.report(false);
                    failed = true;
                }
            },
            // With --force it is enough that the image is not there afterwards.
            Err(failure) => {
                failure.report(false);
                failed |= !options.force;
            }
        }
    }
    freed(&*store, context)?;
    let listing = Listing {
        columns: "{{.Event}}: {{.Name}}",
        headers: &[("Event", "EVENT"), ("Name", "NAME")],
        rows,
    };
    let text = match format {
        Format::Table(None) => listing.lines(&Template::parse(listing.columns)?)?.concat(),
        _ => listing.render(&format)?,
    };
    output::print(&text)?;
    Ok(u8::from(failed))
}

/// Takes the tags away that are meant; returns `Untagged` of each and `Deleted` of what then goes.
fn remove(
    store: &dyn Store,
    context: &Context,
    found: Found,
    force: bool,
    containers: &[Container],
) -> Result<Vec<Row>, Failure> {
    let Found { named, reference } = found;
    let meant = meant(&named, reference.as_ref(), force)?;
    let stays = meant.len() < named.references.len();
    let id = named.image.id();
    if !stays {
        may_go(&named.call(), id, containers, force)?;
    }
    let mut said = Vec::new();
    let others = names::all(store, &context.platform, &mut |_, _| ())?;
    for tag in &meant {
        store.untag(&tag.canonical())?;
        said.push(row("Untagged", &tag.familiar()));
    }
    if stays {
        return Ok(said);
    }
    store.untag(named.target.digest.as_str())?;
    said.push(row("Deleted", named.image.id().as_str()));
    let others = others
        .iter()
        .filter(|other| other.target.digest != named.target.digest);
    let needed: BTreeSet<ChainId> = others.flat_map(|other| other.image.chain_ids()).collect();
    let gone = named
        .image
        .chain_ids()
        .into_iter()
        .rev()
        .filter(|chain| !needed.contains(chain));
    for chain in gone {
        said.push(row("Deleted", chain.0.as_str()));
    }
    Ok(said)
}

/// Whether no container stands in the way: one that runs always does, one that does not only as
/// long as nobody says `--force`. The container keeps the layers then.
fn may_go(
    name: &str,
    image: &Digest,
    containers: &[Container],
    force: bool,
) -> Result<(), Failure> {
    let runs = |c: &&Container| matches!(c.status, Status::Running { .. });
    let mut users = containers.iter().filter(|c| c.record.image == *image);
    let in_the_way = users.clone().find(runs).or(users.next().filter(|_| !force));
    match in_the_way {
        None => Ok(()),
        Some(user) if runs(&user) => Err(Failure::new(format!(
            "the image {name} is used by the container {}, which runs",
            user.record.name
        ))
        .hint("Remove it when the container has ended.")),
        Some(user) => Err(Failure::new(format!(
            "the image {name} is used by the container {}, which does not run",
            user.record.name
        ))
        .hint(format!(
            "Remove the container first (coracle rm {}), or say --force: then it keeps the layers.",
            user.record.name
        ))),
    }
}

fn row(event: &str, name: &str) -> Row {
    Row {
        shown: json!({"Event": event, "Name": name}),
        document: json!({event: name}),
    }
}

/// Which of the image's tags are to go.
fn meant(
    named: &Named,
    reference: Option<&Reference>,
    force: bool,
) -> Result<Vec<Reference>, Failure> {
    match reference {
        Some(reference) if reference.digest.is_none() => {
            let canonical = reference.canonical();
            let same = named
                .references
                .iter()
                .filter(|r| r.canonical() == canonical);
            Ok(same.cloned().collect())
        }
        Some(reference) => {
            let same = named
                .references
                .iter()
                .filter(|r| r.repository == reference.repository);
            Ok(same.cloned().collect())
        }
        None => {
            let repositories: BTreeSet<_> = named
                .references
                .iter()
                .map(|r| r.repository.familiar())
                .collect();
            if repositories.len() > 1 && !force {
                let names: Vec<_> = named.references.iter().map(Reference::familiar).collect();
                return Err(Failure::new(format!(
                    "the image {} has tags in several repositories: {}",
                    named.image.id().short(),
                    names.join(", ")
                ))
                .hint("Remove a tag by its name, or all of them with --force."));
            }
            Ok(named.references.clone())
        }
    }
}

/// Removes what nothing leads to any more, and says how much that was.
pub(crate) fn freed(store: &dyn Store, context: &Context) -> Result<(), Failure> {
    match collect::collect(store, context)? {
        Some(0) => {}
        Some(bytes) => output::note(&format!("{} freed\n", human::size(bytes, 4))),
        None => {
            output::note(
                "The store is in use; what is no longer needed is removed another time.\n",
            );
        }
    }
    Ok(())
}
