//! Bytes on their way in.

use std::{io, mem, os::unix::fs::MetadataExt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use consign_core::{
    id::{BlobKey, StageId},
    store::{Stage, StoreError},
};

use super::{FsBlobs, Inner, unavailable};
use crate::{
    disk::OpenFile,
    layout::{Layout, Place},
};

/// A stage: a file that is open for as long as it is appended to.
#[derive(Debug)]
pub(super) struct FsStage {
    id: StageId,
    size: u64,
    file: Held,
    store: FsBlobs,
}

#[derive(Debug)]
enum Held {
    Open(Arc<OpenFile>),
    /// An operation failed, or its future was dropped and it may still be running.
    Unusable,
    /// The file is a blob now, which nothing may change.
    Published,
}

/// How publishing went, if there was no error.
enum Published {
    Yes,
    KeyTaken(Arc<OpenFile>),
}

impl FsStage {
    pub(super) fn begin(inner: &Inner, store: FsBlobs, id: StageId) -> Result<Self, StoreError> {
        let path = inner.layout.path(Place::Stage(id));
        let file = inner.disk.create(&path).map_err(full_or_unavailable)?;
        if !inner.disk.claim(&file).map_err(unavailable)? {
            return Err(StoreError::Busy);
        }
        Ok(Self::of(store, id, 0, file))
    }

    pub(super) fn resume(
        inner: &Inner,
        store: FsBlobs,
        id: StageId,
    ) -> Result<Option<Self>, StoreError> {
        let path = inner.layout.path(Place::Stage(id));
        let file = match inner.disk.open_to_write(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(unavailable)?,
        };
        if !inner.disk.claim(&file).map_err(unavailable)? {
            return Err(StoreError::Busy);
        }
        // Published or aborted since it was opened: the handle may be that of a blob now.
        let metadata = inner.disk.metadata(&file).map_err(unavailable)?;
        match inner.disk.metadata_at(&path) {
            Ok(named) if (named.dev(), named.ino()) == (metadata.dev(), metadata.ino()) => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unavailable(error));
            }
            _ => return Ok(None),
        }
        if metadata.nlink() > 1 {
            // A crash came between the two halves of a rename by link: it is a blob already.
            return inner.remove(Place::Stage(id)).map(|()| None);
        }
        Ok(Some(Self::of(store, id, metadata.len(), file)))
    }

    fn of(store: FsBlobs, id: StageId, size: u64, file: OpenFile) -> Self {
        Self {
            id,
            size,
            file: Held::Open(Arc::new(file)),
            store,
        }
    }

    fn file(&self) -> Result<&Arc<OpenFile>, StoreError> {
        match &self.file {
            Held::Open(file) => Ok(file),
            Held::Unusable => Err(StoreError::Unavailable(
                "an operation on the stage failed or was given up; it can only be aborted".into(),
            )),
            Held::Published => Err(StoreError::Missing),
        }
    }

    /// Does `work`, during which the stage is unusable, and stays so unless `work` ends well and its
    /// end is seen: a dropped future's work runs on.
    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Inner, Arc<OpenFile>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.file()?;
        let turn = self.store.0.pool.turn().await;
        let Held::Open(file) = mem::replace(&mut self.file, Held::Unusable) else {
            return Err(StoreError::Missing);
        };
        let inner = Arc::clone(&self.store.0);
        let done = turn.run(move || work(&inner, file)).await;
        done.map_err(unavailable)?
    }
}

#[async_trait]
impl Stage for FsStage {
    fn id(&self) -> StageId {
        self.id
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn append(&mut self, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.file()?;
        if offset != self.size {
            return Err(StoreError::Offset {
                expected: self.size,
            });
        }
        let len = bytes.len() as u64;
        let file = self
            .run(move |inner, file| inner.append(file, offset, &bytes))
            .await?;
        self.file = Held::Open(file);
        self.size += len;
        Ok(())
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let file = Arc::clone(self.file()?);
        let left = self.size.saturating_sub(offset);
        let len = usize::try_from(left).map_or(len, |left| left.min(len));
        self.store
            .run(move |inner| inner.read_staged(&file, offset, len))
            .await
    }

    /// What is done, in this order: the modified time is set to now, the file is synced, it is
    /// renamed, the folder of its new name is synced.
    async fn publish(&mut self, key: BlobKey) -> Result<(), StoreError> {
        let id = self.id;
        let published = self.run(move |inner, file| inner.publish(id, file, key));
        match published.await? {
            Published::Yes => {
                self.file = Held::Published;
                Ok(())
            }
            Published::KeyTaken(file) => {
                self.file = Held::Open(file);
                Err(StoreError::Exists)
            }
        }
    }
}

/// What a stage does on a thread that may block.
impl Inner {
    fn append(
        &self,
        file: Arc<OpenFile>,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Arc<OpenFile>, StoreError> {
        self.not_aborted(&file)?;
        if let Err(error) = self.disk.write(&file, offset, bytes) {
            // A part may have been written. Without it the stage can at least be resumed.
            if let Err(error) = self.disk.truncate(&file, offset) {
                tracing::debug!(%error, "a stage keeps a part of a failed write");
            }
            return Err(full_or_unavailable(error));
        }
        Ok(file)
    }

    fn read_staged(&self, file: &OpenFile, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        self.not_aborted(file)?;
        let bytes = self.disk.read(file, offset, len).map_err(unavailable)?;
        match bytes.len() == len {
            true => Ok(bytes),
            false => Err(StoreError::Damaged("a stage has become shorter".into())),
        }
    }

    fn not_aborted(&self, file: &OpenFile) -> Result<(), StoreError> {
        match self.disk.metadata(file).map_err(unavailable)?.nlink() {
            0 => Err(StoreError::Missing),
            _ => Ok(()),
        }
    }

    /// All in one, so that a dropped future cannot leave it half done.
    fn publish(
        &self,
        id: StageId,
        file: Arc<OpenFile>,
        key: BlobKey,
    ) -> Result<Published, StoreError> {
        let stage = self.layout.path(Place::Stage(id));
        let blob = self.layout.path(Place::Blob(key));
        let folder = self.layout.path(Layout::fan(key));

        // The sweeper's grace counts from now, however old the stage is.
        self.disk.touch(&file).map_err(unavailable)?;
        if let Err(error) = self.disk.sync_file(&file) {
            // The next sync of this file would succeed whatever has become of its bytes.
            self.give_up(Place::Stage(id));
            return Err(full_or_unavailable(error));
        }
        match self.disk.rename(&stage, &blob) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Published::KeyTaken(file));
            }
            Err(error) => return Err(StoreError::from_io(error)),
        }
        if let Err(error) = self.disk.sync_folder(&folder) {
            // Nobody has been told of it, and a power cut may take it.
            self.give_up(Place::Blob(key));
            return Err(unavailable(error));
        }
        Ok(Published::Yes)
    }

    /// All in one, so that a dropped future cannot leave it half done.
    pub(super) fn put(&self, key: BlobKey, bytes: &[u8]) -> Result<(), StoreError> {
        let blob = self.layout.path(Place::Blob(key));
        let file = match self.disk.create(&blob) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists);
            }
            created => created.map_err(full_or_unavailable)?,
        };
        let written = self.disk.write_whole(&file, bytes);
        let synced = written.and_then(|()| self.disk.sync_file(&file));
        let stored = match synced {
            Ok(()) => {
                let folder = self.layout.path(Layout::fan(key));
                self.disk.sync_folder(&folder).map_err(unavailable)
            }
            Err(error) => Err(full_or_unavailable(error)),
        };
        // Nobody has been told of it, and a power cut may take it.
        stored.inspect_err(|_| self.give_up(Place::Blob(key)))
    }

    fn give_up(&self, place: Place) {
        if let Err(error) = self.remove(place) {
            tracing::warn!(?place, %error, "what was not stored whole is still there; the sweeper will remove it");
        }
    }
}

/// [`StoreError::from_io`], for what is no question of a missing stage or blob.
fn full_or_unavailable(error: io::Error) -> StoreError {
    match StoreError::from_io(error) {
        StoreError::Missing => unavailable(io::ErrorKind::NotFound.into()),
        error => error,
    }
}
