//! What is signed so that others can check it without the server: checkpoints of the trail and receipts
//! of downloads. Signatures are Ed25519 (RFC 8032).

#[cfg(feature = "evidence")]
mod ed25519;

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(feature = "evidence")]
pub use self::ed25519::Ed25519Signer;
use crate::{
    id::{parse_hex, write_hex},
    random::Entropy,
    time::Timestamp,
    token::{Secret, SigningKey},
};

/// Signs evidence.
pub trait EvidenceSigner: fmt::Debug + Send + Sync + 'static {
    /// The key that signs.
    fn key(&self) -> PublicKey;

    /// The keys whose signatures are good: the one that signs, then those that signed before.
    fn keys(&self) -> Vec<PublicKey> {
        vec![self.key()]
    }

    /// The signature of these bytes.
    fn sign(&self, bytes: &[u8]) -> Signature;
}

/// The secret key that evidence is signed with, and the public ones of those before it.
#[derive(Clone, Debug)]
pub struct EvidenceKeys {
    /// What the key is made of (RFC 8032, section 5.1.5).
    pub seed: Secret,
    /// When it was made.
    pub created_at: Timestamp,
    /// Keys that signed before. What they signed stays good.
    pub retired: Vec<PublicKey>,
}

impl EvidenceKeys {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy, now: Timestamp) -> Self {
        let key = SigningKey::generate(entropy, now);
        Self {
            seed: key.secret,
            created_at: now,
            retired: Vec::new(),
        }
    }
}

/// An Ed25519 public key: 32 bytes in base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Its name: the first eight bytes of its SHA-256 digest.
    pub fn id(&self) -> KeyId {
        let digest: [u8; 32] = Sha256::digest(self.0).into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        KeyId(id)
    }

    /// Whether whoever has the secret key has signed these bytes.
    #[cfg(feature = "evidence")]
    pub fn verifies(&self, bytes: &[u8], signature: &Signature) -> bool {
        ed25519::verifies(self, bytes, signature)
    }
}

/// Names a key: 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// A signature: 64 bytes in base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature(pub [u8; 64]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The text is not the one that the bytes of a key, of its id or of a signature are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key, a key's id or a signature")]
pub struct InvalidEvidence;

fn decoded<const LEN: usize>(text: &str) -> Result<[u8; LEN], InvalidEvidence> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidEvidence)?;
    bytes.try_into().map_err(|_| InvalidEvidence)
}

macro_rules! texts {
    ($($name:ident: $parse:expr;)*) => {
        $(
            impl std::str::FromStr for $name {
                type Err = InvalidEvidence;

                fn from_str(text: &str) -> Result<Self, InvalidEvidence> {
                    $parse(text).map(Self)
                }
            }

            impl TryFrom<String> for $name {
                type Error = InvalidEvidence;

                fn try_from(text: String) -> Result<Self, InvalidEvidence> {
                    text.parse()
                }
            }

            impl From<$name> for String {
                fn from(value: $name) -> Self {
                    value.to_string()
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }
        )*
    };
}

texts! {
    PublicKey: decoded;
    Signature: decoded;
    KeyId: |text| parse_hex(text).ok_or(InvalidEvidence);
}
