//! ADD of what stands elsewhere: which sources are addresses, and what they must be.

use super::stage::Stage;
use super::{Address, Planner};
use crate::build::copy::CopySpec;
use crate::diagnostic::{Diagnostic, Span};
use crate::digest::Digest;
use crate::dockerfile as ast;

impl Planner<'_> {
    /// Takes the addresses out of the sources of an ADD.
    pub(super) fn addresses(
        &mut self,
        stage: &Stage,
        add: &ast::Add,
        spec: &mut CopySpec,
        spans: &mut Vec<Span>,
    ) -> Vec<Address> {
        let checksum = self.checksum(stage, add);
        let mut addresses = Vec::new();
        let sources = std::mem::take(&mut spec.sources).into_iter();
        for (source, span) in sources.zip(std::mem::take(spans)) {
            if is_git(&source) {
                self.diagnostics.push(
                    Diagnostic::error(
                        "NotSupported",
                        span,
                        format!("{source} is a git repository; Docker adds those, Coracle does not"),
                    )
                    .note("clone it beside the Dockerfile and COPY the files, or ADD an archive of it by its http address"),
                );
            } else if is_http(&source) {
                addresses.push(Address {
                    url: source,
                    span,
                    checksum: checksum.clone(),
                    unpack: add.unpack == Some(true),
                });
            } else {
                spec.sources.push(source);
                spans.push(span);
            }
        }
        if let Some(written) = &add.checksum
            && (addresses.len() != 1 || !spec.sources.is_empty())
        {
            self.diagnostics.push(
                Diagnostic::error(
                    "Checksum",
                    written.span,
                    "--checksum is for one http address, and for nothing beside it",
                )
                .note("write an ADD of its own for the address"),
            );
        }
        addresses
    }

    fn checksum(&mut self, stage: &Stage, add: &ast::Add) -> Option<Digest> {
        let written = add.checksum.as_ref()?;
        let text = stage.scope.expand(written, &mut self.diagnostics)?;
        match text.parse() {
            Ok(digest) => Some(digest),
            Err(error) => {
                self.diagnostics.push(
                    Diagnostic::error("Checksum", written.span, error.to_string())
                        .note("it is written --checksum=sha256:… with 64 hexadecimal digits, as sha256sum prints them"),
                );
                None
            }
        }
    }
}

/// The name that a file gets of its address, as BuildKit gives it.
pub(in crate::build) fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let after_host = path
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    let name = after_host.map_or("", |(_, path)| path.trim_end_matches('/'));
    match name.rsplit('/').next() {
        None | Some("" | "." | "..") => "__unnamed__",
        Some(name) => name,
    }
}

fn is_http(source: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| source.starts_with(scheme))
}

fn is_git(source: &str) -> bool {
    let path = source.split(['#', '?']).next().unwrap_or_default();
    let scheme = ["git://", "git@", "ssh://"];
    scheme.iter().any(|scheme| source.starts_with(scheme))
        || (is_http(source) && path.strip_suffix(".git").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_the_end_of_their_address() {
        let check = |url: &str, name: &str| assert_eq!(file_name(url), name, "{url}");
        check("https://example.org/a/b.tar.gz", "b.tar.gz");
        check("https://example.org/a/b?x=/y#/z", "b");
        check("https://example.org/a/", "a");
        check("https://example.org/", "__unnamed__");
        check("https://example.org", "__unnamed__");
        check("https://example.org/a/..", "__unnamed__");
    }

    #[test]
    fn repositories_are_told_from_files() {
        let check = |source: &str, git: bool| assert_eq!(is_git(source), git, "{source}");
        check("https://example.org/a.git", true);
        check("https://example.org/a.git#main", true);
        check("git@example.org:a", true);
        check("git://example.org/a", true);
        check("https://example.org/a.git.tar", false);
        check("dir/a.git", false);
    }
}
