//! Office packages, judged a second time by other means: the `zip` crate's own reading of the
//! archive, a walk over the headers, a strict XML parser.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{Cursor, Read},
    str::from_utf8,
};

use consign_core::{
    file::FileName,
    intake::{HEAD_LEN, Intake, IntakeError, OfficeIntake},
};
use flate2::read::DeflateDecoder;
use roxmltree::Document;
use zip::ZipArchive;

use crate::heap;

/// Limits that small files can reach.
const ENTRIES: u64 = 12;
const UNPACKED: u64 = 16 * 1024;
const RATIO: u64 = 20;

/// What the intake may take whatever the file says of itself: its pages, a directory, two lists.
const MEMORY: usize = 24 << 20;

const FORMATS: [(&str, &str); 3] = [
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
];

const CONTENT_TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";
const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE_DOCUMENT: [&str; 2] = [
    "http://schemas.openxmlformats.org/officedocument/2006/relationships/officedocument",
    "http://purl.oclc.org/ooxml/officedocument/relationships/officedocument",
];

/// Asks the intake about these bytes under each extension, and judges what it accepts; gives the
/// extension under which it did.
pub fn judge(bytes: &[u8]) -> Option<&'static str> {
    let usual = OfficeIntake::default();
    let strict = OfficeIntake::default()
        .max_entries(ENTRIES)
        .max_unpacked(UNPACKED)
        .max_ratio(RATIO);
    let mut found = None;
    for (extension, media_type) in FORMATS {
        let small = accepted(&strict, extension, bytes);
        let Some(found_type) = accepted(&usual, extension, bytes) else {
            assert!(small.is_none(), "lower limits let in more");
            continue;
        };
        assert_eq!(found_type, media_type);
        assert_eq!(found.replace(extension), None, "it is of two kinds");
        let package = Package::read(bytes);
        package.check_main(media_type);
        if small.is_some() {
            package.check_unpacked();
        }
    }
    found
}

fn accepted(intake: &OfficeIntake, extension: &str, bytes: &[u8]) -> Option<String> {
    let name = FileName::parse(&format!("file.{extension}")).expect("a name");
    assert!(intake.check_name(&name).is_ok());
    let head = intake.check_head(&name, &bytes[..bytes.len().min(HEAD_LEN)]);
    let mut content = Cursor::new(bytes);
    let (verdict, taken) = heap::taken_by(|| intake.inspect(&name, &mut content));
    assert!(
        taken <= MEMORY + 2 * bytes.len(),
        "it took {taken} bytes of memory"
    );
    match verdict {
        Ok(media_type) => {
            assert!(
                head.is_ok(),
                "the first bytes were refused, and the whole was not"
            );
            Some(media_type.as_str().to_owned())
        }
        Err(IntakeError::Refused(refusal)) => {
            let reason = refusal.reason();
            assert!(!reason.is_empty() && !reason.chars().any(char::is_control));
            None
        }
        Err(IntakeError::Io(error)) => panic!("memory can be read: {error}"),
    }
}

struct Package<'b> {
    bytes: &'b [u8],
    entries: Vec<Entry>,
    by_name: BTreeMap<Vec<u8>, usize>,
}

struct Entry {
    deflated: bool,
    data: std::ops::Range<usize>,
}

impl<'b> Package<'b> {
    /// Reads an archive that was accepted, and panics where two readers could differ.
    fn read(bytes: &'b [u8]) -> Self {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("the archive can be read");
        assert_eq!(archive.offset(), 0);
        let (mut entries, mut names, mut extents) = (Vec::new(), BTreeMap::new(), Vec::new());
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index).expect("the entry can be read");
            assert!(!file.encrypted() && !file.is_symlink());
            assert!(
                file.unix_mode()
                    .is_none_or(|m| matches!(m & 0o170_000, 0 | 0o100_000 | 0o040_000))
            );
            let name = plain_name(file.name_raw());
            assert!(names.insert(name, index).is_none(), "a name is there twice");
            let start = file.header_start() as usize;
            let data = file.data_start().expect("it has data") as usize;
            let end = data + file.compressed_size() as usize;
            let method = u16::from_le_bytes([bytes[start + 8], bytes[start + 9]]);
            let flags = u16::from_le_bytes([bytes[start + 6], bytes[start + 7]]);
            assert_eq!(&bytes[start..start + 4], b"PK\x03\x04");
            assert!(matches!(method, 0 | 8) && flags & 0x2041 == 0);
            let local_name = &bytes[start + 30..][..file.name_raw().len()];
            assert_eq!(local_name, file.name_raw(), "two headers, two names");
            extents.push((start, end));
            entries.push(Entry {
                deflated: method == 8,
                data: data..end,
            });
        }
        extents.sort_unstable();
        let mut at = 0;
        for (start, end) in extents {
            assert!(start >= at, "two entries share bytes");
            assert!(
                start > 0 || at == 0,
                "something stands before the first entry"
            );
            let gap = &bytes[at..start];
            assert!(
                gap.len() <= 24 || !gap.windows(4).any(|bytes| bytes == b"PK\x03\x04"),
                "an entry is not listed"
            );
            at = end;
        }
        Self {
            bytes,
            entries,
            by_name: names,
        }
    }

    fn check_main(&self, media_type: &str) {
        let (Some(types), Some(relationships)) =
            (self.list("[content_types].xml"), self.list("_rels/.rels"))
        else {
            return;
        };
        // What a strict parser refuses, no office program opens.
        let (Ok(types), Ok(relationships)) =
            (Document::parse(&types), Document::parse(&relationships))
        else {
            return;
        };
        let root = relationships.root_element();
        assert!(root.has_tag_name((RELATIONSHIPS, "Relationships")));
        let mains: Vec<_> = root
            .children()
            .filter(|child| child.has_tag_name((RELATIONSHIPS, "Relationship")))
            .filter(|child| {
                let kind = child.attribute("Type").unwrap_or_default();
                OFFICE_DOCUMENT.contains(&&*kind.trim().to_ascii_lowercase())
            })
            .collect();
        let [main] = mains[..] else {
            panic!("{} main parts", mains.len());
        };
        let target = main.attribute("Target").expect("it has a target");
        let target = plain_reference(target);
        assert!(
            self.by_name.contains_key(&target),
            "the main part is missing"
        );
        let extension = target.rsplit(|byte| *byte == b'.').next().expect("one");
        let root = types.root_element();
        assert!(root.has_tag_name((CONTENT_TYPES, "Types")));
        let of = |tag: &str, attribute: &str, matches: &dyn Fn(&str) -> bool| {
            let child = root.children().find(|child| {
                child.has_tag_name((CONTENT_TYPES, tag))
                    && child.attribute(attribute).is_some_and(matches)
            });
            child.and_then(|child| child.attribute("ContentType").map(str::to_owned))
        };
        let own = of("Override", "PartName", &|name| {
            plain_reference(name) == target
        });
        let content_type = own.or_else(|| {
            of("Default", "Extension", &|name| {
                name.to_ascii_lowercase().as_bytes() == extension
            })
        });
        assert_eq!(
            content_type.unwrap_or_default().trim().to_ascii_lowercase(),
            format!("{media_type}.main+xml"),
            "the main part is of another kind"
        );
    }

    /// A list's text, when it has the encoding that it should have.
    fn list(&self, name: &str) -> Option<String> {
        let index = self
            .by_name
            .get(name.as_bytes())
            .expect("the list is there");
        let mut content = Vec::new();
        let read = self.content(*index).take(1 << 20).read_to_end(&mut content);
        read.expect("it can be unpacked");
        let text = match &content[..] {
            [0xFF, 0xFE, rest @ ..] => Cow::Owned(wide(rest, u16::from_le_bytes)?),
            [0xFE, 0xFF, rest @ ..] => Cow::Owned(wide(rest, u16::from_be_bytes)?),
            [0xEF, 0xBB, 0xBF, rest @ ..] => Cow::Borrowed(from_utf8(rest).ok()?),
            content => Cow::Borrowed(from_utf8(content).ok()?),
        };
        Some(text.into_owned())
    }

    /// Under the low limits: it truly unpacks to no more than they allow.
    fn check_unpacked(&self) {
        assert!(self.entries.len() as u64 <= ENTRIES);
        let packed: u64 = self
            .entries
            .iter()
            .map(|entry| entry.data.len() as u64)
            .sum();
        let allowed = UNPACKED.max(packed * RATIO);
        let mut unpacked = 0;
        for index in 0..self.entries.len() {
            // What cannot be unpacked ends there.
            let mut sink = std::io::sink();
            let mut part = self.content(index).take(allowed + 1);
            let read = std::io::copy(&mut part, &mut sink);
            unpacked += read.unwrap_or(0);
        }
        assert!(unpacked <= allowed, "{packed} bytes unpack to {unpacked}");
    }

    fn content(&self, index: usize) -> Box<dyn Read + 'b> {
        let entry = &self.entries[index];
        let data = &self.bytes[entry.data.clone()];
        match entry.deflated {
            true => Box::new(DeflateDecoder::new(data)),
            false => Box::new(data),
        }
    }
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let units: Vec<_> = bytes
        .chunks(2)
        .map(|pair| Some(unit(pair.try_into().ok()?)))
        .collect();
    String::from_utf16(&units.into_iter().collect::<Option<Vec<_>>>()?).ok()
}

/// A name as it is compared; it leads nowhere else.
fn plain_name(raw: &[u8]) -> Vec<u8> {
    let mut name = unescaped(raw);
    for byte in &mut name {
        *byte = match *byte {
            b'\\' => b'/',
            other => other.to_ascii_lowercase(),
        };
    }
    let name = name.strip_suffix(b"/").unwrap_or(&name).to_vec();
    assert!(!name.is_empty() && name.get(1) != Some(&b':'));
    assert!(!name.iter().any(u8::is_ascii_control));
    for segment in name.split(|byte| *byte == b'/') {
        assert!(!matches!(segment, b"" | b"." | b".."), "{name:?}");
    }
    name
}

fn plain_reference(reference: &str) -> Vec<u8> {
    let reference = reference.trim().replace('\\', "/");
    let reference = reference.strip_prefix('/').unwrap_or(&reference);
    plain_name(reference.strip_prefix("./").unwrap_or(reference).as_bytes())
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match (text[at], digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}
