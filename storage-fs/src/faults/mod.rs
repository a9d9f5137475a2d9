//! What becomes of uploads and keys when any one operation on files fails, in which order the
//! operations come, and what comes of calls that are dropped or meet.

mod blobs;
mod dropped;
mod keys;
mod script;
mod service;

use std::sync::Arc;

use bytes::Bytes;
use consign_core::{
    id::BlobKey,
    store::{BlobStore, ReadGrant, Stage, StoreError},
};
use futures_util::TryStreamExt;
use tempfile::TempDir;

use self::script::Script;
use crate::{FsBlobs, Options, disk::Disk};

const KEY: BlobKey = BlobKey::from_bytes([0xab; 16]);

fn store() -> (Arc<Script>, FsBlobs, TempDir) {
    store_with(Options::default())
}

/// In memory where there is a file system for it: there are many, and the probe is what is asked.
fn store_with(options: Options) -> (Arc<Script>, FsBlobs, TempDir) {
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let root = root.unwrap();
    let probe = Arc::<Script>::default();
    let disk = Disk::probed(Arc::clone(&probe) as _);
    let blobs = FsBlobs::open_on(disk, root.path().to_owned(), &options).unwrap();
    probe.clear();
    (probe, blobs, root)
}

async fn staged(blobs: &FsBlobs) -> Result<Box<dyn Stage>, StoreError> {
    let mut stage = blobs.begin().await?;
    for (offset, part) in [(0, "first "), (6, "second")] {
        if let Err(error) = stage.append(offset, part.into()).await {
            blobs.abort(stage.id()).await?;
            return Err(error);
        }
    }
    Ok(stage)
}

async fn upload(blobs: &FsBlobs, key: BlobKey) -> Result<(), StoreError> {
    let mut stage = staged(blobs).await?;
    let published = stage.publish(key).await;
    if published.is_err() {
        blobs.abort(stage.id()).await?;
    }
    published
}

/// Both ways that bytes become a blob.
#[derive(Clone, Copy, Debug)]
enum Way {
    Staged,
    Put,
}

impl Way {
    const ALL: [Self; 2] = [Self::Staged, Self::Put];

    async fn upload(self, blobs: &FsBlobs, key: BlobKey) -> Result<(), StoreError> {
        match self {
            Self::Staged => upload(blobs, key).await,
            Self::Put => blobs.put(key, "first second".into()).await,
        }
    }
}

async fn content(blobs: &FsBlobs, key: BlobKey) -> Bytes {
    let stream = blobs
        .open(&ReadGrant::for_testing(key), 0..12)
        .await
        .unwrap();
    let parts: Vec<Bytes> = stream.try_collect().await.unwrap();
    parts.concat().into()
}
