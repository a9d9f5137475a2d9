//! How users, files, links and events are written down.
//!
//! A byte for the version, then postcard. The types here are the format: they change only together
//! with [`VERSION`], whatever becomes of the types of the domain. New variants go to the end.

use std::num::NonZeroU32;

use consign_core::{
    audience::{Audience, Principal},
    code::{CodeHash, Codes, GoodCode},
    event::{Author, ByLease, Download, Event, EventKind, Transfers},
    file::{File, FileEntry, FileName, MediaType, Seq, Sha256},
    group::{Group, GroupName, Retention},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Lease, ManagedLink, Note, SecretHash},
    mail::{Mail, MailId, Subject, Text},
    once::{Made, Remembered},
    outbox::Queued,
    password::PasswordHash,
    removal::{Removal, RemovedFile},
    store::StoreError,
    time::Timestamp,
    user::{Email, Role, Status, User, Username},
};
use serde::{Deserialize, Serialize};

use crate::trail;

const VERSION: u8 = 1;
/// A user as they are written now: how far they reach, and whose they are, follows what version 1 has.
const REACHING: u8 = 2;
/// A file of before its CRC-32 was kept, and not for everybody: its audience follows what version 1 has.
const LIMITED: u8 = 2;
/// A file of before any ended: the CRC-32, if it is known, follows what version 2 has.
const SUMMED: u8 = 3;
/// A file as it is written now: its end, if it has one, and when it was restored, if it was, follow what version 3 has.
const ENDING: u8 = 4;
/// A group as it is written now: its retention in days, if it has one, follows what version 1 has.
const RETAINING: u8 = 2;

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

#[derive(Serialize, Deserialize)]
struct UserRecord<'a> {
    username: &'a str,
    email: &'a str,
    role: RoleRecord,
    status: StatusRecord,
    password: &'a str,
    session_epoch: u32,
    created_at: u64,
}

/// What follows that in version 2.
#[derive(Default, Serialize, Deserialize)]
struct ReachRecord {
    confined: bool,
    address_proved: bool,
    owner: Option<[u8; 16]>,
}

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
enum RemovalRecord {
    Asked,
    Expired,
    Retention,
}

#[derive(Serialize, Deserialize)]
struct EventRecord<'a> {
    at: u64,
    by: AuthorRecord,
    #[serde(borrow)]
    kind: KindRecord<'a>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum RoleRecord {
    Operations,
    Client,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum StatusRecord {
    Active,
    Disabled,
}

#[derive(Serialize, Deserialize)]
enum AuthorRecord {
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

#[derive(Clone, Copy, Serialize, Deserialize)]
enum PrincipalRecord {
    Everybody,
    User([u8; 16]),
    Group([u8; 16]),
}

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

#[derive(Serialize, Deserialize)]
struct MailRecord<'a> {
    to: &'a str,
    subject: &'a str,
    text: &'a str,
    due: u64,
    attempts: u32,
    until: u64,
}

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

#[derive(Serialize, Deserialize)]
struct GroupRecord<'a> {
    name: &'a str,
    created_by: [u8; 16],
    created_at: u64,
}

pub(crate) fn user(user: &User) -> Result<Vec<u8>, StoreError> {
    let record = UserRecord {
        username: user.username.as_str(),
        email: user.email.as_str(),
        role: user.role.into(),
        status: user.status.into(),
        password: user.password.expose(),
        session_epoch: user.session_epoch,
        created_at: user.created_at.as_millis(),
    };
    let reach = ReachRecord {
        confined: user.confined,
        address_proved: user.address_proved,
        owner: user.owner.map(|id| *id.as_bytes()),
    };
    pack_as(REACHING, &(record, reach))
}

pub(crate) fn to_user(id: UserId, bytes: &[u8]) -> Result<User, Undecodable> {
    let (record, reach): (UserRecord<'_>, ReachRecord) = match bytes.first() {
        Some(&REACHING) => unpack_as(REACHING, bytes)?,
        _ => (unpack(bytes)?, ReachRecord::default()),
    };
    Ok(User {
        id,
        username: parse(record.username, "username", Username::try_from)?,
        email: parse(record.email, "e-mail address", Email::try_from)?,
        role: record.role.into(),
        status: record.status.into(),
        password: PasswordHash::new(record.password.to_owned()),
        session_epoch: record.session_epoch,
        created_at: Timestamp::from_millis(record.created_at),
        confined: reach.confined,
        address_proved: reach.address_proved,
        owner: reach.owner.map(UserId::from_bytes),
    })
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

fn principals(audience: &Audience) -> Vec<PrincipalRecord> {
    let principals = audience.principals().iter();
    let records = principals.map(|principal| match principal {
        Principal::Everybody => PrincipalRecord::Everybody,
        Principal::User(id) => PrincipalRecord::User(*id.as_bytes()),
        Principal::Group(id) => PrincipalRecord::Group(*id.as_bytes()),
    });
    records.collect()
}

fn to_audience(records: Vec<PrincipalRecord>) -> Result<Audience, Undecodable> {
    let principals = records.into_iter().map(|record| match record {
        PrincipalRecord::Everybody => Principal::Everybody,
        PrincipalRecord::User(id) => Principal::User(UserId::from_bytes(id)),
        PrincipalRecord::Group(id) => Principal::Group(GroupId::from_bytes(id)),
    });
    Audience::of(principals).map_err(|_| Undecodable::Value("audience"))
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

fn bytes_of(files: &[FileId]) -> Vec<[u8; 16]> {
    files.iter().map(|id| *id.as_bytes()).collect()
}

fn files_of(records: Vec<[u8; 16]>) -> Vec<FileId> {
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

impl From<Role> for RoleRecord {
    fn from(role: Role) -> Self {
        match role {
            Role::Operations => Self::Operations,
            Role::Client => Self::Client,
        }
    }
}

impl From<RoleRecord> for Role {
    fn from(role: RoleRecord) -> Self {
        match role {
            RoleRecord::Operations => Self::Operations,
            RoleRecord::Client => Self::Client,
        }
    }
}

impl From<Status> for StatusRecord {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Disabled => Self::Disabled,
        }
    }
}

impl From<StatusRecord> for Status {
    fn from(status: StatusRecord) -> Self {
        match status {
            StatusRecord::Active => Self::Active,
            StatusRecord::Disabled => Self::Disabled,
        }
    }
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

#[cfg(test)]
mod tests {
    use consign_core::testing::{
        sample_checkpoint, sample_download, sample_entry, sample_event, sample_group, sample_lease,
        sample_link, sample_mail, sample_user,
    };
    use consign_core::trail::{EntryHash, Head, WriterId};
    use proptest::prelude::*;

    use super::*;

    fn limited(n: u32) -> FileEntry {
        let principals = [
            Principal::User(UserId::from_bytes([1; 16])),
            Principal::Group(sample_group(n)),
        ];
        FileEntry {
            audience: Audience::of(principals).unwrap(),
            expires_at: Some(Timestamp::from_millis(5)),
            restored_at: Some(Timestamp::from_millis(6)),
            ..sample_entry(n)
        }
    }

    fn gone(entry: FileEntry) -> RemovedFile {
        RemovedFile {
            file: File { seq: 9, entry },
            why: Removal::Expired,
            removed_by: Author::Sweeper,
            removed_at: Timestamp::from_millis(5),
            kept_until: Timestamp::from_millis(9),
        }
    }

    fn vouched(n: u32) -> consign_core::trail::Checkpoint {
        sample_checkpoint(Head {
            writer: WriterId::ONLY,
            number: n.into(),
            hash: EntryHash([n as u8; 32]),
        })
    }

    fn sample(n: u32) -> Group {
        Group {
            id: sample_group(n),
            name: GroupName::parse("Müller & Co.").unwrap(),
            created_by: UserId::from_bytes([2; 16]),
            created_at: Timestamp::from_secs(n.into()),
            retention: Retention::of_days(n % 3).ok(),
        }
    }

    fn any_kind() -> impl Strategy<Value = EventKind> {
        let id = any::<[u8; 16]>();
        let role = prop_oneof![Just(Role::Operations), Just(Role::Client)];
        let status = prop_oneof![Just(Status::Active), Just(Status::Disabled)];
        (0..31_u32, id, role, status, any::<[u8; 32]>()).prop_map(
            |(kind, id, role, status, sha256)| {
                let (user, file, group) = (
                    UserId::from_bytes(id),
                    FileId::from_bytes(id),
                    GroupId::from_bytes(id),
                );
                let link = LinkId::from_bytes(id);
                let called = GroupName::parse("Müller & Co.").unwrap();
                let (name, sha256) = (FileName::parse("ä.docx").unwrap(), Sha256(sha256));
                match kind {
                    0 => EventKind::UserRegistered { user, role },
                    1 => EventKind::StatusChanged { user, status },
                    2 => EventKind::RoleChanged { user, role },
                    3 => EventKind::PasswordChanged { user },
                    4 => EventKind::SessionsEnded { user },
                    5 => EventKind::FileAdded { file, name, sha256 },
                    6 => EventKind::FileRemoved {
                        file,
                        why: match id[0] {
                            0..50 => Removal::Asked,
                            50..99 => Removal::Retention,
                            _ => Removal::Expired,
                        },
                        kept_until: (id[1] > 99).then_some(Timestamp::from_millis(id[2].into())),
                    },
                    7 => EventKind::AudienceChanged {
                        file,
                        audience: Audience::of([Principal::User(user), Principal::Group(group)])
                            .unwrap(),
                    },
                    8 => EventKind::GroupAdded {
                        group,
                        name: called,
                    },
                    9 => EventKind::GroupRenamed {
                        group,
                        name: called,
                    },
                    10 => EventKind::GroupRemoved { group },
                    11 => EventKind::MemberAdded { group, user },
                    12 => EventKind::MemberRemoved { group, user },
                    13 => EventKind::LinkMade {
                        link,
                        files: vec![file; 2],
                    },
                    14 => EventKind::LinkEdited { link },
                    15 => EventKind::LinkRevoked { link },
                    16 | 17 => EventKind::LinkLeased {
                        link,
                        lease: LeaseId::from_bytes(id),
                        recipient: (kind == 16).then(|| "ann@example.org".parse().unwrap()),
                    },
                    18 => EventKind::SignedIn { user, times: 1 },
                    19 => EventKind::SignInFailed {
                        user: (id[0] > 9).then_some(user),
                        times: u64::from(id[1]) << 20,
                    },
                    20 => EventKind::Crowded {
                        signed_in: 1,
                        failed: u64::MAX,
                        downloads: Transfers {
                            started: 2,
                            completed: 1,
                            bytes: 1 << 40,
                        },
                    },
                    21 | 22 => EventKind::ExpiryChanged {
                        file,
                        expires_at: (kind == 21).then_some(Timestamp::from_millis(id[0].into())),
                    },
                    23 => EventKind::FileRestored { file },
                    24 => EventKind::FilePurged { file },
                    25 | 26 => EventKind::RetentionChanged {
                        group,
                        retention: Retention::of_days(25 - kind.min(25) + u32::from(id[0])).ok(),
                    },
                    _ => sample_download(kind).kind,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes: Vec<u8>) {
            check(&bytes);
        }

        #[test]
        fn a_damaged_record_is_a_record_or_an_error(n: u32, kind in any_kind(), at: usize, to: u8, cut: usize) {
            let event_of_kind = Event { kind, ..sample_event(n) };
            for mut bytes in [
                user(&sample_user(n, Role::Client)).unwrap(),
                file(&sample_entry(n)).unwrap(),
                file(&limited(n)).unwrap(),
                removed(&gone(limited(n))).unwrap(),
                group(&sample(n)).unwrap(),
                link(&sample_link(n)).unwrap(),
                lease(&sample_lease(n, 1)).unwrap(),
                event(&event_of_kind).unwrap(),
                trail::checkpoint(&vouched(n)).unwrap(),
            ] {
                let (at, cut) = (at % bytes.len(), cut % bytes.len());
                bytes[at] = to;
                check(&bytes);
                bytes.truncate(cut);
                check(&bytes);
            }
        }

        #[test]
        fn events_are_kept(at: u64, author in 0..4, id: [u8; 16], kind in any_kind()) {
            let by = match author {
                0 => Author::Anonymous,
                1 => Author::User(UserId::from_bytes(id)),
                2 => Author::Sweeper,
                _ => Author::Administrator,
            };
            let written = Event { at: Timestamp::from_millis(at), by, kind };
            prop_assert_eq!(to_event(&event(&written).unwrap()), Ok(written));
        }

        #[test]
        fn users_and_files_are_kept(n: u32, size: u64, role in prop_oneof![Just(Role::Operations), Just(Role::Client)]) {
            let written = User {
                status: Status::Disabled,
                confined: n % 2 == 0,
                address_proved: n % 5 == 0,
                owner: (n % 3 == 0).then_some(UserId::from_bytes([7; 16])),
                ..sample_user(n, role)
            };
            prop_assert_eq!(to_user(written.id, &user(&written).unwrap()), Ok(written));
            let entry = FileEntry { size, ..sample_entry(n) };
            let unsummed = FileEntry { crc32: None, ..sample_entry(n) };
            for entry in [entry, unsummed, limited(n)] {
                let bytes = file(&entry).unwrap();
                let written = gone(entry.clone());
                prop_assert_eq!(to_removed(9, &removed(&written).unwrap()), Ok(written));
                prop_assert_eq!(to_file(9, &bytes), Ok(File { seq: 9, entry }));
            }
            let written = sample(n);
            prop_assert_eq!(to_group(written.id, &group(&written).unwrap()), Ok(written));
        }

        #[test]
        fn codes_and_mails_are_kept(hash: [u8; 32], good: bool, sent: Vec<u64>, n: u32, attempts: u32) {
            let good = good.then_some(GoodCode {
                hash: CodeHash(hash),
                until: Timestamp::from_millis(n.into()),
                wrong: 3,
            });
            let sent = sent.into_iter().map(Timestamp::from_millis).collect();
            let written = Codes { good, sent };
            prop_assert_eq!(to_codes(&codes(&written).unwrap()), Ok(written));
            let written = Queued { attempts, ..sample_mail(n) };
            prop_assert_eq!(to_mail(written.mail.id, &mail(&written).unwrap()), Ok(written));
        }

        #[test]
        fn what_was_done_is_kept(kind in 0..4, id: [u8; 16], request: [u8; 32], until: u64) {
            let made = match kind {
                0 => Made::File(FileId::from_bytes(id)),
                1 => Made::Group(GroupId::from_bytes(id)),
                2 => Made::Link(LinkId::from_bytes(id)),
                _ => Made::Lease(LeaseId::from_bytes(id)),
            };
            let until = Timestamp::from_millis(until);
            let written = Remembered { request, made, until };
            prop_assert_eq!(to_remembered(&remembered(&written).unwrap()), Ok(written));
        }

        #[test]
        fn links_and_leases_are_kept(n: u32, bare: bool, downloads: u32) {
            let mut written = ManagedLink { downloads, ..sample_link(n) };
            let mut opened = sample_lease(n, n);
            if bare {
                written = ManagedLink {
                    files: [1, 2].map(|n| sample_entry(n).id).into(),
                    max_downloads: None,
                    password: None,
                    recipient: None,
                    note: None,
                    revoked_at: Some(Timestamp::from_millis(n.into())),
                    ..written
                };
                opened.recipient = None;
            }
            prop_assert_eq!(to_link(written.id, &link(&written).unwrap()), Ok(written));
            prop_assert_eq!(to_lease(opened.id, &lease(&opened).unwrap()), Ok(opened));
            let written = vouched(n);
            let bytes = trail::checkpoint(&written).unwrap();
            prop_assert_eq!(trail::to_checkpoint(n.into(), &bytes), Ok(written));
        }
    }

    #[test]
    fn longer_bytes_and_other_versions_are_no_record() {
        let mut bytes = event(&sample_event(1)).unwrap();
        bytes.push(0);
        assert_eq!(to_event(&bytes), Err(Undecodable::Shape));
        bytes.pop();
        bytes[0] = VERSION + 1;
        assert_eq!(to_event(&bytes), Err(Undecodable::Version));
        assert_eq!(to_event(&[]), Err(Undecodable::Version));
    }

    /// A change of these bytes is a change of the format: it needs a new version.
    #[test]
    fn the_format_stays_as_it_is() {
        let bytes = event(&Event {
            at: Timestamp::from_millis(300),
            by: Author::User(UserId::from_bytes([2; 16])),
            kind: EventKind::RoleChanged {
                user: UserId::from_bytes([3; 16]),
                role: Role::Client,
            },
        });
        let mut expected = vec![1, 0xAC, 0x02, 1];
        expected.extend([2; 16]);
        expected.push(2);
        expected.extend([3; 16]);
        expected.push(1);
        assert_eq!(bytes.unwrap(), expected);

        // What was written before any removed file was kept.
        let removed_before = [&[1, 7, 2, 6][..], &[3; 16]].concat();
        let read = to_event(&removed_before).unwrap();
        let for_good = EventKind::FileRemoved {
            file: FileId::from_bytes([3; 16]),
            why: Removal::Asked,
            kept_until: None,
        };
        assert_eq!((read.by, read.kind), (Author::Administrator, for_good));

        // Version 2 of a group is what version 1 has, and its retention.
        let retaining = sample(1);
        let mut written = group(&retaining).unwrap();
        assert_eq!(written.split_off(written.len() - 2), [1, 1]);
        written[0] = 1;
        let before = Group {
            retention: None,
            ..retaining
        };
        assert_eq!(to_group(before.id, &written), Ok(before));

        // Version 4 of a file is what version 1 has, whom it is for, its CRC-32, its end, and when it was restored.
        let written = file(&limited(1)).unwrap();
        let mut end = vec![2, 1];
        end.extend([1; 16]);
        end.push(2);
        end.extend(sample_group(1).as_bytes());
        let summed_until = written.len() - 4;
        assert_eq!(&written[summed_until..], [1, 5, 1, 6]);
        let limited_until = summed_until - 2;
        assert_eq!(&written[limited_until..summed_until], [1, 1]);
        let first_until = limited_until - end.len();
        assert_eq!(&written[first_until..limited_until], end);
        for (version, until, entry) in [
            (1, first_until, sample_entry(1)),
            (2, limited_until, limited(1)),
            (3, summed_until, limited(1)),
        ] {
            let mut before = written[..until].to_vec();
            before[0] = version;
            let entry = FileEntry {
                crc32: entry.crc32.filter(|_| version == 3),
                expires_at: None,
                restored_at: None,
                ..entry
            };
            assert_eq!(to_file(9, &before), Ok(File { seq: 9, entry }));
        }
    }
}
