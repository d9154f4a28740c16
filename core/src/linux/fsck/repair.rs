//! Moving aside what is wrong, so that everything that stays is true.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::files::{Files, INDEX, place};
use super::{Examined, Finding, FsckError, Kind, Lock, Report, examine, names};
use crate::digest::Digest;
use crate::spec::{Descriptor, Index, Manifest, media};

/// Checks everything below the state root, and moves aside what is wrong, until nothing is.
///
/// Nobody else may be at work. What was moved is in [`Report::repaired`], and in the file
/// `report.json` beside it.
pub fn repair(root: &Path) -> Result<Report, FsckError> {
    let lock = Lock::take(root)?;
    if !lock.alone {
        return Err(FsckError::InUse {
            root: root.to_owned(),
        });
    }
    let mut aside = None;
    let mut repaired = Vec::new();
    // Without a damaged blob its images are broken, and without those their snapshots unknown.
    for _ in 0..MOST_ROUNDS {
        let examined = examine(root, true)?;
        let untrue = |finding: &Finding| finding.kind == Kind::Untrue;
        if examined.report.findings.iter().all(untrue) {
            break;
        }
        let aside = match &mut aside {
            Some(aside) => aside,
            none => none.insert(Aside::make(root)?),
        };
        repaired.extend(aside.round(&examined)?);
    }
    if let Some(aside) = &aside {
        let report = serde_json::to_vec_pretty(&repaired).unwrap_or_default();
        let path = root.join(&aside.directory).join("report.json");
        fs::write(&path, report).map_err(FsckError::io("write", &path))?;
    }
    let mut report = examine(root, true)?.report;
    report.repaired = repaired;
    Ok(report)
}

/// More rounds than one thing can lead to another.
const MOST_ROUNDS: usize = 5;

/// A directory of its own in `lost+found`.
struct Aside<'a> {
    root: &'a Path,
    /// Below the state root.
    directory: PathBuf,
}

impl<'a> Aside<'a> {
    fn make(root: &'a Path) -> Result<Self, FsckError> {
        let numbers = names(&root.join("lost+found"))?;
        let last = numbers.iter().filter_map(|name| name.parse::<u64>().ok());
        let number = last.max().unwrap_or(0) + 1;
        let directory = Path::new("lost+found").join(number.to_string());
        let path = root.join(&directory);
        fs::create_dir_all(&path).map_err(FsckError::io("create directory", &path))?;
        Ok(Self { root, directory })
    }

    /// Deals with everything that was found, and says where it went.
    fn round(&self, examined: &Examined) -> Result<Vec<Finding>, FsckError> {
        let mut done = Vec::new();
        let mut rewrite = !examined.broken.is_empty();
        for finding in &examined.report.findings {
            let mut finding = finding.clone();
            match finding.kind {
                // Nothing is damaged, and the image can be used: it stays.
                Kind::Untrue => continue,
                Kind::IndexEntry
                | Kind::TagName
                | Kind::DuplicateTag
                | Kind::DanglingTag
                | Kind::MissingBlob
                | Kind::WrongSize
                | Kind::Document
                | Kind::WrongDiffId => rewrite = true,
                Kind::Marker | Kind::Index => {
                    rewrite |= finding.kind == Kind::Index;
                    if self.root.join(&finding.path).exists() {
                        finding.moved_to = Some(self.take(&finding.path)?);
                    }
                }
                _ => finding.moved_to = Some(self.take(&finding.path)?),
            }
            done.push(finding);
        }
        if !self.root.join("store/oci-layout").exists() && self.root.join("store").is_dir() {
            self.write("store/oci-layout", &json!({"imageLayoutVersion": "1.0.0"}))?;
        }
        if rewrite {
            self.keep_whole_blobs(examined)?;
            let kept = self.rewrite_index(examined)?;
            for finding in &mut done {
                finding.moved_to = finding.moved_to.take().or_else(|| kept.clone());
            }
        }
        Ok(done)
    }

    /// Moves `path`, seen from the state root, to the same place in here.
    fn take(&self, path: &Path) -> Result<PathBuf, FsckError> {
        let (to, place) = self.free(path)?;
        let from = self.root.join(path);
        fs::rename(&from, &to).map_err(FsckError::io("move aside", &from))?;
        Ok(place)
    }

    /// Where `path` may be moved to: on the disk, and seen from the state root.
    fn free(&self, path: &Path) -> Result<(PathBuf, PathBuf), FsckError> {
        let mut place = self.directory.join(path);
        let mut number = 0;
        while fs::symlink_metadata(self.root.join(&place)).is_ok() {
            number += 1;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            place.set_file_name(format!("{name}.{number}"));
        }
        let to = self.root.join(&place);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(FsckError::io("create directory", parent))?;
        }
        Ok((to, place))
    }

    /// What is still good of images that are not whole is kept here by a second name, because
    /// without their tags nothing keeps it in the store.
    fn keep_whole_blobs(&self, examined: &Examined) -> Result<(), FsckError> {
        let files = &examined.files;
        for number in &examined.broken {
            for digest in needed(files, &files.tags[*number].target) {
                let path = place(&digest);
                let to = self.root.join(&self.directory).join(&path);
                if files.whole(&digest).is_none() || to.exists() {
                    continue;
                }
                let (to, _) = self.free(&path)?;
                let from = self.root.join(&path);
                fs::hard_link(&from, &to).map_err(FsckError::io("link", &from))?;
            }
        }
        Ok(())
    }

    /// Writes an index with the tags that lead to whole images. Returns where the one that was
    /// there has gone, if it is not there already.
    fn rewrite_index(&self, examined: &Examined) -> Result<Option<PathBuf>, FsckError> {
        let files = &examined.files;
        let path = self.root.join(INDEX);
        let before: Option<Value> = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (mut index, entries) = match before {
            Some(index) => (index, kept_entries(examined)),
            None => (json!(Index::new(Vec::new())), recovered(files)),
        };
        let mut kept = None;
        if path.exists() {
            let (to, place) = self.free(Path::new(INDEX))?;
            fs::hard_link(&path, &to).map_err(FsckError::io("link", &path))?;
            kept = Some(place);
        }
        index["manifests"] = Value::Array(entries);
        self.write(INDEX, &index)?;
        Ok(kept)
    }

    /// Puts a document in its place, all at once.
    fn write(&self, path: &str, document: &Value) -> Result<(), FsckError> {
        let path = self.root.join(path);
        let beside = path.with_extension(format!("fsck-{}", std::process::id()));
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec(document).map_err(io::Error::other)?)?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().map_err(FsckError::io("write", &path))
    }
}

/// The entries of the index that stay: as they are when they lead to whole images; without a
/// name when they have none, or none that can be used.
fn kept_entries(examined: &Examined) -> Vec<Value> {
    let files = &examined.files;
    let tags = files.tags.iter().enumerate();
    let good: Vec<_> = tags
        .filter(|(number, _)| !examined.broken.contains(number))
        .map(|(_, tag)| tag)
        .collect();
    let mut entries: Vec<Value> = good.iter().map(|tag| tag.entry.clone()).collect();
    let mut there: BTreeSet<&Digest> = files.tags.iter().map(|t| &t.target.digest).collect();
    for tag in &files.nameless {
        if there.insert(&tag.target.digest) {
            let mut target = tag.target.clone();
            target.annotations.clear();
            entries.push(json!(target));
        }
    }
    entries
}

/// Every blob that a tag's target leads to, as far as the documents can be read.
fn needed(files: &Files, target: &Descriptor) -> BTreeSet<Digest> {
    let mut needed = BTreeSet::new();
    let mut waiting = vec![target.clone()];
    while let Some(next) = waiting.pop() {
        if !needed.insert(next.digest.clone()) {
            continue;
        }
        let bytes = files.document(&next.digest).unwrap_or_default();
        if media::is_index(&next.media_type) {
            let index = serde_json::from_slice::<Index>(&bytes);
            waiting.extend(index.into_iter().flat_map(|index| index.manifests));
        } else if media::is_manifest(&next.media_type)
            && let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes)
        {
            needed.insert(manifest.config.digest);
            needed.extend(manifest.layers.into_iter().map(|layer| layer.digest));
        }
    }
    needed
}

/// Entries for all images of a store whose index is lost: every manifest and index that no index
/// leads to. Their names are lost.
fn recovered(files: &Files) -> Vec<Value> {
    let mut found: Vec<Descriptor> = Vec::new();
    let mut below = BTreeSet::new();
    for (digest, blob) in &files.blobs {
        if blob.size > MOST_OF_A_DOCUMENT {
            continue;
        }
        let bytes = files.document(digest).unwrap_or_default();
        if let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) {
            let is_image = [media::CONFIG, media::DOCKER_CONFIG];
            if is_image.contains(&manifest.config.media_type.as_str()) {
                let media_type = manifest.media_type.as_deref();
                let media_type = media_type.unwrap_or(media::MANIFEST);
                found.push(Descriptor::new(media_type, digest.clone(), blob.size));
            }
        } else if let Ok(index) = serde_json::from_slice::<Index>(&bytes)
            && !index.manifests.is_empty()
        {
            below.extend(index.manifests.into_iter().map(|entry| entry.digest));
            let media_type = index.media_type.as_deref().unwrap_or(media::INDEX);
            found.push(Descriptor::new(media_type, digest.clone(), blob.size));
        }
    }
    found.retain(|pointer| !below.contains(&pointer.digest));
    found.iter().map(|pointer| json!(pointer)).collect()
}

/// A blob above this size, in bytes, is no manifest.
const MOST_OF_A_DOCUMENT: u64 = 4 << 20;
