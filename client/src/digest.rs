//! What bytes are, by their SHA-256.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A SHA-256 digest. Its text is lower-case hexadecimal.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Sha256([u8; 32]);

/// A text that is no SHA-256 digest.
#[derive(Debug, thiserror::Error)]
#[error("not a SHA-256 digest in hexadecimal")]
pub struct NotSha256;

impl Sha256 {
    /// A digest of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of `Repr-Digest` (RFC 9530, section 3): `sha-256=:…:` among other members.
    pub(crate) fn of_field(field: &str) -> Option<Self> {
        let member = field.split(',').find_map(|member| {
            let (name, value) = member.trim().split_once('=')?;
            name.eq_ignore_ascii_case("sha-256").then_some(value)
        })?;
        let text = member.strip_prefix(':')?.split(':').next()?;
        let bytes = BASE64_STANDARD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl FromStr for Sha256 {
    type Err = NotSha256;

    fn from_str(text: &str) -> Result<Self, NotSha256> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(NotSha256);
        }
        let value = |digit: u8| char::from(digit).to_digit(16).ok_or(NotSha256);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let both = 16 * value(pair[0])? + value(pair[1])?;
            *byte = u8::try_from(both).map_err(|_| NotSha256)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const FIELD: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

    #[test]
    fn both_forms_are_read() {
        let hex: Sha256 = HEX.parse().unwrap();
        assert_eq!(hex.to_string(), HEX);
        assert_eq!(Sha256::of_field(FIELD), Some(hex));
        assert_eq!(
            Sha256::of_field(&format!("sha-512=:AAAA:, {FIELD}")),
            Some(hex)
        );
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            &HEX[1..],
            &format!("{}é", &HEX[2..]),
            &HEX.replace('e', "g"),
        ] {
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
        for field in [
            "",
            "sha-256",
            "sha-256=47DE",
            "sha-256=:AAAA:",
            "md5=:AAAA:",
        ] {
            assert_eq!(Sha256::of_field(field), None, "{field}");
        }
    }
}
