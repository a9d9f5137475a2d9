//! The tables, brought up step by step.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, query, raw_sql};

use crate::{
    fault::{Fault, within},
    open::{OpenError, Place},
};

/// Those of this program.
pub(crate) const STEPS: Steps = Steps {
    all: &[include_str!("../migrations/0001.sql")],
    turn: Duration::from_secs(60),
    statement: Duration::from_secs(5 * 60),
    step: Duration::from_secs(15 * 60),
};

/// How the tables are brought up, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// Each from the version of its place to the next.
    pub(crate) all: &'static [&'static str],
    /// How long to wait for a lock at most: for that of another node as it brings the schema up.
    pub(crate) turn: Duration,
    /// How long a statement of a step may take, as the database counts.
    pub(crate) statement: Duration,
    /// How long an answer to a whole step is waited for, and to the commit.
    pub(crate) step: Duration,
}

impl Steps {
    /// The version that is known.
    pub(crate) fn version(&self) -> i32 {
        i32::try_from(self.all.len()).unwrap_or(i32::MAX)
    }
}

/// Sees that the schema is there and of this version. Nodes that do so at once wait for one another.
pub(crate) async fn bring_up(
    place: &Place,
    connection: &mut PgConnection,
) -> Result<(), OpenError> {
    // One that is up needs no rights to make anything, and no lock.
    let known = place.steps.version();
    if version(place, connection).await? == Some(known) {
        return Ok(());
    }
    let told = |fault| place.told(fault);
    let begun = within(place.patience(), connection.begin()).await;
    let mut transaction = begun.map_err(told)?;
    wait_for_turn(place, &mut transaction).await.map_err(told)?;
    let found = version(place, &mut transaction).await?;
    if found == Some(known) {
        tracing::debug!(known, "another node brought the schema up");
        // One that is dropped is rolled back at the connection's next use: until then the others would wait.
        let ended = within(place.patience(), transaction.rollback()).await;
        return ended.map_err(told);
    }
    let stepped = step_up(place, &mut transaction, found.unwrap_or_default()).await;
    stepped.map_err(told)?;
    let committed = within(place.steps.step, transaction.commit()).await;
    committed.map_err(told)
}

/// The version of the schema; `None` where there is none yet.
pub(crate) async fn version(
    place: &Place,
    connection: &mut PgConnection,
) -> Result<Option<i32>, OpenError> {
    let schema = &place.options.schema;
    let told = |error: sqlx::Error| place.told(error.into());
    let sql = "SELECT count(*) FILTER (WHERE relname = 'schema_version') AS known, \
        count(*) FILTER (WHERE relkind IN ('r', 'p', 'v', 'm', 'f')) AS tables \
        FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p', 'v', 'm', 'f')";
    let ask = query(sql).bind(schema).fetch_one(&mut *connection);
    let row = within(place.patience(), ask).await;
    let row = row.map_err(|fault| place.told(fault))?;
    let (known, tables): (i64, i64) = (
        row.try_get("known").map_err(told)?,
        row.try_get("tables").map_err(told)?,
    );
    match (known, tables) {
        (0, 0) => return Ok(None),
        (0, _) => {
            return Err(OpenError::Foreign {
                schema: schema.clone(),
            });
        }
        _ => {}
    }
    let ask = query("SELECT version FROM schema_version").fetch_optional(connection);
    let row = within(place.patience(), ask).await;
    let damaged = || OpenError::Damaged {
        schema: schema.clone(),
        text: "it does not say of which version it is".to_owned(),
    };
    let row = row.map_err(|fault| place.told(fault))?;
    let row = row.ok_or_else(damaged)?;
    let found: i32 = row.try_get("version").map_err(|_| damaged())?;
    let known = place.steps.version();
    match found {
        0 => Err(damaged()),
        found if found > known => Err(OpenError::Newer {
            schema: schema.clone(),
            found,
            known,
        }),
        found => Ok(Some(found)),
    }
}

async fn wait_for_turn(place: &Place, connection: &mut PgConnection) -> Result<(), Fault> {
    let Steps {
        turn, statement, ..
    } = place.steps;
    let sql = AssertSqlSafe(format!(
        "SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
        statement.as_millis(),
        turn.as_millis()
    ));
    let set = raw_sql(sql).execute(&mut *connection);
    within(place.patience(), set).await?;
    let lock = query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock_key(&place.options.schema, "schema"))
        .execute(connection);
    within(turn + place.patience(), lock).await?;
    Ok(())
}

async fn step_up(place: &Place, connection: &mut PgConnection, found: i32) -> Result<(), Fault> {
    let schema = &place.options.schema;
    let most = place.steps.step;
    if found == 0 {
        // A database's owner may have made it before, for a user who may not.
        let sql = "SELECT to_regnamespace($1) IS NULL";
        let ask = query(sql).bind(schema).fetch_one(&mut *connection);
        let is_missing: bool = within(place.patience(), ask).await?.try_get(0)?;
        if is_missing {
            // The name is one that needs no quotes: see `Options::has_plain_schema`.
            let sql = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
            within(most, raw_sql(sql).execute(&mut *connection)).await?;
        }
        let sql = "CREATE TABLE schema_version (the_only boolean PRIMARY KEY DEFAULT true CHECK (the_only), \
            version integer NOT NULL); INSERT INTO schema_version (version) VALUES (0)";
        within(most, raw_sql(sql).execute(&mut *connection)).await?;
    } else {
        // Nobody writes meanwhile, and who writes next sees that it is another version.
        let sql = "SELECT FROM head FOR UPDATE";
        within(most, raw_sql(sql).execute(&mut *connection)).await?;
    }
    let done = usize::try_from(found).unwrap_or_default();
    for step in place.steps.all.iter().skip(done) {
        within(most, raw_sql(*step).execute(&mut *connection)).await?;
    }
    let sql = "UPDATE schema_version SET version = $1";
    let update = query(sql).bind(place.steps.version()).execute(connection);
    within(most, update).await?;
    Ok(())
}

/// What an advisory lock is known by, of a schema and a purpose: those of a database are all in one space.
pub(crate) fn lock_key(schema: &str, purpose: &str) -> i64 {
    let text = format!("consign lock 1\n{schema}\n{purpose}");
    let digest = digest(&SHA256, text.as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&digest.as_ref()[..8]);
    i64::from_be_bytes(key)
}

#[cfg(test)]
mod tests;
