//! Files that end, and files that were removed.

use consign_core::{
    event::Author,
    file::{File, FileEntry},
    id::FileId,
    link::Edit,
    removal::{Purge, Removal, RemovedFile},
    store::Outcome,
    time::Timestamp,
};

use crate::{
    batch::{Batch, Made},
    files::Row,
};

impl Batch<'_> {
    pub(crate) fn remove_file(
        &mut self,
        id: FileId,
        why: Removal,
        keep_until: Option<Timestamp>,
        by: Author,
        at: Timestamp,
    ) -> Made {
        let file = self.file(id).ok_or(Outcome::Missing)?.clone();
        let is_so = match why {
            Removal::Asked => true,
            Removal::Expired => !file.entry.is_there(at),
            Removal::Retention => self.is_over(&file.entry, at),
        };
        if !is_so {
            return Err(Outcome::Stale);
        }
        self.moved.insert(file.seq);
        match keep_until {
            Some(kept_until) => {
                let removed = RemovedFile {
                    file: file.clone(),
                    why,
                    removed_by: by,
                    removed_at: at,
                    kept_until,
                };
                self.files.set(id, Row::Removed(removed));
            }
            None => self.let_go(&file),
        }
        Ok(Outcome::Removed(file))
    }

    pub(crate) fn restore_file(
        &mut self,
        id: FileId,
        expires_at: &Edit<Option<Timestamp>>,
        at: Timestamp,
    ) -> Made {
        let removed = self.removed_file(id).filter(|removed| removed.is_kept(at));
        let mut file = removed.ok_or(Outcome::Missing)?.file.clone();
        file.entry.expires_at = expires_at.clone().or(file.entry.expires_at);
        file.entry.restored_at = Some(at);
        if !file.entry.is_there(at) {
            return Err(Outcome::Stale);
        }
        self.put_file(file.clone());
        Ok(Outcome::Restored(file))
    }

    pub(crate) fn purge_file(&mut self, id: FileId, purge: Purge, at: Timestamp) -> Made {
        let removed = self.removed_file(id).ok_or(Outcome::Missing)?.clone();
        if purge == Purge::Due && removed.is_kept(at) {
            return Err(Outcome::Stale);
        }
        self.let_go(&removed.file);
        Ok(Outcome::Purged(removed))
    }

    fn removed_file(&self, id: FileId) -> Option<&RemovedFile> {
        match self.files.get(id)? {
            Row::There(_) => None,
            Row::Removed(removed) => Some(removed),
        }
    }

    /// Whether the shortest retention of the file's groups is over.
    fn is_over(&self, entry: &FileEntry, now: Timestamp) -> bool {
        let groups = entry.audience.groups();
        let retentions = groups.filter_map(|id| self.groups.get(id)?.retention);
        entry.is_over(retentions.min(), now)
    }

    /// What a file that is gone for good had to itself is free.
    fn let_go(&mut self, file: &File) {
        let uploader = file.entry.uploaded_by;
        let takes = self.takes(uploader).without(&file.entry);
        self.usage.set(uploader, takes);
        self.files.remove(file.entry.id);
    }
}
