//! Packages that are made to exhaust, to deceive, or to be two things at once.

use std::io::{Cursor, Write};

use consign_http::testing::Form;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    Target, is_refused,
    zipped::{DOCUMENT, Entry, Package, content_types, document, relationships},
};

const MAIN: &str = "word/document.xml";

/// A document with zeros that are packed as tightly as can be.
fn zeros(mib: usize, entries: usize) -> Vec<u8> {
    let mut package = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let packed = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in [
        ("[Content_Types].xml", content_types(MAIN, DOCUMENT)),
        ("_rels/.rels", relationships(MAIN)),
        (MAIN, "<main/>".to_owned()),
    ] {
        package.start_file(name, stored).unwrap();
        package.write_all(content.as_bytes()).unwrap();
    }
    let block = vec![0; 1 << 20];
    for at in 0..entries {
        package
            .start_file(format!("word/{at}.bin"), packed)
            .unwrap();
        for _ in 0..mib {
            package.write_all(&block).unwrap();
        }
    }
    package.finish().unwrap().into_inner()
}

/// Entries that all unpack the same bytes.
fn overlapping(count: usize) -> Package {
    let kernel = Entry::zeros("word/kernel.bin", 4000);
    let again = |at: usize| Entry {
        shares: Some(3),
        name: format!("word/{at}.bin").into_bytes(),
        ..kernel.clone()
    };
    (0..count)
        .map(again)
        .fold(document().and(kernel.clone()), Package::and)
}

/// A bomb whose headers say that it is small.
fn lying() -> Vec<u8> {
    let mut package = zeros(700, 1);
    let name = b"word/0.bin";
    let named = |at: &usize| package[*at..].starts_with(name);
    let places: Vec<_> = (0..package.len()).filter(named).collect();
    let [local, central] = places[..] else {
        panic!("an entry has two headers");
    };
    // From the name back to the unpacked size.
    for size in [local - 8, central - 22] {
        assert_eq!(package[size..size + 4], (700_u32 << 20).to_le_bytes());
        package[size..size + 4].copy_from_slice(&1000_u32.to_le_bytes());
    }
    package
}

/// Archives within archives, and no document.
fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(b"MZ".to_vec(), |inner, at| {
        let copies = (0..8).map(|copy| {
            Entry::stored(
                &format!("{at}-{copy}.zip"),
                &inner[..inner.len().min(40_000)],
            )
        });
        copies.fold(Package::default(), Package::and).bytes()
    })
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let many = |count: usize| {
        let entries = (0..count).map(|at| Entry::stored(&format!("word/{at}"), ""));
        entries.fold(document(), Package::and).bytes()
    };
    vec![
        ("one large entry", zeros(700, 1)),
        ("several large entries", zeros(100, 7)),
        ("entries that overlap", overlapping(2000).bytes()),
        ("a bomb that lies", lying()),
        ("20,000 entries", many(20_000)),
        ("archives in archives", nested(4)),
    ]
}

fn polyglots() -> Vec<(&'static str, Vec<u8>)> {
    let genuine = || document().bytes();
    let other = || Package::office("ppt/presentation.xml", "presentationml.presentation").bytes();
    let before = |prefix: &[u8]| [prefix, &genuine()].concat();
    // With offsets that know of what is in front, as self-extracting archives have them.
    let aware = |prefix: &[u8]| {
        let base = prefix.len() as u32;
        let package = Package {
            base,
            prefix: prefix.to_vec(),
            ..document()
        };
        package.bytes()
    };
    let page = b"<!DOCTYPE html><script>alert(1)</script><!--";
    let pdf = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
    vec![
        ("a PDF before", before(pdf)),
        ("a PDF before, known", aware(pdf)),
        ("a page before", before(page)),
        ("a page before, known", aware(page)),
        ("a program before", before(b"MZ\x90\0")),
        ("a program before, known", aware(b"MZ\x90\0")),
        ("a picture before", aware(b"GIF89a\x01\0\x01\0\x80\0\0;")),
        ("a script before", aware(b"#!/bin/sh\necho x\nexit\n")),
        ("an archive before", [other(), genuine()].concat()),
        ("an archive behind", [genuine(), other()].concat()),
        ("the same behind", [genuine(), genuine()].concat()),
        (
            "a program behind",
            [genuine(), b"MZ\x90\0".repeat(30_000)].concat(),
        ),
        (
            "an archive as comment",
            Package {
                comment: other(),
                ..document()
            }
            .bytes(),
        ),
        (
            "a page between",
            Package {
                before_directory: page.repeat(3000),
                ..document()
            }
            .bytes(),
        ),
    ]
}

fn xml() -> Vec<(&'static str, Vec<u8>)> {
    let types = content_types(MAIN, DOCUMENT);
    let relations = relationships(MAIN);
    let laughs: String = (1..30)
        .map(|at| {
            format!(
                "<!ENTITY l{at} \"{}\">",
                format!("&l{};", at - 1).repeat(10)
            )
        })
        .collect();
    let with_dtd = |text: &str, dtd: &str, root: &str, inside: &str| {
        let text = text.replacen(
            &format!("<{root}"),
            &format!("<!DOCTYPE {root} [{dtd}]><{root}"),
            1,
        );
        text.replacen(&format!("</{root}>"), &format!("{inside}</{root}>"), 1)
    };
    let laughing = format!("<!ENTITY l0 \"ha\">{laughs}");
    let quadratic = format!("<!ENTITY l0 \"{}\">", "x".repeat(50_000));
    let external = "<!ENTITY x SYSTEM \"file:///etc/passwd\">";
    let remote = "<!ENTITY % x SYSTEM \"http://127.0.0.1:9/x.dtd\">%x;";
    let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let wide = "<Default Extension=\"x\" ContentType=\"a/b\"/>".repeat(200_000);
    let attributes: String = (0..100_000).map(|at| format!(" a{at}=\"b\"")).collect();
    let mut cases = Vec::new();
    for (what, dtd, inside) in [
        ("a billion laughs", laughing.as_str(), "&l29;"),
        (
            "a long entity, often",
            quadratic.as_str(),
            &"&l0;".repeat(10_000),
        ),
        ("a file of the machine", external, "&x;"),
        ("a file of the network", remote, ""),
        ("a DTD without entities", "", ""),
    ] {
        cases.push((
            what,
            with_dtd(&types, dtd, "Types", inside),
            relations.clone(),
        ));
        cases.push((
            what,
            types.clone(),
            with_dtd(&relations, dtd, "Relationships", inside),
        ));
    }
    let inside = |inside: &str| types.replacen("</Types>", &format!("{inside}</Types>"), 1);
    for (what, types) in [
        ("an entity that nobody declared", inside("&x;")),
        ("an element without an end", inside("<a>")),
        ("nothing", String::new()),
        ("no XML", "x".repeat(1 << 20)),
        ("two roots", types.repeat(2)),
        ("another encoding", types.replacen("UTF-8", "UTF-7", 1)),
        ("depth", inside(&deep)),
        ("width", inside(&wide)),
        ("attributes", inside(&format!("<a{attributes}/>"))),
        (
            "a long comment",
            inside(&format!("<!--{}-->", "x".repeat(20 << 20))),
        ),
    ] {
        cases.push((what, types, relations.clone()));
    }
    let package = |(what, types, relations): (&'static str, String, String)| {
        let package = Package::with_lists(types, relations).and(Entry::stored(MAIN, "<main/>"));
        (what, package.bytes())
    };
    cases.into_iter().map(package).collect()
}

fn names() -> Vec<(&'static str, Vec<u8>)> {
    let named = |name: &str| document().and(Entry::stored(name, "x")).bytes();
    let mode = |mode: u32| {
        let entry = Entry::stored("word/link", "/etc/passwd");
        document()
            .and(Entry {
                attributes: mode << 16,
                ..entry
            })
            .bytes()
    };
    vec![
        ("a way out", named("../../etc/cron.d/x")),
        ("a way out from within", named("word/../../../x")),
        ("a way out for Windows", named("..\\..\\x")),
        ("an absolute name", named("/etc/passwd")),
        ("a drive", named("C:\\x")),
        ("a host", named("\\\\host\\share\\x")),
        ("an escaped way out", named("word/%2e%2e/%2e%2e/x")),
        ("a NUL", named("word/a\0.xml")),
        ("a name that is there already", named(MAIN)),
        ("the same in capitals", named("WORD/DOCUMENT.XML")),
        ("a symbolic link", mode(0o120_777)),
        ("a device", mode(0o020_666)),
        (
            "macros",
            Package::office("word/document.xml", "ms-word.document.macroEnabled").bytes(),
        ),
    ]
}

async fn are_refused(kind: &str, packages: Vec<(&'static str, Vec<u8>)>) {
    let target = Target::new().await;
    for (what, package) in &packages {
        let answer = target.upload(Form::of_file("a.docx", package)).await;
        let answer = answer.expect("an upload is answered");
        is_refused(what, Some(&answer));
        assert_eq!(answer.status, 400, "{what}: {answer}");
        target.is_well(what).await;
    }
    target.has_only(1).await;
    target.tell(packages.len(), &format!("packages, {kind}"));
}

#[tokio::test]
async fn bombs_are_refused() {
    are_refused("bombs", bombs()).await;
}

#[tokio::test]
async fn what_is_two_things_at_once_is_refused() {
    are_refused("two things at once", polyglots()).await;
}

#[tokio::test]
async fn xml_that_is_made_to_trip_is_refused() {
    are_refused("XML", xml()).await;
}

#[tokio::test]
async fn entries_that_lead_outside_are_refused() {
    are_refused("names of entries", names()).await;
}
