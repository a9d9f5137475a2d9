//! Files, and removed ones.

use consign_core::{
    audience::{Audience, Principal},
    file::{File, FileEntry, FileName, MediaType, Seq, Sha256},
    id::{BlobKey, FileId, GroupId, UserId},
    removal::{Removal, RemovedFile},
    store::StoreError,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{Undecodable, event::AuthorRecord, pack, pack_as, parse, unpack, unpack_as};

/// A file of before its CRC-32 was kept, and not for everybody: its audience follows what version 1 has.
const LIMITED: u8 = 2;

/// A file of before any ended: the CRC-32, if it is known, follows what version 2 has.
const SUMMED: u8 = 3;

/// A file as it is written now: its end, if it has one, and when it was restored, if it was, follow what version 3 has.
const ENDING: u8 = 4;

#[derive(Serialize, Deserialize)]
struct FileRecord<'a> {
    id: [u8; 16],
    blob: [u8; 16],
    name: &'a str,
    size: u64,
    media_type: &'a str,
    sha256: [u8; 32],
    uploaded_at: u64,
    uploaded_by: [u8; 16],
    uploader: &'a str,
}

/// A removed file: its record as it was, and what became of it.
#[derive(Serialize, Deserialize)]
struct RemovedRecord<'a> {
    file: &'a [u8],
    why: RemovalRecord,
    by: AuthorRecord,
    at: u64,
    kept_until: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum RemovalRecord {
    Asked,
    Expired,
    Retention,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum PrincipalRecord {
    Everybody,
    User([u8; 16]),
    Group([u8; 16]),
}

pub(crate) fn file(entry: &FileEntry) -> Result<Vec<u8>, StoreError> {
    let record = FileRecord {
        id: *entry.id.as_bytes(),
        blob: *entry.blob.as_bytes(),
        name: entry.name.as_str(),
        size: entry.size,
        media_type: entry.media_type.as_str(),
        sha256: entry.sha256.0,
        uploaded_at: entry.uploaded_at.as_millis(),
        uploaded_by: *entry.uploaded_by.as_bytes(),
        uploader: &entry.uploader,
    };
    let expires_at = entry.expires_at.map(Timestamp::as_millis);
    let principals = principals(&entry.audience);
    let restored_at = entry.restored_at.map(Timestamp::as_millis);
    let times = (expires_at, restored_at);
    pack_as(ENDING, &(record, principals, entry.crc32, times))
}

pub(crate) fn to_file(seq: Seq, bytes: &[u8]) -> Result<File, Undecodable> {
    /// The end, and when it was restored.
    type Times = (Option<u64>, Option<u64>);
    let none = (None, None);
    let (record, audience, crc32, times): (FileRecord<'_>, _, _, Times) = match bytes.first() {
        Some(&ENDING) => {
            let (record, principals, crc32, times): (_, Vec<_>, _, _) = unpack_as(ENDING, bytes)?;
            (record, to_audience(principals)?, crc32, times)
        }
        Some(&SUMMED) => {
            let (record, principals, crc32): (_, Vec<_>, _) = unpack_as(SUMMED, bytes)?;
            (record, to_audience(principals)?, crc32, none)
        }
        Some(&LIMITED) => {
            let (record, principals): (_, Vec<_>) = unpack_as(LIMITED, bytes)?;
            (record, to_audience(principals)?, None, none)
        }
        _ => (unpack(bytes)?, Audience::everybody(), None, none),
    };
    let entry = FileEntry {
        id: FileId::from_bytes(record.id),
        blob: BlobKey::from_bytes(record.blob),
        name: parse(record.name, "file name", FileName::try_from)?,
        size: record.size,
        media_type: parse(record.media_type, "media type", MediaType::try_from)?,
        sha256: Sha256(record.sha256),
        crc32,
        uploaded_at: Timestamp::from_millis(record.uploaded_at),
        uploaded_by: UserId::from_bytes(record.uploaded_by),
        uploader: record.uploader.into(),
        audience,
        expires_at: times.0.map(Timestamp::from_millis),
        restored_at: times.1.map(Timestamp::from_millis),
    };
    Ok(File { seq, entry })
}

pub(crate) fn removed(removed: &RemovedFile) -> Result<Vec<u8>, StoreError> {
    let file = file(&removed.file.entry)?;
    pack(&RemovedRecord {
        file: &file,
        why: removed.why.into(),
        by: removed.removed_by.into(),
        at: removed.removed_at.as_millis(),
        kept_until: removed.kept_until.as_millis(),
    })
}

pub(crate) fn to_removed(seq: Seq, bytes: &[u8]) -> Result<RemovedFile, Undecodable> {
    let record: RemovedRecord<'_> = unpack(bytes)?;
    Ok(RemovedFile {
        file: to_file(seq, record.file)?,
        why: record.why.into(),
        removed_by: record.by.into(),
        removed_at: Timestamp::from_millis(record.at),
        kept_until: Timestamp::from_millis(record.kept_until),
    })
}

pub(super) fn principals(audience: &Audience) -> Vec<PrincipalRecord> {
    let principals = audience.principals().iter();
    let records = principals.map(|principal| match principal {
        Principal::Everybody => PrincipalRecord::Everybody,
        Principal::User(id) => PrincipalRecord::User(*id.as_bytes()),
        Principal::Group(id) => PrincipalRecord::Group(*id.as_bytes()),
    });
    records.collect()
}

pub(super) fn to_audience(records: Vec<PrincipalRecord>) -> Result<Audience, Undecodable> {
    let principals = records.into_iter().map(|record| match record {
        PrincipalRecord::Everybody => Principal::Everybody,
        PrincipalRecord::User(id) => Principal::User(UserId::from_bytes(id)),
        PrincipalRecord::Group(id) => Principal::Group(GroupId::from_bytes(id)),
    });
    Audience::of(principals).map_err(|_| Undecodable::Value("audience"))
}

impl From<Removal> for RemovalRecord {
    fn from(why: Removal) -> Self {
        match why {
            Removal::Asked => Self::Asked,
            Removal::Expired => Self::Expired,
            Removal::Retention => Self::Retention,
        }
    }
}

impl From<RemovalRecord> for Removal {
    fn from(why: RemovalRecord) -> Self {
        match why {
            RemovalRecord::Asked => Self::Asked,
            RemovalRecord::Expired => Self::Expired,
            RemovalRecord::Retention => Self::Retention,
        }
    }
}
