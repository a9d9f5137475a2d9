//! Blobs as objects.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use consign_core::{
    id::{BlobKey, StageId},
    random::OsEntropy,
    store::{BlobInfo, BlobStore, ByteStream, Page, ReadGrant, Stage, StageInfo, StoreError},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{
    Attribute, AttributeValue, Attributes, GetOptions, ObjectStore, PutMode, PutOptions,
    aws::AmazonS3,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    errors::{OpenError, conditional_error, store_error},
    layout::{Layout, Piece},
    list, open,
    options::Options,
    raw::Raw,
    read,
    stage::ObjectStage,
};

/// How long a look at whether the store answers may take.
const CHECK: Duration = Duration::from_secs(5);

/// Of an object's metadata, what wrote it: so that a write whose answer was lost is known again.
const WRITER: &str = "consign-writer";

/// Blobs as objects of one bucket. Clones share what they hold.
///
/// A key is given once where the store knows conditional writes, which not all do: keys are random, and
/// the catalogue takes each once. Where the store ignores conditions, it is asked for the key before it is written.
///
/// It cannot tell whether somebody else is using a stage, nor how much room is left.
#[derive(Clone)]
pub struct ObjectBlobs(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// Sends checksums of what it puts.
    pub(crate) store: AmazonS3,
    /// Does not: for uploads, whose checksums would have to be told again at their end.
    pub(crate) plain: AmazonS3,
    pub(crate) raw: Raw,
    pub(crate) layout: Layout,
    pub(crate) options: Options,
    pub(crate) buffers: Arc<Semaphore>,
    /// Whether a write can be made on the condition that there is no object of its name.
    pub(crate) is_conditional: bool,
    /// Whether the store copies objects into parts of uploads, as far as is known.
    pub(crate) copies: AtomicBool,
    /// How often the beginning of an upload was sent again, of all uploads.
    pub(crate) begun_again: Arc<AtomicU64>,
}

impl ObjectBlobs {
    /// Opens the store in the bucket and below the prefix of `s3://bucket/prefix`. A small object is
    /// written, read and removed there.
    ///
    /// # Errors
    /// When the bucket cannot be used; within the time-outs of `options` when nobody answers.
    pub async fn open(url: &Url, options: Options) -> Result<Self, OpenError> {
        let inner = open::open(url, options).await?;
        Ok(Self(Arc::new(inner)))
    }

    /// Buffers of parts that are in use now: see [`Options::buffers`].
    pub fn buffers_in_use(&self) -> usize {
        let all = self.0.options.buffers;
        all.saturating_sub(self.0.buffers.available_permits())
    }
}

/// Shows neither keys nor credentials.
impl fmt::Debug for ObjectBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectBlobs")
            .field("bucket", &self.0.raw.bucket)
            .field("prefix", &self.0.layout.root())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    async fn begin(&self) -> Result<Box<dyn Stage>, StoreError> {
        let id = StageId::random(&OsEntropy);
        Ok(Box::new(ObjectStage::begin(self.clone(), id)))
    }

    async fn resume(&self, id: StageId) -> Result<Option<Box<dyn Stage>>, StoreError> {
        let stage = ObjectStage::resume(self.clone(), id).await?;
        Ok(stage.map(|stage| Box::new(stage) as _))
    }

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        self.0.put(key, bytes, StageId::random(&OsEntropy)).await
    }

    async fn abort(&self, id: StageId) -> Result<(), StoreError> {
        let pieces = self.0.pieces(id).await?;
        let targets = pieces.iter().filter_map(|(piece, _)| match piece {
            Piece::Target(key) => Some(*key),
            Piece::Part(_) => None,
        });
        for key in targets {
            self.0.abort_uploads(key).await?;
        }
        let pieces = pieces.into_iter().map(|(piece, _)| piece);
        self.0.remove(id, pieces.collect()).await
    }

    async fn stages(
        &self,
        after: Option<StageId>,
        limit: usize,
    ) -> Result<Page<StageInfo, StageId>, StoreError> {
        list::stages(&self.0, after, limit).await
    }

    async fn open(&self, grant: &ReadGrant, range: Range<u64>) -> Result<ByteStream, StoreError> {
        read::open(self.clone(), grant.key(), range).await
    }

    async fn delete(&self, key: BlobKey) -> Result<(), StoreError> {
        Ok(self.0.raw.delete(&self.0.layout.blob(key)).await?)
    }

    async fn keys(
        &self,
        after: Option<BlobKey>,
        limit: usize,
    ) -> Result<Page<BlobInfo, BlobKey>, StoreError> {
        list::keys(&self.0, after, limit).await
    }

    /// The bucket can be listed. It takes 5 s at most.
    async fn check(&self) -> Result<(), StoreError> {
        let options = PaginatedListOptions {
            max_keys: Some(1),
            ..PaginatedListOptions::default()
        };
        let looked = self
            .0
            .store
            .list_paginated(Some(self.0.layout.root()), options);
        match tokio::time::timeout(CHECK, looked).await {
            Ok(looked) => looked.map(drop).map_err(store_error),
            Err(late) => Err(StoreError::Unavailable(late.into())),
        }
    }
}

/// What is known of an object without reading it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) writer: Option<String>,
}

impl Inner {
    /// Makes a blob of one request. `writer` names this write: an answer may have been lost.
    pub(crate) async fn put(
        &self,
        key: BlobKey,
        bytes: Bytes,
        writer: StageId,
    ) -> Result<(), StoreError> {
        let path = self.layout.blob(key);
        if !self.is_conditional && self.head(&path).await?.is_some() {
            return Err(StoreError::Exists);
        }
        let options = PutOptions {
            mode: PutMode::Create,
            attributes: signed_by(writer),
            ..PutOptions::default()
        };
        let put = self.store.put_opts(&path, bytes.into(), options).await;
        match put.map_err(conditional_error) {
            Ok(_) => Ok(()),
            Err(StoreError::Exists) => self.is_by(&path, writer).await.map(drop),
            Err(StoreError::Missing) => Err(StoreError::Unavailable(
                "the object store does not find the bucket".into(),
            )),
            Err(error) => Err(error),
        }
    }

    /// What is there under a name that is said to be taken, if it is of this writer.
    pub(crate) async fn is_by(&self, path: &Path, writer: StageId) -> Result<Head, StoreError> {
        match self.head(path).await? {
            Some(head) if head.writer == Some(writer.to_string()) => Ok(head),
            Some(_) => Err(StoreError::Exists),
            None => Err(StoreError::Unavailable(
                "the object store says that a key is taken, and that it is not there".into(),
            )),
        }
    }

    pub(crate) async fn head(&self, path: &Path) -> Result<Option<Head>, StoreError> {
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        match self
            .store
            .get_opts(path, options)
            .await
            .map_err(store_error)
        {
            Ok(found) => {
                let writer = found.attributes.get(&writer_attribute());
                Ok(Some(Head {
                    size: found.meta.size,
                    writer: writer.map(|writer| writer.as_ref().to_owned()),
                }))
            }
            Err(StoreError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn abort_uploads(&self, key: BlobKey) -> Result<(), StoreError> {
        let path = self.layout.blob(key);
        let uploads = match self.raw.uploads(&path).await {
            Err(failure) if failure.is_unknown_request() => {
                tracing::debug!(
                    "the object store does not list uploads; a rule of the bucket's has to abort them"
                );
                return Ok(());
            }
            uploads => uploads?,
        };
        for upload in uploads {
            self.raw.abort(&path, &upload.upload_id).await?;
        }
        Ok(())
    }

    /// Removes objects of a stage. Those that are not there are no error.
    pub(crate) async fn remove(&self, id: StageId, pieces: Vec<Piece>) -> Result<(), StoreError> {
        let paths: Vec<_> = pieces
            .into_iter()
            .map(|piece| Ok(self.layout.piece(id, piece)))
            .collect();
        let removed = self.store.delete_stream(stream::iter(paths).boxed());
        removed
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(store_error)
    }
}

pub(crate) fn signed_by(writer: StageId) -> Attributes {
    let value = AttributeValue::from(writer.to_string());
    Attributes::from_iter([(writer_attribute(), value)])
}

fn writer_attribute() -> Attribute {
    Attribute::Metadata(WRITER.into())
}
