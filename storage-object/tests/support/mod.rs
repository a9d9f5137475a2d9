//! What the tests share.
#![allow(dead_code, clippy::unwrap_used)] // not all of them use all of it

pub mod engine;
pub mod sign;
