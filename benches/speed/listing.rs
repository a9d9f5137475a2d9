//! Calls on a catalogue of many files, which must cost what they cost on one of few.

use std::{cell::LazyCell, env, ops::Range, sync::Arc};

use consign_core::{
    store::{Change, Outcome},
    testing::sample_entry,
};
use criterion::{BenchmarkId, Criterion, Throughput};
use futures_util::future;

use crate::site::{Site, Stores, runtime, timed};

/// Files on a page that is asked for.
const PAGE: u32 = 100;

/// Changes that are asked for at once while a catalogue is filled: more than share a commit.
const AT_ONCE: u32 = 1024;

/// How many files there are. The large catalogues take minutes to fill, and are wanted by name.
fn sizes(stores: Stores) -> &'static [u32] {
    let large = env::var_os("CONSIGN_BENCH_LARGE").is_some();
    match stores {
        // It looks at each file for each one that is added.
        Stores::Memory => &[100, 1000],
        Stores::RedbFs if large => &[100, 1000, 10_000, 100_000, 1_000_000],
        Stores::RedbFs => &[100, 1000, 10_000],
    }
}

/// An iteration is one call, from the request to the whole answer:
///
/// - `newest`: the first page of 100 files; `middle`: one in the middle of the list;
/// - `all`: a page of 1,000 at most, as when none is said;
/// - `link`: a link to a file in the middle, by its name.
pub fn listing(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("listing");
    for stores in Stores::ALL {
        for &files in sizes(stores) {
            let site = LazyCell::new(|| runtime.block_on(filled(stores, files)));
            let (middle, before) = (files / 2, files / 2 + PAGE / 2 + 1);
            for (name, target, items) in [
                ("newest", format!("/files?limit={PAGE}"), PAGE),
                (
                    "middle",
                    format!("/files?limit={PAGE}&cursor={before}"),
                    PAGE,
                ),
                ("all", "/files".to_owned(), files.min(1000)),
                (
                    "link",
                    format!("/generate_download_url/report%20{middle}.docx"),
                    1,
                ),
            ] {
                group.throughput(Throughput::Elements(items.into()));
                let id = BenchmarkId::new(format!("{name}/{}", stores.name()), files);
                group.bench_function(id, |bencher| {
                    let site = &*site;
                    bencher.to_async(&runtime).iter_custom(|count| {
                        let (site, target) = (Arc::clone(site), target.clone());
                        timed(count, move || {
                            let (site, request) = (Arc::clone(&site), site.get(&target));
                            async move { assert!(site.read(request).await > 0) }
                        })
                    });
                });
            }
        }
    }
    group.finish();
}

async fn filled(stores: Stores, files: u32) -> Arc<Site> {
    let site = Site::open(stores).await;
    for start in (0..files).step_by(AT_ONCE as usize) {
        add(&site, start..files.min(start + AT_ONCE)).await;
    }
    site
}

async fn add(site: &Site, numbers: Range<u32>) {
    let changes = numbers.map(|n| site.files.apply(Change::add(sample_entry(n))));
    for outcome in future::join_all(changes).await {
        assert!(matches!(outcome, Ok(Outcome::Added(_))), "{outcome:?}");
    }
}
