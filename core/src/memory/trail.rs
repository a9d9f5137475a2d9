use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use crate::{
    event::{Event, EventKind, Recorded, Transfers},
    file::Seq,
    store::{DownloadsOf, Outcome, Page},
    trail::{self, Checkpoint, EntryHash, Head, WriterId},
};

/// The one chain there is. An entry's number is its position.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    pub(super) entries: BTreeMap<Seq, Recorded>,
    pub(super) checkpoints: BTreeMap<Seq, Checkpoint>,
}

impl Trail {
    pub(super) fn record(&mut self, events: Vec<Event>) {
        for event in events {
            let (number, previous) = match self.entries.last_key_value() {
                Some((_, last)) => (last.number + 1, last.hash),
                None => (1, EntryHash::NONE),
            };
            let writer = WriterId::ONLY;
            let recorded = Recorded {
                seq: number,
                writer,
                number,
                hash: trail::link(previous, writer, number, &event),
                event,
            };
            self.entries.insert(number, recorded);
        }
    }

    pub(super) fn after(&self, after: Option<Seq>, limit: usize) -> Page<Recorded, Seq> {
        page(self.entries.values(), after, limit)
    }

    pub(super) fn head(&self) -> Option<Head> {
        self.entries.values().next_back().map(Recorded::head)
    }

    pub(super) fn checkpoints_after(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Page<Checkpoint, Seq> {
        let from = after.map_or(Unbounded, Excluded);
        let checkpoints = self.checkpoints.range((from, Unbounded));
        let items = checkpoints.take(limit.saturating_add(1));
        let items = items.map(|(_, checkpoint)| checkpoint.clone()).collect();
        Page::cut(items, limit, |last: &Checkpoint| last.number)
    }

    #[expect(clippy::result_large_err, reason = "both are what is answered")]
    pub(super) fn add_checkpoint(&mut self, checkpoint: Checkpoint) -> Result<Outcome, Outcome> {
        let mut entries = self.entries.values();
        let entry = entries.find(|entry| entry.head() == checkpoint.head());
        let seq = entry.ok_or(Outcome::Missing)?.seq;
        if self.checkpoints.contains_key(&seq) {
            return Err(Outcome::Exists);
        }
        self.checkpoints.insert(seq, checkpoint);
        Ok(Outcome::CheckpointAdded)
    }

    pub(super) fn downloads_after(
        &self,
        of: DownloadsOf,
        after: Option<Seq>,
        limit: usize,
    ) -> Page<Recorded, Seq> {
        page(self.downloads(of), after, limit)
    }

    pub(super) fn downloaded(&self, of: DownloadsOf) -> Transfers {
        let transfers = self.downloads(of).map(|entry| match &entry.event.kind {
            EventKind::Download(download) => download.transfers,
            _ => Transfers::default(),
        });
        transfers.fold(Transfers::default(), Transfers::plus)
    }

    fn downloads(&self, of: DownloadsOf) -> impl Iterator<Item = &Recorded> {
        let entries = self.entries.values();
        entries.filter(move |entry| DownloadsOf::that_have(&entry.event).any(|one| one == of))
    }
}

fn page<'r>(
    entries: impl Iterator<Item = &'r Recorded>,
    after: Option<Seq>,
    limit: usize,
) -> Page<Recorded, Seq> {
    let later = entries.filter(|entry| after.is_none_or(|after| entry.seq > after));
    let items = later.take(limit.saturating_add(1)).cloned().collect();
    Page::cut(items, limit, |recorded: &Recorded| recorded.seq)
}
