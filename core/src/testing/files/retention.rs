use std::collections::BTreeMap;

use super::{
    super::{ANSWERS, promise, promise_eq, samples::sample_entry},
    Store, add, events,
    groups::{add_group, remove_group},
    trail,
};
use crate::{
    audience::{Audience, Principal},
    event::{Author, EventKind},
    file::{FileEdit, FileEntry},
    group::{Group, GroupEdit, Retention},
    id::{FileId, GroupId},
    link::Edit,
    removal::{Ended, Removal},
    store::{Change, Outcome},
    time::Timestamp,
};

/// Milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;
const START: u64 = 1_700_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn days(days: u32) -> Option<Retention> {
    Some(Retention::of_days(days).expect("it is one"))
}

fn groups_alone(groups: &[GroupId]) -> Audience {
    let groups = groups.iter().copied().map(Principal::Group);
    Audience::of(groups).expect("they are few")
}

fn entry_for(n: u32, uploaded_at: u64, groups: &[GroupId]) -> FileEntry {
    FileEntry {
        uploaded_at: at(uploaded_at),
        audience: groups_alone(groups),
        ..sample_entry(n)
    }
}

async fn apply(store: &Store, change: Change) -> Outcome {
    store.apply(change).await.expect(ANSWERS)
}

async fn retain(store: &Store, group: &Group, retention: Option<Retention>) {
    let change = Change::EditGroup {
        id: group.id,
        edit: GroupEdit::retaining(retention),
        by: Author::Administrator,
        at: at(START),
    };
    let retention = Group {
        retention,
        ..group.clone()
    };
    promise_eq!(
        apply(store, change).await,
        Outcome::GroupSet(retention.clone()),
        "EditGroup: the group as it is now"
    );
    promise_eq!(
        store.group(group.id).await.expect(ANSWERS),
        Some(retention),
        "EditGroup: is seen by every read"
    );
}

async fn ended(store: &Store, now: u64) -> BTreeMap<FileId, Removal> {
    let ended = store.ended(at(now), 100).await.expect(ANSWERS);
    let by_file: BTreeMap<_, _> = ended
        .iter()
        .map(|Ended { file, why }| (*file, *why))
        .collect();
    promise_eq!(by_file.len(), ended.len(), "ended: each once");
    by_file
}

fn over(numbers: &[u32]) -> BTreeMap<FileId, Removal> {
    let files = numbers.iter().map(|n| sample_entry(*n).id);
    files.map(|id| (id, Removal::Retention)).collect()
}

fn removal(n: u32, now: u64) -> Change {
    Change::RemoveFile {
        id: sample_entry(n).id,
        why: Removal::Retention,
        keep_until: Some(at(now + DAY)),
        by: Author::Sweeper,
        at: at(now),
    }
}

pub async fn files_end_with_the_shortest_retention_of_their_groups(store: Store) {
    let one = add_group(&store, 1, "one").await;
    let two = add_group(&store, 2, "two").await;
    // Times that are not in the order of positions, as when somebody set the clock.
    for (n, uploaded_at, groups) in [
        (1, START + 5 * DAY, &[one.id][..]),
        (2, START, &[one.id]),
        (3, START, &[one.id, two.id]),
        (4, START, &[two.id]),
        (5, START, &[]),
    ] {
        add(&store, &entry_for(n, uploaded_at, groups)).await;
    }
    add(
        &store,
        &FileEntry {
            uploaded_at: at(START),
            ..sample_entry(6)
        },
    )
    .await;
    promise_eq!(
        ended(&store, u64::MAX / 2).await,
        over(&[]),
        "ended: none where no group has a retention"
    );
    retain(&store, &one, days(3)).await;
    promise_eq!(
        ended(&store, START + 3 * DAY - 1).await,
        over(&[]),
        "ended: not a moment too early"
    );
    promise_eq!(
        ended(&store, START + 3 * DAY).await,
        over(&[2, 3]),
        "ended: the files for the group, so long after their uploads"
    );
    promise_eq!(
        ended(&store, START + 8 * DAY).await,
        over(&[1, 2, 3]),
        "ended: each by its own time, whatever its position"
    );
    promise_eq!(
        store
            .ended(at(START + 8 * DAY), 2)
            .await
            .expect(ANSWERS)
            .len(),
        2,
        "ended: at most `limit` of them"
    );
    retain(&store, &two, days(1)).await;
    promise_eq!(
        ended(&store, START + DAY).await,
        over(&[3, 4]),
        "ended: of several retentions the shortest counts"
    );
    for (n, now) in [
        (2, START + 2 * DAY),
        (5, START + 9 * DAY),
        (6, START + 9 * DAY),
    ] {
        promise_eq!(
            apply(&store, removal(n, now)).await,
            Outcome::Stale,
            "RemoveFile: `Stale` when no retention of its groups is over"
        );
    }
    promise!(
        matches!(
            apply(&store, removal(3, START + DAY)).await,
            Outcome::Removed(_)
        ),
        "RemoveFile: when the shortest retention of its groups is over"
    );
    promise_eq!(
        ended(&store, START + DAY).await,
        over(&[4]),
        "ended: none that is removed already"
    );
    retain(&store, &one, None).await;
    promise!(
        remove_group(&store, two.id).await != Outcome::Missing,
        "RemoveGroup: removes a group that exists"
    );
    promise_eq!(
        ended(&store, u64::MAX / 2).await,
        over(&[]),
        "ended: none by a retention that there is no more"
    );
}

pub async fn a_retention_follows_the_audience_and_the_restoration(store: Store) {
    let one = add_group(&store, 1, "one").await;
    retain(&store, &one, days(1)).await;
    let file = add(&store, &entry_for(1, START, &[])).await;
    let id = file.entry.id;
    let edit = async |edit| {
        let (by, at) = (Author::Administrator, at(START));
        let change = Change::EditFile { id, edit, by, at };
        promise!(
            matches!(apply(&store, change).await, Outcome::FileSet(_)),
            "EditFile: changes a file that exists"
        );
    };
    edit(FileEdit::sharing_with(groups_alone(&[one.id]))).await;
    promise_eq!(
        ended(&store, START + DAY).await,
        over(&[1]),
        "ended: by the groups that the file is for now"
    );
    edit(FileEdit::sharing_with(Audience::everybody())).await;
    promise_eq!(
        ended(&store, START + DAY).await,
        over(&[]),
        "ended: by the groups that the file is for now"
    );
    edit(FileEdit::sharing_with(groups_alone(&[one.id]))).await;
    apply(&store, removal(1, START + DAY)).await;
    let back = Change::RestoreFile {
        id,
        expires_at: Edit::Keep,
        by: Author::Administrator,
        at: at(START + DAY + 5),
    };
    promise!(
        matches!(apply(&store, back).await, Outcome::Restored(_)),
        "RestoreFile: restores what a retention has ended"
    );
    promise_eq!(
        ended(&store, START + 2 * DAY + 4).await,
        over(&[]),
        "ended: a retention counts anew from the restoration on"
    );
    promise_eq!(
        ended(&store, START + 2 * DAY + 5).await,
        over(&[1]),
        "ended: a retention counts anew from the restoration on"
    );
    edit(FileEdit::expiring_at(Some(at(START + 2 * DAY)))).await;
    promise_eq!(
        ended(&store, START + 2 * DAY + 5).await.get(&id),
        Some(&Removal::Expired),
        "ended: that it has expired comes first"
    );
}

pub async fn retentions_are_told(store: Store) {
    let group = add_group(&store, 1, "one").await;
    retain(&store, &group, days(30)).await;
    retain(&store, &group, None).await;
    let new = Group {
        retention: days(7),
        ..super::groups::group(2, "two")
    };
    promise_eq!(
        apply(&store, Change::AddGroup(new.clone())).await,
        Outcome::GroupSet(new.clone()),
        "AddGroup: with its retention"
    );
    let told: Vec<_> = events(trail(&store).await)
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::RetentionChanged { group, retention } => Some((group, retention)),
            _ => None,
        })
        .collect();
    promise_eq!(
        told,
        [(group.id, days(30)), (group.id, None), (new.id, days(7))],
        "EditGroup: an event for each retention that is set, a new group's too"
    );
}
