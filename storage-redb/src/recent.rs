//! Users and files that were read of late.
//!
//! Each request for a file's bytes asks for the one and the other by id. From the database that is a
//! walk through two trees and the decoding of a record each; from here it is one look.

use std::sync::{PoisonError, RwLock};

use consign_core::{
    file::{File, Seq},
    id::{FileId, UserId},
    store::StoreError,
    user::User,
};
use quick_cache::sync::Cache;

/// Records of each kind that are kept at most.
const KEPT: usize = 4096;

/// What the database holds, as far as it was read of late. Nothing else is ever in it: a record
/// that a transaction changes is taken out before that is committed, and while it is, and for whoever
/// began to read before its end, nothing is put in.
#[derive(Debug)]
pub(crate) struct Recent {
    users: Cache<UserId, User>,
    files: Cache<FileId, File>,
    /// Files by position.
    records: Cache<Seq, File>,
    /// How often it was begun and ended to change what is there: odd while that lasts.
    turns: RwLock<u64>,
}

/// The records that a transaction changes or removes.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) users: Vec<UserId>,
    pub(crate) files: Vec<(FileId, Seq)>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self {
            users: Cache::new(KEPT),
            files: Cache::new(KEPT),
            records: Cache::new(KEPT),
            turns: RwLock::new(0),
        }
    }

    /// The user of this id, by `read` from the database if they are not here.
    pub(crate) fn user(
        &self,
        id: UserId,
        read: impl FnOnce() -> Result<Option<User>, StoreError>,
    ) -> Result<Option<User>, StoreError> {
        match self.users.get(&id) {
            Some(user) => Ok(Some(user)),
            None => self.keep(read, |user| self.users.insert(id, user.clone())),
        }
    }

    /// The file of this id, by `read` from the database if it is not here.
    pub(crate) fn file(
        &self,
        id: FileId,
        read: impl FnOnce() -> Result<Option<File>, StoreError>,
    ) -> Result<Option<File>, StoreError> {
        match self.files.get(&id) {
            Some(file) => Ok(Some(file)),
            None => self.keep(read, |file| self.files.insert(id, file.clone())),
        }
    }

    /// A reader of many files, for a snapshot that is taken afterwards.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader {
            recent: self,
            turns: *self.turns.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn keep<T>(
        &self,
        read: impl FnOnce() -> Result<Option<T>, StoreError>,
        put: impl FnOnce(&T),
    ) -> Result<Option<T>, StoreError> {
        // Before the read: it may see what was there when it began.
        let before = *self.turns.read().unwrap_or_else(PoisonError::into_inner);
        let found = read()?;
        if let Some(found) = &found {
            let turns = self.turns.read().unwrap_or_else(PoisonError::into_inner);
            if *turns == before && before.is_multiple_of(2) {
                put(found);
            }
        }
        Ok(found)
    }

    /// A transaction that touches these is about to be committed; until the value is dropped nothing
    /// is put in.
    pub(crate) fn changing(&self, touched: &Touched) -> Option<Changing<'_>> {
        let Touched { users, files } = touched;
        if users.is_empty() && files.is_empty() {
            return None;
        }
        Some(self.change(|| {
            users.iter().for_each(|id| drop(self.users.remove(id)));
            for (id, seq) in files {
                self.files.remove(id);
                self.records.remove(seq);
            }
        }))
    }

    /// Nobody knows what of it is still so.
    pub(crate) fn forget(&self) {
        let _changing = self.change(|| {
            self.users.clear();
            self.files.clear();
            self.records.clear();
        });
    }

    fn change(&self, take_out: impl FnOnce()) -> Changing<'_> {
        *self.turns.write().unwrap_or_else(PoisonError::into_inner) += 1;
        let changing = Changing(self);
        take_out();
        changing
    }
}

/// Reads files by their positions, as a snapshot of the database has them.
pub(crate) struct Reader<'r> {
    recent: &'r Recent,
    turns: u64,
}

impl Reader<'_> {
    /// The file at a position of the snapshot, by `read` from there if it is not here.
    pub(crate) fn file<E>(
        &self,
        seq: Seq,
        read: impl FnOnce() -> Result<File, E>,
    ) -> Result<File, E> {
        let Recent { records, turns, .. } = self.recent;
        if let Some(file) = records.get(&seq) {
            return Ok(file);
        }
        let file = read()?;
        let now = turns.read().unwrap_or_else(PoisonError::into_inner);
        if *now == self.turns && now.is_multiple_of(2) {
            records.insert(seq, file.clone());
        }
        Ok(file)
    }
}

/// While it lives, what is in the database is about to change.
pub(crate) struct Changing<'r>(&'r Recent);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        *self.0.turns.write().unwrap_or_else(PoisonError::into_inner) += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use consign_core::{testing::sample_user, user::Role};

    use super::*;

    fn user(n: u32) -> User {
        sample_user(n, Role::Client)
    }

    fn touched(n: u32) -> Touched {
        Touched {
            users: vec![user(n).id],
            ..Touched::default()
        }
    }

    /// Looks for user `n`, and says whether the database was asked.
    fn asked(recent: &Recent, n: u32, meanwhile: impl FnOnce()) -> bool {
        let asked = Cell::new(false);
        let found = recent.user(user(n).id, || {
            asked.set(true);
            meanwhile();
            Ok(Some(user(n)))
        });
        assert_eq!(found.unwrap(), Some(user(n)));
        asked.get()
    }

    #[test]
    fn what_was_read_is_not_read_again_until_it_is_touched() {
        let recent = Recent::new();
        assert!(asked(&recent, 1, || {}));
        assert!(!asked(&recent, 1, || {}));
        assert!(asked(&recent, 2, || {}));
        drop(recent.changing(&touched(1)));
        assert!(asked(&recent, 1, || {}));
        assert!(!asked(&recent, 2, || {}), "another is not touched");
        recent.forget();
        assert!(asked(&recent, 2, || {}));
        assert!(recent.changing(&Touched::default()).is_none());
    }

    #[test]
    fn what_is_read_beside_a_change_is_not_kept() {
        let recent = Recent::new();
        let changing = recent.changing(&touched(1));
        assert!(asked(&recent, 1, || {}));
        assert!(asked(&recent, 1, || {}), "read while it lasted");
        assert!(asked(&recent, 1, || drop(changing)), "begun before its end");
        assert!(asked(&recent, 1, || drop(recent.changing(&touched(1)))));
        assert!(asked(&recent, 1, || {}), "it began and ended meanwhile");
        assert!(!asked(&recent, 1, || {}));
    }

    #[test]
    fn nothing_is_kept_of_what_is_not_there_or_cannot_be_read() {
        let recent = Recent::new();
        assert_eq!(recent.user(user(1).id, || Ok(None)).unwrap(), None);
        assert!(recent.user(user(1).id, || Err(StoreError::Busy)).is_err());
        assert!(asked(&recent, 1, || {}));
    }
}
