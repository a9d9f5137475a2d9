use consign_core::{
    audience::{Audience, Principal},
    code::CodeHash,
    event::Author,
    file::FileEntry,
    group::{Group, GroupName},
    link::ManagedLink,
    once::{Once, OnceKey},
    removal::Removal,
    store::{Row, RowKind, RowStore},
    testing::{
        sample_checkpoint, sample_download, sample_group, sample_lease, sample_link, sample_mail,
    },
    time::Timestamp,
};
use redb::ReadableTableMetadata;

use super::*;

const AT: Timestamp = Timestamp::from_millis(5);
const BY: Author = Author::Administrator;

/// Does something of every kind.
async fn fill(store: &RedbStore) {
    let (user, events) = (sample_user(1, Role::Operations), vec![sample_event(1)]);
    store
        .insert(user.clone(), InsertGuard::None, events)
        .await
        .unwrap();
    let group = Group {
        id: sample_group(1),
        name: GroupName::parse("a").unwrap(),
        retention: None,
        created_by: user.id,
        created_at: AT,
    };
    let member = Change::AddMember {
        group: group.id,
        user: user.id,
        by: BY,
        at: AT,
    };
    let file = |n| FileEntry {
        audience: Audience::of([Principal::Group(sample_group(1)), Principal::Everybody]).unwrap(),
        expires_at: Some(Timestamp::from_secs(9)),
        ..sample_entry(n)
    };
    let removed = Change::RemoveFile {
        id: file(2).id,
        why: Removal::Asked,
        keep_until: Some(Timestamp::from_secs(9)),
        by: BY,
        at: AT,
    };
    let link = ManagedLink {
        revision: 0,
        ..sample_link(1)
    };
    let code = CodeHash([1; 32]);
    let sent = Change::SendCode {
        link: link.id,
        revision: 0,
        code,
        mail: sample_mail(1),
        at: AT,
    };
    let leased = Change::OpenLease {
        lease: sample_lease(1, 1),
        revision: 0,
        code: None,
        by: BY,
    };
    let once = Change::Once {
        once: Once {
            key: OnceKey([3; 32]),
            request: [4; 32],
            at: AT,
            until: Timestamp::from_secs(9),
        },
        change: Box::new(Change::add(sample_entry(3))),
    };
    let downloads = [3, 4].map(sample_download).into();
    for change in [
        Change::AddGroup(group),
        member,
        Change::add(file(1)),
        Change::add(file(2)),
        removed,
        Change::AddLink(link),
        sent,
        leased,
        once,
        Change::Record(downloads),
    ] {
        store.apply(change).await.unwrap();
    }
    let head = store.heads().await.unwrap()[0];
    let checkpoint = Change::AddCheckpoint(sample_checkpoint(head));
    store.apply(checkpoint).await.unwrap();
}

/// How many rows each table has.
fn lengths(store: &RedbStore) -> Vec<(String, u64)> {
    let lengths = store.point(|snapshot| {
        let mut lengths = Vec::new();
        for table in snapshot.list_tables()? {
            let name = redb::TableHandle::name(&table).to_owned();
            lengths.push((name, snapshot.open_untyped_table(table)?.len()?));
        }
        Ok(lengths)
    });
    lengths.unwrap()
}

async fn rows(store: &RedbStore) -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in RowKind::ALL {
        rows.extend(store.rows(kind, None, 99).await.unwrap().items);
    }
    rows
}

#[tokio::test]
async fn rows_bring_their_indexes_and_take_them_with_them() {
    let (from, to) = (Bench::new(), Bench::new());
    fill(&from.store).await;
    let rows = rows(&from.store).await;
    for _ in 0..2 {
        to.store.replace(rows.clone(), Vec::new()).await.unwrap();
        assert_eq!(lengths(&to.store), lengths(&from.store));
    }
    let gone = rows.iter().map(Row::key).collect();
    to.store.replace(Vec::new(), gone).await.unwrap();
    for (name, length) in lengths(&to.store) {
        assert!(name == "meta" || length == 0, "{name} has {length} rows");
    }
    to.store.replace(rows.clone(), Vec::new()).await.unwrap();
    let to = to.reopened();
    assert_eq!(lengths(&to.store), lengths(&from.store));
}

#[tokio::test]
async fn a_chain_of_another_form_is_refused_whole() {
    let (from, to) = (Bench::new(), Bench::new());
    fill(&from.store).await;
    let mut rows = rows(&from.store).await;
    let is_entry = |row: &&mut Row| row.kind() == RowKind::Trail;
    let Some(Row::Entry(entry)) = rows.iter_mut().find(is_entry) else {
        panic!("there is one");
    };
    entry.seq += 100;
    let refused = to.store.replace(rows, Vec::new()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    let written = to.store.rows(RowKind::Users, None, 9).await.unwrap();
    assert_eq!(written.items, []);
}
