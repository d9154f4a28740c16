//! `coracle rmi`: takes tags away, and images that have none left.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use coracle::digest::ChainId;
use coracle::reference::Reference;
use coracle::store::{Store, gc};

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names::{self, Found, Named};
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
stay.

Chapter 04-image of the book explains which blobs may go."
)]
pub(crate) struct Options {
    /// The images, by name or ID
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// Force removal of the image
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// Removes what can be removed, and then says what could not.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let store = context.store()?;
    let mut failed = false;
    let mut lines = String::new();
    for typed in &options.images {
        match names::find(&*store, &context.platform, typed) {
            Ok(found) => match remove(&*store, context, found, options.force) {
                Ok(said) => lines.push_str(&said),
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
    collect(&*store)?;
    output::print(&lines)?;
    Ok(u8::from(failed))
}

/// Takes the tags away that are meant; says `Untagged` of each and `Deleted` of what then goes.
fn remove(
    store: &dyn Store,
    context: &Context,
    found: Found,
    force: bool,
) -> Result<String, Failure> {
    let Found { named, reference } = found;
    let meant = meant(&named, reference.as_ref(), force)?;
    let mut said = String::new();
    let stays = meant.len() < named.references.len();
    let others = names::all(store, &context.platform, &mut |_, _| ())?;
    for tag in &meant {
        store.untag(&tag.canonical())?;
        let _ = writeln!(said, "Untagged: {}", tag.familiar());
    }
    if stays {
        return Ok(said);
    }
    store.untag(named.target.digest.as_str())?;
    let _ = writeln!(said, "Deleted: {}", named.image.id());
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
        let _ = writeln!(said, "Deleted: {chain}");
    }
    Ok(said)
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

/// Removes the blobs that nothing leads to any more.
fn collect(store: &dyn Store) -> Result<(), Failure> {
    match gc::collect(store, &[])? {
        Some(collected) if collected.bytes > 0 => {
            output::note(&format!("{} freed\n", human::size(collected.bytes, 4)));
        }
        Some(_) => {}
        None => {
            output::note(
                "The store is in use; what is no longer needed is removed another time.\n",
            );
        }
    }
    Ok(())
}
