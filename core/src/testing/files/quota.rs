use super::{
    super::{ANSWERS, at_once, promise, promise_eq, samples::sample_entry},
    Store, add, by_id, only, remove,
};
use crate::{
    file::FileEntry,
    id::UserId,
    quota::{Quota, Usage},
    store::{Change, Outcome},
};

pub async fn usage_is_what_the_files_of_a_user_take(store: Store) {
    let (one, other) = (owner(1), owner(2));
    promise_eq!(
        usage(&store, one).await,
        Usage::default(),
        "usage: nothing for who has no file"
    );
    for (n, by, size) in [(1, one, 700), (2, other, 50), (3, one, 0)] {
        add(&store, &entry(n, by, size)).await;
    }
    promise_eq!(
        usage(&store, one).await,
        Usage {
            files: 2,
            bytes: 700
        },
        "usage: the files that the user uploaded, each counted, an empty one too"
    );
    promise_eq!(
        usage(&store, other).await,
        Usage::file(50),
        "usage: of this user alone"
    );
    remove(&store, entry(1, one, 700).id).await;
    promise_eq!(
        usage(&store, one).await,
        Usage::file(0),
        "usage: a removed file takes nothing"
    );
    add(&store, &entry(1, one, u64::MAX)).await;
    promise_eq!(
        usage(&store, one).await,
        Usage {
            files: 2,
            bytes: u64::MAX
        },
        "usage: sizes of any file are told"
    );
    remove(&store, entry(1, one, u64::MAX).id).await;
    remove(&store, entry(3, one, 0).id).await;
    promise_eq!(
        usage(&store, one).await,
        Usage::default(),
        "usage: nothing for who has no file any more"
    );
}

pub async fn add_keeps_within_the_quota(store: Store) {
    let by = owner(1);
    let bytes = Quota {
        bytes: Some(100),
        files: None,
    };
    let kept = match apply(&store, entry(1, by, 100), bytes).await {
        Outcome::Added(file) => file,
        outcome => panic!(
            "the contract is broken: AddFile: a file that fills the quota to the byte is added: {outcome:?}"
        ),
    };
    promise_eq!(
        apply(&store, entry(2, by, 1), bytes).await,
        Outcome::OverQuota,
        "AddFile: with the file, those of its uploader are within the quota's bytes"
    );
    only(&store, &kept, "AddFile: when refused, nothing was written").await;
    promise_eq!(
        usage(&store, by).await,
        Usage::file(100),
        "AddFile: when refused, nothing was written: the usage is what it was"
    );
    promise_eq!(
        apply(&store, kept.entry.clone(), bytes).await,
        Outcome::Exists,
        "AddFile: `Exists` comes before `OverQuota`"
    );
    let files = Quota {
        files: Some(1),
        bytes: None,
    };
    promise_eq!(
        apply(&store, entry(3, by, 0), files).await,
        Outcome::OverQuota,
        "AddFile: with the file, those of its uploader are within the quota's number"
    );
    promise!(
        matches!(
            apply(&store, entry(4, owner(2), 100), bytes).await,
            Outcome::Added(_)
        ),
        "AddFile: the files of others do not count"
    );
    remove(&store, kept.entry.id).await;
    promise!(
        matches!(
            apply(&store, entry(5, by, 100), bytes).await,
            Outcome::Added(_)
        ),
        "AddFile: a removed file does not count"
    );
    promise_eq!(
        by_id(&store, entry(2, by, 1).id).await,
        None,
        "AddFile: when refused, nothing was written"
    );
}

pub async fn concurrent_additions_stay_within_the_quota(store: Store) {
    let by = owner(1);
    let quota = Quota {
        files: None,
        bytes: Some(350),
    };
    let outcomes = at_once((1..=8).map(|n| {
        let store = store.clone();
        async move { apply(&store, entry(n, by, 100), quota).await }
    }))
    .await;
    let added = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Added(_)));
    promise_eq!(
        added.count(),
        3,
        "AddFile: checks in its transaction, so additions at the same time stay within the quota: {outcomes:?}"
    );
    promise_eq!(
        usage(&store, by).await,
        Usage {
            files: 3,
            bytes: 300
        },
        "AddFile: what was refused takes nothing"
    );
}

async fn usage(store: &Store, user: UserId) -> Usage {
    store.usage(user).await.expect(ANSWERS)
}

async fn apply(store: &Store, entry: FileEntry, quota: Quota) -> Outcome {
    let change = Change::AddFile { entry, quota };
    store.apply(change).await.expect(ANSWERS)
}

fn owner(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}

fn entry(n: u32, uploaded_by: UserId, size: u64) -> FileEntry {
    FileEntry {
        size,
        uploaded_by,
        ..sample_entry(n)
    }
}
