//! Uploads that are left or that fail half-way: what remains of them, and what must not.

use futures_util::FutureExt;

use super::{intake::REFUSE_ALL, *};
use crate::error::ErrorKind::*;

/// A body that stays in memory, and one that is staged in three goes.
fn bodies() -> [Vec<Bytes>; 2] {
    [100, 200_000].map(|len| vec![Bytes::from(vec![b' '; len]); 3])
}

/// The steps of an upload of `chunks` that goes well.
async fn steps(chunks: &[Bytes]) -> Vec<String> {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.disarm();
    let permit = world.consign.permit_upload(&op).unwrap();
    let body = world.rig.body(chunks.to_vec());
    world
        .consign
        .upload(permit, file_name("a.docx"), body)
        .await
        .unwrap();
    world.rig.steps()
}

/// All steps of both bodies, each with its number.
async fn every_step() -> Vec<(Vec<Bytes>, usize, String)> {
    let mut every = Vec::new();
    for chunks in bodies() {
        let steps = steps(&chunks).await.into_iter().enumerate();
        every.extend(steps.map(|(n, step)| (chunks.clone(), n, step)));
    }
    every
}

#[tokio::test]
async fn what_is_short_is_stored_in_one_step_and_all_else_is_staged() {
    let [short, long] = bodies();
    let ways: [(_, &[_], &[_]); 2] = [
        (
            short,
            &["body", "user", "put", "apply"],
            &["begin", "publish"],
        ),
        (
            long,
            &[
                "body", "begin", "append", "read", "user", "publish", "apply",
            ],
            &["put"],
        ),
    ];
    for (chunks, taken, left_out) in ways {
        let steps = steps(&chunks).await;
        let has = |step: &&str| steps.iter().any(|done| done == step);
        assert!(taken.iter().all(has), "{steps:?}");
        assert!(!left_out.iter().any(has), "{steps:?}");
    }
}

/// From publishing on it is finished whether or not anybody waits; before, nothing of it is kept.
#[tokio::test]
async fn an_upload_can_be_dropped_wherever_it_waits() {
    for (chunks, n, step) in every_step().await {
        let world = World::new();
        let op = world.newcomer("op", Role::Operations).await;
        let ann = world.newcomer("ann", Role::Client).await;
        world.rig.hold_nth(n);
        let permit = world.consign.permit_upload(&op).unwrap();
        let body = world.rig.body(chunks.clone());
        let mut upload = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
        world.rig.reached_by(&mut upload).await;
        drop(upload);
        world.rig.release();
        world.settle().await;
        let begun = ["put", "publish", "apply"]
            .iter()
            .any(|last| step.starts_with(last));
        if begun {
            assert_eq!(world.kept().await, [0, 1, 1], "dropped at step {n}, {step}");
            let link = world.link(&ann, "a.docx").await;
            assert_eq!(world.download(&link.token).await.unwrap(), chunks.concat());
        } else {
            assert_nothing(world.kept().await, &format!("dropped at step {n}, {step}"));
        }
    }
}

#[tokio::test]
async fn a_full_catalogue_leaves_no_bytes_behind() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.fill_at("apply");
    let refused = world.upload(&op, "a.docx", b"bytes").await;
    assert_eq!(refusal(refused), Full);
    assert_nothing(world.kept().await, "after a full catalogue");
}

#[tokio::test]
async fn whoever_may_no_longer_invite_when_the_hash_is_made_has_not_invited() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    // As an administrator does while the invitation waits for its hash.
    world
        .rig
        .rewrite_users(|user| user.status = crate::user::Status::Disabled);
    let invited = world
        .consign
        .register(registration("mole", Role::Operations), Some(&op));
    assert_eq!(refusal(invited.await), InvalidToken);
}

/// Whatever its grace, and wherever the upload is.
#[tokio::test]
async fn a_sweep_leaves_alone_what_a_running_upload_holds() {
    for (chunks, n, step) in every_step().await {
        let world = World::new();
        let op = world.newcomer("op", Role::Operations).await;
        let ann = world.newcomer("ann", Role::Client).await;
        world.rig.hold_nth(n);
        let permit = world.consign.permit_upload(&op).unwrap();
        let body = world.rig.body(chunks.clone());
        let mut upload = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
        world.rig.reached_by(&mut upload).await;
        world.clock.advance(DAY);
        let administration = world.consign.administration();
        let swept = administration.sweep(Duration::ZERO, |_| ()).await.unwrap();
        let removed = swept.stages_removed + swept.blobs_removed + swept.failures;
        assert_eq!(removed, 0, "swept at step {n}, {step}");
        world.rig.release();
        upload.await.unwrap();
        let link = world.link(&ann, "a.docx").await;
        let received = world.download(&link.token).await.unwrap();
        assert_eq!(received, chunks.concat(), "swept at step {n}, {step}");
    }
}

/// Dropped when it was polled once and never again, and where no runtime is entered any more.
#[test]
fn an_upload_can_be_dropped_outside_the_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let world = World::new();
    let op = runtime.block_on(world.newcomer("op", Role::Operations));
    let permit = world.consign.permit_upload(&op).unwrap();
    let begun = Bytes::from(vec![b' '; 600_000]);
    let body = stream::iter([Ok(begun)]).chain(stream::pending::<Result<Bytes, BodyError>>());
    let mut upload = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
    runtime.block_on(async {
        while world.kept().await == [0, 0, 0] {
            assert!((&mut upload).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        assert!((&mut upload).now_or_never().is_none());
    });
    drop(upload);
    runtime.block_on(world.settle());
    assert_nothing(runtime.block_on(world.kept()), "a drop outside the runtime");
}

/// Every step fails once: the caller is told, what is listed can be read, nothing half-made
/// stays but what the sweeper removes, and the next upload is as good as any.
#[tokio::test]
async fn an_upload_survives_each_fault() {
    for (chunks, n, step) in every_step().await {
        let world = World::new();
        let op = world.newcomer("op", Role::Operations).await;
        let ann = world.newcomer("ann", Role::Client).await;
        world.rig.fail_nth(n);
        let permit = world.consign.permit_upload(&op).unwrap();
        let body = world.rig.body(chunks.clone());
        let uploaded = world
            .consign
            .upload(permit, file_name("a.docx"), body)
            .await;
        let kind = refusal(uploaded);
        let expected = if step == "body" {
            Incomplete
        } else {
            Unavailable
        };
        assert_eq!(kind, expected, "step {n}, {step}");
        world.settle().await;
        world.rig.disarm();
        let case = format!("step {n}, {step}");
        let expected = match step.as_str() {
            // Begun, and its id lost with the answer.
            "begin done" => [1, 0, 0],
            // Published, and whether the catalogue has it was not known.
            "put done" | "publish done" | "apply" => [0, 1, 0],
            // It has it: were the bytes removed on an error, this would be a file without any.
            "apply done" => [0, 1, 1],
            _ => [0, 0, 0],
        };
        assert_eq!(world.kept().await, expected, "{case}");
        let next = world.upload(&op, "next.docx", b"next").await.unwrap();

        world.clock.advance(DAY * 2);
        world
            .consign
            .administration()
            .sweep(DAY, |_| ())
            .await
            .unwrap();
        let listed = world.files().await;
        assert_eq!(listed.len(), 1 + expected[2], "{case}");
        assert_eq!(
            world.kept().await,
            [0, listed.len(), listed.len()],
            "{case}"
        );
        for file in listed {
            let content = if file == next {
                b"next".to_vec()
            } else {
                chunks.concat()
            };
            let link = world.link(&ann, &file.entry.id.to_string()).await;
            assert_eq!(
                world.download(&link.token).await.unwrap(),
                content,
                "{case}"
            );
        }
    }
}

/// The body breaks off while its stage is being begun: the answer comes when that is gone, too.
#[tokio::test]
async fn a_stage_that_is_being_begun_is_waited_for() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.hold_at("begin");
    let permit = world.consign.permit_upload(&op).unwrap();
    let begun = Ok(Bytes::from(vec![b' '; 600_000]));
    let rig = Arc::clone(&world.rig);
    let broken = async move {
        while !rig.steps().iter().any(|step| step == "begin") {
            tokio::task::yield_now().await;
        }
        Err(BodyError::Incomplete("it broke off".into()))
    };
    let body = stream::iter([begun]).chain(stream::once(broken));
    let mut upload = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
    world.rig.reached_by(&mut upload).await;
    for _ in 0..10 {
        assert!((&mut upload).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    world.rig.release();
    assert_eq!(refusal(upload.await), Incomplete);
    assert_nothing(world.kept().await, "at once, and not later");
}

/// An abort that fails is the sweeper's, and no second error for the caller.
#[tokio::test]
async fn an_abort_that_fails_leaves_the_stage_to_the_sweeper() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.rig.fail_at("abort");
    let mut staged = REFUSE_ALL.to_vec();
    staged.resize(600_000, b' ');
    assert_eq!(
        refusal(world.upload(&op, "a.docx", &staged).await),
        UnsupportedType
    );
    world.settle().await;
    assert_eq!(world.kept().await, [1, 0, 0]);
    world.rig.disarm();
    world.clock.advance(DAY * 2);
    world
        .consign
        .administration()
        .sweep(DAY, |_| ())
        .await
        .unwrap();
    assert_nothing(world.kept().await, "the sweep");
}

/// A caller who hangs up and comes again must not have more files looked at than there are turns.
#[tokio::test]
async fn a_look_that_nobody_waits_for_keeps_its_turn() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let free = world.consign.0.inspecting.available_permits();
    world.rig.hold_at("read");
    let permit = world.consign.permit_upload(&op).unwrap();
    let [_, long] = bodies();
    let body = world.rig.body(long);
    let mut upload = Box::pin(world.consign.upload(permit, file_name("a.docx"), body));
    world.rig.reached_by(&mut upload).await;
    drop(upload);
    assert_eq!(world.consign.0.inspecting.available_permits(), free - 1);
    world.rig.disarm();
    world.rig.release();
    world.settle().await;
    assert_eq!(world.consign.0.inspecting.available_permits(), free);
    assert_nothing(world.kept().await, "a look that nobody waited for");
}
