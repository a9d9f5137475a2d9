//! What [`RowStore`] promises, of a store that keeps users and the catalogue.

use std::{sync::Arc, time::Duration};

pub use super::model::rows as behaves_like_the_model;
use super::{
    ANSWERS, promise, promise_eq,
    samples::{
        email, file_name, sample_checkpoint, sample_download, sample_entry, sample_event,
        sample_group, sample_lease, sample_link, sample_mail, sample_user, username,
    },
    walk,
};
use crate::{
    audience::{Audience, Scope},
    code::CodeHash,
    event::Author,
    file::{File, FileEntry},
    group::{Group, GroupName},
    id::GroupId,
    link::{Lease, ManagedLink},
    memory::MemoryStore,
    once::{Once, OnceKey},
    quota::Usage,
    removal::Removal,
    store::{
        Change, DownloadsOf, FileStore, InsertGuard, Outcome, Row, RowKey, RowKind, RowStore,
        StoreError, UserStore,
    },
    time::Timestamp,
    trail::EntryHash,
    user::{Role, User},
};

#[macro_export]
#[doc(hidden)]
macro_rules! __row_store_suite {
    ($(#[$attribute:meta])* $make:path) => {
        $crate::testing::row_store_suite!($(#[$attribute])* row_store, $make);
    };
    ($(#[$attribute:meta])* $name:ident, $make:path) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__suite_tests!(
                {$(#[$attribute])*}
                rows,
                $make,
                [
                    an_empty_store_has_no_rows,
                    what_was_done_comes_out_as_rows,
                    pages_are_in_the_order_of_their_keys,
                    rows_put_into_an_empty_store_are_all_there,
                    a_store_goes_on_where_its_rows_end,
                    the_same_rows_again_change_nothing,
                    a_row_takes_the_place_of_the_one_of_its_key,
                    gone_takes_rows_out_with_all_their_traces,
                    gone_of_nothing_is_no_error,
                    what_refers_to_others_may_come_before_them,
                    what_only_one_can_have_is_refused_whole,
                    what_only_one_can_have_can_change_hands_at_once,
                    copying_is_kept_until_it_is_taken_back,
                ]
            );
        }
    };
}

/// A store of users, of the catalogue and of its rows.
pub trait Whole: UserStore + FileStore + RowStore {}

impl<S: UserStore + FileStore + RowStore> Whole for S {}

type Store = Arc<dyn Whole>;

const AT: Timestamp = Timestamp::from_millis(5);
const BY: Author = Author::Administrator;

pub async fn an_empty_store_has_no_rows(store: Store) {
    promise_eq!(rows(&*store).await, [], "rows: those that there are");
}

pub async fn what_was_done_comes_out_as_rows(store: Store) {
    fill(&*store).await;
    let found = rows(&*store).await;
    for kind in RowKind::ALL {
        promise!(
            found.iter().any(|row| row.kind() == kind),
            "rows: all that the store holds, also its {kind:?}"
        );
    }
    let files = FileStore::list(&*store, &Scope::All, Timestamp::default(), None, 9);
    let mut files = files.await.expect(ANSWERS).items;
    files.reverse();
    promise_eq!(
        of_kind(&found, RowKind::Files),
        Vec::from_iter(files.into_iter().map(Row::File)),
        "rows: files as every read has them"
    );
    let events = store.events(None, 99).await.expect(ANSWERS).items;
    promise_eq!(
        of_kind(&found, RowKind::Trail),
        Vec::from_iter(events.into_iter().map(Row::Entry)),
        "rows: the trail as every read has it"
    );
    let oracle = MemoryStore::new();
    fill(&oracle).await;
    for kind in RowKind::ALL {
        let (found, expected) = (of_kind(&found, kind), rows_of(&oracle, kind).await);
        promise_eq!(found.len(), expected.len(), "rows: {kind:?}, each once");
    }
}

pub async fn pages_are_in_the_order_of_their_keys(store: Store) {
    fill(&*store).await;
    for kind in RowKind::ALL {
        let whole = store.rows(kind, None, usize::MAX).await.expect(ANSWERS);
        promise!(
            whole.next.is_none(),
            "`Page::next` is `None` when the page is the last"
        );
        let keys = Vec::from_iter(whole.items.iter().map(Row::key));
        promise!(
            keys.is_sorted() && keys.iter().all(|key| key.kind == kind),
            "rows: of one kind, in the order of their keys"
        );
        for limit in 1..=whole.items.len() + 1 {
            let pages = walk(limit, None, async |after: Option<RowKey>| {
                store.rows(kind, after.as_ref(), limit).await
            });
            promise_eq!(
                pages.await,
                whole.items,
                "the pages of rows, put together, are the rows, whatever their size"
            );
        }
        let mut before = keys[0].clone();
        if let Some(last) = before.bytes.last_mut() {
            *last = last.wrapping_sub(1);
            let page = store.rows(kind, Some(&before), 1).await.expect(ANSWERS);
            promise_eq!(
                page.items,
                &whole.items[..1],
                "rows: after a key that need not exist"
            );
        }
    }
}

pub async fn rows_put_into_an_empty_store_are_all_there(store: Store) {
    let source = filled().await;
    put(&*store, rows(&source).await).await;
    same_rows(&*store, &source, "replace: puts all rows it is given").await;
    for n in 0..3 {
        let user = sample_entry(n).uploaded_by;
        promise_eq!(
            store.usage(user).await.expect(ANSWERS),
            source.usage(user).await.expect(ANSWERS),
            "replace: what the files of a user take is counted"
        );
        for of in [
            DownloadsOf::File(sample_entry(n).id),
            DownloadsOf::Link(sample_link(n).id),
        ] {
            promise_eq!(
                store.downloaded(of).await.expect(ANSWERS),
                source.downloaded(of).await.expect(ANSWERS),
                "replace: downloads are summed up"
            );
            promise_eq!(
                store.downloads(of, None, 9).await.expect(ANSWERS),
                source.downloads(of, None, 9).await.expect(ANSWERS),
                "replace: downloads are found"
            );
        }
    }
    promise!(
        store.has_operations_user().await.expect(ANSWERS),
        "replace: users with a role are counted"
    );
    promise_eq!(
        store.heads().await.expect(ANSWERS),
        source.heads().await.expect(ANSWERS),
        "replace: the chain ends where it ended"
    );
}

pub async fn a_store_goes_on_where_its_rows_end(store: Store) {
    let source = filled().await;
    // The last position was given to a file that is gone.
    let added = add(&source, &sample_entry(8)).await;
    apply(&source, Change::remove(added.entry.id, BY, AT)).await;
    put(&*store, rows(&source).await).await;
    let next = add(&*store, &sample_entry(9)).await;
    promise_eq!(
        next.seq,
        added.seq + 1,
        "replace: a new file's position is after the last one given"
    );
    let trail = walk(3, None, async |after| store.events(after, 3).await).await;
    super::check_chains(&trail);
    let before = source.events(None, 99).await.expect(ANSWERS).items;
    promise_eq!(
        trail[..before.len()],
        before[..],
        "replace: entries are kept as they are"
    );
    promise!(
        trail.len() > before.len(),
        "replace: new entries are chained to those that were put"
    );
}

pub async fn the_same_rows_again_change_nothing(store: Store) {
    let source = filled().await;
    let all = rows(&source).await;
    for _ in 0..2 {
        put(&*store, all.clone()).await;
        same_rows(&*store, &source, "replace: the same rows change nothing").await;
        promise_eq!(
            store
                .usage(sample_entry(1).uploaded_by)
                .await
                .expect(ANSWERS),
            source
                .usage(sample_entry(1).uploaded_by)
                .await
                .expect(ANSWERS),
            "replace: nothing is counted twice"
        );
        let of = DownloadsOf::File(sample_entry(1).id);
        promise_eq!(
            store.downloaded(of).await.expect(ANSWERS),
            source.downloaded(of).await.expect(ANSWERS),
            "replace: no download is summed up twice"
        );
    }
}

pub async fn a_row_takes_the_place_of_the_one_of_its_key(store: Store) {
    put(&*store, rows(&filled().await).await).await;
    let user = sample_user(1, Role::Operations);
    // What was read is not answered again.
    let before = UserStore::by_id(&*store, user.id).await.expect(ANSWERS);
    promise!(before.is_some(), "replace: puts users");
    let renamed = User {
        username: username("renamed"),
        email: email("renamed@example.org"),
        role: Role::Client,
        ..user.clone()
    };
    let file = FileStore::by_id(&*store, sample_entry(1).id).await;
    let file = file.expect(ANSWERS).expect("it was put");
    let edited = File {
        seq: file.seq,
        entry: FileEntry {
            name: file_name("another.docx"),
            size: 7,
            uploaded_by: sample_user(50, Role::Client).id,
            audience: Audience::of([]).expect("it is for nobody"),
            ..sample_entry(20)
        },
    };
    let rows = vec![Row::User(renamed.clone()), Row::File(edited.clone())];
    put(&*store, rows).await;
    let statement = "replace: every read has the row that was put, and none the one before it";
    promise_eq!(
        UserStore::by_id(&*store, user.id).await.expect(ANSWERS),
        Some(renamed.clone()),
        "{statement}"
    );
    for (name, expected) in [("user1", None), ("renamed", Some(&renamed))] {
        let found = store.by_username(&username(name)).await.expect(ANSWERS);
        promise_eq!(found.as_ref(), expected, "{statement}");
        let address = email(&format!("{name}@example.org"));
        let found = store.by_email(&address).await.expect(ANSWERS);
        promise_eq!(found.as_ref(), expected, "{statement}");
    }
    promise!(
        !store.has_operations_user().await.expect(ANSWERS),
        "{statement}"
    );
    promise_eq!(
        FileStore::by_id(&*store, file.entry.id)
            .await
            .expect(ANSWERS),
        None,
        "{statement}"
    );
    promise_eq!(
        FileStore::by_id(&*store, edited.entry.id)
            .await
            .expect(ANSWERS),
        Some(edited.clone()),
        "{statement}"
    );
    for (blob, is_there) in [(file.entry.blob, false), (edited.entry.blob, true)] {
        let found = store.references(blob).await.expect(ANSWERS);
        promise_eq!(found, is_there, "{statement}");
    }
    for (user, usage) in [
        (file.entry.uploaded_by, Usage::default()),
        (edited.entry.uploaded_by, Usage { files: 1, bytes: 7 }),
    ] {
        let found = store.usage(user).await.expect(ANSWERS);
        promise_eq!(found, usage, "{statement}");
    }
}

pub async fn gone_takes_rows_out_with_all_their_traces(store: Store) {
    let source = filled().await;
    let all = rows(&source).await;
    put(&*store, all.clone()).await;
    replace(&*store, Vec::new(), all.iter().map(Row::key).collect()).await;
    promise_eq!(rows(&*store).await, [], "replace: takes out what is gone");
    let statement = "replace: what is gone leaves nothing behind";
    promise!(
        !store.has_operations_user().await.expect(ANSWERS),
        "{statement}"
    );
    promise_eq!(store.heads().await.expect(ANSWERS), [], "{statement}");
    for n in 0..3 {
        let (file, link) = (sample_entry(n), sample_link(n));
        let usage = store.usage(file.uploaded_by).await.expect(ANSWERS);
        promise_eq!(usage, Usage::default(), "{statement}");
        promise!(
            !store.references(file.blob).await.expect(ANSWERS),
            "{statement}"
        );
        let sum = store.downloaded(DownloadsOf::File(file.id)).await;
        promise_eq!(sum.expect(ANSWERS), Default::default(), "{statement}");
        let links = store.links(link.made_by, None, 9).await.expect(ANSWERS);
        promise_eq!(links.items, [], "{statement}");
        let found = store.link_of(link.secret).await.expect(ANSWERS);
        promise_eq!(found, None, "{statement}");
        let groups = store.groups_of(sample_user(n, Role::Client).id).await;
        promise_eq!(groups.expect(ANSWERS), [], "{statement}");
    }
    promise_eq!(store.mails(9).await.expect(ANSWERS), [], "{statement}");
    // All can be done anew, as in a new store.
    fill(&*store).await;
    same_rows(&*store, &source, statement).await;
}

pub async fn gone_of_nothing_is_no_error(store: Store) {
    let all = rows(&filled().await).await;
    replace(&*store, Vec::new(), all.iter().map(Row::key).collect()).await;
    promise_eq!(
        rows(&*store).await,
        [],
        "replace: a key that there is not is no error"
    );
}

pub async fn what_refers_to_others_may_come_before_them(store: Store) {
    let source = filled().await;
    let mut all = rows(&source).await;
    all.reverse();
    for row in all {
        put(&*store, vec![row]).await;
    }
    same_rows(
        &*store,
        &source,
        "replace: what refers to others may come before them",
    )
    .await;
}

pub async fn what_only_one_can_have_is_refused_whole(store: Store) {
    let source = filled().await;
    put(&*store, rows(&source).await).await;
    let removed = rows_of(&source, RowKind::RemovedFiles).await;
    let Some(Row::RemovedFile(removed)) = removed.first() else {
        panic!("there is one");
    };
    let other = |entry: FileEntry| Row::File(File { seq: 77, entry });
    let user = |n: u32| sample_user(n, Role::Client);
    let refused = [
        Row::User(User {
            username: username("user1"),
            ..user(40)
        }),
        Row::User(User {
            email: email("USER1@example.org"),
            ..user(40)
        }),
        Row::Group(group(40, "a")),
        other(FileEntry {
            id: sample_entry(1).id,
            ..sample_entry(40)
        }),
        other(FileEntry {
            blob: sample_entry(1).blob,
            ..sample_entry(40)
        }),
        other(FileEntry {
            id: removed.file.entry.id,
            ..sample_entry(40)
        }),
        other(FileEntry {
            blob: removed.file.entry.blob,
            ..sample_entry(40)
        }),
        Row::Link(ManagedLink {
            secret: sample_link(1).secret,
            ..sample_link(40)
        }),
    ];
    for row in refused {
        let with = vec![Row::User(user(41)), row.clone()];
        let gone = vec![Row::User(user(1)).key()];
        let gone = gone.into_iter().filter(|_| row.kind() != RowKind::Users);
        let answer = store.replace(with, gone.collect()).await;
        promise!(
            matches!(answer, Err(StoreError::Exists)),
            "replace: `Exists` where two rows would share what only one can have: {row:?}"
        );
        same_rows(&*store, &source, "replace: nothing was written then").await;
    }
}

pub async fn what_only_one_can_have_can_change_hands_at_once(store: Store) {
    put(&*store, rows(&filled().await).await).await;
    let swapped = vec![Row::Group(group(1, "b")), Row::Group(group(2, "a"))];
    put(&*store, swapped).await;
    let groups = store.groups(None, 9).await.expect(ANSWERS).items;
    let ids = Vec::<GroupId>::from_iter(groups.iter().map(|group| group.id));
    promise_eq!(
        ids,
        [sample_group(2), sample_group(1), sample_group(3)],
        "replace: it is what is there in the end that is judged"
    );
    let Some(Row::RemovedFile(removed)) = rows_of(&*store, RowKind::RemovedFiles).await.pop()
    else {
        panic!("there is one");
    };
    let restored = Row::File(removed.file.clone());
    let gone = vec![Row::RemovedFile(removed.clone()).key()];
    replace(&*store, vec![restored], gone).await;
    promise_eq!(
        FileStore::by_id(&*store, removed.file.entry.id)
            .await
            .expect(ANSWERS),
        Some(removed.file),
        "replace: a removed file can be there again"
    );
}

pub async fn copying_is_kept_until_it_is_taken_back(store: Store) {
    let copying = async || store.copying().await.expect(ANSWERS);
    let statement = "set_copying: copying is as it was set";
    promise_eq!(copying().await, None, "{statement}");
    for of in [EntryHash::NONE, EntryHash([7; 32])] {
        store.set_copying(Some(of)).await.expect(ANSWERS);
        promise_eq!(copying().await, Some(of), "{statement}");
    }
    put(&*store, rows(&filled().await).await).await;
    promise_eq!(
        copying().await,
        Some(EntryHash([7; 32])),
        "replace: rows do not change it"
    );
    for _ in 0..2 {
        store.set_copying(None).await.expect(ANSWERS);
        promise_eq!(copying().await, None, "{statement}");
    }
}

async fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    fill(&store).await;
    store
}

/// Has rows of every kind be in an empty store, by its traits.
async fn fill(store: &dyn Whole) {
    for (n, role) in [
        (1, Role::Operations),
        (2, Role::Client),
        (0, Role::Client),
        (300, Role::Client),
    ] {
        let events = vec![sample_event(n)];
        let added = store.insert(sample_user(n, role), InsertGuard::None, events);
        added.await.expect(ANSWERS);
    }
    for (n, name) in [(2, "b"), (1, "a")] {
        apply(store, Change::AddGroup(group(n, name))).await;
        for user in [2, 0] {
            let (group, user) = (sample_group(n), sample_user(user, Role::Client).id);
            let (by, at) = (BY, AT);
            apply(
                store,
                Change::AddMember {
                    group,
                    user,
                    by,
                    at,
                },
            )
            .await;
        }
    }
    for n in 1..=4 {
        add(store, &sample_entry(n)).await;
    }
    let kept = Change::RemoveFile {
        id: sample_entry(3).id,
        why: Removal::Asked,
        keep_until: Some(Timestamp::from_secs(9)),
        by: BY,
        at: AT,
    };
    apply(store, kept).await;
    apply(store, Change::remove(sample_entry(4).id, BY, AT)).await;
    for n in [2, 1] {
        let link = ManagedLink {
            revision: 0,
            ..sample_link(n)
        };
        apply(store, Change::AddLink(link.clone())).await;
        let code = CodeHash([n as u8; 32]);
        let sent = Change::SendCode {
            link: link.id,
            revision: 0,
            code,
            mail: sample_mail(n),
            at: AT,
        };
        apply(store, sent).await;
        let lease = Lease {
            opened_at: AT,
            expires_at: AT + Duration::from_secs(1),
            ..sample_lease(n, n)
        };
        let opened = Change::OpenLease {
            lease,
            revision: 0,
            code: Some(code),
            by: BY,
        };
        apply(store, opened).await;
    }
    let once = Once {
        key: OnceKey([3; 32]),
        request: [4; 32],
        at: AT,
        until: Timestamp::from_secs(9),
    };
    let change = Box::new(Change::AddGroup(group(3, "c")));
    apply(store, Change::Once { once, change }).await;
    for n in [3, 4, 5, 7] {
        apply(store, Change::Record(vec![sample_download(n)])).await;
        let head = store.heads().await.expect(ANSWERS)[0];
        apply(store, Change::AddCheckpoint(sample_checkpoint(head))).await;
    }
}

fn group(n: u32, name: &str) -> Group {
    Group {
        id: sample_group(n),
        name: GroupName::parse(name).expect("it is a name"),
        retention: None,
        created_by: sample_user(1, Role::Operations).id,
        created_at: AT,
    }
}

async fn apply(store: &dyn Whole, change: Change) -> Outcome {
    store.apply(change).await.expect(ANSWERS)
}

async fn add(store: &dyn Whole, entry: &FileEntry) -> File {
    match apply(store, Change::add(entry.clone())).await {
        Outcome::Added(file) => file,
        outcome => panic!("the contract is broken: AddFile: adds a new file: {outcome:?}"),
    }
}

async fn put(store: &dyn Whole, rows: Vec<Row>) {
    replace(store, rows, Vec::new()).await;
}

async fn replace(store: &dyn Whole, rows: Vec<Row>, gone: Vec<RowKey>) {
    store.replace(rows, gone).await.expect(ANSWERS);
}

async fn same_rows(store: &dyn Whole, expected: &dyn Whole, statement: &str) {
    promise_eq!(rows(store).await, rows(expected).await, "{statement}");
}

pub(super) async fn rows(store: &(impl RowStore + ?Sized)) -> Vec<Row> {
    let mut all = Vec::new();
    for kind in RowKind::ALL {
        all.extend(rows_of(store, kind).await);
    }
    all
}

async fn rows_of(store: &(impl RowStore + ?Sized), kind: RowKind) -> Vec<Row> {
    walk(3, None, async |after: Option<RowKey>| {
        store.rows(kind, after.as_ref(), 3).await
    })
    .await
}

fn of_kind(rows: &[Row], kind: RowKind) -> Vec<Row> {
    let rows = rows.iter().filter(|row| row.kind() == kind);
    rows.cloned().collect()
}
