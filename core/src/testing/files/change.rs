use std::collections::BTreeSet;

use super::{
    super::{
        ANSWERS, at_once, promise, promise_eq,
        samples::{sample_entry, sample_key},
    },
    Store, add, add_many, all, apply_add, apply_remove, by_id, events, newest, only, remove, trail,
};
use crate::{
    file::{File, FileEntry},
    store::{Change, Outcome},
};

pub async fn add_refuses_an_id_that_is_there(store: Store) {
    let kept = add(&store, &sample_entry(1)).await;
    let refused = FileEntry {
        id: kept.entry.id,
        ..sample_entry(2)
    };
    promise_eq!(
        apply_add(&store, &refused).await,
        Outcome::Exists,
        "AddFile: no file has its id"
    );
    only(&store, &kept, "AddFile: when refused, nothing was written").await;
    promise!(
        !store.references(refused.blob).await.expect(ANSWERS),
        "AddFile: when refused, nothing was written: its blob is not referenced"
    );
    promise_eq!(
        newest(&store, &refused.name).await,
        None,
        "AddFile: when refused, nothing was written: there is no file of its name"
    );
    add(&store, &sample_entry(2)).await;
}

pub async fn add_refuses_a_blob_that_is_there(store: Store) {
    let kept = add(&store, &sample_entry(1)).await;
    let refused = FileEntry {
        blob: kept.entry.blob,
        ..sample_entry(2)
    };
    promise_eq!(
        apply_add(&store, &refused).await,
        Outcome::Exists,
        "AddFile: no file has its blob"
    );
    only(&store, &kept, "AddFile: when refused, nothing was written").await;
    promise_eq!(
        by_id(&store, refused.id).await,
        None,
        "AddFile: when refused, nothing was written: there is no file of its id"
    );
    promise_eq!(
        apply_add(&store, &kept.entry).await,
        Outcome::Exists,
        "AddFile: no file has its id or its blob"
    );
    add(&store, &sample_entry(2)).await;
}

pub async fn add_takes_the_id_and_the_blob_of_a_removed_file(store: Store) {
    let first = add(&store, &sample_entry(1)).await;
    remove(&store, first.entry.id).await;
    let again = add(&store, &sample_entry(1)).await;
    promise!(
        again.seq > first.seq,
        "File::seq: later additions have larger positions"
    );
    promise_eq!(
        by_id(&store, again.entry.id).await,
        Some(again),
        "AddFile: the file is in the catalogue"
    );
}

pub async fn remove_takes_the_file_out_of_every_read(store: Store) {
    let files = add_many(&store, 3).await;
    let gone = &files[1];
    promise_eq!(
        apply_remove(&store, gone.entry.id).await,
        Outcome::Removed(gone.clone()),
        "RemoveFile: `Removed` holds what the file was"
    );
    promise_eq!(
        by_id(&store, gone.entry.id).await,
        None,
        "RemoveFile: by_id no longer finds the file"
    );
    promise_eq!(
        newest(&store, &gone.entry.name).await,
        None,
        "RemoveFile: newest no longer finds the file"
    );
    promise!(
        !store.references(gone.entry.blob).await.expect(ANSWERS),
        "RemoveFile: its blob is no longer referenced"
    );
    promise_eq!(
        all(&store).await,
        [files[2].clone(), files[0].clone()],
        "RemoveFile: the file is no longer listed, and the others are"
    );
}

pub async fn set_crc32_is_seen_by_every_read_and_is_no_event(store: Store) {
    let entry = FileEntry {
        crc32: None,
        ..sample_entry(1)
    };
    let file = add(&store, &entry).await;
    let set = |id| Change::SetCrc32 { id, crc32: 7 };
    let kept = File {
        entry: FileEntry {
            crc32: Some(7),
            ..entry.clone()
        },
        ..file
    };
    promise_eq!(
        store.apply(set(entry.id)).await.expect(ANSWERS),
        Outcome::Crc32Set(kept.clone()),
        "SetCrc32: the file with it"
    );
    promise_eq!(
        all(&store).await,
        std::slice::from_ref(&kept),
        "SetCrc32: list has it"
    );
    promise_eq!(
        by_id(&store, entry.id).await,
        Some(kept),
        "SetCrc32: by_id has it"
    );
    promise_eq!(
        events(trail(&store).await),
        Change::add(entry).events(),
        "SetCrc32: is no event"
    );
    promise_eq!(
        store.apply(set(sample_entry(2).id)).await.expect(ANSWERS),
        Outcome::Missing,
        "SetCrc32: `Missing` when there is no such file"
    );
}

pub async fn remove_of_nothing_is_missing(store: Store) {
    let kept = add(&store, &sample_entry(1)).await;
    promise_eq!(
        apply_remove(&store, sample_entry(2).id).await,
        Outcome::Missing,
        "RemoveFile: `Missing` when there is no such file"
    );
    only(
        &store,
        &kept,
        "RemoveFile: when refused, nothing was written",
    )
    .await;
    remove(&store, kept.entry.id).await;
    promise_eq!(
        apply_remove(&store, kept.entry.id).await,
        Outcome::Missing,
        "RemoveFile: `Missing` when the file was removed before"
    );
    promise_eq!(
        trail(&store).await.len(),
        2,
        "RemoveFile: when refused, nothing was written: no event"
    );
}

pub async fn concurrent_additions_are_all_there(store: Store) {
    const EACH: u32 = 6;
    let runs = at_once((0..8).map(|run| {
        let store = store.clone();
        async move {
            let mut files = Vec::new();
            for n in run * EACH..(run + 1) * EACH {
                files.push(add(&store, &sample_entry(n)).await);
            }
            files
        }
    }))
    .await;
    for run in &runs {
        promise!(
            run.windows(2).all(|pair| pair[0].seq < pair[1].seq),
            "File::seq: what is added after another addition was answered has a larger position"
        );
    }
    let mut files: Vec<_> = runs.into_iter().flatten().collect();
    let positions: BTreeSet<_> = files.iter().map(|file| file.seq).collect();
    promise_eq!(
        positions.len(),
        files.len(),
        "Seq: additions at the same time have different positions"
    );
    files.sort_by_key(|file| std::cmp::Reverse(file.seq));
    promise_eq!(
        all(&store).await,
        files,
        "apply: additions made at the same time are all there"
    );
}

pub async fn concurrent_additions_of_one_blob_store_one(store: Store) {
    let outcomes = at_once((1..=8).map(|n| {
        let store = store.clone();
        async move {
            apply_add(
                &store,
                &FileEntry {
                    blob: sample_key(1),
                    ..sample_entry(n)
                },
            )
            .await
        }
    }))
    .await;
    let added: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Added(file) => Some(file.clone()),
            _ => None,
        })
        .collect();
    promise_eq!(
        added.len(),
        1,
        "AddFile: checks in its transaction, so of additions of one blob one is made: {outcomes:?}"
    );
    only(
        &store,
        &added[0],
        "AddFile: the addition that was made is stored, and no other",
    )
    .await;
}

pub async fn concurrent_removals_remove_once(store: Store) {
    let file = add(&store, &sample_entry(1)).await;
    let outcomes = at_once((0..8).map(|_| {
        let (store, id) = (store.clone(), file.entry.id);
        async move { apply_remove(&store, id).await }
    }))
    .await;
    let removed = Outcome::Removed(file);
    promise_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == removed)
            .count(),
        1,
        "RemoveFile: checks in its transaction, so a file is removed once: {outcomes:?}"
    );
    promise_eq!(
        trail(&store).await.len(),
        2,
        "apply: records an event for a change made, and for no other"
    );
}
