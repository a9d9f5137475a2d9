use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    limit::{Failures, LimitKey, Rate},
    store::{AttemptEnd, Attempted, LimitStore, StoreError},
    time::Timestamp,
};

/// Keys that are told apart at most, of what is taken and of failures each.
const MAX_KEYS: usize = 1 << 16;

/// How often what is quiet is forgotten at most to make room.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// Failures that came so long ago are quiet.
const QUIET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Counts in memory, of one process. Clones share them; a restart forgets.
///
/// Its room is bounded. Keys that come when no more can be told apart are one to the rates, until others are quiet;
/// of failures the shortest rows are forgotten, so that to make a long one forgotten takes as long a row for each of
/// half the keys that are remembered.
#[derive(Clone, Debug, Default)]
pub struct MemoryLimits(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When all is there again.
    taken: HashMap<LimitKey, Timestamp>,
    /// The same for all who come when no more can be told apart.
    crowds: HashMap<Rate, Timestamp>,
    failures: HashMap<LimitKey, Failures>,
    pruned: Option<Timestamp>,
}

impl MemoryLimits {
    /// Without any counts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state is whole between any two calls, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LimitStore for MemoryLimits {
    async fn take(
        &self,
        key: LimitKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        Ok(self.state().take(key, rate, now).err())
    }

    async fn give_back(&self, key: LimitKey, rate: Rate) -> Result<(), StoreError> {
        self.state().give_back(key, rate);
        Ok(())
    }

    async fn begin_attempt(&self, key: LimitKey, now: Timestamp) -> Result<Attempted, StoreError> {
        Ok(self.state().begin_attempt(key, now))
    }

    async fn end_attempt(&self, key: LimitKey, end: AttemptEnd) -> Result<(), StoreError> {
        self.state().end_attempt(key, end);
        Ok(())
    }

    async fn forget(&self, now: Timestamp) -> Result<usize, StoreError> {
        Ok(self.state().forget(now))
    }
}

impl State {
    fn take(&mut self, key: LimitKey, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        if !self.has_room_for(key) {
            self.prune(now);
        }
        if self.has_room_for(key) {
            let next = rate.take(self.taken.get(&key).copied(), now)?;
            self.taken.insert(key, next);
        } else {
            let next = rate.take(self.crowds.get(&rate).copied(), now)?;
            self.crowds.insert(rate, next);
        }
        Ok(())
    }

    /// What was taken of a crowd is the crowd's.
    fn give_back(&mut self, key: LimitKey, rate: Rate) {
        let full_at = match self.taken.get_mut(&key) {
            Some(full_at) => Some(full_at),
            None => self.crowds.get_mut(&rate),
        };
        if let Some(full_at) = full_at {
            *full_at = rate.give_back(*full_at);
        }
    }

    fn has_room_for(&self, key: LimitKey) -> bool {
        self.taken.len() < MAX_KEYS || self.taken.contains_key(&key)
    }

    fn prune(&mut self, now: Timestamp) {
        let is_due =
            |pruned: Timestamp| now < pruned || now.saturating_since(pruned) >= PRUNE_EVERY;
        if self.pruned.is_none_or(is_due) {
            self.pruned = Some(now);
            self.forget_full(now);
        }
    }

    fn forget_full(&mut self, now: Timestamp) {
        self.taken.retain(|_, full_at| *full_at > now);
        self.crowds.retain(|_, full_at| *full_at > now);
    }

    fn begin_attempt(&mut self, key: LimitKey, now: Timestamp) -> Attempted {
        if self.failures.len() >= MAX_KEYS && !self.failures.contains_key(&key) {
            forget_the_fewest(&mut self.failures);
        }
        let before = self.failures.get(&key).map(|before| before.as_of(now));
        let (row, attempted) = match Failures::one_more(before, now) {
            Ok(begun) => (Some(begun), Attempted::Begun { before }),
            Err(wait) => (before, Attempted::Wait(wait)),
        };
        if let Some(row) = row {
            self.failures.insert(key, row);
        }
        attempted
    }

    fn end_attempt(&mut self, key: LimitKey, end: AttemptEnd) {
        let Some(row) = self.failures.get(&key) else {
            return;
        };
        let left = match end {
            AttemptEnd::Succeeded => None,
            AttemptEnd::Undone { before } => row.one_less(before),
        };
        match left {
            Some(left) => self.failures.insert(key, left),
            None => self.failures.remove(&key),
        };
    }

    fn forget(&mut self, now: Timestamp) -> usize {
        let keys = |state: &Self| state.taken.len() + state.failures.len();
        let before = keys(self);
        self.forget_full(now);
        self.failures
            .retain(|_, row| now.saturating_since(row.at) < QUIET_AFTER);
        before - keys(self)
    }
}

fn forget_the_fewest(failures: &mut HashMap<LimitKey, Failures>) {
    let mut rows: Vec<u32> = failures.values().map(|row| row.count).collect();
    rows.sort_unstable();
    let median = rows[rows.len() / 2];
    failures.retain(|_, row| row.count > median);
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn key(n: usize) -> LimitKey {
        LimitKey(u128::to_be_bytes(n as u128))
    }

    fn fail(state: &mut State, key: LimitKey, times: u32) {
        for time in 0..times {
            let begun = state.begin_attempt(key, NOW);
            assert!(matches!(begun, Attempted::Begun { .. }), "attempt {time}");
        }
    }

    #[test]
    fn the_memory_is_bounded_and_long_rows_are_kept() {
        let mut state = State::default();
        let ann = key(usize::MAX);
        fail(&mut state, ann, 100);
        for n in 0..MAX_KEYS + 10 {
            fail(&mut state, key(n), 1);
            assert!(state.failures.len() <= MAX_KEYS);
        }
        let attempted = state.begin_attempt(ann, NOW);
        assert_eq!(attempted, Attempted::Wait(Failures::FIRST_DELAY));
    }

    #[test]
    fn what_a_crowd_gives_back_is_the_crowds() {
        let mut state = State::default();
        let rate = Rate::new(NonZeroU32::new(2).unwrap(), Duration::from_secs(60));
        for n in 0..MAX_KEYS {
            state.take(key(n), rate, NOW).unwrap();
        }
        let [one, other] = [MAX_KEYS, MAX_KEYS + 1].map(key);
        for key in [one, other] {
            state.take(key, rate, NOW).unwrap();
        }
        state.take(one, rate, NOW).unwrap_err();
        state.give_back(one, rate);
        state.take(other, rate, NOW).unwrap();
        state.take(one, rate, NOW).unwrap_err();
    }

    #[test]
    fn an_attempt_of_which_nothing_is_left_leaves_nothing() {
        let mut state = State::default();
        fail(&mut state, key(1), 1);
        state.end_attempt(key(1), AttemptEnd::Undone { before: None });
        assert!(state.failures.is_empty());
    }

    #[test]
    fn the_keys_are_bounded_and_forgotten_once_they_are_quiet() {
        let mut state = State::default();
        let rate = Rate::new(NonZeroU32::new(2).unwrap(), Duration::from_secs(1));
        for n in 0..MAX_KEYS {
            assert!(state.take(key(n), rate, NOW).is_ok());
        }
        assert_eq!(state.taken.len(), MAX_KEYS);
        // Those who come now share one count; those who were there have theirs.
        let taken = (0..10).filter(|n| state.take(key(MAX_KEYS + n), rate, NOW).is_ok());
        assert_eq!(taken.count(), 2);
        assert!(state.take(key(0), rate, NOW).is_ok());
        assert!(state.take(key(0), rate, NOW).is_err());
        let later = NOW + Duration::from_secs(5);
        assert!(state.take(key(MAX_KEYS), rate, later).is_ok());
        assert_eq!(state.taken.len(), 1);
        assert!(state.crowds.is_empty());
    }
}
