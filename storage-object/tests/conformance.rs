//! The store keeps the contract of its trait, with parts of the usual size, and with parts so short that
//! most stages have some.

mod support;

use consign_storage_object::{ObjectBlobs, Options};

use self::support::engine::Prefix;

async fn make() -> (ObjectBlobs, Prefix) {
    Prefix::open(Options::default()).await
}

async fn short_parts() -> (ObjectBlobs, Prefix) {
    Prefix::open(Options::default().part_size(4096)).await
}

consign_core::testing::blob_store_suite!(
    #[ignore = "needs S3: see scripts/engines"]
    make
);
consign_core::testing::blob_store_suite!(
    #[ignore = "needs S3: see scripts/engines"]
    short,
    short_parts
);
