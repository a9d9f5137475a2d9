//! What a real store makes of it. See `faults.rs` for one that fails.
#![allow(clippy::unwrap_used)] // also in what the tests call

mod support;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::{Bytes, BytesMut};
use consign_core::{
    id::{BlobKey, StageId},
    store::{BlobStore, ReadGrant, Stage},
    testing::sample_bytes,
};
use consign_storage_object::{ObjectBlobs, Options};
use futures_util::{StreamExt, TryStreamExt, stream};
use metrics_exporter_prometheus::PrometheusBuilder;
use object_store::{ObjectStoreExt, multipart::MultipartStore};

use self::support::{
    KEY, MIB,
    engine::{Prefix, client, endpoint},
    sign, staged,
};

/// In chunks whose borders are no part's.
async fn append(stage: &mut dyn Stage, mut bytes: Bytes) {
    while !bytes.is_empty() {
        let chunk = bytes.split_to(bytes.len().min(1_234_567));
        stage.append(stage.size(), chunk).await.unwrap();
    }
}

async fn content(blobs: &ObjectBlobs, len: usize) -> Bytes {
    let grant = ReadGrant::for_testing(KEY);
    let stream = blobs.open(&grant, 0..len as u64).await.unwrap();
    let mut whole = BytesMut::new();
    let chunks: Vec<_> = stream.try_collect().await.unwrap();
    chunks
        .iter()
        .for_each(|chunk| whole.extend_from_slice(chunk));
    whole.freeze()
}

#[test]
#[ignore = "needs S3: see scripts/engines"]
fn a_long_stage_is_put_together_by_the_store() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let figures = recorder.handle();
    // Figures are made where the store is opened.
    metrics::with_local_recorder(&recorder, || {
        consign_core::testing::run(async {
            let (blobs, prefix) = Prefix::open(Options::default()).await;
            // The one that tries the bucket.
            let tried = count(&figures.render(), r#"operation="get",outcome="ok""#);
            assert_eq!(tried, 1);
            let bytes = sample_bytes(1, 40 * MIB + 12_345);
            let mut stage = staged(&blobs, &bytes).await;
            // As an intake does it: of each part that it looks into a block of 1 MiB, of what is in memory none.
            for at in [0, 8 * MIB - 10, 24 * MIB, 40 * MIB - 5, bytes.len() - 100] {
                let found = stage.read_at(at as u64, 100).await.unwrap();
                assert_eq!(found, bytes[at..at + 100]);
            }
            let looked = count(&figures.render(), r#"operation="get",outcome="ok""#);
            assert_eq!(looked, tried + 5);
            stage.publish(KEY).await.unwrap();
            let published = count(&figures.render(), r#"operation="get",outcome="ok""#);
            assert_eq!(published, looked, "nothing is read for it");
            assert!(content(&blobs, bytes.len()).await == bytes);
            assert_eq!(prefix.names().await, [format!("blobs/{KEY}")]);
        });
    });
    let figures = figures.render();
    assert_eq!(count(&figures, r#"operation="copy_part",outcome="ok""#), 6);
    assert_eq!(count(&figures, r#"operation="put_part",outcome="ok""#), 0);
    assert_eq!(
        count(&figures, r#"operation="complete_upload",outcome="ok""#),
        1
    );
    assert!(figures.contains(r#"consign_blob_request_duration_seconds_count{operation="put"}"#));
}

/// How many requests have these labels.
#[track_caller]
fn count(figures: &str, labels: &str) -> u64 {
    let name = format!("consign_blob_requests_total{{{labels}}} ");
    let mut lines = figures.lines();
    let value = lines.find_map(|line| line.strip_prefix(&*name));
    let value = value.unwrap_or_else(|| panic!("{name} in {figures}"));
    value.parse().unwrap()
}

/// Parts are sent with their sums, so that what arrives is what was sent.
#[tokio::test]
#[ignore = "needs S3: see scripts/engines"]
async fn bytes_that_have_another_sum_are_refused_by_a_store_that_checks() {
    let (_, prefix) = Prefix::open(Options::default()).await;
    let target = format!("/consign-tests/{}/blobs/sum", prefix.prefix);
    let put = async |text: &str| {
        let sum = digest::digest(&digest::SHA256, text.as_bytes());
        let sum = BASE64.encode(sum);
        let headers = [("x-amz-checksum-sha256", sum.as_str())];
        let (status, _) = sign::send(&endpoint(), "PUT", &target, &headers, "what was sent").await;
        status
    };
    match put("something else").await {
        200 => println!(
            "this store checks no x-amz-checksum-sha256: what arrives damaged is found by whoever reads it"
        ),
        // Not every store removes what it has refused: nobody refers to it, and the sweep does.
        status => assert_eq!(status, 400),
    }
    assert_eq!(put("what was sent").await, 200);
    client().delete(&prefix.path("blobs/sum")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs S3: see scripts/engines"]
async fn a_stage_that_was_dropped_goes_on_with_its_whole_parts() {
    let (blobs, prefix) = Prefix::open(Options::default()).await;
    let bytes = sample_bytes(1, 20 * MIB);
    let id = staged(&blobs, &bytes).await.id();
    // By another process, whose parts are of another size.
    let blobs = prefix.store(Options::default().part_size(6 * MIB)).await;
    let mut stage = blobs.resume(id).await.unwrap().unwrap();
    assert_eq!(stage.size(), 16 << 20);
    assert!(stage.read_at(0, 16 * MIB).await.unwrap() == bytes[..16 * MIB]);
    append(&mut *stage, bytes.slice(16 * MIB..)).await;
    stage.publish(KEY).await.unwrap();
    assert!(content(&blobs, bytes.len()).await == bytes);
    assert_eq!(prefix.names().await, [format!("blobs/{KEY}")]);
}

#[tokio::test]
#[ignore = "needs S3: see scripts/engines"]
async fn a_short_part_at_the_end_becomes_longer_and_a_gap_ends_a_stage() {
    let (blobs, prefix) = Prefix::open(Options::default()).await;
    let bytes = sample_bytes(1, 20 * MIB);
    let id = staged(&blobs, &bytes).await.id();
    let part = |number: usize| prefix.path(&format!("stages/{id}/{number:05}"));
    // The end of a publication that did not get any further.
    let end = bytes.slice(16 * MIB..17 * MIB);
    client().put(&part(3), end.into()).await.unwrap();
    let mut stage = blobs.resume(id).await.unwrap().unwrap();
    assert_eq!(stage.size(), 17 << 20);
    append(&mut *stage, bytes.slice(17 * MIB..)).await;
    stage.publish(KEY).await.unwrap();
    assert!(content(&blobs, bytes.len()).await == bytes);

    let id = staged(&blobs, &sample_bytes(2, 40 * MIB)).await.id();
    let part = |number: usize| prefix.path(&format!("stages/{id}/{number:05}"));
    client().delete(&part(2)).await.unwrap();
    let stage = blobs.resume(id).await.unwrap().unwrap();
    assert_eq!(stage.size(), 8 << 20);
    let names = prefix.names().await;
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test]
#[ignore = "needs S3: see scripts/engines"]
async fn what_a_crash_left_is_listed_and_aborted() {
    let (blobs, prefix) = Prefix::open(Options::default()).await;
    let id = staged(&blobs, &sample_bytes(1, 20 * MIB)).await.id();
    // It came between the beginning of an upload and its end.
    let target = prefix.path(&format!("stages/{id}/to-{KEY}"));
    client().put(&target, Bytes::new().into()).await.unwrap();
    let blob = prefix.path(&format!("blobs/{KEY}"));
    let upload = client().create_multipart(&blob).await.unwrap();
    let other = prefix.path("blobs/abababababababababababababababac");
    let others = client().create_multipart(&other).await.unwrap();

    let stages = blobs.stages(None, 10).await.unwrap().items;
    assert_eq!(stages.len(), 1);
    assert_eq!(stages[0].id, id);
    blobs.abort(id).await.unwrap();
    assert_eq!(prefix.names().await, [""; 0]);
    assert!(blobs.stages(None, 10).await.unwrap().items.is_empty());
    let query = format!("/consign-tests?prefix={}%2F&uploads=", prefix.prefix);
    let (status, left) = sign::send(&endpoint(), "GET", &query, &[], "").await;
    if status == 501 {
        // It does not list uploads: a rule of the bucket's has to abort them.
        return;
    }
    assert_eq!(status, 200, "{left}");
    assert!(!left.contains(&upload) && left.contains(&others), "{left}");
    client().abort_multipart(&other, &others).await.unwrap();
}

#[tokio::test]
#[ignore = "needs S3: see scripts/engines"]
async fn more_than_a_thousand_objects_are_listed_in_order() {
    let (blobs, prefix) = Prefix::open(Options::default()).await;
    let mut keys: Vec<_> = (0..1005_u32)
        .map(|n| {
            let sum = digest::digest(&digest::SHA256, &n.to_be_bytes());
            BlobKey::from_bytes(sum.as_ref()[..16].try_into().unwrap())
        })
        .collect();
    let store = client();
    let puts = keys.iter().enumerate().map(|(n, key)| {
        let names = [
            format!("blobs/{key}"),
            // Three stages, of which each has some of the parts.
            format!(
                "stages/{}/{:05}",
                StageId::from_bytes([n as u8 % 3; 16]),
                n / 3 + 1
            ),
        ];
        names.map(|name| (prefix.path(&name), n % 7))
    });
    stream::iter(puts.flatten())
        .map(|(path, len)| {
            let store = &store;
            async move { store.put(&path, vec![0; len].into()).await }
        })
        .buffer_unordered(16)
        .try_for_each(|_| async { Ok(()) })
        .await
        .unwrap();
    let foreign = prefix.path("blobs/README");
    store.put(&foreign, "none of ours".into()).await.unwrap();
    let sizes: std::collections::HashMap<_, _> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| (*key, n as u64 % 7))
        .collect();
    keys.sort_unstable();
    for limit in [1004, 1005, 100_000, 400] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = blobs.keys(after, limit).await.unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let listed: Vec<_> = found.iter().map(|blob| blob.key).collect();
        assert_eq!(listed, keys);
        assert!(found.iter().all(|blob| blob.size == sizes[&blob.key]));
    }
    let stages: Vec<_> = [0, 1, 2].map(|n| StageId::from_bytes([n; 16])).to_vec();
    for limit in [1, 2, 3, 10] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = blobs.stages(after, limit).await.unwrap();
            found.extend(page.items.iter().map(|stage| stage.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, stages);
    }
    for id in stages {
        blobs.abort(id).await.unwrap();
    }
    assert_eq!(prefix.names().await.len(), 1006);
}

#[tokio::test]
#[ignore = "needs S3: see scripts/engines"]
async fn a_bucket_that_is_not_there_is_named() {
    let url = "s3://consign-tests-none/prefix".parse().unwrap();
    let error = ObjectBlobs::open(&url, Options::default().endpoint(endpoint())).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "there is no bucket \"consign-tests-none\"");
}
