//! Users and the file catalogue of Consign in [PostgreSQL](https://www.postgresql.org) 15 or newer, for any number of
//! nodes.
//!
//! ```no_run
//! use consign_core::{
//!     audience::{Audience, Scope},
//!     file::{FileEntry, FileName, MediaType, Sha256},
//!     id::{BlobKey, FileId, UserId},
//!     random::OsEntropy,
//!     store::{Change, FileStore, Outcome},
//!     time::Timestamp,
//! };
//! use consign_storage_postgres::{Options, PgStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "postgres://consign@db.example.org/consign?sslmode=verify-full";
//! let store = PgStore::open(url, Options::new().max_connections(32)).await?;
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
//! // Once the call has returned, the file is on the database's disk, and every node sees it.
//! assert!(matches!(outcome, Outcome::Added(_)));
//! let now = Timestamp::from_secs(1_700_000_000);
//! assert!(store.newest(&name, &Scope::All, now).await?.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! - [`PgStore`] is all that an installation keeps but the bytes of its files: a
//!   [`UserStore`](consign_core::store::UserStore) and a [`FileStore`](consign_core::store::FileStore); a
//!   [`LimitStore`](consign_core::store::LimitStore), whose counts are of all nodes together;
//!   [`Leadership`](consign_core::store::Leadership), which has one node at a time do what one does; and a
//!   [`RowStore`](consign_core::store::RowStore), so that it can be copied to another store and from one. It keeps
//!   [`Sealed`] bytes for nodes that share keys.
//! - [`Options`] says how many connections there are, how long it waits, and in which schema the tables are;
//!   [`OpenError`] why a database was not opened.
//!
//! # The URL
//!
//! `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `?sslmode=`: `verify-full` encrypts, and checks that the server is the one
//! that was meant, by the roots that browsers trust or by those of `sslrootcert=FILE`. It is what to use wherever
//! others may be on the way. The default is `prefer`, as everywhere with PostgreSQL: it encrypts where the server can,
//! and checks nothing. `disable`, `require`, `verify-ca`, `sslcert=FILE` and `sslkey=FILE` are as usual too, and what is left
//! out is taken from `PGHOST`, `PGUSER`, `PGPASSWORD` and so on. The user needs the right to make a schema in the database, or
//! a schema that was made for them. Between the store and the database there can be no pooler that gives a transaction
//! or a statement to another session than the one before, such as PgBouncer outside its mode `session`.
//!
//! # Durability, and what is busy
//!
//! A call that changed something returns once the change is on the database's disk, whatever its `synchronous_commit`. All
//! writes of all nodes go one after another; each node makes those that wait, 64 at most, in one transaction.
//! Where the connection is lost while a transaction is committed, the store looks on another whether it was made.
//!
//! Nothing waits without a bound, opening included. Where all connections are in use, 1,024 changes wait, another has what
//! is needed, or a statement takes longer than it may, the answer is
//! [`StoreError::Busy`](consign_core::store::StoreError::Busy), and nothing was done; where the database does not
//! answer, [`StoreError::Unavailable`](consign_core::store::StoreError::Unavailable). A node that hangs in the middle of a
//! transaction holds up the others for five seconds, until the database ends its session. After a restart of the
//! database the store goes on by itself.

#![allow(
    clippy::result_large_err,
    reason = "what became of a change is one of two answers, both of them an `Outcome`"
)]

mod batch;
mod catalogue;
mod column;
mod fault;
mod files;
mod gate;
mod groups;
mod known;
mod leadership;
mod limits;
mod links;
mod look;
mod meters;
mod once;
mod open;
mod options;
mod outbox;
mod page;
mod pool;
mod removal;
mod replace;
mod rows;
mod schema;
mod sealed;
mod store;
mod trail;
mod usage;
mod users;
mod writer;

#[cfg(test)]
extern crate self as consign_storage_postgres;

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

pub use self::{
    look::Look,
    open::{OpenError, PARAMETERS, is_parameter},
    options::Options,
    sealed::Sealed,
    store::PgStore,
};
