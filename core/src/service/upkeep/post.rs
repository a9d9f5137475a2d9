//! A duty that one node at a time has.

use std::{sync::Arc, time::Duration};

use tokio::time;

use crate::store::{Duty, Lead, Leadership};

/// How long a duty is free for others to take before it is asked for anew: as long as a store may take to see
/// that it was given up.
const FREE_FOR: Duration = Duration::from_secs(1);

/// A duty that this node does while no other has it.
#[derive(Debug)]
pub(super) struct Post {
    /// Without it there are no others.
    leadership: Option<Arc<dyn Leadership>>,
    duty: Duty,
    lead: Option<Lead>,
    free_for: Duration,
}

impl Post {
    pub(super) fn of(leadership: Option<Arc<dyn Leadership>>, duty: Duty) -> Self {
        Self {
            leadership,
            duty,
            lead: None,
            free_for: FREE_FOR,
        }
    }

    /// Whether the duty is this node's, until it asks again or ends. One that it has is asked for anew each time:
    /// whether it was lost meanwhile, with a store that did not answer for a while, can be told in no other way.
    pub(super) async fn is_ours(&mut self) -> bool {
        let Some(leadership) = &self.leadership else {
            return true;
        };
        let was_ours = self.lead.take().is_some();
        if was_ours {
            time::sleep(self.free_for).await;
        }
        let mut lead = leadership.lead(self.duty).await;
        if was_ours && matches!(lead, Ok(None)) {
            // Another has it, or the store has not seen yet that it was given up, and nobody would have it.
            time::sleep(self.free_for).await;
            lead = leadership.lead(self.duty).await;
        }
        self.lead = match lead {
            Ok(lead) => lead,
            Err(error) => {
                let duty = self.duty;
                tracing::warn!(?duty, %error, "whose duty it is cannot be told; it is left to others");
                None
            }
        };
        self.lead.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    };

    use async_trait::async_trait;

    use super::*;
    use crate::store::StoreError;

    /// Duties, each of whoever holds its lock.
    #[derive(Debug, Default)]
    struct Locks {
        taken: Mutex<Vec<(Duty, Weak<()>)>>,
        is_gone: AtomicBool,
        /// To so many askers from now on, whatever was given up looks as if it were not.
        is_late_for: AtomicU32,
    }

    #[async_trait]
    impl Leadership for Locks {
        async fn lead(&self, duty: Duty) -> Result<Option<Lead>, StoreError> {
            if self.is_gone.load(Ordering::SeqCst) {
                return Err(StoreError::Busy);
            }
            let late_for = self.is_late_for.load(Ordering::SeqCst);
            if let Some(left) = late_for.checked_sub(1) {
                self.is_late_for.store(left, Ordering::SeqCst);
                return Ok(None);
            }
            let mut taken = self.taken.lock().unwrap();
            taken.retain(|(_, lock)| lock.strong_count() > 0);
            if taken.iter().any(|(of, _)| *of == duty) {
                return Ok(None);
            }
            let lock = Arc::new(());
            taken.push((duty, Arc::downgrade(&lock)));
            Ok(Some(Lead::while_held(lock)))
        }
    }

    fn post(leadership: Option<&Arc<Locks>>, duty: Duty) -> Post {
        Post {
            leadership: leadership.map(|locks| Arc::clone(locks) as _),
            duty,
            lead: None,
            free_for: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn a_duty_is_one_nodes_until_it_ends() {
        let locks = Arc::new(Locks::default());
        let [mut one, mut two] = [(); 2].map(|()| post(Some(&locks), Duty::Sweep));
        for _ in 0..3 {
            assert!(one.is_ours().await);
            assert!(!two.is_ours().await);
        }
        let mut other = post(Some(&locks), Duty::Checkpoints);
        assert!(other.is_ours().await, "each duty is one of its own");
        drop(one);
        assert!(two.is_ours().await, "another takes over when the one dies");
    }

    #[tokio::test]
    async fn a_node_that_cannot_ask_does_nothing() {
        let locks = Arc::new(Locks::default());
        let [mut one, mut two] = [(); 2].map(|()| post(Some(&locks), Duty::Lifetimes));
        assert!(one.is_ours().await);
        locks.is_gone.store(true, Ordering::SeqCst);
        assert!(!one.is_ours().await);
        locks.is_gone.store(false, Ordering::SeqCst);
        assert!(two.is_ours().await, "what it had it has given up");
        assert!(!one.is_ours().await);
    }

    #[tokio::test]
    async fn a_duty_that_is_given_up_late_is_left_to_nobody_else() {
        let locks = Arc::new(Locks::default());
        let [mut one, mut two] = [(); 2].map(|()| post(Some(&locks), Duty::Sweep));
        assert!(one.is_ours().await);
        locks.is_late_for.store(1, Ordering::SeqCst);
        assert!(one.is_ours().await, "it asks once more");
        locks.is_late_for.store(1, Ordering::SeqCst);
        assert!(!two.is_ours().await, "who had none asks once");
        assert!(one.is_ours().await);
    }

    #[tokio::test]
    async fn a_node_that_is_alone_has_all_duties() {
        let [mut one, mut two] = [(); 2].map(|()| post(None, Duty::Sweep));
        for _ in 0..3 {
            assert!(one.is_ours().await && two.is_ours().await);
        }
    }
}
