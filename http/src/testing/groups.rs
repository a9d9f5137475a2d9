//! `/groups` and what is below it.

use serde_json::{Value, json};

use super::{
    Start,
    client::Request,
    site::{Site, encoded, text},
};

const NO_GROUP: &str = "Group not found";
const NO_USER: &str = "User not found";
const TAKEN: &str = "Group name already exists";

/// 128 bits that no thing has as its id.
const NOTHING: &str = "00000000000000000000000000000000";

/// All items of a list, asked for in pages of `limit`.
async fn all(site: &Site, token: &str, path: &str, list: &str, limit: usize) -> Vec<Value> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let target = format!("{path}?limit={limit}{cursor}");
        let page = site.get(&target, token).await.is_json(200);
        let items = page[list].as_array().expect("it is a list");
        assert!(items.len() <= limit, "pages of {limit}: {page}");
        seen.extend(items.iter().cloned());
        if page["next"].is_null() {
            return seen;
        }
        assert_eq!(items.len(), limit, "only the last page is short");
        cursor = format!("&cursor={}", text(&page["next"]));
        assert!(seen.len() < 100, "the list ends");
    }
}

/// Queries of which no list has a page.
async fn has_no_such_pages(site: &Site, token: &str, path: &str, cursors: &[&str]) {
    let limit = "limit must be between 1 and 1000";
    for query in ["limit=0", "limit=1001", "limit=", "limit=ten"] {
        let answer = site.get(&format!("{path}?{query}"), token).await;
        answer.is_problem(400, limit);
    }
    for cursor in cursors {
        let answer = site.get(&format!("{path}?cursor={cursor}"), token).await;
        answer.is_problem(400, "Invalid cursor");
    }
}

pub async fn groups_are_made_renamed_and_removed(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let empty = site.get("/groups", &olga).await.is_json(200);
    assert_eq!(empty, json!({"groups": [], "next": null}));

    let new = json!({"name": " Müller & Co. "});
    let made = site.post("/groups", &olga, new).await.is_json(201);
    assert_eq!(made["msg"], "Group created");
    let group = &made["group"];
    assert_eq!(group.as_object().map(|members| members.len()), Some(4));
    assert_eq!(group["name"], "Müller & Co.");
    let at: jiff::Timestamp = text(&group["created_at"]).parse().expect("RFC 3339");
    assert!(at.as_second() > 1_700_000_000, "{at}");
    let path = format!("/groups/{}", text(&group["id"]));
    let shown = site.get(&path, &olga).await;
    assert_eq!(shown.is_json(200), json!({"group": group}));
    for (path, answer) in [
        (&*path, &shown),
        ("/groups", &site.get("/groups", &olga).await),
    ] {
        let head = site.call(Request::head(path).bearer(&olga)).await;
        head.has_status(200);
        assert_eq!(head.only("content-length"), answer.only("content-length"));
    }

    // Its own name is no other group's.
    for name in ["Müller & Co.", "Müller"] {
        let renamed = site.patch(&path, &olga, json!({"name": name})).await;
        let mut group = group.clone();
        group["name"] = name.into();
        let answer = json!({"msg": "Group updated", "group": group});
        assert_eq!(renamed.is_json(200), answer);
        let shown = site.get("/groups", &olga).await.is_json(200);
        assert_eq!(shown["groups"], json!([group]));
    }

    let removed = site.delete(&path, &olga).await.is_json(200);
    assert_eq!(removed["msg"], "Group removed");
    assert_eq!(removed["group"]["id"], group["id"]);
    assert_eq!(removed["group"]["name"], "Müller");
    site.delete(&path, &olga).await.is_problem(404, NO_GROUP);
    assert_eq!(site.get("/groups", &olga).await.is_json(200), empty);
    site.group(&olga, "Müller").await;
}

pub async fn groups_have_names_of_their_own(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let one = site.group(&olga, "one").await;
    let two = site.group(&olga, "two").await;
    let missing = "Missing required parameters: name";
    let needed = [
        (
            "PATCH",
            &*one,
            format!("{missing} or retention_days is required."),
        ),
        ("POST", "/groups", format!("{missing} is required.")),
    ];
    for (method, path, missing) in &needed {
        for body in [json!({}), json!({"name": null}), json!({"name": ""})] {
            let answer = site.ask(method, path, &olga, body).await;
            answer.is_problem(400, missing);
        }
        for name in [" ", "a\nb", "a\u{202e}b", &"é".repeat(101)] {
            let answer = site.ask(method, path, &olga, json!({"name": name})).await;
            answer.is_problem(400, "Invalid group name");
            assert!(answer.json()["detail"].is_string(), "{answer}");
        }
        for body in [json!({"name": 1}), json!({"name": ["x"]}), json!(["x"])] {
            let answer = site.ask(method, path, &olga, body).await;
            answer.is_problem(400, "Invalid JSON");
        }
        let answer = site.call(Request::new(method, *path).bearer(&olga).body("{}"));
        let msg = "Content-Type must be application/json";
        answer.await.is_problem(415, msg);
        for name in ["two", "two "] {
            let answer = site.ask(method, path, &olga, json!({"name": name})).await;
            answer.is_problem(409, TAKEN);
        }
    }
    for name in ["Two", &"é".repeat(100)] {
        site.group(&olga, name).await;
    }
    let group = site.get(&two, &olga).await.is_json(200);
    assert_eq!(group["group"]["name"], "two");
    assert_eq!(all(&site, &olga, "/groups", "groups", 9).await.len(), 4);
}

pub async fn groups_come_in_pages(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let mut names = ["b", "a & b", "Ä?", "1/2", "名前", "%", "a"];
    for name in names {
        site.group(&olga, name).await;
    }
    names.sort_unstable();
    for limit in [1, 2, 3, 6, 7, 8, 1000] {
        let groups = all(&site, &olga, "/groups", "groups", limit).await;
        let seen: Vec<_> = groups.iter().map(|group| text(&group["name"])).collect();
        assert_eq!(seen, names, "pages of {limit}");
    }
    let cursors = ["", "*", "a", "YQ==", "YR", "IA", "_w", "AA", "%00", NOTHING];
    has_no_such_pages(&site, &olga, "/groups", &cursors).await;
}

pub async fn clients_are_taken_into_groups_and_out_of_them(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let group = site.group(&olga, "all").await;
    let members = format!("{group}/members");
    let empty = json!({"members": [], "next": null});
    assert_eq!(site.get(&members, &olga).await.is_json(200), empty);

    let name = "Carl & Söhne/100%";
    let fields = json!({"username": name, "email": "carl@example.org", "password": "a password"});
    let registered = site.call(Request::post("/register").json(&fields)).await;
    registered.has_status(201);
    let new = json!({"username": name});
    let added = site.post(&members, &olga, new.clone()).await.is_json(201);
    assert_eq!(added["msg"], "Member added");
    let id = text(&added["member"]["id"]);
    let member = json!({
        "id": id,
        "username": name,
        "email": "carl@example.org",
        "status": "active",
    });
    assert_eq!(added["member"], member);
    let again = site.post(&members, &olga, new.clone()).await;
    assert_eq!(again.is_json(201), added, "one who is in it stays");
    let shown = site.get(&members, &olga).await.is_json(200);
    assert_eq!(shown, json!({"members": [member], "next": null}));

    for user in [id.clone(), encoded(name), encoded(&id)] {
        let target = format!("{members}/{user}");
        let removed = site.delete(&target, &olga).await.is_json(200);
        assert_eq!(removed, json!({"msg": "Member removed"}));
        assert_eq!(site.get(&members, &olga).await.is_json(200), empty);
        let answer = site.delete(&target, &olga).await;
        answer.is_problem(404, NO_USER);
        site.post(&members, &olga, new.clone())
            .await
            .has_status(201);
    }

    // A name that is like an id is that user's, unless another has the id.
    site.register(&id, false, None).await.has_status(201);
    let like = site.join(&olga, &group, &id).await;
    let target = format!("{members}/{id}");
    for left in [json!(like), Value::Null] {
        site.delete(&target, &olga).await.has_status(200);
        let shown = site.get(&members, &olga).await.is_json(200);
        assert_eq!(shown["members"][0]["id"], left, "{shown}");
    }
    site.delete(&target, &olga).await.is_problem(404, NO_USER);

    let missing = "Missing required parameters: username is required.";
    for body in [
        json!({}),
        json!({"username": null}),
        json!({"username": ""}),
    ] {
        let answer = site.post(&members, &olga, body).await;
        answer.is_problem(400, missing);
    }
    let answer = site.post(&members, &olga, json!({"username": 1})).await;
    answer.is_problem(400, "Invalid JSON");
    // Only clients are in groups.
    for name in ["olga", "nobody", "\n", "Carl", &"x".repeat(151)] {
        let answer = site.post(&members, &olga, json!({"username": name})).await;
        answer.is_problem(404, NO_USER);
    }
    for user in ["olga", "nobody", "%FF", "%00", NOTHING, "~"] {
        let answer = site.delete(&format!("{members}/{user}"), &olga).await;
        answer.is_problem(404, NO_USER);
    }
}

pub async fn members_come_in_pages(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let group = site.group(&olga, "all").await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        site.register(name, false, None).await.has_status(201);
        ids.push(site.join(&olga, &group, name).await);
    }
    ids.sort_unstable();
    let members = format!("{group}/members");
    for limit in [1, 2, 3, 4] {
        let users = all(&site, &olga, &members, "members", limit).await;
        let seen: Vec<_> = users.iter().map(|user| text(&user["id"])).collect();
        assert_eq!(seen, ids, "pages of {limit}");
    }
    let cursors = [
        "",
        "x",
        "0",
        "a",
        "%00",
        &ids[0].to_uppercase(),
        &ids[0][1..],
    ];
    has_no_such_pages(&site, &olga, &members, &cursors).await;
}

pub async fn what_is_no_group_is_not_found(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    site.client().await;
    let gone = site.group(&olga, "gone").await;
    site.join(&olga, &gone, "carl").await;
    site.delete(&gone, &olga).await.has_status(200);
    let there = site.group(&olga, "there").await;
    let upper = there.replace("/groups/", "").to_uppercase();
    let ids = ["x", "%FF", "%00", "..", "there", NOTHING, &upper];
    let paths = ids.iter().map(|id| format!("/groups/{id}"));
    for path in paths.chain([gone, format!("{there}0")]) {
        let members = format!("{path}/members");
        for (method, path, body) in [
            ("GET", path.clone(), Value::Null),
            ("PATCH", path.clone(), json!({"name": "there"})),
            ("DELETE", path, Value::Null),
            ("GET", members.clone(), Value::Null),
            ("POST", members.clone(), json!({"username": "carl"})),
            ("POST", members.clone(), json!({"username": "\n"})),
            ("DELETE", format!("{members}/carl"), Value::Null),
            ("DELETE", format!("{members}/nobody"), Value::Null),
        ] {
            let answer = site.ask(method, &path, &olga, body).await;
            answer.is_problem(404, NO_GROUP);
        }
        // What is wrong with a request is told before what is not there.
        let answer = site.post(&members, &olga, json!({})).await;
        answer.has_status(400);
        let answer = site.get(&format!("{members}?limit=0"), &olga).await;
        answer.has_status(400);
    }
}
