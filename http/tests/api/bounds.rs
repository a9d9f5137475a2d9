//! How much of a body is taken at most, counted where it comes from.

use std::iter;

use bytes::Bytes;
use consign_core::Settings;
use consign_http::testing::{self, DOCX, Form};
use http::{Method, Request, header};

use crate::support::{Source, document, request, room_of, run, upload};

const MIB: u64 = 1 << 20;

/// Pieces of `size` bytes, `total` in all, between two ends.
fn flood(
    before: Vec<u8>,
    piece: &[u8],
    total: u64,
    after: Vec<u8>,
) -> impl Iterator<Item = Bytes> + use<> {
    let piece: Bytes = piece.repeat((64 * 1024 / piece.len()).max(1)).into();
    let count = total / piece.len() as u64;
    iter::once(before.into())
        .chain((0..count).map(move |_| piece.clone()))
        .chain(iter::once(after.into()))
}

/// What it is; what comes before it and what it repeats; the MiB of it that are read at most, and the
/// status of the answer.
type Flood<'a> = (&'a str, Vec<u8>, &'a [u8], u64, u16);

#[test]
fn what_stands_around_a_file_is_bounded() {
    run(async {
        let (room, olga) = room_of(testing::parts(), Settings::default()).await;
        let boundary = Form::new().finish().1;
        let boundary = boundary.strip_suffix(b"--\r\n").unwrap().to_vec();
        let opened = [&boundary[..], b"\r\n"].concat();
        let end = Form::of_file("a.docx", &document()).finish().1;
        let after_end = |text: &[u8]| [&b"\r\n"[..], text].concat();
        let field = [
            &opened[..],
            b"Content-Disposition: form-data; name=\"a\"\r\n\r\n",
        ]
        .concat();
        let name = b"Content-Disposition: form-data; name=\"file\"; filename=\"";
        let name = [&opened[..], name].concat();
        let empty = [
            &opened[..],
            b"Content-Disposition: form-data; name=\"a\"\r\n\r\n\r\n",
        ]
        .concat();
        let file = Form::of_file("a.docx", &document());
        let behind = [&file.clone().unfinished()[..], &field].concat();
        let cases: [Flood<'_>; 10] = [
            ("before the first part", vec![], b"x", 2, 400),
            ("line ends before the first part", vec![], b"\r\n", 2, 400),
            (
                "almost boundaries",
                vec![],
                &boundary[..boundary.len() - 1],
                2,
                400,
            ),
            ("behind a boundary", boundary.clone(), b" ", 2, 400),
            ("a name", name, b"x", 2, 400),
            ("headers", opened, b"X: y\r\n", 2, 400),
            ("parts", vec![], &empty, 2, 400),
            ("a field", field, b"x", 4, 413),
            ("a field behind the file", behind, b"\r\n", 4, 413),
            ("behind the end", file.finish().1, b"x", 2, 200),
        ];
        for (what, before, piece, most, status) in cases {
            let (source, meter) = Source::new(flood(before, piece, 300 * MIB, after_end(&end)));
            let answer = room.api.handle(upload(&olga, source)).await;
            // Read before anything else can run.
            let taken = meter.taken();
            assert_eq!(
                answer.status(),
                status,
                "{what}: {:?}",
                answer.into_body().into_full()
            );
            assert!(taken < most * MIB, "{what}: {taken} bytes");
        }
    });
}

#[test]
fn small_parts_around_a_large_file_are_no_flood() {
    run(async {
        let (room, olga) = room_of(testing::parts(), Settings::default()).await;
        let content = DOCX.document_of(3 << 20);
        for count in [1, 5, 30] {
            for value in ["", "x", "a few words"] {
                let fields = |form: Form, name: &str| {
                    (0..count).fold(form, |form, at| form.field(&format!("{name}{at}"), value))
                };
                let form = fields(Form::new(), "before").file("file", "a.docx", &content);
                let body = Bytes::from(fields(form, "after").finish().1);
                // A sender so quick that there is always more: the parser could read ahead.
                for size in [10_000, 64 * 1024, body.len()] {
                    let frames: Vec<_> = body
                        .chunks(size)
                        .map(|frame| body.slice_ref(frame))
                        .collect();
                    let (source, _) = Source::new(frames.into_iter());
                    let answer = room.call(upload(&olga, source)).await;
                    assert_eq!(answer.status, 200, "{count} of {value:?}: {answer:?}");
                }
            }
        }
    });
}

#[test]
fn tiny_frames_cost_no_more_than_large_ones() {
    run(async {
        let (room, olga) = room_of(testing::parts(), Settings::default()).await;
        let open = Form::new().finish().1;
        let header = [open.strip_suffix(b"--\r\n").unwrap(), b"\r\nX: "].concat();
        let file = Form::of_file("a.docx", &DOCX.document_of(200_000))
            .finish()
            .1;
        // Were each looked at anew with all that is held, this would take minutes.
        for (before, size, status) in [
            (vec![], 300_000, 400),
            (header, 300_000, 400),
            (file, 0, 200),
        ] {
            let bytes = before.into_iter().chain(iter::repeat_n(b'\r', size));
            let (source, _) = Source::new(bytes.map(|byte| Bytes::copy_from_slice(&[byte])));
            let answer = room.call(upload(&olga, source)).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
        // Nor do frames of nothing, one after the other, keep anything from going on.
        let (_, body) = Form::of_file("a.docx", &document()).finish();
        let empty = iter::repeat_n(Bytes::new(), 100_000);
        let (source, _) = Source::new(empty.clone().chain([body.into()]).chain(empty));
        assert_eq!(room.call(upload(&olga, source)).await.status, 200);
    });
}

#[test]
fn a_file_is_bounded_while_it_comes_in() {
    run(async {
        let settings = Settings {
            max_upload: MIB,
            ..Settings::default()
        };
        let (room, olga) = room_of(testing::parts(), settings).await;
        // Begins like a document: only the end tells.
        let before = Form::of_file("a.docx", &document()).unfinished();
        let (source, meter) = Source::new(flood(before, b"x", 300 * MIB, vec![]));
        let answer = room.api.handle(upload(&olga, source)).await;
        let taken = meter.taken();
        assert_eq!(answer.status(), 413);
        assert!(taken < 4 * MIB, "{taken} bytes");

        // By the length that is told, not a byte is asked for.
        let (source, meter) = Source::new(iter::empty());
        let mut told = upload(&olga, source);
        told.headers_mut()
            .insert(header::CONTENT_LENGTH, (4 * MIB).into());
        assert_eq!(room.api.handle(told).await.status(), 413);
        assert_eq!(meter.taken(), 0);
    });
}

#[test]
fn json_is_bounded_while_it_comes_in() {
    run(async {
        let (room, _) = room_of(testing::parts(), Settings::default()).await;
        for path in ["/login", "/register"] {
            let (source, meter) =
                Source::new(flood(b"{\"a\":\"".to_vec(), b"x", 300 * MIB, vec![]));
            let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
            let answer = room.api.handle(request.body(source).unwrap()).await;
            let taken = meter.taken();
            assert_eq!(answer.status(), 413);
            assert!(taken < MIB, "{taken} bytes");
        }
    });
}

#[test]
fn what_is_refused_early_is_read_on_for_a_while() {
    run(async {
        let (room, _) = room_of(testing::parts(), Settings::default()).await;
        let (source, meter) = Source::new(flood(vec![], b"x", 300 * MIB, vec![]));
        let answer = room.api.handle(upload("x", source)).await;
        assert_eq!(answer.status(), 401);
        assert!(meter.taken() <= 64 * 1024, "the answer comes first");
        while !meter.is_dropped() {
            tokio::task::yield_now().await;
        }
        let taken = meter.taken();
        assert!((MIB..80 * MIB).contains(&taken), "{taken} bytes");

        // A short one is read to its end: the connection stays good for more.
        let (source, meter) = Source::new(flood(vec![], b"x", MIB, b"the end".to_vec()));
        room.api.handle(upload("x", source)).await;
        while !meter.is_dropped() {
            tokio::task::yield_now().await;
        }
        assert_eq!(meter.taken(), MIB + 7);
    });
}

#[test]
fn a_body_that_stalls_is_given_up() {
    run(async {
        let (room, _) = room_of(testing::parts(), Settings::default()).await;
        tokio::time::pause();
        let (sender, receiver) = stalled();
        let answer = room.api.handle(upload("x", receiver)).await;
        assert_eq!(answer.status(), 401);
        // Time passes by itself once nothing else is left to do.
        sender.closed().await;
    });
}

/// A body that never sends anything, and a handle that knows when it is dropped.
fn stalled() -> (
    tokio::sync::mpsc::Sender<()>,
    impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send + 'static,
) {
    let (sender, receiver) = tokio::sync::mpsc::channel::<()>(1);
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await?;
        Some((Ok(http_body::Frame::data(Bytes::new())), receiver))
    });
    (sender, http_body_util::StreamBody::new(Box::pin(frames)))
}

#[test]
fn who_asks_first_is_not_asked_to_send_what_is_refused() {
    run(async {
        let (room, olga) = room_of(testing::parts(), Settings::default()).await;
        let carl = room.sign_up("carl", false).await;
        for (method, path, token, status) in [
            (Method::POST, "/upload", "", 401),
            (Method::POST, "/upload", "x", 401),
            (Method::POST, "/upload", &*carl, 403),
            (Method::PUT, "/upload", &*olga, 405),
            (Method::POST, "/nowhere", &*olga, 404),
            (Method::POST, "/login", "", 415),
        ] {
            let (source, meter) = Source::new(flood(vec![], b"x", MIB, vec![]));
            let mut asking = request(method, path, token, "").map(|_| source);
            asking
                .headers_mut()
                .insert(header::EXPECT, "100-Continue".parse().unwrap());
            assert_eq!(room.api.handle(asking).await.status(), status);
            assert!(meter.is_dropped());
            assert_eq!(meter.taken(), 0, "{path}");
        }
        // One who sends what is refused in the middle is still drained.
        let (source, meter) = Source::new(flood(vec![], b"x", 8 * MIB, vec![]));
        let mut asking = upload(&olga, source);
        asking
            .headers_mut()
            .insert(header::EXPECT, "100-continue".parse().unwrap());
        assert_eq!(room.api.handle(asking).await.status(), 400);
        while !meter.is_dropped() {
            tokio::task::yield_now().await;
        }
        assert_eq!(meter.taken(), 8 * MIB);
    });
}

#[test]
fn a_request_does_not_choose_its_id() {
    run(async {
        let (room, _) = room_of(testing::parts(), Settings::default()).await;
        let mut ids = std::collections::HashSet::new();
        for _ in 0..2 {
            let mut asking = request(Method::GET, "/nowhere", "", "");
            let forged = "0123456789abcdef".parse().unwrap();
            asking.headers_mut().insert("x-request-id", forged);
            let answer = room.api.handle(asking).await;
            let given = answer.headers()["x-request-id"].clone();
            assert_ne!(given, "0123456789abcdef");
            assert!(ids.insert(given), "each has its own");
        }
    });
}
