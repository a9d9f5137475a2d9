//! Stores that several nodes can share, in engines that run already (`scripts/engines`): a schema and a prefix
//! of each test's own.

use std::{env, net::SocketAddr, sync::Arc, thread, time::Duration};

use consign_core::random::{Entropy, OsEntropy};
use consign_http::testing::{Connection, Request};
use object_store::{
    ObjectStore, ObjectStoreExt,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
    signer::Signer,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row};
use tokio::{runtime::Builder, sync::OnceCell};
use url::Url;

use super::{Home, soon};

const BUCKET: &str = "consign-tests";

/// What is there of an installation outside of its nodes' folders. It is removed in the end.
#[derive(Debug)]
pub struct Engines {
    database: Option<Url>,
    schema: String,
    endpoint: Option<Url>,
    /// The endpoint by another way.
    by_way_of: Option<SocketAddr>,
}

impl Engines {
    /// A schema, and no prefix.
    pub fn postgres() -> Self {
        Self::of(Some(variable("CONSIGN_TEST_POSTGRES")), None)
    }

    /// A prefix, and no schema.
    pub async fn s3() -> Self {
        Self::of(None, Some(variable("CONSIGN_TEST_S3")))
            .with_bucket()
            .await
    }

    /// Both.
    pub async fn both() -> Self {
        Self::with_database(variable("CONSIGN_TEST_POSTGRES")).await
    }

    /// A prefix, and a schema of this database.
    pub async fn with_database(url: Url) -> Self {
        let endpoint = variable("CONSIGN_TEST_S3");
        Self::of(Some(url), Some(endpoint)).with_bucket().await
    }

    fn of(database: Option<Url>, endpoint: Option<Url>) -> Self {
        let mut random = [0; 8];
        OsEntropy.fill(&mut random);
        Self {
            database,
            schema: format!("t_{:016x}", u64::from_le_bytes(random)),
            endpoint,
            by_way_of: None,
        }
    }

    /// Has nodes reach the bucket by way of this address.
    pub fn by_way_of(mut self, address: SocketAddr) -> Self {
        self.by_way_of = Some(address);
        self
    }

    /// Where the S3 server is.
    pub fn s3_address(&self) -> SocketAddr {
        let endpoint = self.endpoint.as_ref().unwrap();
        endpoint.socket_addrs(|| None).unwrap()[0]
    }

    async fn with_bucket(self) -> Self {
        static MADE: OnceCell<()> = OnceCell::const_new();
        MADE.get_or_init(|| async {
            let url = self
                .bucket()
                .signed_url(http::Method::PUT, &Path::default(), Duration::from_secs(60))
                .await
                .unwrap();
            let target = &url[url::Position::BeforePath..];
            let mut connection = soon(Connection::open(self.s3_address())).await;
            let request = Request::new("PUT", target).header("Content-Length", "0");
            let answer = soon(connection.exchange(&request)).await;
            // Another process may have made it.
            assert!([200, 409].contains(&answer.status), "{answer}");
        })
        .await;
        self
    }

    fn bucket(&self) -> AmazonS3 {
        AmazonS3Builder::from_env()
            .with_region(region())
            .with_endpoint(self.endpoint.as_ref().unwrap().as_str())
            .with_allow_http(true)
            .with_bucket_name(BUCKET)
            .build()
            .unwrap()
    }

    /// What tells a node of them.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        if let Some(url) = &self.database {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("schema", &self.schema);
            all.push(("CONSIGN_METADATA", url.into()));
        }
        if let Some(endpoint) = &self.endpoint {
            let endpoint = match self.by_way_of {
                Some(address) => format!("http://{address}"),
                None => endpoint.to_string(),
            };
            all.push(("CONSIGN_BLOBS", format!("s3://{BUCKET}/{}", self.schema)));
            all.push(("AWS_ENDPOINT_URL", endpoint));
            all.push(("AWS_ALLOW_HTTP", "true".into()));
            all.push(("AWS_REGION", region()));
        }
        all
    }

    /// The first column of what a query gives; `{}` in it is the schema.
    pub async fn ask(&self, query: &str) -> Vec<String> {
        let query = query.replace("{}", &self.schema);
        let mut connection = self.connect().await;
        let rows = soon(sqlx::query(AssertSqlSafe(query)).fetch_all(&mut connection)).await;
        let rows = rows.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn connect(&self) -> PgConnection {
        let url = self.database.as_ref().unwrap().as_str();
        soon(PgConnection::connect(url)).await.unwrap()
    }

    /// The objects that there are.
    pub async fn objects(&self) -> Vec<Path> {
        use futures_util::TryStreamExt;

        let bucket = self.bucket();
        let prefix = Path::from(&*self.schema);
        let listed = bucket.list(Some(&prefix)).map_ok(|object| object.location);
        soon(listed.try_collect()).await.unwrap()
    }

    /// Removes what is there.
    async fn clear(&self) {
        if self.database.is_some() {
            let mut connection = self.connect().await;
            for statement in [
                "SET lock_timeout = '20s'",
                "DROP SCHEMA IF EXISTS {} CASCADE",
            ] {
                let statement = statement.replace("{}", &self.schema);
                // A test that failed has more to say than this.
                let _ = sqlx::query(AssertSqlSafe(statement))
                    .execute(&mut connection)
                    .await;
            }
        }
        if self.endpoint.is_some() {
            for object in self.objects().await {
                let _ = self.bucket().delete(&object).await;
            }
        }
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        // Whoever drops it may be in the middle of a runtime.
        let this = &*self;
        thread::scope(|scope| {
            let cleared = scope.spawn(|| {
                let mut runtime = Builder::new_current_thread();
                let runtime = runtime.enable_all().build().unwrap();
                runtime.block_on(this.clear());
            });
            // An engine that a test has stopped is cleared by whoever started it.
            let _ = cleared.join();
        });
    }
}

impl Home {
    /// A place for a node of these.
    pub fn of(engines: &Arc<Engines>) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        Arc::new(Self {
            folder,
            engines: Some(Arc::clone(engines)),
        })
    }
}

fn variable(name: &str) -> Url {
    match env::var(name) {
        Ok(url) => url.parse().unwrap(),
        Err(_) => panic!("{name} is not set: see scripts/engines"),
    }
}

fn region() -> String {
    env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".into())
}
