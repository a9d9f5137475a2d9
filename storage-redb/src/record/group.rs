//! Groups of clients.

use consign_core::{
    group::{Group, GroupName, Retention},
    id::{GroupId, UserId},
    store::StoreError,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{Undecodable, pack_as, parse, unpack, unpack_as};

/// A group as it is written now: its retention in days, if it has one, follows what version 1 has.
const RETAINING: u8 = 2;

#[derive(Serialize, Deserialize)]
struct GroupRecord<'a> {
    name: &'a str,
    created_by: [u8; 16],
    created_at: u64,
}

pub(crate) fn group(group: &Group) -> Result<Vec<u8>, StoreError> {
    let record = GroupRecord {
        name: group.name.as_str(),
        created_by: *group.created_by.as_bytes(),
        created_at: group.created_at.as_millis(),
    };
    pack_as(RETAINING, &(record, group.retention.map(Retention::days)))
}

pub(crate) fn to_group(id: GroupId, bytes: &[u8]) -> Result<Group, Undecodable> {
    let (record, days): (GroupRecord<'_>, Option<u32>) = match bytes.first() {
        Some(&RETAINING) => unpack_as(RETAINING, bytes)?,
        _ => (unpack(bytes)?, None),
    };
    let retention = days.map(Retention::of_days).transpose();
    Ok(Group {
        id,
        name: parse(record.name, "group name", GroupName::try_from)?,
        created_by: UserId::from_bytes(record.created_by),
        created_at: Timestamp::from_millis(record.created_at),
        retention: retention.map_err(|_| Undecodable::Value("retention"))?,
    })
}
