//! The keys that tokens are signed with, and how they rotate.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{random::Entropy, store::BoxError, time::Timestamp};

/// Where signing keys come from: a file, a secret service, a database that several nodes share.
#[async_trait]
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// The present keys; made when there are none.
    async fn load(&self) -> Result<KeyRing, KeyError>;

    /// Replaces the keys, durably.
    async fn save(&self, ring: &KeyRing) -> Result<(), KeyError>;
}

/// The key that signs, those that signed before and still verify, and the one that will sign next, where
/// it is [announced](KeyRing::announcing) already.
#[derive(Clone, Debug)]
pub struct KeyRing {
    current: SigningKey,
    retired: Vec<(SigningKey, Timestamp)>,
    next: Option<SigningKey>,
}

impl KeyRing {
    /// Keys that a ring keeps at most, the current one among them.
    pub const MAX_KEYS: usize = 16;

    /// A ring of one new key.
    pub fn generate(entropy: &dyn Entropy, now: Timestamp) -> Self {
        Self {
            current: SigningKey::generate(entropy, now),
            retired: Vec::new(),
            next: None,
        }
    }

    /// A ring of keys that were stored, the retired ones with the time they are good until.
    ///
    /// # Errors
    /// When two keys have one id, or there are more than [`KeyRing::MAX_KEYS`].
    pub fn new(
        current: SigningKey,
        retired: Vec<(SigningKey, Timestamp)>,
    ) -> Result<Self, KeyError> {
        let next = None;
        let ring = Self {
            current,
            retired,
            next,
        };
        ring.checked()
    }

    /// The ring with a key that was stored as the one that will sign next.
    ///
    /// # Errors
    /// As [`KeyRing::new`].
    pub fn with_next(mut self, next: SigningKey) -> Result<Self, KeyError> {
        self.next = Some(next);
        self.checked()
    }

    fn checked(self) -> Result<Self, KeyError> {
        let mut ids: Vec<_> = self.ids().collect();
        if ids.len() > Self::MAX_KEYS {
            return Err(KeyError::Invalid("there are more than 16 keys"));
        }
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(KeyError::Invalid("two keys have the same id"));
        }
        Ok(self)
    }

    /// The ring with a new current key. Those before it verify for `overlap` longer, or for what is
    /// left of their own time; those whose time is over are dropped, and the oldest beyond
    /// [`KeyRing::MAX_KEYS`], and a next key that there was. Where several nodes sign, each has to know a
    /// key before another signs with it: [`announcing`](KeyRing::announcing), and when all have that ring,
    /// [`advanced`](KeyRing::advanced).
    #[must_use]
    pub fn rotated(&self, entropy: &dyn Entropy, now: Timestamp, overlap: Duration) -> Self {
        self.replaced(self.another(entropy, now), now, overlap)
    }

    /// The ring with a new next key, which verifies and signs nothing yet, in the place of one that there
    /// was. The oldest beyond [`KeyRing::MAX_KEYS`] is dropped.
    #[must_use]
    pub fn announcing(&self, entropy: &dyn Entropy, now: Timestamp) -> Self {
        let mut retired = self.retired.clone();
        retired.truncate(Self::MAX_KEYS - 2);
        Self {
            current: self.current.clone(),
            retired,
            next: Some(self.another(entropy, now)),
        }
    }

    /// The ring in which the next key signs, and those before it verify as after
    /// [`rotated`](KeyRing::rotated); `None` where there is no next key.
    #[must_use]
    pub fn advanced(&self, now: Timestamp, overlap: Duration) -> Option<Self> {
        let next = self.next.clone()?;
        Some(self.replaced(next, now, overlap))
    }

    fn replaced(&self, current: SigningKey, now: Timestamp, overlap: Duration) -> Self {
        let end = now + overlap;
        let mut retired = vec![(self.current.clone(), end)];
        let before = self.retired.iter();
        retired.extend(before.map(|(key, until)| (key.clone(), end.min(*until))));
        retired.retain(|(_, until)| *until > now);
        retired.truncate(Self::MAX_KEYS - 1);
        Self {
            current,
            retired,
            next: None,
        }
    }

    /// A new key whose id none of the ring has.
    fn another(&self, entropy: &dyn Entropy, now: Timestamp) -> SigningKey {
        loop {
            let key = SigningKey::generate(entropy, now);
            if self.ids().all(|id| id != key.id) {
                return key;
            }
        }
    }

    fn ids(&self) -> impl Iterator<Item = KeyId> {
        let keys = self.keys().map(|(key, _)| key);
        keys.chain(&self.next).map(|key| key.id)
    }

    /// The key that signs.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The keys that still verify, newest first, with the time they are good until.
    pub fn retired(&self) -> &[(SigningKey, Timestamp)] {
        &self.retired
    }

    /// The key that will sign next, and verifies already.
    pub fn next(&self) -> Option<&SigningKey> {
        self.next.as_ref()
    }

    /// The current key and the retired ones, each with the time it is good until; the current one has none.
    pub fn keys(&self) -> impl Iterator<Item = (&SigningKey, Option<Timestamp>)> {
        let retired = self.retired.iter().map(|(key, until)| (key, Some(*until)));
        std::iter::once((&self.current, None)).chain(retired)
    }
}

/// A key, its name and its age.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// Its name, which tokens carry.
    pub id: KeyId,
    /// The key itself.
    pub secret: Secret,
    /// When it was made.
    pub created_at: Timestamp,
}

impl SigningKey {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy, now: Timestamp) -> Self {
        let mut id = [0; 4];
        entropy.fill(&mut id);
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(&mut *secret);
        Self {
            id: KeyId(id),
            secret: Secret(secret),
            created_at: now,
        }
    }
}

/// Names a key: 8 lower-case hexadecimal digits. No secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::id::write_hex(f, &self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let parsed = u32::from_str_radix(text, 16).map(|id| Self(id.to_be_bytes()));
        parsed
            .ok()
            .filter(|id| id.to_string() == text)
            .ok_or(KeyError::Invalid("a key's id is not 8 hexadecimal digits"))
    }
}

/// 256 secret bits. Wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// A stored secret.
    ///
    /// # Errors
    /// When it is one that nobody can have drawn at random: all of one byte, or counting up.
    pub fn new(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(bytes);
        let step = bytes[1].wrapping_sub(bytes[0]);
        if bytes
            .windows(2)
            .all(|pair| pair[1].wrapping_sub(pair[0]) == step)
        {
            return Err(KeyError::Invalid("a key is not random"));
        }
        Ok(Self(bytes))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Keys in memory: tokens die with the process.
#[derive(Debug)]
pub struct MemoryKeys(std::sync::Mutex<KeyRing>);

impl MemoryKeys {
    /// Keys of this ring.
    pub fn new(ring: KeyRing) -> Self {
        Self(std::sync::Mutex::new(ring))
    }
}

#[async_trait]
impl KeySource for MemoryKeys {
    async fn load(&self) -> Result<KeyRing, KeyError> {
        Ok(self.0.lock().expect("no holder panics").clone())
    }

    async fn save(&self, ring: &KeyRing) -> Result<(), KeyError> {
        *self.0.lock().expect("no holder panics") = ring.clone();
        Ok(())
    }
}

/// Why there are no keys. It never repeats a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The keys cannot be used as they are.
    #[error("the keys are not usable: {0}")]
    Invalid(&'static str),
    /// The keys cannot be used as they are kept; says where, and what to do.
    #[error("{0}")]
    Refused(String),
    /// The source does not answer.
    #[error("the keys cannot be read or written")]
    Unavailable(#[source] BoxError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsEntropy;

    #[test]
    fn rotation_keeps_the_old_key_for_the_overlap() {
        let hour = Duration::from_secs(3600);
        let start = Timestamp::from_secs(1_000_000);
        let first = KeyRing::generate(&OsEntropy, start);
        let second = first.rotated(&OsEntropy, start, hour);
        assert_ne!(first.current().id, second.current().id);
        assert_eq!(second.retired()[0].0.id, first.current().id);
        assert_eq!(second.retired()[0].1, start + hour);
        let third = second.rotated(&OsEntropy, start + hour, hour);
        assert_eq!(third.retired().len(), 1, "the first key's time is over");
        let ended = second.rotated(&OsEntropy, start, Duration::ZERO);
        assert!(
            ended.retired().is_empty(),
            "no overlap ends all keys before"
        );
        let mut many = third;
        for _ in 0..40 {
            many = many.rotated(&OsEntropy, start, hour);
        }
        assert_eq!(many.keys().count(), KeyRing::MAX_KEYS);
    }

    #[test]
    fn a_key_is_announced_before_it_signs() {
        let hour = Duration::from_secs(3600);
        let start = Timestamp::from_secs(1_000_000);
        let before = KeyRing::generate(&OsEntropy, start).rotated(&OsEntropy, start, hour);
        assert!(before.advanced(start, hour).is_none(), "none is announced");
        let announced = before.announcing(&OsEntropy, start);
        let next = announced.next().unwrap().id;
        assert_eq!(announced.current().id, before.current().id);
        assert_eq!(announced.retired().len(), before.retired().len());
        let after = announced.advanced(start, hour).unwrap();
        assert_eq!(after.current().id, next);
        assert_eq!(after.retired()[0].0.id, before.current().id);
        assert!(after.next().is_none());
        let ended = announced.advanced(start, Duration::ZERO).unwrap();
        assert!(
            ended.retired().is_empty(),
            "no overlap ends all keys before"
        );

        let again = announced.announcing(&OsEntropy, start);
        assert_ne!(again.next().unwrap().id, next, "another is a new one");
        let rotated = announced.rotated(&OsEntropy, start, hour);
        assert!(rotated.next().is_none() && rotated.keys().all(|(key, _)| key.id != next));
        let mut many = announced;
        for _ in 0..40 {
            many = many.announcing(&OsEntropy, start);
            assert!(many.ids().count() <= KeyRing::MAX_KEYS);
            many = many.advanced(start, hour).unwrap();
        }
        assert_eq!(many.ids().count(), KeyRing::MAX_KEYS);
        let key = SigningKey::generate(&OsEntropy, start);
        assert!(many.with_next(key).is_err(), "it would be one too many");
    }

    #[test]
    fn weak_secrets_and_double_ids_are_refused() {
        assert!(Secret::new([0; 32]).is_err());
        assert!(Secret::new([b'x'; 32]).is_err());
        assert!(Secret::new(std::array::from_fn(|at| at as u8)).is_err());
        let key = SigningKey::generate(&OsEntropy, Timestamp::from_secs(1));
        let twice = KeyRing::new(key.clone(), vec![(key, Timestamp::from_secs(2))]);
        assert!(matches!(twice, Err(KeyError::Invalid(_))));
        let ring = KeyRing::generate(&OsEntropy, Timestamp::from_secs(1));
        let current = ring.current().clone();
        assert!(ring.with_next(current).is_err());
    }

    #[test]
    fn a_new_key_is_256_bits_of_the_entropy_it_was_given() {
        /// Counts up over all that it fills.
        #[derive(Debug, Default)]
        struct Odd(std::sync::atomic::AtomicU8);
        impl Entropy for Odd {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill_with(|| self.0.fetch_add(3, std::sync::atomic::Ordering::SeqCst));
            }
        }
        let key = SigningKey::generate(&Odd::default(), Timestamp::from_secs(1));
        let given = std::array::from_fn(|at| (at * 3) as u8);
        let given: [u8; 36] = given;
        assert_eq!(key.id.0, given[..4]);
        assert_eq!(key.secret.expose()[..], given[4..]);
    }

    /// `==` stops at the first byte that differs, and so tells by its time how much was right. What
    /// has none cannot be compared that way by mistake.
    #[test]
    fn secrets_have_no_equals() {
        trait Otherwise {
            const HAS_EQUALS: bool = false;
        }
        impl<T> Otherwise for T {}
        struct Of<T>(std::marker::PhantomData<T>);
        #[allow(dead_code)] // where it is used, the test fails
        impl<T: PartialEq> Of<T> {
            const HAS_EQUALS: bool = true;
        }
        let found = [
            Of::<Secret>::HAS_EQUALS,
            Of::<SigningKey>::HAS_EQUALS,
            Of::<crate::password::Password>::HAS_EQUALS,
            // That the question is put rightly.
            Of::<[u8; 32]>::HAS_EQUALS,
        ];
        assert_eq!(found, [false, false, false, true]);
    }

    #[test]
    fn secrets_are_not_shown() {
        let ring = KeyRing::generate(&OsEntropy, Timestamp::from_secs(1));
        let shown = format!("{ring:?}");
        assert!(shown.contains("Secret(…)"), "{shown}");
    }
}
