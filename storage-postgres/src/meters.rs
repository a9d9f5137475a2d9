//! Figures about the database, for whatever recorder there is. Those of the catalogue have the names that any store's have.

use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, Unit};

const COMMITS: &str = "consign_catalogue_commits_total";
const FAILURES: &str = "consign_catalogue_failures_total";
const DURATION: &str = "consign_catalogue_commit_duration_seconds";
const CHANGES: &str = "consign_catalogue_commit_changes";
const CONNECTIONS: &str = "consign_postgres_connections";

/// The handles of all figures.
pub(crate) struct Meters {
    commits: Counter,
    failures: Counter,
    duration: Histogram,
    changes: Histogram,
    used: Gauge,
    idle: Gauge,
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
        let text = "Connections to PostgreSQL for reads, by whether they are in use";
        metrics::describe_gauge!(CONNECTIONS, Unit::Count, text);
        Self {
            commits: metrics::counter!(COMMITS),
            failures: metrics::counter!(FAILURES),
            duration: metrics::histogram!(DURATION),
            changes: metrics::histogram!(CHANGES),
            used: metrics::gauge!(CONNECTIONS, "state" => "used"),
            idle: metrics::gauge!(CONNECTIONS, "state" => "idle"),
        }
    }

    /// So many changes were made durable together.
    pub(crate) fn committed(&self, changes: usize, begun: Instant) {
        self.commits.increment(1);
        self.duration.record(begun.elapsed().as_secs_f64());
        self.changes.record(changes as f64);
    }

    pub(crate) fn failed(&self) {
        self.failures.increment(1);
    }

    pub(crate) fn connections(&self, used: usize, idle: usize) {
        self.used.set(used as f64);
        self.idle.set(idle as f64);
    }
}
