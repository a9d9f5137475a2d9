use std::{
    io,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{BackendError, StorageBackend};

/// What a database is on, most often a file, whose syncs are watched.
#[derive(Debug)]
pub(crate) struct Disk<B> {
    storage: B,
    watch: Arc<Watch>,
}

/// What became of a database's syncs, over all the times it was opened.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    sync_failed: AtomicBool,
    panicked: AtomicBool,
    #[cfg(test)]
    pub(crate) faults: std::sync::Mutex<Vec<(Access, io::ErrorKind)>>,
}

/// What a fault is injected into.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Sync,
}

impl Watch {
    /// Whether a sync ever failed: what was written before it may be lost although it can be read.
    pub(crate) fn sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Acquire)
    }

    /// redb panicked, as it does on some damage.
    pub(crate) fn panicked(&self) {
        self.panicked.store(true, Ordering::Release);
    }

    /// Whether the database may be another than it seems.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.sync_failed() || self.panicked.load(Ordering::Acquire)
    }
}

impl<B> Disk<B> {
    pub(crate) fn new(storage: B, watch: Arc<Watch>) -> Self {
        Self { storage, watch }
    }

    /// After a failed sync nothing is written any more, not even that the database was closed well:
    /// it was not, and has to be verified when it is opened next.
    fn writable(&self) -> io::Result<()> {
        match self.watch.sync_failed() {
            true => Err(io::Error::other("a sync failed before")),
            false => Ok(()),
        }
    }

    #[cfg(test)]
    fn fault(&self, access: Access) -> io::Result<()> {
        let faults = self.watch.faults.lock().unwrap();
        match faults.iter().find(|(at, _)| *at == access) {
            Some((_, kind)) => Err((*kind).into()),
            None => Ok(()),
        }
    }
}

impl<B: StorageBackend> StorageBackend for Disk<B> {
    fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        #[cfg(test)]
        self.fault(Access::Read)?;
        self.storage.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        #[cfg(test)]
        self.fault(Access::Write)?;
        self.storage.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writable()?;
        #[cfg(test)]
        let synced = self
            .fault(Access::Sync)
            .and_then(|()| self.storage.sync_data());
        #[cfg(not(test))]
        let synced = self.storage.sync_data();
        if synced.is_err() {
            self.watch.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?;
        #[cfg(test)]
        self.fault(Access::Write)?;
        self.storage.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.storage.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.storage.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.storage.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.storage.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.storage.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.storage.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.storage.query_lock_range(start, end)
    }
}
