//! Assertions that name the statement of the contract they are about.

/// Why a call of a suite must not fail: nothing is wrong with the machine while it runs.
pub(super) const ANSWERS: &str = "the store answers; no call of this statement fails";

/// Fails with the statement when the condition does not hold.
macro_rules! promise {
    ($condition:expr, $($statement:tt)+) => {
        if !$condition {
            panic!("the contract is broken: {}", format_args!($($statement)+));
        }
    };
}

/// Fails with the statement when what was found is not what was expected.
macro_rules! promise_eq {
    ($found:expr, $expected:expr, $($statement:tt)+) => {
        match (&$found, &$expected) {
            (found, expected) => {
                if !(*found == *expected) {
                    panic!(
                        "the contract is broken: {}\nexpected: {expected:#?}\n   found: {found:#?}",
                        format_args!($($statement)+),
                    );
                }
            }
        }
    };
}

/// Fails with the statement when a value does not have the pattern's form.
macro_rules! promise_matches {
    ($found:expr, $pattern:pat, $($statement:tt)+) => {
        match $found {
            $pattern => {}
            ref found => panic!(
                "the contract is broken: {}\nexpected: {}\n   found: {found:?}",
                format_args!($($statement)+),
                stringify!($pattern),
            ),
        }
    };
}

pub(super) use {promise, promise_eq, promise_matches};
