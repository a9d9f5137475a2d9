//! The bodies of answers.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use consign_core::store::ByteStream;
use futures_util::{FutureExt, Stream, StreamExt};
use http_body::{Frame, SizeHint};
use sync_wrapper::SyncWrapper;
use tracing::Span;

use crate::observe::Sent;

/// The body of an answer: bytes, or a stream of a known length.
pub struct Body(Kind);

enum Kind {
    Full(Bytes),
    Stream {
        /// What it gave first, until it is taken.
        first: Option<Option<io::Result<Bytes>>>,
        stream: SyncWrapper<ByteStream>,
        remaining: u64,
        /// Who looks on, if anybody does, and within what it is told.
        seen: Option<Box<(Sent, Span)>>,
    },
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self(Kind::Full(Bytes::new()))
    }

    /// These bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Full(bytes.into()))
    }

    /// The bytes of a stream, which gives exactly `length` of them or an error.
    ///
    /// What it has at once is taken here: if that is all, the answer is sent in one piece.
    pub(crate) fn stream(mut stream: ByteStream, length: u64) -> Self {
        if length == 0 {
            return Self::empty();
        }
        let first = match stream.next().now_or_never() {
            Some(Some(Ok(bytes))) if bytes.len() as u64 == length => return Self::full(bytes),
            first => first,
        };
        Self(Kind::Stream {
            first,
            stream: SyncWrapper::new(stream),
            remaining: length,
            seen: None,
        })
    }

    /// Counts the bytes as they are handed on, and logs what goes wrong with them within `span`.
    pub(crate) fn observe(&mut self, sent: Sent, span: Span) {
        match &mut self.0 {
            // They go at once.
            Kind::Full(bytes) => sent.count(bytes.len()),
            Kind::Stream { seen, .. } => *seen = Some(Box::new((sent, span))),
        }
    }

    /// The bytes at once, or the body itself when they come as a stream.
    pub fn into_full(self) -> Result<Bytes, Self> {
        match self.0 {
            Kind::Full(bytes) => Ok(bytes),
            stream => Err(Self(stream)),
        }
    }

    /// How many bytes are still to come.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kind::Full(bytes) => bytes.len() as u64,
            Kind::Stream { remaining, .. } => *remaining,
        }
    }

    /// Whether no byte is still to come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        match &mut self.0 {
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Stream {
                first,
                stream,
                remaining,
                seen,
            } => {
                let chunk = match first.take() {
                    Some(first) => first,
                    None => {
                        let _within = seen.as_ref().map(|seen| seen.1.enter());
                        ready!(stream.get_mut().as_mut().poll_next(cx))
                    }
                };
                let chunk = chunk.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
                let taken = chunk.and_then(|chunk| {
                    let left = remaining.checked_sub(chunk.len() as u64);
                    let too_many = "a store gave more bytes than it was asked for";
                    *remaining = left.ok_or_else(|| io::Error::other(too_many))?;
                    if let Some(seen) = seen {
                        seen.0.count(chunk.len());
                    }
                    Ok(Frame::data(chunk))
                });
                if taken.is_err() {
                    // A stream that has ended is not asked again.
                    self.0 = Kind::Full(Bytes::new());
                }
                Poll::Ready(Some(taken))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

/// The body as a stream, for front ends that take those.
impl Stream for Body {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = ready!(http_body::Body::poll_frame(self, cx));
        Poll::Ready(frame.map(|frame| Ok(frame?.into_data().unwrap_or_default())))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream};

    use super::*;

    #[test]
    fn nothing_follows_an_error_and_no_ended_stream_is_asked_again() {
        for (chunks, length) in [(vec![3, 3], 5), (vec![3], 5), (vec![3, 9], 5)] {
            let mut chunks = chunks.into_iter();
            let mut ended = false;
            let stream = stream::poll_fn(move |_| {
                assert!(!ended, "it had ended");
                let chunk = chunks.next().map(|len| Ok(Bytes::from(vec![0; len])));
                ended = chunk.is_none();
                Poll::Ready(chunk)
            });
            let mut body = Body::stream(Box::pin(stream), length);
            assert!(matches!(body.next().now_or_never(), Some(Some(Ok(_)))));
            assert!(matches!(body.next().now_or_never(), Some(Some(Err(_)))));
            assert!(matches!(body.next().now_or_never(), Some(None)));
            assert!(matches!(body.next().now_or_never(), Some(None)));
        }
    }
}
