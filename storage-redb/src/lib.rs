//! Users and the file catalogue of Consign in one embedded [redb](https://docs.rs/redb) database.
//!
//! ```
//! use consign_core::{
//!     audience::{Audience, Scope},
//!     file::{FileEntry, FileName, MediaType, Sha256},
//!     id::{BlobKey, FileId, UserId},
//!     random::OsEntropy,
//!     store::{Change, FileStore, Outcome},
//!     time::Timestamp,
//! };
//! use consign_storage_redb::{Options, RedbStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let store = RedbStore::open(folder.path().join("consign.redb"), Options::default())?;
//!
//! let name = FileName::from_upload("Q3 report.xlsx")?;
//! let outcome = store
//!     .apply(Change::add(FileEntry {
//!         id: FileId::random(&OsEntropy),
//!         blob: BlobKey::random(&OsEntropy),
//!         name: name.clone(),
//!         size: 48_213,
//!         media_type: MediaType::from_static("application/vnd.ms-excel"),
//!         sha256: Sha256([0; 32]),
//!         crc32: None,
//!         uploaded_at: Timestamp::from_secs(1_700_000_000),
//!         uploaded_by: UserId::random(&OsEntropy),
//!         uploader: "ann".into(),
//!         audience: Audience::everybody(),
//!         expires_at: None,
//!         restored_at: None,
//!     }))
//!     .await?;
//!
//! // Once the call has returned, the file survives a power cut.
//! assert!(matches!(outcome, Outcome::Added(_)));
//! let newest = store.newest(&name, &Scope::All, Timestamp::from_secs(1_700_000_000)).await?;
//! assert_eq!(newest.map(|file| file.seq), Some(1));
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! - [`RedbStore`] is both a [`UserStore`](consign_core::store::UserStore) and a
//!   [`FileStore`](consign_core::store::FileStore), so a user and the event that tells of them are
//!   written in one transaction, and there is one trail. As a [`RowStore`](consign_core::store::RowStore) it can be
//!   copied to another store.
//! - [`Options`] says how much memory it may take, [`OpenError`] why a database was not opened.
//!
//! # Durability
//!
//! A call that changed something returns once the change is on disk. One thread writes: it takes
//! all changes that wait, up to 256, into one transaction with one sync, so that many writers share
//! its cost. Of a transaction that fails nothing is kept, and each of its callers is told. A failed
//! commit is looked for once the database is open again: where all of it was written for all that,
//! its callers are told so.
//!
//! A caller who stops waiting does not stop the change: once it is in the queue it is made.
//!
//! When the disk is full or a write fails, the database is closed and opened again in place, so the
//! store goes on as soon as the disk does; in between, calls answer
//! [`StoreError::Unavailable`](consign_core::store::StoreError::Unavailable). Only a failed *sync*
//! ends all writing until the process has been restarted: the operating system may have dropped the
//! data while it still shows it, and nothing acknowledged must rest on that. For the same reason
//! opening has the file read anew from the disk (on Linux), and a database that was not closed well,
//! as none is after such a failure, is verified whole.
//!
//! # Limits
//!
//! One process has the database open at a time. Opening one that was closed well reads little of it,
//! unless [`Options::verify`] is set; after a crash all of it is read, and what is not seen to be whole
//! is refused. At most 1,024 changes and 8
//! listings go on at once; more of them wait for their turn. Point reads run where they are called
//! and take a few microseconds; listings need a Tokio runtime, whose blocking threads they run on.

mod disk;
mod fault;
mod files;
mod links;
mod once;
mod open;
mod outbox;
mod recent;
mod record;
mod removal;
mod rows;
mod schema;
mod shared;
mod store;
mod trail;
mod users;
mod view;
mod writer;

#[cfg(test)]
mod tests;

pub use self::{
    open::{Look, OpenError, Options},
    store::RedbStore,
};

/// A door for the fuzzer, no part of the interface.
#[doc(hidden)]
pub mod fuzzing {
    use std::io;

    use redb::backends::InMemoryBackend;

    use crate::{OpenError, Options, RedbStore};

    /// Opens a new store in memory. It has no other life: a failure ends it for good.
    ///
    /// # Errors
    /// See [`RedbStore::open`].
    pub fn in_memory(options: Options) -> Result<RedbStore, OpenError> {
        let mut memory = Some(InMemoryBackend::new());
        RedbStore::open_on(
            move || memory.take().ok_or(io::ErrorKind::NotFound.into()),
            options,
        )
    }

    /// Reads `bytes` as a record of every kind.
    ///
    /// # Panics
    /// When one that can be read is another after it was written and read again.
    pub fn records(bytes: &[u8]) {
        crate::record::check(bytes);
    }
}
