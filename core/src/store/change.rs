//! What is done to the catalogue, and what becomes of it.

use crate::{
    audience::Audience,
    code::{CodeHash, NoCode},
    error::{Error, ErrorKind},
    event::{Author, Event, EventKind},
    file::{File, FileEdit, FileEntry},
    group::{Group, GroupEdit},
    id::{FileId, GroupId, LinkId, UserId},
    link::{Edit, Lease, LinkEdit, ManagedLink},
    mail::MailId,
    once::{Made, Once},
    outbox::Queued,
    quota::Quota,
    removal::{Purge, Removal, RemovedFile},
    time::Timestamp,
    trail::Checkpoint,
};

/// A change of the catalogue, with its preconditions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Add a file. No file has its id, none has its blob, removed or not, there are the groups that it is for, and
    /// with it the files of its uploader are within the quota.
    AddFile {
        /// The file.
        entry: FileEntry,
        /// What the files of the uploader may take.
        quota: Quota,
    },
    /// Remove a file. It exists, and where that is why, it has expired at the time, or the shortest
    /// retention of its groups [is over](FileEntry::is_over). No read finds it any more but
    /// those of removed files, which have it if it is to be kept.
    RemoveFile {
        /// The file.
        id: FileId,
        /// Why.
        why: Removal,
        /// Until when it can be had back; `None` removes it for good.
        keep_until: Option<Timestamp>,
        /// Who removes it.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Have a removed file be there again, at its position, restored at the time. It was removed and [is kept](RemovedFile::is_kept) at the
    /// time, and with the end that it has then it [is there](FileEntry::is_there).
    RestoreFile {
        /// The file.
        id: FileId,
        /// When it ends from now on.
        expires_at: Edit<Option<Timestamp>>,
        /// Who wants it so.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Forget a removed file. It was removed and is in the catalogue still; where it is to be due, it is not
    /// [kept](RemovedFile::is_kept) at the time.
    PurgeFile {
        /// The file.
        id: FileId,
        /// Whether its time has to be over.
        purge: Purge,
        /// Who wants it so.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Keep the CRC-32 of a file of which it was not kept. The file exists. It is no event: it was so before.
    SetCrc32 {
        /// The file.
        id: FileId,
        /// The CRC-32 of its bytes.
        crc32: u32,
    },
    /// Change a file by [`FileEntry::edited`]. It exists and is [there](FileEntry::is_there) at the time, and so do the groups
    /// exist that it is to be for.
    EditFile {
        /// The file.
        id: FileId,
        /// What is another from now on.
        edit: FileEdit,
        /// Who wants it so.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Add a group. None has its id, and none its name.
    AddGroup(Group),
    /// Change a group by [`Group::edited`]. It exists, and no other has the name that it is to have.
    EditGroup {
        /// The group.
        id: GroupId,
        /// What is another from now on.
        edit: GroupEdit,
        /// Who wants it so.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Remove a group. It exists. Files that were for it are no more for those who were in it.
    RemoveGroup {
        /// The group.
        id: GroupId,
        /// Who removes it.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Take a user into a group. It exists, and they are in fewer than [`MAX_GROUPS`](super::MAX_GROUPS).
    AddMember {
        /// The group.
        group: GroupId,
        /// The user.
        user: UserId,
        /// Who wants it so.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Take a user out of a group. They are in it.
    RemoveMember {
        /// The group.
        group: GroupId,
        /// The user.
        user: UserId,
        /// Who wants it so.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Add a managed link. None has its id, none its secret, and there are the files of it.
    AddLink(ManagedLink),
    /// Change a managed link by [`ManagedLink::edited`]. It exists.
    EditLink {
        /// The link.
        id: LinkId,
        /// What is another from now on.
        edit: LinkEdit,
        /// Who wants it so.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Revoke a managed link, which counts as an edit. It exists, and was not revoked.
    RevokeLink {
        /// The link.
        id: LinkId,
        /// Who revokes it.
        by: Author,
        /// When.
        at: Timestamp,
    },
    /// Open a lease, which counts as a download of its link. The link exists, was not edited since its
    /// revision was this, and [is open](ManagedLink::is_open) when the lease is; no other has its id;
    /// and the code, if there is one, [is the good one](crate::code::Codes::tried), which is used up by it. A wrong
    /// code opens nothing, and is counted.
    OpenLease {
        /// The lease.
        lease: Lease,
        /// The link's revision, by which was judged who may open it.
        revision: u32,
        /// By which the recipient proves that it is they.
        code: Option<CodeHash>,
        /// Who opens it.
        by: Author,
    },
    /// Send the recipient of a link a code, which is the only good one from then on. The link exists, was
    /// not edited since its revision was this, and [is open](ManagedLink::is_open); there
    /// [can be one more code](crate::code::Codes::with); no other mail has the mail's id. It is no event: that it is
    /// used is one.
    SendCode {
        /// The link.
        link: LinkId,
        /// Its revision, which knows the recipient.
        revision: u32,
        /// What is kept of the code.
        code: CodeHash,
        /// The code on its way.
        mail: Queued,
        /// When.
        at: Timestamp,
    },
    /// Have a mail wait [while it is tried](Queued::tried). It waits, and was tried as often as this before.
    TryMail {
        /// The mail.
        id: MailId,
        /// How often.
        attempts: u32,
        /// When.
        at: Timestamp,
    },
    /// Have a mail wait no more. It does.
    DropMail {
        /// The mail.
        id: MailId,
    },
    /// Make a change that makes something, unless it was made before by the same key, and remember that.
    Once {
        /// By which key, and for how long.
        once: Once,
        /// The change.
        change: Box<Change>,
    },
    /// Forget what was done once and is to be remembered until before a time, some thousand at most. There
    /// is any.
    ForgetOnce {
        /// The time.
        before: Timestamp,
    },
    /// Forget leases that ended before a time, some thousand at most. There are any.
    ForgetLeases {
        /// The time.
        ended_before: Timestamp,
    },
    /// Record what belongs to no other change. There is any.
    Record(Vec<Event>),
    /// Add a checkpoint. There is its entry, with its hash, and no checkpoint of it.
    AddCheckpoint(Checkpoint),
}

impl Change {
    /// Adds a file, whatever its uploader has.
    pub fn add(entry: FileEntry) -> Self {
        let quota = Quota::NONE;
        Self::AddFile { entry, quota }
    }

    /// Removes a file for good, because somebody asks for it.
    pub fn remove(id: FileId, by: Author, at: Timestamp) -> Self {
        Self::RemoveFile {
            id,
            why: Removal::Asked,
            keep_until: None,
            by,
            at,
        }
    }

    /// The events that the change causes when it is made.
    pub fn events(&self) -> Vec<Event> {
        let (at, by, kind) = match self {
            Self::AddFile { entry, .. } => return added(entry),
            Self::RemoveFile {
                id,
                why,
                keep_until,
                by,
                at,
            } => {
                let kind = EventKind::FileRemoved {
                    file: *id,
                    why: *why,
                    kept_until: *keep_until,
                };
                (at, *by, kind)
            }
            Self::RestoreFile {
                id,
                expires_at,
                by,
                at,
            } => return restored(*id, expires_at, *by, *at),
            Self::PurgeFile { id, by, at, .. } => (at, *by, EventKind::FilePurged { file: *id }),
            Self::EditFile { id, edit, by, at } => return edited(*id, edit, *by, *at),
            Self::AddGroup(group) => return added_group(group),
            Self::EditGroup { id, edit, by, at } => return edited_group(*id, edit, *by, *at),
            Self::RemoveGroup { id, by, at } => (at, *by, EventKind::GroupRemoved { group: *id }),
            Self::AddMember {
                group,
                user,
                by,
                at,
            } => {
                let (group, user) = (*group, *user);
                (at, *by, EventKind::MemberAdded { group, user })
            }
            Self::RemoveMember {
                group,
                user,
                by,
                at,
            } => {
                let (group, user) = (*group, *user);
                (at, *by, EventKind::MemberRemoved { group, user })
            }
            Self::AddLink(link) => {
                let kind = EventKind::LinkMade {
                    link: link.id,
                    files: link.files.to_vec(),
                };
                (&link.made_at, Author::User(link.made_by), kind)
            }
            Self::EditLink { id, by, at, .. } => (at, *by, EventKind::LinkEdited { link: *id }),
            Self::RevokeLink { id, by, at } => (at, *by, EventKind::LinkRevoked { link: *id }),
            Self::OpenLease { lease, by, .. } => {
                let kind = EventKind::LinkLeased {
                    link: lease.link,
                    lease: lease.id,
                    recipient: lease.recipient.clone(),
                };
                (&lease.opened_at, *by, kind)
            }
            Self::Once { change, .. } => return change.events(),
            Self::Record(events) => return events.clone(),
            // When leases are opened it is told for how long. A checkpoint that were told would be one
            // more entry to make a checkpoint of.
            Self::ForgetLeases { .. }
            | Self::ForgetOnce { .. }
            | Self::SetCrc32 { .. }
            | Self::SendCode { .. }
            | Self::TryMail { .. }
            | Self::DropMail { .. }
            | Self::AddCheckpoint(_) => return Vec::new(),
        };
        vec![Event { at: *at, by, kind }]
    }
}

fn edited(file: FileId, edit: &FileEdit, by: Author, at: Timestamp) -> Vec<Event> {
    let mut kinds = Vec::new();
    if let Edit::Set(audience) = edit.audience.clone() {
        kinds.push(EventKind::AudienceChanged { file, audience });
    }
    if let Edit::Set(expires_at) = edit.expires_at {
        kinds.push(EventKind::ExpiryChanged { file, expires_at });
    }
    let event = |kind| Event { at, by, kind };
    kinds.into_iter().map(event).collect()
}

/// That files for it are there for ever need not be told.
fn added_group(group: &Group) -> Vec<Event> {
    let added = EventKind::GroupAdded {
        group: group.id,
        name: group.name.clone(),
    };
    let retaining = group
        .retention
        .is_some()
        .then_some(EventKind::RetentionChanged {
            group: group.id,
            retention: group.retention,
        });
    let event = |kind| Event {
        at: group.created_at,
        by: Author::User(group.created_by),
        kind,
    };
    [added].into_iter().chain(retaining).map(event).collect()
}

fn edited_group(group: GroupId, edit: &GroupEdit, by: Author, at: Timestamp) -> Vec<Event> {
    let mut kinds = Vec::new();
    if let Edit::Set(name) = edit.name.clone() {
        kinds.push(EventKind::GroupRenamed { group, name });
    }
    if let Edit::Set(retention) = edit.retention {
        kinds.push(EventKind::RetentionChanged { group, retention });
    }
    let event = |kind| Event { at, by, kind };
    kinds.into_iter().map(event).collect()
}

fn restored(
    file: FileId,
    expires_at: &Edit<Option<Timestamp>>,
    by: Author,
    at: Timestamp,
) -> Vec<Event> {
    let kind = EventKind::FileRestored { file };
    let edit = FileEdit {
        expires_at: expires_at.clone(),
        ..FileEdit::default()
    };
    let mut events = vec![Event { at, by, kind }];
    events.extend(edited(file, &edit, by, at));
    events
}

/// That it is for everybody and has no end need not be told.
fn added(entry: &FileEntry) -> Vec<Event> {
    let added = EventKind::FileAdded {
        file: entry.id,
        name: entry.name.clone(),
        sha256: entry.sha256,
    };
    let limited = (entry.audience != Audience::everybody()).then(|| EventKind::AudienceChanged {
        file: entry.id,
        audience: entry.audience.clone(),
    });
    let ends = entry.expires_at.is_some();
    let ending = ends.then_some(EventKind::ExpiryChanged {
        file: entry.id,
        expires_at: entry.expires_at,
    });
    let event = |kind| Event {
        at: entry.uploaded_at,
        by: Author::User(entry.uploaded_by),
        kind,
    };
    let kinds = [added].into_iter().chain(limited).chain(ending);
    kinds.map(event).collect()
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The file is in the catalogue, at the position the store gave it.
    Added(File),
    /// The file is no longer there; this is what it was.
    Removed(File),
    /// The file is there again.
    Restored(File),
    /// The removed file is gone for good; this is what it was.
    Purged(RemovedFile),
    /// Its id, its blob or its secret is in the catalogue already, or the user in the group; or the link
    /// was revoked before, or the entry has a checkpoint.
    Exists,
    /// With it the files of its uploader would be beyond the quota. [`Outcome::Exists`] and
    /// [`Outcome::NoSuchGroup`] come first.
    OverQuota,
    /// There is no such file, removed file, group, member, link, lease, mail or entry, or no event.
    Missing,
    /// The file is so now.
    FileSet(File),
    /// The file's CRC-32 is kept now.
    Crc32Set(File),
    /// There is no such group among those that the file was to be for.
    NoSuchGroup(GroupId),
    /// The group is so now.
    GroupSet(Group),
    /// The group is gone; this is what it was.
    GroupRemoved(Group),
    /// Another group has that name.
    NameTaken,
    /// The user is in the group now, or is not any more.
    MembersSet,
    /// The user is in [`MAX_GROUPS`](super::MAX_GROUPS) groups.
    TooManyGroups,
    /// The link is so now.
    LinkSet(ManagedLink),
    /// There is no such file among those that the link was to hand over.
    NoSuchFile(FileId),
    /// The link is revoked, at its end, or spent. [`Outcome::Missing`] and [`Outcome::Stale`] come first.
    NotOpen,
    /// The link was edited since, or the mail tried; the file has not ended, the removed file is not due, or it would
    /// have ended.
    Stale,
    /// It is not the code that is good. After [`Outcome::NotOpen`].
    WrongCode,
    /// There is to be no code now. After [`Outcome::NotOpen`].
    NoCode(NoCode),
    /// The code is on its way.
    CodeSent,
    /// The mail waits so now, or waited so.
    MailSet(Queued),
    /// So many leases, or requests, are forgotten.
    Forgotten(usize),
    /// It was made before by the same key; this is what was made.
    Repeated(Made),
    /// Something else was asked for by the same key.
    OtherRequest,
    /// The events are recorded.
    Recorded,
    /// The checkpoint is there.
    CheckpointAdded,
}

impl Outcome {
    /// What a change that is to be made once has made.
    pub fn made(&self, change: &Change) -> Option<Made> {
        match (self, change) {
            (Self::Added(file), _) => Some(Made::File(file.entry.id)),
            (Self::GroupSet(group), _) => Some(Made::Group(group.id)),
            (Self::LinkSet(_), Change::OpenLease { lease, .. }) => Some(Made::Lease(lease.id)),
            (Self::LinkSet(link), _) => Some(Made::Link(link.id)),
            _ => None,
        }
    }
}

impl Outcome {
    /// The error where a change is answered by what no such change can be.
    pub(crate) fn unexpected(&self) -> Error {
        let text = format!("the catalogue did not do what it was asked: {self:?}");
        Error::new(ErrorKind::Internal, text)
    }
}

/// What [`Change::ForgetLeases`] and [`Change::ForgetOnce`] forget at most.
pub const FORGET_AT_ONCE: usize = 1000;
