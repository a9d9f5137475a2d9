use super::{
    super::{
        ANSWERS, check_paging, promise, promise_eq,
        samples::{file_name, sample_entry, sample_group},
        walk,
    },
    Store, add, by_id, events, ids, trail,
};
use crate::{
    audience::{Audience, Scope},
    event::{Author, Event, EventKind},
    file::{File, FileEdit, FileEntry},
    id::{FileId, UserId},
    link::Edit,
    store::{Change, Outcome},
    time::Timestamp,
};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn ending(n: u32, end: impl Into<Option<u64>>) -> FileEntry {
    FileEntry {
        expires_at: end.into().map(at),
        ..sample_entry(n)
    }
}

async fn listed(store: &Store, scope: &Scope, now: Timestamp) -> Vec<FileId> {
    let files = walk(2, None, async |before| {
        store.list(scope, now, before, 2).await
    });
    ids(files.await)
}

async fn edit(store: &Store, id: FileId, edit: &FileEdit, now: u64) -> Outcome {
    let change = Change::EditFile {
        id,
        edit: edit.clone(),
        by: Author::Administrator,
        at: at(now),
    };
    store.apply(change).await.expect(ANSWERS)
}

pub async fn what_has_expired_is_in_no_list(store: Store) {
    let mut files = Vec::new();
    let ends = [None, Some(10), Some(20), None, Some(10), Some(10), Some(30)];
    for (n, end) in (1..).zip(ends) {
        files.insert(0, add(&store, &ending(n, end)).await);
    }
    let client = Scope::of_client(UserId::from_bytes([9; 16]), []);
    for now in [0, 9, 10, 11, 20, 29, 30, u64::MAX] {
        let there = |file: &&File| file.entry.expires_at.is_none_or(|end| at(now) < end);
        let whole: Vec<File> = files.iter().filter(there).cloned().collect();
        for scope in [&Scope::All, &client] {
            promise_eq!(
                listed(&store, scope, at(now)).await,
                ids(whole.clone()),
                "list: the files that have not expired, which one has from its end on"
            );
        }
        check_paging(&whole, async |before, limit| {
            store.list(&Scope::All, at(now), before, limit).await
        })
        .await;
    }
    for file in files {
        promise_eq!(
            by_id(&store, file.entry.id).await,
            Some(file),
            "by_id: the file of this id, also one that has expired"
        );
    }
}

pub async fn newest_passes_over_what_has_expired(store: Store) {
    let name = file_name("report.docx");
    let mut added = Vec::new();
    for (n, end) in (1..).zip([Some(30), None, Some(20), Some(10)]) {
        let entry = FileEntry {
            name: name.clone(),
            ..ending(n, end)
        };
        added.push(add(&store, &entry).await);
    }
    let client = Scope::of_client(UserId::from_bytes([9; 16]), []);
    for (now, expected) in [(0, 3), (9, 3), (10, 2), (19, 2), (20, 1), (u64::MAX, 1)] {
        for scope in [&Scope::All, &client] {
            promise_eq!(
                store.newest(&name, scope, at(now)).await.expect(ANSWERS),
                Some(added[expected].clone()),
                "newest: of the files of this name that have not expired, the one added last"
            );
        }
    }
}

pub async fn an_end_is_edited_while_the_file_is_there(store: Store) {
    let file = add(&store, &ending(1, 10)).await;
    let other = add(&store, &sample_entry(2)).await;
    let id = file.entry.id;
    let later = FileEdit::expiring_at(Some(at(20)));
    let set = File {
        entry: ending(1, 20),
        ..file.clone()
    };
    promise_eq!(
        edit(&store, id, &later, 9).await,
        Outcome::FileSet(set.clone()),
        "EditFile: the file as it is now, at its position"
    );
    promise_eq!(
        edit(&store, id, &FileEdit::expiring_at(None), 20).await,
        Outcome::Missing,
        "EditFile: a file that has expired is `Missing`, and stays so"
    );
    promise_eq!(
        by_id(&store, id).await,
        Some(set),
        "EditFile: when refused, nothing was written"
    );
    let never = FileEdit::expiring_at(None);
    promise!(
        matches!(edit(&store, id, &never, 19).await, Outcome::FileSet(_)),
        "EditFile: before its end it can be given none"
    );
    promise_eq!(
        listed(&store, &Scope::All, at(u64::MAX)).await,
        [other.entry.id, id],
        "EditFile: with no end it never expires"
    );
    promise_eq!(
        edit(&store, sample_entry(3).id, &never, 0).await,
        Outcome::Missing,
        "EditFile: `Missing` when there is no such file"
    );
    let changed = |now, end: Option<u64>| Event {
        at: at(now),
        by: Author::Administrator,
        kind: EventKind::ExpiryChanged {
            file: id,
            expires_at: end.map(at),
        },
    };
    let mut expected = Change::add(ending(1, 10)).events();
    promise_eq!(
        expected.len(),
        2,
        "AddFile: that the file has an end is told"
    );
    expected.extend(Change::add(sample_entry(2)).events());
    expected.extend([changed(9, Some(20)), changed(19, None)]);
    promise_eq!(
        events(trail(&store).await),
        expected,
        "EditFile: an event for each edit made, and for no other"
    );
}

pub async fn an_edit_is_made_whole_or_not_at_all(store: Store) {
    let file = add(&store, &sample_entry(1)).await;
    let id = file.entry.id;
    let nowhere = Audience::of([crate::audience::Principal::Group(sample_group(7))]);
    let both = |audience| FileEdit {
        audience: Edit::Set(audience),
        expires_at: Edit::Set(Some(at(50))),
    };
    let refused = both(nowhere.expect("it is one"));
    promise_eq!(
        edit(&store, id, &refused, 1).await,
        Outcome::NoSuchGroup(sample_group(7)),
        "EditFile: there are the groups that it is to be for"
    );
    promise_eq!(
        by_id(&store, id).await,
        Some(file.clone()),
        "EditFile: when refused, nothing was written"
    );
    let made = edit(&store, id, &both(Audience::nobody()), 1).await;
    let entry = FileEntry {
        audience: Audience::nobody(),
        ..ending(1, 50)
    };
    promise_eq!(
        made,
        Outcome::FileSet(File { entry, ..file }),
        "EditFile: all of it is made at once"
    );
    promise_eq!(
        trail(&store).await.len(),
        3,
        "EditFile: an event for each of what was edited"
    );
}
