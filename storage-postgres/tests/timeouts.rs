//! What is answered where something takes too long: outcomes, not times.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{num::NonZeroU32, time::Duration};

use consign_core::{
    audience::Scope,
    limit::{LimitKey, Rate},
    store::{Change, FileStore, LimitStore as _, Outcome, StoreError},
    testing::{run, sample_entry, sample_event},
    time::Timestamp,
};
use consign_storage_postgres::PgStore;
use sqlx::{AssertSqlSafe, PgConnection, Row as _, query, raw_sql};
use support::{Schema, connect, url};
use tokio::time::{sleep, timeout};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
/// Longer than anything bounded takes.
const FOR_EVER: Duration = Duration::from_secs(120);
/// As short as a connection is surely made in.
const SHORT: Duration = Duration::from_secs(2);
/// Longer than a test waits.
const LONG: Duration = Duration::from_secs(600);

async fn bounded<T>(asking: impl Future<Output = T>) -> T {
    timeout(FOR_EVER, asking).await.expect("it is bounded")
}

/// Whatever the store does must end, and find that it is busy.
async fn is_busy<T: std::fmt::Debug>(asking: impl Future<Output = Result<T, StoreError>>) {
    let answer = bounded(asking).await;
    assert!(matches!(answer, Err(StoreError::Busy)), "{answer:?}");
}

/// Another session that has some tables until it is ended.
async fn locks(schema: &Schema, tables: &str) -> PgConnection {
    let mut other = connect().await;
    let sql = format!(
        "SET search_path = {}; BEGIN; LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE",
        schema.0
    );
    raw_sql(AssertSqlSafe(sql))
        .execute(&mut other)
        .await
        .unwrap();
    other
}

/// Makes a table one whose rows are read slowly.
async fn is_slow(schema: &Schema, table: &str) {
    let slow = format!(
        "ALTER TABLE {table} RENAME TO kept; \
        CREATE VIEW {table} AS SELECT kept.* FROM kept, pg_sleep(600)"
    );
    schema.execute(&slow).await;
}

async fn is_quick(schema: &Schema, table: &str) {
    let quick = format!("DROP VIEW {table}; ALTER TABLE kept RENAME TO {table}");
    schema.execute(&quick).await;
}

fn rate() -> Rate {
    Rate::new(NonZeroU32::new(10).unwrap(), Duration::from_secs(60))
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn what_another_session_has_locked_is_busy_to_reads_writes_and_limits() {
    run(async {
        let schema = Schema::new();
        drop(schema.open().await);
        let options = schema.options().acquire_timeout(SHORT);
        let store = PgStore::open(&url(), options).await.unwrap();
        let id = sample_entry(1).id;
        store.apply(Change::add(sample_entry(1))).await.unwrap();
        let mut other = locks(&schema, "files, audiences, rates").await;
        is_busy(FileStore::by_id(&store, id)).await;
        is_busy(FileStore::list(&store, &Scope::All, NOW, None, 10)).await;
        is_busy(store.apply(Change::add(sample_entry(2)))).await;
        is_busy(store.take(LimitKey([1; 16]), rate(), NOW)).await;
        raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        assert!(FileStore::by_id(&store, id).await.unwrap().is_some());
        let wait = store.take(LimitKey([1; 16]), rate(), NOW).await.unwrap();
        assert_eq!(wait, None);
        let added = store.apply(Change::add(sample_entry(2))).await.unwrap();
        assert!(
            matches!(added, Outcome::Added(file) if file.seq == 2),
            "nothing of it was written before"
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_statement_that_takes_too_long_is_busy_and_leaves_nothing() {
    run(async {
        let schema = Schema::new();
        let options = schema.options().statement_timeout(SHORT);
        let store = PgStore::open(&url(), options).await.unwrap();
        let by = sample_entry(1).uploaded_by;
        store.apply(Change::add(sample_entry(1))).await.unwrap();
        is_slow(&schema, "usage").await;
        is_busy(store.usage(by)).await;
        is_quick(&schema, "usage").await;
        assert_eq!(bounded(store.usage(by)).await.unwrap().files, 1);

        schema
            .execute(
                "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
                    $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$; \
                CREATE TRIGGER slow BEFORE INSERT ON trail FOR EACH ROW EXECUTE FUNCTION wait()",
            )
            .await;
        is_busy(store.apply(Change::add(sample_entry(2)))).await;
        schema.execute("DROP TRIGGER slow ON trail").await;
        let found = FileStore::by_id(&store, sample_entry(2).id).await;
        assert_eq!(found.unwrap(), None);
        let added = store.apply(Change::add(sample_entry(2))).await.unwrap();
        assert!(
            matches!(added, Outcome::Added(file) if file.seq == 2),
            "nothing was written before"
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn who_finds_all_connections_in_use_is_told_that_it_is_busy() {
    run(async {
        let schema = Schema::new();
        let options = schema.options().application_name(&schema.0);
        let options = options.max_connections(1).acquire_timeout(SHORT);
        let options = options.statement_timeout(LONG);
        let store = PgStore::open(&url(), options).await.unwrap();
        let by = sample_entry(1).uploaded_by;
        store.apply(Change::add(sample_entry(1))).await.unwrap();
        is_slow(&schema, "usage").await;
        let holder = {
            let store = store.clone();
            tokio::spawn(async move { store.usage(by).await })
        };
        bounded(async {
            let sql = "SELECT count(*) FROM pg_stat_activity \
                WHERE application_name = $1 AND wait_event = 'PgSleep'";
            let mut connection = connect().await;
            loop {
                let row = query(sql).bind(&schema.0).fetch_one(&mut connection).await;
                if row.unwrap().get::<i64, _>(0) == 1 {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        is_busy(FileStore::by_id(&store, sample_entry(1).id)).await;
        is_busy(store.take(LimitKey([1; 16]), rate(), NOW)).await;
        assert!(!holder.is_finished(), "it has the connection still");
        // Writes have a connection of their own.
        let written = store.apply(Change::Record(vec![sample_event(1)]));
        assert_eq!(bounded(written).await.unwrap(), Outcome::Recorded);
        holder.abort();
        let found = bounded(FileStore::by_id(&store, sample_entry(1).id)).await;
        assert!(found.unwrap().is_some());
    });
}
