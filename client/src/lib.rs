//! A typed asynchronous client of [Consign](https://docs.rs/consign)'s HTTP API.
//!
//! ```no_run
//! use consign_client::{Client, NewLink, Upload};
//!
//! # async fn example() -> Result<(), consign_client::Error> {
//! let client = Client::new("https://files.example.org".parse()?)?;
//! client.sign_in("olivia", "a long password").await?;
//! let file = client.upload(&Upload::new("report.docx")?, &()).await?;
//! let link = client.make_link(&NewLink::to([file.id])).await?;
//! println!("{}", link.url.unwrap_or_default());
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! - [`Client`] has a method for each call; [`ClientBuilder`] says whom it trusts and how patient it is.
//!   It knows no terminal and keeps nothing on disk but what [`Client::save`] is asked to.
//! - [`Upload`] is a file on its way to the server, [`Source`] one on its way back: [`Client::save`] goes
//!   on where a download broke off, checks the SHA-256, and only then gives the file its name.
//! - [`LinkUrl`] is a managed link, which needs no account: [`Client::describe`], [`Client::open`].
//! - [`Error::kind`] says what to do about an error. [`Problem`] is what the server said.
//!
//! # What is repeated
//!
//! A request that was refused for now (429, 503) or that never reached the server is sent again, as
//! [`Backoff`] says. So is one whose answer got lost, where it can come twice: what only looks, and
//! what carries an `Idempotency-Key`, as uploads, new links and leases do. Time is bounded between
//! bytes, never as a whole.
//!
//! # Secrets
//!
//! [`Token`], [`LinkUrl`] and [`Lease`] show nothing in `Debug`, and no error tells a URL's path. A
//! token goes to its own server alone. Plain `http` to another machine is refused unless
//! [`ClientBuilder::insecure_http`] takes it.

mod accounts;
mod backoff;
mod client;
mod digest;
mod download;
mod error;
mod files;
mod links;
mod name;
mod open;
mod part;
mod token;
mod transport;
mod upload;

pub use self::{
    accounts::{Registration, Role, Session, SignedIn, User},
    backoff::Backoff,
    client::{Client, ClientBuilder},
    digest::{NotSha256, Sha256},
    download::{Head, Saved, Source},
    error::{Error, ErrorKind, Problem},
    files::{
        Audience, Download, Downloads, File, FileChanges, FileUrl, Group, LinkedFile, Page, Total,
    },
    links::{Link, LinkChanges, NewLink},
    name::safe_name,
    open::{Described, Lease, LinkUrl, NotALink, Proof, Shared},
    token::{IdempotencyKey, Token},
    upload::Upload,
};

use std::time::Duration;

/// Whoever watches a transfer. `()` does not.
pub trait Progress: Send + Sync {
    /// How many bytes there are, once it is known.
    fn length(&self, _bytes: u64) {}

    /// How many of them are through. It can go back, when a transfer begins again.
    fn position(&self, _bytes: u64) {}

    /// It broke off, and goes on after this time.
    fn waiting(&self, _wait: Duration, _why: &Error) {}
}

impl Progress for () {}
