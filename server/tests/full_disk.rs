//! A full disk refuses what is new, loses nothing that is there, and is used again once there is room.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::PathBuf,
    sync::Arc,
};

use consign_http::testing::{Answer, Form, Request};
use rustix::process::{Pid, Resource, Rlimit};
use serde_json::json;
use support::{
    Home, PASSWORD, Server, apart,
    load::digest,
    package::{Numbers, docx},
    soon, text,
};

const PAGE: u64 = 4096;

/// Sets a server to use a disk to its end.
fn fills_it(command: &mut std::process::Command) {
    command.arg("--min-free=0");
}

/// A data folder on a small disk.
struct Disk {
    home: Arc<Home>,
    filler: PathBuf,
}

impl Disk {
    fn new(options: &str) -> Self {
        let home = Home::new();
        apart::mount_tmpfs(&home.data(), options);
        let filler = home.data().join("files/filler");
        fs::create_dir(filler.parent().unwrap()).unwrap();
        Self { home, filler }
    }

    /// Takes all room but this many pages.
    fn fill(&self, left: u64) {
        let mut filler = File::create(&self.filler).unwrap();
        let full = loop {
            if let Err(error) = filler.write_all(&[0; PAGE as usize]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        let len = filler.metadata().unwrap().len();
        filler.set_len(len - left * PAGE).unwrap();
    }

    fn empty(&self) {
        fs::remove_file(&self.filler).unwrap();
    }
}

/// A server with users and a file, on which nothing more may be lost.
struct Kept {
    operations: String,
    client: String,
    link: String,
    content: Vec<u8>,
    uploads: Vec<String>,
    users: usize,
}

impl Kept {
    async fn on(server: &Server) -> Self {
        let operations = server.sign_up("olga", true).await;
        let client = server.sign_up("carl", false).await;
        let content = docx(1, 300_000);
        server.upload(&operations, "kept.docx", &content).await;
        let link = server.link(&client, "kept.docx").await;
        Self {
            operations,
            client,
            link,
            content,
            uploads: vec!["kept.docx".to_owned()],
            users: 2,
        }
    }

    async fn upload(&mut self, server: &Server, name: &str, padding: usize) -> Answer {
        let form = Form::of_file(name, &docx(7, padding));
        let request = Request::post("/upload").bearer(&self.operations);
        let answer = server.call(request.form(form)).await;
        if answer.status == 200 {
            self.uploads.push(name.to_owned());
        }
        answer
    }

    async fn register(&mut self, server: &Server, name: &str) -> Answer {
        let fields = json!({
            "username": name,
            "email": format!("{name}@example.org"),
            "password": PASSWORD,
        });
        let answer = server.call(Request::post("/register").json(&fields)).await;
        self.users += usize::from(answer.status == 201);
        answer
    }

    /// Everything that was acknowledged is there and can be had, and nothing else.
    async fn is_kept(&self, server: &Server) {
        read(server, Request::get("/healthz")).await.has_status(200);
        let answer = read(server, Request::get(&self.link)).await;
        assert!(answer.body == self.content, "{}", answer.status);
        let asking = Request::get("/generate_download_url/kept.docx").bearer(&self.client);
        let link = text(&read(server, asking).await.is_json(200)["download_url"]);
        let link = link.split_once("/download_file/").unwrap().1;
        let answer = read(server, Request::get(format!("/download_file/{link}"))).await;
        assert!(answer.body == self.content, "{}", answer.status);
        let asking = Request::get("/files").bearer(&self.operations);
        let page = read(server, asking).await.is_json(200);
        assert!(page["next"].is_null());
        let files = page["files"].as_array().unwrap();
        let names: Vec<_> = files
            .iter()
            .rev()
            .map(|file| text(&file["filename"]))
            .collect();
        assert_eq!(names, self.uploads);
        assert_eq!(users(server), self.users);
        let stored = server.home.stored("blobs");
        let mut stored: Vec<_> = stored
            .iter()
            .map(|blob| digest(&fs::read(blob).unwrap()))
            .collect();
        let mut sums: Vec<_> = files.iter().map(|file| text(&file["sha256"])).collect();
        stored.sort();
        sums.sort();
        assert_eq!(stored, sums, "what is stored is what is listed");
        assert!(server.home.stored("stages").is_empty());
    }
}

/// Checks that there was no room, and that the answer says so.
/// What a server answers that may be opening its database again just now: what happened is recorded beside
/// the requests too, and fails where there is no room.
async fn read(server: &Server, request: Request) -> Answer {
    soon(async {
        loop {
            let answer = server.call(request.clone()).await;
            if answer.status != 503 {
                return answer;
            }
            assert!(answer.header("retry-after").is_some(), "{answer}");
        }
    })
    .await
}

/// How many users an administrator is told of, as soon as that can be read.
fn users(server: &Server) -> usize {
    loop {
        let ran = server.home.run(&["user", "list", "--json"]);
        if ran.code == Some(0) {
            return ran.json().len();
        }
        assert!(ran.err.contains("about to be opened again"), "{ran:?}");
    }
}

fn is_full(answer: &Answer) {
    let problem = answer.json();
    assert!(matches!(answer.status, 503 | 507), "{answer}");
    match answer.status {
        507 => assert_eq!(problem["msg"], "The server has no room left"),
        _ => assert!(answer.header("retry-after").is_some(), "{answer}"),
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_used_again() {
    if !apart::is_apart("a_full_disk_loses_nothing_and_is_used_again", false) {
        return;
    }
    let disk = Disk::new("size=8m,mode=0700");
    let home = &disk.home;
    let server = Server::on(home, fills_it);
    let mut kept = Kept::on(&server).await;
    let (mut refused, mut taken) = (0, 0);
    // Each page more that there is lets the work come to a halt somewhere else.
    for left in [0, 1, 2, 3, 5, 8, 13] {
        disk.fill(left);
        is_full(&kept.upload(&server, "large.docx", 2 << 20).await);
        let uploaded = kept.upload(&server, &format!("{left}.docx"), 1000).await;
        let registered = kept.register(&server, &format!("user-{left}")).await;
        for (answer, success) in [(&uploaded, 200), (&registered, 201)] {
            if answer.status == success {
                taken += 1;
            } else {
                is_full(answer);
                refused += 1;
            }
        }
        for command in [["keys", "rotate"].as_slice(), &["user", "enable", "olga"]] {
            let ran = home.run(command);
            if ran.code == Some(0) {
                taken += 1;
            } else {
                ran.fails(1, "o space left on device");
                refused += 1;
            }
        }
        // Enabled or not, it ends their sessions.
        kept.operations = server.token("olga").await;
        kept.is_kept(&server).await;
        disk.empty();
        let name = format!("after-{left}.docx");
        kept.upload(&server, &name, 1000).await.has_status(200);
        home.run(&["keys", "rotate"]).succeeds();
        kept.is_kept(&server).await;
    }
    kept.register(&server, "after").await.has_status(201);
    assert!(refused > 0 && taken > 0);
    println!("7 times full: {refused} refused for want of room, {taken} still done");
    server.stop();
    let server = Server::on(home, fills_it);
    kept.is_kept(&server).await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn what_uploads_leave_free_lets_files_be_removed() {
    if !apart::is_apart("what_uploads_leave_free_lets_files_be_removed", false) {
        return;
    }
    let disk = Disk::new("size=12m,mode=0700");
    let server = Server::on(&disk.home, |command| {
        command.arg("--min-free=2MiB");
    });
    let mut kept = Kept::on(&server).await;
    let mut uploads = 0;
    let refused = loop {
        let name = format!("{uploads}.docx");
        let answer = kept.upload(&server, &name, 500_000).await;
        if answer.status != 200 {
            break answer;
        }
        uploads += 1;
        assert!(uploads < 30, "more than there is room for");
    };
    is_full(&refused);
    // Users are still added, and files removed, which makes room.
    kept.register(&server, "late").await.has_status(201);
    let removed = server.files(&kept.operations).await;
    for file in &removed[..3] {
        disk.home
            .run(&["file", "remove", &text(&file["id"])])
            .succeeds();
        let name = text(&file["filename"]);
        kept.uploads.retain(|kept| *kept != name);
    }
    kept.upload(&server, "next.docx", 500_000)
        .await
        .has_status(200);
    kept.is_kept(&server).await;
    println!("{uploads} uploads until the reserve was reached");
}

#[tokio::test]
async fn a_disk_without_a_name_to_spare_is_full_too() {
    if !apart::is_apart("a_disk_without_a_name_to_spare_is_full_too", false) {
        return;
    }
    let disk = Disk::new("size=32m,nr_inodes=400,mode=0700");
    let server = Server::on(&disk.home, fills_it);
    let mut kept = Kept::on(&server).await;
    let mut names = Vec::new();
    let full = loop {
        let name = disk.filler.with_extension(names.len().to_string());
        match File::create(&name) {
            Ok(_) => names.push(name),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    for _ in 0..3 {
        is_full(&kept.upload(&server, "more.docx", 1000).await);
        disk.home
            .run(&["keys", "rotate"])
            .fails(1, "o space left on device");
        kept.is_kept(&server).await;
    }
    names.iter().for_each(|name| fs::remove_file(name).unwrap());
    kept.upload(&server, "more.docx", 1000)
        .await
        .has_status(200);
    disk.home.run(&["keys", "rotate"]).succeeds();
    kept.is_kept(&server).await;
}

#[tokio::test]
async fn a_server_on_a_full_disk_starts_or_says_why_not() {
    if !apart::is_apart("a_server_on_a_full_disk_starts_or_says_why_not", false) {
        return;
    }
    let (mut started, mut said) = (0, 0);
    for left in [0, 2, 8, 34] {
        let disk = Disk::new("size=4m,mode=0700");
        disk.fill(left);
        let mut serve = disk.home.consign();
        serve.args(["serve", "--listen=nowhere", "--log=error"]);
        let ran = support::run(serve, "");
        ran.fails(1, "");
        match ran.err.contains("cannot listen on nowhere") {
            true => started += 1,
            false => {
                ran.fails(1, "o space left on device");
                said += 1;
            }
        }
        disk.empty();
        let server = Server::on(&disk.home, fills_it);
        let kept = Kept::on(&server).await;
        let home = server.kill();

        // The second time there is something to lose, and a database to be repaired.
        disk.fill(left);
        let mut serve = home.consign();
        serve.args(["serve", "--listen=nowhere", "--log=error"]);
        let ran = support::run(serve, "");
        match ran.err.contains("cannot listen on nowhere") {
            true => {
                let server = Server::on(&home, fills_it);
                kept.is_kept(&server).await;
            }
            false => ran.fails(1, "o space left on device"),
        }
        disk.empty();
        kept.is_kept(&Server::on(&home, fills_it)).await;
    }
    assert!(started > 0 && said > 0);
    println!("a first start on a full disk: {started} would serve, {said} said why not");
}

#[tokio::test]
async fn a_database_at_the_limit_of_a_file_is_read_on_and_grows_again() {
    let home = Home::new();
    let server = Server::on(&home, fills_it);
    let mut kept = Kept::on(&server).await;
    let pid = Pid::from_raw(server.pid().cast_signed()).unwrap();
    let limited = |bytes| {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        rustix::process::prlimit(Some(pid), Resource::Fsize, limit).unwrap()
    };
    let database = || {
        fs::metadata(home.data().join("consign.redb"))
            .unwrap()
            .len()
    };
    let mut numbers = Numbers::new(4);
    let mut refused = 0;
    for _ in 0..2 {
        // Below what it has, it cannot even begin a change; above, it comes a little further.
        for room in [-(1 << 16), 0, 1, 1 << 12, 1 << 16] {
            limited(Some(database().saturating_add_signed(room)));
            for _ in 0..2 {
                let answer = kept
                    .register(&server, &format!("user-{}", numbers.next()))
                    .await;
                if answer.status != 201 {
                    is_full(&answer);
                    refused += 1;
                }
                kept.is_kept(&server).await;
            }
        }
        limited(None);
        let name = format!("user-{}", numbers.next());
        kept.register(&server, &name).await.has_status(201);
        kept.upload(&server, &format!("{name}.docx"), 1000)
            .await
            .has_status(200);
        kept.is_kept(&server).await;
    }
    assert!(refused > 0);
    println!("the database could not grow: {refused} refused");
}
