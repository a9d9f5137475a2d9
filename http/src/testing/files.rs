//! `GET /files` and `GET /generate_download_url/<filename>`.

use serde_json::{Value, json};

use super::{
    Setup, Start,
    client::Request,
    forms::{DOCX, Form},
    site::{Site, encoded, for_client, text, token_of},
};

const NO_SUCH_FILE: &str = "File not found";
const CLIENTS_ONLY: &str = "only client user can download the file";

/// What every call that needs a token answers without a good one.
async fn needs_a_token(site: &Site, target: &str, link: &str) {
    let get = || Request::get(target);
    site.call(get())
        .await
        .is_problem(401, "Missing Authorization Header");
    for value in ["Basic b2xnYTpwYXNz", "Bearer", "token"] {
        let answer = site.call(get().header("Authorization", value)).await;
        answer.is_problem(401, "token must be a Bearer token");
    }
    for token in ["x", "a.b.c", token_of(link)] {
        let answer = site.call(get().bearer(token)).await;
        answer.is_problem(401, "Invalid or expired token");
    }
}

pub async fn any_signed_in_user_sees_the_files(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    for path in ["/files", "/files/", "/files?", "/files?colour=red&limit"] {
        let answer = site.call(Request::get(path).bearer(&carl)).await;
        assert_eq!(answer.is_json(200), json!({"files": [], "next": null}));
    }
    let mut files = Vec::new();
    for name in ["a.docx", "b.docx", "名 前.docx"] {
        files.insert(0, site.upload(&olga, name, &DOCX.document(name)).await);
    }
    let clients: Vec<_> = files.iter().map(for_client).collect();
    for (token, files) in [(&olga, &files), (&carl, &clients)] {
        for path in ["/files", "/files/"] {
            let answer = site.call(Request::get(path).bearer(token)).await;
            assert_eq!(answer.is_json(200), json!({"files": files, "next": null}));
            let head = site.call(Request::head(path).bearer(token)).await;
            assert_eq!(head.status, 200);
            assert_eq!(head.only("content-length"), answer.only("content-length"));
        }
    }
    let link = site.link(&carl, "a.docx").await;
    needs_a_token(&site, "/files", &link).await;
    needs_a_token(&site, "/files/?limit=0", &link).await;
}

pub async fn the_list_comes_in_pages(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let mut names = Vec::new();
    for at in 0..7 {
        let name = format!("{at}.docx");
        site.upload(&olga, &name, &DOCX.document("x")).await;
        names.insert(0, name);
    }
    for limit in [1, 2, 3, 6, 7, 8, 1000] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let target = format!("/files?limit={limit}{cursor}");
            let page = site
                .call(Request::get(target).bearer(&olga))
                .await
                .is_json(200);
            let files = page["files"].as_array().expect("files is a list");
            assert!(
                (1..=limit).contains(&files.len()),
                "pages of {limit}: {page}"
            );
            seen.extend(files.iter().map(|file| text(&file["filename"])));
            if page["next"].is_null() {
                break;
            }
            assert_eq!(files.len(), limit, "only the last page is short");
            cursor = format!("&cursor={}", text(&page["next"]));
            assert!(seen.len() < names.len(), "the list ends");
        }
        assert_eq!(seen, names, "pages of {limit}");
    }
    // What comes in meanwhile does not move what was not seen yet.
    let target = "/files?limit=2";
    let page = site
        .call(Request::get(target).bearer(&olga))
        .await
        .is_json(200);
    site.upload(&olga, "new.docx", &DOCX.document("x")).await;
    let target = format!("/files?cursor={}&limit=2", text(&page["next"]));
    let page = site
        .call(Request::get(target).bearer(&olga))
        .await
        .is_json(200);
    assert_eq!(page["files"][0]["filename"], names[2]);
    assert_eq!(page["files"][1]["filename"], names[3]);
}

pub async fn pages_that_cannot_be_are_refused(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    site.upload(&olga, "a.docx", &DOCX.document("x")).await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=",
        "limit=1.5",
        "limit=ten",
        "limit=1e1",
        "limit=99999999999999999999999",
        "cursor=",
        "cursor=x",
        "cursor=-1",
        "cursor=1.0",
        "cursor=99999999999999999999999",
        "cursor=%00",
        "cursor=null",
    ] {
        let target = format!("/files?{query}");
        let answer = site.call(Request::get(target).bearer(&olga)).await;
        let msg = text(&answer.json()["msg"]);
        assert_eq!(answer.status, 400, "{answer}");
        assert!(
            msg.contains(&query[..query.find('=').unwrap_or(0)]),
            "{query}: {msg}"
        );
    }
    let target = "/files?cursor=0";
    let page = site
        .call(Request::get(target).bearer(&olga))
        .await
        .is_json(200);
    assert_eq!(page, json!({"files": [], "next": null}));
}

pub async fn files_are_found_by_parts_of_their_names(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    for (name, audience) in [
        ("Report 1.docx", "everybody"),
        ("ÜBERSICHT.docx", "everybody"),
        ("report+2.docx", "everybody"),
        ("a.docx", "everybody"),
        ("report 3.docx", "nobody"),
    ] {
        let form = Form::of_file(name, &DOCX.document("x"));
        let request = Request::post(format!("/upload?audience={audience}"));
        let answer = site.call(request.bearer(&olga).form(form)).await;
        answer.has_status(200);
    }
    for (query, found) in [
        ("search=", 5),
        ("search=report", 3),
        ("search=REPORT", 3),
        ("search=report+", 2),
        ("search=report%201", 1),
        ("search=t%2B2", 1),
        ("search=%C3%BCbersicht", 1),
        ("search=.docx", 5),
        ("search=none", 0),
        ("search=Report&limit=1000", 3),
    ] {
        let page = site.get(&format!("/files?{query}"), &olga).await;
        let page = page.is_json(200);
        let names = page["files"].as_array().expect("files is a list");
        assert_eq!(names.len(), found, "{query}: {page}");
        assert!(page["next"].is_null(), "{query}: {page}");
    }
    // Clients find what is for them.
    let page = site.get("/files?search=report", &carl).await.is_json(200);
    assert_eq!(page["files"].as_array().map(Vec::len), Some(2), "{page}");
    // Page by page, newest first.
    let first = site.get("/files?search=report&limit=2", &olga).await;
    let first = first.is_json(200);
    assert_eq!(first["files"][0]["filename"], "report 3.docx");
    assert_eq!(first["files"][1]["filename"], "report+2.docx");
    let target = format!("/files?search=report&cursor={}", text(&first["next"]));
    let rest = site.get(&target, &olga).await.is_json(200);
    assert_eq!(rest["files"][0]["filename"], "Report 1.docx");
    assert!(rest["next"].is_null());
    for query in ["%FF".to_owned(), "x".repeat(256)] {
        let answer = site.get(&format!("/files?search={query}"), &olga).await;
        answer.is_problem(400, "Invalid search");
    }
}

pub async fn clients_get_links(start: &Start) {
    let setup = Setup::default();
    let lifetime = setup.link_lifetime.as_secs() as i64;
    let site = Site::with(start, setup).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    let file = site.upload(&olga, "a.docx", &DOCX.document("x")).await;
    let before = jiff::Timestamp::now().as_second();
    let request = Request::get("/generate_download_url/a.docx").bearer(&carl);
    let answer = site
        .call(request.clone().header("X-Forwarded-Host", "evil.example"))
        .await;
    let answer = answer.is_json(200);
    let after = jiff::Timestamp::now().as_second();
    assert_eq!(answer["message"], "Success");
    assert_eq!(answer.as_object().map(|members| members.len()), Some(3));
    let expires: jiff::Timestamp = text(&answer["expires_at"]).parse().expect("RFC 3339");
    assert!(
        (before + lifetime..=after + lifetime).contains(&expires.as_second()),
        "{expires}"
    );
    let path = site.path_of(&text(&answer["download_url"]));
    assert!(!path["/download_file/".len()..].contains('/'), "{path}");
    site.call(Request::get(&path)).await.has_status(200);

    // Where links lead is never taken from a request.
    let evil = request.clone().header("Host", "evil.example");
    let answer = site.call(evil).await.is_json(200);
    site.path_of(&text(&answer["download_url"]));
    let absolute = Request::get("http://evil.example/generate_download_url/a.docx").bearer(&carl);
    let answer = site.call(absolute).await.is_json(200);
    site.path_of(&text(&answer["download_url"]));

    let again = site.link(&carl, &text(&file["id"])).await;
    assert_ne!(again, path, "each link is its own");
    let head = site
        .call(Request::head("/generate_download_url/a.docx").bearer(&carl))
        .await;
    head.has_status(200);
    needs_a_token(&site, "/generate_download_url/a.docx", &path).await;
    needs_a_token(&site, "/generate_download_url/nothing.docx", &path).await;
}

pub async fn only_clients_get_links(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    site.upload(&olga, "a.docx", &DOCX.document("x")).await;
    for target in ["a.docx", "nothing.docx", "%FF"] {
        let request = Request::get(format!("/generate_download_url/{target}"));
        site.call(request.bearer(&olga))
            .await
            .is_problem(403, CLIENTS_ONLY);
    }
    for target in [
        "nothing.docx",
        "A.docx",
        "a",
        "a.docx%20",
        "%20a.docx",
        "a.docx%00",
        "a.docx%2F",
        "..%2Fa.docx",
        "%2e%2e%2fa.docx",
        "%FF.docx",
        "%C3",
        "a+docx",
        "%",
        "%zz",
        "*",
        "~",
        "0",
        "00000000000000000000000000000000",
        "00000000-0000-0000-0000-000000000000",
        "a.docx;v=1",
        "%E2%80%AEa.docx",
    ] {
        let request = Request::get(format!("/generate_download_url/{target}"));
        site.call(request.bearer(&carl))
            .await
            .is_problem(404, NO_SUCH_FILE);
    }
}

pub async fn a_link_is_for_one_version(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    let name = "Über 100% & +mehr #1?.docx";
    let (one, two) = (DOCX.document("one"), DOCX.document("two and more"));
    let first = site.upload(&olga, name, &one).await;
    let by_name = site.link(&carl, &encoded(name)).await;
    let by_id = site.link(&carl, &text(&first["id"])).await;
    let second = site.upload(&olga, name, &two).await;
    let newest = site.link(&carl, &encoded(name)).await;
    let second = site.link(&carl, &text(&second["id"])).await;
    let first_again = site.link(&carl, &text(&first["id"])).await;
    for (link, content) in [
        (&by_name, &one),
        (&by_id, &one),
        (&first_again, &one),
        (&newest, &two),
        (&second, &two),
    ] {
        let answer = site.call(Request::get(link)).await;
        assert_eq!(answer.has_status(200).body, content);
    }
}

pub async fn secrets_are_told_to_their_owners_alone(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    site.upload(&olga, "a.docx", &DOCX.document("x")).await;
    let link = site.link(&carl, "a.docx").await;
    let secrets = [&olga, &carl, token_of(&link), super::site::PASSWORD];
    let requests = [
        Request::get("/"),
        Request::get("/healthz").bearer(&olga),
        Request::get("/files").bearer(&olga),
        Request::get("/files").bearer(&carl).header("Cookie", &link),
        Request::get("/files").bearer(token_of(&link)),
        Request::get(&link).bearer(&carl),
        Request::get(&link).header("Range", "bytes=0-1,3-4"),
        Request::get(&link).header("If-Match", "\"x\""),
        Request::get(format!("{link}x")),
        Request::get(format!("{link}/x")),
        Request::get(format!("/download_file/{carl}")),
        Request::get(format!("/{olga}?{carl}")).bearer(&carl),
        Request::post(&link).bearer(&carl),
        Request::new("TRACE", "/files").bearer(&carl),
        Request::new("OPTIONS", &*link).bearer(&carl),
        Request::get(format!("/generate_download_url/{carl}")).bearer(&carl),
        Request::post("/login").json(&json!({"username": carl, "password": olga})),
        Request::post("/login").json(&json!({"username": "carl", "password": [carl]})),
        super::site::registration(
            json!({"username": "carl", "password": super::site::PASSWORD,
            "email": "carl@example.org"}),
        )
        .bearer(&olga),
        super::site::registration(Value::String(olga.clone())),
    ];
    for request in requests {
        let answer = site.call(request).await;
        for secret in secrets {
            assert!(!answer.contains(secret), "{answer}");
        }
    }
}
