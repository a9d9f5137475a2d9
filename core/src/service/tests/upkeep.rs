//! What goes on without anybody asking for it. The time of tokio is skipped; that of the service is its clock's.

use std::num::NonZeroU32;

use tokio::time::sleep;

use super::*;
use crate::{
    LinkProof, LinkRequest,
    id::BlobKey,
    limit::{LimitKey, Rate},
    memory::{Fault, MemoryLeadership, MemoryLimits},
    random::OsEntropy,
    store::{Duty, Leadership, LimitStore},
    time::Clock,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Bytes that no file has, and that are old.
async fn orphan(world: &World) {
    let mut stage = world.memory.begin().await.unwrap();
    let bytes = Bytes::from_static(b"orphan");
    stage.append(0, bytes).await.unwrap();
    stage.publish(BlobKey::random(&OsEntropy)).await.unwrap();
    world.clock.advance(DAY * 2);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_needs_is_swept_now_and_then() {
    let world = World::new();
    orphan(&world).await;
    world.rig.fail_at("keys");
    let upkeep = world.consign.administration();
    let kept = tokio::spawn(async move { upkeep.keep_swept(HOUR, DAY).await });
    sleep(HOUR - MINUTE).await;
    assert_eq!(world.kept().await, [0, 1, 0], "the first sweep fails");
    world.rig.disarm();
    sleep(MINUTE * 2).await;
    assert_eq!(world.kept().await, [0, 0, 0], "the second does not");
    orphan(&world).await;
    sleep(HOUR - MINUTE * 4).await;
    assert_eq!(world.kept().await, [0, 1, 0], "it is not time yet");
    sleep(MINUTE * 4).await;
    assert_eq!(world.kept().await, [0, 0, 0]);
    kept.abort();
}

#[tokio::test(start_paused = true)]
async fn one_of_several_nodes_sweeps() {
    let world = World::new();
    let leadership = MemoryLeadership::new();
    let node = world.other(|parts, _| parts.leadership = Some(Arc::new(leadership.clone())));
    let others = leadership.lead(Duty::Sweep).await.unwrap();
    let upkeep = node.administration();
    let kept = tokio::spawn(async move { upkeep.keep_swept(HOUR, DAY).await });
    orphan(&world).await;
    sleep(HOUR * 2 + MINUTE).await;
    assert_eq!(world.kept().await, [0, 1, 0], "another has the duty");
    drop(others);
    sleep(HOUR).await;
    assert_eq!(world.kept().await, [0, 0, 0]);
    let taken = leadership.lead(Duty::Sweep).await.unwrap();
    assert!(taken.is_none(), "it keeps the duty");
    for free in [Duty::Lifetimes, Duty::Checkpoints] {
        assert!(leadership.lead(free).await.unwrap().is_some());
    }
    kept.abort();
    let _ = kept.await;
    let taken = leadership.lead(Duty::Sweep).await.unwrap();
    assert!(taken.is_some(), "with its end it gives it up");
}

/// Each duty is asked about, before anything is done.
#[tokio::test(start_paused = true)]
async fn who_has_no_duty_does_nothing() {
    let world = World::new();
    let leadership = MemoryLeadership::new();
    let node = world.other(|parts, _| parts.leadership = Some(Arc::new(leadership.clone())));
    let mut others = Vec::new();
    for duty in Duty::ALL {
        others.push(leadership.lead(duty).await.unwrap());
    }
    world.rig.disarm();
    let upkeep = node.administration();
    let kept = tokio::spawn(async move {
        tokio::join!(
            upkeep.keep_swept(MINUTE, DAY),
            upkeep.keep_lifetimes(MINUTE),
            upkeep.keep_checkpoints(MINUTE)
        )
    });
    sleep(HOUR).await;
    assert_eq!(world.rig.steps(), [""; 0]);
    drop(others);
    sleep(MINUTE * 2).await;
    for step in ["stages", "ended", "heads"] {
        assert!(world.rig.steps().iter().any(|done| done == step), "{step}");
    }
    kept.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_at_its_end_is_ended_now_and_then() {
    let world = World::with(Settings {
        file_lifetime: Some(DAY),
        removal_grace: Duration::ZERO,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"a").await.unwrap();
    let limits = MemoryLimits::new();
    let node = world.other(|parts, _| parts.limits = Some(Arc::new(limits.clone())));
    let (key, rate) = (LimitKey::of(&[]), Rate::new(NonZeroU32::MIN, HOUR));
    assert_eq!(node.take(key, rate).await.unwrap(), None);
    let upkeep = node.administration();
    let kept = tokio::spawn(async move { upkeep.keep_lifetimes(MINUTE).await });
    sleep(HOUR).await;
    assert_eq!(world.kept().await, [0, 1, 1], "it is not at its end");
    world.rig.fail_at("ended");
    world.clock.advance(DAY);
    sleep(HOUR).await;
    assert_eq!(world.kept().await, [0, 1, 1], "the store fails");
    let quiet = limits.forget(world.clock.now()).await.unwrap();
    assert_eq!(quiet, 0, "limits were forgotten all the same");
    world.rig.disarm();
    sleep(MINUTE).await;
    assert_eq!(world.kept().await, [0, 0, 0]);
    kept.abort();
}

#[tokio::test(start_paused = true)]
async fn the_trail_is_vouched_for_now_and_then() {
    let world = World::new();
    let upkeep = world.consign.administration();
    let kept = tokio::spawn(async move { upkeep.keep_checkpoints(MINUTE).await });
    let made = async || {
        let page = world.store.checkpoints(None, 9).await.unwrap();
        page.items.len()
    };
    sleep(SECOND).await;
    assert_eq!(made().await, 0, "there is no trail");
    for (n, name) in [(1, "ann"), (2, "bob")] {
        world.user(name, Role::Client).await;
        assert_eq!(made().await, n - 1);
        sleep(MINUTE * 3).await;
        assert_eq!(made().await, n);
    }
    world.rig.fail_at("heads");
    world.user("cid", Role::Client).await;
    sleep(MINUTE * 2).await;
    assert_eq!(made().await, 2, "the store fails");
    world.rig.disarm();
    sleep(MINUTE).await;
    assert_eq!(made().await, 3);
    kept.abort();
}

#[tokio::test(start_paused = true)]
async fn mail_is_carried_as_it_comes_and_again_when_it_is_due() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"a").await.unwrap();
    let upkeep = world.consign.administration();
    let kept = tokio::spawn(async move { upkeep.keep_mail().await });
    let ask = async |to: &str| {
        let request = LinkRequest {
            files: vec!["a.docx".to_owned()],
            recipient: to.parse().ok(),
            ..LinkRequest::default()
        };
        let link = world.consign.make_link(&op, request).await.unwrap();
        let secret = link.secret.expose();
        let asked = world.consign.open_link(&secret, LinkProof::default()).await;
        assert_eq!(refusal(asked), ErrorKind::CodeSent);
    };
    sleep(SECOND).await;
    ask("rita@example.net").await;
    sleep(SECOND / 1000).await;
    assert_eq!(world.courier.delivered().len(), 1, "at once");
    world.courier.plan([Some(Fault::Temporary)]);
    ask("rolf@example.net").await;
    sleep(SECOND).await;
    assert_eq!(world.courier.attempts(), 2);
    sleep(MINUTE * 5).await;
    assert_eq!(world.courier.attempts(), 2, "it is not due again");
    world.clock.advance(MINUTE);
    sleep(MINUTE).await;
    assert_eq!(world.courier.delivered().len(), 2);
    world.rig.fail_at("mails");
    ask("rosa@example.net").await;
    sleep(SECOND * 3).await;
    world.rig.disarm();
    sleep(SECOND * 3).await;
    assert_eq!(world.courier.delivered().len(), 3, "the store failed");
    kept.abort();
}
