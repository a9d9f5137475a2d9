//! The bytes of a file on their way out, counted.

use std::{
    io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;

use super::{
    coverage::Coverage,
    links::OpenedBy,
    meters::Meters,
    recorder::{Credential, Recorder},
};
use crate::{
    event::{Author, ByLease, Download, EventKind, Transfers},
    file::File,
    store::ByteStream,
};

/// Who counts what is handed out.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) recorder: Arc<Recorder>,
    pub(super) coverage: Arc<Coverage>,
    pub(super) meters: Arc<Meters>,
}

/// A file, by what it was opened, and who counts what is read of it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) by: OpenedBy,
    pub(super) counter: Arc<Counter>,
}

impl Opened {
    /// The bytes of this range, counted as they are taken.
    pub(super) fn metered(self: &Arc<Self>, bytes: ByteStream, range: Range<u64>) -> ByteStream {
        if self.file.entry.size == 0 {
            // Nobody takes anything of a file without bytes.
            self.tell(Transfers {
                started: 1,
                completed: 1,
                bytes: 0,
            });
        }
        if range.is_empty() {
            return bytes;
        }
        Box::pin(Metered {
            bytes,
            opened: Arc::clone(self),
            range,
            given: 0,
            told: None,
            ended: false,
            asked: false,
        })
    }

    fn tell(&self, transfers: Transfers) {
        let meters = &self.counter.meters;
        meters.downloads.increment(transfers.started);
        meters.completed.increment(transfers.completed);
        meters.download_bytes.increment(transfers.bytes);
        let recorder = &self.counter.recorder;
        recorder.handed_out(self.file.entry.id, self.credential(), transfers, || {
            self.event()
        });
    }

    fn credential(&self) -> Credential {
        match &self.by {
            OpenedBy::Link(maker) => Credential::Link(Author::User(*maker)),
            OpenedBy::Lease(lease) => Credential::Lease(lease.id),
        }
    }

    fn event(&self) -> (Author, EventKind) {
        let entry = &self.file.entry;
        let (author, by_lease) = match &self.by {
            OpenedBy::Link(maker) => (Author::User(*maker), None),
            OpenedBy::Lease(lease) => {
                let by = ByLease {
                    link: lease.link,
                    lease: lease.id,
                    recipient: lease.recipient.clone(),
                };
                (Author::Anonymous, Some(by))
            }
        };
        let download = Download {
            file: entry.id,
            name: entry.name.clone(),
            sha256: entry.sha256,
            size: entry.size,
            by_lease,
            transfers: Transfers::default(),
        };
        (author, EventKind::Download(download))
    }

    /// Whether all of the file has been handed out, now that this was.
    fn completes(&self, range: Range<u64>) -> bool {
        let size = self.file.entry.size;
        let key = (self.file.entry.id, self.credential());
        range == (0..size) || self.counter.coverage.completes(key, range, size)
    }
}

/// A stream that counts what it gives: with its first chunk that it was begun, and the rest with its last
/// or when it is dropped.
struct Metered {
    bytes: ByteStream,
    opened: Arc<Opened>,
    range: Range<u64>,
    given: u64,
    /// How much of that is counted; `None` before anything is.
    told: Option<u64>,
    ended: bool,
    asked: bool,
}

impl Metered {
    fn tell(&mut self, completed: bool) {
        let told = self.told.replace(self.given);
        self.opened.tell(Transfers {
            started: u64::from(told.is_none()),
            completed: u64::from(completed),
            bytes: self.given - told.unwrap_or(0),
        });
    }

    fn end(&mut self) {
        if self.ended || !self.asked {
            return;
        }
        self.ended = true;
        let given = self.range.start..self.range.start + self.given;
        let completed = !given.is_empty() && self.opened.completes(given);
        if completed || self.told != Some(self.given) {
            self.tell(completed);
        }
    }
}

impl Stream for Metered {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.asked = true;
        let chunk = ready!(self.bytes.as_mut().poll_next(cx));
        match &chunk {
            Some(Ok(bytes)) => {
                self.given += bytes.len() as u64;
                if self.given >= self.range.end - self.range.start {
                    self.end();
                } else if self.told.is_none() {
                    self.tell(false);
                }
            }
            Some(Err(_)) | None => self.end(),
        }
        Poll::Ready(chunk)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.end();
    }
}
