//! Manifests: given out, taken in after every claim has been checked, and taken away.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::contents::{Links, Shelf};
use super::refusal::Refusal;
use super::route::{Name, Version};
use super::{CONTENT_DIGEST, Server, answer, name_unknown};
use crate::digest::{Digest, Hasher};
use crate::registry::http::{Body, Response};
use crate::spec::{Descriptor, media};

/// Says that the manifest refers to another one, and that the registry has noted it.
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Server {
    /// Pulls a manifest: the very bytes that were pushed.
    ///
    /// Source: [distribution-spec, "Pulling manifests"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests).
    pub(super) fn get_manifest(
        &self,
        name: &Name,
        version: &Version,
        head: bool,
    ) -> Result<Response, Refusal> {
        self.fetch(name, version)?;
        let shelf = self.shelf(name)?.ok_or_else(|| name_unknown(name))?;
        let found = self.find(&shelf, version)?;
        let found = found.ok_or_else(|| manifest_unknown(name, version, &shelf))?;
        let size = self.store.size(&found.digest)?;
        let size = size.ok_or_else(|| manifest_unknown(name, version, &shelf))?;
        let body = if head {
            Body::empty()
        } else {
            Body::from(self.store.read(&found.digest)?)
        };
        Ok(answer(StatusCode::OK)
            .header(CONTENT_TYPE, &found.media_type)
            .header(CONTENT_LENGTH, size)
            .header(CONTENT_DIGEST, found.digest.as_str())
            .body(body)?)
    }

    /// Takes a manifest in. What it names must be here already, so that whoever pulls it gets
    /// the whole.
    ///
    /// Source: [distribution-spec, "Pushing Manifests"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-manifests).
    pub(super) fn put_manifest(
        &self,
        name: &Name,
        version: &Version,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Refusal> {
        let bytes = self.manifest_bytes(body)?;
        let digest = match version {
            Version::Tag(_) => Digest::of(&bytes),
            Version::Digest(expected) => {
                let mut hasher = Hasher::new(expected.algorithm());
                hasher.update(&bytes);
                let actual = hasher.finish();
                if actual != *expected {
                    let message = format!(
                        "the manifest's digest is {actual}, and the address says {expected}"
                    );
                    let bad = StatusCode::BAD_REQUEST;
                    return Err(Refusal::new(bad, "DIGEST_INVALID", message));
                }
                actual
            }
        };
        let told = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let (links, media_type) = understand(&bytes, told)?;
        // From here to the tag nothing that is named may be collected.
        let _hold = self.store.hold()?;
        self.check_links(name, &links)?;
        self.keep(&digest, &bytes)?;
        let target = Descriptor::new(&media_type, digest.clone(), bytes.len() as u64);
        self.enter(name, version, &target)?;
        self.uploads.settle(&name.kept, &links);
        let mut response = answer(StatusCode::CREATED)
            .header(LOCATION, format!("/v2/{}/manifests/{digest}", name.shown))
            .header(CONTENT_LENGTH, 0)
            .header(CONTENT_DIGEST, digest.as_str());
        if let Some(subject) = &links.subject {
            response = response.header(OCI_SUBJECT, subject.digest.as_str());
        }
        Ok(response.body(Body::empty())?)
    }

    /// Takes a tag away, or a manifest with all its tags.
    ///
    /// Source: [distribution-spec, "Content Management"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#content-management).
    pub(super) fn delete_manifest(
        &self,
        name: &Name,
        version: &Version,
    ) -> Result<Response, Refusal> {
        let _writing = self.writing();
        let shelf = self.shelf(name)?.ok_or_else(|| name_unknown(name))?;
        let unknown = || manifest_unknown(name, version, &shelf);
        let target = match version {
            Version::Tag(tag) => shelf.tags.get(tag).cloned().ok_or_else(unknown)?,
            Version::Digest(digest) => {
                let root = shelf.roots().find(|root| root.digest == *digest);
                match root {
                    Some(root) => root.clone(),
                    None => return Err(self.cannot_delete(name, version, &shelf)?),
                }
            }
        };
        match version {
            Version::Tag(tag) => {
                self.retain(name, &shelf, tag, &target)?;
                self.store.untag(&name.entry(version))?;
            }
            Version::Digest(digest) => {
                for (tag, to) in &shelf.tags {
                    if to.digest == *digest {
                        self.store.untag(&name.entry(&Version::Tag(tag.clone())))?;
                    }
                }
                self.store.untag(&name.entry(version))?;
                self.note_garbage();
            }
        }
        Ok(answer(StatusCode::ACCEPTED)
            .header(CONTENT_LENGTH, 0)
            .body(Body::empty())?)
    }

    /// Reads a manifest that is pushed, up to the limit.
    fn manifest_bytes(&self, body: Body) -> Result<Vec<u8>, Refusal> {
        let most = self.settings.most_manifest;
        let told = body.length();
        let too_large = || {
            let message = format!("a manifest has at most {most} bytes here");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", message)
        };
        if told.is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let bytes = body.bytes(most).map_err(|error| {
            if error.kind() == ErrorKind::FileTooLarge {
                return too_large();
            }
            let message = format!("the manifest was cut off: {error}");
            Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
        })?;
        match told {
            Some(length) if length != bytes.len() as u64 => {
                let message = format!("{length} bytes were announced, {} came", bytes.len());
                let bad = StatusCode::BAD_REQUEST;
                Err(Refusal::new(bad, "SIZE_INVALID", message))
            }
            _ => Ok(bytes),
        }
    }

    /// Refuses a manifest that names what the repository does not have, or has in another size.
    /// A subject need not be here: distribution-spec wants it accepted.
    fn check_links(&self, name: &Name, links: &Links) -> Result<(), Refusal> {
        let mut refusal = Refusal::several(StatusCode::BAD_REQUEST);
        let shelf = self.shelf(name)?.unwrap_or_default();
        let manifests = self.manifests(&shelf)?;
        let named = manifests.iter().flat_map(|(_, links)| links.blobs());
        let named: BTreeSet<&Digest> = named.map(|blob| &blob.digest).collect();
        for blob in links.blobs() {
            let is_here =
                named.contains(&blob.digest) || self.uploads.is_pending(&name.kept, &blob.digest);
            let size = if is_here {
                self.store.size(&blob.digest)?
            } else {
                None
            };
            match size {
                Some(size) if size == blob.size => {}
                Some(size) => {
                    let digest = &blob.digest;
                    let told = blob.size;
                    let message =
                        format!("blob {digest} has {size} bytes, and the manifest says {told}");
                    refusal.add("MANIFEST_INVALID", message, &json!({ "digest": digest }));
                }
                // What may not be distributed is fetched from where the manifest says.
                None if blob.extra.get("urls").is_some_and(Value::is_array) => {}
                None => refusal.add(
                    "MANIFEST_BLOB_UNKNOWN",
                    format!(
                        "the manifest names blob {}, which is not in repository {}; push it first",
                        blob.digest, name.shown
                    ),
                    &json!({ "digest": blob.digest }),
                ),
            }
        }
        for child in links.children() {
            if !manifests
                .iter()
                .any(|(other, _)| other.digest == child.digest)
            {
                let message = format!(
                    "the index lists manifest {}, which is not in repository {}; push it first",
                    child.digest, name.shown
                );
                let detail = json!({ "digest": child.digest });
                refusal.add("MANIFEST_BLOB_UNKNOWN", message, &detail);
            }
        }
        if refusal.is_empty() {
            Ok(())
        } else {
            Err(refusal)
        }
    }

    /// Writes the manifest's blob under the very digest that it was pushed with.
    pub(super) fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Refusal> {
        if self.store.size(digest)? != Some(bytes.len() as u64) {
            let mut writer = self.store.create()?;
            std::io::Write::write_all(&mut writer, bytes)
                .map_err(|e| crate::store::StoreError::io(format!("write blob {digest}"), e))?;
            writer.commit(Some(digest))?;
        }
        Ok(())
    }

    /// Notes a manifest in the store's index. A manifest belongs to a repository as long as one
    /// entry of it points there, so a tag that moves leaves an entry with the old digest behind:
    /// who pulls by digest still finds it.
    pub(super) fn enter(
        &self,
        name: &Name,
        version: &Version,
        target: &Descriptor,
    ) -> Result<(), Refusal> {
        let _writing = self.writing();
        let shelf = self.shelf(name)?.unwrap_or_default();
        match version {
            Version::Tag(tag) => {
                if let Some(old) = shelf.tags.get(tag)
                    && old.digest != target.digest
                {
                    self.retain(name, &shelf, tag, old)?;
                }
            }
            Version::Digest(digest) => {
                if shelf.roots().any(|root| root.digest == *digest) {
                    return Ok(());
                }
            }
        }
        self.store.tag(&name.entry(version), target)?;
        Ok(())
    }

    /// Keeps what a tag points to by its digest, unless something else keeps it.
    fn retain(
        &self,
        name: &Name,
        shelf: &Shelf,
        tag: &str,
        target: &Descriptor,
    ) -> Result<(), Refusal> {
        let other = shelf.tags.iter().filter(|(other, _)| *other != tag);
        let mut kept = other.map(|(_, to)| to).chain(&shelf.untagged);
        if !kept.any(|to| to.digest == target.digest) {
            let version = Version::Digest(target.digest.clone());
            self.store.tag(&name.entry(&version), target)?;
        }
        Ok(())
    }

    /// Why a manifest without an entry of its own cannot be deleted: an index keeps it, or it is
    /// not here.
    fn cannot_delete(
        &self,
        name: &Name,
        version: &Version,
        shelf: &Shelf,
    ) -> Result<Refusal, Refusal> {
        Ok(match self.find(shelf, version)? {
            None => manifest_unknown(name, version, shelf),
            Some(_) => Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "UNSUPPORTED",
                "the manifest is part of an index; delete that",
            ),
        })
    }
}

fn manifest_unknown(name: &Name, version: &Version, shelf: &Shelf) -> Refusal {
    let (what, detail) = match version {
        Version::Tag(tag) => (format!("no tag {tag:?}"), json!({ "tag": tag })),
        Version::Digest(digest) => (format!("no manifest {digest}"), json!({ "digest": digest })),
    };
    let mut refusal = Refusal::several(StatusCode::NOT_FOUND);
    let message = format!(
        "repository {} has {what}; it has {} tags",
        name.shown,
        shelf.tags.len()
    );
    refusal.add("MANIFEST_UNKNOWN", message, &detail);
    refusal
}

/// Reads a manifest and decides what it is: what the header says, what the document itself says,
/// and what is in it must agree, so that no two readers see two images in it.
pub(super) fn understand(bytes: &[u8], told: Option<&str>) -> Result<(Links, String), Refusal> {
    let invalid = |message: String| {
        let mut refusal = Refusal::several(StatusCode::BAD_REQUEST);
        refusal.add("MANIFEST_INVALID", message, &Value::Null);
        refusal
    };
    let links: Links = serde_json::from_slice(bytes)
        .map_err(|e| invalid(format!("the manifest cannot be read: {e}")))?;
    if links.schema_version != 2 {
        let version = links.schema_version;
        return Err(invalid(format!(
            "the manifest is of schema {version}; push it as schema 2, Docker's or the OCI's"
        )));
    }
    let told = told.map(|t| t.split(';').next().unwrap_or_default().trim());
    let media_type = match (told, &links.media_type) {
        (Some(told), Some(own)) if told != own => {
            return Err(invalid(format!(
                "Content-Type says {told}, and the manifest's mediaType {own}"
            )));
        }
        (Some(told), _) => told.to_owned(),
        (None, Some(own)) => own.clone(),
        (None, None) => return Err(invalid("there is no Content-Type".to_owned())),
    };
    let is_image = links.config.is_some() && links.layers.is_some();
    let is_index = links.manifests.is_some();
    let fits = if media::is_index(&media_type) {
        is_index && links.config.is_none() && links.layers.is_none()
    } else if media::is_manifest(&media_type) {
        is_image && !is_index
    } else {
        return Err(invalid(format!(
            "{media_type} is no type of manifest that is kept here; there are {}, {}, {} and {}",
            media::MANIFEST,
            media::INDEX,
            media::DOCKER_MANIFEST,
            media::DOCKER_INDEX
        )));
    };
    if !fits {
        return Err(invalid(format!(
            "it says that it is {media_type}, and its fields are not those of one"
        )));
    }
    Ok((links, media_type))
}
