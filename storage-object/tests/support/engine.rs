//! A real store, which the environment names.

use std::{env, process};

use consign_core::random::{Entropy, OsEntropy};
use consign_storage_object::{ObjectBlobs, Options};
use futures_util::TryStreamExt;
use object_store::{
    ObjectStore,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use url::Url;

/// A part of a bucket that no other test uses.
pub struct Prefix {
    pub url: Url,
    pub prefix: String,
}

const BUCKET: &str = "consign-tests";

impl Prefix {
    pub async fn open(options: Options) -> (ObjectBlobs, Self) {
        let prefix = Self::new().await;
        (prefix.store(options).await, prefix)
    }

    pub async fn new() -> Self {
        make_bucket().await;
        let mut random = [0; 6];
        OsEntropy.fill(&mut random);
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let prefix = format!("t_{}_{random}", process::id());
        Self {
            url: Url::parse(&format!("s3://{BUCKET}/{prefix}")).unwrap(),
            prefix,
        }
    }

    pub async fn store(&self, options: Options) -> ObjectBlobs {
        ObjectBlobs::open(&self.url, options.endpoint(endpoint()))
            .await
            .unwrap()
    }

    /// The names of all its objects, without the prefix.
    pub async fn names(&self) -> Vec<String> {
        let listed = client().list(Some(&Path::from(&*self.prefix)));
        let found: Vec<_> = listed.try_collect().await.unwrap();
        let mut names: Vec<_> = (found.iter())
            .map(|object| object.location.as_ref()[self.prefix.len() + 1..].to_owned())
            .collect();
        names.sort();
        names
    }

    pub fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }
}

pub fn endpoint() -> Url {
    let endpoint = env::var("CONSIGN_TEST_S3");
    let endpoint = endpoint.expect("CONSIGN_TEST_S3 is the URL of an S3 endpoint for tests");
    Url::parse(&endpoint).expect("CONSIGN_TEST_S3 is a URL")
}

/// The bucket by other code than is tested.
pub fn client() -> AmazonS3 {
    let builder = AmazonS3Builder::from_env();
    builder
        .with_endpoint(endpoint().as_str().trim_end_matches('/'))
        .with_allow_http(true)
        .with_bucket_name(BUCKET)
        .build()
        .unwrap()
}

async fn make_bucket() {
    static MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    MADE.get_or_init(async || {
        super::sign::send(&endpoint(), "PUT", &format!("/{BUCKET}"), &[], "").await;
    })
    .await;
}
