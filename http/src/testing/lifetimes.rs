//! How long files are there.

use serde_json::{Value, json};

use super::{
    Start,
    client::Request,
    forms::{DOCX, Form},
    site::{Site, for_client, text},
};

const NO_FILE: &str = "File not found";
const NEEDED: &str = "Missing required parameters: audience or expires_in is required.";

fn seconds(time: &Value) -> i64 {
    let time: jiff::Timestamp = text(time).parse().expect("RFC 3339");
    time.as_second()
}

async fn upload_with(site: &Site, token: &str, query: &str) -> super::Answer {
    let target = format!("/upload{query}");
    let form = Form::of_file("a.docx", &DOCX.document("x"));
    site.call(Request::post(target).bearer(token).form(form))
        .await
}

pub async fn ends_are_said_shown_and_changed(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let file = upload_with(&site, &olga, "").await.is_json(200)["file"].clone();
    assert_eq!(file["expires_at"], Value::Null, "{file}");
    let path = format!("/files/{}", text(&file["id"]));

    let answer = upload_with(&site, &olga, "?expires_in=3600&audience=everybody").await;
    let ends = answer.is_json(200)["file"].clone();
    let lasts = seconds(&ends["expires_at"]) - seconds(&ends["uploaded_at"]);
    assert_eq!(lasts, 3600, "{ends}");
    for (token, files) in [
        (&olga, json!([ends, file])),
        (&carl, json!([for_client(&ends), for_client(&file)])),
    ] {
        let listed = site.get("/files", token).await.is_json(200);
        assert_eq!(listed["files"], files);
    }

    let changed = site.patch(&path, &olga, json!({"expires_in": 60})).await;
    let changed = changed.is_json(200);
    assert_eq!(changed["msg"], "File updated");
    assert_eq!(changed["file"]["audience"], "everybody");
    let end = seconds(&changed["file"]["expires_at"]);
    assert!(end - seconds(&file["uploaded_at"]) >= 60, "{changed}");
    for token in [&olga, &carl] {
        let shown = site.get(&path, token).await.is_json(200);
        assert_eq!(seconds(&shown["file"]["expires_at"]), end);
        let listed = site.get("/files", token).await.is_json(200);
        assert_eq!(seconds(&listed["files"][1]["expires_at"]), end);
    }
    let both = json!({"expires_in": null, "audience": "nobody"});
    let changed = site.patch(&path, &olga, both).await.is_json(200);
    assert_eq!(changed["file"]["expires_at"], Value::Null);
    assert_eq!(changed["file"]["audience"], "nobody");
    let listed = site.get("/files", &olga).await.is_json(200);
    assert_eq!(listed["files"][1], changed["file"]);
    site.get(&path, &carl).await.is_problem(404, NO_FILE);
}

pub async fn ends_that_cannot_be_are_refused(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let file = site.upload(&olga, "a.docx", &DOCX.document("x")).await;
    let path = format!("/files/{}", text(&file["id"]));
    for said in [
        "0",
        "-1",
        "1.5",
        "",
        "never",
        "3153600001",
        "5&expires_in=6",
    ] {
        let answer = upload_with(&site, &olga, &format!("?expires_in={said}")).await;
        answer.is_problem(400, "Invalid expiry");
    }
    for said in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("60"),
        json!(true),
        json!([60]),
        json!(3_153_600_001_u64),
    ] {
        let both = json!({"expires_in": said, "audience": "nobody"});
        let answer = site.patch(&path, &olga, both).await;
        answer.is_problem(400, "Invalid expiry");
    }
    for nothing in [
        json!({}),
        json!({"audience": null}),
        json!({"audience": ""}),
    ] {
        let answer = site.patch(&path, &olga, nothing).await;
        answer.is_problem(400, NEEDED);
    }
    let shown = site.get(&path, &olga).await.is_json(200);
    assert_eq!(shown["file"], file, "nothing was changed");
    assert_eq!(site.names(&olga).await, ["a.docx"]);
}
