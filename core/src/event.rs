//! What happened, as the trail records it.

use serde::{Deserialize, Serialize};

use crate::{
    audience::Audience,
    file::{FileName, Seq, Sha256},
    group::GroupName,
    id::{FileId, GroupId, LeaseId, LinkId, UserId},
    time::Timestamp,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Author {
    /// Someone who had not signed in.
    Anonymous,
    /// A signed-in user.
    User(UserId),
    /// Whoever has a shell on the machine.
    Administrator,
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
    },
    /// A file is for others than before, or, new, not for everybody.
    AudienceChanged {
        /// The file.
        file: FileId,
        /// Whom it is for now.
        audience: Audience,
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
}

/// An event with its place in the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Later events have larger ones.
    pub seq: Seq,
    /// The event.
    pub event: Event,
}
