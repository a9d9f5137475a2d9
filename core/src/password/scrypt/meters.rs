//! Figures about hashing, for whatever recorder there is.

use std::fmt;

use metrics::{Counter, Gauge, Histogram, Unit};

const WAITING: &str = "consign_password_hashes_waiting";
const RUNNING: &str = "consign_password_hashes_running";
const REFUSED: &str = "consign_password_hashes_refused_total";
const DURATION: &str = "consign_password_hash_duration_seconds";

/// The handles of all figures.
#[derive(Clone)]
pub(super) struct Meters {
    pub(super) waiting: Gauge,
    pub(super) running: Gauge,
    pub(super) refused: Counter,
    pub(super) duration: Histogram,
}

impl Meters {
    /// Figures for the recorder that there is now.
    pub(super) fn new() -> Self {
        let text = "Passwords that wait to be hashed";
        metrics::describe_gauge!(WAITING, Unit::Count, text);
        metrics::describe_gauge!(RUNNING, Unit::Count, "Passwords that are being hashed");
        let text = "Passwords that were not hashed because too many waited";
        metrics::describe_counter!(REFUSED, Unit::Count, text);
        let text = "How long the hashing of a password took, without its wait";
        metrics::describe_histogram!(DURATION, Unit::Seconds, text);
        Self {
            waiting: metrics::gauge!(WAITING),
            running: metrics::gauge!(RUNNING),
            refused: metrics::counter!(REFUSED),
            duration: metrics::histogram!(DURATION),
        }
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

/// One that is counted until it is dropped.
pub(super) struct Counted(Gauge);

impl Counted {
    pub(super) fn on(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
