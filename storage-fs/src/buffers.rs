//! Memory for bytes on their way out, used again.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

/// Bytes of one buffer: what is read at once, and kept in memory for one reader.
pub(crate) const LEN: usize = 128 * 1024;

/// Buffers that are kept while nobody uses them, at most.
const KEPT: usize = 32;

/// Buffers of [`LEN`] bytes. One that is new each time would be given back to the kernel and taken
/// from it again with every read.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// A buffer, which may hold anything.
    pub(crate) fn take(self: &Arc<Self>) -> Buffer {
        let kept = self.kept().pop();
        Buffer {
            bytes: kept.unwrap_or_else(|| vec![0; LEN]),
            filled: 0,
            home: Arc::clone(self),
        }
    }

    /// The list is whole between any two calls, so a panic elsewhere does not spoil it.
    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
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
        let mut kept = self.home.kept();
        if kept.len() < KEPT {
            kept.push(mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_not_too_many_are_kept() {
        let buffers = Arc::<Buffers>::default();
        let mut buffer = buffers.take();
        buffer.space()[..3].copy_from_slice(b"abc");
        let bytes = buffer.filled(2);
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!((&*part, buffers.kept().len()), (&b"b"[..], 0));
        drop(part);
        assert_eq!(buffers.kept().len(), 1);
        let many: Vec<_> = (0..2 * KEPT).map(|_| buffers.take()).collect();
        assert!(buffers.kept().is_empty());
        drop(many);
        assert_eq!(buffers.kept().len(), KEPT);
    }
}
