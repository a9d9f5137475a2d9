//! A bucket that is out of reach for a while.

use consign_http::testing::{Answer, Form, Request};
use serde_json::json;

use crate::{
    support::{
        between::{Between, Way},
        cluster::Cluster,
        engines::Engines,
        load::{self, digest},
        package::docx,
        soon,
    },
    work::{Uploads, check, comes_again, managed, path_of},
};

/// How often the bucket's door is knocked at for one request at most: a few calls are made for it, a few times each.
const KNOCKS: usize = 20;

struct Site {
    between: Between,
    cluster: Cluster,
    olga: String,
    content: Vec<u8>,
    lease: String,
}

impl Site {
    async fn new() -> Self {
        let mut between = Between::bind().await;
        let engines = Engines::both().await.by_way_of(between.address);
        between.lead_to(vec![engines.s3_address()]);
        let cluster = Cluster::on(engines, 2, load::long_lived);
        let node = &cluster.nodes[0];
        let olga = node.sign_up("olga", true).await;
        let content = docx(1, 300_000);
        node.upload(&olga, "a.docx", &content).await;
        let (_, open) = managed(node, &olga, json!({"files": ["a.docx"]})).await;
        let lease = path_of(&node.call(Request::post(open)).await.is_json(201));
        Self {
            between,
            cluster,
            olga,
            content,
            lease,
        }
    }

    fn upload(&self, name: &str) -> Request {
        let form = Form::of_file(name, &self.content);
        Request::post("/upload").bearer(&self.olga).form(form)
    }

    /// A download and an upload at each node, at the same time.
    async fn asks(&self, name: &str) -> Vec<Answer> {
        let mut asked = tokio::task::JoinSet::new();
        for (at, node) in self.cluster.nodes.iter().enumerate() {
            let upload = self.upload(&format!("{name}-{at}.docx"));
            for request in [Request::get(&*self.lease), upload] {
                let mut connection = node.connect().await;
                asked.spawn(async move { soon(connection.exchange(&request)).await });
            }
        }
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            answers.push(answer.unwrap());
        }
        answers
    }

    /// All that was asked while it was away is refused in time, also in the middle, and what needs no bytes goes on.
    async fn is_away(&self, way: Way) {
        let node = &self.cluster.nodes[0];
        let form = Form::of_file("large.docx", &docx(2, 20 << 20));
        let large = Request::post("/upload").bearer(&self.olga).form(form);
        let large = large.bytes(node.address);
        let (first, rest) = large.split_at(large.len() / 2);
        let objects = self.cluster.engines.objects().await.len();
        let mut uploading = node.connect().await;
        assert!(uploading.send(first).await);
        soon(async { while self.cluster.engines.objects().await.len() == objects {} }).await;

        let before = (self.between.connections(), self.between.requests());
        self.between.set(way);
        // Who was refused may be told before all is sent.
        uploading.send(rest).await;
        comes_again(&soon(uploading.next("POST")).await.unwrap());
        for answer in self.asks("away").await {
            comes_again(&answer);
        }
        let after = (self.between.connections(), self.between.requests());
        let knocks = (after.0 - before.0).max(after.1 - before.1);
        assert!(knocks <= 5 * KNOCKS, "{knocks} knocks for five requests");
        for node in &self.cluster.nodes {
            let (_, open) = managed(node, &self.olga, json!({"files": ["a.docx"]})).await;
            node.call(Request::post(open)).await.is_json(201);
        }
    }

    /// Both nodes serve again, and nobody has restarted them.
    async fn is_back(&self, name: &str, files: usize) {
        self.between.set(Way::Open);
        for node in &self.cluster.nodes {
            soon(async {
                loop {
                    let answer = node.call(Request::get(&*self.lease)).await;
                    if answer.status == 200 {
                        assert_eq!(digest(&answer.body), digest(&self.content));
                        break;
                    }
                    comes_again(&answer);
                }
            })
            .await;
        }
        for answer in self.asks(name).await {
            answer.has_status(200);
        }
        let node = &self.cluster.nodes[0];
        let listed = node.files(&self.olga).await;
        assert_eq!(listed.len(), files, "what was refused is not listed");
        check(&self.cluster, 1, &self.olga, &Default::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn a_bucket_out_of_reach_is_told_and_comes_back() {
    let site = Site::new().await;
    site.is_away(Way::Shut).await;
    site.is_back("first", 3).await;
    site.is_away(Way::Stuck).await;
    site.is_back("second", 5).await;
}

/// In the middle of uploads, again and again: what was acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn uploads_outlive_a_bucket_that_comes_and_goes() {
    let site = Site::new().await;
    let mut uploads = Uploads::begin(&site.cluster.nodes, &site.olga, 2).await;
    for _ in 0..5 {
        uploads.acknowledges(3).await;
        site.between.set(Way::Shut);
        // Whatever is asked now finds it shut.
        let refused = site.cluster.nodes[0].call(site.upload("x.docx")).await;
        comes_again(&refused);
        site.between.set(Way::Open);
    }
    uploads.acknowledges(8).await;
    let acknowledged = uploads.stop().await;
    check(&site.cluster, 0, &site.olga, &acknowledged).await;
    check(&site.cluster, 1, &site.olga, &acknowledged).await;
}
