//! Random sequences of operations, made in a store and in the one in memory, which must agree.

mod blobs;
mod catalogue;
mod files;
mod limits;
mod rows;
mod users;

use std::fmt::Debug;

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};

pub use self::{
    blobs::blobs, catalogue::catalogue, files::files, limits::limits, rows::rows, users::users,
};

/// Operations that a sequence has at most.
const LENGTH: usize = 40;

/// Makes sequences of `op` and checks each; panics with the shortest that fails.
fn check_sequences<Op: Debug + Clone>(
    op: impl Strategy<Value = Op>,
    check: impl Fn(Vec<Op>) -> TestCaseResult,
) {
    let mut config = Config {
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    let sequences = prop::collection::vec(op, 1..=LENGTH);
    if let Err(failure) = TestRunner::new(config).run(&sequences, check) {
        panic!("the store does not behave like the one in memory: {failure}");
    }
}

/// The store's outcome of an operation must be the one that the store in memory gave.
fn agree<Op: Debug, Seen: Debug + PartialEq>(
    op: &Op,
    found: Seen,
    expected: Seen,
) -> TestCaseResult {
    prop_assert!(
        found == expected,
        "after {:?}\nexpected: {:#?}\n   found: {:#?}",
        op,
        expected,
        found
    );
    Ok(())
}
