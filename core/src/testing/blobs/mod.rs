//! What [`BlobStore`] and [`Stage`] promise.

mod content;
mod publish;
mod put;
mod stages;
pub mod whole_stages;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt;

pub use self::{content::*, publish::*, put::*, stages::*};
use super::{ANSWERS, promise, promise_eq, samples::sample_key, walk};
use crate::{
    id::{BlobKey, StageId},
    store::{BlobInfo, BlobStore, ReadGrant, Stage, StageInfo},
};

#[macro_export]
#[doc(hidden)]
macro_rules! __blob_store_suite {
    ($(#[$attribute:meta])* $make:path) => {
        $crate::testing::blob_store_suite!($(#[$attribute])* blob_store, $make);
    };
    ($(#[$attribute:meta])* $name:ident, $make:path) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__suite_tests!(
                {$(#[$attribute])*}
                blobs,
                $make,
                [
                    an_empty_store_has_no_blobs_and_no_stages,
                    check_answers,
                    begin_gives_an_empty_stage_of_its_own,
                    append_adds_at_the_end,
                    append_elsewhere_than_at_the_end_is_refused_without_effect,
                    append_of_many_chunks_keeps_every_byte,
                    read_at_reads_what_is_asked,
                    read_at_reads_fewer_only_where_the_stage_ends,
                    stages_appended_in_turns_do_not_mix,
                    resume_finds_the_first_bytes_that_were_appended,
                    resume_of_nothing_is_none,
                    abort_removes_the_stage_alone,
                    abort_is_idempotent,
                    stages_are_those_that_resume_finds,
                    stages_pages_are_ordered_by_id,
                    stages_take_any_limit,
                    stages_go_on_after_an_id_that_need_not_exist,
                    publish_makes_the_stage_a_blob,
                    publish_ends_the_stage,
                    publish_under_a_taken_key_changes_nothing,
                    publish_from_a_resumed_stage,
                    publish_dropped_half_way_loses_nothing,
                    concurrent_publications_under_one_key_publish_one,
                    put_makes_the_bytes_a_blob,
                    put_under_a_taken_key_changes_nothing,
                    a_blob_that_was_put_is_like_any_other,
                    put_dropped_half_way_is_all_or_nothing,
                    concurrent_puts_under_one_key_make_one_blob,
                    concurrent_stages_have_ids_and_bytes_of_their_own,
                    an_empty_blob_is_a_blob,
                    open_reads_the_range,
                    open_beyond_the_end_ends_with_an_error,
                    open_of_an_empty_range_reads_nothing,
                    open_reads_in_chunks_of_bounded_size,
                    open_of_nothing_is_missing,
                    concurrent_readers_read_the_same,
                    delete_removes_the_blob_alone,
                    delete_is_idempotent,
                    keys_pages_are_ordered_by_key,
                    keys_take_any_limit,
                    keys_go_on_after_a_key_that_need_not_exist,
                    stages_are_no_blobs_and_blobs_are_no_stages,
                ]
            );
        }
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __whole_stages_suite {
    ($(#[$attribute:meta])* $make:path) => {
        $crate::testing::whole_stages_suite!($(#[$attribute])* whole_stages, $make);
    };
    ($(#[$attribute:meta])* $name:ident, $make:path) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__suite_tests!(
                without_model {$(#[$attribute])*}
                whole_stages,
                $make,
                [
                    a_begun_stage_is_listed,
                    a_dropped_stage_is_kept,
                    resume_goes_on_where_the_stage_was_left,
                    the_others_are_listed_when_one_is_aborted,
                    an_aborted_stage_is_missing_to_the_one_who_appends,
                    publish_dropped_half_way_leaves_the_stage_or_the_blob,
                ]
            );
        }
    };
}

pub use super::model::blobs as behaves_like_the_model;

type Store = Arc<dyn BlobStore>;

pub async fn an_empty_store_has_no_blobs_and_no_stages(store: Store) {
    let page = store.keys(None, 10).await.expect(ANSWERS);
    promise!(
        page.items.is_empty() && page.next.is_none(),
        "keys: an empty list is one empty page"
    );
    let page = store.stages(None, 10).await.expect(ANSWERS);
    promise!(
        page.items.is_empty() && page.next.is_none(),
        "stages: an empty list is one empty page"
    );
}

pub async fn check_answers(store: Store) {
    promise!(
        store.check().await.is_ok(),
        "check: a store that answers says so"
    );
}

/// What a read gave: the bytes, the longest chunk, and the kind of the error it ended with.
struct Reading {
    bytes: Vec<u8>,
    longest: usize,
    error: Option<std::io::ErrorKind>,
}

async fn read(store: &Store, key: BlobKey, range: Range<u64>) -> Reading {
    let mut stream = store
        .open(&ReadGrant::for_testing(key), range)
        .await
        .expect(ANSWERS);
    let mut reading = Reading {
        bytes: Vec::new(),
        longest: 0,
        error: None,
    };
    while let Some(item) = stream.next().await {
        promise!(reading.error.is_none(), "open: an error ends the stream");
        match item {
            Ok(chunk) => {
                reading.longest = reading.longest.max(chunk.len());
                reading.bytes.extend_from_slice(&chunk);
            }
            Err(error) => reading.error = Some(error.kind()),
        }
    }
    reading
}

/// Checks a blob's bytes and its place in the list.
async fn check_blob(store: &Store, key: BlobKey, expected: &[u8], statement: &str) {
    let size = expected.len() as u64;
    let reading = read(store, key, 0..size).await;
    promise_eq!(reading.error, None, "{statement}");
    same_bytes(&reading.bytes, expected, statement);
    let listed = all_keys(store)
        .await
        .into_iter()
        .find(|blob| blob.key == key);
    promise_eq!(
        listed.map(|blob| blob.size),
        Some(size),
        "keys: a published blob is listed with its size ({statement})"
    );
}

/// Checks what a stage holds.
async fn check_stage(stage: &dyn Stage, expected: &[u8], statement: &str) {
    promise_eq!(
        stage.size(),
        expected.len() as u64,
        "Stage::size: how many bytes it holds ({statement})"
    );
    let bytes = stage.read_at(0, expected.len() + 1).await.expect(ANSWERS);
    same_bytes(&bytes, expected, statement);
}

/// Tells where bytes differ, without printing them all.
fn same_bytes(found: &[u8], expected: &[u8], statement: &str) {
    promise_eq!(found.len(), expected.len(), "{statement}: as many bytes");
    let differs = found
        .iter()
        .zip(expected)
        .position(|(found, expected)| found != expected);
    promise_eq!(
        differs,
        None,
        "{statement}: the same bytes; the first that differs is at"
    );
}

async fn stage_of(store: &Store, bytes: &Bytes) -> Box<dyn Stage> {
    let mut stage = store.begin().await.expect(ANSWERS);
    stage.append(0, bytes.clone()).await.expect(ANSWERS);
    stage
}

async fn publish(store: &Store, n: u32, bytes: &Bytes) -> BlobKey {
    let key = sample_key(n);
    stage_of(store, bytes)
        .await
        .publish(key)
        .await
        .expect(ANSWERS);
    key
}

/// Goes on with a stage of which these bytes were appended, or with another when nothing was kept: what
/// is missing is appended.
async fn resume(store: &Store, id: StageId, appended: &[u8]) -> Box<dyn Stage> {
    let mut stage = match store.resume(id).await.expect(ANSWERS) {
        Some(stage) => {
            promise_eq!(stage.id(), id, "resume: goes on with the stage of this id");
            stage
        }
        None => store.begin().await.expect(ANSWERS),
    };
    let size = stage.size() as usize;
    promise!(
        size <= appended.len(),
        "resume: finds no more bytes than were appended"
    );
    let found = stage.read_at(0, size).await.expect(ANSWERS);
    same_bytes(
        &found,
        &appended[..size],
        "resume: finds the first bytes that were appended",
    );
    let rest = Bytes::copy_from_slice(&appended[size..]);
    stage.append(stage.size(), rest).await.expect(ANSWERS);
    stage
}

async fn all_keys(store: &Store) -> Vec<BlobInfo> {
    walk(3, None, async |after| store.keys(after, 3).await).await
}

async fn all_stages(store: &Store) -> Vec<StageInfo> {
    walk(3, None, async |after| store.stages(after, 3).await).await
}

async fn stage_ids(store: &Store) -> Vec<StageId> {
    all_stages(store)
        .await
        .into_iter()
        .map(|stage| stage.id)
        .collect()
}
