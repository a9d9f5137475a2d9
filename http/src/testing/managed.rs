//! `/links` and `/l/<secret>`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    Start,
    answer::Answer,
    client::Request,
    forms::DOCX,
    site::{Site, text},
};

const GONE: &str = "Link not available";

/// A link as its maker was told of it.
struct Made {
    /// What is told of it, without its URL.
    link: Value,
    /// The path of its URL.
    open: String,
    /// The path for its maker.
    own: String,
}

impl Site {
    async fn managed(&self, token: &str, properties: Value) -> Made {
        let answer = self.post("/links", token, properties).await.is_json(201);
        assert_eq!(answer["msg"], "Link created");
        let mut link = answer["link"].clone();
        let url = link.as_object_mut().and_then(|link| link.remove("url"));
        let url = text(&url.expect("its URL is told"));
        let open = url.strip_prefix(&self.base());
        let open = open.expect("it begins with the server's own").to_owned();
        let secret = open.strip_prefix("/l/").expect("it is at its place");
        assert!(secret.len() >= 32, "{secret} has 128 bits at least");
        let own = format!("/links/{}", text(&link["id"]));
        Made { link, open, own }
    }

    /// Opens a link, by who holds nothing else.
    async fn open(&self, made: &Made) -> Answer {
        self.call(Request::post(&*made.open)).await
    }

    /// What is behind a lease.
    async fn fetch(&self, lease: &Value) -> Answer {
        let path = self.path_of(&text(&lease["download_url"]));
        self.call(Request::get(path)).await
    }

    /// The link opens nothing, and neither does the lease.
    async fn is_dead(&self, made: &Made, lease: &Value) {
        self.open(made).await.is_problem(404, GONE);
        let looked = self.call(Request::get(&*made.open)).await;
        looked.is_problem(404, GONE);
        let fetched = self.fetch(lease).await;
        fetched.is_problem(401, "Invalid or expired token");
    }
}

/// What somebody from outside is told of a file.
fn handed_over(file: &Value) -> Value {
    let members = ["id", "filename", "size", "content_type", "sha256"];
    members
        .into_iter()
        .map(|name| (name, file[name].clone()))
        .collect()
}

pub async fn managed_links_hand_files_over(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let content = DOCX.document("handed over");
    let file = site.upload(&olga, "a b.docx", &content).await;
    for (maker, target) in [
        (&olga, "a b.docx"),
        (&carl, "a b.docx"),
        (&olga, &text(&file["id"])),
    ] {
        let made = site.managed(maker, json!({"files": [target]})).await;
        let expected = json!({
            "id": made.link["id"],
            "files": [{"id": file["id"], "filename": "a b.docx"}],
            "made_at": made.link["made_at"],
            "expires_at": made.link["expires_at"],
            "max_downloads": null,
            "downloads": 0,
            "has_password": false,
            "recipient": null,
            "note": null,
            "revoked": false,
        });
        assert_eq!(made.link, expected);
        let lease = site.open(&made).await.is_json(201);
        assert_eq!(lease["files"], json!([handed_over(&file)]));
        let answer = site.fetch(&lease).await;
        assert_eq!(answer.has_status(200).body, content);
        // Again, and in parts: it was counted once.
        let path = site.path_of(&text(&lease["download_url"]));
        let part = Request::get(path).header("Range", "bytes=5-9");
        assert_eq!(site.call(part).await.has_status(206).body, content[5..10]);
        let link = site.get(&made.own, maker).await.is_json(200);
        assert_eq!(link["link"]["downloads"], 1);
    }
}

pub async fn links_are_made_with_bounds(start: &Start) {
    let site = Site::new(start).await;
    let (olga, _) = (site.operations().await, site.client().await);
    site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let properties = json!({
        "files": ["a.docx"],
        "expires_in": 3600,
        "max_downloads": 2,
        "password": "open sesame",
        "recipient": "Carl@example.org",
        "note": "for the\nboard",
    });
    let made = site.managed(&olga, properties).await;
    for (name, value) in [
        ("max_downloads", json!(2)),
        ("has_password", json!(true)),
        ("recipient", json!("Carl@example.org")),
        ("note", json!("for the\nboard")),
    ] {
        assert_eq!(made.link[name], value, "{name}");
    }
    let answer = site.get(&made.own, &olga).await;
    assert_eq!(answer.is_json(200), json!({"link": made.link}));
    assert!(!answer.contains("sesame"), "no secret is told again");
    // Null is as absent.
    let nulls = json!({
        "files": ["a.docx"],
        "max_downloads": null,
        "password": null,
        "recipient": null,
        "note": null,
    });
    let made = site.managed(&olga, nulls).await;
    assert_eq!(made.link["has_password"], false);
    let lease = site.open(&made).await.is_json(201);
    site.fetch(&lease).await.has_status(200);
}

pub async fn what_a_link_cannot_be_is_named(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let made = site.managed(&carl, json!({"files": ["a.docx"]})).await;
    let long = "é".repeat(1001);
    let many = vec!["a.docx"; 101];
    let wrong = [
        ("files", json!([]), 400),
        ("files", json!("a.docx"), 400),
        ("files", json!([1]), 400),
        ("files", json!(["a.docx", "a.docx"]), 400),
        ("files", json!(many), 400),
        ("files", json!(["a.docx", "b.docx"]), 404),
        ("expires_in", json!(0), 400),
        ("expires_in", json!(-1), 400),
        ("expires_in", json!(1.5), 400),
        ("expires_in", json!("60"), 400),
        ("expires_in", json!(null), 400),
        ("expires_in", json!(100_000_000), 400),
        ("max_downloads", json!(0), 400),
        ("max_downloads", json!(-1), 400),
        ("max_downloads", json!(4_294_967_296_u64), 400),
        ("max_downloads", json!("1"), 400),
        ("password", json!(1), 400),
        ("recipient", json!("carl"), 400),
        ("recipient", json!(["carl@example.org"]), 400),
        ("note", json!(long), 400),
        ("note", json!("a\u{202E}b"), 400),
        ("max_download", json!(1), 400),
    ];
    for (name, value, status) in wrong {
        let mut properties = json!({"files": ["a.docx"]});
        properties[name] = value.clone();
        let mut asked = vec![site.post("/links", &carl, properties).await];
        if name != "files" {
            asked.push(site.patch(&made.own, &carl, json!({name: value})).await);
        }
        for answer in asked {
            let expected = match status {
                404 => "File not found",
                _ => "Invalid link",
            };
            answer.is_problem(status, expected);
            let detail = text(&answer.json()["detail"]);
            assert!(detail.contains(name), "{answer}: {detail} names {name}");
        }
    }
    let missing = "Missing required parameters: files is required.";
    for properties in [json!({}), json!({"files": null})] {
        let answer = site.post("/links", &carl, properties).await;
        answer.is_problem(400, missing);
    }
    let short = json!({"files": ["a.docx"], "password": "short"});
    let short = site.post("/links", &carl, short).await;
    short.is_problem(400, "Password must be at least 8 characters long");
    let files = json!({"files": ["a.docx"]});
    let answer = site.patch(&made.own, &carl, files).await;
    answer.is_problem(400, "Invalid link");
    // Nothing is half-made.
    let links = site.get("/links", &carl).await.is_json(200);
    assert_eq!(links, json!({"links": [made.link], "next": null}));
}

pub async fn links_are_their_makers_alone(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, site.managed(&carl, json!({"files": ["a.docx"]})).await);
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let target = format!("/links?limit=2{cursor}");
        let page = site.get(&target, &carl).await.is_json(200);
        let links = page["links"].as_array().expect("links is a list");
        assert!(links.len() <= 2);
        listed.extend(links.clone());
        match &page["next"] {
            Value::Null => break,
            next => cursor = format!("&cursor={}", text(next)),
        }
    }
    listed.sort_by_key(|link| text(&link["id"]));
    let mut expected: Vec<_> = made.iter().map(|made| made.link.clone()).collect();
    expected.sort_by_key(|link| text(&link["id"]));
    assert_eq!(listed, expected);
    let none = site.get("/links", &olga).await.is_json(200);
    assert_eq!(none, json!({"links": [], "next": null}));
    let refused = site.get("/links?cursor=x", &carl).await;
    refused.is_problem(400, "Invalid cursor");
    for path in [&made[0].own, "/links/x", "/links/%FF"] {
        for answer in [
            site.get(path, &olga).await,
            site.patch(path, &olga, json!({"note": "mine"})).await,
            site.delete(path, &olga).await,
        ] {
            answer.is_problem(404, "Link not found");
        }
    }
    site.open(&made[0]).await.is_json(201);
}

pub async fn links_are_edited_and_revoked_at_once(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let file = site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let made = site.managed(&olga, json!({"files": ["a.docx"]})).await;
    let lease = site.open(&made).await.is_json(201);
    let edits = json!({"max_downloads": 1, "note": "sent", "expires_in": 60});
    let edited = site.patch(&made.own, &olga, edits).await.is_json(200);
    assert_eq!(edited["msg"], "Link updated");
    assert_eq!(edited["link"]["note"], "sent");
    assert_ne!(edited["link"]["expires_at"], made.link["expires_at"]);
    site.open(&made).await.is_problem(404, GONE);
    site.fetch(&lease).await.has_status(200);
    let lifted = json!({"max_downloads": null, "note": null});
    let lifted = site.patch(&made.own, &olga, lifted).await.is_json(200);
    assert_eq!(lifted["link"]["note"], Value::Null);
    site.open(&made).await.is_json(201);
    for _ in ["revoked", "revoked before"] {
        let revoked = site.delete(&made.own, &olga).await.is_json(200);
        assert_eq!(revoked["msg"], "Link revoked");
        assert_eq!(revoked["link"]["revoked"], true);
        site.is_dead(&made, &lease).await;
    }

    // A client's link goes with what they may have, anybody's with the file.
    let by_carl = site.managed(&carl, json!({"files": ["a.docx"]})).await;
    let by_olga = site.managed(&olga, json!({"files": ["a.docx"]})).await;
    let leases = [
        site.open(&by_carl).await.is_json(201),
        site.open(&by_olga).await.is_json(201),
    ];
    let path = format!("/files/{}", text(&file["id"]));
    let nobody = json!({"audience": "nobody"});
    site.patch(&path, &olga, nobody).await.is_json(200);
    site.is_dead(&by_carl, &leases[0]).await;
    let link = site.get(&by_carl.own, &carl).await.is_json(200);
    assert_eq!(link["link"]["files"][0]["filename"], Value::Null);
    site.fetch(&leases[1]).await.has_status(200);
    site.delete(&path, &olga).await.is_json(200);
    site.is_dead(&by_olga, &leases[1]).await;
}

pub async fn looking_at_a_link_counts_nothing(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let file = site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let once = json!({"files": ["a.docx"], "max_downloads": 1});
    let made = site.managed(&olga, once).await;
    for _ in 0..3 {
        let looked = site.call(Request::get(&*made.open)).await;
        let expected = json!({
            "expires_at": made.link["expires_at"],
            "password_required": false,
            "recipient_required": false,
            "files": [handed_over(&file)],
        });
        assert_eq!(looked.is_json(200), expected);
        assert_eq!(looked.only("vary"), "Accept");
        let head = site.call(Request::head(&*made.open)).await;
        assert_eq!(
            head.has_status(200).only("content-length"),
            looked.only("content-length")
        );
    }
    let lease = site.open(&made).await.is_json(201);
    site.open(&made).await.is_problem(404, GONE);
    for _ in 0..3 {
        site.fetch(&lease).await.has_status(200);
    }
}

/// Unknown, spent, revoked, of another kind: the same answer, byte for byte.
pub async fn a_link_that_is_not_available_says_no_more(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let spent = json!({"files": ["a.docx"], "max_downloads": 1, "password": "open sesame"});
    let spent = site.managed(&olga, spent).await;
    let password = json!({"password": "open sesame"});
    let opened = site.call(Request::post(&*spent.open).json(&password)).await;
    opened.is_json(201);
    let revoked = site.managed(&olga, json!({"files": ["a.docx"]})).await;
    site.delete(&revoked.own, &olga).await.is_json(200);
    let foreign = json!({"files": ["a.docx"], "recipient": "dora@example.org"});
    let foreign = site.managed(&olga, foreign).await;
    let as_carl = Request::post(&*foreign.open).bearer(&carl);
    let expected = site.call(as_carl).await;
    expected.is_problem(404, GONE);
    let unknown = format!("/l/{}", "0".repeat(40));
    let signed = site
        .link(&carl, "a.docx")
        .await
        .replace("/download_file/", "/l/");
    for path in [
        &spent.open,
        &revoked.open,
        &unknown,
        "/l/x",
        "/l/%FF",
        &signed,
    ] {
        for request in [
            Request::get(path),
            Request::post(path),
            Request::post(path).json(&password),
            Request::post(path).bearer(&carl),
        ] {
            let answer = site.call(request).await;
            answer.is_problem(404, GONE);
            let without_date = |answer: &Answer| {
                let headers = answer.headers.iter();
                let headers = headers.filter(|(name, _)| name != "date");
                headers.cloned().collect::<Vec<_>>()
            };
            assert_eq!(answer.body, expected.body, "{path}");
            assert_eq!(without_date(&answer), without_date(&expected), "{path}");
        }
    }
}

pub async fn a_password_guards_a_link(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("guarded");
    site.upload(&olga, "secret plans.docx", &content).await;
    let properties = json!({"files": ["secret plans.docx"], "password": "open sésame & co"});
    let made = site.managed(&olga, properties).await;
    let looked = site.call(Request::get(&*made.open)).await;
    assert_eq!(looked.is_json(200)["password_required"], true);
    assert_eq!(looked.json()["files"], Value::Null);
    let post = || Request::post(&*made.open);
    let form = |body: &str| {
        let kind = "application/x-www-form-urlencoded";
        post().header("Content-Type", kind).body(body.as_bytes())
    };
    let needed = "The link needs a password";
    let refused = [
        (post(), needed),
        (post().json(&json!({})), needed),
        (post().json(&json!({"password": ""})), needed),
        (post().json(&json!({"password": null})), needed),
        (form(""), needed),
        (form("passwort=x"), needed),
        (
            post().json(&json!({"password": "open barley"})),
            "Wrong password",
        ),
        (form("password=open+barley"), "Wrong password"),
    ];
    for (request, msg) in refused {
        let answer = site.call(request).await;
        answer.is_problem(401, msg);
        assert!(!answer.contains("plans"), "{answer}");
    }
    for (request, status) in [
        (post().body("x"), 415),
        (post().header("Content-Type", "text/plain").body("x"), 415),
        (post().json(&json!([])), 400),
        (post().json(&json!({"password": 1})), 400),
        (form("password=%FF"), 400),
        (form(&format!("password={}", "x".repeat(20_000))), 413),
    ] {
        site.call(request).await.has_status(status);
    }
    for request in [
        post().json(&json!({"password": "open sésame & co"})),
        form("x=y&password=open+s%C3%A9same+%26%20co"),
    ] {
        let lease = site.call(request).await.is_json(201);
        assert_eq!(site.fetch(&lease).await.has_status(200).body, content);
    }
    let link = site.get(&made.own, &olga).await.is_json(200);
    assert_eq!(link["link"]["downloads"], 2);
}

pub async fn a_link_for_a_recipient_opens_for_them(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    // Whom an operations user has registered is who they say.
    let carl = site.client_of(&olga).await;
    site.register("dora", false, None).await.has_status(201);
    let dora = site.token("dora").await;
    site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let properties = json!({"files": ["a.docx"], "recipient": "carl@example.org"});
    let made = site.managed(&olga, properties).await;
    let looked = site.call(Request::get(&*made.open)).await.is_json(200);
    assert_eq!(looked["recipient_required"], true);
    assert_eq!(looked["files"], Value::Null);
    site.open(&made).await.has_status(401);
    let bad = Request::post(&*made.open).bearer("a.b.c");
    site.call(bad)
        .await
        .is_problem(401, "Invalid or expired token");
    let as_olga = Request::post(&*made.open).bearer(&olga);
    site.call(as_olga).await.is_problem(404, GONE);
    let as_carl = Request::post(&*made.open).bearer(&carl);
    let lease = site.call(as_carl).await.is_json(201);
    site.fetch(&lease).await.has_status(200);
    // Who registered themselves has typed an address, and no more.
    let properties = json!({"files": ["a.docx"], "recipient": "dora@example.org"});
    let made = site.managed(&olga, properties).await;
    let as_dora = Request::post(&*made.open).bearer(&dora);
    site.call(as_dora).await.has_status(401);
}

pub async fn browsers_see_a_page(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("a");
    site.upload(&olga, "a & b.docx", &content).await;
    let properties = json!({"files": ["a & b.docx"], "max_downloads": 1});
    let made = site.managed(&olga, properties).await;
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = |request: Request| site.call(request.header("Accept", accept));
    let looked = page(Request::get(&*made.open)).await;
    looked.has_status(200);
    assert!(looked.contains("<li>a &amp; b.docx, "), "{looked}");
    assert!(looked.contains("<form method=\"post\">"), "{looked}");
    assert!(!looked.contains("type=\"password\""), "{looked}");
    let opened = page(Request::post(&*made.open)).await;
    opened.has_status(303);
    let location = opened.only("location").to_owned();
    let answer = page(Request::get(site.path_of(&location))).await;
    assert_eq!(answer.has_status(200).body, content);
    let spent = page(Request::post(&*made.open)).await;
    spent.has_status(404);
    assert!(spent.contains("<h1>Link not available</h1>"), "{spent}");

    let guarded = json!({"files": ["a & b.docx"], "password": "open sesame"});
    let guarded = site.managed(&olga, guarded).await;
    let form = |body: &str| {
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(&*guarded.open).header("Content-Type", kind);
        page(request.body(body.as_bytes()))
    };
    let looked = page(Request::get(&*guarded.open)).await;
    assert!(looked.contains("type=\"password\""), "{looked}");
    assert!(!looked.contains("docx"), "{looked}");
    let wrong = form("password=wrong").await;
    wrong.has_status(401);
    assert!(wrong.contains("<h1>Wrong password</h1>"), "{wrong}");
    assert!(wrong.contains("type=\"password\""), "it asks again");
    form("password=open+sesame").await.has_status(303);
    for answer in [looked, opened, spent, wrong] {
        assert_eq!(answer.only("cache-control"), "no-store", "{answer}");
        assert_eq!(answer.only("referrer-policy"), "no-referrer", "{answer}");
        if answer.status != 303 {
            let policy = answer.only("content-security-policy");
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert_eq!(answer.only("vary"), "Accept");
        }
    }
}

pub async fn several_files_come_as_one_archive(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let contents = [DOCX.document("one"), DOCX.document("another")];
    let mut ids = Vec::new();
    for content in &contents {
        // Under one name.
        ids.push(site.upload(&olga, "report.docx", content).await["id"].clone());
    }
    let made = site.managed(&olga, json!({"files": ids})).await;
    let lease = site.open(&made).await.is_json(201);
    let path = site.path_of(&text(&lease["download_url"]));
    let get = || Request::get(&*path);
    let whole = site.call(get()).await;
    whole.has_status(200);
    assert_eq!(whole.only("content-type"), "application/zip");
    assert_eq!(
        whole.only("content-disposition"),
        "attachment; filename=\"files.zip\""
    );
    let length = whole.body.len();
    assert_eq!(whole.only("content-length"), length.to_string());
    let has = |part: &[u8]| whole.body.windows(part.len()).any(|window| window == part);
    for content in &contents {
        assert!(has(content), "each is in it as it is");
    }
    assert!(has(b"report.docx") && has(b"report (2).docx"));
    assert!(whole.body.starts_with(b"PK\x03\x04"));
    let etag = whole.only("etag").to_owned();
    assert!(etag.starts_with('"'), "{etag} is strong");
    let head = site.call(Request::head(&*path)).await;
    assert_eq!(
        head.has_status(200).only("content-length"),
        length.to_string()
    );
    assert_eq!(head.only("etag"), etag);

    // Broken off anywhere, it goes on from there to the same bytes; also by another lease.
    let lease = site.open(&made).await.is_json(201);
    let again = site.path_of(&text(&lease["download_url"]));
    for from in [0, 1, 31, contents[0].len(), length / 2, length - 1] {
        for path in [&path, &again] {
            let rest = Request::get(&**path)
                .header("Range", format!("bytes={from}-"))
                .header("If-Range", &etag);
            let rest = site.call(rest).await;
            assert_eq!(rest.has_status(206).body, whole.body[from..]);
            let expected = format!("bytes {from}-{}/{length}", length - 1);
            assert_eq!(rest.only("content-range"), expected);
        }
    }
    let parts = site.call(get().header("Range", "bytes=0-3,-4")).await;
    parts.has_status(206);
    assert!(
        parts
            .only("content-type")
            .starts_with("multipart/byteranges")
    );
    let known = site.call(get().header("If-None-Match", &etag)).await;
    known.has_status(304);
    let beyond = site
        .call(get().header("Range", format!("bytes={length}-")))
        .await;
    beyond.has_status(416);
    let link = site.get(&made.own, &olga).await.is_json(200);
    assert_eq!(link["link"]["downloads"], 2);

    // What is left when one is removed has another tag: nobody goes on in the wrong archive.
    site.delete(&format!("/files/{}", text(&ids[0])), &olga)
        .await;
    let rest = get().header("Range", "bytes=5-").header("If-Range", &etag);
    let rest = site.call(rest).await;
    assert_eq!(rest.has_status(200).body, contents[1]);
}

pub async fn of_several_files_one_can_be_had(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    let contents = [DOCX.document("a"), DOCX.document("b"), DOCX.document("c")];
    let mut ids = Vec::new();
    for (name, content) in ["a.docx", "b.docx", "c.docx"].iter().zip(&contents) {
        ids.push(text(&site.upload(&olga, name, content).await["id"]));
    }
    let made = site
        .managed(&olga, json!({"files": ["a.docx", "b.docx"]}))
        .await;
    let lease = site.open(&made).await.is_json(201);
    let path = site.path_of(&text(&lease["download_url"]));
    for (id, content) in ids.iter().zip(&contents).take(2) {
        let one = site.call(Request::get(format!("{path}?file={id}"))).await;
        assert_eq!(one.has_status(200).body, *content);
    }
    let signed = site.link(&carl, "a.docx").await;
    for path in [
        format!("{path}?file={}", ids[2]),
        format!("{path}?file=a.docx"),
        format!("{path}?file="),
        format!("{signed}?file={}", ids[1]),
    ] {
        let answer = site.call(Request::get(path)).await;
        answer.is_problem(404, "File not found");
    }
}

/// A thousand on a hundred connections, for each of some budgets.
pub async fn racers_never_overshoot_a_budget(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    for budget in [1, 37, 100] {
        let properties = json!({"files": ["a.docx"], "max_downloads": budget});
        let made = site.managed(&olga, properties).await;
        let racers = (0..100).map(async |_| {
            let mut opened = 0;
            let mut connection = site.connect().await;
            for _ in 0..10 {
                let answer = connection.exchange(&Request::post(&*made.open)).await;
                match answer.status {
                    201 => opened += 1,
                    _ => answer.is_problem(404, GONE),
                }
            }
            opened
        });
        let opened: u64 = join_all(racers).await.into_iter().sum();
        assert_eq!(opened, budget);
        let link = site.get(&made.own, &olga).await.is_json(200);
        assert_eq!(link["link"]["downloads"], budget);
    }
}
