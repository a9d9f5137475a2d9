//! Bytes on their way out.

use std::{io, ops::Range, sync::Arc};

use bytes::Bytes;
use consign_core::store::ByteStream;
use futures_util::stream;

use super::{FsBlobs, Inner};
use crate::{buffers, disk::OpenFile};

/// What is left to read of one blob.
pub(super) struct Reader {
    store: FsBlobs,
    file: Arc<OpenFile>,
    left: Range<u64>,
    /// Read already: the stream begins with it.
    ahead: Option<io::Result<Bytes>>,
}

impl Reader {
    pub(super) fn new(store: FsBlobs, file: OpenFile, range: Range<u64>) -> Self {
        Self {
            store,
            file: Arc::new(file),
            left: range,
            ahead: None,
        }
    }

    /// Reads the first bytes, for who blocks a thread already: a small file's reader needs no other.
    pub(super) fn read_ahead(mut self) -> Self {
        self.ahead = (!self.left.is_empty()).then(|| chunk(&self.store.0, &self.file, &self.left));
        self
    }

    pub(super) fn stream(self) -> ByteStream {
        Box::pin(stream::unfold(Some(self), |reader| async {
            reader?.next().await
        }))
    }

    /// The next bytes, and what is left after them: nothing after an error.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        if self.left.is_empty() {
            return None;
        }
        let read = match self.ahead.take() {
            Some(read) => read,
            None => self.read().await,
        };
        match read {
            Ok(bytes) => {
                self.left.start += bytes.len() as u64;
                Some((Ok(bytes), Some(self)))
            }
            Err(error) => Some((Err(error), None)),
        }
    }

    /// What the kernel has in memory is read here, for that is over sooner than another thread is
    /// woken; the rest where it may block.
    async fn read(&self) -> io::Result<Bytes> {
        if let Some(bytes) = chunk_at_once(&self.store.0, &self.file, &self.left)? {
            return Ok(bytes);
        }
        let (store, file, left) = (
            self.store.clone(),
            Arc::clone(&self.file),
            self.left.clone(),
        );
        let turn = self.store.0.pool.turn().await;
        turn.run(move || chunk(&store.0, &file, &left)).await?
    }
}

/// Some bytes from the start of `left`, which is not empty; never none.
fn chunk(inner: &Inner, file: &OpenFile, left: &Range<u64>) -> io::Result<Bytes> {
    let mut buffer = inner.buffers.take();
    let space = &mut buffer.space()[..len(left)];
    match inner.disk.read_into(file, left.start, space)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(buffer.filled(read)),
    }
}

/// As `chunk`, without blocking; `None` where that cannot be.
fn chunk_at_once(inner: &Inner, file: &OpenFile, left: &Range<u64>) -> io::Result<Option<Bytes>> {
    let mut buffer = inner.buffers.take();
    let space = &mut buffer.space()[..len(left)];
    match inner.disk.read_at_once(file, left.start, space)? {
        Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Some(read) => Ok(Some(buffer.filled(read))),
        None => Ok(None),
    }
}

fn len(left: &Range<u64>) -> usize {
    (left.end - left.start).min(buffers::LEN as u64) as usize
}
