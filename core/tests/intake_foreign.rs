//! What the default intake refuses: sound archives that are something else.
#![cfg(feature = "intake")]

#[path = "support/intake.rs"]
mod intake;
#[path = "support/package.rs"]
mod package;

use intake::{refuses, refuses_bytes};
use package::{DOCUMENT, Entry, Package, content_types, relationships};

const MAIN: &str = "word/document.xml";

#[test]
fn main_parts_of_other_kinds_are_refused() {
    let kind = |content_type: &str| {
        Package::with_lists(content_types(MAIN, content_type), relationships(MAIN))
            .and(Entry::stored(MAIN, "<main/>"))
    };
    for (content_type, word) in [
        (
            "application/vnd.ms-word.document.macroEnabled.main+xml",
            "macro-enabled",
        ),
        (
            "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
            "macro-enabled",
        ),
        (
            "application/vnd.ms-excel.sheet.binary.macroEnabled.main",
            "a binary workbook",
        ),
        (
            "application/vnd.ms-visio.drawing.main+xml",
            "of another kind",
        ),
        ("application/xml", "of another kind"),
    ] {
        refuses(content_type, &kind(content_type), word);
    }
    for (kind, word) in [
        ("wordprocessingml.template", "a template"),
        ("presentationml.slideshow", "a slide show"),
        (
            "spreadsheetml.sheet",
            "an Excel workbook, but the name ends in .docx",
        ),
    ] {
        refuses(kind, &Package::office(MAIN, kind), word);
    }
}

#[test]
fn lists_that_mislead_are_refused() {
    let types = content_types(MAIN, DOCUMENT);
    let relationship = relationships(MAIN);
    let lists = |types: &str, relationships: &str| {
        Package::with_lists(types, relationships).and(Entry::stored(MAIN, "<main/>"))
    };

    let to = |target: &str| lists(&types, &relationships(target));
    refuses(
        "a main part that is not there",
        &to("word/document2.xml"),
        "missing",
    );
    let folder = to("word/folder").and(Entry::stored("word/folder/", ""));
    refuses("a folder as main part", &folder, "missing");
    refuses(
        "a main part outside",
        &to("../word/document.xml"),
        "leads outside",
    );
    let external = relationship.replace(" Id=", " TargetMode=\"External\" Id=");
    refuses(
        "a main part elsewhere",
        &lists(&types, &external),
        "lies outside",
    );
    let no_main = relationship.replace("officeDocument\"", "other\"");
    refuses("no main part", &lists(&types, &no_main), "no main part");
    let start = relationship.find("<Relationship ").unwrap();
    let two_mains = format!(
        "{}{}",
        relationship.replace("</Relationships>", ""),
        &relationship[start..]
    );
    refuses(
        "two main parts",
        &lists(&types, &two_mains),
        "more than one main part",
    );

    let two_types = types.replace(
        "</Types>",
        "<Override PartName=\"/Word/document.xml\" ContentType=\"x/y\"/></Types>",
    );
    refuses(
        "two types",
        &lists(&two_types, &relationship),
        "two content types",
    );
    let bomb = "<!DOCTYPE t [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]><Types";
    refuses(
        "entities",
        &lists(&types.replace("<Types", bomb), &relationship),
        "entities",
    );
    let entity = types.replace("<Default", "&b;<Default");
    refuses(
        "an entity in use",
        &lists(&entity, &relationship),
        "entities",
    );
    refuses("no XML", &lists("Types", &relationship), "malformed");
    let huge = types + &" ".repeat(1 << 20);
    refuses("a huge list", &lists(&huge, &relationship), "too large");

    let zeros = Entry::zeros("[Content_Types].xml", 1 << 14);
    let lying = Entry {
        unpacked_len: 100,
        ..zeros.clone()
    };
    refuses(
        "an exploding list",
        &Package::default().and(zeros),
        "too large",
    );
    let mut short = Entry::zeros("[Content_Types].xml", 1);
    short.unpacked_len += 1;
    refuses(
        "a list shorter than it says",
        &Package::default().and(short),
        "as large as",
    );
    refuses(
        "an exploding list that lies",
        &Package::default().and(lying),
        "as large as",
    );
}

#[test]
fn other_files_are_refused() {
    let fake = Package::default().and(Entry::stored("word/x", "x"));
    refuses("a zip archive with a folder `word`", &fake, "not a Word");
    let types = Entry::stored("[Content_Types].xml", content_types(MAIN, DOCUMENT));
    let alone = Package::default()
        .and(types)
        .and(Entry::stored(MAIN, "<main/>"));
    refuses("a package without relationships", &alone, "not a Word");
    refuses("an empty archive", &Package::default(), "not a Word");

    refuses_bytes("nothing", b"", "empty");
    refuses_bytes(
        "a compound file",
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        "password",
    );
    refuses_bytes("a PDF document", b"%PDF-1.7", "(PDF)");
    refuses_bytes("a zip archive's first bytes", b"PK\x03\x04", "incomplete");
}
