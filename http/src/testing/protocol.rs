//! Paths, methods, connections, and requests that nobody sends by mistake.

use serde_json::json;

use super::{
    Start,
    client::Request,
    forms::{DOCX, Form},
    site::Site,
};
use crate::ROUTES;

/// The path of each route, with something in the place of what it leaves open.
fn paths() -> impl Iterator<Item = (String, Vec<&'static str>)> {
    ROUTES.iter().map(|route| {
        let path = route
            .path
            .replace("{file}", "a.docx")
            .replace("{token}", "a.b.c")
            .replace("{group}", "a")
            .replace("{user}", "b")
            .replace("{link}", "a")
            .replace("{download}", "a")
            .replace("{secret}", "a");
        assert!(!path.contains('{'), "{path}");
        (
            path,
            route.methods.iter().map(|method| method.as_str()).collect(),
        )
    })
}

pub async fn the_root_says_what_this_is(start: &Start) {
    let site = Site::new(start).await;
    let answer = site.call(Request::get("/")).await;
    answer.has_status(200);
    assert!(answer.only("content-type").starts_with("text/html"));
    assert_eq!(answer.only("x-content-type-options"), "nosniff");
    assert!(
        answer
            .only("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert!(answer.contains("Consign"));
    let head = site.call(Request::head("/")).await;
    assert_eq!(
        head.has_status(200).only("content-length"),
        answer.only("content-length")
    );
    let answer = site.call(Request::get("/healthz")).await;
    assert_eq!(answer.is_json(200), json!({"status": "ok"}));
    let head = site.call(Request::head("/healthz")).await;
    assert_eq!(
        head.has_status(200).only("content-length"),
        answer.only("content-length")
    );
}

pub async fn other_paths_are_not_found(start: &Start) {
    let site = Site::new(start).await;
    for path in [
        "/nowhere",
        "/Login",
        "/login/",
        "/login/x",
        "/session/",
        "/password/x",
        "/upload/",
        "//",
        "//files",
        "/files//",
        "/files/x/",
        "/files/x/y",
        "/files//downloads",
        "/files/x/downloads/",
        "/links/x/download",
        "/downloads",
        "/downloads/x",
        "/downloads//receipt",
        "/audit/",
        "/evidence-key/x",
        "/files//x",
        "/removed-files/",
        "/removed-files//restore",
        "/removed-files/x/",
        "/removed-files/x/restored",
        "/links/",
        "/links/x/",
        "/l",
        "/l/",
        "/l/x/y",
        "/groups/",
        "/groups//",
        "/groups/x/",
        "/groups//members",
        "/groups/x/members/",
        "/groups/x/members//",
        "/groups/x/members/y/",
        "/groups/x/members/y/z",
        "/groups/x/users",
        "/Groups",
        "/./",
        "/files/../login",
        "/%66iles",
        "/files%2F",
        "/download_file",
        "/download_file/",
        "/download_file/a/b",
        "/generate_download_url",
        "/generate_download_url/",
        "/generate_download_url/a/b",
        "/index.html",
        "/.well-known/security.txt",
        "/favicon.ico",
        "/robots.txt/",
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            let answer = site.call(Request::new(method, path)).await;
            answer.has_status(404);
        }
    }
}

pub async fn other_methods_are_not_allowed(start: &Start) {
    let site = Site::new(start).await;
    let mut connection = site.connect().await;
    for (path, allowed) in paths() {
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND",
            "BREW", "get",
        ] {
            if allowed.contains(&method) {
                continue;
            }
            let answer = connection
                .exchange(&Request::new(method, &*path).bearer("x"))
                .await;
            answer.has_status(405);
            assert_eq!(answer.only("allow"), allowed.join(", "), "{answer}");
        }
        for method in allowed {
            let answer = connection.exchange(&Request::new(method, &*path)).await;
            // A link that there is not is told from a path that there is not by its words alone.
            let found = answer.status != 404 || path.starts_with("/l/");
            assert!(answer.status != 405 && found, "{answer}");
        }
    }
}

/// Calls that need no token. Who registers an operations user is asked for theirs.
const OPEN: &[&str] = &[
    "/",
    "/robots.txt",
    "/openapi.json",
    "/docs",
    "/healthz",
    "/evidence-key",
    "/register",
    "/login",
    "/download_file/{token}",
    "/l/{secret}",
];

const OPERATIONS: &str = "You are not authorized to do this";
const UPLOADS: &str = "You are not authorized to upload files. Only operation users can upload.";

/// What a client is answered to each other call, and in which words where it is not done. A call that
/// is not here fails.
const TO_CLIENTS: &[(&str, &str, u16, &str)] = &[
    ("GET", "/session", 200, ""),
    ("DELETE", "/session", 200, ""),
    (
        "POST",
        "/password",
        415,
        "Content-Type must be application/json",
    ),
    ("POST", "/upload", 403, UPLOADS),
    ("GET", "/files", 200, ""),
    ("GET", "/files/", 200, ""),
    ("GET", "/files/{file}", 404, "File not found"),
    ("PATCH", "/files/{file}", 403, OPERATIONS),
    ("DELETE", "/files/{file}", 403, OPERATIONS),
    ("GET", "/removed-files", 403, OPERATIONS),
    ("DELETE", "/removed-files/{file}", 403, OPERATIONS),
    ("POST", "/removed-files/{file}/restore", 403, OPERATIONS),
    (
        "GET",
        "/generate_download_url/{file}",
        404,
        "File not found",
    ),
    ("GET", "/links", 200, ""),
    (
        "POST",
        "/links",
        415,
        "Content-Type must be application/json",
    ),
    ("GET", "/links/{link}", 404, "Link not found"),
    (
        "PATCH",
        "/links/{link}",
        415,
        "Content-Type must be application/json",
    ),
    ("DELETE", "/links/{link}", 404, "Link not found"),
    ("GET", "/files/{file}/downloads", 404, "File not found"),
    ("GET", "/links/{link}/downloads", 404, "Link not found"),
    (
        "GET",
        "/downloads/{download}/receipt",
        404,
        "Download not found",
    ),
    ("GET", "/audit", 403, OPERATIONS),
    ("GET", "/groups", 403, OPERATIONS),
    ("POST", "/groups", 403, OPERATIONS),
    ("GET", "/groups/{group}", 403, OPERATIONS),
    ("PATCH", "/groups/{group}", 403, OPERATIONS),
    ("DELETE", "/groups/{group}", 403, OPERATIONS),
    ("GET", "/groups/{group}/members", 403, OPERATIONS),
    ("POST", "/groups/{group}/members", 403, OPERATIONS),
    ("DELETE", "/groups/{group}/members/{user}", 403, OPERATIONS),
];

pub async fn each_call_asks_who_makes_it(start: &Start) {
    let site = Site::new(start).await;
    let carl = site.client().await;
    let mut connection = site.connect().await;
    for (route, (path, methods)) in ROUTES.iter().zip(paths()) {
        if OPEN.contains(&route.path) {
            continue;
        }
        for method in methods {
            // It is asked for a cookie alone.
            if (method, route.path) == ("POST", "/session") {
                continue;
            }
            // What else is wrong with a request is not told to who may not make it.
            let requests = [
                Request::new(method, &*path),
                Request::new(method, format!("{path}?limit=0&cursor=&audience=")),
                Request::new(method, &*path).body("no JSON"),
                Request::new(method, &*path).json(&json!({"audience": 1, "name": 1})),
            ];
            for request in &requests {
                let mut refused = vec![(request.clone(), "Missing Authorization Header")];
                for token in ["x", "a.b.c"] {
                    let request = request.clone().bearer(token);
                    refused.push((request, "Invalid or expired token"));
                }
                for (request, msg) in refused {
                    let answer = connection.exchange(&request).await;
                    answer.has_status(401);
                    assert!(method == "HEAD" || answer.json()["msg"] == msg, "{answer}");
                }
            }
            let as_method = if method == "HEAD" { "GET" } else { method };
            let mut rows = TO_CLIENTS.iter();
            let row = rows.find(|row| (row.0, row.1) == (as_method, route.path));
            let &(_, _, status, msg) =
                row.unwrap_or_else(|| panic!("nobody said who may {method} {}", route.path));
            // One who may make the call is told what is wrong with it.
            let asked = if status == 403 {
                &requests[..]
            } else {
                &requests[..1]
            };
            for request in asked {
                let answer = connection.exchange(&request.clone().bearer(&carl)).await;
                answer.has_status(status);
                let told = method == "HEAD" || status < 400 || answer.json()["msg"] == msg;
                assert!(told, "{answer}");
            }
        }
    }
}

pub async fn targets_that_are_no_paths_do_no_harm(start: &Start) {
    let site = Site::new(start).await;
    for (method, target) in [
        ("CONNECT", "example.org:443"),
        ("CONNECT", "127.0.0.1:80"),
        ("CONNECT", "[::1]:80"),
        ("OPTIONS", "*"),
        ("GET", "*"),
        ("POST", "*"),
    ] {
        let mut connection = site.connect().await;
        connection
            .send(site.head_bytes(&Request::new(method, target)))
            .await;
        if let Some(answer) = connection.next(method).await {
            assert!(
                (400..500).contains(&answer.status),
                "{method} {target}: {answer}"
            );
        }
        site.call(Request::get("/healthz")).await.has_status(200);
    }
    // The absolute form is a path like any other (RFC 9112, section 3.2.2).
    let target = format!("{}/healthz", site.base());
    site.call(Request::get(target)).await.has_status(200);
    site.call(Request::get("http://elsewhere.example/nowhere"))
        .await
        .has_status(404);
}

pub async fn what_is_no_http_does_no_harm(start: &Start) {
    let site = Site::new(start).await;
    for bytes in [
        &b"\r\n\r\n\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
          Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
          Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    ] {
        let mut connection = site.connect().await;
        connection.send(bytes).await;
        connection.end().await;
        if let Some(answer) = connection.next("GET").await {
            let shown = bytes.escape_ascii();
            assert!((400..500).contains(&answer.status), "{shown}: {answer}");
        }
    }
    site.call(Request::get("/healthz")).await.has_status(200);
    // A client of 1.0 is served, and its connection closed.
    let mut connection = site.connect().await;
    connection.send("GET /nowhere HTTP/1.0\r\n\r\n").await;
    let answer = connection.next("GET").await;
    assert!(answer.is_none_or(|answer| answer.status == 404));
}

pub async fn connections_are_kept(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    let form = Form::of_file("a.docx", &DOCX.document_of(50_000));
    let upload = |token: &str| Request::post("/upload").bearer(token).form(form.clone());
    let mut connection = site.connect().await;
    for (request, status) in [
        (Request::get("/"), 200),
        (Request::head("/"), 200),
        (Request::get("/nowhere"), 404),
        (upload("x"), 401),
        (upload(&carl), 403),
        (upload(&olga), 200),
        (
            Request::post("/upload")
                .bearer(&olga)
                .chunked(vec![b'x'; 100_000], 1000),
            400,
        ),
        (Request::post("/nowhere").body(vec![b'x'; 100_000]), 404),
        (
            Request::new("DELETE", "/login").chunked(vec![b'x'; 100_000], 1000),
            405,
        ),
        (Request::post("/login").body("{}"), 415),
        (
            Request::get("/files")
                .bearer(&olga)
                .body("a body that means nothing"),
            200,
        ),
        (Request::head("/download_file/x"), 401),
        (Request::get("/healthz"), 200),
    ] {
        let answer = connection.exchange(&request).await;
        answer.has_status(status);
        assert_ne!(answer.header("connection"), Some("close"), "{answer}");
    }
    // Asked for at once, answered in turn.
    let mut pipeline = Vec::new();
    for path in ["/healthz", "/nowhere", "/", "/files"] {
        pipeline.extend(site.head_bytes(&Request::get(path)));
    }
    connection.send(pipeline).await;
    for status in [200, 404, 200, 401] {
        let answer = connection.next("GET").await.expect("an answer to each");
        answer.has_status(status);
    }
    let answer = connection
        .exchange(&Request::get("/").header("Connection", "close"))
        .await;
    answer.has_status(200);
    assert!(
        connection.is_closed().await,
        "a connection is closed when it is asked for"
    );
}

/// Requests that are odd, and still requests: none of them is the server's fault.
fn odd_requests(token: &str, link: &str) -> Vec<Request> {
    let get = |path: &str| Request::get(path).bearer(token);
    let long = "x".repeat(6000);
    let mut requests = Vec::new();
    for path in [
        "/%",
        "/%%",
        "/%0",
        "/%00",
        "/%2e%2e/",
        "/..",
        "/../../etc/passwd",
        "/...",
        "/;",
        "/?",
        "/??",
        "/?#",
        "/files?%00",
        "/files?limit=%31",
        "/files?limit=1&limit=2",
        "/files?cursor=0&cursor=x",
        "/files?&&&",
        "/files?=",
        "/files?limit",
        "/files?limit=10=20",
        "/files?%ff=%ff",
        "/files/%00",
        "/files/%FF",
        "/files/..",
        "/files;x",
        "/groups?cursor=%00",
        "/groups/%00",
        "/groups/%FF/members",
        "/groups/../members/%FF",
        "/groups/%2F/members/%2F?limit=0",
        "/upload?audience=%FF",
        "/upload?expires_in=%FF",
        "/upload?audience",
        "/generate_download_url/%00",
        "/generate_download_url/%0d%0aX:%20y",
        "/generate_download_url/..",
        "/generate_download_url/%2e%2e",
        "/generate_download_url/.",
        "/generate_download_url/%5c%5c",
        "/generate_download_url/%f0%9f%92%a9.docx",
        "/generate_download_url/%ed%a0%80",
        "/generate_download_url/%u0041",
        "/generate_download_url/a?b",
        "/generate_download_url/?a",
        "/generate_download_url/%3f",
        "/generate_download_url/[]{}|^`",
        "/download_file/%00",
        "/download_file/.",
        "/download_file/...",
        "/download_file/%2e%2e%2f",
        "/download_file/eyJhbGciOiJub25lIn0.e30.",
        "/download_file/a.b.c?x=y",
        "/download_file/a.b.c;d",
        "/healthz?verbose",
        "/healthz%00",
        "/login?username=a&password=b",
        "/register?x",
        "/\u{ff}",
    ] {
        requests.push(get(path));
        requests.push(Request::post(path).bearer(token));
    }
    for path in [
        "/files?",
        "/files/",
        "/groups/",
        "/groups/x/members/",
        "/groups?cursor=",
        "/upload?audience=user:",
        "/generate_download_url/",
        "/download_file/",
        "/",
        "/nowhere?",
    ] {
        requests.push(get(&format!("{path}{long}")));
        requests.push(get(&format!("{path}{}", "%00".repeat(2000))));
        requests.push(get(&format!("{path}{}", "/".repeat(2000))));
    }
    for (name, value) in [
        ("Range", "bytes=18446744073709551615-18446744073709551616"),
        ("Range", "bytes=--"),
        ("Range", "bytes=\u{ff}"),
        ("Range", &format!("bytes={}0-0", ",".repeat(5000))),
        ("Range", &format!("bytes={}", "0-0,".repeat(1500))),
        ("Range", &format!("bytes={long}-")),
        ("If-Match", &format!("\"{long}\"")),
        ("If-Match", &",".repeat(5000)),
        ("If-None-Match", "\"\u{ff}"),
        ("If-None-Match", &format!("{}*", "W/\"x\",".repeat(800))),
        ("If-Modified-Since", "Sun, 06 Nov 9999999999 08:49:37 GMT"),
        ("If-Modified-Since", "Thu, 01 Jan 0000 00:00:00 GMT"),
        ("If-Unmodified-Since", "Sun, 31 Feb 2020 25:61:61 GMT"),
        ("If-Range", &long),
        ("If-Range", ""),
        ("Accept", "nothing/at-all"),
        ("Accept-Encoding", "identity;q=0, *;q=0"),
        ("TE", "trailers"),
        ("Upgrade", "h2c, websocket"),
        ("Expect", "the-unexpected"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Forwarded-For", "' OR 1=1"),
        ("Cookie", &long),
        ("Content-Type", "multipart/form-data; boundary=x"),
        ("Content-Encoding", "gzip"),
        ("Authorization", "Bearer \u{ff}"),
        ("Authorization", &format!("Bearer {long}")),
        ("Authorization", "Bearer a b c"),
        ("Authorization", " "),
    ] {
        requests.push(Request::get(link).header(name, value));
        requests.push(Request::head(link).header(name, value));
        requests.push(Request::get("/files").header(name, value));
        requests.push(Request::post("/upload").bearer(token).header(name, value));
        requests.push(Request::post("/login").header(name, value).body("{}"));
    }
    let many = (0..60).fold(get("/files"), |request, at| {
        request.header(&format!("X-{at}"), "y".repeat(100))
    });
    requests.push(many);
    for boundary in [
        "",
        "\"\"",
        "x; boundary=y",
        "\"\\\"\"",
        "\u{ff}",
        &"b".repeat(3000),
        "--",
    ] {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let request = Request::post("/upload")
            .bearer(token)
            .header("Content-Type", &kind);
        requests.push(request.clone().body("--x\r\n\r\n\r\n--x--"));
        requests.push(request.clone().body("----\r\n\r\n"));
        requests.push(request.clone().body("--"));
        requests.push(request.chunked("--\r\nContent-Disposition: form-data\r\n\r\n----", 1));
    }
    requests
}

pub async fn odd_requests_are_answered(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    site.upload(&olga, "a.docx", &DOCX.document("x")).await;
    let link = site.link(&carl, "a.docx").await;
    for token in [&olga, &carl] {
        for request in odd_requests(token, &link) {
            let mut connection = site.connect().await;
            connection.send(site.wire_bytes(&request)).await;
            let answer = connection.next(&request.method).await;
            let answer = answer.unwrap_or_else(|| panic!("no answer to {request:?}"));
            assert!((200..500).contains(&answer.status), "{request:?}: {answer}");
        }
    }
    assert_eq!(site.names(&olga).await, ["a.docx"]);
}
