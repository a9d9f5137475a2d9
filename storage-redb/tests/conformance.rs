//! The store keeps the contracts of its traits.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use consign_storage_redb::{Options, RedbStore};
use tempfile::TempDir;

async fn make() -> (RedbStore, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = RedbStore::open(folder.path().join("consign.redb"), Options::default()).unwrap();
    (store, folder)
}

consign_core::testing::user_store_suite!(make);
consign_core::testing::file_store_suite!(make);
consign_core::testing::row_store_suite!(make);
