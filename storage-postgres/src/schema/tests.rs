use std::error::Error as _;

use consign_core::{
    store::{Change, FileStore as _, Outcome, StoreError},
    testing::{run, sample_event},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    Options, PgStore,
    support::{
        Schema, connect,
        proxy::{COMMIT, Proxy, Way},
        url,
    },
};

/// Longer than anything bounded takes.
const FOR_EVER: Duration = Duration::from_secs(120);

/// A step of a later program, which cannot be made twice.
const LATER: Steps = Steps {
    all: &[
        STEPS.all[0],
        "CREATE TABLE later (n integer NOT NULL); INSERT INTO later VALUES (1)",
    ],
    ..STEPS
};

/// Quick to make, and given little time.
const BRIEF: Steps = Steps {
    all: &["CREATE TABLE head (n integer)"],
    turn: Duration::from_secs(2),
    statement: Duration::from_secs(4),
    step: Duration::from_secs(5),
};

async fn open(url: &str, options: Options, steps: Steps) -> Result<PgStore, OpenError> {
    let mut place = Place::new(url, options)?;
    place.steps = steps;
    let opening = timeout(FOR_EVER, PgStore::open_with(place));
    opening.await.expect("it is bounded")
}

async fn opened(schema: &Schema, steps: Steps) -> PgStore {
    let opened = open(&url(), schema.options(), steps).await;
    opened.expect("the store opens")
}

async fn refused(schema: &Schema, steps: Steps) -> OpenError {
    let opened = open(&url(), schema.options(), steps).await;
    opened.expect_err("it is refused")
}

async fn record(store: &PgStore) -> Result<Outcome, StoreError> {
    store.apply(Change::Record(vec![sample_event(1)])).await
}

/// The one number that a statement finds in a schema.
async fn number(schema: &Schema, sql: &str) -> i64 {
    let mut connection = connect().await;
    let path = format!("SET search_path = {}", schema.0);
    let set = raw_sql(AssertSqlSafe(path)).execute(&mut connection).await;
    set.expect("it is set");
    let row = query(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection);
    row.await.expect("there is one").get(0)
}

/// Waits until so many of the schema's nodes wait for a lock.
async fn waiting(schema: &Schema, count: i64) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity \
        WHERE application_name = '{}' AND wait_event_type = 'Lock'",
        schema.0
    );
    let seen = async {
        while number(schema, &sql).await < count {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(FOR_EVER, seen).await.expect("they wait");
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_later_step_is_made_once_and_ends_the_writes_of_older_nodes() {
    run(async {
        let schema = Schema::new();
        let older = opened(&schema, STEPS).await;
        record(&older).await.expect("it writes");
        // Whoever is first waits for the last write of before, and the other for whoever is first.
        let mut writing = connect().await;
        let sql = format!("BEGIN; SELECT FROM {}.head FOR UPDATE", schema.0);
        let locked = raw_sql(AssertSqlSafe(sql)).execute(&mut writing).await;
        locked.expect("it is locked");
        let mut nodes = JoinSet::new();
        for _ in 0..2 {
            let options = schema.options().application_name(&schema.0);
            nodes.spawn(async move { open(&url(), options, LATER).await });
        }
        waiting(&schema, 2).await;
        let ended = raw_sql("ROLLBACK").execute(&mut writing).await;
        ended.expect("it is ended");
        for node in nodes.join_all().await {
            let written = record(&node.expect("both open")).await;
            assert_eq!(written.expect("both write"), Outcome::Recorded);
        }
        assert_eq!(
            number(&schema, "SELECT version::bigint FROM schema_version").await,
            2
        );
        assert_eq!(number(&schema, "SELECT count(*) FROM later").await, 1);

        match record(&older).await {
            Err(StoreError::Unavailable(why)) => {
                assert_eq!(why.to_string(), "the schema is newer than this program");
            }
            other => panic!("{other:?}"),
        }
        let read = older.events(None, 10).await.expect("it reads");
        assert_eq!(read.items.len(), 3, "nothing of it was written");
        let error = refused(&schema, STEPS).await;
        let told = matches!(
            error,
            OpenError::Newer {
                found: 2,
                known: 1,
                ..
            }
        );
        assert!(told, "{error:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_step_that_fails_leaves_the_schema_as_it_was() {
    const FAILING: Steps = Steps {
        all: &[
            STEPS.all[0],
            "ALTER TABLE head ADD COLUMN later text",
            "CREATE TABLE later (); SELECT 1 / 0",
        ],
        ..STEPS
    };
    run(async {
        let empty = Schema::new();
        let error = refused(&empty, FAILING).await;
        assert!(matches!(error, OpenError::Failed(_)), "{error:?}");
        let look = PgStore::look(&url(), empty.options()).await;
        assert_eq!(look.expect("it is looked at").schema, None);

        let schema = Schema::new();
        let store = opened(&schema, STEPS).await;
        let error = refused(&schema, FAILING).await;
        let cause = error.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("division by zero"), "{error:?}");
        let sql = "SELECT count(*) FROM pg_attribute WHERE attname = 'later' \
            AND attrelid = 'head'::regclass OR to_regclass('later') IS NOT NULL";
        assert_eq!(number(&schema, sql).await, 0);
        let sql = "SELECT version::bigint FROM schema_version";
        assert_eq!(number(&schema, sql).await, 1);
        record(&store).await.expect("it goes on");
        // Nobody's turn is kept by what failed.
        drop(opened(&schema, LATER).await);
        assert_eq!(number(&schema, sql).await, 2);
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_database_that_falls_silent_as_the_schema_is_brought_up_is_told_in_bounded_time() {
    run(async {
        let mut tasks = JoinSet::new();
        for at in [
            "BEGIN\0",
            "SET LOCAL statement_timeout",
            "pg_advisory_xact_lock",
            "to_regnamespace($1) IS NULL",
            "CREATE SCHEMA",
            "CREATE TABLE schema_version",
            BRIEF.all[0],
            "UPDATE schema_version",
            COMMIT,
        ] {
            tasks.spawn(async move {
                let schema = Schema::new();
                let proxy = Proxy::to(&url()).await;
                proxy.set(Way::FreezesAt(at));
                let options = schema
                    .options()
                    .acquire_timeout(Duration::from_secs(3))
                    .statement_timeout(Duration::from_secs(2));
                let opened = open(&proxy.url(&url()), options, BRIEF).await;
                assert_eq!(proxy.way(), Way::Frozen, "{at}: {opened:?}");
                let error = opened.expect_err(at);
                assert!(
                    matches!(error, OpenError::Unreachable { .. }),
                    "{at}: {error:?}"
                );
                let cause = error.source().map(ToString::to_string);
                assert_eq!(cause.as_deref(), Some("the database does not answer"));
                // The database ends the session that has the turn.
                let again = Steps {
                    all: BRIEF.all,
                    ..STEPS
                };
                drop(self::opened(&schema, again).await);
            });
        }
        tasks.join_all().await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn whoever_does_not_get_the_turn_in_time_or_takes_too_long_is_told_which() {
    run(async {
        let schema = Schema::new();
        let mut other = connect().await;
        let lock = query("SELECT pg_advisory_lock($1)").bind(lock_key(&schema.0, "schema"));
        lock.execute(&mut other).await.expect("it is locked");
        let error = refused(&schema, BRIEF).await;
        let cause = error.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("others hold what is needed"));
        drop(other);

        let slow = Steps {
            all: &["SELECT pg_sleep(600)"],
            turn: STEPS.turn,
            ..BRIEF
        };
        let error = refused(&schema, slow).await;
        assert!(matches!(error, OpenError::GaveUp { .. }), "{error:?}");
        let look = PgStore::look(&url(), schema.options()).await;
        assert_eq!(look.expect("it is looked at").schema, None);
    });
}
