//! What is computed of a body's bytes as they come.

use bytes::Bytes;
use crc32fast::Hasher as Crc32Hasher;
use sha2::{Digest, Sha256 as Sha256Hasher};
use tokio::task;

use crate::{
    error::{Error, ErrorKind},
    file::Sha256,
};

/// Below this a chunk is hashed where it is: a change of thread would cost more.
const HASH_INLINE: usize = 128 * 1024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    pub(crate) sha256: Sha256,
    pub(crate) crc32: u32,
}

#[derive(Default)]
pub(crate) struct Hashers {
    sha256: Sha256Hasher,
    crc32: Crc32Hasher,
}

impl Hashers {
    /// Hashes on a thread of its own where that is worth it.
    pub(crate) async fn update(mut self, chunk: Bytes) -> Result<Self, Error> {
        if chunk.len() < HASH_INLINE {
            self.hash(&chunk);
            return Ok(self);
        }
        let work = task::spawn_blocking(move || {
            self.hash(&chunk);
            self
        });
        work.await
            .map_err(|failure| Error::new(ErrorKind::Internal, failure))
    }

    pub(crate) fn finish(self) -> Sums {
        Sums {
            sha256: Sha256(self.sha256.finalize().into()),
            crc32: self.crc32.finalize(),
        }
    }

    fn hash(&mut self, chunk: &[u8]) {
        self.sha256.update(chunk);
        self.crc32.update(chunk);
    }
}
