use super::{
    super::{
        ANSWERS, at_once, promise, promise_eq,
        samples::{email, sample_user, username},
    },
    Store, add, all, by_id, insert,
};
use crate::{
    id::UserId,
    store::{Insert, InsertGuard, StoreError},
    user::{Role, Status, User},
};

pub async fn has_operations_user_counts_all_of_them(store: Store) {
    let statement = "has_operations_user: whether any user has the role, enabled or disabled";
    let has = async || store.has_operations_user().await.expect(ANSWERS);
    promise!(!has().await, "{statement}");
    add(&store, &sample_user(1, Role::Client)).await;
    promise!(!has().await, "{statement}");
    let disabled = User {
        status: Status::Disabled,
        ..sample_user(2, Role::Operations)
    };
    add(&store, &disabled).await;
    promise!(has().await, "{statement}");
}

pub async fn insert_refuses_an_id_that_is_taken(store: Store) {
    let first = sample_user(1, Role::Operations);
    add(&store, &first).await;
    let namesake = User {
        id: first.id,
        ..sample_user(2, Role::Client)
    };
    for guard in [InsertGuard::None, InsertGuard::NoOperationsUser] {
        let refused = store.insert(namesake.clone(), guard, vec![]).await;
        promise!(
            matches!(refused, Err(StoreError::Exists)),
            "insert: `Exists` when a user has the id, which comes before all else"
        );
    }
    promise_eq!(
        by_id(&store, first.id).await,
        Some(first),
        "insert: the user who has the id stays as they were"
    );
}

pub async fn insert_checks_the_guard_first(store: Store) {
    let first = sample_user(1, Role::Operations);
    add(&store, &first).await;
    let double = User {
        id: UserId::from_bytes([9; 16]),
        ..first
    };
    promise_eq!(
        insert(&store, &double, InsertGuard::NoOperationsUser).await,
        Insert::GuardFailed,
        "insert: checks the guard before the username and the e-mail address"
    );
    promise_eq!(
        insert(
            &store,
            &sample_user(2, Role::Client),
            InsertGuard::NoOperationsUser
        )
        .await,
        Insert::GuardFailed,
        "insert: `NoOperationsUser` is about the users there are, whoever is added"
    );
}

pub async fn insert_checks_the_username_before_the_address(store: Store) {
    let (one, other) = (sample_user(1, Role::Client), sample_user(2, Role::Client));
    add(&store, &one).await;
    add(&store, &other).await;
    for address in [&one.email, &other.email] {
        let both = User {
            username: one.username.clone(),
            email: address.clone(),
            ..sample_user(3, Role::Client)
        };
        promise_eq!(
            insert(&store, &both, InsertGuard::None).await,
            Insert::UsernameTaken,
            "insert: checks that the username is free before it checks the e-mail address"
        );
    }
    let address = User {
        email: other.email,
        ..sample_user(3, Role::Client)
    };
    promise_eq!(
        insert(&store, &address, InsertGuard::None).await,
        Insert::EmailTaken,
        "insert: checks that the e-mail address is free"
    );
}

pub async fn insert_takes_addresses_that_differ_in_case_for_the_same(store: Store) {
    let kept = reached_at(1, "Ann@Example.org");
    add(&store, &kept).await;
    for text in [
        "Ann@Example.org",
        "ann@example.org",
        "ANN@EXAMPLE.ORG",
        "aNN@example.Org",
    ] {
        promise_eq!(
            insert(&store, &reached_at(2, text), InsertGuard::None).await,
            Insert::EmailTaken,
            "insert: {text:?} is not free, as its `Email::unique_key` is taken"
        );
    }
    promise_eq!(
        by_id(&store, kept.id).await,
        Some(kept),
        "insert: an e-mail address is kept as typed"
    );
    add(&store, &reached_at(2, "ärger@example.org")).await;
    promise_eq!(
        insert(
            &store,
            &reached_at(3, "Ärger@example.org"),
            InsertGuard::None
        )
        .await,
        Insert::EmailTaken,
        "insert: an e-mail address is free when its `Email::unique_key` is, beyond ASCII too"
    );
}

pub async fn insert_guard_sees_operations_users_alone(store: Store) {
    add(&store, &sample_user(1, Role::Client)).await;
    for (n, role) in [(2, Role::Client), (3, Role::Operations)] {
        promise_eq!(
            insert(&store, &sample_user(n, role), InsertGuard::NoOperationsUser).await,
            Insert::Done,
            "InsertGuard::NoOperationsUser: holds while no user has `Role::Operations`"
        );
    }
    promise_eq!(
        insert(
            &store,
            &sample_user(4, Role::Operations),
            InsertGuard::NoOperationsUser
        )
        .await,
        Insert::GuardFailed,
        "InsertGuard::NoOperationsUser: fails once a user has `Role::Operations`"
    );
    promise_eq!(
        insert(&store, &sample_user(4, Role::Operations), InsertGuard::None).await,
        Insert::Done,
        "InsertGuard::None: asks for nothing more"
    );
}

pub async fn insert_guard_counts_disabled_operations_users(store: Store) {
    add(
        &store,
        &User {
            status: Status::Disabled,
            ..sample_user(1, Role::Operations)
        },
    )
    .await;
    promise_eq!(
        insert(
            &store,
            &sample_user(2, Role::Operations),
            InsertGuard::NoOperationsUser
        )
        .await,
        Insert::GuardFailed,
        "InsertGuard::NoOperationsUser: no user has `Role::Operations`, enabled or disabled"
    );
}

pub async fn a_refused_insert_writes_nothing(store: Store) {
    let kept = sample_user(1, Role::Operations);
    add(&store, &kept).await;
    let refused = [
        (InsertGuard::NoOperationsUser, sample_user(2, Role::Client)),
        (
            InsertGuard::None,
            User {
                username: kept.username.clone(),
                ..sample_user(3, Role::Client)
            },
        ),
        (
            InsertGuard::None,
            User {
                email: kept.email.clone(),
                ..sample_user(4, Role::Client)
            },
        ),
    ];
    for (guard, user) in &refused {
        promise!(
            insert(&store, user, *guard).await != Insert::Done,
            "insert: the guard holds, the username is free and the e-mail address is free"
        );
        promise_eq!(
            by_id(&store, user.id).await,
            None,
            "insert: when refused, nothing was written"
        );
    }
    promise_eq!(
        by_id(&store, kept.id).await,
        Some(kept.clone()),
        "insert: when refused, nothing was written"
    );
    promise_eq!(
        all(&store).await,
        [kept],
        "insert: when refused, nothing was written"
    );
    for n in 2..=4 {
        promise_eq!(
            insert(&store, &sample_user(n, Role::Client), InsertGuard::None).await,
            Insert::Done,
            "insert: when refused, nothing was written: the id, the username and the e-mail address are still free"
        );
    }
}

pub async fn concurrent_inserts_of_one_username_store_one(store: Store) {
    let users = (1..=8).map(|n| User {
        username: username("ann"),
        ..sample_user(n, Role::Client)
    });
    one_is_stored(
        &store,
        users.collect(),
        InsertGuard::None,
        Insert::UsernameTaken,
    )
    .await;
}

pub async fn concurrent_inserts_of_one_address_store_one(store: Store) {
    let spellings = ["ann@example.org", "Ann@Example.org"].into_iter().cycle();
    let users = (1..=8).zip(spellings).map(|(n, text)| reached_at(n, text));
    one_is_stored(
        &store,
        users.collect(),
        InsertGuard::None,
        Insert::EmailTaken,
    )
    .await;
}

pub async fn concurrent_first_operations_users_store_one(store: Store) {
    let users = (1..=8).map(|n| sample_user(n, Role::Operations));
    one_is_stored(
        &store,
        users.collect(),
        InsertGuard::NoOperationsUser,
        Insert::GuardFailed,
    )
    .await;
}

async fn one_is_stored(store: &Store, users: Vec<User>, guard: InsertGuard, otherwise: Insert) {
    let outcomes = at_once(users.iter().cloned().map(|user| {
        let store = store.clone();
        async move { insert(&store, &user, guard).await }
    }))
    .await;
    let done: Vec<_> = users
        .into_iter()
        .zip(&outcomes)
        .filter(|(_, it)| **it == Insert::Done)
        .map(|(user, _)| user)
        .collect();
    promise_eq!(
        done.len(),
        1,
        "insert: checks and writes in one transaction, so of inserts at the same time one is done"
    );
    promise!(
        outcomes
            .iter()
            .all(|it| [Insert::Done, otherwise].contains(it)),
        "insert: of inserts at the same time, those not done say {otherwise:?}: {outcomes:?}"
    );
    promise_eq!(
        all(store).await,
        done,
        "insert: the one that was done is stored, and no other"
    );
}

fn reached_at(n: u32, address: &str) -> User {
    User {
        email: email(address),
        ..sample_user(n, Role::Client)
    }
}
