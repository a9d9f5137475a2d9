use std::fmt;

use async_trait::async_trait;

use super::{Page, StoreError};
use crate::{
    code::Codes,
    event::Recorded,
    file::{File, Seq},
    group::Group,
    id::{GroupId, LinkId, UserId},
    link::{Lease, ManagedLink},
    once::{OnceKey, Remembered},
    outbox::Queued,
    removal::RemovedFile,
    trail::{Checkpoint, EntryHash},
    user::User,
};

/// All that a store of users and of the catalogue holds, row by row, so that it can be copied to another.
///
/// Whoever has it can do everything: it checks nothing and leaves no trail. It is for operators' tools.
#[async_trait]
pub trait RowStore: fmt::Debug + Send + Sync + 'static {
    /// At most `limit` rows of a kind (at least 1), in the order of their [keys](Row::key), after the key `after`.
    async fn rows(
        &self,
        kind: RowKind,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Page<Row, RowKey>, StoreError>;

    /// Puts rows, each in the place of the one of its key if there is one, and takes out those of the keys `gone`, of which
    /// none is a row's; a key that there is not is no error. In one transaction, durably. What refers to others may come before them:
    /// it is for the caller that all is there in the end.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where two rows would share what only one can have, such as a user's name; nothing was
    /// written then.
    async fn replace(&self, rows: Vec<Row>, gone: Vec<RowKey>) -> Result<(), StoreError>;

    /// Of which installation a copy is being made here, by the hash of the first entry of its trail; `None` where none is,
    /// or where it is complete. Whoever finds one must not serve what is here.
    async fn copying(&self) -> Result<Option<EntryHash>, StoreError>;

    /// Keeps that, durably. It is no row, and rows do not change it.
    async fn set_copying(&self, of: Option<EntryHash>) -> Result<(), StoreError>;
}

/// The kinds of rows, in an order in which they can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// Users, by id.
    Users,
    /// Groups, by id.
    Groups,
    /// Members, by group and user.
    Members,
    /// The last position that was given to a file: one row, or none where it is 0. It is no less than any file's.
    LastFile,
    /// Files that are not removed, by position.
    Files,
    /// Removed files, by position.
    RemovedFiles,
    /// Managed links, by id.
    Links,
    /// Leases, by id.
    Leases,
    /// The codes of links, by link.
    Codes,
    /// Mails that wait, by id.
    Mails,
    /// What was done once, by idempotency key.
    Done,
    /// The trail, by position. Whoever copies it begins with the first.
    Trail,
    /// Checkpoints, by the position of their entry.
    Checkpoints,
}

impl RowKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::Users,
        Self::Groups,
        Self::Members,
        Self::LastFile,
        Self::Files,
        Self::RemovedFiles,
        Self::Links,
        Self::Leases,
        Self::Codes,
        Self::Mails,
        Self::Done,
        Self::Trail,
        Self::Checkpoints,
    ];
}

/// What one row holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A user.
    User(User),
    /// A group.
    Group(Group),
    /// That a user is in a group.
    Member(GroupId, UserId),
    /// The last position that was given to a file.
    LastFile(Seq),
    /// A file that is not removed.
    File(File),
    /// A removed file.
    RemovedFile(RemovedFile),
    /// A managed link.
    Link(ManagedLink),
    /// A lease.
    Lease(Lease),
    /// The codes of a link.
    Codes(LinkId, Codes),
    /// A mail that waits.
    Mail(Queued),
    /// What was done by an idempotency key.
    Done(OnceKey, Remembered),
    /// An entry of the trail.
    Entry(Recorded),
    /// A checkpoint, and the position of its entry.
    Checkpoint(Seq, Checkpoint),
}

/// Which row: its kind, and bytes by which the rows of a kind are in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Its kind.
    pub kind: RowKind,
    /// An id's bytes, or two ids', or an idempotency key's; a position, its greatest byte first; nothing where there is one
    /// row.
    pub bytes: Vec<u8>,
}

impl Row {
    /// Its kind.
    pub fn kind(&self) -> RowKind {
        match self {
            Self::User(_) => RowKind::Users,
            Self::Group(_) => RowKind::Groups,
            Self::Member(..) => RowKind::Members,
            Self::LastFile(_) => RowKind::LastFile,
            Self::File(_) => RowKind::Files,
            Self::RemovedFile(_) => RowKind::RemovedFiles,
            Self::Link(_) => RowKind::Links,
            Self::Lease(_) => RowKind::Leases,
            Self::Codes(..) => RowKind::Codes,
            Self::Mail(_) => RowKind::Mails,
            Self::Done(..) => RowKind::Done,
            Self::Entry(_) => RowKind::Trail,
            Self::Checkpoint(..) => RowKind::Checkpoints,
        }
    }

    /// Its key.
    pub fn key(&self) -> RowKey {
        let bytes = match self {
            Self::User(user) => user.id.as_bytes().to_vec(),
            Self::Group(group) => group.id.as_bytes().to_vec(),
            Self::Member(group, user) => [group.as_bytes(), &user.as_bytes()[..]].concat(),
            Self::LastFile(_) => Vec::new(),
            Self::File(file) => file.seq.to_be_bytes().to_vec(),
            Self::RemovedFile(removed) => removed.file.seq.to_be_bytes().to_vec(),
            Self::Link(link) => link.id.as_bytes().to_vec(),
            Self::Lease(lease) => lease.id.as_bytes().to_vec(),
            Self::Codes(link, _) => link.as_bytes().to_vec(),
            Self::Mail(queued) => queued.mail.id.as_bytes().to_vec(),
            Self::Done(key, _) => key.0.to_vec(),
            Self::Entry(entry) => entry.seq.to_be_bytes().to_vec(),
            Self::Checkpoint(seq, _) => seq.to_be_bytes().to_vec(),
        };
        let kind = self.kind();
        RowKey { kind, bytes }
    }
}
