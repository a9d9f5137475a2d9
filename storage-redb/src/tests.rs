//! What can be seen only from inside: batches, and what becomes of failures.

mod disk;
mod faults;
mod life;
mod model;
mod platter;
mod power;
mod rows;
mod work;

use std::{io::ErrorKind, sync::mpsc, time::Duration};

use consign_core::{
    store::{Change, FileStore, Insert, InsertGuard, Outcome, StoreError, UserStore},
    testing::{sample_entry, sample_event, sample_user},
    user::{Role, User},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::{Options, RedbStore, disk::Access, schema::Tables, writer::Verdict};

struct Bench {
    store: RedbStore,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let folder = TempDir::new().unwrap();
        let store = RedbStore::open(folder.path().join("db"), options).unwrap();
        Self { store, folder }
    }

    fn reopened(self) -> Self {
        let Self { store, folder } = self;
        drop(store);
        let store = RedbStore::open(folder.path().join("db"), Options::default()).unwrap();
        Self { store, folder }
    }

    fn fail(&self, access: Access, kind: ErrorKind) {
        self.store
            .watch()
            .faults
            .lock()
            .unwrap()
            .push((access, kind));
    }

    fn mend(&self) {
        self.store.watch().faults.lock().unwrap().clear();
    }

    /// Keeps the writer busy until the sender is dropped: what is asked meanwhile is one batch.
    async fn hold(&self) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let store = self.store.clone();
        let mut begin = Some(begin);
        let task = tokio::spawn(async move {
            let work = move |_: &mut Tables<'_>| {
                begin.take().map(|begin| begin.send(()));
                let _ = held.recv();
                Ok(Verdict::Unchanged(()))
            };
            store.write(work).await
        });
        begun.await.unwrap();
        task.abort();
        let _ = task.await;
        release
    }

    /// Asks in a task, and returns once the writer has the message.
    async fn ask<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let before = self.store.waiting();
        let task = tokio::spawn(future);
        while self.store.waiting() == before {
            tokio::task::yield_now().await;
        }
        task
    }

    async fn ask_insert(&self, user: User) -> JoinHandle<Result<Insert, StoreError>> {
        let store = self.store.clone();
        self.ask(async move {
            store
                .insert(user, InsertGuard::None, vec![sample_event(1)])
                .await
        })
        .await
    }

    async fn insert(&self, n: u32) -> Result<Insert, StoreError> {
        let user = sample_user(n, Role::Client);
        self.store
            .insert(user, InsertGuard::None, vec![sample_event(n)])
            .await
    }

    async fn users(&self) -> usize {
        UserStore::list(&self.store, None, 10_000)
            .await
            .unwrap()
            .items
            .len()
    }
}

#[tokio::test]
async fn concurrent_changes_share_a_commit() {
    let bench = Bench::new();
    let release = bench.hold().await;
    let mut tasks = Vec::new();
    for n in 0..64 {
        tasks.push(bench.ask_insert(sample_user(n, Role::Client)).await);
    }
    assert_eq!(bench.store.commits(), 0);
    drop(release);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), Insert::Done);
    }
    assert_eq!(bench.store.commits(), 1);
    assert_eq!(bench.users().await, 64);
}

#[tokio::test]
async fn what_changes_nothing_needs_no_commit() {
    let bench = Bench::new();
    assert_eq!(bench.insert(1).await.unwrap(), Insert::Done);
    let namesake = User {
        username: sample_user(1, Role::Client).username,
        ..sample_user(2, Role::Client)
    };
    let refused = bench
        .store
        .insert(namesake, InsertGuard::None, vec![])
        .await;
    assert_eq!(refused.unwrap(), Insert::UsernameTaken);
    assert_eq!(bench.store.commits(), 1);
}

#[tokio::test]
async fn a_full_disk_is_told_and_got_over() {
    let bench = Bench::new();
    let kinds = [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::FileTooLarge,
    ];
    for (n, kind) in (0..).zip(kinds) {
        bench.fail(Access::Write, kind);
        // While nothing at all can be written the database is not opened again either, so it is not
        // known whether the commit that failed was made.
        assert!(matches!(
            bench.insert(n).await,
            Err(StoreError::Unavailable(_))
        ));
        // The next one is not begun.
        assert!(matches!(bench.insert(n).await, Err(StoreError::Full(_))));
        bench.mend();
        assert_eq!(bench.insert(n).await.unwrap(), Insert::Done);
        assert_eq!(bench.users().await, n as usize + 1);
    }
    UserStore::check(&bench.store).await.unwrap();
}

#[tokio::test]
async fn reads_come_back_by_themselves_after_a_failure() {
    let bench = Bench::with(Options {
        cache_size: 0,
        ..Options::default()
    });
    bench.insert(1).await.unwrap();
    bench.fail(Access::Read, ErrorKind::Other);
    let id = sample_user(1, Role::Client).id;
    assert!(matches!(
        UserStore::by_id(&bench.store, id).await,
        Err(StoreError::Unavailable(_))
    ));
    bench.mend();
    // Nobody writes: the failed reads alone make the writer look.
    let found = loop {
        match UserStore::by_id(&bench.store, id).await {
            Ok(found) => break found,
            Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(found.is_some());
}

#[tokio::test]
async fn a_write_is_not_blamed_for_a_read_that_failed_before() {
    let bench = Bench::with(Options {
        cache_size: 0,
        ..Options::default()
    });
    bench.insert(1).await.unwrap();
    bench.fail(Access::Read, ErrorKind::Other);
    let id = sample_user(1, Role::Client).id;
    assert!(UserStore::by_id(&bench.store, id).await.is_err());
    bench.mend();
    assert_eq!(bench.insert(2).await.unwrap(), Insert::Done);
}

#[tokio::test]
async fn nothing_is_written_after_a_failed_sync() {
    let bench = Bench::new();
    bench.insert(1).await.unwrap();
    bench.fail(Access::Sync, ErrorKind::StorageFull);
    // It is not known what was written, so it is not told as a full disk.
    assert!(matches!(
        bench.insert(2).await,
        Err(StoreError::Unavailable(_))
    ));
    bench.mend();
    assert!(matches!(
        bench.insert(3).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        UserStore::check(&bench.store).await,
        Err(StoreError::Unavailable(_))
    ));

    let bench = bench.reopened();
    let id = |n| sample_user(n, Role::Client).id;
    assert!(
        UserStore::by_id(&bench.store, id(1))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        UserStore::by_id(&bench.store, id(3))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(bench.insert(3).await.unwrap(), Insert::Done);
}

#[tokio::test]
async fn no_answer_rests_on_what_was_not_kept() {
    let bench = Bench::new();
    let release = bench.hold().await;
    let first = bench.ask_insert(sample_user(1, Role::Client)).await;
    let second = bench.ask_insert(sample_user(1, Role::Client)).await;
    bench.fail(Access::Write, ErrorKind::Other);
    drop(release);
    assert!(matches!(
        first.await.unwrap(),
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        second.await.unwrap(),
        Err(StoreError::Unavailable(_))
    ));
    bench.mend();
    assert_eq!(bench.insert(1).await.unwrap(), Insert::Done);
}

#[tokio::test]
async fn a_panic_is_an_error_and_no_end() {
    let bench = Bench::new();
    bench.insert(1).await.unwrap();
    let release = bench.hold().await;
    let neighbour = bench.ask_insert(sample_user(2, Role::Client)).await;
    let store = bench.store.clone();
    let panicking = bench
        .ask(async move {
            let work =
                |_: &mut Tables<'_>| -> Result<Verdict<()>, _> { panic!("as the test wants") };
            store.write(work).await
        })
        .await;
    drop(release);
    assert!(matches!(
        neighbour.await.unwrap(),
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        panicking.await.unwrap(),
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(bench.users().await, 1);
    assert_eq!(bench.insert(2).await.unwrap(), Insert::Done);
    let bench = bench.reopened();
    assert_eq!(bench.users().await, 2);
}

#[tokio::test]
async fn a_job_that_fails_by_itself_leaves_the_others_alone() {
    let bench = Bench::new();
    let release = bench.hold().await;
    let one = bench.ask_insert(sample_user(1, Role::Client)).await;
    let twin = User {
        id: sample_user(1, Role::Client).id,
        ..sample_user(2, Role::Client)
    };
    let twin = bench.ask_insert(twin).await;
    let three = bench.ask_insert(sample_user(3, Role::Client)).await;
    drop(release);
    assert_eq!(one.await.unwrap().unwrap(), Insert::Done);
    assert!(matches!(twin.await.unwrap(), Err(StoreError::Exists)));
    assert_eq!(three.await.unwrap().unwrap(), Insert::Done);
    assert_eq!(bench.users().await, 2);
    assert_eq!(bench.store.events(None, 100).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_change_is_made_though_nobody_waits_and_before_the_store_is_closed() {
    let bench = Bench::new();
    let release = bench.hold().await;
    for n in 0..10 {
        let asked = bench.ask_insert(sample_user(n, Role::Client)).await;
        asked.abort();
        let _ = asked.await;
    }
    drop(release);
    let bench = bench.reopened();
    assert_eq!(bench.users().await, 10);
}

#[tokio::test]
async fn a_file_that_took_the_databases_name_is_left_alone() {
    let bench = Bench::new();
    bench.insert(1).await.unwrap();
    let path = bench.folder.path().join("db");
    std::fs::rename(&path, bench.folder.path().join("moved")).unwrap();
    std::fs::write(&path, "").unwrap();
    bench.fail(Access::Write, ErrorKind::Other);
    assert!(matches!(
        bench.insert(2).await,
        Err(StoreError::Unavailable(_))
    ));
    bench.mend();
    assert!(matches!(
        bench.insert(2).await,
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    std::fs::rename(bench.folder.path().join("moved"), &path).unwrap();
    assert_eq!(bench.insert(2).await.unwrap(), Insert::Done);
}

#[tokio::test]
async fn a_full_queue_waits() {
    let bench = Bench::new();
    let release = bench.hold().await;
    let mut tasks = Vec::new();
    for n in 0..crate::writer::QUEUE as u32 {
        let store = bench.store.clone();
        let add = async move { store.apply(Change::add(sample_entry(n))).await };
        tasks.push(bench.ask(add).await);
    }
    let store = bench.store.clone();
    let mut last = tokio::spawn(async move { store.apply(Change::add(sample_entry(9_999))).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(
        tokio::time::timeout(Duration::ZERO, &mut last)
            .await
            .is_err()
    );
    drop(release);
    assert!(matches!(last.await.unwrap(), Ok(Outcome::Added(_))));
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Ok(Outcome::Added(_))));
    }
    // 1,025 changes, 256 at a time.
    assert!(bench.store.commits() <= 6, "{}", bench.store.commits());
}
