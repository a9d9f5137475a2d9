//! The store keeps the contract of its trait, with parts of the usual size, and with parts so short that
//! most stages have some.
#![allow(clippy::unwrap_used)] // also in what the tests call

mod support;

use consign_storage_object::{ObjectBlobs, Options};

use self::support::{engine::Prefix, fake::Fake};

async fn fake() -> (ObjectBlobs, Fake) {
    let fake = Fake::start().await;
    (fake.open(Options::default()).await.unwrap(), fake)
}

async fn short_parts_of_fake() -> (ObjectBlobs, Fake) {
    let fake = Fake::start().await;
    let options = Options::default().part_size(8192);
    (fake.open(options).await.unwrap(), fake)
}

async fn make() -> (ObjectBlobs, Prefix) {
    Prefix::open(Options::default()).await
}

async fn short_parts() -> (ObjectBlobs, Prefix) {
    Prefix::open(Options::default().part_size(8192)).await
}

consign_core::testing::blob_store_suite!(fake_store, fake);
consign_core::testing::blob_store_suite!(short_parts_of_fake_store, short_parts_of_fake);
consign_core::testing::blob_store_suite!(
    #[ignore = "needs S3: see scripts/engines"]
    make
);
consign_core::testing::blob_store_suite!(
    #[ignore = "needs S3: see scripts/engines"]
    short_parts_store,
    short_parts
);
