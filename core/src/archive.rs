//! Several files as one zip archive, laid out before a byte of them is read.
//!
//! The files are stored, not compressed: so where each byte of the archive is follows from the files'
//! names, sizes and sums, and an archive has a length, a strong entity tag and ranges like a file.
//!
//! ```
//! use consign_core::{
//!     archive::{Layout, Member, Piece},
//!     file::{FileName, Sha256},
//!     time::Timestamp,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let content = b"123456789";
//! let layout = Layout::new(vec![Member {
//!     name: FileName::parse("digits.txt")?,
//!     size: 9,
//!     crc32: 0xCBF4_3926,
//!     sha256: Sha256([7; 32]), // not its real one, for an example
//!     modified: Timestamp::from_secs(1_800_000_000),
//! }]);
//!
//! let mut archive = Vec::new();
//! for piece in layout.pieces(0..layout.len()) {
//!     match piece {
//!         Piece::Bytes(bytes) => archive.extend(bytes),
//!         Piece::Content { range, .. } => {
//!             archive.extend(&content[range.start as usize..range.end as usize]);
//!         }
//!     }
//! }
//! assert_eq!(archive.len() as u64, layout.len());
//! # Ok(())
//! # }
//! ```
//!
//! The format is that of PKWARE's APPNOTE 6.3.10. Names are in UTF-8 (appendix D), sums and sizes are in
//! the header before the content, and ZIP64 fields (4.5.3) are where a value needs them, not elsewhere.

mod names;
mod records;

use std::{fmt, iter::FusedIterator, ops::Range, sync::Arc};

use bytes::Bytes;
use sha2::{Digest, Sha256 as Hasher};

use self::records::{Entry, put_end};
use crate::{
    file::{FileName, Sha256},
    time::Timestamp,
};

/// Begins every fingerprint. Another number goes with every change to the bytes that are made of the
/// same members.
const FORMAT: &[u8] = b"consign archive 1";

/// A file to be put into an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name; in the archive it may be another, see [`Layout::new`].
    pub name: FileName,
    /// Bytes.
    pub size: u64,
    /// The CRC-32 of its bytes, as in [`Received::crc32`](crate::store::Received::crc32).
    pub crc32: u32,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// When it was last modified.
    pub modified: Timestamp,
}

/// Where each byte of an archive is. Cheap to clone; its memory grows with the number of members alone.
#[derive(Clone)]
pub struct Layout {
    /// All that is not content, in the archive's order.
    framing: Bytes,
    /// One for each member, and one for what follows the last.
    parts: Arc<[Part]>,
    len: u64,
    fingerprint: [u8; 32],
}

/// A part of the archive: framing, and the content of a member behind it.
struct Part {
    /// Its position in the archive.
    start: u64,
    /// Where its framing begins among all framing.
    framing: usize,
}

#[expect(
    clippy::len_without_is_empty,
    reason = "no archive is empty, not even one without members"
)]
impl Layout {
    /// The layout of an archive of `members`, in their order. The same members give the same bytes.
    ///
    /// A name that an earlier member has already gets a number: `report.docx`, `report (2).docx`. It is
    /// no other member's name; names that differ only in the case of letters count as the same, for many
    /// disks take them so.
    ///
    /// # Panics
    /// When the archive would have more than [`u64::MAX`] bytes.
    pub fn new(members: Vec<Member>) -> Self {
        let names = names::distinct(members.iter().map(|member| &member.name));
        let (mut framing, mut directory) = (Vec::new(), Vec::new());
        let mut parts = Vec::with_capacity(members.len() + 1);
        let mut at = 0;
        for (member, name) in members.iter().zip(&names) {
            let entry = Entry {
                name,
                size: member.size,
                crc32: member.crc32,
                modified: member.modified,
                offset: at,
            };
            let before = framing.len();
            parts.push(Part {
                start: at,
                framing: before,
            });
            entry.put_local(&mut framing);
            entry.put_central(&mut directory);
            at = sum(sum(at, framing.len() - before), member.size);
        }
        let before = framing.len();
        parts.push(Part {
            start: at,
            framing: before,
        });
        framing.append(&mut directory);
        let end = sum(at, framing.len() - before);
        put_end(&mut framing, members.len() as u64, at..end);
        Self {
            len: sum(at, framing.len() - before),
            fingerprint: fingerprint(&members, &framing),
            framing: framing.into(),
            parts: parts.into(),
        }
    }

    /// The archive's bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// What the bytes in `range` are, in order. What lies beyond the end is left out; no piece is empty.
    pub fn pieces(&self, range: Range<u64>) -> Pieces {
        let following = self.parts.partition_point(|part| part.start <= range.start);
        Pieces {
            layout: self.clone(),
            part: following - 1, // the first starts at 0
            at: range.start,
            end: range.end.min(self.len),
        }
    }

    /// A digest of all that the archive's bytes depend on, and of the version of this format: archives
    /// with equal fingerprints are equal, byte for byte, as long as members' sums are those of their
    /// bytes.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    fn framing_of(&self, part: usize) -> Bytes {
        let end = self.parts.get(part + 1).map(|next| next.framing);
        self.framing
            .slice(self.parts[part].framing..end.unwrap_or(self.framing.len()))
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout")
            .field("members", &(self.parts.len() - 1))
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Consecutive bytes of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These.
    Bytes(Bytes),
    /// Bytes of a member's content.
    Content {
        /// The member's index.
        member: usize,
        /// Which of its bytes.
        range: Range<u64>,
    },
}

/// The pieces of a range of an archive, made by [`Layout::pieces`].
#[derive(Clone, Debug)]
pub struct Pieces {
    layout: Layout,
    /// The part that `at` is in.
    part: usize,
    at: u64,
    end: u64,
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        while self.at < self.end {
            let start = self.layout.parts[self.part].start;
            let framing = self.layout.framing_of(self.part);
            let content = start + framing.len() as u64;
            if self.at < content {
                let range = self.advance(start, content);
                return Some(Piece::Bytes(
                    framing.slice(range.start as usize..range.end as usize),
                ));
            }
            // The last part ends with its framing.
            let next = self.layout.parts[self.part + 1].start;
            if self.at < next {
                return Some(Piece::Content {
                    member: self.part,
                    range: self.advance(content, next),
                });
            }
            self.part += 1;
        }
        None
    }
}

impl FusedIterator for Pieces {}

impl Pieces {
    /// Moves on to `to` or to the end of all. Gives what was passed, counted from `origin`.
    fn advance(&mut self, origin: u64, to: u64) -> Range<u64> {
        let from = self.at;
        self.at = to.min(self.end);
        from - origin..self.at - origin
    }
}

/// Each field has its length, or has it written in it: no two archives give the same bytes to hash.
fn fingerprint(members: &[Member], framing: &[u8]) -> [u8; 32] {
    let mut hasher = Hasher::new_with_prefix(FORMAT);
    hasher.update((members.len() as u64).to_le_bytes());
    for member in members {
        hasher.update(member.size.to_le_bytes());
        hasher.update(member.crc32.to_le_bytes());
        hasher.update(member.sha256.0);
    }
    hasher.update(framing);
    hasher.finalize().into()
}

fn sum(at: u64, len: impl TryInto<u64>) -> u64 {
    len.try_into()
        .ok()
        .and_then(|len| at.checked_add(len))
        .expect("an archive has no more than u64::MAX bytes")
}

#[cfg(test)]
mod tests;
