//! What the contenders are given: made once, kept in `target/bench/inputs`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use coracle::digest::Digest;
use serde_json::json;

use crate::check::{output, sha256};

/// The images that `debian.sh` makes; its first lines say which.
pub(crate) struct Debian {
    pub(crate) folder: PathBuf,
    /// The digest of the config as 64 hex digits: of the image with one layer.
    pub(crate) id: String,
    /// The same of the image with four layers.
    pub(crate) layers_id: String,
}

/// An archive of a root file system, and its digest as 64 hex digits.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) file: PathBuf,
    pub(crate) sha256: String,
}

/// The Debian images.
pub(crate) fn debian(inputs: &Path) -> Result<Debian, String> {
    let recipe = include_str!("debian.sh");
    let folder = kept(inputs, "debian", recipe, &|folder| {
        let mut script = Command::new("bash");
        script.args(["-c", recipe, "debian.sh"]).arg(folder);
        output(&mut script).map(drop)
    })?;
    let read = |name: &str| {
        let text = fs::read_to_string(folder.join(name));
        text.map(|text| text.trim().to_owned())
            .map_err(|e| format!("read {name} of the Debian images: {e}"))
    };
    let (id, layers_id) = (read("id")?, read("layers.id")?);
    Ok(Debian {
        folder,
        id,
        layers_id,
    })
}

/// How many files [`many`] has.
pub(crate) const MANY: u32 = 100_000;

/// An archive of 100,000 small files in 1,000 directories, packed by GNU tar.
pub(crate) fn many(inputs: &Path) -> Result<Archive, String> {
    let folder = kept(inputs, "many", &MANY.to_string(), &|folder| {
        let tree = folder.join("tree");
        let content = noise(1 << 12);
        for number in 0..MANY {
            let directory = tree.join(format!("data/{}/{}", number / 10_000, number / 100));
            if number % 100 == 0 {
                fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
            }
            // Sizes from 0 to 2,047 bytes, scattered.
            let size = (number.wrapping_mul(2_654_435_761) >> 21) as usize;
            let file = directory.join(format!("file-{number}.txt"));
            let start = number as usize % 2000;
            fs::write(file, &content[start..start + size]).map_err(|e| e.to_string())?;
        }
        pack(&tree, &folder.join("archive.tar"))
    })?;
    archive(&folder)
}

/// An archive of 1 GiB that hardly packs.
pub(crate) fn large(inputs: &Path) -> Result<Archive, String> {
    let folder = kept(inputs, "large", "1 GiB", &|folder| {
        let tree = folder.join("tree");
        fs::create_dir_all(&tree).map_err(|e| e.to_string())?;
        let content = noise(1 << 24);
        for number in 0..4 {
            let write = || {
                let mut file = fs::File::create(tree.join(format!("file-{number}")))?;
                (0..16).try_for_each(|_| file.write_all(&content))
            };
            write().map_err(|e: std::io::Error| e.to_string())?;
        }
        pack(&tree, &folder.join("archive.tar"))
    })?;
    archive(&folder)
}

/// A build context with a Dockerfile of this many instructions, FROM among them: a COPY, then
/// other instructions in turn, and so on. `with_run` says whether RUN is one of them. The base is
/// the Debian image.
pub(crate) fn instructions(inputs: &Path, number: u32, with_run: bool) -> Result<PathBuf, String> {
    let mut recipe = "FROM localhost/debian:gzip\n".to_owned();
    for line in 1..number {
        let line = match line % 4 {
            1 => format!("COPY file-{line} /app/\n"),
            2 => format!("ENV VARIABLE_{line}=value\n"),
            3 if with_run => format!("RUN echo {line} > /app/run-{line}\n"),
            3 => format!("ENV NAME_{line}=value\n"),
            _ => format!("LABEL label-{line}=value\n"),
        };
        recipe.push_str(&line);
    }
    let name = format!(
        "instructions-{number}{}",
        if with_run { "-run" } else { "" }
    );
    dockerfile(inputs, &name, &recipe)
}

/// A build context with this Dockerfile and the files that it copies, small ones.
pub(crate) fn dockerfile(inputs: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    kept(inputs, name, text, &|folder| {
        let write = |file: &str, content: &str| {
            fs::write(folder.join(file), content).map_err(|e| e.to_string())
        };
        fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        write("Dockerfile", text)?;
        let copied = text.lines().filter_map(|line| line.strip_prefix("COPY "));
        for file in copied.filter_map(|words| words.split(' ').next()) {
            write(file, &format!("this is {file}\n"))?;
        }
        Ok(())
    })
}

/// A build context with so many files of less than `most` bytes below `tree`, which its
/// Dockerfile copies into nothing.
pub(crate) fn context(
    inputs: &Path,
    name: &str,
    number: u32,
    most: u32,
) -> Result<PathBuf, String> {
    let recipe = format!("{number} files below {most} bytes");
    kept(inputs, name, &recipe, &|folder| {
        let content = noise(most as usize * 4);
        for file in 0..number {
            let directory = folder.join(format!("tree/{}/{}", file / 10_000, file / 100));
            if file % 100 == 0 {
                fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
            }
            // Scattered sizes, and no two files alike.
            let scattered = u64::from(file.wrapping_mul(2_654_435_761));
            let size = ((scattered * u64::from(most)) >> 32) as usize;
            let start = file as usize % (content.len() - most as usize);
            let path = directory.join(format!("file-{file}"));
            fs::write(path, &content[start..start + size]).map_err(|e| e.to_string())?;
        }
        let text = "FROM scratch\nCOPY tree /tree\n";
        fs::write(folder.join("Dockerfile"), text).map_err(|e| e.to_string())
    })
}

/// How many images [`ten_thousand`] has.
pub(crate) const IMAGES: u32 = 10_000;

/// A state root of ours whose store has 10,000 images, named `x:0` and so on, with one layer for
/// all. It is written as the image-spec describes a layout, and not by this project.
pub(crate) fn ten_thousand(inputs: &Path) -> Result<PathBuf, String> {
    kept(inputs, "images", &IMAGES.to_string(), &|folder| {
        let store = folder.join("store");
        let blobs = store.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|e| e.to_string())?;
        let put = |bytes: &[u8], media_type: &str| {
            let digest = Digest::of(bytes);
            let written = fs::write(blobs.join(digest.hex()), bytes);
            written.map_err(|e| e.to_string()).map(|()| {
                let media_type = format!("application/vnd.oci.image.{media_type}");
                json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
            })
        };
        let layer = put(&[0; 1024], "layer.v1.tar")?;
        let mut manifests = Vec::new();
        for number in 0..IMAGES {
            let config = json!({
                "architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z",
                "config": {"Labels": {"number": number.to_string()}},
                "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            });
            let config = put(config.to_string().as_bytes(), "config.v1+json")?;
            let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
            let mut entry = put(manifest.to_string().as_bytes(), "manifest.v1+json")?;
            let name = format!("docker.io/library/x:{number}");
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            manifests.push(entry);
        }
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        let version = json!({"imageLayoutVersion": "1.0.0"});
        for (name, document) in [("index.json", index), ("oci-layout", version)] {
            fs::write(store.join(name), document.to_string()).map_err(|e| e.to_string())?;
        }
        Ok(())
    })
}

/// A layout with one image, tagged `t`, of twenty layers, each packed with gzip: 25 files of 80 KiB
/// that hardly pack. It is written as the image-spec describes it, and not by this project.
pub(crate) fn twenty(inputs: &Path) -> Result<PathBuf, String> {
    const LAYERS: usize = 20;
    const FILES: usize = 25;
    const SIZE: usize = 80 << 10;
    let recipe = format!("{LAYERS} {FILES} {SIZE}");
    kept(inputs, "twenty", &recipe, &|folder| {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|e| e.to_string())?;
        let content = noise(LAYERS * FILES * SIZE);
        let mut files = content.chunks_exact(SIZE);
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        for layer in 0..LAYERS {
            let tree = folder.join("tree");
            fs::create_dir_all(&tree).map_err(|e| e.to_string())?;
            for (number, file) in files.by_ref().take(FILES).enumerate() {
                let name = tree.join(format!("layer-{layer}-file-{number}"));
                fs::write(name, file).map_err(|e| e.to_string())?;
            }
            let archive = folder.join("layer.tar");
            pack(&tree, &archive)?;
            diff_ids.push(format!("sha256:{}", sha256(&archive)?));
            output(Command::new("gzip").arg("-n").arg(&archive))?;
            layers.push(keep(
                &blobs,
                &folder.join("layer.tar.gz"),
                "layer.v1.tar+gzip",
            )?);
        }
        let document = |value: serde_json::Value, kind: &str| {
            let file = folder.join("document");
            fs::write(&file, value.to_string()).map_err(|e| e.to_string())?;
            keep(&blobs, &file, kind)
        };
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = document(config, "config.v1+json")?;
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers,
        });
        let mut entry = document(manifest, "manifest.v1+json")?;
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "t"});
        let index = json!({"schemaVersion": 2, "manifests": [entry]});
        let version = json!({"imageLayoutVersion": "1.0.0"});
        for (name, document) in [("index.json", index), ("oci-layout", version)] {
            fs::write(folder.join(name), document.to_string()).map_err(|e| e.to_string())?;
        }
        Ok(())
    })
}

/// Moves a file to its place among the blobs; its descriptor.
fn keep(blobs: &Path, file: &Path, kind: &str) -> Result<serde_json::Value, String> {
    let size = fs::metadata(file).map_err(|e| e.to_string())?.len();
    let hex = sha256(file)?;
    fs::rename(file, blobs.join(&hex)).map_err(|e| e.to_string())?;
    let media_type = format!("application/vnd.oci.image.{kind}");
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": size}))
}

/// The folder that `make` makes, unless it is there already and came from the same recipe.
fn kept(
    inputs: &Path,
    name: &str,
    recipe: &str,
    make: &dyn Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let folder = inputs.join(name);
    let note = inputs.join(format!("{name}.recipe"));
    if folder.is_dir() && fs::read_to_string(&note).is_ok_and(|kept| kept == recipe) {
        return Ok(folder);
    }
    eprintln!("making the input {name}");
    let failed = |e: std::io::Error| format!("make {}: {e}", folder.display());
    fs::create_dir_all(inputs).map_err(failed)?;
    if folder.is_dir() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    make(&folder).map_err(|e| format!("make {}: {e}", folder.display()))?;
    fs::write(&note, recipe).map_err(failed)?;
    Ok(folder)
}

/// Packs a tree and takes it away.
fn pack(tree: &Path, archive: &Path) -> Result<(), String> {
    let words = ["--sort=name", "--mtime=@1600000000", "--numeric-owner"];
    let mut tar = Command::new("tar");
    tar.args(words)
        .arg("-C")
        .arg(tree)
        .arg("-cf")
        .arg(archive)
        .arg(".");
    output(&mut tar)?;
    fs::remove_dir_all(tree).map_err(|e| e.to_string())
}

fn archive(folder: &Path) -> Result<Archive, String> {
    let file = folder.join("archive.tar");
    let sha256 = sha256(&file)?;
    Ok(Archive { file, sha256 })
}

/// Bytes without a pattern, always the same: xorshift64.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(length / 8).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_made_anew_when_its_recipe_changes() {
        let place = tempfile::tempdir().unwrap();
        let make = |folder: &Path| {
            fs::create_dir(folder).map_err(|e| e.to_string())?;
            fs::write(folder.join("fresh"), "").map_err(|e| e.to_string())
        };
        let fresh = |recipe: &str| {
            let folder = kept(place.path(), "x", recipe, &make).unwrap();
            fs::remove_file(folder.join("fresh")).is_ok()
        };
        assert!(fresh("one"));
        assert!(!fresh("one"));
        assert!(fresh("two"));
        let failing = kept(place.path(), "y", "", &|_| Err("no".into()));
        assert!(failing.unwrap_err().ends_with("/y: no"));
        assert!(!place.path().join("y.recipe").exists());
    }

    #[test]
    fn a_context_has_what_its_dockerfile_copies() {
        let place = tempfile::tempdir().unwrap();
        let check = |number, with_run, copies: usize, runs: usize| {
            let folder = instructions(place.path(), number, with_run).unwrap();
            let text = fs::read_to_string(folder.join("Dockerfile")).unwrap();
            let lines = |word: &str| text.lines().filter(|l| l.starts_with(word)).count();
            assert_eq!(text.lines().count(), number as usize);
            assert_eq!((lines("COPY"), lines("RUN")), (copies, runs), "{text}");
            // And the Dockerfile itself.
            assert_eq!(fs::read_dir(folder).unwrap().count(), copies + 1);
        };
        check(1, true, 0, 0);
        check(10, true, 3, 2);
        check(10, false, 3, 0);
        check(100, true, 25, 25);
        let folder = context(place.path(), "some", 250, 1000).unwrap();
        let files = output(Command::new("find").arg(&folder).args(["-type", "f"])).unwrap();
        assert_eq!(files.lines().count(), 251);
        let size = |file: &str| fs::metadata(folder.join(file)).unwrap().len();
        assert!(size("tree/0/1/file-123") != size("tree/0/2/file-211"));
    }

    #[test]
    fn noise_is_long_enough_and_does_not_repeat() {
        let bytes = noise(1 << 12);
        assert_eq!(bytes.len(), 1 << 12);
        assert_ne!(bytes[..2048], bytes[2048..]);
    }
}
