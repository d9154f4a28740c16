//! What an ELF file says about its own start: for which machine, by which loader, with which libraries.

use std::fmt;
use std::io::{Read, Seek};

use elf::ElfStream;
use elf::abi::{
    DT_NEEDED, DT_NULL, DT_RPATH, DT_RUNPATH, DT_SONAME, DT_STRSZ, DT_STRTAB, PT_DYNAMIC,
    PT_INTERP, PT_LOAD,
};
use elf::dynamic::{Dyn, DynamicTable};
use elf::endian::AnyEndian;
use elf::file::Class;
use elf::parse::ParseError;
use elf::segment::ProgramHeader;

/// A program, a library or a loader, as far as starting it goes.
/// Source: elf(5), and ld.so(8) for the meaning of the paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// The processor it is for.
    pub(super) machine: Machine,
    /// The loader that the kernel starts in its place (`PT_INTERP`); libraries and static
    /// programs name none.
    pub(super) interpreter: Option<Vec<u8>>,
    /// The name that others need it by (`DT_SONAME`).
    pub(super) soname: Option<Vec<u8>>,
    /// The libraries that it needs by name, in its order (`DT_NEEDED`).
    pub(super) needed: Vec<Vec<u8>>,
    /// Where to look first, for itself and for what it loads (`DT_RPATH`), joined by colons.
    pub(super) rpath: Option<Vec<u8>>,
    /// Where to look first, for itself only (`DT_RUNPATH`), joined by colons.
    pub(super) runpath: Option<Vec<u8>>,
}

/// A processor architecture: two objects can live in one process only if theirs are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    /// `e_machine`.
    pub(super) number: u16,
    /// Whether addresses have 64 bits.
    pub(super) wide: bool,
    /// Whether the lowest byte comes first.
    pub(super) little: bool,
}

/// The first four bytes of every ELF file.
pub(super) const MAGIC: [u8; 4] = [0x7f, b'E', b'L', b'F'];

impl Object {
    /// Reads the headers and the dynamic section of an ELF file, a few pages however large it is.
    /// The program headers decide, as they do for the kernel: section headers may be stripped.
    pub(super) fn read(file: impl Read + Seek) -> Result<Self, ParseError> {
        let mut stream = ElfStream::<AnyEndian, _>::open_stream(file)?;
        let header = stream.ehdr;
        let segments = stream.segments().clone();
        let mut object = Self {
            machine: Machine {
                number: header.e_machine,
                wide: header.class == Class::ELF64,
                little: header.endianness == AnyEndian::Little,
            },
            interpreter: None,
            soname: None,
            needed: Vec::new(),
            rpath: None,
            runpath: None,
        };
        if let Some(segment) = segments.iter().find(|s| s.p_type == PT_INTERP) {
            object.interpreter = Some(until_nul(stream.segment_data(segment)?).to_vec());
        }
        let Some(segment) = segments.iter().find(|s| s.p_type == PT_DYNAMIC) else {
            return Ok(object);
        };
        let bytes = stream.segment_data(segment)?;
        let entries: Vec<Dyn> = DynamicTable::new(header.endianness, header.class, bytes)
            .iter()
            .take_while(|entry| entry.d_tag != DT_NULL)
            .collect();
        if let Some(segment) = string_table(&entries, &segments) {
            object.take_strings(&entries, stream.segment_data(&segment)?);
        }
        Ok(object)
    }

    fn take_strings(&mut self, entries: &[Dyn], strings: &[u8]) {
        for entry in entries {
            let Some(start) = usize::try_from(entry.d_val()).ok() else {
                continue;
            };
            let text = || strings.get(start..).map(|s| until_nul(s).to_vec());
            match entry.d_tag {
                DT_NEEDED => self.needed.extend(text()),
                DT_SONAME => self.soname = text(),
                DT_RPATH => self.rpath = text(),
                DT_RUNPATH => self.runpath = text(),
                _ => {}
            }
        }
    }
}

/// Where in the file the strings of the dynamic section are, as a segment of its own. The section
/// gives an address in memory; the loaded segments say which part of the file comes to stand there.
fn string_table(entries: &[Dyn], segments: &[ProgramHeader]) -> Option<ProgramHeader> {
    let value = |tag| entries.iter().find(|e| e.d_tag == tag).map(Dyn::d_val);
    let (address, size) = (value(DT_STRTAB)?, value(DT_STRSZ)?);
    let holder = segments.iter().find(|s| {
        s.p_type == PT_LOAD && (s.p_vaddr..s.p_vaddr.saturating_add(s.p_filesz)).contains(&address)
    })?;
    let mut strings = *holder;
    strings.p_offset = holder.p_offset.checked_add(address - holder.p_vaddr)?;
    strings.p_filesz = size;
    Some(strings)
}

impl fmt::Display for Machine {
    /// As the architecture is called in image platforms where it has such a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.number, self.wide, self.little) {
            (3, ..) => "386",
            (20, ..) => "ppc",
            (21, _, true) => "ppc64le",
            (22, true, _) => "s390x",
            (40, ..) => "arm",
            (62, true, _) => "amd64",
            (62, false, _) => "amd64 with 32-bit pointers",
            (183, ..) => "arm64",
            (243, true, _) => "riscv64",
            (258, true, _) => "loong64",
            _ => return write!(f, "ELF machine {}", self.number),
        };
        f.write_str(name)
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}
