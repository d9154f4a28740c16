//! References: accepted exactly as the grammar has it, written out they read the same, and what
//! is wrong has a place.

use coracle::reference::{Reason, Reference};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let parsed = text.parse::<Reference>();
    assert_eq!(parsed.is_ok(), is_reference(text), "{text:?}: {parsed:?}");
    match parsed {
        Ok(reference) => {
            let again = |text: &str| text.parse::<Reference>().expect("it is a reference");
            assert_eq!(reference.to_string(), reference.canonical());
            assert_eq!(again(&reference.familiar()), reference);
            let canonical = again(&reference.canonical());
            assert_eq!(canonical.repository, reference.repository);
            assert_eq!(canonical.digest, reference.digest);
            assert_eq!(canonical.tag, reference.tag_or_default());
            assert_eq!(canonical.canonical(), reference.canonical());
        }
        Err(error) => {
            assert!(text.get(error.offset..).is_some(), "{error:?}");
            assert_eq!(error.character, text[..error.offset].chars().count() + 1);
            assert!(
                error.offset < text.len()
                    || error.reason == Reason::Empty
                    || is_missing(&error.reason),
                "{error:?}"
            );
            assert!(!error.diagnostic().render("reference", text).is_empty());
            if let Some(suggestion) = &error.suggestion {
                assert!(is_reference(suggestion), "{error:?}");
            }
        }
    }
}

/// Whether something is wrong that no character of the text shows.
fn is_missing(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Missing(_) | Reason::Digest(_) | Reason::TooLong { .. }
    )
}

/// The grammar of distribution/reference with its normalisation, as slowly as it can be written:
/// every way to cut the text is tried.
fn is_reference(text: &str) -> bool {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return false;
    }
    if text.len() == 64 && text.bytes().all(is_hex) {
        return false;
    }
    let tags = name
        .match_indices(':')
        .map(|(i, _)| (&name[..i], &name[i + 1..]));
    let tagged = tags
        .filter(|(_, tag)| is_tag(tag))
        .any(|(name, _)| is_name(name));
    tagged || is_name(name)
}

fn is_name(name: &str) -> bool {
    let looks_like_a_host = |part: &str| {
        part == "localhost" || part.contains(['.', ':']) || part.chars().any(char::is_uppercase)
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if looks_like_a_host(host) => (Some(host), path),
        _ => (None, name),
    };
    let hub = host.is_none_or(|host| matches!(host, "docker.io" | "index.docker.io"));
    let official = if hub && !path.contains('/') {
        "library/".len()
    } else {
        0
    };
    host.is_none_or(is_host) && path.len() + official <= 255 && path.split('/').all(is_part)
}

fn is_host(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some(address) = host.strip_prefix('[') {
        let Some((address, rest)) = address.split_once(']') else {
            return false;
        };
        let digits = address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        return !address.is_empty()
            && digits
            && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(is_label) && port.is_none_or(is_port)
}

/// Letters and digits with `.`, `_`, `__` or any number of `-` between them.
fn is_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators: Vec<&str> = part.split(is_word).filter(|s| !s.is_empty()).collect();
    let is_separator = |s: &&str| matches!(*s, "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    part.starts_with(is_word) && part.ends_with(is_word) && separators.iter().all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let of = |length: usize| move |hex: &str| hex.len() == length && hex.bytes().all(is_hex);
    digest.strip_prefix("sha256:").is_some_and(of(64))
        || digest.strip_prefix("sha512:").is_some_and(of(128))
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}
