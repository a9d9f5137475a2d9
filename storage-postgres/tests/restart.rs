//! A database that is stopped, or crashes, and comes back.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use consign_core::{
    file::File,
    limit::LimitKey,
    store::{Attempted, Change, FileStore, LimitStore, Outcome, StoreError},
    testing::{run, sample_entry, sample_event},
    time::Timestamp,
    trail::{self, EntryHash},
};
use consign_storage_postgres::{OpenError, Options, PgStore};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, query, raw_sql};
use support::{
    Schema,
    instance::{Instance, PASSWORD},
    proxy::{Proxy, Way},
    url,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const NOW: Timestamp = Timestamp::from_secs(1);
/// Longer than anything bounded takes.
const FOR_EVER: Duration = Duration::from_secs(180);

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn nothing_acknowledged_is_lost_when_the_database_restarts_or_crashes() {
    let instance = Arc::new(Instance::start());
    run(async {
        let options = Options::new().acquire_timeout(Duration::from_secs(1));
        let store = PgStore::open(&instance.url(), options).await.unwrap();
        let (next, over) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut writers = JoinSet::new();
        for _ in 0..4 {
            let (store, next, over) = (store.clone(), next.clone(), over.clone());
            writers.spawn(async move {
                let (mut added, mut failed) = (Vec::<File>::new(), Vec::new());
                while !over.load(Ordering::SeqCst) {
                    let entry = sample_entry(next.fetch_add(1, Ordering::SeqCst));
                    match store.apply(Change::add(entry.clone())).await {
                        Ok(Outcome::Added(file)) => added.push(file),
                        Err(StoreError::Unavailable(_) | StoreError::Busy) => failed.push(entry),
                        other => panic!("{other:?}"),
                    }
                    // Reads, too, go on by themselves.
                    if let Some(last) = added.last() {
                        match FileStore::by_id(&store, last.entry.id).await {
                            Ok(found) => assert_eq!(found.as_ref(), Some(last)),
                            Err(StoreError::Unavailable(_) | StoreError::Busy) => {}
                            other => panic!("{other:?}"),
                        }
                    }
                }
                (added, failed)
            });
        }
        for mode in ["fast", "immediate", "fast"] {
            more(&next).await;
            let attempted = begun(&store, LimitKey([0; 16])).await;
            assert!(matches!(attempted, Attempted::Begun { .. }));
            let stopping = instance.clone();
            let restarted = tokio::task::spawn_blocking(move || {
                stopping.end(mode);
                stopping.begin();
            });
            restarted.await.unwrap();
            more(&next).await;
            // What need not survive a crash counts from the beginning.
            let is_lost = mode == "immediate";
            let Attempted::Begun { before } = begun(&store, LimitKey([0; 16])).await else {
                panic!("so few may be made at once");
            };
            assert_eq!(before.is_none(), is_lost, "{mode}");
        }
        over.store(true, Ordering::SeqCst);
        let ended = timeout(FOR_EVER, writers.join_all()).await.unwrap();

        let trail = store.events(None, usize::MAX).await.unwrap().items;
        let mut last = EntryHash::NONE;
        for (entry, number) in trail.iter().zip(1..) {
            last = trail::link(last, entry.writer, number, &entry.event);
            assert_eq!((entry.number, entry.hash), (number, last));
        }
        let mut made = 0;
        for (added, failed) in ended {
            for file in added {
                let found = FileStore::by_id(&store, file.entry.id).await.unwrap();
                made += Change::add(file.entry.clone()).events().len();
                assert_eq!(found, Some(file));
            }
            // What failed is there whole or not at all.
            for entry in failed {
                if FileStore::by_id(&store, entry.id).await.unwrap().is_some() {
                    made += Change::add(entry).events().len();
                }
            }
        }
        assert_eq!(trail.len(), made);
    });
}

/// An attempt, begun as soon as the database answers.
async fn begun(store: &PgStore, key: LimitKey) -> Attempted {
    let beginning = async {
        loop {
            match store.begin_attempt(key, Timestamp::from_secs(1)).await {
                Ok(attempted) => return attempted,
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(FOR_EVER, beginning).await.unwrap()
}

/// Waits until some more changes were asked for.
async fn more(next: &AtomicU32) {
    let until = next.load(Ordering::SeqCst) + 40;
    let waiting = async {
        while next.load(Ordering::SeqCst) < until {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(FOR_EVER, waiting).await.unwrap();
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_login_that_is_refused_is_tried_once_for_all_who_wait() {
    let instance = Instance::start();
    run(async {
        let store = PgStore::open(&instance.url(), Options::new())
            .await
            .unwrap();
        let mut owner = PgConnection::connect(&instance.url()).await.unwrap();
        let sql = "ALTER ROLE consign PASSWORD 'another'; \
            SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
            WHERE usename = 'consign' AND pid <> pg_backend_pid()";
        raw_sql(sql).execute(&mut owner).await.unwrap();
        let mut writes = JoinSet::new();
        for n in 0..40 {
            let store = store.clone();
            writes.spawn(async move { store.apply(Change::add(sample_entry(n))).await });
        }
        for written in writes.join_all().await {
            let told = matches!(written, Err(StoreError::Unavailable(_)));
            assert!(told, "{written:?}");
        }
        let log = instance.log();
        let refused = log.matches("password authentication failed").count();
        assert!((1..10).contains(&refused), "{refused} logins");
        let sql = format!("ALTER ROLE consign PASSWORD '{PASSWORD}'");
        raw_sql(AssertSqlSafe(sql))
            .execute(&mut owner)
            .await
            .unwrap();
        let added = store.apply(Change::add(sample_entry(1))).await.unwrap();
        assert!(matches!(added, Outcome::Added(_)), "{added:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_database_that_is_down_is_tried_once_for_all_who_wait() {
    run(async {
        let schema = Schema::new();
        let proxy = Proxy::to(&url()).await;
        let store = PgStore::open(&proxy.url(&url()), schema.options())
            .await
            .unwrap();
        let id = sample_entry(1).id;
        FileStore::by_id(&store, id).await.unwrap();
        proxy.set(Way::Closed);
        // It is not known yet that it is down: at first as many try as there can be connections.
        for (wave, most) in [(1, 16), (2, 4), (3, 4)] {
            let before = proxy.connects();
            let mut callers = JoinSet::new();
            for n in 0..40 {
                let store = store.clone();
                callers.spawn(async move {
                    let key = LimitKey([7; 16]);
                    match n % 4 {
                        0 => store.apply(Change::add(sample_entry(n))).await.map(drop),
                        1 => store.begin_attempt(key, NOW).await.map(drop),
                        _ => FileStore::by_id(&store, id).await.map(drop),
                    }
                });
            }
            let answers = timeout(FOR_EVER, callers.join_all()).await.unwrap();
            for answer in answers {
                let told = matches!(answer, Err(StoreError::Unavailable(_)));
                assert!(told, "{answer:?}");
            }
            let tried = proxy.connects() - before;
            assert!((1..=most).contains(&tried), "{wave}: {tried} connects");
        }
        let before = proxy.connects();
        FileStore::by_id(&store, id).await.unwrap_err();
        assert_eq!(proxy.connects() - before, 1, "a read");
        let written = store.apply(Change::add(sample_entry(1))).await;
        written.unwrap_err();
        assert_eq!(proxy.connects() - before, 2, "and a write");
        // What failed before is held against nobody.
        proxy.set(Way::Open);
        FileStore::by_id(&store, id).await.unwrap();
        let added = store.apply(Change::add(sample_entry(1))).await.unwrap();
        assert!(matches!(added, Outcome::Added(_)), "{added:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_wrong_password_is_refused_and_not_shown() {
    let instance = Instance::start();
    run(async {
        let url = instance.url();
        let wrong = url.replace(PASSWORD, "wr0ng");
        let error = PgStore::open(&wrong, Options::new()).await.unwrap_err();
        assert!(
            matches!(&error, OpenError::Refused { user, .. } if user == "consign"),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error:?}");
        let store = PgStore::open(&url, Options::new()).await.unwrap();
        assert!(!format!("{store:?}").contains(PASSWORD), "{store:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn what_goes_to_the_database_is_encrypted_where_the_url_says_so() {
    let (instance, certificate) = Instance::start_with_tls();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let root = file("root.pem", &certificate);
    let others = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = file("other.pem", &others.cert.pem());
    let base = instance.url();
    let by_name = base.replace("127.0.0.1", "localhost");
    run(async {
        let mut owner = PgConnection::connect(&base).await.unwrap();
        for (url, is_encrypted) in [
            (
                format!("{base}?sslmode=verify-full&sslrootcert={root}"),
                true,
            ),
            (format!("{base}?sslmode=verify-ca&sslrootcert={root}"), true),
            (format!("{base}?sslmode=require"), true),
            // Who does not ask for the name is content with another.
            (
                format!("{by_name}?sslmode=verify-ca&sslrootcert={root}"),
                true,
            ),
            (format!("{base}?sslmode=disable"), false),
        ] {
            let store = PgStore::open(&url, Options::new()).await.unwrap();
            let added = store.apply(Change::Record(vec![sample_event(1)])).await;
            assert_eq!(added.unwrap(), Outcome::Recorded);
            let sql = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                WHERE application_name = 'consign'";
            let rows = query(sql).fetch_all(&mut owner).await.unwrap();
            let seen: Vec<bool> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(seen, [is_encrypted], "{url}");
            drop(store);
            let sql = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                WHERE application_name = 'consign'";
            raw_sql(sql).execute(&mut owner).await.unwrap();
        }
        // By another's certificate; by none, as it is no authority's; under a name that is not its own.
        for url in [
            format!("{base}?sslmode=verify-full&sslrootcert={other}"),
            format!("{base}?sslmode=verify-ca&sslrootcert={other}"),
            format!("{base}?sslmode=verify-full"),
            format!("{by_name}?sslmode=verify-full&sslrootcert={root}"),
        ] {
            let error = PgStore::open(&url, Options::new()).await.unwrap_err();
            assert!(
                matches!(&error, OpenError::Unreachable { .. }),
                "{url}: {error:?}"
            );
            assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
        }
        let missing = format!("{base}?sslmode=verify-full&sslrootcert={root}.not");
        let error = PgStore::open(&missing, Options::new()).await.unwrap_err();
        assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
    });
    let plain = Instance::start();
    run(async {
        let url = format!("{}?sslmode=require", plain.url());
        let error = PgStore::open(&url, Options::new()).await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    });
}
