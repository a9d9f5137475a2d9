//! Bytes on their way out.

use std::{io, ops::Range, os::unix::fs::MetadataExt, sync::Arc};

use bytes::Bytes;
use consign_core::{id::BlobKey, store::ByteStream};
use futures_util::stream;

use super::{FsBlobs, Inner};
use crate::disk::OpenFile;

/// Bytes that are in memory already.
pub(super) fn whole(bytes: Bytes) -> ByteStream {
    let bytes = (!bytes.is_empty()).then_some(Ok(bytes));
    Box::pin(stream::iter(bytes))
}

/// What is left to read of one blob.
pub(super) struct Reader {
    store: FsBlobs,
    blob: Arc<Blob>,
    left: Range<u64>,
    /// Read already: the stream begins with it.
    ahead: Option<io::Result<Bytes>>,
}

struct Blob {
    key: BlobKey,
    file: OpenFile,
}

impl Reader {
    pub(super) fn new(store: FsBlobs, key: BlobKey, file: OpenFile, range: Range<u64>) -> Self {
        Self {
            store,
            blob: Arc::new(Blob { key, file }),
            left: range,
            ahead: None,
        }
    }

    /// Reads the first bytes, for who blocks a thread already: a small file's reader needs no other.
    pub(super) fn read_ahead(mut self) -> Self {
        let Self {
            store, blob, left, ..
        } = &self;
        self.ahead = (!left.is_empty()).then(|| blob.chunk(&store.0, left));
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
        if let Some(bytes) = self.blob.chunk_at_once(&self.store.0, &self.left)? {
            return Ok(bytes);
        }
        let (store, blob, left) = (
            self.store.clone(),
            Arc::clone(&self.blob),
            self.left.clone(),
        );
        let turn = self.store.0.pool.turn().await;
        turn.run(move || blob.chunk(&store.0, &left)).await?
    }
}

impl Blob {
    /// Some bytes from the start of `left`, which is not empty; never none.
    fn chunk(&self, inner: &Inner, left: &Range<u64>) -> io::Result<Bytes> {
        let read = |space: &mut [u8]| {
            inner
                .disk
                .read_into(&self.file, left.start, space)
                .map(Some)
        };
        let read = self.read(inner, left, read)?;
        Ok(read.expect("it was waited for"))
    }

    /// As `chunk`, without blocking; `None` where that cannot be.
    fn chunk_at_once(&self, inner: &Inner, left: &Range<u64>) -> io::Result<Option<Bytes>> {
        self.read(inner, left, |space| {
            inner.disk.read_at_once(&self.file, left.start, space)
        })
    }

    fn read(
        &self,
        inner: &Inner,
        left: &Range<u64>,
        read: impl FnOnce(&mut [u8]) -> io::Result<Option<usize>>,
    ) -> io::Result<Option<Bytes>> {
        if inner.small.keeps(left) {
            // Of its own size, for it stays.
            let mut space = vec![0; (left.end - left.start) as usize];
            return Ok(match read(&mut space)? {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(read) if read == space.len() => {
                    let bytes = Bytes::from(space);
                    inner.small.keep(self.key, &bytes, || self.has_a_name());
                    Some(bytes)
                }
                Some(read) => {
                    space.truncate(read);
                    Some(space.into())
                }
                None => None,
            });
        }
        let len = left.end - left.start;
        let mut buffer = inner.buffers.take(len);
        let space = buffer.space();
        let most = usize::try_from(len).map_or(space.len(), |len| len.min(space.len()));
        let space = &mut space[..most];
        match read(space)? {
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(read) => Ok(Some(buffer.filled(read))),
            None => Ok(None),
        }
    }

    fn has_a_name(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.nlink() > 0)
    }
}
