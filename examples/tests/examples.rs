//! The examples do what they say they do.

mod support;

use std::{
    future::Future,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

use consign_http::testing::{Answer, Connection, Form, Request};
use serde_json::{Value, json};

use self::support::{HANGS, Server};

const DOCUMENT: &[u8] = include_bytes!("../../core/tests/fixtures/office/libreoffice.docx");

#[tokio::test]
async fn embed_in_warp() {
    let server = Server::start(env!("CARGO_BIN_EXE_embed_in_warp"), &[]);
    let address = server.address;
    ends(async {
        host_answers(address).await;
        host_says(
            address,
            "/about",
            "We hand our documents over with Consign.",
        )
        .await;
        consign_answers(address).await;
        hand_over(address).await;
    })
    .await;
}

#[tokio::test]
async fn embed_in_axum() {
    let server = Server::start(env!("CARGO_BIN_EXE_embed_in_axum"), &[]);
    let address = server.address;
    ends(async {
        host_answers(address).await;
        host_says(address, "/about", "Our shop: files to hand over: 0").await;
        consign_answers(address).await;
        hand_over(address).await;
        host_says(address, "/about", "Our shop: files to hand over: 1").await;
    })
    .await;
}

#[test]
fn custom_store() {
    let said = "\
uploaded: report.docx
received: SHA-256 5a0f025488d979b4445e37046695ebf88d2db05220ee75c92f46f05aa673b76b
kept: 36624 bytes
refused: no room left
kept: 36624 bytes
";
    assert_eq!(output(env!("CARGO_BIN_EXE_custom_store")), said);
}

#[test]
fn custom_intake() {
    let said = "\
accepted: .pdf, .png, .jpg and .jpeg
contract.pdf: accepted as application/pdf
logo.png: accepted as image/png
a picture.pdf: file type not taken: it is image/png, not application/pdf
cut off.pdf: file type not taken: its end is missing
report.docx: file type not taken: the extension is \"docx\"
";
    assert_eq!(output(env!("CARGO_BIN_EXE_custom_intake")), said);
}

/// The host's routes are its own, its bodies too, and what is nobody's is its 404.
async fn host_answers(address: SocketAddr) {
    let page = host(address, Request::get("/")).await;
    assert!(page.has_status(200).contains("<p>Our shop."), "{page}");
    let order = "a chair, ".repeat(1000);
    let thanks = host(address, Request::post("/order").body(order)).await;
    let expected = "9000 bytes of an order, thank you";
    assert!(thanks.has_status(200).contains(expected), "{thanks}");
    for path in ["/nowhere", "/healthz", "/login", "/filesystem", "/files/x"] {
        let answer = host(address, Request::get(path)).await;
        answer.has_status(404);
        let problem = answer.header("content-type") == Some("application/problem+json");
        assert!(!problem, "{path} is the host's: {answer}");
    }
}

async fn host_says(address: SocketAddr, path: &str, text: &str) {
    let answer = host(address, Request::get(path)).await;
    assert_eq!(answer.has_status(200).body, text);
}

/// Consign's paths are Consign's, whatever is wrong with the request.
async fn consign_answers(address: SocketAddr) {
    for (path, status) in [
        ("", 200),
        ("/healthz", 200),
        ("/files", 401),
        ("/login", 405),
    ] {
        let request = Request::get(format!("/files{path}"));
        consign(address, request).await.has_status(status);
    }
}

/// A document of an office program goes in, and comes out as it was.
async fn hand_over(address: SocketAddr) {
    let olivia = sign_up(address, "olivia", true).await;
    let upload = Request::post("/files/upload").bearer(&olivia);
    let form = Form::of_file("report.docx", DOCUMENT);
    let uploaded = consign(address, upload.form(form)).await.is_json(200);
    assert_eq!(uploaded["msg"], "File report.docx uploaded successfully");

    let carl = sign_up(address, "carl", false).await;
    let ask = Request::get("/files/generate_download_url/report.docx").bearer(&carl);
    let link = text(&consign(address, ask).await.is_json(200), "download_url");
    let path = link.strip_prefix(&format!("http://{address}"));
    let path = path.filter(|path| path.starts_with("/files/download_file/"));
    let path = path.expect("the link leads to where Consign is mounted");
    let received = consign(address, Request::get(path)).await;
    assert!(received.has_status(200).body == DOCUMENT, "byte for byte");
}

/// Registers someone and signs them in; gives their access token.
async fn sign_up(address: SocketAddr, username: &str, operations: bool) -> String {
    let user = json!({
        "username": username,
        "email": format!("{username}@example.org"),
        "password": "a long password",
        "is_operation_user": operations,
    });
    let register = Request::post("/files/register").json(&user);
    consign(address, register).await.has_status(201);
    let login = Request::post("/files/login").json(&user);
    text(&consign(address, login).await.is_json(200), "access_token")
}

fn text(object: &Value, member: &str) -> String {
    object[member].as_str().expect("it is a text").to_owned()
}

/// An answer of Consign's, which keeps what all of them promise.
async fn consign(address: SocketAddr, request: Request) -> Answer {
    let request = request.below("/files");
    Connection::open(address).await.exchange(&request).await
}

/// An answer of the host's, of which nothing is known.
async fn host(address: SocketAddr, request: Request) -> Answer {
    let mut connection = Connection::open(address).await;
    let request = request.header("Connection", "close");
    connection.send(request.bytes(address)).await;
    connection
        .next(&request.method)
        .await
        .expect("the host answers")
}

/// What an example prints until it ends, and that it ends well.
fn output(example: &'static str) -> String {
    let (send, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut command = Command::new(example);
        send.send(command.stderr(Stdio::inherit()).output())
    });
    let output = ended.recv_timeout(HANGS).expect("the example ends");
    let output = output.expect("the example was built");
    assert!(output.status.success(), "{example}: {}", output.status);
    String::from_utf8(output.stdout).expect("it prints text")
}

async fn ends(test: impl Future<Output = ()>) {
    tokio::time::timeout(HANGS, test)
        .await
        .expect("the example answers");
}
