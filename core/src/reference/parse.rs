//! The grammar of references, read by hand so that every error knows its place.

use std::ops::Range;

use super::{HUB, OFFICIAL, Reason, Reference, Repository, Tag};
use crate::digest::{Digest, DigestError};

/// What the registry was called once; it still stands in old scripts.
const OLD_HUB: &str = "index.docker.io";
/// The most bytes that a repository's name may have, without the registry.
const LONGEST_PATH: usize = 255;
/// The most bytes that a tag may have.
const LONGEST_TAG: usize = 128;

/// The byte where something is wrong, and what.
pub(super) type Wrong = (usize, Reason);

/// `[registry/]path[:tag][@digest]`. All positions are those of the whole text.
pub(super) fn reference(text: &str) -> Result<Reference, Wrong> {
    if text.is_empty() {
        return Err((0, Reason::Empty));
    }
    if text.len() == 64 && text.bytes().all(is_hex) {
        return Err((0, Reason::Identifier));
    }
    if scheme(text).is_some() {
        return Err((0, Reason::Scheme));
    }
    let name_end = text.find('@').unwrap_or(text.len());
    let first = text[..name_end].find('/').filter(|slash| {
        let part = &text[..*slash];
        part == "localhost" || part.contains(['.', ':']) || part.chars().any(char::is_uppercase)
    });
    let (registry, path_start) = match first {
        Some(slash) => (registry(text, 0..slash)?, slash + 1),
        None => (HUB, 0),
    };
    let colon = text[path_start..name_end].find(':').map(|i| path_start + i);
    let path_end = colon.unwrap_or(name_end);
    let path = path(text, path_start..path_end)?;
    let path = if registry == HUB && !path.contains('/') {
        format!("{OFFICIAL}{path}")
    } else {
        path.to_owned()
    };
    if path.len() > LONGEST_PATH {
        let reason = Reason::TooLong {
            part: "repository name",
            most: LONGEST_PATH,
            length: path.len(),
        };
        return Err((path_start, reason));
    }
    Ok(Reference {
        repository: Repository {
            registry: registry.into(),
            path: path.into(),
        },
        tag: match colon {
            Some(colon) => Some(tag(text, colon + 1..name_end)?),
            None => None,
        },
        digest: if name_end < text.len() {
            Some(digest(text, name_end + 1)?)
        } else {
            None
        },
    })
}

const IN_REGISTRY: &str = "in the name of a registry, which is made of letters, digits, - and .";
const AT_HYPHEN: &str = "at an end of a part of a registry's name; put a letter or digit there";
const IN_PORT: &str = "in a port, which is a number";
const IN_ADDRESS: &str =
    "in an IPv6 address, which is made of hex digits and : between [ and ], without a zone";
const AFTER_ADDRESS: &str = "after an IPv6 address; only :PORT or / can";
const IN_PATH: &str =
    "in a repository name, which is made of a-z, 0-9, and between them . _ __ or -";
const AT_SEPARATOR: &str = "here: in a repository name a single . or _ or __, or any number of -, stands between letters or digits";
const AT_TAG_START: &str = "at the start of a tag, which begins with a letter, a digit or _";
const IN_TAG: &str = "in a tag, which is made of letters, digits, _ . and -";

/// A host name, an IPv4 address, or an IPv6 address in brackets; with an optional port.
fn registry(text: &str, range: Range<usize>) -> Result<&str, Wrong> {
    let part = &text[range.clone()];
    let host_end = if let Some(address) = part.strip_prefix('[') {
        let inside = |c: &char| c.is_ascii_hexdigit() || *c == ':';
        let end = 1 + address.chars().take_while(inside).count();
        match part[end..].chars().next() {
            Some(']') if end > 1 => {}
            Some(found) => return Err(wrong(range.start + end, found, IN_ADDRESS)),
            None => {
                return Err((
                    range.end,
                    Reason::Missing("the ] of the address is missing"),
                ));
            }
        }
        end + 1
    } else {
        let end = part.find(':').unwrap_or(part.len());
        host(text, range.start..range.start + end)?;
        end
    };
    match part[host_end..].chars().next() {
        None => {}
        Some(':') => port(text, range.start + host_end + 1..range.end)?,
        Some(found) => return Err(wrong(range.start + host_end, found, AFTER_ADDRESS)),
    }
    Ok(if part == OLD_HUB { HUB } else { part })
}

fn host(text: &str, range: Range<usize>) -> Result<(), Wrong> {
    let mut start = range.start;
    for label in text[range].split('.') {
        if let Some((i, found)) = label
            .char_indices()
            .find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '-')
        {
            return Err(wrong(start + i, found, IN_REGISTRY));
        }
        if label.is_empty() {
            let reason = "a part of the registry's name is missing, or a stray . or : stands here";
            return Err((start, Reason::Missing(reason)));
        }
        if label.starts_with('-') {
            return Err(wrong(start, '-', AT_HYPHEN));
        }
        if label.ends_with('-') {
            return Err(wrong(start + label.len() - 1, '-', AT_HYPHEN));
        }
        start += label.len() + 1;
    }
    Ok(())
}

fn port(text: &str, range: Range<usize>) -> Result<(), Wrong> {
    if range.is_empty() {
        return Err((
            range.start,
            Reason::Missing("the port after the : is missing"),
        ));
    }
    let mut digits = text[range.clone()].char_indices();
    match digits.find(|(_, c)| !c.is_ascii_digit()) {
        Some((i, ':')) if text[..range.end].matches(':').count() > 1 => {
            let reason = "an IPv6 address stands between [ and ], as in [::1]:5000";
            Err((range.start + i, Reason::Missing(reason)))
        }
        Some((i, found)) => Err(wrong(range.start + i, found, IN_PORT)),
        None => Ok(()),
    }
}

/// Parts of lower-case letters and digits with separators between them, joined by slashes.
fn path(text: &str, range: Range<usize>) -> Result<&str, Wrong> {
    let mut start = range.start;
    for part in text[range.clone()].split('/') {
        if part.is_empty() {
            let reason = if text[range.clone()].contains('/') {
                "a part of the repository name is missing between slashes"
            } else {
                "the repository name is missing"
            };
            return Err((start, Reason::Missing(reason)));
        }
        path_part(part).map_err(|(i, reason)| (start + i, reason))?;
        start += part.len() + 1;
    }
    Ok(&text[range])
}

fn path_part(part: &str) -> Result<(), Wrong> {
    // Where the separators under way began; at the very start there is nothing to separate.
    let mut separator = Some(0);
    for (i, c) in part.char_indices() {
        match c {
            'a'..='z' | '0'..='9' => {
                if let Some(from) = separator.take() {
                    check_separator(part, from..i)?;
                }
            }
            '.' | '_' | '-' => {
                separator.get_or_insert(i);
            }
            c if c.is_uppercase() => return Err((i, Reason::UpperCase)),
            c => return Err(wrong(i, c, IN_PATH)),
        }
    }
    match separator {
        Some(from) => Err(wrong(from, first_of(part, from), AT_SEPARATOR)),
        None => Ok(()),
    }
}

/// Whether what stands between two letters or digits is one separator.
fn check_separator(part: &str, range: Range<usize>) -> Result<(), Wrong> {
    let between = &part[range.clone()];
    if range.start == 0 {
        return match between.chars().next() {
            Some(found) => Err(wrong(0, found, AT_SEPARATOR)),
            None => Ok(()),
        };
    }
    if matches!(between, "." | "_" | "__") || between.bytes().all(|b| b == b'-') {
        return Ok(());
    }
    // The second one is one too many, or the third after two underscores.
    let extra = range.start + if between.starts_with("__") { 2 } else { 1 };
    Err(wrong(extra, first_of(part, extra), AT_SEPARATOR))
}

pub(super) fn tag(text: &str, range: Range<usize>) -> Result<Tag, Wrong> {
    let tag = &text[range.clone()];
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match tag.chars().next() {
        None => {
            return Err((
                range.start,
                Reason::Missing("the tag after the : is missing"),
            ));
        }
        Some(found) if !is_word(found) => return Err(wrong(range.start, found, AT_TAG_START)),
        Some(_) => {}
    }
    let stranger = |(_, c): &(usize, char)| !is_word(*c) && *c != '.' && *c != '-';
    if let Some((i, found)) = tag.char_indices().find(stranger) {
        return Err(wrong(range.start + i, found, IN_TAG));
    }
    if tag.len() > LONGEST_TAG {
        let reason = Reason::TooLong {
            part: "tag",
            most: LONGEST_TAG,
            length: tag.len(),
        };
        return Err((range.start + LONGEST_TAG, reason));
    }
    Ok(Tag(tag.into()))
}

fn digest(text: &str, start: usize) -> Result<Digest, Wrong> {
    let part = &text[start..];
    let reason = match part.parse::<Digest>() {
        Ok(digest) => return Ok(digest),
        Err(DigestError::Malformed { reason, .. }) => reason,
        Err(_) => "it is malformed",
    };
    let Some(hex) = part.find(':').map(|colon| colon + 1) else {
        return Err((start, Reason::Digest(reason)));
    };
    if let Some(tag) = part[hex..].find(':').map(|colon| hex + colon)
        && part[..tag].parse::<Digest>().is_ok()
    {
        return Err((start + tag, Reason::TagAfterDigest));
    }
    let wrong_digit = part[hex..].bytes().position(|b| !is_hex(b));
    let at = match part[..hex].parse::<Digest>() {
        Err(DigestError::Malformed { reason: r, .. }) if r.contains("algorithm") => 0,
        _ => wrong_digit.map_or(part.len(), |i| hex + i),
    };
    Err((start + at, Reason::Digest(reason)))
}

/// What was probably meant, if that is a reference.
pub(super) fn suggest(text: &str, reason: &Reason) -> Option<String> {
    let meant = match reason {
        Reason::UpperCase => {
            let end = text.find('@').unwrap_or(text.len());
            let tag = text[..end]
                .rfind(':')
                .filter(|i| !text[*i..end].contains('/'));
            let end = tag.unwrap_or(end);
            format!("{}{}", text[..end].to_lowercase(), &text[end..])
        }
        Reason::Scheme => scheme(text)?.to_owned(),
        Reason::TagAfterDigest => {
            let (name, rest) = text.split_once('@')?;
            let (digest, tag) = rest.rsplit_once(':')?;
            format!("{name}:{tag}@{digest}")
        }
        Reason::Character { .. } | Reason::Missing(_) | Reason::Digest(_) => {
            text.trim().trim_end_matches(['/', ':', '@']).to_owned()
        }
        _ => return None,
    };
    (meant != text && reference(&meant).is_ok()).then_some(meant)
}

/// What follows `https://` or the like.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_word = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    is_word.then_some(rest)
}

fn wrong(offset: usize, found: char, rule: &'static str) -> Wrong {
    (offset, Reason::Character { found, rule })
}

fn first_of(text: &str, from: usize) -> char {
    text[from..].chars().next().unwrap_or_default()
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}
