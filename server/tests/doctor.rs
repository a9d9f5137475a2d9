//! `consign doctor`: each finding, in a place where it is to be found; and that looking changes nothing.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions},
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use consign_mail_smtp::testing::SmtpSink;
use rustix::process;
use serde_json::Value;
use support::{Home, Ran, Server, run, tls::Identity};

/// Where nothing is amiss but what a test makes so.
const WELL: &[&str] = &["--listen=127.0.0.1:0", "--max-connections=16"];

fn doctor(home: &Home, flags: &[&str]) -> Ran {
    home.run(&[&["doctor"], WELL, flags].concat())
}

/// Checks that a line says so, and what to do if it is not ok.
#[track_caller]
fn finds(ran: &Ran, level: &str, check: &str, found: &str) {
    let begins = format!("{level:<8} {check:<9} ");
    let line = ran
        .out
        .lines()
        .find(|line| line.starts_with(&begins) && line.contains(found));
    let Some(line) = line else {
        panic!("{begins}{found} is not found: {}", ran.out);
    };
    let (_, rest) = line.split_once(found).unwrap();
    assert!(
        level == "ok" || rest.contains(": "),
        "what to do is told: {line}"
    );
    assert_eq!(ran.err, "", "{ran:?}");
}

/// A data folder as a server leaves it.
fn set_up() -> std::sync::Arc<Home> {
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    fs::set_permissions(home.data(), Permissions::from_mode(0o700)).unwrap();
    home.add_user("olga", "operations");
    home
}

/// All there is below a folder, and when it was last changed in any way.
fn state(folder: &Path) -> BTreeMap<String, (u32, u64, i64, i64)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::symlink_metadata(&path).unwrap();
            let changed = (data.mode(), data.len(), data.ctime(), data.ctime_nsec());
            all.insert(path.display().to_string(), changed);
            if data.is_dir() {
                folders.push(path);
            }
        }
    }
    all
}

#[test]
fn where_all_is_well_it_says_so_and_changes_nothing() {
    let home = set_up();
    let before = state(home.path());
    let ran = doctor(&home, &[]);
    ran.succeeds();
    for (check, found) in [
        ("settings", "listen = \"127.0.0.1:0\" (from --listen)"),
        ("settings", "(from CONSIGN_DATA)"),
        ("settings", "settings have their defaults"),
        ("folder", "belongs to this user"),
        ("folder", "closed to others (mode 700)"),
        ("folder", "written to, and synced"),
        ("database", "it opens, and no server has it open"),
        ("keys", "keys.json is there"),
        ("keys", "evidence-key.json is there"),
        ("disk", "are free"),
        ("disk", "inodes"),
        ("clock", "it shows 20"),
        ("limits", "for 16 connections"),
        ("listen", "listen is 127.0.0.1:0, which is free"),
        ("url", "on this machine alone"),
        ("tls", "none: HTTPS, if any, ends in front"),
        ("proxies", "none is trusted"),
        ("mail", "none is sent"),
    ] {
        finds(&ran, "ok", check, found);
    }
    assert!(!ran.out.contains("problem"), "{}", ran.out);
    assert_eq!(state(home.path()), before);

    let ran = doctor(&home, &["--json"]);
    let findings = ran.json();
    assert!(findings.len() > 15);
    for finding in findings {
        assert!(
            finding["check"].is_string() && finding["found"].is_string(),
            "{finding}"
        );
        let level = finding["level"].as_str().unwrap();
        assert!(["ok", "warning"].contains(&level), "{finding}");
        assert_eq!(finding["advice"].is_string(), level != "ok", "{finding}");
    }
    assert_eq!(state(home.path()), before);
}

#[tokio::test]
async fn of_a_running_server_it_asks_the_server() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    server.sign_up("olga", true).await;
    let ran = doctor(&home, &[]);
    ran.succeeds();
    finds(&ran, "ok", "database", "a server has it open: version ");
    finds(&ran, "ok", "listen", "not tried: a server is running");
    server.serves().await;
    fs::remove_dir_all(home.data().join("files")).unwrap();
    let ran = doctor(&home, &[]);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "database", "the running server says: ");
    server.kill();
    // Its socket is still there, and nobody at it.
    let ran = doctor(&home, &[]);
    finds(&ran, "warning", "database", "was not closed well");
}

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let home = Home::new();
    let ran = doctor(&home, &[]);
    ran.succeeds();
    finds(
        &ran,
        "warning",
        "folder",
        "is not there (data is from CONSIGN_DATA)",
    );
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    let ran = doctor(&home, &["--data=no/such/folder"]);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "folder", "cannot be made in no/such");
    fs::write(home.path().join("file"), "").unwrap();
    let ran = doctor(&home, &["--data=file"]);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "folder", "file is not a folder");
}

#[test]
fn what_is_open_to_others_is_found() {
    let home = set_up();
    let open = |path: &str, mode| {
        fs::set_permissions(home.path().join(path), Permissions::from_mode(mode)).unwrap();
    };
    open("data", 0o755);
    let ran = doctor(&home, &[]);
    ran.succeeds();
    finds(
        &ran,
        "warning",
        "folder",
        "others can look into it (mode 755)",
    );
    open("data", 0o700);
    for (path, check) in [
        ("data/keys.json", "keys"),
        ("data/evidence-key.json", "keys"),
        ("data/consign.redb", "database"),
    ] {
        open(path, 0o640);
        let ran = doctor(&home, &[]);
        assert_eq!(ran.code, Some(1));
        finds(&ran, "problem", check, "is open to others (mode 640)");
        open(path, 0o600);
    }
    home.settings("mail = \"smtp://a:secret@localhost:1\"\nmail-from = \"a@example.org\"");
    open("consign.toml", 0o604);
    let ran = doctor(&home, &[]);
    finds(
        &ran,
        "problem",
        "settings",
        "has a password in it, and is open to others (mode 604)",
    );
    assert!(!ran.out.contains("secret"), "{}", ran.out);
    open("consign.toml", 0o600);
    assert!(!doctor(&home, &[]).out.contains("password"));
    let ran = doctor(&home, &["--mail=smtp://a:secret@localhost:1"]);
    finds(&ran, "warning", "settings", "--mail has a password in it");
    assert!(!ran.out.contains("secret"), "{}", ran.out);
}

#[test]
fn somebody_elses_folder_is_found() {
    let home = set_up();
    // Only root can give it away.
    if !process::geteuid().is_root() {
        return;
    }
    std::os::unix::fs::chown(home.data(), Some(12_345), None).unwrap();
    let ran = doctor(&home, &[]);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "folder", "belongs to user 12345");
}

#[test]
fn keys_that_are_gone_or_damaged_are_found() {
    let home = set_up();
    for file in ["keys.json", "evidence-key.json"] {
        let path = home.data().join(file);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, &kept[..kept.len() / 2]).unwrap();
        let ran = doctor(&home, &[]);
        assert_eq!(ran.code, Some(1));
        finds(&ran, "problem", "keys", &format!("{file} is damaged"));
        fs::remove_file(&path).unwrap();
        let ran = doctor(&home, &[]);
        assert_eq!(ran.code, Some(1));
        finds(
            &ran,
            "problem",
            "keys",
            &format!("{file} is not there, though"),
        );
        assert!(!path.exists(), "none is made");
        fs::write(&path, kept).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    doctor(&home, &[]).succeeds();
}

#[test]
fn a_database_that_is_gone_or_damaged_or_held_is_found() {
    let home = set_up();
    let path = home.data().join("consign.redb");
    let kept = fs::read(&path).unwrap();
    let held = File::options().read(true).write(true).open(&path).unwrap();
    held.lock().unwrap();
    let ran = doctor(&home, &[]);
    finds(
        &ran,
        "problem",
        "database",
        "a process has it open that does not answer",
    );
    drop(held);
    fs::write(&path, &kept[..kept.len() / 3]).unwrap();
    let ran = doctor(&home, &[]);
    finds(&ran, "warning", "database", "or was cut short");
    fs::write(&path, "no database".repeat(10_000)).unwrap();
    let ran = doctor(&home, &[]);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "database", "the database is damaged");
    fs::remove_file(&path).unwrap();
    let ran = doctor(&home, &[]);
    ran.succeeds();
    finds(&ran, "warning", "database", "consign.redb is not there");
    assert!(!path.exists(), "none is made");
}

#[test]
fn a_disk_without_room_is_found() {
    let home = set_up();
    let ran = doctor(&home, &["--min-free=1000000TB"]);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "disk", "min-free keeps");
    let system = rustix::fs::statvfs(home.path()).unwrap();
    let half = system.f_bavail * system.f_frsize / 2;
    let ran = doctor(&home, &[&format!("--min-free={half}")]);
    finds(&ran, "warning", "disk", "min-free keeps");
}

#[test]
fn a_clock_that_went_back_is_found() {
    let home = set_up();
    let database = File::options()
        .write(true)
        .open(home.data().join("consign.redb"));
    let later = SystemTime::now() + Duration::from_secs(3600);
    database.unwrap().set_modified(later).unwrap();
    let ran = doctor(&home, &[]);
    assert_eq!(ran.code, Some(1));
    finds(
        &ran,
        "problem",
        "clock",
        "and the database was last written at",
    );
}

#[test]
fn few_descriptors_are_found() {
    let home = set_up();
    let mut command = home.consign_after("ulimit -n 300");
    command.args(["doctor", "--listen=127.0.0.1:0"]);
    let ran = run(command, "");
    ran.succeeds();
    finds(
        &ran,
        "warning",
        "limits",
        "300 files can be open, enough for 86 connections of 16384",
    );
}

#[test]
fn addresses_that_are_taken_or_lead_nowhere_are_found() {
    let home = set_up();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = holder.local_addr().unwrap();
    let ran = home.run(&["doctor", &format!("--listen={held}")]);
    assert_eq!(ran.code, Some(1));
    finds(
        &ran,
        "problem",
        "listen",
        &format!("listen = \"{held}\" (from --listen): cannot listen on"),
    );
    let ran = home.run(&[
        "doctor",
        "--listen=127.0.0.1:0",
        &format!("--metrics-listen={held}"),
    ]);
    finds(
        &ran,
        "problem",
        "listen",
        "(from --metrics-listen): cannot listen on",
    );
    drop(holder);
    let (listen, metrics) = (
        format!("--listen={held}"),
        format!("--metrics-listen={held}"),
    );
    let ran = home.run(&["doctor", &listen, &metrics]);
    finds(
        &ran,
        "ok",
        "listen",
        &format!("listen is {held}, which is free"),
    );
    finds(
        &ran,
        "problem",
        "listen",
        "(from --metrics-listen): cannot listen on",
    );
    let ran = home.run(&["doctor", "--listen=0.0.0.0:0", "--metrics-listen=0.0.0.0:0"]);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "url", "which leads nowhere");
    finds(
        &ran,
        "warning",
        "listen",
        "figures are told to whoever reaches",
    );
    let ran = home.run(&[
        "doctor",
        "--listen=0.0.0.0:0",
        "--public-url=http://files.example.org",
    ]);
    finds(&ran, "warning", "url", "go unencrypted");
    let ran = doctor(&home, &["--public-url=https://files.example.org"]);
    finds(
        &ran,
        "ok",
        "url",
        "links begin with https://files.example.org",
    );
    finds(&ran, "warning", "proxies", "trusted-proxies names none");
    let ran = doctor(
        &home,
        &[
            "--public-url=https://files.example.org",
            "--trusted-proxies=127.0.0.1",
        ],
    );
    finds(&ran, "ok", "proxies", "1 networks are trusted");
    let ran = doctor(&home, &["--trusted-proxies=0.0.0.0/0"]);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "proxies", "anybody is believed");
}

#[tokio::test]
async fn mail_is_tried_as_far_as_it_goes_without_sending_any() {
    let home = set_up();
    let sink = SmtpSink::start().await;
    let mail = format!("--mail={}", sink.url());
    let ask = |mail: &str| {
        let mut command = home.consign();
        command
            .args(["doctor", mail, "--mail-from=files@example.org"])
            .args(WELL);
        tokio::task::spawn_blocking(move || run(command, ""))
    };
    let ran = ask(&mail).await.unwrap();
    ran.succeeds();
    finds(&ran, "ok", "mail", "the mail server answers, unencrypted");
    assert!(
        sink.connections() > 0 && sink.received().is_empty(),
        "none is sent"
    );
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ran = ask(&format!("--mail=smtp://{nobody}")).await.unwrap();
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "mail", "no connection: connecting");
    let ran = ask("--mail=folder:mail").await.unwrap();
    ran.succeeds();
    finds(&ran, "warning", "mail", "mail is not there");
    assert!(!home.path().join("mail").exists());
    fs::create_dir(home.path().join("mail")).unwrap();
    let ran = ask("--mail=folder:mail").await.unwrap();
    finds(&ran, "ok", "mail", "it is written into mail");
}

#[test]
fn certificates_that_are_over_or_of_no_use_are_found() {
    let home = set_up();
    let look = |identity: &Identity| {
        identity.install(&home);
        let closed = Permissions::from_mode(0o600);
        fs::set_permissions(home.path().join("key.pem"), closed).unwrap();
        doctor(&home, &["--tls-cert=cert.pem", "--tls-key=key.pem"])
    };
    let until = |days: i64| {
        let end = SystemTime::now() + Duration::from_secs(days.unsigned_abs() * 24 * 60 * 60);
        Identity::with(|params| params.not_after = end.into())
    };
    let good = until(100);
    let ran = look(&good);
    ran.succeeds();
    finds(&ran, "ok", "tls", "it is good until ");
    finds(&look(&until(10)), "warning", "tls", "it ends soon, at ");
    let over = Identity::with(|params| {
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2024, 2, 1);
    });
    let ran = look(&over);
    assert_eq!(ran.code, Some(1));
    finds(&ran, "problem", "tls", "it has expired, at 2024-02-01");
    let early = Identity::with(|params| params.not_before = rcgen::date_time_ymd(2999, 1, 1));
    finds(&look(&early), "problem", "tls", "and not yet");
    // It is no proxy that serves https:// then.
    let ran = doctor(
        &home,
        &[
            "--tls-cert=cert.pem",
            "--tls-key=key.pem",
            "--public-url=https://files.example.org",
        ],
    );
    finds(&ran, "ok", "proxies", "none is trusted");
    good.install(&home);
    fs::write(home.path().join("key.pem"), &over.key).unwrap();
    let ran = doctor(&home, &["--tls-cert=cert.pem", "--tls-key=key.pem"]);
    finds(
        &ran,
        "problem",
        "tls",
        "it is the key of another certificate",
    );
    good.install(&home);
    fs::set_permissions(home.path().join("key.pem"), Permissions::from_mode(0o644)).unwrap();
    let ran = doctor(&home, &["--tls-cert=cert.pem", "--tls-key=key.pem"]);
    finds(
        &ran,
        "problem",
        "tls",
        "every user of this machine may use it",
    );
}

#[test]
fn settings_that_are_none_are_found_and_bad_ones_are_told() {
    let home = set_up();
    let with = |name: &str, value: &str| {
        let mut command = home.consign();
        command.arg("doctor").args(WELL).env(name, value);
        run(command, "")
    };
    let ran = with("CONSIGN_MAX_UPLAOD", "1GB");
    ran.succeeds();
    finds(
        &ran,
        "warning",
        "settings",
        "CONSIGN_MAX_UPLAOD is no setting",
    );
    assert!(
        ran.out.contains(": CONSIGN_MAX_UPLOAD may be meant"),
        "{}",
        ran.out
    );
    // The client's are none of the server's, and nothing is wrong with them.
    for name in ["CONSIGN_PASSWORD", "CONSIGN_TOKEN", "CONSIGN_URL"] {
        let ran = with(name, "its own");
        ran.succeeds();
        assert!(!ran.out.contains(name), "{}", ran.out);
    }
    with("CONSIGN_MAX_UPLOAD", "lots")
        .fails(2, "max-upload = \"lots\" (from CONSIGN_MAX_UPLOAD): ");
    home.settings("log = \"info\"\nlink-lifetime = \"8d\"");
    let ran = doctor(&home, &[]);
    assert_eq!(ran.code, Some(1));
    finds(
        &ran,
        "problem",
        "settings",
        "link-lifetime = \"8d\" (from consign.toml, line 2): it is more than 7d",
    );
    let ran = doctor(&home, &["--json"]);
    let findings: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0]["level"], "problem");
}

#[test]
fn file_systems_that_forget_are_found() {
    let home = Home::new();
    let shared = Path::new("/dev/shm");
    let is_memory = Command::new("stat")
        .args(["-f", "-c", "%T", "/dev/shm"])
        .output();
    // There is none everywhere.
    if !is_memory.is_ok_and(|told| told.stdout == b"tmpfs\n") {
        return;
    }
    let folder = tempfile::tempdir_in(shared).unwrap();
    let data = format!("--data={}", folder.path().display());
    let ran = doctor(&home, &[&data]);
    finds(&ran, "warning", "folder", "it is on tmpfs");
}
