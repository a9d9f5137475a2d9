use std::{fmt, io, ops::Range, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    archive::{Layout, Member, Piece},
    error::Error,
    service::AuthorizedFile,
    store::{ByteStream, StoreError},
    time::Timestamp,
};

/// Several files that their holder may read, as one zip archive.
///
/// The same files make the same archive, byte for byte, so its ranges and its digest can be relied on.
pub struct AuthorizedArchive {
    files: Arc<[AuthorizedFile]>,
    layout: Layout,
}

impl AuthorizedArchive {
    /// The archive of these files, in their order.
    ///
    /// A file that came before checksums were kept is read for its own, once.
    pub async fn of(files: Vec<AuthorizedFile>) -> Result<Self, Error> {
        let mut members = Vec::with_capacity(files.len());
        for file in &files {
            let entry = &file.file().entry;
            members.push(Member {
                name: entry.name.clone(),
                size: entry.size,
                crc32: file.crc32().await?,
                sha256: entry.sha256,
                modified: entry.uploaded_at,
            });
        }
        Ok(Self {
            files: files.into(),
            layout: Layout::new(members),
        })
    }

    /// What is in it.
    pub fn files(&self) -> &[AuthorizedFile] {
        &self.files
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.layout.len()
    }

    /// Archives of equal fingerprints are equal: see [`Layout::fingerprint`].
    pub fn fingerprint(&self) -> [u8; 32] {
        self.layout.fingerprint()
    }

    /// When the last of its files was added.
    pub fn modified(&self) -> Timestamp {
        let files = self.files.iter();
        let added = files.map(|file| file.file().entry.uploaded_at);
        added.max().unwrap_or_default()
    }

    /// Its bytes from `range.start` up to, and without, `range.end`; cut to its size. A file is opened
    /// when its turn comes: one that was removed meanwhile is an error there.
    pub fn read(&self, range: Range<u64>) -> ByteStream {
        let files = Arc::clone(&self.files);
        let pieces = stream::iter(self.layout.pieces(range)).then(move |piece| {
            let files = Arc::clone(&files);
            async move {
                match piece {
                    Piece::Bytes(bytes) => Ok(stream::once(async { Ok(bytes) }).boxed()),
                    Piece::Content { member, range } => {
                        files[member].read(range).await.map_err(io::Error::other)
                    }
                }
            }
        });
        Box::pin(pieces.try_flatten())
    }
}

impl fmt::Debug for AuthorizedArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedArchive")
            .field("files", &self.files)
            .field("layout", &self.layout)
            .finish()
    }
}

impl AuthorizedFile {
    /// The CRC-32 of its bytes. Where it is not kept, all are read, and it is from then on.
    pub async fn crc32(&self) -> Result<u32, Error> {
        let entry = &self.file().entry;
        if let Some(crc32) = entry.crc32 {
            return Ok(crc32);
        }
        let mut hasher = crc32fast::Hasher::new();
        let mut chunks = self.uncounted(0..entry.size).await?;
        while let Some(chunk) = chunks.next().await {
            hasher.update(&chunk.map_err(StoreError::from_io)?);
        }
        let crc32 = hasher.finalize();
        self.keep_crc32(crc32).await?;
        Ok(crc32)
    }
}
