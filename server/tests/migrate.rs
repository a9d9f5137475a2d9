//! An installation that moves to other stores, by the real binary: what people have stays theirs.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use consign_http::testing::{Form, Request};
use serde_json::{Value, json};
use support::{
    Home, Ran, Server,
    between::{Between, Way},
    cluster::{Cluster, copy_key},
    engines::Engines,
    load,
    package::docx,
    run, soon, text,
};
use tokio::task::spawn_blocking;

/// How the installations of these tests are served.
fn flags(command: &mut Command) {
    load::long_lived(command);
    command.arg("--quota-files=4");
}

/// What people have before the move.
struct Lived {
    olga: String,
    carl: String,
    /// Signed for Carl.
    link: String,
    /// A managed link that can be opened twice, and how its maker sees it.
    managed: String,
    own: String,
    /// What a lease of it gives.
    lease: String,
    files: Vec<Value>,
    content: Vec<u8>,
}

impl Lived {
    /// Olga has uploaded three files, removed one and handed one on.
    async fn on(server: &Server) -> Self {
        let olga = server.sign_up("olga", true).await;
        let carl = server.sign_up("carl", false).await;
        let content = docx(1, 300_000);
        server.upload(&olga, "a.docx", &content).await;
        server.upload(&olga, "b.docx", &docx(2, 10)).await;
        let removed = server.upload(&olga, "c.docx", &docx(3, 10)).await;
        let remove = Request::new("DELETE", format!("/files/{removed}")).bearer(&olga);
        server.call(remove).await.is_json(200);
        let link = server.link(&carl, "a.docx").await;
        let properties = json!({"files": ["a.docx"], "max_downloads": 2});
        let (managed, own) = managed(server, &olga, &properties).await;
        let lease = opened(server, &managed).await;
        let files = server.files(&olga).await;
        Self {
            own,
            olga,
            carl,
            link,
            managed,
            lease,
            files,
            content,
        }
    }

    /// All of that is so on a server of other stores, and goes on there.
    async fn goes_on(&self, server: &Server) {
        assert!(server.knows(&self.olga).await && server.knows(&self.carl).await);
        server.token("olga").await;
        server.token("carl").await;
        assert_eq!(server.files(&self.olga).await, self.files);
        for path in [&self.link, &self.lease] {
            let answer = server.call(Request::get(path.as_str())).await;
            answer.has_status(200);
            assert_eq!(&answer.body[..], self.content);
        }
        let own = server
            .call(Request::get(&*self.own).bearer(&self.olga))
            .await;
        assert_eq!(own.is_json(200)["link"]["downloads"], 1);
        opened(server, &self.managed).await;
        let spent = server.call(Request::post(&*self.managed)).await;
        spent.is_problem(404, "Link not available");
        // The removed file counts, and one more is taken; it is the newest.
        server.upload(&self.olga, "d.docx", &docx(4, 10)).await;
        let form = Form::of_file("e.docx", &docx(5, 10));
        let refused = Request::post("/upload").bearer(&self.olga).form(form);
        assert_eq!(server.call(refused).await.status, 413);
        let files = server.files(&self.olga).await;
        assert_eq!(files[0]["filename"], "d.docx");
        assert_eq!(files[1..], self.files);
    }
}

/// A new managed link: how it is opened, and how its maker sees it.
async fn managed(server: &Server, token: &str, properties: &Value) -> (String, String) {
    let request = Request::post("/links").bearer(token).json(properties);
    let link = server.call(request).await.is_json(201)["link"].clone();
    let secret = text(&link["url"]).rsplit('/').next().unwrap().to_owned();
    (
        format!("/l/{secret}"),
        format!("/links/{}", text(&link["id"])),
    )
}

/// Opens a managed link, and gives the path of its download.
async fn opened(server: &Server, link: &str) -> String {
    let lease = server.call(Request::post(link)).await.is_json(201);
    let url = text(&lease["download_url"]);
    format!("/download_file/{}", url.rsplit('/').next().unwrap())
}

/// A place whose data folder is elsewhere in it.
fn with_data(command: &mut Command, data: &Path) {
    command.env("CONSIGN_DATA", data);
}

fn ran_on(home: &Home, data: &Path, args: &[&str]) -> Ran {
    let mut command = home.consign();
    command.args(args);
    with_data(&mut command, data);
    run(command, "")
}

fn migrated(home: &Home, args: &[&str]) -> Value {
    let mut all = vec!["migrate", "--json"];
    all.extend(args);
    home.run(&all).json().remove(0)
}

#[tokio::test]
async fn all_that_people_have_moves_to_another_folder() {
    let home = Home::new();
    let server = Server::on(&home, flags);
    let lived = Lived::on(&server).await;
    server.stop();
    let done = migrated(&home, &["--to-data=new"]);
    assert_eq!(done["complete"], true);
    assert_eq!(done["files_copied"], 3);
    let same = home.run(&["migrate", "--to-data=new", "--verify=bytes"]);
    same.succeeds();
    assert!(same.err.starts_with("nothing differs"), "{same:?}");
    let again = migrated(&home, &["--to-data=new"]);
    assert_eq!(
        (&again["rows_put"], &again["files_copied"]),
        (&json!(0), &json!(0))
    );

    let new = home.path().join("new");
    let server = Server::on(&home, |command| {
        flags(command);
        with_data(command, &new);
    });
    lived.goes_on(&server).await;
    server.stop();
    ran_on(&home, &new, &["audit", "verify"]).succeeds();
    // It has gone on there: what is here is not copied over it.
    let refused = home.run(&["migrate", "--to-data=new"]);
    refused.fails(1, "has been used since it was a copy");
    home.run(&["migrate", "--to-data=new", "--verify"])
        .fails(1, "row(s) differ");
    // It can come back.
    let data = home.data();
    let back = ran_on(
        &home,
        &new,
        &["migrate", "--to-data", data.to_str().unwrap()],
    );
    back.succeeds();
    assert!(back.err.contains("1 files of"), "{back:?}");
}

#[tokio::test]
async fn a_server_that_runs_copies_itself_and_a_second_run_completes_it() {
    let home = Home::new();
    let server = Server::on(&home, flags);
    let lived = Lived::on(&server).await;
    let first = migrated(&home, &["--to=redb:other.redb,fs:other", "--to-data=new"]);
    assert_eq!(first["complete"], false);
    assert_eq!(first["files_copied"], 3);
    // Nobody serves half of it.
    let other = ["--metadata=redb:other.redb", "--blobs=fs:other"];
    let new = home.path().join("new");
    for command in [
        &["serve", "--listen=127.0.0.1:0", other[0], other[1]][..],
        &["user", other[0], other[1], "list"],
    ] {
        ran_on(&home, &new, command).fails(1, "is a copy that is not complete");
    }
    let doctor = ran_on(&home, &new, &["doctor", other[0], other[1]]);
    let found = "problem  database  it is a copy that is not complete, and no server takes it: stop the server";
    assert!(doctor.out.contains(found), "{doctor:?}");
    assert!(server.knows(&lived.olga).await, "it goes on serving");
    home.run(&["user", "logout", "carl"]).succeeds();
    let carl = server.token("carl").await;
    let link = server.link(&carl, "a.docx").await;
    server.stop();
    let second = migrated(&home, &["--to=redb:other.redb,fs:other", "--to-data=new"]);
    assert_eq!(second["complete"], true);
    assert_eq!(second["files_copied"], 0);
    let rows = second["rows_put"].as_u64().unwrap();
    assert!((1..10).contains(&rows), "{second}");

    let server = Server::on(&home, |command| {
        flags(command);
        command.args(other);
        with_data(command, &home.path().join("new"));
    });
    assert!(
        !server.knows(&lived.carl).await,
        "what was revoked stays so"
    );
    Lived {
        carl,
        link,
        ..lived
    }
    .goes_on(&server)
    .await;
}

#[tokio::test]
async fn a_copy_ends_when_who_asked_for_it_is_gone() {
    let home = Home::new();
    let server = Server::on(&home, flags);
    Lived::on(&server).await;
    let [data, new] = [home.data(), home.path().join("new")];
    let store = |scheme: &str, folder: &Path, name: &str| {
        format!("{scheme}:{}", folder.join(name).display())
    };
    let order = json!({"Migrate": {
        "from_metadata": store("redb", &data, "consign.redb"),
        "from_blobs": store("fs", &data, "files"),
        "to": {
            "metadata": store("redb", &new, "consign.redb"),
            "blobs": store("fs", &new, "files"),
        },
        "data": new,
        "cluster_key": new.join("cluster-key"),
        "verify": null,
        "replace": false,
        "all_blobs": false,
        "json": false,
    }});
    let mut stream = UnixStream::connect(data.join("admin.sock")).unwrap();
    writeln!(stream, "{order}").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "", "it is not done");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let home = Home::new();
    let server = Server::on(&home, flags);
    Lived::on(&server).await;
    server.stop();
    let refused = |args: &[&str], why: &str| {
        let mut all = vec!["migrate"];
        all.extend(args);
        let ran = home.run(&all);
        ran.fails(1, why);
        assert!(!ran.err.contains("secret"), "{ran:?}");
    };
    refused(&[], "it has to be said where to");
    refused(
        &["--to=fs:x"],
        "--to does not say where users and the catalogue go",
    );
    refused(&["--to=redb:x"], "--to does not say where the files go");
    refused(&["--to=secret"], "each store begins with");
    refused(&["--to=redb:x,redb:y"], "two stores are named");
    refused(
        &["--to=redb:data/consign.redb,fs:x"],
        "is both source and target",
    );
    refused(&["--to=redb:x,fs:data/files"], "is both source and target");
    refused(&["--to-data=data"], "is both source and target");
    refused(
        &["--to-data=nowhere", "--verify"],
        "there is no such database",
    );
    refused(
        &["--to=postgres://me:secret@127.0.0.1:1/x?pasword=secret,fs:x"],
        "behind the ? there can be",
    );
    assert!(!home.path().join("x").exists());

    // Another installation.
    let other = Home::within(home.path());
    fs::create_dir(other.data()).unwrap();
    other.add_user("zoe", "operations");
    let to = other.data();
    let to = to.to_str().unwrap();
    let refused_by = home.run(&["migrate", "--to-data", to]);
    refused_by.fails(1, "the target holds something else");
    let told = "consign: the target holds something else, or has been used since it was a copy of this source; \
                name another target, or have it replaced by --replace\n";
    assert_eq!(refused_by.err, told, "each thing once");
    let listed = ran_on(&home, &other.data(), &["user", "list", "--json"]);
    assert_eq!(listed.json().len(), 1);
    // One whose stores are elsewhere.
    let key = other.data().join("evidence-key.json");
    let kept = fs::read(&key).unwrap();
    let elsewhere = ["--to=redb:x,fs:x-files", "--to-data", to];
    refused(&elsewhere, "has the keys of another installation");
    assert_eq!(fs::read(&key).unwrap(), kept);
    // Nothing says that it is copied to.
    let unmarked = home.path().join("unmarked");
    fs::create_dir(&unmarked).unwrap();
    ran_on(&home, &unmarked, &["user", "--metadata=redb:x", "list"]).succeeds();
    // One that is served.
    let served = Server::on(&other, flags);
    refused(&["--to-data", to, "--replace"], "is in use");
    served.stop();
    home.run(&["migrate", "--to-data", to, "--replace"])
        .succeeds();
    let listed = ran_on(&home, &other.data(), &["user", "list", "--json"]);
    assert_eq!(listed.json().len(), 2);
}

#[tokio::test]
async fn lost_and_damaged_bytes_are_told() {
    let home = Home::new();
    let server = Server::on(&home, flags);
    let lived = Lived::on(&server).await;
    server.stop();
    let long = home.stored("blobs").into_iter();
    let long = long.max_by_key(|path| fs::metadata(path).unwrap().len());
    let long = long.unwrap();
    migrated(&home, &["--to-data=new"]);
    let within = long.strip_prefix(home.data()).unwrap();
    let copied = home.path().join("new").join(within);
    let verify = |what: &str| home.run(&["migrate", "--to-data=new", what]);

    let bytes = fs::read(&copied).unwrap();
    let mut changed = bytes.clone();
    changed[1000] ^= 1;
    let repaired = || {
        let done = migrated(&home, &["--to-data=new", "--all-blobs"]);
        assert_eq!(done["files_copied"], 1);
        verify("--verify=bytes").succeeds();
    };
    fs::remove_file(&copied).unwrap();
    fs::write(&copied, changed).unwrap();
    verify("--verify").succeeds();
    verify("--verify=bytes").fails(
        1,
        "of 1 file(s) the bytes are missing or damaged in the target",
    );
    repaired();
    fs::remove_file(&copied).unwrap();
    verify("--verify").fails(1, "of 1 file(s) the bytes are missing");
    repaired();

    // At the source.
    fs::remove_file(&long).unwrap();
    let id = text(&lived.files.last().unwrap()["id"]);
    let refused = home.run(&["migrate", "--to-data=newer"]);
    refused.fails(
        1,
        &format!("missing or damaged here, so they were not copied: {id}"),
    );
    home.run(&["file", "remove", &id]).succeeds();
    home.run(&["migrate", "--to-data=newer"]).succeeds();
}

/// Killed whenever some more of it was copied.
#[tokio::test]
async fn what_was_killed_goes_on() {
    let home = Home::new();
    let server = Server::on(&home, load::long_lived);
    let olga = server.sign_up("olga", true).await;
    for n in 0..24 {
        server
            .upload(&olga, &format!("{n}.docx"), &docx(n, 200_000))
            .await;
    }
    server.stop();
    for wanted in [0, 1, 9, 20] {
        let mut command = home.consign();
        command.args(["migrate", "--to-data=new"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let ended = loop {
            if blobs_in(&home.path().join("new/files/blobs")) >= wanted {
                break false;
            }
            if child.try_wait().unwrap().is_some() {
                break true;
            }
            thread::yield_now();
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!ended, "it ended before it was killed");
    }
    let done = migrated(&home, &["--to-data=new"]);
    assert_eq!(done["complete"], true);
    home.run(&["migrate", "--to-data=new", "--verify=bytes"])
        .succeeds();
}

fn blobs_in(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .map(|path| match path.is_dir() {
            true => blobs_in(&path),
            false => 1,
        })
        .sum()
}

/// A copy to shared stores, whose bucket is reached at this address.
fn to_shared(home: &Home, engines: &Engines, bucket: SocketAddr) -> Command {
    let shared = engines.environment();
    let of = |name: &str| {
        let mut all = shared.iter();
        all.find_map(|(key, value)| (*key == name).then_some(value))
            .unwrap()
    };
    let to = format!("{},{}", of("CONSIGN_METADATA"), of("CONSIGN_BLOBS"));
    let mut command = home.consign();
    command.args(["migrate", "--json"]).env("CONSIGN_TO", to);
    with_bucket(&mut command, engines, bucket);
    command
}

/// Whoever is started so can reach the bucket at this address.
fn with_bucket(command: &mut Command, engines: &Engines, bucket: SocketAddr) {
    let shared = engines.environment().into_iter();
    command
        .envs(shared.filter(|(name, _)| name.starts_with("AWS")))
        .env("AWS_ENDPOINT_URL", format!("http://{bucket}"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn all_that_people_have_moves_to_shared_stores_and_back() {
    let engines = Engines::both().await;
    let home = Home::new();
    let server = Server::on(&home, flags);
    let lived = Lived::on(&server).await;
    let shared = engines.environment();
    let moves = |args: &[&str]| {
        let mut command = to_shared(&home, &engines, engines.s3_address());
        command.args(args);
        run(command, "")
    };
    server.stop();
    let first = moves(&[]).json().remove(0);
    assert_eq!(
        (&first["complete"], &first["files_copied"]),
        (&json!(true), &json!(3))
    );
    moves(&["--verify=bytes"]).succeeds();
    assert_eq!(moves(&[]).json()[0]["rows_put"], 0);

    let server = Server::on(&home, |command| {
        flags(command);
        command.envs(shared.clone());
    });
    lived.goes_on(&server).await;
    let files = server.files(&lived.olga).await;
    server.stop();

    let mut back = home.consign();
    back.args(["migrate", "--to-data=back", "--json"])
        .envs(shared.clone());
    let back = run(back, "").json().remove(0);
    assert_eq!(
        (&back["complete"], &back["files_copied"]),
        (&json!(true), &json!(4))
    );
    let server = Server::on(&home, |command| {
        flags(command);
        with_data(command, &home.path().join("back"));
    });
    assert!(server.knows(&lived.olga).await && server.opens(&lived.link).await);
    assert_eq!(server.files(&lived.olga).await, files);
    server.stop();
    let back = home.path().join("back");
    ran_on(&home, &back, &["audit", "verify"]).succeeds();
    drop(engines);
}

/// Killed before the first file, in the middle of one, in the middle of an upload of several parts, before its end, and
/// between files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn what_was_killed_on_its_way_to_shared_stores_goes_on() {
    const FILES: u64 = 24;
    let engines = Arc::new(Engines::both().await);
    let home = Home::new();
    let server = Server::on(&home, load::long_lived);
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let mut contents = Vec::new();
    for n in 0..FILES {
        let padding = match n % 4 {
            0 => 17 << 20,
            _ => 200_000 + n as usize,
        };
        contents.push(docx(n, padding));
        let name = format!("{n}.docx");
        server.upload(&olga, &name, &contents[n as usize]).await;
    }
    let files = server.files(&olga).await;
    server.stop();
    let last = contents[FILES as usize - 1].len() as u64;
    let mut blobs = home.stored("blobs").into_iter();
    let last = blobs.find(|path| fs::metadata(path).unwrap().len() == last);
    let last = last.unwrap();
    let digits: Vec<_> = last.iter().map(|name| name.to_str().unwrap()).collect();
    let last = digits[digits.len() - 2..].concat();
    for request in [
        "/blobs/",
        "/00002 HTTP/1.1",
        "partNumber=2",
        "?uploadId=",
        &last,
    ] {
        killed_at(&home, &engines, request).await;
    }
    let objects = engines.objects().await;
    let parts = objects
        .iter()
        .filter(|path| path.as_ref().contains("/stages/"));
    assert!(parts.count() > 0, "none was cut: {objects:?}");
    assert!(engines.uploads().await > 0, "no upload was cut");

    let moves = || run(to_shared(&home, &engines, engines.s3_address()), "");
    let done = soon(async {
        loop {
            match moves() {
                ran if is_in_use(&ran.err) => tokio::task::yield_now().await,
                ran => break ran.json().remove(0),
            }
        }
    })
    .await;
    assert_eq!(done["complete"], true);
    let copied = done["files_copied"].as_u64().unwrap();
    assert!((1..FILES).contains(&copied), "{done}");
    let mut verify = to_shared(&home, &engines, engines.s3_address());
    verify.arg("--verify=bytes");
    run(verify, "").succeeds();

    let server = Server::on(&home, |command| {
        load::long_lived(command);
        command.envs(engines.environment());
    });
    assert_eq!(server.files(&olga).await, files);
    for (n, content) in contents.iter().enumerate() {
        let link = server.link(&carl, &format!("{n}.docx")).await;
        let answer = server.call(Request::get(link)).await;
        assert!(answer.has_status(200).body == *content, "{n}.docx");
    }
    engines.sweep().await;
    let objects = engines.objects().await;
    assert_eq!(objects.len() as u64, FILES, "{objects:?}");
    assert_eq!(engines.uploads().await, 0);
    server.stop();
}

/// Has a copy to shared stores killed when a request that has this in its head would come to the bucket.
async fn killed_at(home: &Home, engines: &Engines, request: &str) {
    loop {
        let mut between = Between::bind().await;
        between.lead_to(vec![engines.s3_address()]);
        between.stick_at(request);
        let mut command = to_shared(home, engines, between.address);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let ended = soon(async {
            loop {
                match child.try_wait().unwrap() {
                    Some(_) => break true,
                    None if between.is_stuck() => break false,
                    None => tokio::task::yield_now().await,
                }
            }
        });
        let ended = ended.await;
        child.kill().unwrap();
        let told = child.wait_with_output().unwrap();
        // What it sent last comes nowhere.
        between.set(Way::Shut);
        if !ended {
            break;
        }
        let told = String::from_utf8(told.stderr).unwrap();
        assert!(is_in_use(&told), "it ended before {request}: {told}");
    }
}

/// The database may not have seen yet that the one before is gone.
fn is_in_use(told: &str) -> bool {
    told.contains("is in use: stop the server")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and S3: see scripts/engines"]
async fn what_changes_while_it_is_copied_comes_to_shared_stores_with_the_next_run() {
    let mut between = Between::bind().await;
    let engines = Arc::new(Engines::both().await);
    between.lead_to(vec![engines.s3_address()]);
    let home = Home::new();
    let server = Server::on(&home, |command| {
        load::long_lived(command);
        with_bucket(command, &engines, between.address);
    });
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let (mut contents, mut ids) = (BTreeMap::new(), BTreeMap::new());
    for (n, name) in ["a.docx", "b.docx", "c.docx"].into_iter().enumerate() {
        contents.insert(name, docx(n as u64, 17 << 20));
        let id = server.upload(&olga, name, &contents[name]).await;
        ids.insert(name, id);
    }
    let (kept, _) = managed(&server, &olga, &json!({"files": ["a.docx"]})).await;
    let (revoked, own) = managed(&server, &olga, &json!({"files": ["b.docx"]})).await;
    let lease = opened(&server, &revoked).await;

    between.stick_at("partNumber=2");
    let first = to_shared(&home, &engines, between.address);
    let first = spawn_blocking(|| run(first, ""));
    soon(async {
        while !between.is_stuck() {
            assert!(!first.is_finished(), "it ended before it was in the middle");
            tokio::task::yield_now().await;
        }
    })
    .await;
    contents.insert("d.docx", docx(4, 17 << 20));
    server.upload(&olga, "d.docx", &contents["d.docx"]).await;
    let remove = Request::new("DELETE", format!("/files/{}", ids["c.docx"])).bearer(&olga);
    server.call(remove).await.is_json(200);
    let revoke = Request::new("DELETE", own).bearer(&olga);
    server.call(revoke).await.is_json(200);
    assert!(!first.is_finished(), "it waits for the bucket");
    between.set(Way::Open);
    let first = first.await.unwrap().json().remove(0);
    assert_eq!(first["complete"], false);
    contents.insert("e.docx", docx(5, 200_000));
    server.upload(&olga, "e.docx", &contents["e.docx"]).await;
    let files = server.files(&olga).await;
    server.stop();

    let moves = |args: &[&str]| {
        let mut command = to_shared(&home, &engines, engines.s3_address());
        command.args(args);
        run(command, "")
    };
    let second = moves(&[]).json().remove(0);
    assert_eq!(second["complete"], true);
    assert!(second["files_copied"].as_u64() >= Some(1), "{second}");
    moves(&["--verify=bytes"]).succeeds();
    let server = Server::on(&home, |command| {
        load::long_lived(command);
        command.envs(engines.environment());
    });
    assert_eq!(server.files(&olga).await, files);
    for file in &files {
        let name = text(&file["filename"]);
        let link = server.link(&carl, &name).await;
        let answer = server.call(Request::get(link)).await;
        assert!(answer.has_status(200).body == contents[&*name], "{name}");
    }
    opened(&server, &kept).await;
    let ended = server.call(Request::post(&*revoked)).await;
    ended.is_problem(404, "Link not available");
    assert!(!server.opens(&lease).await, "what was revoked stays so");
    engines.sweep().await;
    let objects = engines.objects().await;
    assert_eq!(objects.len(), 5, "the removed one is kept: {objects:?}");
    assert_eq!(engines.uploads().await, 0);
    server.stop();
    let mut verify = home.consign();
    verify.args(["audit", "verify"]).envs(engines.environment());
    run(verify, "").succeeds();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn nodes_are_seen_whatever_their_data_folder_is() {
    let mut cluster = Cluster::on(Engines::postgres(), 1, flags);
    let beside = Home::of(&cluster.engines);
    copy_key(&cluster.nodes[0].home, &beside);
    cluster.nodes[0].sign_up("olga", true).await;
    let moved = migrated(&beside, &["--to-data=new"]);
    assert_eq!(moved["complete"], false, "its node goes on");

    let other = Home::new();
    fs::create_dir(other.data()).unwrap();
    other.add_user("zoe", "operations");
    let shared = cluster.engines.environment();
    let onto = |home: &Home, to: String| {
        let mut command = home.consign();
        command.args(["migrate", "--replace"]).env("CONSIGN_TO", to);
        run(command, "")
    };
    let database = shared[0].1.clone();
    onto(&other, format!("{database},fs:x")).fails(1, "is in use: stop the server");

    // One database by another name.
    cluster.nodes.remove(0).stop();
    let mut renamed: url::Url = database.parse().unwrap();
    renamed.set_host(Some("localhost")).unwrap();
    onto(&beside, format!("{renamed},fs:x")).fails(1, "the source and the target are one");
    // Keys that are not to be had here.
    onto(&other, format!("{database},fs:x")).fails(1, "are sealed by it: copy it here");
    beside.run(&["user", "list"]).succeeds();
    let moved = migrated(&beside, &["--to-data=new"]);
    assert_eq!(moved["complete"], true);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn a_cluster_key_is_where_it_was_said_to_be() {
    let engines = Engines::postgres();
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    home.add_user("olga", "operations");
    let to = format!("--to={},fs:files", engines.environment()[0].1);
    let mut command = home.consign();
    command.args(["migrate", &to, "--to-data=new"]);
    command.env("CONSIGN_CLUSTER_KEY", "a-key");
    run(command, "").succeeds();
    assert!(home.path().join("a-key").exists());
    assert!(!home.path().join("new/cluster-key").exists());
}
