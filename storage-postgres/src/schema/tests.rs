use std::error::Error as _;

use consign_core::testing::run;
use tokio::{task::JoinSet, time::timeout};

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

/// Quick to make, and given little time.
const BRIEF: Steps = Steps {
    all: &["CREATE TABLE head (n integer)"],
    turn: Duration::from_secs(2),
    statement: Duration::from_secs(4),
    step: Duration::from_secs(5),
};

async fn open(url: &str, options: Options, steps: Steps) -> Result<PgStore, OpenError> {
    let place = Place {
        steps,
        ..Place::new(url, options)?
    };
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
