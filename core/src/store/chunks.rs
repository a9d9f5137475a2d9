//! A body's bytes, gathered to be stored.

use std::{
    mem,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes of a chunk, unless the body ends: what is handed to a stage at once.
const LEN: usize = 256 * 1024;

/// Bytes of a chunk of a large body: the larger they are, the less often threads wait for each other.
const LARGE: usize = 2 * 1024 * 1024;

/// Bytes of a body before its chunks are large.
const LARGE_FROM: u64 = 8 << 20;

/// Bodies whose chunks are large at once, in this process: more of them would take too much memory.
static LARGE_AT_ONCE: Semaphore = Semaphore::const_new(8);

/// Chunks begin at a multiple of this in memory, and in the body: so a store can hand them to a disk
/// as they are.
const PAGE: usize = 4096;

/// Gathers a body into chunks, whose memory is used again once nobody has the chunk any more.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    current: Option<Buffer>,
    finished: u64,
    large: Option<SemaphorePermit<'static>>,
    /// Memory of large chunks.
    free: Arc<Free>,
}

type Free = Mutex<Vec<Vec<u8>>>;

/// Memory of other chunks, of all bodies: most are short, and for each it would be given back to the
/// kernel and taken from it again.
static FREE: LazyLock<Arc<Free>> = LazyLock::new(Arc::default);

/// How many of those are kept.
const KEPT: usize = 16;

/// Memory for one chunk, which goes back to where it came from.
#[derive(Debug)]
struct Buffer {
    memory: Vec<u8>,
    start: usize,
    len: usize,
    free: Arc<Free>,
}

impl Chunks {
    /// Takes in what there is room for in the present chunk, and gives back the rest.
    pub(super) fn take_in(&mut self, mut bytes: Bytes) -> Bytes {
        let current = self.current.get_or_insert_with(|| match self.large {
            Some(_) => Buffer::new(LARGE, &self.free),
            None => Buffer::new(LEN, &FREE),
        });
        let room = current.room();
        let taken = bytes.split_to(bytes.len().min(room.len()));
        room[..taken.len()].copy_from_slice(&taken);
        current.len += taken.len();
        bytes
    }

    /// The present chunk so far.
    pub(super) fn current(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], Buffer::as_ref)
    }

    pub(super) fn is_full(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.len == current.most())
    }

    /// Gives the present chunk away; what is taken in next begins another.
    pub(super) fn finish(&mut self) -> Bytes {
        let chunk = self
            .current
            .take()
            .map_or_else(Bytes::new, Bytes::from_owner);
        self.finished += chunk.len() as u64;
        if self.finished >= LARGE_FROM && self.large.is_none() {
            self.large = LARGE_AT_ONCE.try_acquire().ok();
        }
        chunk
    }
}

impl Buffer {
    fn new(len: usize, free: &Arc<Free>) -> Self {
        let kept = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = kept.unwrap_or_else(|| vec![0; len + PAGE]);
        Self {
            // It need not be found; then the chunk is not aligned, and that is all.
            start: memory.as_ptr().align_offset(PAGE).min(PAGE),
            memory,
            len: 0,
            free: Arc::clone(free),
        }
    }

    fn room(&mut self) -> &mut [u8] {
        let most = self.most();
        &mut self.memory[self.start..][self.len..most]
    }

    fn most(&self) -> usize {
        self.memory.len() - PAGE
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
        if free.len() < KEPT {
            free.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_what_was_taken_in_and_their_memory_is_used_again() {
        let body: Vec<u8> = (0..LARGE_FROM as usize + 3 * LARGE + 5)
            .map(|at| (at % 251) as u8)
            .collect();
        let mut chunks = Chunks::default();
        let (mut stored, mut places) = (Vec::new(), Vec::new());
        for piece in body.chunks(70_001) {
            let mut rest = Bytes::copy_from_slice(piece);
            while !rest.is_empty() {
                rest = chunks.take_in(rest);
                if chunks.is_full() {
                    let chunk = chunks.finish();
                    let large = stored.len() as u64 >= LARGE_FROM;
                    assert_eq!(chunk.len(), if large { LARGE } else { LEN });
                    assert_eq!(chunk.as_ptr().align_offset(PAGE), 0);
                    places.push(chunk.as_ptr());
                    stored.extend_from_slice(&chunk);
                }
            }
        }
        stored.extend_from_slice(chunks.current());
        assert!(stored == body);
        // One is enough, if each is dropped in time.
        assert_eq!(places[places.len() - 1], places[places.len() - 2]);
    }
}
