//! Each operation of the disk fails once, in each way: the caller is told, nothing is there in
//! part, and work goes on as soon as the disk does.

use std::io::ErrorKind;

use consign_core::store::{StoreError, UserStore};

use super::{
    disk::{Among, Asked, Change, Disk, Failure, Sync},
    life::Life,
    model::{Answer, Model, compare},
    platter::{Fate, Numbers},
    work::{Worker, ask_together, open, runtime},
};
use crate::{OpenError, RedbStore, writer::Verdict};

/// What read(2) and its like say, and a read that is cut short.
const KINDS: [ErrorKind; 3] = [
    ErrorKind::Other,
    ErrorKind::StorageFull,
    ErrorKind::UnexpectedEof,
];

/// Operations that anything here has at most.
const ENDLESS: u64 = 10_000;

struct Bench {
    disk: Disk,
    worker: Worker,
    known: Model,
    cache_size: usize,
}

impl Bench {
    /// A database with some content, closed. Without a cache all reads come to the disk.
    async fn new(seed: u64, cache_size: usize) -> Self {
        let mut life = Life::new(seed, Sync::Honest);
        for _ in 0..3 {
            life.session(None).await.unwrap();
        }
        life.check().await.unwrap();
        let Life {
            disk,
            worker,
            known,
            ..
        } = life;
        Self {
            disk,
            worker,
            known,
            cache_size,
        }
    }

    fn fork(&self, seed: u64) -> Self {
        Self {
            disk: self.disk.copy(seed),
            // The same work each time.
            worker: self.worker.fork(1),
            known: self.known.clone(),
            cache_size: self.cache_size,
        }
    }

    fn open(&self) -> RedbStore {
        open(&self.disk, self.cache_size).unwrap()
    }

    /// Makes a few changes, which must succeed.
    async fn work(&mut self, store: &RedbStore) {
        let (steps, expected, after) = self.worker.batch(&self.known);
        let answers = ask_together(store, &steps).await;
        let answers: Result<Vec<_>, _> = answers.into_iter().collect();
        assert_eq!(answers.unwrap(), expected);
        self.known = after;
    }

    async fn is(&self, store: &RedbStore) {
        compare(store, &self.known).await.unwrap();
    }

    /// The power is cut, and comes back.
    async fn restart(&self, fate: Fate) -> RedbStore {
        self.disk.power_cycle(fate);
        self.open()
    }
}

/// All there is to fail: each operation, in each way, once or from then on.
async fn each_failure(mut attempt: impl AsyncFnMut(u64, Failure) -> Option<Asked>) -> u64 {
    let mut failures = 0;
    for kind in KINDS {
        for lasting in [false, true] {
            for skip in 0..=ENDLESS {
                assert!(skip < ENDLESS, "it has no end");
                let failure = Failure {
                    among: None,
                    skip,
                    kind,
                    lasting,
                };
                if attempt(skip, failure).await.is_none() {
                    break;
                }
                failures += 1;
            }
        }
    }
    failures
}

#[test]
fn a_change_comes_upon_a_failure_at_any_operation() {
    runtime().block_on(async {
        let (mut failures, mut tally) = (0, Tally::default());
        for seed in 1..5 {
            let base = Bench::new(seed, 1 << 20).await;
            failures += each_failure(async |seed, failure| {
                let bench = base.fork(seed);
                fail_a_change(bench, failure, &mut tally).await
            })
            .await;
        }
        println!("{failures} failures of changes: {tally:?}");
        assert!(tally.full > 50 && tally.unavailable > 100, "{tally:?}");
        assert!(tally.got_over > 0, "{tally:?}");
    });
}

/// What callers were told when an operation failed.
#[derive(Debug, Default)]
struct Tally {
    full: u64,
    unavailable: u64,
    /// That all was done, as it was.
    got_over: u64,
}

async fn fail_a_change(mut bench: Bench, failure: Failure, tally: &mut Tally) -> Option<Asked> {
    let store = bench.open();
    let (steps, expected, after) = bench.worker.batch(&bench.known);
    bench.disk.fail(failure);
    let answers = ask_together(&store, &steps).await;
    let failed = bench.disk.mend();
    let told = told(answers, &expected, failed);
    match &told {
        Some(StoreError::Full(_)) => tally.full += 1,
        Some(_) => tally.unavailable += 1,
        None => tally.got_over += u64::from(failed.is_some()),
    }
    if told.is_none() {
        bench.known = after;
    } else if failed == Some(Asked::Change(Change::Sync)) {
        refuses(&store, &mut bench).await;
        drop(store);
        // Nobody was told, and the changes may be there or not; the next are made.
        let numbers = Numbers::new(failure.skip);
        let store = bench.restart(Fate::any(&numbers)).await;
        if compare(&store, &bench.known).await.is_err() {
            bench.known = after;
        }
        bench.is(&store).await;
        bench.work(&store).await;
        bench.is(&store).await;
        return failed;
    } else {
        // The next one who writes has the database opened again, if it is not open yet.
        store.write(|_| Ok(Verdict::Unchanged(()))).await.unwrap();
        if let Err(how) = compare(&store, &bench.known).await {
            // Then all of it is there, and nobody was told that nothing is.
            let unknown = matches!(told, Some(StoreError::Unavailable(_)));
            assert!(unknown, "{failure:?}, {failed:?}: {told:?}, but {how}");
            bench.known = after;
        }
    }
    bench.work(&store).await;
    bench.is(&store).await;
    drop(store);
    bench.is(&bench.open()).await;
    bench.is(&bench.restart(Fate::AllLost).await).await;
    failed
}

/// The error that all were told, if it failed; all are told the same.
fn told(
    answers: Vec<Result<Answer, StoreError>>,
    expected: &[Answer],
    failed: Option<Asked>,
) -> Option<StoreError> {
    let (mut right, mut error) = (0, None);
    for (answer, expected) in answers.into_iter().zip(expected) {
        match answer {
            Ok(answer) => {
                assert_eq!(answer, *expected);
                right += 1;
            }
            Err(told) => {
                let named = matches!(told, StoreError::Full(_) | StoreError::Unavailable(_));
                assert!(named, "{told:?}");
                error = Some(told);
            }
        }
    }
    if error.is_some() {
        assert_eq!(right, 0, "one was told of success, one was not");
        assert!(failed.is_some(), "{error:?} came from nowhere");
    }
    error
}

/// After a failed sync nothing is changed any more, and what the failed changes made is not seen.
async fn refuses(store: &RedbStore, bench: &mut Bench) {
    let (steps, _, _) = bench.worker.batch(&bench.known);
    for answer in ask_together(store, &steps).await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))));
    }
    let check = UserStore::check(store).await;
    assert!(matches!(check, Err(StoreError::Unavailable(_))));
    for user in &bench.known.users {
        match UserStore::by_id(store, user.id).await {
            Ok(found) => assert_eq!(found.as_ref(), Some(user)),
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_))),
        }
    }
}

#[test]
fn opening_comes_upon_a_failure_at_any_operation() {
    runtime().block_on(async {
        let mut base = Bench::new(1, 0).await;
        let clean =
            each_failure(async |seed, failure| fail_opening(base.fork(seed), failure).await);
        let clean = clean.await;
        // And the same after a power cut, so that it is repaired.
        let store = base.open();
        base.work(&store).await;
        let cut = base.fork(1);
        cut.disk.power_cycle(Fate::AllLost);
        drop(store);
        let repaired =
            each_failure(async |seed, failure| fail_opening(cut.fork(seed), failure).await).await;
        println!("{clean} failures of openings, {repaired} of repairs");
        assert!(clean > 30 && repaired > 30);
    });
}

async fn fail_opening(mut bench: Bench, failure: Failure) -> Option<Asked> {
    bench.disk.fail(failure);
    let opened = open(&bench.disk, bench.cache_size);
    let failed = bench.disk.mend();
    match opened {
        Ok(store) => bench.is(&store).await,
        Err(OpenError::Io(_)) => assert!(failed.is_some()),
        // So it is when a file is too short.
        Err(OpenError::Damaged(_)) if failure.kind == ErrorKind::UnexpectedEof => {}
        Err(error) => panic!("{failure:?}, {failed:?}: {error:?}"),
    }
    // What was not written by a failed sync may still be read until the power is cut.
    let store = match failed {
        Some(Asked::Change(Change::Sync)) => bench.restart(Fate::AllLost).await,
        _ => bench.open(),
    };
    bench.is(&store).await;
    bench.work(&store).await;
    bench.is(&store).await;
    failed
}

#[test]
fn reading_and_closing_come_upon_a_failure_at_any_operation() {
    runtime().block_on(async {
        let base = Bench::new(1, 0).await;
        let reading = each_failure(async |seed, failure| {
            let mut bench = base.fork(seed);
            let store = bench.open();
            bench.disk.fail(failure);
            let seen = compare(&store, &bench.known).await;
            let failed = bench.disk.mend();
            assert!(seen.is_ok() || failed.is_some(), "{seen:?}");
            bench.work(&store).await;
            bench.is(&store).await;
            failed
        });
        let reading = reading.await;
        let closing = each_failure(async |seed, failure| {
            let mut bench = base.fork(seed);
            let store = bench.open();
            bench.work(&store).await;
            bench.disk.fail(failure);
            drop(store);
            let failed = bench.disk.mend();
            let store = bench.restart(Fate::any(&Numbers::new(seed))).await;
            bench.is(&store).await;
            failed
        });
        let closing = closing.await;
        println!("{reading} failures of reading, {closing} of closing");
        assert!(reading > 20 && closing > 5);
    });
}

/// The process is restarted after a failed sync, and the power is cut later. This is why opening a
/// file begins with forgetting what is cached of it.
#[test]
fn a_restart_after_a_failed_sync_builds_on_the_disk_alone() {
    runtime().block_on(async {
        let base = Bench::new(1, 1 << 20).await;
        let (mut sound, mut ruined) = (0, 0);
        for seed in 1..=120 {
            for forget in [true, false] {
                let restarted = restart_after_a_failed_sync(base.fork(seed), seed, forget).await;
                match (forget, restarted) {
                    (true, restarted) => sound += u64::from(restarted.unwrap()),
                    (false, Err(_)) => ruined += 1,
                    (false, Ok(_)) => {}
                }
            }
        }
        println!("{sound} restarts after a failed sync; {ruined} ruined where all was cached");
        assert!(sound > 80 && ruined > 0);
    });
}

/// Whether a sync failed; an error if the database was lost.
async fn restart_after_a_failed_sync(
    mut bench: Bench,
    seed: u64,
    forget: bool,
) -> Result<bool, String> {
    bench.worker = bench.worker.fork(seed);
    let store = bench.open();
    let (steps, _, after) = bench.worker.batch(&bench.known);
    bench.disk.fail(Failure {
        among: Some(Among::Syncs),
        skip: 0,
        kind: ErrorKind::Other,
        lasting: false,
    });
    ask_together(&store, &steps).await;
    let failed = bench.disk.mend().is_some();
    drop(store);
    if forget {
        bench.disk.forget_cached();
    }
    let store = open(&bench.disk, 1 << 20).map_err(|error| format!("{error:?}"))?;
    if compare(&store, &bench.known).await.is_err() {
        bench.known = after;
    }
    bench.is(&store).await;
    for _ in 0..3 {
        bench.work(&store).await;
    }
    drop(store);
    bench.disk.power_cycle(Fate::AllLost);
    let store = open(&bench.disk, 1 << 20).map_err(|error| format!("{error:?}"))?;
    compare(&store, &bench.known).await?;
    Ok(failed)
}
