use std::collections::HashMap;

use consign_core::{
    code::Codes,
    event::Event,
    file::{File, FileEntry, Seq, Sha256},
    group::Group,
    id::{FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Lease, ManagedLink},
    mail::MailId,
    once::{OnceKey, Remembered},
    outbox::Queued,
    quota::Usage,
    removal::RemovedFile,
    store::StoreError,
    trail::EntryHash,
    user::User,
};
use redb::{
    Database, ReadableDatabase, ReadableTable, StorageError, Table, TableDefinition, TableError,
    WriteTransaction,
};

use crate::{
    fault::Fault,
    open::OpenError,
    recent::Touched,
    record::{self, Undecodable},
    trail::{self, Entry},
    view::View,
};

pub(crate) type Id = &'static [u8; 16];
pub(crate) type Record = &'static [u8];

/// Numbers by name, those below.
pub(crate) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Users by id.
pub(crate) const USERS: TableDefinition<'_, Id, Record> = TableDefinition::new("users");
/// The id of the user of each name.
pub(crate) const USERNAMES: TableDefinition<'_, &str, Id> = TableDefinition::new("usernames");
/// The id of the user of each e-mail address, by its unique key.
pub(crate) const EMAILS: TableDefinition<'_, &str, Id> = TableDefinition::new("emails");
/// Files by position.
pub(crate) const FILES: TableDefinition<'_, Seq, Record> = TableDefinition::new("files");
/// The position of each file.
pub(crate) const FILE_IDS: TableDefinition<'_, Id, Seq> = TableDefinition::new("file_ids");
/// The positions of the files of each name.
pub(crate) const FILE_NAMES: TableDefinition<'_, (&str, Seq), ()> =
    TableDefinition::new("file_names");
/// The position of the file, removed or not, that has its bytes under each key.
pub(crate) const BLOBS: TableDefinition<'_, Id, Seq> = TableDefinition::new("blobs");
/// How many files each user has uploaded, removed ones counted, and their bytes; those alone who have any.
pub(crate) const USAGE: TableDefinition<'_, Id, (u64, u128)> = TableDefinition::new("usage");
/// The positions of the files that each [view](crate::view) has.
pub(crate) const VIEWS: TableDefinition<'_, (&[u8; View::LEN], Seq), ()> =
    TableDefinition::new("views");
/// When each file expires that does: milliseconds since the epoch, and its position.
pub(crate) const EXPIRIES: TableDefinition<'_, (u64, Seq), ()> = TableDefinition::new("expiries");
/// Each group and each file that is for it, by when its retention counts from: milliseconds since the epoch, and its
/// position.
pub(crate) const RETAINED: TableDefinition<'_, (Id, u64, Seq), ()> =
    TableDefinition::new("retained");
/// Removed files by position.
pub(crate) const REMOVED: TableDefinition<'_, Seq, Record> = TableDefinition::new("removed");
/// The position of each removed file.
pub(crate) const REMOVED_IDS: TableDefinition<'_, Id, Seq> = TableDefinition::new("removed_ids");
/// Until when each removed file is kept: milliseconds since the epoch, and its position.
pub(crate) const REMOVED_DUE: TableDefinition<'_, (u64, Seq), ()> =
    TableDefinition::new("removed_due");
/// Groups by id.
pub(crate) const GROUPS: TableDefinition<'_, Id, Record> = TableDefinition::new("groups");
/// The id of the group of each name.
pub(crate) const GROUP_NAMES: TableDefinition<'_, &str, Id> = TableDefinition::new("group_names");
/// Each group and each of its members.
pub(crate) const MEMBERS: TableDefinition<'_, (Id, Id), ()> = TableDefinition::new("members");
/// Each user and each group they are in.
pub(crate) const MEMBERSHIPS: TableDefinition<'_, (Id, Id), ()> =
    TableDefinition::new("memberships");
/// Managed links by id.
pub(crate) const LINKS: TableDefinition<'_, Id, Record> = TableDefinition::new("links");
/// The id of the link whose secret has each digest.
pub(crate) const LINK_SECRETS: TableDefinition<'_, &[u8; 32], Id> =
    TableDefinition::new("link_secrets");
/// Each user and each of their links.
pub(crate) const LINK_MAKERS: TableDefinition<'_, (Id, Id), ()> =
    TableDefinition::new("link_makers");
/// Leases by id.
pub(crate) const LEASES: TableDefinition<'_, Id, Record> = TableDefinition::new("leases");
/// What was done by each idempotency key.
pub(crate) const DONE: TableDefinition<'_, &[u8; 32], Record> = TableDefinition::new("done");
/// The codes that were sent for each link.
pub(crate) const CODES: TableDefinition<'_, Id, Record> = TableDefinition::new("codes");
/// Mails that wait, by id.
pub(crate) const MAILS: TableDefinition<'_, Id, Record> = TableDefinition::new("mails");
/// When each mail is due: milliseconds since the epoch.
pub(crate) const MAILS_DUE: TableDefinition<'_, (u64, Id), ()> = TableDefinition::new("mails_due");
/// The trail by position: each entry's hash and its event.
pub(crate) const TRAIL: TableDefinition<'_, Seq, Entry> = TableDefinition::new("trail");
/// Checkpoints by the positions of their entries.
pub(crate) const CHECKPOINTS: TableDefinition<'_, Seq, Record> =
    TableDefinition::new("checkpoints");
/// The positions of the entries of each [`DownloadsOf`](consign_core::store::DownloadsOf).
pub(crate) const DOWNLOADS: TableDefinition<'_, (&[u8], Seq), ()> =
    TableDefinition::new("downloads");
/// What these entries come to: begun, complete, bytes.
pub(crate) const DOWNLOADED: TableDefinition<'_, &[u8], (u64, u64, u64)> =
    TableDefinition::new("downloaded");
/// Of which installation a copy is being made here, if one is: the hash of the first entry of its trail.
pub(crate) const COPYING: TableDefinition<'_, (), &[u8; 32]> = TableDefinition::new("copying");
/// Where events were before they were chained.
pub(crate) const OLD_EVENTS: TableDefinition<'_, Seq, Record> = TableDefinition::new("events");

/// The version of all this and of [`record`], in [`META`].
pub(crate) const SCHEMA: &str = "schema";
pub(crate) const VERSION: u64 = 4;
/// How many users have the role `Operations`, in [`META`].
pub(crate) const OPERATIONS_USERS: &str = "operations_users";
/// The last position given to a file, in [`META`]: it is never given again, though the file be gone.
pub(crate) const LAST_FILE: &str = "last_file";
/// The last position given to an event, in [`META`].
pub(crate) const LAST_EVENT: &str = "last_event";
/// The number of the last transaction that changed anything, in [`META`]: it tells whether one whose
/// commit failed was made.
pub(crate) const LAST_COMMIT: &str = "last_commit";

/// Sees that a database has the schema of this program; one without any table is given it when
/// `may_be_empty`.
pub(crate) fn check(database: &Database, may_be_empty: bool) -> Result<(), OpenError> {
    let snapshot = database.begin_read().map_err(damaged)?;
    match version(database)? {
        Some(VERSION) => Ok(()),
        Some(before @ 1..VERSION) => migrate(database, before),
        Some(found) => Err(OpenError::Schema {
            found,
            supported: VERSION,
        }),
        None if may_be_empty && snapshot.list_tables()?.next().is_none() => {
            lay_out(database).map_err(damaged)
        }
        None => Err(OpenError::Damaged("it has no schema version".into())),
    }
}

/// The version that a database says it has.
pub(crate) fn version(database: &impl ReadableDatabase) -> Result<Option<u64>, OpenError> {
    let snapshot = database.begin_read().map_err(damaged)?;
    match snapshot.open_table(META) {
        Ok(meta) => Ok(meta.get(SCHEMA)?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(damaged(error)),
    }
}

/// Whether a copy is being made here.
pub(crate) fn is_copied_to(database: &impl ReadableDatabase) -> Result<bool, OpenError> {
    let snapshot = database.begin_read().map_err(damaged)?;
    match snapshot.open_table(COPYING) {
        Ok(copying) => Ok(copying.get(())?.is_some()),
        Err(TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(damaged(error)),
    }
}

fn lay_out(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    // Opening a table makes it, and readers need all of them.
    Tables::open(&transaction)?.meta.insert(SCHEMA, VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Version 1 did not count what each user's files take; version 2 did not know who sees which files;
/// version 3 knew no managed links, chained no events, ended no files, kept none that were removed, and did
/// not know who has uploaded which files.
fn migrate(database: &Database, before: u64) -> Result<(), OpenError> {
    let transaction = database.begin_write().map_err(damaged)?;
    trail::chain(&transaction).map_err(unusable)?;
    {
        let mut tables = Tables::open(&transaction).map_err(damaged)?;
        let mut sums = HashMap::<_, (u64, u128)>::new();
        for entry in tables.files.iter()? {
            let (seq, bytes) = entry?;
            let file = file(seq.value(), bytes.value()).map_err(unusable)?;
            for view in View::that_have(&file.entry) {
                tables.views.insert((view.key(), file.seq), ())?;
            }
            let from = file.entry.retained_from().as_millis();
            for group in file.entry.audience.groups() {
                let row = (group.as_bytes(), from, file.seq);
                tables.retained.insert(row, ())?;
            }
            let (files, sum) = sums.entry(file.entry.uploaded_by).or_default();
            *files += 1;
            *sum += u128::from(file.entry.size);
        }
        if before < 2 {
            for (user, sum) in sums {
                tables.usage.insert(user.as_bytes(), sum)?;
            }
        }
        tables.meta.insert(SCHEMA, VERSION)?;
    }
    transaction
        .commit()
        .map_err(|error| damaged(redb::Error::from(error)))
}

fn unusable(fault: Fault) -> OpenError {
    match fault {
        Fault::Database(error) => damaged(error),
        Fault::Work(error) => OpenError::Damaged(error.into()),
    }
}

fn damaged(error: impl Into<redb::Error>) -> OpenError {
    match error.into() {
        redb::Error::Io(error) => OpenError::Io(error),
        error => OpenError::Damaged(error.into()),
    }
}

/// All tables, open for writing.
pub(crate) struct Tables<'txn> {
    pub(crate) meta: Table<'txn, &'static str, u64>,
    pub(crate) users: Table<'txn, Id, Record>,
    pub(crate) usernames: Table<'txn, &'static str, Id>,
    pub(crate) emails: Table<'txn, &'static str, Id>,
    pub(crate) files: Table<'txn, Seq, Record>,
    pub(crate) file_ids: Table<'txn, Id, Seq>,
    pub(crate) file_names: Table<'txn, (&'static str, Seq), ()>,
    pub(crate) blobs: Table<'txn, Id, Seq>,
    pub(crate) usage: Table<'txn, Id, (u64, u128)>,
    pub(crate) views: Table<'txn, (&'static [u8; View::LEN], Seq), ()>,
    pub(crate) expiries: Table<'txn, (u64, Seq), ()>,
    pub(crate) retained: Table<'txn, (Id, u64, Seq), ()>,
    pub(crate) removed: Table<'txn, Seq, Record>,
    pub(crate) removed_ids: Table<'txn, Id, Seq>,
    pub(crate) removed_due: Table<'txn, (u64, Seq), ()>,
    pub(crate) groups: Table<'txn, Id, Record>,
    pub(crate) group_names: Table<'txn, &'static str, Id>,
    pub(crate) members: Table<'txn, (Id, Id), ()>,
    pub(crate) memberships: Table<'txn, (Id, Id), ()>,
    pub(crate) links: Table<'txn, Id, Record>,
    pub(crate) link_secrets: Table<'txn, &'static [u8; 32], Id>,
    pub(crate) link_makers: Table<'txn, (Id, Id), ()>,
    pub(crate) leases: Table<'txn, Id, Record>,
    pub(crate) done: Table<'txn, &'static [u8; 32], Record>,
    pub(crate) codes: Table<'txn, Id, Record>,
    pub(crate) mails: Table<'txn, Id, Record>,
    pub(crate) mails_due: Table<'txn, (u64, Id), ()>,
    pub(crate) trail: Table<'txn, Seq, Entry>,
    pub(crate) checkpoints: Table<'txn, Seq, Record>,
    pub(crate) downloads: Table<'txn, (&'static [u8], Seq), ()>,
    pub(crate) downloaded: Table<'txn, &'static [u8], (u64, u64, u64)>,
    pub(crate) copying: Table<'txn, (), &'static [u8; 32]>,
    /// The hash of the last entry that this transaction has recorded.
    pub(crate) last_entry: Option<EntryHash>,
    /// What was there before this transaction and is another now, or gone.
    pub(crate) touched: Touched,
}

impl<'txn> Tables<'txn> {
    pub(crate) fn open(transaction: &'txn WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            users: transaction.open_table(USERS)?,
            usernames: transaction.open_table(USERNAMES)?,
            emails: transaction.open_table(EMAILS)?,
            files: transaction.open_table(FILES)?,
            file_ids: transaction.open_table(FILE_IDS)?,
            file_names: transaction.open_table(FILE_NAMES)?,
            blobs: transaction.open_table(BLOBS)?,
            usage: transaction.open_table(USAGE)?,
            views: transaction.open_table(VIEWS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            retained: transaction.open_table(RETAINED)?,
            removed: transaction.open_table(REMOVED)?,
            removed_ids: transaction.open_table(REMOVED_IDS)?,
            removed_due: transaction.open_table(REMOVED_DUE)?,
            groups: transaction.open_table(GROUPS)?,
            group_names: transaction.open_table(GROUP_NAMES)?,
            members: transaction.open_table(MEMBERS)?,
            memberships: transaction.open_table(MEMBERSHIPS)?,
            links: transaction.open_table(LINKS)?,
            link_secrets: transaction.open_table(LINK_SECRETS)?,
            link_makers: transaction.open_table(LINK_MAKERS)?,
            leases: transaction.open_table(LEASES)?,
            done: transaction.open_table(DONE)?,
            codes: transaction.open_table(CODES)?,
            mails: transaction.open_table(MAILS)?,
            mails_due: transaction.open_table(MAILS_DUE)?,
            trail: transaction.open_table(TRAIL)?,
            checkpoints: transaction.open_table(CHECKPOINTS)?,
            downloads: transaction.open_table(DOWNLOADS)?,
            downloaded: transaction.open_table(DOWNLOADED)?,
            copying: transaction.open_table(COPYING)?,
            last_entry: None,
            touched: Touched::default(),
        })
    }

    /// The next position of `counter`, which is used up.
    pub(crate) fn next(&mut self, counter: &str) -> Result<Seq, Fault> {
        let last = number(&self.meta, counter)?;
        let next = last
            .checked_add(1)
            .ok_or_else(|| StoreError::Damaged(format!("{counter} is at its end")))?;
        self.meta.insert(counter, next)?;
        Ok(next)
    }

    /// Gives this transaction, which has changed something, its number.
    pub(crate) fn number_commit(&mut self) -> Result<u64, StorageError> {
        let last = self.meta.get(LAST_COMMIT)?.map(|number| number.value());
        let number = last.unwrap_or(0).wrapping_add(1);
        self.meta.insert(LAST_COMMIT, number)?;
        Ok(number)
    }

    /// Counts a file that its uploader has now.
    pub(crate) fn count(&mut self, entry: &FileEntry) -> Result<(), Fault> {
        let (files, bytes) = sums(&self.usage, entry.uploaded_by)?;
        let more = (files + 1, bytes + u128::from(entry.size));
        self.usage.insert(entry.uploaded_by.as_bytes(), more)?;
        Ok(())
    }

    /// Counts a file that its uploader has no more.
    pub(crate) fn discount(&mut self, entry: &FileEntry) -> Result<(), Fault> {
        let user = entry.uploaded_by;
        let (files, bytes) = sums(&self.usage, user)?;
        let less = files
            .checked_sub(1)
            .zip(bytes.checked_sub(entry.size.into()));
        match less {
            Some((0, _)) => self.usage.remove(user.as_bytes())?,
            Some(less) => self.usage.insert(user.as_bytes(), less)?,
            None => {
                let text = format!("user {user} has more files than are counted");
                return Err(StoreError::Damaged(text).into());
            }
        };
        Ok(())
    }
}

/// A number that is kept in [`META`], 0 before it is first set.
pub(crate) fn number(
    meta: &impl ReadableTable<&'static str, u64>,
    name: &str,
) -> Result<u64, Fault> {
    Ok(meta.get(name)?.map_or(0, |number| number.value()))
}

/// What the files of a user take.
pub(crate) fn usage(
    usage: &impl ReadableTable<Id, (u64, u128)>,
    user: UserId,
) -> Result<Usage, Fault> {
    let (files, bytes) = sums(usage, user)?;
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    Ok(Usage { files, bytes })
}

fn sums(usage: &impl ReadableTable<Id, (u64, u128)>, user: UserId) -> Result<(u64, u128), Fault> {
    let sums = usage.get(user.as_bytes())?;
    Ok(sums.map(|sums| sums.value()).unwrap_or_default())
}

pub(crate) fn user(
    users: &impl ReadableTable<Id, Record>,
    id: UserId,
) -> Result<Option<User>, Fault> {
    let Some(bytes) = users.get(id.as_bytes())? else {
        return Ok(None);
    };
    let user =
        record::to_user(id, bytes.value()).map_err(|error| unreadable("user", id, &error))?;
    Ok(Some(user))
}

/// The user whom an index names.
pub(crate) fn indexed_user(
    users: &impl ReadableTable<Id, Record>,
    id: UserId,
) -> Result<User, Fault> {
    user(users, id)?.ok_or_else(|| dangling("user", id))
}

/// The file at a position that an index names.
pub(crate) fn indexed_file(
    files: &impl ReadableTable<Seq, Record>,
    seq: Seq,
) -> Result<File, Fault> {
    let bytes = files.get(seq)?.ok_or_else(|| dangling("file", seq))?;
    file(seq, bytes.value())
}

pub(crate) fn file(seq: Seq, bytes: &[u8]) -> Result<File, Fault> {
    record::to_file(seq, bytes).map_err(|error| unreadable("file", seq, &error))
}

pub(crate) fn file_by_id(
    file_ids: &impl ReadableTable<Id, Seq>,
    files: &impl ReadableTable<Seq, Record>,
    id: FileId,
) -> Result<Option<File>, Fault> {
    match file_ids.get(id.as_bytes())? {
        Some(seq) => indexed_file(files, seq.value()).map(Some),
        None => Ok(None),
    }
}

pub(crate) fn removed(seq: Seq, bytes: &[u8]) -> Result<RemovedFile, Fault> {
    record::to_removed(seq, bytes).map_err(|error| unreadable("removed file", seq, &error))
}

/// The removed file at a position that an index names.
pub(crate) fn indexed_removed(
    removed_files: &impl ReadableTable<Seq, Record>,
    seq: Seq,
) -> Result<RemovedFile, Fault> {
    let bytes = removed_files.get(seq)?;
    let bytes = bytes.ok_or_else(|| dangling("removed file", seq))?;
    removed(seq, bytes.value())
}

pub(crate) fn removed_by_id(
    ids: &impl ReadableTable<Id, Seq>,
    removed_files: &impl ReadableTable<Seq, Record>,
    id: FileId,
) -> Result<Option<RemovedFile>, Fault> {
    match ids.get(id.as_bytes())? {
        Some(seq) => indexed_removed(removed_files, seq.value()).map(Some),
        None => Ok(None),
    }
}

pub(crate) fn group(
    groups: &impl ReadableTable<Id, Record>,
    id: GroupId,
) -> Result<Option<Group>, Fault> {
    let Some(bytes) = groups.get(id.as_bytes())? else {
        return Ok(None);
    };
    read_group(id, bytes.value()).map(Some)
}

pub(crate) fn read_group(id: GroupId, bytes: &[u8]) -> Result<Group, Fault> {
    record::to_group(id, bytes).map_err(|error| unreadable("group", id, &error))
}

/// The group that an index names.
pub(crate) fn indexed_group(
    groups: &impl ReadableTable<Id, Record>,
    id: GroupId,
) -> Result<Group, Fault> {
    group(groups, id)?.ok_or_else(|| dangling("group", id))
}

pub(crate) fn link(
    links: &impl ReadableTable<Id, Record>,
    id: LinkId,
) -> Result<Option<ManagedLink>, Fault> {
    let Some(bytes) = links.get(id.as_bytes())? else {
        return Ok(None);
    };
    let link = record::to_link(id, bytes.value());
    link.map(Some)
        .map_err(|error| unreadable("link", id, &error))
}

/// The link that an index names.
pub(crate) fn indexed_link(
    links: &impl ReadableTable<Id, Record>,
    id: LinkId,
) -> Result<ManagedLink, Fault> {
    link(links, id)?.ok_or_else(|| dangling("link", id))
}

pub(crate) fn lease(id: LeaseId, bytes: &[u8]) -> Result<Lease, Fault> {
    record::to_lease(id, bytes).map_err(|error| unreadable("lease", id, &error))
}

pub(crate) fn remembered(
    done_by: &impl ReadableTable<&'static [u8; 32], Record>,
    key: OnceKey,
) -> Result<Option<Remembered>, Fault> {
    let bytes = done_by.get(&key.0)?;
    bytes.map(|bytes| done(key, bytes.value())).transpose()
}

pub(crate) fn done(key: OnceKey, bytes: &[u8]) -> Result<Remembered, Fault> {
    let shown = Sha256(key.0);
    record::to_remembered(bytes).map_err(|error| unreadable("request", shown, &error))
}

/// The codes that were sent for a link: none at first.
pub(crate) fn codes(codes: &impl ReadableTable<Id, Record>, link: LinkId) -> Result<Codes, Fault> {
    let Some(bytes) = codes.get(link.as_bytes())? else {
        return Ok(Codes::default());
    };
    let codes = record::to_codes(bytes.value());
    codes.map_err(|error| unreadable("codes of link", link, &error))
}

pub(crate) fn mail(
    mails: &impl ReadableTable<Id, Record>,
    id: MailId,
) -> Result<Option<Queued>, Fault> {
    let Some(bytes) = mails.get(id.as_bytes())? else {
        return Ok(None);
    };
    let mail = record::to_mail(id, bytes.value());
    mail.map(Some)
        .map_err(|error| unreadable("mail", id, &error))
}

/// The mail that an index names.
pub(crate) fn indexed_mail(
    mails: &impl ReadableTable<Id, Record>,
    id: MailId,
) -> Result<Queued, Fault> {
    mail(mails, id)?.ok_or_else(|| dangling("mail", id))
}

pub(crate) fn event(seq: Seq, bytes: &[u8]) -> Result<Event, Fault> {
    record::to_event(bytes).map_err(|error| unreadable("event", seq, &error))
}

pub(crate) fn unreadable(kind: &str, key: impl std::fmt::Display, error: &Undecodable) -> Fault {
    StoreError::Damaged(format!("the record of {kind} {key}: {error}")).into()
}

pub(crate) fn dangling(kind: &str, key: impl std::fmt::Display) -> Fault {
    StoreError::Damaged(format!(
        "there is no record of {kind} {key}, which an index names"
    ))
    .into()
}
