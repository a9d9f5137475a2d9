//! The HTTP API of Consign, for any front end.
//!
//! [`Api`] is a function from requests to answers. A front end lets requests through to it for whose
//! path it [`answers`](Api::answers), with whatever body they have; `consign-http-warp` and
//! `consign-http-axum` do that, and any framework that speaks tower can mount it as it is.
//!
//! ```
//! # use consign_core::{Consign, Parts, Settings, memory::{MemoryBlobs, MemoryStore}, random::OsEntropy,
//! #     time::{Clock, SystemClock}, token::{JwtSigner, KeyRing}};
//! use consign_http::Api;
//! use http::{Request, StatusCode};
//! use http_body_util::Empty;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let store = MemoryStore::new();
//! # let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, SystemClock.now()), "my-app");
//! # let consign = Consign::new(Parts::new(store.clone(), store, MemoryBlobs::new(), signer), Settings::default());
//! let api = Api::new(consign, "https://files.example.org".parse()?);
//! let request = Request::get("/files").body(Empty::<&[u8]>::new())?;
//! let answer = api.handle(request).await;
//! assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(answer.headers()["content-type"], "application/problem+json");
//! # Ok(())
//! # }
//! ```
//!
//! - [`ROUTES`] is the one table of paths and methods.
//! - Errors are problem documents (RFC 9457); one function gives each kind of error its status and words.
//! - Downloads know conditions, ranges and `HEAD` (RFC 9110), names in any script (RFC 8187) and
//!   digests (RFC 9530).
//! - Bodies are read with bounds and never kept whole; one that is answered early is drained, so that
//!   the client comes to see the answer.
//! - Pages for people are a [`Site`], which comes from elsewhere (`consign-web`); the pages of managed links take
//!   its words and its style.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `testing` | no | `testing`: the contract that every front end passes, over a real socket |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accounts;
mod api;
mod audience;
mod audit;
mod body;
mod conditional;
mod disposition;
mod download;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod json;
mod landing;
mod lifetimes;
mod managed;
mod multipart;
mod observe;
mod open;
mod openapi;
mod paging;
mod problem;
mod public_url;
mod range;
mod rates;
mod removed;
mod rendered;
mod request;
mod route;
mod session;
mod site;
mod upload;

#[cfg(feature = "testing")]
pub mod testing;

pub use api::Api;
pub use body::Body;
pub use consign_core::limit::Rate;
pub use landing::{Refusal, Words};
pub use public_url::{InvalidPublicUrl, PublicUrl};
pub use rates::{ClientAddress, Limit, Rates};
pub use route::{ROUTES, Route, SITE_ROUTES};
pub use site::{Asset, Language, Site};

/// The cause of an error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
