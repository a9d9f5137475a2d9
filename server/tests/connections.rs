//! Clients that dawdle are let go, those that are slow are not, and the others notice neither.
//!
//! Nothing here says how long anything takes: what is to end is waited for, and what is not to end
//! is used again after it could have.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{sync::Arc, time::Duration};

use consign_http::testing::{Connection, DOCX, Form, Request};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use support::{Home, PASSWORD, Server, http2::Http2, package::docx, soon, text};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::sleep,
};

/// A time-out that a busy machine keeps, and a step that stays far below it.
const LIMIT: &str = "1s";
const STEP: Duration = Duration::from_millis(120);

/// So long that it is as good as never.
const NEVER: &str = "600s";

/// Longer than [`LIMIT`].
const BEYOND: Duration = Duration::from_millis(2200);

fn with_limits(header: &str, body: &str, idle: &str) -> Server {
    Server::with(|command| {
        command.args([
            format!("--header-timeout={header}"),
            format!("--body-timeout={body}"),
            format!("--idle-timeout={idle}"),
            "--log=debug".to_owned(),
        ]);
    })
}

async fn raw(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection that takes in little before it is read.
async fn narrow(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 * 1024).unwrap();
    socket.connect(server.address).await.unwrap()
}

/// What comes until the server ends the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = soon(stream.read_to_end(&mut rest)).await;
    rest
}

/// Sends a byte now and then until the server ends the connection.
async fn drip(stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = stream.into_split();
    let dripping = async {
        for byte in bytes.iter().cycle() {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(STEP).await;
        }
        std::future::pending::<()>().await;
    };
    let mut rest = Vec::new();
    let read = async {
        let _ = reader.read_to_end(&mut rest).await;
    };
    soon(async {
        tokio::select! {
            () = read => {}
            () = dripping => {}
        }
    })
    .await;
    rest
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let server = with_limits(LIMIT, NEVER, NEVER);
    let mut silent = raw(&server).await;
    let mut another = raw(&server).await;
    server.serves().await;
    assert!(rest(&mut silent).await.is_empty());
    assert!(rest(&mut another).await.is_empty());
    server.serves().await;
}

#[tokio::test]
async fn who_stops_in_a_head_is_let_go() {
    let server = with_limits(LIMIT, NEVER, NEVER);
    let mut stopped = Vec::new();
    for head in [
        "G",
        "P",
        "PRI * HTTP/2.",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r",
        "POST /login",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n",
    ] {
        let mut stream = raw(&server).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stopped.push((head, stream));
    }
    server.serves().await;
    for (head, mut stream) in stopped {
        assert!(rest(&mut stream).await.is_empty(), "{head:?}");
    }
    server.serves().await;
}

#[tokio::test]
async fn who_drips_a_head_is_let_go() {
    let server = with_limits(LIMIT, NEVER, NEVER);
    let first = drip(raw(&server).await, b"GET / HTTP/1.1\r\nX: y");
    // After a request that was answered, too.
    let second = async {
        let mut stream = raw(&server).await;
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        drip(stream, b"GET / HTTP/1.1\r\nX: y").await
    };
    let (first, second, ()) = tokio::join!(first, second, server.serves());
    assert!(first.is_empty());
    assert!(
        second.ends_with(b"{\"status\":\"ok\"}"),
        "{}",
        second.escape_ascii()
    );
}

#[tokio::test]
async fn who_waits_too_long_with_the_next_request_is_let_go() {
    let server = with_limits(NEVER, NEVER, LIMIT);
    let mut kept = server.connect().await;
    for _ in 0..3 {
        let answer = soon(kept.exchange(&Request::get("/healthz"))).await;
        assert_ne!(answer.has_status(200).header("connection"), Some("close"));
    }
    assert!(soon(kept.is_closed()).await);
    server.serves().await;
}

#[tokio::test]
async fn who_waits_within_the_limit_is_kept() {
    let server = with_limits(LIMIT, LIMIT, NEVER);
    let mut kept = server.connect().await;
    for _ in 0..2 {
        soon(kept.exchange(&Request::get("/healthz")))
            .await
            .has_status(200);
        sleep(BEYOND).await;
    }
    soon(kept.exchange(&Request::get("/healthz")))
        .await
        .has_status(200);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_not_waited_for() {
    let server = with_limits(NEVER, LIMIT, NEVER);
    let olga = server.sign_up("olga", true).await;
    let form = Form::of_file("a.docx", &docx(1, 300_000));
    let upload = Request::post("/upload").bearer(&olga);
    let login = Request::post("/login").header("Content-Type", "application/json");
    for (request, part) in [
        (upload.clone().form(form.clone()), 200_000),
        (upload.clone().form(form.clone()), 0),
        (
            upload
                .header("Content-Type", Form::content_type())
                .chunked(form.finish().1, 1000),
            9_999,
        ),
        (
            login.body(format!(
                "{{\"username\":\"olga\",\"password\":\"{PASSWORD}\"}}"
            )),
            10,
        ),
    ] {
        let mut stalled = server.connect().await;
        let head = request.head_bytes(server.address).len();
        stalled
            .send(&request.bytes(server.address)[..head + part])
            .await;
        server.serves().await;
        let answer = soon(stalled.next("POST"))
            .await
            .expect("the client is told");
        answer.is_problem(400, "The request body is incomplete or malformed");
        assert!(soon(stalled.is_closed()).await);
    }
    assert!(server.files(&olga).await.is_empty());
    assert!(server.home.stored("stages").is_empty());
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_not_waited_for() {
    let home = Home::new();
    let server = Server::on(&home, |command| {
        command.args([
            "--body-timeout=1s",
            "--idle-timeout=600s",
            "--max-connections=1",
        ]);
    });
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let content = docx(1, 24 << 20);
    server.upload(&olga, "a.docx", &content).await;
    let link = server.link(&carl, "a.docx").await;
    for _ in 0..2 {
        let mut stalled = narrow(&server).await;
        let request = Request::get(&link).bytes(server.address);
        stalled.write_all(&request).await.unwrap();
        let mut first = [0; 12];
        soon(stalled.read_exact(&mut first)).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        // There is one place, and the next client gets it.
        server.serves().await;
        assert!(rest(&mut stalled).await.len() < content.len());
    }
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_comes_whole() {
    // The end of an answer waits to be taken when the rest of the request is long over.
    let server = with_limits(NEVER, "20s", "10ms");
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let content = docx(1, 12 << 20);
    server.upload(&olga, "a.docx", &content).await;
    let link = server.link(&carl, "a.docx").await;
    let mut slow = narrow(&server).await;
    let request = Request::get(&link).header("Connection", "close");
    slow.write_all(&request.bytes(server.address))
        .await
        .unwrap();
    let mut taken = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match soon(slow.read(&mut piece)).await {
            Ok(0) => break,
            Ok(read) => taken.extend_from_slice(&piece[..read]),
            Err(error) => panic!("{error} after {} of {} bytes", taken.len(), content.len()),
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(
        taken.ends_with(&content[content.len() - 1000..]),
        "{} bytes",
        taken.len()
    );
    assert!(taken.len() > content.len());
}

#[tokio::test]
async fn an_upload_that_is_slow_but_steady_is_taken() {
    let server = with_limits(LIMIT, LIMIT, LIMIT);
    let olga = server.sign_up("olga", true).await;
    let content = docx(1, 200_000);
    let request = Request::post("/upload").bearer(&olga);
    let bytes = request
        .form(Form::of_file("slow.docx", &content))
        .bytes(server.address);
    let mut slow = server.connect().await;
    for piece in bytes.chunks(bytes.len() / 25) {
        assert!(slow.send(piece).await, "it is cut off");
        sleep(STEP).await;
    }
    soon(slow.next("POST")).await.unwrap().has_status(200);
    let carl = server.sign_up("carl", false).await;
    let link = server.link(&carl, "slow.docx").await;
    assert!(server.call(Request::get(link)).await.body == content);
}

#[tokio::test]
async fn what_the_server_is_slow_over_is_not_the_clients_fault() {
    let server = with_limits("300ms", "300ms", "300ms");
    server.sign_up("olga", true).await;
    // One password after the other is looked at; the last of these waits for all others.
    let login = Request::post("/login");
    let login = login.json(&serde_json::json!({"username": "olga", "password": "another"}));
    let logins = (0..10).map(|_| {
        let (address, login) = (server.address, login.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            soon(connection.exchange(&login)).await.status
        })
    });
    for login in logins.collect::<Vec<_>>() {
        assert!(matches!(login.await.unwrap(), 401 | 503));
    }
}

#[tokio::test]
async fn a_body_that_comes_after_its_answer_is_no_head_of_a_request() {
    let server = with_limits(LIMIT, NEVER, NEVER);
    let mut early = server.connect().await;
    let head = "POST /upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\
        Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 25\r\n\r\n";
    early.send(head).await;
    soon(early.next("POST")).await.unwrap().has_status(401);
    for _ in 0..25 {
        assert!(early.send("x").await, "it is cut off");
        sleep(STEP).await;
    }
    soon(early.exchange(&Request::get("/healthz")))
        .await
        .has_status(200);
    // Nor does the wait for the next request end early.
    sleep(BEYOND).await;
    soon(early.exchange(&Request::get("/healthz")))
        .await
        .has_status(200);
}

#[tokio::test]
async fn a_body_that_never_comes_after_its_answer_is_not_waited_for() {
    let server = with_limits(NEVER, LIMIT, NEVER);
    let mut early = server.connect().await;
    let head = "POST /upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\
        Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 25\r\n\r\nxxx";
    early.send(head).await;
    soon(early.next("POST")).await.unwrap().has_status(401);
    assert!(soon(early.is_closed()).await);
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_turn() {
    let server = with_limits(LIMIT, LIMIT, LIMIT);
    server.sign_up("olga", true).await;
    let login = serde_json::json!({"username": "olga", "password": PASSWORD});
    let login = Request::post("/login").json(&login).bytes(server.address);
    let health = Request::get("/healthz").bytes(server.address);
    let mut pipelined = server.connect().await;
    // The last one stops in its head while the first is running.
    let half = &health[..health.len() / 2];
    pipelined
        .send([&health, &login, &health, &login, &health, half].concat())
        .await;
    for _ in 0..5 {
        soon(pipelined.next("POST")).await.unwrap().has_status(200);
    }
    assert!(soon(pipelined.is_closed()).await);
    // One that goes on in time is answered.
    let mut pipelined = server.connect().await;
    pipelined.send([&login, half].concat()).await;
    soon(pipelined.next("POST")).await.unwrap().has_status(200);
    pipelined.send(&health[half.len()..]).await;
    soon(pipelined.next("GET")).await.unwrap().has_status(200);
}

#[tokio::test]
async fn one_connection_more_than_there_may_be_waits() {
    let server = Server::with(|command| {
        command.args(["--max-connections=2", "--max-connections-per-address=2"]);
    });
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for connection in [&mut first, &mut second] {
        soon(connection.exchange(&Request::get("/healthz")))
            .await
            .has_status(200);
    }
    let mut third = server.connect().await;
    third
        .send(Request::get("/healthz").bytes(server.address))
        .await;
    let early = tokio::time::timeout(STEP, third.next("GET")).await;
    assert!(early.is_err(), "a third is served beside two");
    soon(second.exchange(&Request::get("/healthz")))
        .await
        .has_status(200);
    drop(first);
    soon(third.next("GET")).await.unwrap().has_status(200);
}

#[tokio::test]
async fn heads_have_a_largest_size() {
    let server = Server::new();
    let with = |bytes: usize| {
        let request = Request::get("/healthz");
        (0..bytes / 8000).fold(request, |request, at| {
            request.header(&format!("X-{at}"), "y".repeat(8000))
        })
    };
    server.call(with(24_000)).await.has_status(200);
    for large in [40_000, 400_000, 4_000_000] {
        let mut connection = server.connect().await;
        connection.send(with(large).bytes(server.address)).await;
        if let Some(answer) = soon(connection.next("GET")).await {
            answer.has_status(431);
        }
        server.serves().await;
    }
    let mut connection = server.connect().await;
    connection
        .send(format!(
            "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n",
            "x".repeat(100_000)
        ))
        .await;
    if let Some(answer) = soon(connection.next("GET")).await {
        assert!(matches!(answer.status, 414 | 431), "{answer}");
    }
    server.serves().await;
}

#[tokio::test]
async fn odd_requests_are_answered_soundly() {
    let server = Server::new();
    let absolute = format!(
        "GET {}/healthz HTTP/1.1\r\n\r\n",
        format_args!("http://{}", server.address)
    );
    for (request, statuses) in [
        (
            "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
            400..500,
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400..500),
        ("GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400..500),
        ("GET files HTTP/1.1\r\nHost: x\r\n\r\n", 400..500),
        (&absolute, 200..201),
        ("GET /healthz HTTP/1.0\r\n\r\n", 200..201),
        (
            "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            200..201,
        ),
        ("GET /healthz HTTP/1.1\r\n\r\n", 200..401),
        (
            "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            200..401,
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            200..201,
        ),
        ("PRI * HTTP/1.1\r\nHost: x\r\n\r\n", 400..500),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 400..600),
        ("\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200..401),
    ] {
        let mut connection = server.connect().await;
        connection.send(request).await;
        if let Some(answer) = soon(connection.next("GET")).await {
            assert!(statuses.contains(&answer.status), "{request:?}: {answer}");
        }
        server.serves().await;
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn a_file_is_handed_over_by_http_2() {
    let server = Server::new();
    let mut http2 = Http2::new(&server, |_| {}).await;
    let post = |path: &str| http::Request::post(format!("{}{path}", http2.base));
    let (register, login) = (post("/register"), post("/login"));
    let (upload, refused) = (post("/upload"), post("/upload"));
    let json = "application/json";
    let fields = serde_json::json!({
        "username": "olga", "email": "olga@example.org", "password": PASSWORD,
        "is_operation_user": true,
    });
    let register = register.header("content-type", json);
    let answer = http2.call(register, fields.to_string().into()).await;
    assert_eq!(answer.status(), 201);
    let answer = http2
        .call(
            login.header("content-type", json),
            fields.to_string().into(),
        )
        .await;
    let session: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    let olga = text(&session["access_token"]);

    let content = docx(1, 3_000_000);
    let (form_type, form) = Form::of_file("a.docx", &content).finish();
    let upload = upload
        .header("content-type", &form_type)
        .header("authorization", format!("Bearer {olga}"));
    let answer = http2.call(upload, form.clone().into()).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    // A refusal before the body has come leaves the connection as it is.
    let refused = refused.header("content-type", &form_type);
    assert_eq!(http2.call(refused, form.into()).await.status(), 401);

    let carl = server.sign_up("carl", false).await;
    let link = server.link(&carl, "a.docx").await;
    let downloads: Vec<_> = (0..10)
        .map(|_| {
            let answer = http2
                .send
                .send_request(http2.get(&link).body(Full::default()).unwrap());
            tokio::spawn(async move {
                let answer = soon(answer).await.unwrap();
                soon(answer.into_body().collect()).await.unwrap().to_bytes()
            })
        })
        .collect();
    for download in downloads {
        assert!(download.await.unwrap() == content);
    }
    let connect = http::Request::connect("example.org:443");
    assert!(
        http2
            .call(connect, Bytes::new())
            .await
            .status()
            .is_client_error()
    );
    let options = http::Request::options(format!("{}/", http2.base));
    assert_eq!(http2.call(options, Bytes::new()).await.status(), 405);
    let large = http2.get("/healthz").header("x", "y".repeat(60_000));
    let large = soon(
        http2
            .send
            .send_request(large.body(Full::default()).unwrap()),
    )
    .await;
    assert!(large.is_err() || large.is_ok_and(|answer| answer.status() == 431));
    server.serves().await;
}

#[tokio::test]
async fn who_says_nothing_by_http_2_is_let_go() {
    let server = with_limits(LIMIT, NEVER, NEVER);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // HEADERS without their end.
    let headers = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
    for sent in [
        preface.clone(),
        [&preface[..], &settings].concat(),
        [&preface[..], &settings, &headers].concat(),
        [&preface[..], &settings[..5]].concat(),
    ] {
        let mut stream = raw(&server).await;
        stream.write_all(&sent).await.unwrap();
        server.serves().await;
        // The server says its part of the beginning, and no more.
        assert!(rest(&mut stream).await.len() < 200);
    }
    server.serves().await;
}

#[tokio::test]
async fn who_has_nothing_more_to_ask_by_http_2_is_let_go() {
    let server = with_limits(NEVER, NEVER, LIMIT);
    let mut quiet = Http2::new(&server, |_| {}).await;
    quiet.serves().await;
    // Nor do signs of life make it a use.
    let mut lively = Http2::new(&server, |builder| {
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(STEP)
            .keep_alive_while_idle(true);
    })
    .await;
    lively.serves().await;
    soon(quiet.ended).await.unwrap();
    soon(lively.ended).await.unwrap();
    server.serves().await;
}

#[tokio::test]
async fn signs_of_life_by_http_2_are_no_head_of_a_request() {
    let server = with_limits(LIMIT, LIMIT, NEVER);
    let mut lively = Http2::new(&server, |builder| {
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(STEP)
            .keep_alive_while_idle(true);
    })
    .await;
    for _ in 0..2 {
        lively.serves().await;
        sleep(BEYOND).await;
    }
    lively.serves().await;
}

/// A server with a large file, and a link to it.
async fn with_download(server: &Server, size: usize) -> (Vec<u8>, String) {
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let content = docx(1, size);
    server.upload(&olga, "a.docx", &content).await;
    let link = server.link(&carl, "a.docx").await;
    (content, link)
}

#[tokio::test]
async fn an_answer_that_is_not_taken_by_http_2_is_not_waited_for() {
    let server = with_limits(NEVER, LIMIT, NEVER);
    let (_, link) = with_download(&server, 8 << 20).await;
    let mut stalled = Http2::new(&server, |builder| {
        builder
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(65_535);
    })
    .await;
    let answer = stalled.begin(stalled.get(&link), Bytes::new()).await;
    assert_eq!(answer.status(), 200);
    server.serves().await;
    soon(stalled.ended).await.unwrap();
    drop(answer);
    server.serves().await;
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_by_http_2_comes_whole() {
    let server = with_limits(LIMIT, "5s", LIMIT);
    let (content, link) = with_download(&server, 600_000).await;
    let mut slow = Http2::new(&server, |builder| {
        builder
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(65_535);
    })
    .await;
    let mut answer = slow.begin(slow.get(&link), Bytes::new()).await.into_body();
    let mut taken = Vec::new();
    while let Some(frame) = soon(answer.frame()).await {
        let frame = frame.unwrap_or_else(|error| {
            panic!("{error:?} after {} of {} bytes", taken.len(), content.len())
        });
        taken.extend_from_slice(&frame.into_data().unwrap());
        sleep(STEP).await;
    }
    assert!(taken == content);
}

#[tokio::test]
async fn a_body_that_stops_coming_by_http_2_is_not_waited_for() {
    let server = with_limits(NEVER, LIMIT, NEVER);
    let olga = server.sign_up("olga", true).await;
    let io = TokioIo::new(raw(&server).await);
    let (mut send, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let form = Form::of_file("a.docx", &docx(1, 100_000)).unfinished();
    let begun = http_body_util::StreamBody::new(Begun(Some(form.into())));
    let request = http::Request::post(format!("http://{}/upload", server.address))
        .header("content-type", Form::content_type())
        .header("authorization", format!("Bearer {olga}"))
        .body(begun)
        .unwrap();
    let answer = soon(send.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(server.home.stored("stages").is_empty());
    server.serves().await;
}

/// A body that never ends.
struct Begun(Option<Bytes>);

impl futures_core::Stream for Begun {
    type Item = Result<hyper::body::Frame<Bytes>, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        match self.0.take() {
            Some(bytes) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes)))),
            None => std::task::Poll::Pending,
        }
    }
}

#[tokio::test]
async fn many_who_dawdle_do_not_keep_the_others_waiting() {
    let server = with_limits(LIMIT, LIMIT, LIMIT);
    let heads = [
        "",
        "G",
        "PRI * HTTP/2",
        "GET / HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let mut dawdlers = Vec::new();
    for at in 0..200 {
        let mut stream = raw(&server).await;
        stream
            .write_all(heads[at % heads.len()].as_bytes())
            .await
            .unwrap();
        dawdlers.push(stream);
    }
    let olga = server.sign_up("olga", true).await;
    server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    for mut dawdler in dawdlers {
        rest(&mut dawdler).await;
    }
    let idle = Arc::clone(&server.home);
    server.serves().await;
    drop(idle);
}
