//! Servers that refuse, break off, stall and lie.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::time::Duration;

use consign_core::mail::{Courier, DeliveryError};
use consign_mail_smtp::{
    Options, SmtpError, Stage,
    testing::{Reaction, SmtpSink, Step},
};
use support::{HANGS, courier, courier_at, failure, impatient, mail, patient};

const STEPS: [(Step, Stage); 7] = [
    (Step::Connect, Stage::Connect),
    (Step::Hello, Stage::Connect),
    (Step::Auth, Stage::Auth),
    (Step::Mail, Stage::Mail),
    (Step::Rcpt, Stage::Rcpt),
    (Step::Data, Stage::Data),
    (Step::Content, Stage::Content),
];

/// With a login, so that all steps are taken.
fn url(sink: &SmtpSink) -> String {
    sink.url().replace("smtp://", "smtp://ann:secret@")
}

#[tokio::test]
async fn what_is_refused_is_told_apart_by_whose_fault_it_is() {
    let sink = SmtpSink::start().await;
    let courier = courier_at(&url(&sink), patient());
    for (step, stage) in STEPS {
        for code in [421, 450, 530, 535, 550, 554] {
            sink.react(step, Reaction::answer(format!("{code} 1.2.3 no")));
            let (permanent, error) = failure(courier.deliver(&mail("A file", "")).await);
            let SmtpError::Refused {
                stage: told,
                code: with,
                words,
            } = &error
            else {
                panic!("{step:?} {code}: {error:?}");
            };
            assert_eq!((*told, *with), (stage, code), "{step:?}");
            let heard = matches!(stage, Stage::Auth | Stage::Content);
            assert_eq!(words, if heard { "1.2.3" } else { "1.2.3 no" });
            let mails = matches!(step, Step::Rcpt | Step::Data | Step::Content);
            assert_eq!(
                permanent,
                mails && matches!(code, 550 | 554),
                "{step:?} {code}"
            );
            sink.behave();
        }
    }
    assert_eq!(sink.received(), []);
    courier.deliver(&mail("A file", "")).await.unwrap();
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn a_connection_that_ends_is_temporary() {
    let sink = SmtpSink::start().await;
    let courier = courier_at(&url(&sink), patient());
    for (step, _) in STEPS {
        sink.react(step, Reaction::Close);
        let (permanent, error) = failure(courier.deliver(&mail("A file", "")).await);
        assert!(!permanent, "{step:?}: {error:?}");
        sink.behave();
    }
    assert_eq!(sink.received(), []);
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let sink = SmtpSink::start().await;
    for (step, stage) in STEPS {
        sink.react(step, Reaction::Stall);
        let short = Duration::from_millis(300);
        let options = match stage {
            // What comes before has all the time it needs, whatever else this machine is doing.
            Stage::Content => Options {
                accept: short,
                ..patient()
            },
            _ => Options {
                command: short,
                connect: short,
                ..patient()
            },
        };
        let courier = courier_at(&url(&sink), options);
        let (permanent, error) = failure(courier.deliver(&mail("A file", "")).await);
        assert!(
            !permanent && matches!(error, SmtpError::TimedOut(_)),
            "{step:?}: {error:?}"
        );
        sink.behave();
    }
    assert_eq!(sink.received(), []);
}

#[tokio::test]
async fn a_mail_that_was_taken_is_delivered_whatever_is_said_at_the_end() {
    let sink = SmtpSink::start().await;
    let endings = [
        Reaction::Close,
        Reaction::answer("421 4.3.2 shutting down"),
        Reaction::answer("550 no"),
        Reaction::answer("nonsense"),
    ];
    for (count, ending) in endings.into_iter().enumerate() {
        sink.react(Step::Quit, ending);
        courier(&sink).deliver(&mail("A file", "")).await.unwrap();
        assert_eq!(sink.received().len(), count + 1);
    }
}

#[tokio::test]
async fn a_server_that_takes_a_mail_and_stalls_at_the_end_is_left() {
    let sink = SmtpSink::start().await;
    sink.react(Step::Quit, Reaction::Stall);
    let courier = courier(&sink);
    let mail = mail("A file", "");
    let delivered = tokio::time::timeout(HANGS, courier.deliver(&mail));
    delivered.await.expect("it ends").unwrap();
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_temporary_and_the_mail_may_come_twice() {
    let sink = SmtpSink::start().await;
    let courier = courier(&sink);
    sink.react(Step::Content, Reaction::TakeAndClose);
    let (permanent, _) = failure(courier.deliver(&mail("A file", "")).await);
    assert!(!permanent);
    sink.behave();
    courier.deliver(&mail("A file", "")).await.unwrap();
    let received = sink.wait_for(2).await;
    let id = |at: usize| received[at].header("Message-ID").unwrap();
    assert_eq!(id(0), id(1), "whoever receives both can tell");
}

#[tokio::test]
async fn a_server_that_is_away_for_a_while_is_temporary() {
    let mut sink = SmtpSink::start().await;
    let courier = courier(&sink);
    sink.refuse().await;
    let outcome = courier.deliver(&mail("A file", "")).await;
    let told = support::words(outcome.as_ref().unwrap_err());
    assert!(
        told.contains("no connection: connecting: Connection refused"),
        "{told}"
    );
    let (permanent, error) = failure(outcome);
    assert!(
        !permanent && matches!(error, SmtpError::Broken(Stage::Connect, _)),
        "{error:?}"
    );
    sink.admit();
    courier.deliver(&mail("A file", "")).await.unwrap();
    sink.refuse().await;
    failure(courier.deliver(&mail("A file", "")).await);
    assert_eq!(sink.received().len(), 1);

    // Nor is a name that is not known.
    let courier = courier_at("smtp://no-such-host.invalid", patient());
    let (permanent, _) = failure(courier.deliver(&mail("A file", "")).await);
    assert!(!permanent);
}

#[tokio::test]
async fn nonsense_is_temporary_and_not_repeated() {
    let sink = SmtpSink::start().await;
    let courier = courier_at(&url(&sink), patient());
    for answer in [
        "secret",
        "999 secret",
        "25x secret",
        "250-secret\r\n251 secret",
        "",
        &"secret".repeat(1000),
        &format!(
            "{}250 secret",
            format!("250-{}\r\n", "secret".repeat(150)).repeat(200)
        ),
    ] {
        for (step, _) in STEPS {
            sink.react(step, Reaction::answer(answer));
            let outcome = courier.deliver(&mail("A file", "")).await;
            let Err(error) = outcome else {
                // Some of it is an answer after all, where any good one will do.
                assert!(
                    answer.starts_with("250-secret\r\n251"),
                    "{step:?}: {answer:?}"
                );
                continue;
            };
            assert!(
                matches!(error, DeliveryError::Temporary(_)),
                "{step:?}: {error:?}"
            );
            let told = support::words(&error);
            assert!(!told.contains("secret"), "{step:?}: {told}");
            sink.behave();
        }
        sink.behave();
    }
}

#[tokio::test]
async fn what_a_mail_says_is_in_no_error() {
    let sink = SmtpSink::start().await;
    let courier = courier(&sink);
    let secret = mail(
        "A file",
        "https://files.example.org/download_file/topsecret",
    );
    for code in [450, 554] {
        let answer = format!(
            "{code}-5.7.1 https://files.example.org/download_file/topsecret\r\n{code} 5.7.1 topsecret"
        );
        sink.react(Step::Content, Reaction::answer(answer));
        let error = courier.deliver(&secret).await.unwrap_err();
        let told = support::words(&error);
        assert!(told.contains(&format!("the mail: {code} 5.7.1")), "{told}");
        assert!(!told.contains("topsecret"), "{told}");
    }
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    // It stalls in its greeting, and TLS in its first byte.
    let sink = SmtpSink::start().await;
    sink.react(Step::Connect, Reaction::Stall);
    for scheme in ["smtp", "smtp+starttls", "smtps"] {
        let url = sink.url().replace("smtp://", &format!("{scheme}://"));
        let options = Options {
            connect: Duration::from_millis(300),
            ..impatient()
        };
        let delivered = courier_at(&url, options);
        let mail = mail("A file", "");
        let outcome = tokio::time::timeout(HANGS, delivered.deliver(&mail)).await;
        let (permanent, error) = failure(outcome.expect("it ends"));
        assert!(
            !permanent && matches!(error, SmtpError::TimedOut(_)),
            "{scheme}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_probe_goes_as_far_as_the_mail_and_sends_none() {
    let sink = SmtpSink::start().await;
    let courier = courier_at(&url(&sink), patient());
    courier.probe().await.unwrap();
    assert_eq!(sink.connections(), 1);
    sink.react(Step::Auth, Reaction::answer("535 5.7.8 no"));
    let refused = courier.probe().await;
    let Err(SmtpError::Refused { stage, code, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((stage, code), (Stage::Auth, 535));
    sink.react(Step::Auth, Reaction::Close);
    assert!(courier.probe().await.is_err());
    sink.behave();
    // It does not ask whether a mail would be taken.
    sink.react(Step::Mail, Reaction::answer("550 5.1.0 no"));
    courier.probe().await.unwrap();
    assert_eq!(sink.received(), []);
}
