use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;

use crate::store::{Duty, Lead, Leadership, StoreError};

/// Duties of services in one process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryLeadership(Arc<Mutex<BTreeMap<Duty, Weak<()>>>>);

impl MemoryLeadership {
    /// All duties are free.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Leadership for MemoryLeadership {
    async fn lead(&self, duty: Duty) -> Result<Option<Lead>, StoreError> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(&duty).is_some_and(|held| held.strong_count() > 0) {
            return Ok(None);
        }
        let held = Arc::new(());
        taken.insert(duty, Arc::downgrade(&held));
        Ok(Some(Lead::while_held(held)))
    }
}
