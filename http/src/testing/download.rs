//! `GET` and `HEAD /download_file/<token>`.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{
    Setup, Start,
    answer::Answer,
    client::Request,
    forms::{DOCX, XLSX},
    site::{Site, text, token_of},
};

const INVALID: &str = "Invalid or expired token";

/// A server with one file, and a link to it.
async fn a_file(start: &Start, name: &str, content: &[u8]) -> (Site, String) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    let file = site.upload(&olga, name, content).await;
    let link = site.link(&carl, &text(&file["id"])).await;
    (site, link)
}

pub async fn whoever_holds_the_link_gets_the_file(start: &Start) {
    let content = XLSX.document_of(150_000);
    let (site, link) = a_file(start, "Q3 report.xlsx", &content).await;
    let answer = site.call(Request::get(&link)).await;
    assert_eq!(answer.has_status(200).body, content);
    let digest = Sha256::digest(&content);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, value) in [
        ("content-type", XLSX.media_type),
        ("content-length", "150000"),
        (
            "content-disposition",
            "attachment; filename=\"Q3 report.xlsx\"",
        ),
        ("etag", &format!("\"{hex}\"")),
        (
            "repr-digest",
            &format!("sha-256=:{}:", STANDARD.encode(digest)),
        ),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "private, no-store"),
    ] {
        assert_eq!(answer.only(name), value, "{name}");
    }
    let modified = httpdate::parse_http_date(answer.only("last-modified"));
    assert!(modified.is_ok(), "{answer}");
    assert!(answer.header("set-cookie").is_none());
    assert!(answer.header("access-control-allow-origin").is_none());

    // HEAD has the same headers (RFC 9110, section 9.3.2), but for the time of the answer.
    let head = site.call(Request::head(&link)).await;
    assert_eq!(head.status, 200);
    let headers = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers.sort();
        headers
    };
    assert_eq!(headers(&head), headers(&answer));

    // No account is needed, and none gets in the way; a link serves more than once.
    for value in ["Bearer x", "Basic eDp5", "x"] {
        let answer = site
            .call(Request::get(&link).header("Authorization", value))
            .await;
        assert_eq!(answer.has_status(200).body, content);
    }
    let (link, site) = (&link, &site);
    let both = (0..4).map(|_| site.call(Request::get(link)));
    for answer in futures_util::future::join_all(both).await {
        assert_eq!(answer.has_status(200).body, content);
    }
}

pub async fn names_arrive_whole(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    for (name, disposition) in [
        ("plain.docx", "attachment; filename=\"plain.docx\""),
        ("a;b c.docx", "attachment; filename=\"a;b c.docx\""),
        (
            "Übersicht 名.docx",
            "attachment; filename=\"_bersicht _.docx\"; \
             filename*=UTF-8''%C3%9Cbersicht%20%E5%90%8D.docx",
        ),
        (
            "say \"hi\".docx",
            "attachment; filename=\"say \\\"hi\\\".docx\"; filename*=UTF-8''say%20%22hi%22.docx",
        ),
        (
            "100%41.docx",
            "attachment; filename=\"100_41.docx\"; filename*=UTF-8''100%2541.docx",
        ),
    ] {
        let quoted = name.replace('"', "%22");
        let file = site.upload(&olga, &quoted, &DOCX.document("x")).await;
        assert_eq!(file["filename"], name);
        let link = site.link(&carl, &text(&file["id"])).await;
        let answer = site.call(Request::get(link)).await;
        assert_eq!(
            answer.has_status(200).only("content-disposition"),
            disposition
        );
    }
}

pub async fn a_part_of_the_file_can_be_asked_for(start: &Start) {
    let content = DOCX.document_of(100_000);
    let (site, link) = a_file(start, "a.docx", &content).await;
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99999", 0, 100_000),
        ("bytes=65530-65550", 65_530, 65_551),
        ("bytes=99999-", 99_999, 100_000),
        ("bytes=5-", 5, 100_000),
        ("bytes=5-999999999999999999999999", 5, 100_000),
        ("bytes=-1", 99_999, 100_000),
        ("bytes=-100001", 0, 100_000),
        ("bytes=10-19,200000-", 10, 20),
        ("BYTES=7-9", 7, 10),
    ] {
        let answer = site.call(Request::get(&link).header("Range", range)).await;
        assert_eq!(answer.has_status(206).body, content[from..to], "{range}");
        let content_range = format!("bytes {from}-{}/100000", to - 1);
        assert_eq!(answer.only("content-range"), content_range);
        is_guarded(&answer);
        assert_eq!(answer.only("content-type"), DOCX.media_type);
    }
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=5-4",
        "bytes=x-y",
        "items=0-1",
        "bytes=0-1;",
        "bytes=0-5,3-9",
        "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32",
    ] {
        let answer = site.call(Request::get(&link).header("Range", range)).await;
        assert_eq!(answer.has_status(200).body, content, "{range}");
    }
    for range in [
        "bytes=100000-",
        "bytes=100000-100001",
        "bytes=-0",
        "bytes=200000-,-0",
    ] {
        let answer = site.call(Request::get(&link).header("Range", range)).await;
        answer.has_status(416);
        assert_eq!(answer.only("content-range"), "bytes */100000");
    }
    // Ranges are for GET alone, and for one header.
    let head = site
        .call(Request::head(&link).header("Range", "bytes=0-0"))
        .await;
    assert_eq!(head.status, 200);
    assert_eq!(head.only("content-length"), "100000");
    let twice = Request::get(&link)
        .header("Range", "bytes=0-1")
        .header("Range", "bytes=2-3");
    site.call(twice).await.has_status(200);
}

/// What is said with every part of a file.
#[track_caller]
fn is_guarded(answer: &Answer) {
    assert_eq!(answer.only("x-content-type-options"), "nosniff");
    assert_eq!(
        answer.only("content-security-policy"),
        "sandbox; default-src 'none'"
    );
    assert_eq!(answer.only("referrer-policy"), "no-referrer");
    assert_eq!(answer.only("cache-control"), "private, no-store");
    assert_eq!(answer.only("accept-ranges"), "bytes");
    assert!(
        answer
            .only("content-disposition")
            .starts_with("attachment; ")
    );
    assert!(answer.only("etag").starts_with('"'));
    assert!(answer.only("repr-digest").starts_with("sha-256=:"));
}

pub async fn several_parts_of_the_file_can_be_asked_for(start: &Start) {
    let content = DOCX.document_of(100_000);
    let (site, link) = a_file(start, "a.docx", &content).await;
    for (range, parts) in [
        ("bytes=0-9,20-29", vec![(0, 9), (20, 29)]),
        (
            "bytes=50000-59999,0-9,-1",
            vec![(50_000, 59_999), (0, 9), (99_999, 99_999)],
        ),
        (
            "bytes=0-49999 , 50000-",
            vec![(0, 49_999), (50_000, 99_999)],
        ),
    ] {
        let answer = site.call(Request::get(&link).header("Range", range)).await;
        answer.has_status(206);
        is_guarded(&answer);
        assert!(
            answer.header("content-range").is_none(),
            "RFC 9110, section 14.6"
        );
        let boundary = answer
            .only("content-type")
            .strip_prefix("multipart/byteranges; boundary=");
        let boundary = boundary.expect("the boundary is told");
        let mut expected = Vec::new();
        for (at, (from, to)) in parts.into_iter().enumerate() {
            let line = if at == 0 { "" } else { "\r\n" };
            expected.extend_from_slice(
                format!(
                    "{line}--{boundary}\r\nContent-Type: {}\r\n\
                     Content-Range: bytes {from}-{to}/100000\r\n\r\n",
                    DOCX.media_type
                )
                .as_bytes(),
            );
            expected.extend_from_slice(&content[from..=to]);
        }
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(answer.body == expected, "{range}");
    }
}

pub async fn what_a_client_has_already_is_not_sent_again(start: &Start) {
    let content = DOCX.document("x");
    let (site, link) = a_file(start, "a.docx", &content).await;
    let whole = site.call(Request::get(&link)).await;
    let (etag, modified) = (whole.only("etag"), whole.only("last-modified"));
    let weak = format!("W/{etag}");
    let several = format!("\"x\", {etag}");
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (name, value, status) in [
        ("If-None-Match", etag, 304),
        ("If-None-Match", &weak, 304),
        ("If-None-Match", &several, 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"x\"", 200),
        ("If-None-Match", "junk", 200),
        ("If-Modified-Since", modified, 304),
        ("If-Modified-Since", old, 200),
        ("If-Modified-Since", "yesterday", 200),
        ("If-Match", etag, 200),
        ("If-Match", "*", 200),
        ("If-Match", &several, 200),
        ("If-Match", &weak, 412),
        ("If-Match", "\"x\"", 412),
        ("If-Match", "junk", 412),
        ("If-Unmodified-Since", modified, 200),
        ("If-Unmodified-Since", old, 412),
    ] {
        for method in ["GET", "HEAD"] {
            let request = Request::new(method, &*link).header(name, value);
            let answer = site.call(request).await;
            assert_eq!(answer.status, status, "{name}: {value}: {answer}");
            if status == 304 {
                assert_eq!(answer.only("etag"), etag, "RFC 9110, section 15.4.5");
                assert_eq!(answer.only("cache-control"), "private, no-store");
                assert!(
                    answer
                        .header("content-length")
                        .is_none_or(|length| length != "0")
                );
            }
        }
    }
    for (value, status) in [
        (etag, 206),
        (modified, 206),
        (&weak, 200),
        ("\"x\"", 200),
        (old, 200),
    ] {
        let request = Request::get(&link).header("Range", "bytes=1-2");
        let answer = site.call(request.header("If-Range", value)).await;
        assert_eq!(answer.status, status, "If-Range: {value}");
    }
    // The order of RFC 9110, section 13.2.2: what must match goes first, the range last.
    let request = Request::get(&link)
        .header("If-Match", "\"x\"")
        .header("If-None-Match", etag);
    site.call(request).await.has_status(412);
    let request = Request::get(&link)
        .header("If-None-Match", etag)
        .header("Range", "bytes=0-1");
    site.call(request).await.has_status(304);
    let request = Request::get(&link).header("If-None-Match", "\"x\"");
    let answer = site
        .call(request.header("If-Modified-Since", modified))
        .await;
    answer.has_status(200);
}

pub async fn what_is_no_link_opens_nothing(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    site.upload(&olga, "a.docx", &DOCX.document("x")).await;
    let link = site.link(&carl, "a.docx").await;
    let token = token_of(&link).to_owned();
    let mut others: Vec<String> = [
        "x", "a.b.c", "..", "%00", "%FF", "null", "*", "a.docx", "%2F",
    ]
    .map(str::to_owned)
    .to_vec();
    others.extend([
        olga,
        carl,
        "x".repeat(5000),
        format!("{token}."),
        format!("{token}%20"),
    ]);
    others.push(token.to_uppercase());
    others.push(token.replace('.', "%2E"));
    let parts: Vec<&str> = token.split('.').collect();
    others.push(format!("{}..", parts[0]));
    others.push(parts[..parts.len() - 1].join("."));
    for at in 0..token.len() {
        // The last character of a part may hold bits that count for nothing; a decoder has to care.
        let other = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut changed = token.clone();
        changed.replace_range(at..=at, other);
        if at % 7 == 0 || at + 1 == token.len() {
            others.push(changed);
        }
    }
    let mut connection = site.connect().await;
    for other in others {
        for method in ["GET", "HEAD"] {
            let request = Request::new(method, format!("/download_file/{other}"));
            let answer = connection
                .exchange(&request.header("Range", "bytes=0-1"))
                .await;
            assert_eq!(answer.status, 401, "{answer}");
            if method == "GET" {
                answer.is_problem(401, INVALID);
            }
        }
    }
    site.call(Request::get(&link)).await.has_status(200);
}

pub async fn links_expire(start: &Start) {
    let setup = Setup {
        link_lifetime: Duration::from_secs(1),
        ..Setup::default()
    };
    let site = Site::with(start, setup).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    let content = DOCX.document("x");
    site.upload(&olga, "a.docx", &content).await;
    let link = site.link(&carl, "a.docx").await;
    let mut connection = site.connect().await;
    loop {
        let answer = connection.exchange(&Request::get(&link)).await;
        if answer.status != 200 {
            // An expired link is told apart from one that never was by nothing.
            let unknown = connection.exchange(&Request::get("/download_file/x")).await;
            assert_eq!((answer.status, &answer.body), (401, &unknown.body));
            break;
        }
        assert_eq!(answer.body, content);
    }
    let answer = connection.exchange(&Request::head(&link)).await;
    answer.has_status(401);
}
