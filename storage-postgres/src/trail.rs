//! The trail: one chain, whose entries' numbers are their positions.

use std::collections::BTreeMap;

use consign_core::{
    event::{Event, EventKind, Recorded},
    evidence::{KeyId, Signature},
    file::Seq,
    id::FileId,
    store::{DownloadsOf, Outcome},
    trail::{self, Checkpoint, EntryHash, Head, WriterId},
};
use serde_json::{Value, json};
use sqlx::{query, types::Json};

use crate::{
    batch::{Batch, Made},
    column::{Columns, hex, position, rows},
    fault::Fault,
};

/// The end of the chain, and what is to follow it.
#[derive(Debug)]
pub(crate) struct Pending {
    number: Seq,
    hash: EntryHash,
    entries: Vec<Recorded>,
    /// Hashes that were looked up, of entries that are there.
    hashes: BTreeMap<Seq, EntryHash>,
}

impl Pending {
    pub(crate) fn after(number: Seq, hash: EntryHash) -> Self {
        Self {
            number,
            hash,
            entries: Vec::new(),
            hashes: BTreeMap::new(),
        }
    }

    pub(crate) fn record(&mut self, events: Vec<Event>) {
        for event in events {
            let (number, writer) = (self.number + 1, WriterId::ONLY);
            let hash = trail::link(self.hash, writer, number, &event);
            (self.number, self.hash) = (number, hash);
            self.entries.push(Recorded {
                seq: number,
                writer,
                number,
                hash,
                event,
            });
        }
    }

    /// The hash of an entry, one that is to follow with them.
    fn hash_of(&self, number: Seq) -> Option<EntryHash> {
        let mut pending = self.entries.iter();
        let pending = pending.find(|entry| entry.number == number);
        let hash = pending.map(|entry| entry.hash);
        hash.or_else(|| self.hashes.get(&number).copied())
    }
}

impl Batch<'_> {
    /// Entries that checkpoints are of, and the checkpoints that there are of them.
    pub(crate) async fn look_up_entries(&mut self) -> Result<(), Fault> {
        let entries = self.needs.entries.iter().copied();
        let entries: Vec<_> = entries.filter_map(position).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let sql = "SELECT number, hash FROM trail WHERE number = ANY($1)";
        for row in query(sql)
            .bind(&entries)
            .fetch_all(&mut *self.connection)
            .await?
        {
            let row = Columns(&row);
            let hash = EntryHash(row.bytes("hash")?);
            self.trail.hashes.insert(row.small("number")?, hash);
        }
        let sql = "SELECT * FROM checkpoints WHERE number = ANY($1)";
        for row in query(sql)
            .bind(&entries)
            .fetch_all(&mut *self.connection)
            .await?
        {
            let checkpoint = checkpoint(&Columns(&row))?;
            self.checkpoints.found(checkpoint.number, checkpoint);
        }
        Ok(())
    }

    pub(crate) fn add_checkpoint(&mut self, new: &Checkpoint) -> Made {
        if new.writer != WriterId::ONLY || self.trail.hash_of(new.number) != Some(new.hash) {
            return Err(Outcome::Missing);
        }
        if self.checkpoints.has(new.number) {
            return Err(Outcome::Exists);
        }
        self.checkpoints.set(new.number, new.clone());
        Ok(Outcome::CheckpointAdded)
    }

    pub(crate) async fn write_checkpoints(&mut self) -> Result<bool, Fault> {
        if !self.checkpoints.is_changed() {
            return Ok(false);
        }
        let sql =
            "INSERT INTO checkpoints SELECT * FROM jsonb_populate_recordset(NULL::checkpoints, $1)";
        let checkpoints = self
            .checkpoints
            .to_write()
            .map(|(_, one)| checkpoint_row(one));
        let checkpoints = rows(checkpoints.collect());
        query(sql)
            .bind(checkpoints)
            .execute(&mut *self.connection)
            .await?;
        Ok(true)
    }

    pub(crate) async fn write_trail(&mut self) -> Result<bool, Fault> {
        let entries = &self.trail.entries;
        if entries.is_empty() {
            return Ok(false);
        }
        let sql = "WITH moved AS (UPDATE head SET number = $1, hash = $2, last_file = $3) \
            INSERT INTO trail SELECT * FROM jsonb_populate_recordset(NULL::trail, $4)";
        let written = query(sql)
            .bind(position(self.trail.number))
            .bind(self.trail.hash.0.to_vec())
            .bind(position(self.last_file))
            .bind(rows(entries.iter().map(row).collect()));
        written.execute(&mut *self.connection).await?;
        let (index, sums) = downloads(entries);
        self.index_downloads(index, sums).await?;
        Ok(true)
    }

    pub(crate) async fn index_downloads(
        &mut self,
        index: Vec<Value>,
        sums: Vec<Value>,
    ) -> Result<(), Fault> {
        if index.is_empty() {
            return Ok(());
        }
        let sql = "WITH indexed AS ( \
                INSERT INTO downloads SELECT * FROM jsonb_populate_recordset(NULL::downloads, $1)) \
            INSERT INTO downloaded AS sum SELECT * FROM jsonb_populate_recordset(NULL::downloaded, $2) \
            ON CONFLICT (kind, of, by_user) DO UPDATE SET started = sum.started + excluded.started, \
            completed = sum.completed + excluded.completed, bytes = sum.bytes + excluded.bytes";
        let indexed = query(sql).bind(rows(index)).bind(rows(sums));
        indexed.execute(&mut *self.connection).await?;
        Ok(())
    }
}

/// The index's rows of the downloads among these, and what they come to.
pub(crate) fn downloads(entries: &[Recorded]) -> (Vec<Value>, Vec<Value>) {
    let (mut index, mut sums) = (Vec::new(), BTreeMap::<DownloadsOf, [u128; 3]>::new());
    for entry in entries {
        let EventKind::Download(download) = &entry.event.kind else {
            continue;
        };
        let transfers = &download.transfers;
        let more = [transfers.started, transfers.completed, transfers.bytes];
        for of in DownloadsOf::that_have(&entry.event) {
            let (kind, id, user) = key(of);
            index.push(json!({
                "kind": kind,
                "of": FileId::from_bytes(id),
                "by_user": FileId::from_bytes(user),
                "number": entry.number,
            }));
            let sum = sums.entry(of).or_default();
            for (sum, more) in sum.iter_mut().zip(more) {
                *sum += u128::from(more);
            }
        }
    }
    let sums = sums.into_iter().map(|(of, [started, completed, bytes])| {
        let (kind, id, user) = key(of);
        json!({
            "kind": kind,
            "of": FileId::from_bytes(id),
            "by_user": FileId::from_bytes(user),
            "started": started.to_string(),
            "completed": completed.to_string(),
            "bytes": bytes.to_string(),
        })
    });
    (index, sums.collect())
}

/// The key of downloads in their index.
pub(crate) fn key(of: DownloadsOf) -> (i16, [u8; 16], [u8; 16]) {
    match of {
        DownloadsOf::File(file) => (0, *file.as_bytes(), [0; 16]),
        DownloadsOf::Link(link) => (1, *link.as_bytes(), [0; 16]),
        DownloadsOf::FileBy(file, user) => (2, *file.as_bytes(), *user.as_bytes()),
    }
}

pub(crate) fn row(entry: &Recorded) -> Value {
    json!({"number": entry.number, "hash": hex(&entry.hash.0), "event": entry.event})
}

pub(crate) fn recorded(row: &Columns<'_>) -> Result<Recorded, Fault> {
    let number = row.small("number")?;
    let Json(event) = row.get("event")?;
    Ok(Recorded {
        seq: number,
        writer: WriterId::ONLY,
        number,
        hash: EntryHash(row.bytes("hash")?),
        event,
    })
}

pub(crate) fn head(row: &Columns<'_>) -> Result<Head, Fault> {
    Ok(Head {
        writer: WriterId::ONLY,
        number: row.small("number")?,
        hash: EntryHash(row.bytes("hash")?),
    })
}

pub(crate) fn checkpoint_row(checkpoint: &Checkpoint) -> Value {
    json!({
        "number": checkpoint.number,
        "at": checkpoint.at,
        "hash": hex(&checkpoint.hash.0),
        "key": hex(&checkpoint.key.0),
        "signature": hex(&checkpoint.signature.0),
    })
}

pub(crate) fn checkpoint(row: &Columns<'_>) -> Result<Checkpoint, Fault> {
    Ok(Checkpoint {
        at: row.time("at")?,
        hash: EntryHash(row.bytes("hash")?),
        key: KeyId(row.bytes("key")?),
        number: row.small("number")?,
        signature: Signature(row.bytes("signature")?),
        writer: WriterId::ONLY,
    })
}
