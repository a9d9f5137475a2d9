//! The bodies of requests: read with bounds, and drained when an answer comes before their end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use metrics::Counter;

use crate::{BoxError, observe::Meters, problem::Failure};

/// How much of a body is read after its answer, and for how long: enough for a client to come to
/// look for the answer, little enough to cost nothing.
const DRAIN_BYTES: u64 = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// The body of a request, whatever the front end brought it as.
pub(crate) struct RequestBody {
    body: UnsyncBoxBody<Bytes, BoxError>,
    /// The client waits to be told to go on (RFC 9110, section 10.1.1), which the first read does.
    waits: bool,
    ended: bool,
    /// Bytes that were read.
    read: Counter,
}

impl RequestBody {
    pub(crate) fn new<B>(body: B, headers: &HeaderMap, meters: &Meters) -> Self
    where
        B: http_body::Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        let ended = body.is_end_stream();
        let body = body
            .map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            .map_err(Into::into);
        let expect = headers.get(header::EXPECT);
        Self {
            body: UnsyncBoxBody::new(body),
            waits: expect
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")),
            ended,
            read: meters.request_bytes.clone(),
        }
    }

    /// The whole body, of at most `limit` bytes.
    pub(crate) async fn read(&mut self, limit: usize) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk.map_err(Failure::incomplete)?;
            if whole.len() + chunk.len() > limit {
                return Err(Failure::too_large("The request body is too large"));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Goes on reading what the client still sends, beside the answer: a connection that is closed
    /// with unread bytes is reset, and the client would never see the answer.
    pub(crate) fn drain(mut self) {
        // Most bodies have been read, or never were; that is known without a task of its own.
        if self.ended || self.waits || matches!(self.next().now_or_never(), Some(None)) {
            return;
        }
        tokio::spawn(tokio::time::timeout(DRAIN_TIME, async move {
            let mut left = DRAIN_BYTES;
            while let Some(Ok(chunk)) = self.next().await {
                match left.checked_sub(chunk.len() as u64) {
                    Some(less) => left = less,
                    None => break,
                }
            }
        }));
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.waits = false;
        loop {
            let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut self.body), cx));
            let item = match frame {
                // Trailers mean nothing here.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.read.increment(data.len() as u64);
                        Some(Ok(data))
                    }
                    Err(_) => continue,
                },
                Some(Err(error)) => Some(Err(error)),
                None => None,
            };
            self.ended = !matches!(item, Some(Ok(_)));
            return Poll::Ready(item);
        }
    }
}
