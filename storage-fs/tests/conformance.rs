//! The store keeps the contract of its trait.
#![allow(clippy::unwrap_used)] // also in what the tests call

use consign_storage_fs::FsBlobs;
use tempfile::TempDir;

/// In memory where there is a file system for it: the model makes a store for each sequence, and
/// what is on the disk is for the other tests.
async fn make() -> (FsBlobs, TempDir) {
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let root = root.unwrap();
    (FsBlobs::open(root.path()).unwrap(), root)
}

consign_core::testing::blob_store_suite!(make);
consign_core::testing::whole_stages_suite!(make);
