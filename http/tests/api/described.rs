//! The description against the route table, and against the reference that people read. That each answer of
//! the tests is described is `Described`'s affair, which all of them go through.

use std::collections::BTreeSet;

use consign_http::{ROUTES, Route};
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Answer, Room, document as small, request, room_with_a_file, text};

const REFERENCE: &str = include_str!("../../../docs/http-api.md");

fn document() -> Value {
    serde_json::from_slice(&Room::new().api.description()).unwrap()
}

/// The operations of the document, with their methods and paths.
fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (method.to_ascii_uppercase(), &**path, operation))
    });
    operations.collect()
}

#[test]
fn each_call_is_described_and_no_other() {
    let document = document();
    let described: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let calls = |route: &'static Route| {
        // HEAD goes with GET.
        let methods = route.methods.iter().filter(|method| *method != "HEAD");
        methods.map(move |method| format!("{method} {}", route.path))
    };
    let there: BTreeSet<_> = ROUTES.iter().flat_map(calls).collect();
    assert_eq!(described, there);
}

#[test]
fn operations_have_names_of_their_own() {
    let document = document();
    let operations = operations(&document);
    let names: BTreeSet<_> = operations
        .iter()
        .map(|(.., operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), operations.len());
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().collect();
    for (method, path, operation) in operations {
        let known = tags.iter().any(|tag| tag["name"] == operation["tags"][0]);
        assert!(known, "{method} {path}");
        assert!(
            operation["security"].is_array(),
            "{method} {path} says for whom it is"
        );
        let open = path.matches('{').count();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let named = parameters.filter(|parameter| parameter["in"] == "path");
        assert_eq!(named.count(), open, "{method} {path}");
    }
}

/// The sentences of errors in the document, numbers as 0.
fn told(document: &Value) -> BTreeSet<String> {
    fn collect(value: &Value, sentences: &mut BTreeSet<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| collect(value, sentences)),
            Value::Object(members) => {
                for (name, value) in members {
                    match name.as_str() {
                        "examples" => {
                            let examples = value.as_object().into_iter().flatten();
                            let msgs = examples.map(|(_, example)| &example["value"]["msg"]);
                            sentences.extend(msgs.filter_map(Value::as_str).map(any_number));
                        }
                        _ => collect(value, sentences),
                    }
                }
            }
            _ => {}
        }
    }
    let mut sentences = BTreeSet::new();
    collect(document, &mut sentences);
    sentences
}

/// Those of the reference's tables of errors: what stands between backticks, but not in parentheses, nor
/// the name of a call or a member.
fn referred() -> BTreeSet<String> {
    let rows = REFERENCE.lines().filter(|line| {
        let first = line
            .strip_prefix("| ")
            .and_then(|rest| rest.split(',').next());
        let first = first.and_then(|rest| rest.split(' ').next());
        first.is_some_and(|status| status.len() == 3 && status.parse::<u16>().is_ok())
    });
    let mut sentences = BTreeSet::new();
    for row in rows {
        let (mut depth, mut text) = (0, String::new());
        let mut quoted = false;
        for c in row.chars() {
            match c {
                '`' if depth == 0 => {
                    if quoted && text.contains(' ') && !text.contains(" /") {
                        sentences.insert(any_number(&text.replace("<n>", "0")));
                    }
                    quoted = !quoted;
                    text.clear();
                }
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth -= 1,
                c if quoted => text.push(c),
                _ => {}
            }
        }
    }
    sentences
}

fn any_number(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if shown.ends_with('0') => {}
            true => shown.push('0'),
            false => shown.push(c),
        }
    }
    shown
}

#[test]
fn each_sentence_of_the_reference_is_described_and_no_other() {
    let document = document();
    let mut described = told(&document);
    // These two are told of paths and methods that are none of those described.
    for sentence in ["Not found", "Method not allowed"] {
        let about = document["info"]["description"].as_str().unwrap();
        assert!(about.contains(&format!("`{sentence}`")), "{sentence}");
        described.insert(sentence.to_owned());
    }
    let mut referred = referred();
    // These are said once, of all calls that need a token.
    for sentence in [
        "Missing Authorization Header",
        "token must be a Bearer token",
    ] {
        assert!(REFERENCE.contains(&format!("`{sentence}`")), "{sentence}");
        referred.insert(sentence.to_owned());
    }
    assert_eq!(described, referred);
}

#[tokio::test]
async fn it_is_sent_once_and_asked_after_by_its_tag() {
    let room = Room::new();
    for (path, media_type) in [
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
    ] {
        let answer = room.get(path, "").await;
        assert_eq!(answer.status, 200);
        let header = |answer: &Answer, name| answer.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header(&answer, header::CONTENT_TYPE), media_type);
        assert_eq!(header(&answer, header::CACHE_CONTROL), "no-cache");
        let tag = header(&answer, header::ETAG);
        for (sent, status) in [
            (tag.clone(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
            ("x".to_owned(), 200),
        ] {
            let mut again = request(Method::GET, path, "", "");
            let value = sent.parse().unwrap();
            again.headers_mut().insert(header::IF_NONE_MATCH, value);
            let again = room.call(again).await;
            assert_eq!(again.status, status, "{path} {sent}");
            assert_eq!(again.body.is_empty(), status == 304);
            assert_eq!(header(&again, header::ETAG), tag);
        }
    }
}

#[tokio::test]
async fn the_page_loads_nothing_and_runs_nothing() {
    let room = Room::new();
    let answer = room.get("/docs", "").await;
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str();
    let policy = policy.unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = std::str::from_utf8(&answer.body).unwrap();
    for element in [
        "<script", "<link", "<img", "<iframe", " src=", " style=", "@import", "url(",
    ] {
        assert!(!page.contains(element), "{element}");
    }
    let links = page.split("href=\"").skip(1);
    for link in links.filter_map(|rest| rest.split('"').next()) {
        match link.strip_prefix('#') {
            Some(anchor) => assert!(page.contains(&format!("id=\"{anchor}\"")), "{link}"),
            None => assert_eq!(link, "openapi.json"),
        }
    }
    // All of it is there.
    let document = document();
    for (.., operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    for sentence in [
        "Username already exists",
        "The Idempotency-Key was used for another request",
    ] {
        assert!(page.contains(sentence), "{sentence}");
    }
    let policy_hash = policy
        .split('\'')
        .find(|part| part.starts_with("sha256-"))
        .unwrap();
    let style = page
        .split("<style>")
        .nth(1)
        .unwrap()
        .split("</style>")
        .next()
        .unwrap();
    assert_eq!(policy_hash, hash_of(style));
}

fn hash_of(style: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use sha2::{Digest, Sha256};
    format!("sha256-{}", STANDARD.encode(Sha256::digest(style)))
}

#[tokio::test]
async fn a_host_application_can_have_pages_of_its_own_there() {
    let room = Room::new();
    let without = room.api.clone().without_docs();
    for path in ["/openapi.json", "/docs"] {
        assert!(room.api.answers(path) && !without.answers(path), "{path}");
    }
    assert!(without.answers("/") && without.answers("/files"));
    let described: Value = serde_json::from_slice(&without.description()).unwrap();
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.contains_key("/files") && paths.contains_key("/"));
    assert!(!paths.contains_key("/docs") && !paths.contains_key("/openapi.json"));
}

#[test]
fn it_says_what_the_settings_are() {
    use consign_core::Settings;
    use consign_http::testing;
    let settings = Settings {
        min_password: 12,
        max_upload: 1000,
        managed_link_lifetime: std::time::Duration::from_secs(60),
        ..Settings::default()
    };
    let room = Room::of(testing::parts(), settings);
    let document: Value = serde_json::from_slice(&room.api.description()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    // Never what a request says.
    assert_eq!(document["servers"][0]["url"], "https://files.example");
    let schemas = &document["components"]["schemas"];
    let password = &schemas["Registration"]["properties"]["password"];
    assert_eq!(password["minLength"], 12);
    assert_eq!(
        schemas["NewLink"]["properties"]["expires_in"]["maximum"],
        60
    );
    let refusals = &document["paths"]["/upload"]["post"]["responses"]["413"]["description"];
    let told = "`The file is too large. At most 1000 bytes are allowed.`";
    assert!(refusals.as_str().unwrap().contains(told), "{refusals}");
}

/// What a link may be told is taken apart by hand: it is what is described.
#[tokio::test]
async fn each_property_of_a_link_is_taken_as_it_is_described() {
    let (room, olga, _) = room_with_a_file(&small()).await;
    let document = document();
    let value = |name: &str| match name {
        "files" => json!(["a.docx"]),
        "expires_in" => json!(60),
        "max_downloads" => json!(3.0),
        "password" => json!("correct horse battery"),
        "recipient" => json!("carl@example.org"),
        "note" => json!("for you,\nand nobody else"),
        name => panic!("nobody said what {name} may be"),
    };
    let properties = |schema: &str| {
        let schema = &document["components"]["schemas"][schema];
        assert_eq!(schema["additionalProperties"], false);
        let properties = schema["properties"].as_object().unwrap();
        let all = properties.keys().map(|name| (name.clone(), value(name)));
        all.collect::<serde_json::Map<_, _>>()
    };
    let new = properties("NewLink");
    let answer = room.post_json("/links", &olga, new.into()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let link = format!("/links/{}", text(&answer.json()["link"]["id"]));
    for (name, value) in properties("LinkEdits") {
        let edit = json!({name: value}).to_string();
        let mut edit = request(Method::PATCH, &link, &olga, edit);
        let kind = "application/json".parse().unwrap();
        edit.headers_mut().insert(header::CONTENT_TYPE, kind);
        let answer = room.call(edit).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}
