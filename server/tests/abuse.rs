//! Clients that want too much: connections, requests, time, room. Others are served beside them.
//!
//! As everywhere here nothing says how long anything takes.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{net::SocketAddr, time::Duration};

use consign_http::testing::{DOCX, Form, Request};
use http_body_util::Full;
use hyper::{
    Response,
    body::{Bytes, Incoming},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Home, Server, http2::Http2, package::docx, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::sleep,
};

/// Between two bytes of one who dawdles.
const STEP: Duration = Duration::from_millis(100);

/// A connection from another address of this machine: those of 127.0.0.0/8 all are.
async fn from(address: [u8; 4], server: &Server) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((address, 0)))?;
    socket.connect(server.address).await
}

/// Sends a request from an address, and gives the answer's status.
async fn status(address: [u8; 4], server: &Server, request: Request) -> u16 {
    let request = request.header("Connection", "close");
    let mut stream = soon(from(address, server)).await.unwrap();
    stream
        .write_all(&request.bytes(server.address))
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).map(|status| status.parse());
    status
        .unwrap_or_else(|| panic!("no answer: {head:?}"))
        .unwrap()
}

/// Whether the server ends the connection.
async fn is_let_go(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut rest).await;
    true
}

/// Raises the limit of open files as far as it goes, and gives it.
fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.unwrap_or(u64::MAX)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_dawdle_at_one_address_stop_nobody_at_another() {
    const MANY: usize = 10_000;
    if open_files() < MANY as u64 + 500 {
        println!("skipped: too few files may be open");
        return;
    }
    let server = Server::with(|command| {
        // There are fewer places than dawdlers, so that what keeps some free is the address's share.
        command.args([
            "--max-connections=2000",
            "--header-timeout=3s",
            "--idle-timeout=3s",
        ]);
    });
    let (olga, carl) = (
        server.sign_up("olga", true).await,
        server.sign_up("carl", false).await,
    );
    let heads = [
        "",
        "G",
        "GET / HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let mut dawdlers = Vec::with_capacity(MANY);
    for at in 0..MANY {
        let Ok(mut stream) = soon(from([127, 0, 0, 9], &server)).await else {
            continue;
        };
        // It may be closed already.
        let _ = stream.write_all(heads[at % heads.len()].as_bytes()).await;
        // Every other drips on.
        dawdlers.push(tokio::spawn(async move {
            if at % 2 == 0 {
                let (mut reader, mut writer) = stream.split();
                let drip = async {
                    while writer.write_all(b"x").await.is_ok() {
                        sleep(STEP).await;
                    }
                    std::future::pending::<()>().await;
                };
                let mut rest = Vec::new();
                tokio::select! {
                    _ = reader.read_to_end(&mut rest) => {}
                    () = drip => {}
                }
            } else {
                is_let_go(&mut stream).await;
            }
        }));
        // All the while someone else is served.
        if at % 500 == 0 {
            let name = format!("{at}.docx");
            server.upload(&olga, &name, &DOCX.document(&name)).await;
            let link = server.link(&carl, &name).await;
            server.call(Request::get(link)).await.has_status(200);
        }
    }
    let tried = dawdlers.len();
    assert!(tried >= MANY - 100, "{tried} connections were made");
    for dawdler in dawdlers {
        soon(dawdler).await.unwrap();
    }
    server.serves().await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
    println!("{tried} dawdlers were let go");
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let server = Server::with(|command| {
        command.args(["--max-connections-per-address=3", "--header-timeout=600s"]);
    });
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = from([127, 0, 0, 9], &server).await.unwrap();
        stream.write_all(b"GET /he").await.unwrap();
        kept.push(stream);
    }
    let mut more = from([127, 0, 0, 9], &server).await.unwrap();
    assert!(soon(is_let_go(&mut more)).await);
    // Another address has its own.
    server.serves().await;
    // One that ends makes room for one.
    let mut ended = kept.pop().unwrap();
    ended
        .write_all(b"althz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(soon(is_let_go(&mut ended)).await);
    let mut served = 0;
    while served == 0 {
        // The server may not have noticed the end yet.
        let mut stream = from([127, 0, 0, 9], &server).await.unwrap();
        let request = Request::get("/healthz").header("Connection", "close");
        let _ = stream.write_all(&request.bytes(server.address)).await;
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        served += usize::from(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_connections_as_it_needs() {
    let server = Server::with(|command| {
        command.args([
            "--max-connections-per-address=1",
            "--trusted-proxies=127.0.0.9/32",
        ]);
    });
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(from([127, 0, 0, 9], &server).await.unwrap());
        let health = Request::get("/healthz");
        assert_eq!(status([127, 0, 0, 9], &server, health).await, 200);
    }
}

#[tokio::test]
async fn a_body_that_drips_is_not_waited_for_though_it_never_stops() {
    let server = Server::with(|command| {
        command.args(["--body-timeout=1s", "--min-rate=100KiB"]);
    });
    let olga = server.sign_up("olga", true).await;
    let upload = Request::post("/upload").bearer(&olga);
    let upload = upload.form(Form::of_file("a.docx", &docx(1, 400_000)));
    let login = Request::post("/login").header("Content-Type", "application/json");
    for request in [upload, login.body(" ".repeat(60_000))] {
        let head = request.head_bytes(server.address).len();
        let bytes = request.bytes(server.address);
        let (sent, rest) = bytes.split_at(head + 1000);
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(sent).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let drip = async {
            // All of it would take an hour.
            for byte in rest {
                if writer.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sleep(STEP).await;
            }
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        soon(async {
            tokio::select! {
                _ = reader.read_to_end(&mut answer) => {}
                () = drip => {}
            }
        })
        .await;
        assert!(
            answer.starts_with(b"HTTP/1.1 400"),
            "{}",
            answer.escape_ascii()
        );
        server.serves().await;
    }
    assert!(server.files(&olga).await.is_empty());
    assert!(server.home.stored("stages").is_empty());
}

#[tokio::test]
async fn an_answer_by_http_2_is_not_waited_for_though_others_are_taken() {
    let server = Server::with(|command| {
        command.args([
            "--body-timeout=1s",
            "--min-rate=1MiB",
            "--idle-timeout=600s",
        ]);
    });
    let (olga, carl) = (
        server.sign_up("olga", true).await,
        server.sign_up("carl", false).await,
    );
    server.upload(&olga, "a.docx", &docx(1, 8 << 20)).await;
    let link = server.link(&carl, "a.docx").await;
    let mut client = Http2::new(&server, |builder| {
        builder
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(1 << 20);
    })
    .await;
    let stalled = client.begin(client.get(&link), Bytes::new()).await;
    assert_eq!(stalled.status(), 200);
    // Its other requests go on, and do not keep the file open.
    soon(async {
        loop {
            let request = client.get("/healthz").body(Default::default()).unwrap();
            match client.send.send_request(request).await {
                Ok(answer) => assert_eq!(answer.status(), 200),
                Err(_) => break,
            }
            sleep(STEP).await;
        }
    })
    .await;
    drop(stalled);
    server.serves().await;
}

/// As many logins as one address may try at once by default.
const BURST: usize = 60;

/// Answers by HTTP/2 at an address that nothing of is taken but their heads.
struct Stalled {
    http2: Http2,
    answers: Vec<Response<Incoming>>,
}

impl Stalled {
    /// So many, if the server lets them begin.
    async fn new(
        address: [u8; 4],
        server: &Server,
        link: &str,
        answers: usize,
    ) -> hyper::Result<Self> {
        let stream = soon(from(address, server)).await.unwrap();
        let http2 = Http2::on(stream, server, |builder| {
            builder
                .initial_stream_window_size(65_535)
                .initial_connection_window_size(65_535);
        });
        let http2 = http2.await?;
        let mut stalled = Self {
            http2,
            answers: Vec::new(),
        };
        for _ in 0..answers {
            let answer = soon(stalled.get(link)).await?;
            stalled.answers.push(answer);
        }
        Ok(stalled)
    }

    fn get(&self, path: &str) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let request = self.http2.get(path).body(Full::default()).unwrap();
        let mut send = self.http2.send.clone();
        async move { send.send_request(request).await }
    }
}

#[tokio::test]
async fn requests_at_once_by_http_2_count_like_connections() {
    let server = Server::with(|command| {
        command.args(["--max-connections-per-address=3", "--body-timeout=600s"]);
    });
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    server.upload(&olga, "a.docx", &docx(1, 8 << 20)).await;
    let link = server.link(&carl, "a.docx").await;
    let nine = [127, 0, 0, 9];
    let mut stalled = Stalled::new(nine, &server, &link, 3).await.unwrap();
    // Neither a fourth request nor another connection.
    let mut fourth = tokio::spawn(stalled.get("/healthz"));
    let early = tokio::time::timeout(10 * STEP, &mut fourth).await;
    assert!(early.is_err(), "a fourth is answered beside three");
    let mut more = from(nine, &server).await.unwrap();
    assert!(soon(is_let_go(&mut more)).await);
    // Another address has its own.
    server.serves().await;
    // One that ends, whichever it is, makes room for the fourth.
    drop(stalled.answers.remove(1));
    let answer = soon(fourth).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_request_that_waits_for_its_turn_keeps_no_stalled_answers_alive() {
    let server = Server::with(|command| {
        command.args([
            "--max-connections-per-address=2",
            "--body-timeout=2s",
            "--min-rate=0",
        ]);
    });
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    server.upload(&olga, "a.docx", &docx(1, 8 << 20)).await;
    let link = server.link(&carl, "a.docx").await;
    let stalled = Stalled::new([127, 0, 0, 9], &server, &link, 2).await;
    let stalled = stalled.unwrap();
    let upload = stalled.http2.base.clone() + "/upload";
    let upload =
        http::Request::post(upload).header("content-type", "multipart/form-data; boundary=x");
    let upload = upload.body(Full::from("--x")).unwrap();
    let waiting = tokio::spawn(stalled.http2.send.clone().send_request(upload));
    soon(stalled.http2.ended).await.unwrap();
    assert!(soon(waiting).await.unwrap().is_err());
    server.serves().await;
}

#[tokio::test]
async fn answers_that_are_not_taken_leave_files_to_open_for_others() {
    let home = Home::new();
    let mut command = home.consign_after("ulimit -n 192");
    command.args([
        "serve",
        "--listen=127.0.0.1:0",
        "--body-timeout=600s",
        "--rate-limits=off",
    ]);
    let server = Server::spawn(&home, command);
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let content = docx(1, 2 << 20);
    server.upload(&olga, "a.docx", &content).await;
    let link = server.link(&carl, "a.docx").await;
    // As many as there are descriptors, if each had one.
    let mut kept = Vec::new();
    for _ in 0..12 {
        // Beyond the address's share a connection is closed.
        kept.extend(Stalled::new([127, 0, 0, 9], &server, &link, 16).await);
    }
    assert_eq!(kept.len(), 1);
    for at in 0..20 {
        let name = format!("{at}.docx");
        server.upload(&olga, &name, &content).await;
        let link = server.link(&carl, &name).await;
        assert!(server.call(Request::get(link)).await.has_status(200).body == content);
    }
    drop(kept);
    server.serves().await;
}

async fn try_login(address: [u8; 4], forwarded: &str, server: &Server) -> u16 {
    let login = Request::post("/login").header("X-Forwarded-For", forwarded);
    status(address, server, login.json(&serde_json::json!({}))).await
}

#[tokio::test]
async fn requests_are_limited_by_address_unless_that_is_turned_off() {
    let home = Home::new();
    // Not as the other tests have it.
    let plain = |flags: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.consign();
        command.args(["serve", "--listen=127.0.0.1:0"]).args(flags);
        command.envs(variables.iter().copied());
        Server::spawn(&home, command)
    };
    let server = plain(&[], &[]);
    let mut refused = 0;
    for at in 0..2 * BURST {
        // What nobody trusted says of where it comes from changes nothing.
        let forwarded = format!("198.51.100.{at}");
        let status = try_login([127, 0, 0, 9], &forwarded, &server).await;
        assert!(matches!(status, 400 | 429), "{status}");
        refused += usize::from(status == 429);
    }
    assert!(refused > 0);
    assert_eq!(try_login([127, 0, 0, 8], "", &server).await, 400);
    server.stop();

    for (flags, variables) in [
        (&["--rate-limits=off"][..], &[][..]),
        (&[], &[("CONSIGN_RATE_LIMITS", "off")]),
    ] {
        let server = plain(flags, variables);
        for _ in 0..2 * BURST {
            assert_eq!(try_login([127, 0, 0, 9], "", &server).await, 400);
        }
        server.stop();
    }
}

#[tokio::test]
async fn a_trusted_proxy_tells_where_requests_come_from() {
    let home = Home::new();
    home.settings("trusted-proxies = [\"127.0.0.9\", \"10.0.0.0/8\"]");
    let mut command = home.consign();
    command.args(["serve", "--listen=127.0.0.1:0"]);
    let server = Server::spawn(&home, command);
    for at in 0..2 * BURST {
        let forwarded = format!("1.2.3.4, 198.51.100.{at}, 10.1.1.1");
        assert_eq!(try_login([127, 0, 0, 9], &forwarded, &server).await, 400);
    }
    let mut refused = 0;
    for at in 0..2 * BURST {
        // One client, who writes a line of its own before the proxy does.
        let forwarded = format!("198.51.100.{at}, 203.0.113.7");
        refused += usize::from(try_login([127, 0, 0, 9], &forwarded, &server).await == 429);
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn room_is_limited_for_each_user_and_left_on_the_disk() {
    let home = Home::new();
    let server = Server::on(&home, |command| {
        command.args(["--quota-files=2", "--quota-bytes=1MB", "--min-free=0"]);
    });
    let olga = server.sign_up("olga", true).await;
    let full = "Your quota has no room left for this file";
    let send = async |server: &Server, size| {
        let form = Form::of_file("a.docx", &docx(1, size));
        server
            .call(Request::post("/upload").bearer(&olga).form(form))
            .await
    };
    send(&server, 2 << 20).await.is_problem(413, full);
    // Told by the form's length, before its file comes.
    send(&server, 8 << 20).await.is_problem(413, full);
    assert!(home.stored("stages").is_empty() && home.stored("blobs").is_empty());
    send(&server, 100_000).await.has_status(200);
    send(&server, 100_000).await.has_status(200);
    send(&server, 10_000).await.is_problem(413, full);
    assert_eq!(server.files(&olga).await.len(), 2);
    server.stop();

    let server = Server::on(&home, |command| {
        command.arg("--min-free=1000TiB");
    });
    let answer = send(&server, 10_000).await;
    answer.is_problem(507, "The server has no room left");
    assert_eq!(server.files(&olga).await.len(), 2);
    assert!(home.stored("stages").is_empty());
    assert_eq!(home.stored("blobs").len(), 2);
}
