//! Transfers over connections that break.

use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    person::{Person, fails, lines},
    proxy::{Fault, Proxy},
    support::{HANGS, Server, package::docx},
};

const MIB: usize = 1 << 20;

/// A server that is reached by way of a proxy alone.
fn behind_a_proxy() -> (Server, Proxy) {
    let proxy = Proxy::new();
    let url = format!("--public-url=http://{}", proxy.address);
    let server = Server::with(|command| {
        command.arg(url);
    });
    proxy.leads_to(server.address);
    (server, proxy)
}

/// A link to one file of Olivia's.
fn link_to(olivia: &Person, content: &[u8]) -> String {
    olivia.write("a.docx", content);
    olivia.run(&["upload", "a.docx"]).succeeds();
    let made = olivia.run(&["link", "make", "a.docx", "--max-downloads=1"]);
    made.succeeds().trim_end().to_owned()
}

#[test]
fn a_download_goes_on_where_the_connection_broke() {
    let (server, proxy) = behind_a_proxy();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let content = docx(1, 2 * MIB);
    let link = link_to(&olivia, &content);
    proxy.next("GET /download_file/", Fault::Cut(500_000));
    proxy.next("GET /download_file/", Fault::Cut(700_000));
    let rita = Person::new();
    let got = rita.run(&["get", &link, "--json"]).json();
    assert!(rita.read("a.docx") == content && proxy.is_done());
    assert_eq!(
        (&got[0]["verified"], &got[0]["resumed"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(proxy.heard("range: bytes="), 2);
    assert_eq!(proxy.heard("if-range: "), 2);
    assert_eq!(
        fs::read_dir(rita.path()).unwrap().count(),
        2,
        "the file, and the state's folder"
    );
}

/// Ctrl-C, and the same command again: the link, which opens once, is not opened a second time.
#[test]
fn a_download_goes_on_where_the_command_was_interrupted() {
    let (server, proxy) = behind_a_proxy();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let content = docx(1, 2 * MIB);
    let link = link_to(&olivia, &content);
    proxy.next("GET /download_file/", Fault::Stall(MIB));
    let rita = Person::new();
    // What was given up long ago goes.
    let old = "state/consign/links/old";
    rita.write(old, "{}");
    let week = std::time::Duration::from_secs(9 * 24 * 60 * 60);
    let long_ago = std::time::SystemTime::now() - week;
    let file = fs::File::options()
        .append(true)
        .open(rita.path().join(old))
        .unwrap();
    file.set_modified(long_ago).unwrap();
    let mut command = rita.consign(&["get", &link]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let part = rita.path().join("a.docx.part");
    let began = std::time::Instant::now();
    while fs::metadata(&part).map_or(0, |part| part.len()) < MIB as u64 / 2 {
        assert!(began.elapsed() < HANGS, "nothing comes");
        thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(
        told.starts_with("consign: interrupted; ") && told.lines().count() == 1,
        "{told}"
    );
    assert!(!rita.has("a.docx"));
    let kept = fs::read_dir(rita.path().join("state/consign/links")).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap()).collect();
    assert_eq!(kept.len(), 1);
    assert!(!link.ends_with(&*kept[0].file_name().to_string_lossy()));
    use std::os::unix::fs::MetadataExt;
    assert_eq!(kept[0].metadata().unwrap().mode() & 0o777, 0o600);

    let got = rita.run(&["get", &link, "--json"]).json();
    assert!(rita.read("a.docx") == content);
    assert!(
        got[0]["resumed"].as_u64().unwrap() >= MIB as u64 / 2,
        "{got:?}"
    );
    assert_eq!(proxy.heard("POST /l/"), 1);
    assert!(!rita.has("a.docx.part") && !rita.has("a.docx.part-etag"));
    assert_eq!(
        fs::read_dir(rita.path().join("state/consign/links"))
            .unwrap()
            .count(),
        0
    );
    fails(
        &rita.run(&["get", &link, "-o", "b.docx"]),
        4,
        "Link not available",
    );
}

/// What is left of another file, or of no file at all, does no harm.
#[test]
fn what_is_left_of_something_else_is_thrown_away() {
    let (server, _proxy) = behind_a_proxy();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let carl = Person::signed_in(server.address, "carl", "client");
    let content = docx(1, 100_000);
    olivia.write("a.docx", &content);
    let uploaded = olivia.run(&["upload", "a.docx", "--json"]).json();
    let etag = |sha256: &str| format!("\"{sha256}\"");
    let right = etag(uploaded[0]["sha256"].as_str().unwrap());
    for (part, tag) in [
        ("x".repeat(500), None),
        ("x".repeat(500), Some(etag("of another"))),
        // It says that it is of the file, and is not.
        ("x".repeat(500), Some(right.clone())),
        ("x".repeat(2 * MIB), Some(right)),
    ] {
        carl.write("a.docx.part", &part);
        match &tag {
            Some(tag) => carl.write("a.docx.part-etag", tag),
            None => drop(fs::remove_file(carl.path().join("a.docx.part-etag"))),
        }
        carl.run(&["get", "a.docx", "--force"]).succeeds();
        assert!(carl.read("a.docx") == content, "{tag:?}");
        assert!(!carl.has("a.docx.part") && !carl.has("a.docx.part-etag"));
    }
}

#[test]
fn bytes_that_are_not_the_files_are_refused() {
    let (server, proxy) = behind_a_proxy();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let link = link_to(&olivia, &docx(1, 100_000));
    for output in ["a.docx", "-"] {
        proxy.next("GET /download_file/", Fault::Flip(50_000));
        let rita = Person::new();
        let command =
            std::process::Command::output(&mut rita.consign(&["get", &link, "-o", output]));
        let refused = command.unwrap();
        assert_eq!(refused.status.code(), Some(7));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(
            told.contains("the bytes are not those of the file: SHA-256 "),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1);
        assert!(!rita.has("a.docx") && !rita.has("a.docx.part") && proxy.is_done());
        // It opens once.
        let id = olivia.run(&["link", "list", "--json"]).json()[0]["id"].clone();
        olivia
            .run(&["link", "edit", id.as_str().unwrap(), "--any-downloads"])
            .succeeds();
    }
}

/// The answer is lost, and then it is asked for again: one file, whatever became of the first attempt.
#[test]
fn an_upload_whose_answer_was_lost_is_done_once() {
    let (server, proxy) = behind_a_proxy();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.sign_in(proxy.address, "--username=olivia");
    olivia.write("a.docx", docx(1, 300_000));
    proxy.next("POST /upload", Fault::Lose);
    proxy.next("POST /links", Fault::Lose);
    olivia.run(&["upload", "a.docx"]).succeeds();
    assert_eq!(lines(&olivia.run(&["ls"])), ["a.docx"]);
    let link = olivia.run(&["link", "make", "a.docx", "--max-downloads=1"]);
    let link = link.succeeds().trim_end().to_owned();
    assert_eq!(olivia.run(&["link", "list", "--json"]).json().len(), 1);
    // So it is with a lease, of which there is one.
    proxy.next("POST /l/", Fault::Lose);
    let rita = Person::new();
    rita.run(&["get", &link]).succeeds();
    assert!(proxy.is_done());
    assert_eq!(
        (proxy.heard("POST /upload"), proxy.heard("POST /links")),
        (2, 2)
    );
}

#[test]
fn who_is_not_there_is_asked_some_times_and_given_up() {
    let rita = Person::new();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let link = format!("http://{address}/l/secret");
    let ran = rita.run(&["get", &link]);
    fails(&ran, 6, "Connection refused");
    assert!(!ran.err.contains("secret"), "{ran:?}");
}
