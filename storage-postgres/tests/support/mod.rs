//! A schema of its own for each test, in the database of `CONSIGN_TEST_POSTGRES`.

use std::env;

use consign_storage_postgres::{Options, PgStore};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// The URL of a database in which a test may make schemas.
pub fn url() -> String {
    env::var("CONSIGN_TEST_POSTGRES")
        .expect("CONSIGN_TEST_POSTGRES has to be the URL of a database: see scripts/engines")
}

/// A connection that is no store's.
pub async fn connect() -> PgConnection {
    PgConnection::connect(&url()).await.expect("the database of CONSIGN_TEST_POSTGRES answers")
}

/// A schema, which is dropped with the value.
#[derive(Debug)]
pub struct Schema {
    pub name: String,
}

impl Schema {
    /// A new one, of which only the name is there.
    pub fn new() -> Self {
        let name = format!("t_{:032x}", rand());
        Self { name }
    }

    pub fn options(&self) -> Options {
        Options::new().schema(&self.name).max_connections(8)
    }

    pub async fn open(&self) -> PgStore {
        PgStore::open(&url(), self.options()).await.expect("the store opens")
    }
}

/// 128 bits that no other test has.
fn rand() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    half() << 64 | half()
}

impl Drop for Schema {
    fn drop(&mut self) {
        let name = self.name.clone();
        // The test's own runtime may be ending.
        let done = std::thread::spawn(move || {
            consign_core::testing::run(async {
                let sql = format!("DROP SCHEMA IF EXISTS {name} CASCADE");
                let dropped = connect().await.execute(AssertSqlSafe(sql)).await;
                dropped.expect("the schema is dropped");
            });
        });
        if done.join().is_err() {
            eprintln!("the schema {} is left", self.name);
        }
    }
}

/// An empty store, and the schema that it is in.
pub async fn empty_store() -> (PgStore, Schema) {
    let schema = Schema::new();
    (schema.open().await, schema)
}
