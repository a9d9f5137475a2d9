//! Operations users who are confined to what is their own, by command and over the socket.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use consign_http::testing::Request;
use serde_json::{Value, json};
use support::{PASSWORD, Server, package::docx, text};

#[tokio::test]
async fn a_confined_operations_user_sees_what_is_their_own() {
    let server = Server::new();
    let home = &server.home;
    let olga = server.sign_up("olga", true).await;
    home.add_user("otto", "operations");
    home.run(&["user", "confine", "otto"]).succeeds();
    let otto = server.token("otto").await;
    let others = server.upload(&olga, "others.docx", &docx(1, 1000)).await;
    server.upload(&otto, "own.docx", &docx(2, 1000)).await;
    let files = server.files(&otto).await;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0]["filename"], "own.docx");
    assert_eq!(files[0]["audience"], "nobody");
    let own = format!("/files/{}", text(&files[0]["id"]));
    let ask = async |method: &str, target: &str, body: Value| {
        let request = Request::new(method, target).bearer(&otto);
        server.call(request.json(&body)).await
    };
    let everybody = json!({"audience": "everybody"});
    let refused = "You are not authorized to do this";
    ask("PATCH", &own, everybody.clone())
        .await
        .is_problem(403, refused);
    for name in ["carl", "dora"] {
        server.sign_up(name, false).await;
    }
    home.run(&["user", "assign", "carl", "otto"]).succeeds();
    let carl = json!({"audience": {"users": ["carl"]}});
    ask("PATCH", &own, carl).await.is_json(200);
    let dora = json!({"audience": {"users": ["dora"]}});
    ask("PATCH", &own, dora)
        .await
        .is_problem(404, "User not found");
    let group = Request::post("/groups").bearer(&olga);
    let group = server.call(group.json(&json!({"name": "others"}))).await;
    let group = format!("/groups/{}", text(&group.is_json(201)["group"]["id"]));
    for (target, msg) in [
        (format!("/files/{others}"), "File not found"),
        (group, "Group not found"),
    ] {
        ask("DELETE", &target, Value::Null)
            .await
            .is_problem(404, msg);
    }
    let audit = server.call(Request::get("/audit").bearer(&otto)).await;
    audit.is_problem(403, refused);
    let invited = json!({
        "username": "eve",
        "email": "eve@example.org",
        "password": PASSWORD,
        "is_operation_user": true,
    });
    let msg = "Only an operation user can register operation users";
    ask("POST", "/register", invited).await.is_problem(403, msg);

    home.run(&["user", "assign", "carl"]).succeeds();
    home.run(&["user", "vouch", "carl"]).succeeds();
    let carl = json!({"audience": {"users": ["carl"]}});
    ask("PATCH", &own, carl)
        .await
        .is_problem(404, "User not found");
    home.run(&["user", "unconfine", "otto"]).succeeds();
    assert_eq!(server.files(&otto).await.len(), 2);
    ask("PATCH", &own, everybody).await.is_json(200);
    let users = home.run(&["user", "list", "--json"]).json();
    let of = |name: &str| users.iter().find(|user| user["username"] == name).unwrap();
    assert_eq!(of("otto")["confined"], false);
    assert_eq!(of("carl")["owner"], Value::Null);
    assert_eq!(of("carl")["address_proved"], true);
    assert_eq!(of("dora")["address_proved"], false);
    for args in [
        &["user", "confine", "nobody"][..],
        &["user", "vouch", "nobody"],
        &["user", "assign", "nobody", "otto"],
        &["user", "assign", "otto", "otto"],
        &["user", "assign", "carl", "dora"],
    ] {
        home.run(args).fails(1, "no such user");
    }
}
