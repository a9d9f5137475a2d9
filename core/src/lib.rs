//! Hand files to people safely: the domain, the store traits and the service of Consign.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod error;
pub mod event;
pub mod file;
pub mod id;
pub mod intake;
pub mod memory;
pub mod password;
pub mod policy;
pub mod random;
mod service;
pub mod store;
pub mod time;
pub mod token;
pub mod user;

#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Error, ErrorKind};
pub use file::File;
pub use service::{
    Actor, Administration, AuthorizedFile, ClientRegistration, Consign, Link,
    OperationsRegistration, Parts, Registration, Session, Settings, SweepReport, UploadPermit,
};
pub use user::User;
