//! Where a machine's loaders search by its configuration: ldconfig's files, and musl's.

use super::host::Host;
use super::libraries::last_component;

/// Whether a loader's path is that of musl's: `/lib/ld-musl-x86_64.so.1`.
pub(super) fn is_musl(loader: &[u8]) -> bool {
    last_component(loader).starts_with(b"ld-musl-")
}

/// Reads ldconfig(8)'s configuration: a directory a line, `include` with a pattern, `#` comments.
pub(super) fn configured_directories(host: &Host, file: &str, depth: usize) -> Vec<Vec<u8>> {
    let mut directories = Vec::new();
    if depth > 8 {
        return directories;
    }
    for line in host.text(file).unwrap_or_default().lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("include") => {
                for pattern in words {
                    for included in matching_files(host, file, pattern) {
                        directories.extend(configured_directories(host, &included, depth + 1));
                    }
                }
            }
            Some("hwcap") | None => {}
            Some(_) => {
                let parts = line.split([' ', '\t', ',', ':']);
                let absolute = parts.filter(|part| part.starts_with('/'));
                directories.extend(absolute.map(|part| part.as_bytes().to_vec()));
            }
        }
    }
    directories
}

/// The files that a pattern names, sorted; a `*` may stand in the last component.
fn matching_files(host: &Host, beside: &str, pattern: &str) -> Vec<String> {
    let full = if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        let folder = beside.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{pattern}")
    };
    let (folder, last) = full.rsplit_once('/').unwrap_or(("", &full));
    let Some((before, after)) = last.split_once('*') else {
        return vec![full];
    };
    let names = host
        .find(folder.as_bytes())
        .and_then(|found| host.list(&found.path))
        .unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.to_str())
        .filter(|name| {
            let long_enough = name.len() >= before.len() + after.len();
            long_enough && name.starts_with(before) && name.ends_with(after)
        })
        .filter(|name| !name.starts_with('.'))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

/// musl's loader: its path file (colons or line ends between directories), or these three.
pub(super) fn musl_directories(host: &Host, loader: &[u8]) -> Vec<Vec<u8>> {
    let text = host
        .text(&musl_path_file(loader))
        .unwrap_or_else(|| "/lib:/usr/local/lib:/usr/lib".to_owned());
    text.split([':', '\n'])
        .map(str::trim)
        .filter(|directory| !directory.is_empty())
        .map(|directory| directory.as_bytes().to_vec())
        .collect()
}

/// The file that tells a musl loader where to search, whether it is there or not:
/// `/etc/ld-musl-x86_64.path`.
pub(super) fn musl_path_file(loader: &[u8]) -> String {
    let name = String::from_utf8_lossy(last_component(loader)).into_owned();
    let stem = name.split(".so").next().unwrap_or_default();
    format!("/etc/{stem}.path")
}
