use std::collections::BTreeMap;

use super::{Checkpoint, EntryHash, ExportedLine, Head, WriterId, link_text};
use crate::{
    event::Recorded,
    evidence::{KeyId, PublicKey},
};

/// Looks through a trail, entry by entry, and tells the first thing that is wrong.
///
/// Entries are given in their order, and checkpoints no later than the entry behind theirs. It keeps the
/// ends of the chains alone, so a trail may be of any length.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<PublicKey>,
    chains: BTreeMap<WriterId, Chain>,
    /// What checkpoints tell of entries that did not come yet.
    ahead: BTreeMap<(WriterId, u64), EntryHash>,
    seen: Verified,
}

/// The end of a chain so far.
#[derive(Debug, Default)]
struct Chain {
    number: u64,
    hash: EntryHash,
    vouched: u64,
}

/// A trail in which nothing is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many entries it has.
    pub entries: u64,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// How many entries stand behind the last checkpoint of their chain. Of these none can be told whether
    /// they were rewritten, or others taken away behind them.
    pub unvouched: u64,
    /// The ends of its chains.
    pub heads: Vec<Head>,
}

/// What is wrong with a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// An entry is not there, or stands elsewhere.
    #[error("entry {number} of writer {writer} is missing, or not in its place")]
    Missing {
        /// Whose chain.
        writer: WriterId,
        /// The entry's number.
        number: u64,
    },
    /// An entry is there twice, or behind later ones.
    #[error("entry {number} of writer {writer} is there again, or not in its place")]
    Repeated {
        /// Whose chain.
        writer: WriterId,
        /// The entry's number.
        number: u64,
    },
    /// An entry's hash is not that of it and of those before it.
    #[error("entry {number} of writer {writer} was changed: its hash is not that of what it says")]
    Edited {
        /// Whose chain.
        writer: WriterId,
        /// The entry's number.
        number: u64,
    },
    /// A checkpoint was made of another entry in this place: the chain was written anew.
    #[error("entry {number} of writer {writer} is not the one that its checkpoint was made of")]
    Rewritten {
        /// Whose chain.
        writer: WriterId,
        /// The entry's number.
        number: u64,
    },
    /// A checkpoint was made of an entry behind the last: the chain's end is gone.
    #[error("entry {number} of writer {writer} is gone: a checkpoint was made of it")]
    Gone {
        /// Whose chain.
        writer: WriterId,
        /// The entry's number.
        number: u64,
    },
    /// A checkpoint was not signed by its key.
    #[error("the checkpoint of entry {number} of writer {writer} has a wrong signature")]
    Signature {
        /// Whose chain.
        writer: WriterId,
        /// The entry's number.
        number: u64,
    },
    /// A checkpoint was signed by a key that is not known.
    #[error(
        "the checkpoint of entry {number} of writer {writer} is signed by the unknown key {key}"
    )]
    UnknownKey {
        /// Whose chain.
        writer: WriterId,
        /// The entry's number.
        number: u64,
        /// The key.
        key: KeyId,
    },
}

impl Verifier {
    /// Begins before the first entry. Checkpoints are signed by these keys.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self {
            keys,
            chains: BTreeMap::new(),
            ahead: BTreeMap::new(),
            seen: Verified::default(),
        }
    }

    /// Looks at the next entry of a store.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn recorded(&mut self, entry: &Recorded) -> Result<(), Flaw> {
        let text = entry.event.text();
        self.entry(entry.writer, entry.number, entry.hash, &text)
    }

    /// Looks at the next line of an export.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line(&mut self, line: &ExportedLine) -> Result<(), Flaw> {
        match line {
            ExportedLine::Entry {
                writer,
                number,
                hash,
                event,
            } => self.entry(*writer, *number, *hash, event.get()),
            ExportedLine::Checkpoint(checkpoint) => self.checkpoint(checkpoint),
        }
    }

    /// Looks at the next entry, of an event of this text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn entry(
        &mut self,
        writer: WriterId,
        number: u64,
        hash: EntryHash,
        event: &str,
    ) -> Result<(), Flaw> {
        let chain = self.chains.entry(writer).or_default();
        let expected = chain.number + 1;
        if number > expected {
            let number = expected;
            return Err(Flaw::Missing { writer, number });
        }
        if number < expected {
            return Err(Flaw::Repeated { writer, number });
        }
        if link_text(chain.hash, writer, number, event) != hash {
            return Err(Flaw::Edited { writer, number });
        }
        (chain.number, chain.hash) = (number, hash);
        self.seen.entries += 1;
        match self.ahead.remove(&(writer, number)) {
            Some(known) if known != hash => Err(Flaw::Rewritten { writer, number }),
            Some(_) => {
                chain.vouched = number;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Looks at a checkpoint.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Flaw> {
        let (writer, number) = (checkpoint.writer, checkpoint.number);
        let mut keys = self.keys.iter();
        let Some(key) = keys.find(|key| key.id() == checkpoint.key) else {
            let key = checkpoint.key;
            return Err(Flaw::UnknownKey {
                writer,
                number,
                key,
            });
        };
        let text = checkpoint.signed_text();
        if !key.verifies(text.as_bytes(), &checkpoint.signature) {
            return Err(Flaw::Signature { writer, number });
        }
        self.seen.checkpoints += 1;
        let chain = self.chains.entry(writer).or_default();
        let known = match number.cmp(&chain.number) {
            // It is looked for no more: it came too late to be of use.
            std::cmp::Ordering::Less => return Err(Flaw::Repeated { writer, number }),
            std::cmp::Ordering::Equal => {
                chain.vouched = number;
                chain.hash
            }
            std::cmp::Ordering::Greater => {
                let ahead = self.ahead.entry((writer, number));
                *ahead.or_insert(checkpoint.hash)
            }
        };
        match known == checkpoint.hash {
            true => Ok(()),
            false => Err(Flaw::Rewritten { writer, number }),
        }
    }

    /// There is nothing more.
    ///
    /// # Errors
    /// When there should be.
    pub fn finish(mut self) -> Result<Verified, Flaw> {
        if let Some(((writer, number), _)) = self.ahead.pop_first() {
            return Err(Flaw::Gone { writer, number });
        }
        for (writer, chain) in self.chains {
            self.seen.unvouched += chain.number - chain.vouched;
            self.seen.heads.push(Head {
                writer,
                number: chain.number,
                hash: chain.hash,
            });
        }
        Ok(self.seen)
    }
}
