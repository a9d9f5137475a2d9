use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use consign_core::store::StoreError;
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query,
    query::Query,
};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    column::Columns,
    fault::{Fault, within},
    meters::Meters,
    open::{self, OpenError, Place},
    options::Options,
    pool::Pool,
    schema::bring_up,
    writer::{self, Answer, Ask, Job, QUEUE, Writer},
};

/// Users and the catalogue in a schema of a PostgreSQL database, which any number of nodes share. Clones share the
/// connections.
///
/// When the last clone is dropped, the changes that wait are made, as long as the runtime goes on.
#[derive(Clone)]
pub struct PgStore(Arc<Inner>);

struct Inner {
    place: Arc<Place>,
    pool: Pool,
    queue: mpsc::Sender<Job>,
    commits: Arc<AtomicU64>,
}

impl PgStore {
    /// Connects to the database of this URL, `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`, and
    /// makes the schema and its tables, or brings them up to this version. Several nodes can do that at once.
    ///
    /// What the URL leaves out is taken from the usual variables, such as `PGPASSWORD`. It needs a Tokio runtime, and
    /// works as long as that does.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(url: &str, options: Options) -> Result<Self, OpenError> {
        Self::open_with(Place::new(url, options)?).await
    }

    pub(crate) async fn open_with(place: Place) -> Result<Self, OpenError> {
        let place = Arc::new(place);
        let mut connection = place.connect().await.map_err(|fault| place.told(fault))?;
        open::check_server(&place, &mut connection).await?;
        bring_up(&place, &mut connection).await?;
        let meters = Arc::new(Meters::new());
        let commits = Arc::new(AtomicU64::new(0));
        let (queue, jobs) = mpsc::channel(QUEUE);
        let writer = Writer::new(
            Arc::clone(&place),
            connection,
            Arc::clone(&meters),
            Arc::clone(&commits),
        );
        tokio::spawn(writer.run(jobs));
        Ok(Self(Arc::new(Inner {
            pool: Pool::new(Arc::clone(&place), meters),
            place,
            queue,
            commits,
        })))
    }

    /// How many transactions were made durable since the store was opened: as changes share them, far fewer than
    /// changes when there are many writers.
    pub fn commits(&self) -> u64 {
        self.0.commits.load(Ordering::Relaxed)
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.0.place
    }

    /// What one statement finds. It is asked again, once, where the connection turns out to be broken: the database
    /// may have been restarted.
    pub(crate) async fn rows<'q>(
        &self,
        ask: impl Fn() -> Query<'q, Postgres, PgArguments> + Send + Sync,
    ) -> Result<Vec<PgRow>, StoreError> {
        match self.rows_once(ask()).await {
            Err(fault) if fault.may_pass() => self.rows_once(ask()).await,
            done => done,
        }
        .map_err(Fault::error)
    }

    /// As `rows`, of a statement that finds one row at most.
    pub(crate) async fn row<'q>(
        &self,
        ask: impl Fn() -> Query<'q, Postgres, PgArguments> + Send + Sync,
    ) -> Result<Option<PgRow>, StoreError> {
        Ok(self.rows(ask).await?.pop())
    }

    /// What one statement finds or does, asked once.
    pub(crate) async fn rows_once(
        &self,
        ask: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, Fault> {
        let pool = &self.0.pool;
        let mut lent = pool.acquire().await?;
        let patience = self.0.place.patience();
        let done = within(patience, ask.fetch_all(&mut lent.connection)).await;
        match &done {
            Err(Fault::Connection(_)) => {
                pool.clear();
                pool.failed();
            }
            // What was prepared on it, and on the others, may be no good any more.
            Err(Fault::Again(_)) => pool.clear(),
            _ => lent.give_back(),
        }
        done
    }

    /// Has the writer do something, and waits until it is durable.
    pub(crate) async fn write(&self, ask: Ask) -> Result<Answer, StoreError> {
        let (job, mut waiting) = writer::job(ask);
        match self.0.queue.try_send(job) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(StoreError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(writer::stopped()),
        }
        let in_time = timeout(self.0.place.options.acquire_timeout, waiting.answer()).await;
        match in_time {
            Ok(answer) => answer,
            // Whoever waited too long for their turn goes; where it has come, there will be an answer.
            Err(_) if waiting.withdraw() => Err(StoreError::Busy),
            Err(_) => waiting.answer().await,
        }
    }

    /// Whether reads and writes can be answered.
    pub(crate) async fn answers(&self) -> Result<(), StoreError> {
        if self.0.queue.is_closed() {
            return Err(writer::stopped());
        }
        let sql = "SELECT pg_is_in_recovery() AS standby FROM head";
        let row = self.row(|| query(sql)).await?;
        let row = row.ok_or_else(|| StoreError::Damaged("there is no head of the trail".into()))?;
        match Columns(&row).get("standby").map_err(Fault::error)? {
            false => Ok(()),
            true => Err(StoreError::Unavailable("the database is a standby".into())),
        }
    }
}

/// Shows no credentials.
impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore")
            .field("place", &self.0.place)
            .field("commits", &self.commits())
            .finish_non_exhaustive()
    }
}
