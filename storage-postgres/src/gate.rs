//! How often it is tried to connect to a database that cannot be reached.
//!
//! As long as none fails, connections are made side by side. From the first failure on one caller at a time tries, after a
//! pause, and whoever asked before that failed is told the same.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{self, MutexGuard},
    time::{Instant, sleep_until, timeout_at},
};

use crate::fault::Fault;

/// From a failed attempt to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// What all who connect to a database pass.
#[derive(Default)]
pub(crate) struct Gate {
    failed: Mutex<Option<Failed>>,
    turn: sync::Mutex<()>,
}

/// The latest attempt, if it failed.
#[derive(Clone)]
struct Failed {
    at: Instant,
    fault: Fault,
}

impl Gate {
    /// What an attempt comes to, or another's that failed after this one was asked for. The turn is waited for until
    /// that long after the asking; whoever does not get it is told how the last attempt failed.
    pub(crate) async fn pass<T>(
        &self,
        asked: Instant,
        most: Duration,
        attempt: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let turn = match self.failed() {
            None => None,
            Some(failed) if failed.at >= asked => return Err(failed.fault),
            Some(failed) => match timeout_at(asked + most, self.turn(asked)).await {
                Ok(turn) => turn?,
                Err(_) => return Err(failed.fault),
            },
        };
        let done = attempt.await;
        let failed = done.as_ref().err().map(|fault| Failed {
            at: Instant::now(),
            fault: fault.clone(),
        });
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        drop(turn);
        done
    }

    /// The right to try, which nobody else has meanwhile. None is needed where an attempt succeeded.
    async fn turn(&self, asked: Instant) -> Result<Option<MutexGuard<'_, ()>>, Fault> {
        let turn = self.turn.lock().await;
        match self.failed() {
            None => Ok(None),
            Some(failed) if failed.at >= asked => Err(failed.fault),
            Some(failed) => {
                sleep_until(failed.at + PAUSE).await;
                Ok(Some(turn))
            }
        }
    }

    fn failed(&self) -> Option<Failed> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use consign_core::testing::run;
    use tokio::{sync::Semaphore, task::JoinSet};

    use super::*;

    const MOST: Duration = Duration::from_secs(60);

    async fn pass(gate: &Gate, attempt: Result<(), Fault>) -> Result<(), Fault> {
        gate.pass(Instant::now(), MOST, async { attempt }).await
    }

    #[test]
    fn whoever_waits_shares_what_one_attempt_comes_to() {
        run(async {
            let (gate, tried) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
            assert!(pass(&gate, Err(Fault::silent())).await.is_err());
            let asked = Instant::now();
            let mut callers = JoinSet::new();
            for _ in 0..40 {
                let (gate, tried) = (gate.clone(), tried.clone());
                callers.spawn(async move {
                    let attempt = async {
                        tried.fetch_add(1, Ordering::SeqCst);
                        Err::<(), _>(Fault::silent())
                    };
                    gate.pass(asked, MOST, attempt).await
                });
            }
            assert!(callers.join_all().await.iter().all(Result::is_err));
            assert_eq!(tried.load(Ordering::SeqCst), 1);
            // What failed before somebody asked says nothing to them.
            assert!(pass(&gate, Ok(())).await.is_ok());
        });
    }

    #[test]
    fn attempts_are_made_side_by_side_where_none_failed_or_one_succeeded_since() {
        run(async {
            let gate = Arc::new(Gate::default());
            for fails_before in [false, true] {
                if fails_before {
                    assert!(pass(&gate, Err(Fault::silent())).await.is_err());
                    assert!(pass(&gate, Ok(())).await.is_ok());
                }
                // None of them ends before all have begun.
                let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
                let mut callers = JoinSet::new();
                for _ in 0..8 {
                    let (gate, begun, go) = (gate.clone(), begun.clone(), go.clone());
                    callers.spawn(async move {
                        let attempt = async {
                            begun.add_permits(1);
                            drop(go.acquire().await);
                            Ok(())
                        };
                        gate.pass(Instant::now(), MOST, attempt).await
                    });
                }
                drop(begun.acquire_many(8).await);
                go.add_permits(8);
                assert!(callers.join_all().await.iter().all(Result::is_ok));
            }
        });
    }

    #[test]
    fn a_turn_is_waited_for_in_bounded_time_and_passes_on_from_whoever_goes_away() {
        run(async {
            let gate = Arc::new(Gate::default());
            assert!(pass(&gate, Err(Fault::silent())).await.is_err());
            let (begun, other) = (Arc::new(Semaphore::new(0)), gate.clone());
            let has_begun = begun.clone();
            let trying = tokio::spawn(async move {
                let attempt = async {
                    has_begun.add_permits(1);
                    std::future::pending::<Result<(), Fault>>().await
                };
                other.pass(Instant::now(), MOST, attempt).await
            });
            drop(begun.acquire().await);
            let short = Duration::from_millis(1);
            let waited = gate.pass(Instant::now(), short, async { Ok(()) }).await;
            assert!(waited.is_err(), "another tries");
            trying.abort();
            assert!(pass(&gate, Ok(())).await.is_ok());
        });
    }
}
