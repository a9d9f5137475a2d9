use std::time::Duration;

use super::{
    super::{
        ANSWERS, at_once, promise, promise_eq, promise_matches,
        samples::{sample_entry, sample_group, sample_lease, sample_link},
    },
    Store, add_many, all, events, trail,
};
use crate::{
    event::Author,
    file::FileEntry,
    group::{Group, GroupName},
    id::UserId,
    once::{Made, Once, OnceKey, Remembered},
    quota::Quota,
    store::{Change, Outcome},
    time::Timestamp,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn once(key: u8, request: u8, at: u64, change: Change) -> Change {
    let at = Timestamp::from_secs(at);
    let once = Once {
        key: OnceKey([key; 32]),
        request: [request; 32],
        at,
        until: at + DAY,
    };
    let change = Box::new(change);
    Change::Once { once, change }
}

fn addition(n: u32) -> Change {
    Change::add(sample_entry(n))
}

async fn apply(store: &Store, change: Change) -> Outcome {
    store.apply(change).await.expect(ANSWERS)
}

async fn remembered(store: &Store, key: u8) -> Option<Remembered> {
    store.remembered(OnceKey([key; 32])).await.expect(ANSWERS)
}

pub async fn what_is_asked_for_twice_is_made_once(store: Store) {
    promise_eq!(
        remembered(&store, 1).await,
        None,
        "remembered: nothing before it is done"
    );
    promise_matches!(
        apply(&store, once(1, 1, 0, addition(1))).await,
        Outcome::Added(_),
        "Once: makes the change, and answers as that does"
    );
    let made = Made::File(sample_entry(1).id);
    let expected = Remembered {
        request: [1; 32],
        made,
        until: Timestamp::from_secs(0) + DAY,
    };
    promise_eq!(
        remembered(&store, 1).await,
        Some(expected.clone()),
        "remembered: what was made, and until when that is known"
    );
    let told = events(trail(&store).await);
    promise_eq!(told, addition(1).events(), "Once: the events of the change");
    // Whatever the second brings with it, for ids are made anew.
    for change in [addition(1), addition(2)] {
        promise_eq!(
            apply(&store, once(1, 1, 60, change)).await,
            Outcome::Repeated(made),
            "Once: `Repeated` when it was made before by the same key"
        );
    }
    promise_eq!(
        apply(&store, once(1, 2, 60, addition(2))).await,
        Outcome::OtherRequest,
        "Once: `OtherRequest` when the request is another"
    );
    promise_matches!(
        apply(&store, once(2, 1, 60, addition(3))).await,
        Outcome::Added(_),
        "Once: another key is another request"
    );
    let files = all(&store).await;
    promise_eq!(files.len(), 2, "Once: what is not made is not there");
    let told = events(trail(&store).await);
    promise_eq!(told.len(), 2, "Once: what is not made is no event");
    promise_eq!(
        remembered(&store, 1).await,
        Some(expected),
        "Once: what is repeated is not remembered for longer"
    );
}

pub async fn all_that_makes_something_can_be_made_once(store: Store) {
    add_many(&store, 1).await;
    let group = Group {
        id: sample_group(1),
        name: GroupName::parse("one").expect("it is a name"),
        created_by: UserId::from_bytes([1; 16]),
        created_at: Timestamp::from_secs(0),
        retention: None,
    };
    let (link, lease) = (sample_link(1), sample_lease(1, 1));
    let opening = Change::OpenLease {
        lease: lease.clone(),
        revision: link.revision,
        code: None,
        by: Author::Anonymous,
    };
    for (key, change, made) in [
        (1, Change::AddGroup(group.clone()), Made::Group(group.id)),
        (2, Change::AddLink(link.clone()), Made::Link(link.id)),
        (3, opening, Made::Lease(lease.id)),
    ] {
        for outcome in [None, Some(Outcome::Repeated(made))] {
            let answered = apply(&store, once(key, 1, 0, change.clone())).await;
            promise!(
                outcome.is_none() || outcome == Some(answered),
                "Once: the second time it is `Repeated`"
            );
        }
        let done = remembered(&store, key).await;
        promise_eq!(
            done.map(|done| done.made),
            Some(made),
            "remembered: what was made"
        );
    }
    let counted = store.link(link.id).await.expect(ANSWERS);
    promise_eq!(
        counted.map(|link| link.downloads),
        Some(1),
        "Once: a lease is counted once"
    );
}

pub async fn what_was_refused_is_not_remembered(store: Store) {
    let none = Quota {
        files: Some(0),
        ..Quota::NONE
    };
    let entry: FileEntry = sample_entry(1);
    let refused = Change::AddFile { entry, quota: none };
    promise_eq!(
        apply(&store, once(1, 1, 0, refused)).await,
        Outcome::OverQuota,
        "Once: answers as the change does"
    );
    promise_eq!(
        remembered(&store, 1).await,
        None,
        "Once: what was refused is not remembered"
    );
    promise_matches!(
        apply(&store, once(1, 2, 0, addition(1))).await,
        Outcome::Added(_),
        "Once: and can be asked for again, or otherwise"
    );
}

pub async fn what_was_done_once_is_forgotten_in_time(store: Store) {
    let day = DAY.as_secs();
    apply(&store, once(1, 1, 0, addition(1))).await;
    apply(&store, once(2, 1, 60, addition(2))).await;
    promise_eq!(
        apply(&store, once(1, 1, day - 1, addition(3))).await,
        Outcome::Repeated(Made::File(sample_entry(1).id)),
        "Once: it is known before its end"
    );
    promise_matches!(
        apply(&store, once(1, 2, day, addition(3))).await,
        Outcome::Added(_),
        "Once: it is not known from its end on, though it be kept"
    );
    let forget = |before| Change::ForgetOnce {
        before: Timestamp::from_secs(before),
    };
    promise_eq!(
        apply(&store, forget(day + 60)).await,
        Outcome::Missing,
        "ForgetOnce: `Missing` when there is none to be forgotten"
    );
    promise_eq!(
        apply(&store, forget(day + 61)).await,
        Outcome::Forgotten(1),
        "ForgetOnce: what is to be remembered until before"
    );
    promise!(
        remembered(&store, 2).await.is_none() && remembered(&store, 1).await.is_some(),
        "ForgetOnce: and nothing else"
    );
}

pub async fn of_many_at_once_by_one_key_one_is_made(store: Store) {
    let asked = (1..=8).map(|n| {
        let (store, change) = (store.clone(), once(1, 1, 0, addition(n)));
        async move { apply(&store, change).await }
    });
    let outcomes = at_once(asked).await;
    let added = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Added(_)));
    promise_eq!(added.count(), 1, "Once: one of many is made");
    let files = all(&store).await;
    promise_eq!(files.len(), 1, "Once: one of many is there");
    let made = Outcome::Repeated(Made::File(files[0].entry.id));
    let repeated = outcomes.iter().filter(|outcome| **outcome == made);
    promise_eq!(repeated.count(), 7, "Once: and all others are told which");
}
