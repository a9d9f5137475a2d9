//! What can be had so many times is had so many times, however many nodes are asked at once.

use std::{collections::BTreeSet, process::Command, time::Instant};

use consign_http::testing::{Form, Request};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    support::{Server, cluster::Cluster, load, package::docx, soon, text},
    work::{count, managed, path_of, race},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn a_budget_is_one_for_all_nodes() {
    for nodes in [2, 3] {
        let cluster = Cluster::new(nodes, load::long_lived).await;
        let node = &cluster.nodes[0];
        let olga = node.sign_up("olga", true).await;
        node.upload(&olga, "a.docx", &docx(1, 1000)).await;
        for budget in [1, 17, 60] {
            let properties = json!({"files": ["a.docx"], "max_downloads": budget});
            let (own, open) = managed(node, &olga, properties).await;
            let statuses = race(&cluster, vec![Request::post(open); 90]).await;
            assert_eq!(count(&statuses, 201), budget, "{statuses:?}");
            assert_eq!(count(&statuses, 404), 90 - budget, "{statuses:?}");
            for node in &cluster.nodes {
                let link = node.call(Request::get(&*own).bearer(&olga)).await;
                assert_eq!(link.is_json(200)["link"]["downloads"], budget);
            }
        }
        cluster.nodes[0].home.run(&["audit", "verify"]).succeeds();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn failed_logins_are_counted_together() {
    let cluster = Cluster::new(2, load::long_lived).await;
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let wrong = |password: &str| {
        let fields = json!({"username": "olga", "password": password});
        Request::post("/login").json(&fields)
    };
    // A few at once: more would wait for each other's hashes, and be told to come again.
    let begun = Instant::now();
    let mut statuses = Vec::new();
    for _ in 0..25 {
        statuses.extend(race(&cluster, vec![wrong("not-hers-at-all"); 4]).await);
    }
    assert_eq!(count(&statuses, 401), 100, "{statuses:?}");
    // Each one more has to wait for a second, for two, for four, whichever node it asks.
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.extend(race(&cluster, vec![wrong("nor-this-one"); 4]).await);
    }
    let (failed, refused) = (count(&statuses, 401), count(&statuses, 429));
    assert_eq!(failed + refused, 32, "{statuses:?}");
    let most = (begun.elapsed().as_secs_f64() + 1.0).log2().ceil() as usize + 1;
    assert!(failed <= most, "{failed} of at most {most}: {statuses:?}");
    for node in &cluster.nodes {
        assert!(node.knows(&olga).await, "her session goes on");
    }
}

/// What comes in a burst, and then one each so many milliseconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn rates_are_counted_together() {
    let mut cluster = Cluster::new(0, |_| {}).await;
    for _ in 0..2 {
        cluster.join(|home| {
            let mut command = home.consign();
            command.args(["serve", "--listen=127.0.0.1:0", "--rate-limits=on"]);
            Server::spawn(home, command)
        });
    }
    let node = &cluster.nodes[0];
    let olga = node.sign_up("olga", true).await;
    node.upload(&olga, "a.docx", &docx(1, 1000)).await;
    let (_, open) = managed(node, &olga, json!({"files": ["a.docx"]})).await;
    let begun = Instant::now();
    let statuses = race(&cluster, vec![Request::post(open); 260]).await;
    let (opened, refused) = (count(&statuses, 201), count(&statuses, 429));
    assert_eq!(opened + refused, 260, "{statuses:?}");
    // However long it took: from one address there are 120, and two a second.
    let most = 121 + 2 * begun.elapsed().as_secs_f64().ceil() as usize;
    assert!((120..=most).contains(&opened), "{opened} of at most {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn a_quota_is_one_for_all_nodes() {
    let limited = |command: &mut Command| {
        load::long_lived(command);
        command.arg("--quota-files=5");
    };
    let cluster = Cluster::new(2, limited).await;
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let uploads = (0..16).map(|at| {
        let form = Form::of_file(&format!("{at}.docx"), &docx(at, 100_000));
        Request::post("/upload").bearer(&olga).form(form)
    });
    let statuses = race(&cluster, uploads.collect()).await;
    assert_eq!(count(&statuses, 200), 5, "{statuses:?}");
    assert_eq!(count(&statuses, 413), 11, "{statuses:?}");
    for node in &cluster.nodes {
        assert_eq!(node.files(&olga).await.len(), 5);
    }
    // What was refused has left nothing behind but what the sweep takes.
    cluster.engines.sweep().await;
    assert_eq!(cluster.engines.objects().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn what_is_sent_to_all_nodes_is_done_once() {
    const KEY: &str = "5f2e7d1a-2b3c-4d5e-8f9a-0b1c2d3e4f50";
    let cluster = Cluster::new(3, load::long_lived).await;
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let content = docx(1, 200_000);
    let upload = Request::post("/upload").bearer(&olga);
    let upload = upload.form(Form::of_file("a.docx", &content));
    let upload = upload.header("Idempotency-Key", KEY);
    let mut racers = JoinSet::new();
    for at in 0..12 {
        let mut connection = cluster.nodes[at % 3].connect().await;
        let upload = upload.clone();
        racers.spawn(async move { soon(connection.exchange(&upload)).await.is_json(200) });
    }
    let mut ids = BTreeSet::new();
    while let Some(answer) = racers.join_next().await {
        ids.insert(text(&answer.unwrap()["file"]["id"]));
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    for node in &cluster.nodes {
        assert_eq!(node.files(&olga).await.len(), 1);
    }
    let open = managed(
        &cluster.nodes[1],
        &olga,
        json!({"files": ["a.docx"], "max_downloads": 1}),
    );
    let (_, open) = open.await;
    let open = Request::post(open).header("Idempotency-Key", KEY);
    let mut leases = Vec::new();
    for node in &cluster.nodes {
        leases.push(node.call(open.clone()).await.is_json(201));
    }
    for (node, lease) in cluster.nodes.iter().rev().zip(&leases) {
        let answer = node.call(Request::get(path_of(lease))).await;
        assert_eq!(answer.has_status(200).body, content);
    }
    cluster.engines.sweep().await;
    assert_eq!(cluster.engines.objects().await.len(), 1);
}
