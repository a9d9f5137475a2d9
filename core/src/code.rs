//! One-time codes, by which the recipient of a managed link proves that it is they.

use std::{fmt, hint::black_box, str::FromStr, time::Duration};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{id::LinkId, random::Entropy, time::Timestamp, user::Email};

/// A code of eight digits. Wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

impl Code {
    /// Digits that it has.
    pub const LEN: usize = 8;

    /// A new one, each as likely as any other.
    pub fn random(entropy: &dyn Entropy) -> Self {
        const CODES: u64 = 10_u64.pow(Code::LEN as u32);
        let mut bytes = [0; 8];
        let number = loop {
            entropy.fill(&mut bytes);
            let number = u64::from_le_bytes(bytes);
            // The last incomplete round of them would make some likelier.
            if number < u64::MAX - u64::MAX % CODES {
                break number % CODES;
            }
        };
        Self(Zeroizing::new(format!("{number:08}")))
    }

    /// Its digits.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it, for this link and this recipient of it: to no other is it any good.
    pub fn hash(&self, link: LinkId, recipient: &Email) -> CodeHash {
        let mut hasher = Sha256::new_with_prefix(b"consign code 1");
        hasher.update(link.as_bytes());
        hasher.update(self.0.as_bytes());
        hasher.update(recipient.unique_key());
        CodeHash(hasher.finalize().into())
    }
}

impl FromStr for Code {
    type Err = InvalidCode;

    /// White space and hyphens between its digits are no part of it.
    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        let digits = Zeroizing::new(text.replace([' ', '-', '\u{a0}'], ""));
        let digits_alone = digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits_alone && digits.len() == Self::LEN {
            true => Ok(Self(digits)),
            false => Err(InvalidCode),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// The text is no [`Code`]. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a code of {} digits", Code::LEN)]
pub struct InvalidCode;

/// A digest of a code and of the link that it is for. Two are compared in a time that tells nothing of
/// where they differ.
#[derive(Clone, Copy)]
pub struct CodeHash(pub [u8; 32]);

impl PartialEq for CodeHash {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        black_box(pairs.fold(0, |differing, (one, other)| differing | (one ^ other))) == 0
    }
}

impl Eq for CodeHash {}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHash(…)")
    }
}

/// The codes that were sent for a link: one at a time is good, and there are never many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// The one that is good, if it is used in time.
    pub good: Option<GoodCode>,
    /// When the latest were sent, oldest first.
    pub sent: Vec<Timestamp>,
}

/// A code that opens its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodCode {
    /// Its digest.
    pub hash: CodeHash,
    /// Until when.
    pub until: Timestamp,
    /// How often another was given in its place.
    pub wrong: u8,
}

impl Codes {
    /// How long a code is good (ASVS 5.0, 6.5.5).
    pub const LASTS: Duration = Duration::from_secs(10 * 60);

    /// Wrong ones that a code outlives.
    pub const WRONG: u8 = 4;

    /// How long a code is the only one.
    pub const APART: Duration = Duration::from_secs(60);

    /// Codes that are sent at most within [`WITHIN`](Self::WITHIN).
    pub const SENT: usize = 5;

    /// See [`SENT`](Self::SENT).
    pub const WITHIN: Duration = Duration::from_secs(60 * 60);

    /// With one more code sent.
    ///
    /// # Errors
    /// When there is to be none now.
    pub fn with(&self, hash: CodeHash, at: Timestamp) -> Result<Self, NoCode> {
        let just_sent = self
            .sent
            .last()
            .is_some_and(|last| at < *last + Self::APART);
        if just_sent && self.good.as_ref().is_some_and(|good| at < good.until) {
            return Err(NoCode::JustSent);
        }
        let lately = self.sent.iter().filter(|sent| at < **sent + Self::WITHIN);
        let mut sent: Vec<_> = lately.copied().collect();
        if sent.len() >= Self::SENT {
            return Err(NoCode::TooMany {
                until: sent[0] + Self::WITHIN,
            });
        }
        if just_sent {
            return Err(NoCode::TooMany {
                until: sent[sent.len() - 1] + Self::APART,
            });
        }
        sent.push(at);
        let good = GoodCode {
            hash,
            until: at + Self::LASTS,
            wrong: 0,
        };
        Ok(Self {
            good: Some(good),
            sent,
        })
    }

    /// Without the one that is good: it was sent to somebody else.
    #[must_use]
    pub fn withdrawn(&self) -> Self {
        let (good, sent) = (None, self.sent.clone());
        Self { good, sent }
    }

    /// Whether this is the code that is good, and what there is after it was tried: a code is used once.
    pub fn tried(&self, hash: CodeHash, at: Timestamp) -> (bool, Self) {
        let sent = self.sent.clone();
        let Some(good) = self.good.clone().filter(|good| at < good.until) else {
            return (false, Self { good: None, sent });
        };
        if good.hash == hash {
            return (true, Self { good: None, sent });
        }
        let wrong = good.wrong.saturating_add(1);
        let good = (wrong <= Self::WRONG).then_some(GoodCode { wrong, ..good });
        (false, Self { good, sent })
    }
}

/// Why no code is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCode {
    /// One was just sent, and is good.
    JustSent,
    /// There were too many.
    TooMany {
        /// When there can be one again.
        until: Timestamp,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsEntropy;

    fn hash(n: u8) -> CodeHash {
        CodeHash([n; 32])
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn a_code_is_eight_digits_however_they_are_grouped() {
        for _ in 0..100 {
            let code = Code::random(&OsEntropy);
            assert_eq!(code.expose().len(), 8);
            assert!(code.expose().bytes().all(|byte| byte.is_ascii_digit()));
        }
        for text in ["12345678", "1234 5678", "1234-5678", " 12 34 56 78 "] {
            assert_eq!(text.parse::<Code>().unwrap().expose(), "12345678");
        }
        for text in ["", "1234567", "123456789", "1234567x", "١٢٣٤٥٦٧٨"] {
            assert_eq!(text.parse::<Code>().err(), Some(InvalidCode), "{text:?}");
        }
        let code: Code = "12345678".parse().unwrap();
        let link = |n| LinkId::from_bytes([n; 16]);
        let to = |address: &str| address.parse::<Email>().unwrap();
        let (ann, bob) = (to("ann@example.org"), to("bob@example.org"));
        let hash = code.hash(link(1), &ann);
        assert_eq!(code.hash(link(1), &to("Ann@Example.org")), hash);
        assert_ne!(code.hash(link(2), &ann), hash);
        assert_ne!(code.hash(link(1), &bob), hash);
        let shown = format!("{code:?} {hash:?} {InvalidCode}");
        assert_eq!(shown, "Code(…) CodeHash(…) not a code of 8 digits");
    }

    #[test]
    fn a_code_is_used_once_and_in_time() {
        let codes = Codes::default().with(hash(1), at(0)).unwrap();
        let end = at(0) + Codes::LASTS;
        assert!(!codes.tried(hash(1), end).0, "it has ended");
        let (right, after) = codes.tried(hash(1), at(10));
        assert!(right);
        assert!(!after.tried(hash(1), at(11)).0, "it is used up");
        assert!(!Codes::default().tried(hash(1), at(0)).0, "there is none");
    }

    #[test]
    fn a_code_outlives_few_wrong_ones() {
        let mut codes = Codes::default().with(hash(1), at(0)).unwrap();
        for _ in 0..Codes::WRONG {
            let (right, after) = codes.tried(hash(2), at(1));
            assert!(!right && after.tried(hash(1), at(1)).0);
            codes = after;
        }
        let (_, after) = codes.tried(hash(2), at(1));
        assert!(!after.tried(hash(1), at(1)).0, "that was one too many");
    }

    #[test]
    fn codes_are_sent_apart_and_never_many() {
        let codes = Codes::default().with(hash(1), at(0)).unwrap();
        assert_eq!(codes.with(hash(2), at(59)), Err(NoCode::JustSent));
        let (_, used) = codes.tried(hash(1), at(30));
        let until = at(60);
        assert_eq!(used.with(hash(2), at(59)), Err(NoCode::TooMany { until }));
        let mut codes = codes;
        for n in 1..5 {
            codes = codes.with(hash(9), at(n * 60)).unwrap();
            assert!(!codes.tried(hash(1), at(n * 60)).0, "the latest is good");
        }
        let until = at(3600);
        assert_eq!(
            codes.with(hash(2), at(3599)),
            Err(NoCode::TooMany { until })
        );
        codes = codes.with(hash(2), at(3600)).unwrap();
        let until = at(3660);
        assert_eq!(codes.with(hash(2), at(3659)).err(), Some(NoCode::JustSent));
        let (_, used) = codes.tried(hash(2), at(3659));
        assert_eq!(used.with(hash(2), at(3659)), Err(NoCode::TooMany { until }));
        assert_eq!(codes.sent.len(), 5);
    }
}
