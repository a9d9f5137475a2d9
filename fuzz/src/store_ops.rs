//! A sequence of operations on a database, which is opened again in between: it answers like the
//! store in memory.

use std::path::Path;

use consign_storage_redb::{Options, RedbStore};
use tempfile::TempDir;

/// Memory, where there is such a folder.
const FOLDER: &str = "/dev/shm";

pub fn run(bytes: &[u8]) {
    let folder = match Path::new(FOLDER).is_dir() {
        true => TempDir::new_in(FOLDER),
        false => TempDir::new(),
    };
    let folder = folder.expect("a temporary folder");
    let options = Options {
        cache_size: 1 << 20,
        verify: false,
    };
    consign_core::testing::catalogue(bytes, || {
        RedbStore::open(folder.path().join("consign.redb"), options).expect("it can be opened")
    });
}
