//! A body means the same however it is cut.

use bytes::Bytes;
use consign_http::testing::{DOCX, Form};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{Answer, Room, run, upload};

/// Bodies of all outcomes.
fn bodies() -> Vec<Vec<u8>> {
    let document = DOCX.document("\r\n-----\r\n--\r\r\n\r\n---------------------------9051");
    let file = || Form::of_file("a.docx", &document);
    let (_, whole) = file().finish();
    let around = Form::new()
        .raw(b"preamble\r\n\r\n")
        .field("a", "1\r\n2")
        .field("b", "");
    let after = |form: Form| form.field("c", "\r").file("file", "b.docx", b"");
    let (_, around) = after(around.file("file", "a.docx", &document)).finish();
    vec![
        [whole.clone(), b"epilogue\r\n".to_vec()].concat(),
        whole[..whole.len() - 5].to_vec(),
        whole[..whole.len() / 2].to_vec(),
        whole[..70].to_vec(),
        whole,
        around,
        Form::new().field("file", "x").finish().1,
        Form::of_file("", b"").finish().1,
        Form::of_file("a.pdf", b"%PDF-1.7").finish().1,
        Form::of_file("a.docx", b"%PDF-1.7").finish().1,
        Form::new()
            .part(b"form-data; name=\"file\"; filename=\"\xff\"", b"")
            .finish()
            .1,
        Form::new().raw_part(b"No-Colon", b"").finish().1,
    ]
}

/// A frame's end, and how often the body lets one wait before it.
type Cut = (prop::sample::Index, u8);

async fn sent(room: &Room, token: &str, body: &[u8], cuts: &[Cut]) -> Answer {
    let mut ends: Vec<_> = cuts
        .iter()
        .map(|(at, waits)| (at.index(body.len() + 1), *waits))
        .collect();
    ends.push((body.len(), 0));
    ends.sort_unstable();
    let mut from = 0;
    let frames: Vec<_> = ends
        .into_iter()
        .map(|(end, waits)| {
            let frame = Bytes::copy_from_slice(&body[from..end]);
            from = end;
            (frame, waits)
        })
        .collect();
    let frames = stream::unfold(frames.into_iter(), |mut frames| async move {
        let (frame, waits) = frames.next()?;
        for _ in 0..waits {
            tokio::task::yield_now().await;
        }
        Some((Ok::<_, std::io::Error>(Frame::data(frame)), frames))
    });
    room.call(upload(token, StreamBody::new(Box::pin(frames))))
        .await
}

/// What of an answer does not change from one upload to the next.
fn outcome(answer: &Answer) -> (u16, Value) {
    let mut json = answer.json();
    if let Some(file) = json.get_mut("file").and_then(Value::as_object_mut) {
        file.remove("id");
    }
    // Where in a broken body its reader gave up may depend on the cuts.
    if let Some(members) = json.as_object_mut() {
        members.remove("detail");
    }
    (answer.status.as_u16(), json)
}

#[test]
fn any_cuts_give_the_same_answer() {
    let room = Room::new();
    let olga = run(room.sign_up("olga", true));
    let bodies = bodies();
    let whole: Vec<_> = bodies
        .iter()
        .map(|body| outcome(&run(sent(&room, &olga, body, &[]))))
        .collect();
    let statuses: Vec<_> = whole.iter().map(|(status, _)| *status).collect();
    assert_eq!(
        statuses,
        [200, 400, 400, 400, 200, 200, 400, 400, 400, 400, 400, 400]
    );
    for (body, whole) in bodies.iter().zip(&whole) {
        let bytes = body
            .clone()
            .into_iter()
            .map(|byte| Bytes::copy_from_slice(&[byte]));
        let bytes = stream::iter(bytes.map(|frame| Ok::<_, std::io::Error>(Frame::data(frame))));
        let answer = run(room.call(upload(&olga, StreamBody::new(bytes))));
        assert_eq!(
            &outcome(&answer),
            whole,
            "byte by byte: {}",
            body.escape_ascii()
        );
    }
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    };
    let cuts = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8), 0..20);
    proptest!(config, |(body in 0..bodies.len(), cuts in cuts)| {
        let answer = run(sent(&room, &olga, &bodies[body], &cuts));
        prop_assert_eq!(&outcome(&answer), &whole[body]);
    });
}

#[test]
fn a_frame_may_be_huge() {
    let room = Room::new();
    let olga = run(room.sign_up("olga", true));
    let (_, body) = Form::of_file("a.docx", &DOCX.document_of(20 << 20)).finish();
    let whole = run(sent(&room, &olga, &body, &[]));
    assert_eq!(whole.status, 200, "{whole:?}");
    assert_eq!(whole.json()["file"]["size"], 20 << 20);
    let cuts: Vec<Cut> = Vec::new();
    let again = run(sent(&room, &olga, &body, &cuts));
    assert_eq!(outcome(&again), outcome(&whole));
}
