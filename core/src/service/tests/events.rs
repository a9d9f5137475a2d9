//! What is recorded that belongs to no change: sign-ins and downloads.

use super::*;
use crate::{
    OpenedBy,
    event::{Download, Recorded, Transfers},
    service::metered::Opened,
    store::StoreError,
    testing::rig::{At, Fault, full, unavailable},
    trail::Verifier,
};

fn transfers(started: u64, completed: u64, bytes: u64) -> Transfers {
    Transfers {
        started,
        completed,
        bytes,
    }
}

impl World {
    /// What was recorded since position `after`.
    async fn told(&self, after: u64) -> Vec<EventKind> {
        self.consign.flush_events().await.unwrap();
        let page = self.store.events(Some(after), 10_000).await.unwrap();
        page.items
            .into_iter()
            .map(|entry| entry.event.kind)
            .collect()
    }

    async fn position(&self) -> u64 {
        let heads = self.store.heads().await.unwrap();
        heads.first().map_or(0, |head| head.number)
    }

    async fn trail(&self) -> Vec<Recorded> {
        self.store.events(None, 10_000).await.unwrap().items
    }

    /// What was recorded of downloads since position `after`, which is nothing else.
    async fn downloads(&self, after: u64) -> Vec<Transfers> {
        let told = self.told(after).await.into_iter();
        let told = told.map(|kind| match kind {
            EventKind::Download(download) => download.transfers,
            kind => panic!("{kind:?} is no download"),
        });
        told.collect()
    }

    /// A file of ten bytes, and a link to it. All so far is recorded.
    async fn ten_bytes(&self) -> (File, Link) {
        let op = self.newcomer("op", Role::Operations).await;
        let file = self.upload(&op, "a.docx", b"0123456789").await.unwrap();
        let ann = self.newcomer("ann", Role::Client).await;
        let link = self.link(&ann, "a.docx").await;
        self.consign.flush_events().await.unwrap();
        (file, link)
    }

    async fn read(&self, link: &Link, range: std::ops::Range<u64>) -> Vec<u8> {
        let file = self.consign.open(&link.token).await.unwrap();
        let stream = file.read(range).await.unwrap();
        stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()
    }
}

#[tokio::test]
async fn sign_ins_are_told_and_never_the_name_that_was_typed() {
    let world = World::new();
    let ann = world.user("ann", Role::Client).await;
    let before = world.position().await;
    for (name, word) in [
        ("ann", PASSWORD),
        ("ann", "wrong"),
        ("nobody here", PASSWORD),
        ("ann", PASSWORD),
        ("my secret password", ""),
        ("\n", ""),
    ] {
        let _ = world.consign.login(name, password(word)).await;
    }
    let user = ann.id;
    assert_eq!(
        world.told(before).await,
        [
            EventKind::SignedIn { user, times: 2 },
            EventKind::SignInFailed {
                user: Some(user),
                times: 1
            },
            EventKind::SignInFailed {
                user: None,
                times: 3
            },
        ]
    );
    let shown = format!("{:?}", world.trail().await);
    assert!(
        !shown.contains("secret") && !shown.contains("nobody"),
        "{shown}"
    );
}

#[tokio::test]
async fn logins_that_have_to_wait_have_failed() {
    let world = World::new();
    let ann = world.user("ann", Role::Client).await;
    let before = world.position().await;
    for _ in 0..105 {
        let refused = world.consign.login("ann", password("wrong")).await;
        refused.unwrap_err();
    }
    let failed = EventKind::SignInFailed {
        user: Some(ann.id),
        times: 105,
    };
    assert_eq!(world.told(before).await, [failed]);
}

#[tokio::test]
async fn a_download_is_told_with_what_it_was_of_and_by() {
    let world = World::new();
    let (file, link) = world.ten_bytes().await;
    let before = world.position().await;
    assert_eq!(world.read(&link, 0..u64::MAX).await, b"0123456789");
    let opened = world.consign.open(&link.token).await.unwrap();
    let OpenedBy::Link(ann) = *opened.opened_by() else {
        panic!("it is a download link");
    };
    let entry = &file.entry;
    let expected = EventKind::Download(Download {
        file: entry.id,
        name: entry.name.clone(),
        sha256: entry.sha256,
        size: 10,
        by_lease: None,
        transfers: transfers(1, 1, 10),
    });
    assert_eq!(world.told(before).await, [expected]);
    let last = world.trail().await.pop().unwrap();
    assert_eq!(last.event.by, Author::User(ann));
}

#[tokio::test]
async fn downloads_by_one_credential_are_told_together() {
    let world = World::new();
    let (_, link) = world.ten_bytes().await;
    let before = world.position().await;
    for _ in 0..100 {
        world.read(&link, 0..10).await;
    }
    assert_eq!(world.downloads(before).await, [transfers(100, 100, 1000)]);
    world.read(&link, 0..10).await;
    let both = [transfers(100, 100, 1000), transfers(1, 1, 10)];
    assert_eq!(world.downloads(before).await, both, "what is told is told");
}

/// Bytes of a file of ten, which come in these chunks.
fn in_chunks(world: &World, file: &File, chunks: &[usize]) -> crate::store::ByteStream {
    let opened = Opened {
        file: file.clone(),
        by: OpenedBy::Link(file.entry.uploaded_by),
        counter: Arc::clone(&world.consign.0.counter),
    };
    let chunks = chunks.iter().map(|len| match len {
        0 => Err(std::io::Error::other("the disk")),
        len => Ok(Bytes::from(vec![b'x'; *len])),
    });
    let chunks: Vec<_> = chunks.collect();
    Arc::new(opened).metered(stream::iter(chunks).boxed(), 0..10)
}

#[tokio::test]
async fn a_download_that_breaks_off_is_not_complete() {
    let world = World::new();
    let (file, link) = world.ten_bytes().await;
    let before = world.position().await;
    let opened = world.consign.open(&link.token).await.unwrap();
    drop(opened.read(0..10).await.unwrap());
    assert_eq!(world.downloads(before).await, [], "nobody took any of it");

    let mut bytes = in_chunks(&world, &file, &[3, 3, 4]);
    bytes.next().await.unwrap().unwrap();
    let begun = transfers(1, 0, 3);
    assert_eq!(world.downloads(before).await, [begun], "told at once");
    bytes.next().await.unwrap().unwrap();
    assert_eq!(world.downloads(before).await, [begun], "but not each chunk");
    drop(bytes);
    let broken = [begun, transfers(0, 0, 3)];
    assert_eq!(world.downloads(before).await, broken);
    let mut failing = in_chunks(&world, &file, &[3, 0]);
    failing.next().await.unwrap().unwrap();
    failing.next().await.unwrap().unwrap_err();
    drop(failing);
    let told = world.downloads(before).await.split_off(2);
    assert_eq!(told, [begun]);
}

#[tokio::test]
async fn the_last_chunk_completes_a_download() {
    let world = World::new();
    let (file, _) = world.ten_bytes().await;
    for chunks in [&[10][..], &[3, 7], &[1, 2, 7]] {
        let before = world.position().await;
        let mut bytes = in_chunks(&world, &file, chunks);
        for _ in chunks {
            bytes.next().await.unwrap().unwrap();
        }
        // Nobody asks whether there is more.
        assert_eq!(world.downloads(before).await, [transfers(1, 1, 10)]);
        assert!(bytes.next().await.is_none());
        drop(bytes);
        assert_eq!(world.downloads(before).await.len(), 1);
    }
}

#[tokio::test]
async fn parts_complete_a_file_together() {
    let world = World::new();
    let (_, link) = world.ten_bytes().await;
    let before = world.position().await;
    for (range, expected) in [
        (4..10, transfers(1, 0, 6)),
        (0..2, transfers(1, 0, 2)),
        (5..5, transfers(0, 0, 0)),
        (1..4, transfers(1, 1, 3)),
        (0..4, transfers(1, 0, 4)),
        (2..10, transfers(1, 1, 8)),
        (0..10, transfers(1, 1, 10)),
    ] {
        let told = world.downloads(before).await.len();
        world.read(&link, range.clone()).await;
        let new = world.downloads(before).await.split_off(told);
        let expected = Vec::from_iter((expected != Transfers::default()).then_some(expected));
        assert_eq!(new, expected, "{range:?}");
    }
}

#[tokio::test]
async fn an_empty_file_is_complete_when_it_is_asked_for() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"").await.unwrap();
    let ann = world.newcomer("ann", Role::Client).await;
    let link = world.link(&ann, "a.docx").await;
    world.consign.flush_events().await.unwrap();
    let before = world.position().await;
    world.read(&link, 0..10).await;
    assert_eq!(world.downloads(before).await, [transfers(1, 1, 0)]);
}

#[tokio::test]
async fn a_store_that_fails_loses_no_event() {
    for fail in [full as fn() -> StoreError, unavailable] {
        let world = World::new();
        let (_, link) = world.ten_bytes().await;
        let before = world.position().await;
        world.read(&link, 0..10).await;
        world.rig.strike(At::Named("apply"), Fault::Fail(fail));
        for _ in 0..3 {
            world.consign.flush_events().await.unwrap_err();
        }
        world.read(&link, 0..10).await;
        let _ = world.consign.login("ann", password("wrong")).await;
        world.rig.disarm();
        let told = world.told(before).await;
        assert_eq!(told.len(), 2, "{told:?}");
        let EventKind::Download(download) = &told[0] else {
            panic!("{told:?}");
        };
        assert_eq!(download.transfers, transfers(2, 2, 20), "both, once");
    }
}

/// A receipt tells the time of an event.
#[tokio::test]
async fn a_download_was_complete_when_it_was() {
    let world = World::new();
    let (_, link) = world.ten_bytes().await;
    world.read(&link, 0..10).await;
    world.clock.advance(Duration::from_secs(60));
    world.read(&link, 0..5).await;
    world.consign.flush_events().await.unwrap();
    let told = world.trail().await.pop().unwrap().event;
    let EventKind::Download(download) = told.kind else {
        panic!("{told:?} is no download");
    };
    assert_eq!(download.transfers, transfers(2, 1, 15));
    assert_eq!(told.at, START, "not when it was begun again");
    world.read(&link, 0..10).await;
    world.clock.advance(Duration::from_secs(60));
    world.read(&link, 0..10).await;
    world.consign.flush_events().await.unwrap();
    let told = world.trail().await.pop().unwrap().event;
    assert_eq!(told.at, START + Duration::from_secs(120), "the last time");
}

#[tokio::test]
async fn what_there_is_no_room_for_is_counted_together() {
    let world = World::new();
    let (_, link) = world.ten_bytes().await;
    let before = world.position().await;
    let recorder = &world.consign.0.counter.recorder;
    let user = |n: u32| crate::testing::sample_user(n, Role::Client).id;
    for n in 0..5000 {
        recorder.signed_in(user(n));
        recorder.sign_in_failed(Some(user(n)));
    }
    world.read(&link, 0..10).await;
    recorder.signed_in(user(0));
    world.rig.fail_at("apply");
    world.consign.flush_events().await.unwrap_err();
    world.rig.disarm();
    let mut told = [0, 0, 0];
    for kind in world.told(before).await {
        match kind {
            EventKind::SignedIn { times, .. } => told[0] += times,
            EventKind::SignInFailed { times, .. } => told[1] += times,
            EventKind::Crowded {
                signed_in,
                failed,
                downloads,
            } => {
                assert_eq!(downloads, transfers(1, 1, 10));
                told[0] += signed_in;
                told[1] += failed;
                told[2] += 1;
            }
            kind => panic!("{kind:?}"),
        }
    }
    assert_eq!(told, [5001, 5000, 1]);
    let told = world.trail().await.len() as u64 - before;
    assert_eq!(told, 4097);
}

/// Nobody asks for it: the service's own task does, here at once.
#[tokio::test]
async fn events_are_recorded_by_themselves() {
    let world = World::new();
    world.user("ann", Role::Client).await;
    let before = world.position().await;
    let consign = world.other(|_, settings| settings.event_delay = Duration::ZERO);
    for turn in 1..=3 {
        consign.login("ann", password(PASSWORD)).await.unwrap();
        while world.position().await < before + turn {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn events_of_one_runtime_are_recorded_in_the_next() {
    let world = World::with(Settings::default());
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let recorder = &world.consign.0.counter.recorder;
    let user = |n: u32| crate::testing::sample_user(n, Role::Client).id;
    recorder.signed_in(user(1));
    {
        let first = runtime();
        let _entered = first.enter();
        recorder.signed_in(user(2));
    }
    runtime().block_on(async {
        recorder.signed_in(user(3));
        assert_eq!(world.told(0).await.len(), 3);
    });
}

#[tokio::test]
async fn checkpoints_vouch_for_the_trail_so_far() {
    let world = World::new();
    let administration = world.consign.administration();
    assert_eq!(administration.checkpoint().await.unwrap(), []);
    world.ten_bytes().await;
    let made = administration.checkpoint().await.unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].number, world.position().await);
    assert_eq!(made[0].at, START);
    assert_eq!(
        administration.checkpoint().await.unwrap(),
        [],
        "it has not grown"
    );
    world.user("bob", Role::Client).await;
    let verified = verify(&world).await;
    assert_eq!(verified.checkpoints, 1);
    assert_eq!(verified.unvouched, 1);
    administration.checkpoint().await.unwrap();
    let verified = verify(&world).await;
    assert_eq!((verified.checkpoints, verified.unvouched), (2, 0));

    let consign = world.other(|parts, _| parts.evidence = None);
    let refused = consign.administration().checkpoint().await;
    assert_eq!(refusal(refused), ErrorKind::NoEvidence);
    assert_eq!(refusal(consign.evidence_keys()), ErrorKind::NoEvidence);
}

async fn verify(world: &World) -> crate::trail::Verified {
    let mut verifier = Verifier::new(world.consign.evidence_keys().unwrap());
    let mut reader = world.consign.administration().read_trail().await;
    while let Some(item) = reader.next().await.unwrap() {
        match item {
            crate::TrailItem::Entry(entry) => verifier.recorded(&entry).unwrap(),
            crate::TrailItem::Checkpoint(checkpoint) => verifier.checkpoint(&checkpoint).unwrap(),
        }
    }
    verifier.finish().unwrap()
}

/// More than a page of them, with a checkpoint now and then.
#[tokio::test]
async fn a_long_trail_is_read_page_by_page() {
    let world = World::new();
    let administration = world.consign.administration();
    for n in 0..2600 {
        let event = crate::testing::sample_event(n);
        let change = crate::store::Change::Record(vec![event]);
        world.store.apply(change).await.unwrap();
        if n.is_multiple_of(2) {
            administration.checkpoint().await.unwrap();
        }
    }
    let verified = verify(&world).await;
    assert_eq!((verified.entries, verified.checkpoints), (2600, 1300));
    assert_eq!(verified.unvouched, 1);
}

/// What comes while a trail is read is no flaw of it.
#[tokio::test]
async fn a_trail_may_grow_while_it_is_read() {
    let world = World::new();
    let administration = world.consign.administration();
    let record = async |n| {
        let event = crate::testing::sample_event(n);
        let change = crate::store::Change::Record(vec![event]);
        world.store.apply(change).await.unwrap();
    };
    for n in 0..1001 {
        record(n).await;
        administration.checkpoint().await.unwrap();
    }
    for n in 0..500 {
        record(n).await;
    }
    let mut verifier = Verifier::new(world.consign.evidence_keys().unwrap());
    let mut reader = administration.read_trail().await;
    while let Some(item) = reader.next().await.unwrap() {
        match item {
            crate::TrailItem::Entry(entry) => verifier.recorded(&entry).unwrap(),
            crate::TrailItem::Checkpoint(checkpoint) => {
                verifier.checkpoint(&checkpoint).unwrap();
                // All that there was of entries is read, and not yet all checkpoints.
                if checkpoint.number == 1000 {
                    record(9999).await;
                    administration.checkpoint().await.unwrap();
                }
            }
        }
    }
    let verified = verifier.finish().unwrap();
    assert_eq!((verified.entries, verified.checkpoints), (1502, 1002));
}
