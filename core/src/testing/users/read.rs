use super::{
    super::{
        ANSWERS, check_any_limit, check_paging, promise, promise_eq,
        samples::{email, sample_user},
    },
    Store, add, by_id, by_name, insert, named, names_after,
};
use crate::{
    id::UserId,
    store::{Insert, InsertGuard},
    time::Timestamp,
    user::{Role, Status, User, Username},
};

pub async fn an_empty_store_has_no_users(store: Store) {
    promise_eq!(
        store
            .by_id(UserId::from_bytes([7; 16]))
            .await
            .expect(ANSWERS),
        None,
        "by_id: the user of this id, and there is none"
    );
    promise_eq!(
        by_name(&store, "ann").await,
        None,
        "by_username: the user of this name, and there is none"
    );
    let page = store.list(None, 10).await.expect(ANSWERS);
    promise!(
        page.items.is_empty() && page.next.is_none(),
        "list: an empty list is one empty page"
    );
}

pub async fn check_answers(store: Store) {
    promise!(
        store.check().await.is_ok(),
        "check: a store that answers says so"
    );
}

pub async fn by_email_takes_upper_and_lower_case_for_the_same(store: Store) {
    let user = User {
        email: email("Ann@Example.org"),
        ..sample_user(1, Role::Client)
    };
    add(&store, &user).await;
    add(&store, &sample_user(2, Role::Client)).await;
    for address in ["Ann@Example.org", "ann@example.ORG"] {
        promise_eq!(
            store.by_email(&email(address)).await.expect(ANSWERS),
            Some(user.clone()),
            "by_email: the user whose address has the same unique key"
        );
    }
    promise_eq!(
        store
            .by_email(&email("ann@example.com"))
            .await
            .expect(ANSWERS),
        None,
        "by_email: and no other"
    );
}

pub async fn by_id_finds_the_user_as_inserted(store: Store) {
    let mut users = vec![
        sample_user(1, Role::Operations),
        sample_user(2, Role::Client),
    ];
    users.push(User {
        status: Status::Disabled,
        session_epoch: u32::MAX,
        created_at: Timestamp::from_millis(u64::MAX),
        ..sample_user(3, Role::Client)
    });
    users.push(User {
        session_epoch: 0,
        created_at: Timestamp::from_millis(0),
        ..sample_user(4, Role::Operations)
    });
    for user in &users {
        add(&store, user).await;
    }
    for user in &users {
        promise_eq!(
            by_id(&store, user.id).await,
            Some(user.clone()),
            "by_id: the user of this id, as inserted"
        );
    }
    promise_eq!(
        by_id(&store, sample_user(5, Role::Client).id).await,
        None,
        "by_id: the user of this id, and no other"
    );
}

pub async fn by_username_tells_upper_and_lower_case_apart(store: Store) {
    let (lower, upper) = (named(1, "ann"), named(2, "Ann"));
    add(&store, &lower).await;
    promise_eq!(
        by_name(&store, "Ann").await,
        None,
        "by_username: upper and lower case are told apart"
    );
    promise_eq!(
        insert(&store, &upper, InsertGuard::None).await,
        Insert::Done,
        "insert: usernames that differ in case are different, so both are free"
    );
    promise_eq!(
        by_name(&store, "ann").await,
        Some(lower),
        "by_username: upper and lower case are told apart"
    );
    promise_eq!(
        by_name(&store, "Ann").await,
        Some(upper),
        "by_username: upper and lower case are told apart"
    );
    for other in ["ANN", "an", "anna", " ann"] {
        promise_eq!(
            by_name(&store, other).await,
            None,
            "by_username: the user of exactly this name"
        );
    }
}

pub async fn names_and_addresses_of_any_valid_length_are_kept(store: Store) {
    let labels = vec!["b".repeat(60); 3].join(".");
    let users = [
        named(1, &"名".repeat(Username::MAX_CHARS)),
        named(2, &"🦀".repeat(Username::MAX_CHARS)),
        User {
            email: email(&format!("{}@{labels}", "a".repeat(64))),
            ..named(3, "x")
        },
    ];
    for user in &users {
        add(&store, user).await;
        promise_eq!(
            store.by_username(&user.username).await.expect(ANSWERS),
            Some(user.clone()),
            "by_username: any valid name is kept"
        );
    }
}

pub async fn list_is_ordered_by_username_bytewise(store: Store) {
    let mut names = [
        "b", "é", "a", "B", "Zoë", "名", "aa", "a b", "z", "🦀", "ﬀ", "_", "1", "a-",
    ];
    for (n, name) in (1..).zip(names) {
        add(&store, &named(n, name)).await;
    }
    names.sort_unstable();
    promise_eq!(
        names_after(&store, None, 100).await,
        names,
        "list: ordered by username bytewise"
    );
}

pub async fn list_pages_are_the_list(store: Store) {
    for n in 1..=7 {
        add(&store, &sample_user(n, Role::Client)).await;
    }
    let whole: Vec<_> = (1..=7).map(|n| sample_user(n, Role::Client)).collect();
    check_paging(&whole, async |after: Option<Username>, limit| {
        store.list(after.as_ref(), limit).await
    })
    .await;
}

pub async fn list_takes_any_limit(store: Store) {
    let whole = [sample_user(1, Role::Client), sample_user(2, Role::Client)];
    add(&store, &whole[0]).await;
    add(&store, &whole[1]).await;
    check_any_limit(&whole, async |after: Option<Username>, limit| {
        store.list(after.as_ref(), limit).await
    })
    .await;
}

pub async fn list_goes_on_after_a_name_that_need_not_exist(store: Store) {
    for (n, name) in (1..).zip(["b", "d", "f"]) {
        add(&store, &named(n, name)).await;
    }
    for (after, rest) in [
        ("a", &["b", "d", "f"][..]),
        ("b", &["d", "f"]),
        ("c", &["d", "f"]),
        ("e", &["f"]),
        ("f", &[]),
        ("g", &[]),
    ] {
        for limit in [1, 2, 10] {
            promise_eq!(
                names_after(&store, Some(after), limit).await,
                rest,
                "list: the users after the one named `after` ({after:?}), who need not exist"
            );
        }
    }
}
