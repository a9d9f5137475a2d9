//! Figures about what the service does, for whatever recorder there is.

use std::{fmt, time::Duration};

use metrics::{Counter, Gauge, Histogram, Unit};

use super::{Administration, LifetimesReport, SweepReport};
use crate::error::Error;

const UPLOADS: &str = "consign_uploads_total";
const UPLOAD_BYTES: &str = "consign_upload_bytes_total";
const DOWNLOADS: &str = "consign_downloads_total";
const COMPLETED: &str = "consign_downloads_completed_total";
const DOWNLOAD_BYTES: &str = "consign_download_bytes_total";
const DELIVERIES: &str = "consign_outbox_deliveries_total";
const OUTBOX: &str = "consign_outbox_messages";
const DISK_FREE: &str = "consign_disk_free_bytes";
const EXPIRED: &str = "consign_files_expired_total";
const PURGED: &str = "consign_files_purged_total";
const SWEEPS: &str = "consign_sweeps_total";
const SWEPT_STAGES: &str = "consign_sweep_stages_removed_total";
const SWEPT_BLOBS: &str = "consign_sweep_blobs_removed_total";
const SWEPT_BYTES: &str = "consign_sweep_bytes_removed_total";
const SWEEP_FAILURES: &str = "consign_sweep_failures_total";
const SWEEP_DURATION: &str = "consign_sweep_duration_seconds";

/// Mails that are counted at most.
const MOST_MAILS: usize = 1000;

/// The handles of all figures, kept: to look one up takes longer than to count.
pub(super) struct Meters {
    pub(super) uploads: Counter,
    pub(super) upload_bytes: Counter,
    pub(super) downloads: Counter,
    pub(super) completed: Counter,
    pub(super) download_bytes: Counter,
    pub(super) delivered: Counter,
    pub(super) failed: Counter,
    pub(super) dropped: Counter,
    expired: Counter,
    purged: Counter,
    sweeps: Counter,
    swept_stages: Counter,
    swept_blobs: Counter,
    swept_bytes: Counter,
    sweep_failures: Counter,
    sweep_duration: Histogram,
    outbox: Gauge,
    disk_free: Gauge,
}

impl Meters {
    /// Figures for the recorder that there is now.
    pub(super) fn new() -> Self {
        describe();
        let delivery = |outcome| metrics::counter!(DELIVERIES, "outcome" => outcome);
        Self {
            uploads: metrics::counter!(UPLOADS),
            upload_bytes: metrics::counter!(UPLOAD_BYTES),
            downloads: metrics::counter!(DOWNLOADS),
            completed: metrics::counter!(COMPLETED),
            download_bytes: metrics::counter!(DOWNLOAD_BYTES),
            delivered: delivery("delivered"),
            failed: delivery("failed"),
            dropped: delivery("dropped"),
            expired: metrics::counter!(EXPIRED),
            purged: metrics::counter!(PURGED),
            sweeps: metrics::counter!(SWEEPS),
            swept_stages: metrics::counter!(SWEPT_STAGES),
            swept_blobs: metrics::counter!(SWEPT_BLOBS),
            swept_bytes: metrics::counter!(SWEPT_BYTES),
            sweep_failures: metrics::counter!(SWEEP_FAILURES),
            sweep_duration: metrics::histogram!(SWEEP_DURATION),
            outbox: metrics::gauge!(OUTBOX),
            disk_free: metrics::gauge!(DISK_FREE),
        }
    }

    pub(super) fn swept(&self, report: &SweepReport, took: Duration) {
        self.sweeps.increment(1);
        self.swept_stages.increment(report.stages_removed);
        self.swept_blobs.increment(report.blobs_removed);
        self.swept_bytes.increment(report.bytes_removed);
        self.sweep_failures.increment(report.failures);
        self.sweep_duration.record(took.as_secs_f64());
    }

    pub(super) fn ended(&self, report: &LifetimesReport) {
        self.expired.increment(report.removed());
        self.purged.increment(report.purged);
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Administration {
    /// Reads what only a look tells: the mail that waits, up to a thousand, and what the disk has left,
    /// where the blob store can tell. It goes to the recorder that the `metrics` crate had when the
    /// service was made.
    ///
    /// # Errors
    /// When a store does not answer; what others have told is recorded all the same.
    pub async fn measure(&self) -> Result<(), Error> {
        let consign = self.consign();
        let (parts, meters) = (consign.parts(), &consign.0.meters);
        let free = parts.blobs.free().await;
        if let Ok(Some(bytes)) = free {
            meters.disk_free.set(bytes as f64);
        }
        let mails = parts.files.mails(MOST_MAILS).await?;
        meters.outbox.set(mails.len() as f64);
        free?;
        Ok(())
    }
}

fn describe() {
    let (count, bytes) = (Unit::Count, Unit::Bytes);
    for (name, unit, text) in [
        (UPLOADS, count, "Files that were added"),
        (UPLOAD_BYTES, bytes, "Bytes of the files that were added"),
        (
            DOWNLOADS,
            count,
            "Downloads that have begun, in whole or in part",
        ),
        (
            COMPLETED,
            count,
            "Downloads by which all of a file was handed out",
        ),
        (DOWNLOAD_BYTES, bytes, "Bytes of files that were handed out"),
        (DELIVERIES, count, "Attempts to deliver a mail"),
        (EXPIRED, count, "Files removed because their time was over"),
        (
            PURGED,
            count,
            "Removed files that are gone for good, their time being over",
        ),
        (SWEEPS, count, "Sweeps that went to their end"),
        (SWEPT_STAGES, count, "Interrupted uploads that were swept"),
        (SWEPT_BLOBS, count, "Blobs of no file that were swept"),
        (SWEPT_BYTES, bytes, "Bytes of those blobs"),
        (
            SWEEP_FAILURES,
            count,
            "Stages and blobs that could not be swept",
        ),
    ] {
        metrics::describe_counter!(name, unit, text);
    }
    let text = "Mails that wait to be delivered, 1000 standing for more";
    metrics::describe_gauge!(OUTBOX, count, text);
    let text = "Bytes that the disk of the files has left for an ordinary user";
    metrics::describe_gauge!(DISK_FREE, bytes, text);
    metrics::describe_histogram!(SWEEP_DURATION, Unit::Seconds, "How long a sweep took");
}
