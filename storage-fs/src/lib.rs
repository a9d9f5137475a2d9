//! Blobs and signing keys of [Consign](consign_core) as plain files.
//!
//! ```
//! use bytes::Bytes;
//! use consign_core::{id::BlobKey, random::OsEntropy, store::BlobStore};
//! use consign_storage_fs::FsBlobs;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let root = scratch.path().join("data");
//! let blobs = FsBlobs::open(&root)?;
//!
//! let mut stage = blobs.begin().await?;
//! stage.append(0, Bytes::from_static(b"a document, ")).await?;
//! stage.append(12, Bytes::from_static(b"in two parts")).await?;
//!
//! let key = BlobKey::random(&OsEntropy);
//! stage.publish(key).await?; // from here on it survives a power cut
//!
//! let page = blobs.keys(None, 10).await?;
//! assert_eq!(page.items[0].key, key);
//! assert_eq!(page.items[0].size, 24);
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! - [`FsBlobs`], a [`BlobStore`](consign_core::store::BlobStore): each blob is a file, and so is
//!   each stage. [`Options`] bounds its work, [`OpenError`] says why a folder is not used.
//! - [`FsKeys`], a [`KeySource`](consign_core::token::KeySource): the keys that sign tokens, in a
//!   file that only its owner can read. [`FsEvidenceKeys`]: the key that evidence is signed with, in
//!   another. [`FsSecret`]: a key of whatever use, in a third. [`key_text`]: what is written into the first
//!   two, for those who keep it elsewhere.
//!
//! # What lies where
//!
//! ```text
//! root/blobs/<two digits>/<thirty digits>    a blob: the 32 hexadecimal digits of its key
//! root/stages/<thirty-two digits>            a stage: those of its id
//! ```
//!
//! Folders have mode 0700 and files 0600, whatever the umask. Both folders must be on one file
//! system. Nothing but the digits of keys and ids ever becomes part of a path. Files of other names
//! are left alone.
//!
//! # What is durable when
//!
//! | call | when it returns |
//! |---|---|
//! | [`publish`](consign_core::store::Stage::publish) | the bytes and the name are on the disk: the file was synced, renamed, and its folder synced |
//! | [`delete`](consign_core::store::BlobStore::delete) | the removal is on the disk |
//! | [`append`](consign_core::store::Stage::append), [`begin`](consign_core::store::BlobStore::begin) | another process would find it; a power cut may take the stage or a part of its end, or leave zeros there |
//! | [`abort`](consign_core::store::BlobStore::abort) | the stage is gone; a power cut may bring it back |
//! | [`FsKeys`]: `load` that makes keys, `save`; [`FsEvidenceKeys`], [`FsSecret`]: `load` | the keys are on the disk |
//!
//! A process that has a file-size limit must ignore `SIGXFSZ`: a write beyond the limit is then
//! refused with [`StoreError::Full`](consign_core::store::StoreError::Full) instead of ending it.
//!
//! Unix only.

#[cfg(not(unix))]
compile_error!("consign-storage-fs needs the file modes, locks and folder syncs of Unix");

mod blobs;
mod buffers;
mod disk;
mod keys;
mod layout;
mod pool;
mod small;

#[cfg(test)]
mod faults;

pub use self::{
    blobs::{FsBlobs, OpenError, Options},
    keys::{FsEvidenceKeys, FsKeys, FsSecret, text as key_text},
};

/// A door for the fuzzer, no part of the interface.
#[doc(hidden)]
pub mod fuzzing {
    /// Reads `text` as a key file; if it is one, what it would be written as, and that read and
    /// written again.
    pub fn key_file(text: &[u8]) -> Option<[Vec<u8>; 2]> {
        crate::keys::rewritten(text)
    }
}
