use super::*;
use crate::{error::ErrorKind::*, user::Status};

/// What must end every session and every link of `ann`'s.
const ENDINGS: [&str; 8] = [
    "log out everywhere",
    "end sessions",
    "disable",
    "disable and enable",
    "another role",
    "another role and back",
    "change password",
    "set password",
];

async fn end(world: &World, how: &str) {
    let (consign, ann) = (&world.consign, username("ann"));
    let actor = world.actor("ann").await;
    let role = actor.user().role;
    let other = match role {
        Role::Client => Role::Operations,
        Role::Operations => Role::Client,
    };
    let administration = consign.administration();
    match how {
        "log out everywhere" => consign.log_out_everywhere(&actor).await.unwrap(),
        "end sessions" => drop(administration.end_sessions(&ann).await.unwrap()),
        "disable" => drop(
            administration
                .set_status(&ann, Status::Disabled)
                .await
                .unwrap(),
        ),
        "disable and enable" => {
            administration
                .set_status(&ann, Status::Disabled)
                .await
                .unwrap();
            administration
                .set_status(&ann, Status::Active)
                .await
                .unwrap();
        }
        "another role" => drop(administration.set_role(&ann, other).await.unwrap()),
        "another role and back" => {
            administration.set_role(&ann, other).await.unwrap();
            administration.set_role(&ann, role).await.unwrap();
        }
        "change password" => {
            let (old, new) = (password(PASSWORD), password("another horse"));
            consign.change_password(&actor, old, new).await.unwrap();
        }
        "set password" => {
            administration
                .set_password(&ann, password("another horse"))
                .await
                .unwrap();
        }
        _ => unreachable!("{how}"),
    }
}

#[tokio::test]
async fn sessions_end_at_once() {
    for role in [Role::Client, Role::Operations] {
        for how in ENDINGS {
            let world = World::new();
            world.user("other", Role::Operations).await;
            world.user("ann", role).await;
            let sessions = [world.session("ann").await, world.session("ann").await];
            let other = world.session("other").await;
            for session in &sessions {
                world.consign.authenticate(&session.token).await.unwrap();
            }
            end(&world, how).await;
            for session in &sessions {
                assert_eq!(
                    refusal(world.consign.authenticate(&session.token).await),
                    InvalidToken,
                    "{how}"
                );
            }
            world
                .consign
                .authenticate(&other.token)
                .await
                .expect("others stay");
        }
    }
}

#[tokio::test]
async fn links_end_at_once() {
    for how in ENDINGS {
        let world = World::new();
        let op = world.newcomer("op", Role::Operations).await;
        world.upload(&op, "a.docx", b"a").await.unwrap();
        let ann = world.newcomer("ann", Role::Client).await;
        let bob = world.newcomer("bob", Role::Client).await;
        let links = [
            world.link(&ann, "a.docx").await,
            world.link(&ann, "a.docx").await,
        ];
        let other = world.link(&bob, "a.docx").await;
        for link in &links {
            assert_eq!(world.download(&link.token).await.unwrap(), b"a");
        }
        end(&world, how).await;
        for link in &links {
            assert_eq!(
                refusal(world.consign.open(&link.token).await),
                InvalidToken,
                "{how}"
            );
        }
        assert_eq!(
            world.download(&other.token).await.unwrap(),
            b"a",
            "others' stay"
        );
    }
}

#[tokio::test]
async fn a_new_login_works_after_all_but_disabling() {
    for how in ENDINGS {
        let world = World::new();
        world.user("op", Role::Operations).await;
        world.user("ann", Role::Client).await;
        end(&world, how).await;
        let given = if how.ends_with("password") {
            "another horse"
        } else {
            PASSWORD
        };
        let login = world.consign.login("ann", password(given)).await;
        if how == "disable" {
            assert_eq!(refusal(login), InvalidCredentials);
        } else {
            world
                .consign
                .authenticate(&login.unwrap().token)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn each_ending_is_in_the_trail() {
    for how in ENDINGS {
        let world = World::new();
        world.user("op", Role::Operations).await;
        let user = world.user("ann", Role::Client).await.id;
        end(&world, how).await;
        let status = |status| {
            (
                Author::Administrator,
                EventKind::StatusChanged { user, status },
            )
        };
        let role = |role| (Author::Administrator, EventKind::RoleChanged { user, role });
        let expected = match how {
            "log out everywhere" => vec![(Author::User(user), EventKind::SessionsEnded { user })],
            "end sessions" => vec![(Author::Administrator, EventKind::SessionsEnded { user })],
            "disable" => vec![status(Status::Disabled)],
            "disable and enable" => vec![status(Status::Disabled), status(Status::Active)],
            "another role" => vec![role(Role::Operations)],
            "another role and back" => vec![role(Role::Operations), role(Role::Client)],
            "change password" => vec![(Author::User(user), EventKind::PasswordChanged { user })],
            "set password" => vec![(Author::Administrator, EventKind::PasswordChanged { user })],
            _ => unreachable!("{how}"),
        };
        assert_eq!(world.events().await[2..], expected, "{how}");
    }
}

#[tokio::test]
async fn a_session_lasts_to_the_second() {
    let world = World::new();
    world.user("ann", Role::Client).await;
    world
        .clock
        .set(Timestamp::from_millis(START.as_millis() + 999));
    let session = world.session("ann").await;
    assert_eq!(
        session.expires_at,
        START + Duration::from_secs(3600),
        "whole seconds, never later"
    );
    let at = async |millis| {
        world.clock.set(Timestamp::from_millis(millis));
        world
            .consign
            .authenticate(&session.token)
            .await
            .map(|actor| actor.user().username.to_string())
    };
    let end = session.expires_at.as_millis();
    assert_eq!(at(end - 1).await.unwrap(), "ann");
    assert_eq!(refusal(at(end).await), InvalidToken);
    assert_eq!(refusal(at(end + 86_400_000).await), InvalidToken);
    assert_eq!(
        refusal(at(START.as_millis() - 1).await),
        InvalidToken,
        "before it was made"
    );
}

#[tokio::test]
async fn a_token_is_no_link_and_a_link_is_no_token() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"a").await.unwrap();
    world.user("ann", Role::Client).await;
    let session = world.session("ann").await;
    let ann = world.consign.authenticate(&session.token).await.unwrap();
    let link = world.link(&ann, "a.docx").await;
    assert_eq!(
        refusal(world.consign.authenticate(&link.token).await),
        InvalidToken
    );
    assert_eq!(
        refusal(world.consign.open(&session.token).await),
        InvalidToken
    );
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        &link.token[1..],
        &format!("{} ", session.token),
    ] {
        assert_eq!(
            refusal(world.consign.authenticate(text).await),
            InvalidToken
        );
        assert_eq!(refusal(world.consign.open(text).await), InvalidToken);
    }
}

/// Role and status are the store's, even where a host application's store raises no epoch.
#[tokio::test]
async fn role_and_status_are_read_now() {
    let world = World::new();
    world.user("ann", Role::Operations).await;
    let session = world.session("ann").await;
    let role = async || {
        world
            .consign
            .authenticate(&session.token)
            .await
            .map(|actor| actor.user().role)
    };
    assert_eq!(role().await.unwrap(), Role::Operations);
    world.rig.rewrite_users(|user| user.role = Role::Client);
    assert_eq!(role().await.unwrap(), Role::Client);
    world
        .rig
        .rewrite_users(|user| user.status = Status::Disabled);
    assert_eq!(refusal(role().await), InvalidToken);
    world.rig.rewrite_users(|user| user.session_epoch += 1);
    assert_eq!(refusal(role().await), InvalidToken);
    world
        .rig
        .rewrite_users(|user| user.session_epoch = u32::MAX);
    assert_eq!(refusal(role().await), InvalidToken);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_invalid_token() {
    let world = World::new();
    world.user("ann", Role::Operations).await;
    let session = world.session("ann").await;
    world.rig.fail_at("user");
    assert_eq!(
        refusal(world.consign.authenticate(&session.token).await),
        Unavailable
    );
    assert_eq!(
        refusal(world.consign.login("nobody", password(PASSWORD)).await),
        InvalidCredentials
    );
    world.rig.fail_at("user named");
    assert_eq!(
        refusal(world.consign.login("ann", password(PASSWORD)).await),
        Unavailable
    );
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let world = World::new();
    let ann = world.newcomer("ann", Role::Client).await;
    let change = async |old: &str, new: &str| {
        world
            .consign
            .change_password(&ann, password(old), password(new))
            .await
    };
    assert_eq!(
        refusal(change("wrong horse", "another horse").await),
        InvalidCredentials
    );
    assert_eq!(
        refusal(change("wrong horse", "short").await),
        InvalidCredentials
    );
    assert_eq!(
        refusal(change(PASSWORD, "short").await),
        PasswordTooShort { min: 8 }
    );
    assert_eq!(world.events().await.len(), 1);
    world.session("ann").await;
    change(PASSWORD, "another horse").await.unwrap();
    assert_eq!(
        refusal(world.consign.login("ann", password(PASSWORD)).await),
        InvalidCredentials
    );
    world
        .consign
        .login("ann", password("another horse"))
        .await
        .unwrap();
}

/// Someone who has the old password and an open session must not undo a reset by the operator.
#[tokio::test]
async fn whoever_was_logged_out_changes_no_password() {
    for how in ENDINGS {
        let world = World::new();
        world.user("op", Role::Operations).await;
        let before = world.newcomer("ann", Role::Client).await;
        end(&world, how).await;
        let (old, new) = (password(PASSWORD), password("stolen horse"));
        let changed = world.consign.change_password(&before, old, new).await;
        assert_eq!(refusal(changed), InvalidToken, "{how}");
        let login = world.consign.login("ann", password("stolen horse")).await;
        assert_eq!(refusal(login), InvalidCredentials, "{how}");
    }
}

#[tokio::test]
async fn whoever_is_logged_out_while_the_hash_is_made_changes_no_password() {
    let world = World::new();
    let ann = world.newcomer("ann", Role::Client).await;
    world.rig.hold_at("user");
    let consign = world.consign.clone();
    let (old, new) = (password(PASSWORD), password("stolen horse"));
    let mut change = tokio::spawn(async move { consign.change_password(&ann, old, new).await });
    world.rig.reached_by(&mut change).await;
    world.rig.disarm();
    let administration = world.consign.administration();
    administration
        .set_password(&username("ann"), password("another horse"))
        .await
        .unwrap();
    world.rig.release();
    assert_eq!(refusal(change.await.unwrap()), InvalidToken);
    world
        .consign
        .login("ann", password("another horse"))
        .await
        .unwrap();
}
