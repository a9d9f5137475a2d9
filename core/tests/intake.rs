//! What the default intake accepts: genuine documents, and what only looks odd.
#![cfg(feature = "intake")]

use std::{
    fs,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use consign_core::{
    file::FileName,
    intake::{Intake, OfficeIntake},
};
use proptest::prelude::*;

#[path = "support/intake.rs"]
mod intake;
#[path = "support/package.rs"]
mod package;

use intake::{EXTENSIONS, accepted, inspect, inspect_with, is_refused};
use package::{DOCUMENT, Entry, Package, Zip64, content_types, document, relationships};

/// What else the corpora hold.
const OTHER_KINDS: [&str; 9] = [
    "docm", "xlsm", "pptm", "xlsb", "xls", "doc", "ppt", "ods", "zip",
];

/// The corpora's .docx, .xlsx and .pptx files that are refused: all are under a password.
const PROTECTED: [&str; 7] = [
    "calamine/tests/pass_protected.xlsx",
    "excelize/test/encryptAES.xlsx",
    "excelize/test/encryptSHA1.xlsx",
    "excelize/test/encryptSHA512.xlsx",
    "msoffcrypto/tests/inputs/ecma376standard_password.docx",
    "msoffcrypto/tests/inputs/example_password.docx",
    "msoffcrypto/tests/inputs/example_password.xlsx",
];

#[test]
fn genuine_documents_are_accepted_as_what_they_are() {
    for path in fixtures() {
        let bytes = fs::read(&path).unwrap();
        for claimed in EXTENSIONS {
            let outcome = inspect(claimed, &bytes);
            if extension(&path) == claimed {
                assert_eq!(outcome, accepted(claimed), "{}", path.display());
            } else {
                assert!(is_refused(&outcome, "but the name ends in"), "{outcome:?}");
            }
        }
        let name = FileName::parse("file.docx").unwrap();
        assert!(
            OfficeIntake::default()
                .check_head(&name, &bytes[..4096])
                .is_ok()
        );
    }
}

#[test]
fn a_document_cut_short_is_refused() {
    for path in fixtures() {
        let bytes = fs::read(&path).unwrap();
        let len = bytes.len();
        for cut in [
            0,
            1,
            3,
            4,
            30,
            len / 4,
            len / 2,
            len * 3 / 4,
            len - 23,
            len - 22,
            len - 1,
        ] {
            let outcome = inspect(extension(&path), &bytes[..cut]);
            assert!(
                is_refused(&outcome, ""),
                "{} cut to {cut}: {outcome:?}",
                path.display()
            );
        }
    }
}

#[test]
fn packages_with_odd_entries_are_accepted() {
    let accepts = |what: &str, package: &Package| {
        assert_eq!(
            inspect("docx", &package.bytes()),
            accepted("docx"),
            "{what}"
        );
    };
    let with = |name: &str| document().and(Entry::stored(name, ""));
    accepts("nothing odd", &document());
    accepts(
        "a folder",
        &with("word/").but(|entry| entry.attributes = 0o040_755 << 16),
    );
    accepts(
        "a Unix mode",
        &with("word/a").but(|entry| entry.attributes = 0o100_644 << 16),
    );
    accepts(
        "not UTF-8",
        &with("word/?.png").but(|entry| entry.name[5] = 0xE9),
    );
    accepts(
        "a descriptor",
        &document().but(|entry| entry.descriptor = true),
    );
    accepts("deflated", &document().and(Entry::zeros("word/a", 1000)));

    let inner = document().bytes();
    accepts(
        "a stored document",
        &document().and(Entry::stored("word/embeddings/1.docx", inner)),
    );

    let mut backslashes = document();
    let names = backslashes
        .entries
        .iter_mut()
        .flat_map(|entry| &mut entry.name);
    names
        .filter(|byte| **byte == b'/')
        .for_each(|byte| *byte = b'\\');
    accepts("backslashes", &backslashes);

    accepts(
        "a comment",
        &Package {
            comment: b"from a mail gateway".to_vec(),
            ..document()
        },
    );
    accepts(
        "padding behind",
        &Package {
            suffix: vec![0; 5000],
            ..document()
        },
    );
    accepts(
        "padding within",
        &Package {
            before_directory: vec![0; 500],
            ..document()
        },
    );
    let zip64 = |saturated| {
        Some(Zip64 {
            saturated,
            count: None,
        })
    };
    accepts(
        "a ZIP64 record",
        &Package {
            zip64: zip64(false),
            ..document()
        },
    );
    accepts(
        "a ZIP64 record alone",
        &Package {
            zip64: zip64(true),
            ..document()
        },
    );
}

#[test]
fn packages_with_odd_lists_are_accepted() {
    let main = "word/document.xml";
    let types = content_types(main, DOCUMENT);
    let relationship = relationships(main);
    let accepts = |what: &str, types: &[u8], relationships: &[u8]| {
        let package = Package::with_lists(types, relationships).and(Entry::stored(main, "<main/>"));
        assert_eq!(
            inspect("docx", &package.bytes()),
            accepted("docx"),
            "{what}"
        );
    };
    let utf16 = |text: &str| -> Vec<u8> {
        let units: Vec<u16> = text.replace("UTF-8", "UTF-16").encode_utf16().collect();
        [0xFEFF]
            .into_iter()
            .chain(units)
            .flat_map(u16::to_le_bytes)
            .collect()
    };
    accepts("UTF-16", &utf16(&types), &utf16(&relationship));
    accepts(
        "a byte order mark",
        format!("\u{FEFF}{types}").as_bytes(),
        relationship.as_bytes(),
    );

    let prefixed = types
        .replace('<', "<t:")
        .replace("<t:/", "</t:")
        .replace("<t:?", "<?");
    accepts(
        "prefixes",
        prefixed.replace("xmlns", "xmlns:t").as_bytes(),
        relationship.as_bytes(),
    );

    let strict = relationship.replace(
        "http://schemas.openxmlformats.org/officeDocument/2006/",
        "http://purl.oclc.org/ooxml/officeDocument/",
    );
    accepts("strict", types.as_bytes(), strict.as_bytes());

    let absolute = relationships("/Word/document.xml");
    accepts("an absolute target", types.as_bytes(), absolute.as_bytes());

    let by_extension = content_types("other.xml", "application/xml").replace(
        "\"xml\" ContentType=\"application/xml\"",
        &format!("\"XML\" ContentType=\"{DOCUMENT}\""),
    );
    accepts(
        "the type by extension",
        by_extension.as_bytes(),
        relationship.as_bytes(),
    );
}

#[test]
fn an_error_of_the_staged_content_is_no_refusal() {
    let large = Entry::stored("word/a.bin", vec![1; 1 << 20]);
    let bytes = document()
        .and(large)
        .and(Entry::zeros("word/b.bin", 50_000))
        .bytes();
    let intake = OfficeIntake::default()
        .max_unpacked(1 << 20)
        .max_ratio(1000);
    for reads_left in 0.. {
        let mut content = Failing {
            inner: Cursor::new(bytes.clone()),
            reads_left,
        };
        match inspect_with(&intake, "docx", &mut content) {
            Err(error) => assert_eq!(error.to_string(), "unplugged"),
            Ok(outcome) => {
                assert_eq!(outcome, accepted("docx"));
                assert!((2..20).contains(&reads_left), "{reads_left} reads");
                return;
            }
        }
    }
}

#[test]
fn the_corpora_are_judged_rightly() {
    let Some(corpora) = std::env::var_os("CONSIGN_CORPORA") else {
        println!("skipped: CONSIGN_CORPORA is not set");
        return;
    };
    // A relative path is meant from the workspace's folder.
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(corpora);

    let (mut genuine, mut protected, mut others) = (0, 0, 0);
    for set in [
        "python-docx",
        "python-pptx",
        "mammoth",
        "calamine",
        "excelize",
        "msoffcrypto",
    ] {
        for path in files(&corpora.join(set), &EXTENSIONS) {
            let outcome = inspect(extension(&path), &fs::read(&path).unwrap());
            if PROTECTED.iter().any(|name| path.ends_with(name)) {
                assert!(
                    is_refused(&outcome, "password"),
                    "{}: {outcome:?}",
                    path.display()
                );
                protected += 1;
            } else {
                assert_eq!(outcome, accepted(extension(&path)), "{}", path.display());
                genuine += 1;
            }
        }
    }
    for set in ["python-pptx", "calamine", "msoffcrypto", "yauzl"] {
        for path in files(&corpora.join(set), &OTHER_KINDS) {
            let bytes = fs::read(&path).unwrap();
            for claimed in EXTENSIONS {
                let outcome = inspect(claimed, &bytes);
                assert!(is_refused(&outcome, ""), "{} as .{claimed}", path.display());
            }
            others += 1;
        }
    }
    println!("{genuine} accepted; {protected} protected and {others} of other kinds refused");
    assert_eq!(protected, PROTECTED.len());
    assert!(genuine > 200 && others > 100, "the corpora are not whole");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused(package in any::<bool>(), bytes in any::<Vec<u8>>()) {
        let head: &[u8] = if package { b"PK\x03\x04" } else { b"" };
        let outcome = inspect("docx", &[head, &bytes[..]].concat());
        prop_assert!(is_refused(&outcome, ""));
    }

    // Whatever the verdict: there is one, and it is neither a panic nor an error of reading.

    #[test]
    fn a_bent_document_is_judged(which in any::<prop::sample::Index>(), bends in bends()) {
        let fixtures = fixtures();
        let path = which.get(&fixtures);
        inspect(extension(path), &bend(fs::read(path).unwrap(), &bends));
    }

    #[test]
    fn a_bent_list_is_judged(bends in bends(), which in 0..2_usize) {
        let mut package = document();
        let list = &mut package.entries[which];
        let bent = Entry::stored("", bend(list.packed.clone(), &bends));
        *list = Entry { name: list.name.clone(), ..bent };
        inspect("docx", &package.bytes());
    }
}

/// Ways to bend a document: near its end or anywhere, where, how, and with what.
fn bends() -> impl Strategy<Value = Vec<Bend>> {
    prop::collection::vec(any::<Bend>(), 1..8)
}

type Bend = (bool, prop::sample::Index, u8, u8);

fn bend(mut bytes: Vec<u8>, bends: &[Bend]) -> Vec<u8> {
    for &(near_end, index, how, value) in bends {
        let len = bytes.len();
        // Most of what is read lies at the end.
        let start = if near_end {
            len.saturating_sub(1500)
        } else {
            0
        };
        let at = start + index.index((len - start).max(1));
        match how % 6 {
            _ if at >= len => bytes.push(value),
            0 | 1 => bytes[at] = value,
            2 => bytes[at] ^= 1 << (value % 8),
            3 => bytes.insert(at, value),
            4 => drop(bytes.remove(at)),
            _ => {
                let piece = bytes[at..len.min(at + usize::from(value))].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// Fails once its reads are used up.
struct Failing {
    inner: Cursor<Vec<u8>>,
    reads_left: usize,
}

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.reads_left.checked_sub(1);
        self.reads_left = left.ok_or_else(|| io::Error::other("unplugged"))?;
        self.inner.read(buf)
    }
}

impl Seek for Failing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/office");
    let fixtures = files(&folder, &EXTENSIONS);
    assert!(fixtures.len() >= 10, "the fixtures are missing");
    fixtures
}

/// Files below `folder` with one of the extensions, in order.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if extensions.contains(&extension(&path)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn extension(path: &Path) -> &str {
    path.extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
}
