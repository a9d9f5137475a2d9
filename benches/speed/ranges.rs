//! Parts of a file of 10 MiB, by a link.

use std::{cell::LazyCell, sync::Arc};

use criterion::{BenchmarkId, Criterion, Throughput};
use http::{HeaderValue, header};

use crate::{
    document::Document,
    site::{Site, Stores, runtime, timed},
};

const SIZE: usize = 10 << 20;

/// An iteration is one download of the parts, from the request to the last byte, as a whole one is.
pub fn ranges(criterion: &mut Criterion) {
    let runtime = runtime();
    let several: Vec<String> = (0..16)
        .map(|n| n * (SIZE / 16))
        .map(|at| format!("{at}-{}", at + 4095))
        .collect();
    let parts = [
        ("first-64KiB", "bytes=0-65535".to_owned(), 65_536),
        (
            "middle-64KiB",
            format!("bytes={}-{}", SIZE / 2 + 1, SIZE / 2 + 65_536),
            65_536,
        ),
        ("last-64KiB", "bytes=-65536".to_owned(), 65_536),
        (
            "sixteen-of-4KiB",
            format!("bytes={}", several.join(",")),
            65_536,
        ),
        ("from-half", format!("bytes={}-", SIZE / 2), SIZE / 2),
    ];
    let mut group = criterion.benchmark_group("range");
    for stores in Stores::ALL {
        let site = LazyCell::new(|| {
            runtime.block_on(async {
                let site = Site::open(stores).await;
                let link = site.link_to(&Document::of(SIZE)).await;
                (site, link)
            })
        });
        for (name, range, len) in &parts {
            group.throughput(Throughput::Bytes(*len as u64));
            group.bench_function(BenchmarkId::new(stores.name(), name), |bencher| {
                let (site, link) = &*site;
                let range = HeaderValue::from_str(range).expect("a header's value");
                let len = *len as u64;
                bencher.to_async(&runtime).iter_custom(|count| {
                    let (site, link, range) = (Arc::clone(site), link.clone(), range.clone());
                    timed(count, move || {
                        let (site, mut request) = (Arc::clone(&site), site.get(&link));
                        request.headers_mut().insert(header::RANGE, range.clone());
                        // Several parts have boundaries around them.
                        async move {
                            let read = site.read(request).await;
                            assert!((len..len + 4096).contains(&read), "{read}");
                        }
                    })
                });
            });
        }
    }
    group.finish();
}
