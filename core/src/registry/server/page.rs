//! The page for people: repositories, tags, layers, sizes, and who shares what. Plain HTML.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};

use super::contents::Shelf;
use super::refusal::Refusal;
use super::{Server, answer};
use crate::digest::Digest;
use crate::registry::http::{Body, Response};
use crate::spec::Descriptor;
use crate::store::StoreError;

/// What stands above the list. No script, nothing from elsewhere.
const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Registry</title>
<style>
body { font: 1em/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
  color-scheme: light dark }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2em .6em; border-bottom: 1px solid #8884 }
.size { text-align: right; font-variant-numeric: tabular-nums }
code { overflow-wrap: anywhere }
</style></head><body>
<h1>Registry</h1>
";

/// A tag as the page shows it.
struct Shown {
    repository: String,
    tag: String,
    target: Descriptor,
    /// The layers and configs of all its platforms, lowest first, with sizes in bytes.
    blobs: Vec<(Digest, u64)>,
}

impl Server {
    /// The page.
    pub(super) fn page(&self) -> Result<Response, Refusal> {
        let mut shown = Vec::new();
        for (repository, shelf) in self.shelves()? {
            shown.extend(self.shown(&repository, &shelf)?);
        }
        let page = render(&shown);
        Ok(answer(StatusCode::OK)
            .header(CONTENT_TYPE, "text/html; charset=utf-8")
            .header(CONTENT_LENGTH, page.len())
            .header(CACHE_CONTROL, "no-cache")
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'",
            )
            .body(Body::from(page.into_bytes()))?)
    }

    fn shown(&self, repository: &str, shelf: &Shelf) -> Result<Vec<Shown>, StoreError> {
        let mut shown = Vec::new();
        for (tag, target) in &shelf.tags {
            let alone = Shelf {
                untagged: vec![target.clone()],
                ..Shelf::default()
            };
            let mut blobs = Vec::new();
            for (_, links) in self.manifests(&alone)? {
                for blob in links.blobs() {
                    if !blobs.iter().any(|(known, _)| *known == blob.digest) {
                        blobs.push((blob.digest.clone(), blob.size));
                    }
                }
            }
            shown.push(Shown {
                repository: repository.to_owned(),
                tag: tag.clone(),
                target: target.clone(),
                blobs,
            });
        }
        Ok(shown)
    }
}

fn render(shown: &[Shown]) -> String {
    let mut sharers: BTreeMap<&Digest, Vec<String>> = BTreeMap::new();
    let mut sizes: BTreeMap<&Digest, u64> = BTreeMap::new();
    for image in shown {
        for (digest, size) in &image.blobs {
            let name = format!("{}:{}", image.repository, image.tag);
            sharers.entry(digest).or_default().push(name);
            sizes.insert(digest, *size);
        }
    }
    let mut page = HEAD.to_owned();
    let repositories: BTreeSet<&str> = shown.iter().map(|s| s.repository.as_str()).collect();
    let _ = writeln!(
        page,
        "<p>{} repositories, {} tags, {} blobs, {} together; what is shared is kept once.</p>",
        repositories.len(),
        shown.len(),
        sizes.len(),
        size(sizes.values().sum()),
    );
    for repository in repositories {
        let _ = writeln!(page, "<h2>{}</h2>", escape(repository));
        for image in shown.iter().filter(|image| image.repository == repository) {
            render_tag(&mut page, image, &sharers);
        }
    }
    page.push_str("</body></html>\n");
    page
}

fn render_tag(page: &mut String, image: &Shown, sharers: &BTreeMap<&Digest, Vec<String>>) {
    let own = format!("{}:{}", image.repository, image.tag);
    let total = image.blobs.iter().map(|(_, size)| size).sum();
    let _ = writeln!(
        page,
        "<details><summary><b>{}</b> {}</summary>\n<p>{} <code>{}</code></p>\n\
         <table><tr><th>Blob<th class=\"size\">Size<th>Shared with</tr>",
        escape(&image.tag),
        size(total),
        escape(&image.target.media_type),
        escape(image.target.digest.as_str()),
    );
    for (digest, bytes) in &image.blobs {
        let others = sharers.get(digest).map(Vec::as_slice).unwrap_or_default();
        let others: Vec<String> = others
            .iter()
            .filter(|name| **name != own)
            .map(|name| escape(name))
            .collect();
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code><td class=\"size\">{}<td>{}</tr>",
            escape(digest.as_str()),
            size(*bytes),
            others.join(", "),
        );
    }
    page.push_str("</table></details>\n");
}

/// Text that means nothing to a browser.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let mut unit = 0;
    let mut scale = 1;
    while bytes / scale >= 1000 && unit < 4 {
        scale *= 1000;
        unit += 1;
    }
    let unit = ["B", "kB", "MB", "GB", "TB"][unit];
    match scale {
        1 => format!("{bytes} {unit}"),
        _ => format!("{}.{} {unit}", bytes / scale, bytes % scale * 10 / scale),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_store_is_markup() {
        assert_eq!(
            escape("<a href='x'>&\""),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;"
        );
        // A store that others have written to may say anything.
        let evil = "<script>alert(1)</script>";
        let image = Shown {
            repository: evil.to_owned(),
            tag: evil.to_owned(),
            target: Descriptor::new(evil, Digest::of(b""), 0),
            blobs: vec![(Digest::of(b"x"), 1234)],
        };
        let page = render(&[image]);
        assert!(!page.contains("<script"), "{page}");
        assert!(
            page.contains("&lt;script&gt;") && page.contains("1.2 kB"),
            "{page}"
        );
    }

    #[test]
    fn sizes_are_rounded_down() {
        let check = |bytes, expected: &str| assert_eq!(size(bytes), expected);
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1.0 kB");
        check(51_999_999, "51.9 MB");
        check(u64::MAX, "18446744.0 TB");
    }
}
