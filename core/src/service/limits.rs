//! What several nodes count together.

use std::time::Duration;

use super::{Administration, Consign};
use crate::{
    error::Error,
    limit::{LimitKey, Rate},
};

impl Consign {
    /// Whether several nodes [count together](crate::Parts::limits) what may not be asked for too often.
    pub fn shares_limits(&self) -> bool {
        self.parts().limits.is_some()
    }

    /// Takes one of `key` from what the nodes count together: `None`, or how long to wait until there is one. A
    /// service that [counts alone](Consign::shares_limits) leaves that to its front end, and takes all.
    ///
    /// # Errors
    /// Those of the store; whether one was taken is not known then.
    pub async fn take(&self, key: LimitKey, rate: Rate) -> Result<Option<Duration>, Error> {
        let parts = self.parts();
        match &parts.limits {
            // Not the present that never goes back: where a clock is set back, others count on.
            Some(limits) => Ok(limits.take(key, rate, parts.clock.now()).await?),
            None => Ok(None),
        }
    }
}

impl Administration {
    /// Forgets what is quiet of what several nodes count together. How many.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget_limits(&self) -> Result<usize, Error> {
        let parts = self.consign().parts();
        let Some(limits) = &parts.limits else {
            return Ok(0);
        };
        // One present for all turns: what becomes quiet meanwhile is the next call's, or there would be no end.
        let now = parts.clock.now();
        let mut all = 0;
        loop {
            match limits.forget(now).await? {
                0 => return Ok(all),
                forgotten => all += forgotten,
            }
        }
    }
}
