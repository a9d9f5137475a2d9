//! What a connection is doing, and by when it has to have done it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Duration, Instant},
};

use crate::options::Limits;

/// No time.
const NEVER: u64 = u64::MAX;

/// What a connection is doing. Times are milliseconds since it was accepted.
#[derive(Debug)]
pub(crate) struct Watch {
    accepted: Instant,
    limits: Limits,
    /// Requests whose answers have not gone out whole.
    running: AtomicUsize,
    /// Requests so far.
    requests: AtomicU64,
    /// Since when nothing is running.
    idle_since: AtomicU64,
    /// Since when a request's head is coming in.
    head_since: AtomicU64,
    /// Since when the client takes no bytes.
    stalled_since: AtomicU64,
}

impl Watch {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            accepted: Instant::now(),
            limits,
            running: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(NEVER),
            stalled_since: AtomicU64::new(NEVER),
        })
    }

    /// When the connection is to be closed if it goes on as it is. A request's body is watched where
    /// it is read; while a request is running, only an answer that is not taken counts here.
    pub(crate) fn deadline(&self) -> Instant {
        let running = self.running.load(Ordering::Acquire) > 0;
        let (since, limit) = if running {
            match self.stalled_since.load(Ordering::Relaxed) {
                NEVER => (self.now(), self.limits.body),
                stalled => (stalled, self.limits.body),
            }
        } else {
            let first = self.requests.load(Ordering::Relaxed) == 0;
            match self.head_since.load(Ordering::Relaxed) {
                NEVER if first => (0, self.limits.header),
                NEVER => (self.idle_since.load(Ordering::Relaxed), self.limits.idle),
                head => (head, self.limits.header),
            }
        };
        self.accepted + Duration::from_millis(since) + limit
    }

    /// A request has come in; it runs until the value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(NEVER, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    fn received(&self) {
        if self.running.load(Ordering::Acquire) == 0 {
            let unset = self.head_since.load(Ordering::Relaxed) == NEVER;
            if unset {
                self.head_since.store(self.now(), Ordering::Relaxed);
            }
        }
    }

    fn sent(&self, pending: bool) {
        let stalled = self.stalled_since.load(Ordering::Relaxed);
        if pending && stalled == NEVER {
            self.stalled_since.store(self.now(), Ordering::Relaxed);
        } else if !pending && stalled != NEVER {
            self.stalled_since.store(NEVER, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }
}

/// A request that is running.
#[derive(Debug)]
pub(crate) struct Running(Arc<Watch>);

impl Drop for Running {
    fn drop(&mut self) {
        let watch = &self.0;
        watch.idle_since.store(watch.now(), Ordering::Relaxed);
        watch.running.fetch_sub(1, Ordering::AcqRel);
    }
}

pin_project! {
    /// An answer's body, with the request that runs until it has gone out.
    pub(crate) struct Answer<B> {
        #[pin]
        pub(crate) body: B,
        pub(crate) running: Running,
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// A connection's bytes, watched.
    pub(crate) struct Watched<S> {
        #[pin]
        pub(crate) stream: S,
        pub(crate) watch: Arc<Watch>,
    }
}

impl<S: AsyncRead> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        ready!(this.stream.poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            this.watch.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.stream.poll_write(cx, buffer);
        this.watch.sent(written.is_pending());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.stream.poll_write_vectored(cx, buffers);
        this.watch.sent(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}
