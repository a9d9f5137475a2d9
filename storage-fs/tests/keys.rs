//! The key file.
#![allow(clippy::unwrap_used)] // also in what the tests call

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use consign_core::{
    random::OsEntropy,
    time::{ManualClock, Timestamp},
    token::{KeyError, KeyRing, KeySource},
};
use consign_storage_fs::FsKeys;
use tempfile::TempDir;

type Seen = Vec<(String, [u8; 32], Timestamp, Option<Timestamp>)>;

#[tokio::test]
async fn the_first_load_makes_keys_and_the_next_finds_them() {
    let (folder, path) = folder();
    let now = Timestamp::from_secs(1_800_000_000);
    let clock = Arc::new(ManualClock::new(now));
    let keys = FsKeys::with(&path, clock, Arc::new(OsEntropy));
    let made = keys.load().await.unwrap();
    assert_eq!(made.keys().count(), 1);
    assert_eq!(made.current().created_at, now);
    assert_eq!(seen(&FsKeys::new(&path).load().await.unwrap()), seen(&made));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_who_load_first_at_once_get_the_same_keys() {
    for _ in 0..20 {
        let (folder, path) = folder();
        let loads = (0..8).map(|_| {
            let keys = FsKeys::new(&path);
            tokio::spawn(async move { keys.load().await })
        });
        let loads: Vec<_> = loads.collect();
        let mut rings = Vec::new();
        for load in loads {
            rings.push(seen(&load.await.unwrap().unwrap()));
        }
        assert!(rings.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn what_a_crash_left_of_new_keys_is_removed() {
    let (folder, path) = folder();
    let keys = FsKeys::new(&path);
    keys.load().await.unwrap();
    let left = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, "{}").unwrap();
        path
    };
    let leftover = left(".keys.json.57b8f67a9deb02fca3a392b1bcb58534");
    let others = [
        left(".keys.json.backup"),
        left(".other.json.57b8f67a9deb02fca3a392b1bcb58534"),
        left("keys.json.57b8f67a9deb02fca3a392b1bcb58534"),
    ];
    // Somebody is writing this one.
    let written = left(".keys.json.0123456789abcdef0123456789abcdef");
    let writer = fs::File::open(&written).unwrap();
    writer.lock().unwrap();

    keys.load().await.unwrap();
    assert!(!leftover.exists());
    assert!(written.exists() && others.iter().all(|other| other.exists()));
    drop(writer);
    keys.load().await.unwrap();
    assert!(!written.exists());
}

#[tokio::test]
async fn saved_keys_replace_the_old() {
    let (folder, path) = folder();
    let keys = FsKeys::new(&path);
    let first = keys.load().await.unwrap();
    let hour = Duration::from_secs(3600);
    let second = first.rotated(&OsEntropy, Timestamp::from_secs(5), hour);
    keys.save(&second).await.unwrap();
    assert_eq!(seen(&keys.load().await.unwrap()), seen(&second));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_that_others_can_reach_is_refused() {
    let (_folder, path) = folder();
    let keys = FsKeys::new(&path);
    keys.load().await.unwrap();
    for mode in [0o644, 0o640, 0o602, 0o610] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let why = refused(&keys).await;
        assert!(why.contains(&path.display().to_string()), "{why}");
        assert!(why.contains("chmod 600"), "{why}");
        assert!(why.contains(&format!("{mode:04o}")), "{why}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    keys.load().await.unwrap();
}

#[tokio::test]
async fn what_holds_no_keys_is_refused_and_left_as_it_is() {
    let (_folder, path) = folder();
    let keys = FsKeys::new(&path);
    for content in [
        "",
        "not keys",
        "{\"version\": 1, \"keys\": []}",
        &" ".repeat(40_000),
    ] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let why = refused(&keys).await;
        assert!(why.contains(&path.display().to_string()), "{why}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    // A secret that somebody typed: 32 bytes, all of them zero.
    fs::remove_file(&path).unwrap();
    keys.load().await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let secret = text.split('"').find(|part| part.len() == 43).unwrap();
    fs::write(&path, text.replace(secret, &"A".repeat(43))).unwrap();
    let why = refused(&keys).await;
    assert!(why.contains("not random"), "{why}");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(refused(&keys).await.contains("no regular file"));
}

#[tokio::test]
async fn a_missing_folder_is_not_made() {
    let (folder, _) = folder();
    let keys = FsKeys::new(folder.path().join("missing/keys.json"));
    assert!(matches!(keys.load().await, Err(KeyError::Unavailable(_))));
}

#[tokio::test]
async fn a_linked_file_is_read() {
    let (folder, path) = folder();
    let ring = FsKeys::new(&path).load().await.unwrap();
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(seen(&FsKeys::new(link).load().await.unwrap()), seen(&ring));
}

#[tokio::test]
async fn no_secret_is_shown() {
    let (_folder, path) = folder();
    let keys = FsKeys::new(&path);
    let ring = keys.load().await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let secret = text.split('"').find(|part| part.len() == 43).unwrap();
    let shown = format!("{keys:?} {ring:?}");
    assert!(!shown.contains(secret), "{shown}");
    assert!(
        !shown.contains(&format!("{:?}", ring.current().secret.expose())),
        "{shown}"
    );
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    (folder, path)
}

fn seen(ring: &KeyRing) -> Seen {
    ring.keys()
        .map(|(key, until)| {
            (
                key.id.to_string(),
                *key.secret.expose(),
                key.created_at,
                until,
            )
        })
        .collect()
}

async fn refused(keys: &FsKeys) -> String {
    match keys.load().await {
        Err(KeyError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}
