//! Users and the file catalogue of Consign in PostgreSQL, for any number of nodes.

mod batch;
mod catalogue;
mod column;
mod fault;
mod files;
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
mod rows;
mod schema;
mod sealed;
mod store;
mod trail;
mod usage;
mod users;
mod writer;

pub use self::{look::Look, open::OpenError, options::Options, sealed::Sealed, store::PgStore};
