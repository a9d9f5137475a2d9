//! Mail to test with, and who carries it.
#![allow(dead_code)]

use std::{error::Error, time::Duration};

use consign_core::mail::{DeliveryError, Mail, MailId, Text};
use consign_mail_smtp::{Options, SmtpCourier, SmtpError, testing::SmtpSink};

/// Nothing takes nearly as long; what does hangs.
pub const HANGS: Duration = Duration::from_secs(100);

pub fn mail(subject: &str, text: &str) -> Mail {
    mail_to("ann@example.org", subject, text)
}

pub fn mail_to(to: &str, subject: &str, text: &str) -> Mail {
    Mail {
        id: MailId::from_bytes([0xab; 16]),
        to: to.parse().unwrap(),
        subject: subject.parse().unwrap(),
        text: Text::new(text.to_owned()),
    }
}

/// Nothing is given up: a test that waits in vain hangs.
pub fn patient() -> Options {
    Options {
        connect: HANGS,
        command: HANGS,
        accept: HANGS,
        ..Options::default()
    }
}

/// All is given up at once.
pub fn impatient() -> Options {
    Options {
        connect: HANGS,
        command: Duration::from_millis(1),
        accept: Duration::from_millis(1),
        ..Options::default()
    }
}

pub fn courier(sink: &SmtpSink) -> SmtpCourier {
    courier_at(&sink.url(), patient())
}

pub fn courier_at(url: &str, options: Options) -> SmtpCourier {
    let from = "Consign <files@example.org>".parse().unwrap();
    SmtpCourier::new(url.parse().unwrap(), from, options).unwrap()
}

/// Whether it is permanent, and what lies below.
#[track_caller]
pub fn failure(outcome: Result<(), DeliveryError>) -> (bool, SmtpError) {
    let (permanent, source) = match outcome {
        Err(DeliveryError::Temporary(source)) => (false, source),
        Err(DeliveryError::Permanent(source)) => (true, source),
        other => panic!("{other:?}"),
    };
    (permanent, *source.downcast().unwrap())
}

/// All that is told of an error.
pub fn words(error: &DeliveryError) -> String {
    let mut words = format!("{error:?}: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(&format!(": {error}"));
        source = error.source();
    }
    words
}
