//! Copies an installation from one pair of stores to another, and compares the two.
//!
//! [`copy`] goes through both catalogues side by side, kind by kind, in the order of the rows' keys: what the source has
//! and the target lacks, or has otherwise, is put there, and what only the target has is taken out. So it may end at any moment
//! and be begun again; a second run copies the difference. A page of each side is in memory, and a chunk of each
//! blob that is under way.
//!
//! The bytes of a file are in the target, durably and held against the catalogue's size and SHA-256, before the target's
//! catalogue refers to them. Blobs of the target that nothing refers to are left to the sweeper.
//!
//! From its first write to its end the target says that it is [being copied to](crate::store::RowStore::copying), so that nobody
//! serves half of an installation. The end is a comparison of all rows, of a source that [is at rest](How::at_rest).
//!
//! Whoever copies holds both pairs of stores. They give bytes from one store to another, and see none: it is no second way to them.

mod blobs;
mod compare;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

pub use self::compare::{Compared, Depth, compare};
use self::{
    blobs::Carried,
    walk::{Both, Step, Walk},
};
use crate::{
    file::{File, Seq},
    id::FileId,
    store::{BlobStore, FileStore, Row, RowKey, RowKind, RowStore, StoreError},
    trail::{EntryHash, Flaw},
};

/// Rows that are fetched, and put, at once.
const PAGE: usize = 500;

/// Blobs that are under way at once.
const AT_ONCE: usize = 8;

/// How often a page is tried whose rows would share what only one can have.
const TRIES: usize = 3;

/// An installation's stores.
#[derive(Clone, Debug)]
pub struct Side {
    /// The rows of users and of the catalogue.
    pub rows: Arc<dyn RowStore>,
    /// The same store, as the catalogue.
    pub files: Arc<dyn FileStore>,
    /// The bytes.
    pub blobs: Arc<dyn BlobStore>,
}

impl Side {
    /// The stores of these.
    pub fn new<C: RowStore + FileStore>(catalogue: Arc<C>, blobs: Arc<dyn BlobStore>) -> Self {
        Self {
            rows: catalogue.clone(),
            files: catalogue,
            blobs,
        }
    }
}

/// How it is copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Nothing changes the source meanwhile. Only then can the copy be complete.
    pub at_rest: bool,
    /// The target may hold another installation, which is gone then.
    pub replace: bool,
    /// The blobs of all files are read in the target, not only looked for where it lacks their rows: what is missing or
    /// damaged is copied again.
    pub all_blobs: bool,
}

/// What was done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Rows of the source that were looked at.
    pub rows: u64,
    /// Rows that were put: new ones, and those that were another.
    pub put: u64,
    /// Rows that were taken out.
    pub gone: u64,
    /// Blobs that were copied.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files whose bytes the source lacks, or has otherwise than its catalogue says. They were not copied.
    pub damaged: Vec<FileId>,
    /// Rows that were compared in the end, and are the same.
    pub compared: u64,
    /// Whether the target is the whole installation, and can be served.
    pub complete: bool,
}

/// Why it is not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The source is a copy that is not complete.
    #[error("the source is itself a copy that is not complete")]
    SourceIncomplete,
    /// The target is the source, by another name.
    #[error("the source and the target are one")]
    Same,
    /// The target holds what is no copy of the source, or what has gone on by itself.
    #[error("the target holds something else, or has been used since it was a copy of this source")]
    Foreign,
    /// Rows came to share what only one can have, again and again.
    #[error("the source changes faster than it is copied")]
    Changing,
    /// The trail of the target is not sound.
    #[error("the target's trail is not sound")]
    Trail(#[from] Flaw),
    /// The source has failed.
    #[error("the source failed")]
    Source(#[source] StoreError),
    /// The target has failed.
    #[error("the target failed")]
    Target(#[source] StoreError),
}

/// Sees that the target is empty, or a copy of the source that was not used. Nothing is changed.
///
/// # Errors
/// [`CopyError::Foreign`] where it is something else, and may not be replaced.
pub async fn check(from: &Side, to: &Side, how: How) -> Result<(), CopyError> {
    checked(from, to, how).await.map(drop)
}

/// [Checks](check) the target, and has it say that it [is being copied to](RowStore::copying).
///
/// # Errors
/// As there, and [`CopyError::Same`] where it is the source.
pub async fn prepare(from: &Side, to: &Side, how: How) -> Result<(), CopyError> {
    let of = checked(from, to, how).await?;
    let before = to.rows.copying().await.map_err(CopyError::Target)?;
    let marked = to.rows.set_copying(Some(of)).await;
    marked.map_err(CopyError::Target)?;
    // The source had no mark. Names do not tell: one store can have many.
    let refused = match from.rows.copying().await {
        Ok(None) => return Ok(()),
        Ok(Some(_)) => CopyError::Same,
        Err(error) => CopyError::Source(error),
    };
    let unmarked = to.rows.set_copying(before).await;
    unmarked.map_err(CopyError::Target)?;
    Err(refused)
}

/// [Prepares](prepare) the target, and copies all that it lacks. `report` hears of what was done so far, after each blob
/// that was looked at and each page of rows.
///
/// # Errors
/// See [`CopyError`]; what was copied stays, and the target says that it is not complete.
pub async fn copy(
    from: &Side,
    to: &Side,
    how: How,
    mut report: impl FnMut(&Copied) + Send,
) -> Result<Copied, CopyError> {
    prepare(from, to, how).await?;
    let mut copying = Copying {
        from,
        to,
        how,
        done: Copied::default(),
    };
    for kind in RowKind::ALL {
        copying.kind(kind, &mut report).await?;
    }
    let mut done = copying.done;
    if how.at_rest && done.damaged.is_empty() {
        let compared = compare(from, to, Depth::Rows, None, |found| {
            done.compared = found.same;
            report(&done);
        });
        let compared = compared.await?;
        if compared.is_same() {
            let marked = to.rows.set_copying(None).await;
            marked.map_err(CopyError::Target)?;
            done.complete = true;
        }
    }
    report(&done);
    Ok(done)
}

/// What tells the source, where the target may be copied to.
async fn checked(from: &Side, to: &Side, how: How) -> Result<EntryHash, CopyError> {
    let of = identity(from).await?;
    match how.replace || is_copy(from, to, of).await? {
        true => Ok(of),
        false => Err(CopyError::Foreign),
    }
}

/// What tells an installation from any other: the hash of the first entry of its trail.
async fn identity(side: &Side) -> Result<EntryHash, CopyError> {
    let copying = side.rows.copying().await.map_err(CopyError::Source)?;
    if copying.is_some() {
        return Err(CopyError::SourceIncomplete);
    }
    let first = side.files.events(None, 1).await;
    let first = first.map_err(CopyError::Source)?.items.pop();
    Ok(first.map_or(EntryHash::NONE, |entry| entry.hash))
}

/// Whether the target is empty, or a copy of the source, complete or not, that was not used.
async fn is_copy(from: &Side, to: &Side, of: EntryHash) -> Result<bool, CopyError> {
    if let Some(other) = to.rows.copying().await.map_err(CopyError::Target)? {
        return Ok(other == of);
    }
    let heads = to.files.heads().await.map_err(CopyError::Target)?;
    for head in &heads {
        let entry = from.files.events(Some(head.number - 1), 1).await;
        let entry = entry.map_err(CopyError::Source)?.items.pop();
        if entry.is_none_or(|entry| entry.head() != *head) {
            return Ok(false);
        }
    }
    if !heads.is_empty() {
        return Ok(true);
    }
    for kind in RowKind::ALL {
        let rows = to.rows.rows(kind, None, 1).await;
        if !rows.map_err(CopyError::Target)?.items.is_empty() {
            return Ok(false);
        }
    }
    // Bytes without a catalogue are of another, whose sweeper and this one's would remove each other's.
    let blobs = to.blobs.keys(None, 1).await.map_err(CopyError::Target)?;
    let stages = to.blobs.stages(None, 1).await.map_err(CopyError::Target)?;
    Ok(blobs.items.is_empty() && stages.items.is_empty())
}

/// What is under way.
struct Copying<'s> {
    from: &'s Side,
    to: &'s Side,
    how: How,
    done: Copied,
}

impl Copying<'_> {
    async fn kind(
        &mut self,
        kind: RowKind,
        report: &mut (impl FnMut(&Copied) + Send),
    ) -> Result<(), CopyError> {
        let mut both = Both::of(self.from, self.to, kind);
        let (mut same, mut rows, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let step = both.next().await?;
            let ended = step.is_none();
            match step {
                Some(Step::Same(row)) => {
                    self.done.rows += 1;
                    if self.how.all_blobs && file_of(&row).is_some() {
                        same.push(row);
                    }
                }
                Some(Step::Put(row)) => {
                    self.done.rows += 1;
                    rows.push(row);
                }
                Some(Step::Gone(key)) => gone.push(key),
                None => {}
            }
            if ended || same.len() + rows.len() + gone.len() >= PAGE {
                self.with_bytes(std::mem::take(&mut same), report).await?;
                let (rows, gone) = (std::mem::take(&mut rows), std::mem::take(&mut gone));
                self.page(kind, rows, gone, report).await?;
                report(&self.done);
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Has the target have rows, and the bytes that they refer to before them.
    async fn page(
        &mut self,
        kind: RowKind,
        rows: Vec<Row>,
        gone: Vec<RowKey>,
        report: &mut (impl FnMut(&Copied) + Send),
    ) -> Result<(), CopyError> {
        if rows.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let rows = self.with_bytes(rows, report).await?;
        for _ in 0..TRIES {
            match self.to.rows.replace(rows.clone(), gone.clone()).await {
                Err(StoreError::Exists) => self.make_way(kind).await?,
                Err(error) => return Err(CopyError::Target(error)),
                Ok(()) => {
                    self.done.put += rows.len() as u64;
                    self.done.gone += gone.len() as u64;
                    return Ok(());
                }
            }
        }
        Err(CopyError::Changing)
    }

    /// The rows whose bytes, where they have any, are in the target.
    async fn with_bytes(
        &mut self,
        rows: Vec<Row>,
        report: &mut (impl FnMut(&Copied) + Send),
    ) -> Result<Vec<Row>, CopyError> {
        let (from, to) = (&*self.from.blobs, &*self.to.blobs);
        let all = self.how.all_blobs;
        let carried = stream::iter(rows).map(|row| async move {
            let carried = match file_of(&row) {
                Some(file) => blobs::carry(from, to, &file.entry, all).await?,
                None => Carried::WasThere,
            };
            Ok::<_, CopyError>((row, carried))
        });
        // In their order, so that what is under way is bounded by a page.
        let mut carried = std::pin::pin!(carried.buffered(AT_ONCE));
        let mut rows = Vec::new();
        while let Some((row, carried)) = carried.try_next().await? {
            let has_bytes = file_of(&row).is_some();
            match (carried, file_of(&row)) {
                (Carried::Damaged, Some(file)) if self.is_there_still(file).await? => {
                    self.done.damaged.push(file.entry.id);
                }
                (Carried::Damaged, _) => {}
                (Carried::Copied(bytes), _) => {
                    self.done.blobs += 1;
                    self.done.bytes += bytes;
                    rows.push(row);
                }
                (Carried::WasThere, _) => rows.push(row),
            }
            if has_bytes {
                report(&self.done);
            }
        }
        Ok(rows)
    }

    /// Whether the source's catalogue still refers to a file's bytes: of one that is removed meanwhile there may be
    /// none.
    async fn is_there_still(&self, file: &File) -> Result<bool, CopyError> {
        let referenced = self.from.files.references(file.entry.blob).await;
        referenced.map_err(CopyError::Source)
    }

    /// Takes out of the target what differs, of all kinds that share with this one what only one can have: a name that
    /// went from one group to another, a file that was removed and is there again.
    async fn make_way(&mut self, kind: RowKind) -> Result<(), CopyError> {
        let kinds = match kind {
            RowKind::Files | RowKind::RemovedFiles => &[RowKind::RemovedFiles, RowKind::Files][..],
            ref other => std::slice::from_ref(other),
        };
        for kind in kinds {
            let mut both = Both::of(self.from, self.to, *kind);
            let mut gone = Vec::new();
            loop {
                let step = both.next().await?;
                let ended = step.is_none();
                gone.extend(match step {
                    Some(Step::Put(row)) => Some(row.key()),
                    Some(Step::Gone(key)) => Some(key),
                    Some(Step::Same(_)) | None => None,
                });
                if gone.len() >= PAGE || (ended && !gone.is_empty()) {
                    let gone = std::mem::take(&mut gone);
                    let taken = self.to.rows.replace(Vec::new(), gone).await;
                    taken.map_err(CopyError::Target)?;
                }
                if ended {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The file whose bytes a row refers to.
fn file_of(row: &Row) -> Option<&File> {
    match row {
        Row::File(file) => Some(file),
        Row::RemovedFile(removed) => Some(&removed.file),
        _ => None,
    }
}

/// The position of the entry that a row is of, or is.
fn position(row: &Row) -> Option<Seq> {
    match row {
        Row::Entry(entry) => Some(entry.seq),
        Row::Checkpoint(seq, _) => Some(*seq),
        _ => None,
    }
}
