//! Benchmarks of Consign: `cargo bench -p consign-benches`.
//!
//! Names are kept, so that results compare over time.
