//! Nodes that share a database share their keys: tokens of one are good at all, whoever rotates the keys, and a
//! node that has not the cluster key is refused. Commands of administration go through a node, or beside it.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::Arc,
    thread,
};

use consign_http::testing::Request;
use support::{
    Home, Server,
    cluster::{Cluster, copy_key},
    engines::Engines,
    run, soon,
};

const SERVE: &[&str] = &["serve", "--listen=127.0.0.1:0"];

async fn status(server: &Server, token: &str) -> u16 {
    server
        .call(Request::get("/files").bearer(token))
        .await
        .status
}

fn pair() -> Cluster {
    Cluster::on(Engines::postgres(), 2, |_| {})
}

/// A place of the same engines, with the cluster key and without a server.
fn beside(cluster: &Cluster) -> Arc<Home> {
    let home = Home::of(&cluster.engines);
    copy_key(&cluster.nodes[0].home, &home);
    home
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn a_token_of_one_node_is_good_at_all_and_after_they_were_started_again() {
    let mut cluster = pair();
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let carl = cluster.nodes[1].sign_up("carl", false).await;
    for _ in 0..2 {
        for node in &cluster.nodes {
            assert_eq!(status(node, &olga).await, 200);
            assert_eq!(status(node, &carl).await, 200);
            let key = node.call(Request::get("/evidence-key")).await.is_json(200)["key"].clone();
            let other = cluster.turn().call(Request::get("/evidence-key")).await;
            assert_eq!(other.is_json(200)["key"], key);
        }
        let homes: Vec<_> = cluster.nodes.drain(..).map(Server::stop).collect();
        for home in homes {
            assert!(!home.data().join("keys.json").exists());
            cluster.revive(&home, |_| {});
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn of_nodes_that_start_at_once_none_has_keys_of_its_own() {
    let engines = Arc::new(Engines::postgres());
    let first = Home::of(&engines);
    let others: Vec<_> = (0..3).map(|_| Home::of(&engines)).collect();
    // As in a folder that all of them have mounted.
    let key = first.path().join("key");
    let starts: Vec<_> = others
        .iter()
        .map(|home| {
            let (home, key) = (Arc::clone(home), key.clone());
            thread::spawn(move || {
                Server::on(&home, |command| {
                    command.env("CONSIGN_CLUSTER_KEY", key);
                })
            })
        })
        .collect();
    let nodes: Vec<_> = starts
        .into_iter()
        .map(|start| start.join().unwrap())
        .collect();
    let olga = nodes[0].sign_up("olga", true).await;
    for node in &nodes {
        assert_eq!(status(node, &olga).await, 200);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn a_node_without_the_cluster_key_is_refused_and_told_what_to_copy() {
    let cluster = pair();
    let home = Home::of(&cluster.engines);
    fs::create_dir(home.data()).unwrap();
    let key = home.data().join("cluster-key");
    let copied = fs::read(cluster.nodes[0].home.data().join("cluster-key")).unwrap();
    assert_eq!(copied.len(), 32);
    for args in [SERVE, &["user", "list"]] {
        let ran = home.run(args);
        ran.fails(1, "consign: cluster-key (from the default): ");
        ran.fails(
            1,
            "cluster-key is not there, and the keys in the database are sealed by it: copy it here",
        );
        assert!(!key.exists(), "none is made that opens nothing");
    }
    let doctor = home.run(&["doctor", "--listen=127.0.0.1:0"]);
    assert!(
        doctor
            .out
            .contains("problem  cluster   cluster-key (from the default): "),
        "{doctor:?}"
    );

    fs::write(&key, std::array::from_fn::<u8, 32, _>(|at| (at * at) as u8)).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let ran = home.run(SERVE);
    ran.fails(1, "does not open the keys in the database, which another node has sealed: copy that node's file");

    fs::write(&key, &copied).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    home.run(SERVE)
        .fails(1, "its mode is 0644); run `chmod 600 ");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let doctor = home.run(&["doctor", "--listen=127.0.0.1:0"]);
    for line in [
        "cluster   ",
        "its schema is of version",
        "it agrees with the database's",
        "answers: PostgreSQL",
        "run one node, or set blobs to a bucket",
    ] {
        assert!(doctor.out.contains(line), "{line}: {doctor:?}");
    }
    assert!(!doctor.out.contains("problem  cluster"), "{doctor:?}");
    Server::on(&home, |_| {}).stop();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn keys_are_rotated_under_requests_and_no_session_ends() {
    let cluster = pair();
    let kids = |tokens: &[String]| {
        let kids = tokens.iter().map(|token| token.split('.').next().unwrap());
        kids.collect::<HashSet<_>>().len()
    };
    let mut tokens = vec![cluster.nodes[0].sign_up("olga", true).await];
    for rotation in 0..2 {
        // By a node's socket, and beside the nodes.
        let home = match rotation {
            0 => Arc::clone(&cluster.nodes[1].home),
            _ => beside(&cluster),
        };
        let rotating = thread::spawn(move || home.run(&["keys", "rotate"]));
        let mut after = 0;
        soon(async {
            // Each node takes a key on at a moment of its own, so that two alternate meanwhile.
            while after < 6 || kids(&tokens) < rotation + 2 {
                if rotating.is_finished() {
                    after += 1;
                }
                for token in tokens.iter().rev().take(4) {
                    let node = cluster.turn();
                    assert_eq!(status(node, token).await, 200);
                }
                tokens.push(cluster.turn().token("olga").await);
            }
        })
        .await;
        rotating.join().unwrap().succeeds();
    }
    for token in &tokens {
        for node in &cluster.nodes {
            assert_eq!(status(node, token).await, 200);
        }
    }
    assert_eq!(kids(&tokens), 3);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn without_overlap_tokens_end_at_every_node() {
    let cluster = pair();
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let home = Arc::clone(&cluster.nodes[0].home);
    home.run(&["keys", "rotate", "--overlap=0s"]).succeeds();
    assert_eq!(status(&cluster.nodes[0], &olga).await, 401);
    soon(async {
        while status(&cluster.nodes[1], &olga).await != 401 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn what_is_done_at_one_node_or_beside_them_counts_at_all() {
    let cluster = pair();
    let [one, other] = &cluster.nodes[..] else {
        panic!()
    };
    let olga = one.sign_up("olga", true).await;
    let carl = other.sign_up("carl", false).await;
    one.home.run(&["user", "disable", "carl"]).succeeds();
    assert_eq!(status(other, &carl).await, 401);

    let beside = beside(&cluster);
    let listed = beside.run(&["user", "list"]);
    assert!(listed.succeeds().contains("olga@example.org"), "{listed:?}");
    beside.run(&["user", "logout", "olga"]).succeeds();
    for node in &cluster.nodes {
        assert_eq!(status(node, &olga).await, 401);
    }
    let verified = beside.run(&["audit", "verify"]);
    verified.succeeds();
    assert!(verified.err.contains("the trail is sound"), "{verified:?}");
    beside.run(&["sweep"]).succeeds();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn a_data_folder_has_one_node() {
    let cluster = Cluster::on(Engines::postgres(), 1, |_| {});
    let second = cluster.nodes[0].home.run(SERVE);
    second.fails(1, "another process is using the data folder");
    let listed = cluster.nodes[0].home.run(&["user", "list"]);
    listed.succeeds();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn what_is_wrong_with_a_database_is_told_by_its_setting() {
    let cluster = Cluster::on(Engines::postgres(), 1, |_| {});
    let home = beside(&cluster);
    let url = home_url(&cluster);
    let fails = |url: &url::Url, why: &str| {
        for args in [SERVE, &["user", "list"]] {
            let mut command = home.consign();
            command.args(args).env("CONSIGN_METADATA", url.as_str());
            let ran = run(command, "");
            ran.fails(1, "consign: metadata = … (from CONSIGN_METADATA): ");
            ran.fails(1, why);
        }
    };
    let mut no_user = url.clone();
    no_user.set_username("nobody-of-this-name").unwrap();
    fails(&no_user, "refuses the user nobody-of-this-name");
    let mut no_database = url.clone();
    no_database.set_path("no_database_of_this_name");
    fails(
        &no_database,
        "there is no database no_database_of_this_name at ",
    );
    let mut no_schema = url.clone();
    let pairs = [("schema", "information_schema")];
    no_schema.query_pairs_mut().clear().extend_pairs(pairs);
    fails(&no_schema, "the schema information_schema");
    cluster
        .engines
        .ask("UPDATE {}.schema_version SET version = 1000 RETURNING ''")
        .await;
    fails(&url, "is of version 1000, this program knows ");
    let doctor = home.run(&["doctor", "--listen=127.0.0.1:0"]);
    let newer = "run the version of consign that wrote it";
    assert!(doctor.out.contains(newer), "{doctor:?}");
}

fn home_url(cluster: &Cluster) -> url::Url {
    let environment = cluster.engines.environment();
    let mut urls = environment
        .into_iter()
        .filter(|(name, _)| *name == "CONSIGN_METADATA");
    urls.next().unwrap().1.parse().unwrap()
}
