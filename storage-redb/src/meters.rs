//! Figures about the database, for whatever recorder there is.

use std::time::Instant;

use metrics::{Counter, Histogram, Unit};

const COMMITS: &str = "consign_catalogue_commits_total";
const FAILURES: &str = "consign_catalogue_failures_total";
const DURATION: &str = "consign_catalogue_commit_duration_seconds";
const CHANGES: &str = "consign_catalogue_commit_changes";

/// The handles of all figures.
pub(crate) struct Meters {
    commits: Counter,
    pub(crate) failures: Counter,
    duration: Histogram,
    changes: Histogram,
}

impl Meters {
    /// Figures for the recorder that there is now.
    pub(crate) fn new() -> Self {
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
    pub(crate) fn committed(&self, changes: usize, begun: Instant) {
        self.commits.increment(1);
        self.duration.record(begun.elapsed().as_secs_f64());
        self.changes.record(changes as f64);
    }
}
