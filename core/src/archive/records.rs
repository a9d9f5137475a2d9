//! A zip archive's records, as bytes (APPNOTE 4.3).

use std::ops::Range;

use bytes::BufMut;

use crate::{file::FileName, time::Timestamp};

const LOCAL_HEADER: u32 = u32::from_le_bytes(*b"PK\x03\x04");
const CENTRAL_HEADER: u32 = u32::from_le_bytes(*b"PK\x01\x02");
const ZIP64_END: u32 = u32::from_le_bytes(*b"PK\x06\x06");
const ZIP64_LOCATOR: u32 = u32::from_le_bytes(*b"PK\x06\x07");
const END: u32 = u32::from_le_bytes(*b"PK\x05\x06");

/// Versions of the format: what a reader needs (APPNOTE 4.4.3), and what this is written by (4.4.2), on
/// Unix.
const PLAIN: u16 = 20;
const WITH_ZIP64: u16 = 45;
const MADE_BY: u16 = (3 << 8) | 63;

/// The general purpose bit of names in UTF-8 (APPNOTE 4.4.4).
const UTF8: u16 = 1 << 11;

const STORED: u16 = 0;

/// A regular file that all may read and its owner may write, where writers on Unix put it (APPNOTE
/// 4.4.15).
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// The ids of extra fields: wide values (APPNOTE 4.5.3), and the extended timestamp of Info-ZIP's
/// `extrafld.txt`, in UTC to a second.
const ZIP64: u16 = 0x0001;
const TIMESTAMP: u16 = 0x5455;

/// Says that an extended timestamp has the time of modification, and no other.
const MODIFIED: u8 = 1;

/// Of what does not fit below these, a narrow field says that a wide one has it (APPNOTE 4.4.1.4).
const IN_ZIP64: u64 = u32::MAX as u64;
const COUNT_IN_ZIP64: u64 = u16::MAX as u64;

const ZIP64_END_LEN: u64 = 56;

/// What an archive says of a member, before its content and again in the directory.
pub(super) struct Entry<'a> {
    pub(super) name: &'a FileName,
    pub(super) size: u64,
    pub(super) crc32: u32,
    pub(super) modified: Timestamp,
    /// The position of the local header.
    pub(super) offset: u64,
}

impl Entry<'_> {
    /// The local header (APPNOTE 4.3.7). Of the sizes both are wide or none.
    pub(super) fn put_local(&self, out: &mut Vec<u8>) {
        let wide = if self.is_large() {
            vec![self.size, self.size]
        } else {
            Vec::new()
        };
        out.put_u32_le(LOCAL_HEADER);
        let extra = self.put_common(&wide, out);
        out.put_slice(self.name.as_str().as_bytes());
        out.put_slice(&extra);
    }

    /// The header in the directory (APPNOTE 4.3.12).
    pub(super) fn put_central(&self, out: &mut Vec<u8>) {
        let mut wide = Vec::new();
        if self.is_large() {
            wide.extend([self.size, self.size]);
        }
        if self.offset >= IN_ZIP64 {
            wide.push(self.offset);
        }
        out.put_u32_le(CENTRAL_HEADER);
        out.put_u16_le(MADE_BY);
        let extra = self.put_common(&wide, out);
        out.put_u16_le(0); // no comment
        out.put_u16_le(0); // the disk
        out.put_u16_le(0); // internal attributes
        out.put_u32_le(ATTRIBUTES);
        out.put_u32_le(narrow(self.offset));
        out.put_slice(self.name.as_str().as_bytes());
        out.put_slice(&extra);
    }

    /// What both headers have: from the version that a reader needs to the length of the extra fields.
    /// Gives these.
    fn put_common(&self, wide: &[u64], out: &mut Vec<u8>) -> Vec<u8> {
        let extra = self.extra(wide);
        let (time, date) = dos(self.modified);
        out.put_u16_le(if wide.is_empty() { PLAIN } else { WITH_ZIP64 });
        out.put_u16_le(UTF8);
        out.put_u16_le(STORED);
        out.put_u16_le(time);
        out.put_u16_le(date);
        out.put_u32_le(self.crc32);
        out.put_u32_le(narrow(self.size)); // packed
        out.put_u32_le(narrow(self.size)); // unpacked
        out.put_u16_le(self.name.as_str().len() as u16); // FileName::MAX_LEN at most
        out.put_u16_le(extra.len() as u16); // 37 at most
        extra
    }

    fn extra(&self, wide: &[u64]) -> Vec<u8> {
        let mut extra = Vec::new();
        if !wide.is_empty() {
            extra.put_u16_le(ZIP64);
            extra.put_u16_le(8 * wide.len() as u16); // 3 at most
            wide.iter().for_each(|&value| extra.put_u64_le(value));
        }
        if let Ok(secs) = i32::try_from(self.modified.as_secs()) {
            extra.put_u16_le(TIMESTAMP);
            extra.put_u16_le(5);
            extra.put_u8(MODIFIED);
            extra.put_i32_le(secs);
        }
        extra
    }

    fn is_large(&self) -> bool {
        self.size >= IN_ZIP64
    }
}

/// What follows the directory: its end record (APPNOTE 4.3.16), and before that the ZIP64 one and its
/// locator (4.3.14, 4.3.15) where a value needs it.
pub(super) fn put_end(out: &mut Vec<u8>, count: u64, directory: Range<u64>) {
    let len = directory.end - directory.start;
    if count >= COUNT_IN_ZIP64 || len >= IN_ZIP64 || directory.start >= IN_ZIP64 {
        out.put_u32_le(ZIP64_END);
        out.put_u64_le(ZIP64_END_LEN - 12); // of what follows
        out.put_u16_le(MADE_BY);
        out.put_u16_le(WITH_ZIP64);
        out.put_u32_le(0); // this disk
        out.put_u32_le(0); // the directory's
        out.put_u64_le(count); // on this disk
        out.put_u64_le(count);
        out.put_u64_le(len);
        out.put_u64_le(directory.start);

        out.put_u32_le(ZIP64_LOCATOR);
        out.put_u32_le(0); // the disk of the record
        out.put_u64_le(directory.end);
        out.put_u32_le(1); // disks
    }
    let narrow_count = count.min(COUNT_IN_ZIP64) as u16;
    out.put_u32_le(END);
    out.put_u16_le(0); // this disk
    out.put_u16_le(0); // the directory's
    out.put_u16_le(narrow_count); // on this disk
    out.put_u16_le(narrow_count);
    out.put_u32_le(narrow(len));
    out.put_u32_le(narrow(directory.start));
    out.put_u16_le(0); // no comment
}

fn narrow(value: u64) -> u32 {
    value.min(IN_ZIP64) as u32
}

/// The time and the date as MS-DOS has them (APPNOTE 4.4.6), in UTC: from 1980 to 2107, in steps of two
/// seconds.
fn dos(time: Timestamp) -> (u16, u16) {
    const FIRST: u64 = 315_532_800; // 1980-01-01 00:00:00
    const LAST: u64 = 4_354_819_198; // 2107-12-31 23:59:58
    let secs = time.as_secs().clamp(FIRST, LAST);
    let (year, month, day) = date(secs / 86_400);
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    (
        ((hour << 11) | (minute << 5) | (second / 2)) as u16,
        (((year - 1980) << 9) | (month << 5) | day) as u16,
    )
}

/// The Gregorian date that is `days` after 1970-01-01: `civil_from_days` of Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms", for days that are not before it.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (year, month, day, hour, minute, second)
    fn shown(time: Timestamp) -> [u16; 6] {
        let (time, date) = dos(time);
        [
            1980 + (date >> 9),
            (date >> 5) & 15,
            date & 31,
            time >> 11,
            (time >> 5) & 63,
            2 * (time & 31),
        ]
    }

    #[test]
    fn times_are_those_of_ms_dos() {
        for (secs, expected) in [
            (0, [1980, 1, 1, 0, 0, 0]),
            (315_532_799, [1980, 1, 1, 0, 0, 0]),
            (315_532_800, [1980, 1, 1, 0, 0, 0]),
            (315_532_803, [1980, 1, 1, 0, 0, 2]),
            (951_782_399, [2000, 2, 28, 23, 59, 58]),
            (951_782_400, [2000, 2, 29, 0, 0, 0]),
            (951_868_800, [2000, 3, 1, 0, 0, 0]),
            (1_800_000_000, [2027, 1, 15, 8, 0, 0]),
            (2_147_483_648, [2038, 1, 19, 3, 14, 8]),
            (4_107_542_399, [2100, 2, 28, 23, 59, 58]),
            (4_107_542_400, [2100, 3, 1, 0, 0, 0]),
            (4_354_819_199, [2107, 12, 31, 23, 59, 58]),
            (4_354_819_200, [2107, 12, 31, 23, 59, 58]),
            (u64::MAX / 1000, [2107, 12, 31, 23, 59, 58]),
        ] {
            assert_eq!(shown(Timestamp::from_secs(secs)), expected, "{secs}");
        }
        assert_eq!(
            shown(Timestamp::from_millis(1_800_000_001_999)),
            [2027, 1, 15, 8, 0, 0]
        );
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = date(0);
        assert_eq!(last, (1970, 1, 1));
        for days in 1..60_000 {
            let (year, month, day) = date(days);
            let next = match last {
                (y, m, d) if day > 1 => (y, m, d + 1) == (year, month, day),
                (y, m, _) if month > 1 => (y, m + 1) == (year, month),
                (y, ..) => y + 1 == year,
            };
            assert!(next, "{last:?} is followed by {:?}", date(days));
            last = date(days);
        }
    }
}
