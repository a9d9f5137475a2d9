//! The stores in memory keep the contracts.
#![cfg(feature = "testing")]

use consign_core::memory::{MemoryBlobs, MemoryStore};

async fn catalogue() -> (MemoryStore, ()) {
    (MemoryStore::default(), ())
}

async fn blobs() -> (MemoryBlobs, ()) {
    (MemoryBlobs::default(), ())
}

consign_core::testing::user_store_suite!(catalogue);
consign_core::testing::file_store_suite!(catalogue);
consign_core::testing::blob_store_suite!(blobs);
consign_core::testing::whole_stages_suite!(blobs);
