//! Room for uploads: what quotas and the store still hold, less what running uploads were promised.

use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    error::{Error, ErrorKind},
    id::UserId,
    quota::{Quota, Usage},
    service::Consign,
    store::Room,
};

/// Bytes that are asked for at once: a quota and a store are not asked for each chunk.
const STEP: u64 = 8 << 20;

/// Uploads that one user has at once at most: each keeps a file open and some memory.
const UPLOADS_AT_ONCE: u64 = 64;

/// What the running uploads of this service were promised.
#[derive(Debug, Default)]
pub(super) struct Promises {
    ledger: Mutex<Ledger>,
    /// Held while a quota is asked: what is promised in between would be promised twice.
    asking_quota: tokio::sync::Mutex<()>,
    /// Told whenever an upload has ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Ledger {
    users: HashMap<UserId, Promised>,
    /// Bytes that the store was asked for and does not have yet.
    ahead: u64,
}

/// What the running uploads of one user were promised of their quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Promised {
    usage: Usage,
    /// Uploads that the catalogue may already count as well.
    recording: usize,
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

    fn to_user(&self, user: UserId) -> Promised {
        self.ledger().users.get(&user).copied().unwrap_or_default()
    }
}

/// The room of one upload, given back when dropped.
pub(super) struct UploadRoom {
    consign: Consign,
    user: UserId,
    quota: Quota,
    /// Of the quota.
    promised: Usage,
    /// Bytes that the store was asked for and does not have yet.
    ahead: u64,
    /// Bytes that have come.
    came: u64,
    /// Bytes of them that the store has: what it has free is less by them.
    stored: u64,
    recording: bool,
}

impl UploadRoom {
    /// Room for one file of at least `expected` bytes. They are promised of the quota, which is the
    /// uploader's own; of the store, which is everybody's, only as they come.
    pub(super) async fn reserve(
        consign: &Consign,
        user: UserId,
        quota: Quota,
        expected: u64,
    ) -> Result<Self, Error> {
        let mut room = Self {
            consign: consign.clone(),
            user,
            quota,
            promised: Usage::default(),
            ahead: 0,
            came: 0,
            stored: 0,
            recording: false,
        };
        room.ask_quota(Usage::file(expected)).await?;
        room.ask_store(expected, expected.min(STEP)).await?;
        Ok(room)
    }

    /// Gives back what goes beyond the bytes that came, of which the store has `stored`: there will be
    /// no more.
    pub(super) fn settle(&mut self, stored: u64) {
        let surplus = Usage {
            files: 0,
            bytes: self.promised.bytes - self.came,
        };
        self.give_back(surplus, self.came - stored);
    }

    /// From now on the store has all of it, and the catalogue may count the file, too.
    pub(super) fn is_recorded(&mut self) {
        self.give_back(Usage::default(), 0);
        self.recording = true;
        let mut ledger = self.consign.0.promises.ledger();
        ledger.users.entry(self.user).or_default().recording += 1;
    }

    async fn ask_quota(&mut self, more: Usage) -> Result<(), Error> {
        let consign = self.consign.clone();
        let (quota, promises) = (self.quota, &consign.0.promises);
        if quota == Quota::NONE {
            return self.take(more);
        }
        let _asking = promises.asking_quota.lock().await;
        loop {
            let mut ended = pin!(promises.ended.notified());
            ended.as_mut().enable();
            // In this order: an upload that ends in between is counted twice rather than not at all.
            let promised = promises.to_user(self.user);
            let usage = consign.parts().files.usage(self.user).await?;
            if quota.allows(usage.plus(promised.usage).plus(more)) {
                return self.take(more);
            }
            if promises.to_user(self.user) != promised {
                continue;
            }
            if promised.recording == 0 {
                return Err(ErrorKind::OverQuota.into());
            }
            // One that is counted twice is about to be counted once.
            ended.await;
        }
    }

    /// Sees that the store keeps its reserve when `expected` bytes come beside what is promised, and
    /// has `more` of them promised.
    async fn ask_store(&mut self, expected: u64, more: u64) -> Result<(), Error> {
        let consign = self.consign.clone();
        let (min_free, promises) = (consign.settings().min_free, &consign.0.promises);
        if min_free == 0 {
            return Ok(());
        }
        // Before the question, so that two who ask at once each see the other's.
        let others = {
            let mut ledger = promises.ledger();
            let others = ledger.ahead;
            ledger.ahead += more;
            self.ahead += more;
            others
        };
        let needed = min_free.saturating_add(others).saturating_add(expected);
        let refusal = match consign.parts().blobs.free().await {
            Ok(Some(free)) if free < needed => {
                let text = format!("of the store less than {min_free} bytes would stay free");
                Error::new(ErrorKind::Full, text)
            }
            Ok(_) => return Ok(()),
            Err(error) => error.into(),
        };
        promises.ledger().ahead -= more;
        self.ahead -= more;
        Err(refusal)
    }

    fn take(&mut self, more: Usage) -> Result<(), Error> {
        let mut ledger = self.consign.0.promises.ledger();
        let user = ledger.users.entry(self.user).or_default();
        if more.files > 0 && user.usage.files >= UPLOADS_AT_ONCE {
            return Err(ErrorKind::Busy.into());
        }
        user.usage = user.usage.plus(more);
        self.promised = self.promised.plus(more);
        Ok(())
    }

    /// Gives back some of the quota, and of the store all but `ahead` bytes.
    fn give_back(&mut self, less: Usage, ahead: u64) {
        let mut ledger = self.consign.0.promises.ledger();
        let ahead = self.ahead.min(ahead);
        ledger.ahead -= self.ahead - ahead;
        self.ahead = ahead;
        self.promised = self.promised.minus(less);
        if let Some(user) = ledger.users.get_mut(&self.user) {
            user.usage = user.usage.minus(less);
        }
    }

    fn came(&mut self, total: u64, stored: u64) {
        let more = (stored - self.stored).min(self.ahead);
        self.came = total;
        self.stored = stored;
        self.ahead -= more;
        self.consign.0.promises.ledger().ahead -= more;
    }
}

#[async_trait]
impl Room for UploadRoom {
    async fn make(&mut self, total: u64, stored: u64) -> Result<(), Error> {
        // A whole step may not be to be had, but perhaps what is needed.
        if let Some(more @ 1..) = total.checked_sub(self.promised.bytes) {
            let bytes = |bytes| Usage { files: 0, bytes };
            let step = self.ask_quota(bytes(more.max(STEP))).await;
            if refused(step, more < STEP)? {
                self.ask_quota(bytes(more)).await?;
            }
        }
        if let Some(more @ 1..) = (total - self.stored).checked_sub(self.ahead) {
            let step = more.max(STEP);
            if refused(self.ask_store(step, step).await, more < STEP)? {
                self.ask_store(more, more).await?;
            }
        }
        self.came(total, stored);
        Ok(())
    }
}

/// Whether there was no room, where less will do as well.
fn refused(asked: Result<(), Error>, less_will_do: bool) -> Result<bool, Error> {
    match asked {
        Ok(()) => Ok(false),
        Err(error) if less_will_do => match error.kind() {
            ErrorKind::OverQuota | ErrorKind::Full => Ok(true),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

impl Drop for UploadRoom {
    fn drop(&mut self) {
        self.give_back(self.promised, 0);
        let promises = &self.consign.0.promises;
        let mut ledger = promises.ledger();
        if let Some(user) = ledger.users.get_mut(&self.user) {
            user.recording -= usize::from(self.recording);
            if *user == Promised::default() {
                ledger.users.remove(&self.user);
            }
        }
        drop(ledger);
        promises.ended.notify_waiters();
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
