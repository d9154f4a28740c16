//! `coracle system df`: what takes how much room.

mod measure;

use coracle::digest::Digest;
use coracle::reference::{Reference, Tag};
use serde_json::{Value, json};

use self::measure::{Image, Measured};
use crate::collect;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::format::{self, Format, FormatOption, Listing, Row};
use crate::output::{self, human, time};

/// Show disk usage
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle system df
  coracle system df -v
  coracle system df --format '{{.Type}}: {{.Size}}'

Each blob is counted once. Images are the blobs that images need; the build cache is those
that only its steps need, and its own files; containers are their files, and the blobs that
only they keep, because their images have lost their names; loose blobs are needed by nobody.
So the first column of sizes adds up to what the state directory holds. Active are images and
snapshots whose containers run, and build steps whose layers an image has. Reclaimable is
what coracle system prune --all would free.

With --verbose: every image with the bytes that it shares and those that only it has, every
step and every cache mount of the build cache, every snapshot with the images that have it
and the containers that stand on it and so keep it.

Fields: Type, TotalCount, Active, Size, Reclaimable. In JSON sizes are bytes; with --verbose
one document with Images, Containers, BuildCache, Snapshots (lists), Shared, Kept, LooseBlobs.

Chapter 04-image of the book explains which blobs may go."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Show detailed information on space usage
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Measures everything and prints it.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    collect::enter(context)?;
    let store = context.store()?;
    let measured = Measured::take(&*store, context)?;
    let text = if options.verbose {
        let plain = measured.sections()?;
        format::document(&measured.document(), &format, || plain)?
    } else {
        measured.listing().render(&format)?
    };
    output::print(&text)?;
    Ok(0)
}

impl Measured {
    /// One row for each kind of thing.
    fn listing(&self) -> Listing {
        let active = self.images.iter().filter(|image| image.containers > 0);
        let running = self.containers.iter().filter(|c| c.runs);
        let dead = self.containers.iter().filter(|c| !c.runs).map(|c| c.bytes);
        let all_end = self.containers.iter().all(|c| !c.runs);
        let stood_on = self.snapshots.iter().filter(|s| s.active);
        let idle = self.snapshots.iter().filter(|s| !s.active).map(|s| s.bytes);
        let cache = self.cache_blobs + self.cache_files;
        let images = self.image_bytes();
        let rows = [
            (
                "Images",
                self.images.len(),
                active.count(),
                images,
                images - self.active,
            ),
            (
                "Containers",
                self.containers.len(),
                running.count(),
                self.containers.iter().map(|c| c.bytes).sum::<u64>() + self.kept,
                dead.sum::<u64>() + if all_end { self.kept } else { 0 },
            ),
            (
                "Build Cache",
                self.steps.len(),
                self.steps.iter().filter(|step| step.shared).count(),
                cache,
                cache,
            ),
            (
                "Snapshots",
                self.snapshots.len(),
                stood_on.count(),
                self.snapshots.iter().map(|s| s.bytes).sum(),
                idle.sum(),
            ),
            ("Loose Blobs", self.loose.0, 0, self.loose.1, self.loose.1),
        ];
        Listing {
            columns: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
            headers: &[
                ("Type", "TYPE"),
                ("TotalCount", "TOTAL"),
                ("Active", "ACTIVE"),
                ("Size", "SIZE"),
                ("Reclaimable", "RECLAIMABLE"),
            ],
            rows: rows.into_iter().map(kind).collect(),
        }
    }

    /// Everything in detail, for people.
    fn sections(&self) -> Result<String, Failure> {
        let table = |title: &str, columns, headers, rows: Vec<Value>| -> Result<String, Failure> {
            let rows = rows.into_iter().map(|shown| Row {
                document: shown.clone(),
                shown,
            });
            let listing = Listing {
                columns,
                headers,
                rows: rows.collect(),
            };
            Ok(format!(
                "{title}\n\n{}\n",
                listing.render(&Format::Table(None))?
            ))
        };
        let size = |bytes| human::size(bytes, 4);
        let images = self.images.iter().flat_map(|image| image.rows(true));
        let containers = self.containers.iter().map(|c| {
            json!({"ID": &c.id[..c.id.len().min(12)], "Image": short(&c.image), "Size": size(c.bytes), "Runs": c.runs})
        });
        let steps = self.steps.iter().map(|step| {
            json!({"ID": step.key.short(), "Layer": step.layer.short(), "Size": size(step.bytes), "Shared": step.shared, "LastUsed": ago(step.used)})
        });
        let mounts = self.mounts.iter().map(
            |mount| json!({"ID": mount.id, "Size": size(mount.bytes), "LastUsed": ago(mount.used)}),
        );
        let snapshots = self.snapshots.iter().map(|s| {
            let containers: Vec<_> = s.containers.iter().map(|id| &id[..id.len().min(12)]).collect();
            json!({"ID": s.chain.0.short(), "Size": size(s.bytes), "Images": s.images.join(", "), "Containers": containers.join(", ")})
        });
        let sections = [
            table(
                "Images space usage:",
                "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
                &[
                    ("Repository", "REPOSITORY"),
                    ("Tag", "TAG"),
                    ("ID", "IMAGE ID"),
                    ("CreatedSince", "CREATED"),
                    ("Size", "SIZE"),
                    ("SharedSize", "SHARED SIZE"),
                    ("UniqueSize", "UNIQUE SIZE"),
                    ("Containers", "CONTAINERS"),
                ],
                images.collect(),
            )?,
            format!(
                "Shared, each blob counted once: {}\nKept for containers alone: {}\nLoose blobs: {}\n\n",
                size(self.shared),
                size(self.kept),
                size(self.loose.1)
            ),
            table(
                "Containers space usage:",
                "{{.ID}}\t{{.Image}}\t{{.Size}}\t{{.Runs}}",
                &[
                    ("ID", "CONTAINER ID"),
                    ("Image", "IMAGE"),
                    ("Size", "SIZE"),
                    ("Runs", "RUNS"),
                ],
                containers.collect(),
            )?,
            table(
                &format!(
                    "Build cache usage: {}",
                    size(self.cache_blobs + self.cache_files)
                ),
                "{{.ID}}\t{{.Layer}}\t{{.Size}}\t{{.LastUsed}}\t{{.Shared}}",
                &[
                    ("ID", "CACHE ID"),
                    ("Layer", "LAYER"),
                    ("Size", "SIZE"),
                    ("LastUsed", "LAST USED"),
                    ("Shared", "SHARED"),
                ],
                steps.collect(),
            )?,
            table(
                "Cache mounts space usage:",
                "{{.ID}}\t{{.Size}}\t{{.LastUsed}}",
                &[
                    ("ID", "MOUNT ID"),
                    ("Size", "SIZE"),
                    ("LastUsed", "LAST USED"),
                ],
                mounts.collect(),
            )?,
            table(
                "Snapshots space usage:",
                "{{.ID}}\t{{.Size}}\t{{.Images}}\t{{.Containers}}",
                &[
                    ("ID", "SNAPSHOT"),
                    ("Size", "SIZE"),
                    ("Images", "IMAGES"),
                    ("Containers", "CONTAINERS"),
                ],
                snapshots.collect(),
            )?,
        ];
        Ok(sections.concat().trim_end().to_owned() + "\n")
    }

    /// Everything in detail, for programs.
    fn document(&self) -> Value {
        let images = self.images.iter().flat_map(|image| image.rows(false));
        let containers = self
            .containers
            .iter()
            .map(|c| json!({"ID": c.id, "Image": c.image, "Size": c.bytes, "Runs": c.runs}));
        let steps = self.steps.iter().map(|step| {
            json!({"ID": step.key, "Layer": step.layer, "Size": step.bytes, "Shared": step.shared, "LastUsed": step.used})
        });
        let mounts = self
            .mounts
            .iter()
            .map(|mount| json!({"ID": mount.id, "Size": mount.bytes, "LastUsed": mount.used}));
        let snapshots = self
            .snapshots
            .iter()
            .map(|s| json!({"ID": s.chain, "Size": s.bytes, "Images": s.images, "Containers": s.containers}));
        json!({
            "Images": images.collect::<Vec<_>>(),
            "Shared": self.shared,
            "Kept": self.kept,
            "LooseBlobs": {"Count": self.loose.0, "Size": self.loose.1},
            "Containers": containers.collect::<Vec<_>>(),
            "BuildCache": {
                "Steps": steps.collect::<Vec<_>>(),
                "Mounts": mounts.collect::<Vec<_>>(),
                "UniqueSize": self.cache_blobs,
                "Files": self.cache_files,
            },
            "Snapshots": snapshots.collect::<Vec<_>>(),
        })
    }
}

impl Image {
    /// One row for each tag; one for an image that has none.
    fn rows(&self, human: bool) -> Vec<Value> {
        let size = |bytes: u64| {
            if human {
                human::size(bytes, 4).into()
            } else {
                json!(bytes)
            }
        };
        let image = &self.named.image;
        let created = image.config.value.created.as_deref();
        let created = created.and_then(time::Moment::parse);
        let row = |reference: Option<&Reference>| {
            let repository = reference.map(|r| r.repository.familiar());
            let tag = reference.and_then(|r| r.tag.as_ref()).map(Tag::as_str);
            json!({
                "Repository": repository.as_deref().unwrap_or("<none>"),
                "Tag": tag.unwrap_or("<none>"),
                "ID": if human { image.id().short() } else { image.id().as_str() },
                "CreatedSince": created.map_or("N/A".to_owned(), |then| {
                    human::ago(then.seconds, time::now().seconds)
                }),
                "Size": size(self.part.shared + self.part.unique),
                "SharedSize": size(self.part.shared),
                "UniqueSize": size(self.part.unique),
                "Containers": self.containers,
            })
        };
        if self.named.references.is_empty() {
            return vec![row(None)];
        }
        self.named.references.iter().map(|r| row(Some(r))).collect()
    }
}

fn ago(seconds: i64) -> String {
    human::ago(seconds, time::now().seconds)
}

fn kind((name, total, active, size, free): (&str, usize, usize, u64, u64)) -> Row {
    let percent = (free * 100).checked_div(size);
    let percent = percent.map_or(String::new(), |percent| format!(" ({percent}%)"));
    Row {
        shown: json!({
            "Type": name,
            "TotalCount": total,
            "Active": active,
            "Size": human::size(size, 4),
            "Reclaimable": format!("{}{percent}", human::size(free, 4)),
        }),
        document: json!({
            "Type": name,
            "TotalCount": total,
            "Active": active,
            "Size": size,
            "Reclaimable": free,
        }),
    }
}

/// The digits of an image's ID that tables show.
fn short(id: &str) -> String {
    id.parse::<Digest>()
        .map_or_else(|_| id.to_owned(), |digest| digest.short().to_owned())
}
