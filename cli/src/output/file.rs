//! Results that are files: there when they are whole, or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use crate::failure::Failure;

/// Lets `content` write a file beside `path`, and renames it when it is whole.
pub(crate) fn write<E: Into<Failure>>(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), Failure> {
    let refused = |e: io::Error| Failure::io(format!("write {}", path.display()), &e);
    // Something that is no file, such as /dev/stdout or a pipe, cannot be replaced.
    if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        let file = File::options().write(true).open(path).map_err(refused)?;
        let mut out = BufWriter::new(file);
        content(&mut out).map_err(Into::into)?;
        return out.flush().map_err(refused);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let file = File::create(&beside).map_err(refused)?;
    let mut out = BufWriter::new(Named { file, path });
    let written = content(&mut out)
        .map_err(Into::into)
        .and_then(|()| out.flush().map_err(|e| Failure::io("write", &e)))
        .and_then(|()| fs::rename(&beside, path).map_err(refused));
    if written.is_err() {
        // The error that led here is the one to report.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Refuses to write an archive to a terminal; `usage` says how it is redirected.
pub(crate) fn refuse_terminal(path: Option<&Path>, usage: &str) -> Result<(), Failure> {
    if path.is_none() && io::stdout().is_terminal() {
        return Err(Failure::new("an archive is nothing for a terminal")
            .hint(format!("Name a file, or redirect: {usage}")));
    }
    Ok(())
}

/// Lets `content` write to a file, or to standard output when none is named.
pub(crate) fn stream(
    path: Option<&Path>,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    if let Some(path) = path {
        return write(path, content);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    content(&mut out)
        .and_then(|()| out.flush())
        .map_err(|e| Failure::writing(&e))
}

/// A file whose errors say which it is: whoever writes the content sees only a writer.
struct Named<'a> {
    file: File,
    path: &'a Path,
}

impl Write for Named<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf).map_err(|e| {
            let path = self.path.display();
            io::Error::new(e.kind(), format!("{path}: {e}"))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
