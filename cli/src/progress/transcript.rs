//! The whole of a build in a file, as plain lines, whatever the terminal shows.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use coracle::event::Event;

use super::Ended;
use crate::failure::Failure;
use coracle::event::plain::Plain;

/// A transcript under way.
#[derive(Debug)]
pub(crate) struct Transcript {
    plain: Plain,
    started: Instant,
    file: File,
    /// Where it is found.
    pub(crate) path: PathBuf,
}

impl Transcript {
    /// Begins a transcript at `path`, in the place of the last one.
    pub(crate) fn begin(path: &Path) -> Result<Self, Failure> {
        // A file of its own: another build that still writes must not get mixed up with this one.
        let _ = fs::remove_file(path);
        let file =
            File::create(path).map_err(|e| Failure::io(format!("write {}", path.display()), &e))?;
        Ok(Self {
            plain: Plain::default(),
            started: Instant::now(),
            file,
            path: path.to_owned(),
        })
    }

    /// Writes down how the build ended.
    pub(crate) fn end(&mut self, ended: Option<&Ended>) {
        let text = self.plain.end(ended, self.started.elapsed());
        let _ = self.file.write_all(text.as_bytes());
    }

    /// Writes down an event. A disk that is full must not end the build.
    pub(crate) fn event(&mut self, event: &Event) {
        let text = self.plain.event(event, self.started.elapsed());
        let _ = self.file.write_all(text.as_bytes());
    }
}
