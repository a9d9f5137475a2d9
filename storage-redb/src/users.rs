use std::ops::Bound::{Excluded, Unbounded};

use async_trait::async_trait;
use consign_core::{
    event::Event,
    id::UserId,
    store::{Insert, InsertGuard, Page, StoreError, Update, UserStore},
    user::{Email, Role, User, UserChange, Username},
};
use redb::{ReadTransaction, ReadableTable};

use crate::{
    RedbStore,
    fault::Fault,
    record,
    schema::{self, EMAILS, META, OPERATIONS_USERS, Tables, USERNAMES, USERS},
    writer::Verdict,
};

#[async_trait]
impl UserStore for RedbStore {
    async fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.recent().user(id, || {
            self.point(|snapshot| schema::user(&snapshot.open_table(USERS)?, id))
        })
    }

    async fn by_username(&self, username: &Username) -> Result<Option<User>, StoreError> {
        self.point(
            |snapshot| match snapshot.open_table(USERNAMES)?.get(username.as_str())? {
                Some(id) => {
                    let id = UserId::from_bytes(*id.value());
                    schema::indexed_user(&snapshot.open_table(USERS)?, id).map(Some)
                }
                None => Ok(None),
            },
        )
    }

    async fn by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let key = email.unique_key();
        self.point(
            |snapshot| match snapshot.open_table(EMAILS)?.get(key.as_str())? {
                Some(id) => {
                    let id = UserId::from_bytes(*id.value());
                    schema::indexed_user(&snapshot.open_table(USERS)?, id).map(Some)
                }
                None => Ok(None),
            },
        )
    }

    async fn list(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Page<User, Username>, StoreError> {
        let after = after.cloned();
        self.scan(move |snapshot| list(snapshot, after.as_ref(), limit))
            .await
    }

    async fn has_operations_user(&self) -> Result<bool, StoreError> {
        self.point(|snapshot| {
            Ok(schema::number(&snapshot.open_table(META)?, OPERATIONS_USERS)? > 0)
        })
    }

    async fn insert(
        &self,
        user: User,
        guard: InsertGuard,
        events: Vec<Event>,
    ) -> Result<Insert, StoreError> {
        self.write(move |tables| tables.insert_user(&user, guard, &events))
            .await
    }

    async fn update(
        &self,
        id: UserId,
        change: UserChange,
        events: Vec<Event>,
    ) -> Result<Update, StoreError> {
        self.write(move |tables| tables.update_user(id, &change, &events))
            .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.answers()
    }
}

fn list(
    snapshot: &ReadTransaction,
    after: Option<&Username>,
    limit: usize,
) -> Result<Page<User, Username>, Fault> {
    let (usernames, users) = (snapshot.open_table(USERNAMES)?, snapshot.open_table(USERS)?);
    let from = after.map_or(Unbounded, |name| Excluded(name.as_str()));
    let mut items = Vec::new();
    for entry in usernames
        .range::<&str>((from, Unbounded))?
        .take(limit.saturating_add(1))
    {
        let id = UserId::from_bytes(*entry?.1.value());
        items.push(schema::indexed_user(&users, id)?);
    }
    Ok(Page::cut(items, limit, |user: &User| user.username.clone()))
}

impl Tables<'_> {
    fn insert_user(
        &mut self,
        user: &User,
        guard: InsertGuard,
        events: &[Event],
    ) -> Result<Verdict<Insert>, Fault> {
        // An id is random, but to overwrite another user would be beyond repair.
        if self.users.get(user.id.as_bytes())?.is_some() {
            return Err(StoreError::Exists.into());
        }
        let operations_users = schema::number(&self.meta, OPERATIONS_USERS)?;
        if guard == InsertGuard::NoOperationsUser && operations_users > 0 {
            return Ok(Verdict::Unchanged(Insert::GuardFailed));
        }
        let (username, email) = (user.username.as_str(), user.email.unique_key());
        if self.usernames.get(username)?.is_some() {
            return Ok(Verdict::Unchanged(Insert::UsernameTaken));
        }
        if self.emails.get(email.as_str())?.is_some() {
            return Ok(Verdict::Unchanged(Insert::EmailTaken));
        }
        self.users
            .insert(user.id.as_bytes(), record::user(user)?.as_slice())?;
        self.usernames.insert(username, user.id.as_bytes())?;
        self.emails.insert(email.as_str(), user.id.as_bytes())?;
        if user.role == Role::Operations {
            self.meta.insert(OPERATIONS_USERS, operations_users + 1)?;
        }
        self.record(events)?;
        Ok(Verdict::Changed(Insert::Done))
    }

    fn update_user(
        &mut self,
        id: UserId,
        change: &UserChange,
        events: &[Event],
    ) -> Result<Verdict<Update>, Fault> {
        let Some(before) = schema::user(&self.users, id)? else {
            return Ok(Verdict::Unchanged(Update::Missing));
        };
        let Some(after) = before.changed(change) else {
            return Ok(Verdict::Unchanged(Update::Stale));
        };
        let operations_users = schema::number(&self.meta, OPERATIONS_USERS)?;
        match (before.role, after.role) {
            (Role::Operations, Role::Client) if operations_users <= 1 => {
                return Ok(Verdict::Unchanged(Update::LastOperationsUser));
            }
            (Role::Operations, Role::Client) => {
                self.meta.insert(OPERATIONS_USERS, operations_users - 1)?;
            }
            (Role::Client, Role::Operations) => {
                self.meta.insert(OPERATIONS_USERS, operations_users + 1)?;
            }
            (Role::Operations, Role::Operations) | (Role::Client, Role::Client) => {}
        }
        self.touched.users.push(id);
        // No change touches the username or the e-mail address, so the indexes stay as they are.
        self.users
            .insert(id.as_bytes(), record::user(&after)?.as_slice())?;
        self.record(events)?;
        Ok(Verdict::Changed(Update::Done(after)))
    }
}
