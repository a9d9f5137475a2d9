//! A body's bytes, gathered to be stored.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

/// Bytes of a chunk, unless the body ends: what is handed to a stage at once.
pub(super) const LEN: usize = 512 * 1024;

/// Chunks begin at a multiple of this in memory, and in the body: so a store can hand them to a disk
/// as they are.
const PAGE: usize = 4096;

/// Gathers a body into chunks, whose memory is used again once nobody has the chunk any more.
#[derive(Debug)]
pub(super) struct Chunks {
    current: Buffer,
    free: Free,
}

type Free = Arc<Mutex<Vec<Vec<u8>>>>;

/// Memory for one chunk, which goes back to where it came from.
#[derive(Debug)]
struct Buffer {
    memory: Vec<u8>,
    start: usize,
    len: usize,
    free: Free,
}

impl Chunks {
    pub(super) fn new() -> Self {
        let free = Free::default();
        Self {
            current: Buffer::new(&free),
            free,
        }
    }

    /// Takes in what there is room for in the present chunk, and gives back the rest.
    pub(super) fn take_in(&mut self, mut bytes: Bytes) -> Bytes {
        let Buffer {
            memory, start, len, ..
        } = &mut self.current;
        let taken = bytes.split_to(bytes.len().min(LEN - *len));
        memory[*start + *len..][..taken.len()].copy_from_slice(&taken);
        *len += taken.len();
        bytes
    }

    /// The present chunk so far.
    pub(super) fn current(&self) -> &[u8] {
        self.current.as_ref()
    }

    pub(super) fn is_full(&self) -> bool {
        self.current.len == LEN
    }

    /// Gives the present chunk away, and begins another.
    pub(super) fn finish(&mut self) -> Bytes {
        let next = Buffer::new(&self.free);
        Bytes::from_owner(mem::replace(&mut self.current, next))
    }
}

impl Buffer {
    fn new(free: &Free) -> Self {
        let kept = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = kept.unwrap_or_else(|| vec![0; LEN + PAGE]);
        let off = memory.as_ptr().align_offset(PAGE);
        Self {
            // `align_offset` need not find one; then the chunk is not aligned, and that is all.
            start: off.min(PAGE),
            memory,
            len: 0,
            free: Arc::clone(free),
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = mem::take(&mut self.memory);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_what_was_taken_in_and_their_memory_is_used_again() {
        let body: Vec<u8> = (0..3 * LEN + 5).map(|at| (at % 251) as u8).collect();
        let mut chunks = Chunks::new();
        let (mut stored, mut places) = (Vec::new(), Vec::new());
        for piece in body.chunks(70_001) {
            let mut rest = Bytes::copy_from_slice(piece);
            while !rest.is_empty() {
                rest = chunks.take_in(rest);
                if chunks.is_full() {
                    let chunk = chunks.finish();
                    assert_eq!((chunk.len(), chunk.as_ptr().align_offset(PAGE)), (LEN, 0));
                    places.push(chunk.as_ptr());
                    stored.extend_from_slice(&chunk);
                }
            }
        }
        stored.extend_from_slice(chunks.current());
        assert!(stored == body);
        assert_eq!(
            places[0], places[2],
            "two are enough, if each is dropped in time"
        );
    }
}
