//! Sound Office packages, bent: a base, and steps that each change something, down to single bytes.
//!
//! Input: a byte for the base, then a byte for each step and what it needs. No steps leave a sound
//! file, which must be accepted.

use std::io::{Cursor, Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use zip::{CompressionMethod, ZipArchive};

use crate::{
    office,
    package::{Entry, Package, Zip64, content_types, crc32, relationships},
    recipe::Recipe,
};

const STEPS: usize = 24;

const KINDS: [(&str, &str, &str); 3] = [
    ("docx", "word/document.xml", "wordprocessingml.document"),
    ("xlsx", "xl/workbook.xml", "spreadsheetml.sheet"),
    (
        "pptx",
        "ppt/presentation.xml",
        "presentationml.presentation",
    ),
];

const NAMES: [&str; 24] = [
    "word/document.xml",
    "Word/Document.XML",
    "word\\document.xml",
    "word/%64ocument.xml",
    "[Content_Types].xml",
    "[content_types].XML",
    "_rels/.rels",
    "_RELS/.rels",
    "../x",
    "/x",
    "a/../b",
    "C:\\x",
    "a//b",
    "./a",
    "a/",
    "a",
    "%2e%2e/a",
    "a\0b",
    "xl/workbook.xml",
    "ppt/presentation.xml",
    "docProps/app.xml",
    "word/vbaProject.bin",
    "a/...",
    "[trash]/0000.dat",
];

/// What programs wrote, none of it changed.
const GENUINE: [(&str, &[u8]); 6] = [
    (
        "docx",
        include_bytes!("../../core/tests/fixtures/office/docx-js.docx"),
    ),
    (
        "docx",
        include_bytes!("../../core/tests/fixtures/office/libreoffice.docx"),
    ),
    (
        "xlsx",
        include_bytes!("../../core/tests/fixtures/office/exceljs.xlsx"),
    ),
    (
        "xlsx",
        include_bytes!("../../core/tests/fixtures/office/libreoffice.xlsx"),
    ),
    (
        "xlsx",
        include_bytes!("../../core/tests/fixtures/office/openpyxl.xlsx"),
    ),
    (
        "pptx",
        include_bytes!("../../core/tests/fixtures/office/libreoffice.pptx"),
    ),
];

/// Pieces that the lists can have elsewhere, or more of.
const PIECES: [&str; 22] = [
    "<Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.ms-word.document.macroEnabled.main+xml\"/>",
    "<Override PartName=\"/Word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/>",
    "<Default Extension=\"XML\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>",
    "<Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>",
    "<Relationship Id=\"r2\" Target=\"xl/workbook.xml\" Type=\"http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument\"/>",
    "<Relationship Id=\"r2\" Target=\"a\" Type=\"http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties\"/>",
    "<Relationship Id=\"r1\" Target=\"http://example.org/\" TargetMode=\"External\" Type=\"urn:x\"/>",
    " TargetMode=\"External\"",
    " xmlns=\"urn:x\"",
    " xmlns:p=\"http://schemas.openxmlformats.org/package/2006/content-types\"",
    "<!-- ",
    " -->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE x [<!ENTITY a \"b\">]>",
    "&a;",
    "&#47;",
    "&amp;",
    "<?xml version=\"1.0\" encoding=\"utf-16\"?>",
    "</Types>",
    "<p:Types>",
    "\u{FEFF}",
];

/// Extra fields: ZIP64 of each shape, a Unicode path, a timestamp, strong encryption, one cut short.
const EXTRAS: [&[u8]; 7] = [
    b"\x01\x00\x10\x00\x08\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0",
    b"\x01\x00\x18\x00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\x75\x70\x0a\x00\x01\0\0\0\0other",
    b"\x55\x54\x05\x00\x03\0\0\0\0",
    b"\x17\x00\x08\x00\x02\0\0\0\0\0\0\0",
    b"\x01\x00\xff\xff",
    b"\x01\x00\x00\x00",
];

/// How the header in front of an entry's data can differ from the directory.
const LIES: [fn(&mut Entry); 8] = [
    |local| local.name = b"other".to_vec(),
    |local| local.flags |= 1,
    |local| local.method ^= 8,
    |local| local.unpacked_len += 1,
    |local| local.unpacked_len = 0,
    |local| local.packed.push(0),
    |local| local.descriptor = !local.descriptor,
    |local| local.local_extra.extend(EXTRAS[0]),
];

pub fn run(bytes: &[u8]) {
    let mut recipe = Recipe(bytes);
    let base = recipe.byte();
    let (extension, mut package) = self::base(base);
    let untouched = recipe.is_done();
    let mut late = Vec::new();
    for _ in 0..STEPS {
        if recipe.is_done() {
            break;
        }
        step(&mut package, &mut recipe, &mut late);
    }
    // Only an earlier entry's data can be listed again.
    for (at, entry) in package.entries.iter_mut().enumerate() {
        entry.shares = entry.shares.filter(|shared| *shared < at);
    }
    let mut bytes = package.bytes();
    for (at, change) in late {
        let at = usize::from(at) % bytes.len().max(1);
        match change {
            Change::Cut => bytes.truncate(at),
            Change::Flip(bits) => bytes
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte ^= bits),
            Change::Put(put) => drop(bytes.splice(at..at, put)),
        }
    }
    let found = office::judge(&bytes);
    assert!(
        !untouched || found == Some(extension),
        "a sound file is refused"
    );
}

/// What is done to the finished bytes.
enum Change {
    Cut,
    Flip(u8),
    Put(Vec<u8>),
}

/// A sound package: which one, whether it is deflated, whether it has descriptors, ZIP64 records.
fn base(choice: u8) -> (&'static str, Package) {
    let which = usize::from(choice & 0x0F);
    let (extension, mut package) = match KINDS.get(which) {
        Some((extension, main, kind)) => (*extension, Package::office(main, kind)),
        None => {
            let (extension, bytes) = GENUINE[which % GENUINE.len()];
            (extension, taken_apart(bytes))
        }
    };
    for entry in &mut package.entries {
        if choice & 0x10 != 0 {
            deflate(entry);
        }
        entry.descriptor = choice & 0x20 != 0;
    }
    if choice & 0x40 != 0 {
        let saturated = choice & 0x80 != 0;
        package.zip64 = Some(Zip64 {
            saturated,
            count: None,
        });
    }
    (extension, package)
}

/// A genuine package's entries.
fn taken_apart(bytes: &[u8]) -> Package {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("it is an archive");
    let mut package = Package::default();
    for index in 0..archive.len() {
        let mut part = archive.by_index_raw(index).expect("it has the entry");
        let mut entry = Entry::stored("", b"");
        entry.name = part.name_raw().to_vec();
        part.read_to_end(&mut entry.packed).expect("it is whole");
        entry.method = match part.compression() {
            CompressionMethod::Stored => 0,
            _ => 8,
        };
        (entry.unpacked_len, entry.crc) = (part.size(), part.crc32());
        package.entries.push(entry);
    }
    package
}

fn step(package: &mut Package, recipe: &mut Recipe<'_>, late: &mut Vec<(u16, Change)>) {
    let step = recipe.byte() % 28;
    let count = package.entries.len();
    match step {
        0 => late.push((recipe.u16(), Change::Flip(recipe.byte()))),
        1 => late.push((recipe.u16(), Change::Cut)),
        2 => late.push((recipe.u16(), Change::Put(recipe.bytes().to_vec()))),
        3 => package
            .entries
            .push(Entry::stored(recipe.pick(&NAMES), recipe.bytes())),
        4 => package.entries.push(Entry::zeros(
            recipe.pick(&NAMES),
            usize::from(recipe.u16() % 512),
        )),
        5 => package.comment = recipe.bytes().to_vec(),
        6 => package.suffix = recipe.bytes().to_vec(),
        7 => package.prefix = recipe.bytes().to_vec(),
        8 => package.base = u32::from(recipe.byte()),
        9 => package.before_directory = recipe.bytes().to_vec(),
        10 => package.count = Some(recipe.u16()),
        11 => {
            package.zip64 = Some(Zip64 {
                saturated: recipe.byte() % 2 == 1,
                count: (recipe.byte() % 2 == 1).then(|| recipe.u64()),
            });
        }
        12 => package.suffix = self::base(recipe.byte()).1.bytes(),
        13 => {
            // Real writers leave room there.
            let zeros = usize::from(recipe.u16() % 4096);
            package.before_directory.resize(zeros, 0);
        }
        _ if count == 0 => {}
        14 => {
            let copy = package.entries[recipe.below(count)].clone();
            package.entries.push(copy);
        }
        15 => drop(package.entries.remove(recipe.below(count))),
        16 => package.entries.swap(recipe.below(count), count - 1),
        _ => bend(&mut package.entries, recipe, step),
    }
}

fn bend(entries: &mut [Entry], recipe: &mut Recipe<'_>, step: u8) {
    let at = recipe.below(entries.len());
    let entry = &mut entries[at];
    match step {
        17 => entry.name = recipe.pick(&NAMES).into(),
        18 => entry.name = recipe.bytes().to_vec(),
        19 => entry.flags ^= 1 << (recipe.byte() % 16),
        20 => entry.method = recipe.pick(&[0, 8, 9, 12, 14, 95, 99]),
        21 => entry.unpacked_len = recipe.pick(&[0, 1, u64::from(u32::MAX), 1 << 20]),
        22 => entry.attributes = recipe.pick(&[0o120_777, 0o100_644, 0o040_755, 0o060_000]) << 16,
        23 => {
            let extra = recipe.pick(&EXTRAS);
            match recipe.byte() % 3 {
                0 => entry.extra.extend(extra),
                1 => entry.local_extra.extend(extra),
                _ => entry.extra = recipe.bytes().to_vec(),
            }
        }
        24 => entry.local = Some(recipe.pick(&LIES)),
        25 => match recipe.byte() % 6 {
            0 => entry.shares = (at > 0).then(|| recipe.below(at)),
            1 => entry.shift = u32::from(recipe.byte()),
            2 => entry.unlisted = true,
            3 => entry.descriptor = !entry.descriptor,
            4 => deflate(entry),
            _ => entry.crc ^= 1,
        },
        _ => rewrite(entry, recipe),
    }
}

/// Changes the text of a part, and what the headers say of it with it.
fn rewrite(entry: &mut Entry, recipe: &mut Recipe<'_>) {
    let deflated = entry.method == 8;
    let mut text = std::mem::take(&mut entry.packed);
    if deflated {
        let mut unpacked = Vec::new();
        // As far as it goes.
        let _ = DeflateDecoder::new(&text[..]).read_to_end(&mut unpacked);
        text = unpacked;
        entry.method = 0;
    }
    let at = usize::from(recipe.u16()) % (text.len() + 1);
    match recipe.byte() % 8 {
        0 => drop(text.splice(at..at, recipe.pick(&PIECES).bytes())),
        1 => drop(text.splice(at..at, recipe.bytes().to_vec())),
        2 => text.truncate(at),
        3 => text
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|byte| *byte ^= 0x20),
        4 => {
            let (_, main, kind) = recipe.pick(&KINDS);
            let ends = recipe.pick(&[".main+xml", ".template.main+xml", ".MAIN+XML ", ""]);
            let office = "application/vnd.openxmlformats-officedocument.";
            text = content_types(main, &format!("{office}{kind}{ends}")).into_bytes();
        }
        5 => text = relationships(recipe.pick(&NAMES)).into_bytes(),
        6 => {
            let wide = std::str::from_utf8(&text)
                .unwrap_or_default()
                .encode_utf16();
            text = [0xFEFF]
                .into_iter()
                .chain(wide)
                .flat_map(u16::to_le_bytes)
                .collect();
        }
        _ => {
            // Inside the root, where a further child may stand.
            let end = text
                .windows(2)
                .rposition(|bytes| bytes == b"</")
                .unwrap_or(at);
            text.splice(end..end, recipe.pick(&PIECES).bytes());
        }
    }
    entry.unpacked_len = text.len() as u64;
    entry.crc = crc32(&text);
    entry.packed = text;
    if deflated {
        deflate(entry);
    }
}

fn deflate(entry: &mut Entry) {
    if entry.method == 0 {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&entry.packed).expect("a Vec takes all");
        entry.packed = encoder.finish().expect("a Vec takes all");
        entry.method = 8;
    }
}
