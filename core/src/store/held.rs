use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::id::{BlobKey, StageId};

/// The stages and blobs that running uploads hold, so that a sweep of the same service leaves them
/// alone whatever its grace. Clones share what they hold. One upload holds an item, and holds it once.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    items: HashSet<Item>,
    /// Stages that are being begun, whose ids nobody knows yet.
    beginning: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Item {
    Stage(StageId),
    Blob(BlobKey),
}

impl Held {
    /// Holds whichever stage is begun until the value is dropped, which is once it is held by its id.
    pub fn hold_beginning(&self) -> Beginning {
        self.state().beginning += 1;
        Beginning(self.clone())
    }

    /// Holds a stage until the value is dropped.
    pub fn hold_stage(&self, id: StageId) -> Hold {
        self.hold(Item::Stage(id))
    }

    /// Holds a blob until the value is dropped: from before it is published until the catalogue
    /// has said whether it references it.
    pub fn hold_blob(&self, key: BlobKey) -> Hold {
        self.hold(Item::Blob(key))
    }

    /// Whether a running upload holds the stage, or may be about to.
    pub fn holds_stage(&self, id: StageId) -> bool {
        let state = self.state();
        state.beginning > 0 || state.items.contains(&Item::Stage(id))
    }

    /// Whether a running upload holds the blob. When none does, its reference, if there is one, is in
    /// the catalogue already.
    pub fn holds_blob(&self, key: BlobKey) -> bool {
        self.state().items.contains(&Item::Blob(key))
    }

    fn hold(&self, item: Item) -> Hold {
        self.state().items.insert(item);
        Hold {
            held: self.clone(),
            item,
        }
    }

    /// The state is whole between any two calls, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds one stage or blob.
#[derive(Debug)]
pub struct Hold {
    held: Held,
    item: Item,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.state().items.remove(&self.item);
    }
}

/// Holds a stage that is being begun.
#[derive(Debug)]
pub struct Beginning(Held);

impl Drop for Beginning {
    fn drop(&mut self) {
        self.0.state().beginning -= 1;
    }
}
