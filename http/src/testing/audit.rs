//! `/audit`, downloads of files and links, receipts and their key.

use consign_core::{evidence::PublicKey, receipt::Receipt};
use serde_json::{Value, json};

use super::{
    Start,
    client::Request,
    forms::DOCX,
    site::{Site, text},
};

impl Site {
    async fn keys(&self) -> Vec<PublicKey> {
        let answer = self.call(Request::get("/evidence-key")).await.is_json(200);
        vec![text(&answer["key"]).parse().expect("it is a key")]
    }

    /// What is told of the downloads at this path.
    async fn downloads(&self, path: &str, token: &str) -> Value {
        self.get(&format!("{path}/downloads"), token)
            .await
            .is_json(200)
    }

    /// The path of a new managed link, for its maker, and of what opens a lease of it.
    async fn link_for(&self, token: &str, recipient: Option<&str>) -> (String, String) {
        let properties = json!({"files": ["a.docx"], "recipient": recipient});
        let answer = self.post("/links", token, properties).await.is_json(201);
        let url = text(&answer["link"]["url"]);
        let open = url.strip_prefix(&self.base()).map(str::to_owned);
        let own = format!("/links/{}", text(&answer["link"]["id"]));
        (own, open.expect("it begins with the server's own"))
    }

    async fn lease(&self, open: &str, token: Option<&str>) -> String {
        let request = Request::post(open);
        let request = match token {
            Some(token) => request.bearer(token),
            None => request,
        };
        let lease = self.call(request).await.is_json(201);
        self.path_of(&text(&lease["download_url"]))
    }
}

fn is_completed(told: &Value, completed: bool, count: usize) {
    assert_eq!(told["completed"], completed, "{told}");
    let downloads = told["downloads"].as_array().expect("a list");
    assert_eq!(downloads.len(), count, "{told}");
}

pub async fn whether_it_was_downloaded_is_told(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let content = DOCX.document("a");
    let file = site.upload(&olga, "a.docx", &content).await;
    let path = format!("/files/{}", text(&file["id"]));
    for token in [&olga, &carl] {
        is_completed(&site.downloads(&path, token).await, false, 0);
    }
    let link = site.link(&carl, "a.docx").await;
    site.call(Request::head(&*link)).await.has_status(200);
    is_completed(&site.downloads(&path, &olga).await, false, 0);
    site.call(Request::get(&*link)).await.has_status(200);
    for token in [&olga, &carl] {
        let told = site.downloads(&path, token).await;
        is_completed(&told, true, 1);
        let download = &told["downloads"][0];
        let expected = json!({
            "id": download["id"],
            "at": download["at"],
            "file": {
                "id": file["id"],
                "filename": "a.docx",
                "size": content.len(),
                "sha256": file["sha256"],
            },
            "username": "carl",
            "link": null,
            "lease": null,
            "recipient": null,
            "started": 1,
            "completed": 1,
            "bytes": content.len(),
        });
        assert_eq!(*download, expected);
        let total = json!({"started": 1, "completed": 1, "bytes": content.len()});
        assert_eq!(told["total"], total);
        assert_eq!(told["next"], Value::Null);
    }
    site.delete(&path, &olga).await.has_status(200);
    let told = site.downloads(&path, &olga).await;
    is_completed(&told, true, 1);
    let never = "/files/00000000000000000000000000000000/downloads";
    let answer = site.get(never, &olga).await;
    answer.is_problem(404, "File not found");
}

pub async fn a_lease_tells_whose_download_it_was(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client_of(&olga).await;
    site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let (own, open) = site.link_for(&olga, Some("carl@example.org")).await;
    is_completed(&site.downloads(&own, &olga).await, false, 0);
    let download = site.lease(&open, Some(&carl)).await;
    is_completed(&site.downloads(&own, &olga).await, false, 0);
    site.call(Request::get(&*download)).await.has_status(200);
    let told = site.downloads(&own, &olga).await;
    is_completed(&told, true, 1);
    let first = &told["downloads"][0];
    assert_eq!(first["recipient"], "carl@example.org");
    assert_eq!(format!("/links/{}", text(&first["link"])), own);
    assert_eq!(first["username"], Value::Null);
    let refused = site.get(&format!("{own}/downloads"), &carl).await;
    refused.is_problem(404, "Link not found");
    // Clients see the downloads by links of their own.
    let (own, open) = site.link_for(&carl, None).await;
    let download = site.lease(&open, None).await;
    site.call(Request::get(&*download)).await.has_status(200);
    for token in [&olga, &carl] {
        is_completed(&site.downloads(&own, token).await, true, 1);
    }
}

pub async fn part_of_a_file_is_not_the_file(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let content = DOCX.document("a");
    let file = site.upload(&olga, "a.docx", &content).await;
    let path = format!("/files/{}", text(&file["id"]));
    let link = site.link(&carl, "a.docx").await;
    let part = |range: &str| Request::get(&*link).header("Range", range);
    for range in ["bytes=0-99", "bytes=0-199"] {
        site.call(part(range)).await.has_status(206);
        let told = site.downloads(&path, &olga).await;
        assert_eq!(told["completed"], false, "{range}");
    }
    let told = site.downloads(&path, &olga).await;
    assert_eq!(told["total"]["bytes"], 300);
    site.call(part("bytes=200-")).await.has_status(206);
    let told = site.downloads(&path, &olga).await;
    assert_eq!(told["completed"], true, "the parts are the whole");
    assert_eq!(told["total"]["bytes"], content.len() + 100);
    assert_eq!(told["total"]["started"], 3);
}

pub async fn receipts_are_given_to_those_whom_it_concerns(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    site.register("dora", false, None).await.has_status(201);
    let dora = site.token("dora").await;
    let file = site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let path = format!("/files/{}", text(&file["id"]));
    let link = site.link(&carl, "a.docx").await;
    site.call(Request::get(&*link)).await.has_status(200);
    let told = site.downloads(&path, &olga).await;
    let receipt = format!("/downloads/{}/receipt", told["downloads"][0]["id"]);
    let keys = site.keys().await;
    for token in [&olga, &carl] {
        let answer = site.get(&receipt, token).await;
        let answer = answer.has_status(200);
        let body = String::from_utf8(answer.body.to_vec()).expect("it is a text");
        let verified = Receipt::verified(&body, &keys).expect("it is good");
        let said = verified.statement;
        assert_eq!(said.file.sha256, text(&file["sha256"]));
        assert_eq!(said.client.username.as_deref(), Some("carl"));
        assert_eq!(said.issuer, site.base());
        let forged = body.replace("\"carl\"", "\"dora\"");
        assert!(Receipt::verified(&forged, &keys).is_err());
    }
    let refused = site.get(&receipt, &dora).await;
    refused.is_problem(404, "Download not found");
    for path in ["/downloads/0/receipt", "/downloads/1/receipt"] {
        let refused = site.get(path, &olga).await;
        refused.is_problem(404, "Download not found");
    }
}

pub async fn the_trail_is_read_in_pages(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let file = site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    site.login("carl", "not the password").await.has_status(401);
    let whole = site.get("/audit", &olga).await;
    assert!(!whole.contains("not the password"));
    let whole = whole.is_json(200);
    assert_eq!(whole["next"], Value::Null);
    let whole = whole["entries"].as_array().expect("a list").clone();
    let kinds: Vec<_> = whole.iter().map(|entry| text(&entry["kind"])).collect();
    for kind in [
        "user registered",
        "signed in",
        "sign-in failed",
        "file added",
    ] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
    let added = whole.iter().find(|entry| entry["kind"] == "file added");
    let added = added.expect("it is there");
    assert_eq!(added["username"], "olga");
    assert_eq!(added["whom"], Value::Null);
    let registered = whole
        .iter()
        .find(|entry| entry["kind"] == "user registered");
    assert_eq!(registered.expect("it is there")["whom"], "olga");
    let fields = json!({"file": file["id"], "name": "a.docx", "sha256": file["sha256"]});
    assert_eq!(added["fields"], fields);
    assert_eq!(text(&added["hash"]).len(), 64);
    for (entry, number) in whole.iter().zip(1..) {
        assert_eq!(entry["number"], number);
    }
    let (mut pages, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = site
            .get(&format!("/audit?{query}"), &olga)
            .await
            .is_json(200);
        pages.extend(page["entries"].as_array().expect("a list").clone());
        match &page["next"] {
            Value::Null => break,
            next => query = format!("limit=2&cursor={}", text(next)),
        }
    }
    assert_eq!(pages[..whole.len()], whole);
    for query in ["limit=0", "cursor=x", "limit=1001"] {
        site.get(&format!("/audit?{query}"), &olga)
            .await
            .has_status(400);
    }
    let refused = site.get("/audit", &carl).await;
    refused.is_problem(403, "You are not authorized to do this");
}

pub async fn the_key_is_told_to_anybody(start: &Start) {
    let site = Site::new(start).await;
    let answer = site.call(Request::get("/evidence-key")).await.is_json(200);
    assert_eq!(answer["algorithm"], "Ed25519");
    assert_eq!(answer["retired"], json!([]));
    let key: PublicKey = text(&answer["key"]).parse().expect("it is a key");
    assert_eq!(answer["id"], key.id().to_string());
}
