//! Connections for reads.
//!
//! sqlx's own pool asks the database once more after each use of a connection whether it is well: two round trips a
//! read instead of one. Here one goes back only where its answer came whole, and any other is closed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::PgConnection;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{self, timeout},
};

use crate::{fault::Fault, meters::Meters, open::Place};

/// How long a connection is kept that nobody needs.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// How long a connection is used: the database's memory for it grows.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// Some connections to one database, made as they are needed.
pub(crate) struct Pool {
    place: Arc<Place>,
    permits: Semaphore,
    idle: Mutex<Idle>,
    meters: Arc<Meters>,
}

#[derive(Default)]
struct Idle {
    kept: Vec<Kept>,
    /// Those that were made before are kept no more.
    cleared: Option<Instant>,
}

struct Kept {
    connection: PgConnection,
    made: Instant,
    since: Instant,
}

/// A connection to be used. Dropped without being given back, it is closed.
pub(crate) struct Lent<'p> {
    pool: &'p Pool,
    pub(crate) connection: PgConnection,
    made: Instant,
    permit: SemaphorePermit<'p>,
}

impl Pool {
    pub(crate) fn new(place: Arc<Place>, meters: Arc<Meters>) -> Self {
        let most = place.options.max_connections as usize;
        Self {
            place,
            permits: Semaphore::new(most.min(Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
            meters,
        }
    }

    /// A connection, within twice the time that one is waited for.
    pub(crate) async fn acquire(&self) -> Result<Lent<'_>, Fault> {
        let asked = time::Instant::now();
        let most = self.place.options.acquire_timeout;
        let permit = timeout(most, self.permits.acquire()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Fault::busy());
        };
        let kept = self.pop();
        let (connection, made) = match kept {
            Some(kept) => (kept.connection, kept.made),
            None => (self.place.connect_since(asked).await?, Instant::now()),
        };
        self.tell();
        Ok(Lent {
            pool: self,
            connection,
            made,
            permit,
        })
    }

    /// Closes all that there are, once nobody uses them: one was of no use any more, so the others may be.
    pub(crate) fn clear(&self) {
        let mut idle = self.idle();
        idle.kept.clear();
        idle.cleared = Some(Instant::now());
    }

    pub(crate) fn failed(&self) {
        self.meters.catalogue.failed();
    }

    fn pop(&self) -> Option<Kept> {
        let mut idle = self.idle();
        let now = Instant::now();
        // The longest idle are first.
        let good = |kept: &Kept| {
            now.duration_since(kept.since) < IDLE && now.duration_since(kept.made) < LIFE
        };
        idle.kept.retain(good);
        idle.kept.pop()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let most = self.place.options.max_connections as usize;
        let used = most.saturating_sub(self.permits.available_permits());
        self.meters.connections(used, self.idle().kept.len());
    }
}

impl Lent<'_> {
    /// Gives it back: its last answer came whole.
    pub(crate) fn give_back(self) {
        let Self {
            pool,
            connection,
            made,
            permit,
        } = self;
        let mut idle = pool.idle();
        if idle.cleared.is_none_or(|cleared| cleared < made) {
            idle.kept.push(Kept {
                connection,
                made,
                since: Instant::now(),
            });
        }
        drop((idle, permit));
        pool.tell();
    }
}
