//! The trail as a chain: each entry is hashed together with the one before it, so that none can be
//! edited, taken out or moved without those after it telling of it; signed [`Checkpoint`]s tell of those
//! at the end.
//!
//! An entry's hash is the SHA-256 digest of a text of five lines, the last without an end:
//!
//! ```text
//! consign trail 1
//! <the hash before it: 64 lower-case hexadecimal digits, zeros before the first>
//! <the writer's number>
//! <the entry's number>
//! <the event>
//! ```
//!
//! The event is JSON with its members in the order of their names and without white space: see
//! [`Event::text`](crate::event::Event::text). Each writer, which is a node where there are several, has
//! a chain of its own, so that none waits for another.

mod checkpoint;
mod export;
mod text;
#[cfg(feature = "evidence")]
mod verify;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    event::Event,
    id::{InvalidId, parse_hex, write_hex},
};

#[cfg(feature = "evidence")]
pub use self::verify::{Flaw, Verified, Verifier};
pub use self::{
    checkpoint::Checkpoint,
    export::{ExportedLine, InvalidLine},
    text::{Fields, Value},
};

/// Who writes a chain: a node. A store that one process alone writes has one writer,
/// [`ONLY`](Self::ONLY).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WriterId(pub u32);

impl WriterId {
    /// The one writer of a store that has one.
    pub const ONLY: Self = Self(0);
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An entry's hash, which stands for it and all before it in its chain: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryHash(pub [u8; 32]);

impl EntryHash {
    /// What stands before the first entry.
    pub const NONE: Self = Self([0; 32]);
}

impl Default for EntryHash {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EntryHash {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_hex(text).map(Self).ok_or(InvalidId)
    }
}

impl TryFrom<String> for EntryHash {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<EntryHash> for String {
    fn from(hash: EntryHash) -> Self {
        hash.to_string()
    }
}

/// The last entry of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose chain.
    pub writer: WriterId,
    /// The entry's number.
    pub number: u64,
    /// Its hash.
    pub hash: EntryHash,
}

/// The hash of the entry of this number, of an event that follows the entry of hash `previous`.
pub fn link(previous: EntryHash, writer: WriterId, number: u64, event: &Event) -> EntryHash {
    link_text(previous, writer, number, &event.text())
}

/// As [`link`], of an event's text.
pub fn link_text(previous: EntryHash, writer: WriterId, number: u64, event: &str) -> EntryHash {
    let text = format!("consign trail 1\n{previous}\n{writer}\n{number}\n{event}");
    EntryHash(Sha256::digest(text).into())
}

#[cfg(test)]
mod tests;
