//! A disk in memory, whose power can be cut and which can fail, at any operation.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::StorageBackend;

use super::platter::{Fate, Numbers, Pending, settle};

/// What the disk does when it is asked to make all durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    Honest,
    /// Says that it did, and did not.
    Lies,
    /// Lies once in so many times.
    LiesSometimes(u64),
    /// Keeps the data, and leaves the length for later.
    ForgetsLength,
}

/// What a power cut comes upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Write,
    Grow,
    Shrink,
    Sync,
}

/// A cut of the power in the midst of a change, after `skip` others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) skip: u64,
    pub(super) among: Among,
}

/// The changes of which one is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Among {
    All,
    Syncs,
    Lengths,
}

impl Among {
    fn has(self, change: Change) -> bool {
        match self {
            Self::All => true,
            Self::Syncs => change == Change::Sync,
            Self::Lengths => matches!(change, Change::Grow | Change::Shrink),
        }
    }
}

/// A failure of the operation after `skip` others, and of all that follow if it is lasting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    /// Changes only; otherwise all operations.
    pub(super) among: Option<Among>,
    pub(super) skip: u64,
    pub(super) kind: io::ErrorKind,
    pub(super) lasting: bool,
}

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    sector: usize,
    sync: Sync,
    numbers: Numbers,
    /// What a power cut leaves.
    durable: Vec<u8>,
    /// What is read.
    current: Vec<u8>,
    /// What was done since the last sync, in order.
    pending: Vec<Pending>,
    /// Changes that were begun, syncs among them.
    changes: u64,
    cut: Option<Cut>,
    /// What the power was cut in.
    off: Option<Change>,
    failure: Option<Failure>,
    failed: Option<Asked>,
}

/// What a failure came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Length,
    Read,
    Change(Change),
}

impl Disk {
    /// An empty disk, with sectors of so many bytes.
    pub(super) fn new(sector: usize, sync: Sync, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            sector,
            sync,
            numbers: Numbers::new(seed),
            durable: Vec::new(),
            current: Vec::new(),
            pending: Vec::new(),
            changes: 0,
            cut: None,
            off: None,
            failure: None,
            failed: None,
        })))
    }

    /// Another disk of the same content, whose power is on.
    pub(super) fn copy(&self, seed: u64) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            sector: state.sector,
            sync: state.sync,
            numbers: Numbers::new(seed),
            durable: state.durable.clone(),
            current: state.current.clone(),
            pending: state.pending.clone(),
            changes: 0,
            cut: None,
            off: None,
            failure: None,
            failed: None,
        })))
    }

    /// Begins anew with nothing.
    pub(super) fn erase(&self) {
        let mut state = self.state();
        state.durable.clear();
        state.current.clear();
        state.pending.clear();
    }

    /// Changes begun so far.
    pub(super) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Has the power cut.
    pub(super) fn cut(&self, cut: Cut) {
        self.state().cut = Some(cut);
    }

    /// Whether the power is off, and what it was cut in.
    pub(super) fn off(&self) -> Option<Change> {
        self.state().off
    }

    /// Has an operation fail.
    pub(super) fn fail(&self, failure: Failure) {
        let mut state = self.state();
        state.failure = Some(failure);
        state.failed = None;
    }

    /// Reads from the platter what is not to be written any more, and may have been lost.
    pub(super) fn forget_cached(&self) {
        let mut state = self.state();
        state.settle(Fate::AllKept);
        state.current = state.durable.clone();
    }

    /// Ends failures; what the first came upon, if there was one.
    pub(super) fn mend(&self) -> Option<Asked> {
        let mut state = self.state();
        state.failure = None;
        state.failed.take()
    }

    /// Turns the power off, if it is on, and on again.
    pub(super) fn power_cycle(&self, fate: Fate) {
        let mut state = self.state();
        state.settle(fate);
        state.current = state.durable.clone();
        state.cut = None;
        state.off = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Begins an operation, unless the power is off or it is to fail. A change that is begun may be
    /// made in part, though it is not said to be.
    fn begin(&mut self, asked: Asked) -> io::Result<()> {
        if self.off.is_some() {
            return Err(no_power());
        }
        if let Asked::Change(_) = asked {
            self.changes += 1;
        }
        let Some(failure) = &mut self.failure else {
            return Ok(());
        };
        let counts = match (failure.among, asked) {
            (None, _) => true,
            (Some(among), Asked::Change(change)) => among.has(change),
            (Some(_), _) => false,
        };
        if !counts {
            return Ok(());
        }
        if failure.skip > 0 {
            failure.skip -= 1;
            return Ok(());
        }
        let error = failure.kind.into();
        self.failed.get_or_insert(asked);
        if !failure.lasting {
            self.failure = None;
        }
        Err(error)
    }

    /// Ends a change, unless the power is cut before it is told that it was made.
    fn end(&mut self, change: Change) -> io::Result<()> {
        match &mut self.cut {
            Some(cut) if !cut.among.has(change) => {}
            Some(Cut { skip: 0, .. }) => {
                self.off = Some(change);
                return Err(no_power());
            }
            Some(cut) => cut.skip -= 1,
            None => {}
        }
        if change == Change::Sync {
            self.sync();
        }
        Ok(())
    }

    fn write(&mut self, offset: usize, data: &[u8]) -> io::Result<()> {
        let place = self.current.get_mut(offset..offset + data.len());
        place
            .ok_or(io::ErrorKind::InvalidInput)?
            .copy_from_slice(data);
        let data = data.to_vec();
        self.pending.push(Pending::Write { offset, data });
        Ok(())
    }

    fn sync(&mut self) {
        match self.sync {
            Sync::Honest => self.settle(Fate::AllKept),
            Sync::Lies => {}
            Sync::LiesSometimes(times) => {
                if self.numbers.below(times) > 0 {
                    self.settle(Fate::AllKept);
                }
            }
            Sync::ForgetsLength => {
                let lengths: Vec<_> = self
                    .pending
                    .extract_if(.., |change| change.is_length())
                    .collect();
                self.settle(Fate::AllKept);
                self.pending = lengths;
            }
        }
    }

    fn settle(&mut self, fate: Fate) {
        settle(
            &mut self.durable,
            &self.pending,
            self.sector,
            fate,
            &self.numbers,
        );
        self.pending.clear();
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.begin(Asked::Length)?;
        Ok(state.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        let offset = offset as usize;
        state.begin(Asked::Read)?;
        let data = state.current.get(offset..offset + out.len());
        out.copy_from_slice(data.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let len = len as usize;
        let change = match len < state.current.len() {
            true => Change::Shrink,
            false => Change::Grow,
        };
        state.begin(Asked::Change(change))?;
        state.current.resize(len, 0);
        state.pending.push(Pending::Length(len));
        state.end(change)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Err(error) = state.begin(Asked::Change(Change::Sync)) {
            if state.off.is_none() {
                // As Linux does: what was not written is still read, and no later sync writes it.
                let fate = Fate::any(&state.numbers);
                state.settle(fate);
            }
            return Err(error);
        }
        state.end(Change::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let offset = offset as usize;
        if let Err(error) = state.begin(Asked::Change(Change::Write)) {
            if state.off.is_none() {
                let written = state.numbers.below(data.len() as u64) as usize;
                state.write(offset, &data[..written])?;
            }
            return Err(error);
        }
        state.write(offset, data)?;
        state.end(Change::Write)
    }
}
