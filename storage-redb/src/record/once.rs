//! What was done once.

use consign_core::{
    id::{FileId, GroupId, LeaseId, LinkId},
    once::{Made, Remembered},
    store::StoreError,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{Undecodable, pack, unpack};

#[derive(Serialize, Deserialize)]
struct DoneRecord {
    request: [u8; 32],
    made: MadeRecord,
    until: u64,
}

#[derive(Serialize, Deserialize)]
enum MadeRecord {
    File([u8; 16]),
    Group([u8; 16]),
    Link([u8; 16]),
    Lease([u8; 16]),
}

pub(crate) fn remembered(done: &Remembered) -> Result<Vec<u8>, StoreError> {
    let made = match done.made {
        Made::File(id) => MadeRecord::File(*id.as_bytes()),
        Made::Group(id) => MadeRecord::Group(*id.as_bytes()),
        Made::Link(id) => MadeRecord::Link(*id.as_bytes()),
        Made::Lease(id) => MadeRecord::Lease(*id.as_bytes()),
    };
    pack(&DoneRecord {
        request: done.request,
        made,
        until: done.until.as_millis(),
    })
}

pub(crate) fn to_remembered(bytes: &[u8]) -> Result<Remembered, Undecodable> {
    let record: DoneRecord = unpack(bytes)?;
    let made = match record.made {
        MadeRecord::File(id) => Made::File(FileId::from_bytes(id)),
        MadeRecord::Group(id) => Made::Group(GroupId::from_bytes(id)),
        MadeRecord::Link(id) => Made::Link(LinkId::from_bytes(id)),
        MadeRecord::Lease(id) => Made::Lease(LeaseId::from_bytes(id)),
    };
    Ok(Remembered {
        request: record.request,
        made,
        until: Timestamp::from_millis(record.until),
    })
}
