//! Bytes on their way out.

use std::{collections::VecDeque, io, ops::Range};

use bytes::Bytes;
use consign_core::{
    id::BlobKey,
    store::{ByteStream, StoreError},
};
use futures_util::stream;
use http::StatusCode;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, path::Path};
use tokio::task::JoinHandle;

use crate::{
    blobs::{Inner, ObjectBlobs},
    errors::{Failure, conditional_error, store_error},
};

/// Bytes that are asked for at once, and are one item of a read.
const WINDOW: u64 = 1 << 20;

/// Windows that are fetched before they are asked for.
const AHEAD: usize = 2;

/// No object of S3 is as long as this (50 TiB).
const LONGEST: u64 = 1 << 50;

/// Opens a blob. The first window is read at once, and tells how long the blob is.
pub(crate) async fn open(
    store: ObjectBlobs,
    key: BlobKey,
    range: Range<u64>,
) -> Result<ByteStream, StoreError> {
    let path = store.0.layout.blob(key);
    let first = match range.is_empty() || range.start >= LONGEST {
        true => None,
        false => store.0.window(&path, None, first_window(&range)).await?,
    };
    let Some((bytes, meta)) = first else {
        store.0.head(&path).await?.ok_or(StoreError::Missing)?;
        let end = (!range.is_empty()).then(|| Err(io::ErrorKind::UnexpectedEof.into()));
        return Ok(Box::pin(stream::iter(end)));
    };
    let reader = Reader {
        next: range.start + bytes.len() as u64,
        end: range.end.min(meta.size),
        is_short: range.end > meta.size,
        tag: meta.e_tag,
        ahead: VecDeque::new(),
        store,
        path,
    };
    Ok(reader.stream(bytes))
}

fn first_window(range: &Range<u64>) -> Range<u64> {
    range.start..range.end.min(range.start + WINDOW)
}

struct Reader {
    store: ObjectBlobs,
    path: Path,
    /// What all windows have to be of.
    tag: Option<String>,
    /// What is not yet being fetched.
    next: u64,
    end: u64,
    is_short: bool,
    ahead: VecDeque<Fetch>,
}

impl Reader {
    fn stream(self, first: Bytes) -> ByteStream {
        let state = Some((self, Some(first)));
        Box::pin(stream::unfold(state, |state| async {
            let (mut reader, first) = state?;
            reader.fetch_ahead();
            let item = match first {
                Some(first) => Some(Ok(first)),
                None => reader.item().await,
            }?;
            let rest = item.is_ok().then_some((reader, None));
            Some((item, rest))
        }))
    }

    async fn item(&mut self) -> Option<io::Result<Bytes>> {
        match self.ahead.pop_front() {
            Some(mut fetch) => {
                let fetched = (&mut fetch.0).await;
                Some(fetched.unwrap_or_else(|failure| Err(io::Error::other(failure))))
            }
            None if self.is_short => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            None => None,
        }
    }

    /// Each in a task of its own, so that it comes to its end in time however slowly it is read.
    fn fetch_ahead(&mut self) {
        while self.ahead.len() < AHEAD && self.next < self.end {
            let range = self.next..self.end.min(self.next + WINDOW);
            self.next = range.end;
            let (store, path) = (self.store.clone(), self.path.clone());
            let tag = self.tag.clone();
            self.ahead.push_back(Fetch(tokio::spawn(async move {
                let wanted = range.end - range.start;
                let found = store.0.window(&path, tag, range).await;
                match found.map_err(io_error)? {
                    Some((bytes, _)) if bytes.len() as u64 == wanted => Ok(bytes),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            })));
        }
    }
}

/// A window that is being fetched, for as long as somebody may want it.
struct Fetch(JoinHandle<io::Result<Bytes>>);

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn io_error(error: StoreError) -> io::Error {
    match error {
        StoreError::Missing => io::Error::new(io::ErrorKind::NotFound, "the blob is gone"),
        StoreError::Exists => io::Error::other("the blob has changed while it was read"),
        error => io::Error::other(error),
    }
}

impl Inner {
    /// Reads `range` of the object that has this tag, as far as it goes; `None` where it does not go
    /// so far at all.
    pub(crate) async fn window(
        &self,
        path: &Path,
        tag: Option<String>,
        range: Range<u64>,
    ) -> Result<Option<(Bytes, ObjectMeta)>, StoreError> {
        let options = GetOptions {
            if_match: tag,
            range: Some(GetRange::Bounded(range.clone())),
            ..GetOptions::default()
        };
        let found = match self.store.get_opts(path, options).await {
            Err(error) if is_beyond(&error) => return Ok(None),
            found => found.map_err(conditional_error)?,
        };
        let (meta, given) = (found.meta.clone(), found.range.clone());
        let bytes = found.bytes().await.map_err(store_error)?;
        let expected = given.end - given.start;
        if given.start != range.start || bytes.len() as u64 != expected {
            return Err(StoreError::Unavailable(
                "the object store gave other bytes than those asked for".into(),
            ));
        }
        Ok(Some((bytes, meta)))
    }
}

fn is_beyond(error: &object_store::Error) -> bool {
    let status = Failure::within(error).and_then(Failure::status);
    status == Some(StatusCode::RANGE_NOT_SATISFIABLE)
}
