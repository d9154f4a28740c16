//! A layer's archive in a file of the host: read as a layer whose contents stay in the file.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::root::RootDir;
use super::scan::{ScanError, scan_tree};
use super::sys::SysError;
use crate::digest::{Digest, Hashing};
use crate::layer::tar::TarError;
use crate::layer::{ApplyError, Bounds, Layer, Span, apply, compress, gather};
use crate::path::RootedPath;
use crate::tree::{Content, Source, Tree};

/// Why a file or directory cannot be read as a layer or tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFileError {
    /// The system refused.
    #[error("{action}: {source}")]
    Io {
        /// What was attempted, with the path.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// The archive is damaged, or not one that a layer may be.
    #[error("{}: {source}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TarError,
    },
    /// The archive is not complete by itself: it links to files of layers below.
    #[error("{}: {source}", path.display())]
    Apply {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ApplyError,
    },
    /// An archive of files has a name that only layers have.
    #[error(
        "the archive has an entry that begins with .wh. (about {path}), which no file of a container may; take it out"
    )]
    Whiteout {
        /// What a layer's whiteout would hide.
        path: RootedPath,
    },
    /// The directory cannot be opened.
    #[error(transparent)]
    System(#[from] SysError),
    /// The directory cannot be read.
    #[error("{}: {source}", path.display())]
    Scan {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        source: ScanError,
    },
}

/// The tree that `path` is: a directory as it is now, or an archive, plain or packed with gzip,
/// zstd, xz or bzip2, laid on nothing.
pub fn read_tree(path: &Path, bounds: Bounds) -> Result<Tree, ArchiveFileError> {
    let failed = ArchiveFileError::io(format!("look up {}", path.display()));
    if fs::metadata(path).map_err(failed)?.is_dir() {
        let root = Arc::new(RootDir::open(path)?);
        return scan_tree(&root).map_err(|source| ArchiveFileError::Scan {
            path: path.to_owned(),
            source,
        });
    }
    complete(&read_layer(path, bounds)?, path)
}

/// The layer in the archive `path`, plain or packed with gzip, zstd, xz or bzip2.
///
/// Contents are read from the file when somebody asks for them. A packed archive, or one that
/// comes through a pipe, is first unpacked into a nameless file in the directory for temporary
/// files, because nobody can seek in it.
pub fn read_layer(path: &Path, bounds: Bounds) -> Result<Layer, ArchiveFileError> {
    let mut file =
        File::open(path).map_err(ArchiveFileError::io(format!("open {}", path.display())))?;
    if !is_plain(&file) {
        let read = ArchiveFileError::io(format!("unpack {}", path.display()));
        let archive = compress::decoder(file, bounds).map_err(read)?;
        file = spool(archive, path)?;
    }
    gather_file(file, path, bounds)
}

/// The tree in an uncompressed archive that comes as a stream, laid on nothing. `path` is what
/// errors call it.
pub fn read_stream(
    archive: impl Read,
    path: &Path,
    bounds: Bounds,
) -> Result<Tree, ArchiveFileError> {
    let layer = gather_file(spool(archive, path)?, path, bounds)?;
    complete(&layer, path)
}

/// Keeps a stream in a nameless file, so that one can seek in it.
fn spool(mut archive: impl Read, path: &Path) -> Result<File, ArchiveFileError> {
    let mut plain = nameless()?;
    io::copy(&mut archive, &mut plain)
        .map_err(ArchiveFileError::io(format!("unpack {}", path.display())))?;
    Ok(plain)
}

/// The tree that a layer is by itself.
fn complete(layer: &Layer, path: &Path) -> Result<Tree, ArchiveFileError> {
    let mut tree = Tree::new();
    apply(&mut tree, layer).map_err(|source| ArchiveFileError::Apply {
        path: path.to_owned(),
        source,
    })?;
    Ok(tree)
}

fn gather_file(file: File, path: &Path, bounds: Bounds) -> Result<Layer, ArchiveFileError> {
    let shared = Arc::new(file);
    let mut keep = |span: Span, reader: &mut dyn Read| {
        let mut reader = Hashing::new(reader);
        io::copy(&mut reader, &mut io::sink())?;
        let (_, digest, _) = reader.finish();
        Ok(Content::Source(Arc::new(FileSpan {
            file: Arc::clone(&shared),
            span,
            digest,
        })))
    };
    let archive = io::BufReader::with_capacity(BUFFER, ReadAt(&shared, 0));
    gather(archive, bounds, &mut keep).map_err(|source| ArchiveFileError::Archive {
        path: path.to_owned(),
        source,
    })
}

/// The files in an archive that is no layer, plain or packed, as it comes. Names that begin with
/// `.wh.` are refused: no layer could ever hold such a file.
pub fn read_files(archive: impl Read + Send, bounds: Bounds) -> Result<Layer, ArchiveFileError> {
    let unpack = ArchiveFileError::io("unpack the archive".to_owned());
    let archive = compress::decoder(archive, bounds).map_err(unpack)?;
    let name = Path::new("the archive");
    let layer = gather_file(spool(archive, name)?, name, bounds)?;
    match layer.hides.first() {
        None => Ok(layer),
        Some(hide) => Err(ArchiveFileError::Whiteout {
            path: hide.path().clone(),
        }),
    }
}

/// How much is read at a time, in bytes.
const BUFFER: usize = 128 << 10;

/// A file's bytes inside an archive in a file.
#[derive(Debug)]
struct FileSpan {
    file: Arc<File>,
    span: Span,
    digest: Digest,
}

impl Source for FileSpan {
    fn size(&self) -> u64 {
        self.span.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let from = ReadAt(Arc::clone(&self.file), self.span.offset);
        Ok(Box::new(from.take(self.span.size)))
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.digest.clone())
    }
}

/// Reads from an offset on, whoever else reads the same open file.
struct ReadAt<F>(F, u64);

impl<F: AsRef<File>> Read for ReadAt<F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.0.as_ref().read_at(buf, self.1)?;
        self.1 += n as u64;
        Ok(n)
    }
}

/// Whether a file holds an archive that one can seek in.
fn is_plain(file: &File) -> bool {
    let mut start = [0; 6];
    let is_file = file.metadata().is_ok_and(|m| m.is_file());
    is_file
        && file.read_at(&mut start, 0).is_ok_and(|n| {
            compress::Compression::detect(&start[..n]) == compress::Compression::None
        })
}

/// A file without a name: it goes away with whoever has it open.
fn nameless() -> Result<File, ArchiveFileError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("coracle-{}-{number}", process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        match options.open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            opened => {
                let failed = ArchiveFileError::io(format!("create {}", path.display()));
                let file = opened.map_err(failed)?;
                let failed = ArchiveFileError::io(format!("remove {}", path.display()));
                fs::remove_file(&path).map_err(failed)?;
                return Ok(file);
            }
        }
    }
}

impl ArchiveFileError {
    fn io(action: String) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::layer::{diff, tar};
    use crate::tree::{Kind, Node};

    fn path(text: &str) -> RootedPath {
        RootedPath::parse(text).unwrap()
    }

    fn tree() -> Tree {
        let mut tree = Tree::new();
        tree.insert(path("a"), Arc::new(Node::file(0o644, *b"hello")));
        tree.insert(path("d/b"), Arc::new(Node::file(0o600, vec![7; 300_000])));
        tree.insert(path("d/l"), Arc::new(Node::symlink("b")));
        tree
    }

    #[test]
    fn an_archive_is_the_same_tree_however_it_is_packed() {
        let place = tempfile::tempdir().unwrap();
        let mut plain = Vec::new();
        tar::write(&diff(&Tree::new(), &tree()), &mut plain).unwrap();
        let mut gzip = compress::gzip_encoder(Vec::new());
        gzip.write_all(&plain).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
        for bytes in [plain, gzip, zstd] {
            let file = place.path().join("layer");
            fs::write(&file, bytes).unwrap();
            let read = read_tree(&file, Bounds::default()).unwrap();
            // The name may go; whoever reads has the file open.
            fs::remove_file(&file).unwrap();
            assert_eq!(read, tree());
            let Kind::File(content) = &read.get(&path("d/b")).unwrap().kind else {
                panic!("a file");
            };
            assert_eq!(content.read().unwrap(), vec![7; 300_000]);
        }
    }

    #[test]
    fn a_directory_is_a_tree_too() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("a"), "hello").unwrap();
        let read = read_tree(place.path(), Bounds::default()).unwrap();
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let place = tempfile::tempdir().unwrap();
        let check = |content: &[u8], part: &str| {
            let file = place.path().join("x.tar");
            fs::write(&file, content).unwrap();
            let error = read_tree(&file, Bounds::default()).unwrap_err().to_string();
            assert!(error.contains("x.tar"), "{error}");
            assert!(error.contains(part), "{error}");
        };
        check(&[1; 512], "not a tar archive at byte 0");
        check(&[1; 100], "cut off");
        check(&[0x1f, 0x8b, 8, 0], "unpack");
        let link = Node {
            kind: Kind::HardLink(path("below")),
            ..Node::symlink("")
        };
        let layer = Layer {
            hides: Vec::new(),
            adds: vec![(path("a"), Arc::new(link))],
        };
        let mut archive = Vec::new();
        tar::write(&layer, &mut archive).unwrap();
        check(&archive, "/a is a hard link to /below");
        let error = read_tree(&place.path().join("gone"), Bounds::default()).unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
