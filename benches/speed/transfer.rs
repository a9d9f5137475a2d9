//! Uploads and downloads through the API, by size and by where things are kept.

use std::{
    cell::LazyCell,
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use consign_core::id::FileId;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, measurement::WallTime,
};

use crate::{
    document::Document,
    site::{Site, Stores, runtime, timed, uploaded},
};

const SIZES: [(&str, usize); 4] = [
    ("1KiB", 1 << 10),
    ("100KiB", 100 << 10),
    ("10MiB", 10 << 20),
    ("256MiB", 256 << 20),
];

/// What is kept of the uploads while a benchmark runs. Few removals, because the names that ext4
/// has just removed make those that it adds dearer; few files in memory, where each is looked at
/// for each new one.
fn kept(stores: Stores) -> (usize, usize) {
    match stores {
        Stores::Memory => (8, 512 << 20),
        Stores::RedbFs => (20_000, 1 << 30),
    }
}

/// An iteration is one upload, from the request to the whole answer: the user is looked up, the form
/// parsed, the file hashed, inspected and stored durably, and so is its entry. Removing the oldest
/// once there are too many is not in it.
pub fn upload(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("upload");
    for stores in Stores::ALL {
        for (name, size) in SIZES {
            let site = LazyCell::new(|| runtime.block_on(Site::open(stores)));
            let document = LazyCell::new(|| Arc::new(Document::of(size)));
            let stored = Arc::<Mutex<VecDeque<FileId>>>::default();
            let (files, bytes) = kept(stores);
            let files = files.min(bytes / size);
            measure(&mut group, size);
            group.bench_function(BenchmarkId::new(stores.name(), name), |bencher| {
                let (site, document) = (&*site, &*document);
                bencher.to_async(&runtime).iter_custom(|count| {
                    let (site, document) = (Arc::clone(site), Arc::clone(document));
                    uploads(site, document, Arc::clone(&stored), files, count)
                });
            });
        }
    }
    group.finish();
}

async fn uploads(
    site: Arc<Site>,
    document: Arc<Document>,
    stored: Arc<Mutex<VecDeque<FileId>>>,
    kept: usize,
    count: u64,
) -> Duration {
    let form = document.form("a.pptx");
    let work = async move {
        let mut taken = Duration::ZERO;
        for _ in 0..count {
            let form = form.clone();
            let begun = Instant::now();
            let answer = site.upload(form, 200).await;
            taken += begun.elapsed();
            let oldest = {
                let mut stored = stored.lock().expect("nobody panics");
                stored.push_back(uploaded(&answer));
                (stored.len() > kept).then(|| stored.pop_front()).flatten()
            };
            if let Some(oldest) = oldest {
                let removed = site.consign.administration().remove_file(oldest).await;
                removed.expect("it was stored");
            }
        }
        taken
    };
    tokio::spawn(work).await.expect("uploads do not panic")
}

/// An iteration is one download by a link, from the request to the last byte: the link is verified,
/// its maker and its file are looked up, the headers made, and the bytes read and thrown away.
pub fn download(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("download");
    for stores in Stores::ALL {
        let site = LazyCell::new(|| runtime.block_on(Site::open(stores)));
        for (name, size) in SIZES {
            let link = LazyCell::new(|| runtime.block_on(site.link_to(&Document::of(size))));
            measure(&mut group, size);
            group.bench_function(BenchmarkId::new(stores.name(), name), |bencher| {
                let (site, link) = (&*site, &*link);
                bencher.to_async(&runtime).iter_custom(|count| {
                    let (site, link) = (Arc::clone(site), link.clone());
                    timed(count, move || {
                        let (site, request) = (Arc::clone(&site), site.get(&link));
                        async move { assert_eq!(site.read(request).await, size as u64) }
                    })
                });
            });
        }
    }
    group.finish();
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
    group.throughput(Throughput::Bytes(size as u64));
    if size >= 10 << 20 {
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
    } else {
        group.sample_size(50).sampling_mode(SamplingMode::Auto);
    }
}
