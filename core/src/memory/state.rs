//! What the stores' contracts mean, as plain functions over plain collections.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use crate::{
    event::{Event, Recorded},
    file::{File, FileName, Seq},
    id::{BlobKey, FileId, UserId},
    quota::Usage,
    store::{Change, Insert, InsertGuard, Outcome, Page, StoreError, Update},
    user::{Role, User, UserChange, Username},
};

#[derive(Debug, Default)]
pub(super) struct State {
    users: BTreeMap<Username, User>,
    files: BTreeMap<Seq, File>,
    last_file: Seq,
    events: Vec<Event>,
}

impl State {
    pub(super) fn user(&self, id: UserId) -> Option<&User> {
        self.users.values().find(|user| user.id == id)
    }

    pub(super) fn user_named(&self, username: &Username) -> Option<&User> {
        self.users.get(username)
    }

    pub(super) fn users_after(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Page<User, Username> {
        let from = after.map_or(Unbounded, Excluded);
        let users = self
            .users
            .range((from, Unbounded))
            .take(limit.saturating_add(1));
        let items = users.map(|(_, user)| user.clone()).collect();
        Page::cut(items, limit, |user: &User| user.username.clone())
    }

    pub(super) fn insert_user(
        &mut self,
        user: User,
        guard: InsertGuard,
        events: Vec<Event>,
    ) -> Result<Insert, StoreError> {
        if self.user(user.id).is_some() {
            return Err(StoreError::Exists);
        }
        if guard == InsertGuard::NoOperationsUser && self.operations_users() > 0 {
            return Ok(Insert::GuardFailed);
        }
        if self.users.contains_key(&user.username) {
            return Ok(Insert::UsernameTaken);
        }
        let email = user.email.unique_key();
        if self
            .users
            .values()
            .any(|other| other.email.unique_key() == email)
        {
            return Ok(Insert::EmailTaken);
        }
        self.users.insert(user.username.clone(), user);
        self.events.extend(events);
        Ok(Insert::Done)
    }

    pub(super) fn update_user(
        &mut self,
        id: UserId,
        change: &UserChange,
        events: Vec<Event>,
    ) -> Update {
        let Some(before) = self.user(id) else {
            return Update::Missing;
        };
        let Some(after) = before.changed(change) else {
            return Update::Stale;
        };
        let leaves = before.role == Role::Operations && after.role != Role::Operations;
        if leaves && self.operations_users() == 1 {
            return Update::LastOperationsUser;
        }
        self.users.insert(after.username.clone(), after.clone());
        self.events.extend(events);
        Update::Done(after)
    }

    pub(super) fn file(&self, id: FileId) -> Option<&File> {
        self.files.values().find(|file| file.entry.id == id)
    }

    pub(super) fn newest(&self, name: &FileName) -> Option<&File> {
        self.files
            .values()
            .rev()
            .find(|file| file.entry.name == *name)
    }

    pub(super) fn files_before(&self, before: Option<Seq>, limit: usize) -> Page<File, Seq> {
        let to = before.map_or(Unbounded, Excluded);
        let files = self
            .files
            .range((Unbounded, to))
            .rev()
            .take(limit.saturating_add(1));
        let items = files.map(|(_, file)| file.clone()).collect();
        Page::cut(items, limit, |file: &File| file.seq)
    }

    pub(super) fn references(&self, key: BlobKey) -> bool {
        self.files.values().any(|file| file.entry.blob == key)
    }

    pub(super) fn usage(&self, user: UserId) -> Usage {
        let files = self.files.values().map(|file| &file.entry);
        let own = files.filter(|entry| entry.uploaded_by == user);
        own.fold(Usage::default(), |sum, entry| {
            sum.plus(Usage::file(entry.size))
        })
    }

    pub(super) fn events_after(&self, after: Option<Seq>, limit: usize) -> Page<Recorded, Seq> {
        let recorded = self.events.iter().zip(1..).map(|(event, seq)| Recorded {
            seq,
            event: event.clone(),
        });
        let items = recorded
            .filter(|recorded| after.is_none_or(|after| recorded.seq > after))
            .take(limit.saturating_add(1))
            .collect();
        Page::cut(items, limit, |recorded: &Recorded| recorded.seq)
    }

    pub(super) fn apply(&mut self, change: Change) -> Outcome {
        let event = change.event();
        let outcome = match change {
            Change::AddFile { entry, quota } => {
                if self.file(entry.id).is_some() || self.references(entry.blob) {
                    return Outcome::Exists;
                }
                let usage = self.usage(entry.uploaded_by);
                if !quota.allows(usage.plus(Usage::file(entry.size))) {
                    return Outcome::OverQuota;
                }
                self.last_file += 1;
                let seq = self.last_file;
                let file = File { seq, entry };
                self.files.insert(seq, file.clone());
                Outcome::Added(file)
            }
            Change::RemoveFile { id, .. } => {
                let Some(seq) = self.file(id).map(|file| file.seq) else {
                    return Outcome::Missing;
                };
                match self.files.remove(&seq) {
                    Some(file) => Outcome::Removed(file),
                    None => return Outcome::Missing,
                }
            }
        };
        self.events.push(event);
        outcome
    }

    pub(super) fn operations_users(&self) -> usize {
        let users = self.users.values();
        users.filter(|user| user.role == Role::Operations).count()
    }
}
