use async_trait::async_trait;

use super::{MemoryStore, state::State};
use crate::{
    code::Codes,
    file::FileEntry,
    store::{Page, Row, RowKey, RowKind, RowStore, StoreError},
    trail::EntryHash,
    user::User,
};

#[async_trait]
impl RowStore for MemoryStore {
    async fn rows(
        &self,
        kind: RowKind,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Page<Row, RowKey>, StoreError> {
        let mut rows = self.state().rows(kind);
        rows.sort_by_key(Row::key);
        rows.retain(|row| after.is_none_or(|after| row.key() > *after));
        Ok(Page::cut(rows, limit, Row::key))
    }

    async fn replace(&self, rows: Vec<Row>, gone: Vec<RowKey>) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut next = state.clone();
        for key in gone.into_iter().chain(rows.iter().map(Row::key)) {
            next.take_out(&key);
        }
        for row in rows {
            next.put(row)?;
        }
        *state = next;
        Ok(())
    }

    async fn copying(&self) -> Result<Option<EntryHash>, StoreError> {
        Ok(self.state().copying)
    }

    async fn set_copying(&self, of: Option<EntryHash>) -> Result<(), StoreError> {
        self.state().copying = of;
        Ok(())
    }
}

impl State {
    fn rows(&self, kind: RowKind) -> Vec<Row> {
        fn all<'s, T: Clone + 's>(
            values: impl Iterator<Item = &'s T>,
            row: impl Fn(T) -> Row,
        ) -> Vec<Row> {
            values.cloned().map(row).collect()
        }
        match kind {
            RowKind::Users => all(self.users.values(), Row::User),
            RowKind::Groups => all(self.groups.values(), Row::Group),
            RowKind::Members => all(self.members.iter(), |(group, user)| {
                Row::Member(group, user)
            }),
            RowKind::LastFile => match self.last_file {
                0 => Vec::new(),
                last => vec![Row::LastFile(last)],
            },
            RowKind::Files => all(self.files.values(), Row::File),
            RowKind::RemovedFiles => all(self.removed.values(), Row::RemovedFile),
            RowKind::Links => all(self.links.values(), Row::Link),
            RowKind::Leases => all(self.leases.values(), Row::Lease),
            RowKind::Codes => {
                // A try of a code where none was sent leaves nothing worth a row.
                let codes = self.codes.iter();
                let sent = codes.filter(|(_, codes)| **codes != Codes::default());
                sent.map(|(link, codes)| Row::Codes(*link, codes.clone()))
                    .collect()
            }
            RowKind::Mails => all(self.mails.values(), Row::Mail),
            RowKind::Done => {
                let done = self.done.iter();
                done.map(|(key, done)| Row::Done(*key, done.clone()))
                    .collect()
            }
            RowKind::Trail => all(self.trail.entries.values(), Row::Entry),
            RowKind::Checkpoints => {
                let checkpoints = self.trail.checkpoints.iter();
                checkpoints
                    .map(|(seq, checkpoint)| Row::Checkpoint(*seq, checkpoint.clone()))
                    .collect()
            }
        }
    }

    fn take_out(&mut self, key: &RowKey) {
        let row = self
            .rows(key.kind)
            .into_iter()
            .find(|row| row.key() == *key);
        match row {
            Some(Row::User(user)) => drop(self.users.remove(&user.username)),
            Some(Row::Group(group)) => drop(self.groups.remove(&group.id)),
            Some(Row::Member(group, user)) => drop(self.members.remove(&(group, user))),
            Some(Row::LastFile(_)) => self.last_file = 0,
            Some(Row::File(file)) => drop(self.files.remove(&file.seq)),
            Some(Row::RemovedFile(removed)) => drop(self.removed.remove(&removed.file.seq)),
            Some(Row::Link(link)) => drop(self.links.remove(&link.id)),
            Some(Row::Lease(lease)) => drop(self.leases.remove(&lease.id)),
            Some(Row::Codes(link, _)) => drop(self.codes.remove(&link)),
            Some(Row::Mail(queued)) => drop(self.mails.remove(&queued.mail.id)),
            Some(Row::Done(key, _)) => drop(self.done.remove(&key)),
            Some(Row::Entry(entry)) => drop(self.trail.entries.remove(&entry.seq)),
            Some(Row::Checkpoint(seq, _)) => drop(self.trail.checkpoints.remove(&seq)),
            None => {}
        }
    }

    /// The row of its key was taken out.
    fn put(&mut self, row: Row) -> Result<(), StoreError> {
        let is_taken = match &row {
            Row::User(user) => self.has_name_or_address(user),
            Row::Group(group) => self.is_taken(&group.name, group.id),
            Row::File(file) => self.has_id_or_blob(&file.entry),
            Row::RemovedFile(removed) => self.has_id_or_blob(&removed.file.entry),
            Row::Link(link) => self.link_of(link.secret).is_some(),
            _ => false,
        };
        if is_taken {
            return Err(StoreError::Exists);
        }
        match row {
            Row::User(user) => drop(self.users.insert(user.username.clone(), user)),
            Row::Group(group) => drop(self.groups.insert(group.id, group)),
            Row::Member(group, user) => drop(self.members.insert((group, user))),
            Row::LastFile(last) => self.last_file = last,
            Row::File(file) => drop(self.files.insert(file.seq, file)),
            Row::RemovedFile(removed) => drop(self.removed.insert(removed.file.seq, removed)),
            Row::Link(link) => drop(self.links.insert(link.id, link)),
            Row::Lease(lease) => drop(self.leases.insert(lease.id, lease)),
            Row::Codes(link, codes) => drop(self.codes.insert(link, codes)),
            Row::Mail(queued) => drop(self.mails.insert(queued.mail.id, queued)),
            Row::Done(key, done) => drop(self.done.insert(key, done)),
            Row::Entry(entry) => drop(self.trail.entries.insert(entry.seq, entry)),
            Row::Checkpoint(seq, checkpoint) => {
                self.trail.checkpoints.insert(seq, checkpoint);
            }
        }
        Ok(())
    }

    fn has_name_or_address(&self, user: &User) -> bool {
        self.user_named(&user.username).is_some() || self.user_at(&user.email).is_some()
    }

    fn has_id_or_blob(&self, entry: &FileEntry) -> bool {
        let mut entries = self.entries();
        entries.any(|other| other.id == entry.id || other.blob == entry.blob)
    }
}
