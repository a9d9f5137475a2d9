use super::{
    super::{
        ANSWERS, at_once, check_any_limit, check_paging, promise, promise_eq,
        samples::sample_entry, walk,
    },
    Store, add, add_many, all, apply_add, events, remove, trail,
};
use crate::{
    event::{Author, Event},
    file::{FileEntry, Seq},
    id::UserId,
    store::{Change, Outcome},
    time::Timestamp,
};

pub async fn positions_increase_and_are_never_given_again(store: Store) {
    let mut last: Option<Seq> = None;
    for n in 1..=12 {
        let file = add(&store, &sample_entry(n)).await;
        promise!(
            last.is_none_or(|last| file.seq > last),
            "Seq: strictly increasing, and a removed file's position is never given again"
        );
        last = Some(file.seq);
        apply_add(&store, &file.entry).await;
        if n % 3 != 0 {
            remove(&store, file.entry.id).await;
        }
    }
    for file in all(&store).await {
        remove(&store, file.entry.id).await;
    }
    let file = add(&store, &sample_entry(100)).await;
    promise!(
        last.is_none_or(|last| file.seq > last),
        "Seq: strictly increasing, in a catalogue that was emptied too"
    );
}

pub async fn events_are_those_of_the_changes_made(store: Store) {
    let (one, other) = (sample_entry(1), sample_entry(2));
    let removal = |id, by, millis| Change::remove(id, by, Timestamp::from_millis(millis));
    let changes = [
        (true, Change::add(one.clone())),
        (true, Change::add(other.clone())),
        (false, Change::add(one.clone())),
        (
            false,
            Change::add(FileEntry {
                id: sample_entry(3).id,
                ..one.clone()
            }),
        ),
        (
            true,
            removal(one.id, Author::User(UserId::from_bytes([5; 16])), 10),
        ),
        (false, removal(one.id, Author::Administrator, 11)),
        (true, Change::add(one.clone())),
        (true, removal(other.id, Author::Administrator, 3)),
        (true, removal(one.id, Author::Anonymous, 0)),
    ];
    let mut expected: Vec<Event> = Vec::new();
    for (made, change) in changes {
        let outcome = store.apply(change.clone()).await.expect(ANSWERS);
        promise_eq!(
            matches!(outcome, Outcome::Added(_) | Outcome::Removed(_)),
            made,
            "apply: checks the preconditions of {change:?}"
        );
        if made {
            expected.extend(change.events());
        }
        promise_eq!(
            events(trail(&store).await),
            expected,
            "apply: records `Change::event` for each change made, in their order, and for no other"
        );
    }
}

pub async fn events_pages_are_the_trail(store: Store) {
    let files = add_many(&store, 5).await;
    remove(&store, files[0].entry.id).await;
    remove(&store, files[4].entry.id).await;
    let whole = trail(&store).await;
    promise_eq!(whole.len(), 7, "events: one for each change made");
    promise!(
        whole.windows(2).all(|pair| pair[0].seq < pair[1].seq),
        "Recorded::seq: later events have larger positions, oldest first"
    );
    check_paging(&whole, async |after, limit| {
        store.events(after, limit).await
    })
    .await;
}

pub async fn events_take_any_limit(store: Store) {
    add_many(&store, 2).await;
    let whole = trail(&store).await;
    check_any_limit(&whole, async |after, limit| {
        store.events(after, limit).await
    })
    .await;
}

pub async fn events_go_on_after_a_position_that_need_not_exist(store: Store) {
    add_many(&store, 4).await;
    let whole = trail(&store).await;
    for (n, recorded) in whole.iter().enumerate() {
        let rest = walk(2, Some(recorded.seq), async |after| {
            store.events(after, 2).await
        })
        .await;
        promise_eq!(rest, whole[n + 1..], "events: those after position `after`");
    }
    let rest = walk(2, Some(Seq::MAX), async |after| {
        store.events(after, 2).await
    })
    .await;
    promise_eq!(rest, [], "events: none are after the largest position");
    let later = add(&store, &sample_entry(50)).await;
    let rest = walk(2, whole.last().map(|last| last.seq), async |after| {
        store.events(after, 2).await
    })
    .await;
    promise_eq!(
        events(rest),
        Change::add(later.entry).events(),
        "events: what was recorded since is after the last position seen"
    );
}

pub async fn concurrent_changes_leave_a_trail_in_their_order(store: Store) {
    at_once((0..24).map(|n| {
        let store = store.clone();
        async move { add(&store, &sample_entry(n)).await }
    }))
    .await;
    let mut files = all(&store).await;
    files.reverse();
    let expected: Vec<_> = files
        .into_iter()
        .flat_map(|file| Change::add(file.entry).events())
        .collect();
    promise_eq!(
        events(trail(&store).await),
        expected,
        "apply: an event is recorded in its change's transaction, so the trail is in the order of the changes"
    );
}
