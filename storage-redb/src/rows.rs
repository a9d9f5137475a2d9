//! All that is kept, row by row.

use std::ops::Bound::{Excluded, Unbounded};

use async_trait::async_trait;
use consign_core::{
    event::{EventKind, Recorded, Transfers},
    file::{File, FileEntry, Seq},
    group::Group,
    id::{GroupId, LeaseId, LinkId, UserId},
    link::ManagedLink,
    mail::MailId,
    once::OnceKey,
    store::{DownloadsOf, Page, Row, RowKey, RowKind, RowStore, StoreError},
    trail::{EntryHash, WriterId},
    user::{Role, User},
};
use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableError, Value};

use crate::{
    RedbStore,
    fault::Fault,
    record,
    schema::{
        self, CHECKPOINTS, CODES, COPYING, DONE, FILES, GROUPS, LAST_EVENT, LAST_FILE, LEASES,
        LINKS, MAILS, MEMBERS, META, OPERATIONS_USERS, REMOVED, TRAIL, Tables, USERS,
    },
    trail,
    writer::Verdict,
};

#[async_trait]
impl RowStore for RedbStore {
    async fn rows(
        &self,
        kind: RowKind,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Page<Row, RowKey>, StoreError> {
        let after = after.map(|key| key.bytes.clone());
        self.scan(move |snapshot| {
            let rows = rows(snapshot, kind, after.as_deref(), limit.saturating_add(1))?;
            Ok(Page::cut(rows, limit, Row::key))
        })
        .await
    }

    async fn replace(&self, rows: Vec<Row>, gone: Vec<RowKey>) -> Result<(), StoreError> {
        self.write(move |tables| {
            tables.replace(&rows, &gone)?;
            Ok(Verdict::Changed(()))
        })
        .await
    }

    async fn copying(&self) -> Result<Option<EntryHash>, StoreError> {
        self.point(|snapshot| match snapshot.open_table(COPYING) {
            Ok(copying) => Ok(copying.get(())?.map(|hash| EntryHash(*hash.value()))),
            // A database of before there were copies has it from its first change on.
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })
    }

    async fn set_copying(&self, of: Option<EntryHash>) -> Result<(), StoreError> {
        self.write(move |tables| {
            match of {
                Some(hash) => tables.copying.insert((), &hash.0)?,
                None => tables.copying.remove(())?,
            };
            Ok(Verdict::Changed(()))
        })
        .await
    }
}

/// At most `most` rows of a kind, after a key.
fn rows(
    snapshot: &ReadTransaction,
    kind: RowKind,
    after: Option<&[u8]>,
    most: usize,
) -> Result<Vec<Row>, Fault> {
    let id = after.map(id).transpose();
    let seq = after.map(seq).transpose();
    match kind {
        RowKind::Users => table(snapshot, USERS, id?.as_ref(), most, |id, bytes| {
            let id = UserId::from_bytes(*id);
            let user = record::to_user(id, bytes);
            Ok(Row::User(
                user.map_err(|error| schema::unreadable("user", id, &error))?,
            ))
        }),
        RowKind::Groups => table(snapshot, GROUPS, id?.as_ref(), most, |id, bytes| {
            schema::read_group(GroupId::from_bytes(*id), bytes).map(Row::Group)
        }),
        RowKind::Members => {
            let pair = after.map(pair).transpose()?;
            let pair = pair.as_ref().map(|(group, user)| (group, user));
            table(snapshot, MEMBERS, pair, most, |pair, ()| {
                let (group, user) = pair;
                let group = GroupId::from_bytes(*group);
                Ok(Row::Member(group, UserId::from_bytes(*user)))
            })
        }
        RowKind::LastFile => {
            let last = schema::number(&snapshot.open_table(META)?, LAST_FILE)?;
            let is_there = last > 0 && after.is_none();
            Ok(is_there
                .then_some(Row::LastFile(last))
                .into_iter()
                .collect())
        }
        RowKind::Files => table(snapshot, FILES, seq?, most, |seq, bytes| {
            schema::file(seq, bytes).map(Row::File)
        }),
        RowKind::RemovedFiles => table(snapshot, REMOVED, seq?, most, |seq, bytes| {
            schema::removed(seq, bytes).map(Row::RemovedFile)
        }),
        RowKind::Links => table(snapshot, LINKS, id?.as_ref(), most, |id, bytes| {
            let id = LinkId::from_bytes(*id);
            let link = record::to_link(id, bytes);
            Ok(Row::Link(
                link.map_err(|error| schema::unreadable("link", id, &error))?,
            ))
        }),
        RowKind::Leases => table(snapshot, LEASES, id?.as_ref(), most, |id, bytes| {
            schema::lease(LeaseId::from_bytes(*id), bytes).map(Row::Lease)
        }),
        RowKind::Codes => table(snapshot, CODES, id?.as_ref(), most, |id, bytes| {
            let link = LinkId::from_bytes(*id);
            let codes = record::to_codes(bytes);
            let codes = codes.map_err(|error| schema::unreadable("codes of link", link, &error))?;
            Ok(Row::Codes(link, codes))
        }),
        RowKind::Mails => table(snapshot, MAILS, id?.as_ref(), most, |id, bytes| {
            let id = MailId::from_bytes(*id);
            let mail = record::to_mail(id, bytes);
            Ok(Row::Mail(
                mail.map_err(|error| schema::unreadable("mail", id, &error))?,
            ))
        }),
        RowKind::Done => {
            let key = after.map(array::<32>).transpose()?;
            table(snapshot, DONE, key.as_ref(), most, |key, bytes| {
                let key = OnceKey(*key);
                Ok(Row::Done(key, schema::done(key, bytes)?))
            })
        }
        RowKind::Trail => table(snapshot, TRAIL, seq?, most, |seq, entry| {
            trail::recorded(seq, entry).map(Row::Entry)
        }),
        RowKind::Checkpoints => table(snapshot, CHECKPOINTS, seq?, most, |seq, bytes| {
            let checkpoint = trail::to_checkpoint(seq, bytes);
            let checkpoint =
                checkpoint.map_err(|error| schema::unreadable("checkpoint", seq, &error))?;
            Ok(Row::Checkpoint(seq, checkpoint))
        }),
    }
}

fn table<'k, K, V>(
    snapshot: &ReadTransaction,
    table: TableDefinition<'static, K, V>,
    after: Option<K::SelfType<'k>>,
    most: usize,
    row: impl Fn(K::SelfType<'_>, V::SelfType<'_>) -> Result<Row, Fault>,
) -> Result<Vec<Row>, Fault>
where
    K: Key + 'static,
    V: Value + 'static,
{
    let table = snapshot.open_table(table)?;
    let mut rows = Vec::new();
    let from = after.map_or(Unbounded, Excluded);
    for entry in table.range((from, Unbounded))?.take(most) {
        let (key, value) = entry?;
        rows.push(row(key.value(), value.value())?);
    }
    Ok(rows)
}

fn id(bytes: &[u8]) -> Result<[u8; 16], Fault> {
    array(bytes)
}

fn pair(bytes: &[u8]) -> Result<([u8; 16], [u8; 16]), Fault> {
    let (first, second) = bytes.split_at_checked(16).ok_or_else(no_key)?;
    Ok((id(first)?, id(second)?))
}

fn seq(bytes: &[u8]) -> Result<Seq, Fault> {
    array(bytes).map(Seq::from_be_bytes)
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_| no_key())
}

fn no_key() -> Fault {
    StoreError::Damaged("a row's key is none of its kind".to_owned()).into()
}

impl Tables<'_> {
    fn replace(&mut self, rows: &[Row], gone: &[RowKey]) -> Result<(), Fault> {
        for key in gone {
            self.take_out(key)?;
        }
        for row in rows {
            self.take_out(&row.key())?;
        }
        for row in rows {
            self.put(row)?;
        }
        Ok(())
    }

    fn take_out(&mut self, key: &RowKey) -> Result<(), Fault> {
        let bytes = &*key.bytes;
        match key.kind {
            RowKind::Users => self.take_user(UserId::from_bytes(id(bytes)?))?,
            RowKind::Groups => {
                let id = id(bytes)?;
                if let Some(group) = schema::group(&self.groups, GroupId::from_bytes(id))? {
                    self.groups.remove(&id)?;
                    self.group_names.remove(group.name.as_str())?;
                }
            }
            RowKind::Members => {
                let (group, user) = pair(bytes)?;
                self.members.remove((&group, &user))?;
                self.memberships.remove((&user, &group))?;
            }
            RowKind::LastFile => drop(self.meta.remove(LAST_FILE)?),
            RowKind::Files => {
                let seq = seq(bytes)?;
                let file = self.files.get(seq)?;
                let file = file.map(|bytes| schema::file(seq, bytes.value()));
                if let Some(file) = file.transpose()? {
                    self.hide(&file)?;
                    self.let_go(&file)?;
                }
            }
            RowKind::RemovedFiles => {
                let seq = seq(bytes)?;
                let removed = self.removed.get(seq)?;
                let removed = removed.map(|bytes| schema::removed(seq, bytes.value()));
                if let Some(removed) = removed.transpose()? {
                    self.keep_no_more(&removed)?;
                    self.let_go(&removed.file)?;
                }
            }
            RowKind::Links => {
                let id = id(bytes)?;
                if let Some(link) = schema::link(&self.links, LinkId::from_bytes(id))? {
                    self.links.remove(&id)?;
                    self.link_secrets.remove(&link.secret.0)?;
                    self.link_makers.remove((link.made_by.as_bytes(), &id))?;
                }
            }
            RowKind::Leases => drop(self.leases.remove(&id(bytes)?)?),
            RowKind::Codes => drop(self.codes.remove(&id(bytes)?)?),
            RowKind::Mails => drop(self.drop_mail(MailId::from_bytes(id(bytes)?))?),
            RowKind::Done => drop(self.done.remove(&array(bytes)?)?),
            RowKind::Trail => self.take_entry(seq(bytes)?)?,
            RowKind::Checkpoints => drop(self.checkpoints.remove(seq(bytes)?)?),
        }
        Ok(())
    }

    /// The row of its key was taken out.
    fn put(&mut self, row: &Row) -> Result<(), Fault> {
        match row {
            Row::User(user) => self.put_user(user)?,
            Row::Group(group) => self.put_group(group)?,
            Row::Member(group, user) => {
                let (group, user) = (group.as_bytes(), user.as_bytes());
                self.members.insert((group, user), ())?;
                self.memberships.insert((user, group), ())?;
            }
            Row::LastFile(last) => drop(self.meta.insert(LAST_FILE, last)?),
            Row::File(file) => {
                self.take_blob(file)?;
                self.show(file.seq, &file.entry)?;
            }
            Row::RemovedFile(removed) => {
                self.take_blob(&removed.file)?;
                self.keep(removed)?;
            }
            Row::Link(link) => self.put_link(link)?,
            Row::Lease(lease) => {
                let record = record::lease(lease)?;
                self.leases.insert(lease.id.as_bytes(), record.as_slice())?;
            }
            Row::Codes(link, codes) => {
                let record = record::codes(codes)?;
                self.codes.insert(link.as_bytes(), record.as_slice())?;
            }
            Row::Mail(queued) => self.set_mail(queued)?,
            Row::Done(key, done) => {
                let record = record::remembered(done)?;
                self.done.insert(&key.0, record.as_slice())?;
            }
            Row::Entry(entry) => self.put_entry(entry)?,
            Row::Checkpoint(seq, checkpoint) => {
                in_one_chain(*seq, checkpoint.number, checkpoint.writer)?;
                let record = trail::checkpoint(checkpoint)?;
                self.checkpoints.insert(seq, record.as_slice())?;
            }
        }
        Ok(())
    }

    fn take_user(&mut self, id: UserId) -> Result<(), Fault> {
        let Some(user) = schema::user(&self.users, id)? else {
            return Ok(());
        };
        self.touched.users.push(id);
        self.users.remove(id.as_bytes())?;
        self.usernames.remove(user.username.as_str())?;
        self.emails.remove(user.email.unique_key().as_str())?;
        if user.role == Role::Operations {
            let count = schema::number(&self.meta, OPERATIONS_USERS)?;
            self.meta
                .insert(OPERATIONS_USERS, count.saturating_sub(1))?;
        }
        Ok(())
    }

    fn put_user(&mut self, user: &User) -> Result<(), Fault> {
        let (id, email) = (user.id.as_bytes(), user.email.unique_key());
        let name = self.usernames.insert(user.username.as_str(), id)?.is_some();
        let address = self.emails.insert(email.as_str(), id)?.is_some();
        free(!name && !address)?;
        self.users.insert(id, record::user(user)?.as_slice())?;
        if user.role == Role::Operations {
            let count = schema::number(&self.meta, OPERATIONS_USERS)?;
            self.meta.insert(OPERATIONS_USERS, count + 1)?;
        }
        Ok(())
    }

    fn put_group(&mut self, group: &Group) -> Result<(), Fault> {
        let id = group.id.as_bytes();
        let name = self.group_names.insert(group.name.as_str(), id)?;
        free(name.is_none())?;
        drop(name);
        self.groups.insert(id, record::group(group)?.as_slice())?;
        Ok(())
    }

    fn put_link(&mut self, link: &ManagedLink) -> Result<(), Fault> {
        let id = link.id.as_bytes();
        free(self.link_secrets.insert(&link.secret.0, id)?.is_none())?;
        self.link_makers.insert((link.made_by.as_bytes(), id), ())?;
        self.links.insert(id, record::link(link)?.as_slice())?;
        Ok(())
    }

    /// Has a file have its blob, which no other has, nor its id.
    fn take_blob(&mut self, file: &File) -> Result<(), Fault> {
        let FileEntry { id, blob, .. } = &file.entry;
        let is_known = self.file_ids.get(id.as_bytes())?.is_some()
            || self.removed_ids.get(id.as_bytes())?.is_some();
        free(!is_known && self.blobs.insert(blob.as_bytes(), file.seq)?.is_none())?;
        self.count(&file.entry)
    }

    fn take_entry(&mut self, seq: Seq) -> Result<(), Fault> {
        let event = match self.trail.remove(seq)? {
            Some(entry) => schema::event(seq, entry.value().1)?,
            None => return Ok(()),
        };
        if let EventKind::Download(download) = &event.kind {
            for of in DownloadsOf::that_have(&event) {
                let key = &*trail::key(of);
                self.downloads.remove((key, seq))?;
                let left = minus(trail::sum(&self.downloaded, key)?, download.transfers);
                if left == (0, 0, 0) {
                    self.downloaded.remove(key)?;
                } else {
                    self.downloaded.insert(key, left)?;
                }
            }
        }
        self.set_last_event()
    }

    fn put_entry(&mut self, entry: &Recorded) -> Result<(), Fault> {
        in_one_chain(entry.seq, entry.number, entry.writer)?;
        let record = record::event(&entry.event)?;
        let value = (&entry.hash.0, record.as_slice());
        self.trail.insert(entry.seq, value)?;
        if let EventKind::Download(download) = &entry.event.kind {
            self.index(entry.seq, &entry.event, download.transfers)?;
        }
        self.set_last_event()
    }

    /// The next entry goes on from the last there is.
    fn set_last_event(&mut self) -> Result<(), Fault> {
        let last = self.trail.last()?.map_or(0, |(seq, _)| seq.value());
        self.meta.insert(LAST_EVENT, last)?;
        self.last_entry = None;
        Ok(())
    }
}

fn free(is_free: bool) -> Result<(), Fault> {
    match is_free {
        true => Ok(()),
        false => Err(StoreError::Exists.into()),
    }
}

/// What this store keeps: one chain, whose entries' numbers are their positions.
fn in_one_chain(seq: Seq, number: u64, writer: WriterId) -> Result<(), Fault> {
    if seq == number && writer == WriterId::ONLY {
        return Ok(());
    }
    let text = format!("this store keeps one chain: it has no place {seq} for entry {number}");
    Err(StoreError::Unavailable(text.into()).into())
}

fn minus(sum: Transfers, one: Transfers) -> (u64, u64, u64) {
    (
        sum.started.saturating_sub(one.started),
        sum.completed.saturating_sub(one.completed),
        sum.bytes.saturating_sub(one.bytes),
    )
}
