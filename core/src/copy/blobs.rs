//! Bytes on their way from one store to another.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, future};

use super::CopyError;
use crate::{
    file::{FileEntry, Sha256},
    store::{BlobStore, ByteStream, Hashers, ReadGrant, Stage, StoreError},
};

/// Bytes of the largest blob that is put at once, from memory.
const SMALL: u64 = 128 * 1024;

/// What became of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// The target had them.
    WasThere,
    /// They were copied: so many.
    Copied(u64),
    /// The source lacks them, or has others than its catalogue says.
    Damaged,
}

/// Has the target have a file's bytes. Those that are there are read where `all` are looked at, else counted.
pub(super) async fn carry(
    from: &dyn BlobStore,
    to: &dyn BlobStore,
    entry: &FileEntry,
    all: bool,
) -> Result<Carried, CopyError> {
    let there = match all {
        true => is_whole(to, entry).await,
        false => is_there(to, entry).await,
    };
    if there.map_err(CopyError::Target)? {
        return Ok(Carried::WasThere);
    }
    let bytes = from.open(&grant(entry), 0..entry.size).await;
    let bytes = match bytes {
        Err(StoreError::Missing) => return Ok(Carried::Damaged),
        bytes => bytes.map_err(CopyError::Source)?,
    };
    match entry.size <= SMALL {
        true => put(bytes, to, entry).await,
        false => staged(bytes, to, entry).await,
    }
}

/// Whether a store has as many bytes for a file as the catalogue says.
pub(super) async fn is_there(store: &dyn BlobStore, entry: &FileEntry) -> Result<bool, StoreError> {
    let last = entry.size.saturating_sub(1);
    // One more than there should be: it tells where the blob ends.
    let range = last..entry.size.saturating_add(1);
    let mut end = match store.open(&grant(entry), range).await {
        Err(StoreError::Missing) => return Ok(false),
        end => end?,
    };
    let mut found = 0;
    while let Some(chunk) = end.next().await {
        match chunk {
            Ok(chunk) => found += chunk.len() as u64,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(found == entry.size - last);
            }
            Err(error) => return Err(StoreError::from_io(error)),
        }
    }
    Ok(false)
}

/// Whether a store has a file's bytes as the catalogue says, all of them.
pub(super) async fn is_whole(store: &dyn BlobStore, entry: &FileEntry) -> Result<bool, StoreError> {
    let mut bytes = match store.open(&grant(entry), 0..entry.size).await {
        Err(StoreError::Missing) => return Ok(false),
        bytes => bytes?,
    };
    let mut hashers = Hashers::default();
    while let Some(chunk) = next(&mut bytes).await? {
        let Some(chunk) = chunk else {
            return Ok(false);
        };
        hashers = hash(hashers, chunk).await?;
    }
    Ok(hashers.finish().sha256 == entry.sha256 && is_there(store, entry).await?)
}

async fn put(
    mut bytes: ByteStream,
    to: &dyn BlobStore,
    entry: &FileEntry,
) -> Result<Carried, CopyError> {
    let mut whole = BytesMut::new();
    let mut hashers = Hashers::default();
    while let Some(chunk) = next(&mut bytes).await.map_err(CopyError::Source)? {
        let Some(chunk) = chunk else {
            return Ok(Carried::Damaged);
        };
        whole.extend_from_slice(&chunk);
        hashers = hash(hashers, chunk).await.map_err(CopyError::Source)?;
    }
    if !is_of(entry, hashers.finish().sha256, whole.len() as u64) {
        return Ok(Carried::Damaged);
    }
    make_room(to, entry).await?;
    let put = to.put(entry.blob, whole.freeze()).await;
    put.map_err(CopyError::Target)?;
    Ok(Carried::Copied(entry.size))
}

async fn staged(
    bytes: ByteStream,
    to: &dyn BlobStore,
    entry: &FileEntry,
) -> Result<Carried, CopyError> {
    let mut stage = to.begin().await.map_err(CopyError::Target)?;
    let carried = fill(bytes, to, &mut *stage, entry).await;
    if !matches!(carried, Ok(Carried::Copied(_))) {
        let id = stage.id();
        drop(stage);
        // What cannot be removed is the sweeper's.
        let _ = to.abort(id).await;
    }
    carried
}

async fn fill(
    mut bytes: ByteStream,
    to: &dyn BlobStore,
    stage: &mut dyn Stage,
    entry: &FileEntry,
) -> Result<Carried, CopyError> {
    let mut hashers = Hashers::default();
    while let Some(chunk) = next(&mut bytes).await.map_err(CopyError::Source)? {
        let Some(chunk) = chunk else {
            return Ok(Carried::Damaged);
        };
        let at = stage.size();
        let appended = stage.append(at, chunk.clone());
        let (hashed, appended) = future::join(hash(hashers, chunk), appended).await;
        hashers = hashed.map_err(CopyError::Source)?;
        appended.map_err(CopyError::Target)?;
    }
    if !is_of(entry, hashers.finish().sha256, stage.size()) {
        return Ok(Carried::Damaged);
    }
    make_room(to, entry).await?;
    let published = stage.publish(entry.blob).await;
    published.map_err(CopyError::Target)?;
    Ok(Carried::Copied(entry.size))
}

/// Removes what is not what the catalogue says, once there is what is.
async fn make_room(to: &dyn BlobStore, entry: &FileEntry) -> Result<(), CopyError> {
    to.delete(entry.blob).await.map_err(CopyError::Target)
}

/// The next bytes; of a blob that ends too early `Some(None)`.
async fn next(bytes: &mut ByteStream) -> Result<Option<Option<Bytes>>, StoreError> {
    match bytes.next().await {
        None => Ok(None),
        Some(Ok(chunk)) => Ok(Some(Some(chunk))),
        Some(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(None)),
        Some(Err(error)) => Err(StoreError::from_io(error)),
    }
}

async fn hash(hashers: Hashers, chunk: Bytes) -> Result<Hashers, StoreError> {
    let hashed = hashers.update(chunk).await;
    hashed.map_err(|error| StoreError::Unavailable(error.into()))
}

fn is_of(entry: &FileEntry, sha256: Sha256, size: u64) -> bool {
    size == entry.size && sha256 == entry.sha256
}

/// Leave to read what is copied, or looked at, and shown to nobody.
fn grant(entry: &FileEntry) -> ReadGrant {
    ReadGrant::new(entry.blob)
}
