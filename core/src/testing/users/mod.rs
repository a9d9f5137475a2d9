//! What [`UserStore`] promises.

mod insert;
mod read;
mod update;

use std::sync::Arc;

pub use self::{insert::*, read::*, update::*};
use super::{
    ANSWERS, promise_eq,
    samples::{sample_event, sample_user, username},
    walk,
};
use crate::{
    id::UserId,
    store::{Insert, InsertGuard, Update, UserStore},
    user::{Role, User, UserChange, Username},
};

#[macro_export]
#[doc(hidden)]
macro_rules! __user_store_suite {
    ($(#[$attribute:meta])* $make:path) => {
        $crate::testing::user_store_suite!($(#[$attribute])* user_store, $make);
    };
    ($(#[$attribute:meta])* $name:ident, $make:path) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__suite_tests!(
                {$(#[$attribute])*}
                users,
                $make,
                [
                    an_empty_store_has_no_users,
                    check_answers,
                    by_id_finds_the_user_as_inserted,
                    by_username_tells_upper_and_lower_case_apart,
                    by_email_takes_upper_and_lower_case_for_the_same,
                    names_and_addresses_of_any_valid_length_are_kept,
                    list_is_ordered_by_username_bytewise,
                    list_pages_are_the_list,
                    list_takes_any_limit,
                    list_goes_on_after_a_name_that_need_not_exist,
                    has_operations_user_counts_all_of_them,
                    insert_refuses_an_id_that_is_taken,
                    insert_checks_the_guard_first,
                    insert_checks_the_username_before_the_address,
                    insert_takes_addresses_that_differ_in_case_for_the_same,
                    insert_guard_sees_operations_users_alone,
                    insert_guard_counts_disabled_operations_users,
                    a_refused_insert_writes_nothing,
                    update_makes_the_change_that_user_changed_says,
                    update_is_seen_by_every_read,
                    update_raises_the_epoch_except_for_a_better_hash,
                    update_changes_nobody_else,
                    update_keeps_the_name_and_the_address_taken,
                    update_of_nobody_is_missing,
                    update_with_another_hash_is_stale,
                    update_keeps_the_last_operations_user,
                    update_counts_disabled_operations_users,
                    update_may_disable_the_last_operations_user,
                    update_needs_no_operations_user_where_there_was_none,
                    concurrent_inserts_of_one_username_store_one,
                    concurrent_inserts_of_one_address_store_one,
                    concurrent_first_operations_users_store_one,
                    concurrent_updates_are_all_made,
                    concurrent_hash_upgrades_store_one,
                    concurrent_demotions_keep_one_operations_user,
                ]
            );
        }
    };
}

pub use super::model::users as behaves_like_the_model;

type Store = Arc<dyn UserStore>;

fn named(n: u32, name: &str) -> User {
    User {
        username: username(name),
        ..sample_user(n, Role::Client)
    }
}

async fn add(store: &Store, user: &User) {
    promise_eq!(
        insert(store, user, InsertGuard::None).await,
        Insert::Done,
        "insert: adds a user whose username and e-mail address are free"
    );
}

async fn insert(store: &Store, user: &User, guard: InsertGuard) -> Insert {
    store
        .insert(user.clone(), guard, vec![sample_event(1)])
        .await
        .expect(ANSWERS)
}

async fn update(store: &Store, id: UserId, change: UserChange) -> Update {
    store
        .update(id, change, vec![sample_event(2)])
        .await
        .expect(ANSWERS)
}

async fn by_id(store: &Store, id: UserId) -> Option<User> {
    store.by_id(id).await.expect(ANSWERS)
}

async fn by_name(store: &Store, name: &str) -> Option<User> {
    store.by_username(&username(name)).await.expect(ANSWERS)
}

async fn all(store: &Store) -> Vec<User> {
    walk(3, None, async |after: Option<Username>| {
        store.list(after.as_ref(), 3).await
    })
    .await
}

async fn names_after(store: &Store, after: Option<&str>, limit: usize) -> Vec<String> {
    let users = walk(
        limit,
        after.map(username),
        async |after: Option<Username>| store.list(after.as_ref(), limit).await,
    );
    users
        .await
        .into_iter()
        .map(|user| user.username.into())
        .collect()
}
