//! Genuine documents of any size, none of them in memory as a whole.

use std::{
    convert::Infallible,
    io::{Read, Seek, SeekFrom, Write},
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use bytes::Bytes;
use consign_core::testing::sample_bytes;
use consign_http::testing::Form;
use http_body::{Body, Frame, SizeHint};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Bytes of each frame of a body, which is what hyper comes to read at once from a busy socket.
const FRAME: usize = 64 * 1024;

/// What the video of a presentation is made of, over and over.
const BLOCK: usize = FRAME;

const TYPES: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">"#,
    r#"<Default Extension="rels" "#,
    r#"ContentType="application/vnd.openxmlformats-package.relationships+xml"/>"#,
    r#"<Default Extension="xml" ContentType="application/xml"/>"#,
    r#"<Default Extension="mp4" ContentType="video/mp4"/>"#,
    r#"<Override PartName="/ppt/presentation.xml" ContentType="application/"#,
    r#"vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"/></Types>"#,
);

const RELATIONSHIPS: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">"#,
    r#"<Relationship Id="r1" Target="ppt/presentation.xml" Type="http://schemas.openxmlformats"#,
    r#".org/officeDocument/2006/relationships/officeDocument"/></Relationships>"#,
);

/// The package of a presentation, to which more parts can be added.
pub fn presentation<W: Write + Seek>(to: W) -> ZipWriter<W> {
    let mut package = ZipWriter::new(to);
    for (name, content) in [
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", RELATIONSHIPS),
        ("ppt/presentation.xml", "<x/>"),
    ] {
        add(&mut package, name, CompressionMethod::Deflated);
        package.write_all(content.as_bytes()).expect("room");
    }
    package
}

/// Begins a part.
pub fn add<W: Write + Seek>(package: &mut ZipWriter<W>, name: &str, method: CompressionMethod) {
    let options = SimpleFileOptions::default().compression_method(method);
    package.start_file(name, options).expect("a name of a part");
}

/// A presentation with a stored video.
pub struct Document {
    /// Up to the video.
    head: Vec<u8>,
    /// Bytes of the video.
    video: usize,
    /// The video's block, twice, so that any `BLOCK` bytes of a video lie in it.
    pattern: Bytes,
    /// Behind the video.
    tail: Vec<u8>,
}

impl Document {
    /// A document of `size` bytes. A temporary file holds it for a moment.
    pub fn of(size: usize) -> Self {
        let least = 64;
        let small = Self::with_video(least);
        let around = small.head.len() + small.tail.len();
        let video = size.checked_sub(around).filter(|&video| video >= least);
        Self::with_video(video.expect("a document has about a thousand bytes at least"))
    }

    fn with_video(video: usize) -> Self {
        let block = sample_bytes(1, BLOCK);
        let file = tempfile::tempfile().expect("a temporary file");
        let mut package = presentation(file);
        add(&mut package, "ppt/media/a.mp4", CompressionMethod::Stored);
        let mut left = video;
        while left > 0 {
            let len = left.min(BLOCK);
            package.write_all(&block[..len]).expect("room");
            left -= len;
        }
        let mut file = package.finish().expect("room");
        let mut head = vec![0; 4096.min(file.stream_position().expect("a file") as usize)];
        file.rewind().expect("a file");
        file.read_exact(&mut head).expect("a file that was written");
        let mut starts = head.windows(16);
        let start = starts.position(|bytes| bytes == &block[..16]);
        head.truncate(start.expect("the video follows the other parts"));
        let mut tail = Vec::new();
        let end = (head.len() + video) as u64;
        file.seek(SeekFrom::Start(end)).expect("a file");
        file.read_to_end(&mut tail).expect("a file");
        Self {
            head,
            video,
            pattern: [&block[..], &block[..]].concat().into(),
            tail,
        }
    }

    /// All of it at once.
    pub fn bytes(&self) -> Vec<u8> {
        let frames = self.frames(Vec::new(), &[]);
        frames.concat()
    }

    /// The body of a form (of [`Form`]'s boundary) whose file it is.
    pub fn form(&self, filename: &str) -> Frames {
        let (_, form) = Form::of_file(filename, b"").finish();
        let headers = form.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let (head, tail) = form.split_at(headers.expect("headers end") + 4);
        Frames::new(self.frames(head.to_vec(), tail))
    }

    /// The document between `before` and `after`, in full frames up to the last.
    fn frames(&self, before: Vec<u8>, after: &[u8]) -> Vec<Bytes> {
        let video = |at: usize, len: usize| self.pattern.slice(at % BLOCK..at % BLOCK + len);
        let mut first = before;
        first.extend_from_slice(&self.head);
        let mut at = self.video.min(FRAME - first.len());
        first.extend_from_slice(&video(0, at));
        let mut frames = vec![Bytes::from(first)];
        while self.video - at >= FRAME {
            frames.push(video(at, FRAME));
            at += FRAME;
        }
        let rest = [&video(at, self.video - at)[..], &self.tail, after].concat();
        match &mut frames[..] {
            // Small ones come in one piece.
            [only] if only.len() + rest.len() <= FRAME => {
                *only = [&only[..], &rest].concat().into()
            }
            _ => frames.push(rest.into()),
        }
        frames
    }
}

/// A body that is there already, frame by frame.
#[derive(Clone)]
pub struct Frames {
    frames: vec::IntoIter<Bytes>,
    left: u64,
}

impl Frames {
    fn new(frames: Vec<Bytes>) -> Self {
        Self {
            left: frames.iter().map(|frame| frame.len() as u64).sum(),
            frames: frames.into_iter(),
        }
    }

    /// These bytes, in full frames up to the last.
    pub fn of(bytes: &Bytes) -> Self {
        let starts = (0..bytes.len()).step_by(FRAME);
        Self::new(
            starts
                .map(|at| bytes.slice(at..bytes.len().min(at + FRAME)))
                .collect(),
        )
    }

    /// Bytes that are still to come.
    pub fn len(&self) -> u64 {
        self.left
    }
}

/// What is left of them.
impl IntoIterator for Frames {
    type Item = Bytes;
    type IntoIter = vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.frames
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.next();
        self.left -= frame.as_ref().map_or(0, |frame| frame.len() as u64);
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
