use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    SweepReport,
    error::ErrorKind::*,
    id::{BlobKey, StageId},
    random::OsEntropy,
    time::Clock,
};

#[tokio::test]
async fn what_cannot_be_removed_does_not_keep_the_rest() {
    let world = World::new();
    stage(&world, b"1").await;
    publish(&world, b"22").await;
    world.clock.advance(DAY);
    world.rig.fail_at("abort");
    let report = world
        .consign
        .administration()
        .sweep(Duration::from_secs(1), |_| ())
        .await
        .unwrap();
    assert_eq!((report.failures, report.stages_removed), (1, 0));
    assert_eq!(report.blobs_removed, 1);
}

#[tokio::test]
async fn only_what_is_old_and_unreferenced_is_swept() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    world.upload(&op, "a.docx", b"referenced").await.unwrap();
    let old = [stage(&world, b"1").await, stage(&world, b"22").await];
    let orphan = publish(&world, b"333").await;
    world.clock.advance(DAY);
    let young = stage(&world, b"4444").await;
    let fresh = publish(&world, b"55555").await;
    let sweep = async |grace| {
        world
            .consign
            .administration()
            .sweep(grace, |_| ())
            .await
            .unwrap()
    };

    let seen = SweepReport {
        stages_seen: 3,
        blobs_seen: 3,
        ..SweepReport::default()
    };
    assert_eq!(
        sweep(DAY + Duration::from_millis(1)).await,
        seen,
        "not a moment too early"
    );
    world.clock.advance(Duration::from_millis(1));
    let removed = SweepReport {
        stages_removed: 2,
        blobs_removed: 1,
        bytes_removed: 3,
        ..seen
    };
    assert_eq!(sweep(DAY).await, removed);
    for id in old {
        assert!(world.memory.resume(id).await.unwrap().is_none());
    }
    assert!(world.memory.resume(young).await.unwrap().is_some());
    assert_eq!(blobs(&world).await.len(), 2);
    assert!(!blobs(&world).await.contains_key(&orphan));
    assert!(blobs(&world).await.contains_key(&fresh));
    let nothing = SweepReport {
        stages_seen: 1,
        blobs_seen: 2,
        ..SweepReport::default()
    };
    assert_eq!(
        sweep(DAY).await,
        nothing,
        "a second time there is nothing to do"
    );

    world.clock.advance(DAY * 400);
    sweep(Duration::ZERO).await;
    assert_eq!(world.kept().await, [0, 1, 1], "age alone is no reason");
    assert_eq!(
        world
            .download(&world.link(&ann, "a.docx").await.token)
            .await
            .unwrap(),
        b"referenced"
    );
}

#[tokio::test]
async fn a_grace_longer_than_time_itself_sweeps_nothing() {
    let world = World::new();
    stage(&world, b"1").await;
    publish(&world, b"2").await;
    world.clock.advance(DAY);
    world
        .consign
        .administration()
        .sweep(Duration::MAX, |_| ())
        .await
        .unwrap();
    assert_eq!(world.kept().await, [1, 1, 0]);
}

/// An upload that is still going on keeps its stage young, however long it takes in all.
#[tokio::test]
async fn an_upload_that_goes_on_is_not_swept() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let clock = Arc::clone(&world.clock);
    let administration = world.other(|_, _| ()).administration();
    let body = stream::iter(0..6).then(|_| {
        let (clock, administration) = (Arc::clone(&clock), administration.clone());
        async move {
            // While nothing comes, what came is stored.
            tokio::task::yield_now().await;
            clock.advance(DAY / 2);
            administration.sweep(DAY, |_| ()).await.unwrap();
            Ok(Bytes::from(vec![b' '; 256 * 1024]))
        }
    });
    let permit = world.consign.permit_upload(&op).unwrap();
    world
        .consign
        .upload(permit, file_name("a.docx"), body)
        .await
        .unwrap();
    assert_eq!(world.kept().await, [0, 1, 1]);
}

#[tokio::test]
async fn an_upload_beyond_the_grace_fails_and_loses_nothing_else() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let clock = Arc::clone(&world.clock);
    let administration = world.other(|_, _| ()).administration();
    let stages = world.memory.clone();
    let late = async move {
        while stages.stages(None, 1).await.unwrap().items.is_empty() {
            tokio::task::yield_now().await;
        }
        clock.advance(DAY * 2);
        administration.sweep(DAY, |_| ()).await.unwrap();
        Ok(Bytes::from_static(b"late"))
    };
    let begun = Bytes::from(vec![b' '; 600_000]);
    let body = stream::iter([Ok(begun)]).chain(stream::once(late));
    let permit = world.consign.permit_upload(&op).unwrap();
    let uploaded = world
        .consign
        .upload(permit, file_name("a.docx"), body)
        .await;
    assert_eq!(refusal(uploaded), Internal);
    world.settle().await;
    assert_eq!(world.kept().await, [0, 0, 0]);
}

#[tokio::test]
async fn what_a_sweep_cannot_ask_it_does_not_remove() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"referenced").await.unwrap();
    publish(&world, b"orphan").await;
    world.clock.advance(DAY * 2);
    world.rig.fail_at("unreferenced");
    let swept = world.consign.administration().sweep(DAY, |_| ()).await;
    assert_eq!(refusal(swept), Unavailable);
    assert_eq!(world.kept().await, [0, 2, 1]);
}

#[tokio::test]
async fn a_sweep_goes_through_every_page_and_tells_of_it() {
    let world = World::new();
    for _ in 0..2003 {
        stage(&world, b"").await;
    }
    for _ in 0..1000 {
        publish(&world, b"x").await;
    }
    world.clock.advance(DAY * 2);
    let mut reports = Vec::new();
    let report = world
        .consign
        .administration()
        .sweep(DAY, |report| reports.push(*report))
        .await
        .unwrap();
    let all = SweepReport {
        forgotten: 0,
        stages_seen: 2003,
        stages_removed: 2003,
        blobs_seen: 1000,
        blobs_removed: 1000,
        bytes_removed: 1000,
        failures: 0,
    };
    assert_eq!(report, all);
    assert_eq!(reports.last(), Some(&all));
    assert_eq!(reports.len(), 4, "one for each page");
    assert_eq!(world.kept().await, [0, 0, 0]);
}

#[derive(Clone, Debug)]
enum Act {
    Upload,
    /// One that fails after its bytes were published.
    HalfUpload,
    Remove(prop::sample::Index),
    Stage,
    Orphan,
    Wait(u8),
    Sweep(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Upload),
        Just(Act::HalfUpload),
        any::<prop::sample::Index>().prop_map(Act::Remove),
        Just(Act::Stage),
        Just(Act::Orphan),
        (0..8_u8).prop_map(Act::Wait),
        (0..8_u8).prop_map(Act::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After each sweep: what is referenced is there, what is not is there only while it is young.
    #[test]
    fn whatever_happens_a_sweep_takes_what_it_should(acts in prop::collection::vec(act(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(acts))?;
    }
}

async fn play(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let (mut stages, mut orphans) = (BTreeMap::new(), BTreeMap::new());
    for act in acts {
        let now = world.clock.now();
        match act {
            Act::Upload => drop(world.upload(&op, "a.docx", b"content").await.unwrap()),
            Act::HalfUpload => {
                let before = blobs(&world).await;
                world.rig.fail_at("apply");
                world.upload(&op, "a.docx", b"content").await.unwrap_err();
                world.rig.disarm();
                let new = blobs(&world)
                    .await
                    .into_keys()
                    .find(|key| !before.contains_key(key));
                orphans.insert(new.expect("its bytes are there"), now);
            }
            Act::Remove(which) => {
                let files = world.files().await;
                if !files.is_empty() {
                    let id = files[which.index(files.len())].entry.id;
                    world.consign.delete(&op, id).await.unwrap();
                }
            }
            Act::Stage => drop(stages.insert(stage(&world, b"staged").await, now)),
            Act::Orphan => drop(orphans.insert(publish(&world, b"orphan").await, now)),
            Act::Wait(hours) => world
                .clock
                .advance(Duration::from_secs(3600) * hours.into()),
            Act::Sweep(hours) => {
                let grace = Duration::from_secs(3600) * hours.into();
                world
                    .consign
                    .administration()
                    .sweep(grace, |_| ())
                    .await
                    .unwrap();
                stages.retain(|_, modified| *modified + grace >= now);
                orphans.retain(|_, modified| *modified + grace >= now);
            }
        }
        let referenced = world.files().await.into_iter().map(|file| file.entry.blob);
        let mut expected: Vec<BlobKey> = referenced.chain(orphans.keys().copied()).collect();
        expected.sort_unstable();
        prop_assert_eq!(
            blobs(&world).await.into_keys().collect::<Vec<_>>(),
            expected
        );
        prop_assert_eq!(world.kept().await[0], stages.len());
    }
    Ok(())
}

async fn stage(world: &World, bytes: &'static [u8]) -> StageId {
    let mut stage = world.memory.begin().await.unwrap();
    stage.append(0, Bytes::from_static(bytes)).await.unwrap();
    stage.id()
}

/// Bytes that no file references.
async fn publish(world: &World, bytes: &'static [u8]) -> BlobKey {
    let mut stage = world.memory.begin().await.unwrap();
    stage.append(0, Bytes::from_static(bytes)).await.unwrap();
    let key = BlobKey::random(&OsEntropy);
    stage.publish(key).await.unwrap();
    key
}

async fn blobs(world: &World) -> BTreeMap<BlobKey, Timestamp> {
    let page = world.memory.keys(None, 10_000).await.unwrap();
    page.items
        .into_iter()
        .map(|blob| (blob.key, blob.modified))
        .collect()
}
