//! Stores that several nodes can share, in engines that run already (`scripts/engines`): a schema and a prefix
//! of each test's own.

use std::{env, net::SocketAddr, sync::Arc, thread, time::Duration};

use consign_core::{
    Consign, Parts, Settings,
    random::{Entropy, OsEntropy},
    time::{Clock, SystemClock},
    token::{JwtSigner, KeyRing},
};
use consign_storage_object::ObjectBlobs;
use consign_storage_postgres::PgStore;
use object_store::{
    ObjectStore, ObjectStoreExt,
    aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer},
    client::HttpRequestBody,
    path::Path,
    signer::Signer,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    sync::OnceCell,
};
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
            let address = self.s3_address();
            let request =
                format!("PUT {target} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n");
            let answer = self.exchange(request).await;
            // Another process may have made it.
            let is_there = ["200", "409"].contains(&answer.split(' ').nth(1).unwrap());
            assert!(is_there, "{answer}");
        })
        .await;
        self
    }

    /// What the S3 server answers to a request of this head.
    async fn exchange(&self, head: String) -> String {
        let mut stream = soon(TcpStream::connect(self.s3_address())).await.unwrap();
        let request = head + "Connection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        answer
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

    /// The schema, which no other test has.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Has statements done.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        soon(done.execute(&mut connection)).await.unwrap();
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

    /// How many uploads of several parts were begun and are not ended.
    pub async fn uploads(&self) -> usize {
        let bucket = self.bucket();
        let credential = bucket.credentials().get_credential().await.unwrap();
        let target = format!("/{BUCKET}?prefix={}&uploads=", self.schema);
        let url = self.endpoint.as_ref().unwrap().join(&target).unwrap();
        let request = http::Request::get(url.as_str());
        let mut request = request.body(HttpRequestBody::empty()).unwrap();
        AwsAuthorizer::new(&credential, "s3", &region())
            .try_authorize(&mut request, None)
            .unwrap();
        let address = self.s3_address();
        let mut head = format!("GET {target} HTTP/1.1\r\n");
        request
            .headers_mut()
            .insert("host", address.to_string().parse().unwrap());
        for (name, value) in request.headers() {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        let answer = self.exchange(head).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer.matches("<UploadId>").count()
    }

    /// Sweeps with no grace, as nobody may who does not know that nothing is just being received.
    pub async fn sweep(&self) {
        let options = consign_storage_postgres::Options::new().schema(&self.schema);
        let url = self.database.as_ref().unwrap();
        let store = PgStore::open(url.as_str(), options).await.unwrap();
        let options = consign_storage_object::Options::default();
        let options = options.endpoint(self.endpoint.clone().unwrap());
        let url = format!("s3://{BUCKET}/{}", self.schema).parse().unwrap();
        let blobs = ObjectBlobs::open(&url, options.region(region()));
        let blobs = soon(blobs).await.unwrap();
        let ring = KeyRing::generate(&OsEntropy, SystemClock.now());
        let signer = JwtSigner::new(&ring, "consign");
        let parts = Parts::new(store.clone(), store, blobs, signer);
        let administration = Consign::new(parts, Settings::default()).administration();
        let swept = administration.sweep(Duration::ZERO, |_| {});
        assert_eq!(soon(swept).await.unwrap().failures, 0);
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
