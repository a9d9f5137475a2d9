//! The trail, verified and exported by its commands, and receipts.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{fs, path::PathBuf, sync::Arc};

use consign_http::testing::{DOCX, Request};
use redb::{ReadableTable, Table, TableDefinition};
use serde_json::Value;
use support::{Home, Ran, Server, text};

const TRAIL: TableDefinition<'_, u64, (&[u8; 32], &[u8])> = TableDefinition::new("trail");
const CHECKPOINTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("checkpoints");

/// A place where much has happened, all of it vouched for, and the path of a receipt of a download.
async fn busy() -> (Arc<Home>, PathBuf) {
    let server = Server::new();
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    for name in ["a.docx", "b.docx", "c.docx"] {
        server.upload(&olga, name, &DOCX.document(name)).await;
    }
    let link = server.link(&carl, "a.docx").await;
    assert!(server.opens(&link).await);
    server
        .login("carl", "not the password")
        .await
        .has_status(401);
    let receipt = receipt(&server, &olga).await;
    let home = server.stop();
    let path = home.path().join("receipt.json");
    fs::write(&path, receipt).unwrap();
    (home, path)
}

/// A receipt of the one download there is.
async fn receipt(server: &Server, token: &str) -> Vec<u8> {
    let files = server.files(token).await;
    let file = files.iter().find(|file| file["filename"] == "a.docx");
    let path = format!("/files/{}/downloads", text(&file.unwrap()["id"]));
    let told = server.call(Request::get(path).bearer(token)).await;
    let told = told.is_json(200);
    assert_eq!(told["completed"], true);
    let path = format!("/downloads/{}/receipt", told["downloads"][0]["id"]);
    let answer = server.call(Request::get(path).bearer(token)).await;
    answer.has_status(200).body.to_vec()
}

fn verify(home: &Home) -> Ran {
    home.run(&["audit", "verify"])
}

fn is_sound(ran: &Ran) {
    assert_eq!(ran.succeeds(), "");
    assert!(ran.err.contains("the trail is sound"), "{ran:?}");
}

fn key(home: &Home) -> String {
    let ran = home.run(&["audit", "key"]);
    ran.succeeds().trim_end().to_owned()
}

#[tokio::test]
async fn a_sound_trail_is_verified_whoever_has_the_folder() {
    let (home, _) = busy().await;
    is_sound(&verify(&home));
    let vouched = "0 of the entries are behind the last checkpoint";
    assert!(
        verify(&home).err.contains(vouched),
        "a server that ends vouches"
    );
    let server = Server::on(&home, |_| {});
    is_sound(&verify(&home));
    server.kill();
    is_sound(&verify(&home));
    home.add_user("dora", "client");
    let ran = verify(&home);
    is_sound(&ran);
    assert!(ran.err.contains("1 of the entries"), "{ran:?}");
    home.run(&["audit", "export"]).succeeds();
    assert!(verify(&home).err.contains(vouched), "so does an export");
}

#[tokio::test]
async fn what_happened_last_is_told_when_a_server_ends() {
    let (home, _) = busy().await;
    let lines = home.run(&["audit", "export"]).json();
    let kinds: Vec<_> = lines.iter().map(|line| &line["event"]["kind"]).collect();
    for kind in ["file added", "signed in", "sign-in failed", "download"] {
        assert!(
            kinds.iter().any(|found| *found == kind),
            "{kind}: {kinds:?}"
        );
    }
    let last = lines.last().unwrap();
    let entries = lines.iter().filter(|line| line["event"] != Value::Null);
    assert_eq!(last["checkpoint"]["number"], entries.count());
}

/// What an intruder does to the database.
type Tampering = fn(&mut Table<'_, u64, (&'static [u8; 32], &'static [u8])>) -> Option<()>;

fn entry(
    trail: &Table<'_, u64, (&'static [u8; 32], &'static [u8])>,
    seq: u64,
) -> Option<([u8; 32], Vec<u8>)> {
    let entry = trail.get(seq).unwrap()?;
    let (hash, event) = entry.value();
    Some((*hash, event.to_vec()))
}

#[tokio::test]
async fn a_database_that_was_tampered_with_is_found_out() {
    let (home, _) = busy().await;
    let database = home.data().join("consign.redb");
    let sound = fs::read(&database).unwrap();
    let tamperings: [(&str, Tampering, &str); 8] = [
        (
            "an event is edited",
            |trail| {
                let (hash, mut event) = entry(trail, 2)?;
                event[1] ^= 1; // within its time
                trail.insert(2, (&hash, &*event)).unwrap().map(drop)
            },
            "entry 2 of writer 0 was changed",
        ),
        (
            "the last event is edited",
            |trail| {
                let last = trail.last().unwrap()?.0.value();
                let (hash, mut event) = entry(trail, last)?;
                event[1] ^= 1;
                trail.insert(last, (&hash, &*event)).unwrap().map(drop)
            },
            "was changed",
        ),
        (
            "a hash is edited",
            |trail| {
                let (mut hash, event) = entry(trail, 3)?;
                hash[31] ^= 1;
                trail.insert(3, (&hash, &*event)).unwrap().map(drop)
            },
            "entry 3 of writer 0 was changed",
        ),
        (
            "the first is removed",
            |trail| trail.pop_first().unwrap().map(drop),
            "entry 1 of writer 0 is missing",
        ),
        (
            "one is removed",
            |trail| trail.remove(4).unwrap().map(drop),
            "entry 4 of writer 0 is missing",
        ),
        (
            "the last is removed",
            |trail| trail.pop_last().unwrap().map(drop),
            "is gone: a checkpoint was made of it",
        ),
        (
            "two change places",
            |trail| {
                let (first, second) = (entry(trail, 2)?, entry(trail, 3)?);
                trail.insert(2, (&second.0, &*second.1)).unwrap();
                trail.insert(3, (&first.0, &*first.1)).unwrap().map(drop)
            },
            "entry 2 of writer 0 was changed",
        ),
        (
            "one is there again",
            |trail| {
                let last = trail.last().unwrap()?.0.value();
                let (hash, event) = entry(trail, last)?;
                trail.insert(last + 1, (&hash, &*event)).unwrap();
                Some(())
            },
            "was changed",
        ),
    ];
    for (what, tamper, told) in tamperings {
        fs::write(&database, &sound).unwrap();
        is_sound(&verify(&home));
        let opened = redb::Database::open(&database).unwrap();
        let transaction = opened.begin_write().unwrap();
        tamper(&mut transaction.open_table(TRAIL).unwrap()).expect(what);
        transaction.commit().unwrap();
        drop(opened);
        let ran = verify(&home);
        assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
        assert!(ran.err.contains(told), "{what}: {ran:?}");
        // The running server finds it too.
        let server = Server::on(&home, |_| {});
        assert_eq!(verify(&home).code, Some(1), "{what}");
        server.kill();
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_tampered_with_is_found_out() {
    let (home, _) = busy().await;
    let opened = redb::Database::open(home.data().join("consign.redb")).unwrap();
    let transaction = opened.begin_write().unwrap();
    {
        let mut checkpoints = transaction.open_table(CHECKPOINTS).unwrap();
        let (seq, mut record) = {
            let (seq, record) = checkpoints.last().unwrap().unwrap();
            (seq.value(), record.value().to_vec())
        };
        *record.last_mut().unwrap() ^= 1;
        checkpoints.insert(seq, &*record).unwrap();
    }
    transaction.commit().unwrap();
    drop(opened);
    verify(&home).fails(1, "has a wrong signature");
}

#[tokio::test]
async fn an_export_is_verified_with_the_key_alone() {
    let (home, _) = busy().await;
    let export = home.run(&["audit", "export"]);
    let export = export.succeeds();
    let path = home.path().join("trail.jsonl");
    let path = path.to_str().unwrap();
    fs::write(path, export).unwrap();
    let key = key(&home);
    // Nothing else is at hand.
    let elsewhere = Home::new();
    let args = ["audit", "verify", "--export", path, "--key", &key];
    is_sound(&elsewhere.run(&args));
    let keys = home.path().join("keys.txt");
    fs::write(&keys, format!("{key}\n")).unwrap();
    let keys = keys.to_str().unwrap();
    is_sound(&elsewhere.run(&["audit", "verify", "--export", path, "--key-file", keys]));

    let other = Server::new().stop();
    let other_key = self::key(&other);
    let foreign = ["audit", "verify", "--export", path, "--key", &other_key];
    elsewhere
        .run(&foreign)
        .fails(1, "is signed by the unknown key");
    let lines: Vec<_> = export.lines().collect();
    let removed: Vec<_> = lines.iter().skip(1).copied().collect();
    let damages = [
        (export.replacen("olga", "olgo", 1), export.contains("olga")),
        (export.replacen("\"number\":2", "\"number\":3", 1), true),
        (removed.join("\n"), true),
        (export.replacen("a.docx", "z.docx", 1), true),
        (format!("{export}nonsense\n"), true),
    ];
    for (damaged, is_damage) in damages {
        fs::write(path, &damaged).unwrap();
        let ran = elsewhere.run(&args);
        assert_eq!(ran.code, Some(i32::from(is_damage)), "{ran:?}: {damaged}");
    }
    let ran = elsewhere.run(&["audit", "verify", "--export", path]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[tokio::test]
async fn the_trail_goes_on_from_what_somebody_has_kept() {
    let (home, _) = busy().await;
    let kept = home.path().join("kept.jsonl");
    let lines = home.run(&["audit", "export"]).succeeds().to_owned();
    let checkpoint = lines.lines().rev().find(|line| line.contains("checkpoint"));
    fs::write(&kept, checkpoint.unwrap()).unwrap();
    let against = ["audit", "verify", "--against", kept.to_str().unwrap()];
    is_sound(&home.run(&against));
    home.add_user("dora", "client");
    let server = Server::on(&home, |_| {});
    is_sound(&home.run(&against));
    let home = server.stop();
    // Whoever has the key and the machine begins anew, and signs that.
    let opened = redb::Database::open(home.data().join("consign.redb")).unwrap();
    let transaction = opened.begin_write().unwrap();
    assert!(transaction.delete_table(TRAIL).unwrap());
    assert!(transaction.delete_table(CHECKPOINTS).unwrap());
    transaction.open_table(TRAIL).unwrap();
    transaction.open_table(CHECKPOINTS).unwrap();
    let meta = TableDefinition::<&str, u64>::new("meta");
    let mut meta = transaction.open_table(meta).unwrap();
    meta.remove("last_event").unwrap();
    drop(meta);
    transaction.commit().unwrap();
    drop(opened);
    is_sound(&verify(&home));
    home.run(&against)
        .fails(1, "is gone: a checkpoint was made of it");
}

#[tokio::test]
async fn the_trail_is_written_as_a_table() {
    let (home, _) = busy().await;
    let export = home.run(&["audit", "export", "--format", "csv"]);
    let mut rows = export.succeeds().lines();
    let head = rows.next().unwrap();
    assert_eq!(head, "writer,number,at,by,kind,fields,hash");
    for (row, number) in rows.zip(1..) {
        assert!(row.starts_with(&format!("0,{number},2")), "{row}");
        let fields = row.split_once(",\"{").unwrap().1;
        assert!(fields.contains("}\","), "{row}");
    }
}

#[tokio::test]
async fn a_receipt_is_verified_with_the_key_alone() {
    let (home, receipt) = busy().await;
    let path = receipt.to_str().unwrap();
    let key = key(&home);
    let elsewhere = Home::new();
    let args = ["receipt", "verify", path, "--key", &key];
    let ran = elsewhere.run(&args);
    let said = ran.succeeds();
    for told in ["\"a.docx\"", "sha-256", "user       \"carl\"", "1 time(s)"] {
        assert!(said.contains(told), "{told}: {ran:?}");
    }
    // Without a key it is that of the folder.
    assert_eq!(home.run(&["receipt", "verify", path]).succeeds(), said);
    let server = Server::on(&home, |_| {});
    assert_eq!(home.run(&["receipt", "verify", path]).succeeds(), said);
    let keys = server.call(Request::get("/evidence-key")).await;
    let key_file = home.path().join("key.json");
    fs::write(&key_file, &keys.has_status(200).body).unwrap();
    let key_file = key_file.to_str().unwrap();
    let by_file = ["receipt", "verify", path, "--key-file", key_file];
    assert_eq!(elsewhere.run(&by_file).succeeds(), said);

    let good = fs::read_to_string(path).unwrap();
    for (bad, why) in [
        (good.replace("carl", "dora"), "its signature is wrong"),
        (good.replace("receipt 1", "receipt 9"), "form"),
        (good[1..].to_owned(), "not a receipt"),
    ] {
        fs::write(path, bad).unwrap();
        elsewhere.run(&args).fails(1, why);
        home.run(&["receipt", "verify", path]).fails(1, why);
    }
    let other = self::key(&Server::new().stop());
    fs::write(path, good).unwrap();
    let foreign = ["receipt", "verify", path, "--key", &other];
    elsewhere.run(&foreign).fails(1, "which is not the one");
}
