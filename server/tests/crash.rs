//! What was acknowledged is there after the server was killed, and after it was asked to end.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::sync::Arc;

use consign_http::testing::{Connection, Form, Request};
use rustix::process::Signal;
use support::{
    Home, Server,
    load::{self, Ledger, Load, digest},
    package::{Numbers, docx},
    soon,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_being_killed() {
    let cycles = std::env::var("CONSIGN_CRASH_CYCLES").ok();
    let cycles = cycles.map_or(20, |cycles| cycles.parse().unwrap());
    let home = Home::new();
    let mut server = Server::on(&home, load::long_lived);
    let ledger = Ledger::open(&server).await;
    let mut numbers = Numbers::new(20_261_122);
    let mut interrupted = 0;
    for cycle in 0..cycles {
        let mut load = Load::begin(&server, &ledger, &mut numbers).await;
        // A user takes as long as several uploads: their password is to be slow.
        load.acknowledges(numbers.within(1, 12), cycle % 2).await;
        server.kill();
        load.end().await;
        interrupted += home.stored("stages").len();
        // Sign-ins and downloads of the last moment may be missing, and nothing in between.
        let verified = home.run(&["audit", "verify"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        server = Server::on(&home, load::long_lived);
        load::check(&server, &ledger).await;
        let verified = home.run(&["audit", "verify"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }
    let counts = load::of(&ledger).counts;
    println!("{cycles} cycles; {counts}; {interrupted} uploads interrupted");
    assert!(interrupted > 0, "at least one upload was interrupted");
    assert_eq!(counts.refused, 0, "nothing failed before the end");
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
    assert!(server.files(&olga).await.is_empty());
    home.run(&["sweep", "--grace=0s"]).succeeds();
    assert!(home.stored("stages").is_empty() && home.stored("blobs").is_empty());
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
