//! A blob store of one's own: memory, with a cap on the bytes it holds.
//!
//! `cargo run -p consign-examples --bin custom_store` hands a file over with it;
//! `cargo test -p consign-examples --bin custom_store` holds it against the traits' contract.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt, io,
    ops::{
        Bound::{Excluded, Unbounded},
        Range,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use consign_core::{
    Actor, Consign, ErrorKind, File, Parts, Registration, Settings,
    file::FileName,
    id::{BlobKey, StageId},
    memory::MemoryStore,
    password::Password,
    random::OsEntropy,
    store::{BlobInfo, BlobStore, ByteStream, Page, ReadGrant, Stage, StageInfo, StoreError},
    time::{Clock, SystemClock, Timestamp},
    token::{JwtSigner, KeyRing},
    user::Role,
};
use futures_util::{TryStreamExt, stream};
use sha2::{Digest, Sha256};

/// Bytes that one item of a read has: the trait allows 1 MiB at most.
const CHUNK: usize = 64 * 1024;

/// Blobs in memory, up to a number of bytes. Clones share what they hold.
#[derive(Clone)]
struct CappedBlobs {
    cap: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    stages: BTreeMap<StageId, Staged>,
    blobs: BTreeMap<BlobKey, Blob>,
    /// Bytes of all stages and blobs.
    used: usize,
}

struct Staged {
    bytes: Vec<u8>,
    modified: Timestamp,
}

struct Blob {
    bytes: Bytes,
    modified: Timestamp,
}

impl CappedBlobs {
    fn new(cap: usize) -> Self {
        let held = Arc::default();
        Self { cap, held }
    }

    fn used(&self) -> usize {
        self.held().used
    }

    /// Nothing panics half-way through a change, so a poisoned lock still guards a whole state.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All or nothing: what is refused has taken no byte.
    fn take(&self, used: &mut usize, bytes: &Bytes) -> Result<(), StoreError> {
        if bytes.len() > self.cap - *used {
            let why = format!("{used} of {} bytes are taken", self.cap);
            return Err(StoreError::Full(why.into()));
        }
        *used += bytes.len();
        Ok(())
    }

    fn stage(&self, id: StageId, size: usize) -> Box<dyn Stage> {
        Box::new(CappedStage {
            id,
            size: size as u64,
            store: self.clone(),
        })
    }
}

/// Written by hand: a derived one would show what the files say.
impl fmt::Debug for CappedBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CappedBlobs")
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl BlobStore for CappedBlobs {
    async fn begin(&self) -> Result<Box<dyn Stage>, StoreError> {
        let id = StageId::random(&OsEntropy);
        let empty = Staged {
            bytes: Vec::new(),
            modified: SystemClock.now(),
        };
        self.held().stages.insert(id, empty);
        Ok(self.stage(id, 0))
    }

    async fn resume(&self, id: StageId) -> Result<Option<Box<dyn Stage>>, StoreError> {
        let size = self.held().stages.get(&id).map(|staged| staged.bytes.len());
        Ok(size.map(|size| self.stage(id, size)))
    }

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        let mut held = self.held();
        if held.blobs.contains_key(&key) {
            return Err(StoreError::Exists);
        }
        self.take(&mut held.used, &bytes)?;
        let modified = SystemClock.now();
        held.blobs.insert(key, Blob { bytes, modified });
        Ok(())
    }

    async fn abort(&self, id: StageId) -> Result<(), StoreError> {
        let mut held = self.held();
        if let Some(staged) = held.stages.remove(&id) {
            held.used -= staged.bytes.len();
        }
        Ok(())
    }

    async fn stages(
        &self,
        after: Option<StageId>,
        limit: usize,
    ) -> Result<Page<StageInfo, StageId>, StoreError> {
        let held = self.held();
        let stages = following(&held.stages, after, limit).map(|(&id, staged)| StageInfo {
            id,
            modified: staged.modified,
        });
        Ok(Page::cut(stages.collect(), limit, |stage| stage.id))
    }

    // The grant is the service's word that the reader may have these bytes.
    async fn open(&self, grant: &ReadGrant, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let held = self.held();
        let blob = held.blobs.get(&grant.key()).ok_or(StoreError::Missing)?;
        let part = blob.bytes.slice(within(&blob.bytes, &range));
        let chunks = part.chunks(CHUNK).map(|chunk| Ok(part.slice_ref(chunk)));
        let mut items: Vec<io::Result<Bytes>> = chunks.collect();
        // Fewer bytes than were asked for must never look like all of them.
        if (part.len() as u64) < range.end.saturating_sub(range.start) {
            items.push(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Box::pin(stream::iter(items)))
    }

    async fn delete(&self, key: BlobKey) -> Result<(), StoreError> {
        let mut held = self.held();
        if let Some(blob) = held.blobs.remove(&key) {
            held.used -= blob.bytes.len();
        }
        Ok(())
    }

    async fn keys(
        &self,
        after: Option<BlobKey>,
        limit: usize,
    ) -> Result<Page<BlobInfo, BlobKey>, StoreError> {
        let held = self.held();
        let blobs = following(&held.blobs, after, limit).map(|(&key, blob)| BlobInfo {
            key,
            size: blob.bytes.len() as u64,
            modified: blob.modified,
        });
        Ok(Page::cut(blobs.collect(), limit, |blob| blob.key))
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A file that is being received. It stays in the store when this is dropped: one who resumes it
/// finds it there, and the sweeper removes it when nobody does.
#[derive(Debug)]
struct CappedStage {
    id: StageId,
    size: u64,
    store: CappedBlobs,
}

#[async_trait]
impl Stage for CappedStage {
    fn id(&self) -> StageId {
        self.id
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn append(&mut self, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        let expected = self.size;
        if offset != expected {
            return Err(StoreError::Offset { expected });
        }
        let mut held = self.store.held();
        let Held { stages, used, .. } = &mut *held;
        let staged = stages.get_mut(&self.id).ok_or(StoreError::Missing)?;
        self.store.take(used, &bytes)?;
        self.size += bytes.len() as u64;
        staged.bytes.extend_from_slice(&bytes);
        staged.modified = SystemClock.now();
        Ok(())
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let held = self.store.held();
        let staged = held.stages.get(&self.id).ok_or(StoreError::Missing)?;
        let range = offset..offset.saturating_add(len as u64);
        let part = &staged.bytes[within(&staged.bytes, &range)];
        Ok(Bytes::copy_from_slice(part))
    }

    // A store that is to outlive the process has to have its bytes on disk before this returns.
    async fn publish(&mut self, key: BlobKey) -> Result<(), StoreError> {
        let mut held = self.store.held();
        if held.blobs.contains_key(&key) {
            return Err(StoreError::Exists);
        }
        let staged = held.stages.remove(&self.id).ok_or(StoreError::Missing)?;
        let blob = Blob {
            bytes: staged.bytes.into(),
            modified: SystemClock.now(),
        };
        held.blobs.insert(key, blob);
        Ok(())
    }
}

/// What of a range lies within the bytes.
fn within(bytes: &[u8], range: &Range<u64>) -> Range<usize> {
    let end = range.end.min(bytes.len() as u64);
    let start = range.start.min(end);
    start as usize..end as usize
}

/// One more than a page has: from it [`Page::cut`] sees whether another page follows.
fn following<K: Ord, V>(
    map: &BTreeMap<K, V>,
    after: Option<K>,
    limit: usize,
) -> impl Iterator<Item = (&K, &V)> {
    let from = after.map_or(Unbounded, Excluded);
    map.range((from, Unbounded)).take(limit.saturating_add(1))
}

const DOCUMENT: &[u8] = include_bytes!("../core/tests/fixtures/office/python-docx.docx");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // There is room for one such document, not for two.
    let blobs = CappedBlobs::new(64 * 1024);
    let store = MemoryStore::new();
    let keys = KeyRing::generate(&OsEntropy, SystemClock.now());
    let signer = JwtSigner::new(&keys, "custom-store");
    let parts = Parts::new(store.clone(), store, blobs.clone(), signer);
    let consign = Consign::new(parts, Settings::default());

    let olivia = sign_up(&consign, "olivia", Role::Operations).await?;
    let file = upload(&consign, &olivia, FileName::parse("report.docx")?).await?;
    println!("uploaded: {}", file.entry.name);

    let carl = sign_up(&consign, "carl", Role::Client).await?;
    let link = consign.link(&carl, "report.docx").await?;
    let opened = consign.open(&link.token).await?;
    let bytes = opened.read(0..opened.file().entry.size).await?;
    let received: Vec<Bytes> = bytes.try_collect().await?;
    let digest: [u8; 32] = Sha256::digest(received.concat()).into();
    assert_eq!(digest, file.entry.sha256.0, "what came out is what went in");
    println!("received: SHA-256 {}", file.entry.sha256);
    println!("kept: {} bytes", blobs.used());

    let again = upload(&consign, &olivia, FileName::parse("again.docx")?).await;
    let refused = again.err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::Full), "there is no room for two");
    println!("refused: {}", ErrorKind::Full);

    // What was received of it goes in the background.
    while !blobs.stages(None, 1).await?.items.is_empty() {
        tokio::task::yield_now().await;
    }
    let files = consign.list(&olivia, None, 10).await?.items;
    assert_eq!(files, [file], "nothing of the refused file is listed");
    println!("kept: {} bytes", blobs.used());
    Ok(())
}

/// Registers someone and signs them in.
async fn sign_up(
    consign: &Consign,
    username: &str,
    role: Role,
) -> Result<Actor, consign_core::Error> {
    let password = Password::new(format!("the password of {username}"));
    let registration = Registration {
        username: username.to_owned(),
        email: format!("{username}@example.org"),
        password: password.clone(),
        role,
    };
    consign.register(registration, None).await?;
    let session = consign.login(username, password).await?;
    consign.authenticate(&session.token).await
}

async fn upload(
    consign: &Consign,
    uploader: &Actor,
    name: FileName,
) -> Result<File, consign_core::Error> {
    let permit = consign.permit_upload(uploader)?;
    let body = stream::iter([Ok(Bytes::from_static(DOCUMENT))]);
    consign.upload(permit, name, body).await
}

#[cfg(test)]
mod tests {
    use consign_core::testing::{sample_bytes, sample_key};

    use super::*;

    consign_core::testing::blob_store_suite!(make);
    consign_core::testing::whole_stages_suite!(make);

    /// An empty store, and what has to live as long as it does.
    async fn make() -> (CappedBlobs, ()) {
        (CappedBlobs::new(1 << 30), ())
    }

    #[tokio::test]
    async fn what_is_removed_makes_room() {
        let store = CappedBlobs::new(10);
        let mut stage = store.begin().await.unwrap();
        stage.append(0, sample_bytes(1, 6)).await.unwrap();
        let mut other = store.begin().await.unwrap();
        let refused = other.append(0, sample_bytes(2, 5)).await;
        assert!(matches!(refused, Err(StoreError::Full(_))));
        assert_eq!(store.used(), 6);
        store.abort(other.id()).await.unwrap();
        stage.publish(sample_key(1)).await.unwrap();
        assert_eq!(store.used(), 6);
        store.delete(sample_key(1)).await.unwrap();
        assert_eq!(store.used(), 0);
        let mut whole = store.begin().await.unwrap();
        whole.append(0, sample_bytes(3, 10)).await.unwrap();
        store.abort(whole.id()).await.unwrap();
        assert_eq!(store.used(), 0);
    }
}
