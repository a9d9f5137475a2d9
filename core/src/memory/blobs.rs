use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt, io,
    ops::{
        Bound::{Excluded, Unbounded},
        Range,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream;

use crate::{
    id::{BlobKey, StageId},
    random::{Entropy, OsEntropy},
    store::{BlobInfo, BlobStore, ByteStream, Page, ReadGrant, Stage, StageInfo, StoreError},
    time::{Clock, SystemClock, Timestamp},
};

/// Bytes that one item of a read has at most.
const CHUNK: usize = 64 * 1024;

/// Blobs in memory. Clones share what they hold.
#[derive(Clone, Debug)]
pub struct MemoryBlobs {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl MemoryBlobs {
    /// An empty store on the machine's clock.
    pub fn new() -> Self {
        Self::with(Arc::new(SystemClock), Arc::new(OsEntropy))
    }

    /// An empty store on a clock and a source of ids of the caller's.
    pub fn with(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            state: Arc::default(),
            clock,
            entropy,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryBlobs {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Default)]
struct State {
    stages: BTreeMap<StageId, (BytesMut, Timestamp)>,
    blobs: BTreeMap<BlobKey, (Bytes, Timestamp)>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("stages", &self.stages.len())
            .field("blobs", &self.blobs.len())
            .finish()
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn begin(&self) -> Result<Box<dyn Stage>, StoreError> {
        let id = StageId::random(&*self.entropy);
        let fresh = (BytesMut::new(), self.clock.now());
        self.state().stages.insert(id, fresh);
        Ok(Box::new(MemoryStage {
            id,
            size: 0,
            store: self.clone(),
        }))
    }

    async fn resume(&self, id: StageId) -> Result<Option<Box<dyn Stage>>, StoreError> {
        let size = self.state().stages.get(&id).map(|(bytes, _)| bytes.len());
        Ok(size.map(|size| {
            Box::new(MemoryStage {
                id,
                size: size as u64,
                store: self.clone(),
            }) as _
        }))
    }

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        let now = self.clock.now();
        match self.state().blobs.entry(key) {
            Entry::Occupied(_) => Err(StoreError::Exists),
            Entry::Vacant(place) => {
                // A copy: what they are a part of may be larger.
                place.insert((Bytes::copy_from_slice(&bytes), now));
                Ok(())
            }
        }
    }

    async fn abort(&self, id: StageId) -> Result<(), StoreError> {
        self.state().stages.remove(&id);
        Ok(())
    }

    async fn stages(
        &self,
        after: Option<StageId>,
        limit: usize,
    ) -> Result<Page<StageInfo, StageId>, StoreError> {
        let state = self.state();
        let from = after.map_or(Unbounded, Excluded);
        let stages = state
            .stages
            .range((from, Unbounded))
            .take(limit.saturating_add(1));
        let items = stages.map(|(&id, &(_, modified))| StageInfo { id, modified });
        Ok(Page::cut(items.collect(), limit, |stage| stage.id))
    }

    async fn open(&self, grant: &ReadGrant, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let state = self.state();
        let (bytes, _) = state.blobs.get(&grant.key()).ok_or(StoreError::Missing)?;
        Ok(read(bytes.clone(), range))
    }

    async fn delete(&self, key: BlobKey) -> Result<(), StoreError> {
        self.state().blobs.remove(&key);
        Ok(())
    }

    async fn keys(
        &self,
        after: Option<BlobKey>,
        limit: usize,
    ) -> Result<Page<BlobInfo, BlobKey>, StoreError> {
        let state = self.state();
        let from = after.map_or(Unbounded, Excluded);
        let blobs = state
            .blobs
            .range((from, Unbounded))
            .take(limit.saturating_add(1));
        let items = blobs.map(|(&key, (bytes, modified))| BlobInfo {
            key,
            size: bytes.len() as u64,
            modified: *modified,
        });
        Ok(Page::cut(items.collect(), limit, |blob| blob.key))
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryStage {
    id: StageId,
    size: u64,
    store: MemoryBlobs,
}

#[async_trait]
impl Stage for MemoryStage {
    fn id(&self) -> StageId {
        self.id
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn append(&mut self, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        if offset != self.size {
            return Err(StoreError::Offset {
                expected: self.size,
            });
        }
        let now = self.store.clock.now();
        let mut state = self.store.state();
        let (staged, modified) = state.stages.get_mut(&self.id).ok_or(StoreError::Missing)?;
        staged.extend_from_slice(&bytes);
        *modified = now;
        self.size += bytes.len() as u64;
        Ok(())
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let state = self.store.state();
        let (staged, _) = state.stages.get(&self.id).ok_or(StoreError::Missing)?;
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(staged.len());
        let to = from.saturating_add(len).min(staged.len());
        Ok(Bytes::copy_from_slice(&staged[from..to]))
    }

    async fn publish(&mut self, key: BlobKey) -> Result<(), StoreError> {
        let now = self.store.clock.now();
        let mut state = self.store.state();
        if state.blobs.contains_key(&key) {
            return Err(StoreError::Exists);
        }
        let (staged, _) = state.stages.remove(&self.id).ok_or(StoreError::Missing)?;
        state.blobs.insert(key, (staged.freeze(), now));
        Ok(())
    }
}

fn read(mut bytes: Bytes, range: Range<u64>) -> ByteStream {
    let have = bytes.len() as u64;
    let wanted = range.end.saturating_sub(range.start);
    let start = range.start.min(have) as usize;
    let end = range.end.clamp(start as u64, have) as usize;
    let short = (end - start) as u64 != wanted;
    bytes = bytes.slice(start..end);
    let mut items = Vec::with_capacity(bytes.len() / CHUNK + 2);
    while !bytes.is_empty() {
        items.push(Ok(bytes.split_to(bytes.len().min(CHUNK))));
    }
    if short {
        items.push(Err(io::ErrorKind::UnexpectedEof.into()));
    }
    Box::pin(stream::iter(items))
}
