//! Several nodes on one database and one bucket are one installation: nobody can tell which of them answers, and
//! one that dies, or an engine that is away for a while, takes nothing that was acknowledged.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

#[path = "../support/mod.rs"]
mod support;

mod bucket;
mod killed;
mod postgres;
mod races;
mod sweeps;
mod turns;
mod work;
