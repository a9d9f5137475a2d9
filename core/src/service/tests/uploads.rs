//! Uploads that are refused: nothing of them remains.

use super::{
    intake::{CANNOT_READ, PANIC, REFUSE_ALL, REFUSE_HEAD},
    *,
};
use crate::{error::ErrorKind::*, intake::HEAD_LEN, policy::Action, user::Status};

#[tokio::test]
async fn the_limit_is_exact() {
    const LIMIT: usize = 300_000;
    let world = World::with(Settings {
        max_upload: LIMIT as u64,
        removal_grace: Duration::ZERO,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    for chunk in [1000, 8192, 65_537, 299_999, 300_000, 300_001] {
        for size in [LIMIT, LIMIT + 1, LIMIT + 100_000] {
            let body = Bytes::from(vec![7; size]);
            let chunks = (0..size)
                .step_by(chunk)
                .map(|at| body.slice(at..size.min(at + chunk)));
            let permit = world.consign.permit_upload(&op).unwrap();
            let body = world.rig.body(chunks.collect());
            let uploaded = world
                .consign
                .upload(permit, file_name("a.docx"), body)
                .await;
            if size <= LIMIT {
                let file = uploaded.unwrap();
                assert_eq!(file.entry.size, size as u64);
                world.consign.delete(&op, file.entry.id).await.unwrap();
            } else {
                assert_eq!(
                    refusal(uploaded),
                    TooLarge {
                        limit: LIMIT as u64
                    }
                );
            }
            world.settle().await;
            assert_nothing(world.kept().await, &format!("{size} bytes by {chunk}"));
        }
    }
}

/// A body without end is refused, at the limit and not later.
#[tokio::test]
async fn no_more_is_read_than_the_limit() {
    let world = World::with(Settings {
        max_upload: 10_000,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    let mut polled = 0;
    let much = stream::repeat_with(|| {
        polled += 1;
        Ok(Bytes::from_static(&[7; 1000]))
    })
    .take(1000);
    let permit = world.consign.permit_upload(&op).unwrap();
    let uploaded = world
        .consign
        .upload(permit, file_name("a.docx"), much)
        .await;
    assert_eq!(refusal(uploaded), TooLarge { limit: 10_000 });
    assert_eq!(polled, 11);
    world.settle().await;
    assert_nothing(world.kept().await, "a body that does not end");
}

#[tokio::test]
async fn what_the_intake_refuses_leaves_nothing() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let events = world.events().await;
    for (name, content, kind, detail) in [
        (
            "a.exe",
            b"a".as_slice(),
            UnsupportedType,
            Some("not a .docx"),
        ),
        (
            "a.docx",
            REFUSE_HEAD,
            UnsupportedType,
            Some("a refused head"),
        ),
        (
            "a.docx",
            REFUSE_ALL,
            UnsupportedType,
            Some("refused content"),
        ),
        ("a.docx", CANNOT_READ, Unavailable, None),
        ("a.docx", PANIC, Internal, None),
    ] {
        for size in [content.len(), 2 * HEAD_LEN, 600_000] {
            let mut body = content.to_vec();
            body.resize(size, b' ');
            let error = world.upload(&op, name, &body).await.unwrap_err();
            assert_eq!((error.kind(), error.detail()), (kind, detail));
            world.settle().await;
            assert_nothing(world.kept().await, &String::from_utf8_lossy(content));
        }
    }
    assert_eq!(world.events().await, events);
    world
        .upload(&op, "a.docx", b"good")
        .await
        .expect("the next one is not touched by it");
}

/// A wrong name is told before a stage is begun, a wrong head before the rest is read.
#[tokio::test]
async fn a_refusal_comes_as_early_as_it_can() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let polled = AtomicU64::new(0);
    let body = stream::repeat_with(|| match polled.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(Bytes::from_static(REFUSE_HEAD)),
        _ => Ok(Bytes::from_static(&[b' '; 1024])),
    });
    let mut body = std::pin::pin!(body);
    world.rig.disarm();
    let permit = world.consign.permit_upload(&op).unwrap();
    let uploaded = world
        .consign
        .upload(permit, file_name("a.exe"), body.as_mut())
        .await;
    assert_eq!(refusal(uploaded), UnsupportedType);
    assert_eq!(
        (world.rig.steps().len(), polled.load(Ordering::SeqCst)),
        (0, 0)
    );
    let permit = world.consign.permit_upload(&op).unwrap();
    let uploaded = world
        .consign
        .upload(permit, file_name("a.docx"), body)
        .await;
    assert_eq!(refusal(uploaded), UnsupportedType);
    let head = 1 + HEAD_LEN as u64 / 1024;
    assert_eq!(
        polled.load(Ordering::SeqCst),
        head,
        "an endless body is left where its head ends"
    );
}

#[tokio::test]
async fn a_body_that_ends_early_leaves_nothing() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    for size in [0, 1, 10_000, 600_000] {
        for too_large in [false, true] {
            let end = match too_large {
                true => BodyError::TooLarge,
                false => BodyError::Incomplete("the connection was reset".into()),
            };
            let body = stream::iter([Ok(Bytes::from(vec![7; size])), Err(end)]);
            let permit = world.consign.permit_upload(&op).unwrap();
            let error = world
                .consign
                .upload(permit, file_name("a.docx"), body)
                .await
                .unwrap_err();
            let limit = world.consign.settings().max_upload;
            let expected = if too_large {
                TooLarge { limit }
            } else {
                Incomplete
            };
            assert_eq!(error.kind(), expected);
            assert!(!error.to_string().contains("reset"), "{error}");
            world.settle().await;
            assert_nothing(world.kept().await, "half a body");
        }
    }
}

#[tokio::test]
async fn whoever_may_no_longer_upload_when_the_body_ends_has_not_uploaded() {
    for (how, expected) in [
        ("disabled", InvalidToken),
        ("disabled and enabled", InvalidToken),
        ("demoted", InvalidToken),
        ("logged out", InvalidToken),
        ("another password", InvalidToken),
        ("demoted without an epoch", Forbidden(Action::Upload)),
        ("gone", InvalidToken),
    ] {
        let world = World::new();
        world.user("other", Role::Operations).await;
        let op = world.newcomer("op", Role::Operations).await;
        let (administration, name) = (world.consign.administration(), username("op"));
        let rig = Arc::clone(&world.rig);
        let events = world.events().await.len();
        let meanwhile = async move {
            match how {
                "disabled" => drop(
                    administration
                        .set_status(&name, Status::Disabled)
                        .await
                        .unwrap(),
                ),
                "disabled and enabled" => {
                    administration
                        .set_status(&name, Status::Disabled)
                        .await
                        .unwrap();
                    administration
                        .set_status(&name, Status::Active)
                        .await
                        .unwrap();
                }
                "demoted" => drop(administration.set_role(&name, Role::Client).await.unwrap()),
                "logged out" => drop(administration.end_sessions(&name).await.unwrap()),
                "another password" => {
                    administration
                        .set_password(&name, password("another horse"))
                        .await
                        .unwrap();
                }
                "demoted without an epoch" => rig.rewrite_users(|user| user.role = Role::Client),
                "gone" => rig.rewrite_users(|user| user.session_epoch = u32::MAX),
                _ => unreachable!("{how}"),
            }
            Ok(Bytes::from_static(b"the rest"))
        };
        let body = stream::iter([Ok(Bytes::from_static(b"the beginning, "))])
            .chain(stream::once(meanwhile));
        let permit = world.consign.permit_upload(&op).unwrap();
        let uploaded = world
            .consign
            .upload(permit, file_name("a.docx"), body)
            .await;
        assert_eq!(refusal(uploaded), expected, "{how}");
        world.settle().await;
        assert_nothing(world.kept().await, how);
        let events = world.events().await.split_off(events);
        assert!(
            !events
                .iter()
                .any(|(_, kind)| matches!(kind, EventKind::FileAdded { .. }))
        );
    }
}
