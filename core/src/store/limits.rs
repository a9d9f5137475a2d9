use std::{fmt, time::Duration};

use async_trait::async_trait;

use super::StoreError;
use crate::{
    limit::{Failures, LimitKey, Rate},
    time::Timestamp,
};

/// Keeps count of what may not be asked for too often, for all nodes of an installation together.
///
/// It need not survive a crash, nor remember what is [quiet](LimitStore::forget); what it has forgotten counts from
/// the beginning.
#[async_trait]
pub trait LimitStore: fmt::Debug + Send + Sync + 'static {
    /// Takes one of `key` by [`Rate::take`]: `None`, or how long to wait until there is one, and then nothing is
    /// taken. Of those that are taken at the same time no more are had than there are.
    async fn take(
        &self,
        key: LimitKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError>;

    /// Begins an attempt by [`Failures::one_more`]; one that has to wait leaves the failures [as of](Failures::as_of)
    /// `now`.
    async fn begin_attempt(&self, key: LimitKey, now: Timestamp) -> Result<Attempted, StoreError>;

    /// Tells what became of an attempt that was begun, and has not failed.
    async fn end_attempt(&self, key: LimitKey, end: AttemptEnd) -> Result<(), StoreError>;

    /// Forgets what is quiet at `now`, all of it or some thousand: keys of which all is there to be taken again, and
    /// failures since the last of which a day has passed. How many; 0 when there is nothing quiet.
    async fn forget(&self, now: Timestamp) -> Result<usize, StoreError>;
}

/// Whether an attempt was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// It was, and counts as failed until [`LimitStore::end_attempt`].
    Begun {
        /// The failures before it, [as of](Failures::as_of) then.
        before: Option<Failures>,
    },
    /// It was not: it has to wait so long.
    Wait(Duration),
}

/// How an attempt ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It was right: the row of failures has ended.
    Succeeded,
    /// Nothing was looked at, so nothing has failed: one failure less, by [`Failures::one_less`].
    Undone {
        /// The failures before it.
        before: Option<Failures>,
    },
}
