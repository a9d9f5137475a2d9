//! Recipients who prove by a code that it is they, with mail that goes to a real SMTP server.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{process::Command, sync::Arc};

use consign_http::testing::{Answer, Request};
use consign_mail_smtp::testing::{Reaction, Received, SmtpSink, Step};
use serde_json::json;
use support::{Home, Server, load, package::docx, soon, text};

fn posting(sink: &SmtpSink) -> impl Fn(&mut Command) {
    let url = sink.url();
    move |command| {
        load::long_lived(command);
        command.args(["--mail", &url, "--mail-from", "Consign <files@example.org>"]);
    }
}

/// The path of a new link for Rita.
async fn link(server: &Server) -> String {
    let olga = server.sign_up("olga", true).await;
    server.upload(&olga, "a.docx", &docx(1, 1000)).await;
    let properties = json!({"files": ["a.docx"], "recipient": "rita@example.net"});
    let request = Request::post("/links").bearer(&olga).json(&properties);
    let link = server.call(request).await.is_json(201)["link"].clone();
    let url = text(&link["url"]);
    format!("/l/{}", url.rsplit('/').next().unwrap())
}

async fn asked_for_a_code(server: &Server, link: &str) {
    let answer = server.call(Request::post(link)).await;
    answer.is_problem(401, "A code was sent to the recipient");
}

fn code(mail: &Received) -> String {
    let text = mail.text();
    let (_, code) = text.split_once("your code: ").unwrap();
    code.lines().next().unwrap().trim().to_owned()
}

async fn opened_by(server: &Server, link: &str, code: &str) -> Answer {
    let lease = server
        .call(Request::post(link).json(&json!({"code": code})))
        .await;
    let url = text(&lease.is_json(201)["download_url"]);
    let token = url.rsplit('/').next().unwrap();
    server
        .call(Request::get(format!("/download_file/{token}")))
        .await
}

#[tokio::test]
async fn a_code_reaches_the_recipient_and_opens_the_link() {
    let sink = SmtpSink::start().await;
    let server = Server::with(posting(&sink));
    let link = link(&server).await;
    asked_for_a_code(&server, &link).await;
    let mail = soon(sink.wait_for(1)).await;
    assert_eq!(
        mail[0].header("From").unwrap(),
        "Consign <files@example.org>"
    );
    assert_eq!(mail[0].header("To").unwrap(), "rita@example.net");
    let code = code(&mail[0]);
    let answer = opened_by(&server, &link, &code).await;
    assert_eq!(answer.has_status(200).body, docx(1, 1000));
    let (_, log) = {
        server.signal(rustix::process::Signal::TERM);
        server.end()
    };
    for secret in [&*code, "rita", link.strip_prefix("/l/").unwrap()] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// A mail server that is down delays mail and nothing else, and a restart in the middle loses none.
#[tokio::test]
async fn mail_outlives_its_server_and_ours() {
    let mut sink = SmtpSink::start().await;
    sink.refuse().await;
    let home = Home::new();
    let server = Server::on(&home, posting(&sink));
    let link = link(&server).await;
    asked_for_a_code(&server, &link).await;
    server.serves().await;
    server.kill();
    sink.admit();
    // Greylisted at first.
    sink.react(Step::Rcpt, Reaction::answer("451 4.7.1 try again later"));
    let server = Server::on(&home, posting(&sink));
    soon(async {
        while sink.connections() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(sink.received().is_empty());
    sink.behave();
    let mail = soon(sink.wait_for(1)).await;
    let answer = opened_by(&server, &link, &code(&mail[0])).await;
    answer.has_status(200);
    let _: Arc<Home> = server.stop();
}
