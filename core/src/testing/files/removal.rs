use super::{
    super::{
        ANSWERS, at_once, check_any_limit, check_paging, promise, promise_eq,
        samples::{sample_entry, sample_key},
    },
    Store, add, add_many, all, apply_add, by_id, events, ids, newest, trail,
};
use crate::{
    event::{Author, Event, EventKind},
    file::{File, FileEntry},
    id::FileId,
    link::Edit,
    quota::{Quota, Usage},
    removal::{Ended, Purge, Removal, RemovedFile},
    store::{Change, Outcome},
    time::Timestamp,
};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn removal(id: FileId, why: Removal, now: u64, until: u64) -> Change {
    Change::RemoveFile {
        id,
        why,
        keep_until: Some(at(until)),
        by: Author::Sweeper,
        at: at(now),
    }
}

fn restoration(id: FileId, expires_at: Edit<Option<Timestamp>>, now: u64) -> Change {
    Change::RestoreFile {
        id,
        expires_at,
        by: Author::Administrator,
        at: at(now),
    }
}

fn purging(id: FileId, purge: Purge, now: u64) -> Change {
    Change::PurgeFile {
        id,
        purge,
        by: Author::Sweeper,
        at: at(now),
    }
}

async fn apply(store: &Store, change: Change) -> Outcome {
    store.apply(change).await.expect(ANSWERS)
}

/// Removes a file, and keeps it.
async fn keep(store: &Store, file: &File, now: u64, until: u64) -> RemovedFile {
    let change = removal(file.entry.id, Removal::Asked, now, until);
    promise_eq!(
        apply(store, change).await,
        Outcome::Removed(file.clone()),
        "RemoveFile: `Removed` holds what the file was"
    );
    RemovedFile {
        file: file.clone(),
        why: Removal::Asked,
        removed_by: Author::Sweeper,
        removed_at: at(now),
        kept_until: at(until),
    }
}

fn restored_at(file: &File, now: u64) -> File {
    let mut file = file.clone();
    file.entry.restored_at = Some(at(now));
    file
}

async fn removed_file(store: &Store, id: FileId) -> Option<RemovedFile> {
    store.removed_file(id).await.expect(ANSWERS)
}

async fn due(store: &Store, now: u64, limit: usize) -> Vec<RemovedFile> {
    store.due(at(now), limit).await.expect(ANSWERS)
}

async fn removed(store: &Store, now: u64) -> Vec<RemovedFile> {
    let page = store.removed(at(now), None, 100).await.expect(ANSWERS);
    page.items
}

async fn usage(store: &Store, entry: &FileEntry) -> Usage {
    store.usage(entry.uploaded_by).await.expect(ANSWERS)
}

pub async fn what_is_kept_is_in_no_other_read(store: Store) {
    let files = add_many(&store, 3).await;
    let gone = keep(&store, &files[1], 5, 10).await;
    let entry = &files[1].entry;
    promise_eq!(
        by_id(&store, entry.id).await,
        None,
        "RemoveFile: by_id no longer finds the file"
    );
    promise_eq!(
        newest(&store, &entry.name).await,
        None,
        "RemoveFile: newest no longer finds the file"
    );
    promise_eq!(
        all(&store).await,
        [files[2].clone(), files[0].clone()],
        "RemoveFile: the file is no longer listed, and the others are"
    );
    promise_eq!(
        removed_file(&store, entry.id).await,
        Some(gone.clone()),
        "removed_file: the removed file of this id"
    );
    promise_eq!(
        removed_file(&store, files[0].entry.id).await,
        None,
        "removed_file: none that is not removed"
    );
    promise_eq!(
        removed(&store, 9).await,
        std::slice::from_ref(&gone),
        "removed: those that are kept"
    );
    promise_eq!(
        removed(&store, 10).await,
        [],
        "removed: none that is kept no longer"
    );
    promise_eq!(
        removed_file(&store, entry.id).await,
        Some(gone),
        "removed_file: also one that is kept no longer"
    );
    let again = removal(entry.id, Removal::Asked, 6, 20);
    promise_eq!(
        apply(&store, again).await,
        Outcome::Missing,
        "RemoveFile: `Missing` when the file was removed before"
    );
    let kind = EventKind::FileRemoved {
        file: entry.id,
        why: Removal::Asked,
        kept_until: Some(at(10)),
    };
    let told = Event {
        at: at(5),
        by: Author::Sweeper,
        kind,
    };
    promise_eq!(
        events(trail(&store).await).last(),
        Some(&told),
        "RemoveFile: is told with why, and until when it is kept"
    );
}

pub async fn what_is_kept_takes_its_room_until_it_is_purged(store: Store) {
    let file = add(&store, &sample_entry(1)).await;
    let entry = &file.entry;
    keep(&store, &file, 5, 10).await;
    promise!(
        store.references(entry.blob).await.expect(ANSWERS),
        "references: a removed file that is in the catalogue still has its bytes"
    );
    promise_eq!(
        usage(&store, entry).await,
        Usage::file(1000),
        "usage: what was removed counts as long as it is in the catalogue"
    );
    let other = FileEntry {
        blob: sample_key(9),
        ..entry.clone()
    };
    promise_eq!(
        apply_add(&store, &other).await,
        Outcome::Exists,
        "AddFile: no file has its id, removed or not"
    );
    let other = FileEntry {
        blob: entry.blob,
        uploaded_by: entry.uploaded_by,
        ..sample_entry(9)
    };
    promise_eq!(
        apply_add(&store, &other).await,
        Outcome::Exists,
        "AddFile: no file has its blob, removed or not"
    );
    let one = Quota {
        files: Some(1),
        bytes: None,
    };
    let added = |n: u32| Change::AddFile {
        entry: FileEntry {
            uploaded_by: entry.uploaded_by,
            ..sample_entry(n)
        },
        quota: one,
    };
    promise_eq!(
        apply(&store, added(2)).await,
        Outcome::OverQuota,
        "AddFile: removed files count towards the quota: upload and remove would fill the store"
    );
    let purged = apply(&store, purging(entry.id, Purge::Now, 6)).await;
    promise!(
        matches!(&purged, Outcome::Purged(removed) if removed.file == file),
        "PurgeFile: `Purged` holds what the file was: {purged:?}"
    );
    promise!(
        !store.references(entry.blob).await.expect(ANSWERS),
        "PurgeFile: its blob is no longer referenced"
    );
    promise_eq!(
        usage(&store, entry).await,
        Usage::default(),
        "PurgeFile: it takes nothing any more"
    );
    promise!(
        matches!(apply(&store, added(2)).await, Outcome::Added(_)),
        "PurgeFile: there is room again"
    );
    promise_eq!(
        removed_file(&store, entry.id).await,
        None,
        "PurgeFile: it is among the removed no more"
    );
    promise!(
        matches!(apply_add(&store, entry).await, Outcome::Added(_)),
        "PurgeFile: its id and its blob are free"
    );
}

pub async fn what_is_kept_is_restored_as_it_was(store: Store) {
    let files = add_many(&store, 3).await;
    let gone = &files[1];
    let id = gone.entry.id;
    promise_eq!(
        apply(&store, restoration(id, Edit::Keep, 5)).await,
        Outcome::Missing,
        "RestoreFile: `Missing` when the file was not removed"
    );
    keep(&store, gone, 5, 10).await;
    let again = restored_at(gone, 9);
    promise_eq!(
        apply(&store, restoration(id, Edit::Keep, 10)).await,
        Outcome::Missing,
        "RestoreFile: `Missing` when it is kept no longer"
    );
    promise_eq!(
        apply(&store, restoration(id, Edit::Keep, 9)).await,
        Outcome::Restored(again.clone()),
        "RestoreFile: the file as it was, at its position, and when it was restored"
    );
    let gone = &again;
    let whole = [files[2].clone(), again.clone(), files[0].clone()];
    promise_eq!(
        all(&store).await,
        whole,
        "RestoreFile: it is listed where it was"
    );
    promise_eq!(
        by_id(&store, id).await.as_ref(),
        Some(gone),
        "RestoreFile: by_id finds it"
    );
    promise_eq!(
        newest(&store, &gone.entry.name).await.as_ref(),
        Some(gone),
        "RestoreFile: newest finds it"
    );
    promise_eq!(
        usage(&store, &gone.entry).await,
        Usage::file(gone.entry.size),
        "RestoreFile: it takes what it took"
    );
    promise_eq!(
        removed_file(&store, id).await,
        None,
        "RestoreFile: it is among the removed no more"
    );
    promise_eq!(
        due(&store, u64::MAX, 9).await,
        [],
        "RestoreFile: it is not due any more"
    );
    let told = Event {
        at: at(9),
        by: Author::Administrator,
        kind: EventKind::FileRestored { file: id },
    };
    promise_eq!(
        events(trail(&store).await).last(),
        Some(&told),
        "RestoreFile: is told"
    );
    keep(&store, gone, 11, 20).await;
}

pub async fn what_would_have_ended_is_not_restored(store: Store) {
    let entry = FileEntry {
        expires_at: Some(at(5)),
        ..sample_entry(1)
    };
    let file = add(&store, &entry).await;
    let id = entry.id;
    promise_eq!(
        apply(&store, removal(id, Removal::Expired, 4, 20)).await,
        Outcome::Stale,
        "RemoveFile: `Stale` when it was to have expired, and has not"
    );
    only_with(&store, &file).await;
    promise!(
        matches!(
            apply(&store, removal(id, Removal::Expired, 5, 20)).await,
            Outcome::Removed(_)
        ),
        "RemoveFile: from its end on it has expired"
    );
    for edit in [Edit::Keep, Edit::Set(Some(at(6)))] {
        promise_eq!(
            apply(&store, restoration(id, edit, 6)).await,
            Outcome::Stale,
            "RestoreFile: with the end that it has then it is there"
        );
    }
    let restored = File {
        entry: FileEntry {
            expires_at: Some(at(7)),
            restored_at: Some(at(6)),
            ..entry
        },
        ..file
    };
    promise_eq!(
        apply(&store, restoration(id, Edit::Set(Some(at(7))), 6)).await,
        Outcome::Restored(restored.clone()),
        "RestoreFile: with another end"
    );
    promise_eq!(
        by_id(&store, id).await,
        Some(restored),
        "RestoreFile: with another end"
    );
    let told = EventKind::ExpiryChanged {
        file: id,
        expires_at: Some(at(7)),
    };
    promise_eq!(
        events(trail(&store).await).last().map(|event| &event.kind),
        Some(&told),
        "RestoreFile: that it has another end is told"
    );
    let ended = store.ended(at(7), 9).await.expect(ANSWERS);
    promise_eq!(ended.len(), 1, "ended: by the end that it has now");
}

/// The file is there, and so are its events alone.
async fn only_with(store: &Store, file: &File) {
    promise_eq!(
        by_id(store, file.entry.id).await.as_ref(),
        Some(file),
        "apply: when refused, nothing was written"
    );
    let added = Change::add(file.entry.clone()).events();
    promise_eq!(
        events(trail(store).await),
        added,
        "apply: when refused, nothing was written"
    );
}

pub async fn what_is_due_is_purged(store: Store) {
    let files = add_many(&store, 4).await;
    promise_eq!(
        apply(&store, purging(files[0].entry.id, Purge::Now, 5)).await,
        Outcome::Missing,
        "PurgeFile: `Missing` when the file was not removed"
    );
    let mut gone = Vec::new();
    for (file, until) in files.iter().zip([30, 10, 20, 10]) {
        gone.push(keep(&store, file, 5, until).await);
    }
    for (now, expected) in [
        (9, &[][..]),
        (10, &[1, 3]),
        (20, &[1, 3, 2]),
        (u64::MAX, &[1, 3, 2, 0]),
    ] {
        let expected: Vec<_> = expected.iter().map(|&n: &usize| gone[n].clone()).collect();
        promise_eq!(
            due(&store, now, 9).await,
            expected,
            "due: those that are kept no longer, in the order of their times and positions"
        );
        for limit in 1..4 {
            promise_eq!(
                due(&store, now, limit).await,
                expected[..limit.min(expected.len())],
                "due: at most `limit` of them"
            );
        }
    }
    let id = gone[2].file.entry.id;
    let before = trail(&store).await.len();
    promise_eq!(
        apply(&store, purging(id, Purge::Due, 19)).await,
        Outcome::Stale,
        "PurgeFile: `Stale` when it is to be due, and is not"
    );
    promise_eq!(
        removed_file(&store, id).await.as_ref(),
        Some(&gone[2]),
        "PurgeFile: when refused, nothing was written"
    );
    promise_eq!(
        apply(&store, purging(id, Purge::Due, 20)).await,
        Outcome::Purged(gone[2].clone()),
        "PurgeFile: one that is due"
    );
    promise_eq!(
        due(&store, 20, 9).await,
        [gone[1].clone(), gone[3].clone()],
        "PurgeFile: it is not due any more"
    );
    let told = Event {
        at: at(20),
        by: Author::Sweeper,
        kind: EventKind::FilePurged { file: id },
    };
    promise_eq!(
        events(trail(&store).await)[before..],
        [told],
        "PurgeFile: is told, and what was refused is not"
    );
}

pub async fn what_has_ended_is_found_and_removed(store: Store) {
    let mut files = Vec::new();
    for (n, end) in (1..).zip([Some(20), None, Some(10), Some(10), Some(30)]) {
        let entry = FileEntry {
            expires_at: end.map(at),
            ..sample_entry(n)
        };
        files.push(add(&store, &entry).await);
    }
    let ended = async |now: u64, limit: usize| {
        let ended = store.ended(at(now), limit).await.expect(ANSWERS);
        let why = |ended: &Ended| ended.why == Removal::Expired;
        promise!(ended.iter().all(why), "ended: with why");
        let mut ids: Vec<_> = ended.iter().map(|ended| ended.file).collect();
        ids.sort();
        ids
    };
    for (now, expected) in [
        (9, &[][..]),
        (10, &[2, 3]),
        (20, &[0, 2, 3]),
        (u64::MAX, &[0, 2, 3, 4]),
    ] {
        let mut ids: Vec<_> = expected
            .iter()
            .map(|&n: &usize| files[n].entry.id)
            .collect();
        ids.sort();
        promise_eq!(
            ended(now, 9).await,
            ids,
            "ended: the files that are not there, each once"
        );
        promise_eq!(
            ended(now, 2).await.len(),
            ids.len().min(2),
            "ended: at most `limit` of them"
        );
    }
    keep(&store, &files[0], 5, 99).await;
    promise_eq!(
        ended(20, 9).await.len(),
        2,
        "ended: none that is removed already"
    );
}

pub async fn removed_files_come_in_pages(store: Store) {
    let mut whole = Vec::new();
    for file in add_many(&store, 7).await {
        whole.insert(0, keep(&store, &file, 5, 10 + file.seq % 2).await);
    }
    for now in [9, 10] {
        whole.retain(|removed| removed.is_kept(at(now)));
        check_paging(&whole, async |before, limit| {
            store.removed(at(now), before, limit).await
        })
        .await;
        check_any_limit(&whole, async |before, limit| {
            store.removed(at(now), before, limit).await
        })
        .await;
    }
}

pub async fn concurrent_restorations_and_purges_do_one(store: Store) {
    let file = add(&store, &sample_entry(1)).await;
    keep(&store, &file, 5, 10).await;
    let id = file.entry.id;
    let outcomes = at_once((0..8).map(|n| {
        let store = store.clone();
        let change = match n % 2 {
            0 => restoration(id, Edit::Keep, 6),
            _ => purging(id, Purge::Now, 6),
        };
        async move { apply(&store, change).await }
    }))
    .await;
    let refused = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Missing);
    promise_eq!(
        refused.count(),
        7,
        "apply: a removed file is restored or purged, once: {outcomes:?}"
    );
    let restored = outcomes.contains(&Outcome::Restored(restored_at(&file, 6)));
    promise_eq!(
        ids(all(&store).await).contains(&id),
        restored,
        "apply: it is there if it was restored"
    );
}
