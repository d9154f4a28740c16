//! Cache keys: what a step depends on, kept part by part, so that a miss can say why.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::digest::{ChainId, Digest};

/// The name that a step has before it runs: the digest of its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CacheKey(pub Digest);

/// Everything that the result of a step depends on, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyParts {
    /// The file system that the step starts from; `None` is the empty one.
    /// It is named by its content, so a parent step that ran again and made the same layer again
    /// changes nothing here.
    pub parent: Option<ChainId>,
    /// The platform that is built for.
    pub platform: String,
    /// The instruction with its variables expanded.
    pub instruction: String,
    /// What else the step reads of its surroundings: user, working directory, environment …
    pub settings: BTreeMap<String, String>,
    /// The files that the step reads: path, and mode, owner and digest as one text.
    pub files: BTreeMap<String, String>,
}

/// One reason why a step was not in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "miss", rename_all = "kebab-case")]
pub enum Miss {
    /// There was no such step in the last build of this Dockerfile here.
    FirstTime,
    /// The cache was switched off.
    Disabled,
    /// The file system that it starts from is another.
    Parent,
    /// The platform is another.
    Platform {
        /// The platform of the last build.
        old: String,
        /// The platform of this build.
        new: String,
    },
    /// The instruction is another.
    Instruction {
        /// The instruction of the last build.
        old: String,
        /// The instruction of this build.
        new: String,
    },
    /// Something of the surroundings is another.
    Setting {
        /// What: `USER`, `WORKDIR`, `ENV NAME`, `ARG NAME` …
        name: String,
        /// Its value in the last build.
        old: Option<String>,
        /// Its value in this build.
        new: Option<String>,
    },
    /// The files that are read are others.
    Files {
        /// Paths that are new.
        added: Vec<String>,
        /// Paths whose content, mode or owner is another.
        changed: Vec<String>,
        /// Paths that are gone.
        removed: Vec<String>,
    },
    /// Nothing changed, but what the cache kept is no longer there.
    Lost,
}

impl KeyParts {
    /// The key of these parts.
    pub fn key(&self) -> CacheKey {
        // Maps are sorted and the fields have a fixed order, so equal parts have equal bytes.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        CacheKey(Digest::of(&bytes))
    }

    /// Why these parts have another key than those of the same step in the last build.
    pub fn compare(&self, last: Option<&Self>) -> Vec<Miss> {
        let Some(last) = last else {
            return vec![Miss::FirstTime];
        };
        let mut why = Vec::new();
        if self.platform != last.platform {
            why.push(Miss::Platform {
                old: last.platform.clone(),
                new: self.platform.clone(),
            });
        }
        if self.instruction != last.instruction {
            why.push(Miss::Instruction {
                old: last.instruction.clone(),
                new: self.instruction.clone(),
            });
        }
        let names: std::collections::BTreeSet<_> =
            self.settings.keys().chain(last.settings.keys()).collect();
        for name in names {
            let (old, new) = (last.settings.get(name), self.settings.get(name));
            if old != new {
                why.push(Miss::Setting {
                    name: name.clone(),
                    old: old.cloned(),
                    new: new.cloned(),
                });
            }
        }
        if let Some(files) = compare_files(&last.files, &self.files) {
            why.push(files);
        }
        if self.parent != last.parent {
            why.push(Miss::Parent);
        }
        if why.is_empty() {
            why.push(Miss::Lost);
        }
        why
    }
}

fn compare_files(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Option<Miss> {
    let only_in = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| {
        let missing = a.keys().filter(|path| !b.contains_key(*path));
        missing.cloned().collect::<Vec<_>>()
    };
    let (added, removed) = (only_in(new, old), only_in(old, new));
    let changed: Vec<_> = new
        .iter()
        .filter(|(path, what)| old.get(*path).is_some_and(|was| was != *what))
        .map(|(path, _)| path.clone())
        .collect();
    let any = !(added.is_empty() && changed.is_empty() && removed.is_empty());
    any.then_some(Miss::Files {
        added,
        changed,
        removed,
    })
}

/// A sentence without a full stop.
impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstTime => f.write_str("it has not been built here before"),
            Self::Disabled => {
                f.write_str("the cache is switched off (--no-cache or --no-cache-filter)")
            }
            Self::Parent => f.write_str("a step before it made another file system"),
            Self::Lost => f.write_str("nothing changed, but its layer is no longer in the store"),
            Self::Platform { old, new } => write!(f, "the platform was {old} and is {new}"),
            Self::Instruction { old, new } => {
                write!(f, "the instruction was `{old}` and is `{new}`")
            }
            Self::Setting { name, old, new } => match (old, new) {
                (Some(old), Some(new)) => write!(f, "{name} was {old:?} and is {new:?}"),
                (None, Some(new)) => write!(f, "{name} is new: {new:?}"),
                (Some(old), None) => write!(f, "{name} is gone, it was {old:?}"),
                (None, None) => write!(f, "{name} changed"),
            },
            Self::Files {
                added,
                changed,
                removed,
            } => {
                let parts = [("added", added), ("changed", changed), ("removed", removed)];
                let texts: Vec<_> = parts
                    .iter()
                    .filter(|(_, paths)| !paths.is_empty())
                    .map(|(word, paths)| format!("{word}: {}", some_of(paths)))
                    .collect();
                write!(f, "files it reads are others ({})", texts.join("; "))
            }
        }
    }
}

/// The first ten, then a count.
fn some_of(paths: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = paths[..paths.len().min(SHOWN)].join(", ");
    if paths.len() > SHOWN {
        let _ = write!(text, " and {} more", paths.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> KeyParts {
        KeyParts {
            parent: None,
            platform: "linux/amd64".into(),
            instruction: "COPY . .".into(),
            settings: [("USER".into(), "app".into())].into(),
            files: [("a".into(), "0644 1".into()), ("b".into(), "0644 2".into())].into(),
        }
    }

    #[test]
    fn every_part_counts_and_every_miss_says_why() {
        let check = |change: &dyn Fn(&mut KeyParts), why: &[&str]| {
            let mut new = parts();
            change(&mut new);
            assert_ne!(new.key(), parts().key(), "{why:?}");
            let said: Vec<_> = new
                .compare(Some(&parts()))
                .iter()
                .map(Miss::to_string)
                .collect();
            assert_eq!(said, why);
        };
        check(
            &|p| p.parent = Some(ChainId(Digest::of(b"x"))),
            &["a step before it made another file system"],
        );
        check(
            &|p| p.platform = "linux/arm64".into(),
            &["the platform was linux/amd64 and is linux/arm64"],
        );
        check(
            &|p| p.instruction = "COPY src .".into(),
            &["the instruction was `COPY . .` and is `COPY src .`"],
        );
        check(
            &|p| {
                p.settings.clear();
                p.settings.insert("ENV A".into(), "1".into());
            },
            &["ENV A is new: \"1\"", "USER is gone, it was \"app\""],
        );
        check(
            &|p| {
                p.files.remove("a");
                p.files.insert("b".into(), "0755 2".into());
                for n in 0..12 {
                    p.files.insert(format!("n{n:02}"), String::new());
                }
            },
            &[
                "files it reads are others (added: n00, n01, n02, n03, n04, n05, n06, n07, n08, \
                 n09 and 2 more; changed: b; removed: a)",
            ],
        );
    }

    #[test]
    fn equal_parts_have_equal_keys() {
        assert_eq!(parts().key(), parts().key());
        assert_eq!(parts().compare(Some(&parts())), [Miss::Lost]);
        assert_eq!(parts().compare(None), [Miss::FirstTime]);
    }
}
