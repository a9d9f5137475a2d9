//! Codes for the recipients of managed links.

use std::sync::Arc;

use bytes::Bytes;
use consign_core::{Parts, Settings, memory::MemoryCourier};
use consign_http::testing;
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Answer, Room, document, request, run, text};

/// A room with mail, and a link in it for Rita.
struct Post {
    room: Room,
    courier: MemoryCourier,
    link: String,
}

impl Post {
    async fn new(properties: Value) -> Self {
        let courier = MemoryCourier::new();
        let parts = Parts {
            courier: Some(Arc::new(courier.clone())),
            ..testing::parts()
        };
        let room = Room::of(parts, Settings::default());
        let olga = room.sign_up("olga", true).await;
        room.upload(&olga, "a.docx", &document()).await;
        let mut link = json!({"files": ["a.docx"], "recipient": "rita@example.net"});
        for (name, value) in properties.as_object().unwrap() {
            link[name] = value.clone();
        }
        let answer = room.post_json("/links", &olga, link).await.json();
        let url = text(&answer["link"]["url"]);
        Self {
            room,
            courier,
            link: url.replace("https://files.example", ""),
        }
    }

    async fn post(&self, shown: Value) -> Answer {
        self.room.post_json(&self.link, "", shown).await
    }

    /// As a browser posts a form.
    async fn form(&self, form: &str) -> Answer {
        let body = Bytes::from(form.to_owned());
        let mut request = request(Method::POST, &self.link, "", body);
        for (name, value) in [
            (header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
            (header::ACCEPT, "text/html"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        self.room.call(request).await
    }

    async fn code(&self) -> String {
        let administration = self.room.consign.administration();
        administration.deliver_mail().await.unwrap();
        let mail = self.courier.delivered().pop().unwrap();
        let (_, code) = mail.text.expose().split_once("your code: ").unwrap();
        code.lines().next().unwrap().to_owned()
    }
}

fn is_refused(answer: &Answer, status: u16, msg: &str) {
    assert_eq!((answer.status.as_u16(), &*answer.msg()), (status, msg));
}

#[test]
fn the_recipient_is_sent_a_code_and_opens_the_link_by_it() {
    run(async {
        let post = Post::new(json!({})).await;
        let described = post.room.get(&post.link, "").await.json();
        assert_eq!(described["recipient_required"], true);
        assert_eq!(described["files"], Value::Null);
        let sent = "A code was sent to the recipient";
        is_refused(&post.post(json!({})).await, 401, sent);
        is_refused(&post.post(json!({"code": ""})).await, 401, sent);
        for code in ["x", "0000 000", "0000000000", "0000 0000"] {
            let answer = post.post(json!({"code": code})).await;
            is_refused(&answer, 401, "Wrong code");
            assert!(!String::from_utf8_lossy(&answer.body).contains("docx"));
        }
        let code = post.code().await;
        let lease = post.post(json!({"code": code})).await;
        assert_eq!(lease.status, 201, "{lease:?}");
        let url = text(&lease.json()["download_url"]);
        let path = url.replace("https://files.example", "");
        assert_eq!(post.room.get(&path, "").await.body, document());
        let again = post.post(json!({"code": code})).await;
        is_refused(&again, 401, "Wrong code");
    });
}

#[test]
fn a_recipient_in_a_browser_is_led_to_the_code() {
    run(async {
        let post = Post::new(json!({"password": "open sesame"})).await;
        let page = |answer: &Answer| String::from_utf8(answer.body.to_vec()).unwrap();
        let asked = post.form("password=open+sesame").await;
        assert_eq!(asked.status, 401);
        let asked = page(&asked);
        assert!(
            asked.contains("<h1>A code was sent to the recipient</h1>"),
            "{asked}"
        );
        for field in ["name=\"password\"", "name=\"code\""] {
            assert!(asked.contains(field), "{asked}");
        }
        let code = post.code().await.replace(' ', "+");
        let wrong = post.form(&format!("password=wrong&code={code}")).await;
        assert!(page(&wrong).contains("<h1>Wrong password</h1>"));
        let opened = post
            .form(&format!("password=open+sesame&code={code}"))
            .await;
        assert_eq!(opened.status, 303, "{opened:?}");
    });
}

#[test]
fn too_many_codes_are_told_how_long_to_wait() {
    run(async {
        let post = Post::new(json!({})).await;
        for _ in 0..5 {
            let answer = post.post(json!({})).await;
            is_refused(&answer, 401, "A code was sent to the recipient");
            post.room.clock.advance(std::time::Duration::from_secs(60));
        }
        let answer = post.post(json!({})).await;
        is_refused(&answer, 429, "Too many codes were sent, try again later");
        assert_eq!(answer.headers[header::RETRY_AFTER], "3300");
    });
}
