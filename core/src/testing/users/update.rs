use super::{
    super::{
        ANSWERS, at_once, promise, promise_eq,
        samples::{sample_hash, sample_user},
    },
    Store, add, all, by_id, insert, update,
};
use crate::{
    store::{Insert, InsertGuard, Update},
    user::{Role, Status, User, UserChange},
};

pub async fn update_makes_the_change_that_user_changed_says(store: Store) {
    add(&store, &sample_user(1, Role::Operations)).await;
    let mut user = User {
        session_epoch: u32::MAX - 2,
        ..sample_user(2, Role::Client)
    };
    add(&store, &user).await;
    for change in every_change(&user) {
        user = user
            .changed(&change)
            .expect("the change's precondition holds");
        promise_eq!(
            update(&store, user.id, change).await,
            Update::Done(user.clone()),
            "update: changes a user by `User::changed`, and `Done` holds how they are now"
        );
    }
}

pub async fn update_is_seen_by_every_read(store: Store) {
    let mut user = sample_user(1, Role::Client);
    add(&store, &user).await;
    for change in every_change(&user) {
        let Update::Done(now) = update(&store, user.id, change).await else {
            panic!("the contract is broken: update: makes a change whose precondition holds")
        };
        user = now;
        promise_eq!(
            by_id(&store, user.id).await,
            Some(user.clone()),
            "update: by_id finds the user as they are now"
        );
        promise_eq!(
            store.by_username(&user.username).await.expect(ANSWERS),
            Some(user.clone()),
            "update: by_username finds the user as they are now"
        );
        promise_eq!(
            all(&store).await,
            [user.clone()],
            "update: list has the user as they are now"
        );
    }
}

pub async fn update_raises_the_epoch_except_for_a_better_hash(store: Store) {
    let user = User {
        session_epoch: 0,
        ..sample_user(1, Role::Client)
    };
    add(&store, &user).await;
    for change in every_change(&user) {
        let before = by_id(&store, user.id)
            .await
            .expect("the user is there")
            .session_epoch;
        let raised = u32::from(!matches!(change, UserChange::UpgradeHash { .. }));
        update(&store, user.id, change.clone()).await;
        let after = by_id(&store, user.id)
            .await
            .expect("the user is there")
            .session_epoch;
        promise_eq!(
            after,
            before + raised,
            "update: the session epoch is raised by every change that ends sessions: {change:?}"
        );
    }
}

pub async fn update_changes_nobody_else(store: Store) {
    let (user, other) = (sample_user(1, Role::Client), sample_user(2, Role::Client));
    add(&store, &user).await;
    add(&store, &other).await;
    for change in every_change(&user) {
        update(&store, user.id, change).await;
        promise_eq!(
            by_id(&store, other.id).await,
            Some(other.clone()),
            "update: changes the user of this id alone"
        );
    }
}

pub async fn update_keeps_the_name_and_the_address_taken(store: Store) {
    let user = sample_user(1, Role::Client);
    add(&store, &user).await;
    for change in every_change(&user) {
        update(&store, user.id, change).await;
        let name = User {
            username: user.username.clone(),
            ..sample_user(2, Role::Client)
        };
        promise_eq!(
            insert(&store, &name, InsertGuard::None).await,
            Insert::UsernameTaken,
            "update: a changed user still has their username"
        );
        let address = User {
            email: user.email.clone(),
            ..sample_user(2, Role::Client)
        };
        promise_eq!(
            insert(&store, &address, InsertGuard::None).await,
            Insert::EmailTaken,
            "update: a changed user still has their e-mail address"
        );
    }
}

pub async fn update_of_nobody_is_missing(store: Store) {
    let kept = sample_user(1, Role::Operations);
    add(&store, &kept).await;
    for change in every_change(&kept) {
        promise_eq!(
            update(&store, sample_user(2, Role::Client).id, change).await,
            Update::Missing,
            "update: `Missing` when there is no such user"
        );
    }
    promise_eq!(
        all(&store).await,
        [kept],
        "update: when refused, nothing was written"
    );
}

pub async fn update_with_another_hash_is_stale(store: Store) {
    let user = sample_user(1, Role::Client);
    add(&store, &user).await;
    let change = UserChange::UpgradeHash {
        from: sample_hash(2),
        to: sample_hash(3),
    };
    promise_eq!(
        update(&store, user.id, change).await,
        Update::Stale,
        "update: `Stale` when the change's precondition does not hold"
    );
    promise_eq!(
        by_id(&store, user.id).await,
        Some(user.clone()),
        "update: when refused, nothing was written"
    );
    let change = UserChange::UpgradeHash {
        from: user.password.clone(),
        to: sample_hash(3),
    };
    promise_eq!(
        update(&store, user.id, change.clone()).await,
        Update::Done(User {
            password: sample_hash(3),
            ..user.clone()
        }),
        "update: `UpgradeHash` is made when the hash is still `from`"
    );
    promise_eq!(
        update(&store, user.id, change).await,
        Update::Stale,
        "update: `UpgradeHash` is stale when the hash is no longer `from`"
    );
}

pub async fn update_keeps_the_last_operations_user(store: Store) {
    let (one, other) = (
        sample_user(1, Role::Operations),
        sample_user(2, Role::Operations),
    );
    add(&store, &one).await;
    add(&store, &sample_user(3, Role::Client)).await;
    promise_eq!(
        update(&store, one.id, UserChange::Role(Role::Client)).await,
        Update::LastOperationsUser,
        "update: at least one user with `Role::Operations` remains where there was one"
    );
    promise_eq!(
        by_id(&store, one.id).await,
        Some(one.clone()),
        "update: when refused, nothing was written"
    );
    promise!(
        matches!(
            update(&store, one.id, UserChange::Role(Role::Operations)).await,
            Update::Done(_)
        ),
        "update: the last operations user remains one when they are given that role again"
    );
    add(&store, &other).await;
    promise!(
        matches!(
            update(&store, one.id, UserChange::Role(Role::Client)).await,
            Update::Done(_)
        ),
        "update: an operations user who is not the last can be given another role"
    );
    promise_eq!(
        update(&store, other.id, UserChange::Role(Role::Client)).await,
        Update::LastOperationsUser,
        "update: at least one user with `Role::Operations` remains where there was one"
    );
    promise!(
        matches!(
            update(&store, one.id, UserChange::Role(Role::Operations)).await,
            Update::Done(_)
        ),
        "update: a client can be made an operations user"
    );
    promise!(
        matches!(
            update(&store, other.id, UserChange::Role(Role::Client)).await,
            Update::Done(_)
        ),
        "update: a user who became an operations user counts as one"
    );
}

pub async fn update_counts_disabled_operations_users(store: Store) {
    let active = sample_user(1, Role::Operations);
    let disabled = User {
        status: Status::Disabled,
        ..sample_user(2, Role::Operations)
    };
    add(&store, &active).await;
    add(&store, &disabled).await;
    promise!(
        matches!(
            update(&store, active.id, UserChange::Role(Role::Client)).await,
            Update::Done(_)
        ),
        "update: a disabled operations user has `Role::Operations`, so one remains"
    );
    promise_eq!(
        update(&store, disabled.id, UserChange::Role(Role::Client)).await,
        Update::LastOperationsUser,
        "update: the last operations user is kept, disabled or not"
    );
}

pub async fn update_may_disable_the_last_operations_user(store: Store) {
    let user = sample_user(1, Role::Operations);
    add(&store, &user).await;
    promise!(
        matches!(
            update(&store, user.id, UserChange::Status(Status::Disabled)).await,
            Update::Done(_)
        ),
        "update: a disabled user still has `Role::Operations`, so the last one can be disabled"
    );
}

pub async fn update_needs_no_operations_user_where_there_was_none(store: Store) {
    let user = sample_user(1, Role::Client);
    add(&store, &user).await;
    for change in [
        UserChange::Role(Role::Client),
        UserChange::Status(Status::Disabled),
    ] {
        promise!(
            matches!(update(&store, user.id, change).await, Update::Done(_)),
            "update: one operations user remains *where there was one*; there was none"
        );
    }
}

pub async fn concurrent_updates_are_all_made(store: Store) {
    let user = User {
        session_epoch: 0,
        ..sample_user(1, Role::Client)
    };
    add(&store, &user).await;
    at_once((0..16).map(|_| {
        let (store, id) = (store.clone(), user.id);
        async move { update(&store, id, UserChange::EndSessions).await }
    }))
    .await;
    promise_eq!(
        by_id(&store, user.id).await,
        Some(User {
            session_epoch: 16,
            ..user
        }),
        "update: reads and writes in one transaction, so no update made at the same time is lost"
    );
}

pub async fn concurrent_hash_upgrades_store_one(store: Store) {
    let user = sample_user(1, Role::Client);
    add(&store, &user).await;
    let outcomes = at_once((2..10).map(|n| {
        let (store, user) = (store.clone(), user.clone());
        let change = UserChange::UpgradeHash {
            from: user.password,
            to: sample_hash(n),
        };
        async move { update(&store, user.id, change).await }
    }))
    .await;
    let (done, others): (Vec<_>, Vec<_>) = outcomes
        .into_iter()
        .partition(|it| matches!(it, Update::Done(_)));
    promise_eq!(
        done.len(),
        1,
        "update: checks the precondition in the transaction, so one of many upgrades is made"
    );
    promise!(
        others.iter().all(|it| *it == Update::Stale),
        "update: the other upgrades are stale: {others:?}"
    );
    let now = by_id(&store, user.id).await.expect("the user is there");
    promise_eq!(
        done[0],
        Update::Done(now),
        "update: the upgrade that was made is stored"
    );
}

pub async fn concurrent_demotions_keep_one_operations_user(store: Store) {
    for n in 1..=6 {
        add(&store, &sample_user(n, Role::Operations)).await;
    }
    at_once((1..=6).map(|n| {
        let store = store.clone();
        async move {
            update(
                &store,
                sample_user(n, Role::Operations).id,
                UserChange::Role(Role::Client),
            )
            .await
        }
    }))
    .await;
    let remaining = all(&store)
        .await
        .iter()
        .filter(|user| user.role == Role::Operations)
        .count();
    promise_eq!(
        remaining,
        1,
        "update: checks in its transaction that an operations user remains, so one does"
    );
}

/// A change of each kind, to be made one after another.
fn every_change(user: &User) -> Vec<UserChange> {
    vec![
        UserChange::UpgradeHash {
            from: user.password.clone(),
            to: sample_hash(100),
        },
        UserChange::Status(Status::Disabled),
        UserChange::Status(Status::Disabled),
        UserChange::Status(Status::Active),
        UserChange::Password(sample_hash(101)),
        UserChange::Role(Role::Operations),
        UserChange::UpgradeHash {
            from: sample_hash(101),
            to: sample_hash(102),
        },
        UserChange::EndSessions,
    ]
}
