//! What a build reads: the Dockerfile and the context with its ignore file.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use coracle::build::context::Context;
use coracle::build::load::{self, Digests};
use coracle::diagnostic::has_errors;
use coracle::dockerfile::ignore::{self, Ignore};
use coracle::layer::{compress, tar};
use coracle::linux::archive;
use coracle::path::RootedPath;
use coracle::tree::{Kind, Timestamp, Tree, resolve};

use super::Options;
use crate::commands::dockerfile_parse;
use crate::failure::Failure;
use crate::output;
use crate::registries;

/// The sources of a build.
#[derive(Debug)]
pub(super) struct Sources {
    /// What the Dockerfile is called in messages.
    pub(super) name: String,
    /// The text of the Dockerfile.
    pub(super) dockerfile: String,
    /// The files that COPY and ADD may take.
    pub(super) context: Context,
    /// What the context leaves out.
    pub(super) ignore: IgnoreFile,
    /// Where the Dockerfile is; `None` when it came from standard input.
    path: Option<PathBuf>,
}

impl Sources {
    /// Reads the Dockerfile, and the names of the files of the context.
    pub(super) fn read(
        options: &Options,
        state: &Path,
        time: Timestamp,
        digests: &Digests,
    ) -> Result<Self, Failure> {
        if options.path == "-" {
            return Self::from_input(options, time);
        }
        if is_http(&options.path) && !is_repository(&options.path) {
            return Self::from_address(options, time);
        }
        let root = PathBuf::from(&options.path);
        let file = match &options.file {
            Some(file) => file.clone(),
            None => root.join("Dockerfile"),
        };
        check_directory(&root)?;
        let dockerfile =
            dockerfile_parse::read(&file).map_err(|failure| no_dockerfile(&file, failure))?;
        let from_input = file.as_os_str() == "-";
        let path = (!from_input).then(|| file.clone());
        let ignore = ignore_file(&root, path.as_deref())?;
        let context = load_context(&root, &ignore, Some(state), time, digests)?;
        Ok(Self {
            name: dockerfile_parse::name(&file),
            dockerfile,
            context,
            ignore,
            path,
        })
    }

    /// What comes on standard input: an archive, plain or packed, that is the context; or else a
    /// Dockerfile without one. As in BuildKit, an ignore file in the archive hides nothing: who
    /// made the archive chose what is in it.
    fn from_input(options: &Options, time: Timestamp) -> Result<Self, Failure> {
        if options
            .file
            .as_ref()
            .is_some_and(|file| file.as_os_str() == "-")
        {
            return Err(Failure::new(
                "-f - and the context - would both be standard input",
            )
            .hint("Leave -f away for a Dockerfile without a context; in an archive, name the file."));
        }
        Self::from_stream(io::stdin(), "standard input", options, time)
    }

    /// What is at an http address, in the same way. As in BuildKit, a file that is no archive is
    /// the Dockerfile.
    fn from_address(options: &Options, time: Timestamp) -> Result<Self, Failure> {
        let url = &options.path;
        if options
            .file
            .as_ref()
            .is_some_and(|file| file.as_os_str() == "-")
        {
            return Err(Failure::new(format!(
                "-f - with {url}: the Dockerfile of such a context is in the archive"
            ))
            .hint(
                "Fetch the archive and name its directory, to build it with another Dockerfile.",
            ));
        }
        fetched(url, |stream| Self::from_stream(stream, url, options, time))
    }

    fn from_stream(
        stream: impl Read + Send,
        called: &str,
        options: &Options,
        time: Timestamp,
    ) -> Result<Self, Failure> {
        let file = options.file.as_deref();
        let bounds = options.bounds.bounds();
        let read = |e: io::Error| Failure::io(format!("read {called}"), &e);
        let mut input = compress::decoder(stream, bounds).map_err(read)?;
        let mut start = Vec::new();
        input
            .by_ref()
            .take(512)
            .read_to_end(&mut start)
            .map_err(read)?;
        // An archive without files is nothing but zeros.
        let is_archive = start.first() == Some(&0) || tar::starts_like_an_archive(&*start);
        let mut input = start.as_slice().chain(input);
        if !is_archive {
            if let Some(file) = file {
                let file = file.display();
                return Err(Failure::new(format!(
                    "-f {file}: what comes on {called} is no archive that could hold it"
                ))
                .hint(
                    "For a Dockerfile alone, leave -f away; for a context, send a tar archive.",
                ));
            }
            let mut bytes = Vec::new();
            input.read_to_end(&mut bytes).map_err(read)?;
            return Ok(Self {
                name: "Dockerfile".to_owned(),
                dockerfile: dockerfile_parse::text(bytes, Path::new("-"))?,
                context: Context {
                    name: format!("empty: the Dockerfile came from {called}"),
                    ..Context::default()
                },
                ignore: IgnoreFile::default(),
                path: None,
            });
        }
        let tree = archive::read_stream(input, Path::new(called), bounds)?;
        let context = Context::of_tree(&format!("the archive on {called}"), &tree, time);
        let file = file.unwrap_or(Path::new("Dockerfile"));
        Ok(Self {
            name: dockerfile_parse::name(file),
            dockerfile: in_archive(&context.tree, called, file)?,
            context,
            ignore: IgnoreFile::default(),
            path: None,
        })
    }

    /// What tells this build apart from others, so that the last one can be compared with.
    pub(super) fn place(&self, target: Option<&str>) -> String {
        let path = self
            .path
            .as_ref()
            .map(|path| fs::canonicalize(path).unwrap_or(path.clone()));
        let path = path.map_or("-".into(), |path| path.display().to_string());
        format!(
            "{path}\n{}\n{}",
            self.context.name,
            target.unwrap_or_default()
        )
    }
}

/// Lets `read` read what is at an http address, while it is fetched.
pub(super) fn fetched<T>(
    url: &str,
    read: impl FnOnce(&mut io::PipeReader) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let refused = |e: io::Error| Failure::io("make a pipe", &e);
    let (mut from, mut to) = io::pipe().map_err(refused)?;
    std::thread::scope(|scope| {
        let fetching = scope.spawn(move || registries::fetch(url, &mut to));
        let result = read(&mut from);
        // To the end, so that what the fetching says is about the address and not about the pipe.
        let _ = io::copy(&mut from, &mut io::sink());
        match fetching.join() {
            Ok(Err(message)) => Err(Failure::new(message)),
            _ => result,
        }
    })
}

/// The text of the Dockerfile at `file` of an archive.
fn in_archive(tree: &Tree, called: &str, file: &Path) -> Result<String, Failure> {
    let named = RootedPath::root().resolve(file.as_os_str().as_bytes());
    let there = resolve(tree, &named)
        .ok()
        .and_then(|path| Some(&tree.get(&path)?.kind));
    let Some(Kind::File(content)) = there else {
        let file = file.display();
        return Err(Failure::new(format!(
            "there is no Dockerfile at {file} in the archive on {called}"
        ))
        .hint("-f FILE names another one; paths are seen from the archive's root."));
    };
    let bytes = content
        .read()
        .map_err(|e| Failure::io(format!("read {} in the archive", file.display()), &e))?;
    dockerfile_parse::text(bytes, file)
}

/// Whether this is the address of a git repository.
pub(super) fn is_repository(text: &str) -> bool {
    let path = text.split(['#', '?']).next().unwrap_or_default();
    let schemes = ["git@", "git://", "ssh://"];
    schemes.iter().any(|scheme| text.starts_with(scheme))
        || (is_http(text) && path.strip_suffix(".git").is_some())
}

/// Whether this is the address of a file.
pub(super) fn is_http(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

pub(crate) fn check_directory(root: &Path) -> Result<(), Failure> {
    let text = root.display().to_string();
    if is_repository(&text) {
        return Err(Failure::new(format!(
            "{text}: Docker builds from git repositories, Coracle does not (yet)"
        ))
        .hint(
            "Clone it first and name the directory; or build from the http address of an archive.",
        ));
    }
    if is_http(&text) {
        return Err(
            Failure::new(format!("{text} is an address and not a directory"))
                .hint("`coracle build` takes one; here, fetch the archive first and unpack it."),
        );
    }
    match fs::metadata(root) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(
            Failure::new(format!("the build context {text} is not a directory")).hint(
                "Name the directory whose files COPY may take; -f names the Dockerfile.\n\
                     An archive comes on standard input: coracle build - < FILE",
            ),
        ),
        Err(e) => Err(Failure::io(format!("the build context {text}"), &e)),
    }
}

fn no_dockerfile(file: &Path, failure: Failure) -> Failure {
    if fs::symlink_metadata(file).is_err_and(|e| e.kind() == ErrorKind::NotFound)
        && file.as_os_str() != "-"
    {
        return Failure::new(format!("there is no Dockerfile at {}", file.display()))
            .hint("The last argument is the build context; -f FILE names another Dockerfile.");
    }
    failure
}

/// An ignore file.
#[derive(Debug, Default)]
pub(crate) struct IgnoreFile {
    /// Where it is; nowhere, when there is none.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) patterns: Ignore,
}

impl IgnoreFile {
    /// Its name without the directory.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// Reads the context without what the ignore file leaves out. Coracle's own `state`, if it is in
/// there, is no source. What `digests` knows is not hashed again.
pub(crate) fn load_context(
    root: &Path,
    ignore: &IgnoreFile,
    state: Option<&Path>,
    time: Timestamp,
    digests: &Digests,
) -> Result<Context, Failure> {
    let state = state.and_then(|state| below(root, state));
    let (patterns, name) = (&ignore.patterns, ignore.name());
    let loaded = load::load(root, patterns, &name, state.as_ref(), time, digests);
    loaded.map_err(|error| {
        let denied = error.source.kind() == ErrorKind::PermissionDenied;
        let failure = Failure::from(error);
        if denied {
            return failure.hint("If no step needs it, a line in .dockerignore leaves it out.");
        }
        failure
    })
}

/// Finds the ignore file of a context. `Dockerfile.dockerignore` beside the Dockerfile wins over
/// `.dockerignore` of the context.
pub(crate) fn ignore_file(root: &Path, dockerfile: Option<&Path>) -> Result<IgnoreFile, Failure> {
    let beside = dockerfile.map(|path| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".dockerignore");
        path.with_file_name(name)
    });
    for path in beside.into_iter().chain([root.join(".dockerignore")]) {
        match fs::read_to_string(&path) {
            Ok(text) => return read_ignore_file(path, &text),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(Failure::io(format!("read {}", path.display()), &e)),
        }
    }
    Ok(IgnoreFile::default())
}

/// Understands the text of an ignore file, or shows what is wrong with it.
pub(crate) fn read_ignore_file(path: PathBuf, text: &str) -> Result<IgnoreFile, Failure> {
    let (patterns, diagnostics) = ignore::parse(text);
    let rendered = dockerfile_parse::rendered(&diagnostics, &path.display().to_string(), text);
    if has_errors(&diagnostics) {
        return Err(
            Failure::new(format!("{} cannot be understood", path.display()))
                .hint(rendered.trim_end()),
        );
    }
    output::note(&rendered);
    Ok(IgnoreFile { path, patterns })
}

/// Where in `root` the directory `path` is, if it is.
fn below(root: &Path, path: &Path) -> Option<RootedPath> {
    let (root, path) = (fs::canonicalize(root).ok()?, fs::canonicalize(path).ok()?);
    let below = path.strip_prefix(root).ok()?;
    RootedPath::parse(below.as_os_str().as_bytes()).ok()
}
