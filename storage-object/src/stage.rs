//! Bytes on their way in.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use consign_core::{
    id::{BlobKey, StageId},
    store::{Stage, StoreError},
};
use object_store::{ObjectStore, PutOptions};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    blobs::ObjectBlobs,
    errors::store_error,
    layout::{MOST_PARTS, Piece},
};

/// Bytes that are read at once of a part, and kept: whoever looks at a package reads it bit by bit.
const BLOCK: u64 = 1 << 20;

/// A stage: the parts that were sent, and the rest in memory. A full part is sent when more comes, so
/// that what fits into one is published from memory.
pub(crate) struct ObjectStage {
    pub(crate) id: StageId,
    pub(crate) size: u64,
    pub(crate) parts: Vec<Part>,
    pub(crate) rest: BytesMut,
    pub(crate) store: ObjectBlobs,
    /// Whether the store may have objects of it.
    pub(crate) has_objects: bool,
    /// Whether the store may have uploads of it that were begun without an answer.
    pub(crate) is_begun_again: bool,
    buffers: Option<OwnedSemaphorePermit>,
    state: State,
    block: Mutex<Option<(u64, Bytes)>>,
}

/// A part that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) at: u64,
    pub(crate) len: u64,
    /// Another part of the same name would have another.
    pub(crate) tag: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open,
    /// An operation failed, or its future was dropped.
    Unusable,
    Published,
}

impl ObjectStage {
    pub(crate) fn begin(store: ObjectBlobs, id: StageId) -> Self {
        Self {
            id,
            size: 0,
            parts: Vec::new(),
            rest: BytesMut::new(),
            store,
            has_objects: false,
            is_begun_again: false,
            buffers: None,
            state: State::Open,
            block: Mutex::default(),
        }
    }

    /// Goes on with the parts that are there without a gap; what lies behind one is removed. When the last is short,
    /// its bytes are read back: it will be sent again, longer.
    pub(crate) async fn resume(
        store: ObjectBlobs,
        id: StageId,
    ) -> Result<Option<Self>, StoreError> {
        let mut stage = Self::begin(store, id);
        let inner = &stage.store.0;
        let pieces = inner.pieces(id).await?;
        if pieces.is_empty() {
            return Ok(None);
        }
        let mut behind = Vec::new();
        for (piece, object) in pieces {
            if piece == Piece::Part(stage.parts.len() + 1) {
                stage.parts.push(Part {
                    at: stage.size,
                    len: object.size,
                    tag: object.e_tag,
                });
                stage.size += object.size;
            } else if matches!(piece, Piece::Part(_)) {
                behind.push(piece);
            }
        }
        inner.remove(id, behind).await?;
        let full = inner.options.part_len(stage.parts.len().saturating_sub(1)) as u64;
        if let Some(short) = stage.parts.pop_if(|last| last.len < full) {
            stage.reserve().await?;
            let number = stage.parts.len() + 1;
            let bytes = stage.read_part(number, &short, 0, short.len).await?;
            stage.rest.extend_from_slice(&bytes);
        }
        stage.has_objects = true;
        Ok(Some(stage))
    }

    fn usable(&self) -> Result<(), StoreError> {
        match self.state {
            State::Open => Ok(()),
            State::Published => Err(StoreError::Missing),
            State::Unusable => Err(StoreError::Unavailable(
                "an operation on the stage failed or was given up; it can only be aborted or resumed"
                    .into(),
            )),
        }
    }

    async fn take(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let room = self.part_len() - self.rest.len();
            if room == 0 {
                self.send().await?;
                continue;
            }
            self.reserve().await?;
            if self.rest.capacity() == 0 && !self.parts.is_empty() {
                self.rest.reserve(self.part_len());
            }
            let more = bytes.split_to(room.min(bytes.len()));
            self.rest.extend_from_slice(&more);
        }
        Ok(())
    }

    /// Bytes of the part that is being filled.
    fn part_len(&self) -> usize {
        self.store.0.options.part_len(self.parts.len())
    }

    /// Waits for the buffers of the part that is being filled.
    pub(crate) async fn reserve(&mut self) -> Result<(), StoreError> {
        let inner = &self.store.0;
        let units = inner.options.units(self.parts.len());
        let held = self.buffers.as_ref().map_or(0, |held| held.num_permits());
        let Some(missing) = units.checked_sub(held).filter(|missing| *missing > 0) else {
            return Ok(());
        };
        let buffers = Arc::clone(&inner.buffers);
        let more = buffers.acquire_many_owned(missing as u32);
        let more = tokio::time::timeout(inner.options.buffer_wait, more).await;
        let more = more.map_err(|_| StoreError::Busy)?;
        let more = more.map_err(|closed| StoreError::Unavailable(closed.into()))?;
        match &mut self.buffers {
            Some(held) => held.merge(more),
            None => self.buffers = Some(more),
        }
        Ok(())
    }

    /// Sends what is in memory as the next part.
    async fn send(&mut self) -> Result<(), StoreError> {
        self.has_objects = true;
        let bytes = mem::take(&mut self.rest).freeze();
        let part = self.put_part(bytes).await?;
        self.parts.push(part);
        Ok(())
    }

    /// Makes the object of the part after those that there are.
    pub(crate) async fn put_part(&self, bytes: Bytes) -> Result<Part, StoreError> {
        let number = self.parts.len() + 1;
        if number > MOST_PARTS {
            let why = format!("a blob has at most {MOST_PARTS} parts");
            return Err(StoreError::Full(why.into()));
        }
        let inner = &self.store.0;
        let path = inner.layout.piece(self.id, Piece::Part(number));
        let len = bytes.len() as u64;
        let put = inner
            .store
            .put_opts(&path, bytes.into(), PutOptions::default())
            .await
            .map_err(|error| match store_error(error) {
                StoreError::Missing => {
                    StoreError::Unavailable("the object store does not take a part".into())
                }
                error => error,
            })?;
        Ok(Part {
            at: self.sent(),
            len,
            tag: put.e_tag,
        })
    }

    /// Bytes of the parts that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.parts.last().map_or(0, |last| last.at + last.len)
    }

    pub(crate) async fn read_part(
        &self,
        number: usize,
        part: &Part,
        from: u64,
        to: u64,
    ) -> Result<Bytes, StoreError> {
        let path = self.store.0.layout.piece(self.id, Piece::Part(number));
        let mut bytes = BytesMut::new();
        let mut at = from;
        while at < to {
            let range = at..to.min(at + BLOCK);
            let found = match self
                .store
                .0
                .window(&path, part.tag.clone(), range.clone())
                .await
            {
                // It has another tag now.
                Err(StoreError::Exists) => None,
                found => found?,
            };
            let found = found.filter(|(found, _)| found.len() as u64 == range.end - at);
            let (found, _) = found.ok_or_else(|| {
                StoreError::Damaged("a part of a stage is not as it was sent".into())
            })?;
            if range == (from..to) {
                return Ok(found);
            }
            bytes.extend_from_slice(&found);
            at = range.end;
        }
        Ok(bytes.freeze())
    }

    /// The block around a byte of a part that was sent: its beginning, and its bytes.
    async fn block(&self, at: u64) -> Result<(u64, Bytes), StoreError> {
        let kept = self
            .block
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((start, bytes)) = kept
            && (start..start + bytes.len() as u64).contains(&at)
        {
            return Ok((start, bytes));
        }
        let n = self.parts.partition_point(|part| part.at + part.len <= at);
        let part = self.parts.get(n).ok_or(StoreError::Missing)?;
        let from = (at - part.at) / BLOCK * BLOCK;
        let to = part.len.min(from + BLOCK);
        let block = (part.at + from, self.read_part(n + 1, part, from, to).await?);
        *self.block.lock().unwrap_or_else(PoisonError::into_inner) = Some(block.clone());
        Ok(block)
    }
}

#[async_trait]
impl Stage for ObjectStage {
    fn id(&self) -> StageId {
        self.id
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn append(&mut self, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.usable()?;
        if offset != self.size {
            return Err(StoreError::Offset {
                expected: self.size,
            });
        }
        self.state = State::Unusable;
        let len = bytes.len() as u64;
        self.take(bytes).await?;
        self.size += len;
        self.state = State::Open;
        Ok(())
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        self.usable()?;
        let end = offset.saturating_add(len as u64).min(self.size);
        let sent = self.sent();
        let mut bytes = BytesMut::new();
        let mut at = offset;
        while at < end {
            let found = match at.checked_sub(sent) {
                Some(from) => {
                    let to = (end - sent) as usize;
                    Bytes::copy_from_slice(&self.rest[from as usize..to])
                }
                None => {
                    let (start, block) = self.block(at).await?;
                    let to = block.len().min((end - start) as usize);
                    block.slice((at - start) as usize..to)
                }
            };
            at += found.len() as u64;
            if at == end && bytes.is_empty() {
                return Ok(found);
            }
            bytes.extend_from_slice(&found);
        }
        Ok(bytes.freeze())
    }

    async fn publish(&mut self, key: BlobKey) -> Result<(), StoreError> {
        self.usable()?;
        self.state = State::Unusable;
        let published = match self.parts.is_empty() {
            true => self.publish_from_memory(key).await,
            false => self.publish_parts(key).await,
        };
        if published.is_ok() && self.has_objects {
            self.clear(key).await;
        }
        self.state = match &published {
            Ok(()) => State::Published,
            Err(StoreError::Exists) => State::Open,
            Err(_) => State::Unusable,
        };
        if self.state != State::Open {
            self.rest = BytesMut::new();
            self.buffers = None;
        }
        published
    }
}

impl ObjectStage {
    async fn publish_from_memory(&mut self, key: BlobKey) -> Result<(), StoreError> {
        let bytes = mem::take(&mut self.rest).freeze();
        let put = self.store.0.put(key, bytes.clone(), self.id).await;
        if matches!(put, Err(StoreError::Exists)) {
            self.rest = BytesMut::from(bytes);
        }
        put
    }

    /// Removes the objects of a stage that is a blob now.
    async fn clear(&self, key: BlobKey) {
        // One more than there are parts: the rest was sent, too.
        let parts = (1..=self.parts.len() + 1).map(Piece::Part);
        let pieces = parts.chain([Piece::Target(key)]).collect();
        let cleared = async {
            // First: what is among the parts says whose they are.
            if self.is_begun_again {
                self.store.0.abort_uploads(key).await?;
            }
            self.store.0.remove(self.id, pieces).await
        };
        if let Err(error) = cleared.await {
            tracing::warn!(stage = %self.id, %error, "parts of what was published are still there; the sweeper will remove them");
        }
    }
}

/// Shows no byte.
impl fmt::Debug for ObjectStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStage")
            .field("id", &self.id)
            .field("size", &self.size)
            .field("parts", &self.parts.len())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
