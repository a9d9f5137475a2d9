use super::{
    super::{
        ANSWERS, check_any_limit, check_paging, promise, promise_eq,
        samples::{file_name, sample_entry, sample_key},
        walk,
    },
    NOW, Store, add, add_many, all, by_id, ids, newest, remove,
};
use crate::{
    audience::Scope,
    file::{FileEntry, FileName, Seq},
    id::BlobKey,
    time::Timestamp,
};

pub async fn an_empty_store_has_no_files_and_no_events(store: Store) {
    let entry = sample_entry(1);
    promise_eq!(
        by_id(&store, entry.id).await,
        None,
        "by_id: the file of this id, and there is none"
    );
    promise_eq!(
        newest(&store, &entry.name).await,
        None,
        "newest: the newest file of this name, and there is none"
    );
    promise!(
        !store.references(entry.blob).await.expect(ANSWERS),
        "references: whether a file has its bytes under the key, and there is none"
    );
    let page = store.list(&Scope::All, NOW, None, 10).await.expect(ANSWERS);
    promise!(
        page.items.is_empty() && page.next.is_none(),
        "list: an empty list is one empty page"
    );
    let page = store.events(None, 10).await.expect(ANSWERS);
    promise!(
        page.items.is_empty() && page.next.is_none(),
        "events: an empty trail is one empty page"
    );
}

pub async fn check_answers(store: Store) {
    promise!(
        store.check().await.is_ok(),
        "check: a store that answers says so"
    );
}

pub async fn by_id_finds_the_file_as_added(store: Store) {
    let entries = [
        sample_entry(1),
        FileEntry {
            name: file_name(&"é".repeat(FileName::MAX_LEN / 2)),
            size: u64::MAX,
            uploaded_at: Timestamp::from_millis(u64::MAX),
            uploader: "名".repeat(150).into(),
            ..sample_entry(2)
        },
        FileEntry {
            size: 0,
            uploaded_at: Timestamp::from_millis(0),
            uploader: "".into(),
            ..sample_entry(3)
        },
    ];
    let mut files = Vec::new();
    for entry in &entries {
        files.push(add(&store, entry).await);
    }
    for file in files {
        promise_eq!(
            by_id(&store, file.entry.id).await,
            Some(file),
            "by_id: the file of this id, as added"
        );
    }
    promise_eq!(
        by_id(&store, sample_entry(4).id).await,
        None,
        "by_id: the file of this id, and no other"
    );
}

pub async fn newest_is_the_one_added_last(store: Store) {
    let name = file_name("report.docx");
    for (n, millis) in [(5, 3000), (9, 1000), (1, 2000), (7, 2000)] {
        let entry = FileEntry {
            name: name.clone(),
            uploaded_at: Timestamp::from_millis(millis),
            ..sample_entry(n)
        };
        let file = add(&store, &entry).await;
        add(&store, &sample_entry(n + 100)).await;
        promise_eq!(
            newest(&store, &name).await,
            Some(file),
            "newest: of the files of this name the one added last, whatever its timestamp or id"
        );
    }
    promise_eq!(
        all(&store).await.len(),
        8,
        "apply: several files of one name stand side by side"
    );
}

pub async fn newest_tells_names_apart_bytewise(store: Store) {
    // The last two look the same: precomposed, and with a combining accent.
    let names = [
        "a.docx",
        "A.docx",
        "a.docx2",
        "a",
        "é.docx",
        "e\u{301}.docx",
    ];
    for (n, name) in (1..).zip(names) {
        add(
            &store,
            &FileEntry {
                name: file_name(name),
                ..sample_entry(n)
            },
        )
        .await;
    }
    for (n, name) in (1..).zip(names) {
        promise_eq!(
            newest(&store, &file_name(name))
                .await
                .map(|file| file.entry.id),
            Some(sample_entry(n).id),
            "newest: the newest file of exactly this name"
        );
    }
    promise_eq!(
        newest(&store, &file_name("a.doc")).await,
        None,
        "newest: the newest file of exactly this name"
    );
}

pub async fn newest_falls_back_when_the_newest_is_removed(store: Store) {
    let name = file_name("report.docx");
    let mut files = Vec::new();
    for n in [3, 1, 2] {
        files.push(
            add(
                &store,
                &FileEntry {
                    name: name.clone(),
                    ..sample_entry(n)
                },
            )
            .await,
        );
    }
    while let Some(file) = files.pop() {
        promise_eq!(
            newest(&store, &name).await,
            Some(file.clone()),
            "newest: of the files there are, the one added last"
        );
        remove(&store, file.entry.id).await;
    }
    promise_eq!(
        newest(&store, &name).await,
        None,
        "newest: `None` when no file of this name is left"
    );
}

pub async fn list_is_newest_first(store: Store) {
    let mut files = Vec::new();
    for n in [4, 2, 9, 1, 300, 70_000] {
        files.insert(0, add(&store, &sample_entry(n)).await);
    }
    let page = store.list(&Scope::All, NOW, None, 10).await.expect(ANSWERS);
    promise_eq!(
        page.items,
        files,
        "list: newest first, which is the order of addition turned round"
    );
    promise_eq!(
        page.next,
        None,
        "list: `next` is `None` when the page is the last"
    );
}

pub async fn list_pages_are_the_list(store: Store) {
    let mut whole = Vec::new();
    for n in 1..=7 {
        whole.insert(0, add(&store, &sample_entry(n)).await);
    }
    check_paging(&whole, async |before, limit| {
        store.list(&Scope::All, NOW, before, limit).await
    })
    .await;
}

pub async fn list_takes_any_limit(store: Store) {
    let mut whole = add_many(&store, 2).await;
    whole.reverse();
    check_any_limit(&whole, async |before, limit| {
        store.list(&Scope::All, NOW, before, limit).await
    })
    .await;
}

pub async fn list_goes_on_before_a_position_that_need_not_exist(store: Store) {
    let files = add_many(&store, 5).await;
    remove(&store, files[2].entry.id).await;
    let before = async |seq| {
        ids(walk(2, Some(seq), async |before| {
            store.list(&Scope::All, NOW, before, 2).await
        })
        .await)
    };
    for (seq, kept) in [
        (Seq::MAX, &[4, 3, 1, 0][..]),
        (files[4].seq, &[3, 1, 0]),
        (files[3].seq, &[1, 0]),
        (files[2].seq, &[1, 0]),
        (files[1].seq, &[0]),
        (files[0].seq, &[]),
        (0, &[]),
    ] {
        let expected: Vec<_> = kept.iter().map(|&n: &usize| files[n].entry.id).collect();
        promise_eq!(
            before(seq).await,
            expected,
            "list: the files older than position `before` ({seq}), which need not exist"
        );
    }
}

pub async fn list_pages_are_not_upset_by_changes_between_them(store: Store) {
    let files = add_many(&store, 6).await;
    let first = store.list(&Scope::All, NOW, None, 2).await.expect(ANSWERS);
    promise_eq!(
        first.items,
        [files[5].clone(), files[4].clone()],
        "list: at most `limit` files, newest first"
    );
    add(&store, &sample_entry(50)).await;
    remove(&store, files[4].entry.id).await;
    remove(&store, files[2].entry.id).await;
    let rest = walk(2, first.next, async |before| {
        store.list(&Scope::All, NOW, before, 2).await
    })
    .await;
    promise_eq!(
        rest,
        [files[3].clone(), files[1].clone(), files[0].clone()],
        "list: the next page goes on at a position, so files added or removed meanwhile displace none"
    );
}

pub async fn unreferenced_tells_which_blobs_have_no_file(store: Store) {
    add(&store, &sample_entry(1)).await;
    let other = FileEntry {
        blob: sample_key(7),
        ..sample_entry(2)
    };
    add(&store, &sample_entry(3)).await;
    let gone = add(&store, &sample_entry(4)).await;
    add(&store, &other).await;
    remove(&store, gone.entry.id).await;
    let statement = "unreferenced: those of the keys under which no file has its bytes";
    let find = async |keys: &[BlobKey]| {
        let mut found = store.unreferenced(keys).await.expect(ANSWERS);
        found.sort_unstable();
        found
    };
    let keys: Vec<_> = (0..9).map(sample_key).collect();
    let expected = [0, 2, 4, 5, 6, 8].map(sample_key);
    promise_eq!(find(&keys).await, expected, "{statement}");
    promise_eq!(find(&[]).await, [], "{statement}");
    for (n, key) in (0..).zip(&keys) {
        let is_referenced = !expected.contains(key);
        promise_eq!(
            store.references(*key).await.expect(ANSWERS),
            is_referenced,
            "references: whether a file has its bytes under the key ({n})"
        );
    }
    let mut many: Vec<_> = (100..2100).map(sample_key).collect();
    many.sort_unstable();
    let asked = [&many[..], &[other.blob]].concat();
    promise_eq!(
        find(&asked).await,
        many,
        "unreferenced: some thousand keys at once"
    );
}
