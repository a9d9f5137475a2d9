//! Files handed over by managed links, by the real binary: over crashes, and to the programs that people
//! unpack archives with.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use consign_http::testing::Request;
use serde_json::{Value, json};
use support::{Home, Server, load, package::docx, soon, text};
use tokio::task::JoinHandle;

/// A link's path for its maker, and for whoever holds it.
async fn managed(server: &Server, token: &str, properties: Value) -> (String, String) {
    let request = Request::post("/links").bearer(token).json(&properties);
    let link = server.call(request).await.is_json(201)["link"].clone();
    let secret = text(&link["url"]).rsplit('/').next().unwrap().to_owned();
    let own = format!("/links/{}", text(&link["id"]));
    (own, format!("/l/{secret}"))
}

async fn downloads(server: &Server, token: &str, own: &str) -> u64 {
    let answer = server.call(Request::get(own).bearer(token)).await;
    answer.is_json(200)["link"]["downloads"].as_u64().unwrap()
}

/// A thousand asks for a budget, the server killed among them and started again: whatever was answered, no
/// more leases than the budget are ever opened, and what is left of it can be had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_kept_over_being_killed() {
    let home = Home::new();
    let mut server = Server::on(&home, load::long_lived);
    let olga = server.sign_up("olga", true).await;
    server.upload(&olga, "a.docx", &docx(1, 1000)).await;
    for budget in [1, 40, 100] {
        let properties = json!({"files": ["a.docx"], "max_downloads": budget});
        let (own, open) = managed(&server, &olga, properties).await;
        let opened = Arc::new(AtomicU64::new(0));
        let racers = race(&server, &open, &opened).await;
        while opened.load(Ordering::SeqCst) < budget / 2 + 1 {
            tokio::task::yield_now().await;
        }
        server.kill();
        for racer in racers {
            soon(racer).await.unwrap();
        }
        server = Server::on(&home, load::long_lived);
        let (counted, answered) = (
            downloads(&server, &olga, &own).await,
            opened.load(Ordering::SeqCst),
        );
        assert!(answered <= counted, "{answered} of {counted} were answered");
        assert!(counted <= budget, "{counted} of {budget}");
        let again = Arc::new(AtomicU64::new(0));
        for racer in race(&server, &open, &again).await {
            soon(racer).await.unwrap();
        }
        assert_eq!(again.load(Ordering::SeqCst), budget - counted);
        assert_eq!(downloads(&server, &olga, &own).await, budget);
    }
}

/// Fifty connections that ask for ten leases each, as long as there is a server.
async fn race(server: &Server, open: &str, opened: &Arc<AtomicU64>) -> Vec<JoinHandle<()>> {
    let request = Request::post(open).bytes(server.address);
    let mut connections = Vec::new();
    for _ in 0..50 {
        connections.push(server.connect().await);
    }
    let racers = connections.into_iter().map(|mut connection| {
        let (request, opened) = (request.clone(), Arc::clone(opened));
        tokio::spawn(async move {
            for _ in 0..10 {
                connection.send(&request).await;
                match connection.next("POST").await.map(|answer| answer.status) {
                    Some(201) => drop(opened.fetch_add(1, Ordering::SeqCst)),
                    Some(404) => {}
                    Some(status) => panic!("{status}"),
                    None => return,
                }
            }
        })
    });
    racers.collect()
}

/// What was acknowledged is so after a restart: a lease goes on, a revoked link stays revoked.
#[tokio::test]
async fn links_and_leases_outlive_being_killed() {
    let home = Home::new();
    let server = Server::on(&home, load::long_lived);
    let olga = server.sign_up("olga", true).await;
    server.upload(&olga, "a.docx", &docx(1, 1000)).await;
    let properties = json!({"files": ["a.docx"], "max_downloads": 1});
    let (_, once) = managed(&server, &olga, properties).await;
    let (own, revoked) = managed(&server, &olga, json!({"files": ["a.docx"]})).await;
    let lease = server.call(Request::post(&*once)).await.is_json(201);
    let dead = server.call(Request::post(&*revoked)).await.is_json(201);
    let revoke = Request::new("DELETE", &*own).bearer(&olga);
    server.call(revoke).await.is_json(200);
    server.kill();

    let server = Server::on(&home, load::long_lived);
    let path = |lease: &Value| {
        let url = text(&lease["download_url"]);
        let token = url.rsplit('/').next().unwrap().to_owned();
        format!("/download_file/{token}")
    };
    let answer = server.call(Request::get(path(&lease))).await;
    answer.has_status(200);
    let answer = server.call(Request::get(path(&dead))).await;
    answer.is_problem(401, "Invalid or expired token");
    for link in [once, revoked] {
        let answer = server.call(Request::post(link)).await;
        answer.is_problem(404, "Link not available");
    }
}

/// The archive of several files, as `unzip` and Python read it.
#[tokio::test]
async fn archives_are_unpacked_by_what_people_have() {
    let server = Server::with(load::long_lived);
    let olga = server.sign_up("olga", true).await;
    let contents = [docx(1, 100_000), docx(2, 300_000)];
    let names = ["räport \u{1F4C4}.docx", "b.docx"];
    for (name, content) in names.iter().zip(&contents) {
        server.upload(&olga, name, content).await;
    }
    let (_, open) = managed(&server, &olga, json!({"files": names})).await;
    let lease = server.call(Request::post(open)).await.is_json(201);
    let url = text(&lease["download_url"]);
    let token = url.rsplit('/').next().unwrap();
    let archive = server
        .call(Request::get(format!("/download_file/{token}")))
        .await;
    let place = server.home.path().join("files.zip");
    fs::write(&place, &archive.has_status(200).body).unwrap();
    let python = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        assert z.testzip() is None\n\
        sys.stdout.buffer.write('\\n'.join(z.namelist()).encode())";
    let place = place.to_str().unwrap();
    for (program, args, expected) in [
        ("unzip", vec!["-t", place], "No errors detected"),
        ("python3", vec!["-c", python, place], names[0]),
    ] {
        match Command::new(program).args(args).output() {
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success(), "{program}: {told}");
                assert!(told.contains(expected), "{program}: {told}");
            }
            Err(error) => eprintln!("left out: {program}: {error}"),
        }
    }
}
