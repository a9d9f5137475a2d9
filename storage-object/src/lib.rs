//! Blobs of [Consign](consign_core) in object stores that speak S3.
//!
//! ```no_run
//! use bytes::Bytes;
//! use consign_core::{id::BlobKey, random::OsEntropy, store::BlobStore};
//! use consign_storage_object::{ObjectBlobs, Options};
//! use url::Url;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = Url::parse("s3://documents/consign")?;
//! let blobs = ObjectBlobs::open(&url, Options::default()).await?;
//!
//! let mut stage = blobs.begin().await?;
//! stage.append(0, Bytes::from_static(b"a document, ")).await?;
//! stage.append(12, Bytes::from_static(b"in two parts")).await?;
//!
//! let key = BlobKey::random(&OsEntropy);
//! stage.publish(key).await?; // from here on it is as durable as the bucket
//!
//! let page = blobs.keys(None, 10).await?;
//! assert_eq!(page.items[0].size, 24);
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! - [`ObjectBlobs`], a [`BlobStore`](consign_core::store::BlobStore). [`Options`] bounds its work,
//!   [`OpenError`] says why a bucket is not used.
//!
//! # What lies where
//!
//! ```text
//! prefix/blobs/<thirty-two digits>              a blob: the hexadecimal digits of its key
//! prefix/stages/<thirty-two digits>/<number>    a part of a stage, by its id; from 00001 on
//! prefix/stages/<thirty-two digits>/to-<key>    the stage is being published under this key
//! ```
//!
//! Objects of other names are left alone.
//!
//! # What is kept when
//!
//! | call | when it returns |
//! |---|---|
//! | [`put`](consign_core::store::BlobStore::put), [`publish`](consign_core::store::Stage::publish) | the store has acknowledged the whole blob |
//! | [`delete`](consign_core::store::BlobStore::delete), [`abort`](consign_core::store::BlobStore::abort) | the store has acknowledged the removal |
//! | [`append`](consign_core::store::Stage::append) | whole parts of 8 MiB are in the store, the rest in memory: a stage that is dropped loses it |
//! | [`begin`](consign_core::store::BlobStore::begin) | nothing |
//!
//! What is published is copied by the store itself: no byte passes through this process a second time. A
//! bucket that keeps versions keeps what was removed, until a rule of its own removes it.
//!
//! # The environment
//!
//! What [`Options`] do not say is read from the variables that other programs read, too: `AWS_REGION`,
//! `AWS_ENDPOINT_URL` (or `AWS_ENDPOINT_URL_S3`), `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
//! and those of roles of machines, containers and web identities; `AWS_SERVER_SIDE_ENCRYPTION`,
//! `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` and `AWS_DISABLE_BULK_DELETE`. An endpoint without TLS has to be on this machine, unless
//! `AWS_ALLOW_HTTP` is `true`. Encryption by keys of the client's and directory buckets are refused.

mod blobs;
mod credentials;
mod errors;
mod http;
mod layout;
mod list;
mod meters;
mod open;
mod options;
mod publish;
mod raw;
mod read;
mod stage;
mod xml;

pub use self::{blobs::ObjectBlobs, errors::OpenError, options::Options};
