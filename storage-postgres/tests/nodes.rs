//! Several nodes on one schema, and a database that does not do what it should.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{num::NonZeroU32, time::Duration};

use consign_core::{
    audience::Scope,
    code::CodeHash,
    event::Author,
    file::Seq,
    group::Group,
    link::ManagedLink,
    once::{Once, OnceKey},
    quota::Quota,
    store::{
        Change, Duty, FileStore, Insert, InsertGuard, Leadership, Outcome, Row, RowStore,
        StoreError, UserStore,
    },
    testing::{
        run, sample_entry, sample_event, sample_group, sample_lease, sample_link, sample_user,
    },
    time::Timestamp,
    trail::{self, EntryHash},
    user::{Role, User},
};
use consign_storage_postgres::{Options, PgStore};
use sqlx::{AssertSqlSafe, Row as _, query, raw_sql};
use support::{
    Schema, connect,
    proxy::{COMMIT, Proxy, Way},
    url,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
/// Longer than anything bounded takes.
const FOR_EVER: Duration = Duration::from_secs(120);

async fn nodes(schema: &Schema) -> [PgStore; 2] {
    [schema.open().await, schema.open().await]
}

/// The whole trail, which has to be one chain without gaps.
async fn check_chain(store: &PgStore) -> usize {
    let trail = store.events(None, usize::MAX).await.unwrap().items;
    let mut last = EntryHash::NONE;
    for (entry, number) in trail.iter().zip(1..) {
        assert_eq!((entry.seq, entry.number), (number, number));
        last = trail::link(last, entry.writer, number, &entry.event);
        assert_eq!(entry.hash, last);
    }
    trail.len()
}

/// What all of the tasks answer.
async fn answers<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut answers = Vec::new();
    while let Some(answer) = tasks.join_next().await {
        answers.push(answer.unwrap());
    }
    answers
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn nodes_that_race_give_out_no_more_than_there_is() {
    run(async {
        let schema = Schema::new();
        let nodes = nodes(&schema).await;
        for n in 0..2 {
            let added = nodes[0].apply(Change::add(sample_entry(n))).await.unwrap();
            assert!(matches!(added, Outcome::Added(_)));
        }
        let link = ManagedLink {
            max_downloads: NonZeroU32::new(5),
            ..sample_link(1)
        };
        let made = nodes[0].apply(Change::AddLink(link.clone())).await.unwrap();
        assert!(matches!(made, Outcome::LinkSet(_)), "{made:?}");
        let mut tasks = JoinSet::new();
        for n in 0..40 {
            let node = nodes[n as usize % 2].clone();
            let mut lease = sample_lease(n, 1);
            lease.link = link.id;
            let revision = link.revision;
            tasks.spawn(async move {
                let (code, by) = (None, Author::Anonymous);
                let open = Change::OpenLease {
                    lease,
                    revision,
                    code,
                    by,
                };
                node.apply(open).await.unwrap()
            });
        }
        let outcomes = answers(tasks).await;
        let opened = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::LinkSet(_)));
        assert_eq!(opened.count(), 5);
        assert_eq!(nodes[1].link(link.id).await.unwrap().unwrap().downloads, 5);

        let mut tasks = JoinSet::new();
        for n in 0..20 {
            let node = nodes[n as usize % 2].clone();
            tasks.spawn(async move {
                let user = User {
                    username: "ann".parse().unwrap(),
                    ..sample_user(100 + n, Role::Client)
                };
                node.insert(user, InsertGuard::None, vec![sample_event(n)])
                    .await
                    .unwrap()
            });
        }
        let inserted = answers(tasks).await;
        assert_eq!(
            inserted
                .iter()
                .filter(|insert| **insert == Insert::Done)
                .count(),
            1
        );

        let by = sample_user(900, Role::Operations).id;
        let quota = Quota {
            files: Some(7),
            bytes: None,
        };
        let mut tasks = JoinSet::new();
        for n in 0..30 {
            let node = nodes[n as usize % 2].clone();
            let mut entry = sample_entry(100 + n);
            entry.uploaded_by = by;
            tasks.spawn(async move { node.apply(Change::AddFile { entry, quota }).await.unwrap() });
        }
        let added = answers(tasks).await;
        let added = added
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Added(_)))
            .count();
        assert_eq!(added, 7);
        assert_eq!(nodes[0].usage(by).await.unwrap().files, 7);
        check_chain(&nodes[1]).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_reader_who_goes_on_from_a_position_misses_nothing() {
    run(async {
        const WRITERS: u32 = 8;
        const EACH: u32 = 25;
        let schema = Schema::new();
        let nodes = nodes(&schema).await;
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let node = nodes[writer as usize % 2].clone();
            writers.spawn(async move {
                for n in 0..EACH {
                    let events = vec![sample_event(writer * EACH + n)];
                    let recorded = node.apply(Change::Record(events)).await.unwrap();
                    assert_eq!(recorded, Outcome::Recorded);
                }
            });
        }
        let (mut last, mut read) = (0, Vec::new());
        while read.len() < (WRITERS * EACH) as usize {
            let page = nodes[1].events(Some(last), 7).await.unwrap();
            for entry in page.items {
                last = entry.seq;
                read.push(entry.seq);
            }
        }
        answers(writers).await;
        let expected: Vec<Seq> = (1..=u64::from(WRITERS * EACH)).collect();
        assert_eq!(read, expected);
        assert_eq!(check_chain(&nodes[0]).await, expected.len());
        let commits = nodes[0].commits() + nodes[1].commits();
        assert!(
            commits < u64::from(WRITERS * EACH),
            "changes share transactions: {commits}"
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn what_one_node_holds_up_is_busy_to_others_and_goes_on_after_it() {
    run(async {
        let schema = Schema::new();
        let options = schema.options().acquire_timeout(Duration::from_secs(3));
        let store = PgStore::open(&url(), options).await.unwrap();
        let mut frozen = connect().await;
        let sql = format!("BEGIN; SELECT FROM {}.head FOR UPDATE", schema.0);
        raw_sql(AssertSqlSafe(sql))
            .execute(&mut frozen)
            .await
            .unwrap();
        let mut tasks = JoinSet::new();
        for n in 0..10 {
            let store = store.clone();
            tasks.spawn(async move { store.apply(Change::add(sample_entry(n))).await });
        }
        for refused in timeout(FOR_EVER, answers(tasks)).await.unwrap() {
            assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
        }
        // Reads wait for nobody.
        assert_eq!(
            store
                .usage(sample_entry(1).uploaded_by)
                .await
                .unwrap()
                .files,
            0
        );
        raw_sql("ROLLBACK").execute(&mut frozen).await.unwrap();
        let added = store.apply(Change::add(sample_entry(1))).await.unwrap();
        assert!(
            matches!(added, Outcome::Added(file) if file.seq == 1),
            "nothing was written before"
        );
        check_chain(&store).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_change_that_waits_for_others_can_be_withdrawn() {
    run(async {
        let schema = Schema::new();
        drop(schema.open().await);
        let proxy = Proxy::to(&url()).await;
        let options = schema.options().acquire_timeout(Duration::from_secs(1));
        let store = PgStore::open(&proxy.url(&url()), options).await.unwrap();
        let mut frozen = connect().await;
        let sql = format!("BEGIN; SELECT FROM {}.head FOR UPDATE", schema.0);
        raw_sql(AssertSqlSafe(sql))
            .execute(&mut frozen)
            .await
            .unwrap();
        let begun = proxy.begun();
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let store = store.clone();
            // Each has a transaction for itself.
            let forget = Change::ForgetLeases { ended_before: NOW };
            tasks.spawn(async move { store.apply(forget).await });
        }
        for refused in timeout(FOR_EVER, answers(tasks)).await.unwrap() {
            assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
        }
        assert!(proxy.begun() - begun < 5, "the others' turn never came");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_node_that_freezes_within_a_transaction_is_thrown_out() {
    run(async {
        let schema = Schema::new();
        let other = schema.open().await;
        let proxy = Proxy::to(&url()).await;
        let moment = Duration::from_secs(3);
        let options = schema.options().acquire_timeout(moment);
        let options = options.statement_timeout(moment);
        let frozen = PgStore::open(&proxy.url(&url()), options).await.unwrap();
        proxy.set(Way::FreezesAt(COMMIT));
        let lost = frozen.apply(Change::add(sample_entry(1)));
        let lost = timeout(FOR_EVER, lost).await.unwrap();
        assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
        assert_eq!(proxy.way(), Way::Frozen, "it holds the head");
        // Nobody has its connection end: the database does.
        let made = async {
            loop {
                match other.apply(Change::add(sample_entry(2))).await {
                    Ok(outcome) => return outcome,
                    Err(StoreError::Busy) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        let made = timeout(FOR_EVER, made).await.unwrap();
        assert!(
            matches!(made, Outcome::Added(file) if file.seq == 1),
            "nothing of the other is left"
        );
        proxy.set(Way::Open);
        settled(&frozen).await;
        check_chain(&other).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_database_that_falls_silent_is_unavailable_in_bounded_time() {
    run(async {
        let schema = Schema::new();
        let proxy = Proxy::to(&url()).await;
        let moment = Duration::from_secs(3);
        let options = schema
            .options()
            .acquire_timeout(moment)
            .statement_timeout(moment);
        // The schema is made in more time than that.
        drop(schema.open().await);
        let store = PgStore::open(&proxy.url(&url()), options).await.unwrap();
        let id = sample_entry(1).id;
        FileStore::by_id(&store, id).await.unwrap();
        for way in [Way::Frozen, Way::Closed] {
            proxy.set(way);
            let read = timeout(FOR_EVER, FileStore::by_id(&store, id))
                .await
                .unwrap();
            assert!(
                matches!(read, Err(StoreError::Unavailable(_))),
                "{way:?}: {read:?}"
            );
            let written = store.apply(Change::add(sample_entry(1)));
            let written = timeout(FOR_EVER, written).await.unwrap();
            let told = matches!(written, Err(StoreError::Unavailable(_) | StoreError::Busy));
            assert!(told, "{way:?}: {written:?}");
            let checked = timeout(FOR_EVER, UserStore::check(&store)).await.unwrap();
            assert!(checked.is_err(), "{way:?}");
            let led = timeout(FOR_EVER, store.lead(Duty::Sweep)).await.unwrap();
            assert!(led.is_err(), "{way:?}");
            proxy.set(Way::Open);
            // It goes on by itself, perhaps once what it was asked before has got through.
            settled(&store).await;
        }
        check_chain(&store).await;
    });
}

/// Waits until changes are made again.
async fn settled(store: &PgStore) {
    let trying = async {
        let mut n = 500;
        loop {
            n += 1;
            match store.apply(Change::Record(vec![sample_event(n)])).await {
                Ok(_) => return,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(FOR_EVER, trying).await.unwrap();
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_change_whose_commit_nobody_heard_of_is_made_once() {
    run(async {
        let schema = Schema::new();
        let proxy = Proxy::to(&url()).await;
        let store = PgStore::open(&proxy.url(&url()), schema.options())
            .await
            .unwrap();
        for (way, n) in [
            (Way::LosesAnswer, 1),
            (Way::LosesCommit, 2),
            (Way::SpoilsAnswer, 3),
        ] {
            proxy.set(way);
            let added = store.apply(Change::add(sample_entry(n))).await.unwrap();
            let seq = u64::from(n);
            assert!(
                matches!(added, Outcome::Added(file) if file.seq == seq),
                "{way:?}"
            );
        }
        let expected = Change::add(sample_entry(1)).events().len() * 3;
        assert_eq!(check_chain(&store).await, expected);
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_node_that_runs_on_outlives_a_change_of_the_tables() {
    run(async {
        let schema = Schema::new();
        let store = schema.open().await;
        let id = sample_entry(1).id;
        store.apply(Change::add(sample_entry(1))).await.unwrap();
        for column in 0..2 {
            let mut reads = JoinSet::new();
            for _ in 0..8 {
                let store = store.clone();
                reads.spawn(async move { FileStore::by_id(&store, id).await });
            }
            for read in answers(reads).await {
                assert!(read.unwrap().is_some());
            }
            let crc32 = store.apply(Change::SetCrc32 { id, crc32: column }).await;
            crc32.unwrap();
            schema
                .execute(&format!("ALTER TABLE files ADD COLUMN later_{column} text"))
                .await;
        }
        check_chain(&store).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn nobody_writes_into_a_later_schema_or_beside_a_copy() {
    run(async {
        let schema = Schema::new();
        let store = schema.open().await;
        let record = async || store.apply(Change::Record(vec![sample_event(1)])).await;
        let refused = async |why| match record().await {
            Err(StoreError::Unavailable(error)) => assert_eq!(error.to_string(), why),
            other => panic!("{other:?}"),
        };
        let sql = "UPDATE schema_version SET version = version + 1";
        schema.execute(sql).await;
        refused("the schema is newer than this program").await;
        let sql = "UPDATE schema_version SET version = version - 1";
        schema.execute(sql).await;
        record().await.unwrap();
        store.set_copying(Some(EntryHash::NONE)).await.unwrap();
        refused("a copy is being made into it").await;
        let user = sample_user(1, Role::Client);
        let inserted = store.insert(user.clone(), InsertGuard::None, Vec::new());
        let inserted = inserted.await;
        assert!(
            matches!(inserted, Err(StoreError::Unavailable(_))),
            "{inserted:?}"
        );
        let copied = store.replace(vec![Row::User(user.clone())], Vec::new());
        copied.await.unwrap();
        store.set_copying(None).await.unwrap();
        record().await.unwrap();
        assert_eq!(check_chain(&store).await, 2);
        let found = UserStore::by_id(&store, user.id).await.unwrap();
        assert!(found.is_some());
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn one_node_at_a_time_has_a_duty_until_it_gives_it_up_or_is_gone() {
    run(async {
        let schema = Schema::new();
        let other = Schema::new();
        let proxy = Proxy::to(&url()).await;
        let ann = PgStore::open(&proxy.url(&url()), schema.options())
            .await
            .unwrap();
        let bob = schema.open().await;
        let has = async |store: &PgStore, duty| store.lead(duty).await.unwrap();
        let lead = has(&ann, Duty::Sweep).await.unwrap();
        assert!(has(&bob, Duty::Sweep).await.is_none());
        assert!(has(&ann, Duty::Sweep).await.is_none(), "nor again");
        assert!(
            has(&bob, Duty::Lifetimes).await.is_some(),
            "another duty is another's"
        );
        let elsewhere = other.open().await;
        assert!(
            has(&elsewhere, Duty::Sweep).await.is_some(),
            "so is that of another installation"
        );
        drop(lead);
        let lead = taken_on(&bob).await;
        drop(lead);
        let lead = taken_on(&ann).await;
        // Its connection dies, and it does not know yet.
        proxy.set(Way::Closed);
        drop(taken_on(&bob).await);
        drop(lead);
    });
}

/// Waits until the duty is had: the database hears a little later that it was given up.
async fn taken_on(store: &PgStore) -> consign_core::store::Lead {
    let trying = async {
        loop {
            match store.lead(Duty::Sweep).await.unwrap() {
                Some(lead) => return lead,
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(FOR_EVER, trying).await.unwrap()
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn what_is_sealed_is_replaced_by_whoever_knows_what_was_there() {
    run(async {
        let schema = Schema::new();
        let nodes = nodes(&schema).await;
        assert_eq!(nodes[0].sealed("keys").await.unwrap(), None);
        assert!(
            !nodes[0].set_sealed("keys", Some(1), b"x").await.unwrap(),
            "there is none"
        );
        let mut tasks = JoinSet::new();
        for n in 0..10_u8 {
            let node = nodes[usize::from(n) % 2].clone();
            tasks.spawn(async move { node.set_sealed("keys", None, &[n]).await.unwrap() });
        }
        let made = answers(tasks).await;
        assert_eq!(made.iter().filter(|made| **made).count(), 1);
        let sealed = nodes[1].sealed("keys").await.unwrap().unwrap();
        assert_eq!((sealed.version, sealed.bytes.len()), (1, 1));
        assert!(nodes[0].set_sealed("keys", Some(1), b"next").await.unwrap());
        assert!(!nodes[1].set_sealed("keys", Some(1), b"late").await.unwrap());
        let sealed = nodes[1].sealed("keys").await.unwrap().unwrap();
        assert_eq!((sealed.version, sealed.bytes.as_slice()), (2, &b"next"[..]));
        assert_eq!(nodes[1].sealed("evidence").await.unwrap(), None);
        assert_eq!(format!("{sealed:?}"), "Sealed { version: 2, bytes: 4 }");
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_code_that_is_tried_where_none_was_sent_costs_no_commit() {
    run(async {
        let schema = Schema::new();
        let store = schema.open().await;
        store.apply(Change::add(sample_entry(1))).await.unwrap();
        let link = ManagedLink {
            files: [sample_entry(1).id].into(),
            ..sample_link(1)
        };
        store.apply(Change::AddLink(link.clone())).await.unwrap();
        let commits = store.commits();
        let mut lease = sample_lease(1, 1);
        lease.link = link.id;
        let tried = Change::OpenLease {
            lease,
            revision: link.revision,
            code: Some(CodeHash([1; 32])),
            by: Author::Anonymous,
        };
        assert_eq!(store.apply(tried).await.unwrap(), Outcome::WrongCode);
        assert_eq!(store.commits(), commits);
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_damaged_row_spoils_nobody_elses_change() {
    run(async {
        let schema = Schema::new();
        let store = schema.open().await;
        for n in 0..2 {
            store.apply(Change::add(sample_entry(n))).await.unwrap();
        }
        schema
            .execute("UPDATE files SET media_type = 'none' WHERE position = 1")
            .await;
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let store = store.clone();
            tasks.spawn(async move {
                let change = match n {
                    0 => Change::SetCrc32 {
                        id: sample_entry(0).id,
                        crc32: 1,
                    },
                    1 => Change::SetCrc32 {
                        id: sample_entry(1).id,
                        crc32: 1,
                    },
                    n => Change::add(sample_entry(n)),
                };
                (n, store.apply(change).await)
            });
        }
        for (n, outcome) in answers(tasks).await {
            match n {
                0 => assert!(
                    matches!(outcome, Err(StoreError::Damaged(_))),
                    "{outcome:?}"
                ),
                _ => assert!(outcome.is_ok(), "{n}: {outcome:?}"),
            }
        }
        check_chain(&store).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn the_database_refuses_what_would_be_had_twice_or_too_often() {
    run(async {
        let schema = Schema::new();
        let store = schema.open().await;
        store.apply(Change::add(sample_entry(1))).await.unwrap();
        let link = ManagedLink {
            max_downloads: NonZeroU32::new(1),
            files: [sample_entry(1).id].into(),
            ..sample_link(1)
        };
        store.apply(Change::AddLink(link.clone())).await.unwrap();
        let group = Group {
            id: sample_group(1),
            name: String::from("accounting").try_into().unwrap(),
            created_by: link.made_by,
            created_at: NOW,
            retention: None,
        };
        store.apply(Change::AddGroup(group)).await.unwrap();
        let open = Change::OpenLease {
            lease: sample_lease(1, 1),
            revision: link.revision,
            code: None,
            by: Author::Anonymous,
        };
        let once = Once {
            key: OnceKey([1; 32]),
            request: [1; 32],
            at: NOW,
            until: Timestamp::from_millis(u64::MAX),
        };
        let change = Box::new(open);
        let opened = store.apply(Change::Once { once, change }).await.unwrap();
        assert!(matches!(opened, Outcome::LinkSet(_)), "{opened:?}");
        let user = sample_user(1, Role::Client);
        store
            .insert(user, InsertGuard::None, Vec::new())
            .await
            .unwrap();
        let mut connection = connect().await;
        // The row that there is, with some columns of another value.
        let again = |table: &str, other: &str| {
            format!(
                "INSERT INTO {table} SELECT (jsonb_populate_record({table}, \
                jsonb_build_object({other}))).* FROM {table}"
            )
        };
        let (id, key) = (
            "'id', gen_random_uuid()",
            "'key', '\\x' || repeat('02', 32)",
        );
        for (sql, constraint) in [
            ("UPDATE links SET downloads = 2".into(), "links_budget"),
            ("UPDATE usage SET files = -1".into(), "usage_files_check"),
            ("UPDATE usage SET bytes = -1".into(), "usage_bytes_check"),
            ("UPDATE files SET size = -1".into(), "u64_check"),
            ("UPDATE done SET key = ''".into(), "digest_check"),
            (again("head", "'the_only', false"), "head_the_only_check"),
            (again("head", ""), "head_pkey"),
            (again("users", ""), "users_pkey"),
            (
                again("users", &format!("{id}, 'username', 'x'")),
                "users_email",
            ),
            (
                again("users", &format!("{id}, 'email_key', 'x'")),
                "users_username",
            ),
            (again("files", ""), "files_pkey"),
            (
                again("files", "'position', 2, 'blob', gen_random_uuid()"),
                "files_id",
            ),
            (
                again("files", &format!("'position', 2, {id}")),
                "files_blob",
            ),
            (again("groups", "'name', 'x'"), "groups_pkey"),
            (again("groups", id), "groups_name"),
            (again("links", ""), "links_pkey"),
            (again("links", id), "links_secret"),
            (again("leases", ""), "leases_pkey"),
            (again("done", ""), "done_pkey"),
            (again("trail", ""), "trail_pkey"),
        ] {
            let sql = format!("SET search_path = {}; {sql}", schema.0);
            let done = raw_sql(AssertSqlSafe(sql.clone()))
                .execute(&mut connection)
                .await;
            let error = done.expect_err(&sql);
            let told = error.as_database_error().unwrap();
            assert!(told.code().unwrap().starts_with("23"), "{sql}: {error}");
            assert_eq!(told.constraint(), Some(constraint), "{sql}: {error}");
        }
        // With all that is unique of another value, there is a second.
        for (table, other) in [
            (
                "files",
                format!("'position', 2, {id}, 'blob', gen_random_uuid()"),
            ),
            ("groups", format!("{id}, 'name', 'x'")),
            ("leases", id.to_owned()),
            ("done", key.to_owned()),
        ] {
            schema.execute(&again(table, &other)).await;
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn what_nobody_waits_for_any_more_is_given_up() {
    run(async {
        let schema = Schema::new();
        let options = schema.options().application_name(&schema.0);
        let options = options.acquire_timeout(FOR_EVER * 30);
        let options = options.statement_timeout(FOR_EVER * 30);
        let store = PgStore::open(&url(), options).await.unwrap();
        let mut other = connect().await;
        let sql = format!("BEGIN; LOCK TABLE {}.files", schema.0);
        raw_sql(AssertSqlSafe(sql))
            .execute(&mut other)
            .await
            .unwrap();
        let id = sample_entry(1).id;
        let reading = tokio::spawn(async move { FileStore::by_id(&store, id).await });
        for waiting in [1, 0] {
            let seen = async {
                let sql = "SELECT count(*) FROM pg_stat_activity \
                    WHERE application_name = $1 AND wait_event_type = 'Lock'";
                let mut connection = connect().await;
                loop {
                    let row = query(sql).bind(&schema.0).fetch_one(&mut connection).await;
                    if row.unwrap().get::<i64, _>(0) == waiting {
                        return;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(FOR_EVER, seen).await.unwrap();
            reading.abort();
        }
        raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    });
}

#[test]
#[ignore = "needs PostgreSQL: see scripts/engines"]
fn a_caller_who_goes_away_leaves_nothing_half_done() {
    run(async {
        let schema = Schema::new();
        let store = PgStore::open(&url(), Options::new().schema(&schema.0).max_connections(2))
            .await
            .unwrap();
        for n in 0..30 {
            let entry = sample_entry(n);
            // Polled a few times, and then dropped: reads and writes.
            let change = store.apply(Change::add(entry.clone()));
            let _ = timeout(Duration::from_micros(u64::from(n) * 300), change).await;
            let read = FileStore::by_id(&store, entry.id);
            let _ = timeout(Duration::from_micros(u64::from(n) * 100), read).await;
        }
        settled(&store).await;
        let trail = check_chain(&store).await;
        let files = FileStore::list(&store, &Scope::All, NOW, None, usize::MAX)
            .await
            .unwrap()
            .items;
        let events: usize = files
            .iter()
            .map(|file| Change::add(file.entry.clone()).events().len())
            .sum();
        assert_eq!(
            events + 1,
            trail,
            "each file that is there, and no other, is told of"
        );
    });
}
