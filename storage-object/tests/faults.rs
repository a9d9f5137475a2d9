//! A store that fails, answers wrongly, or not at all: what is said of it, how often it is asked, and
//! what is left.
#![allow(clippy::unwrap_used)] // also in what the tests call

mod support;

use std::{
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use consign_core::{
    id::{BlobKey, StageId},
    store::{BlobStore, ReadGrant, Stage, StoreError},
    testing::sample_bytes,
};
use consign_storage_object::{ObjectBlobs, OpenError, Options};
use futures_util::{StreamExt, TryStreamExt, future::join_all};
use http::{Method, request::Parts};

use self::support::fake::{Fake, Fault, KEY_ID, SECRET};

const KEY: BlobKey = BlobKey::from_bytes([0xab; 16]);
const BLOB: &str = "blobs/abababababababababababababababab";
const MIB: usize = 1 << 20;

/// Requests are given up soon, and sent again twice.
fn impatient() -> Options {
    Options::default()
        .request_timeout(Duration::from_millis(300))
        .connect_timeout(Duration::from_millis(300))
}

async fn opened(options: Options) -> (ObjectBlobs, Fake) {
    let fake = Fake::start().await;
    let blobs = fake.open(options).await.unwrap();
    fake.requests();
    (blobs, fake)
}

async fn staged(blobs: &ObjectBlobs, bytes: &Bytes) -> Box<dyn Stage> {
    let mut stage = blobs.begin().await.unwrap();
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        let chunk = rest.split_to(rest.len().min(1_234_567));
        stage.append(stage.size(), chunk).await.unwrap();
    }
    stage
}

async fn read(blobs: &ObjectBlobs, range: Range<u64>) -> io::Result<Bytes> {
    let grant = ReadGrant::for_testing(KEY);
    let stream = blobs.open(&grant, range).await;
    let chunks: Vec<_> = stream.map_err(io::Error::other)?.try_collect().await?;
    Ok(chunks.concat().into())
}

fn is_get(parts: &Parts) -> bool {
    parts.method == Method::GET && parts.uri.path().contains("/blobs/")
}

fn is_put(parts: &Parts) -> bool {
    parts.method == Method::PUT && parts.uri.query().is_none()
}

fn asks(parts: &Parts, query: &str) -> bool {
    parts.uri.query().is_some_and(|found| found.contains(query))
}

fn is_complete(parts: &Parts) -> bool {
    parts.method == Method::POST && asks(parts, "uploadId")
}

/// Of those it is true of, the first so many.
fn first(
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

#[tokio::test]
async fn a_store_that_only_fails_is_asked_three_times() {
    for (fault, is_full) in [
        (Fault::Status(500, "InternalError"), false),
        (Fault::Status(503, "SlowDown"), false),
        (Fault::Status(429, ""), false),
        (Fault::Close, false),
        (Fault::Never, false),
        (Fault::Status(507, ""), true),
        (Fault::Status(403, "QuotaExceeded"), true),
        (Fault::Status(403, "AccessDenied"), false),
        (Fault::Status(400, "BadDigest"), false),
    ] {
        let (blobs, fake) = opened(impatient()).await;
        fake.fail(move |_| Some(fault));
        let put = blobs.put(KEY, Bytes::from_static(b"content")).await;
        match put {
            Err(StoreError::Full(_)) => assert!(is_full, "{fault:?}"),
            Err(StoreError::Unavailable(_)) => assert!(!is_full, "{fault:?}"),
            other => panic!("{fault:?}: {other:?}"),
        }
        let sent_again = !matches!(fault, Fault::Status(400 | 403 | 507, _));
        let expected = if sent_again { 3 } else { 1 };
        assert_eq!(fake.requests().len(), expected, "{fault:?}");
        fake.heal();
        assert!(fake.names().is_empty());
        blobs
            .put(KEY, Bytes::from_static(b"content"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn every_operation_ends_with_an_error_when_there_is_no_answer() {
    let (blobs, fake) = opened(impatient().retries(0).part_size(5 * MIB)).await;
    blobs.put(KEY, sample_bytes(1, 10)).await.unwrap();
    let mut stage = staged(&blobs, &sample_bytes(1, 6 * MIB)).await;
    let mut other = staged(&blobs, &sample_bytes(1, 6 * MIB)).await;
    fake.fail(|_| Some(Fault::Never));
    let grant = ReadGrant::for_testing(KEY);
    let unavailable = |result: Result<(), StoreError>| {
        assert!(
            matches!(result, Err(StoreError::Unavailable(_))),
            "{result:?}"
        );
    };
    unavailable(blobs.check().await);
    unavailable(blobs.open(&grant, 0..1).await.map(drop));
    unavailable(blobs.open(&grant, 0..0).await.map(drop));
    unavailable(blobs.put(KEY, Bytes::new()).await);
    unavailable(blobs.delete(KEY).await);
    unavailable(blobs.keys(None, 1).await.map(drop));
    unavailable(blobs.stages(None, 1).await.map(drop));
    unavailable(blobs.resume(stage.id()).await.map(drop));
    unavailable(blobs.abort(stage.id()).await);
    unavailable(stage.read_at(0, 1).await.map(drop));
    unavailable(stage.publish(KEY).await);
    let more = sample_bytes(1, 5 * MIB);
    unavailable(other.append(other.size(), more).await);
    // What failed once is not used again.
    fake.heal();
    fake.requests();
    unavailable(stage.publish(KEY).await);
    unavailable(other.append(other.size(), Bytes::new()).await);
    unavailable(other.read_at(0, 1).await.map(drop));
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn failures_that_pass_are_not_noticed() {
    for fault in [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Status(409, "ConditionalRequestConflict"),
        Fault::Close,
        Fault::DoAndClose,
        Fault::Never,
    ] {
        let (blobs, fake) = opened(impatient().part_size(5 * MIB)).await;
        let bytes = sample_bytes(1, 12 * MIB);
        // Each request fails once, and is made again.
        let mut last = String::new();
        fake.fail(move |parts| {
            let this = format!("{} {}", parts.method, parts.uri);
            let is_new = this != last && !asks(parts, "partNumber");
            last = this;
            is_new.then_some(fault)
        });
        let mut stage = staged(&blobs, &bytes).await;
        stage.publish(KEY).await.unwrap();
        assert_eq!(read(&blobs, 0..bytes.len() as u64).await.unwrap(), bytes);
        fake.heal();
        assert_eq!(fake.names(), [BLOB], "{fault:?}");
        blobs.delete(KEY).await.unwrap();
        fake.fail(first(1, is_put, fault));
        blobs.put(KEY, bytes.slice(..10)).await.unwrap();
        assert_eq!(fake.object(BLOB).unwrap().bytes, bytes[..10]);
    }
}

#[tokio::test]
async fn a_lost_answer_is_told_from_a_taken_key() {
    let (blobs, fake) = opened(impatient().part_size(5 * MIB)).await;
    let bytes = sample_bytes(1, 6 * MIB);
    fake.fail(first(1, is_complete, Fault::DoAndClose));
    staged(&blobs, &bytes).await.publish(KEY).await.unwrap();
    assert_eq!(fake.object(BLOB).unwrap().bytes, bytes);
    assert_eq!(fake.names(), [BLOB]);

    let mut stage = staged(&blobs, &bytes).await;
    for fault in [Fault::DoAndClose, Fault::Status(500, "InternalError")] {
        fake.fail(first(1, is_put, fault));
        let put = blobs.put(KEY, Bytes::new()).await;
        assert!(matches!(put, Err(StoreError::Exists)), "{put:?}");
        fake.fail(first(1, is_complete, fault));
        let published = stage.publish(KEY).await;
        assert!(
            matches!(published, Err(StoreError::Exists)),
            "{published:?}"
        );
    }
    // Taken after it was asked for: then the store itself refuses.
    blobs.delete(KEY).await.unwrap();
    fake.fail(first(
        1,
        |parts| parts.method == Method::HEAD,
        Fault::Status(404, ""),
    ));
    fake.insert(BLOB, Bytes::from_static(b"other"));
    let published = stage.publish(KEY).await;
    assert!(
        matches!(published, Err(StoreError::Exists)),
        "{published:?}"
    );
    assert_eq!(fake.object(BLOB).unwrap().bytes, "other");
    assert_eq!(fake.uploads(), 0);
    fake.heal();
    let other = BlobKey::from_bytes([1; 16]);
    stage.publish(other).await.unwrap();
    blobs.abort(stage.id()).await.unwrap();
    let name = format!("blobs/{other}");
    assert_eq!(fake.object(&name).unwrap().bytes, bytes);
}

#[tokio::test]
async fn an_upload_that_fails_half_way_leaves_a_stage_that_can_be_aborted() {
    let faults: [(fn(&Parts) -> bool, Fault); 5] = [
        (
            |parts| asks(parts, "uploads"),
            Fault::Status(500, "InternalError"),
        ),
        (
            |parts| asks(parts, "partNumber=2"),
            Fault::Status(500, "InternalError"),
        ),
        (|parts| asks(parts, "partNumber=1"), Fault::ErrorIn200),
        (is_complete, Fault::Status(500, "InternalError")),
        (is_complete, Fault::ErrorIn200),
    ];
    for (is, fault) in faults {
        let (blobs, fake) = opened(impatient().part_size(5 * MIB)).await;
        let mut stage = staged(&blobs, &sample_bytes(1, 12 * MIB)).await;
        let id = stage.id();
        // And the process ends before it can give up the upload.
        fake.fail(move |parts| match parts.method == Method::DELETE {
            true => Some(Fault::Status(503, "SlowDown")),
            false => is(parts).then_some(fault),
        });
        let published = stage.publish(KEY).await;
        assert!(
            matches!(published, Err(StoreError::Unavailable(_))),
            "{published:?}"
        );
        drop(stage);
        fake.heal();
        assert!(fake.object(BLOB).is_none());
        let stages = blobs.stages(None, 10).await.unwrap().items;
        assert_eq!(
            stages.iter().map(|stage| stage.id).collect::<Vec<_>>(),
            [id]
        );
        blobs.abort(id).await.unwrap();
        assert!(fake.names().is_empty());
        assert_eq!(fake.uploads(), 0);
    }
}

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

#[tokio::test]
async fn a_part_that_is_another_is_not_published() {
    let (blobs, fake) = opened(impatient().part_size(5 * MIB)).await;
    let mut changed = staged(&blobs, &sample_bytes(1, 11 * MIB)).await;
    let part = format!("stages/{}/00001", changed.id());
    fake.insert(&part, sample_bytes(2, 5 * MIB));
    let found = changed.read_at(0, 10).await;
    assert!(matches!(found, Err(StoreError::Damaged(_))), "{found:?}");
    let published = changed.publish(KEY).await;
    assert!(
        matches!(published, Err(StoreError::Missing)),
        "{published:?}"
    );

    let mut aborted = staged(&blobs, &sample_bytes(1, 11 * MIB)).await;
    blobs.abort(aborted.id()).await.unwrap();
    let published = aborted.publish(KEY).await;
    assert!(
        matches!(published, Err(StoreError::Missing)),
        "{published:?}"
    );
    assert!(fake.object(BLOB).is_none());
    assert_eq!(fake.uploads(), 0);
}

#[tokio::test]
async fn parts_pass_through_where_the_store_does_not_copy() {
    let (blobs, fake) = opened(Options::default().part_size(5 * MIB)).await;
    fake.fail(|parts| {
        let is_copy = parts.headers.contains_key("x-amz-copy-source");
        is_copy.then_some(Fault::Status(501, "NotImplemented"))
    });
    for key in [KEY, BlobKey::from_bytes([1; 16])] {
        let bytes = sample_bytes(1, 17 * MIB);
        fake.requests();
        staged(&blobs, &bytes).await.publish(key).await.unwrap();
        assert_eq!(fake.object(&format!("blobs/{key}")).unwrap().bytes, bytes);
        let tried = fake
            .requests()
            .iter()
            .filter(|request| request.contains("partNumber"))
            .count();
        // It is asked to copy once, several parts at a time.
        assert!(if key == KEY { tried > 4 } else { tried == 4 }, "{tried}");
    }
    assert_eq!(fake.names().len(), 2);
}

#[tokio::test]
async fn memory_is_bounded_whatever_is_uploaded() {
    let (blobs, fake) = opened(Options::default().part_size(5 * MIB).buffers(3)).await;
    fake.keep_nothing();
    let peak = Arc::new(AtomicUsize::new(0));
    fake.fail({
        let (blobs, peak) = (blobs.clone(), Arc::clone(&peak));
        move |_| {
            peak.fetch_max(blobs.buffers_in_use(), Ordering::Relaxed);
            None
        }
    });
    let uploads = (0..6).map(|_| async {
        let mut stage = blobs.begin().await.unwrap();
        let chunk = sample_bytes(1, MIB);
        for _ in 0..43 {
            stage.append(stage.size(), chunk.clone()).await.unwrap();
        }
        assert_eq!(stage.size(), 43 << 20);
    });
    join_all(uploads).await;
    assert_eq!(peak.load(Ordering::Relaxed), 3);
    assert_eq!(blobs.buffers_in_use(), 0);
    // 8 parts of each were sent: 240 MiB of 258.
    assert_eq!(fake.names().len(), 6 * 8);
}

#[tokio::test]
async fn who_waits_too_long_for_memory_is_told_to_come_again() {
    let options = Options::default().buffers(1);
    let (blobs, _fake) = opened(options.buffer_wait(Duration::from_millis(50))).await;
    let mut first = staged(&blobs, &sample_bytes(1, 10)).await;
    let mut second = blobs.begin().await.unwrap();
    let appended = second.append(0, sample_bytes(1, 10)).await;
    assert!(matches!(appended, Err(StoreError::Busy)), "{appended:?}");
    // What is in memory already, and what is put, does not wait.
    first.append(10, sample_bytes(1, 10)).await.unwrap();
    blobs.put(KEY, sample_bytes(1, 10)).await.unwrap();
    drop(first);
    staged(&blobs, &sample_bytes(1, 10)).await;
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_asked_before() {
    let fake = Fake::start().await;
    fake.ignore_conditions();
    let blobs = fake
        .open(Options::default().part_size(5 * MIB))
        .await
        .unwrap();
    let mut stage = staged(&blobs, &sample_bytes(1, 6 * MIB)).await;
    blobs.put(KEY, Bytes::from_static(b"one")).await.unwrap();
    fake.requests();
    let put = blobs.put(KEY, Bytes::from_static(b"other")).await;
    assert!(matches!(put, Err(StoreError::Exists)), "{put:?}");
    let published = stage.publish(KEY).await;
    assert!(
        matches!(published, Err(StoreError::Exists)),
        "{published:?}"
    );
    let asked = format!("HEAD /bucket/prefix/{BLOB}");
    assert_eq!(fake.requests(), [asked.clone(), asked]);
    assert_eq!(fake.object(BLOB).unwrap().bytes, "one");
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_is_refused_in_one_line() {
    let is = |method: Method| move |parts: &Parts| parts.method == method;
    let list = |parts: &Parts| asks(parts, "list-type");
    type Choose = Box<dyn Fn(&Parts) -> bool + Send>;
    let cases: [(Choose, Fault, &str); 9] = [
        (
            Box::new(list),
            Fault::Status(404, "NoSuchBucket"),
            "there is no bucket \"bucket\"",
        ),
        (
            Box::new(list),
            Fault::Status(403, "SignatureDoesNotMatch"),
            "the object store does not allow to list in bucket \"bucket\"",
        ),
        (
            Box::new(list),
            Fault::Status(301, "PermanentRedirect"),
            "bucket \"bucket\" is in another region: set AWS_REGION",
        ),
        (
            Box::new(list),
            Fault::Status(400, "AuthorizationHeaderMalformed"),
            "bucket \"bucket\" is in another region: set AWS_REGION",
        ),
        (Box::new(list), Fault::Never, "does not answer"),
        (
            Box::new(is(Method::PUT)),
            Fault::Status(403, "AccessDenied"),
            "the object store does not allow to write in bucket \"bucket\"",
        ),
        (
            Box::new(is(Method::PUT)),
            Fault::Status(507, ""),
            "the object store failed to write in bucket \"bucket\"",
        ),
        (
            Box::new(|parts| parts.method == Method::GET && !asks(parts, "list-type")),
            Fault::Half,
            "the object store failed to read in bucket \"bucket\"",
        ),
        (
            Box::new(is(Method::DELETE)),
            Fault::Status(403, "AccessDenied"),
            "the object store does not allow to delete in bucket \"bucket\"",
        ),
    ];
    for (is, fault, expected) in cases {
        let fake = Fake::start().await;
        fake.fail(move |parts| is(parts).then_some(fault));
        let error = fake.open(impatient()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        shows_no_secret(&error);
        // What is left of it is a stage, to the sweeper.
        assert!(fake.names().iter().all(|name| name.starts_with("stages/")));
    }
    let fake = Fake::start().await;
    let nowhere = fake.endpoint.clone();
    drop(fake);
    let url = "s3://bucket".parse().unwrap();
    let options = impatient().endpoint(nowhere).credentials(KEY_ID, SECRET);
    let error = ObjectBlobs::open(&url, options).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn an_endpoint_has_tls_or_is_on_this_machine() {
    let url = "s3://bucket".parse().unwrap();
    for endpoint in [
        "http://store.example.com",
        "http://127.0.0.1.example.com",
        "http://192.0.2.1:9000",
        "https://me:the-secret-of-the-fake@store.example.com",
        "https://store.example.com/?the-secret-of-the-fake",
        "ftp://store.example.com",
    ] {
        let options = impatient().endpoint(endpoint.parse().unwrap());
        let options = options.credentials(KEY_ID, SECRET);
        let error = ObjectBlobs::open(&url, options).await.unwrap_err();
        assert!(
            matches!(
                error,
                OpenError::Setting {
                    name: "AWS_ENDPOINT_URL",
                    ..
                }
            ),
            "{error:?}"
        );
        shows_no_secret(&error);
    }
}

#[tokio::test]
async fn nothing_that_is_shown_has_a_secret_in_it() {
    let (blobs, fake) = opened(impatient().retries(0)).await;
    assert_eq!(
        format!("{blobs:?}"),
        r#"ObjectBlobs { bucket: "bucket", prefix: "prefix/", .. }"#
    );
    let stage = staged(&blobs, &Bytes::from_static(b"a secret of the client's")).await;
    assert!(!format!("{stage:?}").contains("client"));
    for fault in [
        Fault::Status(403, "InvalidAccessKeyId"),
        Fault::Status(500, "InternalError"),
        Fault::Close,
        Fault::Never,
        Fault::ErrorIn200,
    ] {
        fake.fail(move |_| Some(fault));
        for result in [
            blobs.check().await,
            blobs.put(KEY, Bytes::new()).await,
            blobs.abort(StageId::from_bytes([1; 16])).await,
            blobs.delete(KEY).await,
        ] {
            if let Err(error) = result {
                shows_no_secret(&error);
                // A key in a log would be no secret, but is of no use there either.
                assert!(!format!("{error:?}").contains("abab"), "{error:?}");
            }
        }
    }
}

fn shows_no_secret(error: &(dyn std::error::Error + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains(SECRET) && !text.contains(KEY_ID), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
        next = error.source();
    }
}
