//! How often something may be asked for, and how long one waits who has guessed wrong too often.

use std::{num::NonZeroU32, time::Duration};

use sha2::{Digest, Sha256};

use crate::time::{MAX_SKEW, Timestamp};

/// So many at once, and then one each time a period has passed (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    burst: NonZeroU32,
    period: Duration,
}

impl Rate {
    /// `burst` at once, then one each `period`. A period of no time is one of a nanosecond.
    pub const fn new(burst: NonZeroU32, period: Duration) -> Self {
        let period = match period {
            Duration::ZERO => Duration::from_nanos(1),
            period => period,
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

    /// The period as [`take`](Rate::take) counts it: whole milliseconds, rounded up.
    pub fn period_millis(self) -> u64 {
        u64::try_from(self.period.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// The time at which all will be there again if one more is taken `now`, where that time was `full_at` before
    /// (nothing, or the past, where all are there). One that is further ahead than all of them and [`MAX_SKEW`] is
    /// of a clock that was set back since: all are there.
    ///
    /// # Errors
    /// How long to wait until there is one.
    pub fn take(self, full_at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Duration> {
        let period = Duration::from_millis(self.period_millis());
        let most = now + period.saturating_mul(self.burst.get());
        let full_at = full_at.filter(|full_at| *full_at <= most + MAX_SKEW);
        let from = full_at.map_or(now, |full_at| full_at.max(now));
        let next = from + period;
        match next <= most {
            true => Ok(next),
            false => Err(next.saturating_since(most)),
        }
    }

    /// The time at which all will be there again if one of those that were taken is given back, where that time
    /// was `full_at` before.
    pub fn give_back(self, full_at: Timestamp) -> Timestamp {
        full_at - Duration::from_millis(self.period_millis())
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

    /// How they are to one who sees them at `now`: a clock that was set back makes nobody wait until it has caught up.
    pub fn as_of(self, now: Timestamp) -> Self {
        let at = self.at.min(now);
        Self { at, ..self }
    }

    /// How they are once one more attempt is begun at `now`, which has failed unless it is told otherwise:
    /// attempts at the same time are no way around the count.
    ///
    /// # Errors
    /// How long the attempt has to wait; then it is not begun, and the failures are those [as of](Failures::as_of)
    /// `now`.
    pub fn one_more(before: Option<Self>, now: Timestamp) -> Result<Self, Duration> {
        let before = before.map(|before| before.as_of(now));
        let wait = before.map_or(Duration::ZERO, |before| before.wait(now));
        if !wait.is_zero() {
            return Err(wait);
        }
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        Ok(Self { count, at: now })
    }

    /// How they are once an attempt is [undone](crate::store::AttemptEnd::Undone) before which they were `before`;
    /// `None` where none is left.
    pub fn one_less(self, before: Option<Self>) -> Option<Self> {
        let count = self.count.checked_sub(1).filter(|count| *count > 0)?;
        // Nor does it begin the delay anew, unless another has.
        let at = match before {
            Some(before) if before.count == count => before.at,
            _ => self.at,
        };
        Some(Self { count, at })
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

#[cfg(test)]
mod tests;
