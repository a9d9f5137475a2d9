//! Hand files to people safely: the domain, the store traits and the service of Consign.
//!
//! ```
//! use std::sync::Arc;
//! use consign_core::{
//!     Consign, Parts, Registration, Settings,
//!     file::FileName,
//!     memory::{MemoryBlobs, MemoryStore},
//!     password::{Password, ScryptHasher, ScryptParams},
//!     random::OsEntropy,
//!     time::{Clock, SystemClock},
//!     token::{JwtSigner, KeyRing},
//!     user::Role,
//! };
//! use consign_core::store;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, SystemClock.now()), "my-app");
//! let parts = Parts {
//!     hasher: Arc::new(ScryptHasher::new(ScryptParams::WEAK)), // an example need not be safe
//!     ..Parts::new(store.clone(), store, MemoryBlobs::new(), signer)
//! };
//! let consign = Consign::new(parts, Settings::default());
//!
//! for (name, role) in [("olivia", Role::Operations), ("carl", Role::Client)] {
//!     let registration = Registration {
//!         username: name.to_owned(),
//!         email: format!("{name}@example.org"),
//!         password: Password::new("a long password".to_owned()),
//!         role,
//!     };
//!     consign.register(registration, None).await?;
//! }
//!
//! // Olivia uploads: the permit proves that she may.
//! let session = consign.login("olivia", Password::new("a long password".to_owned())).await?;
//! let olivia = consign.authenticate(&session.token).await?;
//! let permit = consign.permit_upload(&olivia)?;
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/office/openpyxl.xlsx");
//! # let document = bytes::Bytes::from(std::fs::read(path)?);
//! let body = store::body(document.clone());
//! consign.upload(permit, FileName::parse("report.xlsx")?, body).await?;
//!
//! // Carl makes a link; whoever holds it has the file until it expires.
//! let session = consign.login("carl", Password::new("a long password".to_owned())).await?;
//! let carl = consign.authenticate(&session.token).await?;
//! let link = consign.link(&carl, "report.xlsx").await?;
//!
//! // The opened file is the only way to its bytes.
//! let file = consign.open(&link.token).await?;
//! assert_eq!(file.read_all(1 << 20).await?, document);
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! - [`Consign`] is the service, made of [`Parts`] and [`Settings`]. Its methods take proofs and give
//!   proofs: [`Actor`], [`UploadPermit`], [`AuthorizedFile`]. [`Administration`] is what the
//!   machine's operator may do.
//! - [`store`] has the traits of what is kept: [`UserStore`](store::UserStore),
//!   [`FileStore`](store::FileStore) (the catalogue), [`BlobStore`](store::BlobStore);
//!   of several nodes also [`LimitStore`](store::LimitStore) and [`Leadership`](store::Leadership);
//!   [`memory`] implements them for tests, other crates for good; `testing` checks them.
//! - [`token`], [`password`] and [`intake`] have a trait and a default each; so have [`time`] and
//!   [`random`], for tests to take hold of.
//! - [`user`], [`mod@file`], [`link`], [`once`], [`id`] and [`event`] are values that can only be built valid; [`policy`] says
//!   who may do what, [`quota`] how much of it, [`limit`] how often.
//! - [`mail`] is what people are sent, and the trait of who carries it, [`Courier`](mail::Courier).
//! - [`trail`] chains what happened, so that no change of it stays unseen; [`evidence`] signs it.
//! - [`mod@copy`] copies an installation from one pair of stores to another.
//! - [`archive`] lays several files out as one zip archive, whose bytes are known before they are read.
//! - [`Error`] says what went wrong: its [`ErrorKind`] to the caller, its sources to the operator.
//!
//! It knows no HTTP, no framework and no disk. It needs a tokio runtime with timers.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `jwt` | yes | [`JwtSigner`](token::JwtSigner) |
//! | `scrypt` | yes | [`ScryptHasher`](password::ScryptHasher) |
//! | `intake` | yes | [`OfficeIntake`](intake::OfficeIntake) |
//! | `evidence` | yes | [`Ed25519Signer`](evidence::Ed25519Signer) and [`Verifier`](trail::Verifier): signed checkpoints and receipts; [`mod@copy`] |
//! | `testing` | no | `testing`: conformance suites for stores, and stores that fail on demand |
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod archive;
pub mod audience;
pub mod code;
#[cfg(feature = "evidence")]
pub mod copy;
pub mod error;
pub mod event;
pub mod evidence;
pub mod file;
pub mod group;
pub mod id;
pub mod intake;
pub mod limit;
pub mod link;
pub mod mail;
pub mod memory;
pub mod once;
pub mod outbox;
pub mod password;
pub mod policy;
pub mod quota;
pub mod random;
#[cfg(feature = "evidence")]
pub mod receipt;
pub mod removal;
mod service;
pub mod store;
pub mod time;
pub mod token;
pub mod trail;
pub mod user;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::{Error, ErrorKind};
pub use file::File;
pub use service::{
    Actor, Administration, Authenticated, AuthorizedArchive, AuthorizedFile, ClientRegistration,
    Consign, Described, Downloads, FileChanges, LifetimesReport, Link, LinkChanges, LinkProof,
    LinkRequest, MailReport, NewLease, NewLink, OpenedBy, OperationsRegistration, Parts,
    Registration, Session, Settings, SweepReport, TrailItem, TrailReader, UnknownPolicy,
    UploadPermit,
};
pub use user::User;
