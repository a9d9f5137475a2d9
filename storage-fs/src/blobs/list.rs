//! Which stages and blobs there are. One folder is looked at after another, and no more names are
//! kept than go on a page.

use std::{collections::BinaryHeap, ffi::OsStr, fs::Metadata, io};

use consign_core::{
    id::{BlobKey, StageId},
    store::{BlobInfo, Page, StageInfo},
    time::Timestamp,
};

use super::Inner;
use crate::layout::{Layout, Place};

pub(super) fn stages(
    inner: &Inner,
    after: Option<StageId>,
    limit: usize,
) -> io::Result<Page<StageInfo, StageId>> {
    let folder = Folder {
        place: Place::Stages,
        named: Layout::stage_named,
        file: Place::Stage,
    };
    let mut stages = Vec::new();
    inner.list(&folder, after, limit.saturating_add(1), |id, metadata| {
        let modified = modified(metadata)?;
        stages.push(StageInfo { id, modified });
        Ok(())
    })?;
    Ok(Page::cut(stages, limit, |stage| stage.id))
}

pub(super) fn keys(
    inner: &Inner,
    after: Option<BlobKey>,
    limit: usize,
) -> io::Result<Page<BlobInfo, BlobKey>> {
    let want = limit.saturating_add(1);
    let mut blobs = Vec::new();
    for byte in after.map_or(0, |key| key.as_bytes()[0])..=u8::MAX {
        let folder = Folder {
            place: Place::Fan(byte),
            named: |name: &OsStr| Layout::blob_named(byte, name),
            file: Place::Blob,
        };
        inner.list(&folder, after, want - blobs.len(), |key, metadata| {
            blobs.push(BlobInfo {
                key,
                size: metadata.len(),
                modified: modified(metadata)?,
            });
            Ok(())
        })?;
        if blobs.len() == want {
            break;
        }
    }
    Ok(Page::cut(blobs, limit, |blob| blob.key))
}

/// A folder whose files are named by keys.
struct Folder<N, P> {
    place: Place,
    named: N,
    file: P,
}

impl Inner {
    /// Gives `each` the first `want` of a folder's files after `after`, in order.
    fn list<K: Copy + Ord>(
        &self,
        folder: &Folder<impl Fn(&OsStr) -> Option<K>, impl Fn(K) -> Place>,
        mut after: Option<K>,
        want: usize,
        mut each: impl FnMut(K, &Metadata) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut given = 0;
        loop {
            let missing = want - given;
            let keys = self.first(folder, after, missing)?;
            let (found, last) = (keys.len(), keys.last().copied());
            for key in keys {
                match self.disk.metadata_at(&self.layout.path((folder.file)(key))) {
                    Ok(metadata) => {
                        each(key, &metadata)?;
                        given += 1;
                    }
                    // It has gone since it was listed; another may take its place on the page.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            if given == want || found < missing {
                return Ok(());
            }
            after = last;
        }
    }

    /// The first `want` of a folder's names after `after`, in order. Those that are not ours are
    /// passed over.
    fn first<K: Copy + Ord>(
        &self,
        folder: &Folder<impl Fn(&OsStr) -> Option<K>, impl Fn(K) -> Place>,
        after: Option<K>,
        want: usize,
    ) -> io::Result<Vec<K>> {
        let path = self.layout.path(folder.place);
        let mut first = BinaryHeap::new();
        self.disk.list(&path, |name, is_file| {
            let Some(key) = (folder.named)(name).filter(|_| is_file) else {
                tracing::debug!(
                    ?path,
                    ?name,
                    "this is none of the store's; it is left alone"
                );
                return;
            };
            if after.is_none_or(|after| key > after) {
                first.push(key);
                if first.len() > want {
                    first.pop();
                }
            }
        })?;
        Ok(first.into_sorted_vec())
    }
}

fn modified(metadata: &Metadata) -> io::Result<Timestamp> {
    metadata.modified().map(Timestamp::from)
}
