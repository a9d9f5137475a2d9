use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Instant,
};

use consign_core::store::{CatalogueMeters, StoreError};
use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use crate::{
    fault::{Fault, Setback, Trouble},
    open::{OpenError, panic_text},
    schema::{self, LAST_COMMIT, META, Tables},
    shared::Shared,
};

/// Messages that wait at most; who has one more waits before the queue.
pub(crate) const QUEUE: usize = 1024;
/// Messages that share a transaction at most.
const BATCH: usize = 256;

/// What the writer is asked.
pub(crate) enum Message {
    /// Do this.
    Job(Box<dyn Job>),
    /// See whether the database still answers, and open it again if not.
    Probe,
}

/// Whether work changed anything, and what is answered.
pub(crate) enum Verdict<T> {
    Changed(T),
    /// Something is counted that is no event.
    Counted(T),
    Unchanged(T),
}

/// Work and whoever waits for it.
pub(crate) trait Job: Send {
    /// Does the work and keeps its answer; whether it changed anything. It may be run again, in
    /// another transaction, when nothing of the one before was kept.
    fn run(&mut self, tables: &mut Tables<'_>) -> Result<bool, Fault>;

    /// Gives the answer, or the failure in its place.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

/// Makes a job of `work`.
pub(crate) fn job<T, W>(work: W) -> (Message, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    W: FnMut(&mut Tables<'_>) -> Result<Verdict<T>, Fault> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = Asked {
        work,
        done: None,
        reply,
    };
    (Message::Job(Box::new(job)), answer)
}

struct Asked<T, W> {
    work: W,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Job for Asked<T, W>
where
    T: Send,
    W: FnMut(&mut Tables<'_>) -> Result<Verdict<T>, Fault> + Send,
{
    fn run(&mut self, tables: &mut Tables<'_>) -> Result<bool, Fault> {
        let (done, changed) = match (self.work)(tables)? {
            Verdict::Changed(done) | Verdict::Counted(done) => (done, true),
            Verdict::Unchanged(done) => (done, false),
        };
        self.done = Some(done);
        Ok(changed)
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let answer = match (failure, self.done) {
            (None, Some(done)) => Ok(done),
            (Some(failure), _) => Err(failure),
            (None, None) => Err(Setback::Trouble(Trouble::Stopped).error()),
        };
        // Whoever asked may have stopped waiting; the work is done all the same.
        let _ = self.reply.send(answer);
    }
}

/// Opens the same database once more, after it has been closed.
pub(crate) type Reopen = Box<dyn FnMut() -> Result<Database, OpenError> + Send>;

/// The one thread that writes.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) reopen: Reopen,
    /// Called once the database is closed for good, if it is as it should be.
    pub(crate) closed_well: Box<dyn FnOnce() + Send>,
    pub(crate) meters: CatalogueMeters,
}

/// Why a batch was not done.
enum Stop {
    /// One job of it, by its place, cannot be done.
    Job(usize, StoreError),
    /// Nothing of it can be done.
    Batch(Setback),
    /// The commit of this number failed: all of it was done, or nothing.
    Commit(u64, Arc<redb::Error>),
}

impl Stop {
    fn database(error: impl Into<redb::Error>) -> Self {
        Self::Batch(Setback::Database(Arc::new(error.into())))
    }
}

/// Takes in what others are about to ask: where all cores are busy, each of them only waits for its
/// turn, and a commit more costs more than it. With nobody else to run it takes no time.
fn gather(queue: &mut mpsc::Receiver<Message>, messages: &mut Vec<Message>) {
    while messages.len() < BATCH {
        thread::yield_now();
        let before = messages.len();
        while messages.len() < BATCH
            && let Ok(message) = queue.try_recv()
        {
            messages.push(message);
        }
        if messages.len() == before {
            return;
        }
    }
}

impl Writer {
    /// Works until the queue is closed and empty, then closes the database.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut messages = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut messages, BATCH) > 0 {
            gather(&mut queue, &mut messages);
            let jobs = messages.drain(..).filter_map(|message| match message {
                Message::Job(job) => Some(job),
                Message::Probe => None,
            });
            self.batch(jobs.collect());
        }
        if self.close() && !self.shared.watch().is_doubtful() {
            (self.closed_well)();
        }
    }

    /// Does all jobs in one transaction, then answers all of them.
    ///
    /// Even a job that changed nothing is answered only now: it may have seen what another of the
    /// batch wrote. One that fails by itself is left out, and the others begin anew.
    fn batch(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let mut failed = Vec::new();
        let setback = loop {
            match self.try_batch(&mut jobs) {
                Ok(()) => break None,
                Err(Stop::Job(at, error)) => failed.push((jobs.remove(at), error)),
                Err(Stop::Batch(setback)) => break Some(self.recover(setback, jobs.len())),
                Err(Stop::Commit(number, error)) => {
                    break self.recover_commit(number, error, jobs.len());
                }
            }
        };
        for (job, error) in failed {
            // It too may have seen what was not kept in the end.
            job.answer(Some(setback.as_ref().map_or(error, Setback::error)));
        }
        for job in jobs {
            job.answer(setback.as_ref().map(Setback::error));
        }
    }

    fn try_batch(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Stop> {
        if self.shared.watch().sync_failed() {
            return Err(Stop::Batch(Setback::Trouble(Trouble::SyncFailed)));
        }
        // A transaction that is dropped while a panic unwinds leaves the database in need of
        // repair; opening it again sees to that.
        catch_unwind(AssertUnwindSafe(|| self.attempt(jobs))).unwrap_or_else(|panic| {
            self.shared.watch().panicked();
            let text = panic_text(&*panic);
            Err(Stop::Batch(Setback::Trouble(Trouble::Panic(text))))
        })
    }

    fn attempt(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Stop> {
        let transaction = self.begin()?;
        let mut changed = false;
        let mut number = 0;
        let touched = {
            let mut tables = Tables::open(&transaction).map_err(Stop::database)?;
            for (at, job) in jobs.iter_mut().enumerate() {
                changed |= match job.run(&mut tables) {
                    Ok(changed) => changed,
                    Err(Fault::Work(error)) => return Err(Stop::Job(at, error)),
                    Err(Fault::Database(error)) => return Err(Stop::database(error)),
                };
            }
            if changed {
                number = tables.number_commit().map_err(Stop::database)?;
            }
            tables.touched
        };
        if changed {
            let _changing = self.shared.recent().changing(&touched);
            let begun = Instant::now();
            let commit = transaction.commit();
            commit.map_err(|error| Stop::Commit(number, Arc::new(error.into())))?;
            self.shared.count_commit();
            self.meters.committed(jobs.len(), begun);
        } else {
            // Nothing is new, so there is nothing to wait for.
            transaction.abort().map_err(Stop::database)?;
        }
        Ok(())
    }

    /// Begins a transaction, in a database opened again if it does not answer: a read may have
    /// failed since, for which this batch is not to blame.
    fn begin(&mut self) -> Result<WriteTransaction, Stop> {
        let begun = self.shared.database().as_ref().map(Database::begin_write);
        if let Some(Ok(transaction)) = begun {
            return Ok(transaction);
        }
        self.close();
        self.reopen().map_err(Stop::Batch)?;
        match &*self.shared.database() {
            Some(database) => database.begin_write().map_err(Stop::database),
            None => Err(Stop::Batch(Setback::Trouble(Trouble::Closed))),
        }
    }

    /// Sees that work can go on after a setback, and gives what its callers are told.
    fn recover(&mut self, setback: Setback, jobs: usize) -> Setback {
        let error: &(dyn Error + 'static) = &setback;
        tracing::error!(error, jobs, "the database failed");
        self.meters.failed();
        // What a failed sync lost may still be read: the database stays as it was before it.
        if self.shared.watch().sync_failed() {
            return Setback::Trouble(Trouble::SyncFailed);
        }
        if !matches!(setback, Setback::Reopen(_)) {
            self.close();
            if let Err(setback) = self.reopen() {
                let error: &(dyn Error + 'static) = &setback;
                tracing::error!(error, "the database stays closed");
            }
        }
        setback
    }

    /// As `recover`, after a commit that failed. redb may have failed once all was written, or with
    /// so little missing that it is not missed: only the database opened again knows.
    fn recover_commit(
        &mut self,
        number: u64,
        error: Arc<redb::Error>,
        jobs: usize,
    ) -> Option<Setback> {
        let setback = self.recover(Setback::Database(Arc::clone(&error)), jobs);
        // Perhaps only just now, when the database was opened again.
        if self.shared.watch().sync_failed() {
            return Some(Setback::Trouble(Trouble::SyncFailed));
        }
        let last = self
            .shared
            .read(|snapshot| schema::number(&snapshot.open_table(META)?, LAST_COMMIT));
        match last {
            Ok(last) if last == number => {
                tracing::warn!(jobs, "all was written for all that");
                self.shared.count_commit();
                None
            }
            Ok(_) => Some(setback),
            Err(_) => Some(Setback::Commit(error)),
        }
    }

    /// redb refuses all work after a failed read or write, until the database is opened again.
    fn reopen(&mut self) -> Result<(), Setback> {
        match (self.reopen)() {
            Ok(database) => {
                *self.shared.database_mut() = Some(database);
                self.shared.recent().forget();
                tracing::warn!("the database was opened again after a failure");
                Ok(())
            }
            Err(error) => Err(Setback::Reopen(Arc::new(error))),
        }
    }

    /// Whether it was closed well.
    fn close(&self) -> bool {
        let database = self.shared.database_mut().take();
        // Nobody knows what it will be when it is opened again.
        self.shared.recent().forget();
        let Some(database) = database else {
            return false;
        };
        match catch_unwind(AssertUnwindSafe(|| database.close())) {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database is repaired when it is opened next");
            }
            Err(panic) => {
                tracing::error!(panic = panic_text(&*panic), "the database was not closed");
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_already_shares_a_transaction_up_to_a_bound() {
        for (waiting, taken) in [(0, 1), (3, 4), (QUEUE, BATCH)] {
            let (asks, mut queue) = mpsc::channel(QUEUE);
            for _ in 0..waiting {
                assert!(asks.try_send(Message::Probe).is_ok());
            }
            let mut messages = vec![Message::Probe];
            gather(&mut queue, &mut messages);
            assert_eq!(messages.len(), taken, "{waiting} waited");
            assert_eq!(queue.len(), waiting + 1 - taken);
        }
    }
}
