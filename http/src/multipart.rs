//! The file of a multipart/form-data body (RFC 7578), read with bounds and without buffering it.

use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use consign_core::store::BodyError;
use futures_util::{Stream, stream};
use http::{HeaderMap, header};
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::{
    BoxError,
    disposition::{self, Disposition},
};

/// Characters of a boundary (RFC 2046, section 5.1.1).
const BOUNDARY: std::ops::RangeInclusive<usize> = 1..=70;

/// Parts that a body has at most.
const MAX_PARTS: usize = 64;

/// Bytes that a body has at most beside its file: other fields, headers, boundaries.
const MAX_BESIDE: u64 = 1 << 20;

/// Bytes that are handed to the parser at once.
const PIECE: usize = 128 * 1024;

/// Frames of fewer bytes are put together first: the parser looks at all it holds for each piece.
const SMALL: usize = 4 * 1024;

/// Bytes that the parser holds at most without giving any of them: a part's headers, or what comes
/// before the first part, and two pieces on their way.
const MAX_HELD: u64 = 32 * 1024 + 2 * PIECE as u64;

/// A multipart body, up to its file.
pub(crate) struct Upload<'r> {
    multipart: Multipart<'r>,
    progress: Arc<Progress>,
    /// Bytes that the boundary takes before each part.
    boundary: u64,
    beside: u64,
    parts: usize,
}

/// The first part that is a file by the name of `file`.
pub(crate) struct FilePart<'r> {
    /// Its name as the client gave it; empty when no file was chosen.
    pub(crate) filename: String,
    upload: Upload<'r>,
    field: Option<Field<'r>>,
}

/// Why a body holds no file to store.
#[derive(Debug)]
pub(crate) enum MultipartError {
    /// The body ends early, or is not multipart/form-data.
    Broken(BoxError),
    /// There is more of it than is taken.
    TooLarge,
    /// The file's name is not UTF-8.
    NameNotUtf8,
}

impl<'r> Upload<'r> {
    /// The multipart body that `headers` announce; `None` when they announce none.
    ///
    /// `max_file` bounds what is read at all. Whether the file itself is too large is the
    /// service's to say, so there is room beside it.
    pub(crate) fn of<S>(headers: &HeaderMap, body: S, max_file: u64) -> Option<Self>
    where
        S: Stream<Item = Result<Bytes, BoxError>> + Send + Unpin + 'r,
    {
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let boundary = multer::parse_boundary(content_type).ok()?;
        if !BOUNDARY.contains(&boundary.len()) {
            return None;
        }
        let progress = Arc::<Progress>::default();
        let metered = Metered {
            body,
            pieces: Bytes::new(),
            end: None,
            taken: 0,
            progress: Arc::clone(&progress),
            asked: 0,
            steps: 0,
            given: false,
        };
        let line = boundary.len() as u64 + 6;
        let limit = SizeLimit::new().whole_stream(max_file.saturating_add(MAX_BESIDE));
        let constraints = Constraints::new().size_limit(limit);
        Some(Self {
            multipart: Multipart::with_constraints(metered, boundary, constraints),
            progress,
            boundary: line,
            beside: 0,
            parts: 0,
        })
    }

    /// The file's part, whatever stands before it; `None` when the body has none.
    pub(crate) async fn file(mut self) -> Result<Option<FilePart<'r>>, MultipartError> {
        while let Some(field) = self.next().await? {
            match is_file(&field)? {
                Some(filename) => {
                    return Ok(Some(FilePart {
                        filename,
                        upload: self,
                        field: Some(field),
                    }));
                }
                None => self.skip(field).await?,
            }
        }
        Ok(None)
    }

    async fn next(&mut self) -> Result<Option<Field<'r>>, MultipartError> {
        let field = self.progress.ask(self.multipart.next_field()).await?;
        self.parts += usize::from(field.is_some());
        if self.parts > MAX_PARTS {
            return Err(MultipartError::Broken("too many parts".into()));
        }
        // Its headers are read and gone; they count among what stands beside the file.
        if let Some(field) = &field {
            let headers = field.headers().iter();
            let len: usize = headers
                .map(|(name, value)| name.as_str().len() + value.len() + 4)
                .sum();
            self.pass(self.boundary + len as u64)?;
        }
        Ok(field)
    }

    /// Reads a part to its end, for nothing.
    async fn skip(&mut self, mut field: Field<'r>) -> Result<(), MultipartError> {
        while let Some(chunk) = self.progress.ask(field.chunk()).await? {
            self.pass(chunk.len() as u64)?;
        }
        Ok(())
    }

    fn pass(&mut self, len: u64) -> Result<(), MultipartError> {
        self.progress.made(len);
        self.beside += len;
        if self.beside > MAX_BESIDE {
            return Err(MultipartError::TooLarge);
        }
        Ok(())
    }
}

impl<'r> FilePart<'r> {
    /// The file's bytes. The stream ends well only when the whole body does: of a body that breaks
    /// off behind the file nobody can say whether it was meant.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'r {
        stream::try_unfold(self, |mut part| async move {
            let chunk = part.chunk().await.map_err(BodyError::from)?;
            Ok(chunk.map(|chunk| (chunk, part)))
        })
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        if let Some(field) = &mut self.field {
            if let Some(chunk) = self.upload.progress.ask(field.chunk()).await? {
                self.upload.progress.made(chunk.len() as u64);
                return Ok(Some(chunk));
            }
            self.field = None;
        }
        while let Some(field) = self.upload.next().await? {
            self.upload.skip(field).await?;
        }
        Ok(None)
    }
}

impl From<multer::Error> for MultipartError {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::StreamSizeExceeded { .. } => Self::TooLarge,
            error => Self::Broken(error.into()),
        }
    }
}

impl From<MultipartError> for BodyError {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::TooLarge => Self::TooLarge,
            MultipartError::Broken(cause) => Self::Incomplete(cause),
            MultipartError::NameNotUtf8 => Self::Incomplete("a name is not UTF-8".into()),
        }
    }
}

/// The filename of a part that is the file; `None` for any other part. multer's own reading of the
/// header knows no `filename*`.
fn is_file(field: &Field<'_>) -> Result<Option<String>, MultipartError> {
    let Some(value) = field.headers().get(header::CONTENT_DISPOSITION) else {
        return Ok(None);
    };
    match disposition::parse(value.as_bytes()) {
        Ok(Disposition {
            kind,
            name: Some(name),
            filename,
        }) if kind == "form-data" && name == "file" => Ok(filename),
        Ok(_) => Ok(None),
        Err(disposition::Error::NotUtf8) => Err(MultipartError::NameNotUtf8),
        Err(error) => Err(MultipartError::Broken(error.into())),
    }
}

/// What came out of the parser.
#[derive(Default)]
struct Progress {
    bytes: AtomicU64,
    /// How often something came out, be it of no bytes.
    steps: AtomicU64,
    /// How often the parser was asked to go on.
    asked: AtomicU64,
}

impl Progress {
    fn made(&self, len: u64) {
        self.bytes.fetch_add(len, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks the parser for what it answers.
    async fn ask<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        poll_fn(|cx| {
            self.asked.fetch_add(1, Ordering::Relaxed);
            answer.as_mut().poll(cx)
        })
        .await
    }
}

/// Hands a body to the parser in pieces, one at a time, and ends it when the parser keeps too much.
///
/// The parser reads on as long as its source has something, and bounds neither a part's headers nor
/// what comes before the first part. So it gets one piece, or the end, each time that it is asked to
/// go on, and there is a count of the bytes that went in and have not come out. And it reads before it
/// looks at what it has: so it gets nothing the first time that it is asked after a step, lest the end
/// come before what it still holds is out.
struct Metered<S> {
    body: S,
    pieces: Bytes,
    /// What came behind frames that were put together.
    end: Option<Option<BoxError>>,
    taken: u64,
    progress: Arc<Progress>,
    /// How often the parser had been asked, and had made a step, when it came last.
    asked: u64,
    steps: u64,
    /// Whether it was given something since it was asked last.
    given: bool,
}

impl<S> Metered<S> {
    /// Bytes that went in and have not come out.
    fn held(&self) -> u64 {
        let given = self.progress.bytes.load(Ordering::Relaxed);
        self.taken.saturating_sub(given)
    }

    /// Whether the parser has to come again for more, and whether that needs a reminder.
    fn pause(&mut self) -> Option<bool> {
        let asked = self.progress.asked.load(Ordering::Relaxed);
        if mem::replace(&mut self.asked, asked) == asked {
            // Where it was given nothing it has been reminded, or the body will do so.
            return Some(self.given);
        }
        self.given = false;
        let steps = self.progress.steps.load(Ordering::Relaxed);
        (mem::replace(&mut self.steps, steps) != steps).then_some(true)
    }
}

impl<S> Metered<S>
where
    S: Stream<Item = Result<Bytes, BoxError>> + Unpin,
{
    /// A frame of the body, or as many small ones as are there.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(end.map(Err));
        }
        let mut frames = BytesMut::new();
        for _ in 0..SMALL {
            match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(Some(Ok(frame))) if frames.is_empty() && frame.len() >= SMALL => {
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(Some(Ok(frame))) => frames.extend_from_slice(&frame),
                Poll::Ready(end) if frames.is_empty() => return Poll::Ready(end),
                Poll::Ready(end) => {
                    self.end = Some(end.and_then(Result::err));
                    break;
                }
                Poll::Pending if frames.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
            if frames.len() >= SMALL {
                break;
            }
        }
        Poll::Ready(Some(Ok(frames.freeze())))
    }
}

impl<S> Stream for Metered<S>
where
    S: Stream<Item = Result<Bytes, BoxError>> + Unpin,
{
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(remind) = self.pause() {
            if remind {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        if self.pieces.is_empty() {
            match ready!(self.poll_frames(cx)) {
                Some(Ok(frames)) => self.pieces = frames,
                end => {
                    self.given = true;
                    return Poll::Ready(end);
                }
            }
        }
        let len = self.pieces.len().min(PIECE);
        let piece = self.pieces.split_to(len);
        self.taken += len as u64;
        if self.held() > MAX_HELD {
            let error = "the headers of a part, or what comes before the first, are too long";
            return Poll::Ready(Some(Err(error.into())));
        }
        self.given = true;
        Poll::Ready(Some(Ok(piece)))
    }
}
