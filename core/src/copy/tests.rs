//! An installation in memory, copied to others.

use bytes::Bytes;
use sha2::Digest;

use super::*;
use crate::{
    event::Author,
    file::{FileEntry, Sha256},
    group::{Group, GroupEdit, GroupName},
    id::BlobKey,
    memory::{MemoryBlobs, MemoryStore},
    removal::Removal,
    store::{Change, InsertGuard, UserStore},
    testing::{
        rig::{Rig, RiggedBlobs, RiggedFiles, RiggedRows},
        sample_bytes, sample_checkpoint, sample_download, sample_entry, sample_event, sample_group,
        sample_link, sample_user,
    },
    time::Timestamp,
    user::Role,
};

const AT: Timestamp = Timestamp::from_millis(5);
const BY: Author = Author::Administrator;
const AT_REST: How = How {
    at_rest: true,
    replace: false,
    all_blobs: false,
};
const LIVE: How = How {
    at_rest: false,
    ..AT_REST
};

/// Stores in memory, and a rig around them.
struct World {
    store: MemoryStore,
    blobs: MemoryBlobs,
    rig: Arc<Rig>,
}

impl World {
    fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            blobs: MemoryBlobs::default(),
            rig: Arc::default(),
        }
    }

    /// Files of all sizes, one of them removed, and what else there is.
    async fn filled() -> Self {
        let world = Self::new();
        for (n, role) in [(1, Role::Operations), (2, Role::Client)] {
            let (user, events) = (sample_user(n, role), vec![sample_event(n)]);
            let added = world.store.insert(user, InsertGuard::None, events).await;
            added.unwrap();
        }
        for (n, name) in [(1, "a"), (2, "b")] {
            world.apply(Change::AddGroup(group(n, name))).await;
        }
        for (n, len) in [(1, 0), (2, 1), (3, 3000), (4, 300_000)] {
            world.upload(n, len).await;
        }
        world.remove(3).await;
        world.apply(Change::AddLink(sample_link(2))).await;
        world.apply(Change::Record(vec![sample_download(6)])).await;
        world.vouch().await;
        world
    }

    async fn apply(&self, change: Change) {
        self.store.apply(change).await.unwrap();
    }

    async fn upload(&self, n: u32, len: usize) -> FileEntry {
        let bytes = sample_bytes(n.into(), len);
        let entry = FileEntry {
            size: len as u64,
            sha256: Sha256(sha2::Sha256::digest(&bytes).into()),
            ..sample_entry(n)
        };
        self.blobs.put(entry.blob, bytes).await.unwrap();
        self.apply(Change::add(entry.clone())).await;
        entry
    }

    async fn remove(&self, n: u32) {
        let removed = Change::RemoveFile {
            id: sample_entry(n).id,
            why: Removal::Asked,
            keep_until: Some(Timestamp::from_secs(9)),
            by: BY,
            at: AT,
        };
        self.apply(removed).await;
    }

    /// What the catalogue says of all files, the removed ones too.
    async fn entries(&self) -> Vec<FileEntry> {
        let mut entries = Vec::new();
        for kind in [RowKind::Files, RowKind::RemovedFiles] {
            let rows = self.store.rows(kind, None, 99).await.unwrap().items;
            entries.extend(rows.iter().map(|row| file_of(row).unwrap().entry.clone()));
        }
        entries.sort_by_key(|entry| entry.size);
        entries
    }

    async fn vouch(&self) {
        let head = self.store.heads().await.unwrap()[0];
        self.apply(Change::AddCheckpoint(sample_checkpoint(head)))
            .await;
    }

    fn side(&self) -> Side {
        let store = Arc::new(self.store.clone());
        Side::new(store, Arc::new(self.blobs.clone()))
    }

    fn rigged(&self) -> Side {
        let side = self.side();
        Side {
            rows: Arc::new(RiggedRows::new(side.rows, &self.rig)),
            files: Arc::new(RiggedFiles::new(side.files, &self.rig)),
            blobs: Arc::new(RiggedBlobs::new(side.blobs, &self.rig)),
        }
    }

    async fn blobs(&self) -> Vec<BlobKey> {
        let page = self.blobs.keys(None, 99).await.unwrap();
        page.items.iter().map(|blob| blob.key).collect()
    }

    async fn spoil(&self, entry: &FileEntry, bytes: impl Into<Bytes>) {
        self.blobs.delete(entry.blob).await.unwrap();
        self.blobs.put(entry.blob, bytes.into()).await.unwrap();
    }
}

fn group(n: u32, name: &str) -> Group {
    Group {
        id: sample_group(n),
        name: GroupName::parse(name).unwrap(),
        retention: None,
        created_by: sample_user(1, Role::Operations).id,
        created_at: AT,
    }
}

async fn copied(from: &World, to: &World, how: How) -> Copied {
    copy(&from.side(), &to.side(), how, |_| {}).await.unwrap()
}

async fn compared(from: &World, to: &World, depth: Depth) -> Compared {
    let found = compare(&from.side(), &to.side(), depth, None, |_| {}).await;
    found.unwrap()
}

/// The catalogue of a side refers to no bytes that are not there.
async fn refers_to_what_is_there(side: &Side) {
    for kind in [RowKind::Files, RowKind::RemovedFiles] {
        for row in side.rows.rows(kind, None, 99).await.unwrap().items {
            let entry = &file_of(&row).unwrap().entry;
            assert!(blobs::is_whole(&*side.blobs, entry).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_copy_has_all_and_a_second_run_copies_the_difference() {
    let (from, to) = (World::filled().await, World::new());
    let first = copied(&from, &to, AT_REST).await;
    assert!(first.complete && first.damaged.is_empty());
    assert_eq!((first.rows, first.gone), (first.put, 0));
    assert_eq!((first.blobs, first.bytes), (4, 303_001));
    let found = compared(&from, &to, Depth::Bytes).await;
    assert!(found.is_same(), "{found:?}");
    assert_eq!((found.same, found.blobs), (first.rows, 4));
    assert_eq!(to.store.copying().await.unwrap(), None);

    let again = copied(&from, &to, AT_REST).await;
    assert_eq!((again.put, again.gone, again.blobs), (0, 0, 0));
    assert!(again.complete);

    from.upload(9, 10).await;
    from.apply(Change::remove(sample_entry(2).id, BY, AT)).await;
    from.vouch().await;
    let later = copied(&from, &to, AT_REST).await;
    // The file, the last position, two entries, a checkpoint; and the file that is gone.
    assert_eq!((later.put, later.gone, later.blobs), (5, 1, 1));
    assert!(compared(&from, &to, Depth::Bytes).await.is_same());
    // Of the one that is gone the bytes are left to the sweeper.
    assert_eq!(to.blobs().await.len(), 5);
}

#[tokio::test]
async fn each_blob_and_the_comparison_are_reported() {
    let (from, to) = (World::filled().await, World::new());
    let mut reports = Vec::new();
    let report = |done: &Copied| reports.push(done.clone());
    let done = copy(&from.side(), &to.side(), AT_REST, report).await;
    let done = done.unwrap();
    for blobs in 1..=4 {
        assert!(reports.iter().any(|report| report.blobs == blobs));
    }
    assert!(
        reports
            .iter()
            .any(|report| report.compared > 0 && !report.complete)
    );
    assert_eq!(done.compared, done.rows);
}

#[tokio::test]
async fn a_copy_of_what_changes_is_not_complete() {
    let (from, to) = (World::filled().await, World::new());
    let first = copied(&from, &to, LIVE).await;
    assert!(!first.complete);
    let of = from.store.events(None, 1).await.unwrap().items[0].hash;
    assert_eq!(to.store.copying().await.unwrap(), Some(of));
    // Nobody copies half of an installation on.
    let refused = copy(&to.side(), &World::new().side(), AT_REST, |_| {}).await;
    assert!(matches!(refused, Err(CopyError::SourceIncomplete)));
    assert!(copied(&from, &to, AT_REST).await.complete);
    assert_eq!(to.store.copying().await.unwrap(), None);
}

#[tokio::test]
async fn whatever_fails_the_next_run_goes_on() {
    let source = World::filled().await;
    let (from, to) = (source.rigged(), World::new());
    copy(&from, &to.side(), AT_REST, |_| {}).await.unwrap();
    let of_source = source.rig.steps().len();
    let other = World::new();
    copy(&source.side(), &other.rigged(), AT_REST, |_| {})
        .await
        .unwrap();
    let of_target = other.rig.steps().len();
    assert!(of_source > 40 && of_target > 60);
    let every = (0..of_source).map(|n| (true, n));
    for (at_source, n) in every.chain((0..of_target).map(|n| (false, n))) {
        let (source, target) = (World::filled().await, World::new());
        let (from, to) = (source.rigged(), target.rigged());
        match at_source {
            true => source.rig.fail_nth(n),
            false => target.rig.fail_nth(n),
        }
        let failed = copy(&from, &to, AT_REST, |_| {}).await;
        match (failed, at_source) {
            (Err(CopyError::Source(_)), true) | (Err(CopyError::Target(_)), false) => {}
            // The blob was removed because another was expected in its place, or a stage was.
            (other, _) => panic!("step {n}: {other:?}"),
        }
        source.rig.disarm();
        target.rig.disarm();
        refers_to_what_is_there(&target.side()).await;
        let rows = target.store.rows(RowKind::Users, None, 9).await.unwrap();
        let copying = target.store.copying().await.unwrap();
        let whole = compared(&source, &target, Depth::Bytes).await.is_same();
        assert!(
            copying.is_some() || rows.items.is_empty() || whole,
            "step {n}: nobody may serve half of an installation"
        );
        let next = copy(&from, &to, AT_REST, |_| {}).await.unwrap();
        assert!(next.complete, "step {n}");
        assert!(compared(&source, &target, Depth::Bytes).await.is_same());
    }
}

#[tokio::test]
async fn names_and_files_that_changed_hands_make_no_trouble() {
    let (from, to) = (World::filled().await, World::new());
    copied(&from, &to, AT_REST).await;
    for (n, name) in [(1, "c"), (2, "a"), (1, "b")] {
        let (id, edit) = (sample_group(n), GroupEdit::named(group(n, name).name));
        let (by, at) = (BY, AT);
        from.apply(Change::EditGroup { id, edit, by, at }).await;
    }
    let restored = Change::RestoreFile {
        id: sample_entry(3).id,
        expires_at: crate::link::Edit::Keep,
        by: BY,
        at: AT,
    };
    from.apply(restored).await;
    from.remove(4).await;
    let done = copied(&from, &to, AT_REST).await;
    assert!(done.complete);
    assert_eq!(done.blobs, 0);
    assert!(compared(&from, &to, Depth::Bytes).await.is_same());
}

#[tokio::test]
async fn what_is_no_copy_is_replaced_only_when_told() {
    let from = World::filled().await;
    // Another installation.
    let other = World::new();
    let user = sample_user(7, Role::Client);
    let events = vec![sample_event(7)];
    let added = other.store.insert(user, InsertGuard::None, events).await;
    added.unwrap();
    other.upload(30, 10).await;
    // A copy that was used.
    let used = World::new();
    copied(&from, &used, AT_REST).await;
    used.upload(31, 10).await;
    // A copy of another that was not finished.
    let unfinished = World::new();
    copied(&other, &unfinished, LIVE).await;
    // Bytes whose catalogue is elsewhere, and bytes that are received there.
    let (bytes, received) = (World::new(), World::new());
    let blob = sample_entry(32).blob;
    bytes.blobs.put(blob, "elsewhere".into()).await.unwrap();
    drop(received.blobs.begin().await.unwrap());
    for to in [other, used, unfinished, bytes, received] {
        let before = to.store.rows(RowKind::Trail, None, 99).await.unwrap();
        let refused = copy(&from.side(), &to.side(), AT_REST, |_| {}).await;
        assert!(matches!(refused, Err(CopyError::Foreign)), "{refused:?}");
        let after = to.store.rows(RowKind::Trail, None, 99).await.unwrap();
        assert_eq!(before, after, "nothing was written");
        let how = How {
            replace: true,
            ..AT_REST
        };
        assert!(copied(&from, &to, how).await.complete);
        assert!(compared(&from, &to, Depth::Bytes).await.is_same());
    }
}

#[tokio::test]
async fn a_store_is_not_copied_onto_itself() {
    let world = World::filled().await;
    for replace in [false, true] {
        let how = How { replace, ..AT_REST };
        let refused = copy(&world.side(), &world.side(), how, |_| {}).await;
        assert!(matches!(refused, Err(CopyError::Same)), "{refused:?}");
        assert_eq!(world.store.copying().await.unwrap(), None, "it is served");
    }
}

#[tokio::test]
async fn what_has_gone_on_elsewhere_can_come_back() {
    let (from, to) = (World::filled().await, World::new());
    copied(&from, &to, AT_REST).await;
    to.upload(9, 10).await;
    assert!(copied(&to, &from, AT_REST).await.complete);
    assert!(compared(&to, &from, Depth::Bytes).await.is_same());
}

#[tokio::test]
async fn damaged_bytes_are_told_and_not_copied() {
    for spoilt in [
        Bytes::new(),
        Bytes::from_static(b"x"),
        sample_bytes(1, 300_000),
    ] {
        let (from, to) = (World::filled().await, World::new());
        let entry = FileEntry {
            size: 300_000,
            ..sample_entry(4)
        };
        match spoilt.is_empty() {
            true => from.blobs.delete(entry.blob).await.unwrap(),
            false => from.spoil(&entry, spoilt).await,
        }
        let done = copied(&from, &to, AT_REST).await;
        assert!(!done.complete);
        assert_eq!(done.damaged, [entry.id]);
        assert_eq!(done.blobs, 3);
        assert!(!to.blobs().await.contains(&entry.blob));
        refers_to_what_is_there(&to.side()).await;
        let stages = to.blobs.stages(None, 9).await.unwrap();
        assert_eq!(stages.items, [], "no stage is left");
        // Once the file is gone the rest is complete.
        from.apply(Change::remove(entry.id, BY, AT)).await;
        assert!(copied(&from, &to, AT_REST).await.complete);
    }
}

#[tokio::test]
async fn what_the_target_lost_is_found_and_copied_again() {
    let (from, to) = (World::filled().await, World::new());
    copied(&from, &to, AT_REST).await;
    let entry = from.store.by_id_of(2).await;
    to.blobs.delete(entry.blob).await.unwrap();
    let long = from.store.by_id_of(4).await;
    to.spoil(&long, sample_bytes(1, 300_000)).await;
    let seen = async |depth| compared(&from, &to, depth).await.damaged;
    assert_eq!(seen(Depth::Rows).await, []);
    assert_eq!(seen(Depth::Sizes).await, [entry.id]);
    assert_eq!(seen(Depth::Bytes).await, [entry.id, long.id]);
    let how = How {
        all_blobs: true,
        ..AT_REST
    };
    let done = copied(&from, &to, how).await;
    assert_eq!((done.blobs, done.put), (2, 0));
    assert_eq!(seen(Depth::Bytes).await, []);
}

/// What the target has goes only when there is better.
#[tokio::test]
async fn bytes_that_are_lost_here_take_none_from_the_target() {
    for n in [3, 4] {
        let (from, to) = (World::filled().await, World::new());
        let entry = from.entries().await.remove(n - 1);
        to.blobs.put(entry.blob, "kept".into()).await.unwrap();
        from.spoil(&entry, sample_bytes(9, entry.size as usize))
            .await;
        let how = How {
            replace: true,
            ..AT_REST
        };
        assert_eq!(copied(&from, &to, how).await.damaged, [entry.id]);
        assert!(to.blobs().await.contains(&entry.blob));
    }
}

#[tokio::test]
async fn an_unsound_trail_is_told() {
    let (from, to) = (World::filled().await, World::new());
    copied(&from, &to, AT_REST).await;
    let rows = to.store.rows(RowKind::Trail, None, 2).await.unwrap();
    let Some(Row::Entry(mut entry)) = rows.items.into_iter().next_back() else {
        panic!("there are two");
    };
    entry.event.at = Timestamp::from_millis(1);
    for world in [&from, &to] {
        let rows = vec![Row::Entry(entry.clone())];
        world.store.replace(rows, Vec::new()).await.unwrap();
    }
    let told = compare(&from.side(), &to.side(), Depth::Rows, None, |_| {}).await;
    assert!(matches!(
        told,
        Err(CopyError::Trail(Flaw::Edited { number: 2, .. }))
    ));
}

impl MemoryStore {
    async fn by_id_of(&self, n: u32) -> FileEntry {
        let file = FileStore::by_id(self, sample_entry(n).id).await.unwrap();
        file.unwrap().entry
    }
}
