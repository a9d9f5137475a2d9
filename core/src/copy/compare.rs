use std::pin::pin;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{AT_ONCE, Both, CopyError, PAGE, Side, Step, Walk, blobs, file_of, position};
use crate::{
    evidence::PublicKey,
    file::FileEntry,
    id::FileId,
    store::{Row, RowKey, RowKind},
    trail::{Verified, Verifier},
};

/// Differing rows that are named at most.
const NAMED: usize = 20;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// All rows.
    Rows,
    /// And whether the target has each file's bytes, as many as the catalogue says.
    Sizes,
    /// And their SHA-256.
    Bytes,
}

/// What was found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows that are the same.
    pub same: u64,
    /// Rows that the target lacks, or has otherwise, or has alone.
    pub different: u64,
    /// Which: some of them.
    pub which: Vec<RowKey>,
    /// Blobs that were looked at.
    pub blobs: u64,
    /// Files of the target whose bytes are not as they should be.
    pub damaged: Vec<FileId>,
    /// What there is to say of the target's trail.
    pub trail: Option<Verified>,
}

impl Compared {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.different == 0 && self.damaged.is_empty()
    }
}

/// Compares the target with the source, changing neither. Of the target's trail it is seen that it is sound, with `keys` also
/// that its checkpoints were signed by one of them. `report` hears of what was found so far, after each page of rows and
/// each blob that was looked at.
///
/// # Errors
/// [`CopyError::Trail`] where the trail is not sound; otherwise where a store does not answer.
pub async fn compare(
    from: &Side,
    to: &Side,
    depth: Depth,
    keys: Option<Vec<PublicKey>>,
    mut report: impl FnMut(&Compared) + Send,
) -> Result<Compared, CopyError> {
    let mut found = Compared::default();
    for kind in RowKind::ALL {
        let mut both = Both::of(from, to, kind);
        let mut files = Vec::new();
        loop {
            let step = both.next().await?;
            let ended = step.is_none();
            match step {
                Some(Step::Same(row)) => {
                    found.same += 1;
                    if let (Some(file), true) = (file_of(&row), depth > Depth::Rows) {
                        files.push(file.entry.clone());
                    }
                }
                Some(Step::Put(row)) => found.differs(row.key()),
                Some(Step::Gone(key)) => found.differs(key),
                None => {}
            }
            if ended || files.len() >= PAGE {
                let files = std::mem::take(&mut files);
                found.blobs(to, depth, files, &mut report).await?;
            }
            if ended {
                break;
            }
            if found.same.is_multiple_of(PAGE as u64) {
                report(&found);
            }
        }
    }
    found.trail = Some(verify(to, keys).await?);
    report(&found);
    Ok(found)
}

impl Compared {
    fn differs(&mut self, key: RowKey) {
        self.different += 1;
        if self.which.len() < NAMED {
            self.which.push(key);
        }
    }

    async fn blobs(
        &mut self,
        to: &Side,
        depth: Depth,
        files: Vec<FileEntry>,
        report: &mut (impl FnMut(&Self) + Send),
    ) -> Result<(), CopyError> {
        let looks = stream::iter(files).map(|entry| async move {
            let good = match depth {
                Depth::Bytes => blobs::is_whole(&*to.blobs, &entry).await,
                _ => blobs::is_there(&*to.blobs, &entry).await,
            };
            Ok::<_, CopyError>((entry.id, good.map_err(CopyError::Target)?))
        });
        let mut looked = pin!(looks.buffered(AT_ONCE));
        while let Some((id, good)) = looked.try_next().await? {
            self.blobs += 1;
            self.damaged.extend((!good).then_some(id));
            report(self);
        }
        Ok(())
    }
}

/// Sees that the trail is chained, and that each checkpoint is of an entry that there is.
async fn verify(side: &Side, keys: Option<Vec<PublicKey>>) -> Result<Verified, CopyError> {
    let signed = keys.is_some();
    let mut verifier = Verifier::new(keys.unwrap_or_default());
    let mut entries = Walk::of(&*side.rows, RowKind::Trail);
    let mut checkpoints = Walk::of(&*side.rows, RowKind::Checkpoints);
    let mut last = None;
    loop {
        let due = checkpoints.peek().await.map_err(CopyError::Target)?;
        let due = due.and_then(position);
        let entry = match due.is_some() && due <= last {
            true => None,
            false => entries.next().await.map_err(CopyError::Target)?,
        };
        match entry {
            Some(Row::Entry(entry)) => {
                verifier.recorded(&entry)?;
                last = Some(entry.seq);
            }
            // That of the last entry, or of one that there is not.
            _ => match checkpoints.next().await.map_err(CopyError::Target)? {
                Some(Row::Checkpoint(_, checkpoint)) if signed => {
                    verifier.checkpoint(&checkpoint)?;
                }
                Some(_) => {}
                None => return Ok(verifier.finish()?),
            },
        }
    }
}
