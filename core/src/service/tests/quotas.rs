//! How much each user may store, and how much the store keeps free.

use futures_util::{FutureExt, future::join_all};
use proptest::prelude::*;

use super::*;
use crate::{
    ErrorKind::{Full, OverQuota, TooLarge},
    quota::{Quota, Usage},
};

fn bytes_quota(bytes: u64) -> Settings {
    Settings {
        quota: Quota {
            bytes: Some(bytes),
            files: None,
        },
        removal_grace: Duration::ZERO,
        ..Settings::default()
    }
}

async fn usage(world: &World, of: &Actor) -> Usage {
    world.store.usage(of.user().id).await.unwrap()
}

#[tokio::test]
async fn a_quota_of_bytes_is_exact_and_each_users_own() {
    let world = World::with(bytes_quota(10));
    let op = world.newcomer("op", Role::Operations).await;
    let other = world.newcomer("other", Role::Operations).await;
    let first = world.upload(&op, "a.docx", b"1234567").await.unwrap();
    let refused = world.upload(&op, "b.docx", b"1234").await;
    assert_eq!(refusal(refused), OverQuota);
    world.upload(&op, "b.docx", b"123").await.unwrap();
    assert_eq!(refusal(world.upload(&op, "c.docx", b"1").await), OverQuota);
    world.upload(&op, "empty.docx", b"").await.unwrap();
    world.upload(&other, "a.docx", b"1234567890").await.unwrap();
    world.consign.delete(&op, first.entry.id).await.unwrap();
    world.upload(&op, "d.docx", b"1234567").await.unwrap();
    assert_eq!(usage(&world, &op).await.bytes, 10);
    world.settle().await;
    assert_eq!(world.kept().await, [0, 4, 4]);
}

#[tokio::test]
async fn a_quota_of_files_counts_every_version() {
    let world = World::with(Settings {
        quota: Quota {
            files: Some(2),
            bytes: None,
        },
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"1").await.unwrap();
    world.upload(&op, "a.docx", b"2").await.unwrap();
    assert_eq!(refusal(world.upload(&op, "a.docx", b"").await), OverQuota);
    world.settle().await;
    assert_eq!(world.kept().await, [0, 2, 2]);
}

#[tokio::test]
async fn what_is_expected_is_refused_before_it_comes() {
    let world = World::with(Settings {
        max_upload: 1000,
        min_free: 100,
        ..bytes_quota(500)
    });
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.set_free(300);
    for (expected, kind) in [
        (1001, TooLarge { limit: 1000 }),
        (501, OverQuota),
        (201, Full),
    ] {
        world.rig.disarm();
        let permit = world.consign.permit_upload(&op).unwrap();
        let body = world.rig.body(vec![Bytes::from_static(b"x")]);
        let upload = world
            .consign
            .upload(permit.expecting(expected), file_name("a.docx"), body);
        assert_eq!(refusal(upload.await), kind);
        let steps = world.rig.steps();
        assert!(
            !steps.iter().any(|step| step == "body" || step == "put"),
            "{steps:?}"
        );
    }
    world.settle().await;
    // It need not come: a form around the file is not told from it.
    let permit = world.consign.permit_upload(&op).unwrap().expecting(200);
    let body = crate::store::body("x");
    world
        .consign
        .upload(permit, file_name("a.docx"), body)
        .await
        .unwrap();
    assert_eq!(usage(&world, &op).await, Usage::file(1));
    world.settle().await;
}

#[tokio::test]
async fn room_is_reserved_while_an_upload_runs() {
    let world = World::with(bytes_quota(500_000));
    let op = world.newcomer("op", Role::Operations).await;
    let chunks = || vec![Bytes::from(vec![b' '; 200_000]); 2];
    world.rig.hold_at("publish");
    let permit = world.consign.permit_upload(&op).unwrap();
    let mut first = Box::pin(world.consign.upload(
        permit,
        file_name("a.docx"),
        stream::iter(chunks().into_iter().map(Ok)),
    ));
    world.rig.reached_by(&mut first).await;
    world.rig.disarm();
    // Of 500,000 bytes 400,000 are another upload's.
    assert_eq!(
        refusal(world.upload(&op, "b.docx", &[b' '; 100_001]).await),
        OverQuota
    );
    world.upload(&op, "b.docx", &[b' '; 100_000]).await.unwrap();
    world.rig.release();
    first.await.unwrap();
    assert_eq!(usage(&world, &op).await.bytes, 500_000);
    world.settle().await;
}

#[tokio::test]
async fn a_file_that_is_just_recorded_is_not_counted_twice() {
    let world = World::with(bytes_quota(10));
    let op = world.newcomer("op", Role::Operations).await;
    // It is in the catalogue, and its upload does not know yet.
    world.rig.hold_at("apply done");
    let permit = world.consign.permit_upload(&op).unwrap();
    let body = crate::store::body("1234567");
    let mut first = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
    world.rig.reached_by(&mut first).await;
    world.rig.disarm();
    let mut second = Box::pin(world.upload(&op, "b.docx", b"123"));
    assert!((&mut second).now_or_never().is_none(), "it waits and sees");
    world.rig.release();
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(refusal(world.upload(&op, "c.docx", b"1").await), OverQuota);
    world.settle().await;
    assert_eq!(world.kept().await, [0, 2, 2]);
}

#[tokio::test]
async fn a_user_has_so_many_uploads_at_once() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let other = world.newcomer("other", Role::Operations).await;
    let mut running = Vec::new();
    for _ in 0..64 {
        let permit = world.consign.permit_upload(&op).unwrap();
        let body = stream::pending::<Result<Bytes, BodyError>>();
        let mut upload = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
        assert!((&mut upload).now_or_never().is_none());
        running.push(upload);
    }
    assert_eq!(
        refusal(world.upload(&op, "b.docx", b"").await),
        ErrorKind::Busy
    );
    world.upload(&other, "b.docx", b"").await.unwrap();
    running.pop();
    world.upload(&op, "b.docx", b"").await.unwrap();
    drop(running);
    world.settle().await;
}

#[tokio::test]
async fn what_is_announced_keeps_no_other_from_the_store() {
    let world = World::with(Settings {
        min_free: 1 << 20,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    let other = world.newcomer("other", Role::Operations).await;
    world.rig.set_free((1 << 30) + (1 << 20));
    // Nearly all there is, of which nothing comes.
    let permit = world.consign.permit_upload(&op).unwrap().expecting(1 << 30);
    let body = stream::pending::<Result<Bytes, BodyError>>();
    let mut slow = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
    assert!((&mut slow).now_or_never().is_none());
    let permit = world
        .consign
        .permit_upload(&other)
        .unwrap()
        .expecting(100 << 20);
    let body = crate::store::body("1");
    let upload = world.consign.upload(permit, file_name("b.docx"), body);
    upload.await.unwrap();
    drop(slow);
    world.settle().await;
}

#[tokio::test]
async fn what_another_node_stored_meanwhile_counts_in_the_end() {
    let world = World::with(bytes_quota(10));
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.hold_at("put");
    let permit = world.consign.permit_upload(&op).unwrap();
    let body = crate::store::body("1234567");
    let mut late = Box::pin(world.consign.upload(permit, file_name("late.docx"), body));
    world.rig.reached_by(&mut late).await;
    world.rig.disarm();
    // It knows nothing of what the first has promised.
    let other = world.other(|_, _| {});
    let permit = other.permit_upload(&op).unwrap();
    let body = crate::store::body("1234");
    other
        .upload(permit, file_name("early.docx"), body)
        .await
        .unwrap();
    drop(other);
    world.rig.release();
    assert_eq!(refusal(late.await), OverQuota);
    world.settle().await;
    assert_eq!(world.kept().await, [0, 1, 1]);
}

#[tokio::test]
async fn the_store_keeps_its_reserve() {
    let world = World::with(Settings {
        min_free: 1 << 20,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.set_free((1 << 20) + 10);
    world.upload(&op, "a.docx", b"1234567890").await.unwrap();
    assert_eq!(
        refusal(world.upload(&op, "b.docx", b"12345678901").await),
        Full
    );
    // What one upload was promised the next cannot have.
    let permit = world.consign.permit_upload(&op).unwrap().expecting(6);
    world.rig.hold_at("put");
    let body = crate::store::body("123456");
    let mut first = Box::pin(world.consign.upload(permit, file_name("c.docx"), body));
    world.rig.reached_by(&mut first).await;
    world.rig.disarm();
    let permit = world.consign.permit_upload(&op).unwrap().expecting(5);
    let body = crate::store::body("12345");
    let second = world.consign.upload(permit, file_name("d.docx"), body);
    assert_eq!(refusal(second.await), Full);
    world.rig.release();
    first.await.unwrap();
    world.settle().await;
    assert_eq!(world.kept().await, [0, 2, 2]);
}

#[tokio::test]
async fn a_store_that_cannot_tell_its_room_is_not_held_to_it() {
    let world = World::with(Settings {
        min_free: u64::MAX,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"1").await.unwrap();
    world.rig.set_free(u64::MAX - 1);
    assert_eq!(refusal(world.upload(&op, "a.docx", b"").await), Full);
    // Asked for nothing, a store that does not answer keeps nobody from uploading.
    let world = World::with(Settings {
        min_free: 0,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.fail_at("free");
    world.upload(&op, "a.docx", b"1").await.unwrap();
}

/// A client's upload: what is announced of it, and the chunks that come; it breaks off after them if
/// it is not whole.
#[derive(Clone, Debug)]
struct Sent {
    expected: u64,
    chunks: Vec<usize>,
    whole: bool,
    pauses: usize,
}

fn sent() -> impl Strategy<Value = Sent> {
    let chunks = prop::collection::vec(0..40_usize, 0..6);
    (0..60_u64, chunks, prop::bool::weighted(0.8), 0..4_usize).prop_map(
        |(expected, chunks, whole, pauses)| {
            let total: usize = chunks.iter().sum();
            Sent {
                expected: expected.min(total as u64),
                chunks,
                whole,
                pauses,
            }
        },
    )
}

async fn send(world: &World, op: &Actor, sent: Sent) -> Result<u64, ErrorKind> {
    let size: usize = sent.chunks.iter().sum();
    let end = (!sent.whole).then(|| Err(BodyError::Incomplete("it breaks off".into())));
    let chunks = sent
        .chunks
        .into_iter()
        .map(|len| Ok(vec![b' '; len].into()));
    let body = stream::iter(chunks.chain(end)).then(|chunk| async move {
        for _ in 0..sent.pauses {
            tokio::task::yield_now().await;
        }
        chunk
    });
    let permit = world
        .consign
        .permit_upload(op)
        .unwrap()
        .expecting(sent.expected);
    let uploaded = world
        .consign
        .upload(permit, file_name("a.docx"), body)
        .await;
    uploaded.map(|_| size as u64).map_err(|error| error.kind())
}

async fn play(rounds: Vec<Vec<Sent>>, quota: Quota) -> Result<(), TestCaseError> {
    let world = World::with(Settings {
        quota,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    let mut stored = Usage::default();
    for round in rounds {
        let alone = round.len() == 1;
        let ends = join_all(round.iter().cloned().map(|sent| send(&world, &op, sent))).await;
        for (sent, end) in round.iter().zip(ends) {
            let size = sent.chunks.iter().sum::<usize>() as u64;
            let fits = quota.allows(stored.plus(Usage::file(size)));
            match end {
                Ok(size) => stored = stored.plus(Usage::file(size)),
                // Of several that only together are too much, any may be refused.
                Err(OverQuota) => {
                    prop_assert!(!alone || !fits, "{sent:?} was refused beside {stored:?}")
                }
                Err(kind) => prop_assert!(!sent.whole && kind == ErrorKind::Incomplete, "{kind:?}"),
            }
        }
        prop_assert!(quota.allows(stored), "{stored:?}");
        prop_assert_eq!(usage(&world, &op).await, stored);
        world.settle().await;
    }
    Ok(())
}

proptest! {
    /// However uploads run into each other, no quota is exceeded and no room is lost.
    #[test]
    fn uploads_at_the_same_time_stay_within_the_quota(
        rounds in prop::collection::vec(prop::collection::vec(sent(), 1..6), 1..5),
        files in prop::option::of(0..12_u64),
        bytes in prop::option::of(0..300_u64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(rounds, Quota { files, bytes }))?;
    }
}

#[tokio::test]
async fn whoever_waits_for_an_answer_about_a_quota_can_leave() {
    let world = World::with(bytes_quota(10));
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.hold_at("usage");
    let permit = world.consign.permit_upload(&op).unwrap();
    let body = crate::store::body("1");
    let mut left = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
    world.rig.reached_by(&mut left).await;
    let mut next = Box::pin(world.upload(&op, "b.docx", b"2"));
    assert!(
        (&mut next).now_or_never().is_none(),
        "it waits for the first"
    );
    world.rig.disarm();
    drop(left);
    next.await.unwrap();
    world.settle().await;
    assert_eq!(world.kept().await, [0, 1, 1]);
}
