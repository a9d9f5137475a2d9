//! Figures about the database, for whatever recorder there is.

use consign_core::store::CatalogueMeters;
use metrics::{Gauge, Unit};

const CONNECTIONS: &str = "consign_postgres_connections";

/// The handles of all figures.
pub(crate) struct Meters {
    pub(crate) catalogue: CatalogueMeters,
    used: Gauge,
    idle: Gauge,
}

impl Meters {
    /// Figures for the recorder that there is now.
    pub(crate) fn new() -> Self {
        let text = "Connections to PostgreSQL for reads, by whether they are in use";
        metrics::describe_gauge!(CONNECTIONS, Unit::Count, text);
        Self {
            catalogue: CatalogueMeters::new(),
            used: metrics::gauge!(CONNECTIONS, "state" => "used"),
            idle: metrics::gauge!(CONNECTIONS, "state" => "idle"),
        }
    }

    pub(crate) fn connections(&self, used: usize, idle: usize) {
        self.used.set(used as f64);
        self.idle.set(idle as f64);
    }
}
