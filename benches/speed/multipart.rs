//! Forms, parsed and thrown away.

use std::{cell::LazyCell, convert::Infallible, sync::Arc};

use bytes::Bytes;
use consign_http::testing::Form;
use criterion::{BenchmarkId, Criterion, Throughput};
use futures_util::stream;

use crate::{
    document::Frames,
    site::{Site, Stores, runtime, timed},
};

/// An iteration is one form without a file, which is parsed to its end and then refused: through the
/// API, with a look-up of the user (`field`, `parts`), or by multer alone (`multer-field`,
/// `multer-parts`). `field` is one field of this size, `parts` as many fields of a few bytes.
pub fn multipart(criterion: &mut Criterion) {
    let runtime = runtime();
    let site = LazyCell::new(|| runtime.block_on(Site::open(Stores::Memory)));
    let mut group = criterion.benchmark_group("multipart");
    let field = [
        ("1KiB", 1 << 10),
        ("64KiB", 64 << 10),
        ("1000KiB", 1000 << 10),
    ];
    let of_size = field.map(|(name, len)| {
        let form = Form::new().field("note", &"some text ".repeat(len / 10));
        ("field", name, Throughput::Bytes(len as u64), form)
    });
    let of_parts = [("1", 1), ("8", 8), ("64", 64)].map(|(name, parts)| {
        let form = (0..parts).fold(Form::new(), |form, _| form.field("note", "some text"));
        ("parts", name, Throughput::Elements(parts), form)
    });
    for (what, name, throughput, form) in of_size.into_iter().chain(of_parts) {
        let (content_type, body) = form.finish();
        let boundary = multer::parse_boundary(content_type).expect("a boundary");
        let frames = Frames::of(&body.into());
        group.throughput(throughput);
        group.bench_function(BenchmarkId::new(what, name), |bencher| {
            let site = &*site;
            bencher.to_async(&runtime).iter_custom(|count| {
                let (site, frames) = (Arc::clone(site), frames.clone());
                timed(count, move || {
                    let (site, frames) = (Arc::clone(&site), frames.clone());
                    async move { drop(site.upload(frames, 400).await) }
                })
            });
        });
        let id = BenchmarkId::new(format!("multer-{what}"), name);
        group.bench_function(id, |bencher| {
            bencher.to_async(&runtime).iter_custom(|count| {
                let (frames, boundary) = (frames.clone(), boundary.clone());
                timed(count, move || {
                    parse(frames.clone().into_iter(), boundary.clone())
                })
            });
        });
    }
    group.finish();
}

async fn parse(frames: impl Iterator<Item = Bytes> + Send + 'static, boundary: String) {
    let frames = stream::iter(frames.map(Ok::<_, Infallible>));
    let mut form = multer::Multipart::new(frames, boundary);
    while let Some(mut field) = form.next_field().await.expect("a sound form") {
        while field.chunk().await.expect("a sound form").is_some() {}
    }
}
