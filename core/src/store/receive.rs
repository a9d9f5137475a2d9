//! Receiving a stream into memory or a stage: metered, hashed, and gone again unless it is published.

mod sums;

use std::{
    fmt,
    future::poll_fn,
    io::{self, Read, Seek, SeekFrom},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{future, stream};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{self, JoinHandle},
};

pub(crate) use self::sums::Hashers;
use self::sums::Sums;
use super::{BlobStore, BoxError, Held, Hold, Stage, StoreError, chunks::Chunks};
use crate::{
    error::{Error, ErrorKind},
    file::Sha256,
    id::{BlobKey, StageId},
};

/// Chunks of one body that wait to be hashed, and to be stored, at most. In memory there are two more:
/// the one that is coming in, and the one that is worked on.
const AHEAD: usize = 3;

/// Why a body's stream ended before the body did.
#[derive(Debug)]
pub enum BodyError {
    /// The sender stopped, or what was sent cannot be read.
    Incomplete(BoxError),
    /// More came than is taken.
    TooLarge,
}

/// Where there is room for a body: asked before its bytes are taken.
#[async_trait]
pub trait Room: Send {
    /// Sees that there is room for the first `total` bytes of the body. `total` grows from call to
    /// call; the last is the body's size, unless it is empty. Of those before, the store has `stored`
    /// so far: the rest are in memory.
    ///
    /// # Errors
    /// Why there is none. It ends the body.
    async fn make(&mut self, total: u64, stored: u64) -> Result<(), Error>;
}

/// Room without end.
#[derive(Clone, Copy, Debug)]
pub struct Unbounded;

#[async_trait]
impl Room for Unbounded {
    async fn make(&mut self, _: u64, _: u64) -> Result<(), Error> {
        Ok(())
    }
}

/// A body that is in memory already.
pub fn body(bytes: impl Into<Bytes>) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    stream::iter([Ok(bytes.into())])
}

/// Receives `body`, hashing it on the way: into memory if it is one chunk, else into a new stage of
/// `blobs`.
///
/// `check_head` sees the first `head_len` bytes (all of a shorter body) while the rest arrives, and
/// may end it, and so may `room`. On an error nothing is left when it returns; when the future or the returned value is
/// dropped, the stage is aborted in the background. Until then it is `held`.
///
/// # Errors
/// [`ErrorKind::TooLarge`] beyond `limit` bytes, [`ErrorKind::Incomplete`] when the body ends
/// early, what `room` and `check_head` gave, and the store's own.
pub async fn receive<S>(
    blobs: &Arc<dyn BlobStore>,
    held: &Held,
    body: S,
    limit: u64,
    room: &mut dyn Room,
    head_len: usize,
    check_head: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<Received, Error>
where
    S: Stream<Item = Result<Bytes, BodyError>>,
{
    let mut place = Place {
        blobs,
        held,
        beginning: None,
        staged: None,
    };
    match fill(&mut place, body, limit, room, head_len, check_head).await {
        Ok((sums, whole)) => Ok(Received {
            content: match place.staged {
                Some(staged) => Content::Staged(staged),
                None => Content::Whole(Arc::clone(blobs), whole),
            },
            sums,
        }),
        Err(error) => {
            place.discard().await;
            Err(error)
        }
    }
}

/// Where chunks go, unless they stay in memory.
struct Place<'a> {
    blobs: &'a Arc<dyn BlobStore>,
    held: &'a Held,
    beginning: Option<JoinHandle<Result<Staged, Error>>>,
    staged: Option<Staged>,
}

impl Place<'_> {
    /// Stores chunks as they come; but one that is alone is given back.
    async fn store(
        &mut self,
        mut chunks: mpsc::Receiver<Bytes>,
        stored: &AtomicU64,
    ) -> Result<Bytes, Error> {
        let first = chunks.recv().await.unwrap_or_default();
        let Some(second) = chunks.recv().await else {
            return Ok(first);
        };
        let stage = &mut self.begin().await?.stage;
        let mut ready = [first, second].into_iter();
        while let Some(chunk) = match ready.next() {
            Some(chunk) => Some(chunk),
            None => chunks.recv().await,
        } {
            stage.append(stage.size(), chunk).await?;
            stored.store(stage.size(), Ordering::Relaxed);
        }
        Ok(Bytes::new())
    }

    /// Begun in a task of its own: wherever the future is dropped, nobody but its task knows yet
    /// whether there is a stage, and what the task gives is then dropped, and so aborted, too.
    async fn begin(&mut self) -> Result<&mut Staged, Error> {
        let begin = Staged::begin(Arc::clone(self.blobs), self.held.clone());
        let begun = self.beginning.insert(task::spawn(begin)).await;
        self.beginning = None;
        let begun = begun.map_err(|failure| Error::new(ErrorKind::Internal, failure))?;
        Ok(self.staged.insert(begun?))
    }

    /// Removes what was stored, and what is about to be.
    async fn discard(self) {
        let begun = match self.beginning {
            Some(beginning) => beginning.await.ok().and_then(Result::ok),
            None => self.staged,
        };
        if let Some(staged) = begun {
            staged.discard().await;
        }
    }
}

/// Takes chunks in while those before are hashed, and while they are stored: each at its own pace,
/// for as long as no other is [`AHEAD`] chunks behind. Gives the sums, and what was not stored.
async fn fill<S>(
    place: &mut Place<'_>,
    body: S,
    limit: u64,
    room: &mut dyn Room,
    head_len: usize,
    check_head: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(Sums, Bytes), Error>
where
    S: Stream<Item = Result<Bytes, BodyError>>,
{
    let (to_hash, mut hashed) = mpsc::channel::<Bytes>(AHEAD);
    let (to_store, chunks) = mpsc::channel::<Bytes>(AHEAD);
    let hashing = async {
        let mut hashers = Hashers::default();
        while let Some(chunk) = hashed.recv().await {
            hashers = hashers.update(chunk).await?;
        }
        Ok(hashers.finish())
    };
    let stored = AtomicU64::new(0);
    let storing = place.store(chunks, &stored);
    let give = async move |chunk: Bytes| {
        let given = future::try_join(to_hash.send(chunk.clone()), to_store.send(chunk)).await;
        given.expect("chunks are taken until there are no more, or nobody asks here again");
    };
    let taking = take_in(body, limit, room, &stored, head_len, check_head, give);
    let (sums, whole, ()) = future::try_join3(hashing, storing, taking).await?;
    Ok((sums, whole))
}

/// Gives the body on in chunks.
async fn take_in<S>(
    body: S,
    limit: u64,
    room: &mut dyn Room,
    stored: &AtomicU64,
    head_len: usize,
    mut check_head: impl FnMut(&[u8]) -> Result<(), Error>,
    give: impl AsyncFn(Bytes),
) -> Result<(), Error>
where
    S: Stream<Item = Result<Bytes, BodyError>>,
{
    let mut body = pin!(body);
    let mut gathered = Chunks::default();
    let (mut total, mut head_checked) = (0, false);
    let mut check = |head: &[u8], ended| {
        if !head_checked && (ended || head.len() >= head_len) {
            check_head(&head[..head.len().min(head_len)])?;
            head_checked = true;
        }
        Ok::<_, Error>(())
    };
    while let Some(part) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let mut part = part.map_err(|error| match error {
            BodyError::TooLarge => Error::from(ErrorKind::TooLarge { limit }),
            BodyError::Incomplete(cause) => Error::new(ErrorKind::Incomplete, cause),
        })?;
        total += part.len() as u64;
        if total > limit {
            return Err(ErrorKind::TooLarge { limit }.into());
        }
        room.make(total, stored.load(Ordering::Relaxed)).await?;
        while !part.is_empty() {
            part = gathered.take_in(part);
            check(gathered.current(), gathered.is_full())?;
            if gathered.is_full() {
                give(gathered.finish()).await;
            }
        }
    }
    check(gathered.current(), true)?;
    if !gathered.current().is_empty() {
        give(gathered.finish()).await;
    }
    Ok(())
}

/// A body that was received whole. Dropping it removes what was received.
#[derive(Debug)]
pub struct Received {
    content: Content,
    sums: Sums,
}

enum Content {
    /// In memory, to be put into the store.
    Whole(Arc<dyn BlobStore>, Bytes),
    Staged(Staged),
}

/// A stage, which is aborted when this is dropped.
#[derive(Debug)]
struct Staged {
    stage: Box<dyn Stage>,
    abort: AbortOnDrop,
}

impl Staged {
    async fn begin(blobs: Arc<dyn BlobStore>, held: Held) -> Result<Self, Error> {
        let _beginning = held.hold_beginning();
        let stage = blobs.begin().await?;
        let abort = AbortOnDrop {
            stage: Some(stage.id()),
            _hold: held.hold_stage(stage.id()),
            blobs,
            runtime: Handle::current(),
        };
        Ok(Self { stage, abort })
    }

    async fn publish(mut self, key: BlobKey) -> Result<(), StoreError> {
        let published = self.stage.publish(key).await;
        match published {
            Ok(()) => self.abort.stage = None,
            Err(_) => self.discard().await,
        }
        published
    }

    async fn discard(mut self) {
        let Some(stage) = self.abort.stage else {
            return;
        };
        abort(&*self.abort.blobs, stage).await;
        self.abort.stage = None;
    }
}

impl Received {
    /// Bytes.
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::Whole(_, bytes) => bytes.len() as u64,
            Content::Staged(staged) => staged.stage.size(),
        }
    }

    /// The SHA-256 of the bytes.
    pub fn sha256(&self) -> Sha256 {
        self.sums.sha256
    }

    /// The CRC-32 of the bytes, as zip archives have it (APPNOTE 4.4.7).
    pub fn crc32(&self) -> u32 {
        self.sums.crc32
    }

    /// Bytes that the store has already.
    pub fn stored(&self) -> u64 {
        match &self.content {
            Content::Whole(..) => 0,
            Content::Staged(staged) => staged.stage.size(),
        }
    }

    /// Looks at the content on a thread that may block, and gives back what `look` found. When the
    /// future is dropped, `look` runs on to its end before the stage is aborted.
    ///
    /// The thread waits for the store's reads, which may need threads of the same pool: the caller
    /// bounds how many inspections run at once, well below what the pool has.
    pub async fn inspect<T, F>(self, look: F) -> Result<(Self, T), Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut StagedContent) -> T + Send + 'static,
    {
        let handle = Handle::current();
        task::spawn_blocking(move || {
            let mut content = StagedContent {
                window: match &self.content {
                    Content::Whole(_, bytes) => bytes.clone(),
                    Content::Staged(_) => Bytes::new(),
                },
                received: self,
                handle,
                position: 0,
                window_at: 0,
            };
            let found = look(&mut content);
            (content.received, found)
        })
        .await
        .map_err(|failure| Error::new(ErrorKind::Internal, failure))
    }

    /// Makes the bytes a blob under `key`, durably. On an error nothing is left when it returns.
    pub async fn publish(self, key: BlobKey) -> Result<(), StoreError> {
        match self.content {
            Content::Whole(blobs, bytes) => blobs.put(key, bytes).await,
            Content::Staged(staged) => staged.publish(key).await,
        }
    }

    /// Removes what was received. It is gone when this returns, unless the store does not answer.
    pub async fn discard(self) {
        if let Content::Staged(staged) = self.content {
            staged.discard().await;
        }
    }
}

/// Shows no byte.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(_, bytes) => f.debug_tuple("Whole").field(&bytes.len()).finish(),
            Self::Staged(staged) => f.debug_tuple("Staged").field(staged).finish(),
        }
    }
}

/// Aborts a stage when dropped. What it cannot reach the sweeper removes.
struct AbortOnDrop {
    blobs: Arc<dyn BlobStore>,
    stage: Option<StageId>,
    runtime: Handle,
    _hold: Hold,
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        let Some(stage) = self.stage.take() else {
            return;
        };
        let blobs = Arc::clone(&self.blobs);
        self.runtime
            .spawn(async move { abort(&*blobs, stage).await });
    }
}

async fn abort(blobs: &dyn BlobStore, stage: StageId) {
    if let Err(error) = blobs.abort(stage).await {
        tracing::warn!(%stage, %error, "a stage could not be removed; the sweeper will");
    }
}

impl fmt::Debug for AbortOnDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AbortOnDrop").field(&self.stage).finish()
    }
}

/// Staged bytes to read and seek in, for an [`Intake`](crate::intake::Intake). Reads wait for the
/// store, so only a thread that may block can use it.
#[derive(Debug)]
pub struct StagedContent {
    received: Received,
    handle: Handle,
    position: u64,
    window: Bytes,
    window_at: u64,
}

impl StagedContent {
    /// Bytes fetched at once.
    const WINDOW: usize = 64 * 1024;

    fn windowed(&self) -> Option<&[u8]> {
        let skip = usize::try_from(self.position.checked_sub(self.window_at)?).ok()?;
        self.window.get(skip..).filter(|rest| !rest.is_empty())
    }
}

impl Read for StagedContent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Content::Staged(Staged { stage, .. }) = &self.received.content
            && self.windowed().is_none()
            && self.position < stage.size()
        {
            self.window = self
                .handle
                .block_on(stage.read_at(self.position, Self::WINDOW))
                .map_err(io::Error::other)?;
            self.window_at = self.position;
        }
        let Some(rest) = self.windowed() else {
            return Ok(0);
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for StagedContent {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.received.size().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the start")
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests;
