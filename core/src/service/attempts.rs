//! Failed logins in a row, by account.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    error::{Error, ErrorKind},
    time::Timestamp,
};

/// Failures in a row that cost nothing but themselves (NIST SP 800-63B-4, section 3.2.2).
const FREE: u32 = 100;

/// How long the first attempt beyond them has to wait; each further one twice as long, to the most.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(15 * 60);

/// Accounts that are remembered at most.
const MAX_ACCOUNTS: usize = 1 << 16;

/// How often in a row logins to each account have failed. It is kept in memory: a restart forgets.
///
/// Accounts go by the name that was given, whether or not there is such a user, so that nobody
/// learns from it who is one.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    accounts: Mutex<HashMap<u64, Account>>,
    names: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    failures: u32,
    /// When it failed last.
    at: Timestamp,
}

impl Attempts {
    /// Begins an attempt, which has failed unless it is told otherwise: attempts at the same time
    /// are no way around the count.
    pub(super) fn begin(&self, name: &str, now: Timestamp) -> Result<Attempt<'_>, Error> {
        let key = self.names.hash_one(name);
        let mut accounts = self.accounts();
        if accounts.len() >= MAX_ACCOUNTS && !accounts.contains_key(&key) {
            forget_the_fewest(&mut accounts);
        }
        let mut before = accounts.get(&key).copied();
        if let Some(account) = &mut before {
            // A clock that was set back makes nobody wait until it has caught up.
            account.at = account.at.min(now);
            let wait = account.wait(now);
            if !wait.is_zero() {
                accounts.insert(key, *account);
                return Err(ErrorKind::TooManyAttempts { retry_after: wait }.into());
            }
        }
        let failures = before
            .map_or(0, |account| account.failures)
            .saturating_add(1);
        accounts.insert(key, Account { failures, at: now });
        Ok(Attempt {
            attempts: self,
            key,
            before,
        })
    }

    /// The map is whole between any two calls, so a panic elsewhere does not spoil it.
    fn accounts(&self) -> MutexGuard<'_, HashMap<u64, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// How long the next attempt has to wait.
    fn wait(&self, now: Timestamp) -> Duration {
        let Some(beyond) = self.failures.checked_sub(FREE) else {
            return Duration::ZERO;
        };
        let doubled = 1_u32.checked_shl(beyond).filter(|factor| *factor != 0);
        let delay = doubled.map_or(MAX_DELAY, |factor| {
            FIRST_DELAY.saturating_mul(factor).min(MAX_DELAY)
        });
        delay.saturating_sub(now.saturating_since(self.at))
    }
}

/// An attempt that counts as failed.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    key: u64,
    /// How the account was.
    before: Option<Account>,
}

impl Attempt<'_> {
    /// The password was right: the row of failures has ended.
    pub(super) fn succeeded(self) {
        self.attempts.accounts().remove(&self.key);
    }

    /// No password was looked at, so none has failed.
    pub(super) fn undone(self) {
        let mut accounts = self.attempts.accounts();
        let Some(account) = accounts.get_mut(&self.key) else {
            return;
        };
        account.failures -= 1;
        match self.before {
            _ if account.failures == 0 => {
                accounts.remove(&self.key);
            }
            // Nor does it begin the delay anew, unless another has.
            Some(before) if account.failures == before.failures => account.at = before.at,
            _ => {}
        }
    }
}

/// Makes room by forgetting the shortest rows: to make a long one forgotten takes as long a row for
/// each of half the accounts that are remembered.
fn forget_the_fewest(accounts: &mut HashMap<u64, Account>) {
    let mut rows: Vec<u32> = accounts.values().map(|account| account.failures).collect();
    rows.sort_unstable();
    let median = rows[rows.len() / 2];
    accounts.retain(|_, account| account.failures > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn wait(attempts: &Attempts, name: &str, now: Timestamp) -> Option<Duration> {
        match attempts.begin(name, now).map_err(|error| error.kind()) {
            Ok(_) => None,
            Err(ErrorKind::TooManyAttempts { retry_after }) => Some(retry_after),
            Err(kind) => panic!("{kind:?}"),
        }
    }

    fn fail(attempts: &Attempts, name: &str, times: u32) {
        for time in 0..times {
            assert_eq!(wait(attempts, name, NOW), None, "attempt {time}");
        }
    }

    #[test]
    fn after_a_hundred_failures_the_delay_grows_to_its_most() {
        let attempts = Attempts::default();
        fail(&attempts, "ann", 100);
        let mut now = NOW;
        let mut delays = Vec::new();
        for _ in 0..40 {
            let delay = wait(&attempts, "ann", now).expect("it has to wait");
            let short = now + (delay - Duration::from_millis(1));
            assert_eq!(
                wait(&attempts, "ann", short),
                Some(Duration::from_millis(1))
            );
            now = now + delay;
            assert_eq!(wait(&attempts, "ann", now), None);
            delays.push(delay.as_secs());
        }
        assert_eq!(delays[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);
        assert!(delays[11..].iter().all(|delay| *delay == 900));
        fail(&attempts, "bob", 100);
    }

    #[test]
    fn a_success_ends_the_row_and_what_was_not_looked_at_is_no_part_of_it() {
        let attempts = Attempts::default();
        fail(&attempts, "ann", 99);
        attempts.begin("ann", NOW).unwrap().succeeded();
        fail(&attempts, "ann", 99);
        for _ in 0..1000 {
            attempts.begin("ann", NOW).unwrap().undone();
        }
        fail(&attempts, "ann", 1);
        assert!(wait(&attempts, "ann", NOW).is_some());
        attempts.begin("new", NOW).unwrap().undone();
        assert_eq!(attempts.accounts().len(), 1);
        // Its delay over, the next is not looked at either; then it need not wait once more.
        let later = NOW + FIRST_DELAY;
        attempts.begin("ann", later).unwrap().undone();
        assert_eq!(wait(&attempts, "ann", later), None);
    }

    #[test]
    fn attempts_that_are_under_way_count() {
        let attempts = Attempts::default();
        let running: Vec<_> = (0..100)
            .map(|_| attempts.begin("ann", NOW).unwrap())
            .collect();
        assert!(wait(&attempts, "ann", NOW).is_some());
        drop(running);
        assert!(wait(&attempts, "ann", NOW).is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_for_ever() {
        let attempts = Attempts::default();
        fail(&attempts, "ann", 100);
        let back = Timestamp::from_secs(5);
        assert_eq!(wait(&attempts, "ann", back), Some(FIRST_DELAY));
        assert_eq!(wait(&attempts, "ann", back + FIRST_DELAY), None);
    }

    #[test]
    fn the_memory_is_bounded_and_long_rows_are_kept() {
        let attempts = Attempts::default();
        fail(&attempts, "ann", 100);
        for n in 0..MAX_ACCOUNTS + 10 {
            fail(&attempts, &format!("nobody {n}"), 1);
            assert!(attempts.accounts().len() <= MAX_ACCOUNTS);
        }
        assert!(wait(&attempts, "ann", NOW).is_some());
    }
}
