//! No secret is in any log, and nobody writes lines of their own into it.
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
use tracing::Level;

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
        let body = self.api.handle(request.unwrap()).await.into_body();
        let body = body.collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap_or_default()
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
    tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();

    let courier = MemoryCourier::new();
    let parts = Parts {
        courier: Some(Arc::new(courier.clone())),
        ..testing::parts()
    };
    let consign = Consign::new(parts, testing::settings(&Setup::default()));
    let public_url = "https://files.example".parse().unwrap();
    let api = Api::new(consign.clone(), public_url);
    let caller = Caller { api };
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
    assert!(log.contains("DEBUG consign"), "down to the least of it");
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
}
