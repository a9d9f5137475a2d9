//! Files that end, and files that were removed.

use std::{
    collections::BTreeMap,
    ops::{
        Bound::{Excluded, Unbounded},
        RangeToInclusive,
    },
};

use consign_core::{
    event::Author,
    file::{File, FileEntry, Seq},
    id::{FileId, GroupId},
    link::Edit,
    removal::{Ended, Purge, Removal, RemovedFile},
    store::{Outcome, Page},
    time::Timestamp,
};
use redb::{ReadTransaction, ReadableTable};

use crate::{
    fault::Fault,
    record,
    schema::{self, EXPIRIES, FILES, GROUPS, REMOVED, REMOVED_DUE, RETAINED, Tables},
    writer::Verdict,
};

pub(crate) fn list(
    snapshot: &ReadTransaction,
    now: Timestamp,
    before: Option<Seq>,
    limit: usize,
) -> Result<Page<RemovedFile, Seq>, Fault> {
    let table = snapshot.open_table(REMOVED)?;
    let to = before.map_or(Unbounded, Excluded);
    let mut items = Vec::new();
    for entry in table.range::<Seq>((Unbounded, to))?.rev() {
        let (seq, bytes) = entry?;
        let removed = schema::removed(seq.value(), bytes.value())?;
        if removed.is_kept(now) {
            items.push(removed);
        }
        if items.len() > limit {
            break;
        }
    }
    Ok(Page::cut(items, limit, |removed: &RemovedFile| {
        removed.file.seq
    }))
}

pub(crate) fn due(
    snapshot: &ReadTransaction,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<RemovedFile>, Fault> {
    let (due, removed) = (
        snapshot.open_table(REMOVED_DUE)?,
        snapshot.open_table(REMOVED)?,
    );
    let mut items = Vec::new();
    for entry in due.range(up_to(now))?.take(limit) {
        let (_, seq) = entry?.0.value();
        items.push(schema::indexed_removed(&removed, seq)?);
    }
    Ok(items)
}

pub(crate) fn ended(
    snapshot: &ReadTransaction,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Ended>, Fault> {
    let (expiries, files) = (snapshot.open_table(EXPIRIES)?, snapshot.open_table(FILES)?);
    let mut whys = BTreeMap::new();
    for entry in expiries.range(up_to(now))?.take(limit) {
        let (_, seq) = entry?.0.value();
        whys.insert(seq, Removal::Expired);
    }
    let (groups, retained) = (snapshot.open_table(GROUPS)?, snapshot.open_table(RETAINED)?);
    for entry in groups.iter()? {
        let (id, bytes) = entry?;
        let id = GroupId::from_bytes(*id.value());
        let Some(retention) = schema::read_group(id, bytes.value())?.retention else {
            continue;
        };
        // What is retained from then on is over now.
        let length = u64::try_from(retention.duration().as_millis()).unwrap_or(u64::MAX);
        let Some(last) = now.as_millis().checked_sub(length) else {
            continue;
        };
        let over = (id.as_bytes(), 0, Seq::MIN)..=(id.as_bytes(), last, Seq::MAX);
        for entry in retained.range::<(&[u8; 16], u64, Seq)>(over)? {
            if whys.len() >= limit {
                break;
            }
            let (_, _, seq) = entry?.0.value();
            whys.entry(seq).or_insert(Removal::Retention);
        }
    }
    let items = whys.into_iter().map(|(seq, why)| {
        let file = schema::indexed_file(&files, seq)?.entry.id;
        Ok(Ended { file, why })
    });
    items.collect()
}

/// The rows of times up to `now`, with it.
fn up_to(now: Timestamp) -> RangeToInclusive<(u64, Seq)> {
    ..=(now.as_millis(), Seq::MAX)
}

impl Tables<'_> {
    pub(crate) fn remove_file(
        &mut self,
        id: FileId,
        why: Removal,
        keep_until: Option<Timestamp>,
        by: Author,
        at: Timestamp,
    ) -> Result<Verdict<Outcome>, Fault> {
        let Some(file) = schema::file_by_id(&self.file_ids, &self.files, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        let is_so = match why {
            Removal::Asked => true,
            Removal::Expired => !file.entry.is_there(at),
            Removal::Retention => self.is_over(&file.entry, at)?,
        };
        if !is_so {
            return Ok(Verdict::Unchanged(Outcome::Stale));
        }
        self.hide(&file)?;
        match keep_until {
            Some(kept_until) => self.keep(&RemovedFile {
                file: file.clone(),
                why,
                removed_by: by,
                removed_at: at,
                kept_until,
            })?,
            None => self.let_go(&file)?,
        }
        Ok(Verdict::Changed(Outcome::Removed(file)))
    }

    pub(crate) fn restore_file(
        &mut self,
        id: FileId,
        expires_at: &Edit<Option<Timestamp>>,
        at: Timestamp,
    ) -> Result<Verdict<Outcome>, Fault> {
        let removed = schema::removed_by_id(&self.removed_ids, &self.removed, id)?;
        let Some(removed) = removed.filter(|removed| removed.is_kept(at)) else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        let mut file = removed.file.clone();
        file.entry.expires_at = expires_at.clone().or(file.entry.expires_at);
        file.entry.restored_at = Some(at);
        if !file.entry.is_there(at) {
            return Ok(Verdict::Unchanged(Outcome::Stale));
        }
        self.keep_no_more(&removed)?;
        self.show(file.seq, &file.entry)?;
        Ok(Verdict::Changed(Outcome::Restored(file)))
    }

    pub(crate) fn purge_file(
        &mut self,
        id: FileId,
        purge: Purge,
        at: Timestamp,
    ) -> Result<Verdict<Outcome>, Fault> {
        let removed = schema::removed_by_id(&self.removed_ids, &self.removed, id)?;
        let Some(removed) = removed else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        if purge == Purge::Due && removed.is_kept(at) {
            return Ok(Verdict::Unchanged(Outcome::Stale));
        }
        self.keep_no_more(&removed)?;
        self.let_go(&removed.file)?;
        Ok(Verdict::Changed(Outcome::Purged(removed)))
    }

    /// Whether the shortest retention of the file's groups is over.
    fn is_over(&self, entry: &FileEntry, now: Timestamp) -> Result<bool, Fault> {
        let mut shortest = None;
        for id in entry.audience.groups() {
            let retention = schema::group(&self.groups, id)?.and_then(|group| group.retention);
            shortest = shortest.into_iter().chain(retention).min();
        }
        Ok(entry.is_over(shortest, now))
    }

    pub(crate) fn keep(&mut self, removed: &RemovedFile) -> Result<(), Fault> {
        let (seq, id) = (removed.file.seq, removed.file.entry.id);
        let record = record::removed(removed)?;
        self.removed.insert(seq, record.as_slice())?;
        self.removed_ids.insert(id.as_bytes(), seq)?;
        let due = (removed.kept_until.as_millis(), seq);
        self.removed_due.insert(due, ())?;
        Ok(())
    }

    pub(crate) fn keep_no_more(&mut self, removed: &RemovedFile) -> Result<(), Fault> {
        let (seq, id) = (removed.file.seq, removed.file.entry.id);
        self.removed.remove(seq)?;
        self.removed_ids.remove(id.as_bytes())?;
        let due = (removed.kept_until.as_millis(), seq);
        self.removed_due.remove(due)?;
        Ok(())
    }

    /// What a file that is gone for good had to itself is free.
    pub(crate) fn let_go(&mut self, file: &File) -> Result<(), Fault> {
        self.blobs.remove(file.entry.blob.as_bytes())?;
        self.discount(&file.entry)
    }
}
