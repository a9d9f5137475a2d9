//! What has to be done now and then, without anybody asking for it.

use std::time::Duration;

use tokio::time::{self, Interval, MissedTickBehavior};

use self::post::Post;
use super::{Administration, LifetimesReport};
use crate::store::Duty;

mod post;

/// How long the mail is left alone at most, and after it could not be read.
const MAIL_IDLE: Duration = Duration::from_secs(60);
const MAIL_RETRY: Duration = Duration::from_secs(5);

/// What goes on until the future is dropped, once in every node: where [several](crate::Parts::leadership) serve one
/// installation, one at a time does it, but for the mail. Turns that were missed are not made up for.
impl Administration {
    /// [Sweeps](Administration::sweep), now and `every` so long.
    pub async fn keep_swept(&self, every: Duration, grace: Duration) {
        let mut turns = self.turns(Duty::Sweep, every);
        loop {
            turns.next().await;
            match self.sweep(grace, |_| {}).await {
                Ok(report) => tracing::info!(
                    stages = report.stages_removed,
                    blobs = report.blobs_removed,
                    bytes = report.bytes_removed,
                    failures = report.failures,
                    "swept"
                ),
                Err(error) => tracing::warn!(%error, "sweeping failed"),
            }
        }
    }

    /// [Ends lifetimes](Administration::end_lifetimes) and [forgets limits](Administration::forget_limits), now and
    /// `every` so long.
    pub async fn keep_lifetimes(&self, every: Duration) {
        let mut turns = self.turns(Duty::Lifetimes, every);
        loop {
            turns.next().await;
            match self.end_lifetimes().await {
                Ok(report) if report == LifetimesReport::default() => {}
                Ok(report) => tracing::info!(
                    expired = report.expired,
                    retained = report.retained,
                    purged = report.purged,
                    "ended what was at its end"
                ),
                Err(error) => tracing::warn!(%error, "what is at its end could not be ended"),
            }
            if let Err(error) = self.forget_limits().await {
                tracing::warn!(%error, "limits that are quiet could not be forgotten");
            }
        }
    }

    /// Makes [checkpoints](Administration::checkpoint), now and `every` so long.
    pub async fn keep_checkpoints(&self, every: Duration) {
        let mut turns = self.turns(Duty::Checkpoints, every);
        loop {
            turns.next().await;
            if let Err(error) = self.checkpoint().await {
                tracing::warn!(%error, "no checkpoint of the trail could be made");
            }
        }
    }

    /// [Delivers mail](Administration::deliver_mail) whenever some is due. Each mail is claimed by who carries it, so all nodes
    /// do this.
    pub async fn keep_mail(&self) {
        loop {
            let wait = match self.deliver_mail().await {
                Ok(report) => report.next.map_or(MAIL_IDLE, |next| {
                    next.saturating_since(self.consign().now()).min(MAIL_IDLE)
                }),
                Err(error) => {
                    tracing::warn!(%error, "mail could not be carried");
                    MAIL_RETRY
                }
            };
            // Either will do.
            let _ = time::timeout(wait, self.mail_queued()).await;
        }
    }

    fn turns(&self, duty: Duty, every: Duration) -> Turns {
        let mut ticks = time::interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let post = Post::of(self.consign().parts().leadership.clone(), duty);
        Turns { ticks, post }
    }
}

/// When a duty is to be done here: now, and each time so long has passed, if it is this node's then.
struct Turns {
    ticks: Interval,
    post: Post,
}

impl Turns {
    async fn next(&mut self) {
        loop {
            self.ticks.tick().await;
            if self.post.is_ours().await {
                return;
            }
        }
    }
}
