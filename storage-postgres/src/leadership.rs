//! Who does what one node does: whoever has an advisory lock, which goes with its connection.

use std::time::Duration;

use async_trait::async_trait;
use consign_core::store::{Duty, Lead, Leadership, StoreError};
use sqlx::{Connection as _, PgConnection, query, raw_sql};
use tokio::{
    task::AbortHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    PgStore,
    column::Columns,
    fault::{Fault, within},
    open::Place,
    schema,
};

/// How often a node that has a duty says that it is alive. One that has not for four times as long has it no more,
/// also where its machine goes on answering for it.
const BEAT: Duration = Duration::from_secs(15);

#[async_trait]
impl Leadership for PgStore {
    async fn lead(&self, duty: Duty) -> Result<Option<Lead>, StoreError> {
        let place = self.place();
        let asked = within(place.longest(), take_on(place, duty)).await;
        let connection = asked.map_err(Fault::error)?;
        Ok(connection.map(|connection| {
            let beating = tokio::spawn(beat(connection, place.patience()));
            Lead::while_held(Beating(beating.abort_handle()))
        }))
    }
}

/// Holds the connection, and with it the lock.
struct Beating(AbortHandle);

impl Drop for Beating {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn take_on(place: &Place, duty: Duty) -> Result<Option<PgConnection>, Fault> {
    let mut connection = place.connect().await?;
    let key = schema::lock_key(&place.options.schema, name(duty));
    let sql = "SELECT pg_try_advisory_lock($1) AS is_ours";
    let row = query(sql).bind(key).fetch_one(&mut connection).await?;
    if !Columns(&row).get::<bool>("is_ours")? {
        return Ok(None);
    }
    let sql = "SET idle_session_timeout = '1min'";
    raw_sql(sql).execute(&mut connection).await?;
    Ok(Some(connection))
}

async fn beat(mut connection: PgConnection, patience: Duration) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let beat = timeout(patience, connection.ping()).await;
        if !matches!(beat, Ok(Ok(()))) {
            tracing::warn!("a duty is lost with its connection to the database");
            return;
        }
    }
}

fn name(duty: Duty) -> &'static str {
    match duty {
        Duty::Sweep => "sweep",
        Duty::Lifetimes => "lifetimes",
        Duty::Checkpoints => "checkpoints",
    }
}
