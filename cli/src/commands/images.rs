//! `coracle images`: what is in the store.

use std::collections::BTreeMap;

use coracle::digest::Digest;
use coracle::reference::Reference;
use serde_json::json;

use crate::commands::image_tree;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names::{self, Named};
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::output::{self, glob, human, time};

/// List images
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [REPOSITORY[:TAG]]",
    after_help = "\
Examples:
  coracle images
  coracle images 'python:3.*'
  coracle images --filter dangling=true -q
  coracle images --format '{{.Repository}}:{{.Tag}} {{.Size}}'

Fields: ID, Repository, Tag, Digest, CreatedAt, CreatedSince, Size, SharedSize,
UniqueSize. In JSON, ID and Digest are whole, CreatedAt is RFC 3339, and sizes are
bytes. Sizes are those of the layers as they are stored; SharedSize counts layers
that other images have, too.

Chapter 04-image of the book explains what an image is."
)]
pub(crate) struct Options {
    /// Which images; * and ? stand for anything within one part of the name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) pattern: Option<String>,
    /// Show all images (Coracle keeps no intermediate images, so there are no more)
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show digests
    #[arg(long)]
    pub(crate) digests: bool,
    /// Filter output: dangling=true, label=KEY[=VALUE], reference=PATTERN, before=IMAGE, since=IMAGE
    #[arg(short, long, value_name = "filter")]
    pub(crate) filter: Vec<String>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Don't truncate output
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show the images' layers as a tree, and who shares them (see coracle image tree)
    #[arg(long, conflicts_with_all = ["digests", "quiet"])]
    pub(crate) tree: bool,
}

/// Lists the images, newest first.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let filters = Filters::parse(options)?;
    let store = context.store()?;
    let mut damaged = false;
    let mut images = names::all(&*store, &context.platform, &mut |name, error| {
        output::note(&format!("coracle: the image {name} is damaged: {error}\n"));
        damaged = true;
    })?;
    images.sort_by_key(|image| std::cmp::Reverse(created(image)));
    if options.tree {
        return tree(options, &filters, images).map(|()| u8::from(damaged));
    }
    let mut accepted = Vec::new();
    for (image, reference) in lines(&images) {
        if filters.accept(image, reference, &images)? {
            accepted.push((image, reference));
        }
    }
    let text = if options.quiet && options.format.format.is_none() {
        let mut ids: Vec<_> = accepted.iter().map(|(image, _)| image.image.id()).collect();
        ids.dedup();
        let id = |id| shown(id, options.no_trunc);
        ids.into_iter().flat_map(|it| [id(it), "\n"]).collect()
    } else {
        let users = layer_users(&images);
        let rows = accepted
            .into_iter()
            .map(|(image, reference)| row(image, reference, &users, options.no_trunc));
        listing(rows.collect(), options.digests).render(&format)?
    };
    output::print(&text)?;
    Ok(u8::from(damaged))
}

/// An ID as the table has it.
fn shown(id: &Digest, no_trunc: bool) -> &str {
    if no_trunc { id.as_str() } else { id.short() }
}

/// The tree of the images that the filters accept by at least one of their names.
fn tree(options: &Options, filters: &Filters, images: Vec<Named>) -> Result<(), Failure> {
    let mut accepted = Vec::new();
    for (image, reference) in lines(&images) {
        if filters.accept(image, reference, &images)? {
            accepted.push(image.target.digest.clone());
        }
    }
    let format = options.format.format.as_deref();
    let is_accepted = |named: &Named| accepted.contains(&named.target.digest);
    let images: Vec<_> = images.into_iter().filter(is_accepted).collect();
    image_tree::print(&images, None, format, options.no_trunc)
}

/// One line for each tag; one for an image that has none.
fn lines(images: &[Named]) -> impl Iterator<Item = (&Named, Option<&Reference>)> {
    images.iter().flat_map(|image| {
        let tagged = image.references.iter().map(Some);
        let untagged = image.references.is_empty().then_some(None);
        tagged
            .chain(untagged)
            .map(move |reference| (image, reference))
    })
}

fn listing(rows: Vec<Row>, digests: bool) -> Listing {
    Listing {
        columns: if digests {
            "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
        } else {
            "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
        },
        headers: &[
            ("Repository", "REPOSITORY"),
            ("Tag", "TAG"),
            ("Digest", "DIGEST"),
            ("ID", "IMAGE ID"),
            ("CreatedSince", "CREATED"),
            ("CreatedAt", "CREATED AT"),
            ("Size", "SIZE"),
            ("SharedSize", "SHARED SIZE"),
            ("UniqueSize", "UNIQUE SIZE"),
        ],
        rows,
    }
}

fn row(
    named: &Named,
    reference: Option<&Reference>,
    users: &BTreeMap<Digest, usize>,
    no_trunc: bool,
) -> Row {
    const NONE: &str = "<none>";
    let id = named.image.id();
    let repository = reference.map(|r| r.repository.familiar());
    let repository = repository.as_deref().unwrap_or(NONE);
    let tag = reference
        .and_then(|r| r.tag.as_ref())
        .map_or(NONE, |tag| tag.as_str());
    let digest = named.target.digest.as_str();
    let created = created(named);
    let since = time::since(created);
    let (shared, unique) = sizes(named, users);
    let size = |bytes| human::size(bytes, 3);
    Row {
        shown: json!({
            "Repository": repository,
            "Tag": tag,
            "Digest": digest,
            "ID": shown(id, no_trunc),
            "CreatedSince": since,
            "CreatedAt": created.map_or("N/A".to_owned(), time::Moment::table),
            "Size": size(shared + unique),
            "SharedSize": size(shared),
            "UniqueSize": size(unique),
        }),
        document: json!({
            "Repository": repository,
            "Tag": tag,
            "Digest": digest,
            "ID": id.as_str(),
            "CreatedSince": since,
            "CreatedAt": created.map(time::Moment::rfc3339),
            "Size": shared + unique,
            "SharedSize": shared,
            "UniqueSize": unique,
        }),
    }
}

/// When the image was made, as its config says.
fn created(named: &Named) -> Option<time::Moment> {
    time::Moment::parse(named.image.config.value.created.as_deref()?)
}

/// How many images use each layer.
fn layer_users(images: &[Named]) -> BTreeMap<Digest, usize> {
    let mut users = BTreeMap::new();
    for named in images {
        for digest in layers(named).into_keys() {
            *users.entry(digest).or_default() += 1;
        }
    }
    users
}

/// The bytes of the layers that other images have, too, and of those that they do not.
fn sizes(named: &Named, users: &BTreeMap<Digest, usize>) -> (u64, u64) {
    let is_shared = |digest: &Digest| users.get(digest).is_some_and(|count| *count > 1);
    let layers = layers(named);
    let (mut shared, mut unique) = (0, 0);
    for (digest, size) in layers {
        *(if is_shared(&digest) {
            &mut shared
        } else {
            &mut unique
        }) += size;
    }
    (shared, unique)
}

/// Digest and size of each layer, each once.
fn layers(named: &Named) -> BTreeMap<Digest, u64> {
    let layers = &named.image.manifest.value.layers;
    layers
        .iter()
        .map(|layer| (layer.digest.clone(), layer.size))
        .collect()
}

/// What `--filter` and the pattern ask for. All of them must hold; of one kind, any.
#[derive(Debug, Default)]
struct Filters {
    dangling: Option<bool>,
    labels: Vec<(String, Option<String>)>,
    references: Vec<String>,
    before: Option<String>,
    since: Option<String>,
}

impl Filters {
    fn parse(options: &Options) -> Result<Self, Failure> {
        let mut filters = Self::default();
        filters.references.extend(options.pattern.clone());
        for filter in &options.filter {
            let (name, value) = filter.split_once('=').ok_or_else(|| {
                Failure::new(format!("--filter {filter}: a filter looks like name=value"))
            })?;
            let value = value.to_owned();
            match name {
                "dangling" => filters.dangling = Some(truth(&value)?),
                "label" => filters.labels.push(match value.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (value, None),
                }),
                "reference" => filters.references.push(value),
                "before" => filters.before = Some(value),
                "since" => filters.since = Some(value),
                _ => {
                    return Err(Failure::new(format!(
                        "--filter {filter}: there is no filter {name}; there are before, dangling, label, reference, since"
                    )));
                }
            }
        }
        Ok(filters)
    }

    fn accept(
        &self,
        named: &Named,
        reference: Option<&Reference>,
        images: &[Named],
    ) -> Result<bool, Failure> {
        if self
            .dangling
            .is_some_and(|wanted| wanted != reference.is_none())
        {
            return Ok(false);
        }
        let labels = &named.image.config.value.config.labels;
        let labelled = |(key, value): &(String, Option<String>)| {
            labels
                .get(key)
                .is_some_and(|has| value.as_ref().is_none_or(|v| v == has))
        };
        if !self.labels.iter().all(labelled) {
            return Ok(false);
        }
        let matches = |pattern: &String| reference.is_some_and(|r| glob::names(pattern, r));
        if !self.references.is_empty() && !self.references.iter().any(matches) {
            return Ok(false);
        }
        for (limit, before) in [(&self.before, true), (&self.since, false)] {
            if let Some(typed) = limit {
                let limit = created(one_of(images, typed)?);
                let own = created(named);
                if own == limit || (own < limit) != before {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn one_of<'a>(images: &'a [Named], typed: &str) -> Result<&'a Named, Failure> {
    let wanted = typed.parse::<Reference>().map(|r| r.canonical());
    let is_it = |named: &&Named| {
        let mut references = named.references.iter().map(Reference::canonical);
        named.image.id().hex().starts_with(typed) || references.any(|r| Ok(&r) == wanted.as_ref())
    };
    images
        .iter()
        .find(is_it)
        .ok_or_else(|| Failure::new(format!("--filter: there is no image {typed} here")))
}

fn truth(text: &str) -> Result<bool, Failure> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Failure::new(format!(
            "--filter dangling={text}: it is true or false"
        ))),
    }
}
