use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};

use super::{
    super::{
        ANSWERS, check_any_limit, check_paging, promise, promise_eq, promise_matches,
        samples::{sample_bytes, sample_key},
        walk,
    },
    Store, all_stages, check_blob, check_stage, publish, resume, same_bytes, stage_ids, stage_of,
};
use crate::{id::StageId, store::StoreError};

pub async fn begin_gives_an_empty_stage_of_its_own(store: Store) {
    let (one, other) = (
        store.begin().await.expect(ANSWERS),
        store.begin().await.expect(ANSWERS),
    );
    promise!(
        one.id() != other.id(),
        "begin: begins a stage of an id of its own"
    );
    for stage in [&one, &other] {
        check_stage(&**stage, b"", "begin: a stage holds nothing yet").await;
    }
}

pub async fn append_adds_at_the_end(store: Store) {
    let mut stage = store.begin().await.expect(ANSWERS);
    let mut expected = Vec::new();
    for (seed, len) in [(1, 1), (2, 0), (3, 100), (4, 70_000), (5, 0), (6, 3)] {
        let bytes = sample_bytes(seed, len);
        expected.extend_from_slice(&bytes);
        stage.append(stage.size(), bytes).await.expect(ANSWERS);
        check_stage(
            &*stage,
            &expected,
            "append: appends the bytes, and they can be read at once",
        )
        .await;
    }
}

pub async fn append_elsewhere_than_at_the_end_is_refused_without_effect(store: Store) {
    let bytes = sample_bytes(1, 1000);
    let mut stage = stage_of(&store, &bytes).await;
    for offset in [0, 1, 999, 1001, 5000, u64::MAX] {
        for more in [sample_bytes(2, 10), Bytes::new()] {
            promise_matches!(
                stage.append(offset, more).await,
                Err(StoreError::Offset { expected: 1000 }),
                "append: `Offset`, which tells the stage's size, when the offset ({offset}) is not that"
            );
            check_stage(
                &*stage,
                &bytes,
                "append: when the offset is refused, nothing was written",
            )
            .await;
        }
    }
    stage
        .append(1000, sample_bytes(3, 500))
        .await
        .expect(ANSWERS);
    stage.publish(sample_key(1)).await.expect(ANSWERS);
    let whole = [&bytes[..], &sample_bytes(3, 500)].concat();
    check_blob(
        &store,
        sample_key(1),
        &whole,
        "append: a refused offset leaves the stage as good as before",
    )
    .await;
}

pub async fn append_of_many_chunks_keeps_every_byte(store: Store) {
    let whole = sample_bytes(1, 3 * 1024 * 1024 + 17);
    let mut stage = store.begin().await.expect(ANSWERS);
    let (mut rest, mut sizes) = (
        whole.clone(),
        [1, 4095, 65_537, 8191, 262_144, 13, 1_000_003]
            .into_iter()
            .cycle(),
    );
    while !rest.is_empty() {
        let len = sizes
            .next()
            .map_or(rest.len(), |size: usize| size.min(rest.len()));
        stage
            .append(stage.size(), rest.split_to(len))
            .await
            .expect(ANSWERS);
    }
    check_stage(
        &*stage,
        &whole,
        "append: appends the bytes, however they are cut",
    )
    .await;
    stage.publish(sample_key(1)).await.expect(ANSWERS);
    check_blob(
        &store,
        sample_key(1),
        &whole,
        "publish: the blob has every byte appended",
    )
    .await;
}

pub async fn read_at_reads_what_is_asked(store: Store) {
    let bytes = sample_bytes(1, 200_000);
    let stage = stage_of(&store, &bytes).await;
    for (offset, len) in [
        (0, 200_000),
        (0, 1),
        (1, 1),
        (4095, 2),
        (65_535, 70_000),
        (199_999, 1),
        (100, 0),
    ] {
        let found = stage.read_at(offset as u64, len).await.expect(ANSWERS);
        same_bytes(
            &found,
            &bytes[offset..offset + len],
            "read_at: reads `len` bytes at `offset`",
        );
    }
}

pub async fn read_at_reads_fewer_only_where_the_stage_ends(store: Store) {
    let bytes = sample_bytes(1, 1000);
    let stage = stage_of(&store, &bytes).await;
    let statement = "read_at: fewer bytes only where the stage ends";
    for (offset, len) in [
        (0, 1001),
        (0, 1 << 20),
        (999, 2),
        (500, 501),
        (1000, 1),
        (1000, 0),
    ] {
        let found = stage.read_at(offset as u64, len).await.expect(ANSWERS);
        same_bytes(&found, &bytes[offset..], statement);
    }
    for offset in [
        1001,
        1 << 40,
        i64::MAX as u64,
        i64::MAX as u64 + 1,
        u64::MAX,
    ] {
        match stage.read_at(offset, 10).await {
            Ok(found) => promise!(found.is_empty(), "{statement}: none at {offset}, beyond it"),
            Err(error) => panic!(
                "the contract is broken: {statement}: none at {offset}, beyond it: {error:?}"
            ),
        }
    }
}

pub async fn stages_appended_in_turns_do_not_mix(store: Store) {
    let (mut one, mut other) = (
        store.begin().await.expect(ANSWERS),
        store.begin().await.expect(ANSWERS),
    );
    let (mut of_one, mut of_other) = (BytesMut::new(), BytesMut::new());
    for turn in 0..6 {
        let (a, b) = (sample_bytes(turn, 10_000), sample_bytes(turn + 100, 7_001));
        of_one.extend_from_slice(&a);
        of_other.extend_from_slice(&b);
        one.append(one.size(), a).await.expect(ANSWERS);
        other.append(other.size(), b).await.expect(ANSWERS);
    }
    one.publish(sample_key(1)).await.expect(ANSWERS);
    check_stage(&*other, &of_other, "publish: another stage is as it was").await;
    other.publish(sample_key(2)).await.expect(ANSWERS);
    check_blob(
        &store,
        sample_key(1),
        &of_one,
        "append: each stage has its own bytes",
    )
    .await;
    check_blob(
        &store,
        sample_key(2),
        &of_other,
        "append: each stage has its own bytes",
    )
    .await;
}

pub async fn resume_finds_the_first_bytes_that_were_appended(store: Store) {
    let whole = sample_bytes(1, 60_000);
    let mut stage = store.begin().await.expect(ANSWERS);
    for turn in 1..=4 {
        let until = turn * 15_000;
        let more = whole.slice(stage.size() as usize..until);
        promise_matches!(
            stage.append(stage.size() + 1, more.clone()).await,
            Err(StoreError::Offset { .. }),
            "append: `Offset` when the offset is not the size, in a resumed stage too"
        );
        stage.append(stage.size(), more).await.expect(ANSWERS);
        let id = stage.id();
        drop(stage);
        stage = resume(&store, id, &whole[..until]).await;
        check_stage(
            &*stage,
            &whole[..until],
            "resume: what is appended from the stage's size on makes it whole",
        )
        .await;
    }
    stage.publish(sample_key(1)).await.expect(ANSWERS);
    check_blob(
        &store,
        sample_key(1),
        &whole,
        "publish: the blob has what was appended before and after `resume`",
    )
    .await;
}

pub async fn stages_are_those_that_resume_finds(store: Store) {
    let mut ids = BTreeSet::new();
    for len in [0, 10, 4000, 10_000, 100_000] {
        ids.insert(stage_of(&store, &sample_bytes(1, len)).await.id());
    }
    let listed = stage_ids(&store).await;
    for id in ids {
        let found = store.resume(id).await.expect(ANSWERS).is_some();
        promise_eq!(
            listed.contains(&id),
            found,
            "stages: lists those that `resume` finds"
        );
    }
}

pub async fn resume_of_nothing_is_none(store: Store) {
    let stage = stage_of(&store, &sample_bytes(1, 10)).await;
    let id = stage.id();
    drop(stage);
    let unknown = StageId::from_bytes([7; 16]);
    promise!(
        store.resume(unknown).await.expect(ANSWERS).is_none(),
        "resume: `None` when there is no stage of this id"
    );
    store.abort(id).await.expect(ANSWERS);
    promise!(
        store.resume(id).await.expect(ANSWERS).is_none(),
        "resume: `None` when the stage was aborted"
    );
}

pub async fn abort_removes_the_stage_alone(store: Store) {
    let (bytes, key) = (
        sample_bytes(1, 500),
        publish(&store, 1, &sample_bytes(2, 500)).await,
    );
    let gone = stage_of(&store, &sample_bytes(3, 500)).await.id();
    let kept = stage_of(&store, &bytes).await;
    let before = stage_ids(&store).await;
    store.abort(gone).await.expect(ANSWERS);
    promise_eq!(
        stage_ids(&store).await,
        without(&before, gone),
        "abort: removes the stage of this id, and no other"
    );
    check_stage(&*kept, &bytes, "abort: another stage is as it was").await;
    check_blob(
        &store,
        key,
        &sample_bytes(2, 500),
        "abort: blobs are as they were",
    )
    .await;
}

pub async fn abort_is_idempotent(store: Store) {
    let id = stage_of(&store, &sample_bytes(1, 10)).await.id();
    for id in [id, id, id, StageId::from_bytes([7; 16])] {
        promise!(
            store.abort(id).await.is_ok(),
            "abort: a stage that does not exist is no error"
        );
    }
    promise_eq!(stage_ids(&store).await, [], "abort: removes the stage");
}

pub async fn stages_pages_are_ordered_by_id(store: Store) {
    let ids = begun(&store, 7).await;
    let whole = all_stages(&store).await;
    let found: Vec<_> = whole.iter().map(|stage| stage.id).collect();
    promise_eq!(
        found,
        kept(&store, &ids).await,
        "stages: every stage that is kept, ordered by id"
    );
    check_paging(&whole, async |after, limit| {
        store.stages(after, limit).await
    })
    .await;
}

pub async fn stages_take_any_limit(store: Store) {
    begun(&store, 2).await;
    let whole = all_stages(&store).await;
    check_any_limit(&whole, async |after, limit| {
        store.stages(after, limit).await
    })
    .await;
}

pub async fn stages_go_on_after_an_id_that_need_not_exist(store: Store) {
    let ids = begun(&store, 5).await;
    let whole = all_stages(&store).await;
    store.abort(ids[2]).await.expect(ANSWERS);
    let after = async |id| walk(2, Some(id), async |after| store.stages(after, 2).await).await;
    for (id, statement) in [
        (
            StageId::from_bytes([0; 16]),
            "stages: those after the id `after`",
        ),
        (ids[1], "stages: those after the id `after`"),
        (
            ids[2],
            "stages: those after the id `after`, which need not exist",
        ),
        (ids[4], "stages: none are after the last"),
        (
            StageId::from_bytes([0xFF; 16]),
            "stages: none are after the last",
        ),
    ] {
        let mut expected = whole.clone();
        expected.retain(|stage| stage.id > id && stage.id != ids[2]);
        promise_eq!(after(id).await, expected, "{statement}");
    }
}

/// Begins as many stages, and gives their ids in order.
async fn begun(store: &Store, count: u64) -> Vec<StageId> {
    let mut ids = Vec::new();
    for seed in 0..count {
        // So long that stores which keep whole parts keep some, where their parts are short.
        ids.push(stage_of(store, &sample_bytes(seed, 10_000)).await.id());
    }
    ids.sort_unstable();
    ids
}

/// Those of them that the store has kept.
async fn kept(store: &Store, ids: &[StageId]) -> Vec<StageId> {
    let mut kept = Vec::new();
    for &id in ids {
        if store.resume(id).await.expect(ANSWERS).is_some() {
            kept.push(id);
        }
    }
    kept
}

fn without(ids: &[StageId], gone: StageId) -> Vec<StageId> {
    ids.iter().copied().filter(|id| *id != gone).collect()
}
