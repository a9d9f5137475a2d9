//! What is no request of HTTP/1.1, or nearly one (RFC 9112).

use futures_util::future::join_all;

use crate::{Target, is_refused};

/// What may come of it.
#[derive(Clone, Copy, PartialEq)]
enum May {
    /// Nothing but a refusal.
    Refuse,
    /// It is unusual and harmless.
    Serve,
}
use May::{Refuse, Serve};

/// A request whose framing is attacked; whoever reads it another way sees a second one.
fn framed(headers: &str, body: &str) -> Vec<u8> {
    let second = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\
         {body}{second}"
    )
    .into_bytes()
}

fn chunks(body: &str) -> Vec<u8> {
    framed("Transfer-Encoding: chunked\r\n", body)
}

fn with_header(line: impl AsRef<[u8]>) -> Vec<u8> {
    let head = b"GET /files HTTP/1.1\r\nHost: x\r\n";
    [&head[..], line.as_ref(), b"\r\n\r\n"].concat()
}

fn first_line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: x\r\n\r\n"].concat()
}

/// Framings that all read alike: what is behind them is another request, and read as one.
const LAWFUL: [&str; 4] = [
    "two codings",
    "a long extension of a chunk",
    "many extensions of chunks",
    "many trailers",
];

fn heads() -> Vec<(&'static str, Vec<u8>, May)> {
    let many: String = (0..5000).map(|at| format!("X-{at}: y\r\n")).collect();
    vec![
        (
            "bare line feeds",
            b"GET /healthz HTTP/1.1\nHost: x\n\n".to_vec(),
            Serve,
        ),
        ("a folded header", with_header("X: a\r\n b"), Refuse),
        (
            "a first header that is folded",
            b"GET / HTTP/1.1\r\n Host: x\r\n\r\n".to_vec(),
            Refuse,
        ),
        (
            "a space before the colon",
            with_header("Authorization : Bearer x"),
            Refuse,
        ),
        ("no colon", with_header("nonsense"), Refuse),
        ("no name", with_header(": x"), Refuse),
        ("a NUL in a name", with_header("X\0Y: z"), Refuse),
        ("a NUL in a value", with_header("X: y\0z"), Refuse),
        (
            "a bare carriage return in a value",
            with_header("X: y\rZ: z"),
            Refuse,
        ),
        ("a name beyond ASCII", with_header("Ü: x"), Refuse),
        ("many headers", with_header(many), Refuse),
        (
            "a long header",
            with_header(format!("X: {}", "y".repeat(100_000))),
            Refuse,
        ),
        (
            "a long name",
            with_header(format!("{}: y", "x".repeat(100_000))),
            Refuse,
        ),
        (
            "a long target",
            first_line(format!("GET /{} HTTP/1.1", "x".repeat(100_000))),
            Refuse,
        ),
        (
            "a long method",
            first_line(format!("{} / HTTP/1.1", "X".repeat(100_000))),
            Refuse,
        ),
        ("an odd method", first_line("G<ET / HTTP/1.1"), Refuse),
        (
            "a method of one's own",
            first_line("BREW /upload HTTP/1.1"),
            Refuse,
        ),
        ("TRACE", first_line("TRACE /files HTTP/1.1"), Refuse),
        ("CONNECT", first_line("CONNECT x:443 HTTP/1.1"), Refuse),
        ("HTTP/0.9", b"GET /\r\n".to_vec(), Refuse),
        ("HTTP/0.9 with headers", first_line("GET /"), Refuse),
        ("HTTP/9.9", first_line("GET / HTTP/9.9"), Refuse),
        ("HTTP/1.2", first_line("GET /files HTTP/1.2"), Refuse),
        ("another protocol", first_line("GET / ICY/1.0"), Refuse),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            Refuse,
        ),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), Refuse),
        ("nothing but NULs", vec![0; 40_000], Refuse),
        ("nothing but line ends", b"\r\n".repeat(40_000), Refuse),
        ("two spaces", first_line("GET  /files HTTP/1.1"), Refuse),
        ("a tab", first_line("GET\t/files\tHTTP/1.1"), Refuse),
        (
            "a control character in the target",
            first_line("GET /\x01 HTTP/1.1"),
            Refuse,
        ),
        (
            "bytes beyond ASCII in the target",
            first_line(b"GET /\xff\xfe HTTP/1.1"),
            Refuse,
        ),
        (
            "a fragment in the target",
            first_line("GET /files#x HTTP/1.1"),
            Refuse,
        ),
        (
            // In authority form, as the next: what has no path gets the page at `/`.
            "a target without its slash",
            first_line("GET files HTTP/1.1"),
            Serve,
        ),
        (
            "a target in authority form",
            first_line("GET x:80 HTTP/1.1"),
            Serve,
        ),
        (
            "a target in asterisk form",
            first_line("GET * HTTP/1.1"),
            Refuse,
        ),
        (
            "an absolute target",
            first_line("GET http://elsewhere/healthz HTTP/1.1"),
            Serve,
        ),
        (
            "an absolute target of a file",
            first_line("GET file:///etc/passwd HTTP/1.1"),
            Refuse,
        ),
        (
            "a userinfo in the target",
            first_line("GET http://a@b@c/ HTTP/1.1"),
            Serve,
        ),
        ("two hosts", with_header("Host: y"), Refuse),
        ("an odd host", with_header("Host: a b/c"), Refuse),
        (
            "an expectation of one's own",
            with_header("Expect: miracles"),
            Refuse,
        ),
    ]
}

fn framings() -> Vec<(&'static str, Vec<u8>)> {
    let extension = format!("1;{}\r\na\r\n", "x".repeat(4000)).repeat(100);
    let one_long = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(60_000));
    let trailers: String = (0..5000).map(|at| format!("X-{at}: y\r\n")).collect();
    vec![
        (
            "a length and chunks",
            framed(
                "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "chunks and a length",
            framed(
                "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "two lengths",
            framed("Content-Length: 2\r\nContent-Length: 40\r\n", "{}"),
        ),
        (
            "two lengths in one line",
            framed("Content-Length: 2, 40\r\n", "{}"),
        ),
        (
            "a length with a sign",
            framed("Content-Length: +2\r\n", "{}"),
        ),
        ("a negative length", framed("Content-Length: -2\r\n", "{}")),
        (
            "a hexadecimal length",
            framed("Content-Length: 0x2\r\n", "{}"),
        ),
        ("an empty length", framed("Content-Length:\r\n", "{}")),
        (
            "an absurd length",
            framed("Content-Length: 99999999999999999999\r\n", "{}"),
        ),
        (
            "a space before the length's colon",
            framed("Content-Length : 2\r\n", "{}"),
        ),
        (
            "a coding that is nearly chunked",
            framed("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a coding after chunked",
            framed("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ),
        (
            "two codings",
            framed(
                "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "a coding in quotes",
            framed("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
        ),
        (
            "a vertical tab before chunked",
            framed("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a space before the coding's colon",
            framed("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a chunk's size that is none",
            chunks("zz\r\n{}\r\n0\r\n\r\n"),
        ),
        ("a negative chunk", chunks("-2\r\n{}\r\n0\r\n\r\n")),
        ("a chunk's size with 0x", chunks("0x2\r\n{}\r\n0\r\n\r\n")),
        ("an absurd chunk", chunks("FFFFFFFFFFFFFFFFF\r\n{}")),
        (
            "a chunk as large as can be told",
            chunks("FFFFFFFFFFFFFFFF\r\n{}"),
        ),
        (
            "a chunk longer than its size",
            chunks("1\r\n{}\r\n0\r\n\r\n"),
        ),
        ("a chunk that ends in a line feed", chunks("2\n{}\n0\n\n")),
        ("a long extension of a chunk", chunks(&one_long)),
        ("many extensions of chunks", chunks(&extension)),
        (
            "many trailers",
            chunks(&format!("2\r\n{{}}\r\n0\r\n{trailers}\r\n")),
        ),
    ]
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let target = Target::new().await;
    let heads = heads();
    let attacks = heads.iter().map(|(what, bytes, may)| {
        let target = &target;
        async move {
            let answers = target.answers_to(bytes).await;
            for answer in &answers {
                match may {
                    Serve if answer.status == 200 => {}
                    _ => is_refused(what, Some(answer)),
                }
            }
        }
    });
    join_all(attacks).await;
    target.is_well("what is no request").await;
    target.tell(heads.len(), "heads of requests");
}

#[tokio::test]
async fn no_request_hides_in_another() {
    let target = Target::new().await;
    let framings = framings();
    let attacks = framings.iter().map(|(what, bytes)| {
        let target = &target;
        async move {
            let answers = target.answers_to(bytes).await;
            for answer in &answers {
                is_refused(what, Some(answer));
            }
            (what, answers.len())
        }
    });
    // Where two readers may differ about its end, nothing behind such a request is read.
    let mut read_on = join_all(attacks).await;
    read_on.retain(|(what, answers)| *answers > 1 && !LAWFUL.contains(what));
    assert!(read_on.is_empty(), "answers: {read_on:?}");
    target.is_well("framings").await;
    target.tell(framings.len(), "framings of requests");
}
