//! What is in the way of opening a store, and what is said of it.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{error::Error, time::Duration};

use consign_core::{
    store::{Change, FileStore as _, Outcome},
    testing::{run, sample_event},
};
use consign_storage_postgres::{OpenError, Options, PgStore};
use sqlx::{Row as _, query};
use support::{
    Schema, connect,
    proxy::{Proxy, Way},
    url,
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

/// Longer than anything bounded takes.
const FOR_EVER: Duration = Duration::from_secs(120);

/// What an operator reads of an error: its causes with it.
fn told(error: &OpenError) -> String {
    let mut text = format!("{error}");
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

async fn refused(url: &str, options: Options) -> OpenError {
    let error = PgStore::open(url, options).await.unwrap_err();
    assert!(!told(&error).contains('\n'), "one line: {}", told(&error));
    error
}

#[test]
fn what_is_no_url_of_a_database_is_refused() {
    run(async {
        for url in [
            "",
            "redb:/var/lib/x",
            "http://db.example.org/",
            "postgres",
            "postgres://ann:s3cret@host:notaport/x",
            "postgres://ann:s3cret@host/x?sslmode=never",
            "postgres://ann@host/x?pasword=s3cret",
            "postgres://ann@host/x?options[search_path=s3cret",
        ] {
            let error = refused(url, Options::new()).await;
            assert!(matches!(error, OpenError::Url(_)), "{url}: {error:?}");
            let shown = format!("{error:?} {}", told(&error));
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        let error = refused("postgres://host/x", Options::new().schema("a\"b")).await;
        assert!(matches!(error, OpenError::SchemaName), "{error:?}");
    });
}

#[test]
fn where_nothing_answers_it_says_so_in_bounded_time_and_shows_no_password() {
    run(async {
        // One that takes connections and never says a word, and one that takes none.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = [&silent, &gone].map(|listener| listener.local_addr().unwrap().port());
        drop(gone);
        for port in ports {
            let url = format!("postgres://ann:s3cret@127.0.0.1:{port}/consign");
            let options = Options::new().acquire_timeout(Duration::from_millis(300));
            let opening = refused(&url, options);
            let error = timeout(Duration::from_secs(60), opening).await.unwrap();
            let text = told(&error);
            assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
            assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
            assert!(
                !format!("{error:?} {text}").contains("s3cret"),
                "{error:?} {text}"
            );
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_database_that_falls_silent_after_the_login_is_told_in_bounded_time() {
    run(async {
        let schema = Schema::new();
        drop(schema.open().await);
        let mut tasks = JoinSet::new();
        for (at, is_looked_at) in [
            ("set_config('synchronous_commit'", false),
            ("server_version_num", false),
            ("FROM pg_class", false),
            ("FROM schema_version", false),
            ("server_version_num", true),
            ("FROM schema_version", true),
            ("clock_timestamp()", true),
        ] {
            let options = schema
                .options()
                .acquire_timeout(Duration::from_secs(3))
                .statement_timeout(Duration::from_secs(2));
            tasks.spawn(async move {
                let proxy = Proxy::to(&url()).await;
                proxy.set(Way::FreezesAt(at));
                let url = proxy.url(&url());
                let opening = async {
                    match is_looked_at {
                        true => PgStore::look(&url, options).await.map(drop),
                        false => PgStore::open(&url, options).await.map(drop),
                    }
                };
                let opened = timeout(FOR_EVER, opening).await.unwrap();
                assert_eq!(proxy.way(), Way::Frozen, "{at}: {opened:?}");
                let error = opened.expect_err(at);
                let place = url.split(['@', '/']).nth(3).unwrap();
                let text = format!(
                    "the database at {place} cannot be reached: the database does not answer"
                );
                assert_eq!(told(&error), text, "{at}");
            });
        }
        tasks.join_all().await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_slow_database_is_told_from_one_that_others_hold() {
    run(async {
        let schema = Schema::new();
        drop(schema.open().await);
        let mut other = connect().await;
        let sql = format!("BEGIN; LOCK TABLE {}.schema_version", schema.0);
        let locked = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut other);
        locked.await.unwrap();
        let options = schema.options().acquire_timeout(Duration::from_secs(3));
        let error = timeout(FOR_EVER, refused(&url(), options)).await.unwrap();
        assert_eq!(
            told(&error),
            "the database cannot be opened: others hold what is needed"
        );
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        schema
            .execute(
                "ALTER TABLE schema_version RENAME TO kept; \
                CREATE VIEW schema_version AS SELECT version FROM kept, pg_sleep(600)",
            )
            .await;
        let options = schema.options().statement_timeout(Duration::from_secs(2));
        let error = timeout(FOR_EVER, refused(&url(), options)).await.unwrap();
        assert!(matches!(error, OpenError::GaveUp { .. }), "{error:?}");
        let text = told(&error);
        assert!(
            text.ends_with(
                "gave up what it was asked: canceling statement due to statement timeout"
            ),
            "{text}"
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn what_the_server_refuses_is_told_apart() {
    run(async {
        let url = url();
        let (before, after) = url.split_once('@').unwrap();
        let (host, _) = after.split_once('/').unwrap();
        let scheme = before.split("://").next().unwrap();
        let schema = Schema::new();

        let error = refused(
            &format!("{before}@{host}/no_such_database"),
            schema.options(),
        )
        .await;
        assert!(
            matches!(&error, OpenError::NoDatabase { database, .. } if database == "no_such_database"),
            "{error:?}"
        );
        let nobody = format!("{scheme}://no_such_user:s3cret@{after}");
        let error = refused(&nobody, schema.options()).await;
        assert!(matches!(error, OpenError::Refused { .. }), "{error:?}");
        assert!(
            !format!("{error:?} {}", told(&error)).contains("s3cret"),
            "{error:?}"
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_user_who_may_not_make_the_schema_is_told() {
    run(async {
        let schema = Schema::new();
        let role = &schema.0;
        let mut connection = connect().await;
        let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 's3cret'");
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await;
        made.unwrap();
        let url = url();
        let (_, after) = url.split_once('@').unwrap();
        let as_role = format!("postgres://{role}:s3cret@{after}");
        let error = refused(&as_role, schema.options()).await;
        let sql = format!("CREATE SCHEMA {role} AUTHORIZATION {role}");
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await;
        made.unwrap();
        let opened = PgStore::open(&as_role, schema.options()).await;
        let shown = format!("{opened:?}");
        drop(opened);
        let sql = format!("DROP SCHEMA {role} CASCADE; DROP OWNED BY {role}; DROP ROLE {role}");
        let dropped = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await;
        dropped.unwrap();
        assert!(matches!(error, OpenError::NotPermitted { .. }), "{error:?}");
        assert!(
            shown.starts_with("Ok(PgStore"),
            "a schema that was made for them is enough: {shown}"
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_schema_that_is_not_as_it_should_be_is_refused() {
    run(async {
        let schema = Schema::new();
        drop(schema.open().await);
        schema
            .execute("UPDATE schema_version SET version = 7")
            .await;
        let error = refused(&url(), schema.options()).await;
        let text = format!(
            "the schema {} is of version 7, this program knows 1",
            schema.0
        );
        assert_eq!(error.to_string(), text);
        schema.execute("DELETE FROM schema_version").await;
        let error = refused(&url(), schema.options()).await;
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");

        let other = Schema::new();
        other
            .execute(&format!(
                "CREATE SCHEMA {0}; CREATE TABLE {0}.invoices ()",
                other.0
            ))
            .await;
        let error = refused(&url(), other.options()).await;
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_database_of_other_texts_or_without_writes_is_refused() {
    run(async {
        let schema = Schema::new();
        let mut connection = connect().await;
        let mut execute = async |sql: String| {
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
            done.execute(&mut connection).await.unwrap();
        };
        let database = &schema.0;
        let url = url();
        let (before, _) = url.rsplit_once('/').unwrap();
        let theirs = format!("{before}/{database}");
        execute(format!(
            "CREATE DATABASE {database} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        ))
        .await;
        let encoding = refused(&theirs, schema.options()).await;
        execute(format!("DROP DATABASE {database}")).await;
        execute(format!("CREATE DATABASE {database}")).await;
        execute(format!(
            "ALTER DATABASE {database} SET default_transaction_read_only = on"
        ))
        .await;
        let read_only = refused(&theirs, schema.options()).await;
        execute(format!("DROP DATABASE {database}")).await;
        assert!(
            matches!(&encoding, OpenError::Encoding(found) if found == "SQL_ASCII"),
            "{encoding:?}"
        );
        assert!(matches!(read_only, OpenError::ReadOnly), "{read_only:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn many_nodes_can_open_an_empty_schema_at_once() {
    run(async {
        let schema = Schema::new();
        let mut opening = JoinSet::new();
        for _ in 0..8 {
            let options = schema.options().application_name(&schema.0);
            opening.spawn(async move { PgStore::open(&url(), options).await });
        }
        let mut nodes = Vec::new();
        while let Some(opened) = opening.join_next().await {
            nodes.push(opened.unwrap().unwrap());
        }
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' \
            AND application_name = $1";
        let held = query(sql).bind(&schema.0);
        let held = held.fetch_one(&mut connect().await).await.unwrap();
        assert_eq!(held.get::<i64, _>(0), 0, "none holds up another");
        for (node, n) in nodes.iter().zip(0..) {
            let recorded = node.apply(Change::Record(vec![sample_event(n)])).await;
            assert_eq!(recorded.unwrap(), Outcome::Recorded);
        }
    });
}
