//! The one that writes: it makes the changes that wait, many in one transaction.

use std::{
    io, iter, slice,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use consign_core::{
    event::Event,
    id::UserId,
    store::{Change, Insert, InsertGuard, Outcome, Row, RowKey, StoreError, Update},
    user::{User, UserChange},
};
use sqlx::{PgConnection, query, raw_sql};
use tokio::sync::{mpsc, oneshot};

use crate::{
    batch::Batch,
    column::Columns,
    fault::{Fault, within},
    meters::Meters,
    open::Place,
};

/// Changes that wait at most; who has one more is told that the store is busy.
pub(crate) const QUEUE: usize = 1024;
/// Changes that share a transaction at most.
const BATCH: usize = 64;

/// What the writer is asked.
#[derive(Debug)]
pub(crate) enum Ask {
    Change(Change),
    Insert(User, InsertGuard, Vec<Event>),
    Update(UserId, UserChange, Vec<Event>),
    Replace(Vec<Row>, Vec<RowKey>),
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Answer {
    Change(Outcome),
    Insert(Insert),
    Update(Update),
    /// What was to be put there has an id that another has.
    Exists,
    Replaced,
}

impl Ask {
    /// Whether it has a transaction for itself: it works on rows that are not known before.
    fn is_alone(&self) -> bool {
        fn is_wide(change: &Change) -> bool {
            match change {
                Change::Once { change, .. } => is_wide(change),
                Change::RemoveGroup { .. }
                | Change::ForgetLeases { .. }
                | Change::ForgetOnce { .. } => true,
                _ => false,
            }
        }
        match self {
            Self::Change(change) => is_wide(change),
            Self::Insert(..) | Self::Update(..) => false,
            Self::Replace(..) => true,
        }
    }
}

/// Something to do, and whoever waits for it.
pub(crate) struct Job {
    ask: Ask,
    answer: oneshot::Sender<Result<Answer, StoreError>>,
    /// Set by whoever is first: the writer who begins with it, or the caller who does not want it any more.
    decided: Arc<AtomicBool>,
}

impl Job {
    /// Whether it is still wanted; from then on it can be withdrawn no more.
    fn begin(&self) -> bool {
        !self.decided.swap(true, Ordering::AcqRel)
    }
}

/// A caller who waits.
pub(crate) struct Waiting {
    answer: oneshot::Receiver<Result<Answer, StoreError>>,
    decided: Arc<AtomicBool>,
}

pub(crate) fn job(ask: Ask) -> (Job, Waiting) {
    let (answer, waiting) = oneshot::channel();
    let decided = Arc::new(AtomicBool::new(false));
    let job = Job {
        ask,
        answer,
        decided: Arc::clone(&decided),
    };
    let answer = waiting;
    (job, Waiting { answer, decided })
}

impl Waiting {
    pub(crate) async fn answer(&mut self) -> Result<Answer, StoreError> {
        (&mut self.answer).await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Whether what was asked will not be done.
    pub(crate) fn withdraw(&self) -> bool {
        !self.decided.swap(true, Ordering::AcqRel)
    }
}

/// The store's writer is no more, as its runtime is.
pub(crate) fn stopped() -> StoreError {
    StoreError::Unavailable("the store was closed".into())
}

/// Writes on a connection of its own.
pub(crate) struct Writer {
    place: Arc<Place>,
    connection: Option<PgConnection>,
    meters: Arc<Meters>,
    commits: Arc<AtomicU64>,
}

/// How far a transaction has come.
#[derive(Default)]
struct Progress {
    /// Its number, once it is being committed: from then on it may have been made, whatever is heard of it.
    committing: Option<String>,
    answers: Vec<Answer>,
}

impl Writer {
    pub(crate) fn new(
        place: Arc<Place>,
        connection: PgConnection,
        meters: Arc<Meters>,
        commits: Arc<AtomicU64>,
    ) -> Self {
        Self {
            place,
            connection: Some(connection),
            meters,
            commits,
        }
    }

    /// Makes what waits until nobody can ask any more.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut waiting = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut waiting, BATCH).await > 0 {
            while !waiting.is_empty() {
                let group = waiting.drain(..together(&waiting));
                // Those of later groups can be withdrawn as long as this one takes.
                let jobs: Vec<Job> = group.filter(Job::begin).collect();
                if !jobs.is_empty() {
                    self.make(jobs).await;
                }
            }
        }
    }

    async fn make(&mut self, jobs: Vec<Job>) {
        let fault = match self.attempt(&jobs).await {
            Ok(answers) => return answer(jobs, answers),
            Err(fault) => fault,
        };
        // One of them may be to blame: each for itself, then.
        if jobs.len() > 1 && is_of_one(&fault) {
            let mut jobs = jobs.into_iter();
            while let Some(job) = jobs.next() {
                match self.attempt(slice::from_ref(&job)).await {
                    Ok(answers) => answer(vec![job], answers),
                    // Those that are left would have to wait for the same.
                    Err(fault) if is_of_all(&fault) => {
                        return refuse(iter::once(job).chain(jobs), &fault);
                    }
                    Err(fault) => refuse([job], &fault),
                }
            }
            return;
        }
        refuse(jobs, &fault);
    }

    /// Once, and once more where that may help.
    async fn attempt(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, Fault> {
        match self.transact(jobs).await {
            Err(fault) if fault.may_pass() => {
                tracing::debug!(?fault, "a transaction is made again");
                self.transact(jobs).await
            }
            done => done,
        }
    }

    async fn transact(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, Fault> {
        let begun = Instant::now();
        let mut progress = Progress::default();
        let whole = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.place.connect().await?,
            };
            let known = self.place.steps.version();
            let done = write(&mut connection, jobs, &mut progress, known).await;
            // A transaction that ended well, or that could be ended: the connection is as good as before, unless what
            // was prepared on it is of tables as they were.
            let is_over =
                done.is_ok() || raw_sql("ROLLBACK").execute(&mut connection).await.is_ok();
            if is_over && !matches!(done, Err(Fault::Again(_))) {
                self.connection = Some(connection);
            }
            done
        };
        let done = within(self.place.longest(), whole).await;
        let changed = match (done, progress.committing) {
            (Ok(changed), _) => changed,
            // Nothing is known of it but that it was to be committed.
            (Err(fault), Some(number)) => {
                self.meters.catalogue.failed();
                self.connection = None;
                match self.was_committed(&number).await {
                    Ok(true) => true,
                    Ok(false) => return Err(fault),
                    Err(unknown) => {
                        tracing::error!(?unknown, "it is not known whether a transaction was made");
                        return Err(lost());
                    }
                }
            }
            (Err(fault), _) => {
                if let Fault::Connection(error) | Fault::Unreachable(error) = &fault {
                    tracing::warn!(%error, "the database failed");
                    self.meters.catalogue.failed();
                }
                return Err(fault);
            }
        };
        if changed {
            self.meters.catalogue.committed(jobs.len(), begun);
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        Ok(progress.answers)
    }

    /// Whether the transaction of this number was made. Whoever has the head's lock knows that it is over.
    async fn was_committed(&mut self, number: &str) -> Result<bool, Fault> {
        let look = async {
            let mut connection = self.place.connect().await?;
            raw_sql("BEGIN; SELECT FROM head FOR UPDATE")
                .execute(&mut connection)
                .await?;
            let sql =
                "SELECT pg_xact_status($1::text::xid8) IS NOT DISTINCT FROM 'committed' AS made";
            let row = query(sql).bind(number).fetch_one(&mut connection).await?;
            let made = Columns(&row).get("made")?;
            raw_sql("ROLLBACK").execute(&mut connection).await?;
            self.connection = Some(connection);
            Ok::<_, Fault>(made)
        };
        within(self.place.longest(), look).await
    }
}

/// How many of the first jobs share a transaction.
fn together(jobs: &[Job]) -> usize {
    let alone = jobs.iter().position(|job| job.ask.is_alone());
    alone.unwrap_or(jobs.len()).max(1)
}

/// Whether anything was changed.
async fn write(
    connection: &mut PgConnection,
    jobs: &[Job],
    progress: &mut Progress,
    known: i32,
) -> Result<bool, Fault> {
    let is_copy = jobs.iter().all(|job| matches!(job.ask, Ask::Replace(..)));
    let mut batch = Batch::begin(connection, is_copy, known).await?;
    batch.look_up(jobs.iter().map(|job| &job.ask)).await?;
    for job in jobs {
        let answer = batch.make(&job.ask).await?;
        progress.answers.push(answer);
    }
    if !batch.write_down().await? {
        raw_sql("ROLLBACK").execute(connection).await?;
        return Ok(false);
    }
    progress.committing = Some(batch.number);
    raw_sql("COMMIT").execute(connection).await?;
    Ok(true)
}

fn answer(jobs: Vec<Job>, answers: Vec<Answer>) {
    for (job, answer) in jobs.into_iter().zip(answers) {
        let answer = match answer {
            Answer::Exists => Err(StoreError::Exists),
            answer => Ok(answer),
        };
        drop(job.answer.send(answer));
    }
}

fn refuse(jobs: impl IntoIterator<Item = Job>, fault: &Fault) {
    for job in jobs {
        // Who went away need not be told.
        drop(job.answer.send(Err(fault.clone().error())));
    }
}

/// Whether one change may be to blame, and no other.
fn is_of_one(fault: &Fault) -> bool {
    match fault {
        Fault::Exists(_) | Fault::Damaged(_) | Fault::Other(_) => true,
        Fault::Connection(_)
        | Fault::Unreachable(_)
        | Fault::Busy(_)
        | Fault::Again(_)
        | Fault::Full(_)
        | Fault::Closed(_) => false,
    }
}

/// Whether any change would meet it now.
fn is_of_all(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Connection(_) | Fault::Unreachable(_) | Fault::Busy(_) | Fault::Closed(_)
    )
}

/// Of a transaction of which nobody can tell whether it was made. It is not made again.
fn lost() -> Fault {
    let error = io::Error::new(io::ErrorKind::TimedOut, "the answer to a commit was lost");
    Fault::Connection(Arc::new(error.into()))
}
