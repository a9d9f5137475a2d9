use std::fmt;

use async_trait::async_trait;

use super::{Page, StoreError};
use crate::{
    event::Event,
    id::UserId,
    user::{Email, User, UserChange, Username},
};

/// Where users are kept.
///
/// Apart from the rest, because an application that embeds Consign may bring its own users. A store
/// that keeps no trail drops the events it is given.
#[async_trait]
pub trait UserStore: fmt::Debug + Send + Sync + 'static {
    /// The user of this id.
    async fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user of this name, upper and lower case told apart.
    async fn by_username(&self, username: &Username) -> Result<Option<User>, StoreError>;

    /// The user whose e-mail address has the same [unique key](crate::user::Email::unique_key).
    async fn by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;

    /// At most `limit` users (at least 1), ordered by username bytewise, after the one named `after`.
    async fn list(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Page<User, Username>, StoreError>;

    /// Whether any user has [`Role::Operations`](crate::user::Role::Operations), enabled or disabled.
    async fn has_operations_user(&self) -> Result<bool, StoreError>;

    /// Adds a user and records `events`, in one transaction that also checks, in this order, the
    /// `guard`, that the username is free and that the e-mail address is free
    /// ([`Email::unique_key`](crate::user::Email::unique_key)). Durable when it returns
    /// [`Insert::Done`]; otherwise nothing was written, unless the error is
    /// [`StoreError::Unavailable`] or [`StoreError::Damaged`].
    ///
    /// # Errors
    /// [`StoreError::Exists`] when a user has the id, which comes before all else.
    async fn insert(
        &self,
        user: User,
        guard: InsertGuard,
        events: Vec<Event>,
    ) -> Result<Insert, StoreError>;

    /// Changes a user by [`User::changed`] and records `events`, in one transaction that also
    /// checks the change's precondition and that at least one user with
    /// [`Role::Operations`](crate::user::Role::Operations) remains where there was one. Durable
    /// when it returns [`Update::Done`]; otherwise nothing was written, unless the error is
    /// [`StoreError::Unavailable`] or [`StoreError::Damaged`].
    async fn update(
        &self,
        id: UserId,
        change: UserChange,
        events: Vec<Event>,
    ) -> Result<Update, StoreError>;

    /// Whether the store answers.
    async fn check(&self) -> Result<(), StoreError>;
}

/// What must hold for a user to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertGuard {
    /// Nothing more.
    None,
    /// No user has [`Role::Operations`](crate::user::Role::Operations), enabled or disabled.
    NoOperationsUser,
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// The user is stored, durably.
    Done,
    /// The guard did not hold.
    GuardFailed,
    /// Another user has the username.
    UsernameTaken,
    /// Another user has the e-mail address.
    EmailTaken,
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The user is changed, durably; this is how they are now.
    Done(User),
    /// There is no such user.
    Missing,
    /// The change's precondition does not hold.
    Stale,
    /// No operations user would remain.
    LastOperationsUser,
}
