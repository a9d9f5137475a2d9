use super::{
    super::{
        ANSWERS, promise, promise_eq,
        samples::{file_name, sample_entry, sample_group},
        walk,
    },
    NOW, Store, add, add_many, all, by_id, events,
    groups::{add_group, remove_group},
    ids, remove, trail,
};
use crate::{
    audience::{Audience, Principal, Scope},
    event::{Author, Event, EventKind},
    file::{File, FileEdit, FileEntry},
    id::{FileId, GroupId, UserId},
    link::Edit,
    store::{Change, Outcome},
    time::Timestamp,
};

fn client(n: u32) -> UserId {
    UserId::from_bytes(*sample_group(n).as_bytes())
}

fn audience(principals: impl IntoIterator<Item = Principal>) -> Audience {
    Audience::of(principals).expect("they are few")
}

fn entry_for(n: u32, principals: &[Principal]) -> FileEntry {
    FileEntry {
        audience: audience(principals.iter().copied()),
        ..sample_entry(n)
    }
}

async fn in_scope(store: &Store, scope: &Scope, limit: usize) -> Vec<FileId> {
    let files = walk(limit, None, async |before| {
        store.list(scope, NOW, before, limit).await
    });
    ids(files.await)
}

async fn set_audience(store: &Store, id: FileId, audience: &Audience) -> Outcome {
    let change = Change::EditFile {
        id,
        edit: FileEdit::sharing_with(audience.clone()),
        by: Author::Administrator,
        at: Timestamp::from_millis(9),
    };
    store.apply(change).await.expect(ANSWERS)
}

/// Two groups, and files for each kind of audience.
async fn files_for_all_kinds(store: &Store) -> ([GroupId; 2], Vec<File>) {
    let [one, two] = [
        add_group(store, 1, "one").await.id,
        add_group(store, 2, "two").await.id,
    ];
    let audiences: [&[Principal]; 7] = [
        &[Principal::Everybody],
        &[],
        &[Principal::User(client(1))],
        &[Principal::Group(one)],
        &[Principal::Group(one), Principal::Group(two)],
        &[Principal::User(client(1)), Principal::Group(two)],
        &[Principal::User(client(2)), Principal::User(client(1))],
    ];
    let mut files = Vec::new();
    for (n, principals) in (1..).zip(audiences) {
        files.push(add(store, &entry_for(n, principals)).await);
    }
    ([one, two], files)
}

pub async fn a_scope_has_the_files_for_its_principals_alone(store: Store) {
    let ([one, two], files) = files_for_all_kinds(&store).await;
    let of = |numbers: &[usize]| -> Vec<FileId> {
        let newest_first = numbers.iter().rev();
        newest_first.map(|n| files[n - 1].entry.id).collect()
    };
    for (scope, expected) in [
        (Scope::All, of(&[1, 2, 3, 4, 5, 6, 7])),
        (Scope::of_client(client(1), []), of(&[1, 3, 6, 7])),
        (Scope::of_client(client(1), [two]), of(&[1, 3, 5, 6, 7])),
        (Scope::of_client(client(2), [one]), of(&[1, 4, 5, 7])),
        (Scope::of_client(client(3), [one, two]), of(&[1, 4, 5, 6])),
        (Scope::of_client(client(3), []), of(&[1])),
        (Scope::of_client(client(3), [sample_group(9)]), of(&[1])),
    ] {
        promise_eq!(
            in_scope(&store, &scope, 100).await,
            expected,
            "list: the files in the scope, each once, newest first: {scope:?}"
        );
    }
    for file in &files {
        promise_eq!(
            by_id(&store, file.entry.id).await.as_ref(),
            Some(file),
            "by_id: the file of this id, whomever it is for"
        );
    }
}

pub async fn a_scope_of_an_uploader_has_what_they_uploaded_alone(store: Store) {
    let files = add_many(&store, 7).await;
    let by = |n: u32| sample_entry(n).uploaded_by;
    for n in 0..3 {
        let scope = Scope::By(by(n));
        let expected = files.iter().rev();
        let expected = expected.filter(|file| file.entry.uploaded_by == by(n));
        let expected: Vec<_> = expected.cloned().collect();
        let listed = walk(2, None, async |before| {
            store.list(&scope, NOW, before, 2).await
        })
        .await;
        promise_eq!(listed, expected, "list: those that the user has uploaded");
        let newest = &expected[0];
        let found = store.newest(&newest.entry.name, &scope, NOW);
        promise_eq!(
            found.await.expect(ANSWERS).as_ref(),
            Some(newest),
            "newest: among those that the user has uploaded"
        );
        let others = Scope::By(by(n + 1));
        let found = store.newest(&newest.entry.name, &others, NOW);
        promise_eq!(
            found.await.expect(ANSWERS),
            None,
            "newest: and not among others'"
        );
    }
    let (id, removed) = (files[6].entry.id, &files[6]);
    let edit = FileEdit {
        audience: Edit::Set(Audience::nobody()),
        ..FileEdit::default()
    };
    let (by, at) = (Author::Administrator, Timestamp::from_secs(1));
    let change = Change::EditFile { id, edit, by, at };
    store.apply(change).await.expect(ANSWERS);
    let scope = Scope::By(removed.entry.uploaded_by);
    let page = store.list(&scope, NOW, None, 9).await.expect(ANSWERS);
    promise_eq!(page.items[0].entry.id, id, "list: whomever the file is for");
    remove(&store, id).await;
    let page = store.list(&scope, NOW, None, 9).await.expect(ANSWERS);
    promise!(
        page.items.iter().all(|file| file.entry.id != id),
        "list: and not when it is gone"
    );
}

pub async fn pages_of_a_scope_are_its_list(store: Store) {
    let group = add_group(&store, 1, "one").await.id;
    for n in 1..=30 {
        let principals: &[Principal] = match n % 3 {
            0 => &[Principal::Everybody],
            1 => &[Principal::Group(group), Principal::User(client(1))],
            _ => &[Principal::User(client(2))],
        };
        add(&store, &entry_for(n, principals)).await;
    }
    let scope = Scope::of_client(client(1), [group]);
    let whole = in_scope(&store, &scope, 100).await;
    promise_eq!(whole.len(), 20, "list: all files in the scope");
    for limit in 1..=21 {
        promise_eq!(
            in_scope(&store, &scope, limit).await,
            whole,
            "list: pages of {limit} are the list"
        );
    }
    let page = store.list(&scope, NOW, None, 20).await.expect(ANSWERS);
    promise_eq!(page.next, None, "list: the last page says so");
}

pub async fn newest_in_a_scope_passes_over_what_is_not_for_it(store: Store) {
    let name = file_name("report.docx");
    let mut added = Vec::new();
    // More than are looked at in a moment, of which the first alone is for the client.
    for n in 1..=300 {
        let principals: &[Principal] = match n {
            1 => &[Principal::User(client(1))],
            _ => &[Principal::User(client(2))],
        };
        let entry = FileEntry {
            name: name.clone(),
            ..entry_for(n, principals)
        };
        added.push(add(&store, &entry).await);
    }
    for (scope, expected) in [
        (Scope::All, added.last()),
        (Scope::of_client(client(2), []), added.last()),
        (Scope::of_client(client(1), []), added.first()),
        (Scope::of_client(client(3), []), None),
    ] {
        promise_eq!(
            store
                .newest(&name, &scope, NOW)
                .await
                .expect(ANSWERS)
                .as_ref(),
            expected,
            "newest: the newest of this name in the scope: {scope:?}"
        );
    }
}

pub async fn set_audience_takes_effect_in_every_read(store: Store) {
    let group = add_group(&store, 1, "one").await.id;
    let mut file = add(&store, &sample_entry(1)).await;
    let other = add(&store, &sample_entry(2)).await;
    let (named, in_group) = (
        Scope::of_client(client(1), []),
        Scope::of_client(client(2), [group]),
    );
    for (principals, sees) in [
        (&[Principal::User(client(1))][..], [true, false]),
        (&[Principal::Group(group)], [false, true]),
        (&[], [false, false]),
        (
            &[Principal::Group(group), Principal::User(client(1))],
            [true, true],
        ),
        (&[Principal::Everybody], [true, true]),
        (&[Principal::Everybody], [true, true]),
    ] {
        // Read before, so that what a store keeps of it is kept.
        by_id(&store, file.entry.id).await;
        all(&store).await;
        let audience = audience(principals.iter().copied());
        file.entry.audience = audience.clone();
        let statement = format!("EditFile: the file is for these alone: {principals:?}");
        promise_eq!(
            set_audience(&store, file.entry.id, &audience).await,
            Outcome::FileSet(file.clone()),
            "{statement}"
        );
        promise_eq!(
            by_id(&store, file.entry.id).await,
            Some(file.clone()),
            "{statement}"
        );
        promise_eq!(
            all(&store).await,
            [other.clone(), file.clone()],
            "{statement}"
        );
        for (scope, sees) in [&named, &in_group].into_iter().zip(sees) {
            let listed = in_scope(&store, scope, 3).await;
            promise_eq!(listed.contains(&file.entry.id), sees, "{statement}");
            let name = &file.entry.name;
            let newest = store.newest(name, scope, NOW).await.expect(ANSWERS);
            promise_eq!(newest.is_some(), sees, "{statement}");
        }
    }
    promise_eq!(
        set_audience(&store, sample_entry(9).id, &Audience::everybody()).await,
        Outcome::Missing,
        "EditFile: `Missing` when there is no such file"
    );
    let last = events(trail(&store).await).pop();
    promise_eq!(
        last,
        Some(Event {
            at: Timestamp::from_millis(9),
            by: Author::Administrator,
            kind: EventKind::AudienceChanged {
                file: file.entry.id,
                audience: Audience::everybody()
            }
        }),
        "apply: records the event of a change that was made"
    );
}

pub async fn an_audience_has_groups_that_there_are(store: Store) {
    let group = add_group(&store, 1, "one").await.id;
    let missing = sample_group(9);
    let (there, not_there) = (Principal::Group(group), Principal::Group(missing));
    let file = add(&store, &entry_for(1, &[there])).await;
    for outcome in [
        set_audience(&store, file.entry.id, &audience([there, not_there])).await,
        store
            .apply(Change::add(entry_for(2, &[not_there])))
            .await
            .expect(ANSWERS),
    ] {
        promise_eq!(
            outcome,
            Outcome::NoSuchGroup(missing),
            "`NoSuchGroup` when there is no such group among those it is to be for"
        );
    }
    promise_eq!(
        all(&store).await,
        std::slice::from_ref(&file),
        "`NoSuchGroup`: nothing was changed"
    );
    let member = Scope::of_client(client(3), [group]);
    promise_eq!(
        in_scope(&store, &member, 3).await.len(),
        1,
        "list: for the group"
    );
    remove_group(&store, group).await;
    promise!(
        by_id(&store, file.entry.id).await == Some(file),
        "RemoveGroup: the files that were for it are left as they are"
    );
}
