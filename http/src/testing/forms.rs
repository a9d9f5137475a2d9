//! multipart/form-data bodies and small genuine documents, made here so that each byte is known.

const BOUNDARY: &str = "---------------------------9051914041544843365972754266";

/// A multipart/form-data body (RFC 7578), part by part.
#[derive(Clone, Debug, Default)]
pub struct Form {
    bytes: Vec<u8>,
}

impl Form {
    /// A form without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// A form of one file, in the part that the API takes.
    pub fn of_file(filename: &str, content: &[u8]) -> Self {
        Self::new().file("file", filename, content)
    }

    /// The form with a part that is no file.
    pub fn field(self, name: &str, value: &str) -> Self {
        let disposition = format!("form-data; name=\"{name}\"");
        self.part(disposition.as_bytes(), value.as_bytes())
    }

    /// The form with a file.
    pub fn file(self, name: &str, filename: &str, content: &[u8]) -> Self {
        let disposition = format!("form-data; name=\"{name}\"; filename=\"{filename}\"");
        self.part(disposition.as_bytes(), content)
    }

    /// A part with this `Content-Disposition`.
    pub fn part(self, disposition: &[u8], content: &[u8]) -> Self {
        let header = [b"Content-Disposition: ", disposition].concat();
        self.raw_part(&header, content)
    }

    /// A part with these header lines.
    pub fn raw_part(self, headers: &[u8], content: &[u8]) -> Self {
        let open = format!("--{BOUNDARY}\r\n");
        self.raw(open.as_bytes())
            .raw(headers)
            .raw(b"\r\n\r\n")
            .raw(content)
            .raw(b"\r\n")
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The content type that goes with it.
    pub fn content_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    /// The body without its last line.
    pub fn unfinished(self) -> Vec<u8> {
        self.bytes
    }

    /// The content type and the body.
    pub fn finish(self) -> (String, Vec<u8>) {
        let end = format!("--{BOUNDARY}--\r\n");
        (Self::content_type(), self.raw(end.as_bytes()).bytes)
    }
}

/// A kind of document.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its extension, without the dot.
    pub extension: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// The path of its main part.
    main: &'static str,
}

/// Word.
pub const DOCX: Kind = Kind {
    extension: "docx",
    media_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    main: "word/document.xml",
};

/// Excel.
pub const XLSX: Kind = Kind {
    extension: "xlsx",
    media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    main: "xl/workbook.xml",
};

/// PowerPoint.
pub const PPTX: Kind = Kind {
    extension: "pptx",
    media_type: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    main: "ppt/presentation.xml",
};

impl Kind {
    /// A small genuine document that says `text`, which holds nothing that XML would escape.
    pub fn document(&self, text: &str) -> Vec<u8> {
        let (media_type, main) = (self.media_type, self.main);
        let types = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
             <Default Extension=\"rels\" \
             ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"bin\" ContentType=\"application/octet-stream\"/>\
             <Override PartName=\"/{main}\" ContentType=\"{media_type}.main+xml\"/></Types>"
        );
        let relationships = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
             <Relationship Id=\"r1\" Target=\"{main}\" Type=\"http://schemas.openxmlformats.org/\
             officeDocument/2006/relationships/officeDocument\"/></Relationships>"
        );
        zip(&[
            ("[Content_Types].xml", types.as_bytes()),
            ("_rels/.rels", relationships.as_bytes()),
            (main, format!("<x>{text}</x>").as_bytes()),
        ])
    }

    /// A document of exactly `size` bytes, no two of them much alike.
    pub fn document_of(&self, size: usize) -> Vec<u8> {
        let empty = self.document("").len();
        let filler: String = (0..size.saturating_sub(empty))
            .map(|at| char::from(b'a' + (at.wrapping_mul(at) / 7 % 26) as u8))
            .collect();
        let document = self.document(&filler);
        assert_eq!(
            document.len(),
            size,
            "a document has at least {empty} bytes"
        );
        document
    }
}

/// A zip archive whose entries are stored as they are (APPNOTE, section 4.3).
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let offset = archive.len() as u32;
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend_from_slice(&crc32(content).to_le_bytes());
        for _ in ["packed", "unpacked"] {
            common.extend_from_slice(&(content.len() as u32).to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        archive.extend_from_slice(b"PK\x03\x04");
        archive.extend_from_slice(&common);
        archive.extend_from_slice(name.as_bytes());
        archive.extend_from_slice(content);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (size, offset) = (directory.len() as u32, archive.len() as u32);
    archive.extend_from_slice(&directory);
    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    archive.extend_from_slice(&count);
    archive.extend_from_slice(&count);
    archive.extend_from_slice(&size.to_le_bytes());
    archive.extend_from_slice(&offset.to_le_bytes());
    archive.extend_from_slice(&[0, 0]);
    archive
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes
        .iter()
        .fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}
