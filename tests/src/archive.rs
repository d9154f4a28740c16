//! Layer archives written entry by entry, in exactly this order, honest or not.

/// An archive under way. Nothing is checked: names may be what no honest program writes.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
}

/// One entry. What a test does not care about it leaves as [`Entry::default`] has it.
#[derive(Clone)]
pub struct Entry {
    /// The name, byte by byte.
    pub name: Vec<u8>,
    /// The type, as the header has it: `0` file, `1` hard link, `2` symbolic link, `3` character
    /// device, `4` block device, `5` directory, `6` named pipe.
    pub kind: u8,
    /// Where a link leads.
    pub target: Vec<u8>,
    /// The permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: u32,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (u64, u32),
    /// A device's numbers.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// A file's content.
    pub content: Vec<u8>,
    /// What the header says the size is, where that is not the truth.
    pub claimed_size: Option<u64>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            name: Vec::new(),
            kind: b'0',
            target: Vec::new(),
            mode: 0o644,
            owner: 0,
            mtime: (0, 0),
            device: (0, 0),
            xattrs: Vec::new(),
            content: Vec::new(),
            claimed_size: None,
        }
    }
}

/// One line, so that a failing case can be read.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, target) = (self.name.escape_ascii(), self.target.escape_ascii());
        let kind = char::from(self.kind);
        write!(
            f,
            "{kind} \"{name}\" \"{target}\" {:o} {}",
            self.mode, self.owner
        )
    }
}

impl Entry {
    /// A file.
    pub fn file(name: &str, content: &str) -> Self {
        Self {
            name: name.into(),
            content: content.into(),
            ..Self::default()
        }
    }

    /// A directory with mode 0755.
    pub fn directory(name: &str) -> Self {
        Self {
            name: name.into(),
            kind: b'5',
            mode: 0o755,
            ..Self::default()
        }
    }

    /// A symbolic link.
    pub fn symlink(name: &str, target: &str) -> Self {
        Self {
            name: name.into(),
            kind: b'2',
            mode: 0o777,
            target: target.into(),
            ..Self::default()
        }
    }

    /// A hard link.
    pub fn hard_link(name: &str, target: &str) -> Self {
        Self {
            name: name.into(),
            kind: b'1',
            target: target.into(),
            ..Self::default()
        }
    }

    /// The same with these permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

impl Archive {
    /// The archive of these entries, with its end marker.
    pub fn of(entries: &[Entry]) -> Vec<u8> {
        let mut archive = Self::default();
        for entry in entries {
            archive.push(entry);
        }
        archive.bytes.extend([0; 1024]);
        archive.bytes
    }

    fn push(&mut self, entry: &Entry) {
        let mut records = Vec::new();
        if entry.name.len() > 100 {
            record(&mut records, "path", &entry.name);
        }
        if entry.target.len() > 100 {
            record(&mut records, "linkpath", &entry.target);
        }
        let (seconds, nanos) = entry.mtime;
        if nanos > 0 {
            let time = format!("{seconds}.{nanos:09}");
            record(&mut records, "mtime", time.as_bytes());
        }
        for (key, value) in &entry.xattrs {
            record(&mut records, &format!("SCHILY.xattr.{key}"), value);
        }
        if !records.is_empty() {
            let extension = Entry {
                name: b"pax".to_vec(),
                kind: b'x',
                content: records,
                ..Entry::default()
            };
            self.block(&extension);
        }
        self.block(entry);
    }

    /// One header and its content.
    fn block(&mut self, entry: &Entry) {
        let mut header = [0_u8; 512];
        let size = entry.claimed_size.unwrap_or(entry.content.len() as u64);
        let octal = |n: u64, digits: usize| format!("{n:0digits$o}").into_bytes();
        for (at, field) in [
            (0, entry.name[..entry.name.len().min(100)].to_vec()),
            (100, octal(entry.mode.into(), 7)),
            (108, octal(entry.owner.into(), 7)),
            (116, octal(entry.owner.into(), 7)),
            (124, octal(size, 11)),
            (136, octal(entry.mtime.0, 11)),
            (148, b"        ".to_vec()),
            (156, vec![entry.kind]),
            (157, entry.target[..entry.target.len().min(100)].to_vec()),
            (257, b"ustar\x0000".to_vec()),
            (329, octal(entry.device.0.into(), 7)),
            (337, octal(entry.device.1.into(), 7)),
        ] {
            header[at..at + field.len()].copy_from_slice(&field);
        }
        let sum: u64 = header.iter().map(|b| u64::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(&entry.content);
        let end = self.bytes.len().next_multiple_of(512);
        self.bytes.resize(end, 0);
    }
}

/// One PAX record: its own length, in decimal and counting itself, then `key=value`.
fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    if length.to_string().len() > rest.to_string().len() {
        length += 1;
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coracle_reads_what_is_written() {
        let long = "n".repeat(150);
        let entries = [
            Entry::directory("d"),
            Entry::file("d/f", "hello"),
            Entry::symlink("l", "d/f"),
            Entry::hard_link("h", "d/f"),
            Entry::file(&long, ""),
        ];
        let bytes = Archive::of(&entries);
        let mut names = Vec::new();
        coracle::layer::tar::read(bytes.as_slice(), &mut |entry, _| {
            if let coracle::layer::tar::Entry::Add { path, kind, .. } = entry {
                names.push(format!("{} {}", path.to_text(), kind.word()));
            }
            Ok(())
        })
        .unwrap();
        let long = format!("{long} file");
        assert_eq!(
            names,
            ["d dir", "d/f file", "l symlink", "h hardlink", &long]
        );
    }
}
