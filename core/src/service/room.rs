//! Room for uploads: what quotas and the store still hold, less what running uploads were promised.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    error::{Error, ErrorKind},
    id::UserId,
    quota::{Quota, Usage},
    service::Consign,
    store::Room,
};

/// Bytes that are asked for at once: a quota and a store are not asked for each chunk.
const STEP: u64 = 8 << 20;

/// What the running uploads of this service were promised.
#[derive(Debug, Default)]
pub(super) struct Promises {
    ledger: Mutex<Ledger>,
    /// Held while a quota is asked: what is promised in between would be promised twice.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Ledger {
    users: HashMap<UserId, Usage>,
    /// Bytes that were promised and have not come yet.
    ahead: u64,
}

impl Promises {
    /// The ledger is whole between any two calls, so a panic elsewhere does not spoil it.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is promised any more.
    #[cfg(test)]
    pub(super) fn are_kept(&self) -> bool {
        let ledger = self.ledger();
        ledger.users.is_empty() && ledger.ahead == 0
    }

    fn to_user(&self, user: UserId) -> Usage {
        self.ledger().users.get(&user).copied().unwrap_or_default()
    }
}

/// The room of one upload, given back when dropped: after the file is in the catalogue, where it
/// is counted from then on, or once nothing of it is left.
pub(super) struct UploadRoom {
    consign: Consign,
    user: UserId,
    promised: Usage,
    /// Bytes that have come.
    came: u64,
}

impl UploadRoom {
    /// Room for one file of at least `expected` bytes.
    pub(super) async fn reserve(
        consign: &Consign,
        user: UserId,
        expected: u64,
    ) -> Result<Self, Error> {
        let mut room = Self {
            consign: consign.clone(),
            user,
            promised: Usage::default(),
            came: 0,
        };
        room.grow(Usage::file(expected)).await?;
        Ok(room)
    }

    /// Gives back what goes beyond the bytes that came: there will be no more.
    pub(super) fn settle(&mut self) {
        let surplus = self.promised.bytes - self.came;
        let bytes = Usage {
            files: 0,
            bytes: surplus,
        };
        self.give_back(bytes, surplus);
    }

    async fn grow(&mut self, more: Usage) -> Result<(), Error> {
        self.ask_quota(more).await?;
        if let Err(error) = self.ask_store().await {
            self.give_back(more, more.bytes);
            return Err(error);
        }
        Ok(())
    }

    async fn ask_quota(&mut self, more: Usage) -> Result<(), Error> {
        let consign = self.consign.clone();
        let (quota, promises) = (consign.settings().quota, &consign.0.promises);
        if quota == Quota::NONE {
            self.take(more);
            return Ok(());
        }
        let _asking = promises.asking.lock().await;
        loop {
            // In this order: an upload that ends in between is counted twice rather than not at all.
            let promised = promises.to_user(self.user);
            let usage = consign.parts().files.usage(self.user).await?;
            if quota.allows(usage.plus(promised).plus(more)) {
                self.take(more);
                return Ok(());
            }
            if promises.to_user(self.user) == promised {
                return Err(ErrorKind::OverQuota.into());
            }
        }
    }

    /// Whether the store keeps its reserve when all that is promised comes.
    async fn ask_store(&self) -> Result<(), Error> {
        let min_free = self.consign.settings().min_free;
        if min_free == 0 {
            return Ok(());
        }
        let ahead = self.consign.0.promises.ledger().ahead;
        let free = self.consign.parts().blobs.free().await?;
        if free.is_some_and(|free| free < min_free.saturating_add(ahead)) {
            let text = format!("of the store less than {min_free} bytes would stay free");
            return Err(Error::new(ErrorKind::Full, text));
        }
        Ok(())
    }

    fn take(&mut self, more: Usage) {
        let mut ledger = self.consign.0.promises.ledger();
        let user = ledger.users.entry(self.user).or_default();
        *user = user.plus(more);
        ledger.ahead = ledger.ahead.saturating_add(more.bytes);
        self.promised = self.promised.plus(more);
    }

    /// Gives back a part, of which `unused` bytes have not come.
    fn give_back(&mut self, less: Usage, unused: u64) {
        let mut ledger = self.consign.0.promises.ledger();
        if let Some(user) = ledger.users.get_mut(&self.user) {
            *user = user.minus(less);
            if *user == Usage::default() {
                ledger.users.remove(&self.user);
            }
        }
        ledger.ahead = ledger.ahead.saturating_sub(unused);
        self.promised = self.promised.minus(less);
    }

    fn came(&mut self, total: u64) {
        let more = total - self.came;
        self.came = total;
        let mut ledger = self.consign.0.promises.ledger();
        ledger.ahead = ledger.ahead.saturating_sub(more);
    }
}

#[async_trait]
impl Room for UploadRoom {
    async fn make(&mut self, total: u64) -> Result<(), Error> {
        let bytes = |bytes| Usage { files: 0, bytes };
        if let Some(more @ 1..) = total.checked_sub(self.promised.bytes) {
            let grown = self.grow(bytes(more.max(STEP))).await;
            match grown.map_err(|error| (error.kind(), error)) {
                // A whole step is not to be had, but perhaps what is needed.
                Err((ErrorKind::OverQuota | ErrorKind::Full, _)) if more < STEP => {
                    self.grow(bytes(more)).await?;
                }
                grown => grown.map_err(|(_, error)| error)?,
            }
        }
        self.came(total);
        Ok(())
    }
}

impl Drop for UploadRoom {
    fn drop(&mut self) {
        self.give_back(self.promised, self.promised.bytes - self.came);
    }
}

impl fmt::Debug for UploadRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadRoom")
            .field("promised", &self.promised)
            .field("came", &self.came)
            .finish_non_exhaustive()
    }
}
