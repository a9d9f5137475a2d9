//! Stores in memory: the reference that other stores are held against, and good for tests; and a
//! courier that keeps its mail.

mod blobs;
mod courier;
mod leadership;
mod limits;
mod rows;
mod state;
mod trail;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::state::State;
pub use blobs::MemoryBlobs;
pub use courier::{Fault, MemoryCourier};
pub use leadership::MemoryLeadership;
pub use limits::MemoryLimits;

use crate::{
    audience::Scope,
    event::{Event, Recorded, Transfers},
    file::{File, FileName, Seq},
    group::{Group, GroupName},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Lease, ManagedLink, SecretHash},
    once::{OnceKey, Remembered},
    outbox::Queued,
    quota::Usage,
    removal::{Ended, RemovedFile},
    store::{
        Change, DownloadsOf, FileStore, Insert, InsertGuard, Outcome, Page, StoreError, Update,
        UserStore,
    },
    time::Timestamp,
    trail::{Checkpoint, Head},
    user::{Email, User, UserChange, Username},
};

/// Users and the catalogue in memory. Clones share what they hold.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state is whole between any two calls, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl UserStore for MemoryStore {
    async fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.state().user(id).cloned())
    }

    async fn by_username(&self, username: &Username) -> Result<Option<User>, StoreError> {
        Ok(self.state().user_named(username).cloned())
    }

    async fn by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        Ok(self.state().user_at(email).cloned())
    }

    async fn list(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Page<User, Username>, StoreError> {
        Ok(self.state().users_after(after, limit))
    }

    async fn has_operations_user(&self) -> Result<bool, StoreError> {
        Ok(self.state().operations_users() > 0)
    }

    async fn insert(
        &self,
        user: User,
        guard: InsertGuard,
        events: Vec<Event>,
    ) -> Result<Insert, StoreError> {
        self.state().insert_user(user, guard, events)
    }

    async fn update(
        &self,
        id: UserId,
        change: UserChange,
        events: Vec<Event>,
    ) -> Result<Update, StoreError> {
        Ok(self.state().update_user(id, &change, events))
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl FileStore for MemoryStore {
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError> {
        Ok(self.state().file(id).cloned())
    }

    async fn newest(
        &self,
        name: &FileName,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<Option<File>, StoreError> {
        Ok(self.state().newest(name, scope, now).cloned())
    }

    async fn list(
        &self,
        scope: &Scope,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<File, Seq>, StoreError> {
        Ok(self.state().files_before(scope, now, before, limit))
    }

    async fn removed_file(&self, id: FileId) -> Result<Option<RemovedFile>, StoreError> {
        Ok(self.state().removed_file(id).cloned())
    }

    async fn removed(
        &self,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<RemovedFile, Seq>, StoreError> {
        Ok(self.state().removed_before(now, before, limit))
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RemovedFile>, StoreError> {
        Ok(self.state().due(now, limit))
    }

    async fn ended(&self, now: Timestamp, limit: usize) -> Result<Vec<Ended>, StoreError> {
        Ok(self.state().ended(now, limit))
    }

    async fn group(&self, id: GroupId) -> Result<Option<Group>, StoreError> {
        Ok(self.state().group(id).cloned())
    }

    async fn groups(
        &self,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Page<Group, GroupName>, StoreError> {
        Ok(self.state().groups_after(after, limit))
    }

    async fn members(
        &self,
        group: GroupId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Page<UserId, UserId>, StoreError> {
        Ok(self.state().members_after(group, after, limit))
    }

    async fn groups_of(&self, user: UserId) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.state().groups_of(user))
    }

    async fn link(&self, id: LinkId) -> Result<Option<ManagedLink>, StoreError> {
        Ok(self.state().link(id).cloned())
    }

    async fn link_of(&self, secret: SecretHash) -> Result<Option<ManagedLink>, StoreError> {
        Ok(self.state().link_of(secret).cloned())
    }

    async fn links(
        &self,
        made_by: UserId,
        before: Option<LinkId>,
        limit: usize,
    ) -> Result<Page<ManagedLink, LinkId>, StoreError> {
        Ok(self.state().links_before(made_by, before, limit))
    }

    async fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError> {
        Ok(self.state().lease(id).cloned())
    }

    async fn mails(&self, limit: usize) -> Result<Vec<Queued>, StoreError> {
        Ok(self.state().mails(limit))
    }

    async fn remembered(&self, key: OnceKey) -> Result<Option<Remembered>, StoreError> {
        Ok(self.state().remembered(key).cloned())
    }

    async fn unreferenced(&self, keys: &[BlobKey]) -> Result<Vec<BlobKey>, StoreError> {
        Ok(self.state().unreferenced(keys))
    }

    async fn usage(&self, user: UserId) -> Result<Usage, StoreError> {
        Ok(self.state().usage(user))
    }

    async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        Ok(self.state().trail.after(after, limit))
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        Ok(self.state().trail.head().into_iter().collect())
    }

    async fn checkpoints(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Checkpoint, Seq>, StoreError> {
        Ok(self.state().trail.checkpoints_after(after, limit))
    }

    async fn downloads(
        &self,
        of: DownloadsOf,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        Ok(self.state().trail.downloads_after(of, after, limit))
    }

    async fn downloaded(&self, of: DownloadsOf) -> Result<Transfers, StoreError> {
        Ok(self.state().trail.downloaded(of))
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        Ok(self.state().apply(change))
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
