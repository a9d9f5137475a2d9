//! Mail that waits to be carried, kept by the catalogue so that none is lost.

use std::time::Duration;

use crate::{mail::Mail, time::Timestamp};

/// A mail that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The mail.
    pub mail: Mail,
    /// When it is tried next.
    pub due: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// From when on it is of no use any more.
    pub until: Timestamp,
}

impl Queued {
    /// A mail that is due at once.
    pub fn new(mail: Mail, at: Timestamp, until: Timestamp) -> Self {
        Self {
            mail,
            due: at,
            attempts: 0,
            until,
        }
    }

    /// The mail as it waits while it is tried: whoever finds it then takes it to have failed, and it is
    /// due again after a time that doubles, from ten seconds to an hour.
    #[must_use]
    pub fn tried(&self, at: Timestamp) -> Self {
        const FIRST: Duration = Duration::from_secs(10);
        const LAST: Duration = Duration::from_secs(60 * 60);
        let doubled = FIRST.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        Self {
            due: at + doubled.min(LAST),
            attempts: self.attempts.saturating_add(1),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_mail;

    #[test]
    fn a_mail_waits_longer_each_time() {
        let mut queued = sample_mail(1);
        let (at, mut waits) = (Timestamp::from_secs(1000), Vec::new());
        for _ in 0..40 {
            queued = queued.tried(at);
            waits.push(queued.due.saturating_since(at).as_secs());
        }
        assert_eq!(waits[..5], [10, 20, 40, 80, 160]);
        assert!(waits[9..].iter().all(|wait| *wait == 3600), "{waits:?}");
        assert_eq!(queued.attempts, 40);
    }
}
