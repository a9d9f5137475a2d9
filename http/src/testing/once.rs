//! Requests with an `Idempotency-Key`.

use serde_json::{Value, json};

use super::{
    Start,
    answer::Answer,
    client::Request,
    forms::{DOCX, Form},
    site::{Site, text},
};

const KEY: &str = "b8a9e7c2-40f1-4c5d-9f2e-7d1a2b3c4d5e";
const REUSED: &str = "The Idempotency-Key was used for another request";

impl Site {
    async fn keyed(&self, request: Request, key: &str) -> Answer {
        self.call(request.header("Idempotency-Key", key)).await
    }
}

pub async fn what_comes_twice_is_done_once(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("once");
    let upload = |name: &str, content: &[u8]| {
        let form = Form::of_file(name, content);
        Request::post("/upload").bearer(&olga).form(form)
    };
    let post = |path: &str, body: Value| Request::post(path).bearer(&olga).json(&body);
    let link = json!({"files": ["a.docx"], "max_downloads": 1});
    let cases = [
        (upload("a.docx", &content), upload("b.docx", &content), 200),
        (
            post("/groups", json!({"name": "one"})),
            post("/groups", json!({"name": "two"})),
            201,
        ),
        (
            post("/links", link),
            post("/links", json!({"files": ["a.docx"]})),
            201,
        ),
    ];
    for (request, other, status) in cases {
        let first = site.keyed(request.clone(), KEY).await.is_json(status);
        // A structured field has it in quotes.
        for key in [KEY, &format!("\"{KEY}\"")] {
            let again = site.keyed(request.clone(), key).await.is_json(status);
            assert_eq!(again, first);
        }
        site.keyed(other, KEY).await.is_problem(422, REUSED);
    }
    assert_eq!(site.names(&olga).await, ["a.docx"]);
    let links = site.get("/links", &olga).await.is_json(200);
    assert_eq!(links["links"].as_array().map(Vec::len), Some(1));

    // Sent again, a file is shown as it is now.
    let file = site
        .keyed(upload("a.docx", &content), KEY)
        .await
        .is_json(200);
    let path = format!("/files/{}", text(&file["file"]["id"]));
    let nobody = json!({"audience": "nobody"});
    site.patch(&path, &olga, nobody).await.is_json(200);
    let again = site
        .keyed(upload("a.docx", &content), KEY)
        .await
        .is_json(200);
    assert_eq!(again["file"]["audience"], "nobody");

    // The answer to an opening was lost: with the key it is had again, though the link is spent.
    let link = json!({"files": ["a.docx"], "max_downloads": 1});
    let link = site.keyed(post("/links", link), KEY).await.is_json(201);
    let url = text(&link["link"]["url"]);
    let open = url.strip_prefix(&site.base()).expect("it is the server's");
    let first = site.keyed(Request::post(open), KEY).await.is_json(201);
    let again = site.keyed(Request::post(open), KEY).await.is_json(201);
    assert_eq!(again, first);
    let gone = "Link not available";
    site.call(Request::post(open)).await.is_problem(404, gone);
    let other = KEY.replace('b', "c");
    let other = site.keyed(Request::post(open), &other).await;
    other.is_problem(404, gone);
    let path = site.path_of(&text(&again["download_url"]));
    let answer = site.call(Request::get(path)).await;
    assert_eq!(answer.has_status(200).body, content);
}

pub async fn keys_that_are_none_are_refused(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let (short, long) = ("x".repeat(15), "x".repeat(256));
    for key in [
        &short,
        &long,
        "",
        "\"\"",
        "a key with spaces in it",
        "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
    ] {
        let requests = [
            Request::post("/groups")
                .bearer(&olga)
                .json(&json!({"name": "one"})),
            Request::post("/links")
                .bearer(&olga)
                .json(&json!({"files": ["a.docx"]})),
            Request::post("/upload")
                .bearer(&olga)
                .form(Form::of_file("a.docx", &DOCX.document("a"))),
        ];
        for request in requests {
            let answer = site.keyed(request, key).await;
            answer.is_problem(400, "Invalid Idempotency-Key");
        }
    }
    let request = Request::post("/groups").bearer(&olga);
    let request = request.json(&json!({"name": "one"}));
    let twice = request.header("Idempotency-Key", KEY);
    let twice = site.keyed(twice, &KEY.replace('b', "c")).await;
    twice.is_problem(400, "Invalid Idempotency-Key");
    site.has_no_files_and_takes_some(&olga).await;
}
