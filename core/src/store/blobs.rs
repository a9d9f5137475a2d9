use std::{fmt, io, ops::Range, pin::Pin};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use super::{Page, StoreError};
use crate::{
    id::{BlobKey, StageId},
    time::Timestamp,
};

/// A blob's bytes as they are read.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Where bytes are kept.
///
/// Its `Debug` is for logs: it shows no content.
///
/// Bytes are first *staged*: appended in order, and readable to the one who appends them. Publishing
/// gives them their key, once and for ever. Of a stage that is not published a store keeps what it can:
/// every byte, or only whole parts of it, so that of a short one nothing is left once it is dropped. A few bytes that are in memory whole can be
/// [put](BlobStore::put) under their key at once. A blob that no file of the catalogue references is
/// visible to nobody; the sweeper removes it after a grace period.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Begins a stage, which holds nothing yet.
    async fn begin(&self) -> Result<Box<dyn Stage>, StoreError>;

    /// Goes on with a stage that was begun before, perhaps by another process; `None` when there
    /// is none of this id, or the store has kept nothing of it. Nobody else may be using it.
    ///
    /// It holds the bytes that were appended, or the first of them, never others: whoever resumes goes
    /// on from [`Stage::size`].
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the store can tell that somebody is, or that a write of a dropped
    /// future is still under way.
    async fn resume(&self, id: StageId) -> Result<Option<Box<dyn Stage>>, StoreError>;

    /// Makes `bytes` a blob under `key` at once, durably, and without a stage: when it returns, they
    /// survive a power cut. It is for what is small, and in memory whole.
    ///
    /// Dropped half-way, either the whole blob is there in the end, or nothing of it. A crash may leave
    /// a part of it: to nobody but the sweeper, as nobody has its key yet.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the key is taken: the other blob is as it was. After any other
    /// error nothing of it is left, unless the store does not answer.
    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError>;

    /// Removes a stage and its bytes; one that does not exist is no error.
    async fn abort(&self, id: StageId) -> Result<(), StoreError>;

    /// At most `limit` stages (at least 1), ordered by id, after `after`: those that
    /// [`resume`](BlobStore::resume) finds, and what is left of others that were not ended well. A page can come out empty
    /// when what stood on it vanishes meanwhile.
    async fn stages(
        &self,
        after: Option<StageId>,
        limit: usize,
    ) -> Result<Page<StageInfo, StageId>, StoreError>;

    /// Reads `range` of the granted blob, in order and in chunks of 1 MiB at most.
    ///
    /// A range that goes beyond the blob's end ends the stream with an error of kind
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), never short without one. An empty range reads nothing, wherever it lies.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such blob, even for an empty range.
    async fn open(&self, grant: &ReadGrant, range: Range<u64>) -> Result<ByteStream, StoreError>;

    /// Removes a blob, durably; one that does not exist is no error.
    async fn delete(&self, key: BlobKey) -> Result<(), StoreError>;

    /// At most `limit` published blobs (at least 1), ordered by key, after `after`. A page can come
    /// out empty when what stood on it vanishes meanwhile.
    async fn keys(
        &self,
        after: Option<BlobKey>,
        limit: usize,
    ) -> Result<Page<BlobInfo, BlobKey>, StoreError>;

    /// Bytes that can still be stored, as far as the store can tell now; `None` where it cannot tell.
    async fn free(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// Whether the store answers.
    async fn check(&self) -> Result<(), StoreError>;
}

/// Bytes that are being received. Dropping it keeps of them what the store keeps: see
/// [`BlobStore::resume`] and [`BlobStore::abort`].
#[async_trait]
pub trait Stage: fmt::Debug + Send + Sync + 'static {
    /// Names the stage; survives a restart.
    fn id(&self) -> StageId;

    /// How many bytes were appended to it. Publishing does not change that.
    fn size(&self) -> u64;

    /// Appends bytes at `offset`. After its future was dropped the stage can only be aborted, or
    /// resumed where the store can.
    ///
    /// # Errors
    /// [`StoreError::Offset`] when `offset` is not [`size`](Stage::size), even for no bytes;
    /// [`StoreError::Missing`] when the store sees that the stage was aborted; at the latest
    /// [`publish`](Stage::publish) does, if bytes are gone. After any error but `Offset` the stage can only be
    /// aborted, or resumed where the store can.
    async fn append(&mut self, offset: u64, bytes: Bytes) -> Result<(), StoreError>;

    /// Reads `len` bytes at `offset`; fewer, or none, only where the stage ends.
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError>;

    /// Makes the bytes a blob under `key`, durably: when it returns, they survive a power cut. The
    /// stage is no more. Dropped half-way, either the blob is there, or what the store keeps of the stage.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the key is taken: the stage and the other blob are as they were.
    /// After any other error the stage can only be aborted, and may be gone already.
    async fn publish(&mut self, key: BlobKey) -> Result<(), StoreError>;
}

/// A stage, as the sweeper sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageInfo {
    /// The stage.
    pub id: StageId,
    /// When it was last appended to.
    pub modified: Timestamp,
}

/// A blob, as the sweeper sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// The blob.
    pub key: BlobKey,
    /// Bytes.
    pub size: u64,
    /// When it was published.
    pub modified: Timestamp,
}

/// Leave to read one blob: the proof that the permission check ran.
///
/// Only the service makes one, in [`AuthorizedFile`](crate::AuthorizedFile); so there is no other
/// way to a stored byte. A [copy](mod@crate::copy) makes its own, and gives the bytes to a store and to nobody else.
///
/// ```compile_fail
/// let key = consign_core::id::BlobKey::from_bytes([0; 16]);
/// let grant = consign_core::store::ReadGrant::new(key); // private
/// ```
#[derive(Debug)]
pub struct ReadGrant(BlobKey);

impl ReadGrant {
    pub(crate) fn new(key: BlobKey) -> Self {
        Self(key)
    }

    /// The blob that may be read.
    pub fn key(&self) -> BlobKey {
        self.0
    }

    /// A grant for a store's own tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_testing(key: BlobKey) -> Self {
        Self(key)
    }
}
