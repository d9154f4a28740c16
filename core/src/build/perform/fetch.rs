//! Fetching what ADD names by an address.

use std::io::Write as _;
use std::sync::Arc;

use super::Performer;
use super::ahead::{Source, WhileBuilding};
use crate::build::BuildError;
use crate::build::plan::addresses::file_name;
use crate::build::plan::{Address, CopyStep};
use crate::build::select::Picked;
use crate::diagnostic::Diagnostic;
use crate::digest::{Digest, DigestError};
use crate::image::blob_content;
use crate::path::RootedPath;
use crate::store::StoreError;
use crate::tree::{Kind, Meta, Node, Tree};

/// A file that was fetched.
pub(super) struct Fetched {
    /// A tree that holds the file and nothing else.
    pub(super) tree: Tree,
    /// Where in there.
    path: RootedPath,
    /// What it is.
    pub(super) digest: Digest,
    /// Whether it is unpacked, if it is an archive.
    pub(super) unpack: bool,
}

impl Fetched {
    /// The file as a source names it.
    pub(super) fn picked(&self) -> Picked {
        Picked {
            path: self.path.clone(),
            named: self.path.clone(),
            kept: RootedPath::root(),
        }
    }
}

impl Performer<'_, '_> {
    /// Fetches a file into the store, where nothing names it: a collection takes it away. What
    /// has the checksum that is asked for and is there still is not fetched again.
    ///
    /// As everything that is copied, the file has the build's time and not the server's; its
    /// mode is 0600, as in BuildKit.
    pub(super) fn fetched(
        &self,
        copy: &CopyStep,
        address: &Address,
    ) -> Result<Fetched, BuildError> {
        let (digest, size) = self.content(address)?;
        let content = blob_content(&self.host.store, &digest, size);
        let path = RootedPath::root().child(file_name(&address.url).as_bytes());
        let meta = Meta {
            mtime: copy.spec.time,
            ..Meta::new(0o600)
        };
        let kind = Kind::File(content);
        let mut tree = Tree::new();
        tree.insert(path.clone(), Arc::new(Node { meta, kind }));
        Ok(Fetched {
            tree,
            path,
            digest,
            unpack: address.unpack,
        })
    }

    /// What is at an address, fetched once in a build however many steps want it.
    pub(super) fn content(&self, address: &Address) -> Result<(Digest, u64), BuildError> {
        self.content_ahead(address);
        self.shared.fetched(&Source::Address(address).claim())
    }

    /// The same before any step asks for it. Why it failed is kept for the step that does.
    pub(super) fn content_ahead(&self, address: &Address) {
        let key = Source::Address(address).claim();
        let _claim = self.shared.claim(&key);
        if !self.shared.is_fetched(&key) {
            let content = self.content_now(address);
            self.shared.keep_fetched(key, content);
        }
    }

    fn content_now(&self, address: &Address) -> Result<(Digest, u64), BuildError> {
        match self.known(address)? {
            Some(known) => Ok(known),
            None => self.fetch(address),
        }
    }

    fn known(&self, address: &Address) -> Result<Option<(Digest, u64)>, BuildError> {
        let Some(digest) = &address.checksum else {
            return Ok(None);
        };
        let size = self.host.store.size(digest)?;
        Ok(size.map(|size| (digest.clone(), size)))
    }

    fn fetch(&self, address: &Address) -> Result<(Digest, u64), BuildError> {
        let failed = |message: String, note: &str| {
            let diagnostic = Diagnostic::error("Fetch", address.span, message).note(note);
            BuildError::Source(Box::new(diagnostic))
        };
        let Some(fetch) = self.host.fetch else {
            let message = format!(
                "{} cannot be fetched: there is no network here",
                address.url
            );
            return Err(failed(message, "put the file into the build context"));
        };
        let mut out = WhileBuilding {
            out: self.host.store.create()?,
            shared: self.shared,
        };
        let fetched = fetch(&address.url, &mut out);
        let mut writer = out.out;
        fetched.map_err(|message| {
            failed(
                message,
                "without a network, put the file into the build context",
            )
        })?;
        writer
            .flush()
            .map_err(|e| StoreError::io(format!("keep {}", address.url), e))?;
        match writer.commit(address.checksum.as_ref()) {
            Err(StoreError::Corrupt(DigestError::Mismatch { actual, .. })) => {
                let message = format!("{} is not what --checksum says, but {actual}", address.url);
                let note = format!(
                    "if the file is meant to be another one now, write --checksum={actual}"
                );
                Err(failed(message, &note))
            }
            committed => Ok(committed?),
        }
    }
}
