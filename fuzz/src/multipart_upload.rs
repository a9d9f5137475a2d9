//! Any multipart body, in frames cut anywhere, through the whole API.
//!
//! Input: a byte that chooses the cuts, then either (with its highest bit) a file's content, which
//! is sent in a sound form, or the value of `Content-Type` up to a line feed and the body.

use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::site::{Answer, Site, access_token, block_on};

const LIMIT: u64 = 4096;

const BOUNDARY: &str = "----b";

pub fn run(bytes: &[u8]) {
    let Some((&cuts, rest)) = bytes.split_first() else {
        return;
    };
    if cuts >= 0x80 {
        sound(cuts, rest);
        return;
    }
    let line = rest.iter().position(|byte| *byte == b'\n');
    let (content_type, body) = rest.split_at(line.unwrap_or(rest.len()));
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    if let Ok(content_type) = header::HeaderValue::from_bytes(content_type) {
        sent_in_all_ways(cuts, &content_type, body);
    }
}

/// A form that a browser would send: it is taken, if its file is not too large.
fn sound(cuts: u8, content: &[u8]) {
    let inside = format!("\r\n--{BOUNDARY}");
    if content
        .windows(inside.len())
        .any(|bytes| bytes == inside.as_bytes())
    {
        return;
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.docx\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = [head.as_bytes(), content, inside.as_bytes(), b"--\r\n"].concat();
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let content_type = content_type.parse().expect("a header's value");
    let answer = sent_in_all_ways(cuts, &content_type, &body);
    if content.len() as u64 > LIMIT {
        assert_eq!(answer.status, 413, "{answer:?}");
        return;
    }
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = &answer.json()["file"];
    assert_eq!(file["filename"], "b.docx");
    assert_eq!(file["sha256"], digest(content));
}

fn sent_in_all_ways(cuts: u8, content_type: &header::HeaderValue, body: &[u8]) -> Answer {
    let whole = vec![Bytes::copy_from_slice(body)];
    let answer = sent(content_type, body, whole);
    let steps = [1 + usize::from(cuts % 8), 1 + usize::from(cuts) * 13];
    for step in steps {
        let frames = body.chunks(step).map(Bytes::copy_from_slice).collect();
        let again = sent(content_type, body, frames);
        assert_eq!(
            again, answer,
            "cut every {step} bytes it means something else"
        );
    }
    answer
}

fn sent(content_type: &header::HeaderValue, body: &[u8], frames: Vec<Bytes>) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/upload")
        .header(header::AUTHORIZATION, format!("Bearer {}", access_token(1)))
        .header(header::CONTENT_TYPE, content_type);
    let (head, ()) = request.body(()).expect("a request").into_parts();
    block_on(async {
        let site = Site::new(LIMIT).await;
        let answer = site.ask(head, frames).await;
        if answer.status == 200 {
            taken(&site, content_type, body, &answer.json()["file"]).await;
        } else {
            assert!(matches!(answer.status.as_u16(), 400 | 413), "{answer:?}");
        }
        site.is_tidy().await;
        answer
    })
}

/// What was stored is what was told, and a part of the body between two boundaries.
async fn taken(site: &Site, content_type: &header::HeaderValue, body: &[u8], file: &Value) {
    let id = file["id"].as_str().expect("an id");
    let carl = site.actor("carl").await;
    let link = site.consign.link(&carl, id).await.expect("Carl may");
    let stored = site.consign.open(&link.token).await.expect("it is there");
    let stored = stored.read_all(LIMIT).await.expect("it is small");
    assert_eq!(file["size"], stored.len());
    assert_eq!(file["sha256"], digest(&stored));
    let content_type = content_type.to_str().expect("it was read");
    let boundary = multer_boundary(content_type);
    let delimiter = format!("\r\n--{boundary}");
    let end = |from: usize| body[from..].starts_with(delimiter.as_bytes());
    let begins = |at: usize| body[..at].ends_with(b"\r\n\r\n");
    let places = 0..=body.len().saturating_sub(stored.len());
    let found = places
        .into_iter()
        .any(|at| body[at..].starts_with(&stored) && begins(at) && end(at + stored.len()));
    assert!(found, "the file is no part of the body");
    let closing = format!("--{boundary}--");
    let closed = body
        .windows(closing.len())
        .any(|bytes| bytes == closing.as_bytes());
    assert!(closed, "the body did not end");
    assert!(
        !stored
            .windows(delimiter.len())
            .any(|bytes| bytes == delimiter.as_bytes()),
        "the file holds the boundary"
    );
}

/// The boundary as RFC 2046 has it, in the two ways a parameter is written.
fn multer_boundary(content_type: &str) -> String {
    let lower = content_type.to_ascii_lowercase();
    let at = lower.find("boundary=").expect("it was read") + "boundary=".len();
    let value = &content_type[at..];
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
        None => value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned(),
    }
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
