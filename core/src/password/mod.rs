//! Passwords: the [`PasswordHasher`] trait, and [`ScryptHasher`] as its default.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

mod common;
#[cfg(feature = "scrypt")]
mod scrypt;

#[cfg(feature = "scrypt")]
#[doc(hidden)]
pub use self::scrypt::stored_params;
#[cfg(feature = "scrypt")]
pub use self::scrypt::{ScryptHasher, ScryptParams, UnsafeParams};

/// A password as its owner typed it. Wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the text as it is: nothing is trimmed, folded or cut.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// How many characters it has, counted in code points (NIST SP 800-63B-4, section 3.1.1.2).
    pub fn chars(&self) -> usize {
        self.0.chars().count()
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What is stored of a password: a PHC string. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PasswordHash(Arc<str>);

impl PasswordHash {
    /// Takes the text of a stored hash. A hasher that cannot read it lets nobody in by it.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The hash's text, for a store.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for PasswordHash {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> Self {
        hash.expose().to_owned()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Hashes passwords and verifies them.
#[async_trait]
pub trait PasswordHasher: fmt::Debug + Send + Sync + 'static {
    /// Hashes a password, under a fresh salt.
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError>;

    /// Compares a password with a stored hash.
    ///
    /// `None` stands for a user who does not exist: it costs the same time as a hash of the present
    /// parameters and is [`Verdict::Wrong`].
    async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verdict, HashError>;
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another password.
    Wrong,
    /// It is the password.
    Right,
    /// It is the password, and its hash ought to be made anew: it is weaker than a new one would be.
    RightButOld,
}

/// Why a hasher gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// More passwords are waiting than the hasher takes; it can be tried again later.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// A stored hash cannot be read, or its parameters are out of bounds.
    #[error("a stored password hash is not usable: {0}")]
    Unusable(&'static str),
    /// Hashing failed.
    #[error("hashing failed: {0}")]
    Failed(String),
}
