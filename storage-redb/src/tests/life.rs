//! A life: a chain of power cuts on one database, all of it decided by a seed: what is asked for,
//! when the power is cut, and which of the sectors that were not synced are kept, lost or torn.

use std::collections::BTreeMap;

use super::{
    disk::{Among, Change, Cut, Disk, Sync},
    model::{Model, compare},
    platter::{Fate, Numbers},
    work::{Worker, ask_together, open},
};
use crate::{OpenError, RedbStore};

/// What the store was about when the power was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Creation,
    Opening,
    Work,
    Close,
    Rest,
}

/// What must never be.
#[derive(Debug)]
pub(super) enum Loss {
    NotOpened { _error: OpenError },
    Differs { _how: String },
    Answer { _what: String },
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) cuts: BTreeMap<(Phase, Option<Change>), u64>,
    pub(super) acknowledged: u64,
    /// Changes that nobody was told of, and which were there.
    pub(super) kept: u64,
    /// Those that were not.
    pub(super) dropped: u64,
}

pub(super) struct Life {
    pub(super) disk: Disk,
    pub(super) tally: Tally,
    pub(super) worker: Worker,
    /// What was answered, or was seen.
    pub(super) known: Model,
    numbers: Numbers,
    cache_size: usize,
    /// A database gets its name once it is complete; before, it is begun anew.
    named: bool,
    /// What there is besides, if the last changes were made, of which nobody was told.
    perhaps: Option<(u64, Model)>,
    /// How many changes of the disk a phase took last.
    usual: BTreeMap<Phase, u64>,
}

impl Life {
    pub(super) fn new(seed: u64, sync: Sync) -> Self {
        let numbers = Numbers::new(seed);
        let sector = numbers.one_of(&[512, 4096]);
        Self {
            disk: Disk::new(sector, sync, numbers.any()),
            tally: Tally::default(),
            worker: Worker::new(numbers.any()),
            known: Model::default(),
            cache_size: numbers.one_of(&[0, 64 << 10, 1 << 20]),
            numbers,
            named: false,
            perhaps: None,
            usual: BTreeMap::new(),
        }
    }

    /// Another life that goes on from here, on a disk of its own.
    pub(super) fn fork(&self, seed: u64) -> Self {
        let numbers = Numbers::new(seed);
        Self {
            disk: self.disk.copy(numbers.any()),
            tally: Tally::default(),
            worker: self.worker.fork(numbers.any()),
            known: self.known.clone(),
            numbers,
            cache_size: self.cache_size,
            named: self.named,
            perhaps: self.perhaps.clone(),
            usual: BTreeMap::new(),
        }
    }

    /// Lives through so many cuts.
    pub(super) async fn live(&mut self, cuts: u64) -> Result<(), Loss> {
        for _ in 0..cuts {
            let cut = match self.numbers.below(10) {
                0..3 => Phase::Opening,
                3..8 => Phase::Work,
                _ => Phase::Close,
            };
            let (phase, change) = self.session(Some(cut)).await?;
            *self.tally.cuts.entry((phase, change)).or_default() += 1;
            self.disk.power_cycle(Fate::any(&self.numbers));
        }
        self.check().await
    }

    /// From when the power comes on to when it is cut, in this phase if in any; what it was cut in.
    pub(super) async fn session(
        &mut self,
        cut: Option<Phase>,
    ) -> Result<(Phase, Option<Change>), Loss> {
        let begun = self.begin(Phase::Opening, cut);
        let phase = match self.named {
            true => Phase::Opening,
            false => Phase::Creation,
        };
        let Some(store) = self.opened()? else {
            return Ok((phase, self.disk.off()));
        };
        self.end(Phase::Opening, begun);
        self.settle(&store).await?;

        let begun = self.begin(Phase::Work, cut);
        for _ in 0..1 + self.numbers.below(5) {
            self.work(&store).await?;
            if let Some(change) = self.disk.off() {
                return Ok((Phase::Work, Some(change)));
            }
        }
        self.end(Phase::Work, begun);

        let begun = self.begin(Phase::Close, cut);
        drop(store);
        if let Some(change) = self.disk.off() {
            return Ok((Phase::Close, Some(change)));
        }
        self.end(Phase::Close, begun);
        Ok((Phase::Rest, None))
    }

    /// Whether all is there that must be.
    pub(super) async fn check(&mut self) -> Result<(), Loss> {
        match self.opened()? {
            Some(store) => self.settle(&store).await,
            None => Ok(()),
        }
    }

    /// Sees that the power is cut in this phase, if it is the one to be cut in.
    fn begin(&mut self, phase: Phase, cut: Option<Phase>) -> u64 {
        if cut == Some(phase) {
            // Most changes are writes.
            let among = [Among::All, Among::All, Among::Syncs, Among::Lengths];
            let among = self.numbers.one_of(&among);
            let end = match among {
                Among::All => self.usual.get(&phase).copied().unwrap_or(20) + 1,
                Among::Syncs => 4,
                Among::Lengths => 2,
            };
            let skip = self.numbers.below(end);
            self.disk.cut(Cut { skip, among });
        }
        self.disk.changes()
    }

    fn end(&mut self, phase: Phase, begun: u64) {
        self.usual.insert(phase, self.disk.changes() - begun);
    }

    /// The store, unless the power was cut.
    fn opened(&mut self) -> Result<Option<RedbStore>, Loss> {
        if !self.named {
            self.disk.erase();
        }
        match open(&self.disk, self.cache_size) {
            Ok(store) => {
                self.named = true;
                Ok(Some(store))
            }
            Err(_) if self.disk.off().is_some() => Ok(None),
            Err(_error) => Err(Loss::NotOpened { _error }),
        }
    }

    /// Sees which of the two that may be the store holds.
    async fn settle(&mut self, store: &RedbStore) -> Result<(), Loss> {
        let perhaps = self.perhaps.take();
        let differs = |_how| Loss::Differs { _how };
        match (compare(store, &self.known).await, perhaps) {
            (Ok(()), perhaps) => self.tally.dropped += perhaps.map_or(0, |(steps, _)| steps),
            (Err(how), None) => return Err(differs(how)),
            (Err(one), Some((steps, model))) => {
                let other = compare(store, &model).await;
                other.map_err(|other| differs(format!("{one}; or {other}")))?;
                self.tally.kept += steps;
                self.known = model;
            }
        }
        Ok(())
    }

    async fn work(&mut self, store: &RedbStore) -> Result<(), Loss> {
        let (steps, expected, after) = self.worker.batch(&self.known);
        let answers = ask_together(store, &steps).await;
        let wrong = |_what| Loss::Answer { _what };
        if self.disk.off().is_some() {
            // A refusal changes nothing that could be lost.
            let refused = after == self.known;
            for (answer, expected) in answers.iter().zip(&expected) {
                if let Ok(answer) = answer
                    && !(refused && answer == expected)
                {
                    return Err(wrong(format!("{answer:?}, without power")));
                }
            }
            self.perhaps = Some((steps.len() as u64, after));
            return Ok(());
        }
        for (answer, expected) in answers.into_iter().zip(expected) {
            match answer {
                Ok(answer) if answer == expected => {}
                answer => return Err(wrong(format!("{answer:?}, not {expected:?}"))),
            }
        }
        self.tally.acknowledged += steps.len() as u64;
        self.known = after;
        Ok(())
    }
}
