//! What a trait's suite cannot see: the file, its life and its owners.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use consign_core::{
    audience::{Audience, Principal, Scope},
    event::Author,
    file::{FileEdit, FileEntry},
    group::{Group, GroupEdit, GroupName, Retention},
    quota::Usage,
    removal::{Ended, Removal},
    store::{Change, FileStore, Insert, InsertGuard, Outcome, Update, UserStore},
    testing::{sample_entry, sample_event, sample_group, sample_link, sample_user},
    time::Timestamp,
    trail::EntryHash,
    user::{Role, User, UserChange},
};
use consign_storage_redb::{Look, OpenError, Options, RedbStore};
use proptest::prelude::*;
use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use tempfile::TempDir;

fn open(path: &Path) -> Result<RedbStore, OpenError> {
    RedbStore::open(path, Options::default())
}

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("consign.redb");
    (folder, path)
}

fn run<F: Future>(future: F) -> F::Output {
    consign_core::testing::run(future)
}

async fn add(store: &RedbStore, n: u32) -> Outcome {
    store.apply(Change::add(sample_entry(n))).await.unwrap()
}

async fn remove(store: &RedbStore, n: u32) -> Outcome {
    let (by, at) = (Author::Administrator, Timestamp::from_secs(9));
    let change = Change::remove(sample_entry(n).id, by, at);
    store.apply(change).await.unwrap()
}

async fn register(store: &RedbStore, user: &User) -> Insert {
    store
        .insert(user.clone(), InsertGuard::None, vec![sample_event(1)])
        .await
        .unwrap()
}

#[test]
fn everything_is_kept() {
    let (_folder, path) = place();
    run(async {
        let store = open(&path).unwrap();
        let (ann, bob) = (
            sample_user(1, Role::Operations),
            sample_user(2, Role::Client),
        );
        register(&store, &ann).await;
        register(&store, &bob).await;
        let Outcome::Added(file) = add(&store, 1).await else {
            panic!()
        };
        let users = UserStore::list(&store, None, 10).await.unwrap();
        let events = store.events(None, 10).await.unwrap();
        drop(store);

        let store = open(&path).unwrap();
        assert_eq!(UserStore::list(&store, None, 10).await.unwrap(), users);
        assert_eq!(store.events(None, 10).await.unwrap(), events);
        assert_eq!(store.by_username(&bob.username).await.unwrap(), Some(bob));
        assert_eq!(
            FileStore::list(&store, &Scope::All, Timestamp::default(), None, 10)
                .await
                .unwrap()
                .items,
            std::slice::from_ref(&file)
        );
        assert_eq!(
            store
                .newest(&file.entry.name, &Scope::All, Timestamp::default())
                .await
                .unwrap(),
            Some(file.clone())
        );
        assert_eq!(
            FileStore::by_id(&store, file.entry.id).await.unwrap(),
            Some(file.clone())
        );
        assert!(store.references(file.entry.blob).await.unwrap());
        assert!(store.has_operations_user().await.unwrap());
        let guarded = store.insert(
            sample_user(3, Role::Client),
            InsertGuard::NoOperationsUser,
            vec![],
        );
        assert_eq!(guarded.await.unwrap(), Insert::GuardFailed);
    });
}

#[test]
fn a_position_is_never_given_again() {
    let (_folder, path) = place();
    run(async {
        let store = open(&path).unwrap();
        add(&store, 1).await;
        add(&store, 2).await;
        remove(&store, 2).await;
        remove(&store, 1).await;
        drop(store);
        let store = open(&path).unwrap();
        let Outcome::Added(file) = add(&store, 1).await else {
            panic!()
        };
        assert_eq!(file.seq, 3);
        assert_eq!(
            store
                .events(None, 10)
                .await
                .unwrap()
                .items
                .last()
                .unwrap()
                .seq,
            5
        );
    });
}

#[test]
fn an_address_in_other_case_is_taken_after_a_restart_too() {
    let (_folder, path) = place();
    run(async {
        let user = |n, email: &str| User {
            email: email.parse().unwrap(),
            ..sample_user(n, Role::Client)
        };
        let store = open(&path).unwrap();
        assert_eq!(
            register(&store, &user(1, "Ann@Example.org")).await,
            Insert::Done
        );
        drop(store);
        let store = open(&path).unwrap();
        assert_eq!(
            register(&store, &user(2, "aNN@example.ORG")).await,
            Insert::EmailTaken
        );
        let kept = store
            .by_username(&sample_user(1, Role::Client).username)
            .await
            .unwrap();
        assert_eq!(kept.unwrap().email.as_str(), "Ann@Example.org");
    });
}

#[test]
fn a_clone_keeps_the_database_open_and_the_last_one_closes_it() {
    let (_folder, path) = place();
    let store = open(&path).unwrap();
    let clone = store.clone();
    drop(store);
    assert!(matches!(open(&path), Err(OpenError::InUse)));
    run(UserStore::check(&clone)).unwrap();
    drop(clone);
    for _ in 0..10 {
        drop(open(&path).unwrap());
    }
}

#[test]
fn another_process_is_told_that_it_is_in_use() {
    let (_folder, path) = place();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "held_by_another_process",
            "--ignored",
            "--nocapture",
        ])
        .env("CONSIGN_TEST_DATABASE", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("it is open")));
    let error = open(&path).unwrap_err();
    assert!(matches!(error, OpenError::InUse));
    assert_eq!(error.to_string(), "another process has the database open");

    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
    open(&path).unwrap();
}

/// The other process of the test above.
#[test]
#[ignore = "it is no test by itself"]
fn held_by_another_process() {
    let Some(path) = std::env::var_os("CONSIGN_TEST_DATABASE") else {
        return;
    };
    let _store = open(path.as_ref()).unwrap();
    println!("it is open");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = place();
    let _store = open(&path).unwrap();
    let entries = fs::read_dir(folder.path()).unwrap();
    let names = entries.map(|entry| {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
        entry.file_name()
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["consign.redb", "consign.redb.in-use"]);
}

#[test]
fn a_creation_that_was_cut_short_is_begun_anew() {
    let (folder, path) = place();
    let unfinished = folder.path().join("consign.redb.unfinished");
    fs::write(&unfinished, [0; 5000]).unwrap();
    run(async {
        let store = open(&path).unwrap();
        add(&store, 1).await;
        drop(store);
        // It had both names when the power went.
        fs::hard_link(&path, &unfinished).unwrap();
        let store = open(&path).unwrap();
        assert!(!unfinished.exists());
        assert_eq!(add(&store, 1).await, Outcome::Exists);
    });
}

#[test]
fn an_empty_file_becomes_a_database() {
    let (_folder, path) = place();
    fs::write(&path, "").unwrap();
    run(async { add(&open(&path).unwrap(), 1).await });
    run(async { assert_eq!(add(&open(&path).unwrap(), 1).await, Outcome::Exists) });
}

#[test]
fn memory_does_for_the_fuzzer() {
    let store = consign_storage_redb::fuzzing::in_memory(Options::default()).unwrap();
    run(async {
        assert!(matches!(add(&store, 1).await, Outcome::Added(_)));
        assert_eq!(add(&store, 1).await, Outcome::Exists);
    });
}

#[test]
fn a_newer_schema_is_refused() {
    let (_folder, path) = place();
    drop(open(&path).unwrap());
    set_schema(&path, 5);
    let error = open(&path).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Schema {
            found: 5,
            supported: 4
        }
    ));
    assert_eq!(
        error.to_string(),
        "the database has schema version 5, this program knows version 4"
    );
    set_schema(&path, 4);
    open(&path).unwrap();
}

/// Version 1 was the same without the table `usage`.
#[test]
fn a_database_of_version_1_is_counted_when_it_is_opened() {
    let (_folder, path) = place();
    let owner = sample_entry(1).uploaded_by;
    run(async {
        let store = open(&path).unwrap();
        for n in 1..=9 {
            add(&store, n).await;
        }
        remove(&store, 4).await;
    });
    set_schema(&path, 1);
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let usage = TableDefinition::<&[u8; 16], (u64, u128)>::new("usage");
    assert!(transaction.delete_table(usage).unwrap());
    transaction.commit().unwrap();
    drop(database);

    // 1, 4 and 7 are of one user; 4 is gone.
    let expected = Usage {
        files: 2,
        bytes: 8000,
    };
    run(async {
        let store = open(&path).unwrap();
        assert_eq!(store.usage(owner).await.unwrap(), expected);
        remove(&store, 7).await;
        assert_eq!(store.usage(owner).await.unwrap(), Usage::file(1000));
    });
    run(async {
        let store = open(&path).unwrap();
        assert_eq!(store.usage(owner).await.unwrap(), Usage::file(1000));
    });
}

/// Version 2 was the same without the table `views` and those of groups: all files were for everybody.
#[test]
fn a_database_of_version_2_has_its_files_for_everybody() {
    let (_folder, path) = place();
    run(async {
        let store = open(&path).unwrap();
        for n in 1..=9 {
            add(&store, n).await;
        }
        remove(&store, 4).await;
    });
    set_schema(&path, 2);
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let views = TableDefinition::<(&[u8; 17], u64), ()>::new("views");
    assert!(transaction.delete_table(views).unwrap());
    transaction.commit().unwrap();
    drop(database);

    let client = Scope::of_client(sample_entry(1).uploaded_by, []);
    for _ in ["migrated", "as it was left"] {
        run(async {
            let store = open(&path).unwrap();
            let all = FileStore::list(&store, &Scope::All, Timestamp::default(), None, 99)
                .await
                .unwrap();
            let seen = FileStore::list(&store, &client, Timestamp::default(), None, 99)
                .await
                .unwrap();
            assert_eq!(all.items.len(), 8);
            assert_eq!(seen.items, all.items);
        });
    }
}

/// Before version 4 events were not chained.
#[test]
fn a_database_of_version_3_has_its_events_chained() {
    let (_folder, path) = place();
    let trail = || {
        run(async {
            let store = open(&path).unwrap();
            store.events(None, 99).await.unwrap().items
        })
    };
    run(async {
        let store = open(&path).unwrap();
        for n in 1..=9 {
            add(&store, n).await;
        }
        remove(&store, 4).await;
    });
    let before = trail();
    assert_eq!(before.len(), 10);
    set_schema(&path, 3);
    assert_eq!(trail(), before, "as if they always had been");
    run(async {
        let store = open(&path).unwrap();
        add(&store, 10).await;
    });
    let mut last = EntryHash::NONE;
    for entry in trail() {
        last = consign_core::trail::link(last, entry.writer, entry.number, &entry.event);
        assert_eq!(entry.hash, last, "{}", entry.number);
    }
}

/// Version 3 was the same without ends of files and without removed ones.
#[test]
fn a_database_of_version_3_ends_and_keeps_files() {
    let (_folder, path) = place();
    let group = Group {
        id: sample_group(1),
        name: GroupName::parse("one").unwrap(),
        created_by: sample_entry(1).uploaded_by,
        created_at: Timestamp::from_secs(1),
        retention: None,
    };
    run(async {
        let store = open(&path).unwrap();
        for n in 1..=3 {
            add(&store, n).await;
        }
        let change = Change::AddGroup(group.clone());
        store.apply(change).await.unwrap();
        let audience = Audience::of([Principal::Group(group.id)]).unwrap();
        let entry = FileEntry {
            audience,
            ..sample_entry(4)
        };
        store.apply(Change::add(entry)).await.unwrap();
    });
    set_schema(&path, 3);
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    for name in ["expiries", "removed_due"] {
        let table = TableDefinition::<(u64, u64), ()>::new(name);
        assert!(transaction.delete_table(table).unwrap());
    }
    let removed = TableDefinition::<u64, &[u8]>::new("removed");
    assert!(transaction.delete_table(removed).unwrap());
    let retained = TableDefinition::<(&[u8; 16], u64, u64), ()>::new("retained");
    assert!(transaction.delete_table(retained).unwrap());
    let ids = TableDefinition::<&[u8; 16], u64>::new("removed_ids");
    assert!(transaction.delete_table(ids).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let (by, at) = (Author::Sweeper, Timestamp::from_secs(9));
    let later = at + Duration::from_secs(1);
    let [ends, goes] = [1, 2].map(|n| sample_entry(n).id);
    run(async {
        let store = open(&path).unwrap();
        // Read before anything is written.
        assert_eq!(store.ended(later, 9).await.unwrap(), []);
        assert_eq!(store.due(later, 9).await.unwrap(), []);
        assert_eq!(store.removed(at, None, 9).await.unwrap().items, []);
        let edit = FileEdit::expiring_at(Some(later));
        let id = ends;
        store
            .apply(Change::EditFile { id, edit, by, at })
            .await
            .unwrap();
        let change = Change::RemoveFile {
            id: goes,
            why: Removal::Asked,
            keep_until: Some(later),
            by,
            at,
        };
        store.apply(change).await.unwrap();
    });
    run(async {
        let store = open(&path).unwrap();
        let ended = store.ended(later, 9).await.unwrap();
        assert_eq!(ended.iter().map(|one| one.file).collect::<Vec<_>>(), [ends]);
        let removed = store.removed(at, None, 9).await.unwrap().items;
        assert_eq!(removed, store.due(later, 9).await.unwrap());
        assert_eq!(removed[0].file.entry, sample_entry(2));
        let id = group.id;
        let edit = GroupEdit::retaining(Retention::of_days(1).ok());
        let change = Change::EditGroup { id, edit, by, at };
        store.apply(change).await.unwrap();
        let over = sample_entry(4).uploaded_at + Duration::from_secs(24 * 60 * 60);
        let ended = store.ended(over, 9).await.unwrap();
        let retained = Ended {
            file: sample_entry(4).id,
            why: Removal::Retention,
        };
        assert!(ended.contains(&retained), "found though it is older");
    });
}

/// Version 3 was the same without the tables of managed links.
#[test]
fn a_database_of_version_3_takes_links() {
    let (_folder, path) = place();
    run(async {
        let store = open(&path).unwrap();
        add(&store, 1).await;
    });
    set_schema(&path, 3);
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    for name in ["links", "leases"] {
        let table = TableDefinition::<&[u8; 16], &[u8]>::new(name);
        assert!(transaction.delete_table(table).unwrap());
    }
    transaction.commit().unwrap();
    drop(database);
    let link = sample_link(1);
    run(async {
        let store = open(&path).unwrap();
        assert_eq!(store.link(link.id).await.unwrap(), None);
        let added = store.apply(Change::AddLink(link.clone())).await.unwrap();
        assert_eq!(added, Outcome::LinkSet(link.clone()));
    });
    run(async {
        let store = open(&path).unwrap();
        assert_eq!(store.link(link.id).await.unwrap(), Some(link));
    });
}

/// Before version 4 events were not chained.
fn set_schema(path: &Path, version: u64) {
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    if version < 4 {
        let trail = TableDefinition::<u64, (&[u8; 32], &[u8])>::new("trail");
        let events = TableDefinition::<u64, &[u8]>::new("events");
        {
            let trail = transaction.open_table(trail).unwrap();
            let mut events = transaction.open_table(events).unwrap();
            for entry in trail.iter().unwrap() {
                let (seq, entry) = entry.unwrap();
                events.insert(seq.value(), entry.value().1).unwrap();
            }
        }
        assert!(transaction.delete_table(trail).unwrap());
    }
    let meta = TableDefinition::<&str, u64>::new("meta");
    transaction
        .open_table(meta)
        .unwrap()
        .insert("schema", version)
        .unwrap();
    transaction.commit().unwrap();
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_was() {
    let (_folder, path) = place();
    let table = TableDefinition::<u64, u64>::new("meta");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(open(&path), Err(OpenError::Damaged(_))));
    let database = redb::Database::open(&path).unwrap();
    let snapshot = database.begin_read().unwrap();
    assert_eq!(snapshot.list_tables().unwrap().count(), 1);
}

#[test]
fn a_missing_folder_is_an_error() {
    let (folder, _) = place();
    assert!(matches!(
        open(&folder.path().join("no/db")),
        Err(OpenError::Io(_))
    ));
    assert!(matches!(open(folder.path()), Err(OpenError::Io(_))));
}

fn filled() -> Vec<u8> {
    let (_folder, path) = place();
    let store = open(&path).unwrap();
    run(async {
        for n in 0..40 {
            register(&store, &sample_user(n, Role::Client)).await;
            add(&store, n).await;
        }
    });
    drop(store);
    fs::read(path).unwrap()
}

#[test]
fn a_file_cut_short_is_refused() {
    let whole = filled();
    for len in [
        1,
        8,
        9,
        100,
        320,
        4095,
        4096,
        8192,
        whole.len() / 2,
        whole.len() - 1,
    ] {
        let (_folder, path) = place();
        fs::write(&path, &whole[..len]).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Damaged(_)), "{len}: {error:?}");
        assert_eq!(fs::read(&path).unwrap(), whole[..len]);
    }
}

/// Bytes of a record, which differ from what was written.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let email = b"user7@example.org";
    let places: Vec<_> = memchr_all(&bytes, email);
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(path, bytes).unwrap();
}

fn memchr_all(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(needle.len()).enumerate();
    windows
        .filter(|(_, window)| *window == needle)
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn a_database_that_was_not_closed_well_is_verified_though_nothing_was_written_to_it() {
    let (_folder, path) = place();
    let in_use = path.with_file_name("consign.redb.in-use");
    fs::write(&path, filled()).unwrap();
    let store = open(&path).unwrap();
    assert!(in_use.exists());
    drop(store);
    assert!(!in_use.exists(), "it was closed well");
    damage(&path);
    // As a process leaves it that was killed before it wrote anything.
    fs::write(&in_use, "").unwrap();
    for _ in 0..2 {
        assert!(matches!(open(&path), Err(OpenError::Damaged(_))));
        assert!(in_use.exists());
    }
}

#[test]
fn more_files_than_are_read_at_once_are_listed() {
    let (_folder, path) = place();
    let store = open(&path).unwrap();
    run(async {
        for n in 0..300 {
            assert!(matches!(add(&store, n).await, Outcome::Added(_)));
        }
        for limit in [1, 127, 128, 129, 299, 300, 301] {
            for _ in 0..2 {
                let page = FileStore::list(&store, &Scope::All, Timestamp::default(), None, limit)
                    .await
                    .unwrap();
                let seqs: Vec<_> = page.items.iter().map(|file| file.seq).collect();
                let expected: Vec<_> = (1..=300).rev().take(limit).collect();
                assert_eq!(seqs, expected);
                assert_eq!(page.next, (limit < 300).then(|| expected[limit - 1]));
            }
        }
    });
}

/// Whoever asks after a change was answered sees it, however many ask beside it.
#[test]
fn what_was_changed_is_never_read_as_it_was() {
    let (_folder, path) = place();
    let store = open(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    runtime.block_on(async {
        let user = sample_user(1, Role::Client);
        let inserted = store.insert(user.clone(), InsertGuard::None, vec![]).await;
        assert_eq!(inserted.unwrap(), Insert::Done);
        let acknowledged = Arc::new(AtomicU32::new(user.session_epoch));
        let over = Arc::new(AtomicBool::new(false));
        let readers = (0..4).map(|_| {
            let (store, acknowledged, over) = (store.clone(), acknowledged.clone(), over.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    let before = acknowledged.load(Ordering::SeqCst);
                    let read = UserStore::by_id(&store, user.id).await.unwrap().unwrap();
                    assert!(read.session_epoch >= before);
                    tokio::task::yield_now().await;
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        for _ in 0..300 {
            let update = store
                .update(user.id, UserChange::EndSessions, vec![])
                .await
                .unwrap();
            let Update::Done(after) = update else {
                panic!("{update:?}")
            };
            acknowledged.store(after.session_epoch, Ordering::SeqCst);
        }
        over.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await.unwrap();
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 1..10_000)) {
        let (_folder, path) = place();
        fs::write(&path, bytes).unwrap();
        prop_assert!(matches!(open(&path), Err(OpenError::Damaged(_))));
    }

    /// A byte that differs is in use, and found, or is in use no more.
    #[test]
    fn a_damaged_database_is_refused_or_sound(damage in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(filled);
        let (_folder, path) = place();
        let mut bytes = WHOLE.clone();
        for (at, to) in damage {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        fs::write(&path, bytes).unwrap();
        let verifying = Options { verify: true, ..Options::default() };
        match RedbStore::open(&path, verifying) {
            Err(error) => prop_assert!(matches!(error, OpenError::Damaged(_)), "{error:?}"),
            Ok(store) => run(async {
                for n in 0..40 {
                    let (user, file) = (sample_user(n, Role::Client), sample_entry(n));
                    let found = store.newest(&file.name, &Scope::All, Timestamp::default()).await.unwrap();
                    prop_assert_eq!(found.map(|found| found.entry), Some(file));
                    prop_assert_eq!(UserStore::by_id(&store, user.id).await.unwrap(), Some(user));
                }
                prop_assert!(matches!(add(&store, 40).await, Outcome::Added(_)));
                Ok(())
            })?,
        }
    }
}

#[test]
fn a_look_tells_the_state_and_changes_nothing() {
    let (folder, path) = place();
    let look = || RedbStore::look(&path);
    assert!(matches!(look(), Err(OpenError::Io(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let store = open(&path).unwrap();
    run(register(&store, &sample_user(1, Role::Client)));
    assert!(matches!(look(), Err(OpenError::InUse)));
    // As a process leaves it that is killed.
    let killed = folder.path().join("killed.redb");
    fs::copy(&path, &killed).unwrap();
    drop(store);
    let names = || {
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let (before, there) = (fs::read(&path).unwrap(), names());
    assert_eq!(look().unwrap(), Look::Good);
    assert_eq!((fs::read(&path).unwrap(), names()), (before.clone(), there));

    let before_repair = fs::read(&killed).unwrap();
    assert_eq!(RedbStore::look(&killed).unwrap(), Look::NotClosed);
    assert_eq!(fs::read(&killed).unwrap(), before_repair);
    let mut marker = path.clone().into_os_string();
    marker.push(".in-use");
    fs::write(&marker, "").unwrap();
    assert_eq!(look().unwrap(), Look::NotClosed);
    fs::remove_file(marker).unwrap();

    // What is cut short could be one that was not closed: only its repair tells.
    fs::write(&path, &before[..before.len() / 3]).unwrap();
    assert!(!matches!(look(), Ok(Look::Good | Look::Older)));
    fs::write(&path, "no database".repeat(10_000)).unwrap();
    assert!(matches!(look(), Err(OpenError::Damaged(_))));
}

#[test]
fn a_look_tells_other_schemas() {
    let (_folder, path) = place();
    drop(open(&path).unwrap());
    let set = |version: u64| {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let meta = TableDefinition::<&str, u64>::new("meta");
        transaction
            .open_table(meta)
            .unwrap()
            .insert("schema", version)
            .unwrap();
        transaction.commit().unwrap();
    };
    set(1);
    assert_eq!(RedbStore::look(&path).unwrap(), Look::Older);
    set(1000);
    let told = RedbStore::look(&path);
    assert!(matches!(told, Err(OpenError::Schema { found: 1000, .. })));
}
