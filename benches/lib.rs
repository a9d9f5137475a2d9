//! Benchmarks of Consign: `cargo bench -p consign-benches`. `README.md` lists them.
//!
//! Names are kept, so that results compare over time.

pub mod direct;
