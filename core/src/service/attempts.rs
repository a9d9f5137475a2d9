//! Failed logins in a row, by account.

use std::sync::Arc;

use crate::{
    error::{Error, ErrorKind},
    limit::{Failures, LimitKey},
    store::{AttemptEnd, Attempted, LimitStore, StoreError},
    time::Timestamp,
};

/// How often in a row logins to each account have failed: of all nodes, or of this service alone, which forgets
/// with a restart.
///
/// Accounts go by the name that was given, whether or not there is such a user, so that nobody
/// learns from it who is one.
#[derive(Debug)]
pub(super) struct Attempts(Arc<dyn LimitStore>);

impl Attempts {
    pub(super) fn new(limits: Arc<dyn LimitStore>) -> Self {
        Self(limits)
    }

    /// Begins an attempt, which has failed unless it is told otherwise: attempts at the same time
    /// are no way around the count, nor is one that is broken off.
    pub(super) async fn begin(&self, name: &str, now: Timestamp) -> Result<Attempt<'_>, Error> {
        let key = LimitKey::of(&[b"attempt", name.as_bytes()]);
        match self.0.begin_attempt(key, now).await? {
            Attempted::Begun { before } => Ok(Attempt {
                store: &*self.0,
                key,
                before,
            }),
            Attempted::Wait(retry_after) => Err(ErrorKind::TooManyAttempts { retry_after }.into()),
        }
    }
}

/// An attempt that counts as failed.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    store: &'a dyn LimitStore,
    key: LimitKey,
    /// The failures before it.
    before: Option<Failures>,
}

impl Attempt<'_> {
    /// The password was right: the row of failures has ended.
    pub(super) async fn succeeded(self) -> Result<(), StoreError> {
        let end = AttemptEnd::Succeeded;
        self.store.end_attempt(self.key, end).await
    }

    /// No password was looked at, so none has failed.
    pub(super) async fn undone(self) {
        let Self { key, before, .. } = self;
        let undone = self.store.end_attempt(key, AttemptEnd::Undone { before });
        if let Err(error) = undone.await {
            tracing::warn!(%error, "an attempt that looked at no password counts as failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::memory::MemoryLimits;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    async fn wait(attempts: &Attempts, name: &str, now: Timestamp) -> Option<Duration> {
        let begun = attempts.begin(name, now).await;
        match begun.map_err(|error| error.kind()) {
            Ok(_) => None,
            Err(ErrorKind::TooManyAttempts { retry_after }) => Some(retry_after),
            Err(kind) => panic!("{kind:?}"),
        }
    }

    async fn fail(attempts: &Attempts, name: &str, times: u32) {
        for time in 0..times {
            assert_eq!(wait(attempts, name, NOW).await, None, "attempt {time}");
        }
    }

    #[tokio::test]
    async fn after_a_hundred_failures_the_delay_grows_to_its_most() {
        let attempts = Attempts::new(Arc::new(MemoryLimits::new()));
        fail(&attempts, "ann", 100).await;
        let mut now = NOW;
        let mut delays = Vec::new();
        for _ in 0..40 {
            let delay = wait(&attempts, "ann", now).await.expect("it has to wait");
            let short = now + (delay - Duration::from_millis(1));
            assert_eq!(
                wait(&attempts, "ann", short).await,
                Some(Duration::from_millis(1))
            );
            now = now + delay;
            assert_eq!(wait(&attempts, "ann", now).await, None);
            delays.push(delay.as_secs());
        }
        assert_eq!(delays[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);
        assert!(delays[11..].iter().all(|delay| *delay == 900));
        fail(&attempts, "bob", 100).await;
    }

    #[tokio::test]
    async fn a_success_ends_the_row_and_what_was_not_looked_at_is_no_part_of_it() {
        let attempts = Attempts::new(Arc::new(MemoryLimits::new()));
        let begin = async |now| attempts.begin("ann", now).await.unwrap();
        fail(&attempts, "ann", 99).await;
        begin(NOW).await.succeeded().await.unwrap();
        fail(&attempts, "ann", 99).await;
        for _ in 0..1000 {
            begin(NOW).await.undone().await;
        }
        fail(&attempts, "ann", 1).await;
        assert!(wait(&attempts, "ann", NOW).await.is_some());
        // Its delay over, the next is not looked at either; then it need not wait once more.
        let later = NOW + Failures::FIRST_DELAY;
        begin(later).await.undone().await;
        assert_eq!(wait(&attempts, "ann", later).await, None);
    }

    #[tokio::test]
    async fn attempts_that_are_under_way_count() {
        let attempts = Attempts::new(Arc::new(MemoryLimits::new()));
        let mut running = Vec::new();
        for _ in 0..100 {
            running.push(attempts.begin("ann", NOW).await.unwrap());
        }
        assert!(wait(&attempts, "ann", NOW).await.is_some());
        drop(running);
        assert!(wait(&attempts, "ann", NOW).await.is_some());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_makes_nobody_wait_for_ever() {
        let attempts = Attempts::new(Arc::new(MemoryLimits::new()));
        fail(&attempts, "ann", 100).await;
        let back = Timestamp::from_secs(5);
        let delay = Failures::FIRST_DELAY;
        assert_eq!(wait(&attempts, "ann", back).await, Some(delay));
        assert_eq!(wait(&attempts, "ann", back + delay).await, None);
    }
}
