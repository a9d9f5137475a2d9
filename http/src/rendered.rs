//! What is said of a file each time anew, kept as text.
//!
//! Of an entry of the catalogue its audience alone ever changes, and that is not kept here. So what was
//! made of it once is right for as long as the file is there, and nobody asks here for one that is not.

use std::{fmt, sync::Arc};

use consign_core::{File, id::FileId};
use http::HeaderMap;
use quick_cache::sync::Cache;
use serde_json::value::RawValue;

use crate::{audience::AudienceObject, download, files::FileObject};

/// Files of which the headers are kept at most; of how they are listed, some more, for they are
/// smaller.
const HEADERS: usize = 1024;
const OBJECTS: usize = 4096;

pub(crate) struct Rendered {
    headers: Cache<FileId, HeaderMap>,
    objects: Cache<FileId, Arc<RawValue>>,
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
        let id = file.entry.id;
        self.objects.get(&id).unwrap_or_else(|| {
            let object = serde_json::value::to_raw_value(&FileObject::of(file));
            let object: Arc<RawValue> = object.expect("its parts can all be written").into();
            self.objects.insert(id, Arc::clone(&object));
            object
        })
    }
}

/// A file as it stands in a list for those who may know whom it is for.
pub(crate) fn with_audience(object: &RawValue, audience: &AudienceObject) -> Arc<RawValue> {
    let audience = serde_json::to_string(audience).expect("names can all be written");
    let object = object.get().strip_suffix('}').expect("it is an object");
    let object = RawValue::from_string(format!("{object},\"audience\":{audience}}}"));
    object.expect("it is an object still").into()
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
