//! What a name means: which server, which collection there, which version of it.

use crate::Result;

// ANCHOR: reference
/// Where an image is.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The server: `docker.io`, `localhost:5000`.
    pub registry: String,
    /// The collection there: `library/python`, `team/app`.
    pub repository: String,
    /// The version: `latest`.
    pub tag: String,
}
// ANCHOR_END: reference

// ANCHOR: parse
/// Reads a name as people type it: `python`, `python:3.12`, `localhost:5000/team/app:1`.
pub fn parse(text: &str) -> Result<Reference> {
    // TASK 1: Find the server, the collection and the version, and fill in what is left out.
    let (registry, rest) = match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", text),
    };
    let (repository, tag) = match rest.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (rest, "latest"),
    };
    if repository.split('/').any(str::is_empty) || tag.is_empty() {
        return Err(format!("{text:?}: a part of the name is empty").into());
    }
    if let Some(wrong) = repository.chars().find(char::is_ascii_uppercase) {
        return Err(format!("{text:?}: {wrong} in a repository must be lower case").into());
    }
    let repository = match registry {
        "docker.io" if !repository.contains('/') => format!("library/{repository}"),
        _ => repository.to_owned(),
    };
    Ok(Reference {
        registry: registry.to_owned(),
        repository,
        tag: tag.to_owned(),
    })
    // TASK_END
}
// ANCHOR_END: parse
