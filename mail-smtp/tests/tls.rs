//! Encrypted conversations, and those that are kept from being so.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use consign_core::mail::Courier;
use consign_mail_smtp::{
    Options, SetupError, SmtpCourier, SmtpError, Stage,
    testing::{Identity, Reaction, SmtpSink, Step},
};
use support::{courier_at, failure, mail, patient};

/// Who vouches for a server on 127.0.0.1, in PEM, and the server's identity.
fn identity() -> (Vec<u8>, Identity) {
    let names = vec!["127.0.0.1".to_owned(), "mail.example.org".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let identity = Identity {
        certificate: made.cert.der().to_vec(),
        key: made.signing_key.serialize_der(),
    };
    (made.cert.pem().into_bytes(), identity)
}

fn trusting(pem: Vec<u8>) -> Options {
    Options {
        roots: Some(pem),
        ..patient()
    }
}

fn with_login(sink: &SmtpSink) -> String {
    sink.url().replace("://", "://ann:secret@")
}

#[tokio::test]
async fn mail_goes_encrypted() {
    let (pem, identity) = identity();
    for sink in [
        SmtpSink::with_tls(identity.clone()).await,
        SmtpSink::with_starttls(identity).await,
    ] {
        let courier = courier_at(&with_login(&sink), trusting(pem.clone()));
        courier.deliver(&mail("A file", "Größe\n")).await.unwrap();
        let received = sink.received().pop().unwrap();
        assert!(received.encrypted, "{sink:?}");
        assert_eq!(received.auth.as_deref(), Some("PLAIN AGFubgBzZWNyZXQ="));
        assert_eq!(received.text(), "Größe\n");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_hears_nothing() {
    let (other, _) = identity();
    let (pem, identity) = identity();
    for sink in [
        SmtpSink::with_tls(identity.clone()).await,
        SmtpSink::with_starttls(identity.clone()).await,
    ] {
        // The certificate is for 127.0.0.1, and this is the same server.
        let by_name = with_login(&sink).replace("127.0.0.1", "localhost");
        let strangers = [
            (with_login(&sink), trusting(other.clone())),
            (by_name, trusting(pem.clone())),
        ];
        for (url, options) in strangers {
            let courier = courier_at(&url, options);
            let outcome = courier.deliver(&mail("A file", "")).await;
            let told = support::words(outcome.as_ref().unwrap_err());
            assert!(told.contains("invalid peer certificate"), "{told}");
            let (permanent, error) = failure(outcome);
            assert!(!permanent, "the operator can make it good: {error:?}");
        }
        assert_eq!(sink.received(), []);
    }
}

#[tokio::test]
async fn without_encryption_nothing_is_said() {
    let (pem, identity) = identity();
    let sink = SmtpSink::with_starttls(identity).await;
    let courier = courier_at(&with_login(&sink), trusting(pem));
    sink.react(Step::Hello, Reaction::answer("250-sink\r\n250 AUTH PLAIN"));
    let (permanent, error) = failure(courier.deliver(&mail("A file", "")).await);
    assert!(
        !permanent && matches!(error, SmtpError::Lacking(Stage::StartTls, _)),
        "{error:?}"
    );
    sink.behave();
    for answer in ["454 4.7.0 not now", "500 no", "250 no need"] {
        sink.react(Step::StartTls, Reaction::answer(answer));
        // Whatever else happens, no plain command follows.
        sink.react(Step::Auth, Reaction::Close);
        sink.react(Step::Mail, Reaction::Close);
        let (permanent, _) = failure(courier.deliver(&mail("A file", "")).await);
        assert!(!permanent);
        sink.behave();
    }
    assert_eq!(sink.received(), []);
    courier.deliver(&mail("A file", "")).await.unwrap();
}

/// RFC 3207, section 6: what was said before TLS is forgotten.
#[tokio::test]
async fn answers_behind_the_one_to_starttls_are_not_believed() {
    let (pem, identity) = identity();
    let sink = SmtpSink::with_starttls(identity).await;
    let courier = courier_at(&with_login(&sink), trusting(pem));
    let answers = "250-evil\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 ok\r\n250 ok";
    sink.react(Step::StartTls, Reaction::Inject(answers.to_owned()));
    let (permanent, error) = failure(courier.deliver(&mail("A file", "")).await);
    let is_broken = matches!(error, SmtpError::Broken(Stage::StartTls, _));
    assert!(!permanent && is_broken, "{error:?}");
    assert_eq!(sink.received(), []);
}

#[test]
fn whom_to_trust_is_read_at_once() {
    let (pem, _) = identity();
    let set_up = |url: &str, roots: &[u8]| {
        let from = "files@example.org".parse().unwrap();
        SmtpCourier::new(url.parse().unwrap(), from, trusting(roots.to_vec()))
    };
    set_up("smtps://mail.example.org", &pem).unwrap();
    let two = [&pem[..], b"and another\n", &pem[..]].concat();
    set_up("smtp+starttls://mail.example.org", &two).unwrap();
    let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let damaged = String::from_utf8(pem.clone())
        .unwrap()
        .replace("MII", "!!!");
    let empty = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for bad in [&b""[..], b"none", key, damaged.as_bytes(), empty] {
        let error = set_up("smtps://mail.example.org", bad).unwrap_err();
        assert!(matches!(error, SetupError::BadRoots(_)), "{error:?}");
    }
    let error = set_up("smtp://localhost", &pem).unwrap_err();
    assert!(matches!(error, SetupError::NotEncrypted), "{error:?}");
}
