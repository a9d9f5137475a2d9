//! Whatever is sent to the server, it answers with a problem document or closes the connection, in
//! little memory, and serves on.
//!
//! A bare `400` or `431` without a body, which closes the connection, is the HTTP library's way to
//! close it: it is sent for what is no request at all, before any of our code sees it. It counts as a
//! closed connection here.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod forms;
mod frames;
mod packages;
#[path = "../support/mod.rs"]
mod support;
mod texts;
mod wire;
#[path = "../../../core/tests/support/package.rs"]
mod zipped;

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

use consign_http::testing::{Answer, Connection, DOCX, Form, Request};
use support::{Server, soon};

const MIB: u64 = 1 << 20;

/// What a single request may take beyond what the server has at rest.
const MOST: u64 = 64 * MIB;

/// A server under attack.
struct Target {
    server: Server,
    operations: String,
    client: String,
    /// Bytes in use at rest; `None` where that cannot be told.
    rest: Option<u64>,
    /// The most bytes that an attack took beyond that.
    most: AtomicU64,
}

impl Target {
    async fn new() -> Self {
        let server = Server::with(|command| {
            let times = [
                "--header-timeout=1s",
                "--body-timeout=1s",
                "--idle-timeout=1s",
            ];
            command.args(times).arg("--shutdown-timeout=1s");
        });
        let operations = server.sign_up("olga", true).await;
        let client = server.sign_up("carl", false).await;
        let document = DOCX.document("small");
        server.upload(&operations, "small.docx", &document).await;
        let rest = forget_peak(server.pid());
        Self {
            server,
            operations,
            client,
            rest,
            most: AtomicU64::new(0),
        }
    }

    /// What the server answers to bytes, up to the connection's end or its patience's.
    async fn answers_to(&self, bytes: &[u8]) -> Vec<Answer> {
        let mut connection = soon(Connection::open(self.server.address)).await;
        // What cannot be written any more shows in the answers.
        soon(connection.send(bytes)).await;
        let mut answers = Vec::new();
        while let Some(answer) = soon(connection.next("POST")).await {
            answers.push(answer);
        }
        answers
    }

    /// The answer to a request; `None` when the connection was closed.
    async fn ask(&self, request: &Request) -> Option<Answer> {
        let request = request.clone().header("Connection", "close");
        let answers = self.answers_to(&request.bytes(self.server.address)).await;
        answers.into_iter().find(|answer| answer.status >= 200)
    }

    async fn upload(&self, form: Form) -> Option<Answer> {
        let request = Request::post("/upload").bearer(&self.operations);
        self.ask(&request.form(form)).await
    }

    /// Checks that the server has what it had before, and serves.
    async fn is_well(&self, what: &str) {
        self.server.serves().await;
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{what}: {log}");
        assert!(!log.contains("status=5"), "{what}: {log}");
        if let (Some(rest), Some(peak)) = (self.rest, peak(self.server.pid())) {
            let taken = peak.saturating_sub(rest);
            assert!(taken < MOST, "{what} took {} MiB", taken / MIB);
            self.most.fetch_max(taken, Ordering::Relaxed);
            forget_peak(self.server.pid());
        }
        assert!(self.server.home.stored("stages").is_empty(), "{what}");
    }

    /// Tells what was survived, and at what cost.
    fn tell(&self, count: usize, what: &str) {
        let most = self.most.load(Ordering::Relaxed) / 1024;
        println!("{count} {what}: at most {most} KiB beyond rest");
    }

    /// Checks that so many files are there, and nothing else.
    async fn has_only(&self, files: usize) {
        assert_eq!(self.server.files(&self.operations).await.len(), files);
        assert_eq!(self.server.home.stored("blobs").len(), files);
    }
}

/// Checks that what was sent was refused.
#[track_caller]
fn is_refused(what: &str, answer: Option<&Answer>) {
    let Some(answer) = answer else { return };
    assert!(
        (400..500).contains(&answer.status),
        "{what} is refused: {answer}"
    );
    if answer.body.is_empty() {
        // The library's own, which closes the connection.
        assert!(matches!(answer.status, 400 | 414 | 431), "{what}: {answer}");
        return;
    }
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{what}: {answer}");
    let msg = answer.json()["msg"].as_str().map(str::to_owned);
    assert!(msg.is_some_and(|msg| !msg.is_empty()), "{what}: {answer}");
}

/// The most memory that a process had in use at once, in bytes.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Counts that anew from what is in use now, and gives it.
fn forget_peak(pid: u32) -> Option<u64> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").ok()?;
    peak(pid)
}
