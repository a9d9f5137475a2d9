//! How often something may be asked for, and how long one waits who has guessed wrong too often.

use std::{num::NonZeroU32, time::Duration};

use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// So many at once, and then one each time a period has passed (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: NonZeroU32,
    period: Duration,
}

impl Rate {
    /// `burst` at once, then one each `period`. A period of less than a millisecond is one of a millisecond.
    pub const fn new(burst: NonZeroU32, period: Duration) -> Self {
        const LEAST: Duration = Duration::from_millis(1);
        let period = match period.as_millis() {
            0 => LEAST,
            _ => period,
        };
        Self { burst, period }
    }

    /// How many at once.
    pub const fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// How long until there is one more.
    pub const fn period(self) -> Duration {
        self.period
    }

    /// The time at which all will be there again if one more is taken `now`, where that time was `full_at` before
    /// (nothing, or the past, where all are there).
    ///
    /// # Errors
    /// How long to wait until there is one.
    pub fn take(self, full_at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Duration> {
        let from = full_at.map_or(now, |full_at| full_at.max(now));
        let next = from + self.period;
        let most = now + self.period.saturating_mul(self.burst.get());
        match next <= most {
            true => Ok(next),
            false => Err(next.saturating_since(most)),
        }
    }
}

/// What is counted together: a digest, which tells nothing of what it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey(pub [u8; 16]);

impl LimitKey {
    /// Of a thing that is asked for, and of whoever asks for it.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"consign limit 1");
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// When it failed last.
    pub at: Timestamp,
}

impl Failures {
    /// Failures in a row that cost nothing but themselves (NIST SP 800-63B-4, section 3.2.2).
    pub const FREE: u32 = 100;
    /// How long the first attempt beyond them has to wait; each further one twice as long, to the most.
    pub const FIRST_DELAY: Duration = Duration::from_secs(1);
    /// How long an attempt has to wait at most.
    pub const MAX_DELAY: Duration = Duration::from_secs(15 * 60);

    /// How they are once one more attempt is begun at `now`, which has failed unless it is told otherwise:
    /// attempts at the same time are no way around the count. A clock that was set back makes nobody wait until it
    /// has caught up.
    ///
    /// # Errors
    /// How long the attempt has to wait; then it is not begun.
    pub fn one_more(before: Option<Self>, now: Timestamp) -> Result<Self, Duration> {
        let Some(before) = before else {
            return Ok(Self { count: 1, at: now });
        };
        let wait = Self {
            at: before.at.min(now),
            ..before
        };
        let wait = wait.wait(now);
        if !wait.is_zero() {
            return Err(wait);
        }
        let count = before.count.saturating_add(1);
        Ok(Self { count, at: now })
    }

    /// How long the next attempt has to wait.
    pub fn wait(&self, now: Timestamp) -> Duration {
        let Some(beyond) = self.count.checked_sub(Self::FREE) else {
            return Duration::ZERO;
        };
        let doubled = 1_u32.checked_shl(beyond).filter(|factor| *factor != 0);
        let delay = doubled.map_or(Self::MAX_DELAY, |factor| {
            Self::FIRST_DELAY
                .saturating_mul(factor)
                .min(Self::MAX_DELAY)
        });
        delay.saturating_sub(now.saturating_since(self.at))
    }
}
