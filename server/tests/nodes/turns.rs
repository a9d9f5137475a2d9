//! Requests that alternate between nodes.

use std::{process::Command, sync::Arc};

use consign_http::testing::{self, Request};
use serde_json::json;

use crate::{
    support::{PASSWORD, between::Between, cluster::Cluster, load, package::docx, text},
    work::{managed, path_of},
};

const BAD_TOKEN: &str = "Invalid or expired token";
const GONE: &str = "Link not available";

#[tokio::test]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn a_hand_over_goes_through_three_nodes() {
    let mut between = Between::bind().await;
    let public = format!("--public-url=http://{}", between.address);
    let flags = |command: &mut Command| {
        command.arg(&public);
    };
    let cluster = Cluster::new(3, flags).await;
    between.lead_to(cluster.nodes.iter().map(|node| node.address).collect());
    testing::hand_over(between.address, "").await;
    for node in &cluster.nodes {
        node.home.run(&["audit", "verify"]).succeeds();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn what_ends_at_one_has_ended_at_the_other() {
    let cluster = Cluster::new(2, load::long_lived).await;
    let [a, b] = &cluster.nodes[..] else {
        unreachable!()
    };
    let olga = a.sign_up("olga", true).await;
    a.upload(&olga, "a.docx", &docx(1, 1000)).await;
    let ends: [&[&str]; 3] = [
        &["user", "disable", "carl"],
        &["user", "role", "carl", "operations"],
        &["user", "logout", "carl"],
    ];
    for (at, (one, other)) in [(a, b), (b, a)].into_iter().enumerate() {
        for end in ends {
            let name = format!("{}-{at}", end[1]);
            let carl = other.sign_up(&name, false).await;
            let link = other.link(&carl, "a.docx").await;
            assert!(one.knows(&carl).await && one.opens(&link).await);
            let end = end.join(" ").replace("carl", &name);
            let end: Vec<_> = end.split(' ').collect();
            one.home.run(&end).succeeds();
            for node in [other, one] {
                assert!(!node.knows(&carl).await, "{end:?}");
                assert!(!node.opens(&link).await, "{end:?}");
            }
        }
    }
    let dora = a.sign_up("dora", false).await;
    let everywhere = Request::new("DELETE", "/session?everywhere=true").bearer(&dora);
    a.call(everywhere).await.is_json(200);
    assert!(!b.knows(&dora).await);
    let dora = b.token("dora").await;
    let change = json!({"current_password": PASSWORD, "new_password": "another-one-of-theirs"});
    let change = Request::post("/password").bearer(&dora).json(&change);
    b.call(change).await.is_json(200);
    assert!(!a.knows(&dora).await);
    a.login("dora", "another-one-of-theirs").await.is_json(200);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn a_link_that_ends_at_one_opens_nothing_at_the_other() {
    let cluster = Cluster::new(2, load::long_lived).await;
    let [a, b] = &cluster.nodes[..] else {
        unreachable!()
    };
    let olga = a.sign_up("olga", true).await;
    for (one, other) in [(a, b), (b, a)] {
        let file = one.upload(&olga, "a.docx", &docx(1, 1000)).await;
        let (own, open) = managed(other, &olga, json!({"files": [file]})).await;
        let lease = one.call(Request::post(&*open)).await.is_json(201);
        other
            .call(Request::get(path_of(&lease)))
            .await
            .has_status(200);
        let revoke = Request::new("DELETE", own).bearer(&olga);
        one.call(revoke).await.is_json(200);
        other
            .call(Request::post(&*open))
            .await
            .is_problem(404, GONE);
        let fetch = other.call(Request::get(path_of(&lease))).await;
        fetch.is_problem(401, BAD_TOKEN);

        let (_, open) = managed(other, &olga, json!({"files": [file]})).await;
        let lease = other.call(Request::post(&*open)).await.is_json(201);
        one.call(Request::get(path_of(&lease)))
            .await
            .has_status(200);
        let remove = Request::new("DELETE", format!("/files/{file}")).bearer(&olga);
        one.call(remove).await.is_json(200);
        other
            .call(Request::post(&*open))
            .await
            .is_problem(404, GONE);
        let fetch = other.call(Request::get(path_of(&lease))).await;
        assert!([401, 404].contains(&fetch.status), "{fetch}");
    }
}

/// A new key is good everywhere before anybody signs with it, and all know the evidence of all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn keys_that_are_made_at_one_are_good_at_the_other() {
    let cluster = Cluster::new(2, load::long_lived).await;
    let [a, b] = &cluster.nodes[..] else {
        unreachable!()
    };
    let olga = a.sign_up("olga", true).await;
    let carl = b.sign_up("carl", false).await;
    a.upload(&olga, "a.docx", &docx(1, 1000)).await;
    for (one, other) in [(a, b), (b, a)] {
        let home = Arc::clone(&one.home);
        let rotated = tokio::task::spawn_blocking(move || home.run(&["keys", "rotate"]));
        while !rotated.is_finished() {
            let link = one.link(&carl, "a.docx").await;
            assert!(other.opens(&link).await, "while the keys change");
            let link = other.link(&carl, "a.docx").await;
            assert!(one.opens(&link).await, "while the keys change");
        }
        rotated.await.unwrap().succeeds();
        for (signs, verifies) in [(one, other), (other, one)] {
            let token = signs.token("carl").await;
            assert!(verifies.knows(&token).await && verifies.knows(&carl).await);
            let link = signs.link(&token, "a.docx").await;
            assert!(verifies.opens(&link).await);
        }
    }
    let mut keys = Vec::new();
    for node in [a, b] {
        keys.push(node.call(Request::get("/evidence-key")).await.is_json(200));
    }
    assert_eq!(keys[0], keys[1]);
    assert!(!text(&keys[0]["key"]).is_empty());
}
