//! References: what people type to name an image.
//!
//! A *registry* is a server: `docker.io`, `localhost:5000`. A *repository* is one name on it,
//! under which versions of one image are kept: `library/python`. A *tag* is a movable name for
//! one of those versions: `3.12`. So `python:3.12` is short for
//!
//! ```text
//! docker.io / library/python : 3.12
//! registry    repository       tag
//! ```
//!
//! What is left out is filled in as Docker does: the registry is Docker Hub unless the first part
//! looks like a host (it has a dot, a colon or an upper-case letter, or is `localhost`), names of
//! one part live under `library/` there, and the tag is `latest` when there is no digest either.
//!
//! Source: the grammar of [distribution/reference](https://github.com/distribution/reference).

mod parse;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Span};
use crate::digest::Digest;

/// What a person types to name an image: a repository, and which version of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "Parts")]
pub struct Reference {
    /// Where the image is kept.
    pub repository: Repository,
    /// The tag, if one was given.
    pub tag: Option<Tag>,
    /// The digest of the manifest or index, if one was given. It wins over the tag.
    pub digest: Option<Digest>,
}

/// A registry and the name of a repository on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// A host with an optional port, by the grammar; never `index.docker.io`.
    registry: Box<str>,
    /// The name by the grammar; on Docker Hub it has at least two parts.
    path: Box<str>,
}

/// A movable name for one version of what is in a repository: up to 128 letters, digits, `_`,
/// `.` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

/// A reference taken apart, as `coracle reference parse` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// `docker.io`.
    pub registry: String,
    /// `library/python`.
    pub repository: String,
    /// `3.12`, if it was given.
    pub tag: Option<String>,
    /// `sha256:…`, if it was given.
    pub digest: Option<String>,
    /// `python:3.12`.
    pub familiar: String,
    /// `docker.io/library/python:3.12`.
    pub canonical: String,
}

/// The registry that is meant when none is named.
const HUB: &str = "docker.io";
/// Where the images of one-part names are kept on Docker Hub.
const OFFICIAL: &str = "library/";

impl Reference {
    /// The shortest form that means the same: `python:3.12`. No tag is added.
    pub fn familiar(&self) -> String {
        self.with_name(self.repository.familiar(), self.tag.as_ref())
    }

    /// The whole form: `docker.io/library/python:3.12`, with the tag `latest` when there is
    /// neither tag nor digest. This is the name under which a store keeps the image.
    pub fn canonical(&self) -> String {
        self.with_name(self.repository.to_string(), self.tag_or_default().as_ref())
    }

    /// The tag that is meant; `None` when a digest alone says which version.
    pub fn tag_or_default(&self) -> Option<Tag> {
        match (&self.tag, &self.digest) {
            (None, None) => Some(Tag::latest()),
            (tag, _) => tag.clone(),
        }
    }

    fn with_name(&self, mut text: String, tag: Option<&Tag>) -> String {
        if let Some(tag) = tag {
            text.push(':');
            text.push_str(tag.as_str());
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

impl Repository {
    /// The server: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name on that server: `library/python`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The shortest form that means the same: `python`.
    pub fn familiar(&self) -> String {
        let whole = self.to_string();
        if *self.registry != *HUB {
            return whole;
        }
        let short = match self.path.strip_prefix(OFFICIAL) {
            Some(name) if !name.contains('/') => name,
            _ => &*self.path,
        };
        // `docker.io/a.b/c` must not become `a.b/c`, where a.b would be the registry.
        match short.parse::<Reference>() {
            Ok(reference) if reference.repository == *self => short.to_owned(),
            _ => whole,
        }
    }
}

impl Tag {
    /// The tag that is meant when there is neither tag nor digest.
    pub fn latest() -> Self {
        Self("latest".into())
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Reference> for Parts {
    fn from(reference: Reference) -> Self {
        Self {
            familiar: reference.familiar(),
            canonical: reference.canonical(),
            registry: reference.repository.registry.into(),
            repository: reference.repository.path.into(),
            tag: reference.tag.map(|tag| tag.0.into()),
            digest: reference.digest.map(Into::into),
        }
    }
}

/// The canonical form.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.canonical())
    }
}

/// Registry and name: `docker.io/library/python`.
impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is not a reference: where, why, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReferenceError {
    /// What was given.
    pub text: String,
    /// The first byte that is wrong, counted from 0; the text's length when something is missing
    /// at its end.
    pub offset: usize,
    /// The first character that is wrong, counted from 1.
    pub character: usize,
    /// What is wrong there, and the rule.
    pub reason: Reason,
    /// What was probably meant. It is a reference.
    pub suggestion: Option<String>,
}

/// What can be wrong with a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// There is no text.
    #[error("there is nothing; an image is named like python:3.12")]
    Empty,
    /// It begins with `https://` or the like.
    #[error("a reference has no scheme, it begins with the registry or the repository")]
    Scheme,
    /// Docker would take it for an image ID.
    #[error(
        "a repository name may not look like an image ID, 64 hex digits; name the image, or put a registry before it"
    )]
    Identifier,
    /// A repository name has a capital.
    #[error("repository names are lower-case")]
    UpperCase,
    /// The character has no place in that part.
    #[error("{found:?} cannot stand {rule}")]
    Character {
        /// The character.
        found: char,
        /// Where, and what can stand there.
        rule: &'static str,
    },
    /// Something is missing.
    #[error("{0}")]
    Missing(&'static str),
    /// A name or tag is too long.
    #[error("a {part} has at most {most} characters, this one has {length}")]
    TooLong {
        /// `repository name` or `tag`.
        part: &'static str,
        /// The limit, in bytes.
        most: usize,
        /// The length, in bytes.
        length: usize,
    },
    /// What follows the `@` is not a digest.
    #[error(
        "what follows the @ is not a digest: {0}; a digest looks like sha256: and 64 hex digits"
    )]
    Digest(&'static str),
    /// `name@digest:tag`.
    #[error("the tag stands before the digest, as in name:tag@digest")]
    TagAfterDigest,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            text,
            character,
            reason,
            ..
        } = self;
        let text: String = text.chars().take(400).collect();
        write!(f, "{text:?} does not name an image: ")?;
        if *reason != Reason::Empty {
            write!(f, "character {character}: ")?;
        }
        write!(f, "{reason}")?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ReferenceError {}

impl ReferenceError {
    /// The error as a finding about the text that was given, to be shown with a caret.
    pub fn diagnostic(&self) -> Diagnostic {
        let length = self.text[self.offset..].chars().next();
        let span = Span {
            start: self.offset,
            end: self.offset + length.map_or(0, char::len_utf8),
        };
        let whole = Span {
            start: 0,
            end: self.text.len(),
        };
        let finding = Diagnostic::error("InvalidReference", span, self.reason.to_string());
        match &self.suggestion {
            Some(name) => finding.fix(format!("write {name}"), whole, name),
            None => finding,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse::reference(text).map_err(|(offset, reason)| ReferenceError {
            text: text.to_owned(),
            offset,
            character: text[..offset].chars().count() + 1,
            suggestion: parse::suggest(text, &reason),
            reason,
        })
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse::tag(text, 0..text.len()).map_err(|(offset, reason)| ReferenceError {
            text: text.to_owned(),
            offset,
            character: text[..offset].chars().count() + 1,
            reason,
            suggestion: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";

    #[test]
    fn what_is_left_out_is_filled_in() {
        let check = |text: &str, registry: &str, path: &str, rest: &str, familiar: &str| {
            let reference: Reference = text.parse().unwrap();
            let repository = &reference.repository;
            assert_eq!((repository.registry(), repository.path()), (registry, path));
            let canonical = format!("{registry}/{path}{rest}");
            assert_eq!(reference.canonical(), canonical, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
        };
        let hub = "docker.io";
        check("python", hub, "library/python", ":latest", "python");
        check("python:3.12", hub, "library/python", ":3.12", "python:3.12");
        check("fooo/bar", hub, "fooo/bar", ":latest", "fooo/bar");
        check("index.docker.io/foo", hub, "library/foo", ":latest", "foo");
        check("docker.io/library/a:b", hub, "library/a", ":b", "a:b");
        check("library/a/b", hub, "library/a/b", ":latest", "library/a/b");
        check(
            "a---b/c__d.e",
            hub,
            "a---b/c__d.e",
            ":latest",
            "a---b/c__d.e",
        );
        check(
            "test_com/foo",
            hub,
            "test_com/foo",
            ":latest",
            "test_com/foo",
        );
        check("lower:Upper", hub, "library/lower", ":Upper", "lower:Upper");
        check(
            "192.168.0.1:80",
            hub,
            "library/192.168.0.1",
            ":80",
            "192.168.0.1:80",
        );
        check(
            "localhost:5000",
            hub,
            "library/localhost",
            ":5000",
            "localhost:5000",
        );
        check("localhost/a", "localhost", "a", ":latest", "localhost/a");
        check(
            "localhost:5000/a:1",
            "localhost:5000",
            "a",
            ":1",
            "localhost:5000/a:1",
        );
        check("[::1]:5000/a", "[::1]:5000", "a", ":latest", "[::1]:5000/a");
        check(
            "[2001:db8::1]/a/b:t",
            "[2001:db8::1]",
            "a/b",
            ":t",
            "[2001:db8::1]/a/b:t",
        );
        check(
            "xn--n3h.com/a",
            "xn--n3h.com",
            "a",
            ":latest",
            "xn--n3h.com/a",
        );
        check("Foo/bar", "Foo", "bar", ":latest", "Foo/bar");
        let pinned = format!("busybox@sha256:{HEX}");
        check(
            &pinned,
            hub,
            "library/busybox",
            &format!("@sha256:{HEX}"),
            &pinned,
        );
        let both = format!("busybox:1@sha256:{HEX}");
        check(
            &both,
            hub,
            "library/busybox",
            &format!(":1@sha256:{HEX}"),
            &both,
        );
    }

    /// The familiar form would mean something else, so it is not shortened.
    #[test]
    fn what_cannot_be_shortened_is_not() {
        let check = |text: &str, familiar: &str| {
            assert_eq!(text.parse::<Reference>().unwrap().familiar(), familiar);
        };
        check("docker.io/a.b/c", "docker.io/a.b/c");
        check("docker.io/localhost/c:1", "docker.io/localhost/c:1");
        let identifier = format!("docker.io/{HEX}");
        check(&identifier, &format!("docker.io/library/{HEX}"));
    }

    #[test]
    fn every_error_says_where_why_and_what_to_do() {
        let check = |text: &str, character: usize, part: &str, meant: Option<&str>| {
            let error = text.parse::<Reference>().unwrap_err();
            assert_eq!(error.character, character, "{error}");
            let shown = error.to_string();
            assert!(shown.contains(part), "{shown}");
            assert_eq!(error.suggestion.as_deref(), meant, "{shown}");
            assert!(meant.is_none_or(|m| shown.contains(m)), "{shown}");
        };
        check("", 1, "nothing", None);
        check("Python:3.12", 1, "lower-case", Some("python:3.12"));
        check(
            "docker/Docker:Tag",
            8,
            "lower-case",
            Some("docker/docker:Tag"),
        );
        check("h:5000/A", 8, "lower-case", Some("h:5000/a"));
        check("ÄÖ", 1, "lower-case", None);
        check("https://h.io/a:1", 1, "scheme", Some("h.io/a:1"));
        check(HEX, 1, "image ID", None);
        check("a b", 2, "' ' cannot stand in a repository name", None);
        check(" a", 1, "' '", Some("a"));
        check("a\n", 2, "'\\n'", Some("a"));
        check("äö/x", 1, "'ä'", None);
        check("aa/asdf$$^/aa", 8, "'$'", None);
        check("-a", 1, "'-'", None);
        check("a-/b", 2, "'-'", None);
        check("a..b", 3, "'.'", None);
        check("a___b", 4, "'_'", None);
        check("a_.b", 3, "'.'", None);
        check("a/", 3, "between slashes", Some("a"));
        check("a///b", 3, "between slashes", None);
        check(":tag", 1, "repository name is missing", None);
        check("a:", 3, "tag after the : is missing", Some("a"));
        check("a:.b", 3, "start of a tag", None);
        check("a:b/c", 3, "in a port", None);
        check("h.io/a:b/c", 9, "'/' cannot stand in a tag", None);
        check("a:b:c", 4, "':' cannot stand in a tag", None);
        check("a.b-/c", 4, "end of a part of a registry's name", None);
        check("a..b/c", 3, "registry's name is missing", None);
        check("a_b.c/d", 2, "in the name of a registry", None);
        check("h:/a", 3, "port after the : is missing", None);
        check("h:5x/a", 4, "in a port", None);
        check("fc00::1:5000/debian", 6, "between [ and ]", None);
        check("[fe80::1%eth0]:5000/a", 9, "without a zone", None);
        check("[::1/a", 5, "] of the address", None);
        check("[::1]x/a", 6, "after an IPv6 address", None);
        check("a@", 3, "no colon", Some("a"));
        check("a@md5:00", 3, "neither sha256 nor", None);
        check("a@sha256:00", 12, "number of hex digits", None);
        check(
            &format!("a@sha256:{HEX}").replace("1a", "1A"),
            11,
            "0-9",
            None,
        );
        let turned = format!("a:t@sha256:{HEX}");
        check(&format!("a@sha256:{HEX}:t"), 74, "before", Some(&turned));
        check(&format!("a:{}", "t".repeat(129)), 131, "at most 128", None);
        check(&format!("{}a", "a/".repeat(128)), 1, "at most 255", None);
    }

    #[test]
    fn the_longest_names_are_allowed() {
        for text in [
            format!("{}a", "a/".repeat(127)),
            format!("a:{}", "t".repeat(128)),
            format!("docker.io/{HEX}"),
            format!("a@sha512:{HEX}{HEX}"),
        ] {
            assert!(text.parse::<Reference>().is_ok(), "{text}");
        }
    }

    #[test]
    fn programs_and_people_can_read_it() {
        let reference: Reference = "python:3.12".parse().unwrap();
        insta::assert_snapshot!(serde_json::to_string(&reference).unwrap(), @r#"{"registry":"docker.io","repository":"library/python","tag":"3.12","digest":null,"familiar":"python:3.12","canonical":"docker.io/library/python:3.12"}"#);
        let error = "my/App".parse::<Reference>().unwrap_err();
        insta::assert_snapshot!(error.diagnostic().render("argument", &error.text), @r"
        error: repository names are lower-case [InvalidReference]
         --> argument:1:4
          |
        1 | my/App
          |    ^
          = help: write my/app
        ");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_text_is_understood_or_refused(text in ".{0,40}") {
            check_any(&text);
        }

        #[test]
        fn text_of_the_right_letters_too(text in r"[aZ0.:/@_\[\]-]{0,12}") {
            check_any(&text);
        }

        #[test]
        fn what_the_grammar_makes_is_a_reference(
            text in r"([A-Za-z0-9]([a-z-]{0,5}[a-z0-9])?\.[a-z]{1,3}(:[0-9]{1,5})?/|localhost/|\[[0-9a-f]{0,4}:[0-9a-f:]{0,9}\]/)?[a-z0-9]{1,4}((_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}(\.[a-z0-9])?){0,3}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?(@sha256:[a-f0-9]{64})?"
        ) {
            prop_assert!(text.parse::<Reference>().is_ok());
            check_any(&text);
        }
    }

    /// Whatever the text: no panic; what is understood is understood again in the same way from
    /// both its forms; what is refused is refused at a place inside the text.
    fn check_any(text: &str) {
        match text.parse::<Reference>() {
            Ok(reference) => {
                let canonical = reference.canonical();
                let again: Reference = canonical.parse().unwrap();
                assert_eq!(again.canonical(), canonical);
                assert_eq!(again.repository, reference.repository);
                assert_eq!(
                    reference.familiar().parse::<Reference>().unwrap(),
                    reference
                );
            }
            Err(error) => {
                assert!(error.offset <= text.len());
                assert!(text.is_char_boundary(error.offset));
                assert!(error.diagnostic().span.end <= text.len());
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
