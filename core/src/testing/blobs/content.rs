use std::io::ErrorKind;

use bytes::Bytes;

use super::{
    super::{
        ANSWERS, at_once, check_any_limit, check_paging, promise, promise_eq, promise_matches,
        samples::{sample_bytes, sample_key},
        walk,
    },
    Store, all_keys, all_stages, check_blob, publish, read, same_bytes, stage_of,
};
use crate::{
    id::BlobKey,
    store::{ReadGrant, StoreError},
};

/// Bytes that a chunk of a read has at most, by any reading of "bounded".
const CHUNK_BOUND: usize = 1024 * 1024;

pub async fn an_empty_blob_is_a_blob(store: Store) {
    let mut stage = store.begin().await.expect(ANSWERS);
    let key = sample_key(1);
    stage.publish(key).await.expect(ANSWERS);
    check_blob(
        &store,
        key,
        b"",
        "publish: of a stage that holds nothing makes an empty blob",
    )
    .await;
    promise_eq!(
        read(&store, key, 0..1).await.error,
        Some(ErrorKind::UnexpectedEof),
        "open: a range that goes beyond the end, of an empty blob too, ends with `UnexpectedEof`"
    );
    promise_matches!(
        stage_of(&store, &sample_bytes(1, 1))
            .await
            .publish(key)
            .await,
        Err(StoreError::Exists),
        "publish: `Exists` when the key is taken, by an empty blob too"
    );
}

pub async fn open_reads_the_range(store: Store) {
    let bytes = sample_bytes(1, 300_000);
    let key = publish(&store, 1, &bytes).await;
    for (start, end) in [
        (0, 300_000),
        (0, 1),
        (299_999, 300_000),
        (1, 299_999),
        (65_535, 65_537),
        (100_000, 270_001),
    ] {
        let reading = read(&store, key, start as u64..end as u64).await;
        promise_eq!(
            reading.error,
            None,
            "open: a range within the blob ends without an error"
        );
        same_bytes(
            &reading.bytes,
            &bytes[start..end],
            "open: reads `range`, in order",
        );
    }
}

pub async fn open_beyond_the_end_ends_with_an_error(store: Store) {
    let bytes = sample_bytes(1, 100_000);
    let key = publish(&store, 1, &bytes).await;
    for (start, end) in [
        (0, 100_001),
        (0, u64::MAX),
        (99_999, 100_001),
        (50_000, 200_000),
        (100_000, 100_001),
        (100_001, 100_002),
        (1 << 40, 1 << 41),
        (u64::MAX - 1, u64::MAX),
    ] {
        let reading = read(&store, key, start..end).await;
        promise_eq!(
            reading.error,
            Some(ErrorKind::UnexpectedEof),
            "open: a range ({start}..{end}) that goes beyond the end ends with `UnexpectedEof`, never short without an error"
        );
        let from = usize::try_from(start)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        promise!(
            bytes[from..].starts_with(&reading.bytes),
            "open: before the error of a range ({start}..{end}) that goes beyond the end come only bytes of the range"
        );
    }
}

pub async fn open_of_an_empty_range_reads_nothing(store: Store) {
    let key = publish(&store, 1, &sample_bytes(1, 1000)).await;
    for (start, end) in [
        (0, 0),
        (10, 10),
        (1000, 1000),
        (1001, 1001),
        (u64::MAX, u64::MAX),
        (20, 10),
        (2000, 500),
    ] {
        let reading = read(&store, key, start..end).await;
        promise!(
            reading.bytes.is_empty(),
            "open: an empty range ({start}..{end}) reads nothing"
        );
        promise_eq!(
            reading.error,
            None,
            "open: an empty range ({start}..{end}) reads nothing, wherever it is"
        );
    }
}

pub async fn open_reads_in_chunks_of_bounded_size(store: Store) {
    let bytes = sample_bytes(1, 3 * CHUNK_BOUND + 1);
    let key = publish(&store, 1, &bytes).await;
    let reading = read(&store, key, 0..bytes.len() as u64).await;
    same_bytes(&reading.bytes, &bytes, "open: reads `range`, in order");
    promise!(
        reading.longest <= CHUNK_BOUND,
        "open: reads in chunks of bounded size (1 MiB at most): one has {} bytes",
        reading.longest
    );
}

pub async fn open_of_nothing_is_missing(store: Store) {
    let deleted = publish(&store, 1, &sample_bytes(1, 10)).await;
    store.delete(deleted).await.expect(ANSWERS);
    for key in [deleted, sample_key(2)] {
        for range in [0..1, 0..0] {
            let opened = store.open(&ReadGrant::for_testing(key), range).await;
            promise_matches!(
                opened.map(|_| ()),
                Err(StoreError::Missing),
                "open: `Missing` when there is no such blob"
            );
        }
    }
}

pub async fn concurrent_readers_read_the_same(store: Store) {
    let bytes = sample_bytes(1, 700_000);
    let key = publish(&store, 1, &bytes).await;
    at_once((0..8).map(|n| {
        let (store, bytes) = (store.clone(), bytes.clone());
        async move {
            let (start, end) = (n * 1001, 700_000 - n * 77_777);
            let reading = read(&store, key, start as u64..end as u64).await;
            promise_eq!(
                reading.error,
                None,
                "open: readers do not disturb each other"
            );
            same_bytes(
                &reading.bytes,
                &bytes[start..end],
                "open: readers do not disturb each other",
            );
        }
    }))
    .await;
}

pub async fn delete_removes_the_blob_alone(store: Store) {
    let (gone, kept) = (
        publish(&store, 1, &sample_bytes(1, 10)).await,
        publish(&store, 2, &sample_bytes(2, 10)).await,
    );
    let stage = stage_of(&store, &sample_bytes(3, 10)).await;
    store.delete(gone).await.expect(ANSWERS);
    check_blob(
        &store,
        kept,
        &sample_bytes(2, 10),
        "delete: another blob is as it was",
    )
    .await;
    promise_eq!(
        keys(&store).await,
        [kept],
        "delete: the blob is no longer listed"
    );
    super::check_stage(
        &*stage,
        &sample_bytes(3, 10),
        "delete: stages are as they were",
    )
    .await;
}

pub async fn delete_is_idempotent(store: Store) {
    let key = publish(&store, 1, &sample_bytes(1, 10)).await;
    for key in [key, key, key, sample_key(2)] {
        promise!(
            store.delete(key).await.is_ok(),
            "delete: a blob that does not exist is no error"
        );
    }
    promise_eq!(keys(&store).await, [], "delete: removes the blob");
}

pub async fn keys_pages_are_ordered_by_key(store: Store) {
    // Their first bytes differ, so that a store that spreads blobs over folders uses several.
    let mut all: Vec<_> = [0x00, 0x0A, 0x0F, 0x10, 0x7F, 0xA0, 0xFF].map(key).to_vec();
    all.insert(
        4,
        BlobKey::from_bytes(std::array::from_fn(|at| if at == 15 { 0x11 } else { 0x10 })),
    );
    for n in [5, 0, 7, 3, 4, 2, 6, 1] {
        let mut stage = stage_of(&store, &sample_bytes(n as u64, n)).await;
        stage.publish(all[n]).await.expect(ANSWERS);
    }
    let whole = all_keys(&store).await;
    let found: Vec<_> = whole.iter().map(|blob| (blob.key, blob.size)).collect();
    let expected: Vec<_> = all.into_iter().zip(0..).collect();
    promise_eq!(
        found,
        expected,
        "keys: every published blob, ordered by key, with its size"
    );
    check_paging(&whole, async |after, limit| store.keys(after, limit).await).await;
}

pub async fn keys_take_any_limit(store: Store) {
    publish(&store, 1, &sample_bytes(1, 10)).await;
    publish(&store, 2, &sample_bytes(2, 10)).await;
    let whole = all_keys(&store).await;
    check_any_limit(&whole, async |after, limit| store.keys(after, limit).await).await;
}

pub async fn keys_go_on_after_a_key_that_need_not_exist(store: Store) {
    for byte in [0x20, 0x40, 0x60, 0x80] {
        stage_of(&store, &Bytes::new())
            .await
            .publish(key(byte))
            .await
            .expect(ANSWERS);
    }
    for (after, rest) in [
        (0x00, &[0x20, 0x40, 0x60, 0x80][..]),
        (0x20, &[0x40, 0x60, 0x80]),
        (0x50, &[0x60, 0x80]),
        (0x7F, &[0x80]),
        (0x80, &[]),
        (0xFF, &[]),
    ] {
        let found = walk(2, Some(key(after)), async |after| {
            store.keys(after, 2).await
        })
        .await;
        let found: Vec<_> = found
            .into_iter()
            .map(|blob| blob.key.as_bytes()[0])
            .collect();
        promise_eq!(
            found,
            rest,
            "keys: those after the key `after`, which need not exist"
        );
    }
}

pub async fn stages_are_no_blobs_and_blobs_are_no_stages(store: Store) {
    let stage = stage_of(&store, &sample_bytes(1, 100)).await;
    let same = BlobKey::from_bytes(*stage.id().as_bytes());
    promise_eq!(keys(&store).await, [], "keys: a stage is no published blob");
    promise_matches!(
        store
            .open(&ReadGrant::for_testing(same), 0..1)
            .await
            .map(|_| ()),
        Err(StoreError::Missing),
        "open: a stage is no published blob"
    );
    store.delete(same).await.expect(ANSWERS);
    super::check_stage(
        &*stage,
        &sample_bytes(1, 100),
        "delete: a stage is no published blob",
    )
    .await;
    let id = stage.id();
    drop(stage);
    super::resume(&store, id, &sample_bytes(1, 100))
        .await
        .publish(same)
        .await
        .expect(ANSWERS);
    promise_eq!(
        all_stages(&store).await,
        [],
        "stages: a published blob is no stage"
    );
    promise!(
        store.resume(id).await.expect(ANSWERS).is_none(),
        "resume: a published blob is no stage"
    );
    store.abort(id).await.expect(ANSWERS);
    check_blob(
        &store,
        same,
        &sample_bytes(1, 100),
        "abort: a published blob is no stage",
    )
    .await;
}

fn key(byte: u8) -> BlobKey {
    BlobKey::from_bytes([byte; 16])
}

async fn keys(store: &Store) -> Vec<BlobKey> {
    all_keys(store)
        .await
        .into_iter()
        .map(|blob| blob.key)
        .collect()
}
