use std::{
    fmt, io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use consign_core::store::{CatalogueMeters, StoreError};
use redb::{Database, ReadTransaction, StorageBackend};
use tokio::sync::{Semaphore, mpsc};

use crate::{
    disk::Watch,
    fault::{Fault, Setback, Trouble},
    open::{self, Look, OpenError, Options, Place, panic_text},
    recent::{Reader, Recent},
    schema::{META, SCHEMA, Tables},
    shared::Shared,
    writer::{self, Message, QUEUE, Reopen, Verdict, Writer},
};

/// Scans that go on at once at most: each keeps a thread.
const SCANS: usize = 8;

/// Users and the catalogue in one redb database. Clones share it.
///
/// When the last clone is dropped, the changes that wait are made and the database is closed; that
/// blocks for as long as the disk takes. The file can be opened again at once.
#[derive(Clone)]
pub struct RedbStore(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    scans: Arc<Semaphore>,
    /// `None` once the store is being dropped, which is what ends the writer.
    queue: Option<mpsc::Sender<Message>>,
    writer: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens the database at `path`. One that does not exist is made, readable by its owner only.
    ///
    /// This blocks; of a database that is verified, for as long as it takes to read the whole file.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let watch = Arc::new(Watch::default());
        let (place, database) = Place::open(path.as_ref(), options, Arc::clone(&watch))?;
        let place = Arc::new(place);
        let same = Arc::clone(&place);
        let reopen = Box::new(move || place.reopen());
        Self::start(
            database,
            watch,
            reopen,
            Box::new(move || same.closed_well()),
        )
    }

    /// Looks at the database at `path` which [`open`](Self::open) would open, and changes nothing of it. This blocks.
    ///
    /// # Errors
    /// See [`OpenError`]; [`InUse`](OpenError::InUse) while it is open.
    pub fn look(path: impl AsRef<Path>) -> Result<Look, OpenError> {
        open::look(path.as_ref())
    }

    /// Opens the database on what `storage` gives, which is asked again whenever the database is
    /// to be opened again. An empty one becomes a database; one in which that was cut short does
    /// not.
    pub(crate) fn open_on<B: StorageBackend>(
        mut storage: impl FnMut() -> io::Result<B> + Send + 'static,
        options: Options,
    ) -> Result<Self, OpenError> {
        let watch = Arc::new(Watch::default());
        let database = open::open_on(storage()?, options, &watch, true)?;
        let watched = Arc::clone(&watch);
        let reopen = move || open::open_on(storage()?, options, &watched, false);
        Self::start(database, watch, Box::new(reopen), Box::new(|| ()))
    }

    fn start(
        database: Database,
        watch: Arc<Watch>,
        reopen: Reopen,
        closed_well: Box<dyn FnOnce() + Send>,
    ) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::new(database, watch));
        let (queue, messages) = mpsc::channel(QUEUE);
        let writer = Writer {
            shared: Arc::clone(&shared),
            reopen,
            closed_well,
            meters: CatalogueMeters::new(),
        };
        let writer = thread::Builder::new()
            .name("consign-redb".to_owned())
            .spawn(move || writer.run(messages))?;
        Ok(Self(Arc::new(Inner {
            shared,
            scans: Arc::new(Semaphore::new(SCANS)),
            queue: Some(queue),
            writer: Some(writer),
        })))
    }

    /// How many transactions were made durable since the store was opened: as changes share them,
    /// far fewer than changes when there are many writers.
    pub fn commits(&self) -> u64 {
        self.0.shared.commits()
    }

    pub(crate) fn recent(&self) -> &Recent {
        self.0.shared.recent()
    }

    /// Reads a few records. This runs where it is called, on the reactor too: the reads were
    /// measured at 2 to 6 us of a processor (1.5 us without the decoding), less than it takes to
    /// hand them to another thread.
    pub(crate) fn point<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.noted(self.0.shared.read(work))
    }

    /// Reads many records, on a thread of its own.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.scan_recent(|snapshot, _| work(snapshot)).await
    }

    /// As `point`, with what was read of late at hand.
    pub(crate) fn point_recent<T>(
        &self,
        work: impl FnOnce(&ReadTransaction, &Reader<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let recent = self.recent().reader();
        self.point(|snapshot| work(snapshot, &recent))
    }

    /// As `scan`, with what was read of late at hand.
    pub(crate) async fn scan_recent<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction, &Reader<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.0.scans).acquire_owned().await;
        let shared = Arc::clone(&self.0.shared);
        let scan = tokio::task::spawn_blocking(move || {
            // The permit goes with the thread, as the scan outlives a caller who stops waiting.
            let _permit = permit;
            let recent = shared.recent().reader();
            shared.read(|snapshot| work(snapshot, &recent))
        });
        let done = scan.await.unwrap_or_else(|_| Err(stopped()));
        self.noted(done)
    }

    /// Has the writer do `work`, and waits until it is durable.
    ///
    /// While the queue is full this waits, for everyone in the queue is a request that waits too.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tables<'_>) -> Result<Verdict<T>, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (message, answer) = writer::job(work);
        let Some(queue) = &self.0.queue else {
            return Err(stopped());
        };
        queue.send(message).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Whether reads and writes can be answered.
    pub(crate) fn answers(&self) -> Result<(), StoreError> {
        if self.0.shared.watch().sync_failed() {
            return Err(Setback::Trouble(Trouble::SyncFailed).error());
        }
        if self.0.queue.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return Err(stopped());
        }
        self.point(|snapshot| match snapshot.open_table(META)?.get(SCHEMA)? {
            Some(_) => Ok(()),
            None => Err(StoreError::Damaged("there is no schema version".to_owned()).into()),
        })
    }

    /// Has the writer look after a database that did not answer.
    fn noted<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let (Err(StoreError::Unavailable(_)), Some(queue)) = (&done, &self.0.queue) {
            // In a full queue it is looked after as soon as it is written to.
            let _ = queue.try_send(Message::Probe);
        }
        done
    }

    #[cfg(test)]
    pub(crate) fn watch(&self) -> &Watch {
        self.0.shared.watch()
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.0
            .queue
            .as_ref()
            .map_or(0, |queue| QUEUE - queue.capacity())
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore")
            .field("commits", &self.commits())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        let Some(writer) = self.writer.take() else {
            return;
        };
        // An answer may wake a task that nobody else keeps, and with it drop the last clone here.
        if writer.thread().id() == thread::current().id() {
            return;
        }
        if let Err(panic) = writer.join() {
            tracing::error!(
                panic = panic_text(&*panic),
                "the database's writer panicked"
            );
        }
    }
}

fn stopped() -> StoreError {
    Setback::Trouble(Trouble::Stopped).error()
}
