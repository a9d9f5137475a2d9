//! Whom files are for, as it is shown: what is looked up for it, and what is not there any more.

use consign_core::{
    Settings,
    audience::{Audience, Principal},
    id::{GroupId, UserId},
    store::Change,
    testing::sample_entry,
};
use consign_http::testing;
use http::{Method, header};
use serde_json::{Value, json};

use crate::{
    faulty::faulty,
    support::{Answer, Room, document, request, room_of, run, text},
};

/// Has a file be for others.
async fn share(room: &Room, token: &str, file: &str, audience: Value) -> Answer {
    let body = json!({"audience": audience}).to_string();
    let mut request = request(Method::PATCH, &format!("/files/{file}"), token, body);
    let json = "application/json".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    room.call(request).await
}

#[test]
fn those_whom_a_store_has_lost_are_left_out() {
    run(async {
        let parts = testing::parts();
        let files = parts.files.clone();
        let (room, olga) = room_of(parts, Settings::default()).await;
        let lost = [
            Principal::User(UserId::from_bytes([7; 16])),
            Principal::Group(GroupId::from_bytes([7; 16])),
        ];
        let mut entry = sample_entry(1);
        // Groups that are not there are refused when a file is added, and linger when they are removed.
        entry.audience = Audience::of([lost[0]]).unwrap();
        let path = format!("/files/{}", entry.id);
        files.apply(Change::add(entry)).await.unwrap();
        let listed = room.get("/files", &olga).await.json()["files"][0].clone();
        assert_eq!(listed["audience"], "nobody");
        let shown = room.get(&path, &olga).await.json();
        assert_eq!(shown, json!({"file": listed}));
    });
}

#[test]
fn everybody_is_shown_without_a_look_at_any_store_and_others_once() {
    run(async {
        let (parts, [users, files, _]) = faulty();
        let (room, olga) = room_of(parts, Settings::default()).await;
        let carl = room.sign_up("carl", false).await;
        let group = room.post_json("/groups", &olga, json!({"name": "x"})).await;
        let group = text(&group.json()["group"]["id"]);
        let mut ids = Vec::new();
        for name in ["a.docx", "b.docx", "c.docx"] {
            let uploaded = room.upload(&olga, name, &document()).await.json();
            ids.push(text(&uploaded["file"]["id"]));
        }
        let looks = async |token: &str| {
            users.disarm();
            files.disarm();
            assert_eq!(room.get("/files", token).await.status, 200);
            [users.steps().len(), files.steps().len()]
        };
        // Whose token it is, and the list; a step before each and one after it.
        assert_eq!(looks(&olga).await, [2, 2]);
        let client = looks(&carl).await;
        for id in &ids {
            let both = json!({"users": ["carl"], "groups": [group]});
            assert_eq!(share(&room, &olga, id, both).await.status, 200);
        }
        assert_eq!(looks(&olga).await, [4, 4], "each is looked up once");
        assert_eq!(looks(&carl).await, client, "a client is told of nobody");
    });
}

#[test]
fn what_cannot_be_shown_is_not_done() {
    run(async {
        let (parts, [users, ..]) = faulty();
        let (room, olga) = room_of(parts, Settings::default()).await;
        room.sign_up("carl", false).await;
        let uploaded = room.upload(&olga, "a.docx", &document()).await.json();
        let id = text(&uploaded["file"]["id"]);
        let carl = json!({"users": ["carl"]});
        // Each step of the users' store after the first two, which are about the token.
        for nth in 2.. {
            users.fail_nth(nth);
            let answer = share(&room, &olga, &id, carl.clone()).await;
            users.disarm();
            if answer.status == 200 {
                assert!(nth > 4, "names are looked up");
                break;
            }
            assert_eq!(answer.status, 503, "{answer:?}");
            let shown = room.get(&format!("/files/{id}"), &olga).await.json();
            assert_eq!(shown["file"]["audience"], "everybody");
        }
    });
}
