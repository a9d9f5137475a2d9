//! How users, files, links and events are written down.
//!
//! A byte for the version, then postcard. The types of each kind are the format: they change only together
//! with its version, whatever becomes of the types of the domain. New variants go to the end.

mod event;
mod file;
mod group;
mod link;
mod mail;
mod once;
#[cfg(test)]
mod tests;
mod user;

use consign_core::{
    id::{GroupId, LeaseId, LinkId, UserId},
    mail::MailId,
    store::StoreError,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    event::{event, to_event},
    file::{file, removed, to_file, to_removed},
    group::{group, to_group},
    link::{codes, lease, link, to_codes, to_lease, to_link},
    mail::{mail, to_mail},
    once::{remembered, to_remembered},
    user::{to_user, user},
};
use crate::trail;

const VERSION: u8 = 1;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    #[error("it has an unknown version")]
    Version,
    #[error("its bytes do not fit its kind")]
    Shape,
    #[error("its {0} is not valid")]
    Value(&'static str),
}

pub(crate) fn pack(record: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    pack_as(VERSION, record)
}

fn pack_as(version: u8, record: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(record, vec![version])
        .map_err(|error| StoreError::Unavailable(error.into()))
}

pub(crate) fn unpack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Undecodable> {
    unpack_as(VERSION, bytes)
}

fn unpack_as<'a, T: Deserialize<'a>>(version: u8, bytes: &'a [u8]) -> Result<T, Undecodable> {
    let record = match bytes {
        [found, record @ ..] if *found == version => record,
        _ => return Err(Undecodable::Version),
    };
    match postcard::take_from_bytes(record) {
        Ok((record, [])) => Ok(record),
        _ => Err(Undecodable::Shape),
    }
}

fn parse<T, E>(
    text: &str,
    what: &'static str,
    parse: impl FnOnce(String) -> Result<T, E>,
) -> Result<T, Undecodable> {
    parse(text.to_owned()).map_err(|_| Undecodable::Value(what))
}

fn parse_some<T, E>(
    text: Option<&str>,
    what: &'static str,
    parsed: impl FnOnce(String) -> Result<T, E>,
) -> Result<Option<T>, Undecodable> {
    text.map(|text| parse(text, what, parsed)).transpose()
}

/// See [`fuzzing::records`](crate::fuzzing::records).
pub(crate) fn check(bytes: &[u8]) {
    let id = UserId::from_bytes([7; 16]);
    if let Ok(read) = to_user(id, bytes) {
        let written = user(&read).expect("a user can be written");
        assert_eq!(to_user(id, &written), Ok(read));
    }
    if let Ok(read) = to_file(7, bytes) {
        let written = file(&read.entry).expect("a file can be written");
        assert_eq!(to_file(7, &written), Ok(read));
    }
    if let Ok(read) = to_removed(7, bytes) {
        let written = removed(&read).expect("a removed file can be written");
        assert_eq!(to_removed(7, &written), Ok(read));
    }
    let id = GroupId::from_bytes([7; 16]);
    if let Ok(read) = to_group(id, bytes) {
        let written = group(&read).expect("a group can be written");
        assert_eq!(to_group(id, &written), Ok(read));
    }
    let id = LinkId::from_bytes([7; 16]);
    if let Ok(read) = to_link(id, bytes) {
        let written = link(&read).expect("a link can be written");
        assert_eq!(to_link(id, &written), Ok(read));
    }
    let id = LeaseId::from_bytes([7; 16]);
    if let Ok(read) = to_lease(id, bytes) {
        let written = lease(&read).expect("a lease can be written");
        assert_eq!(to_lease(id, &written), Ok(read));
    }
    if let Ok(read) = to_codes(bytes) {
        let written = codes(&read).expect("codes can be written");
        assert_eq!(to_codes(&written), Ok(read));
    }
    let id = MailId::from_bytes([7; 16]);
    if let Ok(read) = to_mail(id, bytes) {
        let written = mail(&read).expect("a mail can be written");
        assert_eq!(to_mail(id, &written), Ok(read));
    }
    if let Ok(read) = to_remembered(bytes) {
        let written = remembered(&read).expect("what was done can be written");
        assert_eq!(to_remembered(&written), Ok(read));
    }
    if let Ok(read) = trail::to_checkpoint(7, bytes) {
        let written = trail::checkpoint(&read).expect("a checkpoint can be written");
        assert_eq!(trail::to_checkpoint(7, &written), Ok(read));
    }
    if let Ok(read) = to_event(bytes) {
        let written = event(&read).expect("an event can be written");
        assert_eq!(to_event(&written), Ok(read));
    }
}
