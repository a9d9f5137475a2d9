//! Why the database did not do what it was asked.

use std::{io, sync::Arc, time::Duration};

use consign_core::store::StoreError;
use sqlx::postgres::PgDatabaseError;
use tokio::time::timeout;

/// A failure, told apart by what is to be done about it.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection is of no use any more. What was under way was not made, unless it was being committed.
    Connection(Arc<sqlx::Error>),
    /// There is no connection, and none was made.
    Unreachable(Arc<sqlx::Error>),
    /// Others have what is needed, or the database is too slow: nothing was made.
    Busy(Arc<sqlx::Error>),
    /// Once more, on a new connection, it may be made.
    Again(Arc<sqlx::Error>),
    /// What only one can have, two would.
    Exists(Arc<sqlx::Error>),
    /// There is no room.
    Full(Arc<sqlx::Error>),
    /// What the store holds cannot be right.
    Damaged(String),
    /// Nobody who asks now may write, and why.
    Closed(&'static str),
    /// Anything else.
    Other(Arc<sqlx::Error>),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::*;
        let error = Arc::new(error);
        match &*error {
            Io(_) | Tls(_) | Protocol(_) | PoolClosed | WorkerCrashed => Self::Connection(error),
            PoolTimedOut => Self::Busy(error),
            ColumnDecode { .. } | Decode(_) | ColumnNotFound(_) | ColumnIndexOutOfBounds { .. } => {
                Self::Damaged(error.to_string())
            }
            Database(told) => match told.code().as_deref().unwrap_or_default() {
                // Lock not available; statement timed out; too many connections.
                "55P03" | "57014" | "53300" => Self::Busy(error),
                // Serialization, deadlock; a plan made for a table that was another.
                "40001" | "40P01" | "0A000" | "26000" => Self::Again(error),
                "23505" => Self::Exists(error),
                "53100" | "53200" | "53400" => Self::Full(error),
                // Shut down, crashed, starting up, idle for too long; not the primary any more.
                code if code.starts_with("57P") || code.starts_with("08") || code == "25P03" => {
                    Self::Connection(error)
                }
                "25006" => Self::Connection(error),
                code if refuses(code) => Self::Connection(error),
                // A table or a column is not there; an index is corrupt.
                "42P01" | "42703" | "3F000" | "XX001" | "XX002" => Self::Damaged(told_of(&error)),
                _ => Self::Other(error),
            },
            _ => Self::Other(error),
        }
    }
}

impl Fault {
    /// What the caller is told.
    pub(crate) fn error(self) -> StoreError {
        match self {
            Self::Busy(_) => StoreError::Busy,
            Self::Exists(_) => StoreError::Exists,
            Self::Full(error) => StoreError::Full(error.into()),
            Self::Damaged(text) => StoreError::Damaged(text),
            Self::Closed(why) => StoreError::Unavailable(why.into()),
            Self::Connection(error)
            | Self::Unreachable(error)
            | Self::Again(error)
            | Self::Other(error) => StoreError::Unavailable(error.into()),
        }
    }

    /// The connection, or the database, did not answer in time.
    pub(crate) fn silent() -> Self {
        let error = io::Error::new(io::ErrorKind::TimedOut, "the database does not answer");
        Self::Connection(Arc::new(error.into()))
    }

    /// All connections are in use.
    pub(crate) fn busy() -> Self {
        Self::Busy(Arc::new(sqlx::Error::PoolTimedOut))
    }

    /// What no error of the database tells of.
    pub(crate) fn other(text: String) -> Self {
        Self::Other(Arc::new(sqlx::Error::InvalidArgument(text)))
    }

    /// As it was met in making a connection: another would not be made either.
    pub(crate) fn of_connecting(self) -> Self {
        match self {
            Self::Connection(error) => Self::Unreachable(error),
            other => other,
        }
    }

    /// Whether a new connection, or a new transaction, may do it.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Again(_) => true,
            Self::Connection(error) => !is_silence(error),
            _ => false,
        }
    }
}

/// What the database answers in time, or that it does not.
pub(crate) async fn within<T, E: Into<Fault>>(
    most: Duration,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match timeout(most, asking).await {
        Ok(answered) => answered.map_err(Into::into),
        Err(_) => Err(Fault::silent()),
    }
}

fn is_silence(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

/// Whether it is of a login that is refused, or to a database that there is not.
fn refuses(code: &str) -> bool {
    code.starts_with("28") || code == "3D000"
}

/// An error of the database, in its own words: the text of sqlx goes on to say where it comes from.
fn told_of(error: &sqlx::Error) -> String {
    let told = error.as_database_error();
    let told = told.and_then(|told| told.try_downcast_ref::<PgDatabaseError>());
    told.map_or_else(|| error.to_string(), |told| told.message().to_owned())
}
