use std::fmt;

use async_trait::async_trait;

use super::{Page, StoreError};
use crate::{
    event::{Author, Event, EventKind, Recorded},
    file::{File, FileEntry, FileName, Seq},
    id::{BlobKey, FileId, UserId},
    quota::{Quota, Usage},
    time::Timestamp,
};

/// The catalogue: which files there are, and the trail of what happened.
///
/// Every write is one [`apply`](FileStore::apply), so a store can queue changes and make many of
/// them durable at once, and a test can hold any store against the one in [`memory`](crate::memory).
#[async_trait]
pub trait FileStore: fmt::Debug + Send + Sync + 'static {
    /// The file of this id.
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError>;

    /// The newest file of this name: the one added last.
    async fn newest(&self, name: &FileName) -> Result<Option<File>, StoreError>;

    /// At most `limit` files (at least 1), newest first, older than position `before`.
    async fn list(&self, before: Option<Seq>, limit: usize) -> Result<Page<File, Seq>, StoreError>;

    /// Whether a file of the catalogue has its bytes under `key`.
    async fn references(&self, key: BlobKey) -> Result<bool, StoreError>;

    /// What the files that `user` uploaded take: those of the catalogue, as it is now.
    async fn usage(&self, user: UserId) -> Result<Usage, StoreError>;

    /// At most `limit` events (at least 1), oldest first, after position `after`.
    async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError>;

    /// Checks the change's preconditions, makes it and records [`Change::event`], in one
    /// transaction. Durable when it returns an [`Outcome`] that changed something; otherwise
    /// nothing was written, unless the error is [`StoreError::Unavailable`] or
    /// [`StoreError::Damaged`]. Events stand in the order of the changes.
    async fn apply(&self, change: Change) -> Result<Outcome, StoreError>;

    /// Whether the store answers.
    async fn check(&self) -> Result<(), StoreError>;
}

/// A change of the catalogue, with its preconditions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Add a file. No file has its id, none has its blob, and with it the files of its uploader are
    /// within the quota.
    AddFile {
        /// The file.
        entry: FileEntry,
        /// What the files of the uploader may take.
        quota: Quota,
    },
    /// Remove a file. It exists.
    RemoveFile {
        /// The file.
        id: FileId,
        /// Who removes it.
        by: Author,
        /// When.
        at: Timestamp,
    },
}

impl Change {
    /// Adds a file, whatever its uploader has.
    pub fn add(entry: FileEntry) -> Self {
        let quota = Quota::NONE;
        Self::AddFile { entry, quota }
    }

    /// The event that the change causes when it is made.
    pub fn event(&self) -> Event {
        match self {
            Self::AddFile { entry, .. } => Event {
                at: entry.uploaded_at,
                by: Author::User(entry.uploaded_by),
                kind: EventKind::FileAdded {
                    file: entry.id,
                    name: entry.name.clone(),
                    sha256: entry.sha256,
                },
            },
            Self::RemoveFile { id, by, at } => Event {
                at: *at,
                by: *by,
                kind: EventKind::FileRemoved { file: *id },
            },
        }
    }
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The file is in the catalogue, at the position the store gave it.
    Added(File),
    /// The file is gone; this is what it was.
    Removed(File),
    /// Its id or its blob is in the catalogue already.
    Exists,
    /// With it the files of its uploader would be beyond the quota. [`Outcome::Exists`] comes first.
    OverQuota,
    /// There is no such file.
    Missing,
}
