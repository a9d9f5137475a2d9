//! Nobody but the owner has access, whatever the umask. The umask belongs to the whole process, so
//! this test is alone in its own.
#![allow(clippy::unwrap_used)] // also in what the tests call

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use consign_core::{id::BlobKey, store::BlobStore, token::KeySource};
use consign_storage_fs::{FsBlobs, FsKeys};
use rustix::{fs::Mode, process::umask};

#[tokio::test]
async fn folders_are_0700_and_files_0600() {
    // None, the usual, and one for people who want no file to be executable.
    for mask in [0o000, 0o022, 0o177] {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        let before = umask(Mode::from_raw_mode(mask));
        let blobs = FsBlobs::open(&root).unwrap();
        let mut stage = blobs.begin().await.unwrap();
        stage.publish(BlobKey::from_bytes([1; 16])).await.unwrap();
        blobs.begin().await.unwrap();
        let keys = FsKeys::new(root.join("keys.json"));
        let ring = keys.load().await.unwrap();
        keys.load().await.unwrap();
        keys.save(&ring).await.unwrap();
        umask(before);

        let mut files = 0;
        walk(&root, &mut |path| {
            let metadata = fs::symlink_metadata(path).unwrap();
            let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(
                metadata.mode() & 0o7777,
                expected,
                "{} under {mask:03o}",
                path.display()
            );
            files += usize::from(metadata.is_file());
        });
        assert_eq!(files, 3);
    }
}

fn walk(path: &Path, each: &mut impl FnMut(&Path)) {
    each(path);
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            walk(&entry.unwrap().path(), each);
        }
    }
}
