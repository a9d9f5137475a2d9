//! The trail: one chain, whose entries' numbers are their positions.

use std::ops::Bound::{Excluded, Included, Unbounded};

use consign_core::{
    event::{Event, EventKind, Recorded, Transfers},
    evidence::{KeyId, Signature},
    file::Seq,
    store::{DownloadsOf, Outcome, Page, StoreError},
    time::Timestamp,
    trail::{self, Checkpoint, EntryHash, Head, WriterId},
};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::{
    fault::Fault,
    record::{self, Undecodable},
    schema::{
        self, CHECKPOINTS, DOWNLOADED, DOWNLOADS, LAST_EVENT, OLD_EVENTS, Record, TRAIL, Tables,
    },
    writer::Verdict,
};

/// An entry: its hash, and the record of its event.
pub(crate) type Entry = (&'static [u8; 32], Record);

#[derive(Serialize, Deserialize)]
struct CheckpointRecord<'a> {
    at: u64,
    hash: [u8; 32],
    key: [u8; 8],
    signature: &'a [u8],
}

pub(crate) fn checkpoint(checkpoint: &Checkpoint) -> Result<Vec<u8>, StoreError> {
    record::pack(&CheckpointRecord {
        at: checkpoint.at.as_millis(),
        hash: checkpoint.hash.0,
        key: checkpoint.key.0,
        signature: &checkpoint.signature.0,
    })
}

pub(crate) fn to_checkpoint(number: Seq, bytes: &[u8]) -> Result<Checkpoint, Undecodable> {
    let record: CheckpointRecord<'_> = record::unpack(bytes)?;
    let signature = record.signature.try_into();
    Ok(Checkpoint {
        at: Timestamp::from_millis(record.at),
        hash: EntryHash(record.hash),
        key: KeyId(record.key),
        number,
        signature: Signature(signature.map_err(|_| Undecodable::Value("signature"))?),
        writer: WriterId::ONLY,
    })
}

pub(crate) fn events(
    snapshot: &ReadTransaction,
    after: Option<Seq>,
    limit: usize,
) -> Result<Page<Recorded, Seq>, Fault> {
    let trail = snapshot.open_table(TRAIL)?;
    let from = after.map_or(Unbounded, Excluded);
    let mut items = Vec::new();
    for entry in trail
        .range::<Seq>((from, Unbounded))?
        .take(limit.saturating_add(1))
    {
        let (seq, entry) = entry?;
        items.push(recorded(seq.value(), entry.value())?);
    }
    Ok(Page::cut(items, limit, |recorded: &Recorded| recorded.seq))
}

pub(crate) fn heads(snapshot: &ReadTransaction) -> Result<Vec<Head>, Fault> {
    let trail = snapshot.open_table(TRAIL)?;
    let last = trail.last()?;
    let head = last.map(|(seq, entry)| Head {
        writer: WriterId::ONLY,
        number: seq.value(),
        hash: EntryHash(*entry.value().0),
    });
    Ok(head.into_iter().collect())
}

pub(crate) fn checkpoints(
    snapshot: &ReadTransaction,
    after: Option<Seq>,
    limit: usize,
) -> Result<Page<Checkpoint, Seq>, Fault> {
    let checkpoints = snapshot.open_table(CHECKPOINTS)?;
    let from = after.map_or(Unbounded, Excluded);
    let mut items = Vec::new();
    for entry in checkpoints
        .range::<Seq>((from, Unbounded))?
        .take(limit.saturating_add(1))
    {
        let (number, bytes) = entry?;
        let number = number.value();
        let checkpoint = to_checkpoint(number, bytes.value());
        items.push(checkpoint.map_err(|error| schema::unreadable("checkpoint", number, &error))?);
    }
    Ok(Page::cut(items, limit, |last: &Checkpoint| last.number))
}

pub(crate) fn downloads(
    snapshot: &ReadTransaction,
    of: DownloadsOf,
    after: Option<Seq>,
    limit: usize,
) -> Result<Page<Recorded, Seq>, Fault> {
    let (index, trail) = (snapshot.open_table(DOWNLOADS)?, snapshot.open_table(TRAIL)?);
    let key = key(of);
    let from = match after {
        Some(after) => Excluded((&*key, after)),
        None => Included((&*key, Seq::MIN)),
    };
    let mut items = Vec::new();
    for entry in index
        .range::<(&[u8], Seq)>((from, Included((&*key, Seq::MAX))))?
        .take(limit.saturating_add(1))
    {
        let seq = entry?.0.value().1;
        let entry = trail.get(seq)?;
        let entry = entry.ok_or_else(|| schema::dangling("event", seq))?;
        items.push(recorded(seq, entry.value())?);
    }
    Ok(Page::cut(items, limit, |recorded: &Recorded| recorded.seq))
}

pub(crate) fn downloaded(snapshot: &ReadTransaction, of: DownloadsOf) -> Result<Transfers, Fault> {
    sum(&snapshot.open_table(DOWNLOADED)?, &key(of))
}

/// The key of downloads in their index.
pub(crate) fn key(of: DownloadsOf) -> Vec<u8> {
    match of {
        DownloadsOf::File(file) => [&[0], &file.as_bytes()[..]].concat(),
        DownloadsOf::Link(link) => [&[1], &link.as_bytes()[..]].concat(),
        DownloadsOf::FileBy(file, user) => {
            [&[2], &file.as_bytes()[..], &user.as_bytes()[..]].concat()
        }
    }
}

pub(crate) fn sum(
    sums: &impl ReadableTable<&'static [u8], (u64, u64, u64)>,
    key: &[u8],
) -> Result<Transfers, Fault> {
    let sum = sums.get(key)?.map(|sum| sum.value());
    let (started, completed, bytes) = sum.unwrap_or_default();
    Ok(Transfers {
        started,
        completed,
        bytes,
    })
}

pub(crate) fn recorded(seq: Seq, (hash, bytes): (&[u8; 32], &[u8])) -> Result<Recorded, Fault> {
    Ok(Recorded {
        seq,
        writer: WriterId::ONLY,
        number: seq,
        hash: EntryHash(*hash),
        event: schema::event(seq, bytes)?,
    })
}

/// Chains the events of a database that knew no chain.
pub(crate) fn chain(transaction: &WriteTransaction) -> Result<(), Fault> {
    {
        let old = transaction.open_table(OLD_EVENTS)?;
        let mut trail = transaction.open_table(TRAIL)?;
        let mut last = EntryHash::NONE;
        for entry in old.iter()? {
            let (seq, bytes) = entry?;
            let (seq, bytes) = (seq.value(), bytes.value());
            last = trail::link(last, WriterId::ONLY, seq, &schema::event(seq, bytes)?);
            trail.insert(seq, (&last.0, bytes))?;
        }
    }
    transaction.delete_table(OLD_EVENTS)?;
    Ok(())
}

impl Tables<'_> {
    pub(crate) fn record(&mut self, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            let number = self.next(LAST_EVENT)?;
            let previous = match self.last_entry {
                Some(hash) => hash,
                None => last_hash(&self.trail)?,
            };
            let hash = trail::link(previous, WriterId::ONLY, number, event);
            let record = record::event(event)?;
            self.trail.insert(number, (&hash.0, record.as_slice()))?;
            self.last_entry = Some(hash);
            if let EventKind::Download(download) = &event.kind {
                self.index(number, event, download.transfers)?;
            }
        }
        Ok(())
    }

    pub(crate) fn index(
        &mut self,
        seq: Seq,
        event: &Event,
        transfers: Transfers,
    ) -> Result<(), Fault> {
        for of in DownloadsOf::that_have(event) {
            let key = &*key(of);
            self.downloads.insert((key, seq), ())?;
            let sum = sum(&self.downloaded, key)?.plus(transfers);
            let sum = (sum.started, sum.completed, sum.bytes);
            self.downloaded.insert(key, sum)?;
        }
        Ok(())
    }

    pub(crate) fn add_checkpoint(&mut self, new: &Checkpoint) -> Result<Verdict<Outcome>, Fault> {
        let hash = self.trail.get(new.number)?.map(|entry| *entry.value().0);
        if new.writer != WriterId::ONLY || hash != Some(new.hash.0) {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        }
        if self.checkpoints.get(new.number)?.is_some() {
            return Ok(Verdict::Unchanged(Outcome::Exists));
        }
        let record = checkpoint(new)?;
        self.checkpoints.insert(new.number, record.as_slice())?;
        Ok(Verdict::Changed(Outcome::CheckpointAdded))
    }
}

fn last_hash(trail: &Table<'_, Seq, Entry>) -> Result<EntryHash, Fault> {
    let last = trail.last()?;
    Ok(last.map_or(EntryHash::NONE, |(_, entry)| EntryHash(*entry.value().0)))
}
