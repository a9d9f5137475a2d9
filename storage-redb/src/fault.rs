use std::{io, sync::Arc};

use consign_core::store::StoreError;

use crate::open::OpenError;

/// Why work on the database was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The work itself cannot be done; other work can.
    Work(StoreError),
    /// The database failed, for this work and all that shares its transaction.
    Database(redb::Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Work(error)
    }
}

macro_rules! database_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}
database_errors!(
    redb::CommitError,
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Work(error) => error,
            Fault::Database(error) => Setback::Database(Arc::new(error)).error(),
        }
    }
}

/// Why nothing of a transaction was kept; each of its callers is told.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Setback {
    /// The database failed.
    #[error(transparent)]
    Database(Arc<redb::Error>),
    /// The database failed in the midst of a commit, and could not be opened again since: perhaps
    /// the changes were made.
    #[error("it is not known whether the changes were made")]
    Commit(#[source] Arc<redb::Error>),
    /// It had failed before, and could not be opened again.
    #[error("the database cannot be opened again")]
    Reopen(#[source] Arc<OpenError>),
    /// It failed in a way that redb has no word for.
    #[error(transparent)]
    Trouble(Trouble),
}

#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("the database is closed after a failure, and about to be opened again")]
    Closed,
    #[error("a failed sync may have lost data: check the disk, then restart")]
    SyncFailed,
    #[error("a panic while the database was in use: {0}")]
    Panic(String),
    #[error("the database's writer has stopped")]
    Stopped,
}

impl Setback {
    pub(crate) fn error(&self) -> StoreError {
        match self {
            Self::Database(error) => match &**error {
                redb::Error::Io(io) if is_full(io) => StoreError::Full(Arc::clone(error).into()),
                redb::Error::Corrupted(_) => StoreError::Damaged(error.to_string()),
                _ => StoreError::Unavailable(Arc::clone(error).into()),
            },
            // Not as a full disk, for that would say that nothing was written.
            Self::Commit(_) => StoreError::Unavailable(self.clone().into()),
            Self::Reopen(error) => match &**error {
                OpenError::Io(io) if is_full(io) => StoreError::Full(Arc::clone(error).into()),
                _ => StoreError::Unavailable(self.clone().into()),
            },
            Self::Trouble(trouble) => StoreError::Unavailable(trouble.clone().into()),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
