//! What happened, as the trail records it.

use serde::{Deserialize, Serialize};

use crate::{
    audience::Audience,
    file::{FileName, Seq, Sha256},
    group::{GroupName, Retention},
    id::{FileId, GroupId, LeaseId, LinkId, UserId},
    removal::Removal,
    time::Timestamp,
    trail::{EntryHash, Head, WriterId},
    user::{Email, Role, Status},
};

/// Something that happened, recorded in the transaction that made it happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Author,
    /// What.
    pub kind: EventKind,
}

/// Who made something happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Author {
    /// Someone who had not signed in.
    Anonymous,
    /// A signed-in user.
    User(UserId),
    /// Whoever has a shell on the machine.
    Administrator,
    /// The sweeper, which ends what has a time.
    Sweeper,
}

/// What happened. Secrets, and hashes of secrets, have no place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// A user registered.
    UserRegistered {
        /// The new user.
        user: UserId,
        /// Their role.
        role: Role,
    },
    /// A user was disabled or enabled.
    StatusChanged {
        /// The user.
        user: UserId,
        /// What they are now.
        status: Status,
    },
    /// A user was given another role.
    RoleChanged {
        /// The user.
        user: UserId,
        /// What they are now.
        role: Role,
    },
    /// A user's password was changed.
    PasswordChanged {
        /// The user.
        user: UserId,
    },
    /// A user was logged out everywhere.
    SessionsEnded {
        /// The user.
        user: UserId,
    },
    /// An operations user was confined to what is their own, or is no more.
    ConfinedChanged {
        /// The user.
        user: UserId,
        /// Whether they are now.
        confined: bool,
    },
    /// A user's address was shown, or is taken, to be theirs.
    AddressProved {
        /// The user.
        user: UserId,
    },
    /// A client became an operations user's, or nobody's.
    OwnerChanged {
        /// The client.
        user: UserId,
        /// Whose they are now.
        owner: Option<UserId>,
    },
    /// A file was added.
    FileAdded {
        /// The file.
        file: FileId,
        /// Its name.
        name: FileName,
        /// Its digest.
        sha256: Sha256,
    },
    /// A file was removed.
    FileRemoved {
        /// The file.
        file: FileId,
        /// Why.
        why: Removal,
        /// Until when it can be had back; `None` where it was removed for good.
        kept_until: Option<Timestamp>,
    },
    /// A removed file was brought back.
    FileRestored {
        /// The file.
        file: FileId,
    },
    /// A removed file is gone for good.
    FilePurged {
        /// The file.
        file: FileId,
    },
    /// A file is for others than before, or, new, not for everybody.
    AudienceChanged {
        /// The file.
        file: FileId,
        /// Whom it is for now.
        audience: Audience,
    },
    /// A file ends at another time than before, or, new, at any.
    ExpiryChanged {
        /// The file.
        file: FileId,
        /// When; `None` is never.
        expires_at: Option<Timestamp>,
    },
    /// A group was made.
    GroupAdded {
        /// The group.
        group: GroupId,
        /// Its name.
        name: GroupName,
    },
    /// A group was given another name.
    GroupRenamed {
        /// The group.
        group: GroupId,
        /// Its name now.
        name: GroupName,
    },
    /// Files for a group are there for another time than before, or, of a new one, for any.
    RetentionChanged {
        /// The group.
        group: GroupId,
        /// How long; `None` is for ever.
        retention: Option<Retention>,
    },
    /// A group was removed.
    GroupRemoved {
        /// The group.
        group: GroupId,
    },
    /// A client came into a group.
    MemberAdded {
        /// The group.
        group: GroupId,
        /// The client.
        user: UserId,
    },
    /// A client is no more in a group.
    MemberRemoved {
        /// The group.
        group: GroupId,
        /// The client.
        user: UserId,
    },
    /// A managed link was made.
    LinkMade {
        /// The link.
        link: LinkId,
        /// What it hands over.
        files: Vec<FileId>,
    },
    /// A managed link was changed by its maker.
    LinkEdited {
        /// The link.
        link: LinkId,
    },
    /// A managed link was revoked.
    LinkRevoked {
        /// The link.
        link: LinkId,
    },
    /// A lease of a managed link was opened.
    LinkLeased {
        /// The link.
        link: LinkId,
        /// The lease.
        lease: LeaseId,
        /// The recipient, who has proved that they are.
        recipient: Option<Email>,
    },
    /// A user signed in.
    SignedIn {
        /// The user.
        user: UserId,
        /// How often, since that was told last.
        times: u64,
    },
    /// Somebody failed to sign in.
    SignInFailed {
        /// The user whose name was given. What was given that is nobody's is kept nowhere: it may have
        /// been a password.
        user: Option<UserId>,
        /// How often, since that was told last.
        times: u64,
    },
    /// Bytes of a file were handed out.
    Download(Download),
    /// More happened than could be told apart while the store did not take it.
    Crowded {
        /// Users who signed in.
        signed_in: u64,
        /// Attempts at that which failed.
        failed: u64,
        /// Bytes of files that were handed out.
        downloads: Transfers,
    },
}

/// What one credential had of a file, since that was told last: a download link of the event's author, or
/// a lease. It stands by itself, though file and lease be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// The file.
    pub file: FileId,
    /// Its name.
    pub name: FileName,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// The lease, unless it was a download link.
    pub by_lease: Option<ByLease>,
    /// How much.
    pub transfers: Transfers,
}

/// By which lease something was downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByLease {
    /// Its link.
    pub link: LinkId,
    /// The lease.
    pub lease: LeaseId,
    /// The recipient, who has proved that they are.
    pub recipient: Option<Email>,
}

/// How much was handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    /// Readings that were begun.
    pub started: u64,
    /// How often all of a file was handed out.
    pub completed: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Transfers {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            started: self.started.saturating_add(other.started),
            completed: self.completed.saturating_add(other.completed),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// An event with its place in the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Later events have larger ones.
    pub seq: Seq,
    /// Whose chain it is in.
    pub writer: WriterId,
    /// Its place in that chain: from 1 on, without gaps.
    pub number: u64,
    /// Its hash: see [`link`](crate::trail::link).
    pub hash: EntryHash,
    /// The event.
    pub event: Event,
}

impl Recorded {
    /// The end of its chain, as long as it is the last of it.
    pub fn head(&self) -> Head {
        Head {
            writer: self.writer,
            number: self.number,
            hash: self.hash,
        }
    }
}
