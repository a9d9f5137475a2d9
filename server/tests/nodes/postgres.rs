//! A database that is away for a while: one of the test's own.

use std::{fs, path::PathBuf, process::Command, sync::Arc};

use consign_http::testing::Request;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    support::{Server, cluster::Cluster, engines::Engines, load, package::docx, run, soon},
    work::{Uploads, check, comes_again, managed},
};

/// A PostgreSQL that can be stopped, by `scripts/engines`.
struct Database {
    folder: TempDir,
}

impl Database {
    fn start() -> Self {
        use std::os::unix::fs::PermissionsExt;

        let folder = TempDir::new().unwrap();
        // The server's own user has to come through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let this = Self { folder };
        this.engines(&["up", "--only", "postgres"]);
        this
    }

    fn engines(&self, args: &[&str]) -> String {
        run(self.command(args), "").succeeds().to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/engines");
        let mut command = Command::new(script);
        command.args(args);
        command.env("CONSIGN_ENGINES", self.place());
        command
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("engines")
    }

    fn url(&self) -> url::Url {
        let told = self.engines(&["env"]);
        let mut lines = told.lines();
        let url = lines.find_map(|line| line.strip_prefix("export CONSIGN_TEST_POSTGRES="));
        url.unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        for process in self.processes().expect("the database runs") {
            // A child may have ended.
            let _ = kill_process(process, signal);
        }
    }

    /// That of the listener, and its children; `None` when it does not run.
    fn processes(&self) -> Option<Vec<Pid>> {
        let file = fs::read_to_string(self.place().join("postgres/postmaster.pid")).ok()?;
        let first = file.lines().next()?;
        let children = format!("/proc/{first}/task/{first}/children");
        let children = fs::read_to_string(children).ok()?;
        let all = std::iter::once(first).chain(children.split_whitespace());
        all.map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.place().join("postgres/log"));
            eprintln!("the database told:\n{}", log.unwrap_or_default());
        }
        // A panic in here would end the tests of all others.
        for process in self.processes().into_iter().flatten() {
            let _ = kill_process(process, Signal::CONT);
        }
        match self.command(&["down"]).output() {
            Ok(down) if down.status.success() => {}
            left => eprintln!("the database is not down: {left:?}"),
        }
    }
}

async fn cluster(database: &Database) -> Cluster {
    let engines = Engines::with_database(database.url()).await;
    Cluster::on(engines, 2, load::long_lived)
}

/// Waits until a node answers that again: nobody restarts it.
async fn recovers(node: &Server, request: &Request) {
    soon(async {
        loop {
            let answer = node.call(request.clone()).await;
            if answer.status == 200 {
                break;
            }
            comes_again(&answer);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn a_restart_of_the_database_loses_nothing() {
    let database = Arc::new(Database::start());
    let mut cluster = cluster(&database).await;
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let list = Request::get("/files").bearer(&olga);
    let mut uploads = Uploads::begin(&cluster.nodes, &olga, 2).await;
    for _ in 0..2 {
        uploads.acknowledges(5).await;
        let restarting = Arc::clone(&database);
        let restarted = tokio::task::spawn_blocking(move || {
            restarting.engines(&["restart", "postgres"]);
        });
        restarted.await.unwrap();
        for node in &cluster.nodes {
            recovers(node, &list).await;
        }
        uploads.acknowledges(5).await;
    }
    // In between there is none at all.
    let stopping = Arc::clone(&database);
    let stopped = tokio::task::spawn_blocking(move || stopping.engines(&["stop", "postgres"]));
    stopped.await.unwrap();
    for node in &cluster.nodes {
        comes_again(&node.call(list.clone()).await);
        let health = node.call(Request::get("/healthz")).await;
        health.has_status(503);
    }
    let starting = Arc::clone(&database);
    let started = tokio::task::spawn_blocking(move || starting.engines(&["start", "postgres"]));
    started.await.unwrap();
    for node in &cluster.nodes {
        recovers(node, &list).await;
    }
    uploads.acknowledges(5).await;
    let acknowledged = uploads.stop().await;
    check(&cluster, 0, &olga, &acknowledged).await;
    check(&cluster, 1, &olga, &acknowledged).await;
    cluster.nodes.clear();
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn a_database_that_hangs_is_not_waited_for_for_ever() {
    let database = Database::start();
    let cluster = cluster(&database).await;
    let olga = cluster.nodes[0].sign_up("olga", true).await;
    let file = cluster.nodes[0]
        .upload(&olga, "a.docx", &docx(1, 1000))
        .await;
    let (_, open) = managed(&cluster.nodes[1], &olga, json!({"files": [file]})).await;
    let list = Request::get("/files").bearer(&olga);
    database.signal(Signal::STOP);
    // More at once than there are connections to it.
    let mut waiting = tokio::task::JoinSet::new();
    for at in 0..80 {
        let node = &cluster.nodes[at % 2];
        let mut connection = node.connect().await;
        let request = match at % 4 {
            0 | 1 => list.clone(),
            _ => Request::post(&*open),
        };
        waiting.spawn(async move { soon(connection.exchange(&request)).await });
    }
    while let Some(answer) = waiting.join_next().await {
        comes_again(&answer.unwrap());
    }
    database.signal(Signal::CONT);
    for node in &cluster.nodes {
        recovers(node, &list).await;
    }
    cluster.nodes[0]
        .upload(&olga, "b.docx", &docx(2, 1000))
        .await;
    assert_eq!(cluster.nodes[1].files(&olga).await.len(), 2);
    cluster.nodes[0].home.run(&["audit", "verify"]).succeeds();
}
