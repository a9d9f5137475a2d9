//! Stores that fail or halt where a test wants them to.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::Notify;

use crate::{
    User,
    event::{Event, Recorded},
    file::{File, FileName, Seq},
    id::{BlobKey, FileId, StageId, UserId},
    memory::{MemoryBlobs, MemoryStore},
    quota::Usage,
    store::{
        BlobInfo, BlobStore, BodyError, ByteStream, Change, FileStore, Insert, InsertGuard,
        Outcome, Page, ReadGrant, Stage, StageInfo, StoreError, Update, UserStore,
    },
    user::{UserChange, Username},
};

/// What the rigged stores do, step by step: one step before each call and one after it.
#[derive(Debug, Default)]
pub struct Rig {
    state: Mutex<State>,
    reached: Notify,
    release: Notify,
}

#[derive(Debug, Default)]
struct State {
    steps: Vec<String>,
    fault: Option<(At, Fault)>,
    rewrite: Option<fn(&mut User)>,
    free: Option<u64>,
}

#[derive(Debug, PartialEq)]
enum At {
    Number(usize),
    Named(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Fail,
    Fill,
    Hold,
}

impl Rig {
    /// Fails the step of this number, counted from now.
    pub fn fail_nth(&self, n: usize) {
        self.arm(Some((At::Number(n), Fault::Fail)));
    }

    /// Fails every step of this name.
    pub fn fail_at(&self, name: &'static str) {
        self.arm(Some((At::Named(name), Fault::Fail)));
    }

    /// Answers that the store is full at every step of this name.
    pub fn fill_at(&self, name: &'static str) {
        self.arm(Some((At::Named(name), Fault::Fill)));
    }

    /// Halts at the step of this number, counted from now, until [`release`](Self::release).
    pub fn hold_nth(&self, n: usize) {
        self.arm(Some((At::Number(n), Fault::Hold)));
    }

    /// Halts at the step of this name.
    pub fn hold_at(&self, name: &'static str) {
        self.arm(Some((At::Named(name), Fault::Hold)));
    }

    pub fn disarm(&self) {
        self.arm(None);
    }

    /// Waits until `work` halts.
    pub async fn reached_by<F: Future + Unpin>(&self, work: &mut F) {
        tokio::select! {
            _ = work => panic!("it ends and does not halt"),
            () = self.reached.notified() => {}
        }
    }

    pub fn release(&self) {
        self.release.notify_one();
    }

    /// The steps since it was armed or disarmed.
    pub fn steps(&self) -> Vec<String> {
        self.state.lock().unwrap().steps.clone()
    }

    /// How users are from now on when they are looked up by their id.
    pub fn rewrite_users(&self, rewrite: fn(&mut User)) {
        self.state.lock().unwrap().rewrite = Some(rewrite);
    }

    /// A body each chunk of which is a step.
    pub fn body(
        self: &Arc<Self>,
        chunks: Vec<Bytes>,
    ) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + use<> {
        let rig = Arc::clone(self);
        stream::iter(chunks).then(move |chunk| {
            let rig = Arc::clone(&rig);
            async move {
                let step = rig.step("body").await;
                step.map_err(|error| BodyError::Incomplete(error.into()))?;
                Ok(chunk)
            }
        })
    }

    /// How much room the blob store says it has.
    pub fn set_free(&self, bytes: u64) {
        self.state.lock().unwrap().free = Some(bytes);
    }

    fn arm(&self, fault: Option<(At, Fault)>) {
        let mut state = self.state.lock().unwrap();
        state.steps.clear();
        state.fault = fault;
    }

    async fn step(&self, name: &str) -> Result<(), StoreError> {
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.steps.push(name.to_owned());
            let number = state.steps.len() - 1;
            state.fault.as_ref().and_then(|(at, fault)| {
                let hit = match at {
                    At::Number(wanted) => *wanted == number,
                    At::Named(wanted) => *wanted == name,
                };
                hit.then_some(*fault)
            })
        };
        match fault {
            Some(Fault::Fail) => return Err(StoreError::Unavailable("rigged".into())),
            Some(Fault::Fill) => return Err(StoreError::Full("rigged".into())),
            Some(Fault::Hold) => {
                self.reached.notify_one();
                self.release.notified().await;
            }
            None => {}
        }
        Ok(())
    }

    async fn around<T>(
        &self,
        name: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.step(name).await?;
        let answer = call.await?;
        self.step(&format!("{name} done")).await?;
        Ok(answer)
    }
}

#[derive(Debug)]
pub struct RiggedBlobs {
    inner: MemoryBlobs,
    rig: Arc<Rig>,
}

impl RiggedBlobs {
    pub fn new(inner: MemoryBlobs, rig: &Arc<Rig>) -> Self {
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

    async fn open(&self, grant: &ReadGrant, range: Range<u64>) -> Result<ByteStream, StoreError> {
        self.rig.around("open", self.inner.open(grant, range)).await
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
        let free = self.rig.state.lock().unwrap().free;
        self.rig.around("free", async { Ok(free) }).await
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
        self.rig
            .around("append", self.inner.append(offset, bytes))
            .await
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

#[derive(Debug)]
pub struct RiggedFiles {
    inner: MemoryStore,
    rig: Arc<Rig>,
}

impl RiggedFiles {
    pub fn new(inner: MemoryStore, rig: &Arc<Rig>) -> Self {
        let rig = Arc::clone(rig);
        Self { inner, rig }
    }
}

#[async_trait]
impl FileStore for RiggedFiles {
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError> {
        self.rig
            .around("file", FileStore::by_id(&self.inner, id))
            .await
    }

    async fn newest(&self, name: &FileName) -> Result<Option<File>, StoreError> {
        self.rig.around("newest", self.inner.newest(name)).await
    }

    async fn list(&self, before: Option<Seq>, limit: usize) -> Result<Page<File, Seq>, StoreError> {
        self.rig
            .around("files", FileStore::list(&self.inner, before, limit))
            .await
    }

    async fn references(&self, key: BlobKey) -> Result<bool, StoreError> {
        self.rig
            .around("references", self.inner.references(key))
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

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        self.rig.around("apply", self.inner.apply(change)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.rig
            .around("check files", FileStore::check(&self.inner))
            .await
    }
}

#[derive(Debug)]
pub struct RiggedUsers {
    inner: MemoryStore,
    rig: Arc<Rig>,
}

impl RiggedUsers {
    pub fn new(inner: MemoryStore, rig: &Arc<Rig>) -> Self {
        let rig = Arc::clone(rig);
        Self { inner, rig }
    }
}

#[async_trait]
impl UserStore for RiggedUsers {
    async fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let mut user = self
            .rig
            .around("user", UserStore::by_id(&self.inner, id))
            .await?;
        if let (Some(user), Some(rewrite)) = (&mut user, self.rig.state.lock().unwrap().rewrite) {
            rewrite(user);
        }
        Ok(user)
    }

    async fn by_username(&self, username: &Username) -> Result<Option<User>, StoreError> {
        self.rig
            .around("user named", self.inner.by_username(username))
            .await
    }

    async fn list(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Page<User, Username>, StoreError> {
        self.rig
            .around("users", UserStore::list(&self.inner, after, limit))
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
        self.rig
            .around("check users", UserStore::check(&self.inner))
            .await
    }
}
