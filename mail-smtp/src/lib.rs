//! Mail of [Consign](consign_core) over SMTP (RFC 5321), or into files.
//!
//! ```
//! use consign_core::{
//!     mail::{Courier, Mail, MailId, Text},
//!     random::OsEntropy,
//! };
//! use consign_mail_smtp::{Options, SmtpCourier};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(feature = "testing")] {
//! # let sink = consign_mail_smtp::testing::SmtpSink::start().await;
//! let url = "smtps://user:password@mail.example.org";
//! # let url = sink.url();
//! let relay = url.parse()?;
//! let sender = "Consign <files@example.org>".parse()?;
//! let courier = SmtpCourier::new(relay, sender, Options::default())?;
//!
//! let mail = Mail {
//!     id: MailId::random(&OsEntropy),
//!     to: "ann@example.org".parse()?,
//!     subject: "A file for you".parse()?,
//!     text: Text::new("Olivia has a file for you.".to_owned()),
//! };
//! courier.deliver(&mail).await?;
//! # assert_eq!(sink.received()[0].text(), "Olivia has a file for you.");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! - [`SmtpCourier`], a [`Courier`](consign_core::mail::Courier): it hands mail to the server that a
//!   [`Relay`] names. [`Options`] bounds its time and says whom it trusts, [`SetupError`] why there
//!   is none, [`SmtpError`] why a mail was not taken.
//! - [`FolderCourier`], another: it writes mail into files, for development.
//! - [`Mailbox`], the address that mail is from.
//!
//! # What mail looks like
//!
//! Plain text in UTF-8, as `7bit`, `quoted-printable` or `base64` (RFC 2045), whichever is short;
//! lines may be of any length. `Message-ID` is the mail's id at the sender's domain, the same in
//! each delivery. `Auto-Submitted: auto-generated` keeps automatic answers away (RFC 3834,
//! section 5). An internationalised domain is written in ASCII (RFC 5891); a recipient whose name
//! before the `@` is not ASCII is reached where the server has SMTPUTF8 (RFC 6531).
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `testing` | no | `testing`: a mail server to test against |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod dialogue;
mod folder;
mod message;
mod relay;
mod smtp;
mod unbuffered;

#[cfg(feature = "testing")]
pub mod testing;

pub use self::{
    dialogue::{SmtpError, Stage},
    folder::FolderCourier,
    message::{InvalidMailbox, Mailbox},
    relay::{InvalidRelay, Relay},
    smtp::{Options, SetupError, SmtpCourier},
};
