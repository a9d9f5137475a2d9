//! The bytes of small blobs that were read of late.

use bytes::Bytes;
use consign_core::id::BlobKey;
use quick_cache::{Weighter, sync::Cache};

/// Bytes of the largest that are kept.
pub(crate) const LARGEST: u64 = 128 * 1024;

/// Bytes that one is counted as at least: its key and its place take room too.
const LEAST: u64 = 256;

/// How blobs begin, by their keys: of a small one, the whole, once all of it was asked for. A blob never changes, so what was
/// read once is good until the blob is removed.
#[derive(Debug)]
pub(crate) struct Small(Option<Cache<BlobKey, Bytes, Weight>>);

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<BlobKey, Bytes> for Weight {
    fn weight(&self, _: &BlobKey, bytes: &Bytes) -> u64 {
        (bytes.len() as u64).max(LEAST)
    }
}

impl Small {
    /// Of `capacity` bytes in all; none are kept where that is less than a few of the largest.
    pub(crate) fn new(capacity: u64) -> Self {
        let kept = capacity >= 8 * LARGEST;
        let typical = usize::try_from(capacity / LARGEST * 2).unwrap_or(usize::MAX);
        Self(kept.then(|| Cache::with_weighter(typical, capacity, Weight)))
    }

    /// Whether the bytes of this range are kept once they are read.
    pub(crate) fn keeps(&self, range: &std::ops::Range<u64>) -> bool {
        self.0.is_some() && range.start == 0 && (1..=LARGEST).contains(&range.end)
    }

    /// What is kept of the bytes of this range, if it is all of them.
    pub(crate) fn get(&self, key: BlobKey, range: &std::ops::Range<u64>) -> Option<Bytes> {
        let bytes = self.0.as_ref()?.get(&key)?;
        let start = usize::try_from(range.start).ok()?;
        let end = usize::try_from(range.end).ok()?;
        (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
    }

    /// Keeps how a blob begins. `is_there` tells whether it still has its name.
    pub(crate) fn keep(&self, key: BlobKey, bytes: &Bytes, is_there: impl FnOnce() -> bool) {
        let Some(cache) = &self.0 else { return };
        cache.insert(key, bytes.clone());
        // It may have been removed, here and as a file, after it was opened. Whoever removes the file
        // from now on comes here after that.
        if !is_there() {
            cache.remove(&key);
        }
    }

    /// The blob is removed.
    pub(crate) fn remove(&self, key: BlobKey) {
        if let Some(cache) = &self.0 {
            cache.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> BlobKey {
        BlobKey::from_bytes(u128::from(n).to_be_bytes())
    }

    #[test]
    fn the_beginning_that_was_kept_is_given_and_no_more() {
        let small = Small::new(8 * LARGEST);
        small.keep(key(1), &Bytes::from_static(b"abcdef"), || true);
        let get = |range| small.get(key(1), &range);
        assert_eq!(get(0..6).as_deref(), Some(&b"abcdef"[..]));
        assert_eq!(get(2..4).as_deref(), Some(&b"cd"[..]));
        assert_eq!(get(6..6).as_deref(), Some(&b""[..]));
        assert_eq!(get(0..7), None);
        assert_eq!(get(u64::MAX - 1..u64::MAX), None);
        assert_eq!(small.get(key(2), &(0..6)), None);
        small.remove(key(1));
        assert_eq!(get(0..6), None);
    }

    #[test]
    fn a_blob_that_is_gone_is_not_kept() {
        let small = Small::new(8 * LARGEST);
        small.keep(key(1), &Bytes::from_static(b"abc"), || false);
        assert_eq!(small.get(key(1), &(0..3)), None);
    }

    #[test]
    fn no_more_is_kept_than_is_allowed() {
        let small = Small::new(8 * LARGEST);
        let bytes = Bytes::from(vec![0; LARGEST as usize]);
        for n in 0..100 {
            small.keep(key(n), &bytes, || true);
        }
        let kept = (0..100).filter(|n| small.get(key(*n), &(0..1)).is_some());
        assert!((1..=8).contains(&kept.count()));
        assert!(small.keeps(&(0..LARGEST)));
        assert!(!small.keeps(&(0..LARGEST + 1)) && !small.keeps(&(1..2)) && !small.keeps(&(0..0)));
        let none = Small::new(0);
        none.keep(key(1), &bytes, || true);
        assert!(none.get(key(1), &(0..1)).is_none() && !none.keeps(&(0..1)));
    }
}
