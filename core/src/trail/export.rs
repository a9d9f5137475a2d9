use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{Checkpoint, EntryHash, WriterId};
use crate::event::Recorded;

/// A line of an exported trail: JSON, which is enough to check the chain again.
#[derive(Debug)]
pub enum ExportedLine {
    /// An entry.
    Entry {
        /// Whose chain it is in.
        writer: WriterId,
        /// Its number.
        number: u64,
        /// Its hash.
        hash: EntryHash,
        /// Its event, as it is hashed.
        event: Box<RawValue>,
    },
    /// A checkpoint, behind the entry that it is of.
    Checkpoint(Checkpoint),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    writer: WriterId,
    number: u64,
    hash: EntryHash,
    event: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: Checkpoint,
}

/// A line is none of an exported trail.
#[derive(Debug, thiserror::Error)]
#[error("not a line of an exported trail")]
pub struct InvalidLine(#[source] serde_json::Error);

impl ExportedLine {
    /// The line of an entry, without its end.
    pub fn of_entry(recorded: &Recorded) -> String {
        let event = RawValue::from_string(recorded.event.text());
        print(&EntryLine {
            writer: recorded.writer,
            number: recorded.number,
            hash: recorded.hash,
            event: event.expect("an event's text is JSON"),
        })
    }

    /// The line of a checkpoint, without its end.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> String {
        let checkpoint = checkpoint.clone();
        print(&CheckpointLine { checkpoint })
    }

    /// What a line says.
    ///
    /// # Errors
    /// When it is no such line. Nothing is said of whether it is true.
    pub fn parse(line: &str) -> Result<Self, InvalidLine> {
        if line.starts_with("{\"checkpoint\"") {
            let CheckpointLine { checkpoint } = serde_json::from_str(line).map_err(InvalidLine)?;
            return Ok(Self::Checkpoint(checkpoint));
        }
        let entry: EntryLine = serde_json::from_str(line).map_err(InvalidLine)?;
        Ok(Self::Entry {
            writer: entry.writer,
            number: entry.number,
            hash: entry.hash,
            event: entry.event,
        })
    }
}

fn print(line: &impl Serialize) -> String {
    let raw = to_raw_value(line).expect("a line is JSON");
    raw.get().to_owned()
}
