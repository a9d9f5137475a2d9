//! Which parts of a file somebody has been handed, when they ask for it part by part.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use super::recorder::Credential;
use crate::id::FileId;

/// Files in parts that are remembered at most: the one that nobody asked for longest is forgotten.
const MOST: usize = 1024;

/// Parts of one that are remembered at most. Of one in more, no more are: that all of it was handed out
/// is not seen then.
const PARTS: usize = 64;

/// Parts that were handed out. It is kept in memory: a restart forgets.
#[derive(Debug, Default)]
pub(super) struct Coverage(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    parts: HashMap<(FileId, Credential), Parts>,
    turn: u64,
}

#[derive(Debug, Default)]
struct Parts {
    /// In order, none touching another.
    ranges: Vec<Range<u64>>,
    turn: u64,
}

impl Coverage {
    /// Whether all parts together are the whole, now that this was handed out. Then it begins anew.
    pub(super) fn completes(
        &self,
        key: (FileId, Credential),
        range: Range<u64>,
        size: u64,
    ) -> bool {
        // They are whole between any two calls, so a panic elsewhere does not spoil them.
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.turn += 1;
        let turn = files.turn;
        if files.parts.len() >= MOST && !files.parts.contains_key(&key) {
            let oldest = files.parts.iter().min_by_key(|(_, parts)| parts.turn);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                files.parts.remove(&oldest);
            }
        }
        let parts = files.parts.entry(key).or_default();
        parts.turn = turn;
        parts.add(range);
        let complete = parts.ranges.first() == Some(&(0..size));
        if complete {
            files.parts.remove(&key);
        }
        complete
    }
}

impl Parts {
    fn add(&mut self, new: Range<u64>) {
        let touches = |range: &Range<u64>| range.start <= new.end && new.start <= range.end;
        let from = self.ranges.partition_point(|range| range.end < new.start);
        let touched = self.ranges[from..]
            .iter()
            .take_while(|range| touches(range));
        let to = from + touched.count();
        let merged = match &self.ranges[from..to] {
            [] if self.ranges.len() >= PARTS => return,
            [] => new,
            [first, ..] => {
                let end = self.ranges[to - 1].end.max(new.end);
                first.start.min(new.start)..end
            }
        };
        self.ranges.splice(from..to, [merged]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::LeaseId;

    fn key(n: u8) -> (FileId, Credential) {
        let lease = LeaseId::from_bytes([n; 16]);
        (FileId::from_bytes([1; 16]), Credential::Lease(lease))
    }

    proptest! {
        #[test]
        fn a_file_is_complete_when_each_byte_was_handed_out(ranges in prop::collection::vec((0..20_u64, 1..8_u64), 1..60)) {
            let coverage = Coverage::default();
            let mut seen = [false; 20];
            for (start, len) in ranges {
                let range = start..(start + len).min(20);
                range.clone().for_each(|byte| seen[byte as usize] = true);
                let complete = seen == [true; 20];
                prop_assert_eq!(coverage.completes(key(1), range, 20), complete);
                if complete {
                    seen = [false; 20];
                }
            }
        }
    }

    #[test]
    fn each_credential_counts_for_itself() {
        let coverage = Coverage::default();
        assert!(!coverage.completes(key(1), 0..5, 10));
        assert!(!coverage.completes(key(2), 5..10, 10));
        assert!(coverage.completes(key(1), 5..10, 10));
    }

    #[test]
    fn no_more_is_kept_than_is_allowed() {
        let coverage = Coverage::default();
        for n in 0..2 * PARTS as u64 {
            coverage.completes(key(1), 2 * n..2 * n + 1, 1000);
        }
        let credential = |n: usize| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            (FileId::from_bytes(id), key(9).1)
        };
        for n in 0..2 * MOST {
            coverage.completes(credential(n), 0..1, 10);
        }
        let files = coverage.0.lock().unwrap();
        assert_eq!(files.parts.len(), MOST);
        assert!(
            files
                .parts
                .values()
                .all(|parts| parts.ranges.len() <= PARTS)
        );
        assert!(files.parts.contains_key(&credential(2 * MOST - 1)));
        assert!(!files.parts.contains_key(&key(1)));
    }
}
