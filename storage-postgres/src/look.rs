//! Looking at a database without changing anything.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{Row as _, query};

use crate::{
    PgStore,
    fault::within,
    open::{self, OpenError, Place},
    options::Options,
    schema::version,
};

/// What was found of a database that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// The server's version, in its own words.
    pub server: String,
    /// The version of the schema; `None` where there is none yet.
    pub schema: Option<i32>,
    /// The version that this program knows.
    pub known: i32,
    /// Milliseconds between the database's clock and this machine's, without the way between them.
    pub clock_apart: u64,
}

impl PgStore {
    /// Looks at what [`open`](PgStore::open) would open, and changes nothing.
    ///
    /// # Errors
    /// As [`open`](PgStore::open).
    pub async fn look(url: &str, options: Options) -> Result<Look, OpenError> {
        let place = Place::new(url, options)?;
        let mut connection = place.connect().await.map_err(|fault| place.told(fault))?;
        open::check_server(&place, &mut connection).await?;
        let schema = version(&place, &mut connection).await?;
        let told = |error: sqlx::Error| place.told(error.into());
        let sql = "SELECT current_setting('server_version') AS server, \
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
        let asked = now();
        let row = within(place.patience(), query(sql).fetch_one(&mut connection)).await;
        let row = row.map_err(|fault| place.told(fault))?;
        let answered = now();
        let there: i64 = row.try_get("now").map_err(told)?;
        let there = u64::try_from(there).unwrap_or_default();
        Ok(Look {
            server: row.try_get("server").map_err(told)?,
            schema,
            known: place.steps.version(),
            clock_apart: asked
                .saturating_sub(there)
                .max(there.saturating_sub(answered)),
        })
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
