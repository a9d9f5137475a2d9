//! Which objects there are. Names come in order, a thousand at a time.

use consign_core::{
    id::{BlobKey, StageId},
    store::{BlobInfo, Page, StageInfo, StoreError},
    time::Timestamp,
};
use object_store::{
    ObjectMeta,
    list::{PaginatedListOptions, PaginatedListStore},
};

use crate::{
    blobs::Inner,
    errors::store_error,
    layout::{MOST_PARTS, Piece},
};

/// Names that a store lists at once, at most.
const AT_ONCE: usize = 1000;

pub(crate) async fn keys(
    inner: &Inner,
    after: Option<BlobKey>,
    limit: usize,
) -> Result<Page<BlobInfo, BlobKey>, StoreError> {
    let want = limit.saturating_add(1);
    let after = after.map(|after| inner.layout.blob(after).to_string());
    let mut names = Names::new(inner, inner.layout.blobs(), after, want);
    let mut blobs = Vec::new();
    while blobs.len() < want
        && let Some(objects) = names.next().await?
    {
        for object in objects {
            let Some(key) = inner.layout.blob_named(&object.location) else {
                not_ours(&object);
                continue;
            };
            blobs.push(BlobInfo {
                key,
                size: object.size,
                modified: modified(&object),
            });
        }
    }
    Ok(Page::cut(blobs, limit, |blob| blob.key))
}

/// All parts of all stages are looked at: that is fewer requests than one for each stage, as few stages
/// are left behind, and each is as new as its newest part.
pub(crate) async fn stages(
    inner: &Inner,
    after: Option<StageId>,
    limit: usize,
) -> Result<Page<StageInfo, StageId>, StoreError> {
    let want = limit.saturating_add(1);
    let after = after.map(|after| inner.layout.after_stage(after));
    let mut names = Names::new(inner, inner.layout.stages(), after, usize::MAX);
    let mut stages: Vec<StageInfo> = Vec::new();
    while stages.len() <= want
        && let Some(objects) = names.next().await?
    {
        for object in objects {
            let Some((id, _)) = inner.layout.piece_named(&object.location) else {
                not_ours(&object);
                continue;
            };
            let modified = modified(&object);
            match stages.last_mut() {
                Some(stage) if stage.id == id => stage.modified = stage.modified.max(modified),
                _ => stages.push(StageInfo { id, modified }),
            }
        }
    }
    stages.truncate(want);
    Ok(Page::cut(stages, limit, |stage| stage.id))
}

impl Inner {
    /// The objects of a stage, in order.
    pub(crate) async fn pieces(&self, id: StageId) -> Result<Vec<(Piece, ObjectMeta)>, StoreError> {
        let mut names = Names::new(self, self.layout.stage(id), None, usize::MAX);
        let mut pieces = Vec::new();
        while pieces.len() <= 2 * MOST_PARTS
            && let Some(objects) = names.next().await?
        {
            let ours = objects.into_iter().filter_map(|object| {
                let (_, piece) = self.layout.piece_named(&object.location)?;
                Some((piece, object))
            });
            pieces.extend(ours);
        }
        Ok(pieces)
    }
}

/// Lists what begins with a prefix. Each list begins after the last name of that before, which more
/// stores do alike than going on by a token.
struct Names<'a> {
    inner: &'a Inner,
    prefix: String,
    after: Option<String>,
    at_once: usize,
    has_ended: bool,
}

impl<'a> Names<'a> {
    fn new(inner: &'a Inner, prefix: String, after: Option<String>, want: usize) -> Self {
        Self {
            inner,
            prefix,
            after,
            at_once: want.min(AT_ONCE),
            has_ended: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<ObjectMeta>>, StoreError> {
        if self.has_ended {
            return Ok(None);
        }
        let options = PaginatedListOptions {
            offset: self.after.clone(),
            max_keys: Some(self.at_once),
            ..PaginatedListOptions::default()
        };
        let listed = self.inner.store.list_paginated(Some(&self.prefix), options);
        let listed = listed.await.map_err(store_error)?;
        let objects = listed.result.objects;
        match objects.last() {
            Some(last) => self.after = Some(last.location.to_string()),
            None => self.has_ended = true,
        }
        self.has_ended |= listed.page_token.is_none();
        Ok(Some(objects))
    }
}

fn modified(object: &ObjectMeta) -> Timestamp {
    let millis = object.last_modified.timestamp_millis();
    Timestamp::from_millis(millis.try_into().unwrap_or(0))
}

fn not_ours(object: &ObjectMeta) {
    tracing::debug!(name = %object.location, "this is none of the store's; it is left alone");
}
