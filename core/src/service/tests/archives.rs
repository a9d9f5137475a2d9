//! Several files as one archive.

use super::*;
use crate::{
    AuthorizedArchive, AuthorizedFile, LinkProof, LinkRequest,
    error::ErrorKind::*,
    id::{BlobKey, FileId},
    store::{Change, Outcome},
    testing::sample_bytes,
};

/// A lease of these files, opened.
async fn opened(world: &World, op: &Actor, names: &[&str]) -> Vec<AuthorizedFile> {
    let request = LinkRequest {
        files: names.iter().map(ToString::to_string).collect(),
        ..LinkRequest::default()
    };
    let link = world.consign.make_link(op, request).await.unwrap();
    let secret = link.secret.expose();
    let lease = world.consign.open_link(&secret, LinkProof::default());
    let token = lease.await.unwrap().token;
    world.consign.open_all(&token).await.unwrap()
}

async fn bytes(archive: &AuthorizedArchive, range: std::ops::Range<u64>) -> Vec<u8> {
    let chunks: Vec<_> = archive.read(range).try_collect().await.unwrap();
    chunks.concat()
}

#[tokio::test]
async fn an_archive_is_the_same_each_time_and_in_each_part() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let contents = [1, 2].map(|seed| sample_bytes(seed, 3000));
    for (name, content) in ["a.docx", "b.docx"].iter().zip(&contents) {
        world.upload(&op, name, content).await.unwrap();
    }
    let files = opened(&world, &op, &["a.docx", "b.docx"]).await;
    let archive = AuthorizedArchive::of(files).await.unwrap();
    let whole = bytes(&archive, 0..u64::MAX).await;
    assert_eq!(whole.len() as u64, archive.size());
    for content in &contents {
        let found = whole.windows(content.len()).any(|part| part == content);
        assert!(found, "the files are in it as they are");
    }
    for (from, to) in [(0, 1), (10, 5000), (2999, 3100), (6000, u64::MAX)] {
        let end = (to as usize).min(whole.len());
        assert_eq!(bytes(&archive, from..to).await, whole[from as usize..end]);
    }
    let again = opened(&world, &op, &["a.docx", "b.docx"]).await;
    let again = AuthorizedArchive::of(again).await.unwrap();
    assert_eq!(again.fingerprint(), archive.fingerprint());
    let turned = opened(&world, &op, &["b.docx", "a.docx"]).await;
    let turned = AuthorizedArchive::of(turned).await.unwrap();
    assert_ne!(turned.fingerprint(), archive.fingerprint());
    assert_eq!(archive.modified(), START);
}

#[tokio::test]
async fn a_file_without_a_checksum_is_read_for_it_once() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let file = world.upload(&op, "new.docx", b"123456789").await.unwrap();
    assert_eq!(file.entry.crc32, Some(0xCBF4_3926));
    // As a store has it that is older than checksums.
    let (id, blob) = (FileId::from_bytes([9; 16]), BlobKey::from_bytes([9; 16]));
    world.memory.put(blob, "123456789".into()).await.unwrap();
    let old = crate::file::FileEntry {
        id,
        blob,
        name: file_name("old.docx"),
        crc32: None,
        ..file.entry.clone()
    };
    let added = world.store.apply(Change::add(old)).await.unwrap();
    assert!(matches!(added, Outcome::Added(_)));

    let files = opened(&world, &op, &["new.docx", "old.docx"]).await;
    world.rig.fail_at("open");
    let failed = AuthorizedArchive::of(files).await;
    assert_eq!(refusal(failed), Unavailable);
    world.rig.disarm();
    let files = opened(&world, &op, &["new.docx", "old.docx"]).await;
    AuthorizedArchive::of(files).await.unwrap();
    let kept = FileStore::by_id(&world.store, id).await.unwrap().unwrap();
    assert_eq!(kept.entry.crc32, Some(0xCBF4_3926));
    // Now it is known: nothing is read.
    let files = opened(&world, &op, &["new.docx", "old.docx"]).await;
    world.rig.fail_at("open");
    AuthorizedArchive::of(files).await.unwrap();
}

#[tokio::test]
async fn a_file_that_goes_meanwhile_breaks_its_archive_off() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"first").await.unwrap();
    let gone = world.upload(&op, "b.docx", b"second").await.unwrap();
    let files = opened(&world, &op, &["a.docx", "b.docx"]).await;
    let archive = AuthorizedArchive::of(files).await.unwrap();
    let mut chunks = archive.read(0..archive.size());
    chunks.next().await.unwrap().unwrap();
    world.consign.delete(&op, gone.entry.id).await.unwrap();
    let rest: Result<Vec<Bytes>, _> = chunks.try_collect().await;
    assert!(rest.is_err(), "it does not end as if it were whole");
}
