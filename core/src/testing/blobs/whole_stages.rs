//! What a [`BlobStore`](crate::store::BlobStore) does whose stages keep every byte that was appended. The
//! trait promises less.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;

use super::{
    super::{
        ANSWERS, promise, promise_eq, promise_matches,
        samples::{sample_bytes, sample_key},
    },
    Store, check_blob, check_stage, stage_ids, stage_of,
};
use crate::{
    id::StageId,
    store::{Stage, StoreError},
};

pub async fn a_begun_stage_is_listed(store: Store) {
    for _ in 0..2 {
        let id = store.begin().await.expect(ANSWERS).id();
        promise!(
            stage_ids(&store).await.contains(&id),
            "stages: a stage is listed once it is begun"
        );
        check_stage(
            &*resume(&store, id).await,
            b"",
            "resume: a stage that holds nothing is kept",
        )
        .await;
    }
}

pub async fn a_dropped_stage_is_kept(store: Store) {
    let bytes = sample_bytes(1, 5000);
    let stage = stage_of(&store, &bytes).await;
    let id = stage.id();
    drop(stage);
    promise_eq!(stage_ids(&store).await, [id], "Stage: dropping it keeps it");
    check_stage(
        &*resume(&store, id).await,
        &bytes,
        "Stage: dropping it keeps its bytes",
    )
    .await;
}

pub async fn resume_goes_on_where_the_stage_was_left(store: Store) {
    let id = store.begin().await.expect(ANSWERS).id();
    let mut expected = Vec::new();
    for turn in 0..4 {
        let mut stage = resume(&store, id).await;
        promise_eq!(stage.id(), id, "resume: goes on with the stage of this id");
        check_stage(&*stage, &expected, "resume: the stage has the bytes it had").await;
        promise_matches!(
            stage.append(stage.size() + 1, Bytes::new()).await,
            Err(StoreError::Offset { .. }),
            "append: `Offset` when the offset is not the size, in a resumed stage too"
        );
        let bytes = sample_bytes(turn, 3000);
        expected.extend_from_slice(&bytes);
        stage.append(stage.size(), bytes).await.expect(ANSWERS);
    }
    promise_eq!(
        stage_ids(&store).await,
        [id],
        "resume: begins no other stage"
    );
    resume(&store, id)
        .await
        .publish(sample_key(1))
        .await
        .expect(ANSWERS);
    check_blob(
        &store,
        sample_key(1),
        &expected,
        "publish: the blob has what was appended before and after `resume`",
    )
    .await;
}

pub async fn the_others_are_listed_when_one_is_aborted(store: Store) {
    let bytes = sample_bytes(1, 500);
    let gone = stage_of(&store, &sample_bytes(3, 500)).await.id();
    let kept = stage_of(&store, &bytes).await.id();
    store.abort(gone).await.expect(ANSWERS);
    promise_eq!(
        stage_ids(&store).await,
        [kept],
        "abort: removes the stage of this id, and no other"
    );
    check_stage(
        &*resume(&store, kept).await,
        &bytes,
        "abort: another stage is as it was",
    )
    .await;
}

pub async fn an_aborted_stage_is_missing_to_the_one_who_appends(store: Store) {
    let mut stage = stage_of(&store, &sample_bytes(1, 500)).await;
    store.abort(stage.id()).await.expect(ANSWERS);
    promise_matches!(
        stage.append(500, sample_bytes(2, 10)).await,
        Err(StoreError::Missing),
        "append: `Missing` when the stage was aborted"
    );
}

/// Dropped after a growing number of polls, until one publication comes to its end.
pub async fn publish_dropped_half_way_leaves_the_stage_or_the_blob(store: Store) {
    for polls in 0..50 {
        let (bytes, key) = (sample_bytes(polls.into(), 4000), sample_key(polls));
        let mut stage = stage_of(&store, &bytes).await;
        let id = stage.id();
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
        let stages = store.stages(None, 1000).await.expect(ANSWERS).items;
        if !stages.iter().any(|stage| stage.id == id) {
            let statement = "publish: dropped half-way, either the stage or the blob is there";
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

async fn resume(store: &Store, id: StageId) -> Box<dyn Stage> {
    let stage = store.resume(id).await.expect(ANSWERS);
    stage.expect("the contract is broken: resume: goes on with a stage that was begun before")
}
