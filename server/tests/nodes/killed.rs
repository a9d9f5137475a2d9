//! Nodes that die.

use std::collections::{BTreeMap, BTreeSet};

use consign_http::testing::{Form, Request};
use serde_json::json;

use crate::{
    support::{Home, Server, cluster::Cluster, load, package::docx, soon},
    work::{Uploads, check, managed, path_of},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn what_a_node_acknowledged_outlives_it() {
    let rounds = std::env::var("CONSIGN_NODE_KILLS").ok();
    let rounds = rounds.map_or(3, |rounds| rounds.parse().unwrap());
    let mut cluster = Cluster::new(2, load::long_lived).await;
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let mut acknowledged = BTreeMap::new();
    for round in 0..rounds {
        let mut uploads = Uploads::begin(&cluster.nodes, &olga, 3).await;
        uploads.acknowledges(4 + round).await;
        let home = cluster.kill(0);
        // The other goes on, and nothing was wrong with it.
        uploads.acknowledges(6).await;
        acknowledged.append(&mut uploads.stop().await);
        cluster.nodes[0].serves().await;
        check(&cluster, 0, &olga, &acknowledged).await;
        // It comes back to the same place, and is the next to see the other die.
        cluster.revive(&home, load::long_lived);
        check(&cluster, 1, &olga, &acknowledged).await;
    }
    println!(
        "{rounds} kills; {} uploads acknowledged, none lost",
        acknowledged.len()
    );
}

/// Whoever began it at a node that died goes on at another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn what_was_begun_at_a_node_is_finished_at_another() {
    const KEY: &str = "0b1c2d3e-4f50-4d5e-8f9a-5f2e7d1a2b3c";
    let mut cluster = Cluster::new(2, load::long_lived).await;
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let content = docx(1, 500_000);
    let upload = Request::post("/upload").bearer(&olga);
    let upload = upload.form(Form::of_file("a.docx", &content));
    let upload = upload.header("Idempotency-Key", KEY);
    let bytes = upload.bytes(cluster.nodes[0].address);
    let mut connection = cluster.nodes[0].connect().await;
    assert!(connection.send(&bytes[..bytes.len() / 2]).await);
    let (_, open) = {
        cluster.nodes[1].upload(&olga, "b.docx", &content).await;
        managed(
            &cluster.nodes[0],
            &olga,
            json!({"files": ["b.docx"], "max_downloads": 1}),
        )
        .await
    };
    let lease = cluster.nodes[0]
        .call(Request::post(open))
        .await
        .is_json(201);
    cluster.kill(0);
    assert!(soon(connection.next("POST")).await.is_none());

    let node = &cluster.nodes[0];
    node.call(upload).await.is_json(200);
    assert_eq!(node.files(&olga).await.len(), 2);
    let answer = node.call(Request::get(path_of(&lease))).await;
    assert_eq!(answer.has_status(200).body, content);
    node.home.run(&["sweep", "--grace=0s"]).succeeds();
    assert_eq!(cluster.engines.objects().await.len(), 2);
}

/// The duties of a node that dies, or stops in the middle, are another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn the_duties_of_a_node_that_dies_go_to_another() {
    let mut cluster = Cluster::new(2, load::long_lived).await;
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let mut ended = BTreeSet::new();
    // One of the two had them, so that one of the two kills was of whoever had.
    for _ in 0..2 {
        ends(&cluster.nodes[1], &olga, &mut ended).await;
        let home: std::sync::Arc<Home> = cluster.kill(0);
        ends(&cluster.nodes[0], &olga, &mut ended).await;
        cluster.revive(&home, load::long_lived);
    }
    cluster.nodes[1].home.run(&["audit", "verify"]).succeeds();
}

/// Waits until somebody has seen to a file that is at its end.
async fn ends(node: &Server, olga: &str, ended: &mut BTreeSet<String>) {
    let form = Form::of_file("a.docx", &docx(1, 1000));
    let upload = Request::post("/upload?expires_in=1")
        .bearer(olga)
        .form(form);
    let file = node.call(upload).await.is_json(200)["file"]["id"].clone();
    let file = crate::support::text(&file);
    soon(async {
        loop {
            let home = std::sync::Arc::clone(&node.home);
            let exported = tokio::task::spawn_blocking(move || home.run(&["audit", "export"]));
            let exported = exported.await.unwrap();
            let told = exported.succeeds().lines();
            let mut told = told.filter(|line| line.contains(&file) && line.contains("expired"));
            if told.next().is_some() {
                break;
            }
        }
    })
    .await;
    assert!(ended.insert(file));
}
