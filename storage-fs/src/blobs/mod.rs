//! Blobs as files.

mod list;
mod read;
mod setup;
mod stage;

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use consign_core::{
    id::{BlobKey, StageId},
    random::OsEntropy,
    store::{BlobInfo, BlobStore, ByteStream, Page, ReadGrant, Stage, StageInfo, StoreError},
};
use rustix::fs::{Access, AtFlags, CWD};

pub use self::setup::OpenError;
use self::{read::Reader, stage::FsStage};
use crate::{
    buffers::Buffers,
    disk::Disk,
    layout::{Layout, Place},
    pool::Pool,
    small::Small,
};

/// Blobs as files under one folder. Clones share what they hold.
///
/// Futures may be dropped at any time: what runs on behind them ends whole. A stage claims its file
/// as long as its handle lives, or one of its operations runs, so that
/// [`resume`](BlobStore::resume) answers [`StoreError::Busy`] when somebody is still using it,
/// in this process or another.
///
/// When a sync fails, the system may have dropped the bytes it could not write, and would not say
/// so again. Therefore a stage whose sync failed is removed: it can be neither published nor resumed.
#[derive(Clone, Debug)]
pub struct FsBlobs(Arc<Inner>);

impl FsBlobs {
    /// Opens the store in the folder `root`, made if it is missing. It blocks.
    ///
    /// A root that is there already is made private: whatever access others had is taken away. This
    /// is not done to a folder that is meant to be shared (one with the sticky bit, like `/tmp`).
    ///
    /// # Errors
    /// When the folders cannot be made, made private or made durable.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::open_with(root, Options::default())
    }

    /// Opens the store with other options than the usual. It blocks.
    ///
    /// # Errors
    /// As [`open`](FsBlobs::open).
    pub fn open_with(root: impl Into<PathBuf>, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), root.into(), &options)
    }

    pub(crate) fn open_on(disk: Disk, root: PathBuf, options: &Options) -> Result<Self, OpenError> {
        let layout = Layout::new(root);
        setup::prepare(&disk, &layout)?;
        Ok(Self(Arc::new(Inner {
            tells_free_at_once: disk.tells_free_at_once(&layout.path(Place::Stages)),
            layout,
            disk,
            pool: Pool::new(options.max_blocking),
            buffers: Arc::default(),
            small: Small::new(options.cache),
        })))
    }

    /// Does `work` on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let turn = self.0.pool.turn().await;
        turn.run(move || work(&inner)).await.map_err(unavailable)?
    }
}

/// How a store works.
#[derive(Clone, Debug)]
pub struct Options {
    max_blocking: usize,
    cache: u64,
}

impl Options {
    /// How many threads it blocks at once, at most: what is more waits. At least 1; usually 64.
    #[must_use]
    pub fn max_blocking(mut self, threads: usize) -> Self {
        self.max_blocking = threads;
        self
    }

    /// Bytes of memory for small blobs (128 KiB at most) that were read of late, so that they are
    /// not read again. Usually 16 MiB; with less than 1 MiB nothing is kept.
    #[must_use]
    pub fn cache(mut self, bytes: u64) -> Self {
        self.cache = bytes;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_blocking: 64,
            cache: 16 << 20,
        }
    }
}

#[async_trait]
impl BlobStore for FsBlobs {
    async fn begin(&self) -> Result<Box<dyn Stage>, StoreError> {
        let store = self.clone();
        let id = StageId::random(&OsEntropy);
        self.run(move |inner| Ok(Box::new(FsStage::begin(inner, store, id)?) as _))
            .await
    }

    async fn resume(&self, id: StageId) -> Result<Option<Box<dyn Stage>>, StoreError> {
        let store = self.clone();
        self.run(move |inner| {
            let stage = FsStage::resume(inner, store, id)?;
            Ok(stage.map(|stage| Box::new(stage) as _))
        })
        .await
    }

    /// What is done, in this order: a file of the key's name is made, written and synced, and its
    /// folder is synced.
    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        self.run(move |inner| inner.put(key, &bytes)).await
    }

    async fn abort(&self, id: StageId) -> Result<(), StoreError> {
        self.run(move |inner| inner.remove(Place::Stage(id))).await
    }

    async fn stages(
        &self,
        after: Option<StageId>,
        limit: usize,
    ) -> Result<Page<StageInfo, StageId>, StoreError> {
        self.run(move |inner| list::stages(inner, after, limit).map_err(unavailable))
            .await
    }

    async fn open(&self, grant: &ReadGrant, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let key = grant.key();
        if let Some(bytes) = self.0.small.get(key, &range) {
            return Ok(read::whole(bytes));
        }
        let path = self.0.layout.path(Place::Blob(key));
        let opened = self.0.disk.open_at_once(&path);
        if let Some(file) = opened.map_err(StoreError::from_io)? {
            return Ok(Reader::new(self.clone(), key, file, range).stream());
        }
        let store = self.clone();
        self.run(move |inner| {
            let file = inner.disk.open(&path).map_err(StoreError::from_io)?;
            let reader = Reader::new(store, key, file, range);
            Ok(reader.read_ahead().stream())
        })
        .await
    }

    async fn delete(&self, key: BlobKey) -> Result<(), StoreError> {
        self.run(move |inner| {
            let removed = inner.remove(Place::Blob(key));
            inner.small.remove(key);
            removed?;
            // Also when there was nothing to remove: an earlier call may have failed just here.
            let folder = inner.layout.path(Layout::fan(key));
            inner.disk.sync_folder(&folder).map_err(unavailable)
        })
        .await
    }

    async fn keys(
        &self,
        after: Option<BlobKey>,
        limit: usize,
    ) -> Result<Page<BlobInfo, BlobKey>, StoreError> {
        self.run(move |inner| list::keys(inner, after, limit).map_err(unavailable))
            .await
    }

    /// What an ordinary user may still write to the file system of the folder.
    async fn free(&self) -> Result<Option<u64>, StoreError> {
        let free = |inner: &Inner| {
            let path = inner.layout.path(Place::Stages);
            inner.disk.free(&path).map(Some).map_err(unavailable)
        };
        match self.0.tells_free_at_once {
            true => free(&self.0),
            false => self.run(free).await,
        }
    }

    /// Both folders are there, and what is in them can be read and written.
    async fn check(&self) -> Result<(), StoreError> {
        self.run(|inner| {
            [Place::Blobs, Place::Stages]
                .into_iter()
                .try_for_each(|place| usable(&inner.layout.path(place)))
                .map_err(unavailable)
        })
        .await
    }
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    disk: Disk,
    pool: Pool,
    buffers: Arc<Buffers>,
    small: Small,
    tells_free_at_once: bool,
}

impl Inner {
    /// Removes a file; one that is missing is no error.
    fn remove(&self, place: Place) -> Result<(), StoreError> {
        match self.disk.remove(&self.layout.path(place)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(error)),
            _ => Ok(()),
        }
    }
}

/// An error that says nothing of one blob or stage, nor of room.
fn unavailable(error: io::Error) -> StoreError {
    StoreError::Unavailable(error.into())
}

fn usable(folder: &Path) -> io::Result<()> {
    let access = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(CWD, folder, access, AtFlags::EACCESS)?;
    match folder.symlink_metadata()?.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn room_is_told_though_no_thread_is_free_where_that_takes_none() {
        let root = tempfile::tempdir().unwrap();
        let options = Options::default().max_blocking(1);
        let blobs = FsBlobs::open_with(root.path(), options).unwrap();
        let turn = blobs.0.pool.turn().await;
        let told = blobs.free().now_or_never();
        let at_once = Disk::default().tells_free_at_once(root.path());
        assert_eq!(told.is_some(), at_once, "{told:?}");
        drop(turn);
        assert!(blobs.free().await.unwrap().is_some());
    }
}
