//! Requests that come twice and are done once.

use std::num::NonZeroU32;

use super::*;
use crate::{
    LinkProof, LinkRequest,
    audience::{Audience, Principal},
    error::ErrorKind::*,
    group::GroupName,
    once::IdempotencyKey,
    quota::Quota,
};

fn key(text: &str) -> Option<IdempotencyKey> {
    text.repeat(16).parse().ok()
}

fn to(file: &str, keyed: &str) -> LinkRequest {
    LinkRequest {
        files: vec![file.to_owned()],
        key: key(keyed),
        ..LinkRequest::default()
    }
}

async fn upload(world: &World, by: &Actor, name: &str, content: &str) -> Result<File, Error> {
    let permit = world.consign.permit_upload(by)?.once(key("u").unwrap());
    let body = crate::store::body(content.to_owned());
    world.consign.upload(permit, file_name(name), body).await
}

#[tokio::test]
async fn a_file_that_is_sent_twice_is_one_version() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let other = world.newcomer("other", Role::Operations).await;
    let file = upload(&world, &op, "a.docx", "bytes").await.unwrap();
    let again = upload(&world, &op, "a.docx", "bytes").await.unwrap();
    assert_eq!(again, file);
    world.settle().await;
    assert_eq!(world.kept().await, [0, 1, 1], "and nothing else is kept");
    for (name, content) in [("b.docx", "bytes"), ("a.docx", "other")] {
        let refused = upload(&world, &op, name, content).await;
        assert_eq!(refusal(refused), OtherRequest);
    }
    let for_op = Audience::of([Principal::User(op.user().id)]).unwrap();
    let permit = world.consign.permit_upload(&op).unwrap();
    let permit = permit.once(key("u").unwrap()).sharing_with(for_op);
    let body = crate::store::body("bytes");
    let refused = world.consign.upload(permit, file_name("a.docx"), body);
    assert_eq!(refusal(refused.await), OtherRequest);
    world.settle().await;
    assert_eq!(world.kept().await, [0, 1, 1]);
    let others = upload(&world, &other, "a.docx", "bytes").await.unwrap();
    assert_ne!(others.entry.id, file.entry.id, "a key is its user's");
    world.clock.advance(DAY);
    let op = world.actor("op").await;
    let later = upload(&world, &op, "a.docx", "bytes").await.unwrap();
    assert_ne!(later.entry.id, file.entry.id, "it is forgotten in time");
    world.consign.delete(&op, later.entry.id).await.unwrap();
    let gone = upload(&world, &op, "a.docx", "bytes").await;
    assert_eq!(refusal(gone), FileNotFound, "it was added, and is gone");
}

/// The answer to the last file that there was room for was lost.
#[tokio::test]
async fn a_file_that_is_sent_twice_needs_room_once() {
    let quota = Quota {
        files: Some(1),
        bytes: None,
    };
    let world = World::with(Settings {
        quota,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    let file = upload(&world, &op, "a.docx", "bytes").await.unwrap();
    let again = upload(&world, &op, "a.docx", "bytes").await.unwrap();
    assert_eq!(again, file);
    let other = upload(&world, &op, "a.docx", "other").await;
    assert_eq!(refusal(other), OtherRequest);
    let unnamed = world.upload(&op, "b.docx", b"more").await;
    assert_eq!(refusal(unnamed), OverQuota);
    world.settle().await;
    assert_eq!(world.kept().await, [0, 1, 1]);
}

#[tokio::test]
async fn a_link_that_is_asked_for_twice_has_one_secret() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
    let consign = &world.consign;
    let new = consign.make_link(&op, to("a.docx", "k")).await.unwrap();
    let again = consign.make_link(&op, to("a.docx", "k")).await.unwrap();
    assert_eq!(
        (again.link, again.secret.expose()),
        (new.link.clone(), new.secret.expose())
    );
    let secret = again.secret.expose();
    let lease = consign.open_link(&secret, LinkProof::default()).await;
    lease.unwrap();
    let asked = LinkRequest {
        password: Some(password("open sesame")),
        ..to("a.docx", "k")
    };
    let refused = consign.make_link(&op, asked).await;
    assert_eq!(refusal(refused), OtherRequest);
    let others = consign.make_link(&ann, to("a.docx", "k")).await.unwrap();
    assert_ne!(others.secret.expose(), new.secret.expose());
    let another = consign.make_link(&op, to("a.docx", "l")).await.unwrap();
    assert_ne!(another.secret.expose(), new.secret.expose());
    // It is had again as it is now, also where it could not be made any more.
    consign.revoke_link(&op, new.link.id).await.unwrap();
    consign.delete(&op, file.entry.id).await.unwrap();
    let again = consign.make_link(&op, to("a.docx", "k")).await.unwrap();
    assert!(again.link.revoked_at.is_some());
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_is_had_again() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"bytes").await.unwrap();
    let consign = &world.consign;
    let request = LinkRequest {
        max_downloads: NonZeroU32::new(1),
        password: Some(password("open sesame")),
        key: None,
        ..to("a.docx", "")
    };
    let link = consign.make_link(&op, request).await.unwrap();
    let secret = link.secret.expose();
    let open = async |keyed: &str, text: &str| {
        let proof = LinkProof {
            password: Some(password(text)),
            key: key(keyed),
            ..LinkProof::default()
        };
        consign.open_link(&secret, proof).await
    };
    let lease = open("k", "open sesame").await.unwrap();
    let again = open("k", "open sesame").await.unwrap();
    assert_eq!((&again.lease, &again.token), (&lease.lease, &lease.token));
    let found = consign.managed_link(&op, link.link.id).await.unwrap();
    assert_eq!(found.downloads, 1);
    // A key is no password, and the link is spent for all others.
    assert_eq!(refusal(open("k", "open barley").await), WrongLinkPassword);
    for text in ["open sesame", "open barley"] {
        assert_eq!(refusal(open("l", text).await), LinkNotAvailable);
        assert_eq!(refusal(open("", text).await), LinkNotAvailable);
    }
    consign.revoke_link(&op, link.link.id).await.unwrap();
    assert_eq!(refusal(open("k", "open sesame").await), LinkNotAvailable);
}

#[tokio::test]
async fn a_group_that_is_asked_for_twice_is_made_once() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let consign = &world.consign;
    let add = async |name: &str, keyed: &str| {
        let name = GroupName::parse(name).unwrap();
        consign
            .add_group(&op, name, None, key(keyed).as_ref())
            .await
    };
    let group = add("Müller", "k").await.unwrap();
    assert_eq!(add("Müller", "k").await.unwrap(), group);
    assert_eq!(refusal(add("Meier", "k").await), OtherRequest);
    assert_eq!(refusal(add("Müller", "l").await), GroupNameTaken);
    assert_eq!(refusal(add("Müller", "").await), GroupNameTaken);
    let events = world.events().await;
    let added = |kind: &EventKind| matches!(kind, EventKind::GroupAdded { .. });
    assert_eq!(events.iter().filter(|(_, kind)| added(kind)).count(), 1);
    consign.remove_group(&op, group.id).await.unwrap();
    assert_eq!(refusal(add("Müller", "k").await), GroupNotFound);
}

#[tokio::test]
async fn what_was_done_once_is_forgotten_by_the_sweeper() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    upload(&world, &op, "a.docx", "bytes").await.unwrap();
    let administration = world.consign.administration();
    for (after, forgotten) in [(DAY, 0), (Duration::from_millis(1), 1), (DAY, 0)] {
        world.clock.advance(after);
        let report = administration.sweep(Duration::ZERO, |_| ()).await.unwrap();
        assert_eq!(report.forgotten, forgotten);
    }
}
