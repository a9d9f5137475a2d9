//! What was done once and is remembered.

use consign_core::{
    once::{Once, OnceKey, Remembered},
    store::{Change, FORGET_AT_ONCE, Outcome},
    time::Timestamp,
};
use redb::ReadableTable;

use crate::{
    fault::Fault,
    record,
    schema::{self, Tables},
    writer::Verdict,
};

impl Tables<'_> {
    pub(crate) fn once(&mut self, once: &Once, change: &Change) -> Result<Verdict<Outcome>, Fault> {
        let done = schema::remembered(&self.done, once.key)?;
        if let Some(done) = done.filter(|done| once.at < done.until) {
            return Ok(Verdict::Unchanged(done.answer(once)));
        }
        let verdict = self.make(change)?;
        if let Verdict::Changed(outcome) = &verdict
            && let Some(made) = outcome.made(change)
        {
            let done = Remembered {
                request: once.request,
                made,
                until: once.until,
            };
            let record = record::remembered(&done)?;
            self.done.insert(&once.key.0, record.as_slice())?;
        }
        Ok(verdict)
    }

    /// Looks through all, until it has found enough.
    pub(crate) fn forget_once(&mut self, before: Timestamp) -> Result<Verdict<Outcome>, Fault> {
        let mut over = Vec::new();
        for entry in self.done.iter()? {
            let (key, bytes) = entry?;
            let key = OnceKey(*key.value());
            if schema::done(key, bytes.value())?.until < before {
                over.push(key);
            }
            if over.len() == FORGET_AT_ONCE {
                break;
            }
        }
        for key in &over {
            self.done.remove(&key.0)?;
        }
        Ok(match over.len() {
            0 => Verdict::Unchanged(Outcome::Missing),
            count => Verdict::Changed(Outcome::Forgotten(count)),
        })
    }
}
