//! What is said of a file each time anew, kept as text.
//!
//! Of an entry of the catalogue its audience and its end alone ever change. The one is not kept here, and the
//! other is what an object is found by. So what was made of it once is right for as long as the file is
//! there, and nobody asks here for one that is not.

use std::{fmt, sync::Arc};

use consign_core::{File, file::Seq, id::FileId, time::Timestamp};
use http::HeaderMap;
use quick_cache::sync::Cache;
use serde_json::value::RawValue;

use crate::{audience::AudienceObject, download, files::FileObject};

/// Files of which the headers are kept at most; of how they are listed, some more, for they are
/// smaller.
const HEADERS: usize = 1024;
const OBJECTS: usize = 4096;

/// Bytes that a file takes in a list, about.
const OBJECT_LEN: usize = 400;

pub(crate) struct Rendered {
    headers: Cache<FileId, HeaderMap>,
    objects: Cache<(FileId, Option<Timestamp>), Arc<RawValue>>,
}

impl Rendered {
    /// What is said of a file with its bytes.
    pub(crate) fn headers(&self, file: &File) -> HeaderMap {
        let id = file.entry.id;
        self.headers.get(&id).unwrap_or_else(|| {
            let headers = download::headers_of(file);
            self.headers.insert(id, headers.clone());
            headers
        })
    }

    /// A file as it stands in a client's list.
    pub(crate) fn object(&self, file: &File) -> Arc<RawValue> {
        let key = (file.entry.id, file.entry.expires_at);
        self.objects.get(&key).unwrap_or_else(|| {
            let object = serde_json::value::to_raw_value(&FileObject::of(file));
            let object: Arc<RawValue> = object.expect("its parts can all be written").into();
            self.objects.insert(key, Arc::clone(&object));
            object
        })
    }
}

/// A page of the list of files, put together from what is kept as text.
pub(crate) struct Listing(Vec<u8>);

impl Listing {
    /// Of so many files.
    pub(crate) fn new(files: usize) -> Self {
        let mut text = Vec::with_capacity(files * OBJECT_LEN + 64);
        text.extend_from_slice(b"{\"files\":[");
        Self(text)
    }

    /// Adds a file, with whom it is for where that is shown.
    pub(crate) fn push(&mut self, object: &RawValue, audience: Option<&AudienceObject>) {
        let Self(text) = self;
        if !text.ends_with(b"[") {
            text.push(b',');
        }
        let object = object.get();
        let Some(audience) = audience else {
            text.extend_from_slice(object.as_bytes());
            return;
        };
        let open = object.strip_suffix('}').expect("it is an object");
        text.extend_from_slice(open.as_bytes());
        text.extend_from_slice(b",\"audience\":");
        serde_json::to_writer(&mut *text, audience).expect("names can all be written");
        text.push(b'}');
    }

    /// The whole, with where the next page begins.
    pub(crate) fn end(self, next: Option<Seq>) -> Vec<u8> {
        let Self(mut text) = self;
        text.extend_from_slice(b"],\"next\":");
        let next = next.map(|seq| seq.to_string());
        serde_json::to_writer(&mut text, &next).expect("numbers can all be written");
        text.push(b'}');
        text
    }
}

impl Default for Rendered {
    fn default() -> Self {
        Self {
            headers: Cache::new(HEADERS),
            objects: Cache::new(OBJECTS),
        }
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").finish_non_exhaustive()
    }
}
