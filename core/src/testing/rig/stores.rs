use std::{io, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Fault, Rig, done};
use crate::{
    User,
    audience::Scope,
    event::{Event, Recorded, Transfers},
    file::{File, FileName, Seq},
    group::{Group, GroupName},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, StageId, UserId},
    link::{Lease, ManagedLink, SecretHash},
    once::{OnceKey, Remembered},
    outbox::Queued,
    quota::Usage,
    removal::{Ended, RemovedFile},
    store::{
        BlobInfo, BlobStore, ByteStream, Change, DownloadsOf, FileStore, Insert, InsertGuard,
        Outcome, Page, ReadGrant, Row, RowKey, RowKind, RowStore, Stage, StageInfo, StoreError,
        Update, UserStore,
    },
    time::Timestamp,
    trail::{Checkpoint, EntryHash, Head},
    user::{Email, UserChange, Username},
};

/// A [`BlobStore`] under a [`Rig`].
#[derive(Debug)]
pub struct RiggedBlobs {
    inner: Arc<dyn BlobStore>,
    rig: Arc<Rig>,
}

impl RiggedBlobs {
    /// This store, under this rig.
    pub fn new(inner: Arc<dyn BlobStore>, rig: &Arc<Rig>) -> Self {
        let rig = Arc::clone(rig);
        Self { inner, rig }
    }

    fn rigged(&self, inner: Box<dyn Stage>) -> Box<dyn Stage> {
        let rig = Arc::clone(&self.rig);
        Box::new(RiggedStage { inner, rig })
    }
}

#[async_trait]
impl BlobStore for RiggedBlobs {
    async fn begin(&self) -> Result<Box<dyn Stage>, StoreError> {
        let stage = self.rig.around("begin", self.inner.begin()).await?;
        Ok(self.rigged(stage))
    }

    async fn resume(&self, id: StageId) -> Result<Option<Box<dyn Stage>>, StoreError> {
        let stage = self.rig.around("resume", self.inner.resume(id)).await?;
        Ok(stage.map(|stage| self.rigged(stage)))
    }

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        self.rig.around("put", self.inner.put(key, bytes)).await
    }

    async fn abort(&self, id: StageId) -> Result<(), StoreError> {
        self.rig.around("abort", self.inner.abort(id)).await
    }

    async fn stages(
        &self,
        after: Option<StageId>,
        limit: usize,
    ) -> Result<Page<StageInfo, StageId>, StoreError> {
        self.rig
            .around("stages", self.inner.stages(after, limit))
            .await
    }

    /// Each chunk is a step. Where something is [`StoreError::Missing`] then, it simply ends, which
    /// no store should.
    async fn open(&self, grant: &ReadGrant, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let bytes = self
            .rig
            .around("open", self.inner.open(grant, range))
            .await?;
        let begun = (bytes, Arc::clone(&self.rig));
        let stream = stream::unfold(begun, |(mut bytes, rig)| async move {
            let chunk = bytes.next().await?;
            match rig.step("chunk").await {
                Ok(()) => Some((chunk, (bytes, rig))),
                Err(StoreError::Missing) => None,
                Err(error) => Some((Err(io::Error::other(error)), (bytes, rig))),
            }
        });
        Ok(Box::pin(stream.fuse()))
    }

    async fn delete(&self, key: BlobKey) -> Result<(), StoreError> {
        self.rig.around("delete", self.inner.delete(key)).await
    }

    async fn keys(
        &self,
        after: Option<BlobKey>,
        limit: usize,
    ) -> Result<Page<BlobInfo, BlobKey>, StoreError> {
        self.rig.around("keys", self.inner.keys(after, limit)).await
    }

    async fn free(&self) -> Result<Option<u64>, StoreError> {
        match self.rig.told_free() {
            Some(free) => self.rig.around("free", async { Ok(Some(free)) }).await,
            None => self.rig.around("free", self.inner.free()).await,
        }
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.rig.around("check blobs", self.inner.check()).await
    }
}

#[derive(Debug)]
struct RiggedStage {
    inner: Box<dyn Stage>,
    rig: Arc<Rig>,
}

#[async_trait]
impl Stage for RiggedStage {
    fn id(&self) -> StageId {
        self.inner.id()
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }

    async fn append(&mut self, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        match self.rig.meet("append").await {
            Some(Fault::Fail(error)) => return Err(error()),
            Some(Fault::Short(error)) => {
                let part = bytes.slice(..bytes.len() / 2);
                self.inner.append(offset, part).await?;
                return Err(error());
            }
            Some(Fault::Hold) | None => self.inner.append(offset, bytes).await?,
        }
        self.rig.step(&done("append")).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        self.rig
            .around("read", self.inner.read_at(offset, len))
            .await
    }

    async fn publish(&mut self, key: BlobKey) -> Result<(), StoreError> {
        self.rig.around("publish", self.inner.publish(key)).await
    }
}

/// A [`FileStore`] under a [`Rig`].
#[derive(Debug)]
pub struct RiggedFiles {
    inner: Arc<dyn FileStore>,
    rig: Arc<Rig>,
}

impl RiggedFiles {
    /// This store, under this rig.
    pub fn new(inner: Arc<dyn FileStore>, rig: &Arc<Rig>) -> Self {
        let rig = Arc::clone(rig);
        Self { inner, rig }
    }
}

#[async_trait]
impl FileStore for RiggedFiles {
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError> {
        self.rig.around("file", self.inner.by_id(id)).await
    }

    async fn newest(
        &self,
        name: &FileName,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<Option<File>, StoreError> {
        self.rig
            .around("newest", self.inner.newest(name, scope, now))
            .await
    }

    async fn list(
        &self,
        scope: &Scope,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<File, Seq>, StoreError> {
        self.rig
            .around("files", self.inner.list(scope, now, before, limit))
            .await
    }

    async fn removed_file(&self, id: FileId) -> Result<Option<RemovedFile>, StoreError> {
        self.rig
            .around("removed file", self.inner.removed_file(id))
            .await
    }

    async fn removed(
        &self,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<RemovedFile, Seq>, StoreError> {
        self.rig
            .around("removed", self.inner.removed(now, before, limit))
            .await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RemovedFile>, StoreError> {
        self.rig.around("due", self.inner.due(now, limit)).await
    }

    async fn ended(&self, now: Timestamp, limit: usize) -> Result<Vec<Ended>, StoreError> {
        self.rig.around("ended", self.inner.ended(now, limit)).await
    }

    async fn group(&self, id: GroupId) -> Result<Option<Group>, StoreError> {
        self.rig.around("group", self.inner.group(id)).await
    }

    async fn groups(
        &self,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Page<Group, GroupName>, StoreError> {
        self.rig
            .around("groups", self.inner.groups(after, limit))
            .await
    }

    async fn members(
        &self,
        group: GroupId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Page<UserId, UserId>, StoreError> {
        self.rig
            .around("members", self.inner.members(group, after, limit))
            .await
    }

    async fn groups_of(&self, user: UserId) -> Result<Vec<GroupId>, StoreError> {
        self.rig
            .around("groups of", self.inner.groups_of(user))
            .await
    }

    async fn link(&self, id: LinkId) -> Result<Option<ManagedLink>, StoreError> {
        self.rig.around("link", self.inner.link(id)).await
    }

    async fn link_of(&self, secret: SecretHash) -> Result<Option<ManagedLink>, StoreError> {
        self.rig.around("link of", self.inner.link_of(secret)).await
    }

    async fn links(
        &self,
        made_by: UserId,
        before: Option<LinkId>,
        limit: usize,
    ) -> Result<Page<ManagedLink, LinkId>, StoreError> {
        self.rig
            .around("links", self.inner.links(made_by, before, limit))
            .await
    }

    async fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError> {
        self.rig.around("lease", self.inner.lease(id)).await
    }

    async fn mails(&self, limit: usize) -> Result<Vec<Queued>, StoreError> {
        self.rig.around("mails", self.inner.mails(limit)).await
    }

    async fn remembered(&self, key: OnceKey) -> Result<Option<Remembered>, StoreError> {
        self.rig
            .around("remembered", self.inner.remembered(key))
            .await
    }

    async fn unreferenced(&self, keys: &[BlobKey]) -> Result<Vec<BlobKey>, StoreError> {
        self.rig
            .around("unreferenced", self.inner.unreferenced(keys))
            .await
    }

    async fn usage(&self, user: UserId) -> Result<Usage, StoreError> {
        self.rig.around("usage", self.inner.usage(user)).await
    }

    async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        self.rig
            .around("events", self.inner.events(after, limit))
            .await
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.rig.around("heads", self.inner.heads()).await
    }

    async fn checkpoints(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Checkpoint, Seq>, StoreError> {
        self.rig
            .around("checkpoints", self.inner.checkpoints(after, limit))
            .await
    }

    async fn downloads(
        &self,
        of: DownloadsOf,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        self.rig
            .around("downloads", self.inner.downloads(of, after, limit))
            .await
    }

    async fn downloaded(&self, of: DownloadsOf) -> Result<Transfers, StoreError> {
        self.rig
            .around("downloaded", self.inner.downloaded(of))
            .await
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        self.rig.around("apply", self.inner.apply(change)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.rig.around("check files", self.inner.check()).await
    }
}

/// A [`UserStore`] under a [`Rig`].
#[derive(Debug)]
pub struct RiggedUsers {
    inner: Arc<dyn UserStore>,
    rig: Arc<Rig>,
}

impl RiggedUsers {
    /// This store, under this rig.
    pub fn new(inner: Arc<dyn UserStore>, rig: &Arc<Rig>) -> Self {
        let rig = Arc::clone(rig);
        Self { inner, rig }
    }
}

#[async_trait]
impl UserStore for RiggedUsers {
    async fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let mut user = self.rig.around("user", self.inner.by_id(id)).await?;
        if let (Some(user), Some(rewrite)) = (&mut user, self.rig.state().rewrite) {
            rewrite(user);
        }
        Ok(user)
    }

    async fn by_username(&self, username: &Username) -> Result<Option<User>, StoreError> {
        self.rig
            .around("user named", self.inner.by_username(username))
            .await
    }

    async fn by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.rig.around("user at", self.inner.by_email(email)).await
    }

    async fn list(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Page<User, Username>, StoreError> {
        self.rig
            .around("users", self.inner.list(after, limit))
            .await
    }

    async fn has_operations_user(&self) -> Result<bool, StoreError> {
        self.rig
            .around("has operations user", self.inner.has_operations_user())
            .await
    }

    async fn insert(
        &self,
        user: User,
        guard: InsertGuard,
        events: Vec<Event>,
    ) -> Result<Insert, StoreError> {
        self.rig
            .around("insert", self.inner.insert(user, guard, events))
            .await
    }

    async fn update(
        &self,
        id: UserId,
        change: UserChange,
        events: Vec<Event>,
    ) -> Result<Update, StoreError> {
        self.rig
            .around("update", self.inner.update(id, change, events))
            .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.rig.around("check users", self.inner.check()).await
    }
}

/// A [`RowStore`] under a [`Rig`].
#[derive(Debug)]
pub struct RiggedRows {
    inner: Arc<dyn RowStore>,
    rig: Arc<Rig>,
}

impl RiggedRows {
    /// This store, under this rig.
    pub fn new(inner: Arc<dyn RowStore>, rig: &Arc<Rig>) -> Self {
        let rig = Arc::clone(rig);
        Self { inner, rig }
    }
}

#[async_trait]
impl RowStore for RiggedRows {
    async fn rows(
        &self,
        kind: RowKind,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Page<Row, RowKey>, StoreError> {
        self.rig
            .around("rows", self.inner.rows(kind, after, limit))
            .await
    }

    async fn replace(&self, rows: Vec<Row>, gone: Vec<RowKey>) -> Result<(), StoreError> {
        self.rig
            .around("replace", self.inner.replace(rows, gone))
            .await
    }

    async fn copying(&self) -> Result<Option<EntryHash>, StoreError> {
        self.rig.around("copying", self.inner.copying()).await
    }

    async fn set_copying(&self, of: Option<EntryHash>) -> Result<(), StoreError> {
        self.rig
            .around("set copying", self.inner.set_copying(of))
            .await
    }
}
