use std::fmt;

use async_trait::async_trait;

use super::{Change, DownloadsOf, Outcome, Page, StoreError};
use crate::{
    audience::Scope,
    event::{Recorded, Transfers},
    file::{File, FileName, Seq},
    group::{Group, GroupName},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Lease, ManagedLink, SecretHash},
    once::{OnceKey, Remembered},
    outbox::Queued,
    quota::Usage,
    removal::{Ended, RemovedFile},
    time::Timestamp,
    trail::{Checkpoint, Head},
};

/// Groups that a user is in at most.
pub const MAX_GROUPS: usize = 1000;

/// The catalogue: which files there are, for whom, the groups of clients, managed links and their
/// leases, and the trail of what happened, with its checkpoints.
///
/// Every write is one [`apply`](FileStore::apply), so a store can queue changes and make many of
/// them durable at once, and a test can hold any store against the one in [`memory`](crate::memory).
#[async_trait]
pub trait FileStore: fmt::Debug + Send + Sync + 'static {
    /// The file of this id, also one that has expired.
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError>;

    /// The newest file of this name that is in `scope`, and [there](crate::file::FileEntry::is_there) at `now`: the one added last.
    async fn newest(
        &self,
        name: &FileName,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<Option<File>, StoreError>;

    /// At most `limit` files (at least 1) in `scope`, and [there](crate::file::FileEntry::is_there) at `now`, newest first, older than
    /// position `before`.
    async fn list(
        &self,
        scope: &Scope,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<File, Seq>, StoreError>;

    /// The removed file of this id, also one that is not [kept](RemovedFile::is_kept) any more.
    async fn removed_file(&self, id: FileId) -> Result<Option<RemovedFile>, StoreError>;

    /// At most `limit` removed files (at least 1) that are [kept](RemovedFile::is_kept) at `now`, in the order of
    /// their positions, newest first, older than position `before`.
    async fn removed(
        &self,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<RemovedFile, Seq>, StoreError>;

    /// At most `limit` removed files (at least 1) that are not [kept](RemovedFile::is_kept) at `now`, in the order of
    /// their times and positions.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RemovedFile>, StoreError>;

    /// At most `limit` files (at least 1) that are not removed and either are not [there](crate::file::FileEntry::is_there) at `now`, or
    /// for whose groups the shortest retention [is over](crate::file::FileEntry::is_over) then; in any order, each once, with the first
    /// of these that is so.
    async fn ended(&self, now: Timestamp, limit: usize) -> Result<Vec<Ended>, StoreError>;

    /// The group of this id.
    async fn group(&self, id: GroupId) -> Result<Option<Group>, StoreError>;

    /// At most `limit` groups (at least 1), ordered by name, after the name `after`.
    async fn groups(
        &self,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Page<Group, GroupName>, StoreError>;

    /// At most `limit` members of a group (at least 1), ordered by id, after `after`; none where there
    /// is no such group.
    async fn members(
        &self,
        group: GroupId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Page<UserId, UserId>, StoreError>;

    /// The groups that the user is in, in order: [`MAX_GROUPS`] at most.
    async fn groups_of(&self, user: UserId) -> Result<Vec<GroupId>, StoreError>;

    /// The managed link of this id.
    async fn link(&self, id: LinkId) -> Result<Option<ManagedLink>, StoreError>;

    /// The managed link whose secret has this digest.
    async fn link_of(&self, secret: SecretHash) -> Result<Option<ManagedLink>, StoreError>;

    /// At most `limit` managed links of a user (at least 1), ordered by id from the greatest on, which
    /// is the newest, less than `before`.
    async fn links(
        &self,
        made_by: UserId,
        before: Option<LinkId>,
        limit: usize,
    ) -> Result<Page<ManagedLink, LinkId>, StoreError>;

    /// The lease of this id.
    async fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError>;

    /// At most `limit` mails that wait (at least 1), in the order in which they are due.
    async fn mails(&self, limit: usize) -> Result<Vec<Queued>, StoreError>;

    /// What was done by this key, if that is still remembered.
    async fn remembered(&self, key: OnceKey) -> Result<Option<Remembered>, StoreError>;

    /// Those of `keys` under which no file of the catalogue has its bytes, nor a removed one that is in it still; each
    /// once, in any order. Some thousand keys at most are asked about at once.
    async fn unreferenced(&self, keys: &[BlobKey]) -> Result<Vec<BlobKey>, StoreError>;

    /// Whether a file of the catalogue, or a removed one that is in it still, has its bytes under `key`.
    async fn references(&self, key: BlobKey) -> Result<bool, StoreError> {
        Ok(self.unreferenced(&[key]).await?.is_empty())
    }

    /// What the files that `user` uploaded take: those of the catalogue, as it is now, and the removed ones that are
    /// in it still.
    async fn usage(&self, user: UserId) -> Result<Usage, StoreError>;

    /// At most `limit` events (at least 1), oldest first, after position `after`. Each is chained to the
    /// one before it of the same writer: see [`trail`](crate::trail).
    async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError>;

    /// The last entry of each writer's chain, ordered by writer.
    async fn heads(&self) -> Result<Vec<Head>, StoreError>;

    /// At most `limit` checkpoints (at least 1), in the order of the entries that they are of, of those
    /// after position `after`.
    async fn checkpoints(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Checkpoint, Seq>, StoreError>;

    /// At most `limit` events of these downloads (at least 1), oldest first, after position `after`.
    async fn downloads(
        &self,
        of: DownloadsOf,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError>;

    /// What all events of these downloads come to.
    async fn downloaded(&self, of: DownloadsOf) -> Result<Transfers, StoreError>;

    /// Checks the change's preconditions, makes it and records [`Change::events`], in one
    /// transaction. Durable when it returns an [`Outcome`] that changed something; otherwise
    /// nothing was written, unless the error is [`StoreError::Unavailable`] or
    /// [`StoreError::Damaged`]. Events stand in the order of the changes.
    async fn apply(&self, change: Change) -> Result<Outcome, StoreError>;

    /// Whether the store answers.
    async fn check(&self) -> Result<(), StoreError>;
}
