//! What happens outside of any change, until it is recorded: sign-ins, and bytes that are handed out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, sync, time};

use crate::{
    error::{Error, ErrorKind},
    event::{Author, Event, EventKind, Transfers},
    id::{FileId, LeaseId, UserId},
    store::{Change, FileStore, Outcome},
    time::{Clock, Timestamp},
};

/// Events that wait at most. What is more is counted together.
const MOST: usize = 4096;

/// Events of one change.
const BATCH: usize = 256;

/// How long to wait until a store that failed is tried again, at least.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps events for a moment. What one credential does meanwhile with one file is one event, and so are a
/// user's sign-ins.
#[derive(Debug)]
pub(super) struct Recorder {
    files: Arc<dyn FileStore>,
    clock: Arc<dyn Clock>,
    delay: Duration,
    waiting: Mutex<Waiting>,
    recording: sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<Event>,
    /// Where among them the one is that is told together.
    places: HashMap<Key, usize>,
    /// Whether a task sees to it that they are recorded.
    seen_to: bool,
}

/// What is told together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    SignedIn(UserId),
    SignInFailed(Option<UserId>),
    Download(FileId, Credential),
    /// All that there was no room for.
    Crowd,
}

/// What somebody has a file by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Credential {
    /// A download link of this user's.
    Link(Author),
    Lease(LeaseId),
}

/// How much more of something there was.
#[derive(Clone, Copy, Debug, Default)]
struct More {
    signed_in: u64,
    failed: u64,
    downloads: Transfers,
}

impl Recorder {
    pub(super) fn new(files: Arc<dyn FileStore>, clock: Arc<dyn Clock>, delay: Duration) -> Self {
        Self {
            files,
            clock,
            delay,
            waiting: Mutex::default(),
            recording: sync::Mutex::default(),
        }
    }

    pub(super) fn signed_in(self: &Arc<Self>, user: UserId) {
        let more = More {
            signed_in: 1,
            ..More::default()
        };
        let new = || (Author::User(user), EventKind::SignedIn { user, times: 0 });
        self.note(Key::SignedIn(user), more, new);
    }

    pub(super) fn sign_in_failed(self: &Arc<Self>, user: Option<UserId>) {
        let more = More {
            failed: 1,
            ..More::default()
        };
        let new = || {
            (
                Author::Anonymous,
                EventKind::SignInFailed { user, times: 0 },
            )
        };
        self.note(Key::SignInFailed(user), more, new);
    }

    /// `new` makes the event, of nothing as yet.
    pub(super) fn handed_out(
        self: &Arc<Self>,
        file: FileId,
        by: Credential,
        downloads: Transfers,
        new: impl FnOnce() -> (Author, EventKind),
    ) {
        let more = More {
            downloads,
            ..More::default()
        };
        self.note(Key::Download(file, by), more, new);
    }

    fn note(self: &Arc<Self>, key: Key, more: More, new: impl FnOnce() -> (Author, EventKind)) {
        let at = self.clock.now();
        let mut waiting = self.waiting();
        waiting.add(key, at, more, new);
        if !waiting.seen_to {
            waiting.seen_to = true;
            drop(waiting);
            self.see_to_it();
        }
    }

    /// Records all that waits. What a store does not take waits on.
    pub(super) async fn flush(self: &Arc<Self>) -> Result<(), Error> {
        let recorder = Arc::clone(self);
        // From here on it is finished whether or not anybody still waits: half-way, nobody could say
        // whether the events are recorded.
        tokio::spawn(async move { recorder.record_all().await })
            .await
            .map_err(|failure| Error::new(ErrorKind::Internal, failure))?
    }

    async fn record_all(&self) -> Result<(), Error> {
        let _alone = self.recording.lock().await;
        let mut events = self.waiting().take();
        while !events.is_empty() {
            let later = events.split_off(events.len().min(BATCH));
            let recorded = self.files.apply(Change::Record(events.clone())).await;
            let error = match recorded {
                Ok(Outcome::Recorded) => {
                    events = later;
                    continue;
                }
                Ok(outcome) => outcome.unexpected(),
                Err(error) => error.into(),
            };
            events.extend(later);
            self.waiting().put_back(events);
            return Err(error);
        }
        Ok(())
    }

    /// Begins a task that records what waits, a moment from now, and ends when nothing waits. Where there
    /// is no runtime, the next who notes something tries again.
    fn see_to_it(self: &Arc<Self>) {
        let seeing = Seeing(Arc::downgrade(self));
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut wait = self.delay;
        runtime.spawn(async move {
            loop {
                time::sleep(wait).await;
                let Some(recorder) = seeing.0.upgrade() else {
                    return;
                };
                wait = recorder.delay;
                if let Err(error) = recorder.record_all().await {
                    tracing::warn!(%error, "events could not be recorded; they are kept");
                    wait = wait.max(RETRY);
                }
                let mut waiting = recorder.waiting();
                if waiting.events.is_empty() {
                    waiting.seen_to = false;
                    return;
                }
            }
        });
    }

    /// The events are whole between any two calls, so a panic elsewhere does not spoil them.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that sees to what waits. It may end with its runtime.
struct Seeing(Weak<Recorder>);

impl Drop for Seeing {
    fn drop(&mut self) {
        if let Some(recorder) = self.0.upgrade() {
            recorder.waiting().seen_to = false;
        }
    }
}

impl Waiting {
    fn add(
        &mut self,
        key: Key,
        at: Timestamp,
        more: More,
        new: impl FnOnce() -> (Author, EventKind),
    ) {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.events.len() < MOST => {
                let (by, kind) = new();
                self.push(key, Event { at, by, kind })
            }
            None => match self.places.get(&Key::Crowd) {
                Some(place) => *place,
                None => self.push(Key::Crowd, crowd(at)),
            },
        };
        let event = &mut self.events[place];
        let before = completed(&event.kind);
        more.add_to(&mut event.kind);
        // A receipt tells when a download was complete: what comes later moves no such time.
        if before == 0 || completed(&event.kind) > before {
            event.at = event.at.max(at);
        }
    }

    fn push(&mut self, key: Key, event: Event) -> usize {
        let place = self.events.len();
        self.events.push(event);
        self.places.insert(key, place);
        place
    }

    fn take(&mut self) -> Vec<Event> {
        self.places.clear();
        std::mem::take(&mut self.events)
    }

    /// They come before those that came meanwhile.
    fn put_back(&mut self, events: Vec<Event>) {
        let newer = self.take();
        for event in events.into_iter().chain(newer) {
            let Event { at, by, kind } = event;
            let more = More::of(&kind);
            self.add(Key::of(by, &kind), at, more, || (by, without_sums(kind)));
        }
    }
}

fn completed(kind: &EventKind) -> u64 {
    match kind {
        EventKind::Download(download) => download.transfers.completed,
        _ => 0,
    }
}

impl Key {
    fn of(by: Author, kind: &EventKind) -> Self {
        match kind {
            EventKind::SignedIn { user, .. } => Self::SignedIn(*user),
            EventKind::SignInFailed { user, .. } => Self::SignInFailed(*user),
            EventKind::Download(download) => {
                let lease = download.by_lease.as_ref();
                let by = lease.map_or(Credential::Link(by), |by| Credential::Lease(by.lease));
                Self::Download(download.file, by)
            }
            _ => Self::Crowd,
        }
    }
}

impl More {
    fn of(kind: &EventKind) -> Self {
        let mut more = Self::default();
        match kind {
            EventKind::SignedIn { times, .. } => more.signed_in = *times,
            EventKind::SignInFailed { times, .. } => more.failed = *times,
            EventKind::Download(download) => more.downloads = download.transfers,
            EventKind::Crowded {
                signed_in,
                failed,
                downloads,
            } => {
                more = Self {
                    signed_in: *signed_in,
                    failed: *failed,
                    downloads: *downloads,
                };
            }
            _ => {}
        }
        more
    }

    fn add_to(self, kind: &mut EventKind) {
        match kind {
            EventKind::SignedIn { times, .. } => *times = times.saturating_add(self.signed_in),
            EventKind::SignInFailed { times, .. } => *times = times.saturating_add(self.failed),
            EventKind::Download(download) => {
                download.transfers = download.transfers.plus(self.downloads);
            }
            EventKind::Crowded {
                signed_in,
                failed,
                downloads,
            } => {
                *signed_in = signed_in.saturating_add(self.signed_in);
                *failed = failed.saturating_add(self.failed);
                *downloads = downloads.plus(self.downloads);
            }
            _ => {}
        }
    }
}

fn crowd(at: Timestamp) -> Event {
    Event {
        at,
        by: Author::Anonymous,
        kind: EventKind::Crowded {
            signed_in: 0,
            failed: 0,
            downloads: Transfers::default(),
        },
    }
}

fn without_sums(mut kind: EventKind) -> EventKind {
    match &mut kind {
        EventKind::SignedIn { times, .. } | EventKind::SignInFailed { times, .. } => *times = 0,
        EventKind::Download(download) => download.transfers = Transfers::default(),
        EventKind::Crowded {
            signed_in,
            failed,
            downloads,
        } => {
            (*signed_in, *failed) = (0, 0);
            *downloads = Transfers::default();
        }
        _ => {}
    }
    kind
}
