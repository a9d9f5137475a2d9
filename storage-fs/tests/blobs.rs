//! What the suite cannot see: the files themselves, and other processes' view of them.
#![allow(clippy::unwrap_used)] // also in what the tests call

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use consign_core::{
    id::{BlobKey, StageId},
    store::{BlobStore, ReadGrant, Stage, StoreError},
    time::Timestamp,
};
use consign_storage_fs::FsBlobs;
use futures_util::TryStreamExt;

const KEY: BlobKey = BlobKey::from_bytes([0xab; 16]);

#[tokio::test]
async fn a_blob_is_the_file_of_its_key() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    staged(&blobs, "content").await.publish(KEY).await.unwrap();
    let path = root.path().join("blobs/ab").join("ab".repeat(15));
    assert_eq!(fs::read(path).unwrap(), b"content");
    assert_eq!(fs::read_dir(root.path().join("stages")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_stage_survives_the_store_that_began_it() {
    let root = tempfile::tempdir().unwrap();
    let id = {
        let blobs = FsBlobs::open(root.path()).unwrap();
        staged(&blobs, "first ").await.id()
    };
    let blobs = FsBlobs::open(root.path()).unwrap();
    let mut stage = blobs.resume(id).await.unwrap().unwrap();
    assert_eq!(stage.size(), 6);
    stage
        .append(6, Bytes::from_static(b"second"))
        .await
        .unwrap();
    stage.publish(KEY).await.unwrap();
    assert_eq!(content(&blobs, 12).await.unwrap(), "first second");
}

#[tokio::test]
async fn a_stage_in_use_is_busy() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    let stage = staged(&blobs, "content").await;
    let again = FsBlobs::open(root.path()).unwrap();
    let resumed = again.resume(stage.id()).await;
    assert!(matches!(resumed, Err(StoreError::Busy)), "{resumed:?}");
}

#[tokio::test]
async fn an_aborted_stage_is_missing_to_the_one_who_appends() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    let mut stage = staged(&blobs, "content").await;
    let mut other = staged(&blobs, "content").await;
    blobs.abort(stage.id()).await.unwrap();
    blobs.abort(other.id()).await.unwrap();
    assert!(matches!(
        stage.read_at(0, 4).await,
        Err(StoreError::Missing)
    ));
    let more = Bytes::from_static(b" more");
    assert!(matches!(
        stage.append(7, more).await,
        Err(StoreError::Missing)
    ));
    assert!(matches!(other.publish(KEY).await, Err(StoreError::Missing)));
    assert!(blobs.keys(None, 1).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_published_stage_cannot_change_its_blob() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    let mut stage = staged(&blobs, "content").await;
    stage.publish(KEY).await.unwrap();
    let more = Bytes::from_static(b" more");
    assert!(matches!(
        stage.append(7, more).await,
        Err(StoreError::Missing)
    ));
    let other = BlobKey::from_bytes([1; 16]);
    assert!(matches!(
        stage.publish(other).await,
        Err(StoreError::Missing)
    ));
    assert_eq!(content(&blobs, 7).await.unwrap(), "content");
    assert!(content(&blobs, 8).await.is_err());
}

#[tokio::test]
async fn the_grace_of_a_blob_counts_from_its_publication() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    let mut stage = staged(&blobs, "content").await;
    let long_ago = SystemTime::now() - Duration::from_secs(40 * 24 * 3600);
    let path = root.path().join("stages").join(stage.id().to_string());
    let file = fs::File::open(path).unwrap();
    file.set_modified(long_ago).unwrap();
    let listed = blobs.stages(None, 9).await.unwrap().items;
    assert_eq!(listed[0].modified, Timestamp::from(long_ago));

    let before = Timestamp::from(SystemTime::now());
    stage.publish(KEY).await.unwrap();
    let after = Timestamp::from(SystemTime::now());
    let listed = blobs.keys(None, 9).await.unwrap().items;
    assert!((before..=after).contains(&listed[0].modified));
}

#[tokio::test]
async fn foreign_names_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    staged(&blobs, "content").await.publish(KEY).await.unwrap();
    let stage = staged(&blobs, "staged").await.id();
    let digits = "ab".repeat(15);
    let foreign = [
        format!("blobs/ab/{}", digits.to_uppercase()),
        format!("blobs/ab/{digits}.part"),
        "blobs/ab/.nfs0001".into(),
        format!("blobs/ab/{}", "ab".repeat(16)),
        format!("blobs/{digits}"),
        format!("stages/{digits}"),
        format!("stages/{}", "AB".repeat(16)),
        "stages/lost+found".into(),
    ];
    for name in &foreign {
        fs::write(root.path().join(name), "foreign").unwrap();
    }
    fs::create_dir(root.path().join("stages").join("ab".repeat(16))).unwrap();
    std::os::unix::fs::symlink("/", root.path().join("blobs/ab").join("0".repeat(30))).unwrap();

    let keys: Vec<_> = blobs
        .keys(None, 99)
        .await
        .unwrap()
        .items
        .iter()
        .map(|blob| blob.key)
        .collect();
    assert_eq!(keys, [KEY]);
    let ids: Vec<_> = blobs
        .stages(None, 99)
        .await
        .unwrap()
        .items
        .iter()
        .map(|stage| stage.id)
        .collect();
    assert_eq!(ids, [stage]);
    assert!(foreign.iter().all(|name| root.path().join(name).exists()));
}

#[tokio::test]
async fn pages_cross_folders_and_begin_anywhere() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    let mut all = Vec::new();
    for first in [0x00, 0x01, 0x7f, 0xff] {
        for last in [0, 9, 255] {
            let mut bytes = [first; 16];
            bytes[15] = last;
            let key = BlobKey::from_bytes(bytes);
            staged(&blobs, "x").await.publish(key).await.unwrap();
            all.push(key);
        }
    }
    for limit in 1..=all.len() + 1 {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = blobs.keys(after, limit).await.unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items.iter().map(|blob| blob.key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }
    let between = BlobKey::from_bytes([0x05; 16]);
    let page = blobs.keys(Some(between), 2).await.unwrap();
    assert_eq!(
        page.items.iter().map(|blob| blob.key).collect::<Vec<_>>(),
        all[6..8]
    );
}

/// From 8 MiB on what is aligned is written past the cache where the file system can; what is not,
/// and what is between, is not.
#[tokio::test]
async fn a_large_blob_is_what_was_appended_however_it_was_written() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    let memory: Vec<u8> = (0..(3 << 20) + 8192_u32)
        .map(|at| (at % 241) as u8)
        .collect();
    let memory = Bytes::from(memory);
    let aligned = memory.as_ptr().align_offset(4096);
    let mut stage = blobs.begin().await.unwrap();
    let mut appended = Vec::new();
    for (off, len) in [
        (0, 3 << 20),
        (0, 3 << 20),
        (0, 2 << 20),
        // Past the cache.
        (4096, 2 << 20),
        (0, 64 * 1024),
        // Not in memory, not in length, and then not in the file.
        (7, 2 << 20),
        (0, 100_000),
        (0, 2 << 20),
    ] {
        let bytes = memory.slice(aligned + off..aligned + off + len);
        appended.extend_from_slice(&bytes);
        stage.append(stage.size(), bytes).await.unwrap();
        let last = stage.read_at(stage.size() - 5, 9).await.unwrap();
        assert_eq!(last, appended[appended.len() - 5..]);
    }
    stage.publish(KEY).await.unwrap();
    let size = appended.len() as u64;
    let grant = ReadGrant::for_testing(KEY);
    let chunks: Vec<Bytes> = blobs
        .open(&grant, 0..size)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert!(chunks.concat() == appended);
}

#[tokio::test]
async fn a_blob_that_was_cut_short_ends_with_an_error() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    let mut stage = blobs.begin().await.unwrap();
    stage.append(0, vec![7; 3_000_000].into()).await.unwrap();
    stage.publish(KEY).await.unwrap();
    let mut stream = blobs
        .open(&ReadGrant::for_testing(KEY), 0..3_000_000)
        .await
        .unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    let path = root.path().join("blobs/ab").join("ab".repeat(15));
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(2_000_000)
        .unwrap();
    let error = loop {
        match stream.try_next().await {
            Ok(part) => assert!(part.is_some(), "a short read ended without an error"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_reader_keeps_what_it_opened_when_the_blob_is_deleted() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    let mut stage = blobs.begin().await.unwrap();
    stage.append(0, vec![7; 300_000].into()).await.unwrap();
    stage.publish(KEY).await.unwrap();
    let stream = blobs
        .open(&ReadGrant::for_testing(KEY), 0..300_000)
        .await
        .unwrap();
    blobs.delete(KEY).await.unwrap();
    let parts: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(parts.concat().len(), 300_000);
    assert!(matches!(content(&blobs, 1).await, Err(StoreError::Missing)));
}

#[tokio::test]
async fn check_sees_a_folder_go() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    blobs.check().await.unwrap();
    let before = files(root.path());
    blobs.check().await.unwrap();
    assert_eq!(files(root.path()), before, "a check leaves no trace");

    fs::remove_dir(root.path().join("stages")).unwrap();
    assert!(matches!(
        blobs.check().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        blobs.begin().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        blobs.stages(None, 1).await,
        Err(StoreError::Unavailable(_))
    ));
    fs::write(root.path().join("stages"), "").unwrap();
    assert!(matches!(
        blobs.check().await,
        Err(StoreError::Unavailable(_))
    ));
}

#[tokio::test]
async fn an_id_of_nothing_resumes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(root.path()).unwrap();
    assert!(
        blobs
            .resume(StageId::from_bytes([0; 16]))
            .await
            .unwrap()
            .is_none()
    );
}

async fn staged(blobs: &FsBlobs, content: &'static str) -> Box<dyn Stage> {
    let mut stage = blobs.begin().await.unwrap();
    stage.append(0, content.into()).await.unwrap();
    stage
}

async fn content(blobs: &FsBlobs, size: u64) -> Result<Bytes, StoreError> {
    let stream = blobs.open(&ReadGrant::for_testing(KEY), 0..size).await?;
    let parts: Result<Vec<Bytes>, _> = stream.try_collect().await;
    parts
        .map(|parts| parts.concat().into())
        .map_err(StoreError::from_io)
}

fn files(root: &Path) -> Vec<(std::ffi::OsString, SystemTime)> {
    ["", "blobs", "stages"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name(),
                entry.metadata().unwrap().modified().unwrap(),
            )
        })
        .collect()
}
