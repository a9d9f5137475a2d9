//! A schema of its own for each test, in the database of `CONSIGN_TEST_POSTGRES`.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses some of it"
)]

pub mod instance;
pub mod proxy;

use std::{
    env,
    hash::{BuildHasher as _, RandomState},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use consign_storage_postgres::{Options, PgStore};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, query, raw_sql};

/// The URL of a database in which a test may make schemas.
pub fn url() -> String {
    env::var("CONSIGN_TEST_POSTGRES")
        .expect("CONSIGN_TEST_POSTGRES has to be the URL of a database: see scripts/engines")
}

/// A connection that is no store's.
pub async fn connect() -> PgConnection {
    let connection = PgConnection::connect(&url()).await;
    connection.expect("the database of CONSIGN_TEST_POSTGRES answers")
}

/// A schema, which is dropped with the value.
#[derive(Debug)]
pub struct Schema(pub String);

impl Schema {
    /// A name that no other test has.
    pub fn new() -> Self {
        let half = || u128::from(RandomState::new().hash_one(std::process::id()));
        Self(format!("t_{:032x}", half() << 64 | half()))
    }

    pub fn options(&self) -> Options {
        Options::new().schema(&self.0).max_connections(8)
    }

    pub async fn open(&self) -> PgStore {
        let store = PgStore::open(&url(), self.options()).await;
        store.expect("the store opens")
    }

    /// Has a statement done in it.
    pub async fn execute(&self, sql: &str) {
        let mut connection = connect().await;
        let sql = format!("SET search_path = {}; {sql}", self.0);
        raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .expect("it is done");
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        drop_schemas(vec![mem::take(&mut self.0)]);
    }
}

/// An empty store, and its schema, which other tests use after it: to make one takes longer than most tests.
pub async fn empty_store() -> (PgStore, Lent) {
    USING.with(|_| ());
    let free = pool().free.pop();
    let schema = Lent(free.unwrap_or_else(|| Schema::new().into_name()));
    let options = Options::new().schema(&schema.0).max_connections(8);
    let store = PgStore::open(&url(), options).await;
    (store.expect("the store opens"), schema)
}

/// A schema that is emptied with the value.
#[derive(Debug)]
pub struct Lent(String);

impl Drop for Lent {
    fn drop(&mut self) {
        let name = self.0.clone();
        elsewhere(async move || {
            empty(&name).await;
            pool().free.push(name);
        });
    }
}

impl Schema {
    fn into_name(mut self) -> String {
        let name = mem::take(&mut self.0);
        mem::forget(self);
        name
    }
}

/// Schemas that nobody uses now, and how many threads may use them: the last drops them.
#[derive(Default)]
struct Pool {
    free: Vec<String>,
    threads: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: Vec::new(),
    threads: 0,
});

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Using;

thread_local! {
    static USING: Using = Using::begin();
}

impl Using {
    fn begin() -> Self {
        pool().threads += 1;
        Self
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        let mut pool = pool();
        pool.threads -= 1;
        if pool.threads == 0 {
            let free = mem::take(&mut pool.free);
            drop(pool);
            drop_schemas(free);
        }
    }
}

fn drop_schemas(names: Vec<String>) {
    elsewhere(async move || {
        let mut connection = connect().await;
        for name in names.iter().filter(|name| !name.is_empty()) {
            let sql =
                format!("SET client_min_messages = error; DROP SCHEMA IF EXISTS {name} CASCADE");
            let dropped = raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
            dropped.expect("the schema is dropped");
        }
    });
}

/// `DELETE` is quicker than `TRUNCATE` for a few rows.
async fn empty(schema: &str) {
    let mut connection = connect().await;
    let sql = "SELECT string_agg(format('DELETE FROM %I.%I;', schemaname, tablename), ' ') FROM pg_tables \
        WHERE schemaname = $1 AND tablename NOT IN ('head', 'schema_version')";
    let row = query(sql).bind(schema).fetch_one(&mut connection).await;
    let sql: String = row
        .and_then(|row| row.try_get(0))
        .expect("there are tables");
    let sql = format!(
        "SET lock_timeout = '20s'; {sql} UPDATE {schema}.head SET number = 0, last_file = 0, \
            copying = NULL, hash = decode(repeat('00', 32), 'hex')"
    );
    let emptied = raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
    emptied.expect("the tables are emptied");
}

/// On a runtime of its own: that of the test may be ending.
fn elsewhere(work: impl AsyncFnOnce() + Send + 'static) {
    let done = thread::spawn(move || consign_core::testing::run(work()));
    if done.join().is_err() {
        eprintln!("a schema t_... is left");
    }
}
