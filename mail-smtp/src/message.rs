//! A mail as it is written down (RFC 5322).

use std::{
    fmt,
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use consign_core::{
    mail::{Mail, Subject},
    time::Timestamp,
};
use email_encoding::headers::{rfc2047, writer::EmailWriter};
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        self, Body,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
};
use zeroize::Zeroizing;

use crate::SmtpError;

const SUBJECT: HeaderName = HeaderName::new_from_ascii_str("Subject");
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// An address that mail is from, with or without a name: `files@example.org`,
/// `Consign <files@example.org>` (RFC 5322, section 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox(message::Mailbox);

impl Mailbox {
    pub(crate) fn address(&self) -> &Address {
        &self.0.email
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Mailbox {
    type Err = InvalidMailbox;

    fn from_str(text: &str) -> Result<Self, InvalidMailbox> {
        if text.chars().any(char::is_control) {
            return Err(InvalidMailbox);
        }
        let parsed: message::Mailbox = text.parse().map_err(|_| InvalidMailbox)?;
        let email = ascii_domain(parsed.email.as_ref()).ok_or(InvalidMailbox)?;
        let mailbox = message::Mailbox::new(parsed.name, email);
        // Not every server has SMTPUTF8, and what is not read back from a header makes no mail.
        let is_usable =
            is_ascii(&mailbox.email) && mailbox.to_string().parse() == Ok(mailbox.clone());
        is_usable.then_some(Self(mailbox)).ok_or(InvalidMailbox)
    }
}

/// The text is not an address that mail can be from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as files@example.org or Consign <files@example.org>")]
pub struct InvalidMailbox;

/// A mail, ready to be sent.
pub(crate) struct Written {
    pub(crate) to: Address,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

pub(crate) fn write(mail: &Mail, from: &Mailbox, now: Timestamp) -> Result<Written, SmtpError> {
    let to = ascii_domain(mail.to.as_str()).ok_or(SmtpError::Unfit("its address is not one"))?;
    // Read from the headers it would be, and quoted names are not read.
    let envelope = Envelope::new(Some(from.address().clone()), vec![to.clone()]);
    let message = Message::builder()
        .envelope(envelope.map_err(|_| SmtpError::Unfit("it is for nobody"))?)
        .date(UNIX_EPOCH + Duration::from_millis(now.as_millis()))
        .message_id(Some(format!("<{}@{}>", mail.id, from.address().domain())))
        .from(from.0.clone())
        .to(message::Mailbox::new(None, to.clone()))
        .raw_header(subject(&mail.subject))
        .raw_header(HeaderValue::new(
            AUTO_SUBMITTED,
            "auto-generated".to_owned(),
        ))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(body(mail.text.expose()))
        .map_err(|_| SmtpError::Unfit("it cannot be written down"))?;
    Ok(Written {
        to,
        bytes: Zeroizing::new(message.formatted()),
    })
}

/// The address with its domain in ASCII (RFC 5891), as every server takes it.
fn ascii_domain(address: &str) -> Option<Address> {
    let (user, domain) = address.rsplit_once('@')?;
    if domain.is_ascii() {
        return Address::new(user, domain).ok();
    }
    Address::new(user, idna::domain_to_ascii(domain).ok()?).ok()
}

pub(crate) fn is_ascii(address: &Address) -> bool {
    address.user().is_ascii() && address.domain().is_ascii()
}

/// Encoded as a whole, if at all, so that what looks encoded (RFC 2047, section 2) is not decoded.
fn subject(subject: &Subject) -> HeaderValue {
    let text = subject.as_str();
    if text.is_ascii() && !text.contains("=?") && !text.contains("  ") {
        return HeaderValue::new(SUBJECT, text.to_owned());
    }
    let mut encoded = String::new();
    {
        let mut writer = EmailWriter::new(&mut encoded, "Subject: ".len(), 0, false);
        rfc2047::encode(text, &mut writer).expect("a string takes whatever is written");
    }
    HeaderValue::dangerous_new_pre_encoded(SUBJECT, text.to_owned(), encoded)
}

fn body(text: &str) -> Body {
    // RFC 5321, section 2.3.8: CR and LF come together alone.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(is_plain) {
        return Body::new(text);
    }
    Body::new_with_encoding(text, ContentTransferEncoding::Base64).expect("base64 takes every text")
}

#[cfg(test)]
mod tests {
    use consign_core::mail::{MailId, Text};

    use super::*;

    fn mail(to: &str, subject: &str, text: &str) -> Mail {
        Mail {
            id: MailId::from_bytes([0xab; 16]),
            to: to.parse().unwrap(),
            subject: subject.parse().unwrap(),
            text: Text::new(text.to_owned()),
        }
    }

    fn written(to: &str, subject: &str, text: &str) -> Written {
        let mail = mail(to, subject, text);
        let from = "Consign <files@example.org>".parse().unwrap();
        write(&mail, &from, Timestamp::from_secs(784_887_151)).unwrap()
    }

    fn bytes(to: &str, subject: &str, text: &str) -> String {
        String::from_utf8(written(to, subject, text).bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_mail_to_the_byte() {
        let expected = "Date: Tue, 15 Nov 1994 08:12:31 +0000\r\n\
            Message-ID: <abababababababababababababababab@example.org>\r\n\
            From: Consign <files@example.org>\r\n\
            To: ann@example.org\r\n\
            Subject: A file for you\r\n\
            Auto-Submitted: auto-generated\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: 7bit\r\n\
            \r\n\
            Hello,\r\n\
            \r\n\
            .\r\n";
        let mail = bytes("ann@example.org", "A file for you", "Hello,\n\n.\n");
        assert_eq!(mail, expected);
    }

    #[test]
    fn umlauts_are_encoded() {
        let mail = bytes("ann@example.org", "Größe", "Grüße, und viel mehr als das\n");
        assert!(
            mail.contains("\r\nSubject: =?utf-8?b?R3LDtsOfZQ==?=\r\n"),
            "{mail}"
        );
        assert!(
            mail.contains("\r\n\r\nGr=C3=BC=C3=9Fe, und viel mehr als das\r\n"),
            "{mail}"
        );
        assert!(mail.is_ascii());
    }

    #[test]
    fn what_looks_encoded_is_encoded() {
        let mail = bytes("ann@example.org", "=?utf-8?b?R3LDtsOfZQ==?=", "");
        assert!(
            !mail.contains("Subject: =?utf-8?b?R3LDtsOfZQ==?="),
            "{mail}"
        );
    }

    #[test]
    fn lines_are_short_and_end_as_they_must() {
        let long = "ä".repeat(5000);
        let mails = [
            bytes("ann@example.org", &"ä".repeat(200), &long),
            bytes("ann@example.org", &"a".repeat(200), &"a".repeat(5000)),
            bytes(
                "ann@example.org",
                &format!("{}a", "a ".repeat(99)),
                "one\rtwo\nthree\r\nfour\0\x0c\r",
            ),
        ];
        for mail in mails {
            for line in mail.split("\r\n") {
                assert!(line.len() <= 998, "RFC 5322, section 2.1.1: {line}");
                assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
            }
        }
    }

    #[test]
    fn a_domain_is_written_in_ascii() {
        let to = written("ann@bücher.example", "Books", "").to;
        assert_eq!(to.to_string(), "ann@xn--bcher-kva.example");
        let from: Mailbox = "Bücher <files@bücher.example>".parse().unwrap();
        assert_eq!(from.address().to_string(), "files@xn--bcher-kva.example");
    }

    #[test]
    fn mailboxes() {
        for text in [
            "files@example.org",
            "Consign <files@example.org>",
            "\"A, b\" <a@example.org>",
        ] {
            let from: Mailbox = text.parse().unwrap();
            assert_eq!(from.to_string(), text);
            assert!(
                write(
                    &mail("ann@example.org", "A file", ""),
                    &from,
                    Timestamp::default()
                )
                .is_ok()
            );
        }
        for text in [
            "",
            "files",
            "Consign",
            "<>",
            "files@",
            "Consign files@example.org",
            "a@example.org, b@example.org",
            "Con\nsign <files@example.org>",
            "files@example.org\r\nBcc: eve@example.org",
            "files@example.org\0",
            "Consign <files@example.org> <eve@example.org>",
            "bücher@example.org",
            "\"a b\"@example.org",
        ] {
            assert!(text.parse::<Mailbox>().is_err(), "{text:?}");
        }
    }
}
