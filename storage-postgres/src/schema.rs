//! The tables, brought up step by step.

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, query, raw_sql};

use crate::{
    fault::Fault,
    open::{OpenError, Place},
};

/// The steps, each from the version of its place to the next.
const STEPS: [&str; 1] = [include_str!("../migrations/0001.sql")];

/// The version that this program knows.
pub(crate) const VERSION: i32 = STEPS.len() as i32;

/// Sees that the schema is there and of this version. Nodes that do so at once wait for one another.
pub(crate) async fn bring_up(
    place: &Place,
    connection: &mut PgConnection,
) -> Result<(), OpenError> {
    // One that is up needs no rights to make anything, and no lock.
    if version(place, connection).await? == Some(VERSION) {
        return Ok(());
    }
    let mut transaction = connection
        .begin()
        .await
        .map_err(|error| place.told(error.into()))?;
    wait_for_turn(place, &mut transaction)
        .await
        .map_err(|fault| place.told(fault))?;
    let found = version(place, &mut transaction).await?;
    if let Some(found) = found.filter(|found| *found == VERSION) {
        tracing::debug!(found, "another node brought the schema up");
        // One that is dropped is rolled back at the connection's next use: until then the others would wait.
        let ended = transaction.rollback().await;
        return ended.map_err(|error| place.told(error.into()));
    }
    step_up(place, &mut transaction, found.unwrap_or_default())
        .await
        .map_err(|fault| place.told(fault))?;
    transaction
        .commit()
        .await
        .map_err(|error| place.told(error.into()))
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
    let row = query(sql)
        .bind(schema)
        .fetch_one(&mut *connection)
        .await
        .map_err(told)?;
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
    let row = query("SELECT version FROM schema_version")
        .fetch_optional(connection)
        .await;
    let damaged = || OpenError::Damaged {
        schema: schema.clone(),
        text: "it does not say of which version it is".to_owned(),
    };
    let row = row.map_err(told)?.ok_or_else(damaged)?;
    let found: i32 = row.try_get("version").map_err(|_| damaged())?;
    match found {
        0 => Err(damaged()),
        found if found > VERSION => Err(OpenError::Newer {
            schema: schema.clone(),
            found,
            known: VERSION,
        }),
        found => Ok(Some(found)),
    }
}

async fn wait_for_turn(place: &Place, connection: &mut PgConnection) -> Result<(), Fault> {
    raw_sql("SET LOCAL statement_timeout = '5min'; SET LOCAL lock_timeout = '1min'")
        .execute(&mut *connection)
        .await?;
    query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock_key(&place.options.schema, "schema"))
        .execute(connection)
        .await?;
    Ok(())
}

async fn step_up(place: &Place, connection: &mut PgConnection, found: i32) -> Result<(), Fault> {
    let schema = &place.options.schema;
    if found == 0 {
        // A database's owner may have made it before, for a user who may not.
        let sql = "SELECT to_regnamespace($1) IS NULL";
        let is_missing: bool = query(sql)
            .bind(schema)
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        if is_missing {
            // The name is one that needs no quotes: see `Options::has_plain_schema`.
            let sql = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
            raw_sql(sql).execute(&mut *connection).await?;
        }
        let sql = "CREATE TABLE schema_version (the_only boolean PRIMARY KEY DEFAULT true CHECK (the_only), \
            version integer NOT NULL); INSERT INTO schema_version (version) VALUES (0)";
        raw_sql(sql).execute(&mut *connection).await?;
    } else {
        // Nobody writes meanwhile, and who writes next sees that it is another version.
        let sql = "SELECT FROM head FOR UPDATE";
        raw_sql(sql).execute(&mut *connection).await?;
    }
    for step in STEPS
        .iter()
        .skip(usize::try_from(found).unwrap_or_default())
    {
        raw_sql(*step).execute(&mut *connection).await?;
    }
    let sql = "UPDATE schema_version SET version = $1";
    query(sql).bind(VERSION).execute(connection).await?;
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
