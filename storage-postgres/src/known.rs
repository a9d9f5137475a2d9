use std::collections::{BTreeMap, BTreeSet};

/// Rows of one table that a batch has looked up, as they are after its changes so far.
#[derive(Debug)]
pub(crate) struct Known<K, V> {
    rows: BTreeMap<K, V>,
    changed: BTreeSet<K>,
}

impl<K: Ord + Copy, V> Known<K, V> {
    /// A row as it was found.
    pub(crate) fn found(&mut self, key: K, row: V) {
        self.rows.insert(key, row);
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.rows.get(&key)
    }

    pub(crate) fn has(&self, key: K) -> bool {
        self.rows.contains_key(&key)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &V> {
        self.rows.values()
    }

    pub(crate) fn set(&mut self, key: K, row: V) {
        self.rows.insert(key, row);
        self.changed.insert(key);
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let row = self.rows.remove(&key)?;
        self.changed.insert(key);
        Some(row)
    }

    /// The rows to be written.
    pub(crate) fn to_write(&self) -> impl Iterator<Item = (K, &V)> {
        let changed = self.changed.iter();
        changed.filter_map(|key| Some((*key, self.rows.get(key)?)))
    }

    /// The keys of rows to be taken out.
    pub(crate) fn to_take_out(&self) -> impl Iterator<Item = K> {
        let changed = self.changed.iter();
        changed.filter(|key| !self.rows.contains_key(key)).copied()
    }

    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            changed: BTreeSet::new(),
        }
    }
}
