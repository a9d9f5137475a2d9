use std::ops::Bound::{Excluded, Unbounded};

use async_trait::async_trait;
use consign_core::{
    event::Recorded,
    file::{File, FileEntry, FileName, Seq},
    id::{BlobKey, FileId, UserId},
    quota::{Quota, Usage},
    store::{Change, FileStore, Outcome, Page, StoreError},
};
use redb::{ReadTransaction, ReadableTable};

use crate::{
    RedbStore,
    fault::Fault,
    recent::Reader,
    record,
    schema::{self, BLOBS, EVENTS, FILE_IDS, FILE_NAMES, FILES, LAST_FILE, Tables, USAGE},
    writer::Verdict,
};

/// Files of a list that are read where it is asked for: the change of thread would take longer. Where
/// there are more, a thread reads them all.
const FEW: usize = 128;

#[async_trait]
impl FileStore for RedbStore {
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError> {
        self.recent().file(id, || {
            self.point(|snapshot| {
                let (ids, files) = (snapshot.open_table(FILE_IDS)?, snapshot.open_table(FILES)?);
                schema::file_by_id(&ids, &files, id)
            })
        })
    }

    async fn newest(&self, name: &FileName) -> Result<Option<File>, StoreError> {
        self.point(|snapshot| {
            let name = name.as_str();
            let names = snapshot.open_table(FILE_NAMES)?;
            match names
                .range((name, Seq::MIN)..=(name, Seq::MAX))?
                .next_back()
            {
                Some(entry) => {
                    let seq = entry?.0.value().1;
                    schema::indexed_file(&snapshot.open_table(FILES)?, seq).map(Some)
                }
                None => Ok(None),
            }
        })
    }

    async fn list(&self, before: Option<Seq>, limit: usize) -> Result<Page<File, Seq>, StoreError> {
        let few = limit.min(FEW);
        let page = self.point_recent(|snapshot, recent| list(snapshot, recent, before, few))?;
        if few == limit || page.next.is_none() {
            return Ok(page);
        }
        self.scan_recent(move |snapshot, recent| list(snapshot, recent, before, limit))
            .await
    }

    async fn references(&self, key: BlobKey) -> Result<bool, StoreError> {
        self.point(|snapshot| Ok(snapshot.open_table(BLOBS)?.get(key.as_bytes())?.is_some()))
    }

    async fn usage(&self, user: UserId) -> Result<Usage, StoreError> {
        self.point(|snapshot| schema::usage(&snapshot.open_table(USAGE)?, user))
    }

    async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        self.scan(move |snapshot| events(snapshot, after, limit))
            .await
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        self.write(move |tables| tables.apply(&change)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.answers()
    }
}

fn list(
    snapshot: &ReadTransaction,
    recent: &Reader<'_>,
    before: Option<Seq>,
    limit: usize,
) -> Result<Page<File, Seq>, Fault> {
    let files = snapshot.open_table(FILES)?;
    let to = before.map_or(Unbounded, Excluded);
    let mut items = Vec::new();
    for entry in files
        .range::<Seq>((Unbounded, to))?
        .rev()
        .take(limit.saturating_add(1))
    {
        let (seq, bytes) = entry?;
        let seq = seq.value();
        items.push(recent.file(seq, || schema::file(seq, bytes.value()))?);
    }
    Ok(Page::cut(items, limit, |file: &File| file.seq))
}

fn events(
    snapshot: &ReadTransaction,
    after: Option<Seq>,
    limit: usize,
) -> Result<Page<Recorded, Seq>, Fault> {
    let events = snapshot.open_table(EVENTS)?;
    let from = after.map_or(Unbounded, Excluded);
    let mut items = Vec::new();
    for entry in events
        .range::<Seq>((from, Unbounded))?
        .take(limit.saturating_add(1))
    {
        let (seq, bytes) = entry?;
        let (seq, event) = (seq.value(), schema::event(seq.value(), bytes.value())?);
        items.push(Recorded { seq, event });
    }
    Ok(Page::cut(items, limit, |recorded: &Recorded| recorded.seq))
}

impl Tables<'_> {
    fn apply(&mut self, change: &Change) -> Result<Verdict<Outcome>, Fault> {
        let verdict = match change {
            Change::AddFile { entry, quota } => self.add_file(entry, quota)?,
            Change::RemoveFile { id, .. } => self.remove_file(*id)?,
            unknown => {
                let text = format!("this store cannot make the change {unknown:?}");
                return Err(StoreError::Unavailable(text.into()).into());
            }
        };
        if let Verdict::Changed(_) = verdict {
            self.record(&[change.event()])?;
        }
        Ok(verdict)
    }

    fn add_file(&mut self, entry: &FileEntry, quota: &Quota) -> Result<Verdict<Outcome>, Fault> {
        let (id, blob) = (entry.id.as_bytes(), entry.blob.as_bytes());
        if self.file_ids.get(id)?.is_some() || self.blobs.get(blob)?.is_some() {
            return Ok(Verdict::Unchanged(Outcome::Exists));
        }
        let usage = schema::usage(&self.usage, entry.uploaded_by)?;
        if !quota.allows(usage.plus(Usage::file(entry.size))) {
            return Ok(Verdict::Unchanged(Outcome::OverQuota));
        }
        let seq = self.next(LAST_FILE)?;
        self.files.insert(seq, record::file(entry)?.as_slice())?;
        self.file_ids.insert(id, seq)?;
        self.file_names.insert((entry.name.as_str(), seq), ())?;
        self.blobs.insert(blob, seq)?;
        self.count(entry)?;
        let entry = entry.clone();
        Ok(Verdict::Changed(Outcome::Added(File { seq, entry })))
    }

    fn remove_file(&mut self, id: FileId) -> Result<Verdict<Outcome>, Fault> {
        let Some(file) = schema::file_by_id(&self.file_ids, &self.files, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        self.touched.files.push(id);
        self.files.remove(file.seq)?;
        self.file_ids.remove(id.as_bytes())?;
        self.file_names
            .remove((file.entry.name.as_str(), file.seq))?;
        self.blobs.remove(file.entry.blob.as_bytes())?;
        self.discount(&file.entry)?;
        Ok(Verdict::Changed(Outcome::Removed(file)))
    }
}
