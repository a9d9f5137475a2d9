//! Genuine documents of any size, with padding that is stored as it is.

use std::io::{Cursor, Seek, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A small generator of numbers (xorshift64*), so that every run makes the same ones.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// One of the numbers from `from` up to, and without, `to`.
    pub fn within(&mut self, from: usize, to: usize) -> usize {
        from + (self.next() % (to - from) as u64) as usize
    }
}

/// A document with this many bytes of padding.
pub fn docx(seed: u64, padding: usize) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::with_capacity(padding + 2000));
    write_docx(&mut bytes, seed, padding as u64);
    bytes.into_inner()
}

/// Writes a document with this many bytes of padding.
pub fn write_docx(to: impl Write + Seek, seed: u64, padding: u64) {
    let types = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
        <Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
        <Default Extension=\"rels\" \
        ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
        <Default Extension=\"bin\" ContentType=\"application/octet-stream\"/>\
        <Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-\
        officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let relationships = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
        <Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
        <Relationship Id=\"r1\" Target=\"word/document.xml\" Type=\"http://schemas.openxmlformats\
        .org/officeDocument/2006/relationships/officeDocument\"/></Relationships>";
    let mut package = ZipWriter::new(to);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [
        ("[Content_Types].xml", types),
        ("_rels/.rels", relationships),
        ("word/document.xml", "<x>a document</x>"),
    ] {
        package.start_file(name, stored).unwrap();
        package.write_all(content.as_bytes()).unwrap();
    }
    package.start_file("word/padding.bin", stored).unwrap();
    // A block that is repeated: what matters is that documents differ, and that none packs to nothing.
    let mut numbers = Numbers::new(seed);
    let block: Vec<u8> = (0..8192)
        .flat_map(|_| numbers.next().to_le_bytes())
        .collect();
    let mut left = padding;
    while left > 0 {
        let len = left.min(block.len() as u64);
        package.write_all(&block[..len as usize]).unwrap();
        left -= len;
    }
    package.finish().unwrap();
}
