//! Bytes on their way out.

use std::{io, ops::Range, sync::Arc};

use bytes::Bytes;
use consign_core::store::ByteStream;
use futures_util::stream;

use super::FsBlobs;
use crate::disk::OpenFile;

/// Bytes read at once, and kept in memory for one reader.
const CHUNK: u64 = 128 * 1024;

/// What is left to read of one blob.
struct Reader {
    store: FsBlobs,
    file: Arc<OpenFile>,
    left: Range<u64>,
    /// Read already: the stream begins with it.
    ahead: Option<io::Result<Bytes>>,
}

/// The bytes of `range`. It blocks: the first of them are read at once, which saves a small file's
/// reader a change of thread.
pub(super) fn stream(store: FsBlobs, file: OpenFile, range: Range<u64>) -> ByteStream {
    let ahead = (!range.is_empty()).then(|| chunk(&store, &file, &range));
    let reader = Reader {
        store,
        file: Arc::new(file),
        left: range,
        ahead,
    };
    Box::pin(stream::unfold(Some(reader), |reader| async {
        reader?.next().await
    }))
}

impl Reader {
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

    async fn read(&self) -> io::Result<Bytes> {
        let (store, file, left) = (
            self.store.clone(),
            Arc::clone(&self.file),
            self.left.clone(),
        );
        let turn = self.store.0.pool.turn().await;
        turn.run(move || chunk(&store, &file, &left)).await?
    }
}

/// Some bytes from the start of `left`, which is not empty; never none.
fn chunk(store: &FsBlobs, file: &OpenFile, left: &Range<u64>) -> io::Result<Bytes> {
    let len = (left.end - left.start).min(CHUNK) as usize;
    let bytes = store.0.disk.read(file, left.start, len)?;
    match bytes.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(bytes),
    }
}
