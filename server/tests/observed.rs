//! What an operator sees of a running server: its log, its figures and its probes.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
};

use consign_http::testing::{Answer, DOCX, Request};
use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Home, Server, engines::Engines, soon, text};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A server with figures, and where they are.
fn observed(home: &std::sync::Arc<Home>, flags: &[&str]) -> (Server, SocketAddr) {
    let server = Server::on(home, |command| {
        command.arg("--metrics-listen=127.0.0.1:0").args(flags);
    });
    server.tells("/readyz");
    let log = server.log();
    let (_, rest) = log
        .rsplit_once("figures and probes are at http://")
        .unwrap();
    let address = rest.split('/').next().unwrap().parse().unwrap();
    (server, address)
}

/// An answer of the listener for figures: its status line, and what comes after its head.
async fn look(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    soon(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    })
    .await
}

/// Samples by their name and labels, as they are written.
type Samples = BTreeMap<String, f64>;

async fn scrape(address: SocketAddr) -> (Samples, String) {
    let (status, head, body) = look(address, "GET", "/metrics").await;
    assert_eq!(status, 200, "{body}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let lines = body
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    (samples.collect(), body)
}

/// What a scrape says once nothing is under way: an answer reaches its caller before it is over for the server.
async fn settled(address: SocketAddr) -> (Samples, String) {
    soon(async {
        loop {
            let (samples, body) = scrape(address).await;
            let over = samples["consign_http_requests_in_flight"] == 0.0
                && samples["consign_downloads_completed_total"]
                    == samples["consign_downloads_total"];
            if over {
                return (samples, body);
            }
        }
    })
    .await
}

fn requests(samples: &Samples, route: &str, method: &str, status: u16) -> f64 {
    let wanted = [
        format!("route=\"{route}\""),
        format!("method=\"{method}\""),
        format!("status=\"{status}\""),
    ];
    let of_requests = samples
        .iter()
        .filter(|(name, _)| name.starts_with("consign_http_requests_total{"));
    let mut found = of_requests.filter(|(name, _)| wanted.iter().all(|label| name.contains(label)));
    found.next().map_or(0.0, |(_, value)| *value)
}

/// What was done, and what of it nobody may ever read in a log or a figure.
struct Done {
    answers: Vec<Answer>,
    secrets: Vec<String>,
}

/// A day at the office, in short.
async fn traffic(server: &Server) -> Done {
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let mut answers = Vec::new();
    answers.push(server.login("carl", "mistyped-by-carl").await);
    let content = DOCX.document("a");
    server.upload(&olga, "a.docx", &content).await;
    let link = server.link(&carl, "a.docx").await;
    let token = link.rsplit('/').next().unwrap().to_owned();
    for _ in 0..3 {
        answers.push(
            server
                .call(Request::get(format!("/download_file/{token}")))
                .await,
        );
    }
    answers.push(
        server
            .call(Request::get(format!("/download_file/{token}x")))
            .await,
    );
    answers.push(
        server
            .call(Request::get(format!("/no/{token}")).bearer(&carl))
            .await,
    );
    answers.push(
        server
            .call(Request::new("BREW", "/files").bearer(&carl))
            .await,
    );
    answers.push(
        server
            .call(Request::new("PUT", "/files").bearer(&carl))
            .await,
    );
    answers.push(server.call(Request::get("/files").bearer(&carl)).await);
    let managed = json!({"files": ["a.docx"], "password": "a phrase for a link"});
    let managed = server
        .call(Request::post("/links").bearer(&olga).json(&managed))
        .await;
    let url = text(&managed.json()["link"]["url"]);
    answers.push(managed);
    let secret = url.rsplit('/').next().unwrap().to_owned();
    for password in ["mistaken-by-her", "a phrase for a link"] {
        let open = Request::post(format!("/l/{secret}"));
        answers.push(server.call(open.json(&json!({"password": password}))).await);
    }
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let secrets = vec![
        support::PASSWORD.to_owned(),
        "mistyped".to_owned(),
        "mistaken".to_owned(),
        "phrase for a link".to_owned(),
        secret,
        signature(&token),
        signature(&olga),
        signature(&carl),
        "example.org".to_owned(),
        "a.docx".to_owned(),
    ];
    Done { answers, secrets }
}

#[tokio::test]
async fn figures_are_those_of_what_was_done() {
    let home = Home::new();
    let (server, address) = observed(&home, &[]);
    let (before, _) = scrape(address).await;
    assert_eq!(before["consign_ready"], 1.0);
    assert_eq!(
        before["consign_uploads_total"], 0.0,
        "there before the first"
    );
    let done = traffic(&server).await;
    let (samples, body) = settled(address).await;

    for (route, method, status, count) in [
        ("/register", "POST", 201, 2.0),
        ("/login", "POST", 200, 2.0),
        ("/login", "POST", 401, 1.0),
        ("/upload", "POST", 200, 1.0),
        ("/download_file/{token}", "GET", 200, 3.0),
        ("/download_file/{token}", "GET", 401, 1.0),
        ("-", "GET", 404, 1.0),
        ("/files", "other", 405, 1.0),
        ("/files", "PUT", 405, 1.0),
        ("/files", "GET", 200, 1.0),
        ("/links", "POST", 201, 1.0),
        ("/l/{secret}", "POST", 401, 1.0),
        ("/l/{secret}", "POST", 201, 1.0),
    ] {
        let counted = requests(&samples, route, method, status);
        assert_eq!(counted, count, "{method} {route} {status}: {body}");
    }
    let size = DOCX.document("a").len() as f64;
    for (name, value) in [
        ("consign_uploads_total", 1.0),
        ("consign_upload_bytes_total", size),
        ("consign_downloads_total", 3.0),
        ("consign_downloads_completed_total", 3.0),
        ("consign_download_bytes_total", 3.0 * size),
        ("consign_http_requests_in_flight", 0.0),
        ("consign_password_hashes_waiting", 0.0),
        ("consign_password_hashes_running", 0.0),
        ("consign_password_hashes_refused_total", 0.0),
        ("consign_outbox_messages", 0.0),
        (
            "consign_http_request_duration_seconds_count{route=\"/download_file/{token}\"}",
            4.0,
        ),
        ("consign_build_info{version=\"0.1.0\"}", 1.0),
        ("consign_ready", 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}: {body}");
    }
    let at_least = |name: &str, least: f64| {
        assert!(samples[name] >= least, "{name}: {}", samples[name]);
    };
    at_least("consign_http_request_bytes_total", size);
    at_least("consign_http_response_bytes_total", 3.0 * size);
    // Two registrations, an upload, a link and its lease at least.
    at_least("consign_catalogue_commits_total", 5.0);
    at_least("consign_catalogue_commit_duration_seconds_count", 5.0);
    at_least("consign_catalogue_commit_changes_sum", 5.0);
    at_least("consign_password_hash_duration_seconds_count", 5.0);
    at_least("consign_disk_free_bytes", 1.0);
    at_least("process_open_fds", 3.0);
    at_least("process_resident_memory_bytes", 1024.0 * 1024.0);
    at_least("process_start_time_seconds", 1_700_000_000.0);
    for secret in &done.secrets {
        assert!(!body.contains(secret), "{secret}");
    }
    server.stop();
}

#[tokio::test]
async fn each_figure_is_documented_and_each_that_is_documented_is_there() {
    documented(Home::new(), |name| !is_of_engines(name)).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn each_figure_of_engines_is_documented_and_each_that_is_documented_is_there() {
    let engines = std::sync::Arc::new(Engines::both().await);
    documented(Home::of(&engines), |_| true).await;
}

/// Figures that a server with a file and a folder has not.
fn is_of_engines(name: &str) -> bool {
    ["consign_postgres_", "consign_blob_request"]
        .iter()
        .any(|begin| name.starts_with(begin))
}

async fn documented(home: std::sync::Arc<Home>, has: impl Fn(&str) -> bool) {
    let mail = "--mail=folder:mail";
    let (server, address) = observed(&home, &[mail, "--mail-from=files@example.org"]);
    traffic(&server).await;
    let swept = home.run(&["sweep"]);
    swept.succeeds();
    let (_, body) = scrape(address).await;
    let told: BTreeSet<(String, String)> = body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            (name.to_owned(), kind.to_owned())
        })
        .collect();
    for (name, _) in &told {
        assert!(
            body.contains(&format!("# HELP {name} ")),
            "{name} says what it is"
        );
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = fs::read_to_string(page).unwrap();
    let documented: BTreeSet<(String, String)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter(|line| line.starts_with("consign_") || line.starts_with("process_"))
        .filter_map(|line| line.split_once("` | "))
        // Rules for alerts are in a table of their own.
        .filter(|(name, _)| name.chars().all(|c| c == '_' || c.is_ascii_lowercase()))
        .filter(|(name, _)| has(name))
        .map(|(name, rest)| (name.to_owned(), rest.split(" |").next().unwrap().to_owned()))
        .collect();
    assert_eq!(told, documented);
    // What its row says of labels holds as well.
    for line in body
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains('{'))
    {
        let (name, labels) = line.split_once('{').unwrap();
        let labels = labels.rsplit_once('}').unwrap().0;
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let row = [Some(name), base].into_iter().flatten().find_map(|name| {
            page.lines()
                .find(|line| line.starts_with(&format!("| `{name}` |")))
        });
        let columns: Vec<_> = row.unwrap().split(" | ").collect();
        for label in labels
            .split("\",")
            .filter_map(|label| label.split('=').next())
        {
            assert!(
                label == "le" || columns[2].contains(&format!("`{label}`")),
                "{line}"
            );
        }
    }
    server.stop();
}

#[tokio::test]
async fn the_log_in_json_tells_each_request_by_the_id_of_its_answer() {
    let home = Home::new();
    let (server, address) = observed(&home, &["--log=trace", "--log-format=json"]);
    let done = traffic(&server).await;
    scrape(address).await;
    server.signal(Signal::TERM);
    let (status, log) = server.end();
    assert!(status.success());
    for secret in &done.secrets {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    for line in &lines {
        for member in ["timestamp", "level", "target", "message"] {
            assert!(line[member].is_string(), "{line}");
        }
    }
    for answer in &done.answers {
        let of_it = |line: &&Value| {
            line["message"] == "request" && line["span"]["request_id"] == *answer.request_id
        };
        let told: Vec<_> = lines.iter().filter(of_it).collect();
        let [line] = told[..] else {
            panic!("{answer} is told once: {told:?}");
        };
        assert_eq!(line["status"], answer.status, "{line}");
    }
    let users = lines.iter().filter_map(|line| line["user"].as_str());
    let users: BTreeSet<_> = users.collect();
    assert_eq!(users.len(), 2, "olga and carl, by their ids: {users:?}");
}

#[tokio::test]
async fn the_log_as_text_tells_each_request_by_the_id_of_its_answer() {
    let server = Server::new();
    let done = traffic(&server).await;
    server.signal(Signal::TERM);
    let (_, log) = server.end();
    for secret in &done.secrets {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    for answer in &done.answers {
        let id = format!("request{{request_id=\"{}\"}}", answer.request_id);
        let told = log.lines().filter(|line| line.contains(&id)).count();
        assert_eq!(told, 1, "{answer}: {log}");
    }
}

#[tokio::test]
async fn probes_tell_life_from_readiness_and_nothing_else_is_there() {
    let home = Home::new();
    let (server, address) = observed(&home, &["--shutdown-timeout=100s"]);
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/", 404),
        ("/files", 404),
        ("/healthz", 404),
        ("/metrics/", 404),
    ] {
        assert_eq!(look(address, "GET", path).await.0, status, "{path}");
    }
    let (status, head, _) = look(address, "POST", "/metrics").await;
    assert!(status == 405 && head.contains("allow: get, head"), "{head}");
    let (status, _, body) = look(address, "HEAD", "/livez").await;
    assert_eq!((status, &*body), (200, ""));
    for path in ["/metrics", "/livez", "/readyz"] {
        server.call(Request::get(path)).await.has_status(404);
    }

    // A request that is not over keeps the server from ending, and it says so.
    let mut open = server.connect().await;
    let olga = server.sign_up("olga", true).await;
    let upload = Request::post("/upload")
        .bearer(&olga)
        .header("Content-Type", "multipart/form-data; boundary=x")
        .header("Content-Length", "100")
        .header("Expect", "100-continue");
    assert!(open.send(upload.head_bytes(server.address)).await);
    soon(async { while scrape(address).await.0["consign_http_requests_in_flight"] < 1.0 {} }).await;
    server.signal(Signal::TERM);
    server.tells("stopping");
    let (status, _, body) = look(address, "GET", "/readyz").await;
    assert_eq!((status, &*body), (503, "stopping\n"));
    assert_eq!(look(address, "GET", "/livez").await.0, 200);
    let (samples, _) = scrape(address).await;
    assert_eq!(samples["consign_ready"], 0.0);
    drop(open);
    assert!(server.end().0.success());
}

#[tokio::test]
async fn whoever_looks_and_stays_does_not_keep_the_stores_open() {
    let home = Home::new();
    let (server, address) = observed(&home, &[]);
    let mut stays = TcpStream::connect(address).await.unwrap();
    let request = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
    stays.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stays.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    server.stop();
    let left = fs::read_dir(home.data()).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let in_use = names
        .iter()
        .find(|name| name.to_string_lossy().contains("in-use"));
    assert_eq!(in_use, None, "the database was closed well");
}

#[tokio::test]
async fn a_store_that_fails_makes_it_unready_and_not_dead() {
    let home = Home::new();
    let (server, address) = observed(&home, &[]);
    fs::remove_dir_all(home.data().join("files")).unwrap();
    let (status, _, body) = look(address, "GET", "/readyz").await;
    assert_eq!((status, &*body), (503, "a store fails: see the log\n"));
    server.tells("not ready: a store fails");
    assert_eq!(look(address, "GET", "/livez").await.0, 200);
    let (samples, _) = scrape(address).await;
    assert_eq!(samples["consign_ready"], 0.0);
    server.stop();
}

#[tokio::test]
async fn figures_are_had_only_where_that_is_set() {
    let server = Server::new();
    server.call(Request::get("/metrics")).await.has_status(404);
    server.signal(Signal::TERM);
    assert!(!server.end().1.contains("figures"));
}
