//! What may not be asked for too often, for all nodes together: each call is one statement, whose arithmetic is that
//! of [`Rate::take`], [`Rate::give_back`] and [`Failures::one_more`].

use std::time::Duration;

use async_trait::async_trait;
use consign_core::{
    limit::{Failures, LimitKey, Rate},
    store::{AttemptEnd, Attempted, LimitStore, StoreError},
    time::{MAX_SKEW, Timestamp},
};
use sqlx::query;

use crate::{
    PgStore,
    column::{Columns, Id, Number, damaged},
    fault::Fault,
    page,
};

/// Failures that came so long ago are quiet.
const QUIET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Rows of each kind that are forgotten at once.
const FORGET_AT_ONCE: usize = 10_000;

#[async_trait]
impl LimitStore for PgStore {
    async fn take(
        &self,
        key: LimitKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let sql = "INSERT INTO rates AS rate (key, full_at) \
            VALUES ($1, least($2 + $3, 18446744073709551615)) \
            ON CONFLICT (key) DO UPDATE SET (full_at, refused) = (SELECT \
                CASE WHEN next <= $4 THEN next ELSE rate.full_at END, \
                CASE WHEN next <= $4 THEN NULL ELSE next - $4 END \
                FROM (SELECT least($3 + CASE WHEN rate.full_at <= $5 THEN greatest(rate.full_at, $2) \
                    ELSE $2 END, 18446744073709551615) AS next) AS would_be) \
            RETURNING refused";
        let period = Duration::from_millis(rate.period_millis());
        let most = now + period.saturating_mul(rate.burst().get());
        let ask = query(sql)
            .bind(Id(key.0))
            .bind(Number::from(now))
            .bind(Number::from(rate.period_millis()))
            .bind(Number::from(most))
            .bind(Number::from(most + MAX_SKEW));
        let row = self.rows_once(ask).await.map_err(Fault::error)?.pop();
        let refused = page::one(row, |row| row.time_or_null("refused"))?;
        Ok(refused.flatten().map(wait))
    }

    async fn give_back(&self, key: LimitKey, rate: Rate) -> Result<(), StoreError> {
        let sql = "UPDATE rates SET full_at = greatest(full_at - $2, 0) WHERE key = $1";
        let period = Number::from(rate.period_millis());
        let ask = query(sql).bind(Id(key.0)).bind(period);
        self.rows_once(ask).await.map_err(Fault::error)?;
        Ok(())
    }

    async fn begin_attempt(&self, key: LimitKey, now: Timestamp) -> Result<Attempted, StoreError> {
        let sql = "INSERT INTO failures AS row (key, count, at) VALUES ($1, 1, $2) \
            ON CONFLICT (key) DO UPDATE SET (count, at, count_before, at_before, refused) = (SELECT \
                CASE WHEN wait > 0 THEN row.count ELSE least(row.count + 1, 4294967295) END, \
                CASE WHEN wait > 0 THEN seen ELSE $2 END, \
                nullif(row.count, 0), seen, CASE WHEN wait > 0 THEN wait END \
                FROM (SELECT least(row.at, $2) AS seen) AS as_of \
                CROSS JOIN LATERAL (SELECT seen - $2 + CASE WHEN row.count < $3 THEN 0 ELSE \
                    least($4 * (1::bigint << least(row.count - $3, 31)::integer), $5) END AS wait) AS delay) \
            RETURNING count_before, at_before, refused";
        let ask = query(sql)
            .bind(Id(key.0))
            .bind(Number::from(now))
            .bind(i64::from(Failures::FREE))
            .bind(small_millis(Failures::FIRST_DELAY))
            .bind(small_millis(Failures::MAX_DELAY));
        let row = self.rows_once(ask).await.map_err(Fault::error)?.pop();
        page::one(row, attempted)?.ok_or_else(|| damaged("failures").error())
    }

    async fn end_attempt(&self, key: LimitKey, end: AttemptEnd) -> Result<(), StoreError> {
        let AttemptEnd::Undone { before } = end else {
            return self.end_row(key, false).await;
        };
        // One of several at the same time must see what the others have left: so it takes away one, and looks then.
        let sql = "UPDATE failures SET count = greatest(count - 1, 0), \
            at = CASE WHEN count - 1 = $2 THEN $3 ELSE at END WHERE key = $1 RETURNING count";
        let ask = query(sql)
            .bind(Id(key.0))
            .bind(before.map(|before| i64::from(before.count)))
            .bind(before.map(|before| Number::from(before.at)));
        let row = self.rows_once(ask).await.map_err(Fault::error)?.pop();
        match page::one(row, |row| row.small::<u32>("count"))? {
            Some(0) => self.end_row(key, true).await,
            _ => Ok(()),
        }
    }

    async fn forget(&self, now: Timestamp) -> Result<usize, StoreError> {
        // What was counted again meanwhile is not quiet any more: so both conditions are there twice.
        let sql = "WITH full_again AS (DELETE FROM rates WHERE full_at <= $1 \
                AND key IN (SELECT key FROM rates WHERE full_at <= $1 LIMIT $3) RETURNING 1), \
            over AS (DELETE FROM failures WHERE (count = 0 OR at <= $1 - $2) \
                AND key IN (SELECT key FROM failures WHERE count = 0 OR at <= $1 - $2 LIMIT $3) \
                RETURNING count) \
            SELECT (SELECT count(*) FROM full_again) + (SELECT count(*) FROM over WHERE count > 0) AS count";
        let ask = query(sql)
            .bind(Number::from(now))
            .bind(Number::from(millis(QUIET_AFTER)))
            .bind(page::most(FORGET_AT_ONCE));
        let row = self.rows_once(ask).await.map_err(Fault::error)?.pop();
        let count = page::one(row, |row| row.small("count"))?;
        Ok(count.unwrap_or_default())
    }
}

impl PgStore {
    /// Ends a row of failures, or only one of which none is left.
    async fn end_row(&self, key: LimitKey, if_none: bool) -> Result<(), StoreError> {
        let sql = "DELETE FROM failures WHERE key = $1 AND (count = 0 OR NOT $2)";
        let ask = query(sql).bind(Id(key.0)).bind(if_none);
        self.rows_once(ask).await.map_err(Fault::error)?;
        Ok(())
    }
}

fn attempted(row: &Columns<'_>) -> Result<Attempted, Fault> {
    if let Some(refused) = row.time_or_null("refused")? {
        return Ok(Attempted::Wait(wait(refused)));
    }
    let before = match row.small_or_null("count_before")? {
        Some(count) => Some(Failures {
            count,
            at: row.time("at_before")?,
        }),
        None => None,
    };
    Ok(Attempted::Begun { before })
}

/// A column of milliseconds that is no time of day but how long.
fn wait(millis: Timestamp) -> Duration {
    Duration::from_millis(millis.as_millis())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn small_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
