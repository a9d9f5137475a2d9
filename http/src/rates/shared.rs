//! What all nodes count together.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use consign_core::{
    Consign,
    limit::{LimitKey, Rate},
};

use super::{MAX_KEYS, PRUNE_EVERY, Ticks, too_many};
use crate::problem::Failure;

/// One thing that all nodes count together. Who was refused is refused here, without asking again, until there is
/// one: so a flood from one address does not take the store from all others.
#[derive(Debug)]
pub(super) struct Shared {
    consign: Consign,
    thing: &'static str,
    refused: Mutex<Refused>,
    ticks: Ticks,
}

impl Shared {
    pub(super) fn new(consign: Consign, thing: &'static str, ticks: &Ticks) -> Self {
        Self {
            consign,
            thing,
            refused: Mutex::default(),
            ticks: ticks.clone(),
        }
    }

    pub(super) async fn count(&self, kind: &str, value: &[u8], rate: Rate) -> Result<(), Failure> {
        let key = LimitKey::of(&[self.thing.as_bytes(), kind.as_bytes(), value]);
        let waits = self.refused().wait(&key, (self.ticks.0)());
        if let Some(wait) = waits {
            return Err(too_many(wait));
        }
        // Before it is asked: its answer may be long in coming, and nobody is to wait for that twice.
        let asked = (self.ticks.0)();
        match self.consign.take(key, rate).await? {
            Some(wait) => {
                self.refused().add(key, asked, wait);
                Err(too_many(wait))
            }
            None => Ok(()),
        }
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when each key is refused. Those for which there is no room are asked for each time.
#[derive(Default)]
pub(super) struct Refused {
    until: HashMap<LimitKey, Duration>,
    pruned: Option<Duration>,
}

impl Refused {
    pub(super) fn wait(&mut self, key: &LimitKey, now: Duration) -> Option<Duration> {
        let until = *self.until.get(key)?;
        if until <= now {
            self.until.remove(key);
            return None;
        }
        Some(until - now)
    }

    pub(super) fn add(&mut self, key: LimitKey, now: Duration, wait: Duration) {
        let is_due = |pruned: Duration| now >= pruned + PRUNE_EVERY;
        if self.until.len() >= MAX_KEYS && self.pruned.is_none_or(is_due) {
            self.pruned = Some(now);
            self.until.retain(|_, until| *until > now);
        }
        if self.until.len() < MAX_KEYS || self.until.contains_key(&key) {
            self.until.insert(key, now.saturating_add(wait));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.until.len()
    }
}

/// Shows no key.
impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("keys", &self.until.len())
            .finish_non_exhaustive()
    }
}
