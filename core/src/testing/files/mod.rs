//! What [`FileStore`] promises.

mod audience;
mod change;
mod evidence;
mod groups;
mod lifetimes;
mod links;
mod mail;
mod once;
mod quota;
mod read;
mod removal;
mod retention;
mod trail;

use std::sync::Arc;

pub use self::{
    audience::*, change::*, evidence::*, groups::*, lifetimes::*, links::*, mail::*, once::*,
    quota::*, read::*, removal::*, retention::*, trail::*,
};
use super::{
    ANSWERS, check_chains, promise, promise_eq, promise_matches, samples::sample_entry, walk,
};
use crate::{
    audience::Scope,
    event::{Author, Event, Recorded},
    file::{File, FileEntry, FileName},
    id::FileId,
    store::{Change, FileStore, Outcome},
    time::Timestamp,
};

#[macro_export]
#[doc(hidden)]
macro_rules! __file_store_suite {
    ($(#[$attribute:meta])* $make:path) => {
        $crate::testing::file_store_suite!($(#[$attribute])* file_store, $make);
    };
    ($(#[$attribute:meta])* $name:ident, $make:path) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__suite_tests!(
                {$(#[$attribute])*}
                files,
                $make,
                [
                    an_empty_store_has_no_files_and_no_events,
                    check_answers,
                    by_id_finds_the_file_as_added,
                    newest_is_the_one_added_last,
                    newest_tells_names_apart_bytewise,
                    newest_falls_back_when_the_newest_is_removed,
                    list_is_newest_first,
                    list_pages_are_the_list,
                    list_takes_any_limit,
                    list_goes_on_before_a_position_that_need_not_exist,
                    list_pages_are_not_upset_by_changes_between_them,
                    unreferenced_tells_which_blobs_have_no_file,
                    add_refuses_an_id_that_is_there,
                    add_refuses_a_blob_that_is_there,
                    add_takes_the_id_and_the_blob_of_a_removed_file,
                    remove_takes_the_file_out_of_every_read,
                    remove_of_nothing_is_missing,
                    positions_increase_and_are_never_given_again,
                    events_are_those_of_the_changes_made,
                    events_pages_are_the_trail,
                    events_take_any_limit,
                    events_go_on_after_a_position_that_need_not_exist,
                    entries_are_chained_from_the_first_on,
                    record_records_what_it_is_given,
                    a_checkpoint_is_of_an_entry_that_there_is,
                    checkpoints_are_in_the_order_of_their_entries,
                    downloads_are_found_by_file_and_by_link,
                    downloads_are_summed_up,
                    concurrent_changes_make_one_chain,
                    usage_is_what_the_files_of_a_user_take,
                    add_keeps_within_the_quota,
                    concurrent_additions_stay_within_the_quota,
                    a_scope_has_the_files_for_its_principals_alone,
                    a_scope_of_an_uploader_has_what_they_uploaded_alone,
                    pages_of_a_scope_are_its_list,
                    newest_in_a_scope_passes_over_what_is_not_for_it,
                    set_audience_takes_effect_in_every_read,
                    set_crc32_is_seen_by_every_read_and_is_no_event,
                    an_audience_has_groups_that_there_are,
                    what_has_expired_is_in_no_list,
                    newest_passes_over_what_has_expired,
                    an_end_is_edited_while_the_file_is_there,
                    an_edit_is_made_whole_or_not_at_all,
                    what_is_kept_is_in_no_other_read,
                    what_is_kept_takes_its_room_until_it_is_purged,
                    what_is_kept_is_restored_as_it_was,
                    what_would_have_ended_is_not_restored,
                    what_is_due_is_purged,
                    what_has_ended_is_found_and_removed,
                    removed_files_come_in_pages,
                    concurrent_restorations_and_purges_do_one,
                    files_end_with_the_shortest_retention_of_their_groups,
                    a_retention_follows_the_audience_and_the_restoration,
                    retentions_are_told,
                    groups_are_found_by_id_and_listed_by_name,
                    two_groups_never_have_one_name,
                    remove_group_takes_its_members_out,
                    members_are_listed_by_id,
                    members_come_and_go_once,
                    a_user_is_in_a_bounded_number_of_groups,
                    changes_of_groups_leave_a_trail,
                    links_are_found_by_id_and_by_secret,
                    links_are_listed_by_maker_newest_first,
                    a_link_hands_over_files_that_there_are,
                    two_links_never_share_an_id_or_a_secret,
                    edits_are_seen_by_every_read,
                    a_link_is_revoked_once,
                    leases_are_counted_up_to_the_budget,
                    a_lease_is_opened_of_the_link_that_was_judged,
                    leases_are_forgotten_once_they_have_ended,
                    changes_of_links_leave_a_trail,
                    concurrent_leases_never_exceed_the_budget,
                    a_code_is_kept_with_the_mail_that_brings_it,
                    a_code_ends_after_its_time_or_too_many_wrong_ones,
                    a_code_is_sent_for_the_link_that_was_judged,
                    an_edit_of_the_recipient_withdraws_the_code,
                    mails_wait_in_the_order_in_which_they_are_due,
                    what_is_asked_for_twice_is_made_once,
                    all_that_makes_something_can_be_made_once,
                    what_was_refused_is_not_remembered,
                    what_was_done_once_is_forgotten_in_time,
                    of_many_at_once_by_one_key_one_is_made,
                    concurrent_additions_are_all_there,
                    concurrent_additions_of_one_blob_store_one,
                    concurrent_removals_remove_once,
                    concurrent_changes_leave_a_trail_in_their_order,
                ]
            );
        }
    };
}

pub use super::model::files as behaves_like_the_model;

type Store = Arc<dyn FileStore>;

/// When files are asked for that do not expire.
const NOW: Timestamp = Timestamp::from_millis(1);

async fn add(store: &Store, entry: &FileEntry) -> File {
    match apply_add(store, entry).await {
        Outcome::Added(file) => {
            promise_eq!(
                file.entry,
                *entry,
                "AddFile: `Added` holds the file as it was given"
            );
            file
        }
        outcome => panic!(
            "the contract is broken: AddFile: adds a file of a new id and a new blob: {outcome:?}"
        ),
    }
}

async fn add_many(store: &Store, count: u32) -> Vec<File> {
    let mut files = Vec::new();
    for n in 1..=count {
        files.push(add(store, &sample_entry(n)).await);
    }
    files
}

async fn remove(store: &Store, id: FileId) {
    promise_matches!(
        apply_remove(store, id).await,
        Outcome::Removed(_),
        "RemoveFile: removes a file that exists"
    );
}

async fn apply_add(store: &Store, entry: &FileEntry) -> Outcome {
    store
        .apply(Change::add(entry.clone()))
        .await
        .expect(ANSWERS)
}

async fn apply_remove(store: &Store, id: FileId) -> Outcome {
    let change = Change::remove(id, Author::Administrator, Timestamp::from_millis(1));
    store.apply(change).await.expect(ANSWERS)
}

async fn by_id(store: &Store, id: FileId) -> Option<File> {
    store.by_id(id).await.expect(ANSWERS)
}

async fn newest(store: &Store, name: &FileName) -> Option<File> {
    store.newest(name, &Scope::All, NOW).await.expect(ANSWERS)
}

/// The store holds this file alone, with its event.
async fn only(store: &Store, file: &File, statement: &str) {
    promise_eq!(all(store).await, std::slice::from_ref(file), "{statement}");
    promise_eq!(
        by_id(store, file.entry.id).await,
        Some(file.clone()),
        "{statement}"
    );
    promise_eq!(
        newest(store, &file.entry.name).await,
        Some(file.clone()),
        "{statement}"
    );
    promise!(
        store.references(file.entry.blob).await.expect(ANSWERS),
        "{statement}"
    );
    let added = Change::add(file.entry.clone()).events();
    promise_eq!(events(trail(store).await), added, "{statement}");
}

async fn all(store: &Store) -> Vec<File> {
    walk(3, None, async |before| {
        store.list(&Scope::All, NOW, before, 3).await
    })
    .await
}

async fn trail(store: &Store) -> Vec<Recorded> {
    let trail = walk(3, None, async |after| store.events(after, 3).await).await;
    check_chains(&trail);
    trail
}

fn ids(files: Vec<File>) -> Vec<FileId> {
    files.into_iter().map(|file| file.entry.id).collect()
}

fn events(recorded: Vec<Recorded>) -> Vec<Event> {
    recorded
        .into_iter()
        .map(|recorded| recorded.event)
        .collect()
}
