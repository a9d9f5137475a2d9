//! The toolkit put together as the server has it: the service and the API over the real stores.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod chunks;
mod faults;
mod storm;
mod support;
