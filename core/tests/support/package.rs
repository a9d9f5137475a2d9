//! Writes zip packages byte by byte, the broken ones included.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::io::Write;

/// The content type of a plain document's main part.
pub const DOCUMENT: &str =
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";

/// The package of a plain document, its parts stored.
pub fn document() -> Package {
    Package::office("word/document.xml", "wordprocessingml.document")
}

/// A zip archive to be: its entries, and what to bend around them.
#[derive(Clone, Default)]
pub struct Package {
    pub entries: Vec<Entry>,
    /// Put before everything; the offsets do not know of it.
    pub prefix: Vec<u8>,
    /// Added to all offsets, for an archive that is to lie behind something.
    pub base: u32,
    /// Put between the last entry and the directory.
    pub before_directory: Vec<u8>,
    pub comment: Vec<u8>,
    /// Put behind everything.
    pub suffix: Vec<u8>,
    /// What the end record says instead of the true count.
    pub count: Option<u16>,
    /// Writes a ZIP64 end record and locator too.
    pub zip64: Option<Zip64>,
}

/// The ZIP64 end record's deviations.
#[derive(Clone, Default)]
pub struct Zip64 {
    /// Whether the plain record holds no values of its own.
    pub saturated: bool,
    /// What it says instead of the true count.
    pub count: Option<u64>,
}

/// One entry, with everything its two headers can say.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    /// As it lies in the archive.
    pub packed: Vec<u8>,
    pub unpacked_len: u64,
    pub crc: u32,
    pub method: u16,
    pub flags: u16,
    /// The high half holds the Unix mode.
    pub attributes: u32,
    /// The directory's extra field.
    pub extra: Vec<u8>,
    /// Lists the data of an earlier entry, by its index, instead of writing its own.
    pub shares: Option<usize>,
    /// Bends what lies in front of the directory: the local header and the data.
    pub local: Option<fn(&mut Entry)>,
    /// The local header's extra field.
    pub local_extra: Vec<u8>,
    /// Leaves the entry out of the directory.
    pub unlisted: bool,
    /// Leaves crc and sizes to a data descriptor behind the data.
    pub descriptor: bool,
    /// Added to the offset that the directory gives.
    pub shift: u32,
}

impl Entry {
    /// An entry that is stored as it is.
    pub fn stored(name: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        Self {
            name: name.into(),
            packed: content.to_vec(),
            unpacked_len: content.len() as u64,
            crc: crc32(content),
            method: 0,
            flags: 0,
            attributes: 0,
            extra: Vec::new(),
            shares: None,
            local: None,
            local_extra: Vec::new(),
            unlisted: false,
            descriptor: false,
            shift: 0,
        }
    }

    /// An entry of 258 times `runs` zeros and one more, deflated to about a hundred and sixtieth.
    pub fn zeros(name: &str, runs: usize) -> Self {
        let zeros = vec![0; 258 * runs + 1];
        Self {
            packed: deflate_zeros(runs),
            method: 8,
            ..Self::stored(name, zeros)
        }
    }
}

impl Package {
    /// A package whose main part has the given name and, with the usual ends, content type.
    pub fn office(main: &str, kind: &str) -> Self {
        let content_type = format!("application/vnd.openxmlformats-officedocument.{kind}.main+xml");
        Self::with_lists(content_types(main, &content_type), relationships(main))
            .and(Entry::stored(main, "<main/>"))
    }

    /// A package with the given lists and nothing else.
    pub fn with_lists(content_types: impl AsRef<[u8]>, relationships: impl AsRef<[u8]>) -> Self {
        Self::default()
            .and(Entry::stored("[Content_Types].xml", content_types))
            .and(Entry::stored("_rels/.rels", relationships))
    }

    pub fn and(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Changes the last entry.
    pub fn but(mut self, change: impl FnOnce(&mut Entry)) -> Self {
        if let Some(last) = self.entries.last_mut() {
            change(last);
        }
        self
    }

    /// The archive's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut offsets = Vec::new();
        for entry in &self.entries {
            offsets.push(
                entry
                    .shares
                    .map_or(out.len() as u32, |index| offsets[index]),
            );
            if entry.shares.is_none() {
                let mut bent = entry.clone();
                entry.local.iter().for_each(|bend| bend(&mut bent));
                bent.write_local(&mut out);
            }
        }
        out.extend(&self.before_directory);

        let start = out.len() as u64;
        let listed = || {
            self.entries
                .iter()
                .zip(&offsets)
                .filter(|(entry, _)| !entry.unlisted)
        };
        for (entry, offset) in listed() {
            entry.write_central(self.base + offset + entry.shift, &mut out);
        }
        let (len, count) = (out.len() as u64 - start, listed().count() as u64);
        let start = start + u64::from(self.base);

        let saturated = self.zip64.as_ref().is_some_and(|zip64| zip64.saturated);
        if let Some(zip64) = &self.zip64 {
            let at = out.len() as u64;
            let count = zip64.count.unwrap_or(count);
            out.extend(b"PK\x06\x06");
            put(&mut out, &[(44, 8), (45, 2), (45, 2), (0, 4), (0, 4)]);
            put(&mut out, &[(count, 8), (count, 8), (len, 8), (start, 8)]);
            out.extend(b"PK\x06\x07");
            put(&mut out, &[(0, 4), (at, 8), (1, 4)]);
        }
        let count = self.count.map_or(count, u64::from);
        let narrow = |value| if saturated { u64::MAX } else { value };
        out.extend(b"PK\x05\x06");
        put(
            &mut out,
            &[(0, 2), (0, 2), (narrow(count), 2), (narrow(count), 2)],
        );
        put(
            &mut out,
            &[
                (narrow(len), 4),
                (narrow(start), 4),
                (self.comment.len() as u64, 2),
            ],
        );
        [&self.prefix[..], &out, &self.comment, &self.suffix].concat()
    }
}

impl Entry {
    fn write_local(&self, out: &mut Vec<u8>) {
        let in_header = |value: u64| if self.descriptor { 0 } else { value };
        out.extend(b"PK\x03\x04");
        put(
            out,
            &[
                (20, 2),
                (self.flags().into(), 2),
                (self.method.into(), 2),
                (0, 2),
                (0x21, 2),
            ],
        );
        put(
            out,
            &[
                (in_header(self.crc.into()), 4),
                (in_header(self.packed.len() as u64), 4),
            ],
        );
        put(
            out,
            &[
                (in_header(self.unpacked_len), 4),
                (self.name.len() as u64, 2),
                (self.local_extra.len() as u64, 2),
            ],
        );
        out.extend(&self.name);
        out.extend(&self.local_extra);
        out.extend(&self.packed);
        if self.descriptor {
            out.extend(b"PK\x07\x08");
            put(
                out,
                &[
                    (self.crc.into(), 4),
                    (self.packed.len() as u64, 4),
                    (self.unpacked_len, 4),
                ],
            );
        }
    }

    fn write_central(&self, offset: u32, out: &mut Vec<u8>) {
        out.extend(b"PK\x01\x02");
        put(
            out,
            &[
                (0x0314, 2),
                (20, 2),
                (self.flags().into(), 2),
                (self.method.into(), 2),
            ],
        );
        put(
            out,
            &[
                (0, 2),
                (0x21, 2),
                (self.crc.into(), 4),
                (self.packed.len() as u64, 4),
            ],
        );
        put(
            out,
            &[
                (self.unpacked_len, 4),
                (self.name.len() as u64, 2),
                (self.extra.len() as u64, 2),
            ],
        );
        put(
            out,
            &[
                (0, 2),
                (0, 2),
                (0, 2),
                (self.attributes.into(), 4),
                (offset.into(), 4),
            ],
        );
        out.extend(&self.name);
        out.extend(&self.extra);
    }

    fn flags(&self) -> u16 {
        self.flags | u16::from(self.descriptor) << 3
    }
}

/// A list of content types in which XML is the default and the main part has its own type.
pub fn content_types(main: &str, content_type: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/{main}\" ContentType=\"{content_type}\"/></Types>"
    )
}

/// A list of one relationship, to the main part.
pub fn relationships(main: &str) -> String {
    format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"r1\" Target=\"{main}\" \
         Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\"/>\
         </Relationships>"
    )
}

pub fn crc32(content: &[u8]) -> u32 {
    !content.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Little-endian values, each in so many bytes.
fn put(out: &mut Vec<u8>, fields: &[(u64, usize)]) {
    for (value, len) in fields {
        out.write_all(&value.to_le_bytes()[..*len])
            .expect("a Vec takes all");
    }
}

/// One deflate block in the fixed code: a zero, then `runs` times 258 more of it.
fn deflate_zeros(runs: usize) -> Vec<u8> {
    let mut bits = vec![true, true, false];
    let mut code =
        |value: u32, len: u32| bits.extend((0..len).rev().map(|bit| value >> bit & 1 == 1));
    code(0x30, 8);
    for _ in 0..runs {
        code(0xC5, 8);
        code(0, 5);
    }
    code(0, 7);
    bits.chunks(8)
        .map(|byte| {
            byte.iter()
                .rev()
                .fold(0, |byte, &bit| byte << 1 | u8::from(bit))
        })
        .collect()
}
