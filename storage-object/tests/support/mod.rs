//! What the tests share.
#![allow(dead_code, clippy::unwrap_used)] // not all of them use all of it

pub mod engine;
pub mod fake;
pub mod sign;

use std::{io, ops::Range, time::Duration};

use bytes::Bytes;
use consign_core::{
    id::BlobKey,
    store::{BlobStore, ReadGrant, Stage},
};
use consign_storage_object::{ObjectBlobs, Options};
use futures_util::TryStreamExt;
use http::{Method, request::Parts};

use self::fake::{Fake, Fault};

pub const KEY: BlobKey = BlobKey::from_bytes([0xab; 16]);
pub const BLOB: &str = "blobs/abababababababababababababababab";
pub const MIB: usize = 1 << 20;

/// Requests are given up soon, and sent again twice.
pub fn impatient() -> Options {
    patient().request_timeout(Duration::from_secs(1))
}

/// Requests are sent again twice, however slow this machine is.
pub fn patient() -> Options {
    Options::default().retry_for(Duration::from_secs(600))
}

pub async fn opened(options: Options) -> (ObjectBlobs, Fake) {
    let fake = Fake::start().await;
    let blobs = fake.open(options).await.unwrap();
    fake.requests();
    (blobs, fake)
}

pub async fn staged(blobs: &ObjectBlobs, bytes: &Bytes) -> Box<dyn Stage> {
    let mut stage = blobs.begin().await.unwrap();
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        let chunk = rest.split_to(rest.len().min(1_234_567));
        stage.append(stage.size(), chunk).await.unwrap();
    }
    stage
}

pub fn is_put(parts: &Parts) -> bool {
    parts.method == Method::PUT && parts.uri.query().is_none()
}

pub fn asks(parts: &Parts, query: &str) -> bool {
    parts.uri.query().is_some_and(|found| found.contains(query))
}

pub async fn read(blobs: &ObjectBlobs, range: Range<u64>) -> io::Result<Bytes> {
    let grant = ReadGrant::for_testing(KEY);
    let stream = blobs.open(&grant, range).await;
    let chunks: Vec<_> = stream.map_err(io::Error::other)?.try_collect().await?;
    Ok(chunks.concat().into())
}

pub fn is_get(parts: &Parts) -> bool {
    parts.method == Method::GET && parts.uri.path().contains("/blobs/")
}

/// Of those it is true of, the first so many.
pub fn first(
    count: usize,
    is: impl Fn(&Parts) -> bool,
    fault: Fault,
) -> impl FnMut(&Parts) -> Option<Fault> {
    let mut left = count;
    move |parts| {
        let hit = left > 0 && is(parts);
        left -= usize::from(hit);
        hit.then_some(fault)
    }
}
