//! What arrives is what was sent.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use consign_core::{
    mail::{Courier, DeliveryError, Text},
    user::Email,
};
use consign_mail_smtp::{
    SmtpError,
    testing::{Reaction, SmtpSink, Step},
};
use proptest::prelude::*;
use support::{courier, courier_at, failure, mail, mail_to, patient};

#[tokio::test]
async fn a_mail_arrives_with_its_envelope_and_its_headers() {
    let sink = SmtpSink::start().await;
    let courier = courier(&sink);
    courier.deliver(&mail("A file", "Hello\n")).await.unwrap();
    let [received] = &sink.received()[..] else {
        panic!("{:?}", sink.received());
    };
    assert_eq!(received.from, "files@example.org");
    assert_eq!(received.to, ["ann@example.org"]);
    assert_eq!(received.parameters, "");
    assert_eq!(received.auth, None);
    assert!(!received.encrypted);
    let content = String::from_utf8(received.content.clone()).unwrap();
    let (headers, text) = content.split_once("\r\n\r\n").unwrap();
    assert_eq!(text, "Hello\r\n");
    let (date, headers) = headers.split_once("\r\n").unwrap();
    assert!(
        date.starts_with("Date: ") && date.ends_with(" +0000"),
        "{date}"
    );
    let expected = [
        "Message-ID: <abababababababababababababababab@example.org>",
        "From: Consign <files@example.org>",
        "To: ann@example.org",
        "Subject: A file",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 7bit",
    ];
    assert_eq!(headers, expected.join("\r\n"));

    // Each mail has a connection of its own, and the same one its id.
    courier.deliver(&mail("Again", "Hello\n")).await.unwrap();
    assert_eq!(sink.connections(), 2);
    let id = |at: usize| sink.received()[at].header("Message-ID").unwrap();
    assert_eq!(id(0), id(1));
}

#[tokio::test]
async fn umlauts_dots_and_long_lines_arrive() {
    let sink = SmtpSink::start().await;
    let courier = courier(&sink);
    let texts = [
        "Grüße aus Köln: hier ist Ihr Code.\n".to_owned(),
        "漢字だけの文章です。\n".repeat(50),
        ".\n..\n.\n\n.x\nx.\n.\n".to_owned(),
        ".".to_owned(),
        "\n.\n".to_owned(),
        "\r\n.\r\nMAIL FROM:<eve@example.org>\r\n".to_owned(),
        "a\r.\r.\n.\r\n.\n\r.".to_owned(),
        "a".repeat(100_000),
        format!("{}\n.{}", "ä".repeat(3000), "a".repeat(998)),
        "From here on\n-- \ntrailing \t \n".to_owned(),
        "=3D =\n=?utf-8?q?=41?=".to_owned(),
        String::new(),
    ];
    for (at, text) in texts.iter().enumerate() {
        let subject = format!("{at}: Größe");
        courier.deliver(&mail(&subject, text)).await.unwrap();
        let received = sink.received().pop().unwrap();
        assert_eq!(received.subject(), subject);
        assert_eq!(received.text(), lines(text), "{at}");
        assert_is_clean(&received.content);
    }
    assert_eq!(sink.received().len(), texts.len(), "none has become two");
}

#[tokio::test]
async fn addresses_go_in_ascii_where_they_can_and_in_utf_8_where_they_must() {
    let sink = SmtpSink::start().await;
    let courier = courier(&sink);
    let books = mail_to("ann@bücher.example", "Books", "");
    courier.deliver(&books).await.unwrap();
    let received = sink.received().pop().unwrap();
    assert_eq!(received.to, ["ann@xn--bcher-kva.example"]);
    assert_eq!(received.parameters, "");

    let books = mail_to("bücher@example.org", "Books", "");
    courier.deliver(&books).await.unwrap();
    let received = sink.received().pop().unwrap();
    assert_eq!(received.to, ["bücher@example.org"]);
    assert_eq!(received.parameters, "SMTPUTF8 BODY=8BITMIME");

    sink.react(Step::Hello, Reaction::answer("250-sink\r\n250 8BITMIME"));
    let (permanent, error) = failure(courier.deliver(&books).await);
    assert!(
        permanent && matches!(error, SmtpError::NotAscii),
        "{error:?}"
    );
    courier.deliver(&mail("A file", "ä")).await.unwrap();
}

#[tokio::test]
async fn no_header_and_no_command_can_be_put_in() {
    for subject in ["a\r\nBcc: eve@example.org", "a\nb", "a\rb", "a\0b"] {
        assert!(subject.parse::<consign_core::mail::Subject>().is_err());
    }
    let sink = SmtpSink::start().await;
    let courier = courier(&sink);
    for address in [
        "ann@example.org\r\nRCPT TO:<eve@example.org>",
        "ann@example.org>\r\nDATA",
        "\"ann\r\nBcc: eve\"@example.org",
        "ann@example.org\nBcc: eve@example.org",
        "ann@example.org, eve@example.org",
        "ann@example.org> <eve@example.org",
        "ann@exa\u{2028}mple.org",
    ] {
        assert!(address.parse::<Email>().is_err(), "{address:?}");
    }
    // Odd, and good: it stays what it is.
    for address in [
        "\"ann, eve\"@example.org",
        "\"a>b\"@example.org",
        "ann+x=y@example.org",
    ] {
        courier
            .deliver(&mail_to(address, "A file", ""))
            .await
            .unwrap();
        let received = sink.received().pop().unwrap();
        assert_eq!(received.to, [address]);
        assert_eq!(received.header("To").as_deref(), Some(address));
    }
    // What is text stays text.
    let text = "Subject: other\r\n\r\n.\r\nRCPT TO:<eve@example.org>\r\nDATA\r\n";
    courier.deliver(&mail("A file", text)).await.unwrap();
    let received = sink.received().pop().unwrap();
    assert_eq!(received.subject(), "A file");
    assert_eq!(received.text(), lines(text));
}

#[tokio::test]
async fn a_login_is_sent_and_not_told() {
    let sink = SmtpSink::start().await;
    let url = sink.url().replace("smtp://", "smtp://annabel:s%C3%A9cret@");
    let courier = courier_at(&url, patient());
    courier.deliver(&mail("A file", "")).await.unwrap();
    let received = sink.received().pop().unwrap();
    // NUL, the user, NUL, the password (RFC 4616, section 2).
    assert_eq!(
        received.auth.as_deref(),
        Some("PLAIN AGFubmFiZWwAc8OpY3JldA==")
    );

    sink.react(
        Step::Auth,
        Reaction::answer("535 5.7.8 s\u{e9}cret AGFubmFiZWwAc8OpY3JldA== is wrong"),
    );
    let error = courier.deliver(&mail("A file", "")).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Temporary(_)), "{error:?}");
    let told = format!("{} {courier:?}", support::words(&error));
    assert!(told.contains("AUTH: 535 5.7.8"), "{told}");
    for secret in ["s\u{e9}cret", "AGFubm", "annabel"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn futures_can_be_sent_to_other_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let sink = SmtpSink::start().await;
    let courier = courier(&sink);
    is_send(courier.deliver(&mail("A file", ""))).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any text and any subject.
    #[test]
    fn any_mail_survives_the_way(
        text in prop_oneof![
            any::<String>(),
            "([.=\r\n \t\0ä漢-]|From |a{1,90}){0,60}",
            "[ -~\n]{0,400}",
        ],
        subject in prop_oneof!["[ -~]{1,120}", "([ äa=?_]|=\\?utf-8\\?b\\?|漢){1,60}", "\\PC{1,200}"],
    ) {
        let Ok(subject) = subject.trim().parse::<consign_core::mail::Subject>() else {
            return Ok(());
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let received = runtime.block_on(async {
            let sink = SmtpSink::start().await;
            let mut mail = mail("x", "");
            mail.subject = subject.clone();
            mail.text = Text::new(text.clone());
            courier(&sink).deliver(&mail).await.unwrap();
            sink.received()
        });
        prop_assert_eq!(received.len(), 1);
        assert_is_clean(&received[0].content);
        prop_assert_eq!(received[0].text(), lines(&text));
        prop_assert_eq!(received[0].subject(), subject.as_str());
    }
}

/// The text with the one end of lines that arrives.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// RFC 5322, section 2.1.1, and RFC 5321, section 2.3.8.
#[track_caller]
fn assert_is_clean(content: &[u8]) {
    assert!(content.is_ascii());
    let content = String::from_utf8_lossy(content);
    for line in content.split("\r\n") {
        assert!(
            line.len() <= 998 && !line.contains(['\r', '\n', '\0']),
            "{line:?}"
        );
    }
}
