use std::{fmt, time::Instant};

use metrics::{Counter, Histogram, Unit};

const COMMITS: &str = "consign_catalogue_commits_total";
const FAILURES: &str = "consign_catalogue_failures_total";
const DURATION: &str = "consign_catalogue_commit_duration_seconds";
const CHANGES: &str = "consign_catalogue_commit_changes";

/// Figures about the transactions of a catalogue, under names that are the same for every store, for the recorder
/// that the `metrics` crate has when they are made.
pub struct CatalogueMeters {
    commits: Counter,
    failures: Counter,
    duration: Histogram,
    changes: Histogram,
}

impl CatalogueMeters {
    /// Figures for the recorder that there is now.
    #[allow(clippy::new_without_default)] // it describes them to the recorder
    pub fn new() -> Self {
        let text = "Transactions that were made durable";
        metrics::describe_counter!(COMMITS, Unit::Count, text);
        let text = "Times that the database failed and was opened again, or was to be";
        metrics::describe_counter!(FAILURES, Unit::Count, text);
        let text = "How long a transaction took to be made durable";
        metrics::describe_histogram!(DURATION, Unit::Seconds, text);
        let text = "Changes that shared a transaction";
        metrics::describe_histogram!(CHANGES, Unit::Count, text);
        Self {
            commits: metrics::counter!(COMMITS),
            failures: metrics::counter!(FAILURES),
            duration: metrics::histogram!(DURATION),
            changes: metrics::histogram!(CHANGES),
        }
    }

    /// So many changes were made durable together.
    pub fn committed(&self, changes: usize, begun: Instant) {
        self.commits.increment(1);
        self.duration.record(begun.elapsed().as_secs_f64());
        self.changes.record(changes as f64);
    }

    /// The database failed, and is opened again.
    pub fn failed(&self) {
        self.failures.increment(1);
    }
}

impl fmt::Debug for CatalogueMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogueMeters").finish_non_exhaustive()
    }
}
