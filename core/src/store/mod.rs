//! Where users, the catalogue and bytes live: the traits that a store implements.
//!
//! A new store is checked by the suites of [`testing`](crate::testing), one macro line each.

mod blobs;
mod change;
mod chunks;
mod files;
mod held;
mod leadership;
mod limits;
mod meters;
mod receive;
mod rows;
mod trail;
mod users;

#[cfg(feature = "evidence")]
pub(crate) use self::receive::Hashers;
pub use self::{
    blobs::{BlobInfo, BlobStore, ByteStream, ReadGrant, Stage, StageInfo},
    change::{Change, FORGET_AT_ONCE, Outcome},
    files::{FileStore, MAX_GROUPS},
    held::{Beginning, Held, Hold},
    leadership::{Duty, Lead, Leadership},
    limits::{AttemptEnd, Attempted, KeyedLimits, LimitStore},
    meters::CatalogueMeters,
    receive::{BodyError, Received, Room, StagedContent, Unbounded, body, receive},
    rows::{Row, RowKey, RowKind, RowStore},
    trail::DownloadsOf,
    users::{Insert, InsertGuard, Update, UserStore},
};

/// The cause of an error, kept for the operator.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room left; nothing was written.
    #[error("the store is full")]
    Full(#[source] BoxError),
    /// More work is waiting than the store takes; it can be tried again later.
    #[error("the store is busy")]
    Busy,
    /// The store does not answer as it should; whether a write took effect is not known.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// What the store holds cannot be right.
    #[error("the store holds damaged data: {0}")]
    Damaged(String),
    /// A stage was appended to elsewhere than at its end; nothing was written.
    #[error("the stage goes on at byte {expected}")]
    Offset {
        /// How many bytes the stage holds.
        expected: u64,
    },
    /// The key or the name is taken; nothing was written.
    #[error("it exists already")]
    Exists,
    /// There is no such stage or blob.
    #[error("it does not exist")]
    Missing,
}

impl StoreError {
    /// An input or output error, told apart by what a caller can do about it.
    pub fn from_io(error: std::io::Error) -> Self {
        use std::io::ErrorKind::*;
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full(error.into()),
            NotFound => Self::Missing,
            _ => Self::Unavailable(error.into()),
        }
    }
}

/// Some of a longer list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// What is on this page, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// The page of the first `limit` items of `items`, which has one more when another page follows.
    pub fn cut(mut items: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> C) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}
