//! Conformance suites: a new store proves that it keeps its trait's contract with one line.
//!
//! `make` is a path to an async function that gives an *empty* store and a guard, which lives as
//! long as the store does: a temporary folder, a container, or `()`.
//!
//! ```
//! use consign_core::memory::{MemoryBlobs, MemoryLimits, MemoryStore};
//!
//! async fn catalogue() -> (MemoryStore, ()) {
//!     (MemoryStore::default(), ())
//! }
//!
//! async fn blobs() -> (MemoryBlobs, ()) {
//!     (MemoryBlobs::default(), ())
//! }
//!
//! async fn limits() -> (MemoryLimits, ()) {
//!     (MemoryLimits::default(), ())
//! }
//!
//! consign_core::testing::user_store_suite!(catalogue);
//! consign_core::testing::file_store_suite!(catalogue);
//! consign_core::testing::row_store_suite!(catalogue);
//! consign_core::testing::blob_store_suite!(blobs);
//! consign_core::testing::limit_store_suite!(limits);
//! consign_core::testing::whole_stages_suite!(blobs);
//! // Another store in the same file needs a name of its own:
//! consign_core::testing::blob_store_suite!(more_blobs, blobs);
//! # fn main() {}
//! ```
//!
//! Attributes before the path are those of each test, so that suites which need an engine are left out where there is
//! none, and say so: `blob_store_suite!(#[ignore = "needs PostgreSQL"] blobs)`.
//!
//! Each line becomes a module (`user_store`, `file_store`, `row_store`, `blob_store`, `limit_store`, or the name given)
//! with one `#[test]` for each statement of the contract, so that the tests' names tell what is wrong. A
//! failure repeats the statement and shows what was expected and what was found.
//!
//! The last test of each suite, `behaves_like_the_model`, makes random sequences of operations and
//! holds the store against the one in [`memory`](crate::memory). What it reports is the shortest
//! sequence it could find that still shows the difference. It makes 64 sequences, each in a new
//! store; the environment's `PROPTEST_CASES` sets another number.
//!
//! Tests run on a runtime of their own, on one thread that others join where a statement is about
//! what happens at the same time: see [`run`].
//!
//! What a suite cannot see, because it holds a store by its trait alone, is for the store's own
//! tests: that what was answered survives a power cut, that a stage survives a restart, and which
//! clock [`modified`](crate::store::BlobInfo::modified) is taken from.

mod assert;
mod model;
mod samples;

pub mod rig;

#[doc(hidden)]
pub mod blobs;
#[doc(hidden)]
pub use self::blobs::whole_stages;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod limits;
#[doc(hidden)]
pub mod rows;
#[doc(hidden)]
pub mod users;

use std::{
    collections::BTreeMap,
    sync::{Arc, Barrier},
};

use tokio::runtime::{Builder, Handle};

use self::assert::{ANSWERS, promise, promise_eq, promise_matches};
/// A door for the fuzzer, no part of the interface.
#[doc(hidden)]
pub use self::model::catalogue;
pub use self::samples::{
    AnyContent, SeededEntropy, sample_bytes, sample_checkpoint, sample_download, sample_entry,
    sample_event, sample_group, sample_hash, sample_key, sample_lease, sample_link, sample_mail,
    sample_user,
};
/// Checks a [`BlobStore`](crate::store::BlobStore): see [`testing`](self).
#[doc(inline)]
pub use crate::__blob_store_suite as blob_store_suite;
/// Checks a [`FileStore`](crate::store::FileStore): see [`testing`](self).
#[doc(inline)]
pub use crate::__file_store_suite as file_store_suite;
/// Checks a [`LimitStore`](crate::store::LimitStore): see [`testing`](self).
#[doc(inline)]
pub use crate::__limit_store_suite as limit_store_suite;
/// Checks a [`RowStore`](crate::store::RowStore), which is a store of users and of the catalogue too: see
/// [`testing`](self).
#[doc(inline)]
pub use crate::__row_store_suite as row_store_suite;
/// Checks a [`UserStore`](crate::store::UserStore): see [`testing`](self).
#[doc(inline)]
pub use crate::__user_store_suite as user_store_suite;
/// Checks a [`BlobStore`](crate::store::BlobStore) whose stages keep every byte that was appended, which not
/// all do: see [`testing`](self).
#[doc(inline)]
pub use crate::__whole_stages_suite as whole_stages_suite;
use crate::{
    event::Recorded,
    store::{Page, StoreError},
    trail::{self, EntryHash, WriterId},
};

/// Runs a test's future on a tokio runtime of its own, with input, output and timers.
///
/// # Panics
/// When the operating system has no room for a runtime.
pub fn run<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
        .block_on(future)
}

/// Runs the futures on a thread each, so that they truly meet in the store.
async fn at_once<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let futures: Vec<F> = futures.into_iter().collect();
    let start = Arc::new(Barrier::new(futures.len()));
    let tasks: Vec<_> = futures
        .into_iter()
        .map(|future| {
            let (runtime, start) = (Handle::current(), start.clone());
            tokio::task::spawn_blocking(move || {
                start.wait();
                runtime.block_on(future)
            })
        })
        .collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.expect("none of the concurrent calls panics"));
    }
    outputs
}

/// Reads a list page by page.
async fn walk<T, C>(
    limit: usize,
    begin: Option<C>,
    fetch: impl AsyncFn(Option<C>) -> Result<Page<T, C>, StoreError>,
) -> Vec<T> {
    let (mut all, mut cursor) = (Vec::new(), begin);
    for turn in 0..10_000 {
        let page = fetch(cursor).await.expect(ANSWERS);
        promise!(
            page.items.len() <= limit,
            "a page has at most `limit` items"
        );
        promise!(
            !page.items.is_empty() || (turn == 0 && page.next.is_none()),
            "`Page::next` is `None` when the page is the last: no empty page follows"
        );
        all.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
    panic!("the contract is broken: a list ends; `Page::next` is where the next page begins");
}

/// Checks that a trail's entries are numbered without gaps and chained, each writer's for itself.
fn check_chains(trail: &[Recorded]) {
    let mut ends = BTreeMap::<WriterId, (u64, EntryHash)>::new();
    for entry in trail {
        let (number, hash) = ends.entry(entry.writer).or_default();
        promise_eq!(
            entry.number,
            *number + 1,
            "Recorded::number: from 1 on, without gaps, for each writer"
        );
        promise_eq!(
            entry.hash,
            trail::link(*hash, entry.writer, entry.number, &entry.event),
            "Recorded::hash: that of the entry and of the one before it of the same writer"
        );
        (*number, *hash) = (entry.number, entry.hash);
    }
}

/// Checks that a list cut into pages of any size is the list.
async fn check_paging<T, C>(
    whole: &[T],
    fetch: impl AsyncFn(Option<C>, usize) -> Result<Page<T, C>, StoreError>,
) where
    T: PartialEq + std::fmt::Debug,
{
    for limit in 1..=whole.len() + 1 {
        let pages = walk(limit, None, async |after| fetch(after, limit).await).await;
        promise_eq!(
            pages,
            whole,
            "the pages of a list, put together, are the list, whatever their size"
        );
    }
}

/// Checks that a list is given whole to one who asks for more than any store holds.
async fn check_any_limit<T, C>(
    whole: &[T],
    fetch: impl AsyncFn(Option<C>, usize) -> Result<Page<T, C>, StoreError>,
) where
    T: PartialEq + std::fmt::Debug,
{
    let page = fetch(None, usize::MAX).await.expect(ANSWERS);
    promise_eq!(
        page.items,
        whole,
        "at most `limit` items, and `limit` may be any number from 1 on"
    );
    promise!(
        page.next.is_none(),
        "`Page::next` is `None` when the page is the last"
    );
}

/// One `#[test]` per statement of a suite.
#[macro_export]
#[doc(hidden)]
macro_rules! __suite_tests {
    (without_model $attributes:tt $suite:ident, $make:path, [$($test:ident),* $(,)?]) => {
        $($crate::__suite_test!($attributes $suite, $make, $test);)*
    };
    ($attributes:tt $suite:ident, $make:path, [$($test:ident),* $(,)?]) => {
        $($crate::__suite_test!($attributes $suite, $make, $test);)*
        $crate::__suite_test!($attributes $suite, $make);
    };
}

/// One test, with the attributes that all of its suite have.
#[macro_export]
#[doc(hidden)]
macro_rules! __suite_test {
    ({$($attributes:tt)*} $suite:ident, $make:path, $test:ident) => {
        #[test]
        $($attributes)*
        fn $test() {
            $crate::testing::run(async {
                let (store, guard) = $make().await;
                $crate::testing::$suite::$test(::std::sync::Arc::new(store)).await;
                drop(guard);
            });
        }
    };
    ({$($attributes:tt)*} $suite:ident, $make:path) => {
        #[test]
        $($attributes)*
        fn behaves_like_the_model() {
            $crate::testing::$suite::behaves_like_the_model(async || {
                let (store, guard) = $make().await;
                (guard, ::std::sync::Arc::new(store) as _)
            });
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Entropy;

    #[test]
    fn every_statement_is_in_its_macro() {
        let suites = [
            concat!(
                include_str!("users/mod.rs"),
                include_str!("users/read.rs"),
                include_str!("users/insert.rs"),
                include_str!("users/update.rs"),
            ),
            concat!(
                include_str!("files/mod.rs"),
                include_str!("files/audience.rs"),
                include_str!("files/change.rs"),
                include_str!("files/evidence.rs"),
                include_str!("files/groups.rs"),
                include_str!("files/lifetimes.rs"),
                include_str!("files/links.rs"),
                include_str!("files/mail.rs"),
                include_str!("files/once.rs"),
                include_str!("files/quota.rs"),
                include_str!("files/read.rs"),
                include_str!("files/removal.rs"),
                include_str!("files/retention.rs"),
                include_str!("files/trail.rs"),
            ),
            concat!(include_str!("rows.rs")),
            concat!(
                include_str!("blobs/mod.rs"),
                include_str!("blobs/stages.rs"),
                include_str!("blobs/publish.rs"),
                include_str!("blobs/put.rs"),
                include_str!("blobs/whole_stages.rs"),
                include_str!("blobs/content.rs"),
            ),
            include_str!("limits/mod.rs"),
        ];
        for source in suites {
            let functions = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn "));
            for name in functions.filter_map(|line| line.split('(').next()) {
                assert!(
                    source.lines().any(|line| line.trim() == format!("{name},")),
                    "{name} is in no macro"
                );
            }
        }
    }

    #[test]
    fn a_seed_gives_the_same_bytes_again() {
        let bytes = |seed| {
            let mut bytes = [0; 37];
            SeededEntropy::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }
}
