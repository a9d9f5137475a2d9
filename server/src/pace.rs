//! How much time a client has over the bytes of one message.

use tokio::time::Duration;

/// A client's time over a message: some to begin with, and then as much as its bytes take at the
/// least rate. So there is a deadline for every size, and no client is cut off who is slow but goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    grace: Duration,
    /// Bytes a second; 0 gives time without end.
    rate: u64,
    bytes: u64,
    waited: Duration,
}

impl Pace {
    pub(crate) fn new(grace: Duration, rate: u64) -> Self {
        Self {
            grace,
            rate,
            bytes: 0,
            waited: Duration::ZERO,
        }
    }

    /// So many bytes more have come, or were taken.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// The client was waited for. What the server is slow over is not the client's fault.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// How long the client can still be waited for; `None` is for ever.
    pub(crate) fn left(&self) -> Option<Duration> {
        let millis = self.bytes.saturating_mul(1000).checked_div(self.rate)?;
        let time = self.grace.saturating_add(Duration::from_millis(millis));
        Some(time.saturating_sub(self.waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_grows_with_the_bytes_and_shrinks_with_the_waiting() {
        let mut pace = Pace::new(30 * SECOND, 1024);
        assert_eq!(pace.left(), Some(30 * SECOND));
        pace.waited(29 * SECOND);
        pace.moved(1);
        assert!(pace.left().unwrap() < 2 * SECOND, "a byte buys little");
        pace.moved(2047);
        assert_eq!(pace.left(), Some(3 * SECOND));
        pace.waited(60 * SECOND);
        assert_eq!(pace.left(), Some(Duration::ZERO));
    }

    #[test]
    fn no_rate_gives_time_without_end() {
        let mut pace = Pace::new(SECOND, 0);
        pace.waited(1_000_000 * SECOND);
        assert_eq!(pace.left(), None);
    }

    #[test]
    fn large_numbers_are_only_large() {
        let mut pace = Pace::new(Duration::MAX, 1);
        pace.moved(usize::MAX);
        pace.moved(usize::MAX);
        pace.waited(Duration::MAX);
        assert!(pace.left().is_some());
    }
}
