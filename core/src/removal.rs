//! Files that were removed, and are kept for a while.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{event::Author, file::File, id::FileId, time::Timestamp};

/// Why a file is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Removal {
    /// Somebody asked for it.
    Asked,
    /// It had expired.
    Expired,
    /// It was there as long as a group that it was for [keeps files](crate::group::Group::retention).
    Retention,
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "removed",
            Self::Expired => "expired",
            Self::Retention => "retention",
        })
    }
}

/// A file that was removed and can be had back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedFile {
    /// What it was, and is again when it is restored.
    pub file: File,
    /// Why it was removed.
    pub why: Removal,
    /// By whom.
    pub removed_by: Author,
    /// When.
    pub removed_at: Timestamp,
    /// From when on it cannot be had back.
    pub kept_until: Timestamp,
}

impl RemovedFile {
    /// Whether it can be had back.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        now < self.kept_until
    }
}

/// Which removed file is to be gone for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// It may still be kept.
    Now,
    /// It [is kept](RemovedFile::is_kept) no longer.
    Due,
}

/// A file that is to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The file.
    pub file: FileId,
    /// Why.
    pub why: Removal,
}
