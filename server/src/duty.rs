//! What one node of an installation at a time does, and who wants to be alone takes on.

use std::time::Duration;

use consign_core::store::{Duty, Lead, Leadership, StoreError};
use tokio::time::{self, Instant};

/// How long, and how often, whoever wants to be alone asks for duties. A node that runs has each of them, or another
/// has, but for the moments between; of one that has ended it is seen within this time.
const ASKED_FOR: Duration = Duration::from_secs(5);
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// Takes on all duties, which no node has then until they are dropped; `None` where one goes on with any.
pub(crate) async fn all(leadership: &dyn Leadership) -> Result<Option<Vec<Lead>>, StoreError> {
    let end = Instant::now() + ASKED_FOR;
    let mut leads = Vec::with_capacity(Duty::ALL.len());
    for duty in Duty::ALL {
        loop {
            if let Some(lead) = leadership.lead(duty).await? {
                leads.push(lead);
                break;
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            time::sleep(ASKED_EVERY).await;
        }
    }
    Ok(Some(leads))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use consign_core::memory::MemoryLeadership;

    use super::*;

    #[derive(Debug)]
    struct Gone;

    #[async_trait]
    impl Leadership for Gone {
        async fn lead(&self, _: Duty) -> Result<Option<Lead>, StoreError> {
            Err(StoreError::Busy)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_to_be_alone_waits_for_duties_but_not_for_nodes() {
        let leadership = MemoryLeadership::new();
        for duty in Duty::ALL {
            let lead = leadership.lead(duty).await.unwrap().expect("it is free");
            assert!(all(&leadership).await.unwrap().is_none(), "a node runs");
            tokio::spawn(async move {
                time::sleep(ASKED_FOR / 2).await;
                drop(lead);
            });
            let alone = all(&leadership).await.unwrap();
            assert_eq!(alone.as_ref().map(Vec::len), Some(Duty::ALL.len()));
            assert!(all(&leadership).await.unwrap().is_none(), "one at a time");
        }
        assert!(all(&Gone).await.is_err());
    }
}
