use std::{future::poll_fn, task::Poll};

use bytes::Bytes;

use super::{
    super::{
        ANSWERS, at_once, promise, promise_eq, promise_matches,
        samples::{sample_bytes, sample_key},
    },
    Store, all_keys, check_blob, publish, stage_ids, stage_of,
};
use crate::store::StoreError;

pub async fn put_makes_the_bytes_a_blob(store: Store) {
    // Around what disks write at once; and of some of them only a part, so that they begin anywhere in memory.
    let sizes = [0, 1, 4095, 4096, 4097, 12_288, 100_000, 262_144, 300_001];
    for (n, size) in (0..).zip(sizes) {
        for skipped in [0, 1] {
            let bytes = sample_bytes(size as u64, size + skipped).slice(skipped..);
            let key = sample_key(2 * n + skipped as u32);
            store.put(key, bytes.clone()).await.expect(ANSWERS);
            check_blob(
                &store,
                key,
                &bytes,
                "put: makes the bytes a blob under `key`",
            )
            .await;
        }
    }
    promise_eq!(
        all_keys(&store).await.len(),
        2 * sizes.len(),
        "put: makes one blob"
    );
    promise_eq!(stage_ids(&store).await, [], "put: makes no stage");
}

pub async fn put_under_a_taken_key_changes_nothing(store: Store) {
    let (published, put) = (sample_bytes(1, 2000), sample_bytes(2, 3000));
    publish(&store, 1, &published).await;
    store.put(sample_key(2), put.clone()).await.expect(ANSWERS);
    for (n, bytes) in [(1, &published), (2, &put)] {
        let key = sample_key(n);
        for other in [Bytes::new(), sample_bytes(3, 5000)] {
            promise_matches!(
                store.put(key, other.clone()).await,
                Err(StoreError::Exists),
                "put: `Exists` when the key is taken"
            );
            promise_matches!(
                stage_of(&store, &other).await.publish(key).await,
                Err(StoreError::Exists),
                "publish: `Exists` when the key is taken"
            );
            check_blob(
                &store,
                key,
                bytes,
                "put: when the key is taken, the other blob is as it was",
            )
            .await;
        }
    }
}

pub async fn a_blob_that_was_put_is_like_any_other(store: Store) {
    let bytes = sample_bytes(1, 1000);
    for _ in 0..2 {
        store
            .put(sample_key(1), bytes.clone())
            .await
            .expect(ANSWERS);
        check_blob(&store, sample_key(1), &bytes, "put: a blob").await;
        store.delete(sample_key(1)).await.expect(ANSWERS);
        promise_eq!(all_keys(&store).await, [], "delete: removes the blob");
    }
}

/// Dropped after a growing number of polls, until one comes to its end.
pub async fn put_dropped_half_way_is_all_or_nothing(store: Store) {
    for polls in 0..50 {
        let (bytes, key) = (sample_bytes(polls.into(), 4000), sample_key(polls));
        let mut putting = store.put(key, bytes.clone());
        let mut ended = false;
        for _ in 0..polls {
            let polled = poll_fn(|cx| Poll::Ready(putting.as_mut().poll(cx))).await;
            if let Poll::Ready(result) = polled {
                result.expect(ANSWERS);
                ended = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(putting);
        // What was begun may still run: until it has ended, a part of it may be seen.
        let size = loop {
            let listed = store.keys(None, 1000).await.expect(ANSWERS).items;
            let found = listed.iter().find(|blob| blob.key == key);
            match found.map(|blob| blob.size) {
                Some(size) if size < 4000 => tokio::task::yield_now().await,
                size => break size,
            }
        };
        promise!(
            size.is_some() || !ended,
            "put: when it returns, the blob is there"
        );
        if size.is_some() {
            let statement = "put: dropped half-way, the whole blob is there, or nothing of it";
            check_blob(&store, key, &bytes, statement).await;
        }
        if ended {
            return;
        }
    }
}

pub async fn concurrent_puts_under_one_key_make_one_blob(store: Store) {
    let key = sample_key(1);
    let outcomes = at_once((0..6).map(|seed| {
        let store = store.clone();
        async move {
            let bytes = sample_bytes(seed, 20_000 + seed as usize);
            (store.put(key, bytes.clone()).await, bytes)
        }
    }))
    .await;
    let made: Vec<_> = outcomes.iter().filter(|(put, _)| put.is_ok()).collect();
    promise_eq!(
        made.len(),
        1,
        "put: gives a key once: of those at the same time one is made"
    );
    promise!(
        outcomes
            .iter()
            .all(|(put, _)| matches!(put, Ok(()) | Err(StoreError::Exists))),
        "put: `Exists` when the key is taken"
    );
    let statement = "put: the blob is the one whose put succeeded";
    check_blob(&store, key, &made[0].1, statement).await;
}
