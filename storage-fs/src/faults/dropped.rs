use consign_core::{
    id::BlobKey,
    store::{BlobStore, StoreError},
};
use futures_util::FutureExt;

use super::{KEY, content, staged, store, store_with, upload};
use crate::{Options, disk::Op};

#[tokio::test]
async fn an_append_dropped_while_it_waits_has_done_nothing() {
    let (probe, blobs, _root) = store_with(Options::default().max_blocking(1));
    let mut stage = staged(&blobs).await.unwrap();
    let gate = probe.hold(Op::List);
    let mut taking = blobs.keys(None, 1);
    assert!((&mut taking).now_or_never().is_none());
    assert!(stage.append(12, "lost".into()).now_or_never().is_none());
    drop(gate);
    taking.await.unwrap();
    stage.append(12, " third".into()).await.unwrap();
    assert_eq!(stage.read_at(0, 99).await.unwrap(), "first second third");
}

#[tokio::test]
async fn an_append_dropped_half_way_leaves_the_stage_to_be_aborted_or_resumed() {
    let (probe, blobs, _root) = store();
    let mut stage = blobs.begin().await.unwrap();
    let id = stage.id();
    stage.append(0, "first ".into()).await.unwrap();
    let gate = probe.hold(Op::Write);
    assert!(stage.append(6, "second".into()).now_or_never().is_none());
    let other = stage.append(6, "other!".into()).await;
    assert!(
        matches!(other, Err(StoreError::Unavailable(_))),
        "{other:?}"
    );
    assert!(stage.publish(KEY).await.is_err());
    drop(stage);
    let resumed = blobs.resume(id).await;
    assert!(
        matches!(resumed, Err(StoreError::Busy)),
        "its write is still under way"
    );

    drop(gate);
    let mut stage = loop {
        match blobs.resume(id).await {
            Err(StoreError::Busy) => tokio::task::yield_now().await,
            resumed => break resumed.unwrap().unwrap(),
        }
    };
    assert_eq!(stage.size(), 12, "the write went on to its end");
    stage.publish(KEY).await.unwrap();
    assert_eq!(content(&blobs, KEY).await, "first second");
}

#[tokio::test]
async fn an_abort_during_a_write_wins() {
    let (probe, blobs, _root) = store();
    let mut stage = staged(&blobs).await.unwrap();
    let id = stage.id();
    let gate = probe.hold(Op::Write);
    let mut append = stage.append(12, " third".into());
    assert!((&mut append).now_or_never().is_none());
    probe.reached().await;
    blobs.abort(id).await.unwrap();
    drop(gate);
    let _ = append.await;
    assert!(matches!(stage.publish(KEY).await, Err(StoreError::Missing)));
    assert!(blobs.keys(None, 9).await.unwrap().items.is_empty());
    assert!(blobs.stages(None, 9).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_publication_dropped_half_way_runs_to_its_end() {
    let (probe, blobs, _root) = store();
    for op in [Op::Touch, Op::SyncFile, Op::Rename, Op::SyncFolder] {
        let mut stage = staged(&blobs).await.unwrap();
        let id = stage.id();
        let gate = probe.hold(op);
        assert!(stage.publish(KEY).now_or_never().is_none());
        drop(stage);
        drop(gate);
        while !matches!(blobs.resume(id).await, Ok(None)) {
            tokio::task::yield_now().await;
        }
        assert_eq!(content(&blobs, KEY).await, "first second");
        blobs.delete(KEY).await.unwrap();
    }
}

#[tokio::test]
async fn a_put_dropped_half_way_runs_to_its_end() {
    let (probe, blobs, _root) = store();
    for op in [Op::Create, Op::Write, Op::SyncFile, Op::SyncFolder] {
        probe.clear();
        let gate = probe.hold(op);
        let mut putting = blobs.put(KEY, "first second".into());
        assert!((&mut putting).now_or_never().is_none());
        probe.reached().await;
        drop(putting);
        drop(gate);
        while !probe.seen().iter().any(|(op, _)| *op == Op::SyncFolder) {
            tokio::task::yield_now().await;
        }
        assert!(matches!(
            blobs.put(KEY, "other".into()).await,
            Err(StoreError::Exists)
        ));
        assert_eq!(content(&blobs, KEY).await, "first second");
        blobs.delete(KEY).await.unwrap();
    }
}

#[tokio::test]
async fn a_page_is_full_even_if_what_was_listed_has_gone() {
    let (probe, blobs, _root) = store();
    let keys: Vec<_> = (1..=5)
        .map(|n| BlobKey::from_bytes([[7; 15].as_slice(), &[n]].concat().try_into().unwrap()))
        .collect();
    for key in &keys {
        upload(&blobs, *key).await.unwrap();
    }
    let gate = probe.hold(Op::Inspect);
    let mut listing = blobs.keys(None, 2);
    assert!((&mut listing).now_or_never().is_none());
    probe.reached().await;
    blobs.delete(keys[0]).await.unwrap();
    blobs.delete(keys[1]).await.unwrap();
    drop(gate);
    let page = listing.await.unwrap();
    let found: Vec<_> = page.items.iter().map(|blob| blob.key).collect();
    assert_eq!(found, keys[2..4]);
    assert_eq!(page.next, Some(keys[3]));
}

#[tokio::test]
async fn a_stage_that_is_published_while_it_is_resumed_is_none() {
    let (probe, blobs, _root) = store();
    let mut stage = staged(&blobs).await.unwrap();
    let gate = probe.hold(Op::Lock);
    let mut resuming = blobs.resume(stage.id());
    assert!((&mut resuming).now_or_never().is_none());
    probe.reached().await;
    stage.publish(KEY).await.unwrap();
    drop(gate);
    assert!(resuming.await.unwrap().is_none());
}
