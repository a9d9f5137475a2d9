//! What a connection is doing, and by when it has to have done it.

use std::{
    collections::HashMap,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Duration, Instant, Sleep, sleep_until},
};

use crate::{BoxError, options::Limits, pace::Pace, peers::Turn};

/// No time.
const NEVER: u64 = u64::MAX;

/// Bytes at once of an HTTP/2 answer that count as one that was taken. Fewer are the frames by which
/// a connection that serves nobody is kept alive, each in a record of TLS or not.
const MIN_TAKEN: usize = 128;

/// What a connection is doing. Times are milliseconds since it was accepted.
#[derive(Debug)]
pub(crate) struct Watch {
    accepted: Instant,
    limits: Limits,
    /// Whether other frames come between the heads of requests.
    http2: AtomicBool,
    /// Parts of requests that are not over: bodies that are read, answers that are made or sent.
    running: AtomicUsize,
    /// Answers among them that go on when the client has taken more.
    waiting: AtomicUsize,
    /// Requests so far.
    requests: AtomicU64,
    /// Since when nothing is running.
    idle_since: AtomicU64,
    /// Since when a request's head is coming in.
    head_since: AtomicU64,
    /// Since when the connection takes no bytes.
    stalled_since: AtomicU64,
    /// When some of an answer was last taken.
    taken_at: AtomicU64,
    /// Whether an answer of HTTP/1.1 broke off, and the connection with it.
    broken_off: AtomicBool,
    /// By when the answers that wait for the client have to be taken, each by a number of its own.
    due: Mutex<HashMap<u64, u64>>,
    /// The first of those times.
    first_due: AtomicU64,
}

impl Watch {
    pub(crate) fn new(accepted: Instant, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            accepted,
            limits,
            http2: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(NEVER),
            stalled_since: AtomicU64::new(NEVER),
            taken_at: AtomicU64::new(0),
            broken_off: AtomicBool::new(false),
            due: Mutex::default(),
            first_due: AtomicU64::new(NEVER),
        })
    }

    /// Which HTTP the client speaks; what came before it was no head of a request.
    pub(crate) fn speaks(&self, http2: bool) {
        self.http2.store(http2, Ordering::Relaxed);
        self.head_since.store(NEVER, Ordering::Relaxed);
    }

    /// When the connection is to be closed if it goes on as it is. A request's body is watched where
    /// it is read; while a request is running, only answers that are not taken count here.
    pub(crate) fn deadline(&self) -> Instant {
        let limits = &self.limits;
        let taken_at = self.taken_at.load(Ordering::Relaxed);
        let stalled_since = self.stalled_since.load(Ordering::Relaxed);
        let running = self.running.load(Ordering::Acquire);
        let (since, limit) = if stalled_since != NEVER {
            (stalled_since, limits.body)
        } else if running > 0 {
            let waiting = self.waiting.load(Ordering::Acquire) == running;
            (if waiting { taken_at } else { self.now() }, limits.body)
        } else {
            let first = self.requests.load(Ordering::Relaxed) == 0;
            match self.head_since.load(Ordering::Relaxed) {
                NEVER if first => (0, limits.header),
                // The end of the last answer may still be on its way.
                NEVER => {
                    let since = self.idle_since.load(Ordering::Relaxed).max(taken_at);
                    (since, limits.idle)
                }
                head => (head, limits.header),
            }
        };
        let deadline = self.accepted + Duration::from_millis(since) + limit;
        match self.first_due.load(Ordering::Acquire) {
            NEVER => deadline,
            due => deadline.min(self.accepted + Duration::from_millis(due)),
        }
    }

    /// Whether nothing is running and all answers have gone out. What an HTTP/2 connection still
    /// holds back is not known here.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.is_http2() && self.is_between()
    }

    /// Whether no request is running, and what was handed on was whole and has gone out.
    pub(crate) fn is_between(&self) -> bool {
        self.running.load(Ordering::Acquire) == 0
            && !self.broken_off.load(Ordering::Relaxed)
            && self.stalled_since.load(Ordering::Relaxed) == NEVER
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// A request has come in.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(NEVER, Ordering::Relaxed);
        self.run(number)
    }

    fn run(self: &Arc<Self>, number: u64) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running {
            watch: Arc::clone(self),
            waits: None,
            number,
        }
    }

    fn received(&self) {
        if !self.is_http2() && self.running.load(Ordering::Acquire) == 0 {
            let unset = self.head_since.load(Ordering::Relaxed) == NEVER;
            if unset {
                self.head_since.store(self.now(), Ordering::Relaxed);
            }
        }
    }

    fn sent(&self, written: &Poll<io::Result<usize>>) {
        let stalled = self.stalled_since.load(Ordering::Relaxed) != NEVER;
        match written {
            Poll::Pending if !stalled => self.stalled_since.store(self.now(), Ordering::Relaxed),
            Poll::Ready(_) if stalled => self.stalled_since.store(NEVER, Ordering::Relaxed),
            _ => {}
        }
        let least = if self.is_http2() { MIN_TAKEN } else { 1 };
        if matches!(written, Poll::Ready(Ok(bytes)) if *bytes >= least) {
            self.taken();
        }
    }

    /// Sets by when an answer has to be taken; `None` when it does not wait for the client.
    fn set_due(&self, answer: u64, due: Option<u64>) {
        // The map is whole between any two calls, so a panic elsewhere does not spoil it.
        let mut all = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        match due {
            Some(due) => all.insert(answer, due),
            None => all.remove(&answer),
        };
        let first = all.values().min().copied().unwrap_or(NEVER);
        self.first_due.store(first, Ordering::Release);
    }

    fn taken(&self) {
        self.taken_at.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }
}

/// A part of a request, which runs until the value is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    watch: Arc<Watch>,
    /// When it began to wait for the client to take what there is; it does not when `None`.
    waits: Option<u64>,
    /// Its number among the requests of the connection.
    number: u64,
}

impl Running {
    /// Another part of the same request.
    pub(crate) fn and(&self) -> Self {
        self.watch.run(self.number)
    }

    /// From now on it goes on when the client has taken what there is.
    fn wait(&mut self, pace: &Pace) {
        if self.waits.is_some() {
            return;
        }
        let (watch, now) = (&self.watch, self.watch.now());
        self.waits = Some(now);
        watch.taken();
        watch.waiting.fetch_add(1, Ordering::AcqRel);
        if let Some(left) = pace.left() {
            let left = u64::try_from(left.as_millis()).unwrap_or(NEVER);
            watch.set_due(self.number, Some(now.saturating_add(left)));
        }
    }

    /// Its answer ends before it is whole.
    fn break_off(&self) {
        if !self.watch.is_http2() {
            self.watch.broken_off.store(true, Ordering::Relaxed);
        }
    }

    /// Waits for `turn`, which comes when the client has taken another answer.
    pub(crate) async fn queue<T>(&mut self, turn: impl Future<Output = T>) -> T {
        self.waits = Some(self.watch.now());
        self.watch.waiting.fetch_add(1, Ordering::AcqRel);
        let turn = turn.await;
        self.go_on();
        turn
    }

    /// It goes on now; how long it has waited.
    fn go_on(&mut self) -> Duration {
        let Some(since) = self.waits.take() else {
            return Duration::ZERO;
        };
        self.watch.waiting.fetch_sub(1, Ordering::AcqRel);
        self.watch.set_due(self.number, None);
        Duration::from_millis(self.watch.now().saturating_sub(since))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.go_on();
        let watch = &self.watch;
        watch.idle_since.store(watch.now(), Ordering::Relaxed);
        watch.running.fetch_sub(1, Ordering::AcqRel);
    }
}

pin_project! {
    /// A request's body, which runs until nobody reads it any more. It breaks off when nothing of it
    /// comes for too long, or too little.
    pub(crate) struct Received<B> {
        #[pin]
        body: B,
        // The end of the time that the client is waited for, while it is.
        #[pin]
        alarm: Option<Sleep>,
        // Since when it is.
        waits: Option<Instant>,
        pace: Pace,
        silence: Duration,
        _running: Running,
    }
}

impl<B> Received<B> {
    pub(crate) fn new(body: B, limits: &Limits, running: Running) -> Self {
        Self {
            body,
            alarm: None,
            waits: None,
            pace: Pace::new(limits.body, limits.rate),
            silence: limits.body,
            _running: running,
        }
    }
}

/// The client was too slow over a body.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly, or stopped")]
pub(crate) struct TooSlow;

impl<B> http_body::Body for Received<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            this.alarm.set(None);
            if let Some(since) = this.waits.take() {
                this.pace.waited(since.elapsed());
            }
            let frame = frame.map(|frame| frame.map_err(Into::into));
            if let Some(Ok(frame)) = &frame {
                this.pace.moved(frame.data_ref().map_or(0, Bytes::len));
            }
            return Poll::Ready(frame);
        }
        let since = *this.waits.get_or_insert_with(Instant::now);
        if this.alarm.is_none() {
            let left = this.pace.left().unwrap_or(*this.silence);
            let end = sleep_until(since + left.min(*this.silence));
            this.alarm.set(Some(end));
        }
        let alarm = this.alarm.as_pin_mut().expect("it was set above");
        ready!(alarm.poll(cx));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// An answer's body, which runs until its last bytes have been handed on.
    pub(crate) struct Answer<B> {
        #[pin]
        body: B,
        pace: Pace,
        running: Running,
        _turn: Turn,
    }
}

impl<B> Answer<B> {
    pub(crate) fn new(body: B, limits: &Limits, mut running: Running, turn: Turn) -> Self {
        let pace = Pace::new(limits.body, limits.rate);
        running.wait(&pace);
        Self {
            body,
            pace,
            running,
            _turn: turn,
        }
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    /// Nobody asks for more before there is room for it, so that from one piece to the next it is
    /// the client's turn.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        this.pace.waited(this.running.go_on());
        let frame = this.body.poll_frame(cx);
        if let Poll::Ready(frame) = &frame {
            let data = frame
                .as_ref()
                .and_then(|frame| frame.as_ref().ok()?.data_ref());
            this.pace.moved(data.map_or(0, Bytes::len));
            if matches!(frame, Some(Err(_))) {
                this.running.break_off();
            }
            this.running.wait(this.pace);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// The bytes that go over a connection, watched: under TLS, if there is any.
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
        this.watch.sent(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.stream.poll_write_vectored(cx, buffers);
        this.watch.sent(&written);
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
