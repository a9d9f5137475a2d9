//! When a request is sent again.

use std::time::Duration;

/// How often, and after which time, a request is sent again.
///
/// The n-th wait is `base` times 2^(n-1), at most `most`, less up to half of it by `jitter`, so that
/// those who were cut off together do not come back together. A server that says how long to wait is
/// believed, up to `patience`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// How often a request is sent at most. Of a download, how often in a row it makes no headway.
    pub attempts: u32,
    /// The first wait.
    pub base: Duration,
    /// The longest wait that the server did not ask for.
    pub most: Duration,
    /// The longest `Retry-After` that is waited for.
    pub patience: Duration,
    /// From 0, inclusive, to 1.
    pub jitter: fn() -> f64,
}

impl Default for Backoff {
    /// Six attempts within about a quarter of a minute; a minute where the server asks for it.
    fn default() -> Self {
        Self {
            attempts: 6,
            base: Duration::from_millis(500),
            most: Duration::from_secs(10),
            patience: Duration::from_secs(60),
            jitter: random,
        }
    }
}

impl Backoff {
    /// How long to wait after so many attempts; `None` when it is time to give up.
    pub fn wait(&self, attempts: u32, asked: Option<Duration>) -> Option<Duration> {
        if attempts >= self.attempts {
            return None;
        }
        if let Some(asked) = asked {
            return (asked <= self.patience).then_some(asked);
        }
        let doublings = attempts.saturating_sub(1).min(31);
        let wait = self.base.saturating_mul(1 << doublings).min(self.most);
        Some(wait.mul_f64(1.0 - (self.jitter)().clamp(0.0, 1.0) / 2.0))
    }
}

fn random() -> f64 {
    let drawn = getrandom::u32().unwrap_or_default();
    f64::from(drawn) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn backoff(jitter: fn() -> f64) -> Backoff {
        Backoff {
            attempts: 5,
            base: Duration::from_secs(1),
            most: Duration::from_secs(5),
            patience: Duration::from_secs(60),
            jitter,
        }
    }

    #[test]
    fn waits_double_up_to_the_most() {
        let waits: Vec<_> = (1..=5).map(|n| backoff(|| 0.0).wait(n, None)).collect();
        let secs = |secs| Some(Duration::from_secs(secs));
        assert_eq!(waits, [secs(1), secs(2), secs(4), secs(5), None]);
        let half = backoff(|| 1.0).wait(1, None);
        assert_eq!(half, Some(Duration::from_millis(500)));
    }

    #[test]
    fn the_server_is_believed_within_bounds() {
        let asked = |secs| backoff(|| 0.5).wait(1, Some(Duration::from_secs(secs)));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(61), None);
        assert_eq!(backoff(|| 0.5).wait(5, Some(Duration::ZERO)), None);
    }
}
