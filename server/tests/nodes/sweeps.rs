//! What is swept while others upload.

use std::{process::Command, sync::Arc};

use consign_http::testing::{Form, Request};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    support::{Ran, Server, cluster::Cluster, package::docx, soon},
    work::{check, managed, path_of},
};

fn flags(command: &mut Command) {
    command.args(["--access-lifetime=7d", "--link-lifetime=7d", "--log=info"]);
}

/// An upload is its node's until it ends, whoever sweeps meanwhile: by a command, or because it is the sweeper now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn no_sweep_takes_what_another_node_receives() {
    let mut cluster = Cluster::new(2, flags).await;
    let node = &cluster.nodes[1];
    let olga = node.sign_up("olga", true).await;
    let content = docx(1, 20 << 20);
    let form = Form::of_file("a.docx", &content);
    let upload = Request::post("/upload").bearer(&olga).form(form);
    let bytes = upload.bytes(node.address);
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    let mut connection = node.connect().await;
    assert!(connection.send(half).await);
    // A part of it is in the bucket.
    soon(async { while cluster.engines.objects().await.is_empty() {} }).await;
    let begun = cluster.engines.objects().await;

    sweeps(&cluster.nodes[0], "--grace=1h").await.succeeds();
    // With less it would be for the asking.
    let refused = sweeps(&cluster.nodes[0], "--grace=59m").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    // The sweeper's own, at its start.
    cluster.kill(0);
    cluster.add(flags).tells("swept");
    sweeps(&cluster.nodes[1], "--grace=1h").await.succeeds();
    assert_eq!(cluster.engines.objects().await, begun);

    assert!(connection.send(rest).await);
    let answer = soon(connection.next("POST")).await.unwrap();
    answer.has_status(200);
    for node in &cluster.nodes {
        let (_, open) = managed(node, &olga, json!({"files": ["a.docx"]})).await;
        let lease = node.call(Request::post(open)).await.is_json(201);
        let answer = node.call(Request::get(path_of(&lease))).await;
        assert!(answer.has_status(200).body == content);
    }
    check(&cluster, 1, &olga, &Default::default()).await;
}

/// What a sweep with this grace at a node tells.
async fn sweeps(node: &Server, grace: &'static str) -> Ran {
    let home = Arc::clone(&node.home);
    let ran = spawn_blocking(move || home.run(&["sweep", grace]));
    ran.await.unwrap()
}
