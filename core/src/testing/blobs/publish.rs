use std::{collections::BTreeSet, future::poll_fn, task::Poll};

use super::{
    super::{
        ANSWERS, at_once, promise, promise_eq, promise_matches,
        samples::{sample_bytes, sample_key},
    },
    Store, all_keys, check_blob, check_stage, publish, read, resume, same_bytes, stage_ids,
    stage_of,
};
use crate::store::StoreError;

pub async fn publish_makes_the_stage_a_blob(store: Store) {
    let bytes = sample_bytes(1, 100_000);
    publish(&store, 1, &bytes).await;
    check_blob(
        &store,
        sample_key(1),
        &bytes,
        "publish: makes the bytes a blob under `key`",
    )
    .await;
    promise_eq!(all_keys(&store).await.len(), 1, "publish: makes one blob");
}

pub async fn publish_ends_the_stage(store: Store) {
    let bytes = sample_bytes(1, 1000);
    let mut stage = stage_of(&store, &bytes).await;
    let id = stage.id();
    stage.publish(sample_key(1)).await.expect(ANSWERS);
    promise_eq!(stage_ids(&store).await, [], "publish: the stage is no more");
    drop(stage);
    promise!(
        store.resume(id).await.expect(ANSWERS).is_none(),
        "publish: the stage is no more"
    );
    promise!(
        store.abort(id).await.is_ok(),
        "abort: a stage that does not exist is no error"
    );
    check_blob(
        &store,
        sample_key(1),
        &bytes,
        "abort: of a published stage's id leaves the blob as it was",
    )
    .await;
}

pub async fn publish_under_a_taken_key_changes_nothing(store: Store) {
    let (of_blob, of_stage) = (sample_bytes(1, 2000), sample_bytes(2, 3000));
    let key = publish(&store, 1, &of_blob).await;
    let mut stage = stage_of(&store, &of_stage).await;
    let listed = stage_ids(&store).await;
    for _ in 0..2 {
        promise_matches!(
            stage.publish(key).await,
            Err(StoreError::Exists),
            "publish: `Exists` when the key is taken"
        );
        check_blob(
            &store,
            key,
            &of_blob,
            "publish: when the key is taken, the other blob is as it was",
        )
        .await;
        check_stage(
            &*stage,
            &of_stage,
            "publish: when the key is taken, the stage is as it was",
        )
        .await;
        promise_eq!(
            stage_ids(&store).await,
            listed,
            "publish: when the key is taken, the stage is as it was"
        );
    }
    let more = sample_bytes(3, 100);
    stage.append(3000, more.clone()).await.expect(ANSWERS);
    stage.publish(sample_key(2)).await.expect(ANSWERS);
    let whole = [of_stage, more].concat();
    check_blob(
        &store,
        sample_key(2),
        &whole,
        "publish: when the key is taken, the stage can be published under another",
    )
    .await;
}

pub async fn publish_from_a_resumed_stage(store: Store) {
    let bytes = sample_bytes(1, 10_000);
    let id = stage_of(&store, &bytes).await.id();
    resume(&store, id, &bytes)
        .await
        .publish(sample_key(1))
        .await
        .expect(ANSWERS);
    check_blob(
        &store,
        sample_key(1),
        &bytes,
        "publish: makes a resumed stage's bytes a blob",
    )
    .await;
    promise_eq!(stage_ids(&store).await, [], "publish: the stage is no more");
}

/// Dropped after a growing number of polls, until one publication comes to its end.
pub async fn publish_dropped_half_way_loses_nothing(store: Store) {
    for polls in 0..50 {
        let (bytes, key) = (sample_bytes(polls.into(), 4000), sample_key(polls));
        let mut stage = stage_of(&store, &bytes).await;
        let id = stage.id();
        let kept = stage_ids(&store).await.contains(&id);
        let mut publishing = stage.publish(key);
        let mut ended = false;
        for _ in 0..polls {
            let polled = poll_fn(|cx| Poll::Ready(publishing.as_mut().poll(cx))).await;
            if let Poll::Ready(result) = polled {
                result.expect(ANSWERS);
                ended = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(publishing);
        drop(stage);
        // The stage is looked for first: when it was kept and is gone, the blob has taken its place. On one page
        // each, for dropped publications still run, and what they move may be missed between pages.
        let stages = store.stages(None, 1000).await.expect(ANSWERS).items;
        if ended || (kept && !stages.iter().any(|stage| stage.id == id)) {
            let statement =
                "publish: dropped half-way, either the blob is there, or what is kept of the stage";
            promise!(
                (store.keys(None, 1000).await.expect(ANSWERS).items)
                    .iter()
                    .any(|blob| blob.key == key),
                "{statement}"
            );
            check_blob(&store, key, &bytes, statement).await;
        }
        if ended {
            return;
        }
    }
}

pub async fn concurrent_publications_under_one_key_publish_one(store: Store) {
    let key = sample_key(1);
    let mut stages = Vec::new();
    for seed in 0..6 {
        let bytes = sample_bytes(seed, 20_000 + seed as usize);
        stages.push((stage_of(&store, &bytes).await, bytes));
    }
    let before = stage_ids(&store).await;
    let outcomes = at_once(stages.into_iter().map(|(mut stage, bytes)| async move {
        let result = stage.publish(key).await;
        (stage, bytes, result)
    }))
    .await;
    let published = outcomes
        .iter()
        .filter(|(_, _, result)| result.is_ok())
        .count();
    promise_eq!(
        published,
        1,
        "publish: gives a key once: of publications at the same time one is made"
    );
    for (stage, bytes, result) in &outcomes {
        match result {
            Ok(()) => {
                check_blob(
                    &store,
                    key,
                    bytes,
                    "publish: the blob is the one that was published",
                )
                .await
            }
            Err(StoreError::Exists) => {
                check_stage(
                    &**stage,
                    bytes,
                    "publish: when the key is taken, the stage is as it was",
                )
                .await;
            }
            Err(error) => {
                panic!("the contract is broken: publish: `Exists` when the key is taken: {error:?}")
            }
        }
    }
    let published = outcomes
        .iter()
        .find(|(_, _, result)| result.is_ok())
        .map(|(stage, _, _)| stage.id());
    let left: Vec<_> = before
        .into_iter()
        .filter(|id| Some(*id) != published)
        .collect();
    promise_eq!(
        stage_ids(&store).await,
        left,
        "publish: when the key is taken, the stage is as it was"
    );
}

pub async fn concurrent_stages_have_ids_and_bytes_of_their_own(store: Store) {
    let ids = at_once((0..8).map(|n: u32| {
        let store = store.clone();
        async move {
            let mut stage = store.begin().await.expect(ANSWERS);
            for part in 0..4 {
                let bytes = sample_bytes(u64::from(n * 4 + part), 9000);
                stage.append(stage.size(), bytes).await.expect(ANSWERS);
            }
            stage.publish(sample_key(n)).await.expect(ANSWERS);
            stage.id()
        }
    }))
    .await;
    promise_eq!(
        BTreeSet::from_iter(ids).len(),
        8,
        "begin: stages begun at the same time have different ids"
    );
    for n in 0..8 {
        let parts: Vec<_> = (0..4)
            .map(|part| sample_bytes(u64::from(n * 4 + part), 9000))
            .collect();
        let reading = read(&store, sample_key(n), 0..36_000).await;
        same_bytes(
            &reading.bytes,
            &parts.concat(),
            "append: stages used at the same time do not mix",
        );
    }
}
