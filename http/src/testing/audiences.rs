//! Whom files are for: `/files/{file}`, and what an upload says of it.

use serde_json::{Value, json};

use super::{
    Start,
    answer::Answer,
    client::Request,
    forms::{DOCX, Form},
    site::{Site, encoded, for_client, text},
};

const NO_FILE: &str = "File not found";
const NO_USER: &str = "User not found";
const NO_GROUP: &str = "Group not found";
const INVALID: &str = "Invalid audience";

/// 128 bits that no thing has as its id.
const NOTHING: &str = "00000000000000000000000000000000";

/// Two clients, the second of them in a group.
struct Cast {
    site: Site,
    olga: String,
    carl: String,
    dora: String,
    /// The path of the group, and its id.
    group: String,
    id: String,
}

impl Cast {
    async fn new(start: &Start) -> Self {
        let site = Site::new(start).await;
        let olga = site.operations().await;
        let carl = site.client().await;
        site.register("dora", false, None).await.has_status(201);
        let dora = site.token("dora").await;
        let group = site.group(&olga, "Dora's").await;
        site.join(&olga, &group, "dora").await;
        let id = group.replace("/groups/", "");
        Self {
            site,
            olga,
            carl,
            dora,
            group,
            id,
        }
    }

    /// The path of a new file.
    async fn file(&self, name: &str) -> String {
        let content = DOCX.document(name);
        let file = self.site.upload(&self.olga, name, &content).await;
        format!("/files/{}", text(&file["id"]))
    }

    async fn share(&self, file: &str, audience: &Value) -> Answer {
        let body = json!({"audience": audience});
        self.site.patch(file, &self.olga, body).await
    }

    async fn upload(&self, query: &str, name: &str) -> Answer {
        let form = Form::of_file(name, &DOCX.document(name));
        let target = format!("/upload{query}");
        let request = Request::post(target).bearer(&self.olga).form(form);
        self.site.call(request).await
    }

    /// Whether a file is there for a client: the same by each way to it.
    async fn has(&self, client: &str, file: &str, name: &str) -> bool {
        let listed = self.site.names(client).await.contains(&name.to_owned());
        let id = file.replace("/files/", "");
        for target in [
            file.to_owned(),
            format!("/generate_download_url/{id}"),
            format!("/generate_download_url/{}", encoded(name)),
        ] {
            let answer = self.site.get(&target, client).await;
            match listed {
                true => drop(answer.is_json(200)),
                false => answer.is_problem(404, NO_FILE),
            }
        }
        listed
    }
}

pub async fn a_file_is_there_for_its_audience_alone(start: &Start) {
    let cast = Cast::new(start).await;
    let Cast { site, olga, id, .. } = &cast;
    let file = cast.file("a.docx").await;
    let shown = site.get(&file, olga).await.is_json(200)["file"].clone();
    assert_eq!(shown["audience"], "everybody");
    for (audience, said, carl, dora) in [
        (json!("nobody"), json!("nobody"), false, false),
        (
            json!({"users": ["carl"]}),
            json!({"users": ["carl"], "groups": []}),
            true,
            false,
        ),
        (
            json!({"groups": [id]}),
            json!({"users": [], "groups": [id]}),
            false,
            true,
        ),
        (
            json!({"users": ["dora", "carl", "dora"], "groups": [id, id]}),
            json!({"users": ["carl", "dora"], "groups": [id]}),
            true,
            true,
        ),
        (
            json!({"users": [], "groups": []}),
            json!("nobody"),
            false,
            false,
        ),
        (json!("everybody"), json!("everybody"), true, true),
    ] {
        let mut expected = shown.clone();
        expected["audience"] = said.clone();
        // What was said can be said again.
        for audience in [&audience, &said] {
            let answer = cast.share(&file, audience).await.is_json(200);
            assert_eq!(answer, json!({"msg": "File updated", "file": expected}));
            let single = site.get(&file, olga).await.is_json(200);
            assert_eq!(single, json!({"file": expected}));
            let listed = site.get("/files", olga).await.is_json(200);
            assert_eq!(listed, json!({"files": [expected], "next": null}));
            for (client, has) in [(&cast.carl, carl), (&cast.dora, dora)] {
                assert_eq!(cast.has(client, &file, "a.docx").await, has, "{audience}");
            }
        }
    }
    // A name means the newest version that one sees.
    let newer = cast.file("a.docx").await;
    let only = json!({"users": ["dora"]});
    cast.share(&newer, &only).await.has_status(200);
    let (old, new) = (
        site.link(&cast.carl, "a.docx").await,
        site.link(&cast.dora, "a.docx").await,
    );
    assert_eq!(site.names(&cast.carl).await, ["a.docx"]);
    assert_eq!(site.names(&cast.dora).await, ["a.docx", "a.docx"]);
    site.delete(&newer, olga).await.has_status(200);
    site.call(Request::get(old)).await.has_status(200);
    site.call(Request::get(new)).await.has_status(401);
}

pub async fn a_file_is_shown_and_removed_by_its_id(start: &Start) {
    let cast = Cast::new(start).await;
    let Cast {
        site, olga, carl, ..
    } = &cast;
    let (gone, stays) = (cast.file("gone.docx").await, cast.file("stays.docx").await);
    let listed = site.get("/files", olga).await.is_json(200)["files"].clone();
    for (path, file) in [(&stays, &listed[0]), (&gone, &listed[1])] {
        for (token, file) in [(olga, file.clone()), (carl, for_client(file))] {
            let answer = site.get(path, token).await;
            assert_eq!(answer.is_json(200), json!({"file": file}));
            let head = site.call(Request::head(path).bearer(token)).await;
            head.has_status(200);
            assert_eq!(head.only("content-length"), answer.only("content-length"));
        }
    }
    let link = site.link(carl, "gone.docx").await;
    let answer = site.delete(&gone, carl).await;
    answer.is_problem(403, "You are not authorized to do this");
    let removed = site.delete(&gone, olga).await.is_json(200);
    assert_eq!(removed, json!({"msg": "File removed", "file": listed[1]}));
    site.call(Request::get(&link)).await.has_status(401);
    assert_eq!(site.names(olga).await, ["stays.docx"]);

    let upper = stays.replace("/files/", "").to_uppercase();
    let ids = ["stays.docx", "x", "%FF", "%00", "..", NOTHING, &upper];
    let paths = ids.iter().map(|id| format!("/files/{id}"));
    for path in paths.chain([gone, format!("{stays}0")]) {
        for token in [olga, carl] {
            site.get(&path, token).await.is_problem(404, NO_FILE);
        }
        site.delete(&path, olga).await.is_problem(404, NO_FILE);
        for audience in [json!("nobody"), json!({"users": ["nobody at all"]})] {
            cast.share(&path, &audience).await.is_problem(404, NO_FILE);
        }
        // What is wrong with a request is told before what is not there.
        cast.share(&path, &json!(1)).await.is_problem(400, INVALID);
    }
    assert_eq!(site.names(carl).await, ["stays.docx"]);
}

pub async fn what_narrows_an_audience_ends_links_at_once(start: &Start) {
    let cast = Cast::new(start).await;
    let Cast {
        site,
        olga,
        dora,
        group,
        id,
        ..
    } = &cast;
    let file = cast.file("a.docx").await;
    let in_group = json!({"groups": [id]});
    for at in 0..4 {
        cast.share(&file, &in_group).await.has_status(200);
        let link = site.link(dora, "a.docx").await;
        let other = site.link(dora, &file.replace("/files/", "")).await;
        site.call(Request::get(&link)).await.has_status(200);
        let narrowed = match at {
            0 => cast.share(&file, &json!("nobody")).await,
            1 => cast.share(&file, &json!({"users": ["carl"]})).await,
            2 => site.delete(&format!("{group}/members/dora"), olga).await,
            _ => site.delete(group, olga).await,
        };
        narrowed.has_status(200);
        for link in [&link, &other] {
            let answer = site.call(Request::get(link)).await;
            answer.is_problem(401, "Invalid or expired token");
            site.call(Request::head(link)).await.has_status(401);
            let part = Request::get(link).header("Range", "bytes=0-0");
            site.call(part).await.has_status(401);
        }
        assert!(!cast.has(dora, &file, "a.docx").await);
        if at == 2 {
            site.join(olga, group, "dora").await;
            site.call(Request::get(&link)).await.has_status(200);
        }
    }
}

pub async fn whom_a_file_is_for_is_told_to_operations_alone(start: &Start) {
    let cast = Cast::new(start).await;
    let Cast {
        site,
        olga,
        carl,
        group,
        id,
        ..
    } = &cast;
    let file = cast.file("a.docx").await;
    let members = format!("{group}/members");
    for audience in [
        json!("everybody"),
        json!({"users": ["carl"]}),
        json!({"users": ["carl", "dora"], "groups": [id]}),
    ] {
        cast.share(&file, &audience).await.has_status(200);
        // Asked for once by each before, so that nothing that is kept for one is shown to the other.
        for token in [olga, carl, olga, carl] {
            let name = "/generate_download_url/a.docx";
            for target in ["/files", "/files/", &file, name, group, &members, "/groups"] {
                let answer = site.get(target, token).await;
                let told = ["audience", "everybody", "dora", "Dora", &**id];
                let told = told.into_iter().any(|word| answer.contains(word));
                assert!(token == olga || !told, "{answer}");
            }
            let answer = site.get(&file, token).await.is_json(200);
            let told = answer["file"].get("audience").is_some();
            assert_eq!(told, token == olga, "{answer}");
        }
    }
    let answer = site
        .patch(&file, carl, json!({"audience": "everybody"}))
        .await;
    answer.is_problem(403, "You are not authorized to do this");
}

pub async fn who_is_no_more_is_left_out(start: &Start) {
    let cast = Cast::new(start).await;
    let Cast {
        site,
        olga,
        group,
        id,
        ..
    } = &cast;
    let other = site.group(olga, "another").await.replace("/groups/", "");
    let file = cast.file("a.docx").await;
    let both = json!({"users": ["carl"], "groups": [id, other]});
    cast.share(&file, &both).await.has_status(200);
    site.delete(group, olga).await.has_status(200);
    let left = json!({"users": ["carl"], "groups": [other]});
    let shown = async || {
        let single = site.get(&file, olga).await.is_json(200)["file"].clone();
        let listed = site.get("/files", olga).await.is_json(200)["files"][0].clone();
        assert_eq!(single, listed);
        single["audience"].clone()
    };
    assert_eq!(shown().await, left);
    // It cannot be named again; what is shown can.
    let answer = cast.share(&file, &both).await;
    answer.is_problem(404, NO_GROUP);
    assert!(text(&answer.json()["detail"]).contains(&**id), "{answer}");
    assert_eq!(shown().await, left);
    cast.share(&file, &left).await.has_status(200);
    assert_eq!(shown().await, left);

    cast.share(&file, &json!({"groups": [other]}))
        .await
        .has_status(200);
    let target = format!("/groups/{other}");
    site.delete(&target, olga).await.has_status(200);
    assert_eq!(shown().await, "nobody");
    let removed = site.delete(&file, olga).await.is_json(200);
    assert_eq!(removed["file"]["audience"], "nobody");
}

pub async fn an_upload_says_whom_it_is_for(start: &Start) {
    let cast = Cast::new(start).await;
    let Cast {
        site,
        olga,
        carl,
        dora,
        id,
        ..
    } = &cast;
    let space = "Ann & Co: 100%+";
    let fields = json!({"username": space, "email": "ann@example.org", "password": "a password"});
    let registered = site.call(Request::post("/register").json(&fields)).await;
    registered.has_status(201);
    for (at, (query, said, to_carl, to_dora)) in [
        (String::new(), json!("everybody"), true, true),
        ("?x=y".into(), json!("everybody"), true, true),
        ("?audience=everybody".into(), json!("everybody"), true, true),
        ("?audience=nobody".into(), json!("nobody"), false, false),
        ("?%61udience=nobody&x".into(), json!("nobody"), false, false),
        (
            "?audience=user:carl".into(),
            json!({"users": ["carl"], "groups": []}),
            true,
            false,
        ),
        (
            format!(
                "?audience=group%3A{id}&x=y&audience=user:{}",
                encoded(space)
            ),
            json!({"users": [space], "groups": [id]}),
            false,
            true,
        ),
        (
            format!("?audience=user:dora&audience=group:{id}&audience=user:carl"),
            json!({"users": ["carl", "dora"], "groups": [id]}),
            true,
            true,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{at}.docx");
        let uploaded = cast.upload(&query, &name).await.is_json(200)["file"].clone();
        assert_eq!(uploaded["audience"], said, "{query}");
        let path = format!("/files/{}", text(&uploaded["id"]));
        let shown = site.get(&path, olga).await.is_json(200);
        assert_eq!(shown, json!({"file": uploaded}));
        for (client, has) in [(carl, to_carl), (dora, to_dora)] {
            assert_eq!(cast.has(client, &path, &name).await, has, "{query}");
        }
    }
}

/// Audiences of which some are not there, and the answer.
fn unknown(id: &str) -> [(Value, &'static str, String); 8] {
    let long = "x".repeat(200);
    [
        (json!({"users": ["nobody"]}), NO_USER, "\"nobody\"".into()),
        (
            json!({"users": ["carl", "Carl"]}),
            NO_USER,
            "\"Carl\"".into(),
        ),
        (
            json!({"users": ["olga"], "groups": [id]}),
            NO_USER,
            "\"olga\"".into(),
        ),
        (json!({"users": [""]}), NO_USER, "\"\"".into()),
        (json!({"users": [long]}), NO_USER, "\"xxx".into()),
        (json!({"groups": [NOTHING]}), NO_GROUP, NOTHING.into()),
        (
            json!({"groups": [id.to_uppercase()]}),
            NO_GROUP,
            id.to_uppercase(),
        ),
        (
            json!({"users": ["carl"], "groups": [id, "Dora's"]}),
            NO_GROUP,
            "\"Dora's\"".into(),
        ),
    ]
}

pub async fn audiences_that_cannot_be_are_refused(start: &Start) {
    let cast = Cast::new(start).await;
    let Cast { site, olga, id, .. } = &cast;
    let file = cast.file("a.docx").await;
    let before = site.get(&file, olga).await.is_json(200);
    let missing = "Missing required parameters: audience or expires_in is required.";
    for body in [
        json!({}),
        json!({"audience": null}),
        json!({"audience": ""}),
    ] {
        let answer = site.patch(&file, olga, body).await;
        answer.is_problem(400, missing);
    }
    let answer = site.patch(&file, olga, json!(["nobody"])).await;
    answer.is_problem(400, "Invalid JSON");
    let answer = site.call(Request::new("PATCH", &*file).bearer(olga).body("{}"));
    let msg = "Content-Type must be application/json";
    answer.await.is_problem(415, msg);
    let many: Vec<_> = (0..101).map(|at| format!("user {at}")).collect();
    for audience in [
        json!(1),
        json!([]),
        json!(["everybody"]),
        json!("Everybody"),
        json!("carl"),
        json!({"everybody": true}),
        json!({"user": ["carl"]}),
        json!({"users": ["carl"], "people": []}),
        json!({"users": "carl"}),
        json!({"users": [1]}),
        json!({"groups": {}}),
        json!({"users": many}),
        json!({"users": many[..100], "groups": [id]}),
    ] {
        let answer = cast.share(&file, &audience).await;
        answer.is_problem(400, INVALID);
        assert!(answer.json()["detail"].is_string(), "{answer}");
    }
    for (audience, msg, detail) in unknown(id) {
        let answer = cast.share(&file, &audience).await;
        answer.is_problem(404, msg);
        let told = text(&answer.json()["detail"]);
        assert!(told.contains(&detail) && told.len() < 200, "{answer}");
    }
    let answer = cast.share(&file, &json!({"users": many[..100]})).await;
    answer.is_problem(404, NO_USER);
    assert_eq!(site.get(&file, olga).await.is_json(200), before);
}

pub async fn uploads_for_such_are_refused_before_they_come(start: &Start) {
    let cast = Cast::new(start).await;
    let Cast {
        site,
        olga,
        carl,
        id,
        ..
    } = &cast;
    let many: String = (0..101).map(|at| format!("audience=user:{at}&")).collect();
    let mut refused: Vec<(String, u16, &str, String)> = [
        "audience",
        "audience=",
        "audience=all",
        "audience=carl",
        "audience=Nobody",
        "audience=users:carl",
        "audience=user",
        "audience=%FF",
        "audience=everybody&audience=nobody",
        "audience=nobody&audience=nobody",
        "audience=everybody&audience=user:carl",
        "audience=user:carl&audience=",
        &many,
    ]
    .into_iter()
    .map(|query| (query.to_owned(), 400, INVALID, String::new()))
    .collect();
    for (audience, msg, detail) in unknown(id) {
        let mut query = String::new();
        for (kind, list) in [("user", "users"), ("group", "groups")] {
            for name in audience[list].as_array().into_iter().flatten() {
                query += &format!("audience={kind}:{}&", encoded(&text(name)));
            }
        }
        refused.push((query, 404, msg, detail));
    }
    let (kind, body) = Form::of_file("a.docx", &DOCX.document("x")).finish();
    for (query, status, msg, detail) in refused {
        let request = Request::post(format!("/upload?{query}"))
            .header("Content-Type", &kind)
            .header("Content-Length", "1000")
            .header("Expect", "100-continue");
        let answer = site.call(request.clone().bearer(olga)).await;
        answer.is_problem(status, msg);
        assert!(answer.interim.is_empty(), "it is not asked for");
        assert!(text(&answer.json()["detail"]).contains(&detail), "{answer}");
        // Who may not upload learns nothing of who is there.
        site.call(request.clone()).await.has_status(401);
        site.call(request.bearer(carl)).await.has_status(403);
        let whole = Request::post(format!("/upload?{query}")).bearer(olga);
        let whole = whole.header("Content-Type", &kind).body(body.clone());
        site.call(whole).await.is_problem(status, msg);
    }
    site.has_no_files_and_takes_some(olga).await;
}
