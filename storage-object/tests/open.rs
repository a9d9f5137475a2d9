//! Which buckets are used, why others are not, and what is shown of it.
#![allow(clippy::unwrap_used)] // also in what the tests call

mod support;

use std::{env, process::Command};

use bytes::Bytes;
use consign_core::{id::StageId, store::BlobStore};
use consign_storage_object::{ObjectBlobs, OpenError};
use http::{Method, request::Parts};
use tokio::net::TcpSocket;

use self::support::{
    KEY, asks,
    fake::{Fake, Fault, KEY_ID, SECRET},
    first, impatient, is_put, opened, patient, staged,
};

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
async fn a_lost_answer_keeps_no_bucket_from_being_used() {
    let fake = Fake::start().await;
    fake.fail(first(1, is_put, Fault::DoAndClose));
    fake.open(patient()).await.unwrap();
    assert!(fake.names().is_empty());
}

/// In a process of its own, as the environment is all threads'.
#[test]
fn without_keys_and_without_a_role_it_is_told_what_to_set() {
    const ALONE: &str = "CONSIGN_TEST_WITHOUT_KEYS";
    if env::var_os(ALONE).is_some() {
        consign_core::testing::run(async {
            let fake = Fake::start().await;
            let url = "s3://bucket".parse().unwrap();
            let options = impatient().endpoint(fake.endpoint.clone());
            let error = ObjectBlobs::open(&url, options).await.unwrap_err();
            assert!(matches!(error, OpenError::Credentials), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"));
            assert!(fake.requests().is_empty(), "nobody is asked without them");
        });
        return;
    }
    // Nobody listens, nor can while the socket is there.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let metadata = format!("http://{}", nobody.local_addr().unwrap());
    let mut alone = Command::new(env::current_exe().unwrap());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            alone.env_remove(name);
        }
    }
    alone
        .args([
            "--exact",
            "without_keys_and_without_a_role_it_is_told_what_to_set",
        ])
        .env(ALONE, "1")
        // Where a machine with a role is given credentials.
        .env("AWS_METADATA_ENDPOINT", metadata);
    let ran = alone.output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed"), "{ran:?}");
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
