//! Receiving a stream into a stage: metered, hashed, and gone again unless it is published.

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
use sha2::{Digest, Sha256 as Hasher};
use tokio::{runtime::Handle, sync::mpsc, task};

use super::{BlobStore, BoxError, Held, Hold, Stage, StoreError, chunks::Chunks};
use crate::{
    error::{Error, ErrorKind},
    file::Sha256,
    id::{BlobKey, StageId},
};

/// Below this a chunk is hashed where it is: a change of thread would cost more.
const HASH_INLINE: usize = 128 * 1024;

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

/// Receives `body` into a new stage of `blobs`, hashing it on the way.
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
    let mut received = Received::begin(Arc::clone(blobs), held.clone()).await?;
    match fill(&mut received, body, limit, room, head_len, check_head).await {
        Ok(()) => Ok(received),
        Err(error) => {
            received.discard().await;
            Err(error)
        }
    }
}

/// Takes chunks in while those before are hashed, and while they are stored: each at its own pace,
/// for as long as no other is [`AHEAD`] chunks behind.
async fn fill<S>(
    received: &mut Received,
    body: S,
    limit: u64,
    room: &mut dyn Room,
    head_len: usize,
    check_head: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error>
where
    S: Stream<Item = Result<Bytes, BodyError>>,
{
    let (to_hash, mut hashed) = mpsc::channel::<Bytes>(AHEAD);
    let (to_store, mut stored) = mpsc::channel::<Bytes>(AHEAD);
    let hashing = async {
        let mut hasher = Hasher::new();
        while let Some(chunk) = hashed.recv().await {
            hasher = hash(hasher, chunk).await?;
        }
        Ok(Sha256(hasher.finalize().into()))
    };
    let Received { stage, whole, .. } = received;
    let in_store = AtomicU64::new(0);
    let storing = async {
        while let Some(chunk) = stored.recv().await {
            *whole = (stage.size() == 0).then(|| chunk.clone());
            stage.append(stage.size(), chunk).await?;
            in_store.store(stage.size(), Ordering::Relaxed);
        }
        Ok(())
    };
    let give = async move |chunk: Bytes| {
        let given = future::try_join(to_hash.send(chunk.clone()), to_store.send(chunk)).await;
        given.expect("chunks are taken until there are no more, or nobody asks here again");
    };
    let taking = take_in(body, limit, room, &in_store, head_len, check_head, give);
    let (sha256, (), ()) = future::try_join3(hashing, storing, taking).await?;
    received.sha256 = sha256;
    Ok(())
}

/// Hashes on a thread of its own where that is worth it.
async fn hash(mut hasher: Hasher, chunk: Bytes) -> Result<Hasher, Error> {
    if chunk.len() < HASH_INLINE {
        hasher.update(&chunk);
        return Ok(hasher);
    }
    let work = task::spawn_blocking(move || {
        hasher.update(&chunk);
        hasher
    });
    work.await
        .map_err(|failure| Error::new(ErrorKind::Internal, failure))
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
    stage: Box<dyn Stage>,
    sha256: Sha256,
    /// All of it, where that is one chunk.
    whole: Option<Bytes>,
    abort: AbortOnDrop,
}

impl Received {
    /// Begun in a task of its own: wherever the future is dropped, nobody but its task knows yet
    /// whether there is a stage, and what the task gives is then dropped, and so aborted, too.
    async fn begin(blobs: Arc<dyn BlobStore>, held: Held) -> Result<Self, Error> {
        let begin = async move {
            let _beginning = held.hold_beginning();
            let stage = blobs.begin().await?;
            let abort = AbortOnDrop {
                stage: Some(stage.id()),
                _hold: held.hold_stage(stage.id()),
                blobs,
                runtime: Handle::current(),
            };
            Ok(Self {
                stage,
                sha256: Sha256([0; 32]),
                whole: None,
                abort,
            })
        };
        task::spawn(begin)
            .await
            .map_err(|failure| Error::new(ErrorKind::Internal, failure))?
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.stage.size()
    }

    /// The SHA-256 of the bytes.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
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
                window: self.whole.clone().unwrap_or_default(),
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

    /// Publishes the bytes, durably, under `key`. On an error nothing is left when it returns.
    pub async fn publish(mut self, key: BlobKey) -> Result<(), StoreError> {
        let published = self.stage.publish(key).await;
        match published {
            Ok(()) => self.abort.stage = None,
            Err(_) => self.discard().await,
        }
        published
    }

    /// Removes what was received. It is gone when this returns, unless the store does not answer.
    pub async fn discard(mut self) {
        let Some(stage) = self.abort.stage else {
            return;
        };
        abort(&*self.abort.blobs, stage).await;
        self.abort.stage = None;
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
        if self.windowed().is_none() && self.position < self.received.size() {
            let stage = &self.received.stage;
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
