//! Managed links, their leases and codes.

use std::num::NonZeroU32;

use consign_core::{
    code::{CodeHash, Codes, GoodCode},
    id::{FileId, LeaseId, LinkId, UserId},
    link::{Lease, ManagedLink, Note, SecretHash},
    password::PasswordHash,
    store::StoreError,
    time::Timestamp,
    user::Email,
};
use serde::{Deserialize, Serialize};

use super::{Undecodable, pack, parse_some, unpack};

#[derive(Serialize, Deserialize)]
struct LinkRecord<'a> {
    secret: [u8; 32],
    files: Vec<[u8; 16]>,
    made_by: [u8; 16],
    made_at: u64,
    expires_at: u64,
    max_downloads: Option<NonZeroU32>,
    downloads: u32,
    password: Option<&'a str>,
    recipient: Option<&'a str>,
    note: Option<&'a str>,
    revoked_at: Option<u64>,
    revision: u32,
}

#[derive(Serialize, Deserialize)]
struct LeaseRecord<'a> {
    link: [u8; 16],
    opened_at: u64,
    expires_at: u64,
    recipient: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct CodesRecord {
    good: Option<([u8; 32], u64, u8)>,
    sent: Vec<u64>,
}

pub(crate) fn link(link: &ManagedLink) -> Result<Vec<u8>, StoreError> {
    pack(&LinkRecord {
        secret: link.secret.0,
        files: bytes_of(&link.files),
        made_by: *link.made_by.as_bytes(),
        made_at: link.made_at.as_millis(),
        expires_at: link.expires_at.as_millis(),
        max_downloads: link.max_downloads,
        downloads: link.downloads,
        password: link.password.as_ref().map(PasswordHash::expose),
        recipient: link.recipient.as_ref().map(Email::as_str),
        note: link.note.as_ref().map(Note::as_str),
        revoked_at: link.revoked_at.map(Timestamp::as_millis),
        revision: link.revision,
    })
}

pub(crate) fn to_link(id: LinkId, bytes: &[u8]) -> Result<ManagedLink, Undecodable> {
    let record: LinkRecord<'_> = unpack(bytes)?;
    let files: Vec<_> = files_of(record.files);
    let password = record.password.map(str::to_owned);
    Ok(ManagedLink {
        id,
        secret: SecretHash(record.secret),
        files: files.into(),
        made_by: UserId::from_bytes(record.made_by),
        made_at: Timestamp::from_millis(record.made_at),
        expires_at: Timestamp::from_millis(record.expires_at),
        max_downloads: record.max_downloads,
        downloads: record.downloads,
        password: password.map(PasswordHash::new),
        recipient: parse_some(record.recipient, "recipient", Email::try_from)?,
        note: parse_some(record.note, "note", Note::try_from)?,
        revoked_at: record.revoked_at.map(Timestamp::from_millis),
        revision: record.revision,
    })
}

pub(super) fn bytes_of(files: &[FileId]) -> Vec<[u8; 16]> {
    files.iter().map(|id| *id.as_bytes()).collect()
}

pub(super) fn files_of(records: Vec<[u8; 16]>) -> Vec<FileId> {
    records.into_iter().map(FileId::from_bytes).collect()
}

pub(crate) fn lease(lease: &Lease) -> Result<Vec<u8>, StoreError> {
    pack(&LeaseRecord {
        link: *lease.link.as_bytes(),
        opened_at: lease.opened_at.as_millis(),
        expires_at: lease.expires_at.as_millis(),
        recipient: lease.recipient.as_ref().map(Email::as_str),
    })
}

pub(crate) fn to_lease(id: LeaseId, bytes: &[u8]) -> Result<Lease, Undecodable> {
    let record: LeaseRecord<'_> = unpack(bytes)?;
    Ok(Lease {
        id,
        link: LinkId::from_bytes(record.link),
        opened_at: Timestamp::from_millis(record.opened_at),
        expires_at: Timestamp::from_millis(record.expires_at),
        recipient: parse_some(record.recipient, "recipient", Email::try_from)?,
    })
}

pub(crate) fn codes(codes: &Codes) -> Result<Vec<u8>, StoreError> {
    let good = codes.good.as_ref();
    pack(&CodesRecord {
        good: good.map(|good| (good.hash.0, good.until.as_millis(), good.wrong)),
        sent: codes.sent.iter().map(|sent| sent.as_millis()).collect(),
    })
}

pub(crate) fn to_codes(bytes: &[u8]) -> Result<Codes, Undecodable> {
    let record: CodesRecord = unpack(bytes)?;
    let good = record.good.map(|(hash, until, wrong)| GoodCode {
        hash: CodeHash(hash),
        until: Timestamp::from_millis(until),
        wrong,
    });
    let sent = record.sent.into_iter().map(Timestamp::from_millis);
    let sent = sent.collect();
    Ok(Codes { good, sent })
}
