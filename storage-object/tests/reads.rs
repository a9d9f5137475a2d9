//! Reads from a store whose answers break off, and whose objects change.
#![allow(clippy::unwrap_used)] // also in what the tests call

mod support;

use std::io;

use bytes::BytesMut;
use consign_core::{
    store::{BlobStore, ReadGrant},
    testing::sample_bytes,
};
use futures_util::StreamExt;

use self::support::{BLOB, KEY, MIB, fake::Fault, first, impatient, is_get, opened, read};

#[tokio::test]
async fn a_read_that_breaks_off_goes_on_or_fails() {
    let (blobs, fake) = opened(impatient()).await;
    let bytes = sample_bytes(1, 5 * MIB + 7);
    fake.insert(BLOB, bytes.clone());
    let len = bytes.len() as u64;
    for fault in [Fault::Cut, Fault::Close, Fault::Never] {
        fake.fail(first(1, is_get, fault));
        assert_eq!(read(&blobs, 0..len).await.unwrap(), bytes, "{fault:?}");
        fake.requests();
        fake.fail(move |parts| is_get(parts).then_some(fault));
        assert!(read(&blobs, 0..len).await.is_err(), "{fault:?}");
        assert_eq!(fake.requests().len(), 3, "{fault:?}");
    }
    // An answer that says it is whole, but is not.
    for skipped in 0..3 {
        let mut left = skipped;
        fake.fail(move |parts| {
            let hit = is_get(parts) && left == 0;
            left = if is_get(parts) && left > 0 {
                left - 1
            } else {
                left
            };
            hit.then_some(Fault::Half)
        });
        assert!(read(&blobs, 0..len).await.is_err());
    }
}

#[tokio::test]
async fn a_read_is_of_one_object_from_its_beginning_to_its_end() {
    let (blobs, fake) = opened(impatient()).await;
    fake.insert(BLOB, sample_bytes(1, 8 * MIB));
    let grant = ReadGrant::for_testing(KEY);
    let mut stream = blobs.open(&grant, 0..8 * MIB as u64).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first, sample_bytes(1, 8 * MIB)[..first.len()]);
    // It is replaced, by a store that lets a key be taken twice.
    fake.insert(BLOB, sample_bytes(2, 8 * MIB));
    let rest: Vec<_> = stream.collect().await;
    let (last, before) = rest.split_last().unwrap();
    assert!(last.is_err());
    let before: Vec<_> = before.iter().map(|item| item.as_ref().unwrap()).collect();
    let read: usize = first.len() + before.iter().map(|chunk| chunk.len()).sum::<usize>();
    let mut whole = BytesMut::from(&*first);
    before
        .into_iter()
        .for_each(|chunk| whole.extend_from_slice(chunk));
    assert_eq!(whole, sample_bytes(1, 8 * MIB)[..read]);

    let mut stream = blobs.open(&grant, 0..8 * MIB as u64).await.unwrap();
    stream.next().await.unwrap().unwrap();
    fake.remove(BLOB);
    let rest: Vec<_> = stream.collect().await;
    let error = rest.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}
