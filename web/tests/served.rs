//! The page as it is served: small, whole, and from nowhere else.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::collections::BTreeSet;

use bytes::Bytes;
use consign_http::{
    Api,
    testing::{self, Setup},
};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};

/// Bytes of all that a browser can come to load, uncompressed.
const ALL: usize = 150_000;

/// Bytes that arrive before a server has to be told that they did (RFC 6928).
const FIRST_ROUND_TRIP: usize = 14 * 1024;

#[tokio::test]
async fn the_first_paint_needs_one_round_trip() {
    for lang in ["en", "de"] {
        let page = get(&format!("/?lang={lang}"), "gzip").await;
        assert_eq!(page.headers[header::CONTENT_ENCODING], "gzip");
        assert!(
            page.body.len() < FIRST_ROUND_TRIP,
            "{} bytes",
            page.body.len()
        );
        let text = get(&format!("/?lang={lang}"), "").await.text();
        assert!(text.contains("<style>:root"), "its style is in it");
        assert!(
            text.contains("<form id=\"signin\""),
            "and who comes can sign in"
        );
        // Nothing that is loaded holds up what is shown.
        assert!(!text.contains("rel=\"stylesheet\"") && !text.contains("<script src"));
    }
}

/// The other language is told in place, so one page is loaded with all languages.
#[tokio::test]
async fn all_of_it_is_small() {
    let mut total = 0;
    for lang in ["en", "de"] {
        total = total.max(get(&format!("/?lang={lang}"), "").await.body.len());
    }
    for target in assets().await {
        total += get(&target, "").await.body.len();
    }
    assert!(total < ALL, "{total} bytes");
}

#[tokio::test]
async fn what_it_refers_to_is_there() {
    let assets = assets().await;
    for name in ["main.js", "landing.js", "mark.svg", "en.json", "de.json"] {
        assert!(
            assets.iter().any(|target| target.ends_with(name)),
            "{name}: {assets:?}"
        );
    }
    for target in &assets {
        let asset = get(target, "").await;
        assert_eq!(asset.status, StatusCode::OK, "{target}");
        let expected = match target.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "json" => "application/json",
            "svg" => "image/svg+xml",
            other => panic!("{other}"),
        };
        assert_eq!(asset.headers[header::CONTENT_TYPE], expected);
    }
}

#[tokio::test]
async fn the_scripts_are_asked_for_with_the_page() {
    let page = get("/", "").await.text();
    let named: BTreeSet<_> = references(&page).collect();
    for target in assets().await {
        // One language is enough, and of the other page the script.
        let elsewhere = target.ends_with("de.json") || target.ends_with("landing.js");
        assert!(
            elsewhere || named.contains(&target),
            "{target} would be asked for later"
        );
    }
}

#[tokio::test]
async fn it_is_from_nowhere_else_and_makes_no_markup_of_texts() {
    let mut all = vec![get("/", "").await.text()];
    for target in assets().await {
        all.push(get(&target, "").await.text());
    }
    for text in all {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for never in [
            "http://",
            "https://",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "setTimeout('",
            " style=\"",
            " onclick=\"",
            "javascript:",
        ] {
            assert!(!text.contains(never), "{never}: {text}");
        }
    }
}

/// Where the page and its scripts lead, to the last.
async fn assets() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for lang in ["en", "de"] {
        let page = get(&format!("/?lang={lang}"), "").await.text();
        found.extend(references(&page));
    }
    let folder = found
        .first()
        .unwrap()
        .rsplit_once('/')
        .unwrap()
        .0
        .to_owned();
    // The page of a link names this one.
    found.insert(format!("{folder}/landing.js"));
    let mut left: Vec<_> = found.iter().cloned().collect();
    while let Some(target) = left.pop() {
        if !target.ends_with(".js") {
            continue;
        }
        let script = get(&target, "").await.text();
        for part in script.split("from './").skip(1) {
            let name = part.split('\'').next().unwrap();
            let imported = format!("{folder}/{name}");
            if found.insert(imported.clone()) {
                left.push(imported);
            }
        }
    }
    found
}

fn references(page: &str) -> impl Iterator<Item = String> {
    let quoted = page.split('"').skip(1).step_by(2);
    quoted
        .filter(|text| text.starts_with("/assets/"))
        .map(str::to_owned)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

async fn get(target: &str, accepted: &str) -> Answer {
    thread_local!(static API: Api = api());
    let api = API.with(Clone::clone);
    let request = Request::get(target).header(header::ACCEPT_ENCODING, accepted);
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let (head, body) = api.handle(request).await.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

fn api() -> Api {
    testing::api(&Setup::default(), "http://localhost").with_site(consign_web::site())
}
