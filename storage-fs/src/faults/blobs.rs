use std::sync::Arc;

use bytes::Bytes;
use consign_core::{
    id::BlobKey,
    store::{BlobStore, ReadGrant, StoreError},
};
use futures_util::{FutureExt, TryStreamExt};
use rustix::io::Errno;

use super::{
    KEY, Way, content,
    script::{Script, When},
    staged, store, upload,
};
use crate::{
    FsBlobs, Options,
    disk::{Disk, Op},
};

#[tokio::test]
async fn a_published_blob_is_synced_renamed_and_its_folder_synced() {
    let (probe, blobs, root) = store();
    let mut stage = staged(&blobs).await.unwrap();
    probe.clear();
    stage.publish(KEY).await.unwrap();
    let folder = root.path().join("blobs/ab");
    let steps = [
        (Op::Touch, None),
        (Op::SyncFile, None),
        (Op::Rename, Some(folder.join("ab".repeat(15)))),
        (Op::SyncFolder, Some(folder)),
    ];
    assert_eq!(probe.seen(), steps);
}

#[tokio::test]
async fn a_blob_that_is_put_is_synced_and_its_folder_synced() {
    let (probe, blobs, root) = store();
    blobs.put(KEY, "first second".into()).await.unwrap();
    let folder = root.path().join("blobs/ab");
    let steps = [
        (Op::Create, Some(folder.join("ab".repeat(15)))),
        (Op::Write, None),
        (Op::SyncFile, None),
        (Op::SyncFolder, Some(folder)),
    ];
    assert_eq!(probe.seen(), steps);
}

#[tokio::test]
async fn a_removed_blob_has_its_folder_synced() {
    let (probe, blobs, root) = store();
    staged(&blobs).await.unwrap().publish(KEY).await.unwrap();
    let folder = root.path().join("blobs/ab");
    for _ in ["there", "gone"] {
        probe.clear();
        blobs.delete(KEY).await.unwrap();
        let last = probe.seen().pop();
        assert_eq!(last, Some((Op::SyncFolder, Some(folder.clone()))));
    }
}

#[tokio::test]
async fn a_new_stores_folders_are_synced_before_it_opens() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    let probe = Arc::<Script>::default();
    let disk = Disk::probed(Arc::clone(&probe) as _);
    FsBlobs::open_on(disk, root.clone(), &Options::default()).unwrap();
    let synced: Vec<_> = probe
        .seen()
        .into_iter()
        .filter_map(|(_, path)| path)
        .collect();
    assert_eq!(
        synced,
        [scratch.path().to_owned(), root.join("blobs"), root]
    );
}

#[tokio::test]
async fn whichever_operation_fails_nothing_half_made_is_visible() {
    let errors = [
        (Errno::IO, false),
        (Errno::NOSPC, true),
        (Errno::DQUOT, true),
        (Errno::FBIG, true),
    ];
    let whens = [When::Before, When::HalfWay];
    for ((errno, may_be_full), way) in errors
        .into_iter()
        .flat_map(|error| Way::ALL.map(|way| (error, way)))
    {
        for when in whens {
            let mut failed = Vec::new();
            for nth in 0.. {
                let (probe, blobs, _root) = store();
                probe.fail(nth, errno, when);
                let uploaded = way.upload(&blobs, KEY).await;
                let Some(op) = probe.failed() else {
                    uploaded.unwrap();
                    break;
                };
                failed.push(op);
                match uploaded.unwrap_err() {
                    StoreError::Unavailable(_) => {}
                    StoreError::Full(_) if may_be_full => {}
                    error => panic!("{way:?}: {op:?} failed with {error:?}"),
                }
                assert_nothing_left(&blobs, op).await;
                way.upload(&blobs, KEY).await.unwrap();
                assert_eq!(content(&blobs, KEY).await, "first second");
            }
            let mut ops = vec![Op::Create, Op::Write, Op::SyncFile, Op::SyncFolder];
            ops.extend(matches!(way, Way::Staged).then_some(Op::Rename));
            assert!(ops.iter().all(|op| failed.contains(op)), "{failed:?}");
        }
    }
}

#[tokio::test]
async fn an_operation_that_is_done_but_answers_with_an_error_is_an_error() {
    for way in Way::ALL {
        for nth in 0.. {
            let (probe, blobs, _root) = store();
            probe.fail(nth, Errno::IO, When::After);
            let uploaded = way.upload(&blobs, KEY).await;
            let Some(op) = probe.failed() else {
                uploaded.unwrap();
                break;
            };
            assert!(
                matches!(uploaded, Err(StoreError::Unavailable(_))),
                "{way:?}: {op:?}: {uploaded:?}"
            );
            let other = BlobKey::from_bytes([0xcd; 16]);
            way.upload(&blobs, other).await.unwrap();
            assert_eq!(content(&blobs, other).await, "first second");
        }
    }
}

#[tokio::test]
async fn no_room_while_publishing_says_so_only_while_nothing_is_written() {
    let (probe, blobs, _root) = store();
    let mut stage = staged(&blobs).await.unwrap();
    probe.fail_next(Op::SyncFolder, Errno::NOSPC);
    let published = stage.publish(KEY).await;
    assert!(
        matches!(published, Err(StoreError::Unavailable(_))),
        "{published:?}"
    );
    probe.fail_next(Op::SyncFolder, Errno::NOSPC);
    let put = blobs.put(KEY, "first second".into()).await;
    assert!(matches!(put, Err(StoreError::Unavailable(_))), "{put:?}");
}

#[tokio::test]
async fn a_stage_whose_write_failed_goes_on_after_a_resume() {
    let (probe, blobs, _root) = store();
    let mut stage = staged(&blobs).await.unwrap();
    let id = stage.id();
    // Bytes arrive in the file, and then there is no room for more of them.
    probe.fail_next_after(Op::Write, Errno::NOSPC);
    let more = Bytes::from_static(b" lost");
    assert!(matches!(
        stage.append(12, more.clone()).await,
        Err(StoreError::Full(_))
    ));
    assert!(matches!(
        stage.append(12, more).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        stage.publish(KEY).await,
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(stage.size(), 12);
    drop(stage);

    let mut stage = blobs.resume(id).await.unwrap().unwrap();
    assert_eq!(stage.size(), 12);
    stage.publish(KEY).await.unwrap();
    assert_eq!(content(&blobs, KEY).await, "first second");
}

#[tokio::test]
async fn a_stage_whose_sync_failed_is_gone() {
    let (probe, blobs, _root) = store();
    let mut stage = staged(&blobs).await.unwrap();
    probe.fail_next(Op::SyncFile, Errno::IO);
    assert!(stage.publish(KEY).await.is_err());
    assert!(stage.publish(KEY).await.is_err(), "a second sync would lie");
    let id = stage.id();
    drop(stage);
    assert!(blobs.resume(id).await.unwrap().is_none());
}

#[tokio::test]
async fn where_the_file_system_cannot_rename_so_a_link_does_as_well() {
    let (probe, blobs, _root) = store();
    probe.fail_next(Op::Rename, Errno::INVAL);
    let mut stage = staged(&blobs).await.unwrap();
    probe.clear();
    stage.publish(KEY).await.unwrap();
    let ops: Vec<_> = probe.seen().into_iter().map(|(op, _)| op).collect();
    let steps = [
        Op::Touch,
        Op::SyncFile,
        Op::Rename,
        Op::Link,
        Op::Remove,
        Op::SyncFolder,
    ];
    assert_eq!(ops, steps);
    assert_eq!(content(&blobs, KEY).await, "first second");
    assert!(blobs.stages(None, 9).await.unwrap().items.is_empty());

    let mut stage = staged(&blobs).await.unwrap();
    stage
        .append(12, Bytes::from_static(b" third"))
        .await
        .unwrap();
    probe.fail_next(Op::Rename, Errno::NOSYS);
    assert!(matches!(stage.publish(KEY).await, Err(StoreError::Exists)));
    assert_eq!(content(&blobs, KEY).await, "first second");
    stage.publish(BlobKey::from_bytes([1; 16])).await.unwrap();
}

#[tokio::test]
async fn a_stage_that_a_crash_left_beside_its_blob_cannot_change_it() {
    let (_probe, blobs, root) = store();
    let mut stage = staged(&blobs).await.unwrap();
    let id = stage.id();
    stage.publish(KEY).await.unwrap();
    let blob = root.path().join("blobs/ab").join("ab".repeat(15));
    std::fs::hard_link(blob, root.path().join("stages").join(id.to_string())).unwrap();
    assert!(blobs.resume(id).await.unwrap().is_none());
    assert!(blobs.stages(None, 9).await.unwrap().items.is_empty());
    assert_eq!(content(&blobs, KEY).await, "first second");
}

#[tokio::test]
async fn a_failed_read_is_an_error_in_its_place() {
    let (probe, blobs, _root) = store();
    upload(&blobs, KEY).await.unwrap();
    probe.fail_next(Op::Read, Errno::IO);
    let mut stream = blobs
        .open(&ReadGrant::for_testing(KEY), 0..12)
        .await
        .unwrap();
    assert!(stream.try_next().await.is_err());
    assert!(
        stream.try_next().await.unwrap().is_none(),
        "nothing follows an error"
    );
}

#[tokio::test]
async fn a_read_holds_one_chunk_and_begins_none_unasked() {
    let (probe, blobs, _root) = store();
    let mut stage = blobs.begin().await.unwrap();
    stage.append(0, vec![7; 4 << 20].into()).await.unwrap();
    stage.publish(KEY).await.unwrap();
    probe.clear();
    let mut stream = blobs
        .open(&ReadGrant::for_testing(KEY), 0..4 << 20)
        .await
        .unwrap();
    for chunks in 1..=3 {
        assert_eq!(
            stream.try_next().await.unwrap().map(|bytes| bytes.len()),
            Some(512 * 1024)
        );
        let reads = probe
            .seen()
            .iter()
            .filter(|(op, _)| *op == Op::Read)
            .count();
        // Once it may have been tried in vain without blocking.
        assert!((chunks..=chunks + 1).contains(&reads), "{reads}");
    }
}

#[tokio::test]
async fn what_is_in_memory_is_read_though_no_thread_is_free() {
    let root = tempfile::tempdir().unwrap();
    let probe = Arc::<Script>::default();
    let disk = Disk::probed(Arc::clone(&probe) as _);
    let options = Options::default().max_blocking(1);
    let blobs = FsBlobs::open_on(disk.clone(), root.path().to_owned(), &options).unwrap();
    upload(&blobs, KEY).await.unwrap();
    let path = root.path().join("blobs/ab").join("ab".repeat(15));
    let file = disk.open(&path).unwrap();
    if disk.read_at_once(&file, 0, &mut [0]).unwrap().is_none() {
        println!("skipped: the file system of temporary files only reads with blocking");
        return;
    }
    let gate = probe.hold(Op::List);
    let mut taking = blobs.keys(None, 1);
    assert!((&mut taking).now_or_never().is_none());
    let read = content(&blobs, KEY).now_or_never();
    assert_eq!(read.unwrap(), "first second");
    drop(gate);
    taking.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_had_at_once_is_waited_for() {
    for op in [Op::Open, Op::Read] {
        for errno in [Errno::AGAIN, Errno::NOSYS, Errno::NOTSUP, Errno::PERM] {
            let (probe, blobs, _root) = store();
            upload(&blobs, KEY).await.unwrap();
            probe.fail_next(op, errno);
            assert_eq!(content(&blobs, KEY).await, "first second", "{op:?}");
        }
    }
}

/// Only a stage that was made but not claimed is left, for the sweeper.
async fn assert_nothing_left(blobs: &FsBlobs, op: Op) {
    let opened = blobs.open(&ReadGrant::for_testing(KEY), 0..12).await;
    assert!(
        matches!(opened, Err(StoreError::Missing)),
        "{op:?} failed and a blob is visible"
    );
    assert!(blobs.keys(None, 9).await.unwrap().items.is_empty());
    let stages = blobs.stages(None, 9).await.unwrap().items.len();
    assert_eq!(stages, usize::from(op == Op::Lock), "{op:?}");
}
