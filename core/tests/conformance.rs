//! The stores in memory keep the contracts.
#![cfg(feature = "testing")]

use std::sync::Arc;

use consign_core::{
    memory::{MemoryBlobs, MemoryLimits, MemoryStore},
    store::KeyedLimits,
};

async fn catalogue() -> (MemoryStore, ()) {
    (MemoryStore::default(), ())
}

async fn blobs() -> (MemoryBlobs, ()) {
    (MemoryBlobs::default(), ())
}

async fn limits() -> (MemoryLimits, ()) {
    (MemoryLimits::default(), ())
}

async fn keyed() -> (KeyedLimits, ()) {
    let limits = Arc::new(MemoryLimits::default());
    (KeyedLimits::new(limits, [7; 32]), ())
}

consign_core::testing::user_store_suite!(catalogue);
consign_core::testing::file_store_suite!(catalogue);
consign_core::testing::row_store_suite!(catalogue);
consign_core::testing::blob_store_suite!(blobs);
consign_core::testing::limit_store_suite!(limits);
consign_core::testing::limit_store_suite!(keyed_limits, keyed);
consign_core::testing::whole_stages_suite!(blobs);
