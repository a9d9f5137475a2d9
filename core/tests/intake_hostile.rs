//! What the default intake refuses: archives made to trick or to exhaust their readers.
#![cfg(feature = "intake")]

use std::io::Cursor;

use consign_core::intake::OfficeIntake;

#[path = "support/intake.rs"]
mod intake;
#[path = "support/package.rs"]
mod package;

use intake::{accepted, inspect, inspect_with, is_refused, refuses, refuses_bytes};
use package::{Entry, Package, Zip64, crc32, document};

fn with(name: &str) -> Package {
    document().and(Entry::stored(name, "x"))
}

#[test]
fn names_that_collide_are_refused() {
    for name in [
        "word/document.xml",
        "Word/Document.XML",
        "word/%64ocument.xml",
        "word\\document.xml",
    ] {
        refuses(name, &with(name), "same name");
    }
    refuses(
        "a folder of a part's name",
        &with("word/document.xml/"),
        "same name",
    );
}

#[test]
fn names_that_lead_outside_are_refused() {
    for name in [
        "word/../../x",
        "word\\..\\..\\x",
        "word/%2e%2e/%2e%2e/x",
        "..",
        "/etc/passwd",
        "\\\\host\\x",
        "C:x",
        "word/a\0.xml",
        "",
    ] {
        refuses(name, &with(name), "leads outside of it or is malformed");
    }
}

#[test]
fn entries_of_other_kinds_are_refused() {
    let mode = |mode: u32| with("word/a").but(|entry| entry.attributes = mode << 16);
    refuses("a symlink", &mode(0o120_777), "a link or a special file");
    refuses("a device", &mode(0o020_666), "a link or a special file");

    let flag = |bit: u16| with("word/a").but(|entry| entry.flags = 1 << bit);
    refuses("encrypted", &flag(0), "encrypted");
    refuses("strongly encrypted", &flag(6), "encrypted");
    refuses("with an encrypted directory", &flag(13), "encrypted");

    let method = |method: u16| with("word/a").but(|entry| entry.method = method);
    refuses("Deflate64", &method(9), "packed in a way");
    refuses("bzip2", &method(12), "packed in a way");
}

/// Gives the unpacked size in a ZIP64 field.
fn zip64_sizes(local: &mut Entry, unpacked: u64) {
    let packed = local.packed.len() as u64;
    local.unpacked_len = u32::MAX.into();
    local.local_extra = [
        &[1, 0, 16, 0],
        &unpacked.to_le_bytes()[..],
        &packed.to_le_bytes(),
    ]
    .concat();
}

/// A field that gives a name in UTF-8, and the checksum of the one it stands for.
fn unicode_path(checksum: u32, name: &str) -> Vec<u8> {
    let len = u16::try_from(5 + name.len()).expect("short");
    let parts = [&[0x75, 0x70], &len.to_le_bytes()[..], &[1]].concat();
    [&parts, &checksum.to_le_bytes()[..], name.as_bytes()].concat()
}

#[test]
fn headers_that_contradict_each_other_are_refused() {
    type Bend = fn(&mut Entry);
    let local: [(&str, Bend); 5] = [
        ("another name", |local| local.name[5] = b'b'),
        ("another unpacked size", |local| local.unpacked_len += 1),
        ("another packed size", |local| local.packed.push(b'x')),
        ("another method", |local| local.method = 8),
        ("encryption", |local| local.flags = 1),
    ];
    for (what, bend) in local {
        let package = with("word/a").but(|entry| entry.local = Some(bend));
        refuses(what, &package, "contradict");
    }
    // Sizes may only be left out where a descriptor follows.
    let left_out = with("word/a").but(|entry| entry.local = Some(|local| local.unpacked_len = 0));
    refuses("no size", &left_out, "contradict");
    let zip64 = |unpacked| with("word/a").but(|entry| entry.local = Some(unpacked));
    let right = zip64(|local| zip64_sizes(local, 1));
    assert_eq!(inspect("docx", &right.bytes()), accepted("docx"));
    refuses(
        "another ZIP64 size",
        &zip64(|local| zip64_sizes(local, 2)),
        "contradict",
    );

    let bent = |change: fn(&mut Entry)| with("word/a").but(change);
    refuses(
        "two sizes of a stored part",
        &bent(|entry| entry.unpacked_len = 2),
        "as large as",
    );
    refuses(
        "data outside of the file",
        &bent(|entry| entry.shift = 1 << 30),
        "belong to none",
    );
    refuses(
        "an unlisted part",
        &bent(|entry| entry.unlisted = true),
        "does not list",
    );

    let right = crc32(b"word/a");
    let path = |checksum, name| {
        let field = unicode_path(checksum, name);
        with("word/a").but(|entry| entry.extra = field)
    };
    assert_eq!(
        inspect("docx", &path(right, "word/a").bytes()),
        accepted("docx")
    );
    for (checksum, name) in [
        (right, "word/b"),
        (right, "word/"),
        (0, "word/b"),
        (0, "word/a"),
    ] {
        let what = format!("{name} as Unicode path");
        refuses(&what, &path(checksum, name), "more than one way");
    }
    let local = |local: &mut Entry| local.local_extra = unicode_path(0, "word/b");
    refuses(
        "another Unicode path in the local header",
        &with("word/a").but(|entry| entry.local = Some(local)),
        "more than one way",
    );

    refuses(
        "an entry not counted",
        &Package {
            count: Some(2),
            ..document()
        },
        "more than one way",
    );
    refuses(
        "an entry too many counted",
        &Package {
            count: Some(4),
            ..document()
        },
        "damaged",
    );
    refuses(
        "no entry counted",
        &Package {
            count: Some(0),
            ..document()
        },
        "empty",
    );

    let zip64 = |saturated, count| {
        Some(Zip64 {
            saturated,
            count: Some(count),
        })
    };
    let two = Package {
        zip64: zip64(false, 2),
        ..document()
    };
    refuses("a ZIP64 record that differs", &two, "more than one archive");
    let absurd = Package {
        zip64: zip64(true, 1 << 60),
        ..document()
    };
    refuses(
        "a ZIP64 record with an absurd count",
        &absurd,
        "too many parts",
    );
}

#[test]
fn entries_that_overlap_are_refused() {
    let again = with("word/again.xml").but(|entry| entry.shares = Some(2));
    refuses("an entry listed twice", &again, "share the same bytes");

    // A whole entry within the stored data of another; both headers are right.
    let inner = Entry::stored("word/inner.xml", "x");
    let outer = "word/outer.bin";
    let within = Entry {
        shares: Some(3),
        shift: 30 + outer.len() as u32,
        ..inner.clone()
    };
    let inner = Package::default().and(inner).bytes();
    let package = document().and(Entry::stored(outer, inner)).and(within);
    refuses("an entry within another", &package, "share the same bytes");

    let gap = Package {
        before_directory: vec![0; 70_000],
        ..document()
    };
    refuses("many bytes of no entry", &gap, "belong to none");
}

#[test]
fn end_records_that_are_wrong_are_refused() {
    let zip64 = Package {
        zip64: Some(Zip64 {
            saturated: true,
            count: None,
        }),
        ..document()
    }
    .bytes();
    let record = zip64.len() - 22 - 20 - 56;
    for (what, at, word) in [
        ("the ZIP64 record's size", record + 4, "incomplete"),
        ("the ZIP64 record's disk", record + 16, "incomplete"),
        (
            "the ZIP64 record's count on this disk",
            record + 24,
            "incomplete",
        ),
        ("the ZIP64 locator's disk", record + 56 + 4, "incomplete"),
        ("the ZIP64 locator's offset", record + 56 + 8, "incomplete"),
        ("the record's disk", record + 76 + 4, "volumes"),
        (
            "the record's disk of the directory",
            record + 76 + 6,
            "volumes",
        ),
        (
            "the record's count on this disk",
            record + 76 + 8,
            "volumes",
        ),
    ] {
        let mut bent = zip64.clone();
        bent[at] ^= 1;
        refuses_bytes(what, &bent, word);
    }

    let long = |i: u8| Entry {
        extra: vec![0xFF; 60_000],
        ..Entry::stored(&format!("word/{i}"), "")
    };
    let long = (0..80).map(long).fold(document(), Package::and);
    refuses("a huge directory", &long, "table of contents is too large");
}

#[test]
fn what_holds_more_than_one_archive_is_refused() {
    let other = || Package::office("ppt/presentation.xml", "presentationml.presentation").bytes();
    let around = "put before or behind";
    refuses(
        "a program before it",
        &Package {
            prefix: b"MZ".to_vec(),
            ..document()
        },
        "(EXE)",
    );
    refuses(
        "an archive before it",
        &Package {
            prefix: other(),
            ..document()
        },
        around,
    );
    refuses(
        "an archive behind it",
        &Package {
            suffix: other(),
            ..document()
        },
        around,
    );
    refuses(
        "an archive as comment",
        &Package {
            comment: other(),
            ..document()
        },
        "more than one archive",
    );
    let padded = [other(), vec![0; 100]].concat();
    refuses(
        "an archive and padding",
        &Package {
            suffix: padded,
            ..document()
        },
        around,
    );
    let piece = other()[..40].to_vec();
    refuses(
        "a piece of one",
        &Package {
            suffix: piece,
            ..document()
        },
        "more than one archive",
    );
    let record = b"PK\x05\x06".to_vec();
    refuses(
        "half a record",
        &Package {
            suffix: record,
            ..document()
        },
        "incomplete",
    );
}

#[test]
fn two_archives_that_are_both_whole_are_refused() {
    let other = Package::office("ppt/presentation.xml", "presentationml.presentation");
    let mut first = document().bytes();
    let second = Package {
        base: first.len() as u32,
        ..other
    }
    .bytes();
    let both = [&first[..], &second].concat();
    assert!(is_refused(&inspect("pptx", &both), "belong to none"));

    // Some readers take the last record, others the one whose comment reaches the file's end.
    let comment_len = first.len() - 2;
    first[comment_len..].copy_from_slice(&(second.len() as u16).to_le_bytes());
    let both = [&first[..], &second].concat();
    assert!(is_refused(&inspect("pptx", &both), "more than one archive"));
}

#[test]
fn bombs_are_refused() {
    let intake = OfficeIntake::default()
        .max_entries(6)
        .max_unpacked(100_000)
        .max_ratio(20);
    let judge = |package: &Package| {
        inspect_with(&intake, "docx", &mut Cursor::new(package.bytes())).unwrap()
    };
    let zeros = |runs| Entry::zeros("word/zeros.bin", runs);
    let stored = |len| Entry::stored("word/film.bin", vec![1; len]);

    // Below the size the ratio does not matter, and above it only the ratio does.
    assert_eq!(judge(&document().and(zeros(380))), accepted("docx"));
    assert_eq!(
        judge(&document().and(zeros(380)).and(stored(20_000))),
        accepted("docx")
    );
    assert_eq!(judge(&document().and(stored(500_000))), accepted("docx"));

    let refuses = |what: &str, package: &Package, word: &str| {
        let outcome = judge(package);
        assert!(is_refused(&outcome, word), "{what}: {outcome:?}");
    };
    refuses(
        "a bomb",
        &document().and(zeros(500)),
        "far more than its size",
    );
    let two = document()
        .and(zeros(200))
        .and(Entry::zeros("word/zeros2.bin", 200));
    refuses("two small ones", &two, "far more than its size");

    let bent = |change: fn(&mut Entry)| document().and(zeros(300)).but(change);
    let lies = "as large as the file says";
    refuses(
        "a bomb that says less",
        &bent(|entry| entry.unpacked_len = 1000),
        lies,
    );
    refuses(
        "a bomb that says nothing",
        &bent(|entry| entry.unpacked_len = 0),
        lies,
    );
    refuses(
        "a part that says more",
        &bent(|entry| entry.unpacked_len += 1),
        lies,
    );
    refuses(
        "a part with another checksum",
        &bent(|entry| entry.crc += 1),
        lies,
    );
    refuses(
        "garbage as deflated data",
        &bent(|entry| entry.packed.fill(0xFF)),
        lies,
    );
    let described = bent(|entry| (entry.descriptor, entry.unpacked_len) = (true, 1000));
    refuses("a bomb before a descriptor", &described, lies);

    let parts = (0..4).map(|i| Entry::stored(&format!("word/{i}"), "x"));
    refuses(
        "too many parts",
        &parts.fold(document(), Package::and),
        "too many parts",
    );
}
