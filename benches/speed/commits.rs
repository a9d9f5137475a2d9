//! Changes of the catalogue by many writers at once, which share commits.

use std::{
    cell::LazyCell,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use consign_core::{
    store::{Change, FileStore, Outcome},
    testing::sample_entry,
};
use consign_storage_redb::RedbStore;
use criterion::{BenchmarkId, Criterion, Throughput};

use crate::site::runtime;

/// An iteration is one file added durably by each writer. A writer waits for its own changes only,
/// not for the others', so the commits are shared as they come. All of a benchmark go into one
/// database: an entry takes some hundred bytes.
pub fn commits(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20);
    for writers in [1, 4, 16, 64] {
        let store = LazyCell::new(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("consign.redb");
            let store = RedbStore::open(path, Default::default()).expect("a new database");
            (store, folder)
        });
        let number = Arc::<AtomicU32>::default();
        group.throughput(Throughput::Elements(writers));
        group.bench_function(BenchmarkId::new("redb", writers), |bencher| {
            let (store, _) = &*store;
            bencher.to_async(&runtime).iter_custom(|count| {
                let (store, number) = (store.clone(), Arc::clone(&number));
                async move {
                    let begun = Instant::now();
                    let tasks: Vec<_> = (0..writers)
                        .map(|_| tokio::spawn(write(store.clone(), Arc::clone(&number), count)))
                        .collect();
                    for task in tasks {
                        task.await.expect("writers do not panic");
                    }
                    begun.elapsed()
                }
            });
        });
    }
    group.finish();
}

async fn write(store: RedbStore, number: Arc<AtomicU32>, count: u64) {
    for _ in 0..count {
        let entry = sample_entry(number.fetch_add(1, Ordering::Relaxed));
        let outcome = store.apply(Change::add(entry)).await;
        assert!(matches!(outcome, Ok(Outcome::Added(_))), "{outcome:?}");
    }
}
