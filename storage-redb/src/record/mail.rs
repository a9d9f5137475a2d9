//! Mail that waits.

use consign_core::{
    mail::{Mail, MailId, Subject, Text},
    outbox::Queued,
    store::StoreError,
    time::Timestamp,
    user::Email,
};
use serde::{Deserialize, Serialize};

use super::{Undecodable, pack, parse, unpack};

#[derive(Serialize, Deserialize)]
struct MailRecord<'a> {
    to: &'a str,
    subject: &'a str,
    text: &'a str,
    due: u64,
    attempts: u32,
    until: u64,
}

pub(crate) fn mail(queued: &Queued) -> Result<Vec<u8>, StoreError> {
    let mail = &queued.mail;
    pack(&MailRecord {
        to: mail.to.as_str(),
        subject: mail.subject.as_str(),
        text: mail.text.expose(),
        due: queued.due.as_millis(),
        attempts: queued.attempts,
        until: queued.until.as_millis(),
    })
}

pub(crate) fn to_mail(id: MailId, bytes: &[u8]) -> Result<Queued, Undecodable> {
    let record: MailRecord<'_> = unpack(bytes)?;
    let mail = Mail {
        id,
        to: parse(record.to, "recipient", Email::try_from)?,
        subject: parse(record.subject, "subject", Subject::try_from)?,
        text: Text::new(record.text.to_owned()),
    };
    Ok(Queued {
        mail,
        due: Timestamp::from_millis(record.due),
        attempts: record.attempts,
        until: Timestamp::from_millis(record.until),
    })
}
