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
    store::{Change, Outcome},
    testing::sample_entry,
};
use criterion::{BenchmarkId, Criterion, Throughput};

use crate::site::{Site, Stores, runtime};

/// An iteration is one file added durably by each writer. A writer waits for its own changes only,
/// not for the others', so the commits are shared as they come. All of a benchmark go into one
/// database: an entry takes some hundred bytes.
pub fn commits(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20);
    for writers in [1, 4, 16, 64] {
        let site = LazyCell::new(|| runtime.block_on(Site::open(Stores::RedbFs)));
        let number = Arc::<AtomicU32>::default();
        group.throughput(Throughput::Elements(writers));
        group.bench_function(BenchmarkId::new("redb", writers), |bencher| {
            let site = &*site;
            bencher.to_async(&runtime).iter_custom(|count| {
                let (site, number) = (Arc::clone(site), Arc::clone(&number));
                async move {
                    let begun = Instant::now();
                    let tasks: Vec<_> = (0..writers)
                        .map(|_| tokio::spawn(write(Arc::clone(&site), Arc::clone(&number), count)))
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

async fn write(site: Arc<Site>, number: Arc<AtomicU32>, count: u64) {
    for _ in 0..count {
        let entry = sample_entry(number.fetch_add(1, Ordering::Relaxed));
        let outcome = site.files.apply(Change::add(entry)).await;
        assert!(matches!(outcome, Ok(Outcome::Added(_))), "{outcome:?}");
    }
}
