//! Signed tokens: the [`TokenSigner`] and [`KeySource`] traits, and [`JwtSigner`] as the default.

use std::fmt;

use crate::{
    id::{FileId, UserId},
    random::Entropy,
    time::{MAX_SKEW, Timestamp},
};

#[cfg(feature = "jwt")]
mod jwt;
mod keys;

#[cfg(feature = "jwt")]
pub use self::jwt::JwtSigner;
pub use self::keys::{KeyError, KeyId, KeyRing, KeySource, MemoryKeys, Secret, SigningKey};

/// Signs claims and verifies tokens.
pub trait TokenSigner: fmt::Debug + Send + Sync + 'static {
    /// A token of these claims, good for `purpose` alone. Fit for a path segment of a URL.
    fn sign(&self, purpose: Purpose, claims: &Claims) -> Result<String, TokenError>;

    /// The claims of a token that was signed for `purpose` by one of the present keys, and is in
    /// force at `now`: not before [`Claims::not_before`], and before [`Claims::expires_at`].
    fn verify(&self, purpose: Purpose, token: &str, now: Timestamp) -> Result<Claims, TokenError>;
}

/// What a token is good for. A token made for one purpose never verifies for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// To act as a user.
    Access,
    /// To download one file.
    Download,
    /// To download what a lease of a managed link is for.
    Lease,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Access, Self::Download, Self::Lease];

    /// Its name in what tokens and keys are bound to: never changed, never used again.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Download => "download",
            Self::Lease => "lease",
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose token it is; of [`Purpose::Lease`] the maker of its link.
    pub subject: UserId,
    /// The subject's [`session_epoch`](crate::User::session_epoch) when it was made.
    pub epoch: u32,
    /// The file that it opens; for [`Purpose::Download`] alone.
    pub file: Option<FileId>,
    /// When it was made: seconds since the Unix epoch.
    pub issued_at: u64,
    /// From when on it is good: seconds since the Unix epoch.
    pub not_before: u64,
    /// From when on it is no longer good: seconds since the Unix epoch.
    pub expires_at: u64,
    /// Tells it from every other token; of [`Purpose::Lease`] that of the lease.
    pub id: TokenId,
}

impl Claims {
    /// From when on a token that is made at `now` is good: to nodes whose clocks are behind, it is from the future.
    pub(crate) fn good_from(now: Timestamp) -> u64 {
        (now - MAX_SKEW).as_secs()
    }
}

/// 128 random bits that tell a token from every other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId(pub [u8; 16]);

impl TokenId {
    /// A new one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::id::write_hex(f, &self.0)
    }
}

/// Why there is no token, or why it is not believed. It never repeats the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not a token of ours: its form, its signature or what it is bound to is wrong.
    #[error("the token is not valid")]
    Invalid,
    /// It is no longer good.
    #[error("the token has expired")]
    Expired,
    /// It is not good yet.
    #[error("the token is not valid yet")]
    NotYet,
    /// It could not be signed.
    #[error("the token could not be signed")]
    Signing,
}
