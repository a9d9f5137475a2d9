//! Where users, the catalogue and the files are: the settings, what is said of bad ones, and stores elsewhere
//! than in the data folder. What needs an engine is left out where there is none.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    thread,
};

use consign_http::testing::DOCX;
use support::{Home, Ran, Server, engines::Engines, run};
use tokio::net::TcpSocket;
use url::Url;

const POSTGRES: &str = "postgres://annabel:secret@127.0.0.1";

/// What is said when this setting is refused, by each way in which it can come; with its status 1.
#[track_caller]
fn refused(key: &str, value: &str, shown: &str, why: &str) {
    let flag = format!("--{key}");
    let variable = format!("CONSIGN_{}", key.to_uppercase());
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    for command in [&["serve"], &["sweep"]] {
        let by_flag = run_on(&home, command, |consign| {
            consign.args([&flag, value]);
        });
        by_flag.fails(1, &format!("consign: {key} = {shown} (from {flag}): {why}"));
        let by_variable = run_on(&home, command, |consign| {
            consign.env(&variable, value);
        });
        by_variable.fails(1, &format!("{key} = {shown} (from {variable}): {why}"));
        home.settings(&format!("log = \"info\"\n{key} = {value:?}"));
        let by_file = run_on(&home, command, |_| {});
        by_file.fails(
            1,
            &format!("{key} = {shown} (from consign.toml, line 2): {why}"),
        );
        fs::remove_file(home.path().join("consign.toml")).unwrap();
        for ran in [by_flag, by_variable, by_file] {
            assert!(!ran.err.contains("secret"), "{ran:?}");
        }
    }
    for left in fs::read_dir(home.data()).unwrap() {
        assert_eq!(left.unwrap().file_name(), "server.lock");
    }
}

fn run_on(home: &Home, args: &[&str], set: impl FnOnce(&mut std::process::Command)) -> Ran {
    let mut consign = home.consign();
    consign.args(args);
    set(&mut consign);
    run(consign, "")
}

/// An address that nobody listens on, nor can while the socket is there.
fn nowhere() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

#[test]
fn what_is_no_store_is_refused_by_its_setting_without_its_login() {
    let places = "it has to be redb:PATH or postgres://";
    refused("metadata", "secret.redb", "…", places);
    refused("metadata", "mysql://a:secret@host/db", "…", places);
    refused("metadata", "redb:", "\"redb:\"", "redb: and no path");
    refused(
        "metadata",
        "postgres:secret",
        "…",
        "it has to begin with postgres://",
    );
    refused(
        "metadata",
        "postgres://a:secret@h:x/d",
        "…",
        "it is no URL: invalid port",
    );
    refused(
        "metadata",
        "postgres://h/d?pasword=secret",
        "…",
        "behind the ? there can be",
    );
    refused(
        "metadata",
        "postgres://h/d?schema=A-secret",
        "…",
        "a schema's name is of a to z",
    );
    let places = "it has to be fs:PATH or s3://BUCKET/PREFIX";
    refused("blobs", "files", "\"files\"", places);
    refused("blobs", "fs:", "\"fs:\"", "fs: and no folder");
    refused(
        "blobs",
        "s3:bucket",
        "\"s3:bucket\"",
        "it has to be s3://BUCKET",
    );
    refused(
        "blobs",
        "s3://key:secret@bucket",
        "…",
        "credentials are told to the environment",
    );
    refused(
        "blobs",
        "s3://b:9000/x",
        "\"s3://b:9000/x\"",
        "it names a bucket: where the server is",
    );
    refused(
        "blobs",
        "s3://b/x?y",
        "\"s3://b/x?y\"",
        "behind the prefix there can be no ?",
    );
}

#[test]
fn what_is_no_text_is_refused_by_its_line() {
    let home = Home::new();
    for (key, what) in [
        ("metadata", "\"redb:PATH\" or \"postgres://"),
        ("blobs", "\"fs:PATH\" or \"s3://"),
    ] {
        home.settings(&format!("{key} = 5"));
        home.run(&["serve"]).fails(1, what);
    }
    home.settings("metadata = \"postgres://a:secret@host");
    let ran = home.run(&["serve"]);
    ran.fails(1, "consign.toml, line 1: ");
    assert!(!ran.err.contains("secret"), "{ran:?}");
    home.settings("metadata-url = \"postgres://h?password=secret\"");
    let ran = home.run(&["serve"]);
    ran.fails(1, "there is no such setting");
    assert!(!ran.err.contains("secret"), "{ran:?}");
}

#[test]
fn a_password_is_in_no_help_and_no_finding() {
    let home = Home::new();
    let url = format!("{POSTGRES}:1/db");
    for args in [
        &["serve", "--help"][..],
        &["user", "--help"],
        &["doctor"],
        &["doctor", "--json"],
        &["user", "list"],
        &["serve", "--log=trace"],
    ] {
        let ran = run_on(&home, args, |consign| {
            consign.env("CONSIGN_METADATA", &url);
        });
        let told = format!("{}{}", ran.out, ran.err);
        assert!(!told.contains("secret"), "{ran:?}");
        assert!(
            args[1..] != ["--help"] || told.contains("CONSIGN_METADATA"),
            "{ran:?}"
        );
    }
}

#[tokio::test]
async fn a_database_and_files_can_be_elsewhere() {
    let home = Home::new();
    home.settings("metadata = \"redb:names.redb\"\nblobs = \"fs:bytes\"");
    let server = Server::on(&home, |_| {});
    let olga = server.sign_up("olga", true).await;
    let file = server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    for name in ["names.redb", "bytes/blobs"] {
        assert!(
            home.path().join(name).exists(),
            "relative to where it was started"
        );
    }
    for name in ["consign.redb", "files"] {
        assert!(!home.data().join(name).exists(), "{name}");
    }
    for name in ["keys.json", "evidence-key.json"] {
        assert!(
            home.data().join(name).exists(),
            "{name} is in the data folder all the same"
        );
    }
    let listed = home.run(&["file", "list"]);
    assert!(listed.succeeds().contains(&file), "{listed:?}");
    server.stop();
    let listed = home.run(&["file", "list"]);
    assert!(listed.succeeds().contains(&file), "{listed:?}");
    home.run(&["sweep", "--grace=0s"]).succeeds();
    // Another database is another installation.
    let other = home.run(&["file", "--metadata=redb:other.redb", "list"]);
    assert!(!other.succeeds().contains(&file), "{other:?}");
}

#[test]
fn a_data_folder_has_one_server_wherever_the_database_is() {
    let home = Home::new();
    let first = Server::on(&home, |command| {
        command.arg("--metadata=redb:one.redb");
    });
    let refused = |metadata: &[&str]| {
        let second = run_on(&home, &["serve", "--listen=127.0.0.1:0"], |consign| {
            consign.args(metadata);
        });
        second.fails(1, "another process is using the data folder");
    };
    refused(&["--metadata=redb:other.redb"]);
    refused(&[]);
    first.stop();
    let first = Server::on(&home, |_| {});
    refused(&["--metadata=redb:other.redb"]);
    first.stop();
    // Who has ended holds nothing.
    let first = Server::on(&home, |command| {
        command.arg("--metadata=redb:other.redb");
    });
    let home = first.kill();
    Server::on(&home, |command| {
        command.arg("--metadata=redb:one.redb");
    })
    .stop();
}

#[test]
fn one_database_has_one_server_whatever_the_data_folder_is() {
    let (home, other) = (Home::new(), Home::new());
    let database = format!("--metadata=redb:{}", home.path().join("one.redb").display());
    let _server = Server::on(&home, |command| {
        command.arg(&database);
    });
    let second = run_on(&other, &["serve", "--listen=127.0.0.1:0"], |consign| {
        consign.arg(&database);
    });
    second.fails(1, "another process is using");
}

#[test]
fn a_store_that_cannot_be_opened_is_told_by_its_setting() {
    let home = Home::new();
    fs::write(home.path().join("file"), "no database").unwrap();
    for (flag, told) in [
        (
            "--metadata=redb:file",
            "consign: metadata = \"redb:file\" (from --metadata): ",
        ),
        (
            "--metadata=redb:no/folder.redb",
            "metadata = \"redb:no/folder.redb\" (from --metadata): ",
        ),
        (
            "--blobs=fs:file",
            "consign: blobs = \"fs:file\" (from --blobs): ",
        ),
    ] {
        home.run(&["serve", "--listen=127.0.0.1:0", flag])
            .fails(1, told);
    }
}

#[test]
fn a_database_that_is_nowhere_is_told_by_its_setting() {
    let (_kept, nowhere) = nowhere();
    let url = format!("postgres://annabel:secret@{nowhere}/db");
    refused("metadata", &url, "…", "the database at 127.0.0.1:");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
async fn a_database_that_refuses_is_told_by_its_setting() {
    let engines = Engines::postgres();
    let [(_, url)] = &engines.environment()[..] else {
        panic!("it is a database alone");
    };
    let url: Url = url.parse().unwrap();
    let place = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let role = engines.schema().to_owned();
    engines
        .execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 's3cret' IN ROLE by_password"
        ))
        .await;
    let with = |change: &dyn Fn(&mut Url)| {
        let mut other = url.clone();
        change(&mut other);
        other.to_string()
    };
    let wrong = with(&|url| {
        url.set_username(&role).unwrap();
        url.set_password(Some("secret")).unwrap();
    });
    let why = format!("the database at {place} refuses the user {role}: password authentication");
    refused("metadata", &wrong, "…", &why);
    engines.execute(&format!("DROP ROLE {role}")).await;
    let nobody = with(&|url| {
        url.set_username("no_such_user").unwrap();
        url.set_password(Some("secret")).unwrap();
    });
    let why = format!("the database at {place} refuses the user no_such_user: role");
    refused("metadata", &nobody, "…", &why);
    let nothing = with(&|url| url.set_path("/no_such_database"));
    let why = format!("there is no database no_such_database at {place}");
    refused("metadata", &nothing, "…", &why);
    // As a later program would leave it.
    let home = Home::new();
    let engines = Arc::new(engines);
    let node = Home::of(&engines);
    Server::on(&node, |_| {}).stop();
    engines
        .execute(&format!("UPDATE {role}.schema_version SET version = 7"))
        .await;
    let listed = run_on(&home, &["serve", "--listen=127.0.0.1:0"], |consign| {
        consign.env("CONSIGN_METADATA", url.as_str());
    });
    let why = format!("the schema {role} is of version 7, this program knows 1");
    listed.fails(1, &format!("metadata = … (from CONSIGN_METADATA): {why}"));
}

/// The address of somebody who takes connections and says nothing.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address.to_string()
}

#[test]
fn a_store_that_says_nothing_is_given_up_and_told_by_its_setting() {
    let silent = silent();
    // Each takes as long as its store is waited for.
    let (database, bucket) = thread::scope(|scope| {
        let database = scope.spawn(|| {
            let home = Home::new();
            let url = format!("postgres://annabel:secret@{silent}/db");
            run_on(
                &home,
                &["serve", "--listen=127.0.0.1:0", "--metadata", &url],
                |_| {},
            )
        });
        let bucket = scope.spawn(|| with_bucket(&silent, "serve"));
        (database.join().unwrap(), bucket.join().unwrap())
    });
    database.fails(
        1,
        &format!(
            "consign: metadata = … (from --metadata): the database at {silent} cannot be reached: "
        ),
    );
    bucket.fails(
        1,
        &format!(
            "consign: blobs = \"s3://bucket/prefix\" (from --blobs): the object store at http://{silent} does not \
             answer: "
        ),
    );
    for ran in [database, bucket] {
        assert!(
            !ran.err.contains("secret") && !ran.err.contains("an-id"),
            "{ran:?}"
        );
    }
}

/// The address of an object store that has one answer to everything.
fn answering(status: &'static str, code: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or_default() > 0 {
                head.push(byte[0]);
            }
            let body = match head.starts_with(b"HEAD ") {
                true => String::new(),
                false => format!("<Error><Code>{code}</Code></Error>"),
            };
            let len = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n");
            let answer = format!("{head}Connection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address.to_string()
}

#[test]
fn a_bucket_that_cannot_be_had_is_told_by_its_setting() {
    let (_kept, nowhere) = nowhere();
    for (address, why) in [
        (nowhere, "does not answer"),
        (
            answering("404 Not Found", "NoSuchBucket"),
            "there is no bucket \"bucket\"",
        ),
        (
            answering("403 Forbidden", "AccessDenied"),
            "does not allow to ",
        ),
    ] {
        let served = with_bucket(&address, "serve");
        served.fails(
            1,
            "consign: blobs = \"s3://bucket/prefix\" (from --blobs): ",
        );
        served.fails(1, why);
        let doctor = with_bucket(&address, "doctor");
        assert_eq!(doctor.code, Some(1), "{doctor:?}");
        let problems = doctor
            .out
            .lines()
            .filter(|line| line.starts_with("problem "));
        let problems: Vec<_> = problems.collect();
        assert_eq!(problems.len(), 1, "{doctor:?}");
        assert!(problems[0].contains(" bucket ") && problems[0].contains(why));
        for ran in [served, doctor] {
            let told = format!("{}{}", ran.out, ran.err);
            assert!(
                !told.contains("a-secret") && !told.contains("an-id"),
                "{told}"
            );
        }
    }
}

#[test]
fn a_bucket_without_credentials_or_at_no_url_is_told_by_its_setting() {
    let (_kept, nowhere) = nowhere();
    let serve = |endpoint: &str| {
        let home = Home::new();
        let mut consign = home.consign();
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                consign.env_remove(name);
            }
        }
        consign
            .args(["serve", "--listen=127.0.0.1:0", "--blobs=s3://bucket"])
            .env("AWS_ENDPOINT_URL", endpoint)
            // Where a machine with a role is given credentials.
            .env("AWS_METADATA_ENDPOINT", format!("http://{nowhere}"));
        run(consign, "")
    };
    let setting = "consign: blobs = \"s3://bucket\" (from --blobs): ";
    serve("nonsense").fails(1, &format!("{setting}AWS_ENDPOINT_URL: it is no URL"));
    serve("http://127.0.0.1:1").fails(
        1,
        &format!(
            "{setting}there are no credentials for the object store: set AWS_ACCESS_KEY_ID and"
        ),
    );
}

fn with_bucket(address: &str, command: &str) -> Ran {
    let home = Home::new();
    run_on(&home, &[command, "--listen=127.0.0.1:0"], |consign| {
        consign
            .args(["--blobs=s3://bucket/prefix", "--max-connections=16"])
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "an-id")
            .env("AWS_SECRET_ACCESS_KEY", "a-secret");
    })
}
