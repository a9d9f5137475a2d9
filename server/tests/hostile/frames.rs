//! Games with the frames of HTTP/2 (RFC 9113) and its header compression (RFC 7541).

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Target, soon};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET http://x/healthz`, without Huffman's code and without a table.
fn get() -> Vec<u8> {
    [&[0x82, 0x86][..], &[0x04, 8], b"/healthz", &[0x01, 1], b"x"].concat()
}

/// `POST http://x/login`.
fn post() -> Vec<u8> {
    let kind = [&[0x0f, 0x10, 16][..], b"application/json"].concat();
    [
        &[0x83, 0x86][..],
        &[0x04, 6],
        b"/login",
        &[0x01, 1],
        b"x",
        &kind,
    ]
    .concat()
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|at| 2 * at + 1)
}

fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let ended = END_STREAM | END_HEADERS;
    let ask = |stream| frame(HEADERS, ended, stream, &get());
    let reset = |stream| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let posted = frame(HEADERS, END_HEADERS, 1, &post());
    vec![
        (
            "rapid resets",
            streams(20_000)
                .flat_map(|id| [ask(id), reset(id)].concat())
                .collect(),
        ),
        (
            "resets that the server is made to send",
            streams(20_000)
                .flat_map(|id| [ask(id), frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat())
                .collect(),
        ),
        (
            "more streams than there may be",
            streams(20_000).flat_map(ask).collect(),
        ),
        (
            "continuations without an end",
            [
                frame(HEADERS, END_STREAM, 1, &get()),
                frame(CONTINUATION, 0, 1, &[0; 16_000]).repeat(3000),
            ]
            .concat(),
        ),
        (
            "empty continuations",
            [
                frame(HEADERS, END_STREAM, 1, &get()),
                frame(CONTINUATION, 0, 1, &[]).repeat(200_000),
            ]
            .concat(),
        ),
        (
            "settings",
            frame(SETTINGS, 0, 0, &setting(4, 65_535)).repeat(100_000),
        ),
        ("empty settings", frame(SETTINGS, 0, 0, &[]).repeat(200_000)),
        ("pings", frame(PING, 0, 0, &[7; 8]).repeat(200_000)),
        (
            "answers to pings that nobody sent",
            frame(PING, 1, 0, &[7; 8]).repeat(200_000),
        ),
        (
            "empty data",
            [posted.clone(), frame(DATA, 0, 1, &[]).repeat(200_000)].concat(),
        ),
        (
            "padding alone",
            [
                posted.clone(),
                frame(DATA, 8, 1, &[255; 256]).repeat(20_000),
            ]
            .concat(),
        ),
        (
            "data of no stream",
            frame(DATA, 0, 99, &[0; 16_000]).repeat(2000),
        ),
        (
            "priorities",
            streams(100_000)
                .flat_map(|id| frame(PRIORITY, 0, id, &[0, 0, 0, 0, 1]))
                .collect(),
        ),
        (
            "frames of no known kind",
            frame(0xbb, 0, 0, &[0; 1000]).repeat(30_000),
        ),
        (
            "windows in small steps",
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()).repeat(200_000),
        ),
    ]
}

/// A block of headers that fills the table and then names its one entry over and over.
fn bomb() -> Vec<u8> {
    let entry = [&[0x40, 1, b'x', 0x7f, 0x81, 0x1e][..], &[b'y'; 4000]].concat();
    let mut block = [get(), entry].concat();
    block.extend(vec![0xbe; 12_000]);
    block
}

fn breaches() -> Vec<(&'static str, Vec<u8>)> {
    let ended = END_STREAM | END_HEADERS;
    let asks = |block: &[u8]| frame(HEADERS, ended, 1, block);
    let literal = |name: &[u8], value: &[u8]| {
        let (name_len, value_len) = (name.len() as u8, value.len() as u8);
        [&[0, name_len][..], name, &[value_len], value].concat()
    };
    let more = |line: Vec<u8>| asks(&[get(), line].concat());
    vec![
        (
            "a huge table, asked for",
            [frame(SETTINGS, 0, 0, &setting(1, u32::MAX)), asks(&get())].concat(),
        ),
        (
            "a huge table, taken",
            asks(&[&[0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f][..], &get()].concat()),
        ),
        ("an entry of no table", asks(&[0xff, 0xff, 0x7f])),
        ("a number without an end", asks(&[0xff; 200])),
        ("a header bomb", asks(&bomb())),
        (
            "a length beyond the block",
            asks(&[0x04, 0x7f, 0xff, 0xff, 0x7f]),
        ),
        (
            "headers of the connection",
            frame(HEADERS, ended, 0, &get()),
        ),
        ("an even stream", frame(HEADERS, ended, 2, &get())),
        (
            "streams backwards",
            [
                frame(HEADERS, ended, 9, &get()),
                frame(HEADERS, ended, 1, &get()),
            ]
            .concat(),
        ),
        ("headers twice", [asks(&get()), asks(&get())].concat()),
        ("data of the connection", frame(DATA, 0, 0, b"x")),
        ("more padding than frame", frame(DATA, 8, 1, &[255, 0])),
        (
            "a frame larger than any may be",
            [&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1][..], &[0; 30_000]].concat(),
        ),
        ("a push", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        (
            "a window that does not grow",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        ),
        (
            "a window beyond all",
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(3),
        ),
        ("settings of half a length", frame(SETTINGS, 0, 0, &[0; 5])),
        ("settings of a stream", frame(SETTINGS, 0, 1, &[])),
        (
            "an absurd window",
            frame(SETTINGS, 0, 0, &setting(4, u32::MAX)),
        ),
        (
            "an absurd size of frames",
            frame(SETTINGS, 0, 0, &setting(5, 1)),
        ),
        (
            "a continuation of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &get()),
        ),
        (
            "another frame among continuations",
            [frame(HEADERS, 0, 1, &get()), frame(PING, 0, 0, &[0; 8])].concat(),
        ),
        (
            "a stream that depends on itself",
            frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 1]),
        ),
        ("a ping of the wrong size", frame(PING, 0, 0, &[0; 7])),
        (
            "a farewell and more",
            [frame(GOAWAY, 0, 0, &[0; 8]), asks(&get())].concat(),
        ),
        ("no windows for answers", {
            let ask = |stream| frame(HEADERS, ended, stream, &get());
            [
                frame(SETTINGS, 0, 0, &setting(4, 0)),
                streams(64).flat_map(ask).collect(),
            ]
            .concat()
        }),
        ("a name in capitals", more(literal(b"X-Y", b"z"))),
        ("a line's end in a value", more(literal(b"x", b"y\r\nz: w"))),
        ("a NUL in a value", more(literal(b"x", b"\0"))),
        (
            "a connection header",
            more(literal(b"connection", b"close")),
        ),
        (
            "a transfer coding",
            more(literal(b"transfer-encoding", b"chunked")),
        ),
        (
            "a pseudo-header that comes late",
            more(literal(b":path", b"/files")),
        ),
        (
            "a pseudo-header of no kind",
            more(literal(b":secret", b"x")),
        ),
        ("no path", asks(&[0x82, 0x86, 0x01, 1, b'x'])),
        ("an empty path", asks(&[0x82, 0x86, 0x04, 0, 0x01, 1, b'x'])),
        ("no headers at all", asks(&[])),
        ("more than the length says", {
            let block = [post(), vec![0x0f, 0x0d, 1, b'2']].concat();
            [
                frame(HEADERS, END_HEADERS, 1, &block),
                frame(DATA, END_STREAM, 1, b"{}{}{}"),
            ]
            .concat()
        }),
        ("less than the length says", {
            let block = [post(), vec![0x0f, 0x0d, 2, b'9', b'9']].concat();
            [
                frame(HEADERS, END_HEADERS, 1, &block),
                frame(DATA, END_STREAM, 1, b"{}"),
            ]
            .concat()
        }),
    ]
}

/// Sends a preface and these frames, and reads until the server ends the connection. A client that
/// reads gets further than one that does not.
async fn send(target: &Target, frames: &[u8], reads: bool) {
    let stream = TcpStream::connect(target.server.address).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let sending = async {
        let _ = to.write_all(PREFACE).await;
        let _ = to.write_all(&frame(SETTINGS, 0, 0, &[])).await;
        let _ = to.write_all(frames).await;
    };
    let reading = async {
        let mut piece = vec![0; 64 * 1024];
        while from.read(&mut piece).await.is_ok_and(|read| read > 0) {}
    };
    match reads {
        true => drop(soon(async { tokio::join!(sending, reading) }).await),
        false => {
            soon(sending).await;
            soon(reading).await;
        }
    }
}

#[tokio::test]
async fn floods_of_frames_are_cut_off() {
    let target = Target::new().await;
    let floods = floods();
    for (what, frames) in &floods {
        for reads in [true, false] {
            send(&target, frames, reads).await;
            target.is_well(what).await;
        }
    }
    target.tell(floods.len(), "floods of frames");
}

#[tokio::test]
async fn breaches_of_http_2_are_survived() {
    let target = Target::new().await;
    let breaches = breaches();
    let attacks = breaches
        .iter()
        .map(|(_, frames)| send(&target, frames, true));
    futures_util::future::join_all(attacks).await;
    target.is_well("breaches of HTTP/2").await;
    target.tell(breaches.len(), "breaches of HTTP/2");
}
