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

pub async fn a_removed_file_can_be_had_back(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let nothing = json!({"files": [], "next": null});
    let listed = site.get("/removed-files", &olga).await;
    assert_eq!(listed.is_json(200), nothing);

    let file = site.upload(&olga, "a.docx", &DOCX.document("one")).await;
    let other = site.upload(&olga, "b.docx", &DOCX.document("two")).await;
    let (path, gone) = paths(&file);
    let link = site.link(&carl, "a.docx").await;
    let content = site
        .call(Request::get(&link))
        .await
        .has_status(200)
        .body
        .clone();
    let nowhere = async || {
        for token in [&olga, &carl] {
            site.get(&path, token).await.is_problem(404, NO_FILE);
            let names = site.names(token).await;
            assert!(!names.contains(&"a.docx".to_owned()), "{names:?}");
        }
        let dead = site.call(Request::get(&link)).await;
        dead.is_problem(401, "Invalid or expired token");
    };
    site.delete(&path, &olga).await.has_status(200);
    nowhere().await;

    let listed = site.get("/removed-files", &olga).await.is_json(200);
    let mut removed = listed["files"][0].clone();
    assert_eq!(listed, json!({"files": [removed], "next": null}));
    let members = removed.as_object_mut().expect("it is an object");
    let [at, gone_at, why, by] = ["removed_at", "gone_at", "reason", "removed_by"]
        .map(|name| members.remove(name).expect("it is told"));
    assert_eq!(removed, file, "and the file as it was");
    assert_eq!((why, by), (json!("removed"), json!("olga")));
    assert_eq!(seconds(&gone_at) - seconds(&at), 7 * 24 * 60 * 60);

    let restored = site
        .post(&format!("{gone}/restore"), &olga, Value::Null)
        .await;
    let restored = restored.is_json(200);
    assert_eq!(restored, json!({"msg": "File restored", "file": file}));
    let listed = site.get("/files", &olga).await.is_json(200);
    assert_eq!(listed["files"], json!([other, file]), "where it was");
    let again = site.call(Request::get(&link)).await;
    assert_eq!(again.has_status(200).body, content);
    let listed = site.get("/removed-files", &olga).await;
    assert_eq!(listed.is_json(200), nothing);

    site.delete(&path, &olga).await.has_status(200);
    let purged = site.delete(&gone, &olga).await.is_json(200);
    assert_eq!(
        purged,
        json!({"msg": "File removed for good", "file": file})
    );
    nowhere().await;
    for method in ["POST", "DELETE"] {
        let target = match method {
            "POST" => format!("{gone}/restore"),
            _ => gone.clone(),
        };
        let answer = site.ask(method, &target, &olga, Value::Null).await;
        answer.is_problem(404, NO_FILE);
    }
    let listed = site.get("/removed-files", &olga).await;
    assert_eq!(listed.is_json(200), nothing);
}

pub async fn removed_files_are_for_operations_in_pages(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let mut ids = Vec::new();
    for at in 0..5 {
        let name = format!("{at}.docx");
        let file = site.upload(&olga, &name, &DOCX.document("x")).await;
        let (path, gone) = paths(&file);
        let there = format!("{gone}/restore");
        site.post(&there, &olga, Value::Null)
            .await
            .is_problem(404, NO_FILE);
        site.delete(&gone, &olga).await.is_problem(404, NO_FILE);
        site.delete(&path, &olga).await.has_status(200);
        ids.insert(0, text(&file["id"]));
    }
    for limit in [1, 2, 4, 5, 6] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let target = format!("/removed-files?limit={limit}{cursor}");
            let page = site.get(&target, &olga).await.is_json(200);
            let files = page["files"].as_array().expect("files is a list");
            assert!(
                (1..=limit).contains(&files.len()),
                "pages of {limit}: {page}"
            );
            seen.extend(files.iter().map(|file| text(&file["id"])));
            if page["next"].is_null() {
                break;
            }
            cursor = format!("&cursor={}", text(&page["next"]));
        }
        assert_eq!(seen, ids, "pages of {limit}");
    }
    for (query, msg) in [
        ("limit=0", "limit must be between 1 and 1000"),
        ("cursor=x", "Invalid cursor"),
    ] {
        let answer = site.get(&format!("/removed-files?{query}"), &olga).await;
        answer.is_problem(400, msg);
    }
    let gone = format!("/removed-files/{}", ids[0]);
    let refused = "You are not authorized to do this";
    for (method, target) in [
        ("GET", "/removed-files".to_owned()),
        ("POST", format!("{gone}/restore")),
        ("DELETE", gone),
    ] {
        let answer = site.ask(method, &target, &carl, Value::Null).await;
        answer.is_problem(403, refused);
    }
    for id in ["x", "%FF", &"0".repeat(32)] {
        let target = format!("/removed-files/{id}");
        site.delete(&target, &olga).await.is_problem(404, NO_FILE);
    }
}

pub async fn groups_have_a_retention(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let plain = json!({"name": "plain"});
    let plain = site.post("/groups", &olga, plain).await.is_json(201);
    assert_eq!(plain["group"]["retention_days"], Value::Null, "{plain}");
    let made = json!({"name": "a", "retention_days": 30});
    let made = site.post("/groups", &olga, made).await.is_json(201);
    assert_eq!(made["group"]["retention_days"], 30);
    let path = format!("/groups/{}", text(&made["group"]["id"]));
    for (edit, name, days) in [
        (json!({"retention_days": 1}), "a", json!(1)),
        (json!({"name": "b"}), "b", json!(1)),
        (
            json!({"name": "c", "retention_days": 36_500}),
            "c",
            json!(36_500),
        ),
        (json!({"retention_days": null}), "c", Value::Null),
    ] {
        let answer = site.patch(&path, &olga, edit.clone()).await.is_json(200);
        let shown = site.get(&path, &olga).await.is_json(200);
        assert_eq!(answer["group"], shown["group"], "{edit}");
        assert_eq!(shown["group"]["name"], name, "{edit}");
        assert_eq!(shown["group"]["retention_days"], days, "{edit}");
    }
    for days in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!(36_501),
        json!(4_294_967_297_u64),
        json!("30"),
        json!([30]),
        json!(true),
    ] {
        let both = json!({"name": "d", "retention_days": days});
        for (method, target) in [("POST", "/groups"), ("PATCH", path.as_str())] {
            let answer = site.ask(method, target, &olga, both.clone()).await;
            answer.is_problem(400, "Invalid retention");
        }
    }
    let nothing = site.patch(&path, &olga, json!({"name": ""})).await;
    nothing.is_problem(
        400,
        "Missing required parameters: name or retention_days is required.",
    );
    let shown = site.get(&path, &olga).await.is_json(200);
    assert_eq!(shown["group"]["name"], "c", "nothing was changed");
}

/// Where a file is, and where it is when it was removed.
fn paths(file: &Value) -> (String, String) {
    let id = text(&file["id"]);
    (format!("/files/{id}"), format!("/removed-files/{id}"))
}
