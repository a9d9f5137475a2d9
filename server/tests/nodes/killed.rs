//! Nodes that die.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    sync::Arc,
};

use consign_http::testing::{Form, Request};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    support::{Server, cluster::Cluster, load, package::docx, soon, text},
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
    let content = docx(1, 20 << 20);
    let upload = Request::post("/upload").bearer(&olga);
    let upload = upload.form(Form::of_file("a.docx", &content));
    let upload = upload.header("Idempotency-Key", KEY);
    let bytes = upload.bytes(cluster.nodes[0].address);
    let mut connection = cluster.nodes[0].connect().await;
    assert!(connection.send(&bytes[..bytes.len() / 2]).await);
    // A part of it is in the bucket.
    soon(async { while cluster.engines.objects().await.is_empty() {} }).await;
    let other = docx(2, 500_000);
    let (_, open) = {
        cluster.nodes[1].upload(&olga, "b.docx", &other).await;
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
    assert_eq!(answer.has_status(200).body, other);
    cluster.engines.sweep().await;
    assert_eq!(cluster.engines.objects().await.len(), 2);
    assert_eq!(cluster.engines.uploads().await, 0);
}

/// A duty is one node's, and another's when that node is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn the_duties_of_a_node_that_dies_go_to_another() {
    let log_all = |command: &mut Command| {
        command.args(["--access-lifetime=7d", "--log=info"]);
    };
    let mut cluster = Cluster::new(1, log_all).await;
    cluster.nodes[0].tells("swept");
    all_are_held(&cluster).await;
    let second = cluster.add(log_all);
    let olga = second.sign_up("olga", true).await;
    all_are_held(&cluster).await;
    assert!(!cluster.nodes[1].log().contains("swept"));

    cluster.kill(0);
    // One that comes now finds the sweep to be nobody's; the others are taken over at the next turn.
    cluster.add(log_all).tells("swept");
    let form = Form::of_file("a.docx", &docx(1, 1000));
    let upload = Request::post("/upload?expires_in=1").bearer(&olga);
    let answer = cluster.nodes[0].call(upload.form(form)).await;
    let file = text(&answer.is_json(200)["file"]["id"]);
    soon(async {
        loop {
            let exported = run_apart(&cluster.nodes[1], &["audit", "export"]).await;
            let mut lines = exported.lines();
            if lines.any(|line| line.contains(&file) && line.contains("expired")) {
                break;
            }
        }
    })
    .await;
    all_are_held(&cluster).await;
    run_apart(&cluster.nodes[0], &["audit", "verify"]).await;
}

/// A command that succeeds, while other things go on.
async fn run_apart(node: &Server, args: &'static [&'static str]) -> String {
    let home = Arc::clone(&node.home);
    let ran = spawn_blocking(move || home.run(args).succeeds().to_owned());
    ran.await.unwrap()
}

/// Waits until each duty is some node's: now and then one is nobody's for a second. None is ever two nodes'.
async fn all_are_held(cluster: &Cluster) {
    soon(async {
        loop {
            match duties(cluster).await {
                3 => break,
                held => assert!(held < 3, "{held} are held of three"),
            }
        }
    })
    .await;
}

/// How many duties the nodes have at one moment: locks that the database has given to connections of theirs.
async fn duties(cluster: &Cluster) -> usize {
    let query = "SELECT client_port::text FROM pg_locks JOIN pg_stat_activity USING (pid) \
        WHERE locktype = 'advisory' AND granted";
    let ports = cluster.engines.ask(query).await;
    let nodes = cluster.nodes.iter();
    let ours: BTreeSet<_> = nodes.flat_map(|node| ports_of(node.pid())).collect();
    ports.iter().filter(|port| ours.contains(*port)).count()
}

/// The local ports of a process's connections.
fn ports_of(pid: u32) -> BTreeSet<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok());
    let sockets: BTreeSet<_> = links
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let connections = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    connections
        .filter(|columns| sockets.contains(columns[9]))
        .map(|columns| {
            let (_, port) = columns[1].split_once(':').unwrap();
            u16::from_str_radix(port, 16).unwrap().to_string()
        })
        .collect()
}
