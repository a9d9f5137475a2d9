//! What a caller is told when something inside fails.

use std::{panic, sync::Arc};

use bytes::Bytes;
use consign_core::{Parts, Settings, store::StoreError, testing::rig::MakeError};
use consign_http::testing::{self, Form};
use futures_util::{FutureExt, StreamExt, stream};
use http::{Method, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};

use crate::{
    faulty::{fail, faulty},
    support::{Lenient, Room, document, request, room_of, run, upload},
};

/// What no caller may read.
const INTERNAL: &str = "/var/lib/consign/secret-place";

#[test]
fn a_store_that_fails_is_told_without_its_words() {
    let errors: [(MakeError, u16, bool); 6] = [
        (|| StoreError::Full(INTERNAL.into()), 507, false),
        (|| StoreError::Busy, 503, true),
        (|| StoreError::Unavailable(INTERNAL.into()), 503, true),
        (|| StoreError::Damaged(INTERNAL.into()), 500, false),
        (|| StoreError::Exists, 500, false),
        (|| StoreError::Missing, 500, false),
    ];
    run(async {
        let (parts, [users, files, blobs]) = faulty();
        let (room, olga) = room_of(parts, Settings::default()).await;
        let carl = room.sign_up("carl", false).await;
        room.upload(&olga, "a.docx", &document()).await;
        let link = room.link(&carl, "a.docx").await;
        let (_, body) = Form::of_file("b.docx", &document()).finish();
        let login = serde_json::json!({"username": "carl", "password": crate::support::PASSWORD});
        let mut other = login.clone();
        other["username"] = "dora".into();
        other["email"] = "dora@example.org".into();
        for (error, status, later) in errors {
            for fault in [&users, &files, &blobs] {
                fail(fault, error);
                let health = room.get("/healthz", "").await;
                assert_eq!(health.status, 503, "whatever is wrong with a store");
                let mut answers = vec![];
                if std::ptr::eq(fault, &users) {
                    answers.push(room.post_json("/login", "", login.clone()).await);
                    answers.push(room.post_json("/register", "", other.clone()).await);
                    answers.push(room.get("/files", &olga).await);
                }
                if std::ptr::eq(fault, &files) {
                    answers.push(room.get("/files", &olga).await);
                    answers.push(room.get("/generate_download_url/a.docx", &carl).await);
                }
                answers.push(
                    room.call(upload(&olga, Full::<Bytes>::from(body.clone())))
                        .await,
                );
                answers.push(room.get(&link, "").await);
                for answer in answers {
                    assert_eq!(answer.status, status, "{answer:?}");
                    assert_eq!(
                        answer.headers[header::CONTENT_TYPE],
                        "application/problem+json"
                    );
                    assert_eq!(answer.headers.contains_key(header::RETRY_AFTER), later);
                    let body = String::from_utf8(answer.body.to_vec()).unwrap();
                    assert!(!body.contains("secret-place"), "{body}");
                    assert!(answer.json().get("detail").is_none(), "{body}");
                }
                fault.disarm();
            }
        }
        assert_eq!(
            room.names(&olga).await,
            ["a.docx"],
            "what failed is not listed"
        );
        assert_eq!(room.get(&link, "").await.status, 200);
    });
}

#[test]
fn a_download_that_breaks_off_never_looks_whole() {
    run(async {
        let (parts, [_, _, blobs]) = faulty();
        let (room, olga) = room_of(parts, Settings::default()).await;
        let carl = room.sign_up("carl", false).await;
        let content = testing::DOCX.document_of(300_000);
        room.upload(&olga, "a.docx", &content).await;
        let link = room.link(&carl, "a.docx").await;
        let errors: [MakeError; 2] = [
            || StoreError::Unavailable("gone".into()),
            || StoreError::Missing,
        ];
        for error in errors {
            for range in [
                None,
                Some("bytes=0-199999"),
                Some("bytes=0-99999,200000-299999"),
            ] {
                let mut asked = request(Method::GET, &link, "", "");
                if let Some(range) = range {
                    let headers = asked.headers_mut();
                    headers.insert(header::RANGE, range.parse().unwrap());
                }
                let mut body = room.api.handle(asked).await.into_body();
                let mut seen = 0;
                while seen < 65_536 {
                    let frame = body.frame().await.unwrap().unwrap();
                    seen += frame.into_data().unwrap().len();
                }
                fail(&blobs, error);
                let mut last = Ok(());
                while let (true, Some(frame)) = (last.is_ok(), body.frame().await) {
                    last = frame.map(drop);
                }
                assert!(last.is_err(), "{range:?} ends with an error");
                blobs.disarm();
            }
        }
    });
}

#[test]
fn a_panic_is_an_error_and_no_end() {
    // What it says of itself would only hide what other tests have to say.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if !text.contains("a panic that was asked for") {
            hook(info);
        }
    }));
    run(async {
        for place in ["name", "head", "content"] {
            let parts = testing::parts();
            let blobs = parts.blobs.clone();
            let panics_at = Some(place);
            let parts = Parts {
                intake: Arc::new(Lenient { panics_at }),
                ..parts
            };
            let (room, olga) = room_of(parts, Settings::default()).await;
            let answer = room.upload(&olga, "a.docx", &document()).await;
            assert_eq!(
                (answer.status.as_u16(), &*answer.msg()),
                (500, "Internal server error")
            );
            assert!(answer.json().get("detail").is_none(), "{answer:?}");
            assert_eq!(room.get("/healthz", "").await.status, 200);
            assert!(room.names(&olga).await.is_empty());
            // Its stage goes, too.
            while !blobs.stages(None, 1).await.unwrap().items.is_empty() {
                tokio::task::yield_now().await;
            }
        }
    });
}

#[test]
fn a_body_that_fails_is_the_callers_fault() {
    run(async {
        let (room, olga) = room_of(testing::parts(), Settings::default()).await;
        let (_, body) = Form::of_file("a.docx", &document()).finish();
        let broken = |at: usize| {
            let frames: [Result<_, std::io::Error>; 2] = [
                Ok(Frame::data(Bytes::copy_from_slice(&body[..at]))),
                Err(std::io::Error::other(INTERNAL)),
            ];
            StreamBody::new(stream::iter(frames))
        };
        for at in [0, 50, body.len() / 2, body.len() - 10] {
            let answer = room.call(upload(&olga, broken(at))).await;
            assert_eq!(answer.status, 400);
            assert!(!String::from_utf8_lossy(&answer.body).contains("secret-place"));
        }
        let json = http::Request::post("/login").header(header::CONTENT_TYPE, "application/json");
        let answer = room.call(json.body(broken(10)).unwrap()).await;
        assert_eq!(answer.status, 400);
        assert!(room.names(&olga).await.is_empty());
    });
}

#[test]
fn trailers_and_empty_frames_mean_nothing() {
    run(async {
        let (room, olga) = room_of(testing::parts(), Settings::default()).await;
        let (_, body) = Form::of_file("a.docx", &document()).finish();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-checksum", "none".parse().unwrap());
        let frames: [Result<_, std::io::Error>; 4] = [
            Ok(Frame::data(Bytes::new())),
            Ok(Frame::data(body.into())),
            Ok(Frame::data(Bytes::new())),
            Ok(Frame::trailers(trailers)),
        ];
        let answer = room
            .call(upload(&olga, StreamBody::new(stream::iter(frames))))
            .await;
        assert_eq!(answer.status, 200);
    });
}

#[test]
fn a_dropped_request_leaves_nothing() {
    run(async {
        let parts = testing::parts();
        let blobs = parts.blobs.clone();
        let (room, olga) = room_of(parts, Settings::default()).await;
        // More than is kept in memory.
        let document = testing::DOCX.document_of(600_000);
        let (_, body) = Form::of_file("a.docx", &document).finish();
        let first = Bytes::copy_from_slice(&body[..body.len() - 30]);
        let first = stream::once(async { Ok::<_, std::io::Error>(Frame::data(first)) });
        let stalled = StreamBody::new(Box::pin(first.chain(stream::pending())));
        let mut handling = Box::pin(room.api.handle(upload(&olga, stalled)));
        let staged = async || !blobs.stages(None, 1).await.unwrap().items.is_empty();
        while !staged().await {
            assert!((&mut handling).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(handling);
        while staged().await {
            tokio::task::yield_now().await;
        }
        assert!(room.names(&olga).await.is_empty());
    });
}

#[test]
fn a_page_of_the_host_takes_the_place_of_ours() {
    run(async {
        let room = Room::new();
        let without = room.api.clone().without_index();
        for path in ["/", "/robots.txt"] {
            assert_eq!(room.get(path, "").await.status, 200, "{path}");
            assert!(!without.answers(path));
            let answer = without.handle(request(Method::GET, path, "", "")).await;
            assert_eq!(answer.status(), 404);
        }
        for path in ["/healthz", "/files", "/files/", "/download_file/x"] {
            assert!(without.answers(path), "{path}");
        }
        for path in ["", "/nowhere", "/files/x/", "*", "/download_file/"] {
            assert!(!room.api.answers(path), "{path}");
        }
    });
}

#[test]
fn search_engines_are_asked_to_stay_away() {
    run(async {
        let answer = Room::new().get("/robots.txt", "").await;
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
        assert_eq!(answer.body, "User-agent: *\nDisallow: /\n");
    });
}

#[test]
fn an_answer_to_head_has_no_body() {
    run(async {
        let (room, olga) = room_of(testing::parts(), Settings::default()).await;
        let carl = room.sign_up("carl", false).await;
        room.upload(&olga, "a.docx", &document()).await;
        let link = room.link(&carl, "a.docx").await;
        let name = "/generate_download_url/a.docx";
        for path in [
            "/",
            "/healthz",
            "/files",
            "/nowhere",
            "/login",
            name,
            &link,
            "/download_file/x",
        ] {
            let answer = room.call(request(Method::HEAD, path, &carl, "")).await;
            assert!(answer.body.is_empty(), "{path}: {answer:?}");
            assert_ne!(answer.headers[header::CONTENT_LENGTH], "0", "{path}");
        }
    });
}
