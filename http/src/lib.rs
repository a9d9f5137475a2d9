//! The HTTP API of Consign, for any front end.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accounts;
mod api;
mod body;
mod conditional;
mod disposition;
mod download;
mod files;
mod json;
mod multipart;
mod problem;
mod public_url;
mod range;
mod request;
mod route;
mod upload;

#[cfg(feature = "testing")]
pub mod testing;

pub use api::Api;
pub use body::Body;
pub use public_url::{InvalidPublicUrl, PublicUrl};
pub use route::{ROUTES, Route};

/// The cause of an error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
