//! Stores that fail when they are told to.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use consign_core::{
    File, Parts, User,
    event::{Event, Recorded},
    file::{FileName, Seq},
    id::{BlobKey, FileId, StageId, UserId},
    quota::Usage,
    store::{
        BlobInfo, BlobStore, ByteStream, Change, FileStore, Insert, InsertGuard, Outcome, Page,
        ReadGrant, Stage, StageInfo, StoreError, Update, UserStore,
    },
    user::{UserChange, Username},
};
use consign_http::testing;
use futures_util::{StreamExt, future::ready};

/// Makes what a store answers.
pub type MakeError = fn() -> StoreError;

/// What all stores answer, once it is set.
#[derive(Clone, Debug, Default)]
pub struct Fault(Arc<Mutex<Option<MakeError>>>);

impl Fault {
    pub fn set(&self, error: Option<MakeError>) {
        *self.lock() = error;
    }

    fn lock(&self) -> MutexGuard<'_, Option<MakeError>> {
        self.0.lock().unwrap()
    }

    fn check(&self) -> Result<(), StoreError> {
        match &*self.lock() {
            Some(error) => Err(error()),
            None => Ok(()),
        }
    }
}

/// A store that fails when it is told to.
#[derive(Debug)]
struct Faulty<T: ?Sized> {
    fault: Fault,
    inner: Arc<T>,
}

#[async_trait]
impl UserStore for Faulty<dyn UserStore> {
    async fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.fault.check()?;
        self.inner.by_id(id).await
    }

    async fn by_username(&self, username: &Username) -> Result<Option<User>, StoreError> {
        self.fault.check()?;
        self.inner.by_username(username).await
    }

    async fn list(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Page<User, Username>, StoreError> {
        self.fault.check()?;
        self.inner.list(after, limit).await
    }

    async fn has_operations_user(&self) -> Result<bool, StoreError> {
        self.fault.check()?;
        self.inner.has_operations_user().await
    }

    async fn insert(
        &self,
        user: User,
        guard: InsertGuard,
        events: Vec<Event>,
    ) -> Result<Insert, StoreError> {
        self.fault.check()?;
        self.inner.insert(user, guard, events).await
    }

    async fn update(
        &self,
        id: UserId,
        change: UserChange,
        events: Vec<Event>,
    ) -> Result<Update, StoreError> {
        self.fault.check()?;
        self.inner.update(id, change, events).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.fault.check()
    }
}

#[async_trait]
impl FileStore for Faulty<dyn FileStore> {
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError> {
        self.fault.check()?;
        self.inner.by_id(id).await
    }

    async fn newest(&self, name: &FileName) -> Result<Option<File>, StoreError> {
        self.fault.check()?;
        self.inner.newest(name).await
    }

    async fn list(&self, before: Option<Seq>, limit: usize) -> Result<Page<File, Seq>, StoreError> {
        self.fault.check()?;
        self.inner.list(before, limit).await
    }

    async fn references(&self, key: BlobKey) -> Result<bool, StoreError> {
        self.fault.check()?;
        self.inner.references(key).await
    }

    async fn usage(&self, user: UserId) -> Result<Usage, StoreError> {
        self.fault.check()?;
        self.inner.usage(user).await
    }

    async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        self.fault.check()?;
        self.inner.events(after, limit).await
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        self.fault.check()?;
        self.inner.apply(change).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.fault.check()
    }
}

#[async_trait]
impl BlobStore for Faulty<dyn BlobStore> {
    async fn begin(&self) -> Result<Box<dyn Stage>, StoreError> {
        self.fault.check()?;
        self.inner.begin().await
    }

    async fn resume(&self, id: StageId) -> Result<Option<Box<dyn Stage>>, StoreError> {
        self.inner.resume(id).await
    }

    async fn abort(&self, id: StageId) -> Result<(), StoreError> {
        self.inner.abort(id).await
    }

    async fn stages(
        &self,
        after: Option<StageId>,
        limit: usize,
    ) -> Result<Page<StageInfo, StageId>, StoreError> {
        self.inner.stages(after, limit).await
    }

    /// Fails at once; or, told so while it reads, fails then. Where something is missing then, it
    /// simply ends, which no store should.
    async fn open(&self, grant: &ReadGrant, range: Range<u64>) -> Result<ByteStream, StoreError> {
        self.fault.check()?;
        let (fault, bytes) = (self.fault.clone(), self.inner.open(grant, range).await?);
        Ok(Box::pin(bytes.scan((), move |(), chunk| {
            ready(match fault.check() {
                Ok(()) => Some(chunk),
                Err(StoreError::Missing) => None,
                Err(error) => Some(Err(std::io::Error::other(error))),
            })
        })))
    }

    async fn delete(&self, key: BlobKey) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    async fn keys(
        &self,
        after: Option<BlobKey>,
        limit: usize,
    ) -> Result<Page<BlobInfo, BlobKey>, StoreError> {
        self.inner.keys(after, limit).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.fault.check()
    }
}

/// Parts whose users, catalogue and blobs fail when they are told to, each on its own.
pub fn faulty() -> (Parts, [Fault; 3]) {
    let parts = testing::parts();
    let faults = [Fault::default(), Fault::default(), Fault::default()];
    let [users, files, blobs] = faults.clone();
    let faulty = Parts {
        users: Arc::new(Faulty {
            fault: users,
            inner: parts.users.clone(),
        }),
        files: Arc::new(Faulty {
            fault: files,
            inner: parts.files.clone(),
        }),
        blobs: Arc::new(Faulty {
            fault: blobs,
            inner: parts.blobs.clone(),
        }),
        ..parts
    };
    (faulty, faults)
}
