//! What a power cut leaves of writes that were not synced.

use std::cmp::Ordering;

use consign_core::{random::Entropy, testing::SeededEntropy};

/// Numbers that a seed gives again.
#[derive(Debug)]
pub(super) struct Numbers(SeededEntropy);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    pub(super) fn any(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below `end`.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.any() % end.max(1)
    }

    pub(super) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn one_of<T: Copy>(&self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// What becomes of the sectors that were written and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    AllKept,
    AllLost,
    /// Each by itself: kept with this chance, torn with that; lost otherwise.
    Each {
        kept: u64,
        torn: u64,
    },
    /// Kept in the order of the writes up to one, which is torn.
    InOrder,
    /// The first sectors are kept, in which redb says what of the rest is valid; the rest is lost,
    /// or kept with this chance.
    HeaderKept(u64),
    /// All but one.
    OneLost,
}

impl Fate {
    pub(super) fn any(numbers: &Numbers) -> Self {
        match numbers.below(10) {
            0 => Self::AllKept,
            1 => Self::AllLost,
            2 => Self::InOrder,
            3 => Self::HeaderKept(numbers.one_of(&[0, 50, 90])),
            4 => Self::OneLost,
            _ => Self::Each {
                kept: numbers.one_of(&[2, 10, 50, 90, 98]),
                torn: numbers.one_of(&[0, 0, 5, 30, 100]),
            },
        }
    }
}

/// A change that was made and not synced.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

/// Leaves of `pending` what a power cut does. The length becomes one that the file had since the
/// last sync, whatever data is kept: a file system writes it down apart from them.
pub(super) fn settle(
    durable: &mut Vec<u8>,
    pending: &[Pending],
    sector: usize,
    fate: Fate,
    numbers: &Numbers,
) {
    let lengths = pending.iter().filter(|change| change.is_length()).count() as u64;
    let pieces = pending.iter().map(|change| change.pieces(sector)).sum();
    let mut lengths_left = match fate {
        Fate::AllKept | Fate::OneLost => lengths,
        Fate::AllLost => 0,
        _ => numbers.below(lengths + 1),
    };
    let (marked, mut at) = (numbers.below(pieces), 0);
    for change in pending {
        match change {
            Pending::Length(length) if lengths_left > 0 => {
                lengths_left -= 1;
                durable.resize(*length, 0);
            }
            Pending::Length(_) => {}
            Pending::Write { offset, data } => {
                let (mut offset, mut data) = (*offset, &data[..]);
                while !data.is_empty() {
                    let (piece, rest) = data.split_at(data.len().min(sector - offset % sector));
                    // What is beyond the length is not found again.
                    if let Some(place) = durable.get_mut(offset..offset + piece.len()) {
                        lay(place, piece, fate, numbers, offset, at.cmp(&marked));
                    }
                    at += 1;
                    offset += piece.len();
                    data = rest;
                }
            }
        }
    }
}

/// Leaves of one sector's new data what its fate is.
fn lay(
    place: &mut [u8],
    data: &[u8],
    fate: Fate,
    numbers: &Numbers,
    offset: usize,
    to_marked: Ordering,
) {
    let (kept, torn) = match fate {
        Fate::AllKept => (true, false),
        Fate::AllLost => (false, false),
        Fate::Each { kept, torn } => (numbers.chance(kept), numbers.chance(torn)),
        Fate::InOrder => (to_marked.is_lt(), to_marked.is_eq()),
        Fate::HeaderKept(kept) => (offset < 512 || numbers.chance(kept), false),
        Fate::OneLost => (to_marked.is_ne(), false),
    };
    if kept {
        place.copy_from_slice(data);
    } else if torn {
        tear(place, data, numbers);
    }
}

/// Some bytes become new and others do not: those up to one, those from one, or any.
fn tear(place: &mut [u8], data: &[u8], numbers: &Numbers) {
    let at = numbers.below(data.len() as u64) as usize;
    match numbers.below(3) {
        0 => place[..at].copy_from_slice(&data[..at]),
        1 => place[at..].copy_from_slice(&data[at..]),
        _ => {
            for (old, new) in place.iter_mut().zip(data) {
                if numbers.chance(50) {
                    *old = *new;
                }
            }
        }
    }
}

impl Pending {
    pub(super) fn is_length(&self) -> bool {
        matches!(self, Self::Length(_))
    }

    /// How many sectors it touches.
    fn pieces(&self, sector: usize) -> u64 {
        match self {
            Self::Length(_) => 0,
            Self::Write { offset, data } => {
                ((offset + data.len()).div_ceil(sector) - offset / sector) as u64
            }
        }
    }
}
