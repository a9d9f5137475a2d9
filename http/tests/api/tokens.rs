//! When tokens and links begin, end and die.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use consign_core::{
    password::Password,
    time::Timestamp,
    user::{Role, Status, Username},
};
use consign_http::testing::Form;
use http_body::Frame;
use http_body_util::StreamBody;

use crate::support::{PASSWORD, Room, document, room_with_a_file, run, text, upload};

const INVALID: &str = "Invalid or expired token";

#[test]
fn an_access_token_ends_at_its_second() {
    run(async {
        let room = Room::new();
        let token = room.sign_up("carl", false).await;
        // A whole number of seconds after the second in which it was made.
        let end = Timestamp::from_secs(1_700_003_600);
        room.clock.set(end - Duration::from_millis(1));
        assert_eq!(room.get("/files", &token).await.status, 200);
        room.clock.set(end);
        let answer = room.get("/files", &token).await;
        assert_eq!((answer.status.as_u16(), &*answer.msg()), (401, INVALID));
        room.clock.advance(Duration::from_secs(1_000_000));
        assert_eq!(room.get("/files", &token).await.status, 401);
        // A clock that is set back revives nothing.
        for millis in [1_699_999_999_999, 1_700_000_000_000] {
            room.clock.set(Timestamp::from_millis(millis));
            assert_eq!(room.get("/files", &token).await.status, 401);
        }
    });
}

#[test]
fn a_link_ends_at_the_second_it_was_promised() {
    run(async {
        let (room, _, carl) = room_with_a_file(&document()).await;
        let answer = room
            .get("/generate_download_url/a.docx", &carl)
            .await
            .json();
        assert_eq!(answer["expires_at"], "2023-11-14T22:28:20Z");
        let link = text(&answer["download_url"]);
        let link = link.strip_prefix("https://files.example").unwrap();
        let end = Timestamp::from_secs(1_700_000_900);
        room.clock.set(end - Duration::from_millis(1));
        assert_eq!(room.get(link, "").await.status, 200);
        room.clock.set(end);
        let answer = room.get(link, "").await;
        assert_eq!((answer.status.as_u16(), &*answer.msg()), (401, INVALID));
        // The session goes on: another link can be had.
        let link = room.link(&carl, "a.docx").await;
        assert_eq!(room.get(&link, "").await.status, 200);
    });
}

#[test]
fn what_changes_about_a_user_ends_their_sessions_and_links() {
    run(async {
        let name: Username = "carl".parse().unwrap();
        for change in [
            "log out",
            "disable",
            "disable and enable",
            "role",
            "password",
        ] {
            let (room, olga, carl) = room_with_a_file(&document()).await;
            let dora = room.sign_up("dora", false).await;
            let (link, other) = (
                room.link(&carl, "a.docx").await,
                room.link(&dora, "a.docx").await,
            );
            let administration = room.consign.administration();
            match change {
                "log out" => {
                    let actor = room.consign.authenticate(&carl).await.unwrap();
                    room.consign.log_out_everywhere(&actor).await.unwrap();
                }
                "disable" => {
                    administration
                        .set_status(&name, Status::Disabled)
                        .await
                        .unwrap();
                }
                "disable and enable" => {
                    administration
                        .set_status(&name, Status::Disabled)
                        .await
                        .unwrap();
                    administration
                        .set_status(&name, Status::Active)
                        .await
                        .unwrap();
                }
                "role" => {
                    administration
                        .set_role(&name, Role::Operations)
                        .await
                        .unwrap();
                }
                _ => {
                    let password = Password::new("another password".to_owned());
                    administration.set_password(&name, password).await.unwrap();
                }
            }
            for (target, token) in [("/files", &*carl), (&link, "")] {
                let answer = room.get(target, token).await;
                assert_eq!(
                    (answer.status.as_u16(), &*answer.msg()),
                    (401, INVALID),
                    "{change}"
                );
            }
            // Nobody else's do.
            assert_eq!(room.get("/files", &dora).await.status, 200);
            assert_eq!(room.get("/files", &olga).await.status, 200);
            assert_eq!(room.get(&other, "").await.status, 200);
        }
    });
}

#[test]
fn a_disabled_user_signs_in_no_more() {
    run(async {
        let room = Room::new();
        room.sign_up("carl", false).await;
        let name = "carl".parse().unwrap();
        let administration = room.consign.administration();
        administration
            .set_status(&name, Status::Disabled)
            .await
            .unwrap();
        let fields = serde_json::json!({"username": "carl", "password": PASSWORD});
        let disabled = room.post_json("/login", "", fields.clone()).await;
        let unknown = serde_json::json!({"username": "x", "password": PASSWORD});
        let unknown = room.post_json("/login", "", unknown).await;
        assert_eq!(disabled, unknown, "told apart by nothing");
        assert_eq!(disabled.status, 401);
        administration
            .set_status(&name, Status::Active)
            .await
            .unwrap();
        assert_eq!(room.post_json("/login", "", fields).await.status, 200);
    });
}

#[test]
fn a_link_dies_with_its_file() {
    run(async {
        let (room, olga, carl) = room_with_a_file(&document()).await;
        let link = room.link(&carl, "a.docx").await;
        let files = room.consign.administration().files(None, 10).await.unwrap();
        room.upload(&olga, "a.docx", &document()).await;
        room.consign
            .administration()
            .remove_file(files.items[0].entry.id)
            .await
            .unwrap();
        let answer = room.get(&link, "").await;
        assert_eq!((answer.status.as_u16(), &*answer.msg()), (401, INVALID));
        // The name has another version.
        let link = room.link(&carl, "a.docx").await;
        assert_eq!(room.get(&link, "").await.status, 200);
    });
}

#[test]
fn who_is_demoted_while_uploading_has_not_uploaded() {
    run(async {
        for (change, status) in [(Role::Client, 401), (Role::Operations, 200)] {
            let room = Arc::new(Room::new());
            room.sign_up("olga", true).await;
            let otto = {
                let olga = room.login("olga").await;
                let fields = serde_json::json!({"username": "otto", "email": "otto@example.org",
                    "password": PASSWORD, "is_operation_user": true});
                assert_eq!(room.post_json("/register", &olga, fields).await.status, 201);
                room.login("otto").await
            };
            let body = Form::of_file("a.docx", &document()).finish().1;
            let (first, rest) = body.split_at(body.len() / 2);
            let parts = [Bytes::copy_from_slice(first), Bytes::copy_from_slice(rest)];
            let consign = room.consign.clone();
            let frames = futures_util::stream::unfold((0, parts), move |(at, parts)| {
                let consign = consign.clone();
                async move {
                    if at == 1 && change == Role::Client {
                        let name = "otto".parse().unwrap();
                        consign
                            .administration()
                            .set_role(&name, change)
                            .await
                            .unwrap();
                    }
                    let frame = Frame::data(parts.get(at)?.clone());
                    Some((Ok::<_, std::io::Error>(frame), (at + 1, parts)))
                }
            });
            let answer = room
                .call(upload(&otto, StreamBody::new(Box::pin(frames))))
                .await;
            assert_eq!(answer.status, status, "{answer:?}");
            let olga = room.login("olga").await;
            assert_eq!(room.names(&olga).await.len(), usize::from(status == 200));
        }
    });
}

#[test]
fn a_remembered_session_ends_when_its_token_does() {
    run(async {
        let room = Room::new();
        room.sign_up("carl", false).await;
        let fields =
            serde_json::json!({"username": "carl", "password": PASSWORD, "remember": true});
        let answer = room.post_json("/login", "", fields).await;
        let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let resume = || {
            let request = http::Request::post("/session")
                .header("cookie", &cookie)
                .header("sec-fetch-site", "same-origin");
            room.call(request.body(http_body_util::Empty::<Bytes>::new()).unwrap())
        };
        let end = Timestamp::from_secs(1_700_003_600);
        room.clock.set(end - Duration::from_secs(60));
        let answer = resume().await.json();
        // It is the same one, and no longer.
        assert_eq!(answer["expires_in"], 60);
        assert!(cookie.ends_with(&text(&answer["access_token"])));
        let token = text(&answer["access_token"]);
        let session = room.get("/session", &token).await.json();
        assert_eq!(session["expires_at"], "2023-11-14T23:13:20Z");
        room.clock.set(end);
        let answer = resume().await;
        assert_eq!((answer.status.as_u16(), &*answer.msg()), (401, INVALID));
    });
}
