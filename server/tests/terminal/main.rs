//! The client's commands, by the real binary against the real server.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod hand_over;
mod pages;
mod person;
mod profiles;
mod proxy;
mod pseudo;
#[path = "../support/mod.rs"]
mod support;
mod transfers;
