use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use consign_core::store::StoreError;
use redb::{Database, ReadTransaction, ReadableDatabase};

use crate::{
    disk::Watch,
    fault::{Fault, Setback, Trouble},
    open::panic_text,
    recent::Recent,
};

/// What the store's handles and its writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// `None` while it is being opened again, or cannot be.
    database: RwLock<Option<Database>>,
    watch: Arc<Watch>,
    commits: AtomicU64,
    recent: Recent,
}

impl Shared {
    pub(crate) fn new(database: Database, watch: Arc<Watch>) -> Self {
        Self {
            database: RwLock::new(Some(database)),
            watch,
            commits: AtomicU64::new(0),
            recent: Recent::new(),
        }
    }

    /// Reads one snapshot of the database.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        // redb panics on some damage; that must not take the caller's task down.
        let done = catch_unwind(AssertUnwindSafe(|| {
            let snapshot = match &*self.database() {
                Some(database) => database.begin_read()?,
                None => return Err(Setback::Trouble(Trouble::Closed).error().into()),
            };
            work(&snapshot)
        }));
        match done {
            Ok(done) => done.map_err(StoreError::from),
            Err(panic) => {
                self.watch.panicked();
                Err(Setback::Trouble(Trouble::Panic(panic_text(&*panic))).error())
            }
        }
    }

    pub(crate) fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn database_mut(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        self.database
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recent(&self) -> &Recent {
        &self.recent
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(crate) fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}
