//! Parts become a blob: by the store alone where it can, else by way of this process.

use std::{mem, sync::atomic::Ordering};

use bytes::{Bytes, BytesMut};
use consign_core::{id::BlobKey, store::StoreError};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::{
    ObjectStore, PutMultipartOptions, PutOptions, multipart::MultipartStore, path::Path,
};

use crate::{
    blobs::signed_by,
    errors::{Failure, conditional, store_error},
    layout::Piece,
    stage::{ObjectStage, Part},
    xml::UploadedPart,
};

/// Bytes that each part of an upload but the last has at least.
const LEAST: u64 = 5 << 20;

/// Parts that the store copies at once.
const COPIES: usize = 8;

impl ObjectStage {
    /// What is done, in this order: the rest in memory is sent, an upload is begun, the store copies each part into
    /// it, it is completed, and the blob is looked at. A crash leaves parts and an upload: an object among the parts says
    /// whose, so that whoever aborts the stage finds it.
    pub(crate) async fn publish_parts(&mut self, key: BlobKey) -> Result<(), StoreError> {
        let path = self.store.0.layout.blob(key);
        // Asked before, as it would be a pity to find out after copying gigabytes.
        if self.store.0.head(&path).await?.is_some() {
            return Err(StoreError::Exists);
        }
        // For when parts have to pass through this process: a resumed stage has none yet.
        self.reserve().await?;
        let rest = mem::take(&mut self.rest).freeze();
        let begun_again = self.begun_again();
        let published = self.publish_with(key, &path, rest.clone()).await;
        self.is_begun_again |= self.begun_again() != begun_again;
        if matches!(published, Err(StoreError::Exists)) {
            self.rest = BytesMut::from(rest);
        }
        published
    }

    async fn publish_with(&self, key: BlobKey, path: &Path, rest: Bytes) -> Result<(), StoreError> {
        let inner = &self.store.0;
        let mut parts = self.parts.clone();
        if !rest.is_empty() {
            parts.push(self.put_part(rest).await?);
        }
        let target = inner.layout.piece(self.id, Piece::Target(key));
        let options = PutOptions::default();
        let marked = inner.store.put_opts(&target, Bytes::new().into(), options);
        marked.await.map_err(of_parts)?;
        let options = PutMultipartOptions {
            attributes: signed_by(self.id),
            ..PutMultipartOptions::default()
        };
        let upload = inner.plain.create_multipart_opts(path, options).await;
        let upload = upload.map_err(of_parts)?;
        let published = self.upload(path, &upload, &parts).await;
        if published.is_err()
            && let Err(error) = inner.raw.abort(path, &upload).await
        {
            tracing::warn!(stage = %self.id, %error, "an upload that failed is still there; the sweeper will abort it");
        }
        published
    }

    fn begun_again(&self) -> u64 {
        self.store.0.begun_again.load(Ordering::Relaxed)
    }

    async fn upload(&self, path: &Path, upload: &str, parts: &[Part]) -> Result<(), StoreError> {
        let inner = &self.store.0;
        let uploaded = self.copied(path, upload, parts).await?;
        let blob = match inner.raw.complete(path, upload, uploaded).await {
            Ok(()) => inner.head(path).await?,
            // An answer may have been lost: of the key that is taken now, or the upload that is no more.
            Err(failure) if failure.is_missing() => Some(inner.is_by(path, self.id).await?),
            Err(failure) => match conditional(failure) {
                StoreError::Exists => Some(inner.is_by(path, self.id).await?),
                error => return Err(error),
            },
        };
        if blob.is_some_and(|blob| blob.size == self.size) {
            return Ok(());
        }
        inner.raw.delete(path).await?;
        Err(StoreError::Unavailable(
            "the object store put other bytes together than its parts".into(),
        ))
    }

    async fn copied(
        &self,
        path: &Path,
        upload: &str,
        parts: &[Part],
    ) -> Result<Vec<UploadedPart>, StoreError> {
        let inner = &self.store.0;
        let all_but_last = &parts[..parts.len().saturating_sub(1)];
        let are_long = all_but_last.iter().all(|part| part.len >= LEAST);
        if !are_long || !inner.copies.load(Ordering::Relaxed) {
            return self.relayed(path, upload, parts).await;
        }
        let mut copies = Vec::new();
        for (part, number) in parts.iter().zip(1..) {
            let from = inner.layout.piece(self.id, Piece::Part(number));
            let copy = async move {
                let tag = part.tag.as_deref();
                inner.raw.copy_part(&from, tag, path, upload, number).await
            };
            copies.push(copy.boxed());
        }
        let copies = stream::iter(copies).buffered(COPIES);
        let copied: Result<Vec<_>, Failure> = copies.try_collect().await;
        match copied {
            Err(failure) if failure.is_unknown_request() => {
                tracing::info!(
                    "the object store does not copy parts: they pass through this process"
                );
                inner.copies.store(false, Ordering::Relaxed);
                self.relayed(path, upload, parts).await
            }
            // A part has gone, or is another.
            Err(failure) => Err(match conditional(failure) {
                StoreError::Exists => StoreError::Missing,
                error => error,
            }),
            Ok(copied) => Ok(copied),
        }
    }

    /// Reads the parts and sends them again, joined where they are too short.
    async fn relayed(
        &self,
        path: &Path,
        upload: &str,
        parts: &[Part],
    ) -> Result<Vec<UploadedPart>, StoreError> {
        let upload = upload.to_owned();
        let (mut uploaded, mut joined) = (Vec::new(), BytesMut::new());
        for (part, number) in parts.iter().zip(1..) {
            joined.extend_from_slice(&self.read_part(number, part, 0, part.len).await?);
            let is_last = number == parts.len();
            if joined.len() as u64 >= LEAST || is_last {
                let bytes = joined.split().freeze();
                let plain = &self.store.0.plain;
                let at = uploaded.len();
                let put = plain.put_part(path, &upload, at, bytes.into());
                let put = put.await.map_err(of_parts)?;
                uploaded.push(UploadedPart::new(at + 1, put.content_id));
            }
        }
        Ok(uploaded)
    }
}

/// Of requests on which the key does not depend.
fn of_parts(error: object_store::Error) -> StoreError {
    match store_error(error) {
        StoreError::Missing => {
            StoreError::Unavailable("the object store does not take an upload".into())
        }
        error => error,
    }
}
