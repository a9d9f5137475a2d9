use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

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

    /// Gives back one of `key` that was taken by this rate and not made use of, by [`Rate::give_back`].
    async fn give_back(&self, key: LimitKey, rate: Rate) -> Result<(), StoreError>;

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

/// A store of limits that sees of each key what a secret makes of it. A name that was typed, which may be a password, can
/// be guessed from its digest; from these by nobody who has the store and not the secret.
#[derive(Clone)]
pub struct KeyedLimits {
    store: Arc<dyn LimitStore>,
    secret: Zeroizing<[u8; 32]>,
}

impl KeyedLimits {
    /// Over `store`. The nodes that count together have one secret.
    pub fn new(store: Arc<dyn LimitStore>, secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        Self { store, secret }
    }

    fn keyed(&self, key: LimitKey) -> LimitKey {
        let hasher = Sha256::new_with_prefix(b"consign keyed limit 1");
        let hasher = hasher.chain_update(self.secret.as_slice());
        let digest: [u8; 32] = hasher.chain_update(key.0).finalize().into();
        let mut keyed = [0; 16];
        keyed.copy_from_slice(&digest[..16]);
        LimitKey(keyed)
    }
}

impl fmt::Debug for KeyedLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLimits")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl LimitStore for KeyedLimits {
    async fn take(
        &self,
        key: LimitKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        self.store.take(self.keyed(key), rate, now).await
    }

    async fn give_back(&self, key: LimitKey, rate: Rate) -> Result<(), StoreError> {
        self.store.give_back(self.keyed(key), rate).await
    }

    async fn begin_attempt(&self, key: LimitKey, now: Timestamp) -> Result<Attempted, StoreError> {
        self.store.begin_attempt(self.keyed(key), now).await
    }

    async fn end_attempt(&self, key: LimitKey, end: AttemptEnd) -> Result<(), StoreError> {
        self.store.end_attempt(self.keyed(key), end).await
    }

    async fn forget(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.store.forget(now).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryLimits;

    #[test]
    fn a_key_is_another_to_each_secret() {
        let keyed = |secret: u8, name: &[u8]| {
            let limits = KeyedLimits::new(Arc::new(MemoryLimits::new()), [secret; 32]);
            assert!(!format!("{limits:?}").contains("secret"));
            limits.keyed(LimitKey::of(&[name]))
        };
        assert_eq!(keyed(1, b"ann"), keyed(1, b"ann"));
        for other in [keyed(2, b"ann"), keyed(1, b"bob"), LimitKey::of(&[b"ann"])] {
            assert_ne!(keyed(1, b"ann"), other);
        }
    }
}
