//! Entries of the trail.

use consign_core::{
    event::{Author, ByLease, Download, Event, EventKind, Transfers},
    file::{FileName, Sha256},
    group::{GroupName, Retention},
    id::{FileId, GroupId, LeaseId, LinkId, UserId},
    removal::Removal,
    store::StoreError,
    time::Timestamp,
    user::Email,
};
use serde::{Deserialize, Serialize};

use super::{
    Undecodable,
    file::{PrincipalRecord, RemovalRecord, principals, to_audience},
    link::{bytes_of, files_of},
    pack, parse, parse_some, unpack,
    user::{RoleRecord, StatusRecord},
};

#[derive(Serialize, Deserialize)]
struct EventRecord<'a> {
    at: u64,
    by: AuthorRecord,
    #[serde(borrow)]
    kind: KindRecord<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum AuthorRecord {
    Anonymous,
    User([u8; 16]),
    Administrator,
    Sweeper,
}

#[derive(Serialize, Deserialize)]
enum KindRecord<'a> {
    UserRegistered([u8; 16], RoleRecord),
    StatusChanged([u8; 16], StatusRecord),
    RoleChanged([u8; 16], RoleRecord),
    PasswordChanged([u8; 16]),
    SessionsEnded([u8; 16]),
    FileAdded([u8; 16], &'a str, [u8; 32]),
    /// Of before any was kept.
    FileRemoved([u8; 16]),
    AudienceChanged([u8; 16], Vec<PrincipalRecord>),
    GroupAdded([u8; 16], &'a str),
    GroupRenamed([u8; 16], &'a str),
    GroupRemoved([u8; 16]),
    MemberAdded([u8; 16], [u8; 16]),
    MemberRemoved([u8; 16], [u8; 16]),
    LinkMade([u8; 16], Vec<[u8; 16]>),
    LinkEdited([u8; 16]),
    LinkRevoked([u8; 16]),
    LinkLeased([u8; 16], [u8; 16], Option<&'a str>),
    SignedIn([u8; 16], u64),
    SignInFailed(Option<[u8; 16]>, u64),
    #[serde(borrow)]
    Download(DownloadRecord<'a>),
    Crowded(u64, u64, TransfersRecord),
    ConfinedChanged([u8; 16], bool),
    OwnerChanged([u8; 16], Option<[u8; 16]>),
    AddressProved([u8; 16]),
    ExpiryChanged([u8; 16], Option<u64>),
    FileRemovedFor([u8; 16], RemovalRecord, Option<u64>),
    FileRestored([u8; 16]),
    FilePurged([u8; 16]),
    RetentionChanged([u8; 16], Option<u32>),
}

#[derive(Serialize, Deserialize)]
struct DownloadRecord<'a> {
    file: [u8; 16],
    name: &'a str,
    sha256: [u8; 32],
    size: u64,
    #[serde(borrow)]
    by_lease: Option<([u8; 16], [u8; 16], Option<&'a str>)>,
    transfers: TransfersRecord,
}

/// Begun, complete, bytes.
type TransfersRecord = (u64, u64, u64);

pub(crate) fn event(event: &Event) -> Result<Vec<u8>, StoreError> {
    let kind = match &event.kind {
        EventKind::UserRegistered { user, role } => {
            KindRecord::UserRegistered(*user.as_bytes(), (*role).into())
        }
        EventKind::StatusChanged { user, status } => {
            KindRecord::StatusChanged(*user.as_bytes(), (*status).into())
        }
        EventKind::ConfinedChanged { user, confined } => {
            KindRecord::ConfinedChanged(*user.as_bytes(), *confined)
        }
        EventKind::AddressProved { user } => KindRecord::AddressProved(*user.as_bytes()),
        EventKind::OwnerChanged { user, owner } => {
            let owner = owner.map(|owner| *owner.as_bytes());
            KindRecord::OwnerChanged(*user.as_bytes(), owner)
        }
        EventKind::RoleChanged { user, role } => {
            KindRecord::RoleChanged(*user.as_bytes(), (*role).into())
        }
        EventKind::PasswordChanged { user } => KindRecord::PasswordChanged(*user.as_bytes()),
        EventKind::SessionsEnded { user } => KindRecord::SessionsEnded(*user.as_bytes()),
        EventKind::FileAdded { file, name, sha256 } => {
            KindRecord::FileAdded(*file.as_bytes(), name.as_str(), sha256.0)
        }
        EventKind::FileRemoved {
            file,
            why,
            kept_until,
        } => {
            let until = kept_until.map(Timestamp::as_millis);
            KindRecord::FileRemovedFor(*file.as_bytes(), (*why).into(), until)
        }
        EventKind::FileRestored { file } => KindRecord::FileRestored(*file.as_bytes()),
        EventKind::FilePurged { file } => KindRecord::FilePurged(*file.as_bytes()),
        EventKind::AudienceChanged { file, audience } => {
            KindRecord::AudienceChanged(*file.as_bytes(), principals(audience))
        }
        EventKind::ExpiryChanged { file, expires_at } => {
            let end = expires_at.map(Timestamp::as_millis);
            KindRecord::ExpiryChanged(*file.as_bytes(), end)
        }
        EventKind::GroupAdded { group, name } => {
            KindRecord::GroupAdded(*group.as_bytes(), name.as_str())
        }
        EventKind::GroupRenamed { group, name } => {
            KindRecord::GroupRenamed(*group.as_bytes(), name.as_str())
        }
        EventKind::RetentionChanged { group, retention } => {
            let days = retention.map(Retention::days);
            KindRecord::RetentionChanged(*group.as_bytes(), days)
        }
        EventKind::GroupRemoved { group } => KindRecord::GroupRemoved(*group.as_bytes()),
        EventKind::MemberAdded { group, user } => {
            KindRecord::MemberAdded(*group.as_bytes(), *user.as_bytes())
        }
        EventKind::MemberRemoved { group, user } => {
            KindRecord::MemberRemoved(*group.as_bytes(), *user.as_bytes())
        }
        EventKind::LinkMade { link, files } => {
            KindRecord::LinkMade(*link.as_bytes(), bytes_of(files))
        }
        EventKind::LinkEdited { link } => KindRecord::LinkEdited(*link.as_bytes()),
        EventKind::LinkRevoked { link } => KindRecord::LinkRevoked(*link.as_bytes()),
        EventKind::LinkLeased {
            link,
            lease,
            recipient,
        } => {
            let recipient = recipient.as_ref().map(Email::as_str);
            KindRecord::LinkLeased(*link.as_bytes(), *lease.as_bytes(), recipient)
        }
        EventKind::SignedIn { user, times } => KindRecord::SignedIn(*user.as_bytes(), *times),
        EventKind::SignInFailed { user, times } => {
            KindRecord::SignInFailed(user.as_ref().map(|id| *id.as_bytes()), *times)
        }
        EventKind::Download(download) => KindRecord::Download(download_record(download)),
        EventKind::Crowded {
            signed_in,
            failed,
            downloads,
        } => KindRecord::Crowded(*signed_in, *failed, transfers_record(*downloads)),
        unknown => {
            let text = format!("this store cannot record {unknown:?}");
            return Err(StoreError::Unavailable(text.into()));
        }
    };
    let by = event.by.into();
    let at = event.at.as_millis();
    pack(&EventRecord { at, by, kind })
}

pub(crate) fn to_event(bytes: &[u8]) -> Result<Event, Undecodable> {
    let record: EventRecord<'_> = unpack(bytes)?;
    let user = UserId::from_bytes;
    let kind = match record.kind {
        KindRecord::UserRegistered(id, role) => EventKind::UserRegistered {
            user: user(id),
            role: role.into(),
        },
        KindRecord::ConfinedChanged(id, confined) => EventKind::ConfinedChanged {
            user: user(id),
            confined,
        },
        KindRecord::AddressProved(id) => EventKind::AddressProved { user: user(id) },
        KindRecord::OwnerChanged(id, owner) => EventKind::OwnerChanged {
            user: user(id),
            owner: owner.map(user),
        },
        KindRecord::StatusChanged(id, status) => EventKind::StatusChanged {
            user: user(id),
            status: status.into(),
        },
        KindRecord::RoleChanged(id, role) => EventKind::RoleChanged {
            user: user(id),
            role: role.into(),
        },
        KindRecord::PasswordChanged(id) => EventKind::PasswordChanged { user: user(id) },
        KindRecord::SessionsEnded(id) => EventKind::SessionsEnded { user: user(id) },
        KindRecord::FileAdded(id, name, sha256) => EventKind::FileAdded {
            file: FileId::from_bytes(id),
            name: parse(name, "file name", FileName::try_from)?,
            sha256: Sha256(sha256),
        },
        KindRecord::FileRemoved(id) => EventKind::FileRemoved {
            file: FileId::from_bytes(id),
            why: Removal::Asked,
            kept_until: None,
        },
        KindRecord::FileRemovedFor(id, why, until) => EventKind::FileRemoved {
            file: FileId::from_bytes(id),
            why: why.into(),
            kept_until: until.map(Timestamp::from_millis),
        },
        KindRecord::FileRestored(id) => EventKind::FileRestored {
            file: FileId::from_bytes(id),
        },
        KindRecord::FilePurged(id) => EventKind::FilePurged {
            file: FileId::from_bytes(id),
        },
        KindRecord::AudienceChanged(id, principals) => EventKind::AudienceChanged {
            file: FileId::from_bytes(id),
            audience: to_audience(principals)?,
        },
        KindRecord::ExpiryChanged(id, end) => EventKind::ExpiryChanged {
            file: FileId::from_bytes(id),
            expires_at: end.map(Timestamp::from_millis),
        },
        KindRecord::GroupAdded(id, name) => EventKind::GroupAdded {
            group: GroupId::from_bytes(id),
            name: parse(name, "group name", GroupName::try_from)?,
        },
        KindRecord::GroupRenamed(id, name) => EventKind::GroupRenamed {
            group: GroupId::from_bytes(id),
            name: parse(name, "group name", GroupName::try_from)?,
        },
        KindRecord::RetentionChanged(id, days) => EventKind::RetentionChanged {
            group: GroupId::from_bytes(id),
            retention: days
                .map(Retention::of_days)
                .transpose()
                .map_err(|_| Undecodable::Value("retention"))?,
        },
        KindRecord::GroupRemoved(id) => EventKind::GroupRemoved {
            group: GroupId::from_bytes(id),
        },
        KindRecord::MemberAdded(group, id) => EventKind::MemberAdded {
            group: GroupId::from_bytes(group),
            user: user(id),
        },
        KindRecord::MemberRemoved(group, id) => EventKind::MemberRemoved {
            group: GroupId::from_bytes(group),
            user: user(id),
        },
        KindRecord::LinkMade(link, files) => EventKind::LinkMade {
            link: LinkId::from_bytes(link),
            files: files_of(files),
        },
        KindRecord::LinkEdited(link) => EventKind::LinkEdited {
            link: LinkId::from_bytes(link),
        },
        KindRecord::LinkRevoked(link) => EventKind::LinkRevoked {
            link: LinkId::from_bytes(link),
        },
        KindRecord::LinkLeased(link, lease, recipient) => EventKind::LinkLeased {
            link: LinkId::from_bytes(link),
            lease: LeaseId::from_bytes(lease),
            recipient: parse_some(recipient, "recipient", Email::try_from)?,
        },
        KindRecord::SignedIn(id, times) => EventKind::SignedIn {
            user: user(id),
            times,
        },
        KindRecord::SignInFailed(id, times) => EventKind::SignInFailed {
            user: id.map(user),
            times,
        },
        KindRecord::Download(record) => EventKind::Download(to_download(record)?),
        KindRecord::Crowded(signed_in, failed, downloads) => EventKind::Crowded {
            signed_in,
            failed,
            downloads: to_transfers(downloads),
        },
    };
    let by = record.by.into();
    let at = Timestamp::from_millis(record.at);
    Ok(Event { at, by, kind })
}

fn download_record(download: &Download) -> DownloadRecord<'_> {
    let by_lease = download.by_lease.as_ref();
    DownloadRecord {
        file: *download.file.as_bytes(),
        name: download.name.as_str(),
        sha256: download.sha256.0,
        size: download.size,
        by_lease: by_lease.map(|by| {
            let recipient = by.recipient.as_ref().map(Email::as_str);
            (*by.link.as_bytes(), *by.lease.as_bytes(), recipient)
        }),
        transfers: transfers_record(download.transfers),
    }
}

fn to_download(record: DownloadRecord<'_>) -> Result<Download, Undecodable> {
    let by_lease = match record.by_lease {
        Some((link, lease, recipient)) => Some(ByLease {
            link: LinkId::from_bytes(link),
            lease: LeaseId::from_bytes(lease),
            recipient: parse_some(recipient, "recipient", Email::try_from)?,
        }),
        None => None,
    };
    Ok(Download {
        file: FileId::from_bytes(record.file),
        name: parse(record.name, "file name", FileName::try_from)?,
        sha256: Sha256(record.sha256),
        size: record.size,
        by_lease,
        transfers: to_transfers(record.transfers),
    })
}

fn transfers_record(transfers: Transfers) -> TransfersRecord {
    (transfers.started, transfers.completed, transfers.bytes)
}

fn to_transfers((started, completed, bytes): TransfersRecord) -> Transfers {
    Transfers {
        started,
        completed,
        bytes,
    }
}

impl From<Author> for AuthorRecord {
    fn from(author: Author) -> Self {
        match author {
            Author::Anonymous => Self::Anonymous,
            Author::User(id) => Self::User(*id.as_bytes()),
            Author::Administrator => Self::Administrator,
            Author::Sweeper => Self::Sweeper,
        }
    }
}

impl From<AuthorRecord> for Author {
    fn from(author: AuthorRecord) -> Self {
        match author {
            AuthorRecord::Anonymous => Self::Anonymous,
            AuthorRecord::User(id) => Self::User(UserId::from_bytes(id)),
            AuthorRecord::Administrator => Self::Administrator,
            AuthorRecord::Sweeper => Self::Sweeper,
        }
    }
}
