//! What people do at nodes, and what they are owed for it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use consign_http::testing::{Answer, Connection, Form, Request};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};

use crate::support::{
    Server,
    cluster::Cluster,
    load::digest,
    package::{Numbers, docx},
    soon, text,
};

/// A link's path for its maker, and for whoever holds it.
pub async fn managed(node: &Server, token: &str, properties: Value) -> (String, String) {
    let request = Request::post("/links").bearer(token).json(&properties);
    let link = node.call(request).await.is_json(201)["link"].clone();
    let secret = text(&link["url"]).rsplit('/').next().unwrap().to_owned();
    let own = format!("/links/{}", text(&link["id"]));
    (own, format!("/l/{secret}"))
}

/// The path of what a lease or a signed link opens.
pub fn path_of(answer: &Value) -> String {
    let url = text(&answer["download_url"]);
    format!("/download_file/{}", url.rsplit('/').next().unwrap())
}

/// Sends requests at the same time, the first to the first node, the second to the second and so on in turn, each on
/// a connection that is there already, and gives the statuses.
pub async fn race(cluster: &Cluster, requests: Vec<Request>) -> Vec<u16> {
    let mut ready = Vec::new();
    for request in requests {
        let node = cluster.turn();
        ready.push((node.connect().await, request));
    }
    let mut racers = JoinSet::new();
    for (mut connection, request) in ready {
        racers.spawn(async move { soon(connection.exchange(&request)).await.status });
    }
    let mut statuses = Vec::new();
    while let Some(status) = racers.join_next().await {
        statuses.push(status.unwrap());
    }
    statuses
}

pub fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|other| **other == status).count()
}

/// Uploads that were acknowledged, by id: name and digest.
type Acknowledged = Arc<Mutex<BTreeMap<String, (String, String)>>>;

/// People who upload, each to a node of theirs.
pub struct Uploads {
    people: JoinSet<()>,
    told: mpsc::UnboundedReceiver<()>,
    acknowledged: Acknowledged,
    over: Arc<AtomicBool>,
}

impl Uploads {
    /// So many at each node. Who is told to come again does so; they end when their node is gone.
    pub async fn begin(nodes: &[Server], token: &str, each: usize) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let mut this = Self {
            people: JoinSet::new(),
            told,
            acknowledged: Acknowledged::default(),
            over: Arc::default(),
        };
        for (at, node) in nodes.iter().enumerate() {
            for person in 0..each {
                let work = Work {
                    address: node.address,
                    token: token.to_owned(),
                    prefix: format!("{at}-{person}"),
                    numbers: Numbers::new((at * each + person + 1) as u64),
                    acknowledged: Arc::clone(&this.acknowledged),
                    over: Arc::clone(&this.over),
                    tell: tell.clone(),
                };
                this.people.spawn(work.uploads());
            }
        }
        this
    }

    /// Waits until so many more are acknowledged; others are in the middle.
    pub async fn acknowledges(&mut self, count: usize) {
        for _ in 0..count {
            soon(self.told.recv()).await.expect("somebody uploads");
        }
    }

    /// Waits until all have finished what they are at.
    pub async fn stop(mut self) -> BTreeMap<String, (String, String)> {
        self.over.store(true, Ordering::SeqCst);
        while let Some(ended) = soon(self.people.join_next()).await {
            ended.unwrap();
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

/// One of them.
struct Work {
    address: SocketAddr,
    token: String,
    prefix: String,
    numbers: Numbers,
    acknowledged: Acknowledged,
    over: Arc<AtomicBool>,
    tell: mpsc::UnboundedSender<()>,
}

impl Work {
    async fn uploads(mut self) {
        let mut connection = Connection::open(self.address).await;
        for at in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            // Now and then one of several parts.
            let padding = match self.numbers.within(0, 4) {
                0 => self.numbers.within(9 << 20, 20 << 20),
                _ => self.numbers.within(10_000, 700_000),
            };
            let content = docx(self.numbers.next(), padding);
            let name = format!("{}-{at}.docx", self.prefix);
            let request = Request::post("/upload").bearer(&self.token);
            let request = request.form(Form::of_file(&name, &content));
            connection.send(request.bytes(self.address)).await;
            let Some(answer) = soon(connection.next("POST")).await else {
                if TcpStream::connect(self.address).await.is_err() {
                    return;
                }
                connection = Connection::open(self.address).await;
                continue;
            };
            if answer.status == 503 {
                comes_again(&answer);
                continue;
            }
            let id = text(&answer.is_json(200)["file"]["id"]);
            let file = (name, digest(&content));
            self.acknowledged.lock().unwrap().insert(id, file);
            let _ = self.tell.send(());
        }
    }
}

/// Checks that whoever was refused is told when to come again.
#[track_caller]
pub fn comes_again(answer: &Answer) {
    answer.has_status(503);
    let seconds = answer.header("retry-after");
    let seconds = seconds.map(|seconds| seconds.parse::<u64>());
    assert!(matches!(seconds, Some(Ok(1..=300))), "{answer}");
}

/// Checks that what was acknowledged is there at a node, with its bytes, and that nothing else is left once the sweep has
/// been; and that the trail is one chain.
pub async fn check(
    cluster: &Cluster,
    node: usize,
    token: &str,
    acknowledged: &BTreeMap<String, (String, String)>,
) {
    let node = &cluster.nodes[node];
    let listed = node.files(token).await;
    let by_id: BTreeMap<_, _> = listed
        .iter()
        .map(|file| (text(&file["id"]), file))
        .collect();
    for (id, (name, sha256)) in acknowledged {
        let file = by_id.get(id);
        let file = file.unwrap_or_else(|| panic!("{name} was acknowledged, and is lost"));
        assert_eq!(file["sha256"], **sha256, "{name}");
    }
    // All that is listed is there, also that of which nobody was told.
    for (id, file) in &by_id {
        let (_, open) = managed(node, token, json!({"files": [id]})).await;
        let lease = node.call(Request::post(open)).await.is_json(201);
        let answer = node.call(Request::get(path_of(&lease))).await;
        let content = &answer.has_status(200).body;
        assert_eq!(file["sha256"], *digest(content), "{file}");
    }
    cluster.engines.sweep().await;
    let objects = cluster.engines.objects().await;
    assert_eq!(
        objects.len(),
        listed.len(),
        "nothing else is left: {objects:?}"
    );
    assert_eq!(cluster.engines.uploads().await, 0);
    node.home.run(&["audit", "verify"]).succeeds();
}
