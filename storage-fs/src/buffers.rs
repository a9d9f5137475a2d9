//! Memory for bytes on their way out, used again.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

/// Bytes of a small buffer: what is read at once, and kept in memory for one reader.
pub(crate) const SMALL: usize = 128 * 1024;

/// Bytes of a large one: so much is read at once while few read.
pub(crate) const LARGE: usize = 512 * 1024;

/// Large buffers in use at most; who comes beyond gets a small one.
const LARGE_AT_ONCE: usize = 16;

/// Buffers of each kind that are kept while nobody uses them, at most.
const KEPT: (usize, usize) = (32, 4);

/// Buffers that are used again: one that is new each time would be given back to the kernel and taken
/// from it with every read.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    /// Large ones in use.
    used: usize,
}

impl Buffers {
    /// A buffer for some of `left` bytes, which may hold anything.
    pub(crate) fn take(self: &Arc<Self>, left: u64) -> Buffer {
        let mut kept = self.kept();
        let large = left > SMALL as u64 && kept.used < LARGE_AT_ONCE;
        kept.used += usize::from(large);
        let (kept, len) = match large {
            true => (kept.large.pop(), LARGE),
            false => (kept.small.pop(), SMALL),
        };
        Buffer {
            bytes: kept.unwrap_or_else(|| vec![0; len]),
            filled: 0,
            home: Arc::clone(self),
        }
    }

    /// What is kept is whole between any two calls, so a panic elsewhere does not spoil it.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer, which goes back to where it came from.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    home: Arc<Buffers>,
}

impl Buffer {
    /// All of it, to be written to.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Its first `len` bytes.
    pub(crate) fn filled(mut self, len: usize) -> Bytes {
        self.filled = len.min(self.bytes.len());
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = mem::take(&mut self.bytes);
        let mut kept = self.home.kept();
        if bytes.len() == LARGE {
            kept.used -= 1;
            if kept.large.len() < KEPT.1 {
                kept.large.push(bytes);
            }
        } else if kept.small.len() < KEPT.0 {
            kept.small.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_not_too_many_are_kept() {
        let buffers = Arc::<Buffers>::default();
        let kept = || {
            let kept = buffers.kept();
            (kept.small.len(), kept.large.len())
        };
        let mut buffer = buffers.take(3);
        assert_eq!(buffer.space().len(), SMALL);
        buffer.space()[..3].copy_from_slice(b"abc");
        let bytes = buffer.filled(2);
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!((&*part, kept()), (&b"b"[..], (0, 0)));
        drop(part);
        assert_eq!(kept(), (1, 0));
        let many: Vec<_> = (0..2 * KEPT.0)
            .map(|_| buffers.take(SMALL as u64))
            .collect();
        assert_eq!(kept(), (0, 0));
        drop(many);
        assert_eq!(kept(), (KEPT.0, 0));
    }

    #[test]
    fn a_few_large_buffers_are_in_use_at_once() {
        let buffers = Arc::<Buffers>::default();
        for _ in 0..2 {
            let mut many: Vec<_> = (0..2 * LARGE_AT_ONCE)
                .map(|_| buffers.take(u64::MAX))
                .collect();
            let lens: Vec<_> = many.iter_mut().map(|buffer| buffer.space().len()).collect();
            assert!(lens[..LARGE_AT_ONCE].iter().all(|len| *len == LARGE));
            assert!(lens[LARGE_AT_ONCE..].iter().all(|len| *len == SMALL));
            drop(many);
            assert_eq!(buffers.kept().large.len(), KEPT.1);
        }
    }
}
