use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{
    answer::Answer,
    client::{Connection, Request},
    forms::{DOCX, Form},
};

/// Hands a file over, from two registrations to its download, through the API that is mounted under
/// `prefix` (such as `/files`, or nothing) at `address`, and whose public URL is just that: a quick
/// check that a host application mounts it as it means to.
///
/// The first operations user registers here, so none may be there yet.
///
/// # Panics
/// When anything goes another way.
pub async fn hand_over(address: SocketAddr, prefix: &str) {
    let content = DOCX.document("handed over");
    let olga = sign_up(address, prefix, "hand-over-olga", true).await;
    let upload = Request::post(format!("{prefix}/upload")).bearer(&olga);
    let file = exchange(
        address,
        upload.form(Form::of_file("hand over.docx", &content)),
    )
    .await;
    assert_eq!(
        file.is_json(200)["msg"],
        "File hand over.docx uploaded successfully"
    );

    let carl = sign_up(address, prefix, "hand-over-carl", false).await;
    let files = exchange(
        address,
        Request::get(format!("{prefix}/files")).bearer(&carl),
    )
    .await;
    assert_eq!(files.is_json(200)["files"][0]["filename"], "hand over.docx");
    let target = format!("{prefix}/generate_download_url/hand%20over.docx");
    let link = exchange(address, Request::get(target).bearer(&carl))
        .await
        .is_json(200);
    let link = link["download_url"]
        .as_str()
        .expect("download_url is a text");
    let target = link.strip_prefix(&format!("http://{address}"));
    let target = target.filter(|target| target.starts_with(&format!("{prefix}/download_file/")));
    let target = target.unwrap_or_else(|| panic!("{link} begins with http://{address}{prefix}"));
    let answer = exchange(address, Request::get(target)).await;
    assert_eq!(answer.has_status(200).body, content);
}

async fn sign_up(address: SocketAddr, prefix: &str, name: &str, operations: bool) -> String {
    let password = "a password of theirs";
    let fields = json!({
        "username": name,
        "email": format!("{name}@example.org"),
        "password": password,
        "is_operation_user": operations,
    });
    let post = |path: &str, fields: &Value| Request::post(format!("{prefix}{path}")).json(fields);
    exchange(address, post("/register", &fields))
        .await
        .has_status(201);
    let fields = json!({"username": name, "password": password});
    let session = exchange(address, post("/login", &fields))
        .await
        .is_json(200);
    session["access_token"]
        .as_str()
        .expect("access_token is a text")
        .to_owned()
}

async fn exchange(address: SocketAddr, request: Request) -> Answer {
    Connection::open(address).await.exchange(&request).await
}
