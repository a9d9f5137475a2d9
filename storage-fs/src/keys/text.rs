//! The text of key files, for those who keep it elsewhere than in files. Secrets are copied into memory that
//! is wiped, and into no message.

use consign_core::{
    evidence::EvidenceKeys,
    token::{KeyError, KeyRing},
};
use zeroize::Zeroizing;

use super::{evidence, format};

/// The keys that sign tokens, as [`FsKeys`](crate::FsKeys) writes them.
pub fn print_ring(ring: &KeyRing) -> Zeroizing<Vec<u8>> {
    format::print(ring)
}

/// What [`print_ring`] has written.
///
/// # Errors
/// [`KeyError::Refused`], which says what is wrong with it.
pub fn parse_ring(text: &[u8]) -> Result<KeyRing, KeyError> {
    format::parse(text).map_err(damaged)
}

/// The keys that sign evidence, as [`FsEvidenceKeys`](crate::FsEvidenceKeys) writes them.
pub fn print_evidence(keys: &EvidenceKeys) -> Zeroizing<Vec<u8>> {
    evidence::print(keys)
}

/// What [`print_evidence`] has written.
///
/// # Errors
/// As [`parse_ring`].
pub fn parse_evidence(text: &[u8]) -> Result<EvidenceKeys, KeyError> {
    evidence::parse(text).map_err(damaged)
}

fn damaged(reason: String) -> KeyError {
    KeyError::Refused(format!("the keys are damaged: {reason}"))
}
