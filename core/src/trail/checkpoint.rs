use serde::{Deserialize, Serialize};

use super::{EntryHash, Head, WriterId};
use crate::{
    evidence::{EvidenceSigner, KeyId, Signature},
    time::Timestamp,
};

/// A signed statement that a chain had come this far at a time. Whoever keeps one outside sees whether
/// the trail is still the one that it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// When it was made.
    pub at: Timestamp,
    /// The hash of the chain's last entry.
    pub hash: EntryHash,
    /// Which key signed it.
    pub key: KeyId,
    /// That entry's number.
    pub number: u64,
    /// Of [`signed_text`](Self::signed_text).
    pub signature: Signature,
    /// Whose chain it is.
    pub writer: WriterId,
}

impl Checkpoint {
    /// A checkpoint of a chain whose last entry this is.
    pub fn sign(head: Head, at: Timestamp, signer: &dyn EvidenceSigner) -> Self {
        let mut checkpoint = Self {
            at,
            hash: head.hash,
            key: signer.key().id(),
            number: head.number,
            signature: Signature([0; 64]),
            writer: head.writer,
        };
        checkpoint.signature = signer.sign(checkpoint.signed_text().as_bytes());
        checkpoint
    }

    /// The entry that it is of.
    pub fn head(&self) -> Head {
        Head {
            writer: self.writer,
            number: self.number,
            hash: self.hash,
        }
    }

    /// What is signed: a line that says what it is, and the rest as JSON, its members in the order of their
    /// names and without white space.
    pub fn signed_text(&self) -> String {
        let Self {
            at,
            hash,
            key,
            number,
            signature: _,
            writer,
        } = self;
        let at = at.as_millis();
        format!(
            "consign checkpoint 1\n{{\"at\":{at},\"hash\":\"{hash}\",\"key\":\"{key}\",\"number\":{number},\"writer\":{writer}}}"
        )
    }
}
