//! `--output`: what becomes of a build's result.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coracle::image::{Image, flatten};
use coracle::layer::{Bounds, diff, tar};
use coracle::linux::root::RootDir;
use coracle::linux::unpack::{self, Report, Whiteouts};
use coracle::reference::{Reference, ReferenceError};
use coracle::spec::Platform;
use coracle::store::Store;
use coracle::store::archive::{self, Format, Save};
use coracle::tree::{Node, Tree};

use super::fields::Fields;
use crate::failure::Failure;
use crate::names;
use crate::output;

/// One thing that becomes of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Export {
    /// An image of the store, under these names and those of `--tag`.
    Image { names: Vec<Reference> },
    /// A saved image.
    Archive {
        form: Form,
        dest: Dest,
        names: Vec<Reference>,
    },
    /// An OCI image layout in a directory.
    Layout {
        directory: PathBuf,
        names: Vec<Reference>,
    },
    /// The files of the result, in a directory.
    Local { directory: PathBuf },
    /// The files of the result, in a tar archive.
    Tar { dest: Dest },
}

/// Which kind of saved image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As `docker save` writes it.
    Docker,
    /// An OCI archive.
    Oci,
}

/// Where a stream of bytes goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dest {
    /// To standard output.
    Stdout,
    /// To a file, which appears when it is whole.
    File(PathBuf),
}

/// Understands the values of `--output`. Without any, the result becomes an image.
pub(super) fn parse(options: &[String]) -> Result<Vec<Export>, Failure> {
    if options.is_empty() {
        return Ok(vec![Export::Image { names: Vec::new() }]);
    }
    let exports: Vec<_> = options.iter().map(|o| one(o)).collect::<Result<_, _>>()?;
    let to_stdout = exports.iter().filter(|export| export.is_to_stdout());
    if to_stdout.count() > 1 {
        return Err(Failure::new(
            "--output: two results cannot both go to standard output",
        ));
    }
    Ok(exports)
}

fn one(option: &str) -> Result<Export, Failure> {
    // Docker's short forms: a directory, or - for an archive on standard output.
    if !option.contains('=') && !option.is_empty() {
        return Ok(match option {
            "-" => Export::Tar { dest: Dest::Stdout },
            directory => Export::Local {
                directory: directory.into(),
            },
        });
    }
    let mut fields = Fields::parse("--output", option)?;
    let kind = fields.take(&["type"]).unwrap_or_default();
    let dest = fields.take(&["dest"]).filter(|dest| !dest.is_empty());
    let names = names(&mut fields)?;
    // What else BuildKit knows and has a meaning here is the default already.
    if fields.take_flag("oci-mediatypes")? == Some(false) {
        return Err(fields.wrong("images have the OCI's media types here; leave it away"));
    }
    let needs = |fields: &Fields| {
        fields.wrong(format!(
            "where to? Add dest=PATH, as in type={kind},dest=out"
        ))
    };
    let stream = |dest: String| match dest.as_str() {
        "-" => Dest::Stdout,
        path => Dest::File(path.into()),
    };
    let export = match (kind.as_str(), dest) {
        ("image", None) => {
            if fields.take_flag("push")? == Some(true) {
                return Err(pushing(&fields));
            }
            Export::Image { names }
        }
        ("docker", None) => Export::Image { names },
        ("image", Some(_)) => {
            return Err(fields.wrong("an image stays in the store and has no dest; type=oci or type=docker writes an archive"));
        }
        ("registry", _) => return Err(pushing(&fields)),
        ("oci", Some(dest)) if fields.take_flag("tar")? == Some(false) => Export::Layout {
            directory: dest.into(),
            names,
        },
        (form @ ("docker" | "oci"), Some(dest)) => Export::Archive {
            form: if form == "oci" {
                Form::Oci
            } else {
                Form::Docker
            },
            dest: stream(dest),
            names,
        },
        ("local", Some(dest)) if dest == "-" => {
            return Err(fields.wrong("a directory cannot go to standard output; type=tar can"));
        }
        ("local", Some(dest)) => Export::Local {
            directory: dest.into(),
        },
        ("tar", Some(dest)) => Export::Tar { dest: stream(dest) },
        ("oci" | "local" | "tar", None) => return Err(needs(&fields)),
        ("cacheonly", _) => {
            return Err(fields.wrong("Docker has this, Coracle does not; --quiet without --tag keeps the result out of the way"));
        }
        (other, _) => {
            let what = if other.is_empty() {
                "there is no type".to_owned()
            } else {
                format!("{other:?} is no type of output")
            };
            return Err(fields.wrong(what).hint(
                "The types are image, docker, oci, local and tar; a path alone means type=local.",
            ));
        }
    };
    fields.finish()?;
    Ok(export)
}

fn names(fields: &mut Fields) -> Result<Vec<Reference>, Failure> {
    let text = fields.take(&["name"]).unwrap_or_default();
    let names = text.split(',').filter(|name| !name.is_empty());
    let parse = |name: &str| {
        name.parse()
            .map_err(|e: ReferenceError| fields.wrong(e.to_string()))
    };
    names.map(parse).collect()
}

fn pushing(fields: &Fields) -> Failure {
    fields
        .wrong("Docker has this, Coracle does not (yet): nothing is sent to a registry")
        .hint("Write an archive with type=oci,dest=FILE and send it with another tool, such as skopeo.")
}

impl Export {
    fn is_to_stdout(&self) -> bool {
        matches!(
            self,
            Self::Archive {
                dest: Dest::Stdout,
                ..
            } | Self::Tar { dest: Dest::Stdout }
        )
    }

    /// Whether the result becomes an image of the store.
    pub(super) fn is_image(&self) -> bool {
        matches!(self, Self::Image { .. })
    }

    /// Says before anything is built what could not be written afterwards.
    pub(super) fn check(&self, quiet: bool) -> Result<(), Failure> {
        if self.is_to_stdout() {
            if quiet {
                return Err(Failure::new(
                    "--quiet prints the image ID on standard output, where --output writes, too",
                )
                .hint("Use --iidfile FILE for the ID."));
            }
            if io::stdout().is_terminal() {
                return Err(Failure::new("an archive is nothing for a terminal")
                    .hint("Name a file with dest=FILE, or redirect standard output."));
            }
        }
        let refused = |path: &Path, why: &str| {
            Err(Failure::new(format!("--output {}: {why}", path.display())))
        };
        match self {
            Self::Local { directory } | Self::Layout { directory, .. }
                if fs::metadata(directory).is_ok_and(|meta| !meta.is_dir()) =>
            {
                return refused(directory, "it is there and is not a directory");
            }
            Self::Archive {
                dest: Dest::File(path),
                ..
            }
            | Self::Tar {
                dest: Dest::File(path),
            } => {
                if path.is_dir() {
                    return refused(path, "it is a directory; name the file in it");
                }
                let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
                if parent.is_some_and(|parent| !parent.is_dir()) {
                    return refused(path, "there is no such directory to put it in");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes `image`. Returns what to say about it, in BuildKit's words, and what could not be
    /// kept of it.
    pub(super) fn write(
        &self,
        image: &Image,
        tags: &[Reference],
        store: &Arc<dyn Store>,
        platform: &Platform,
    ) -> Result<(String, Vec<String>), Failure> {
        let all = |names: &[Reference]| -> Vec<Reference> {
            let mut all = tags.to_vec();
            all.extend(names.iter().filter(|n| !tags.contains(n)).cloned());
            all
        };
        let save = |names: &[Reference], form, out: &mut dyn Write| -> Result<(), Failure> {
            let save = Save {
                target: image.descriptor.clone(),
                tags: all(names),
            };
            Ok(archive::save(&**store, &[save], form, platform, out)?)
        };
        match self {
            Self::Image { names } => {
                let names = all(names);
                keep(&**store, image, &names)?;
                let mut said = format!("writing image {}", image.id());
                for name in &names {
                    said.push_str("\nnaming to ");
                    said.push_str(&name.canonical());
                }
                Ok((said, Vec::new()))
            }
            Self::Archive { form, dest, names } => {
                let (format, called) = match form {
                    Form::Docker => (Format::Docker, "docker"),
                    Form::Oci => (Format::Oci, "oci"),
                };
                dest.write(|out| save(names, format, out))?;
                let said = format!("exporting to {called} image format, {}", dest.call());
                Ok((said, Vec::new()))
            }
            Self::Layout { directory, names } => {
                into_directory(directory, &|out| save(names, Format::Oci, out))?;
                let said = format!("exporting to oci image layout {}", directory.display());
                Ok((said, Vec::new()))
            }
            Self::Local { directory } => {
                let tree = owned_by_caller(&flatten(store, &image.layers(), Bounds::NONE)?);
                let report = into_directory(directory, &|out| files(&tree, out))?;
                let said = format!("exporting to client directory {}", directory.display());
                Ok((said, report.warnings()))
            }
            Self::Tar { dest } => {
                let tree = flatten(store, &image.layers(), Bounds::NONE)?;
                dest.write(|out| files(&tree, out))?;
                let said = format!("exporting to client tarball, {}", dest.call());
                Ok((said, Vec::new()))
            }
        }
    }
}

impl Dest {
    fn call(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn write(
        &self,
        content: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::File(path) => output::file::write(path, content),
            Self::Stdout => {
                let mut out = BufWriter::new(io::stdout().lock());
                content(&mut out)?;
                out.flush().map_err(|e| Failure::writing(&e))
            }
        }
    }
}

/// Gives the image its names; without any, it is kept under its digest.
fn keep(store: &dyn Store, image: &Image, names: &[Reference]) -> Result<(), Failure> {
    for name in names {
        names::set_tag(store, name, &image.descriptor)?;
    }
    if names.is_empty() {
        names::keep_untagged(store, &image.descriptor)?;
    }
    Ok(())
}

/// All files of a tree as one archive.
fn files(tree: &Tree, out: &mut dyn Write) -> Result<(), Failure> {
    let layer = diff(&Tree::new(), tree);
    tar::write(&layer, out).map_err(|e| Failure::io("write the archive", &e))
}

/// Unpacks the archive that `write` writes into `directory`, which is made if it is not there.
/// What is there already stays, unless something of the same name takes its place.
pub(super) fn into_directory(
    directory: &Path,
    write: &(dyn Fn(&mut dyn Write) -> Result<(), Failure> + Sync),
) -> Result<Report, Failure> {
    let refused = |e: io::Error| Failure::io(format!("write {}", directory.display()), &e);
    fs::create_dir_all(directory).map_err(refused)?;
    let root = RootDir::open(directory)?;
    let (from, to) = io::pipe().map_err(refused)?;
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut to = BufWriter::with_capacity(64 << 10, to);
            write(&mut to)?;
            to.flush().map_err(|e| Failure::io("write the archive", &e))
        });
        let unpacked = unpack::unpack(&from, &root, Whiteouts::Apply, Bounds::NONE);
        if unpacked.is_ok() {
            // What comes behind the archive's end must not break the pipe.
            io::copy(&mut &from, &mut io::sink()).map_err(refused)?;
        }
        drop(from);
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(Failure::new("the writer of the archive died")));
        // Whoever reads less than everything breaks the pipe: its own error says more.
        let report =
            unpacked.map_err(|e| Failure::from(e).about(&directory.display().to_string()))?;
        written?;
        Ok(report)
    })
}

/// The same files as the caller's own, as BuildKit gives them out. In an ordinary user's
/// namespace the number 0 is that user. Hard links stay hard links.
fn owned_by_caller(tree: &Tree) -> Tree {
    let mut owned: BTreeMap<*const Node, Arc<Node>> = BTreeMap::new();
    let mut out = Tree::new();
    for (path, node) in tree.iter() {
        let copy = owned.entry(Arc::as_ptr(node)).or_insert_with(|| {
            let mut copy = Node::clone(node);
            copy.meta.uid = 0;
            copy.meta.gid = 0;
            Arc::new(copy)
        });
        out.insert(path.clone(), Arc::clone(copy));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_output_is_understood() {
        let check = |option: &str, expected: Export| {
            assert_eq!(parse(&[option.to_owned()]).unwrap(), [expected]);
        };
        let none = Vec::new;
        let file = |path: &str| Dest::File(path.into());
        check(
            "out",
            Export::Local {
                directory: "out".into(),
            },
        );
        check("-", Export::Tar { dest: Dest::Stdout });
        check(
            "type=local,dest=a/b",
            Export::Local {
                directory: "a/b".into(),
            },
        );
        check("type=tar,dest=x", Export::Tar { dest: file("x") });
        check("type=image", Export::Image { names: none() });
        check(
            "type=image,push=false,\"name=a,b:2\"",
            Export::Image {
                names: vec!["a".parse().unwrap(), "b:2".parse().unwrap()],
            },
        );
        check("type=docker", Export::Image { names: none() });
        check(
            "type=docker,dest=-",
            Export::Archive {
                form: Form::Docker,
                dest: Dest::Stdout,
                names: none(),
            },
        );
        check(
            "type=oci,dest=l,tar=false",
            Export::Layout {
                directory: "l".into(),
                names: none(),
            },
        );
        check(
            "dest=o.tar,type=oci",
            Export::Archive {
                form: Form::Oci,
                dest: file("o.tar"),
                names: none(),
            },
        );
    }

    #[test]
    fn wrong_outputs_say_what_to_do() {
        let check = |option: &str, part: &str| {
            let said = parse(&[option.to_owned()]).unwrap_err().message.unwrap();
            assert!(said.contains(option) && said.contains(part), "{said}");
        };
        check("type=oci", "Add dest=PATH");
        check("type=local", "type=local,dest=out");
        check("type=local,dest=-", "type=tar can");
        check("type=iso,dest=x", "\"iso\" is no type of output");
        check("dest=x", "there is no type");
        check("type=registry,name=a", "registry");
        check("type=image,push=true", "skopeo");
        check("type=image,dest=x", "has no dest");
        check("type=tar,dst=x", "Add dest=PATH");
        check("type=tar,dest=x,dst=x", "did you mean dest?");
        check("type=oci,dest=x,tar=2", "true or false");
        check("type=docker,name=UPPER,dest=x", "UPPER");
        let two = ["-".to_owned(), "type=oci,dest=-".to_owned()];
        assert!(parse(&two).is_err());
    }
}
