//! Identifiers: 128 random bits each, written as 32 lower-case hexadecimal digits.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::SerializeTuple as _,
};

use crate::{random::Entropy, time::Timestamp};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new one.
            pub fn random(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                entropy.fill(&mut bytes);
                Self(bytes)
            }

            /// The one of these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_hex(text).map(Self).ok_or(InvalidId)
            }
        }

        /// As its text where people read it, else as its bytes.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_hex(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_hex(deserializer).map(Self)
            }
        }
    };
}

id! {
    /// Names a user.
    UserId
}
id! {
    /// Names one version of a file. It is no secret: knowing it grants nothing.
    FileId
}
id! {
    /// Names a group of clients.
    GroupId
}
id! {
    /// Names a managed link. It is no secret. Later ones are greater, as far as the clock goes on: see
    /// [`at`](Self::at).
    LinkId
}
id! {
    /// Names a lease of a managed link. It is no secret. Later ones are greater, as those of links.
    LeaseId
}
id! {
    /// Names published bytes in a blob store.
    BlobKey
}
id! {
    /// Names bytes that are being received; it survives a restart.
    StageId
}
id! {
    /// Names a mail. It is no secret: whoever carries the mail sees it.
    MailId
}

macro_rules! ordered {
    ($name:ident) => {
        impl $name {
            /// A new one of this time: its 48 bits in milliseconds, and 80 random ones.
            pub fn at(time: Timestamp, entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                let (prefix, rest) = bytes.split_at_mut(6);
                prefix.copy_from_slice(&time.as_millis().to_be_bytes()[2..]);
                entropy.fill(rest);
                Self(bytes)
            }
        }
    };
}

ordered!(LinkId);
ordered!(LeaseId);

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of 32 lower-case hexadecimal digits")]
pub struct InvalidId;

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // A page of a listing has thousands of these: digits that are formatted one by one took a fifth of
    // its time.
    for bytes in bytes.chunks(16) {
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        let text = std::str::from_utf8(&text[..2 * bytes.len()]).map_err(|_| fmt::Error)?;
        f.write_str(text)?;
    }
    Ok(())
}

/// One text per value: upper case is refused, so that an id never has two spellings.
pub(crate) fn parse_hex<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    }
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; LEN];
    if pairs.len() != LEN {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Hexadecimal digits where people read it, else the bytes as an array of them is written.
pub(crate) fn serialize_hex<const LEN: usize, S: Serializer>(
    bytes: &[u8; LEN],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return serializer.collect_str(&Hex(bytes));
    }
    let mut tuple = serializer.serialize_tuple(LEN)?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

pub(crate) fn deserialize_hex<'de, const LEN: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<[u8; LEN], D::Error> {
    if deserializer.is_human_readable() {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        return parse_hex(&text).ok_or_else(|| D::Error::custom("not hexadecimal digits"));
    }
    deserializer.deserialize_tuple(LEN, Bytes)
}

struct Hex<'b>(&'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0)
    }
}

/// Reads so many bytes.
struct Bytes<const LEN: usize>;

impl<'de, const LEN: usize> Visitor<'de> for Bytes<LEN> {
    type Value = [u8; LEN];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LEN} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; LEN], A::Error> {
        let mut bytes = [0; LEN];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let next = seq.next_element()?;
            *byte = next.ok_or_else(|| A::Error::invalid_length(at, &self))?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::OsEntropy;

    proptest! {
        #[test]
        fn an_id_has_one_text(bytes: [u8; 16]) {
            let id = FileId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn an_id_is_text_where_people_read_it_and_bytes_elsewhere(bytes: [u8; 16]) {
            let id = FileId::from_bytes(bytes);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{id}\""));
            prop_assert_eq!(serde_json::from_str::<FileId>(&json).unwrap(), id);
            prop_assert_eq!(serde_json::from_value::<FileId>(json[1..33].into()).unwrap(), id);
        }

        #[test]
        fn later_ids_are_greater(one in 0..1_u64 << 48, other in 0..1_u64 << 48) {
            let id = |millis| LinkId::at(Timestamp::from_millis(millis), &OsEntropy);
            prop_assume!(one < other);
            prop_assert!(id(one) < id(other));
            prop_assert_ne!(id(one), id(one));
        }

        #[test]
        fn a_text_that_parses_is_the_ids_own(text in "[0-9a-fA-F]{30,34}") {
            if let Ok(id) = text.parse::<FileId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
