//! No secret is in any log, as text or as JSON; nobody writes lines of their own into it; and each line
//! says which request it is about.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use consign_core::{Consign, Parts, memory::MemoryCourier};
use consign_http::{
    Api,
    testing::{self, DOCX, Form, Setup},
};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tracing_subscriber::{
    Layer,
    filter::LevelFilter,
    fmt::{self, format::FmtSpan},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Everything that was logged.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end of a line and an order to a terminal, as they pass in a header; the other writing direction.
const CONTROL: &str = "\u{85}\u{9b}31m\u{202e}";

/// Of all requests: those that ask for something else than the first are refused.
const KEY: &str = "an-idempotency-key-of-theirs";

struct Caller {
    api: Api,
    /// Of all requests, in their order.
    ids: Mutex<Vec<String>>,
}

impl Caller {
    async fn call(
        &self,
        method: Method,
        target: &str,
        token: &str,
        kind: &str,
        body: Bytes,
    ) -> Value {
        let mut request = Request::builder().method(method).uri(target);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .header(header::CONTENT_TYPE, kind)
            .header("Idempotency-Key", KEY)
            .body(Full::new(body));
        let answer = self.api.handle(request.unwrap()).await;
        let id = answer.headers()["x-request-id"].to_str().unwrap();
        self.ids.lock().unwrap().push(id.to_owned());
        let id = id.to_owned();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if body["type"] == "about:blank" {
            assert_eq!(body["request_id"], id, "a problem says whose it is");
        }
        body
    }

    async fn get(&self, target: &str, token: &str) -> Value {
        self.call(Method::GET, target, token, "", Bytes::new())
            .await
    }

    async fn post(&self, target: &str, token: &str, value: Value) -> Value {
        let body = value.to_string().into();
        self.call(Method::POST, target, token, "application/json", body)
            .await
    }
}

/// The only test of its program: it takes the log of all threads.
#[tokio::test]
async fn no_secret_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let objects = Log::default();
    let writer_of_objects = objects.clone();
    let lines = fmt::layer()
        .with_ansi(false)
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || writer.clone());
    let json = fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(true)
        .with_writer(move || writer_of_objects.clone());
    tracing_subscriber::registry()
        .with(lines.with_filter(LevelFilter::TRACE))
        .with(json.with_filter(LevelFilter::TRACE))
        .init();

    let courier = MemoryCourier::new();
    let parts = Parts {
        courier: Some(Arc::new(courier.clone())),
        ..testing::parts()
    };
    let consign = Consign::new(parts, testing::settings(&Setup::default()));
    let public_url = "https://files.example".parse().unwrap();
    let api = Api::new(consign.clone(), public_url);
    let ids = Mutex::default();
    let caller = Caller { api, ids };
    let mut secrets = vec![
        "first secret phrase".to_owned(),
        "second secret phrase".to_owned(),
        KEY.to_owned(),
    ];
    let mut tokens = Vec::new();
    for (name, operations) in [("olga", true), ("carl", false)] {
        let password = secrets[usize::from(!operations)].clone();
        let mut fields = json!({"username": name, "email": format!("{name}@example.org"),
            "password": password, "is_operation_user": operations});
        caller.post("/register", "", fields.clone()).await;
        caller.post("/register", "", fields.clone()).await;
        let session = caller.post("/login", "", fields.clone()).await;
        tokens.push(session["access_token"].as_str().unwrap().to_owned());
        // Typed wrongly, it is nearly one.
        fields["password"] = format!("{password}!").into();
        caller.post("/login", "", fields.clone()).await;
        fields["username"] = password.clone().into();
        caller.post("/login", "", fields).await;
        caller
            .post(
                "/login",
                "",
                json!({"username": name, "password": {"x": password}}),
            )
            .await;
    }
    let (olga, carl) = (tokens[0].clone(), tokens[1].clone());
    for content in [DOCX.document("x"), b"no document".to_vec()] {
        let (kind, body) = Form::of_file("a.docx", &content).finish();
        for token in [&olga, &carl] {
            caller
                .call(Method::POST, "/upload", token, &kind, body.clone().into())
                .await;
        }
        let cut = Bytes::copy_from_slice(&body[..body.len() / 2]);
        caller
            .call(Method::POST, "/upload", &olga, &kind, cut)
            .await;
    }
    caller.get("/files", &carl).await;
    let link = caller.get("/generate_download_url/a.docx", &carl).await;
    let link = link["download_url"].as_str().unwrap();
    let link = link.strip_prefix("https://files.example").unwrap();
    tokens.push(link.rsplit('/').next().unwrap().to_owned());
    for target in [
        link.to_owned(),
        format!("{link}x"),
        format!("{link}/x"),
        format!("{link}?{carl}"),
        format!("/download_file/{carl}"),
        format!("/generate_download_url/{carl}"),
        format!("/{carl}"),
        format!("/files?cursor={carl}"),
    ] {
        for token in &tokens {
            caller.get(&target, token).await;
            caller
                .call(Method::DELETE, &target, token, "", Bytes::new())
                .await;
        }
    }

    // A managed link, and what opens it.
    let properties = json!({"files": ["a.docx"], "password": "third secret phrase",
        "recipient": "rita@example.net", "note": "a secret note"});
    let made = caller.post("/links", &olga, properties).await;
    let url = made["link"]["url"].as_str().unwrap();
    let open = url.strip_prefix("https://files.example").unwrap();
    let secret = open.strip_prefix("/l/").unwrap();
    caller.get(open, "").await;
    let mut shown = json!({"password": "third secret phrase"});
    caller.post(open, "", shown.clone()).await;
    consign.administration().deliver_mail().await.unwrap();
    let mail = courier.delivered().pop().unwrap();
    let (_, code) = mail.text.expose().split_once("your code: ").unwrap();
    let code = code.lines().next().unwrap().to_owned();
    for given in ["0000 0000", &code] {
        shown["code"] = given.into();
        let lease = caller.post(open, "", shown.clone()).await;
        if let Some(url) = lease["download_url"].as_str() {
            let token = url.rsplit('/').next().unwrap();
            caller.get(&format!("/download_file/{token}"), "").await;
            tokens.push(token.to_owned());
        }
    }
    assert_eq!(tokens.len(), 4, "the right one opens it");
    let form = format!(
        "password=third+secret+phrase&code={}",
        code.replace(' ', "+")
    );
    let kind = "application/x-www-form-urlencoded";
    caller.call(Method::POST, open, "", kind, form.into()).await;
    for target in [
        format!("{open}x"),
        format!("/links/{secret}"),
        format!("/{secret}"),
    ] {
        caller.get(&target, &olga).await;
    }
    secrets.extend([secret.to_owned(), "third secret phrase".to_owned()]);
    secrets.extend([
        code.replace(' ', ""),
        code,
        "rita@".to_owned(),
        "secret note".to_owned(),
    ]);

    // What ends a line or moves a terminal's cursor, in all places that a client can put it.
    let torn = format!("a{CONTROL}b");
    let (kind, body) = Form::of_file("a.docx", b"").finish();
    let body = String::from_utf8(body).unwrap();
    let named = body.replace("a.docx", &torn);
    let other = body.replace("\"file\"; filename=\"a.docx\"", &format!("\"{torn}\""));
    for body in [named, other] {
        for cut in [body.len(), body.len() - 20] {
            let body = Bytes::copy_from_slice(&body.as_bytes()[..cut]);
            caller
                .call(Method::POST, "/upload", &olga, &kind, body)
                .await;
        }
    }
    let fields = json!({"username": torn, "email": torn, "password": torn});
    for path in ["/register", "/login"] {
        caller.post(path, "", fields.clone()).await;
        let body = format!("{{\"username\": {torn}");
        caller
            .call(Method::POST, path, "", "application/json", body.into())
            .await;
    }

    // A token's signature is all of its secret: what stands before it can be made by anybody.
    secrets.extend(
        tokens
            .iter()
            .map(|token| token.rsplit('.').next().unwrap().to_owned()),
    );
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("consign_http"), "requests are logged");
    assert!(
        log.contains("route=\"/download_file/{token}\""),
        "by their pattern: {log}"
    );
    let least =
        |line: &str| line.contains("DEBUG request{request_id=") && line.contains(": consign_");
    assert!(log.lines().any(least), "down to the least of it: {log}");
    let escaped = |part: &str| {
        part.split('\n')
            .all(|line| !line.contains(char::is_control))
    };
    assert!(log.contains("u{9b}31m"), "it is there: {log:?}");
    assert!(escaped(&log) && !log.contains('\u{202e}'), "{log:?}");
    for line in log.lines() {
        assert!(line.starts_with("20"), "each line is one event: {line:?}");
        for secret in &secrets {
            assert!(!line.contains(secret), "{line}");
        }
        for token in &tokens {
            let claims = token.split('.').nth(1).unwrap();
            assert!(!line.contains(claims), "{line}");
        }
    }

    // The same holds of the log in JSON, where a line is an object whatever was sent.
    let objects = String::from_utf8(objects.0.lock().unwrap().clone()).unwrap();
    assert!(!objects.contains('\u{202e}'), "{objects:?}");
    let objects: Vec<Value> = objects
        .lines()
        .inspect(|line| {
            for secret in &secrets {
                assert!(!line.contains(secret), "{line}");
            }
        })
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let requests = objects.iter().filter(|line| line["message"] == "request");
    let logged: Vec<&str> = requests
        .inspect(|line| {
            for member in ["timestamp", "level", "target", "method", "route"] {
                assert!(line[member].is_string(), "{line}");
            }
            for member in ["status", "micros", "bytes"] {
                assert!(line[member].is_u64(), "{line}");
            }
        })
        .map(|line| line["span"]["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(logged, *caller.ids.lock().unwrap(), "one line for each");
    let ours = objects.iter().filter(|line| {
        let target = line["target"].as_str().unwrap();
        // What no request waits for is logged by itself: mail, and what is removed later.
        target.starts_with("consign_http")
    });
    for line in ours {
        assert!(line["span"]["request_id"].is_string(), "{line}");
    }
    let by_users = objects.iter().filter(|line| line["user"].is_string());
    assert!(by_users.count() > 10, "who is signed in is told by id");
}
