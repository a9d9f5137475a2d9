//! What an administrator does with managed links.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use consign_http::testing::{DOCX, Request};
use serde_json::{Value, json};
use support::{Home, Server, load, text};

/// A new link as its maker is told of it, and its path.
async fn link(server: &Server, token: &str, properties: Value) -> (Value, String) {
    let request = Request::post("/links").bearer(token).json(&properties);
    let mut link = server.call(request).await.is_json(201)["link"].clone();
    let url = link.as_object_mut().unwrap().remove("url").unwrap();
    let secret = text(&url).rsplit('/').next().unwrap().to_owned();
    (link, format!("/l/{secret}"))
}

/// A link as its maker sees it, with what the administrator is told of its files.
fn told(mut link: Value) -> Value {
    for file in link["files"].as_array_mut().unwrap() {
        *file = file["id"].clone();
    }
    link
}

#[tokio::test]
async fn links_are_listed_with_what_became_of_them() {
    let home = Home::new();
    let server = Server::on(&home, load::long_lived);
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    for name in ["a.docx", "b.docx"] {
        server.upload(&olga, name, &DOCX.document(name)).await;
    }
    let properties = json!({
        "files": ["a.docx", "b.docx"],
        "password": "open sesame",
        "recipient": "rita@example.net",
        "note": "for the\nboard",
    });
    let (open, _) = link(&server, &olga, properties).await;
    let once = json!({"files": ["a.docx"], "max_downloads": 1});
    let (spent, path) = link(&server, &olga, once).await;
    let lease = server.call(Request::post(&*path)).await.is_json(201);
    let (revoked, revoked_path) = link(&server, &olga, json!({"files": ["a.docx"]})).await;
    let own = format!("/links/{}", text(&revoked["id"]));
    let revoke = Request::new("DELETE", own).bearer(&olga);
    server.call(revoke).await.is_json(200);
    let (others, _) = link(&server, &carl, json!({"files": ["b.docx"]})).await;

    let listed = home.run(&["user", "links", "olga", "--json"]);
    assert_eq!(listed.err, "3 link(s)\n");
    let as_maker = server.call(Request::get("/links").bearer(&olga)).await;
    let as_maker = as_maker.is_json(200)["links"].clone();
    let expected: Vec<_> = as_maker
        .as_array()
        .unwrap()
        .iter()
        .cloned()
        .map(told)
        .collect();
    assert_eq!(listed.json(), expected, "as their maker sees them");
    for secret in [
        &path,
        &revoked_path,
        "sesame",
        &text(&lease["download_url"]),
    ] {
        let secret = secret.rsplit('/').next().unwrap();
        assert!(!listed.out.contains(secret), "{secret}: {listed:?}");
    }
    let carls = home.run(&["user", "links", "carl", "--json"]).json();
    assert_eq!(carls, [told(others)]);

    let table = home.run(&["user", "links", "olga"]);
    let rows: Vec<Vec<&str>> = table
        .succeeds()
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 4, "a note breaks no row: {rows:?}");
    assert_eq!(
        rows[0],
        ["ID", "DOWNLOADS", "UNTIL", "STATE", "FILES", "FOR"]
    );
    for (link, downloads, state, files, recipient) in [
        (&open, "0", "open", "2", "rita@example.net"),
        (&spent, "1/1", "spent", "1", "whoever"),
        (&revoked, "0", "revoked", "1", "whoever"),
    ] {
        let id = text(&link["id"]);
        let row = rows.iter().find(|row| row[0] == id).unwrap();
        let until = text(&link["expires_at"]);
        assert_eq!(row[1..6], [downloads, &until, state, files, recipient]);
    }
}

#[tokio::test]
async fn a_link_is_revoked_whoever_made_it() {
    let home = Home::new();
    let server = Server::on(&home, load::long_lived);
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let mut made = Vec::new();
    for maker in [&olga, &carl] {
        let (link, path) = link(&server, maker, json!({"files": ["a.docx"]})).await;
        let lease = server.call(Request::post(&*path)).await.is_json(201);
        let token = text(&lease["download_url"]);
        let token = token.rsplit('/').next().unwrap().to_owned();
        made.push((text(&link["id"]), path, format!("/download_file/{token}")));
    }
    let is_dead = async |server: &Server, path: &str, lease: &str| {
        let answer = server.call(Request::post(path)).await;
        answer.is_problem(404, "Link not available");
        assert!(!server.opens(lease).await);
    };
    let (id, path, lease) = &made[1];
    assert!(server.opens(lease).await);
    for _ in ["revoked", "revoked before"] {
        let ran = home.run(&["user", "revoke-link", id]);
        assert_eq!(ran.succeeds(), "");
        assert_eq!(ran.err, format!("link {id} is revoked\n"));
        is_dead(&server, path, lease).await;
    }

    // Without a server, too.
    let (id, path, lease) = &made[0];
    assert!(server.opens(lease).await, "nobody else's was meant");
    server.stop();
    home.run(&["user", "revoke-link", id]).succeeds();
    let server = Server::on(&home, load::long_lived);
    is_dead(&server, path, lease).await;
}

#[tokio::test]
async fn what_is_no_link_or_no_user_is_told() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    server.sign_up("olga", true).await;
    let none = home.run(&["user", "links", "olga"]);
    assert_eq!(
        (none.succeeds().lines().count(), &*none.err),
        (1, "0 link(s)\n")
    );
    home.run(&["user", "links", "nobody"])
        .fails(1, "consign: no such user");
    home.run(&["user", "revoke-link", &"0".repeat(32)])
        .fails(1, "consign: no such link");
    // A secret is longer than an id: it is not taken for one, and revokes nothing.
    for id in ["x", &"0".repeat(40)] {
        home.run(&["user", "revoke-link", id])
            .fails(2, "not an identifier");
    }
    home.run(&["user", "links"]).fails(2, "<USERNAME>");
}
