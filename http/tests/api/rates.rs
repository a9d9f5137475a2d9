//! How often things may be asked for.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use consign_core::{Parts, Settings, memory::MemoryLimits};
use consign_http::{ClientAddress, Limit, Rate, Rates, testing};
use http::{Method, header};
use serde_json::json;

use crate::support::{Answer, PASSWORD, Room, document, request, room_with_a_file, run, text};

/// A room whose API takes `burst` of each thing from an address and `account` for an account, and
/// then one a second, and the time that it counts by, in milliseconds.
fn limited(room: &mut Room, burst: u32, account: u32) -> Arc<AtomicU64> {
    let rate = |burst| Rate::new(NonZeroU32::new(burst).unwrap(), Duration::from_secs(1));
    let limit = Limit {
        by_address: rate(burst),
        by_account: rate(account),
    };
    let rates = Rates {
        login: limit,
        registration: limit,
        redemption: limit,
        opening: limit,
    };
    let millis = Arc::<AtomicU64>::default();
    let ticks = Arc::clone(&millis);
    room.api = room.api.clone().with_rates_at(rates, move || {
        Duration::from_millis(ticks.load(Ordering::SeqCst))
    });
    millis
}

async fn from(room: &Room, address: &str, method: Method, target: &str, body: &str) -> Answer {
    let mut request = request(method, target, "", Bytes::from(body.to_owned()));
    if !body.is_empty() {
        let json = "application/json".parse().unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    let address = ClientAddress(address.parse().unwrap());
    request.extensions_mut().insert(address);
    room.call(request).await
}

#[track_caller]
fn is_refused(answer: &Answer, secs: &str) {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.headers[header::RETRY_AFTER], secs);
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "application/problem+json"
    );
    assert_eq!(answer.msg(), "Too many requests, try again later");
}

fn login(name: &str, password: &str) -> String {
    json!({"username": name, "password": password}).to_string()
}

#[test]
fn logins_are_limited_for_each_account() {
    run(async {
        let mut room = Room::new();
        room.sign_up("carl", false).await;
        let time = limited(&mut room, 100, 2);
        // Whether or not there is such a user, and whatever the password.
        for name in ["carl", "nobody"] {
            for (at, pass) in ["wrong", PASSWORD, PASSWORD].into_iter().enumerate() {
                let address = format!("192.0.2.{at}");
                let body = login(name, pass);
                let answer = from(&room, &address, Method::POST, "/login", &body).await;
                if at == 2 {
                    is_refused(&answer, "1");
                } else {
                    assert_ne!(answer.status, 429);
                }
            }
        }
        time.fetch_add(1000, Ordering::SeqCst);
        let answer = room.post_json(
            "/login",
            "",
            json!({"username": "carl", "password": PASSWORD}),
        );
        assert_eq!(answer.await.status, 200);
    });
}

#[test]
fn logins_and_registrations_are_limited_for_each_address() {
    run(async {
        let mut room = Room::new();
        let time = limited(&mut room, 3, 100);
        for target in ["/login", "/register"] {
            // Each counts, be it as bad as it is.
            for body in ["{}", "no JSON", &login("nobody", "wrong")] {
                let answer = from(&room, "192.0.2.1", Method::POST, target, body).await;
                assert!(answer.status.is_client_error() && answer.status != 429);
            }
            let body = login("nobody", "wrong");
            let refused = from(&room, "192.0.2.1", Method::POST, target, &body).await;
            is_refused(&refused, "1");
            let other = from(&room, "192.0.2.2", Method::POST, target, "{}").await;
            assert_eq!(other.status, 400);
        }
        time.fetch_add(999, Ordering::SeqCst);
        let refused = from(&room, "192.0.2.1", Method::POST, "/login", "{}").await;
        is_refused(&refused, "1");
        time.fetch_add(1, Ordering::SeqCst);
        let answer = from(&room, "192.0.2.1", Method::POST, "/login", "{}").await;
        assert_eq!(answer.status, 400);
    });
}

#[test]
fn registrations_are_limited_for_each_account() {
    run(async {
        let mut room = Room::new();
        let olga = room.sign_up("olga", true).await;
        limited(&mut room, 100, 2);
        let fields = |name: &str, operations| {
            json!({
                "username": name,
                "email": format!("{name}@example.org"),
                "password": PASSWORD,
                "is_operation_user": operations,
            })
        };
        // A name that is asked for again and again; one who invites again and again.
        let mut answers = Vec::new();
        for (name, operations) in [("carl", false), ("carl", false), ("carl", false)] {
            answers.push(
                room.post_json("/register", "", fields(name, operations))
                    .await,
            );
        }
        for name in ["a", "b", "c"] {
            answers.push(room.post_json("/register", &olga, fields(name, true)).await);
        }
        let statuses: Vec<_> = answers
            .iter()
            .map(|answer| answer.status.as_u16())
            .collect();
        assert_eq!(statuses, [201, 400, 429, 201, 201, 429]);
        is_refused(&answers[2], "1");
    });
}

#[test]
fn downloads_are_limited_for_each_address_and_for_whose_link_it_is() {
    run(async {
        let (mut room, _, carl) = room_with_a_file(&document()).await;
        let dora = room.sign_up("dora", false).await;
        let (link, other) = (
            room.link(&carl, "a.docx").await,
            room.link(&dora, "a.docx").await,
        );
        let time = limited(&mut room, 2, 3);
        let get = async |address, link: &str| from(&room, address, Method::GET, link, "").await;
        // Guesses count as much.
        assert_eq!(get("192.0.2.1", "/download_file/a.b.c").await.status, 401);
        let head = from(&room, "192.0.2.1", Method::HEAD, &link, "").await;
        assert_eq!(head.status, 200);
        is_refused(&get("192.0.2.1", &link).await, "1");
        is_refused(&get("192.0.2.1", "/download_file/a.b.c").await, "1");
        // Carl's link was opened once; twice more is all, from wherever.
        assert_eq!(get("192.0.2.2", &link).await.status, 200);
        assert_eq!(get("192.0.2.3", &link).await.status, 200);
        is_refused(&get("192.0.2.4", &link).await, "1");
        assert_eq!(get("192.0.2.4", &other).await.status, 200);
        time.fetch_add(1000, Ordering::SeqCst);
        assert_eq!(get("192.0.2.1", &link).await.status, 200);
    });
}

#[test]
fn managed_links_are_limited_for_each_address_and_for_each_link() {
    run(async {
        let (mut room, olga, _) = room_with_a_file(&document()).await;
        let link = async |room: &Room| {
            let to = json!({"files": ["a.docx"]});
            let answer = room.post_json("/links", &olga, to).await.json();
            let url = text(&answer["link"]["url"]);
            format!("/l/{}", url.rsplit('/').next().unwrap())
        };
        let (one, other) = (link(&room).await, link(&room).await);
        let time = limited(&mut room, 2, 3);
        let ask = async |address, method, link: &str| from(&room, address, method, link, "").await;
        assert_eq!(ask("192.0.2.1", Method::GET, &one).await.status, 200);
        // Guesses count as much.
        assert_eq!(ask("192.0.2.1", Method::POST, "/l/x").await.status, 404);
        is_refused(&ask("192.0.2.1", Method::POST, &other).await, "1");
        assert_eq!(ask("192.0.2.2", Method::POST, &one).await.status, 201);
        assert_eq!(ask("192.0.2.3", Method::HEAD, &one).await.status, 200);
        is_refused(&ask("192.0.2.4", Method::POST, &one).await, "1");
        assert_eq!(ask("192.0.2.4", Method::POST, &other).await.status, 201);
        time.fetch_add(1000, Ordering::SeqCst);
        assert_eq!(ask("192.0.2.1", Method::POST, &one).await.status, 201);
    });
}

#[test]
fn nothing_is_limited_unless_it_is_asked_for() {
    run(async {
        let (room, _, carl) = room_with_a_file(&document()).await;
        let link = room.link(&carl, "a.docx").await;
        for _ in 0..1000 {
            assert_eq!(
                from(&room, "192.0.2.1", Method::HEAD, &link, "")
                    .await
                    .status,
                200
            );
        }
    });
}

#[test]
fn a_hundred_failed_logins_in_a_row_are_told_how_long_to_wait() {
    run(async {
        let room = Room::new();
        room.sign_up("carl", false).await;
        let try_with = async |password: &str| {
            let fields = json!({"username": "carl", "password": password});
            room.post_json("/login", "", fields).await
        };
        for _ in 0..100 {
            assert_eq!(try_with("wrong").await.status, 401);
        }
        let answer = try_with(PASSWORD).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.headers[header::RETRY_AFTER], "1");
        assert_eq!(answer.msg(), "Too many failed attempts, try again later");
        room.clock.advance(Duration::from_secs(1));
        assert!(!text(&try_with(PASSWORD).await.json()["access_token"]).is_empty());
    });
}

#[test]
fn nodes_that_share_a_store_of_limits_count_together() {
    run(async {
        let parts = Parts {
            limits: Some(Arc::new(MemoryLimits::new())),
            ..testing::parts()
        };
        let mut nodes = [(); 2].map(|()| Room::of(parts.clone(), Settings::default()));
        nodes[0].sign_up("carl", false).await;
        let times = nodes.each_mut().map(|node| limited(node, 100, 4));
        let call = async |node: usize, password| {
            let body = login("carl", password);
            from(&nodes[node], "192.0.2.1", Method::POST, "/login", &body).await
        };
        for n in 0..4 {
            assert_eq!(call(n % 2, "wrong").await.status, 401);
        }
        for node in [0, 1] {
            is_refused(&call(node, PASSWORD).await, "1");
        }
        for (node, time) in nodes.iter().zip(times) {
            node.clock.advance(Duration::from_secs(1));
            time.fetch_add(1000, Ordering::SeqCst);
        }
        assert_eq!(call(1, PASSWORD).await.status, 200);
        is_refused(&call(0, PASSWORD).await, "1");
    });
}
