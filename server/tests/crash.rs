//! What was acknowledged is there after the server was killed, and after it was asked to end.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{collections::HashMap, sync::Arc};

use consign_http::testing::{Connection, Form, Request};
use rustix::process::Signal;
use sha2::{Digest, Sha256};
use support::{
    Home, Server,
    package::{Numbers, docx},
    soon, text,
};
use tokio::sync::mpsc;

/// Clients that upload at the same time.
const CLIENTS: usize = 4;

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Uploads one document after the other until the server is gone; tells each that it acknowledged.
async fn upload_until_the_end(
    address: std::net::SocketAddr,
    token: String,
    client: String,
    mut numbers: Numbers,
    acknowledged: mpsc::UnboundedSender<(String, String)>,
) {
    let mut connection = Connection::open(address).await;
    for at in 0.. {
        let content = docx(numbers.next(), numbers.within(100_000, 900_000));
        let name = format!("{client}-{at}.docx");
        let upload = Request::post("/upload").bearer(&token);
        let bytes = upload.form(Form::of_file(&name, &content)).bytes(address);
        if !connection.send(bytes).await {
            return;
        }
        match connection.next("POST").await {
            Some(answer) => answer.has_status(200),
            None => return,
        };
        if acknowledged.send((name, digest(&content))).is_err() {
            return;
        }
    }
}

/// Checks that what is listed is there whole, that what was acknowledged is listed, and that nothing
/// is left of anything else.
async fn check(server: &Server, olga: &str, carl: &str, acknowledged: &HashMap<String, String>) {
    let listed = server.files(olga).await;
    let mut connection = server.connect().await;
    let mut found = HashMap::new();
    for file in &listed {
        let (name, sha256) = (text(&file["filename"]), text(&file["sha256"]));
        let link = server.link(carl, &text(&file["id"])).await;
        let answer = soon(connection.exchange(&Request::get(link))).await;
        let content = &answer.has_status(200).body;
        assert_eq!(
            content.len() as u64,
            file["size"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(digest(content), sha256, "{name} is what it was");
        found.insert(name, sha256);
    }
    assert_eq!(found.len(), listed.len(), "each is listed once");
    for (name, sha256) in acknowledged {
        assert_eq!(found.get(name), Some(sha256), "{name} was acknowledged");
    }
    server.home.run(&["sweep", "--grace=0s"]).succeeds();
    assert_eq!(
        server.home.stored("stages").len(),
        0,
        "no upload is unfinished"
    );
    assert_eq!(
        server.home.stored("blobs").len(),
        listed.len(),
        "and none is left over"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_being_killed() {
    let cycles = std::env::var("CONSIGN_CRASH_CYCLES").ok();
    let cycles = cycles.map_or(8, |cycles| cycles.parse().unwrap());
    let home = Home::new();
    let mut server = Server::on(&home, |_| {});
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let mut numbers = Numbers::new(20_261_122);
    let mut acknowledged = HashMap::new();
    let mut interrupted = 0;
    for cycle in 0..cycles {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                tokio::spawn(upload_until_the_end(
                    server.address,
                    olga.clone(),
                    format!("{cycle}-{client}"),
                    Numbers::new(numbers.next()),
                    sender.clone(),
                ))
            })
            .collect();
        drop(sender);
        // As one upload is answered, the others are in the middle.
        for _ in 0..numbers.within(1, 12) {
            let (name, sha256) = soon(receiver.recv()).await.expect("uploads are answered");
            acknowledged.insert(name, sha256);
        }
        let home = server.kill();
        for client in clients {
            soon(client).await.unwrap();
        }
        while let Some((name, sha256)) = receiver.recv().await {
            acknowledged.insert(name, sha256);
        }
        interrupted += home.stored("stages").len();
        server = Server::on(&home, |_| {});
        check(&server, &olga, &carl, &acknowledged).await;
    }
    assert!(interrupted > 0, "at least one upload was interrupted");
    println!(
        "{cycles} cycles: {} acknowledged, {interrupted} interrupted",
        acknowledged.len()
    );
}

/// An upload of which the server has taken a part.
async fn begun(server: &Server, olga: &str, content: &[u8]) -> (Connection, Vec<u8>) {
    let request = Request::post("/upload")
        .bearer(olga)
        .header("Expect", "100-continue");
    let request = request.form(Form::of_file("a.docx", content));
    let head = request.head_bytes(server.address);
    let body = request.bytes(server.address)[head.len()..].to_vec();
    let mut connection = server.connect().await;
    connection.send(head).await;
    soon(connection.next("POST")).await.unwrap().has_status(100);
    let (first, second) = body.split_at(body.len() / 2);
    assert!(connection.send(first).await);
    (connection, second.to_vec())
}

#[tokio::test]
async fn a_server_that_is_asked_to_end_finishes_what_runs() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::new();
        let home = Arc::clone(&server.home);
        let olga = server.sign_up("olga", true).await;
        let content = docx(1, 500_000);
        let (mut upload, second) = begun(&server, &olga, &content).await;
        let mut idle = server.connect().await;
        soon(idle.exchange(&Request::get("/healthz")))
            .await
            .has_status(200);

        server.signal(signal);
        server.tells("stopping");
        assert!(soon(idle.is_closed()).await, "nothing runs there");
        assert!(
            tokio::net::TcpStream::connect(server.address)
                .await
                .is_err()
        );
        assert!(upload.send(second).await);
        soon(upload.next("POST"))
            .await
            .expect("it is finished")
            .has_status(200);
        assert!(soon(upload.is_closed()).await);
        let (status, log) = server.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.contains("cut off"), "{log}");

        let server = Server::on(&home, |_| {});
        let files = server.files(&olga).await;
        assert_eq!(files.len(), 1);
        assert_eq!(files[0]["sha256"], digest(&content));
    }
}

#[tokio::test]
async fn a_server_that_is_asked_to_end_does_not_wait_for_ever() {
    let server = Server::with(|command| {
        command.arg("--shutdown-timeout=1s");
    });
    let home = Arc::clone(&server.home);
    let olga = server.sign_up("olga", true).await;
    let (mut upload, _) = begun(&server, &olga, &docx(1, 500_000)).await;
    server.signal(Signal::TERM);
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("cut off"), "{log}");
    assert!(soon(upload.next("POST")).await.is_none());

    let server = Server::on(&home, |_| {});
    check(&server, &olga, "", &HashMap::new()).await;
}

#[tokio::test]
async fn nobody_who_dawdles_holds_up_the_end() {
    let server = Server::with(|command| {
        command.args(["--shutdown-timeout=600s", "--header-timeout=600s"]);
    });
    let silent = server.connect().await;
    let mut idle = server.connect().await;
    let mut first = server.connect().await;
    let mut further = server.connect().await;
    let health = Request::get("/healthz");
    soon(idle.exchange(&health)).await.has_status(200);
    soon(further.exchange(&health)).await.has_status(200);
    for dawdler in [&mut first, &mut further] {
        dawdler.send("GET / HTTP/1.1\r\n").await;
    }
    server.serves().await;
    server.signal(Signal::TERM);
    assert_eq!(server.end().0.code(), Some(0));
    for mut dawdler in [silent, first, further] {
        assert!(soon(dawdler.is_closed()).await);
    }
}

#[tokio::test]
async fn an_administrators_change_outlives_being_killed() {
    let home = Home::new();
    for at in 0..6 {
        let server = Server::on(&home, |_| {});
        home.add_user(&format!("user-{at}"), "operations");
        if at > 0 {
            home.run(&["user", "disable", &format!("user-{}", at - 1)])
                .succeeds();
            home.run(&["keys", "rotate"]).succeeds();
        }
        server.kill();
        let users = home.run(&["user", "list", "--json"]).json();
        assert_eq!(users.len(), at + 1);
        let active = users.iter().filter(|user| user["status"] == "active");
        assert_eq!(active.count(), 1);
    }
}
