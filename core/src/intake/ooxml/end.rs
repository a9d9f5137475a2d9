//! The record at the end of a zip package, by which all else in it is found.

use memchr::memmem;
use zip::unstable::format::blocks::{Zip32CentralDirectoryEnd, Zip64CentralDirectoryEndLocator};

use super::window::Window;
use crate::intake::Refusal;

const RECORD: &[u8] = b"PK\x05\x06";
const RECORD_LEN: usize = 22;

const ZIP64_LOCATOR: &[u8] = b"PK\x06\x07";
const ZIP64_LOCATOR_LEN: usize = 20;

const ZIP64_RECORD: &[u8] = b"PK\x06\x06";
const ZIP64_RECORD_LEN: usize = 56;

/// A comment, and whatever some writers leave behind it, at most.
const MAX_TRAILER: usize = u16::MAX as usize;

/// What a package's last end-of-central-directory record says, checked against the file.
///
/// Readers fall back to an earlier record where they dislike the last one, and so may see another
/// archive in the same file. Here the last record counts, and a file that has another candidate for
/// it is refused.
pub(super) struct End {
    pub(super) entries: u64,
    pub(super) directory_start: u64,
    pub(super) directory_len: u64,
}

impl End {
    pub(super) fn find(window: &mut Window<'_>) -> Result<Self, Refusal> {
        let searched = RECORD_LEN + MAX_TRAILER;
        let len = window
            .len()
            .min((searched + ZIP64_LOCATOR_LEN + ZIP64_RECORD_LEN) as u64);
        let tail_start = window.len() - len;
        let tail = window
            .bytes_at(tail_start, len as usize)
            .map_err(|_| incomplete())?;
        let at = find_last(&tail, tail.len().saturating_sub(searched)).ok_or_else(incomplete)?;

        // Fails where the comment is longer than the file.
        let record = Zip32CentralDirectoryEnd::parse(&mut &tail[at..]).map_err(|_| incomplete())?;
        if record.disk_number != 0
            || record.disk_with_central_directory != 0
            || record.number_of_files != record.number_of_files_on_this_disk
        {
            return Err(Refusal::new(
                "the file is one of several volumes of an archive",
            ));
        }
        check_trailer(&tail[at + RECORD_LEN..])?;
        check_earlier(&tail, at)?;

        let (end, directory_end) = match Self::zip64(&tail[..at], tail_start)? {
            Some((end, position)) => {
                end.check_narrow(&record)?;
                (end, position)
            }
            None => {
                let end = Self {
                    entries: record.number_of_files.into(),
                    directory_start: record.central_directory_offset.into(),
                    directory_len: record.central_directory_size.into(),
                };
                (end, tail_start + at as u64)
            }
        };
        if end.directory_start.checked_add(end.directory_len) != Some(directory_end) {
            return Err(Refusal::new(
                "the file is damaged, or something was put before or behind its content",
            ));
        }
        if end.entries == 0 {
            return Err(Refusal::new("the file is an empty archive"));
        }
        Ok(end)
    }

    /// The ZIP64 record right before `before`'s end, if there is one, and its position.
    fn zip64(before: &[u8], start: u64) -> Result<Option<(Self, u64)>, Refusal> {
        let Some(at) = before.len().checked_sub(ZIP64_LOCATOR_LEN) else {
            return Ok(None);
        };
        if !before[at..].starts_with(ZIP64_LOCATOR) {
            return Ok(None);
        }
        let locator =
            Zip64CentralDirectoryEndLocator::parse(&mut &before[at..]).map_err(|_| incomplete())?;
        // A record with an extensible data sector would be longer; no Office writer uses one.
        let at = at.checked_sub(ZIP64_RECORD_LEN).ok_or_else(incomplete)?;
        let record = &before[at..at + ZIP64_RECORD_LEN];
        let position = start + at as u64;
        let u64_at = |at: usize| {
            record[at..]
                .first_chunk()
                .map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        let disks = u64_at(16);
        if !record.starts_with(ZIP64_RECORD)
            || u64_at(4) != ZIP64_RECORD_LEN as u64 - 12
            || locator.end_of_central_directory_offset != position
            || locator.disk_with_central_directory != 0
            || disks != 0
            || u64_at(24) != u64_at(32)
        {
            return Err(incomplete());
        }
        let end = Self {
            entries: u64_at(32),
            directory_len: u64_at(40),
            directory_start: u64_at(48),
        };
        Ok(Some((end, position)))
    }

    /// The narrow record repeats the ZIP64 record's values, or says that they did not fit.
    fn check_narrow(&self, narrow: &Zip32CentralDirectoryEnd) -> Result<(), Refusal> {
        let agrees = |narrow: u64, max: u64, wide: u64| narrow == max || narrow == wide;
        let (u16_max, u32_max) = (u16::MAX.into(), u32::MAX.into());
        if agrees(narrow.number_of_files.into(), u16_max, self.entries)
            && agrees(
                narrow.central_directory_size.into(),
                u32_max,
                self.directory_len,
            )
            && agrees(
                narrow.central_directory_offset.into(),
                u32_max,
                self.directory_start,
            )
        {
            Ok(())
        } else {
            Err(second())
        }
    }
}

/// The position of the last record's signature in `tail`, not before `from`.
fn find_last(tail: &[u8], from: usize) -> Option<usize> {
    memmem::rfind(&tail[from..], RECORD).map(|at| from + at)
}

/// A comment or padding is nothing to any reader; pieces of another archive are.
fn check_trailer(trailer: &[u8]) -> Result<(), Refusal> {
    let signatures = [b"PK\x01\x02", b"PK\x03\x04", b"PK\x06\x06", b"PK\x06\x07"];
    let holds = |signature: &&[u8; 4]| memmem::find(trailer, *signature).is_some();
    match signatures.iter().any(holds) {
        true => Err(second()),
        false => Ok(()),
    }
}

/// Readers that want a comment to reach the file's end would prefer an earlier record whose comment
/// holds the one at `at`.
fn check_earlier(tail: &[u8], at: usize) -> Result<(), Refusal> {
    for earlier in memmem::find_iter(&tail[..at], RECORD) {
        let comment = tail[earlier + RECORD_LEN - 2..]
            .first_chunk()
            .map_or(0, |len| u16::from_le_bytes(*len));
        if earlier + RECORD_LEN + usize::from(comment) > at {
            return Err(second());
        }
    }
    Ok(())
}

fn second() -> Refusal {
    Refusal::new("the file holds more than one archive")
}

fn incomplete() -> Refusal {
    Refusal::new("the file is damaged or incomplete")
}
