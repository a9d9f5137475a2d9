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
        promise!(
            stage_ids(&store).await.contains(&stage.id()),
            "stages: a stage is listed once it is begun"
        );
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
    let mut ids = BTreeSet::new();
    for seed in 0..7 {
        ids.insert(stage_of(&store, &sample_bytes(seed, 10)).await.id());
    }
    let whole = all_stages(&store).await;
    let found: Vec<_> = whole.iter().map(|stage| stage.id).collect();
    promise_eq!(
        found,
        Vec::from_iter(ids),
        "stages: every stage, ordered by id"
    );
    check_paging(&whole, async |after, limit| {
        store.stages(after, limit).await
    })
    .await;
}

pub async fn stages_take_any_limit(store: Store) {
    stage_of(&store, &sample_bytes(1, 10)).await;
    stage_of(&store, &sample_bytes(2, 10)).await;
    let whole = all_stages(&store).await;
    check_any_limit(&whole, async |after, limit| {
        store.stages(after, limit).await
    })
    .await;
}

pub async fn stages_go_on_after_an_id_that_need_not_exist(store: Store) {
    for seed in 0..5 {
        stage_of(&store, &sample_bytes(seed, 10)).await;
    }
    let whole = all_stages(&store).await;
    store.abort(whole[2].id).await.expect(ANSWERS);
    let after = async |id| walk(2, Some(id), async |after| store.stages(after, 2).await).await;
    promise_eq!(
        after(StageId::from_bytes([0; 16])).await.len(),
        4,
        "stages: those after the id `after`"
    );
    promise_eq!(
        after(whole[1].id).await,
        whole[3..],
        "stages: those after the id `after`"
    );
    promise_eq!(
        after(whole[2].id).await,
        whole[3..],
        "stages: those after the id `after`, which need not exist"
    );
    promise_eq!(
        after(whole[4].id).await,
        [],
        "stages: none are after the last"
    );
    promise_eq!(
        after(StageId::from_bytes([0xFF; 16])).await,
        [],
        "stages: none are after the last"
    );
}
