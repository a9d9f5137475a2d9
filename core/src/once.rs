//! Requests that may come twice and are done once.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    id::{FileId, GroupId, LeaseId, LinkId},
    store::Outcome,
    time::Timestamp,
};

/// What a caller names a request by, so that it is done once however often it comes: 16 to 255 visible
/// ASCII characters that nobody can guess, such as a random UUID (RFC 9562, section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// The shortest and the longest.
    pub const LEN: std::ops::RangeInclusive<usize> = 16..=255;

    /// What is kept of it, among the keys that `whose` may use: those of one user and one kind of request
    /// are no others'.
    pub(crate) fn hash(&self, whose: &[&[u8]]) -> OnceKey {
        OnceKey(self.digest(b"consign once 1", whose))
    }

    /// A digest of all that a request asks for. It can hold a password: without the key, which is kept
    /// nowhere, nobody can try some.
    pub(crate) fn digest_of(&self, request: &[&[u8]]) -> [u8; 32] {
        self.digest(b"consign once 1, request", request)
    }

    /// A secret that comes again whenever the request does.
    pub(crate) fn secret(&self, salt: &[u8]) -> [u8; 32] {
        self.digest(b"consign once 1, secret", &[salt])
    }

    /// The SHA-256 digest of these and of the key, each with its length before it.
    fn digest(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let parts = [purpose, self.0.as_bytes()]
            .into_iter()
            .chain(parts.iter().copied());
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        match visible && Self::LEN.contains(&text.len()) {
            true => Ok(Self(text.into())),
            false => Err(InvalidKey),
        }
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

/// The text is no [`IdempotencyKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an idempotency key has {} to {} visible ASCII characters",
    IdempotencyKey::LEN.start(),
    IdempotencyKey::LEN.end()
)]
pub struct InvalidKey;

/// What a store knows an [`IdempotencyKey`] by: a digest of it and of whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OnceKey(pub [u8; 32]);

/// That a change is made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What it is known by.
    pub key: OnceKey,
    /// A digest of all that is asked for: another request by the same key is refused.
    pub request: [u8; 32],
    /// When it is asked for.
    pub at: Timestamp,
    /// Until when it is remembered.
    pub until: Timestamp,
}

/// A request that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The digest of what was asked for.
    pub request: [u8; 32],
    /// What was made.
    pub made: Made,
    /// Until when it is remembered.
    pub until: Timestamp,
}

impl Remembered {
    /// What is answered when it is asked for again.
    pub fn answer(&self, once: &Once) -> Outcome {
        match self.request == once.request {
            true => Outcome::Repeated(self.made),
            false => Outcome::OtherRequest,
        }
    }
}

/// What a change has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A file.
    File(FileId),
    /// A group.
    Group(GroupId),
    /// A managed link.
    Link(LinkId),
    /// A lease of one.
    Lease(LeaseId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_and_never_shown() {
        for text in ["x".repeat(16), "~".repeat(255)] {
            let key: IdempotencyKey = text.parse().unwrap();
            assert_eq!(format!("{key:?}"), "IdempotencyKey(…)");
        }
        for text in [
            "",
            &"x".repeat(15),
            &"x".repeat(256),
            &" ".repeat(16),
            &"é".repeat(16),
        ] {
            assert_eq!(text.parse::<IdempotencyKey>(), Err(InvalidKey), "{text:?}");
        }
        let text = InvalidKey.to_string();
        assert_eq!(
            text,
            "an idempotency key has 16 to 255 visible ASCII characters"
        );
    }

    #[test]
    fn what_differs_in_anything_is_another() {
        let key = |text: &str| text.repeat(16).parse::<IdempotencyKey>().unwrap();
        let of = |text, whose: &[&[u8]]| key(text).hash(whose);
        let one = of("x", &[b"ann", b"links"]);
        assert_eq!(of("x", &[b"ann", b"links"]), one);
        for other in [
            of("y", &[b"ann", b"links"]),
            of("x", &[b"bob", b"links"]),
            of("x", &[b"annl", b"inks"]),
            of("x", &[b"annlinks"]),
        ] {
            assert_ne!(other, one);
        }
        let parts: &[&[u8]] = &[b"ann"];
        let purposes = [
            key("x").hash(parts).0,
            key("x").digest_of(parts),
            key("x").secret(b"ann"),
        ];
        assert!(purposes[0] != purposes[1] && purposes[1] != purposes[2]);
        assert_ne!(purposes[0], purposes[2]);
    }
}
