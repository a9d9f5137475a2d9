//! The store against the suites that every store is held against.

mod support;

use support::empty_store;

consign_core::testing::user_store_suite!(
    #[ignore = "needs PostgreSQL: see scripts/engines"]
    empty_store
);
consign_core::testing::file_store_suite!(
    #[ignore = "needs PostgreSQL: see scripts/engines"]
    empty_store
);
consign_core::testing::limit_store_suite!(
    #[ignore = "needs PostgreSQL: see scripts/engines"]
    empty_store
);
consign_core::testing::row_store_suite!(
    #[ignore = "needs PostgreSQL: see scripts/engines"]
    empty_store
);
