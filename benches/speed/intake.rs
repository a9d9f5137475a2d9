//! The inspection of documents in memory.

use std::{
    cell::LazyCell,
    fmt::Write as _,
    io::{Cursor, Write},
};

use consign_core::{
    file::FileName,
    intake::{Intake, OfficeIntake},
};
use criterion::{BenchmarkId, Criterion, Throughput};
use zip::{CompressionMethod, write::SimpleFileOptions};

use crate::document::{self, Document};

/// An iteration is one inspection:
///
/// - `stored`: of a document of this size, almost all of it a video that is not packed;
/// - `packed`: of one whose text unpacks to this size, all of which may have to be unpacked;
/// - `parts`: of one that has so many parts.
pub fn intake(criterion: &mut Criterion) {
    let intake = OfficeIntake::default();
    let name = FileName::parse("a.pptx").expect("a name");
    let mut group = criterion.benchmark_group("intake");
    let mut inspect = |id, throughput, document: &dyn Fn() -> Vec<u8>| {
        let document = LazyCell::new(document);
        group.throughput(throughput);
        group.bench_function(id, |bencher| {
            let mut content = Cursor::new(&document[..]);
            bencher.iter(|| {
                content.set_position(0);
                let verdict = intake.inspect(&name, &mut content);
                verdict.expect("a genuine document")
            });
        });
    };
    for (size, bytes) in [
        ("1KiB", 1 << 10),
        ("100KiB", 100 << 10),
        ("10MiB", 10 << 20),
    ] {
        let id = BenchmarkId::new("stored", size);
        inspect(id, Throughput::Bytes(bytes as u64), &|| {
            Document::of(bytes).bytes()
        });
    }
    for (size, bytes) in [
        ("100KiB", 100 << 10),
        ("10MiB", 10 << 20),
        ("100MiB", 100 << 20),
    ] {
        let id = BenchmarkId::new("packed", size);
        inspect(id, Throughput::Bytes(bytes as u64), &|| packed(bytes));
    }
    for parts in [10, 100, 1000, 10_000] {
        let id = BenchmarkId::new("parts", parts);
        inspect(id, Throughput::Elements(parts), &|| of_parts(parts));
    }
    group.finish();
}

/// A document with `bytes` of packed text.
fn packed(bytes: usize) -> Vec<u8> {
    let mut package = document::presentation(Cursor::new(Vec::new()));
    // Quickly, as making the document is not measured.
    let options = SimpleFileOptions::default().compression_level(Some(1));
    let begun = package.start_file("ppt/slide.xml", options);
    begun.expect("a name of a part");
    let (mut text, mut left) = (String::new(), bytes);
    for n in 0.. {
        text.clear();
        for m in 0..100_u64 {
            // Numbers that do not repeat: it packs to about a third, as text does.
            let number = (n * 100 + m).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let _ = write!(text, "<a:t>{number}</a:t>");
        }
        let len = left.min(text.len());
        package.write_all(&text.as_bytes()[..len]).expect("room");
        left -= len;
        if left == 0 {
            break;
        }
    }
    package.finish().expect("room").into_inner()
}

/// A document of so many parts, most of them a few bytes long.
fn of_parts(parts: u64) -> Vec<u8> {
    let mut package = document::presentation(Cursor::new(Vec::new()));
    // Three are there already.
    for n in 3..parts {
        let name = format!("ppt/slides/slide{n}.xml");
        document::add(&mut package, &name, CompressionMethod::Deflated);
        package.write_all(b"<p:sld/>").expect("room");
    }
    package.finish().expect("room").into_inner()
}
