//! multipart/form-data bodies that others collected.

use std::{fs, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use consign_core::{Parts, Settings};
use consign_http::testing;
use http::{Request, header};
use http_body_util::Full;
use sha2::{Digest, Sha256};

use crate::support::{Answer, Lenient, Room, room_of, run};

/// The first file called `file` that a description lists: its name and its content.
fn first_file(description: &str) -> Option<(String, Vec<u8>)> {
    let parts = description.split("- name: ").skip(1);
    parts
        .filter(|part| part.contains("type: file"))
        .find_map(|part| {
            let (name, rest) = part.split_once('\n')?;
            let line = |key: &str| rest.lines().find_map(|line| line.trim().strip_prefix(key));
            let data = rest.split_once("!!binary |").map_or("", |(_, data)| data);
            let data: String = data
                .split_whitespace()
                .take_while(|word| !word.contains(':'))
                .collect();
            let filename = line("file_name: ")?.trim_matches(['"', '\'']).to_owned();
            (name.trim() == "file").then(|| (filename, STANDARD.decode(data).unwrap()))
        })
}

fn holds(body: &[u8], text: &str) -> bool {
    body.windows(text.len())
        .any(|window| window == text.as_bytes())
}

async fn sent(room: &Room, token: &str, boundary: &str, body: Vec<u8>) -> Answer {
    let request = Request::post("/upload")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(
            header::CONTENT_TYPE,
            format!("multipart/form-data; boundary={boundary}"),
        );
    room.call(request.body(Full::<Bytes>::from(body)).unwrap())
        .await
}

#[test]
fn a_corpus_of_bodies_is_read_as_it_should_be() {
    let Ok(corpora) = std::env::var("CONSIGN_CORPORA") else {
        eprintln!("skipped: CONSIGN_CORPORA is not set");
        return;
    };
    let corpus = Path::new(&corpora).join("multipart-python");
    let parts = Parts {
        intake: Arc::new(Lenient::default()),
        ..testing::parts()
    };
    run(async {
        let (room, olga) = room_of(parts, Settings::default()).await;
        let mut seen = 0;
        for entry in fs::read_dir(corpus.join("tests/test_data/http")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "http") {
                continue;
            }
            let description = fs::read_to_string(path.with_extension("yaml")).unwrap();
            let boundary = description
                .lines()
                .find_map(|line| line.strip_prefix("boundary: "));
            let boundary = boundary.unwrap();
            let body = fs::read(&path).unwrap();
            let answer = sent(&room, &olga, boundary, body.clone()).await;
            let name = path.file_stem().unwrap().to_str().unwrap();
            // Deprecated in forms (RFC 7578, section 4.7): a file under it is what was sent.
            let encoded = holds(&body, "Transfer-Encoding");
            match first_file(&description) {
                // A file must not have the boundary in it (RFC 2046, section 5.1.1); theirs may.
                _ if name.starts_with("almost_match_boundary") => {
                    assert!(matches!(answer.status.as_u16(), 200 | 400), "{name}");
                }
                Some(_) if encoded => assert_eq!(answer.status, 200, "{name}"),
                // One of them has another boundary than is written beside it.
                None if !holds(&body, &format!("--{boundary}")) => {
                    assert_eq!(answer.status, 400, "{name}")
                }
                _ if description.contains("error:") => assert_eq!(answer.status, 400, "{name}"),
                Some((filename, content)) => {
                    assert_eq!(answer.status, 200, "{name}: {answer:?}");
                    let file = &answer.json()["file"];
                    assert_eq!(file["filename"], *filename, "{name}");
                    let digest = Sha256::digest(&content);
                    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                    assert_eq!(file["sha256"], *digest, "{name}");
                }
                None => {
                    assert_eq!(answer.status, 400, "{name}: {answer:?}");
                    assert_eq!(answer.msg(), "key name should be file", "{name}");
                }
            }
            seen += 1;
        }
        assert!(seen > 20, "{seen} bodies");
        // What fuzzers found for others, under the boundaries that it has in it.
        for folder in fs::read_dir(corpus.join("fuzz/corpus")).unwrap() {
            for entry in fs::read_dir(folder.unwrap().path()).unwrap() {
                let body = fs::read(entry.unwrap().path()).unwrap();
                for boundary in ["boundary", "--boundary", "x"] {
                    let answer = sent(&room, &olga, boundary, body.clone()).await;
                    assert!(answer.status.as_u16() < 500, "{answer:?}");
                }
            }
        }
    });
}
