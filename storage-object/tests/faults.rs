//! A store that fails, answers wrongly, or not at all: what is said of it, how often it is asked, and
//! what is left.
#![allow(clippy::unwrap_used)] // also in what the tests call

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use consign_core::{
    id::BlobKey,
    store::{BlobStore, ReadGrant, StoreError},
    testing::sample_bytes,
};
use consign_storage_object::Options;
use futures_util::{FutureExt, TryFutureExt, future::join_all};
use http::{Method, Request, request::Parts};

use self::support::{
    BLOB, KEY, MIB, asks,
    fake::{Fake, Fault, SECRET},
    first, impatient, is_put, opened, patient, read, sign, staged,
};

fn is_complete(parts: &Parts) -> bool {
    parts.method == Method::POST && asks(parts, "uploadId")
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
    let options = Options::default().retries(0).part_size(5 * MIB);
    let (blobs, fake) = opened(options.request_timeout(Duration::from_secs(5))).await;
    blobs.put(KEY, sample_bytes(1, 10)).await.unwrap();
    let bytes = sample_bytes(1, 6 * MIB);
    let read = staged(&blobs, &bytes).await;
    let mut published = staged(&blobs, &bytes).await;
    let mut appended = staged(&blobs, &bytes).await;
    fake.fail(|_| Some(Fault::Never));
    let grant = ReadGrant::for_testing(KEY);
    let (id, end) = (read.id(), appended.size());
    let ended = join_all([
        blobs.check().boxed(),
        blobs.open(&grant, 0..1).map_ok(drop).boxed(),
        blobs.open(&grant, 0..0).map_ok(drop).boxed(),
        blobs.put(KEY, Bytes::new()).boxed(),
        blobs.delete(KEY).boxed(),
        blobs.keys(None, 1).map_ok(drop).boxed(),
        blobs.stages(None, 1).map_ok(drop).boxed(),
        blobs.resume(id).map_ok(drop).boxed(),
        blobs.abort(id).boxed(),
        read.read_at(0, 1).map_ok(drop).boxed(),
        published.publish(KEY).boxed(),
        appended.append(end, sample_bytes(1, 5 * MIB)).boxed(),
    ]);
    let unavailable = |result: Result<(), StoreError>| {
        assert!(
            matches!(result, Err(StoreError::Unavailable(_))),
            "{result:?}"
        );
    };
    ended.await.into_iter().for_each(unavailable);
    // What failed once is not used again.
    fake.heal();
    fake.requests();
    unavailable(published.publish(KEY).await);
    unavailable(appended.append(end, Bytes::new()).await);
    unavailable(appended.read_at(0, 1).await.map(drop));
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn a_request_that_hangs_is_sent_again() {
    // On a slow machine the next may be late as well.
    let (blobs, fake) = opened(impatient().retries(100)).await;
    fake.fail(first(1, is_put, Fault::Never));
    blobs.put(KEY, sample_bytes(1, 10)).await.unwrap();
    assert!(fake.requests().len() >= 2);
}

#[tokio::test]
async fn failures_that_pass_are_not_noticed() {
    for fault in [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Status(409, "ConditionalRequestConflict"),
        Fault::Close,
        Fault::DoAndClose,
    ] {
        let (blobs, fake) = opened(patient().part_size(5 * MIB)).await;
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
        assert_eq!(fake.uploads(), 0, "{fault:?}");
        blobs.delete(KEY).await.unwrap();
        fake.fail(first(1, is_put, fault));
        blobs.put(KEY, bytes.slice(..10)).await.unwrap();
        assert_eq!(fake.object(BLOB).unwrap().bytes, bytes[..10]);
    }
}

#[tokio::test]
async fn a_lost_answer_is_told_from_a_taken_key() {
    let (blobs, fake) = opened(patient().part_size(5 * MIB)).await;
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
async fn a_conflict_over_no_condition_is_no_taken_key() {
    let (blobs, fake) = opened(patient().retries(0)).await;
    let mut stage = staged(&blobs, &sample_bytes(1, 9 * MIB)).await;
    for fault in [
        Fault::Status(409, "OperationAborted"),
        Fault::Status(412, "PreconditionFailed"),
    ] {
        fake.fail(move |parts| (!is_put(parts)).then_some(fault));
        let failed = [
            blobs.delete(KEY).await,
            blobs.abort(stage.id()).await,
            blobs.check().await,
            blobs.keys(None, 1).await.map(drop),
        ];
        for result in failed {
            assert!(
                matches!(result, Err(StoreError::Unavailable(_))),
                "{result:?}"
            );
        }
    }
    let published = stage.publish(KEY).await;
    assert!(
        matches!(published, Err(StoreError::Unavailable(_))),
        "{published:?}"
    );
}

#[tokio::test]
async fn an_upload_that_fails_half_way_leaves_a_stage_that_can_be_aborted() {
    type Choose = fn(&Parts) -> bool;
    let faults: [(Choose, Fault); 5] = [
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
        let (blobs, fake) = opened(patient().part_size(5 * MIB)).await;
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
async fn a_part_that_is_another_is_not_published() {
    let (blobs, fake) = opened(patient().part_size(5 * MIB)).await;
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
async fn bytes_that_change_on_their_way_are_refused() {
    let (blobs, fake) = opened(patient().part_size(5 * MIB)).await;
    fake.fail(|parts| is_put(parts).then_some(Fault::Flip));
    let put = blobs.put(KEY, sample_bytes(1, 10)).await;
    assert!(matches!(put, Err(StoreError::Unavailable(_))), "{put:?}");
    let mut stage = blobs.begin().await.unwrap();
    let appended = stage.append(0, sample_bytes(1, 6 * MIB)).await;
    assert!(
        matches!(appended, Err(StoreError::Unavailable(_))),
        "{appended:?}"
    );
    assert!(fake.names().is_empty());

    // Parts that pass through have the digest in the signature.
    fake.heal();
    let mut stage = staged(&blobs, &sample_bytes(1, 6 * MIB)).await;
    fake.fail(
        |parts| match parts.headers.contains_key("x-amz-copy-source") {
            true => Some(Fault::Status(501, "NotImplemented")),
            false => asks(parts, "partNumber").then_some(Fault::Flip),
        },
    );
    let published = stage.publish(KEY).await;
    assert!(
        matches!(published, Err(StoreError::Unavailable(_))),
        "{published:?}"
    );
    assert!(fake.object(BLOB).is_none());
}

#[tokio::test]
async fn our_own_requests_are_signed_with_what_they_depend_on() {
    let (blobs, fake) = opened(Options::default().part_size(5 * MIB)).await;
    let signed = Arc::new(Mutex::new(Vec::new()));
    fake.fail({
        let signed = Arc::clone(&signed);
        move |parts| {
            let request = Request::from_parts(parts.clone(), ());
            let names = sign::verify(&request, SECRET).unwrap();
            let query = parts.uri.query().unwrap_or("").split('=').next().unwrap();
            signed
                .lock()
                .unwrap()
                .push((format!("{} {query}", parts.method), names));
            None
        }
    });
    staged(&blobs, &sample_bytes(1, 6 * MIB))
        .await
        .publish(KEY)
        .await
        .unwrap();
    blobs.delete(KEY).await.unwrap();
    let signed = signed.lock().unwrap();
    for (request, name) in [
        ("PUT partNumber", "x-amz-copy-source"),
        ("PUT partNumber", "x-amz-copy-source-if-match"),
        ("POST uploadId", "if-none-match"),
        ("POST uploadId", "x-amz-content-sha256"),
        ("DELETE ", "x-amz-date"),
    ] {
        let mut found = signed.iter().filter(|(made, _)| made == request).peekable();
        assert!(found.peek().is_some(), "{request}");
        assert!(
            found.all(|(_, names)| names.iter().any(|signed| signed == name)),
            "{request}: {name}"
        );
    }
}

#[tokio::test]
async fn memory_is_bounded_whatever_is_uploaded() {
    let options = Options::default().part_size(5 * MIB).buffers(3);
    // However slow this machine is.
    let (blobs, fake) = opened(options.buffer_wait(Duration::from_secs(600))).await;
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
