//! Figures about the process, by the names that all of Prometheus' own libraries give them.

use std::{fs, time::SystemTime};

use metrics::{Counter, Gauge, Unit};
use rustix::process::{self, Resource};

use crate::log::Dropped;

const OPEN: &str = "process_open_fds";
const MOST: &str = "process_max_fds";
const RESIDENT: &str = "process_resident_memory_bytes";
const STARTED: &str = "process_start_time_seconds";
const BUILD: &str = "consign_build_info";
const LINES: &str = "consign_log_lines_dropped_total";

/// The handles of what is read when somebody looks.
#[derive(Clone)]
pub(super) struct Process {
    open: Gauge,
    most: Gauge,
    resident: Gauge,
    lines: Counter,
    dropped: Dropped,
}

impl Process {
    pub(super) fn new(dropped: Dropped) -> Self {
        for (name, unit, text) in [
            (OPEN, Unit::Count, "File descriptors that are open"),
            (MOST, Unit::Count, "File descriptors that can be open"),
            (RESIDENT, Unit::Bytes, "Memory that is resident"),
            (
                STARTED,
                Unit::Seconds,
                "When the process began, since the Unix epoch",
            ),
            (BUILD, Unit::Count, "1, with what was built"),
        ] {
            metrics::describe_gauge!(name, unit, text);
        }
        let text = "Lines of the log that nobody read in time";
        metrics::describe_counter!(LINES, Unit::Count, text);
        metrics::gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        metrics::gauge!(STARTED).set(now.unwrap_or_default().as_secs_f64());
        Self {
            open: metrics::gauge!(OPEN),
            most: metrics::gauge!(MOST),
            resident: metrics::gauge!(RESIDENT),
            lines: metrics::counter!(LINES),
            dropped,
        }
    }

    /// Reads files; what is not to be had is left as it was.
    pub(super) fn measure(&self) {
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // The folder itself is open while it is read.
            self.open.set(open.count().saturating_sub(1) as f64);
        }
        if let Some(most) = process::getrlimit(Resource::Nofile).current {
            self.most.set(most as f64);
        }
        if let Some(bytes) = resident() {
            self.resident.set(bytes as f64);
        }
        self.lines.absolute(self.dropped.lines());
    }
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
