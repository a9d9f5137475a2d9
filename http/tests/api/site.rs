//! Pages for people: how a site is served, and what the pages of links make of it.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use consign_core::{Settings, audience::Audience};
use consign_http::{Asset, Language, Refusal, SITE_ROUTES, Site, Words, testing};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{Answer, Room, document, request, room_with_a_file, text};

const STYLE: &str = "p { color: red }";

#[tokio::test]
async fn a_page_says_what_differs_from_server_to_server() {
    let settings = Settings {
        max_upload: 12_345,
        audience: Audience::nobody(),
        ..Settings::default()
    };
    let mut room = Room::of(testing::parts(), settings);
    let page =
        "<style>{style}</style>{root}|{accept}|{max-upload}|{audience}|{removal-grace}|{assets}";
    let language = language("en", page);
    room.api = room
        .api
        .with_site(Site::new(language, STYLE).with_asset(script("1")));
    let answer = room.get("/", "").await;
    assert_eq!(answer.status, 200);
    let assets = folder(&answer);
    let expected =
        format!("<style>{STYLE}</style>|.pptx, .docx, and .xlsx|12345|nobody|604800|{assets}");
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn a_page_runs_nothing_but_its_own() {
    let room = room();
    let answer = room.get("/", "").await;
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        &format!("style-src 'sha256-{digest}'"),
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(
            policy.split("; ").any(|told| told == part),
            "{part}: {policy}"
        );
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-cache"),
        ("vary", "Accept-Encoding, Accept-Language, Cookie"),
    ] {
        assert_eq!(answer.headers[name], value);
    }
}

#[tokio::test]
async fn the_language_is_the_one_that_was_chosen_or_is_liked_best() {
    let room = room();
    for (target, cookie, liked, expected) in [
        ("/", "", "", "en"),
        ("/", "", "fr, *", "en"),
        ("/", "", "de", "de"),
        ("/", "", "de-AT,en;q=0.5", "de"),
        ("/", "", "en;q=0.5, DE;q=0.8", "de"),
        ("/", "", "fr, en, de", "en"),
        ("/", "", "de;q=0, en;q=0.1", "en"),
        ("/", "", "de;q=nonsense, en;q=0.1", "en"),
        ("/", "a=b; consign-language=de", "en", "de"),
        ("/", "consign-language=fr", "de", "de"),
        ("/", "xconsign-language=de", "en", "en"),
        ("/?lang=de", "consign-language=en", "en", "de"),
        ("/?lang=fr", "consign-language=de", "en", "de"),
        ("/?lang=", "", "", "en"),
    ] {
        let headers = [("cookie", cookie), ("accept-language", liked)];
        let answer = get(&room, target, &headers).await;
        let told = String::from_utf8(answer.body.to_vec()).unwrap();
        let case = format!("{target} {cookie} {liked}: {told}");
        assert!(told.starts_with(&format!("page in {expected}")), "{case}");
    }
}

#[tokio::test]
async fn pages_and_assets_are_sent_once_and_small() {
    let room = room();
    let page = room.get("/", "").await;
    let asset = format!("{}/long.js", folder(&page));
    for target in ["/", &asset] {
        let plain = get(&room, target, &[]).await;
        assert!(!plain.headers.contains_key(header::CONTENT_ENCODING));
        for (accepted, compressed) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = [("accept-encoding", accepted)];
            let answer = get(&room, target, &headers).await;
            assert_eq!(answer.status, 200);
            let case = format!("{target} {accepted}");
            let coding = answer.headers.get(header::CONTENT_ENCODING);
            assert_eq!(coding.is_some(), compressed, "{case}");
            assert_eq!(answer.body != plain.body, compressed, "{case}");
            assert!(answer.body.len() <= plain.body.len());
            let (etag, other) = (&answer.headers[header::ETAG], &plain.headers[header::ETAG]);
            assert_eq!(
                etag != other,
                compressed,
                "{case}: other bytes have another tag"
            );
            let known = etag.to_str().unwrap();
            assert!(known.starts_with('"'), "{known} is strong");
            let headers = [("accept-encoding", accepted), ("if-none-match", known)];
            let again = get(&room, target, &headers).await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{case}");
            assert!(again.body.is_empty());
            assert_eq!(again.headers[header::ETAG], known);
            let headers = [("accept-encoding", accepted), ("if-none-match", "\"x\"")];
            assert_eq!(get(&room, target, &headers).await.body, answer.body);
        }
    }
}

#[tokio::test]
async fn assets_are_for_ever_at_an_address_of_their_content() {
    let room = room();
    let assets = folder(&room.get("/", "").await);
    let answer = get(&room, &format!("{assets}/main.js"), &[]).await;
    assert_eq!(answer.body, "1");
    for (name, value) in [
        ("content-type", "text/javascript"),
        ("content-length", "1"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }
    let head = request(Method::HEAD, &format!("{assets}/main.js"), "", "");
    let head = fetch(&room, head).await;
    assert!(head.body.is_empty() && head.headers[header::CONTENT_LENGTH] == "1");
    for target in [
        "/assets/0123456789abcdef0123/main.js".to_owned(),
        format!("{assets}/other.js"),
        format!("{assets}/..%2Fmain.js"),
    ] {
        let answer = get(&room, &target, &[]).await;
        assert_eq!(
            (answer.status, answer.msg()),
            (StatusCode::NOT_FOUND, "Not found".into())
        );
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let target = format!("{assets}/main.js");
        let answer = fetch(&room, request(method, &target, "", "")).await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.headers[header::ALLOW], "GET, HEAD");
    }
    let mut other = Room::new();
    other.api = other.api.with_site(site().with_asset(script("2")));
    assert_ne!(folder(&other.get("/", "").await), assets);
}

#[tokio::test]
async fn without_a_site_all_is_as_it_was() {
    let room = Room::new();
    assert!(room.get("/", "").await.body.starts_with(b"<!doctype html>"));
    for route in SITE_ROUTES {
        let target = route.path.replace(['{', '}'], "");
        assert!(!room.api.answers(&target));
        assert_eq!(room.get(&target, "").await.status, 404);
    }
    let api = room.api.clone().with_site(site());
    let without = api.clone().without_index();
    assert!(api.answers("/assets/x/y") && api.answers("/"));
    assert!(
        without.answers("/assets/x/y") && !without.answers("/"),
        "the links' pages need them"
    );
}

#[tokio::test]
async fn below_a_prefix_all_addresses_have_it() {
    let room = Room::new();
    let url = "https://example.org/shop/files/".parse().unwrap();
    let api = consign_http::Api::new(room.consign.clone(), url).with_site(site());
    let room = Room { api, ..room };
    let page = room.get("/", "").await;
    let assets = folder(&page);
    assert!(assets.starts_with("/shop/files/assets/"), "{assets}");
    // What mounts it takes the prefix away.
    let asset = assets.strip_prefix("/shop/files").unwrap();
    assert_eq!(
        get(&room, &format!("{asset}/main.js"), &[]).await.status,
        200
    );
}

#[tokio::test]
async fn the_page_of_a_link_is_in_the_sites_words_and_style() {
    let (mut room, olga, _) = room_with_a_file(&document()).await;
    room.api = room.api.with_site(site().with_asset(Asset {
        name: "mark.svg".into(),
        content_type: "image/svg+xml",
        content: Bytes::from_static(b"<svg/>"),
    }));
    let link = link(
        &room,
        &olga,
        json!({"files": ["a.docx"], "note": "none of theirs"}),
    )
    .await;
    for (lang, heading) in [("en", "A file for you"), ("de", "Eine Datei für Sie")] {
        let answer = page(&room, &format!("{link}?lang={lang}")).await;
        assert_eq!(answer.status, 200);
        let told = body(&answer);
        for part in [
            format!("<html lang=\"{lang}\">"),
            format!("<h1>{heading}</h1>"),
            format!("<style>{STYLE}</style>"),
            "<li>a.docx, ".to_owned(),
            "<form method=\"post\">".to_owned(),
            "mark.svg\" alt=\"\"".to_owned(),
            "<time datetime=\"2023-11-21T22:13:20Z\">2023-11-21 22:13 UTC</time>".to_owned(),
        ] {
            assert!(told.contains(&part), "{part}: {told}");
        }
        assert!(!told.contains("theirs") && !told.contains("olga"), "{told}");
        assert_eq!(told.contains("?lang=de"), lang == "en");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.contains("style-src 'sha256-"), "{policy}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.headers[name], value);
        }
    }
}

/// Whatever is the matter with it, and in any language.
#[tokio::test]
async fn the_page_of_a_link_that_is_not_available_says_no_more() {
    let (mut room, olga, _) = room_with_a_file(&document()).await;
    room.api = room.api.with_site(site());
    let spent = json!({"files": ["a.docx"], "max_downloads": 1});
    let spent = link(&room, &olga, spent).await;
    assert_eq!(open(&room, &spent, "").await.status, 303);
    let guarded = json!({"files": ["a.docx"], "max_downloads": 1, "password": "open sesame"});
    let guarded = link(&room, &olga, guarded).await;
    assert_eq!(
        open(&room, &guarded, "password=open+sesame").await.status,
        303
    );
    let never = format!("/l/{}", "0".repeat(40));
    for lang in ["en", "de"] {
        let expected = page(&room, &format!("{never}?lang={lang}")).await;
        assert_eq!(expected.status, 404);
        assert!(
            body(&expected).contains("role=\"alert\""),
            "it says what to do"
        );
        for link in [&spent, &guarded, &"/l/x".to_owned()] {
            let target = format!("{link}?lang={lang}");
            assert_eq!(page(&room, &target).await, expected);
            assert_eq!(open(&room, &target, "").await, expected);
            assert_eq!(open(&room, &target, "password=open+sesame").await, expected);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_at_the_field_and_no_secret_is_repeated() {
    let (mut room, olga, _) = room_with_a_file(&document()).await;
    room.api = room.api.with_site(site());
    let guarded = json!({"files": ["a.docx"], "password": "open sesame"});
    let guarded = link(&room, &olga, guarded).await;
    let looked = page(&room, &guarded).await;
    assert!(!body(&looked).contains("a.docx") && !body(&looked).contains("aria-invalid"));
    let wrong = open(&room, &format!("{guarded}?lang=de"), "password=open+barley").await;
    assert_eq!(wrong.status, 401);
    let told = body(&wrong);
    assert!(told.contains("<h1>Falsches Passwort</h1>"), "{told}");
    assert!(
        told.contains("aria-describedby=\"advice password-hint\" aria-invalid=\"true\" autofocus")
    );
    for secret in ["a.docx", "barley", "sesame"] {
        assert!(!told.contains(secret), "{told}");
    }
    // A sentence that the site knows nothing of is told as it is.
    let bad = open(&room, &format!("{guarded}?lang=de"), "password=%FF").await;
    assert!(
        body(&bad).contains("<h1>Invalid form</h1>"),
        "{}",
        body(&bad)
    );
}

#[tokio::test]
async fn several_files_are_all_to_be_had_by_one_opening() {
    let (mut room, olga, _) = room_with_a_file(&document()).await;
    room.api = room.api.with_site(site());
    assert_eq!(
        room.upload(&olga, "b & c.docx", &document()).await.status,
        200
    );
    let made = json!({"files": ["a.docx", "b & c.docx"], "max_downloads": 1});
    let link = link(&room, &olga, made).await;
    assert!(body(&page(&room, &link).await).contains("<h1>2 files for you</h1>"));
    let ready = open(&room, &link, "").await;
    assert_eq!(ready.status, 201);
    let told = body(&ready);
    let hrefs: Vec<_> = told.split("href=\"").skip(1).collect();
    let hrefs = hrefs.iter().map(|rest| rest.split('"').next().unwrap());
    let downloads: Vec<_> = hrefs
        .filter_map(|href| href.strip_prefix("https://files.example/download_file/"))
        .map(|rest| format!("/download_file/{rest}"))
        .collect();
    assert_eq!(downloads.len(), 3, "all, and each: {told}");
    assert!(told.contains(">b &amp; c.docx</a>"), "{told}");
    let mut types = Vec::new();
    for target in &downloads {
        let answer = room.get(target, "").await;
        assert_eq!(answer.status, 200, "{target}");
        types.push(text(&json!(
            answer.headers[header::CONTENT_TYPE].to_str().unwrap()
        )));
    }
    assert_eq!(types[0], "application/zip");
    assert!(types[1].ends_with("wordprocessingml.document"), "{types:?}");
    assert_eq!(
        open(&room, &link, "").await.status,
        404,
        "it was the one opening"
    );
}

#[tokio::test]
async fn who_has_to_sign_in_is_shown_where() {
    let (mut room, olga, _) = room_with_a_file(&document()).await;
    room.api = room.api.with_site(site());
    // No mail is sent here.
    let made = json!({"files": ["a.docx"], "recipient": "dora@example.org"});
    let link = link(&room, &olga, made).await;
    let told = body(&open(&room, &link, "").await);
    let secret = link.rsplit('/').next().unwrap();
    assert!(
        told.contains(&format!("href=\"/#/open/{secret}\"")),
        "{told}"
    );
    assert!(!told.contains("<form"), "{told}");
}

fn room() -> Room {
    let mut room = Room::new();
    room.api = room.api.with_site(site());
    room
}

/// In two languages.
fn site() -> Site {
    let page = |tag| format!("page in {tag} {{assets}} {}", "words ".repeat(100));
    let mut german = language("de", &page("de"));
    german.landing.heading_one = "Eine Datei für Sie".into();
    let wrong = Refusal {
        heading: "Falsches Passwort".into(),
        advice: "Noch einmal.".into(),
    };
    let gone = Refusal {
        heading: "Nicht verfügbar".into(),
        advice: "Fragen Sie.".into(),
    };
    german
        .landing
        .refusals
        .insert("Wrong password".into(), wrong);
    german
        .landing
        .refusals
        .insert("Link not available".into(), gone);
    let mut english = language("en", &page("en"));
    let gone = Refusal {
        heading: "Link not available".into(),
        advice: "Ask.".into(),
    };
    english
        .landing
        .refusals
        .insert("Link not available".into(), gone);
    Site::new(english, STYLE)
        .with_language(german)
        .with_asset(script("1"))
        .with_asset(Asset {
            name: "long.js".into(),
            content_type: "text/javascript",
            content: "// and so on\n".repeat(100).into(),
        })
}

fn language(tag: &str, page: &str) -> Language {
    Language {
        tag: tag.into(),
        name: tag.into(),
        page: page.into(),
        landing: Words::default(),
    }
}

fn script(text: &'static str) -> Asset {
    Asset {
        name: "main.js".into(),
        content_type: "text/javascript",
        content: Bytes::from_static(text.as_bytes()),
    }
}

/// The path of the assets, which the page tells.
fn folder(page: &Answer) -> String {
    let text = body(page);
    let text = &text[text.find("/assets/").unwrap()..];
    let version: String = text["/assets/".len()..]
        .chars()
        .take_while(char::is_ascii_hexdigit)
        .collect();
    let before = body(page);
    let before = before.split("/assets/").next().unwrap();
    let prefix = before.rsplit(['|', ' ']).next().unwrap();
    format!("{prefix}/assets/{version}")
}

fn body(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// What is no call of the API is answered beside its description.
async fn fetch(room: &Room, request: Request<Full<Bytes>>) -> Answer {
    let (head, body) = room.api.handle(request).await.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

async fn get(room: &Room, target: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = request(Method::GET, target, "", "");
    let headers = headers.iter().filter(|(_, value)| !value.is_empty());
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    request.headers_mut().extend(headers.collect::<HeaderMap>());
    match target.contains("/assets/") {
        true => fetch(room, request).await,
        false => room.call(request).await,
    }
}

#[tokio::test]
async fn who_looks_too_often_is_shown_a_page_that_says_so() {
    let mut room = room();
    let rates = consign_http::Rates {
        opening: consign_http::Limit {
            by_address: one_a_second(),
            by_account: one_a_second(),
        },
        ..consign_http::Rates::default()
    };
    room.api = room.api.with_rates_at(rates, || std::time::Duration::ZERO);
    let path = "/l/8adabc7128488c4e9fcd3c921b56998295c57ddb";
    assert_eq!(page(&room, path).await.status, 404);
    let answer = page(&room, path).await;
    assert_eq!(answer.status, 429);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    let kind = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
    assert!(kind.starts_with("text/html"), "{kind}");
    let answer = get(&room, path, &[]).await;
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "application/problem+json"
    );
}

fn one_a_second() -> consign_http::Rate {
    consign_http::Rate::new(std::num::NonZeroU32::MIN, std::time::Duration::from_secs(1))
}

/// What a browser is shown.
async fn page(room: &Room, target: &str) -> Answer {
    get(room, target, &[("accept", "text/html,*/*;q=0.8")]).await
}

/// What a browser is answered that sends a form.
async fn open(room: &Room, target: &str, form: &'static str) -> Answer {
    let request = Request::post(target)
        .header(header::ACCEPT, "text/html,*/*;q=0.8")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from_static(form.as_bytes())))
        .unwrap();
    room.call(request).await
}

/// The path of a new link.
async fn link(room: &Room, token: &str, properties: serde_json::Value) -> String {
    let answer = room.post_json("/links", token, properties).await;
    let url = text(&answer.json()["link"]["url"]);
    url.strip_prefix("https://files.example")
        .unwrap()
        .to_owned()
}
