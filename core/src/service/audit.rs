use std::collections::VecDeque;

use crate::{
    error::{Error, ErrorKind},
    event::Recorded,
    evidence::PublicKey,
    file::Seq,
    policy::Action,
    service::{Actor, Administration, Consign},
    store::{Change, Outcome, Page},
    trail::Checkpoint,
};

/// Entries and checkpoints that are read at once.
const PAGE: usize = 1000;

impl Consign {
    /// Records what waits to be: sign-ins and downloads. Whoever ends the process does so first, for
    /// otherwise they wait for [as long as is set](crate::Settings::event_delay).
    ///
    /// # Errors
    /// When the store does not take it. It waits on, and is tried again.
    pub async fn flush_events(&self) -> Result<(), Error> {
        self.0.counter.recorder.flush().await
    }

    /// At most `limit` entries of the trail, oldest first, after position `after`.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden).
    pub async fn audit(
        &self,
        actor: &Actor,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, Error> {
        actor.demand(Action::ReadAudit)?;
        self.told_now().await;
        let files = &self.parts().files;
        Ok(files.events(after, limit.max(1)).await?)
    }

    /// The public keys that evidence is signed with: the present one, then those before it.
    ///
    /// # Errors
    /// [`NoEvidence`](ErrorKind::NoEvidence).
    pub fn evidence_keys(&self) -> Result<Vec<PublicKey>, Error> {
        match &self.parts().evidence {
            Some(signer) => Ok(signer.keys()),
            None => Err(ErrorKind::NoEvidence.into()),
        }
    }

    /// What has happened so far is in the trail, if the store takes it.
    pub(super) async fn told_now(&self) {
        if let Err(error) = self.flush_events().await {
            tracing::warn!(%error, "events could not be recorded; they are kept");
        }
    }
}

impl Administration {
    /// Makes a signed checkpoint of each chain that has grown since its last.
    ///
    /// # Errors
    /// [`NoEvidence`](ErrorKind::NoEvidence).
    pub async fn checkpoint(&self) -> Result<Vec<Checkpoint>, Error> {
        let parts = self.consign().parts();
        let signer = parts.evidence.as_ref().ok_or(ErrorKind::NoEvidence)?;
        let mut made = Vec::new();
        for head in parts.files.heads().await? {
            let checkpoint = Checkpoint::sign(head, parts.clock.now(), &**signer);
            let change = Change::AddCheckpoint(checkpoint.clone());
            match parts.files.apply(change).await? {
                Outcome::CheckpointAdded => made.push(checkpoint),
                Outcome::Exists => {}
                outcome => return Err(outcome.unexpected()),
            }
        }
        Ok(made)
    }

    /// Reads the trail from its beginning, with what has happened so far.
    pub async fn read_trail(&self) -> TrailReader {
        self.consign().told_now().await;
        TrailReader {
            consign: self.consign().clone(),
            entries: Pages::new(),
            checkpoints: Pages::new(),
            last: None,
        }
    }
}

/// A trail that is read page by page.
#[derive(Debug)]
pub struct TrailReader {
    consign: Consign,
    entries: Pages<Recorded>,
    checkpoints: Pages<Checkpoint>,
    /// The entry that was read last.
    last: Option<Recorded>,
}

/// What stands in a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrailItem {
    /// An entry.
    Entry(Recorded),
    /// A checkpoint, behind the entry that it is of, or one before.
    Checkpoint(Checkpoint),
}

impl TrailReader {
    /// What follows; `None` at the end.
    ///
    /// # Errors
    /// Also when an entry cannot be read: somebody has damaged it.
    pub async fn next(&mut self) -> Result<Option<TrailItem>, Error> {
        let files = &self.consign.parts().files;
        if self.checkpoints.is_at_end() {
            let page = files.checkpoints(self.checkpoints.next, PAGE).await?;
            self.checkpoints.next = page.next;
            self.checkpoints.fill(page);
            // They may be of entries that came since the last were read.
            self.entries.ended = false;
        }
        if self.entries.is_at_end() {
            let page = files.events(self.entries.next, PAGE).await?;
            let last = page.items.last().map(|entry| entry.seq);
            self.entries.next = last.or(self.entries.next);
            self.entries.fill(page);
        }
        let due = self.checkpoints.items.front().is_some_and(|checkpoint| {
            let entry = self.last.as_ref().map(Recorded::head);
            self.entries.items.is_empty()
                || entry.is_some_and(|entry| {
                    entry.writer == checkpoint.writer && entry.number >= checkpoint.number
                })
        });
        if due {
            let checkpoint = self.checkpoints.items.pop_front();
            return Ok(checkpoint.map(TrailItem::Checkpoint));
        }
        let entry = self.entries.items.pop_front();
        self.last = entry.clone().or(self.last.take());
        Ok(entry.map(TrailItem::Entry))
    }
}

/// What was read of a list.
#[derive(Debug)]
struct Pages<T> {
    items: VecDeque<T>,
    /// Where the rest begins.
    next: Option<Seq>,
    ended: bool,
}

impl<T> Pages<T> {
    fn new() -> Self {
        Self {
            items: VecDeque::new(),
            next: None,
            ended: false,
        }
    }

    /// Whether there may be more, of which nothing is read.
    fn is_at_end(&self) -> bool {
        self.items.is_empty() && !self.ended
    }

    fn fill(&mut self, page: Page<T, Seq>) {
        self.ended = page.next.is_none();
        self.items.extend(page.items);
    }
}
